"""A dumped value is tolerated as far as its precision goes, and no further."""

from dataclasses import replace

import evaluations
import numpy as np
import pytest
from states import State

from softcheck.checks import every
from softcheck.checks.evaluation import Dump
from softcheck.gradient.family import Family
from softcheck.gradient.policy import Block, Buffers, Rough, Target
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
        found = every.outcome(every.run(e), e.context, {})
        assert found[name].failed == wrong
        assert found[name].spots[0].state is None


COIN = Block(
    np.broadcast_to(0.0, (2, 1)), np.zeros((2, 1)), np.zeros(1), soft=False,
    target=Target(2, index=np.array([0]), chosen=np.ones(1)),
)  # fmt: skip
"""Cross-entropy at two equal logits: its gradient is -1/2 and 1/2, exactly, its value log 2."""


def failed_of(block, gradient, stored, computed=None, loss=None):
    """Return how many entries of a dumped gradient fail, and whether a dumped loss does."""
    dumps = {"gradient": Dump(np.array(gradient)[:, np.newaxis], stored, computed or stored)}
    if loss is not None:
        dumps["loss"] = Dump(np.array([loss]), stored, computed or stored)
    e = replace(evaluations.of_block(block), dumps=dumps)
    return tuple(every.check(e, name).failed for name in dumps)


SEEN_OF_COIN = {
    Precision.FLOAT64: 2.0**-45,
    Precision.FLOAT32: 2.0**-16,
    Precision.BFLOAT16: 2.0**-3,
    Precision.FLOAT16: 2.0**-6,
}
"""The bound is by hand pi (6 + 8 + 2 + log 2 + 1) + 2 = 11 of the last place, at the other action 9
(see `tolerance.bounds`): 16 of it are tolerated, in 16 bits 2."""


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("action", [0, 1])
def test_an_error_of_a_label_is_seen(precision, sign, action):
    assert failed_of(COIN, [-0.5, 0.5], precision) == (0,)
    wrong = np.array([-0.5, 0.5])
    wrong[action] += sign * SEEN_OF_COIN[precision]
    assert failed_of(COIN, wrong, precision) == (1,)


@pytest.mark.parametrize(("off", "wrong"), [(0.0, 0), (2e-4, 1), (-2e-4, 1)])
def test_the_loss_of_a_label_is_compared(off, wrong):
    found = failed_of(COIN, [-0.5, 0.5], Precision.FLOAT32, loss=np.log(2.0) + off)
    assert found == (0, wrong)


@pytest.mark.parametrize(("value", "wrong"), [(0.0, 0), (1e-9, 1)])
def test_a_loss_that_is_made_of_nothing_is_zero(value, wrong):
    nothing = replace(COIN, target=Target(2, index=np.array([0]), chosen=np.zeros(1)))
    e = evaluations.of_block(nothing, dumps={"loss": (value, Precision.FLOAT64)})
    assert every.outcome(every.run(e), e.context, {})["loss"].failed == wrong


def test_the_loss_of_a_label_that_the_policy_excludes_is_its_distance():
    far = replace(COIN, logits=np.array([[-1000.0], [0.0]]))
    assert failed_of(far, [-1.0, 1.0], Precision.FLOAT32, loss=1000.0) == (0, 0)
    assert failed_of(far, [-1.0, 1.0], Precision.FLOAT32, loss=750.0) == (0, 1)


@pytest.mark.parametrize(("size", "wrong"), [(1.0, 0), (3.0, 0), (9.0, 2)])
def test_parts_of_a_label_may_be_added_in_the_precision_of_the_logits(size, wrong):
    """Where y = pi the gradient is 0, and each of its parts was stored in 8 bits: 1/2 and -1/2."""
    solved = replace(COIN, target=Target(2, uniform=np.array([0.5])))
    rounded = size * Precision.BFLOAT16.unit * np.array([0.5, -0.5])
    assert failed_of(solved, rounded, Precision.BFLOAT16, Precision.FLOAT32) == (wrong,)


def test_what_a_coefficient_was_rounded_by_is_tolerated_in_a_dump_alone():
    """An error of 100 roundings in y(0) is one of 100 (1 - pi) = 50 and 100 pi = 50 of them."""
    error = Target(2, index=np.array([0]), chosen=np.array([100.0]))
    rough = replace(COIN, rough=Rough(target=error))
    off = np.array([-0.5, 0.5]) + 2.0**-24 * 16 * np.array([100.0, 45.0])
    assert failed_of(COIN, off, Precision.FLOAT32) == (2,)
    assert failed_of(rough, off, Precision.FLOAT32) == (0,)
    for name in ("complex-step", "central-difference"):
        e = evaluations.of_block(rough)
        e.gradient[0] += 2.0**-46
        assert every.check(e, name).failed == 1


@pytest.mark.parametrize(
    ("coefficient", "error", "slope"),
    [
        ("q", np.array([[8.0], [0.0]]), [4.0 + 2.0, 2.0]),  # pi (e + sum pi e)
        ("alpha", np.array([8.0]), [0.5 * 8.0 * np.log(2.0)] * 2),  # pi (|z| + log A) e
        ("target", Target(2, uniform=np.array([3.0])), [6.0, 6.0]),  # e + pi sum e
        ("zeta", np.array([5.0]), [5.0 * np.log(2.0)] * 2),  # 2 e |logsumexp| pi
    ],
)
def test_the_gradient_is_linear_in_each_coefficient(coefficient, error, slope):
    block = Block(np.zeros((2, 1)), np.zeros((2, 1)), np.ones(1), True, COIN.target, np.ones(1))
    rounding = Family(block, Buffers()).dump_rounding.copy()
    rough = replace(block, rough=Rough(**{coefficient: error}))
    added = Family(rough, Buffers()).dump_rounding - rounding
    assert added[:, 0] == pytest.approx(slope)


QUANTUM = 2.0**-24
"""The smallest number of float16."""


def failed_of_label(weight, grad, factor, temperature=1.0):
    """Return how many entries of a weighted loss of a label are wrong in float16."""
    target = Target(2, index=np.array([1]), chosen=np.array([weight]))
    none = np.zeros((2, 1))
    block = Block(none, none, np.zeros(1), soft=False, target=target)
    dumps = {"gradient": (np.array([[grad], [-grad]]), Precision.FLOAT16)}
    e = evaluations.of_block(block, dumps=dumps)
    e = replace(e, factor=np.array([factor / temperature]), of_loss=np.array([factor]))
    return every.check(e, "gradient").failed


@pytest.mark.parametrize(("quanta", "wrong"), [(11.0, 0), (10.0, 0), (25.0, 2), (-3.0, 2)])
def test_a_factor_that_has_few_digits_is_rounded_before_it_multiplies(quanta, wrong):
    assert failed_of_label(147.0, 73.5 * quanta * QUANTUM, 10.5 * QUANTUM) == wrong


@pytest.mark.parametrize(("off", "wrong"), [(1.0, 0), (-3.0, 0), (20.0, 2), (-20.0, 2)])
def test_a_small_gradient_is_rounded_before_a_temperature_divides_it(off, wrong):
    """A thirty-second of 2^-14 is 32 quanta, and `off` of them are 64 times as much."""
    grad = 64.0 * (32.0 + off) * QUANTUM
    assert failed_of_label(2.0**-4, grad, 2.0**-14, temperature=1.0 / 64.0) == wrong
