"""Lists of numbers as arrays, and what a text has made of them."""

import numpy as np
import pytest

from softcheck.tables.lists import decimals_of


def printed(numbers, decimals):
    return np.vectorize(lambda x: float(f"{x:.{decimals}f}"))(numbers)


@pytest.mark.parametrize("size", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("decimals", range(1, 16))
def test_decimals_are_seen_from_eight_on(decimals, size):
    numbers = printed(size * np.random.default_rng(decimals).normal(size=(16, 4)), decimals)
    numbers[3, 2], numbers[5] = -np.inf, 0.0
    seen = decimals_of(numbers)
    assert seen == (decimals if 8 <= decimals <= 15 - (size > 1.0) else None)


def test_numbers_of_full_precision_were_not_rounded():
    generator = np.random.default_rng(0)
    for _ in range(5000):
        size = 10.0 ** generator.uniform(-8.0, 8.0)
        assert decimals_of(size * generator.normal(size=generator.integers(1, 20))) is None


@pytest.mark.parametrize(
    "numbers",
    [
        [0.25, -0.25],
        [1.0, 2.0],
        [0.0],
        [],
        [np.nan, np.inf],
        [1, 2],
        [True, False],
        [1.5e308, 5e-324],
    ],
)
def test_short_numbers_tell_nothing(numbers):
    assert decimals_of(np.array(numbers)) is None
