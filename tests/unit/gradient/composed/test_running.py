"""Running errors, against 50 digits."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from softcheck.gradient.composed.running import ONE, Rounded, number, precise
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import U

MP = mpmath.mp.clone()
MP.dps = 50


def drawn(count=400, seed=0):
    """Return numbers of all sizes, each with the true number that it is off from."""
    generator = np.random.default_rng(seed)
    value = generator.normal(size=count) * 10.0 ** generator.uniform(-12, 2, count)
    error = np.abs(value) * generator.uniform(0, 50, count)
    true = [
        MP.mpf(x) + MP.mpf(e) * MP.mpf(2) ** -53 * s
        for x, e, s in zip(value, error, generator.uniform(-1, 1, count), strict=True)
    ]
    return Rounded(value, error), true


OPERATIONS = {
    "add": (lambda x, y: x + y, lambda x, y: x + y),
    "subtract": (lambda x, y: x - y, lambda x, y: x - y),
    "multiply": (lambda x, y: x * y, lambda x, y: x * y),
    "divide": (lambda x, y: x / y, lambda x, y: x / y),
    "exp": (lambda x, _: x.times(0.125).exp(), lambda x, _: MP.exp(x / 8)),
    "expm1": (lambda x, _: x.expm1(), lambda x, _: MP.expm1(x)),
    "log": (lambda x, _: (x * x).log(), lambda x, _: MP.log(x * x)),
    "log1p": (lambda x, _: (x * x).log1p(), lambda x, _: MP.log1p(x * x)),
}  # fmt: skip


def off(found, true):
    """Return the errors over their bounds."""
    differences = [abs(MP.mpf(x) - y) for x, y in zip(found.value.tolist(), true, strict=True)]
    return np.array([float(d) for d in differences]) / (U * found.error)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_error_exceeds_its_bound(name):
    (x, true_x), (y, true_y) = drawn(seed=1), drawn(seed=2)
    ours, truth = OPERATIONS[name]
    ratio = off(ours(x, y), [truth(a, b) for a, b in zip(true_x, true_y, strict=True)])
    assert ratio.max() <= 1.0
    assert np.median(ratio) > 0.05


@pytest.mark.parametrize("actions", [1, 18, 19, 300])
def test_a_sum_errs_by_no_more_than_its_bound(actions):
    x, true = drawn(actions * 3)
    table = Rounded(x.value.reshape(actions, 3), x.error.reshape(actions, 3))
    sums = [MP.fsum(true[row::3]) for row in range(3)]
    assert off(table.sum(Buffers()), sums).max() <= 1.0


@pytest.mark.parametrize("actions", [18, 19, 300])
def test_a_sum_of_exact_numbers_errs_by_no_more_than_its_bound(actions):
    table = np.random.default_rng(actions).uniform(1, 2, (actions, 200))
    sums = [MP.fsum(map(MP.mpf, column)) for column in table.T.tolist()]
    assert 0.01 < off(precise(table).sum(Buffers()), sums).max() <= 1.0


@np.errstate(all="ignore")
def test_what_may_be_zero_has_no_logarithm_and_no_inverse():
    x = Rounded(np.array([0.0, 1e-20, 1e-20]), np.array([1.0, 1.0, 1e-21]))
    assert np.isinf(x.log().error).tolist() == [True, True, False]
    assert np.isinf((ONE / x).error).tolist() == [True, True, False]
    assert not np.isfinite(x.log().exp().error[:2]).any()


@np.errstate(all="ignore")
def test_the_exponential_of_the_logarithm_of_zero_is_exact():
    """A probability of 0 that was given as a logarithm: log pi is -inf, and 0 is 0."""
    zero = (precise(np.array([-np.inf, 0.0])) - precise(np.array([3.0]))).exp()
    assert zero.value[0] == zero.error[0] == 0.0
    assert 0.0 < zero.error[1] < 1.0


@pytest.mark.parametrize(("value", "rounds"), [(-1.0, 0.0), (4.0, 0.0), (0.25, 1e-200), (3.0, 1.5)])
def test_a_power_of_two_rounds_nothing(value, rounds):
    x = precise(np.array([0.3])) * number(Fraction(value))
    assert x.value[0] == 0.3 * value
    assert x.error.max() <= rounds


def test_constants_that_are_no_float64_are_off():
    third = number(Fraction(1, 3))
    assert abs(MP.mpf(third.value[0]) - MP.mpf(1) / 3) <= U * third.error[0] < U
    assert number(Fraction(3, 4)).error.max() == 0.0
