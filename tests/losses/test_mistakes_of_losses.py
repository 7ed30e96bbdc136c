"""The mistakes of a loss, made from its formula: each leaves the gradient that PyTorch's autograd
finds in code that makes it."""

import numpy as np
import pytest
import torch
from formulas_in_torch import InTorch, occurrences
from planted_in_torch import Data, everything, near, planted
from programs_of_losses import evaluate
from random_formulas import Generator

from softcheck.errors import UsageError
from softcheck.gradient.definition import Kind
from softcheck.losses import names, read
from softcheck.losses.mistakes import mistakes, terms

ACTIONS = 5


def _arrays(made, seed):
    """One state of ordinary numbers, as softcheck's programs and as PyTorch take them."""
    rng = np.random.default_rng(seed)
    arrays, tensors, indices = {}, {}, {}
    for given in made.variant.givens:
        if given.kind is Kind.INDEX:
            arrays[given.name] = np.array([2])
            indices[given.symbol] = 2
            tensors[given.name] = torch.tensor(2)
            continue
        value = rng.uniform(0.3, 0.8, (ACTIONS, 1) if given.kind is Kind.TABLE else 1)
        if given.kind is Kind.TABLE and given.legal == "finite":
            value = rng.normal(size=(ACTIONS, 1))
        arrays[given.name] = value
        tensors[given.symbol] = tensors[given.name] = torch.tensor(value[..., 0])
    return arrays, tensors, indices


class State:
    """A state of a loss, and the gradients of formulas and of code there."""

    def __init__(self, made, seed=0):
        self.made = made
        self.arrays, self.tensors, self.indices = _arrays(made, seed)
        self.theta = np.random.default_rng([seed, 1]).normal(size=ACTIONS) * 1.5
        self.theta[2] += {6: 7.0, 7: -7.0}.get(seed, 0.0)  # nearly certain, or never taken
        tau = made.policy.temperature
        self.tau = None if tau is None else self.tensors[tau]
        self.scale = 1.0 if tau is None else float(self.tau)
        self._clip(seed)
        for region in made.policy.regions:
            left, right = (
                InTorch(torch.tensor(self.theta), self.tensors, self.indices, made.policy.name,
                        made.policy.logits, self.tau)(side)
                for side in (region.left, region.right)
            )  # fmt: skip
            self.tensors[region.name] = (left <= right).double().expand(ACTIONS)

    def _clip(self, seed):
        """Take a ratio of policies far from 1, on either side, for either sign of an advantage.

        From the fourth seed on it is near 1.
        """
        far = 1.7 if seed < 4 else 0.1
        log_pi = torch.log_softmax(torch.tensor(self.theta), 0)[2]
        for given in self.made.variant.givens if self.made.policy.regions else ():
            if given.name.endswith("log_probs"):
                value = log_pi + (far if seed % 2 else -far)
            elif given.name == "advantages":
                value = (0.6 if seed // 2 % 2 else -0.6) * torch.ones((), dtype=torch.float64)
            else:
                continue
            self.tensors[given.name] = self.tensors[given.symbol] = value
            self.arrays[given.name] = value.numpy()[None]

    def of(self, program):
        """The gradient of a program, by the logits."""
        divided = self.theta[:, np.newaxis] / self.scale
        return evaluate(program, divided, self.arrays)[:, 0] / self.scale

    def autograd(self, code):
        """The gradient that PyTorch finds in some code of the logits."""
        theta = torch.tensor(self.theta, requires_grad=True)
        value = code(theta)
        if not value.requires_grad:
            return np.zeros(ACTIONS)
        value.backward()
        return np.zeros(ACTIONS) if theta.grad is None else theta.grad.numpy()

    def detached(self, number):
        """That of the loss with one occurrence of pi or log pi detached, and how many it has."""
        places = list(occurrences(self.made.loss, self.made.policy.name))
        held = {path: torch.detach for place, path in enumerate(places) if place == number}

        def code(theta):
            formula = InTorch(theta, self.tensors, self.indices, self.made.policy.name,
                              self.made.policy.logits, self.tau, held)  # fmt: skip
            return formula(self.made.loss)

        return self.autograd(code), len(places)


VARIANTS = {
    f"{name}-{number}": made for name in names() for number, made in enumerate(read(name).variants)
}
LISTED = {key: mistakes(made) for key, made in VARIANTS.items()}


def _near(x, y):
    return np.allclose(x, y, rtol=1e-10, atol=1e-12)


def _pi(theta):
    return torch.softmax(theta, 0)


def _log(theta):
    return torch.log_softmax(theta, 0)


def _sac(theta, x, *, pi=_pi, log=_log, q=1.0, alpha=None):
    alpha = x["alpha"] if alpha is None else alpha
    return -(pi(theta) * (q * x["q"] - alpha * log(theta))).sum()


def _labels(theta, x, *, hard=None, even=None, z=None, mean=True):
    smoothing = x["label_smoothing"]
    hard = 1 - smoothing if hard is None else hard
    even = smoothing if even is None else even
    spread = _log(theta).mean() if mean else _log(theta).sum()
    z = x["z_coef"] if z is None else z
    lse = torch.logsumexp(theta, 0)
    return -hard * _log(theta)[2] - even * spread + z * lse**2


def _reinforce(theta, x, *, a=None, b=None, log=_log):
    a = x["advantages"] if a is None else a
    b = x["entropy_coef"] if b is None else b
    return -a * log(theta)[2] + b * (_pi(theta) * _log(theta)).sum()


def _distilled(theta, x, *, of_teacher=None, of_policy=None):
    t = x["temperature"]
    rho = torch.softmax(x["teacher_logits"] / (of_teacher or t), 0)
    return -(rho * _log(theta / (of_policy or t))).sum()


def _reversed_distillation(theta, x):
    t = x["temperature"]
    log_rho = torch.log_softmax(x["teacher_logits"] / t, 0)
    return (_pi(theta / t) * (_log(theta / t) - log_rho)).sum()


def _kl(theta, x, *, q=1.0, beta=None, alpha=None, ref=1.0):
    beta = x["beta"] if beta is None else beta
    alpha = x["alpha"] if alpha is None else alpha
    log = _log(theta)
    g = q * x["q"] - beta * (log - ref * x["ref_log_probs"]) - alpha * log
    return -(_pi(theta) * g).sum()


def _forward(theta, x):
    rho = x["ref_log_probs"].exp()
    return -x["beta"] * (rho * _log(theta)).sum()


def _min(x, y):
    return torch.min(x, y)


def _max(x, y):
    return torch.max(x, y)


def _clip(r, c):
    return r.clamp(1 - c, 1 + c)


def _surrogate(theta, x, *, least=_min, clip=_clip, inverted=False):
    apart = _log(theta)[2] - x["old_log_probs"]
    r, a = (-apart if inverted else apart).exp(), x["advantages"]
    bonus = x["entropy_coef"] * (_pi(theta) * _log(theta)).sum()
    return -least(r * a, clip(r, x["clip"]) * a) + bonus


def _grpo(theta, x, *, k):
    return _surrogate(theta, x) + x["beta"] * k(_log(theta)[2] - x["ref_log_probs"])


MISTAKEN = [
    ("ppo-clip-0", "clip-side", "min(", "", lambda t, x: _surrogate(t, x, least=_max)),
    ("ppo-clip-0", "clip-side", "clip(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: _max(_max(r, 1 - c), 1 + c))),
    ("ppo-clip-0", "clip-side", "clip(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: r.clamp(1 - c, 1 - c))),
    ("ppo-clip-0", "clip-side", "max(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: r.clamp(1 + c, 1 + c))),
    ("ppo-clip-0", "clip-missing", "min(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: r)),
    ("ppo-clip-0", "clip-missing", "min(", "",
     lambda t, x: _surrogate(t, x, least=lambda _, clipped: clipped)),
    ("ppo-clip-0", "clip-missing", "max(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: _min(r, 1 + c))),
    ("ppo-clip-0", "clip-missing", "clip(", "",
     lambda t, x: _surrogate(t, x, clip=lambda r, c: _max(r, 1 - c))),
    ("ppo-clip-0", "ratio-inverted", "min(", "", lambda t, x: _surrogate(t, x, inverted=True)),
    ("grpo-0", "forward-kl", "exp(m", "", lambda t, x: _grpo(t, x, k=lambda d: d.exp() - d - 1)),
    ("grpo-0", "other-estimate", "exp(m", "", lambda t, x: _grpo(t, x, k=lambda d: d**2 / 2)),
    ("grpo-0", "other-estimate", "exp(m", "", lambda t, x: _grpo(t, x, k=lambda d: d)),
    ("grpo-0", "term-missing", "β exp(m", "0",
     lambda t, x: _grpo(t, x, k=lambda d: (-d).detach().exp() + d - 1)),
    ("sac-0", "entropy-without-gradient", "", "0", lambda t, x: _sac(t, x, alpha=0.0)),
    ("sac-0", "entropy-sign-flipped", "", "−1", lambda t, x: _sac(t, x, alpha=-x["alpha"])),
    ("sac-0", "missing-alpha", "", "1 / α", lambda t, x: _sac(t, x, alpha=1.0)),
    ("sac-0", "term-scaled", "log π", "2", lambda t, x: _sac(t, x, alpha=2 * x["alpha"])),
    ("sac-0", "term-scaled", "log π", "α", lambda t, x: _sac(t, x, alpha=x["alpha"] ** 2)),
    ("sac-0", "term-missing", "−Σ_a π(a) Q(a)", "0", lambda t, x: _sac(t, x, q=0.0)),
    ("sac-0", "sign-flipped", "", "−1", lambda t, x: -_sac(t, x)),
    ("sac-0", "mean-over-actions", "", "1 / n", lambda t, x: _sac(t, x) / ACTIONS),
    ("sac-0", "double-softmax", "", "", lambda t, x: _sac(_pi(t), x)),
    ("sac-0", "unweighted-sum", "", "", lambda t, x: _sac(t, x, pi=lambda t: 1.0)),
    ("sac-0", "policy-for-log-policy", "", "", lambda t, x: _sac(t, x, log=_pi)),
    ("sac-0", "detached-policy", "", "0", lambda t, x: _sac(t.detach(), x)),
    ("cross-entropy-0", "term-missing", "ζ", "0", lambda t, x: _labels(t, x, z=0.0)),
    ("cross-entropy-0", "term-scaled", "ζ", "1/2", lambda t, x: _labels(t, x, z=x["z_coef"] / 2)),
    ("cross-entropy-0", "term-scaled", "ζ", "1 / ζ", lambda t, x: _labels(t, x, z=1.0)),
    ("cross-entropy-0", "term-scaled", "(ϵ / n)", "2",
     lambda t, x: _labels(t, x, even=2 * x["label_smoothing"])),
    ("cross-entropy-0", "term-scaled", "(ϵ / n)", "n", lambda t, x: _labels(t, x, mean=False)),
    ("cross-entropy-0", "term-scaled", "log π(j)", "1 / (1 − ϵ)",
     lambda t, x: _labels(t, x, hard=1.0)),
    ("cross-entropy-0", "term-sign", "ζ", "−1", lambda t, x: _labels(t, x, z=-x["z_coef"])),
    ("cross-entropy-0", "double-softmax", "", "", lambda t, x: _labels(_pi(t), x)),
    ("reinforce-0", "term-scaled", "log π(j)", "1 / A", lambda t, x: _reinforce(t, x, a=1.0)),
    ("reinforce-0", "term-sign", "log π(j)", "−1",
     lambda t, x: _reinforce(t, x, a=-x["advantages"])),
    ("reinforce-0", "entropy-without-gradient", "", "0", lambda t, x: _reinforce(t, x, b=0.0)),
    ("reinforce-0", "policy-for-log-policy", "", "", lambda t, x: _reinforce(t, x, log=_pi)),
    ("distillation-0", "temperature-in-policy", "", "τ",
     lambda t, x: x["temperature"] * _distilled(t, x)),
    ("distillation-0", "term-scaled", "", "τ²",
     lambda t, x: x["temperature"] ** 2 * _distilled(t, x)),
    ("distillation-0", "temperature-in-policy", "", "",
     lambda t, x: _distilled(t, x, of_teacher=1.0)),
    ("distillation-0", "temperature-in-policy", "", "",
     lambda t, x: _distilled(t, x, of_policy=1.0)),
    ("distillation-0", "temperature-in-policy", "", "",
     lambda t, x: _distilled(t, x, of_teacher=1.0, of_policy=1.0)),
    ("cross-entropy-0", "term-missing", "label_smoothing", "0",
     lambda t, x: _labels(t, x, hard=1.0, even=0.0)),
    ("distillation-0", "forward-kl", "", "", _reversed_distillation),
    ("kl-regularised-0", "term-missing", "(log π(a) − ℓ(a))", "0",
     lambda t, x: _kl(t, x, beta=0.0)),
    ("kl-regularised-0", "term-missing", "−β Σ_a π(a) ℓ(a)", "0",
     lambda t, x: _kl(t, x, ref=0.0)),
    ("kl-regularised-0", "term-scaled", "(log π(a) − ℓ(a))", "1 / β",
     lambda t, x: _kl(t, x, beta=1.0)),
    ("kl-regularised-0", "forward-kl", "", "",
     lambda t, x: _kl(t, x, beta=0.0) + _forward(t, x)),
    ("kl-regularised-0", "entropy-sign-flipped", "α", "−1",
     lambda t, x: _kl(t, x, alpha=-x["alpha"])),
    ("reverse-kl-0", "forward-kl", "", "", _forward),
    ("entropy-0", "term-scaled", "", "1 / β", lambda t, x: (_pi(t) * _log(t)).sum()),
]  # fmt: skip


@pytest.mark.parametrize(("key", "code", "term", "factor", "mistaken"), MISTAKEN)
def test_a_mistake_has_the_gradient_of_the_mistaken_code(key, code, term, factor, mistaken):
    states = [State(VARIANTS[key], seed) for seed in range(8)]
    autograd = [each.autograd(lambda theta, x=each.tensors: mistaken(theta, x)) for each in states]
    found = [
        wrong
        for wrong in LISTED[key]
        if any(
            (each.code, each.factor) == (code, factor) and term in each.term
            for each in everything(wrong)
        )
        and all(map(_near, [state.of(wrong.slope) for state in states], autograd))
    ]
    assert len(found) == 1


@pytest.mark.parametrize("key", VARIANTS)
def test_each_mistake_is_that_of_a_program_that_was_found_without_it(key):
    data = Data(VARIANTS[key], np.random.default_rng(9), torch.float64, rows=200, actions=8)
    right, seen = data.gradient(), []
    for mistake in planted(data):
        if near(data.gradient(mistake), right):
            continue
        found = data.made_of(mistake, LISTED[key])
        # Where no probability is between two numbers, clamping at either is the same.
        assert sum(any(it in found for it in (one, *one.others)) for one in LISTED[key]) <= 1
        assert all({each.code for each in everything(it)} & mistake.codes for it in found)
        seen += found
    assert [wrong.said for wrong in LISTED[key] if wrong not in seen] == []


def test_a_step_of_the_backward_pass_that_is_left_out():
    state = State(VARIANTS["cross-entropy-1"])
    x, theta = state.tensors, torch.tensor(state.theta)
    pi, even = _pi(theta), x["label_smoothing"]
    target = (1 - even) * x["targets"] + even / ACTIONS
    shift = 2 * x["z_coef"] * torch.logsumexp(theta, 0) * pi
    wanted = {"no-baseline": -target + shift, "diagonal-jacobian": -target * (1 - pi) + shift}
    for code, gradient in wanted.items():
        (wrong,) = [wrong for wrong in LISTED["cross-entropy-1"] if wrong.code == code]
        np.testing.assert_allclose(state.of(wrong.slope), gradient, rtol=1e-12)
    state = State(VARIANTS["sac-0"])
    x, theta = state.tensors, torch.tensor(state.theta)
    log = _log(theta).requires_grad_()
    (at_log,) = torch.autograd.grad(-(log.exp() * (x["q"] - x["alpha"] * log)).sum(), log)
    g = x["q"] - x["alpha"] * _log(theta)
    found = [state.of(wrong.slope) for wrong in LISTED["sac-0"] if wrong.code == "no-baseline"]
    assert _near(found[0], -_pi(theta) * g)
    assert _near(found[1], at_log)


@pytest.mark.parametrize("key", [k for k, made in VARIANTS.items() if not made.policy.regions])
def test_a_stop_gradient_is_a_mistake_or_changes_nothing(key):
    _each_stop_is_known(VARIANTS[key], LISTED[key])


def _each_stop_is_known(made, listed):
    states = [State(made, seed) for seed in range(4)]
    number, count, harmless = 0, 1, 0
    while number < count:
        gradients, count = zip(*(state.detached(number) for state in states), strict=True)
        count = count[0]
        right = [state.detached(None)[0] for state in states]
        named = [
            wrong
            for wrong in listed
            if any(each.code == "stop-gradient" for each in everything(wrong))
            and all(map(_near, [state.of(wrong.slope) for state in states], gradients))
        ]
        if all(map(_near, gradients, right)):
            assert not named
            harmless += 1
        else:
            assert len(named) == 1
        number += 1
    return harmless


@pytest.mark.parametrize("key", VARIANTS)
def test_no_mistake_is_the_right_gradient_and_no_two_are_the_same(key):
    states = [State(VARIANTS[key], seed) for seed in range(8)]
    right = np.stack([state.detached(None)[0] for state in states])
    made = [np.stack([state.of(w.slope) for state in states]) for w in LISTED[key]]
    for place, one in enumerate(made):
        assert not _near(one, right)
        assert not any(_near(one, other) for other in made[:place]), LISTED[key][place].said


@pytest.mark.parametrize("key", VARIANTS)
def test_a_term_and_a_loss_without_it_make_the_loss(key):
    made = VARIANTS[key]
    state = State(made)
    found = terms(made)
    assert bool(found) == (" + " in made.variant.formula or " − " in made.variant.formula)
    for term in (term for term in found if not term.is_number):
        pairs = [
            state.of(term.slope) + state.of(wrong.slope)
            for wrong in LISTED[key]
            if any((each.factor, each.term) == ("0", term.text) for each in everything(wrong))
        ]
        moves = not _near(state.of(term.slope), np.zeros(ACTIONS))
        assert len(pairs) == moves
        assert all(_near(whole, state.of(made.variant.slope)) for whole in pairs)


def test_a_number_that_several_terms_take():
    (smoothing,) = [term for term in terms(VARIANTS["cross-entropy-0"]) if term.is_number]
    assert smoothing.text == "label_smoothing"
    state = State(VARIANTS["cross-entropy-0"])
    other = {**state.tensors, "label_smoothing": state.tensors["label_smoothing"] + 0.07}
    here, there = (state.autograd(lambda t, x=x: _labels(t, x)) for x in (state.tensors, other))
    assert _near(here + 0.07 * state.of(smoothing.slope), there)


OUTSIDE = {
    "k2": r"\frac{1}{2} \sum_a \pi(a) (\log \pi(a) - \ell(a))^2",
    "k3": r"\sum_a \pi(a) (\exp(\ell(a) - \log \pi(a)) - \ell(a) + \log \pi(a) - 1)",
    "sampled k3": r"\exp(\ell(j) - \log \pi(j)) - \ell(j) + \log \pi(j) - 1",
    "focal": r"-(1 - \pi(j))^2 \log \pi(j)",
    "Tsallis": r"-\sum_a \pi(a) Q(a) + \alpha \sum_a \pi(a)^2",
    "Renyi": r"\alpha \log \sum_a \pi(a)^2",
    "entropy penalty": r"(\sum_a \pi(a) \log \pi(a))^2 - \sum_a \pi(a) Q(a)",
    "poly-1": r"-\log \pi(j) + \epsilon - \epsilon \pi(j)",
    "variance": r"\sum_a \pi(a) (Q(a) - \sum_b \pi(b) Q(b))^2",
}


@pytest.mark.parametrize("formula", OUTSIDE.values(), ids=OUTSIDE)
def test_a_stop_gradient_of_a_loss_that_no_document_has(formula):
    (made,) = read(formula).variants
    _each_stop_is_known(made, mistakes(made))


def test_stop_gradients_of_random_losses():
    harmless = seen = 0
    for seed in range(120):
        formula, _ = Generator(seed).state(2)
        try:
            (made,) = read(formula).variants
        except UsageError:
            continue  # it does not depend on the policy, or is 0
        harmless += _each_stop_is_known(made, mistakes(made))
        seen += 1
    assert seen > 80
    assert harmless > 10
