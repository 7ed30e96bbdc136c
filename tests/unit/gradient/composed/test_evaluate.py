"""The value and the gradient of losses as programs, against 160 digits."""

import numpy as np
import pytest
from programs import EXAMPLES, adversarial, known, ordinary, ratios, running

from softcheck.gradient.composed.evaluate import evaluate
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import U


def evaluated(program, sample):
    on = running(sample)
    return evaluate(program, on.data, on.shape, on.buffers, legal=on.legal, softmax=on.softmax)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("make", [ordinary, adversarial])
def test_no_error_exceeds_its_bound(name, make):
    sample, true_value, true_gradient = known(name, make)
    value, slope = (evaluated(program, sample) for program in EXAMPLES[name].programs())
    of_value, of_slope = ratios(value, true_value), ratios(slope, true_gradient)
    assert max(of_value.max(), of_slope.max()) <= 1.0
    if make is ordinary:
        assert np.median(of_slope.max(axis=0)) > 0.01
        assert np.median(U * slope.error / np.abs(slope.value)) < 1e-12


def test_coefficients_need_no_policy():
    """-(q - 2 c) at legal actions, 0 elsewhere; one number for all states is enough."""
    program = Program(
        (
            Operation("given", of="q", by_action=True),
            Operation("given", of="c"),
            Operation("number", of=-2),
            Operation("multiply", (1, 2)),
            Operation("add", (0, 3), by_action=True),
        )
    )
    data = {"q": np.array([[1.0, 2.0], [3.0, 4.0]]), "c": np.array([0.25])}
    legal = np.array([[True, True], [True, False]])
    found = evaluate(program, data, (2, 2), Buffers(), legal=legal)
    assert found.value.tolist() == [[0.5, 1.5], [2.5, 0.0]]
    assert found.error[1, 1] == 0.0
    assert found.error.max() < 8.0


def test_what_is_not_a_number_is_unknown():
    """0 / 0 is anything, and only there."""
    program = Program(
        (
            Operation("given", of="c"),
            Operation("divide", (0, 0)),
        )
    )
    found = evaluate(program, {"c": np.array([2.0, 0.0])}, (3, 2), Buffers())
    assert found.value.tolist() == [1.0, 0.0]
    assert np.isfinite(found.error).tolist() == [True, False]


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("actions", [6, 300])
def test_blocks_of_any_size_give_the_same_digits(name, actions):
    sample = adversarial(rows=7, seed=3, actions=actions)
    for program in EXAMPLES[name].programs():
        whole = evaluated(program, sample)
        for rows in (slice(0, 1), slice(2, 6)):
            part = evaluated(program, sample.columns(rows))
            np.testing.assert_array_equal(part.value, whole.value[..., rows])
            np.testing.assert_array_equal(part.error, whole.error[..., rows])
