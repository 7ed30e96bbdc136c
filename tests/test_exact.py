"""The exact check: its digits against mpmath, the entries it looks at, and whom it blames."""

import evaluations
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from states import TABLES, State, make, states, true_gradient, true_size

from softcheck.checks import every, oracles
from softcheck.checks.oracles import check_exact, exact_sample
from softcheck.gradient import analytic
from softcheck.gradient.numeric import exact
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.verification import verify_case


@settings(max_examples=TABLES)
@given(states(max_actions=12))
def test_the_exact_method_agrees_with_another_formula_at_more_digits(state):
    found = exactly(state)
    truth, size = true_gradient(state), true_size(state)
    # The other formula subtracts numbers that were rounded to 80 digits.
    legal = np.isfinite(state.logits)
    given = np.abs(state.q).max() + state.alpha * np.ptp(state.logits[legal])
    bound = 1e-40 * size + 1e-75 * given + np.spacing(np.abs(truth))
    assert np.all(np.abs(found - truth) <= bound)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(20))
def test_the_exact_method_is_right_to_40_digits_of_what_cancels(seed, alpha):
    state = cancelling(np.random.default_rng(seed), alpha)
    truth, size = true_gradient(state)[0], true_size(state)[0]
    assert abs(truth) < 1e-42 * size
    assert 0 < abs(exactly(state)[0] - truth) <= 1e-40 * size


def test_the_exact_method_survives_numbers_that_no_float64_holds():
    """Q of both ends of the range, weights of 1e-434 and 1e-1302, and a gradient above 1e308."""
    most = np.finfo(np.float64).max
    state = State(
        np.array([most, -most, 5e-324, most]), np.array([0.0, -1.0, -3000.0, -1000.0]), 5e-324
    )
    np.testing.assert_allclose(exactly(state), true_gradient(state), rtol=2.3e-16, atol=0.0)
    state = State(np.array([-most, *[most] * 2000]), np.array([0.0, *[-7.0] * 2000]), most)
    assert exactly(state)[0] == np.inf


def cancelling(generator, alpha):
    """Return a state whose first action has the soft value of the others to more than 42 digits.

    Each of the last actions takes up what the rounding of the Q before it has left.
    """
    context = mpmath.mp.clone()
    context.dps = 80
    logits = np.array([0.0, -1.0, -2.0, -38.0, -74.0]) - generator.uniform(0, 1, size=5)
    z = [context.mpf(logit) - context.mpf(logits[0]) for logit in logits.tolist()]
    w = [context.exp(each) for each in z]
    q = generator.normal(size=2).tolist()
    for a in range(2, 5):
        u = [value - alpha * shifted for value, shifted in zip(q, z, strict=False)]
        left = context.fsum(w[b] * (u[b] - u[0]) for b in range(1, a))
        q.append(float(u[0] + alpha * z[a] - left / w[a]))
    return State(np.array(q), logits, alpha)


def exactly(state):
    """Return the exact method's derivative by every legal logit, 0 by the others."""
    legal = np.flatnonzero(np.isfinite(state.logits))
    found = np.zeros(len(state.q))
    found[legal] = exact.gradient(
        state.q[legal].tolist(), state.logits[legal].tolist(), state.alpha, range(len(legal))
    )
    return found


@pytest.mark.parametrize(
    ("states", "actions", "drawn"),
    [(20, 4, 3), (1000, 18, 3), (4000, 6, 7), (40_000, 2, 64), (3, 1000, 1), (9000, 1000, 8)],
)
def test_the_exact_check_draws_more_entries_of_a_larger_case(states, actions, drawn):
    assert exact_sample(states, actions) == drawn


@pytest.mark.parametrize("shape", [(5000, 4), (30, 6), (3, 1000)])
def test_the_exact_check_looks_at_the_worst_entries_beside_those_drawn(monkeypatch, shape):
    q, logits = np.random.default_rng(0).normal(size=(2, *shape))
    looked_at, truth = set(), oracles._exact_gradient

    def seen(suspects, loss):
        looked_at.update((each.state, each.action) for each in suspects)
        return truth(suspects, loss)

    monkeypatch.setattr(oracles, "_exact_gradient", seen)
    made = verify_case(case_from_arrays({"q": q, "logits": logits, "alpha": 0.3}), Settings())
    found = {check.name: check for check in made.checks}
    checks = found["complex-step"].worst, found["central-difference"].worst
    assert max(checks, key=lambda worst: worst.ratio).location in looked_at
    drawn = exact_sample(*shape)
    entries, methods = found["exact"].entries, 3
    assert methods * drawn < entries < methods * 3 * drawn


def test_entries_get_the_exact_values_of_their_own_states():
    """Several actions of one state, beside some of another with another mask."""
    generator = np.random.default_rng(2)
    two = []
    for masked in (1, 3):
        q, logits = generator.normal(size=(2, 6))
        q[masked], logits[masked] = 0.0, -np.inf
        two.append(State(q, logits, 0.3))
    e = evaluations.evaluation(two)
    partial = every.run(e)
    tally = check_exact(partial.suspects.values(), partial.sample, e.context)
    assert tally.failed == 0
    assert tally.entries > 3 * 3  # by three methods, beside three of the first state


def test_the_exact_check_names_the_side_that_is_wrong(monkeypatch):
    state = make(
        np.random.default_rng(1),
        "any", actions=5, logit_scale=1.0, offset=0.0, q_scale=2.0, alpha=0.3, masked=0.0,
    )  # fmt: skip
    e = evaluations.evaluation([state])
    partial = every.run(e)
    monkeypatch.setattr(
        analytic,
        "gradient",
        lambda policy, *_: -policy.pi * (policy.g - 1.01 * policy.value),
    )
    tally = check_exact(partial.suspects.values(), partial.sample, e.context)
    assert tally.failed
    assert {spot.about for spot in tally.spots} == {"Eq. (6)"}
