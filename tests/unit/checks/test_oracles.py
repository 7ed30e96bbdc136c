"""No check of Eq. (6) is looser than it should be: what it must see is planted, as a plain number.

Where Q is +-1, two logits are equal and alpha is 0, Eq. (6) is -+1/2, exactly, and its rounding
bound of `tolerance.bounds` is by hand U pi 2 (6 + 8 + log 2) D = 14.7 U = 2^-49.1. Its numeric
derivatives add 12 and 21.3 roundings of pi D = 1/2.
"""

import evaluations
import numpy as np
import pytest
from states import State, make, true_gradient, true_loss

from softcheck.checks import every, oracles
from softcheck.gradient import analytic
from softcheck.gradient.numeric import central, complex_step

PAIR = State(np.array([1.0, -1.0]), np.zeros(2), 0.0)
SUM = "the sum over actions is 0"
SAME = "gradient(2 (Q - alpha theta + c), 0) = 2 gradient(Q, alpha)"

SEEN = {
    "complex-step": (2.0**-47, {""}),  # both sides may err by 20.7 U
    "central-difference": (2.0**-47, {""}),  # and by 25.4 U
    "invariants": (4e-15, {SUM, SAME}),
    "sampled": (2e-3, {""}),
    "descent": (None, {""}),  # it sees a wrong length, not a wrong entry: below
}
"""An error in one entry that each oracle must see, and by which of its comparisons."""


def test_every_oracle_has_an_error_that_it_must_see():
    assert SEEN.keys() == oracles.ORACLES.keys(), (
        "an oracle that sees nothing passes everything: say in SEEN what it must see"
    )


def test_every_check_of_a_block_is_a_row_of_the_oracles():
    named = {name for name in vars(oracles) if name.startswith("check_")} - {"check_exact"}
    run = {check.__name__ for check in oracles.ORACLES.values()}
    assert named == run, f"nobody runs {named - run}: give each a row of ORACLES"


@pytest.mark.parametrize("oracle", [name for name, (error, _) in SEEN.items() if error])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("action", [0, 1])
def test_an_error_of_one_entry_is_seen(oracle, sign, action):
    error, comparisons = SEEN[oracle]
    # Where g is 1 and 0 drawn actions tell the first entry: -g / 2 or 0, so that of a million the
    # mean errs by about 2.5e-4, and Bernstein's interval is 1.4e-3 wide.
    state = State(np.array([1.0, 0.0]), np.zeros(2), 0.0) if oracle == "sampled" else PAIR
    e = evaluations.evaluation([state], samples=1_000_000)
    assert every.check(e, oracle).failed == 0
    e = evaluations.evaluation([state], samples=1_000_000)
    action = 0 if oracle == "sampled" else action
    e.gradient[action] += sign * error
    tally = every.check(e, oracle)
    assert {spot.about for spot in tally.spots if spot.ratio > 1} == comparisons


@pytest.mark.parametrize(
    ("side", "module", "error"),
    [
        ("Eq. (6)", analytic, 2.0**-48),
        ("complex step", complex_step, 2.0**-48),
        ("central difference", central, 2.0**-47),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_exact_check_sees_an_error_of_each_side(monkeypatch, side, module, error, sign):
    partial = every.run(evaluations.evaluation([PAIR]))
    right = module.gradient

    def wrong(*given, **named):
        made = right(*given, **named)
        value = made[0] if isinstance(made, tuple) else made
        value += sign * error
        return made

    monkeypatch.setattr(module, "gradient", wrong)
    context = evaluations.evaluation([PAIR]).context
    tally = oracles.check_exact(partial.suspects.values(), partial.sample, context)
    assert {spot.about for spot in tally.spots if spot.ratio > 1} == {side}


ORDINARY = [
    make(
        np.random.default_rng(seed), "any",
        actions=5, logit_scale=1.0, offset=0.0, q_scale=2.0, alpha=alpha, masked=0.0,
    )
    for seed, alpha in [(1, 0.3), (2, 0.0), (3, 2.0)]
]  # fmt: skip


@pytest.mark.parametrize("state", ORDINARY)
def test_descent_takes_its_step_downhill_and_tolerates_an_eighth_of_the_fall(state):
    gradient = true_gradient(state)
    eta = 1.0 / (16.0 * (3.0 * np.abs(gradient).sum() + state.alpha))
    change = float(true_loss(state, -eta * gradient) - true_loss(state))
    (spot,) = every.check(evaluations.evaluation([state]), "descent").spots
    assert change < 0.0
    assert spot.actual == pytest.approx(change, rel=1e-12)
    assert spot.expected == pytest.approx(-eta * gradient @ gradient, rel=1e-12)
    assert 0.0 < spot.tolerance <= 0.1251 * eta * gradient @ gradient


@pytest.mark.parametrize("state", ORDINARY)
@pytest.mark.parametrize("length", [0.8, 1.25, 2.0])
def test_descent_sees_a_gradient_of_another_length(monkeypatch, state, length):
    formula = analytic.gradient
    monkeypatch.setattr(analytic, "gradient", lambda *given: length * formula(*given))
    assert every.check(evaluations.evaluation([state]), "descent").failed == 1
