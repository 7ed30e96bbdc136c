"""Losses of the family against 80-digit arithmetic: no bound exceeded, no planted error missed."""

import evaluations
import numpy as np
import pytest
from family_states import KINDS, TARGETS, Truth, blocks, make
from hypothesis import given, settings
from hypothesis import strategies as st
from states import TABLES

from softcheck.checks import every
from softcheck.checks.oracles import check_exact
from softcheck.gradient.family import Family
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import U

ROUTES = ("complex_step", "central_difference")


def sides(kernel):
    """Return value, bound and relative bound of the gradient and of both numeric routes."""
    with np.errstate(all="ignore"):
        found = {"formula": (kernel.gradient, kernel.bounds.rounding)}
        found |= {route: getattr(kernel, route)() for route in ROUTES[:1]}
        found = {name: _kept(*side) for name, side in found.items()}
        return found | {"central_difference": _kept(*kernel.central_difference())}


def _kept(value, error):
    return value[:, 0].copy(), U * error.each[:, 0], U * error.relative[0]


@settings(max_examples=TABLES)
@given(blocks())
def test_every_value_is_within_its_bound_of_the_truth(block):
    truth, kernel = Truth(block).gradient(), Family(block, Buffers())
    for name, (value, error, _) in sides(kernel).items():
        assert not np.any(np.abs(value - truth) > error), name
    total, (kappa, rounding, _) = truth.sum(), kernel.row_sum
    assert not abs(total - kappa[0]) > U * (rounding[0] + len(truth) * np.abs(truth).sum())


@settings(max_examples=TABLES // 4)
@given(blocks())
def test_no_false_alarm_and_the_right_gradient_passes(block):
    dump = evaluations.float64_dump(Truth(block).gradient()[:, np.newaxis])
    e = evaluations.of_block(block, dumps={"gradient": dump})
    partial = every.run(e)
    partial.tallies["exact"] = check_exact(partial.suspects.values(), partial.sample, e.context)
    assert {name: t.spots[0] for name, t in partial.tallies.items() if t.failed} == {}


@settings(max_examples=TABLES // 4)
@given(blocks(), st.integers(0, 2**32 - 1), st.sampled_from([4.0, -4.0, 1e3]))
def test_a_planted_error_of_four_tolerances_is_caught_where_it_is(block, seed, size):
    action = np.random.default_rng(seed).choice(np.flatnonzero(np.isfinite(block.logits[:, 0])))
    for route in ROUTES:
        e = evaluations.of_block(block)
        both = sides(e.kernel)
        e.gradient[action, 0] += size * sum(both[of][1][action] for of in ("formula", route))
        tally = every.check(e, route.replace("_", "-"))
        assert (tally.failed, tally.spots[0].action) == (1, action)


@settings(max_examples=TABLES // 4)
@given(blocks())
def test_what_a_comparison_is_said_to_see_is_no_better_than_what_it_sees(block):
    kernel = Family(block, Buffers())
    live = (kernel.scale[:, 0] > 0) & (kernel.policy.pi[:, 0] > 0)
    for _, error, relative in sides(kernel).values():
        with np.errstate(all="ignore"):
            assert not np.any(error[live] / kernel.scale[live, 0] > relative * (1 + 1e-9))


@settings(max_examples=TABLES // 4)
@given(blocks(max_actions=12), st.floats(-9, -2), st.integers(0, 2**32 - 1))
def test_the_change_of_the_loss_rounds_as_the_descent_check_says(block, size, seed):
    kernel = Family(block, Buffers())
    step = np.random.default_rng(seed).normal(size=block.logits.shape) * 10.0**size
    with np.errstate(all="ignore"):
        found, rounding = kernel.change(step, np.abs(step).max(axis=0))
    truth = Truth(block)
    change = float(truth.loss(step[:, 0]) - truth.loss())
    assert not abs(found[0] - change) > U * rounding[0] + 1e-300


@settings(max_examples=TABLES // 4)
@given(blocks(max_actions=8), st.integers(0, 1000))
def test_the_sampled_gradient_stays_in_its_interval(block, seed):
    assert every.check(evaluations.of_block(block, samples=200, seed=seed), "sampled").failed == 0


@settings(max_examples=TABLES // 4)
@given(blocks(max_actions=12))
def test_the_loss_is_within_its_bound(block):
    kernel = Family(block, Buffers())
    with np.errstate(all="ignore"):
        value, rounding, scale = kernel.value
    error = abs(value[0] - float(Truth(block).loss()))
    assert not error > U * rounding[0] + 1e-300
    assert U * rounding[0] < 1e-6 * scale[0] or np.abs(block.logits).max() > 1e5 or not scale[0]


@settings(max_examples=TABLES // 4)
@given(blocks(max_actions=12))
def test_the_exact_method_agrees_with_another_formula_at_more_digits(block):
    kernel, truth = Family(block, Buffers()), Truth(block)
    legal = np.array(truth.legal)
    found, size = np.array(kernel.exact(truth.legal)), kernel.scale[legal, 0]
    expected = truth.gradient()[legal]
    if block.zeta is not None:
        size = size + np.abs(block.zeta[0])
    # The other formula subtracts numbers that were rounded to 80 digits.
    given = np.abs(block.q).max() + np.abs(block.alpha[0]) * np.ptp(block.logits[legal])
    bound = 1e-40 * size + 1e-75 * given + np.spacing(np.abs(expected))
    assert np.all(np.abs(found - expected) <= bound)


@pytest.mark.parametrize("actions", [300, 2000])
@pytest.mark.parametrize("target", TARGETS)
def test_states_of_many_actions_keep_to_the_bounds_too(actions, target):
    for seed, kind in enumerate(KINDS):
        block = make(np.random.default_rng((actions, seed)), actions, kind, target)
        truth = Truth(block).gradient()
        for name, (value, error, _) in sides(Family(block, Buffers())).items():
            assert not np.any(np.abs(value - truth) > error), (kind, name)


def test_the_bounds_are_not_a_hundred_times_too_wide():
    generator, ratios = np.random.default_rng(0), {}
    for number in range(420):
        kind, target = KINDS[number % len(KINDS)], TARGETS[number % len(TARGETS)]
        block = make(generator, int(generator.integers(2, 65)), kind, target)
        truth, kernel = Truth(block).gradient(), Family(block, Buffers())
        for name, (value, error, _) in sides(kernel).items():
            seen = (kernel.scale[:, 0] > 0) & (error < kernel.scale[:, 0])
            ratio = np.abs(value - truth)[seen] / error[seen]
            ratios.setdefault(name, []).append(ratio.max(initial=0.0))
    for name, worst in ratios.items():
        assert np.median(worst) >= 0.01, name
