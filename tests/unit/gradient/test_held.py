"""Losses with a coefficient that is held, against 90 digits and against wrong coefficients."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from softcheck.checks.coefficients import block_of
from softcheck.checks.evaluation import Context, Evaluation, kernel_of
from softcheck.checks.oracles import METHODS, of_coefficient
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.held import Held
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import U
from softcheck.losses import load

CLIP = 0.2
LOSSES = {
    "ppo-clip": "ppo-clip",
    "grpo": "grpo",
    "focal": r"-(1-\pi(j))^2 \log \pi(j)",
    "of a power": r"-A \pi(j)^2 (1 + \log \pi(j))",
}
NAMED = pytest.mark.parametrize("name", LOSSES)


def drawn(name, actions, rows, seed=0, spread=2.0):
    """Return a loss and a block of it, as a case has them."""
    r = np.random.default_rng([seed, actions])
    (loss,) = load(LOSSES[name]).variants
    logits = r.normal(size=(actions, rows)) * spread * r.exponential(size=rows)
    index = r.integers(actions, size=rows)
    log_pi = logits - np.log(np.exp(logits - logits.max(0)).sum(0)) - logits.max(0)
    taken = log_pi[index, np.arange(rows)]
    data = {
        "j": index,
        "actions": index,
        "A": r.normal(size=rows),
        "advantages": r.normal(size=rows),
        "old_log_probs": taken + 0.3 * r.normal(size=rows),
        "ref_log_probs": taken + r.normal(size=rows),
        "clip": np.array([CLIP]),
        "beta": np.array([0.04]),
        "entropy_coef": np.array([0.01]),
    }
    data = {given.name: data[given.name] for given in loss.givens}
    return loss, data, logits


def evaluated(loss, data, logits):
    """Return an evaluation of a block, its coefficients made of what is given."""
    constant = {name for name, x in data.items() if x.size == 1}
    buffers = Buffers()
    block = block_of(loss, data, constant, logits, None, buffers)
    context = Context(logits.size, 5, loss=loss)
    return Evaluation(block, 0, np.ones(1), None, {}, context, buffers)


@NAMED
@pytest.mark.parametrize("actions", [2, 7, 60])
@pytest.mark.parametrize("spread", [0.5, 5.0])
def test_the_gradient_is_that_of_the_loss_as_it_is(name, actions, spread):
    loss, data, logits = drawn(name, actions, 12, spread=spread)
    e = evaluated(loss, data, logits)
    assert isinstance(e.kernel, Held)
    each = e.bounds.rounding.each + e.kernel.of_coefficient
    for row in range(12):
        alone = kernel_of(e.block.state(row), loss, Buffers())
        truth = np.array(alone.exact(range(actions)))
        assert (np.abs(e.gradient[:, row] - truth) <= U * each[:, row]).all()
    seen = U * each / np.maximum(e.scale, 1e-300)
    assert np.median(seen) < 1e-13


@NAMED
@pytest.mark.parametrize("actions", [2, 60])
def test_it_is_that_of_the_loss_as_a_list_of_operations(name, actions):
    loss, data, logits = drawn(name, actions, 500, seed=1, spread=4.0)
    e = evaluated(loss, data, logits)
    whole = evaluated(replace(loss, family=None), data, logits)
    assert isinstance(whole.kernel, Composed)
    bounds = e.bounds.rounding.each + e.kernel.of_coefficient + whole.bounds.rounding.each
    assert (np.abs(e.gradient - whole.gradient) <= U * bounds).all()


def twice(program):
    """Return a program of 1.0001 times a number."""
    last = len(program.operations) - 1
    more = Operation("multiply", (last, last + 1))
    return Program((*program.operations, Operation("number", of=Fraction(10001, 10000)), more))


@NAMED
@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_coefficient_is_seen_in_every_state(name, method):
    loss, data, logits = drawn(name, 7, 100, seed=2)
    assert of_coefficient(evaluated(loss, data, logits), METHODS[method]).failed == 0
    family = replace(loss.family, chosen=twice(loss.family.chosen))
    e = evaluated(replace(loss, family=family), data, logits)
    found = of_coefficient(e, METHODS[method])
    assert found.entries == 100
    assert found.failed == np.count_nonzero(e.kernel.coefficient.value)


def test_of_a_ratio_that_overflows_nothing_is_known():
    loss, data, logits = drawn("grpo", 7, 10)
    data["old_log_probs"][:3] = -1000.0
    data["advantages"][:3] = -1.0
    e = evaluated(loss, data, logits)
    assert np.isinf(e.kernel.coefficient.error[:3]).all()
    assert np.isfinite(e.kernel.coefficient.error[3:]).all()
    assert np.isinf(e.kernel.dump_rounding[:, :3]).all()
    for method in METHODS.values():
        found = of_coefficient(e, method)
        assert (found.failed, found.blind + 10 - found.live) == (0, 3)
