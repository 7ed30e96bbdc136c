"""The factors of the terms of a loss, beside least squares on gradients of those by PyTorch."""

from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import pytest
import torch
from fits import of_case

from softcheck import verify
from softcheck.checks import fit
from softcheck.losses import load
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

STATES, ACTIONS = 500, 12
TWO_REWARDS = r"-\sum_a \pi(a) Q(a) - \sum_a \pi(a) R(a)"
THREE_REWARDS = TWO_REWARDS + r" - \sum_a \pi(a) S(a)"


def numpy(x):
    """Return a tensor as an array of the same numbers and type."""
    if x.dtype is torch.bfloat16:
        return x.float().numpy().astype(ml_dtypes.bfloat16)
    return x.numpy()


@dataclass
class Drawn:
    """Arrays of a case, and the terms of its loss as people write them in PyTorch."""

    loss: str
    given: dict
    terms: list
    theta: torch.Tensor = field(init=False)

    def __post_init__(self):
        self.theta = self.given.pop("theta")

    def gradient(self, *factors):
        """Return the gradient of the terms times their factors."""
        factors = factors or (1.0,) * len(self.terms)
        total = sum(x * term.sum() for x, term in zip(factors, self.terms, strict=True))
        (found,) = torch.autograd.grad(total, self.theta, retain_graph=True)
        return numpy(found)

    def case(self, grad):
        arrays = {name: numpy(x) if torch.is_tensor(x) else x for name, x in self.given.items()}
        arrays |= {"logits": numpy(self.theta.detach()), "grad": grad}
        return case_from_arrays(arrays, declared=Declared(load(self.loss)))

    def checked(self, *factors):
        """Return what the report says of the fit, and the diagnosis."""
        made = verify_case(self.case(self.gradient(*factors)), Settings())
        (check,) = [each for each in made.checks if each.name == "fit"]
        return check, made


def drawn(loss, dtype=torch.float32, seed=0):
    """Draw a loss of several terms, with its coefficients as people set them."""
    r = np.random.default_rng(seed)

    def table(size=1.0):
        return torch.tensor(size * r.normal(size=(STATES, ACTIONS)), dtype=dtype)

    theta = table().requires_grad_()
    log_pi = torch.log_softmax(theta, -1)
    pi = log_pi.exp()
    entropy, index = (pi * log_pi).sum(-1), torch.tensor(r.integers(ACTIONS, size=STATES))
    chosen = log_pi.gather(-1, index[:, None]).squeeze(-1)
    advantages = torch.tensor(r.normal(size=STATES), dtype=dtype)
    match loss:
        case "cross-entropy":
            given = {"labels": index, "label_smoothing": 0.125, "z_coef": 2.0**-10}
            z = 2.0**-10 * torch.logsumexp(theta, -1) ** 2
            terms = [-0.875 * chosen, -0.125 * log_pi.mean(-1), z]
        case "kl-regularised":
            ref = torch.log_softmax(table(), -1)
            given = {"q": table(), "ref_log_probs": ref, "beta": 0.125, "alpha": 2.0**-6}
            kl = 0.125 * (pi * (log_pi - ref)).sum(-1)
            terms = [-(pi * given["q"]).sum(-1), kl, 2.0**-6 * entropy]
        case "distillation":
            teacher = torch.log_softmax(table(), -1)
            given = {"teacher_log_probs": teacher, "beta": 0.25}
            reverse = 0.25 * (pi * (log_pi - teacher)).sum(-1)
            terms = [-0.75 * (teacher.exp() * log_pi).sum(-1), reverse]
        case "reverse-kl":
            ref = torch.log_softmax(table(), -1)
            given = {"ref_log_probs": ref, "beta": 0.25}
            terms = [0.25 * entropy, -0.25 * (pi * ref).sum(-1)]
        case "grpo":
            old, apart = (chosen.detach() + x * table()[:, 0] for x in (0.1, 0.3))
            given = {
                "actions": index, "advantages": advantages, "old_log_probs": old, "clip": 0.25,
                "ref_log_probs": apart, "beta": 0.0625, "entropy_coef": 2.0**-7,
            }  # fmt: skip
            ratio, k = (chosen - old).exp(), apart - chosen
            least = torch.min(ratio * advantages, ratio.clamp(0.75, 1.25) * advantages)
            terms = [-least, 0.0625 * (k.exp() - k - 1), 2.0**-7 * entropy]
        case _:
            given = {"q": table(), "R": table()}
            terms = [-(pi * given["q"]).sum(-1), -(pi * given["R"]).sum(-1)]
    return Drawn(loss, given | {"theta": theta}, terms)


LOSSES = ["cross-entropy", "kl-regularised", "distillation", "reverse-kl", "grpo", TWO_REWARDS]
SCALED = {"kl-regularised", "grpo"}
"""Losses whose terms have a number of their own, but for one: they have a scale."""


@pytest.mark.parametrize("loss", LOSSES)
def test_the_factors_are_those_of_weighted_least_squares(loss):
    it = drawn(loss, torch.float64)
    count = len(it.terms)
    factors = [1.5, -0.5, 3.0][:count]
    noise = 1e-4 * np.random.default_rng(1).normal(size=(STATES, ACTIONS))
    grad = it.gradient(*factors) * (1.0 + noise)
    total, tolerance = of_case(it.case(grad))
    columns = np.stack([it.gradient(*row) for row in np.eye(count)], axis=-1) / tolerance[..., None]
    flat, right = columns.reshape(-1, count), (grad / tolerance).ravel()
    expected = np.linalg.lstsq(flat, right)[0]
    bread = np.linalg.inv(flat.T @ flat)
    scores = np.einsum("sak,sa->sk", columns, grad / tolerance - columns @ expected)
    covariance = bread @ scores.T @ scores @ bread
    found = [factor.found for factor in fit.fitted(total)]
    values, errors = expected.copy(), np.sqrt(np.diag(covariance))
    if loss in SCALED:
        values[1:] /= values[0]
        for k in range(1, count):
            of = np.eye(count)[k] - values[k] * np.eye(count)[0]
            errors[k] = np.sqrt(of @ covariance @ of) / abs(values[0])
    known = np.sqrt(total.repeats())  # of 1 but for hashes that meet
    assert known < 1.02
    np.testing.assert_allclose([each.value for each in found], values, rtol=1e-8)
    np.testing.assert_allclose([each.error for each in found], errors * known, rtol=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_factors_of_a_right_gradient_are_1(loss, dtype):
    for seed in range(3):
        made = drawn(loss, getattr(torch, dtype), seed)
        check, _ = made.checked()
        assert check.failed == 0, check.reason
        if dtype in {"float64", "float32"}:  # others hide small coefficients
            assert check.reason.count(" fitted ") == check.entries == len(made.terms)


PLANTED = {
    "one part in a thousand too much": 1.001,
    "one part in a thousand too little": 0.999,
    "without gradient": 0.0,
    "the sign flipped": -1.0,
    "counted twice": 2.0,
    "without its 2": 0.5,
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("factor", PLANTED.values(), ids=PLANTED)
def test_a_factor_of_one_term_is_seen_and_the_others_are_not_blamed(loss, factor):
    for at in range(1 if loss in SCALED else 0, len(drawn(loss).terms)):
        it = drawn(loss)
        factors = [1.0] * len(it.terms)
        factors[at] = factor
        check, made = it.checked(*factors)
        assert (check.status, check.failed) == (Status.FAILED, 1), check.reason
        (found, *_) = made.diagnosis
        assert found.evidence["term"] == it.case(it.gradient()).variant.summands[at].text


NOISE = 1e-2


def noisy(it, *factors):
    """Return a gradient whose entries are a hundredth off, each by itself."""
    off = np.random.default_rng(1).normal(size=(STATES, ACTIONS))
    return it.gradient(*factors) * (1.0 + NOISE * off)


def fitted_together(it, grad, groups):
    """Return the least-squares factors of groups of terms, from gradients by PyTorch."""
    total, tolerance = of_case(it.case(grad))
    of_terms = [it.gradient(*row) for row in np.eye(len(it.terms))]
    columns = [sum(of_terms[k] for k in group) / tolerance for group in groups]
    flat = np.stack([column.ravel() for column in columns], axis=1)
    return total, np.linalg.lstsq(flat, (grad / tolerance).ravel())[0]


def rewarded(*rewards):
    """Return a loss of three rewards."""
    theta = torch.tensor(np.random.default_rng(4).normal(size=(STATES, ACTIONS))).requires_grad_()
    pi = torch.softmax(theta, -1)
    given = {"theta": theta} | dict(zip(("q", "R", "S"), rewards, strict=True))
    return Drawn(THREE_REWARDS, given, [-(pi * x).sum(-1) for x in rewards])


def rewards():
    return [*torch.tensor(np.random.default_rng(3).normal(size=(3, STATES, ACTIONS)))]


@pytest.mark.parametrize("apart", [0.0, 1e-5])
@pytest.mark.parametrize("times", [2.0, -0.5])
@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_terms_that_are_multiples_of_each_other_are_told_together(pair, times, apart):
    drawn_rewards, (one, other) = rewards(), pair
    drawn_rewards[other] = times * drawn_rewards[one] + apart * drawn_rewards[other]
    it = rewarded(*drawn_rewards)
    groups = sorted([pair, *((k,) for k in range(3) if k not in pair)])
    total, expected = fitted_together(it, noisy(it, 1.5, 3.0, -2.0), groups)
    found = fit.fitted(total)
    assert [factor.terms for factor in found] == groups
    texts = [summand.text for summand in total.summands]
    assert [each.name for each in found] == [" and ".join(texts[k] for k in g) for g in groups]
    np.testing.assert_allclose([each.found.value for each in found], expected, rtol=1e-6)


def test_terms_that_are_nearly_alike_are_told_apart_where_numbers_are_exact():
    q, r, s = rewards()
    it = rewarded(q, q + 1e-4 * r, s)
    total, expected = fitted_together(it, it.gradient(1.0, 1.001, 1.0), [(0,), (1,), (2,)])
    np.testing.assert_allclose(expected, [1.0, 1.001, 1.0], atol=1e-6)
    found = [each.found.value for each in fit.fitted(total)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_large_factor_is_told_where_as_much_noise_hides_a_small_one():
    it = rewarded(*rewards())
    off = 0.25 * np.random.default_rng(1).normal(size=(STATES, ACTIONS))
    grad = it.gradient(1.0, 100.0, 1.0) * (1.0 + off)
    total, expected = fitted_together(it, grad, [(0, 2), (1,)])
    small, large, other = fit.fitted(total)
    assert (small.found, large.terms, other.found) == (None, (1,), None)
    assert large.found.value == pytest.approx(expected[1], rel=1e-6)
    assert 0.5 < large.found.tolerance < 50.0


def test_a_term_that_is_0_everywhere_hides_itself_alone():
    q, r, s = rewards()
    it = rewarded(q, 0.0 * r, s)
    total, expected = fitted_together(it, noisy(it, 1.5, 1.0, -0.5), [(0,), (2,)])
    one, none, other = fit.fitted(total)
    assert (none.terms, none.found) == ((1,), None)
    np.testing.assert_allclose([one.found.value, other.found.value], expected, rtol=1e-6)


def test_the_scale_is_that_of_the_term_without_a_number_wherever_it_stands():
    it = drawn("kl-regularised", torch.float64)
    q, (of_q, _, entropy) = it.given["q"], it.terms
    loss = r"\alpha \sum_a \pi(a) \log \pi(a) - \sum_a \pi(a) Q(a)"
    it = Drawn(loss, {"q": q, "alpha": 2.0**-6, "theta": it.theta}, [entropy, of_q])
    total, expected = fitted_together(it, noisy(it, 3.0, 1.5), [(0,), (1,)])
    found = {each.name: each.found.value for each in fit.fitted(total)}
    assert found == pytest.approx({"scale": expected[1], "alpha": expected[0] / expected[1]})


@pytest.mark.parametrize("loss", sorted(SCALED))
def test_a_scale_of_0_is_that_of_all_terms(loss):
    """Nothing is relative to 0."""
    it = drawn(loss, torch.float64)
    total, (expected,) = fitted_together(it, it.gradient(0.0, 1.5, -0.5), [(0, 1, 2)])
    scale, *others = fit.fitted(total)
    assert scale.name == "scale"
    assert scale.found.value == pytest.approx(expected, rel=1e-6)
    assert [each.found for each in others] == [None, None]


def penalised(reference):
    """Return a loss with a KL to a reference beside a bonus of entropy."""
    it = drawn("kl-regularised", torch.float64)
    pi = torch.softmax(it.theta, -1)
    kl = 0.125 * (pi * (torch.log_softmax(it.theta, -1) - reference)).sum(-1)
    it.given["ref_log_probs"] = reference
    return Drawn(it.loss, it.given | {"theta": it.theta}, [it.terms[0], kl, it.terms[2]])


UNIFORM = torch.full((STATES, ACTIONS), -float(np.log(ACTIONS)), dtype=torch.float64)


@pytest.mark.parametrize("factors", [(1.0, 1.001, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, 3.0)])
def test_a_divergence_to_uniform_and_an_entropy_are_blamed_together(factors):
    it = penalised(UNIFORM)
    grad = it.gradient(*factors)
    total, (scale, both) = fitted_together(it, grad, [(0,), (1, 2)])
    found = fit.fitted(total)
    assert [(each.name, each.terms) for each in found] == [
        ("scale", (0,)),
        ("beta and alpha", (1, 2)),
    ]
    np.testing.assert_allclose([each.found.value for each in found], [scale, both / scale])
    tally = fit.check(total, {"beta": 0.125, "alpha": 2.0**-6})
    assert [spot.about for spot in tally.spots if spot.ratio > 1.0] == ["beta and alpha"]
    assert tally.failed == 1


def test_what_is_told_together_may_be_off_by_what_adds_up_to_nothing():
    """Of 0.125 + 2^-6 twice the second and 7/8 of the first are the same."""
    total, _ = of_case(penalised(UNIFORM).case(penalised(UNIFORM).gradient(1.0, 0.875, 2.0)))
    assert fit.check(total, {}).failed == 0


def _of_log_softmax(logits, labels):
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    return {"loss": "cross-entropy", "labels": labels}


def _of_ratio(logits, actions):
    log_probs = torch.distributions.Categorical(logits=logits).log_prob(actions)
    of_ratio = {"old_log_probs": torch.full_like(log_probs, -0.01), "clip": 0.2}
    (-(log_probs - of_ratio["old_log_probs"]).exp()).sum().backward()
    advantages = torch.ones_like(log_probs)
    return {"loss": "ppo-clip", "actions": actions, "advantages": advantages, **of_ratio}


@pytest.mark.parametrize("backward", [_of_log_softmax, _of_ratio])
@pytest.mark.parametrize("depth", [14.0, 16.5, 20.0])
def test_a_log_z_that_is_lost_beside_the_logits_of_all_states_is_no_scale(backward, depth):
    """Of 16.5, half of the last digit in float32 is 1e-6, and log Z is 4e-7 in each state."""
    generator = torch.Generator().manual_seed(3)
    logits = 0.05 * torch.randn(300, 7, generator=generator)
    actions = torch.randint(0, 7, (300,), generator=generator)
    logits[torch.arange(300), actions] += depth
    logits.requires_grad_()
    given = {**backward(logits, actions), "logits": logits}
    assert verify(**given, grad=logits.grad)
    assert not verify(**given, grad=logits.grad * (1.0 + 3e-6))


@pytest.mark.parametrize("kernel", ["numpy", "compiled"])
def test_a_log_z_that_is_lost_makes_a_mean_too_large_in_all_states(kernel):
    """Of 40, half of the last digit in float64 is 4e-15, and log Z is 1e-15; of Q that is 1e-12."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(300, 132)) * 0.5
    logits[np.arange(300), generator.integers(132, size=300)] += 39.0
    q = 1e3 + 30.0 * generator.normal(size=(300, 132))
    log_pi = logits - torch.logsumexp(torch.tensor(logits), -1, keepdim=True).numpy()
    pi, given = np.exp(log_pi), {"q": q, "logits": logits, "alpha": 0.002, "kernel": kernel}
    g = q - 0.002 * log_pi
    grad = -pi * (g - (pi * g).sum(axis=-1, keepdims=True))
    assert verify(**given, grad=grad)
    assert not verify(**given, grad=grad * (1.0 + 1e-12))


def test_a_term_that_16_bits_lose_beside_another_has_no_factor_of_its_own():
    """Autograd adds up in float16 what each use of the logits gets: 3e-5 is nothing beside 0.5."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.full((10, 2), 0.25, dtype=torch.float16, requires_grad=True)
    labels = torch.randint(0, 2, (10,), generator=generator)
    smoothing, z_coef = 0.3 * torch.rand(10, generator=generator), 4e-5
    chosen = torch.nn.functional.one_hot(labels, 2)
    target = (1.0 - smoothing)[:, None] * chosen + smoothing[:, None] / 2.0
    of_target = -(target * torch.log_softmax(logits.float(), -1)).sum()
    (of_target + z_coef * (logits.float().logsumexp(-1) ** 2).sum()).backward()
    given = {"logits": logits, "labels": labels, "label_smoothing": smoothing, "z_coef": z_coef}
    given |= {"loss": "cross-entropy", "compute_dtype": "float32"}
    assert verify(**given, grad=logits.grad)
    assert not verify(**given, grad=(1.01 * logits.grad.float()).half())


@pytest.mark.parametrize("kernel", ["numpy", "compiled"])
@pytest.mark.parametrize("seed", range(3))
def test_what_has_few_quanta_and_is_alike_in_all_states_is_no_factor(seed, kernel):
    """Of pi = 1e-4 and a coefficient of 3e-4 there is half a quantum, which float16 rounds up."""
    generator = torch.Generator().manual_seed(seed)
    best = torch.randint(0, 9, (237,), generator=generator)
    logits = 0.05 * torch.randn(237, 9, generator=generator)
    logits[torch.arange(237), best] += 8.92
    advantages = (32.0 * torch.rand(237, generator=generator) - 16.0).half()
    logits = logits.half().requires_grad_(True)
    policy = torch.distributions.Categorical(logits=logits)
    (-advantages * policy.log_prob(best) - 0.0644 * policy.entropy()).mean().backward()
    given = {"loss": "reinforce", "logits": logits, "actions": best, "advantages": advantages}
    given |= {"entropy_coef": 0.0644, "reduction": "mean", "kernel": kernel}
    assert verify(**given, grad=logits.grad)
    assert not verify(**given | {"entropy_coef": 0.13}, grad=logits.grad)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_term_that_is_nothing_but_rounding_has_no_factor(seed):
    """Of normalised logits the logsumexp is 0, and what the other terms leave are their digits."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 131, (99,), generator=generator)
    logits = -18.0 + 0.1 * torch.randn(99, 131, generator=generator, dtype=torch.float64)
    logits[torch.arange(99), labels] = 0.0
    logits = torch.log_softmax(logits, -1).requires_grad_(True)
    given = {"loss": "cross-entropy", "logits": logits, "labels": labels}
    given |= {"label_smoothing": 0.018, "z_coef": 0.01}
    loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.018, reduction="sum")
    (loss + 0.01 * (logits.logsumexp(-1) ** 2).sum()).backward()
    (case,) = verify(**given, grad=logits.grad).cases
    (check,) = (each for each in case.checks if each.name == "fit")
    assert check.status != Status.FAILED
    assert "(log (Σ_a exp(θ(a))))² cannot be told" in check.reason


def test_equal_logits_have_the_same_rounding_of_pi_in_all_states():
    """A logsumexp of 2.08 rounds by 2e-16, and so does every pi, which is no scale."""
    generator = np.random.default_rng(0)
    q, shift = generator.normal(size=(2, 40, 8))
    logits = np.repeat(0.01 * shift[:, :1], 8, axis=1)
    pi = np.full((40, 8), 0.125 * (1.0 + 2.0**-51))
    grad = -pi * (q - q.mean(axis=1, keepdims=True))
    given = {"loss": "policy-gradient", "q": q, "logits": logits}
    assert verify(**given, grad=grad)
    assert not verify(**given, grad=grad * (1.0 + 4e-15))
