"""Losses with a minimum, a maximum or a clip: the region is that of the data, a tie is blind."""

import numpy as np
import pytest
import torch

from softcheck import Status, verify
from softcheck.derive.expr import Compare, Diff, Sym, walk
from softcheck.errors import InputError, UsageError
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.tolerance import U
from softcheck.losses import load, read

CLIP, BETA, ENTROPY = 0.2, 0.04, 0.01
STATES, ACTIONS = 120, 7
PRECISIONS = [
    pytest.param(torch.float64, torch.float64, id="float64"),
    pytest.param(torch.float32, torch.float32, id="float32"),
    pytest.param(torch.bfloat16, torch.float32, id="bfloat16 upcast"),
]


def _ratio(taken, x):
    return torch.exp(taken - x["old_log_probs"])


def _surrogate(taken, x):
    ratio = _ratio(taken, x)
    clipped = torch.clamp(ratio, 1 - CLIP, 1 + CLIP)
    return -torch.min(ratio * x["advantages"], clipped * x["advantages"])


def _k3(taken, x):
    apart = x["ref_log_probs"] - taken
    return torch.exp(apart) - apart - 1


def _on_the_wrong_side(taken, x):
    ratio, a = _ratio(taken, x), x["advantages"]
    clipped = torch.where(a > 0, ratio.clamp(min=1 - CLIP), ratio.clamp(max=1 + CLIP))
    return -clipped * a


def _without_minimum(taken, x):
    return -torch.clamp(_ratio(taken, x), 1 - CLIP, 1 + CLIP) * x["advantages"]


def _without_clip(taken, x):
    return -_ratio(taken, x) * x["advantages"]


def _with_maximum(taken, x):
    ratio, a = _ratio(taken, x), x["advantages"]
    return -torch.max(ratio * a, torch.clamp(ratio, 1 - CLIP, 1 + CLIP) * a)


def _detached_ratio(taken, x):
    return 0.0 * taken + _surrogate(taken.detach(), x)


def _detached_k3(taken, x):
    apart = x["ref_log_probs"] - taken
    return torch.exp(apart).detach() * 1.0 - apart - 1


def _k2(taken, x):
    return 0.5 * (x["ref_log_probs"] - taken) ** 2


RIGHT = {"ppo-clip": (_surrogate, None), "grpo": (_surrogate, _k3)}
WRONG = [
    ("ppo-clip", _on_the_wrong_side, None),
    ("ppo-clip", _without_minimum, None),
    ("ppo-clip", _without_clip, None),
    ("ppo-clip", _with_maximum, None),
    ("ppo-clip", _detached_ratio, None),
    ("grpo", _on_the_wrong_side, _k3),
    ("grpo", _without_minimum, _k3),
    ("grpo", _detached_ratio, _k3),
    ("grpo", _surrogate, _detached_k3),
    ("grpo", _surrogate, _k2),
]


def _case(name, surrogate, divergence, stored=torch.float64, computed=torch.float64, spread=0.4):
    """What is dumped of a batch, some of whose tokens are those of the first step: a ratio of 1."""
    rng = np.random.default_rng(5)
    leaf = torch.tensor(rng.normal(size=(STATES, ACTIONS)) * 2, dtype=stored, requires_grad=True)
    log_pi = torch.log_softmax(leaf.to(computed), -1)
    actions = torch.tensor(rng.integers(ACTIONS, size=STATES))
    taken = log_pi.gather(-1, actions[:, None])[:, 0]
    off = rng.normal(size=(2, STATES)) * spread * (rng.random(STATES) < 0.8)
    old, ref = (taken.detach() + torch.tensor(each, dtype=computed) for each in off)
    x = {"actions": actions, "old_log_probs": old, "clip": CLIP, "entropy_coef": ENTROPY}
    x["advantages"] = torch.tensor(rng.normal(size=STATES), dtype=computed)
    if name == "grpo":
        x |= {"ref_log_probs": ref, "beta": BETA}
    loss = surrogate(taken, x) + ENTROPY * (log_pi.exp() * log_pi).sum(-1)
    if divergence is not None:
        loss = loss + BETA * divergence(taken, x)
    loss.mean().backward()
    return {
        "loss": name, "logits": leaf.detach(), "grad": leaf.grad, "reduction": "mean",
        "compute_dtype": str(computed).removeprefix("torch."), **x,
    }  # fmt: skip


@pytest.mark.parametrize(("stored", "computed"), PRECISIONS)
@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass_and_no_token_is_blind(name, stored, computed):
    (case,) = verify(**_case(name, *RIGHT[name], stored, computed)).cases
    assert case.status is Status.PASSED
    assert not case.diagnosis
    assert sum(check.blind for check in case.checks) == 0


@pytest.mark.parametrize("name", RIGHT)
def test_a_clip_is_not_negative(name):
    given = _case(name, *RIGHT[name])
    with pytest.raises(InputError, match=r"clip: found -0\.2, expected .* not negative"):
        verify(**{**given, "clip": -CLIP})


@pytest.mark.parametrize(("stored", "computed"), PRECISIONS)
@pytest.mark.parametrize(("name", "surrogate", "divergence"), WRONG)
def test_wrong_gradients_fail(name, surrogate, divergence, stored, computed):
    (case,) = verify(**_case(name, surrogate, divergence, stored, computed)).cases
    failed = {check.name for check in case.checks if check.status is Status.FAILED}
    assert failed - {"fit"} == {"gradient"}


def test_a_tie_is_blind_and_counted_and_never_wrong():
    given = _case("ppo-clip", *RIGHT["ppo-clip"])
    log_pi = torch.log_softmax(given["logits"], -1)
    taken = log_pi.gather(-1, given["actions"][:, None])[:, 0]
    # The ratio of the first is at its upper bound but for rounding, and counts by its sign.
    given["old_log_probs"][:2] = taken[:2] - np.log(1 + CLIP)
    given["advantages"][:2] = 1.0
    given["entropy_coef"] = 0.0
    entry = (log_pi.exp()[:2] - torch.nn.functional.one_hot(given["actions"][:2], ACTIONS)) * 1.2
    for share in (0.0, 0.5, 1.0):
        given["grad"] = _gradient_without_entropy(given)
        given["grad"][:2] = share * entry / STATES
        (case,) = verify(**given).cases
        assert case.status is Status.PASSED
        blind = {check.name: check.blind for check in case.checks}
        assert blind["gradient"] == 14
        # What is held of each of the two states, whatever its logits are.
        assert blind["complex-step"] == blind["central-difference"] == 2


def _gradient_without_entropy(given):
    leaf = given["logits"].clone().requires_grad_()
    taken = torch.log_softmax(leaf, -1).gather(-1, given["actions"][:, None])[:, 0]
    _surrogate(taken, given).mean().backward()
    return leaf.grad


def test_a_token_that_is_clipped_has_no_gradient_and_is_seen():
    given = _case("ppo-clip", *RIGHT["ppo-clip"])
    given["entropy_coef"] = 0.0
    given["grad"] = _gradient_without_entropy(given)
    (case,) = verify(**given).cases
    assert (given["grad"] == 0.0).all(dim=-1).sum() > STATES / 10
    assert case.status is Status.PASSED
    assert sum(check.blind for check in case.checks) == 0
    (variant,) = load("ppo-clip").variants
    data = {name: np.broadcast_to(given[name], STATES) for name in variant.value.names}
    block = _block(given["logits"].numpy().T, data)
    assert Composed(variant.value, variant.slope, block, Buffers()).scale.min() > 1e-6


@pytest.mark.parametrize("units", [1e-7, 3e-7])
def test_a_ratio_that_float32_cannot_tell_from_its_bound_is_a_tie_in_float32_alone(units):
    given = _case("ppo-clip", *RIGHT["ppo-clip"], torch.float32, torch.float32)
    taken = torch.log_softmax(given["logits"].double(), -1).gather(-1, given["actions"][:, None])
    given["old_log_probs"] = given["old_log_probs"].double()
    given["old_log_probs"][0] = taken[0, 0] - np.log(1 + CLIP) - units
    given["advantages"][0] = 1.0
    (case,) = verify(**given).cases
    assert case.status is Status.PASSED
    blind = {check.name: check.blind for check in case.checks}
    assert blind["gradient"] == ACTIONS
    assert blind["complex-step"] == blind["central-difference"] == 0


# Any formula: by action, nested, of the policy and of the data


def _of(table, state):
    return {
        r"\sum_a \min(\pi(a), x(a)) x(a)": lambda p, log: (torch.minimum(p, table) * table).sum(0),
        r"-\sum_a \pi(a) \max(\log \pi(a), x(a))": lambda p, log: (
            -(p * torch.maximum(log, table)).sum(0)
        ),
        r"\max(\log \pi(j), c) - \min(\pi(j), \max(c, x(j)))^2": lambda p, log: (
            torch.maximum(log[2], state) - torch.minimum(p[2], torch.maximum(state, table[2])) ** 2
        ),
        r"\sum_a \operatorname{clip}(\pi(a) / \exp(x(a)), 1 - c, 1 + c) x(a)": lambda p, log: (
            torch.minimum(torch.maximum(p / table.exp(), 1 - state), 1 + state) * table
        ).sum(0),
        # Both sides are the same nearly everywhere, and no tie that matters.
        r"\min(c \pi(j), \operatorname{clip}(\pi(j), c / 100, 2) c)": lambda p, log: p[2] * state,
        r"\min(\sum_a \pi(a) x(a), c) \log \pi(j)": lambda p, log: (
            torch.minimum((p * table).sum(0), state) * log[2]
        ),
    }


def _block(logits, data):
    nothing = np.zeros(1)
    return Block(nothing, logits, nothing, data=data)


TABLE = torch.tensor(np.random.default_rng(1).normal(size=(6, 40)))
STATE = torch.tensor(np.random.default_rng(2).uniform(0.1, 0.4, size=40))
FORMULAS = _of(TABLE, STATE)


@pytest.mark.parametrize("formula", FORMULAS)
def test_any_formula_agrees_with_autograd_in_value_gradient_and_each_numeric_route(formula):
    (variant,) = load(formula).variants
    theta = torch.tensor(np.random.default_rng(3).normal(size=(6, 40)), requires_grad=True)
    value = FORMULAS[formula](torch.softmax(theta, 0), torch.log_softmax(theta, 0))
    value.sum().backward()
    data = {"x": TABLE.numpy(), "c": STATE.numpy(), "j": np.full(40, 2)}
    data = {given.name: data[given.name] for given in variant.givens}
    block = _block(theta.detach().numpy(), data)
    kernel = Composed(variant.value, variant.slope, block, Buffers())
    right = theta.grad.numpy()
    np.testing.assert_allclose(kernel.value.value, value.detach().numpy(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(kernel.gradient, right, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(kernel.complex_step()[0], right, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(kernel.central_difference()[0], right, rtol=1e-11, atol=1e-13)
    for error in (kernel.bounds.rounding, kernel.complex_step()[1], kernel.central_difference()[1]):
        assert error.each.max() < 1e4
    one = _block(block.logits[:, :1], {k: x[..., :1] for k, x in data.items()})
    exact = Composed(variant.value, variant.slope, one, Buffers()).exact(range(6))
    np.testing.assert_allclose(exact, right[:, 0], rtol=1e-12, atol=1e-14)


def test_the_exact_derivative_is_that_of_the_region_of_the_data_and_not_of_both_sides_of_a_tie():
    (variant,) = load(r"\max(\pi(j), c)").variants
    block = _block(np.zeros((2, 1)), {"j": np.array([0]), "c": np.array([0.5])})
    kernel = Composed(variant.value, variant.slope, block, Buffers())
    assert kernel.exact([0]) == [0.25]
    assert (kernel.bounds.rounding.each * U >= 0.25).all()


def test_the_proof_is_of_each_case_and_a_wrong_gradient_has_none():
    (made,) = read("ppo-clip").variants
    (region, *_) = made.policy.regions
    assert made.theorem is not None
    derivative = Diff(made.value, Sym("θ", (made.action,)))
    wrong = Sym(region.name, region.actions)
    assert not made.equal(derivative, wrong)
    assert made.equal(derivative, made.slope)
    assert not [part for part in walk(made.slope) if isinstance(part, Compare)]


def test_a_formula_is_printed_with_its_minima_and_its_cases():
    (variant,) = load(r"\min(\pi(j), c) + \max(c, \log \pi(j))").variants
    assert variant.formula == "min(π(j), c) + max(c, log π(j))"
    assert "1{π(j) ≤ c}" in variant.gradient
    assert "1{c ≥ log π(j)}" in variant.gradient
    assert r"\mathbf{1}\left\{\pi(j) \leq  c\right\}" in variant.gradient_latex


def test_a_maximum_over_actions_is_refused():
    with pytest.raises(UsageError, match="a maximum is outside what can be decided"):
        load(r"\max_a \pi(a)")
