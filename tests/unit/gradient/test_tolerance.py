"""What rounding may do, in numbers that were worked out by hand."""

import ml_dtypes
import numpy as np
import pytest

from softcheck.gradient.tolerance import Precision, summation


@pytest.mark.parametrize(
    ("actions", "roundings"), [(1, 5.0), (6, 10.0), (16, 18.0), (64, 22.0), (1024, 30.0)]
)
def test_a_sum_rounds_so_often(actions, roundings):
    """A running sum of 6 has 4 more than its terms; one in pairs 10 and two for each halving."""
    assert summation(actions) == roundings


@pytest.mark.parametrize("precision", Precision)
def test_a_precision_is_that_of_its_numbers(precision):
    kind = ml_dtypes.finfo(precision.value if precision.value != "bfloat16" else ml_dtypes.bfloat16)
    assert precision.unit == 2.0 ** -(kind.nmant + 1)
    least = kind.smallest_normal
    if precision is Precision.FLOAT16:
        least = 4.0 * float(kind.smallest_subnormal)
    assert precision.underflow == float(least)


def test_integers_are_exact_and_count_as_float64():
    assert Precision.of(np.dtype(np.int32)) is Precision.FLOAT64
    assert Precision.of(np.dtype(np.float32)) is Precision.FLOAT32
