"""A dumped value is tolerated as far as its precision goes, and no further."""

import evaluations
import numpy as np
import pytest
from states import State

from softcheck.checks import every
from softcheck.gradient.tolerance import Precision

PAIR = State(np.array([1.0, -1.0]), np.zeros(2), 0.0)  # its gradient is -1/2 and 1/2, exactly

SEEN = {
    Precision.FLOAT64: 2.0**-45,
    Precision.FLOAT32: 2.0**-16,
    Precision.BFLOAT16: 2.0**-3,
    Precision.FLOAT16: 2.0**-6,
}
"""Errors in units of the last place: 256 of 2^-53 and 2^-24, 32 of 2^-8 and 2^-11. The bound is 10
of them by hand (see test_oracles), and 16 of it are tolerated, in 16 bits 2."""

LEAST = {
    Precision.FLOAT64: 1e-306,
    Precision.FLOAT32: 3e-38,
    Precision.BFLOAT16: 3e-38,
    Precision.FLOAT16: 4.8e-7,
}
"""Errors where a right value may have become 0: above twice 2^-1022, 2^-126, 2^-126 and four of
2^-24, for V gathers as much from its two terms, and pi is a half."""


def failed(state, gradient, precision):
    dump = np.array(gradient)[:, np.newaxis], precision
    return every.check(evaluations.evaluation([state], dumps={"gradient": dump}), "gradient").failed


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_error_beyond_the_rounding_of_its_precision_is_seen(precision, sign):
    assert failed(PAIR, [-0.5, 0.5], precision) == 0
    assert failed(PAIR, [-0.5, 0.5 + sign * SEEN[precision]], precision) == 1


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_error_beyond_what_a_precision_may_flush_to_zero_is_seen(precision, sign):
    tiny = State(1e-310 * PAIR.q, PAIR.logits, 0.0)
    assert failed(tiny, [0.0, 0.0], precision) == 0
    assert failed(tiny, [0.0, sign * LEAST[precision]], precision) == 1


@pytest.mark.parametrize(
    ("size", "shares", "wrong"),
    [(1e7, (0.5, 0.5), 0), (1e7, (0.7, 0.3), 2), (-1e7, (0.5, 0.5), 0), (3e7, (0.5, 0.5), 2)],
)
def test_what_logsumexp_rounded_is_one_number_a_state_and_shared_out_as_pi_is(size, shares, wrong):
    """Its ten-thousand is off by a rounding or two, and V is a thousand: 2e7 roundings of 1."""
    state = State(np.array([1e3, 1e3]), np.array([1e4, 1e4]), 0.0)
    unit = Precision.FLOAT32.unit
    assert failed(state, [size * unit * share for share in shares], Precision.FLOAT32) == wrong


@pytest.mark.parametrize("name", ["loss", "value", "entropy"])
def test_what_is_one_number_is_compared_under_its_own_name(name):
    """Sums over two states of equal logits: of -V, V and log 2, with V = (1 - 1) / 2 + c."""
    states = [State(PAIR.q + c, PAIR.logits, 0.0) for c in (1.0, 2.0)]
    total = {"loss": -3.0, "value": 3.0, "entropy": 2.0 * np.log(2.0)}[name]
    for value, wrong in ((total, 0), (total + 1e-12, 1)):
        dump = (value, Precision.FLOAT64)
        e = evaluations.evaluation(states, dumps={name: dump})
        found = every.outcome(every.run(e), e.context, 0.0)
        assert found[name].failed == wrong
        assert found[name].spots[0].state is None
