"""Both numeric routes for losses as programs, against 160 digits and against wrong losses."""

import numpy as np
import pytest
from programs import EXAMPLES, adversarial, known, ordinary, ratios, running

from softcheck.gradient.composed.shift import central_difference, complex_step
from softcheck.gradient.tolerance import U

METHODS = pytest.mark.parametrize("method", [complex_step, central_difference])


@pytest.mark.parametrize("name", EXAMPLES)
@METHODS
@pytest.mark.parametrize("make", [ordinary, adversarial])
def test_no_error_exceeds_its_bound(name, method, make):
    sample, _, truth = known(name, make)
    found = method(EXAMPLES[name].programs()[0], running(sample))
    of_bound = np.where(sample.legal, ratios(found, truth), 0.0)
    assert of_bound.max() <= 1.0
    if make is ordinary:
        assert np.median(of_bound.max(axis=0)) > 0.005
        assert np.median(U * found.error / np.abs(found.value)) < 1e-12


@METHODS
def test_the_move_of_a_masked_action_reaches_no_other(method):
    """Its own change is anything, infinity too: 1 / pi."""
    example, sample = EXAMPLES["k3-as-a-quotient"], adversarial(rows=30, seed=2)
    assert not sample.legal.all()
    found = method(example.programs()[0], running(sample))
    assert np.isfinite(found.error[sample.legal]).all()


@pytest.mark.parametrize("name", ["k3", "renyi", "half-of-jensen-shannon"])
@METHODS
@pytest.mark.parametrize("actions", [6, 300])
def test_blocks_of_any_size_give_the_same_digits(name, method, actions):
    sample = adversarial(rows=7, seed=3, actions=actions)
    program = EXAMPLES[name].programs()[0]
    whole = method(program, running(sample))
    for rows in (slice(0, 1), slice(2, 6)):
        part = method(program, running(sample.columns(rows)))
        np.testing.assert_array_equal(part.value, whole.value[:, rows])
        np.testing.assert_array_equal(part.error, whole.error[:, rows])
