"""The value and the gradient of losses as programs, against 80 digits and PyTorch."""

import numpy as np
import pytest
from programs import EXAMPLES, MP, adversarial, ordinary, true_gradient, true_value

from softcheck.gradient.composed.evaluate import Softmax, evaluate
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.policy import evaluate as evaluate_policy
from softcheck.gradient.tolerance import U

NAMED = pytest.mark.parametrize("name", EXAMPLES)


def evaluated(program, sample, *, far=False):
    buffers = Buffers()
    block = Block(np.zeros(sample.logits.shape), sample.logits, np.zeros(1))
    legal = None if sample.legal.all() else sample.legal
    softmax = Softmax.of(block, evaluate_policy(block, buffers), legal, buffers, far=far)
    return evaluate(
        program, sample.data, sample.logits.shape, buffers, legal=legal, softmax=softmax
    )


def ratios(found, truth):
    """Return the errors in units of their bounds."""
    flat = zip(found.value.ravel(), found.error.ravel(), truth, strict=True)
    off = [(abs(MP.mpf(float(x)) - y), U * error) for x, error, y in flat]
    return np.array([float(error / bound) if bound else float(error > 0) for error, bound in off])


@NAMED
@pytest.mark.parametrize("make", [ordinary, adversarial])
def test_no_error_exceeds_its_bound(name, make):
    example, sample = EXAMPLES[name], make(rows=60, seed=5, actions=6)
    value, slope = (evaluated(program, sample) for program in example.programs())
    rows = range(60)
    of_value = ratios(value, [true_value(example, sample, row) for row in rows])
    truth = np.array([true_gradient(example, sample, row) for row in rows]).T
    of_slope = ratios(slope, truth.ravel())
    assert max(of_value.max(), of_slope.max()) <= 1.0
    if make is ordinary:
        assert np.median(of_slope.reshape(truth.shape).max(axis=0)) > 0.01
        assert np.median(U * slope.error / np.abs(slope.value)) < 1e-12
