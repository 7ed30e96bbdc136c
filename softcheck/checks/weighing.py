"""A dump beside what a mistake predicts, and beside the right gradient, in one compiled loop.

NumPy passes over the same arrays some thirty times, and gives the interpreter's lock away as often.
"""

import numpy as np

from softcheck.checks.fused import (
    clear,
    compiled,
    inlined,
    larger,
    sums_of_lanes,
    with_long_vectors,
)
from softcheck.checks.lanes import LANES

FAILED, MENDED, LEFT, RIGHT, SIZE, UNSOUND, WORST = range(0, 7 * LANES, LANES)
"""Where the sums are of `lanes.Weighed`."""


@inlined
def _add(i, j, actual, expected, tolerance, one, other, x, y, unit, least, sums):
    """Add what an entry tells."""
    value, within = x * one[0][i], abs(x) * one[1][i]
    if other is not None:
        value += y * other[0][i]
        within += abs(y) * other[1][i]
    within += unit * abs(value) + least
    error, off, weight = abs(actual[i] - value), abs(actual[i] - expected[i]), 1.0 / tolerance[i]
    left, right, size = error * weight, off * weight, actual[i] * weight
    sums[FAILED + j] += 0.0 if error <= within else 1.0
    sums[MENDED + j] += 1.0 if off > tolerance[i] else 0.0
    sums[LEFT + j] += left * left
    sums[RIGHT + j] += right * right
    sums[SIZE + j] += size * size
    sums[UNSOUND + j] += 0.0 * (tolerance[i] + weight + within)
    sums[WORST + j] = larger(sums[WORST + j], error / within)


@compiled
def weigh(actual, expected, tolerance, one, other, x, y, unit, least, lanes, found):
    """Compare every entry of a block.

    `one` and `other` are columns of a prediction and how they round, see `columns.Rounds`, `x` and
    `y` their numbers; `other` is None where there is one. `found` is that of `lanes.Weighed`.
    """
    with_long_vectors()
    sums = sums_of_lanes()
    clear(sums, 7)
    whole = actual.size - actual.size % LANES
    for start in range(0, whole, LANES):
        for j in range(lanes):
            i = np.uintp(start + j)
            _add(i, j, actual, expected, tolerance, one, other, x, y, unit, least, sums)
    for last in range(whole, actual.size):
        i = np.uintp(last)
        _add(i, 0, actual, expected, tolerance, one, other, x, y, unit, least, sums)
    for which in range(6):
        for j in range(LANES):
            found[which] += sums[which * LANES + j]
    for j in range(LANES):
        found[6] = max(found[6], sums[WORST + j])
