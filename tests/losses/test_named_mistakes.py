"""Wrong gradients of the shipped losses, computed in PyTorch: each is caught, and named."""

from collections import Counter

import numpy as np
import pytest
import torch
from planted_in_torch import RIGHT, Data, is_named, near, planted

from softcheck.diagnosis import of_loss, view
from softcheck.losses import load, names, read
from softcheck.losses.mistakes import mistakes
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

VARIANTS = [
    pytest.param(name, number, dtype, id=f"{name}-{number}-{str(dtype).removeprefix('torch.')}")
    for name in names()
    if name != "sac"
    for number, dtype in zip(
        range(len(load(name).variants)), [torch.float32, torch.float64] * 3, strict=False
    )
]


def verified(loss, arrays, **settings):
    plain = {name: x.numpy() for name, x in arrays.items()}
    case = case_from_arrays(plain, declared=Declared(load(loss)))
    return verify_case(case, Settings(reduction="mean", **settings))


@pytest.mark.parametrize(("name", "number", "dtype"), VARIANTS)
def test_every_mistake_that_is_planted_is_caught_and_named_and_others_pass(name, number, dtype):
    made = read(name).variants[number]
    data = Data(made, np.random.default_rng([number, len(name)]), dtype, rows=24, actions=8)
    right, known, seen = data.gradient(dtype=torch.float64), mistakes(made), []
    for mistake in (RIGHT, *planted(data)):
        exact = data.gradient(mistake, torch.float64)
        if any(near(exact, other) for other in seen):
            continue
        seen.append(exact)
        case = verified(name, {**data.given, "grad": data.gradient(mistake)})
        if near(exact, right):
            assert case.status is Status.PASSED, mistake.what
            assert not case.diagnosis
        else:
            assert case.status is Status.FAILED, mistake.what
            assert is_named(case, mistake, data.made_of(mistake, known)), mistake.what


def _cross_entropy(logits, labels, smoothing=0.1, z=1e-3, hard=None, z_of=None):
    log_pi, lse = torch.log_softmax(logits, -1), torch.logsumexp(logits, -1)
    hard = 1 - smoothing if hard is None else hard
    z_loss = lse**2 if z_of is None else z_of(lse)
    taken = log_pi.gather(-1, labels[:, None])[:, 0]
    return -hard * taken - smoothing * log_pi.mean(-1) + z * z_loss


def _case(code, *, dtype=torch.float32, rows=60, actions=20, reduce=torch.mean, **more):
    """What is dumped of some code for a loss of each state, and is said to be cross-entropy."""
    rng = np.random.default_rng(3)
    labels = torch.tensor(rng.integers(actions, size=rows))
    logits = torch.tensor(rng.normal(size=(rows, actions)) * 2, dtype=dtype, requires_grad=True)
    reduce(code(logits, labels)).backward()
    said = {"label_smoothing": torch.tensor(0.1), "z_coef": torch.tensor(1e-3)}
    arrays = {"logits": logits.detach(), "labels": labels, **said, "grad": logits.grad}
    given = {key: value(arrays) for key, value in more.items()}
    return verified("cross-entropy", {**arrays, **given})


def _named(case):
    return [one.code for one in case.diagnosis]


def test_a_term_of_which_a_stop_gradient_takes_the_gradient():
    case = _case(lambda x, j: _cross_entropy(x, j, z_of=lambda lse: lse.detach() ** 2))
    (found,) = case.diagnosis
    assert found.code == "term-missing"
    assert found.evidence["term"] == "ζ · (log (Σ_a exp(θ(a))))²"
    assert found.evidence["also"] == ["a stop-gradient on log (Σ_a exp(θ(a)))"]


def test_a_z_loss_without_its_2():
    case = _case(lambda x, j: _cross_entropy(x, j, z_of=lambda lse: lse * lse.detach()))
    (found,) = case.diagnosis
    assert (found.code, found.evidence["factor"]) == ("term-scaled", "1/2")


def test_smoothing_that_is_counted_once_a_shard():
    case = _case(lambda x, j: _cross_entropy(x, j, 0.2, hard=0.9))
    (found,) = case.diagnosis
    assert (found.code, found.evidence["factor"]) == ("term-scaled", "2")
    assert found.evidence["term"] == "−(ϵ / n) Σ_a log π(a)"


def test_a_factor_that_no_name_has_is_fitted():
    case = _case(lambda x, j: _cross_entropy(x, j, z=2.7e-3))
    (found,) = case.diagnosis
    assert found.code == "term-scaled"
    assert found.evidence["term"] == "ζ · (log (Σ_a exp(θ(a))))²"
    assert found.evidence["factor"] == pytest.approx(2.7, abs=1e-4)


def test_an_option_that_is_not_used():
    (found,) = _case(lambda x, j: _cross_entropy(x, j, 0.0)).diagnosis
    assert found.code == "term-missing"
    assert "label_smoothing is taken as 0" in found.message


def test_an_option_of_another_value():
    (found,) = _case(lambda x, j: _cross_entropy(x, j, 0.13)).diagnosis
    assert (found.code, found.evidence["term"]) == ("term-scaled", "label_smoothing")
    assert found.evidence["off_by"] == pytest.approx(0.03, abs=1e-6)


@pytest.mark.parametrize(
    ("reduce", "code"),
    [
        (torch.sum, "summed-over-states"),
        (lambda x: x.mean() / 20, "mean-over-states-and-actions"),
        (lambda x: -x.mean(), "sign-flipped"),
        (lambda x: x.mean() * 1.37, "other-scale"),
        (lambda x: x.mean() * 2**16, "loss-scaled"),
    ],
)
def test_reductions_and_scales(reduce, code):
    assert _named(_case(_cross_entropy, reduce=reduce)) == [code]


def test_a_mistake_at_another_reduction_has_both_names():
    case = _case(lambda x, j: _cross_entropy(x, j, z=0.0), reduce=torch.sum)
    assert _named(case) == ["term-missing+summed-over-states"]


def test_states_that_weigh_nothing_are_no_exception():
    weights = torch.tensor(np.where(np.arange(60) % 3 == 0, 0.0, 1.0), dtype=torch.float32)
    case = _case(lambda x, j: _cross_entropy(x, j, z=0.0) * weights, weights=lambda arrays: weights)
    (found,) = case.diagnosis
    assert found.code == "term-missing"
    assert found.message == "the term ζ · (log (Σ_a exp(θ(a))))² has no gradient"


def test_weights_that_are_not_used():
    weights = torch.tensor(np.linspace(0.3, 2.0, 60), dtype=torch.float32)
    assert _named(_case(_cross_entropy, weights=lambda arrays: weights)) == ["weights-ignored"]
    case = _case(_cross_entropy, weights=lambda arrays: weights, reduce=torch.sum)
    assert _named(case) == ["weights-ignored+summed-over-states"]


def test_what_data_cannot_tell_apart_is_said_beside_the_simplest():
    case = _case(lambda x, j: _cross_entropy(x, j, z=0.0), actions=4000, rows=4)
    (found,) = case.diagnosis
    assert (found.code, found.evidence["factor"]) == ("term-missing", "0")
    assert set(found.evidence["instead_of"]) == {"term-scaled"}
    (other,) = [each for each in found.evidence["alternatives"] if each["factor"] == "1 / n"]
    assert f"This data cannot tell it from: {other['said']}" in found.grounds


def test_a_factor_that_any_of_several_terms_may_have_is_said_of_each():
    """A divergence from an even reference is an entropy bonus but for a constant."""
    r = np.random.default_rng(31)
    logits = torch.tensor(r.normal(size=(60, 6)), requires_grad=True)
    q, ref = torch.tensor(r.normal(size=(60, 6))), torch.full((60, 6), -np.log(6.0))
    log_pi = torch.log_softmax(logits, -1)
    each = (log_pi.exp() * (0.125 * (log_pi - ref) + 1.7 * 0.0625 * log_pi - q)).sum(-1)
    (grad,) = torch.autograd.grad(each.mean(), logits)
    given = {"q": q, "ref_log_probs": ref, "beta": torch.tensor(0.125)}
    given["alpha"] = torch.tensor(0.0625)
    case = verified("kl-regularised", given | {"logits": logits.detach(), "grad": grad})
    (found,) = case.diagnosis
    said = {found.message, *(other["said"] for other in found.evidence["alternatives"])}
    assert "the term α Σ_a π(a) log π(a) is multiplied by 1.7" in said
    assert "the term β Σ_a π(a) (log π(a) − ℓ(a)) is multiplied by 1.35" in said
    assert all(other["said"] in found.grounds for other in found.evidence["alternatives"])


FORMULAS = {
    "focal": r"-(1 - \pi(j))^2 \log \pi(j)",
    "k3": r"\sum_a \pi(a) (\exp(\ell(a) - \log \pi(a)) - \ell(a) + \log \pi(a) - 1)",
    "Tsallis": r"-\sum_a \pi(a) Q(a) + \alpha \sum_a \pi(a)^2",
}


def _taken(table, x):
    return table.gather(-1, x["j"][:, None])[:, 0]


def _focal(log, x, sg=lambda x: x):
    return -((1 - sg(_taken(log, x).exp())) ** 2) * _taken(log, x)


def _k3(log, x, sg=lambda x: x):
    return (log.exp() * (sg((x["ell"] - log).exp()) - x["ell"] + log - 1)).sum(-1)


def _tsallis(log, x, sign=1.0):
    return (-log.exp() * x["q"] + sign * x["alpha"] * log.exp() ** 2).sum(-1)


@pytest.mark.parametrize(
    ("formula", "code", "named", "term"),
    [
        ("focal", lambda log, x: _focal(log, x, torch.detach), "stop-gradient", "sg[π(j)]"),
        ("k3", lambda log, x: _k3(log, x, torch.detach), "stop-gradient", "− sg[log π(a)]"),
        ("Tsallis", lambda log, x: _tsallis(log, x, -1.0), "term-sign", "α Σ_a π(a)²"),
        ("Tsallis", lambda log, x: -_tsallis(log, x), "sign-flipped", ""),
    ],
)
def test_mistakes_of_a_formula_outside_of_the_family(formula, code, named, term):
    rng = np.random.default_rng(8)
    table = torch.tensor(rng.normal(size=(3, 40, 9)), dtype=torch.float32)
    x = {"j": torch.tensor(rng.integers(9, size=40)), "ell": torch.log_softmax(table[1], -1)}
    x |= {"q": table[2], "alpha": torch.tensor(0.3)}
    logits = table[0].clone().requires_grad_()
    code(torch.log_softmax(logits, -1), x).mean().backward()
    given = {g.name for g in load(FORMULAS[formula]).variants[0].givens}
    arrays = {key: each for key, each in x.items() if key in given}
    case = verified(FORMULAS[formula], {"logits": logits.detach(), "grad": logits.grad, **arrays})
    (found,) = case.diagnosis
    assert found.code == named
    assert term in found.evidence.get("term", "")


def test_a_mistake_in_some_states_alone():
    def code(x, j):
        return torch.cat([_cross_entropy(x[:9], j[:9], z=0.0), _cross_entropy(x[9:], j[9:])])

    (found,) = _case(code).diagnosis
    assert found.code == "term-missing"
    assert "in 9 of 60 states" in found.message


def test_what_only_all_entries_together_show_is_said_by_its_number():
    rng = np.random.default_rng(4)
    table = torch.tensor(rng.normal(size=(3000, 20)), dtype=torch.float32)
    advantages = torch.tensor(rng.normal(size=3000), dtype=torch.float32)
    actions = torch.tensor(rng.integers(20, size=3000))
    logits = table.clone().requires_grad_()
    log_pi = torch.log_softmax(logits, -1)
    taken = log_pi.gather(-1, actions[:, None])[:, 0]
    loss = -advantages * taken + 0.200004 * (log_pi.exp() * log_pi).sum(-1)
    loss.mean().backward()
    arrays = {"logits": table, "actions": actions, "advantages": advantages, "grad": logits.grad}
    (found,) = verified("reinforce", {**arrays, "entropy_coef": torch.tensor(0.2)}).diagnosis
    assert (found.code, found.evidence["term"]) == ("term-scaled", "β Σ_a π(a) log π(a)")
    assert found.evidence["factor"] == pytest.approx(1.00002, abs=2e-7)


def test_what_no_formula_gives_is_unexplained():
    noise = np.random.default_rng(5).normal(size=(60, 20)) * 1e-4

    def noisy(arrays):
        return arrays["grad"] + torch.tensor(noise, dtype=torch.float32)

    (found,) = _case(_cross_entropy, grad=noisy).diagnosis
    assert found.code == "unexplained"
    for each in found.evidence["factors"]:
        assert abs(each["factor"] - 1.0) < 4.0 * each["error"]
    assert 0.01 < found.evidence["misfit"] < 1


def test_several_terms_with_factors_of_their_own():
    def code(x, j):
        spread = torch.log_softmax(x, -1).mean(-1)
        return _cross_entropy(x, j, hard=0.8, z=3e-3) + 0.03 * spread

    (found,) = _case(code).diagnosis
    assert found.code == "term-scaled"
    measured = {each["term"][:12]: each["factor"] for each in found.evidence["factors"]}
    wanted = {"−(1 − ϵ) log": 8 / 9, "−(ϵ / n) Σ_a": 0.7, "ζ · (log (Σ_": 3.0}
    assert measured == pytest.approx(wanted, rel=1e-4)


def test_a_name_has_to_hold_in_every_state_beyond_those_that_are_tried_first():
    def code(x, j):
        wrong = _cross_entropy(x, j, z=0.0)
        return torch.cat([wrong[:1001], _cross_entropy(x, j)[1001:1002], wrong[1002:]])

    assert _named(_case(code, rows=3000)) == ["unexplained"]


def test_few_wrong_entries_are_isolated():
    def spoiled(arrays):
        grad = arrays["grad"].clone()
        grad[5, 7] += 0.01
        return grad

    assert _named(_case(_cross_entropy, grad=spoiled)) == ["isolated-entries"]


def test_coarse_arithmetic_is_no_other_mistake():
    case = _case(lambda x, j: _cross_entropy(x.bfloat16(), j).float())
    assert _named(case) == ["low-precision"]


def _values(**other):
    return lambda arrays: _cross_entropy(arrays["logits"], arrays["labels"], **other)


def test_a_right_value_of_the_loss_says_that_it_is_the_backward_pass():
    def code(x, j):
        return _cross_entropy(x, j, z_of=lambda lse: lse.detach() ** 2)

    (found,) = _case(code, loss=_values()).diagnosis
    assert found.code == "stop-gradient"
    assert found.evidence["loss_is_right"] is True
    assert "backward pass" in found.grounds
    assert found.evidence["also"] == ["the term ζ · (log (Σ_a exp(θ(a))))² has no gradient"]


def test_a_wrong_value_of_the_loss_says_that_it_is_another_loss():
    found, first = _case(lambda x, j: _cross_entropy(x, j, z=0.0), loss=_values(z=0.0)).diagnosis
    assert first.code == "first-wrong"
    assert found.code == "term-missing"
    assert found.evidence["loss_is_right"] is False
    assert "another loss" in found.grounds


@pytest.mark.parametrize("name", ["cross-entropy", "distillation", "kl-regularised"])
@pytest.mark.parametrize(("rows", "actions"), [(1, 4), (3, 2), (30, 5)])
@pytest.mark.filterwarnings("error")
def test_gradients_that_are_odd_numbers_end_in_a_diagnosis(name, rows, actions):
    rng = np.random.default_rng(6)
    data = Data(read(name).variants[0], rng, torch.float64, rows, actions)
    noise = rng.normal(size=(rows, actions))
    right = rows * data.gradient().numpy()
    for far, grad, code in (
        (1, 1e300 * right, "unexplained"),
        (1, noise, "unexplained"),
        (1, 1e300 * noise, "unexplained"),
        (300, noise, "unexplained"),
        (1, np.inf * noise, "not-finite"),
        (1, 0 * noise, "detached-policy"),
    ):
        case = verified(
            name, {**data.given, "logits": far * data.logits, "grad": torch.tensor(grad)}
        )
        assert _named(case) == [code]


@pytest.mark.parametrize("name", ["reinforce", "cross-entropy"])
def test_a_wrong_factor_of_each_state_has_the_name_of_what_makes_it(name):
    """Of one action taken any loss has the right gradient but for one number a state."""
    made = read(name).variants[0]
    data = Data(made, np.random.default_rng([0, 3]), torch.float64, rows=24, actions=3)
    for option in ("entropy_coef", "label_smoothing", "z_coef"):
        if option in data.arrays:
            data.arrays[option] *= 0.0
    right, known, seen = data.gradient(dtype=torch.float64), mistakes(made), []
    for mistake in planted(data):
        wrong, made_of = data.gradient(mistake), data.made_of(mistake, known)
        if any(near(wrong, other) for other in (right, *seen)) or not made_of:
            continue
        seen.append(wrong)
        case = verified(name, {**data.given, "grad": wrong})
        assert is_named(case, mistake, made_of), mistake.what
        assert case.diagnosis[0].code not in ("scaled-by-state", "states-left-out"), mistake.what
    assert len(seen) > 10


def test_what_explains_no_few_states_is_not_tried_on_all(monkeypatch):
    """A formula is computed for many states only if it can be the one, or is a term's."""
    tried, of_program = Counter(), of_loss.of_program

    def counted(view, slope):
        tried[view.states.size] += 1
        return of_program(view, slope)

    monkeypatch.setattr(of_loss, "of_program", counted)
    made = read("reverse-kl").variants[0]
    data = Data(made, np.random.default_rng(8), torch.float64, rows=2000, actions=8)
    grad = data.gradient()
    no_sum = next(each for each in planted(data) if each.codes == {"no-baseline"})
    for wrong, code, most in (
        (grad * (1.0 + 0.1 * torch.rand_like(grad)), "unexplained", 20),  # as the factors of terms
        (data.gradient(no_sum), "no-baseline", 8),
    ):
        tried.clear()
        case = verified("reverse-kl", {**data.given, "grad": wrong})
        assert case.diagnosis[0].code == code
        assert tried[2000] <= most
        assert tried.total() - tried[2000] > 50


def test_states_without_gradient_do_not_hide_what_few_others_tell(monkeypatch):
    """A clip leaves some states the gradient of the bonus alone: without that, only rounding."""
    monkeypatch.setattr(view, "_FEW", 48)
    made = read("ppo-clip").variants[0]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        data = Data(made, rng, torch.float32, rows=40, actions=20)
        held = next(each for each in planted(data) if each.what == "(1, 1, 0, 0) detached")
        case = verified("ppo-clip", {**data.given, "grad": data.gradient(held)})
        assert [one.code for one in case.diagnosis] == ["entropy-without-gradient"]
