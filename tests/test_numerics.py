"""Every method against 80-digit arithmetic: no false alarm, and no planted error missed."""

import evaluations
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from states import TABLES, State, make, states, true_gradient, true_loss

from softcheck.checks import dumps, every
from softcheck.checks.oracles import check_exact
from softcheck.gradient import analytic, loss
from softcheck.gradient.tolerance import Precision, U, of_normaliser


def sides(e):
    """Return value and bound of Eq. (6) and of both numeric methods."""
    with np.errstate(all="ignore"):
        found = {"formula": (e.gradient, U * e.bounds.rounding.each)}
        for name in ("complex-step", "central-difference"):
            value, error = getattr(e.kernel, name.replace("-", "_"))()
            found[name] = value.copy(), U * error.each
        return found


@settings(max_examples=TABLES)
@given(states())
def test_every_value_is_within_its_bound_of_the_truth(state):
    truth = true_gradient(state)
    e = evaluations.evaluation([state])
    for name, (value, error) in sides(e).items():
        assert np.all(np.abs(value[:, 0] - truth) <= error[:, 0]), name


@settings(max_examples=TABLES)
@given(states())
def test_no_false_alarm_and_the_right_gradient_passes(state):
    e = evaluations.evaluation(
        [state], dumps={"gradient": evaluations.float64_dump(true_gradient(state)[:, np.newaxis])}
    )
    partial = every.run(e)
    partial.tallies["exact"] = check_exact(partial.suspects.values(), partial.sample, e.context)
    assert {name: t.spots[0] for name, t in partial.tallies.items() if t.failed} == {}


@settings(max_examples=TABLES)
@given(states(), st.sampled_from([-1.0, -300.0, -600.0, -740.0]))
def test_a_bound_does_not_depend_on_the_company_of_its_state(state, low):
    """Room for underflow is left out of blocks that are far from it, where it changes no digit."""
    actions = len(state.logits)
    logits = np.where(np.arange(actions) == 0, 0.0, low)
    other = State(np.linspace(0.0, 1.0, actions), logits, 1e-300 if low < -1.0 else 1.0)
    alone, beside = (evaluations.evaluation(block).bounds for block in ([state], [state, other]))
    for name in ("rounding", "own"):
        for one, two in zip(getattr(alone, name), getattr(beside, name), strict=True):
            np.testing.assert_array_equal(one[..., 0], two[..., 0], name)
    np.testing.assert_array_equal(alone.total, beside.total[:1])


@settings(max_examples=TABLES)
@given(states(), st.integers(0, 2**32 - 1), st.sampled_from([4.0, -4.0, 1e3]))
def test_a_planted_error_of_four_tolerances_is_caught_where_it_is(state, seed, size):
    generator = np.random.default_rng(seed)
    action = int(generator.choice(np.flatnonzero(np.isfinite(state.logits))))
    for name in ("complex-step", "central-difference"):
        e = evaluations.evaluation([state])
        both = sides(e)
        e.gradient[action, 0] += size * sum(both[of][1][action, 0] for of in ("formula", name))
        tally = every.check(e, name)
        assert tally.failed == 1
        assert tally.spots[0].action == action


@settings(max_examples=TABLES)
@given(states(), st.integers(0, 2**32 - 1), st.sampled_from([4.0, -4.0, 1e3]))
def test_a_planted_error_in_a_dump_is_caught_where_it_is(state, seed, size):
    generator = np.random.default_rng(seed)
    action = int(generator.integers(len(state.q)))
    gradient = true_gradient(state)[:, np.newaxis]
    right = evaluations.evaluation([state], dumps={"gradient": evaluations.float64_dump(gradient)})
    tolerance = dumps.dump_tolerance(right.dumps["gradient"], dumps.DUMPS["gradient"](right))
    policy = right.policy
    logsumexp, mean = policy.highest + policy.log_Z, np.abs(policy.value) + state.alpha
    # Of one live action alone it might be what logsumexp rounded.
    normaliser = U * of_normaliser(logsumexp, mean)
    wrong = gradient.copy()
    wrong[action, 0] += size * tolerance[action, 0] + np.sign(size) * normaliser[0]
    tally = every.check(
        evaluations.evaluation([state], dumps={"gradient": evaluations.float64_dump(wrong)}),
        "gradient",
    )
    assert tally.failed == 1
    assert tally.spots[0].action == action


@settings(max_examples=TABLES)
@given(states())
def test_what_a_comparison_is_said_to_see_is_no_better_than_what_it_sees(state):
    e = evaluations.evaluation([state])
    live = (e.scale[:, 0] > 0) & (e.policy.pi[:, 0] > 0)
    with np.errstate(all="ignore"):
        for side in (e.kernel.complex_step, e.kernel.central_difference):
            _, error = side()
            seen = error.each[live, 0] / e.scale[live, 0]
            assert not np.any(seen > error.relative[0] * (1 + 1e-9))


@settings(max_examples=TABLES // 2)
@given(states(max_actions=12), st.floats(-9, -2), st.integers(0, 2**32 - 1))
def test_the_change_of_the_loss_rounds_as_the_descent_check_says(state, size, seed):
    e = evaluations.evaluation([state])
    generator = np.random.default_rng(seed)
    step = generator.normal(size=e.gradient.shape) * 10.0**size
    with np.errstate(all="ignore"):
        found, rounding = e.kernel.change(step, np.abs(step).max(axis=0))
    truth = true_loss(state, step[:, 0]) - true_loss(state)
    assert abs(found[0] - float(truth)) <= U * rounding[0] + 1e-300


@settings(max_examples=TABLES // 3)
@given(states(max_actions=6), st.sampled_from([2.0**-24, -(2.0**-24), 2.0**-30]))
def test_the_loss_changes_as_said_when_one_logit_moves(state, h):
    e = evaluations.evaluation([state])
    with np.errstate(all="ignore"):
        found = loss.moved(e.kernel.terms, h, np.empty_like(e.gradient), e.buffers)[:, 0] / h
        bound = U * (e.bounds.rounding.each + 16.0 * e.bounds.own.each)[:, 0]
    steps = np.eye(len(state.q)) * h
    for action in np.flatnonzero(e.policy.pi[:, 0] > 1e-40):  # the truth has 80 digits
        truth = (true_loss(state, steps[action]) - true_loss(state)) / h
        assert not abs(found[action] - float(truth)) > bound[action]


@pytest.mark.parametrize("actions", [300, 2000])
@pytest.mark.parametrize("kind", ["any", "near-optimal", "saturated"])
def test_states_of_many_actions_keep_to_the_bounds_too(actions, kind):
    state = make(
        np.random.default_rng(actions), kind,
        actions=actions, logit_scale=3.0, offset=1e3, q_scale=10.0, alpha=0.1, masked=0.3,
    )  # fmt: skip
    truth = true_gradient(state)
    e = evaluations.evaluation([state])
    for name, (value, error) in sides(e).items():
        assert np.all(np.abs(value[:, 0] - truth) <= error[:, 0]), name
    assert not any(tally.failed for tally in every.run(e).tallies.values())


def test_the_bounds_are_not_a_hundred_times_too_wide():
    generator = np.random.default_rng(0)
    ratios = {}
    for _ in range(400):
        state = make(
            generator,
            generator.choice(["any", "near-optimal", "saturated"]),
            actions=int(generator.integers(2, 65)),
            logit_scale=10.0 ** generator.uniform(-3, 3),
            offset=generator.choice([0.0, 1e3, 1e6]),
            q_scale=10.0 ** generator.uniform(-4, 9),
            alpha=10.0 ** generator.uniform(-6, 3),
            masked=generator.choice([0.0, 0.3]),
        )
        truth = true_gradient(state)
        e = evaluations.evaluation([state])
        for name, (value, error) in sides(e).items():
            live = (e.scale[:, 0] > 0) & (error[:, 0] < e.scale[:, 0])
            ratio = np.abs(value[:, 0] - truth)[live] / error[live, 0]
            ratios.setdefault(name, []).append(ratio.max(initial=0.0))
    for name, worst in ratios.items():
        assert np.median(worst) >= 0.01, name


@settings(max_examples=TABLES)
@given(states(max_actions=8), st.integers(0, 1000))
def test_the_sampled_gradient_stays_in_its_interval(state, seed):
    e = evaluations.evaluation([state], samples=200, seed=seed)
    assert every.check(e, "sampled").failed == 0


def test_the_sampled_check_sees_a_flipped_sign():
    generator = np.random.default_rng(3)
    state = make(
        generator, "any", actions=4, logit_scale=1, offset=0, q_scale=3, alpha=0.5, masked=0
    )
    e = evaluations.evaluation([state], samples=10_000)
    np.negative(e.gradient, out=e.gradient)
    assert every.check(e, "sampled").failed == 4


ORDINARY = make(
    np.random.default_rng(1),
    "any", actions=5, logit_scale=1.0, offset=0.0, q_scale=2.0, alpha=0.3, masked=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("about", "wrong"),
    [
        ("sum over actions", lambda p: -p.pi * p.g),
        # not the same after a shift of Q
        ("2 gradient(Q, alpha)", lambda p: -p.pi * (p.g - p.value) * (1 + p.value**2)),
        # not homogeneous
        ("2 gradient(Q, alpha)", lambda p: -p.pi * (p.g - p.value) * (1 + np.abs(p.g - p.value))),
        # not zero at theta = Q / alpha
        (
            "2 gradient(Q, alpha)",
            lambda p: -p.pi * (p.g - p.value) - p.pi * (p.log_pi - (p.pi * p.log_pi).sum(0)),
        ),
    ],
)
def test_invariants_see_a_formula_that_breaks_them(monkeypatch, about, wrong):
    monkeypatch.setattr(analytic, "gradient", lambda policy, *_: wrong(policy))
    tally = every.check(evaluations.evaluation([ORDINARY]), "invariants")
    assert tally.failed
    assert any(about in spot.about for spot in tally.spots)


def test_descent_sees_a_step_uphill(monkeypatch):
    formula = analytic.gradient
    monkeypatch.setattr(analytic, "gradient", lambda *given: -formula(*given))
    assert every.check(evaluations.evaluation([ORDINARY]), "descent").failed == 1


def test_an_overflow_is_blind_and_no_verdict():
    state = State(np.array([1e308, -1e308]), np.array([0.0, 1.0]), 1.0)
    for name, tally in every.run(evaluations.evaluation([state])).tallies.items():
        if name != "descent":
            assert (tally.failed, tally.blind) == (0, tally.live), name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_fails_even_where_the_check_is_blind(value):
    state = State(np.array([1e308, -1e308, 0.0]), np.array([0.0, 1.0, 2.0]), 1.0)
    dump = evaluations.float64_dump(np.full((3, 1), value))
    tally = every.check(evaluations.evaluation([state], dumps={"gradient": dump}), "gradient")
    assert tally.failed == 3


@pytest.mark.parametrize(
    ("value", "failed"), [(0.0, 0), (-0.0, 0), (5e-7, 0), (5e-5, 1), (-5e-5, 1), (np.nan, 1)]
)
def test_the_gradient_of_a_masked_action_is_zero_but_for_rounding(value, failed):
    """In float32 PyTorch leaves up to 8 roundings of sum pi |g|, here 1.6 and so 8e-7."""
    state = State(np.array([1.0, 0.0, 2.0]), np.array([0.5, -np.inf, 0.1]), 0.2)
    gradient = true_gradient(state)[:, np.newaxis]
    gradient[1] = value
    dump = (gradient, Precision.FLOAT32)
    tally = every.check(evaluations.evaluation([state], dumps={"gradient": dump}), "gradient")
    assert tally.failed == failed
