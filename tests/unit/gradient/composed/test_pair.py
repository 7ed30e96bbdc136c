"""Running errors of complex numbers, against 50 digits."""

import mpmath
import numpy as np
import pytest

from softcheck.gradient.composed.pair import Pair
from softcheck.gradient.composed.running import Rounded
from softcheck.gradient.tolerance import U

MP = mpmath.mp.clone()
MP.dps = 50

COUNT = 400


def drawn(seed, *, small):
    """Return complex numbers of all sizes, each with the true number that it is off from."""
    generator = np.random.default_rng(seed)
    size = 10.0 ** generator.uniform(-12, -1.0 if small else 2, COUNT)
    x, y = generator.normal(size=(2, COUNT)) * size
    if small:  # as a move by i h: the real part is the square of the imaginary one
        x *= size
    error = size * generator.uniform(0, 50, COUNT)
    off = generator.uniform(-U, U, (2, COUNT)) * error
    parts = zip(x.tolist(), y.tolist(), *off.tolist(), strict=True)
    return Pair(x, y, error), [MP.mpc(MP.mpf(a) + c, MP.mpf(b) + d) for a, b, c, d in parts]


def real(seed):
    pair, true = drawn(seed, small=False)
    return Rounded(pair.real, pair.error), [z.real for z in true]


def ratios(found, true):
    """Return the errors of both parts over their bound."""
    parts = zip(found.real.tolist(), found.imaginary.tolist(), true, strict=True)
    off = [max(abs(MP.mpf(x) - z.real), abs(MP.mpf(y) - z.imag)) for x, y, z in parts]
    return np.array([float(each) for each in off]) / (U * found.error)


BOTH = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("small", [True, False])
def test_no_error_of_two_numbers_exceeds_its_bound(name, small):
    (x, true_x), (y, true_y) = drawn(1, small=small), drawn(2, small=small)
    truth = [BOTH[name](a, b) for a, b in zip(true_x, true_y, strict=True)]
    ratio = ratios(BOTH[name](x, y), truth)
    assert ratio.max() <= 1.0
    assert np.median(ratio) > 0.05


@pytest.mark.parametrize("name", BOTH)
def test_no_rounding_of_two_exact_numbers_exceeds_its_bound(name):
    """Of numbers whose parts are alike, where most of them round."""
    generator = np.random.default_rng(7)
    x, y = (Pair(*generator.uniform(1, 2, (2, 4000)) * size, np.zeros(1)) for size in (1.0, 0.3))
    exact = ([MP.mpc(*z) for z in zip(z.real, z.imaginary, strict=True)] for z in (x, y))
    ratio = ratios(BOTH[name](x, y), [BOTH[name](a, b) for a, b in zip(*exact, strict=True)])
    assert 0.1 < ratio.max() <= 1.0


@pytest.mark.parametrize("name", ["add", "multiply", "divide"])
@pytest.mark.parametrize("small", [True, False])
def test_no_error_beside_a_real_number_exceeds_its_bound(name, small):
    (x, true_x), (y, true_y) = drawn(3, small=small), real(4)
    truth = [BOTH[name](a, b) for a, b in zip(true_x, true_y, strict=True)]
    ratio = ratios(BOTH[name](x, y), truth)
    assert ratio.max() <= 1.0
    assert np.median(ratio) > 0.05


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_no_error_of_a_function_exceeds_its_bound(name):
    x, true = drawn(5, small=True)
    ratio = ratios(getattr(x, name)(), [getattr(MP, name)(z) for z in true])
    assert ratio.max() <= 1.0
    assert np.median(ratio) > 0.05


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_a_function_rounds_little_by_itself(name):
    x, _ = drawn(6, small=True)
    x = Pair(x.real, x.imaginary, np.zeros(1))
    true = [getattr(MP, name)(MP.mpc(*z)) for z in zip(x.real, x.imaginary, strict=True)]
    found = getattr(x, name)()
    assert ratios(found, true).max() <= 1.0
    assert np.median(found.error / np.abs(x.imaginary)) < 10.0


@np.errstate(all="ignore")
def test_what_may_be_zero_has_no_inverse_and_no_logarithm():
    """Nor has what is so small that its square has no digits."""
    off = Pair(np.array([1e-20, 1e-160, 1.0]), np.zeros(3), np.array([1.0, 0.0, 1.0]))
    one = Pair(np.ones(3), np.zeros(3), np.zeros(3))
    assert np.isinf((one / off).error).tolist() == [True, True, False]
    assert np.isinf((-one + off.times(1.0)).log1p().error[0])
