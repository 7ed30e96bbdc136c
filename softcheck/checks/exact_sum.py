"""A sum of floats without rounding, so that its parts can be added in any order."""

from fractions import Fraction

import numpy as np

from softcheck.gradient.policy import Array

_HALF = 2.0**27


class ExactSum:
    """A running sum of float64 numbers, exact until it is read.

    A number is m 2^(e - 54) with an integer m below 2^54, split into two halves whose sums over
    a block stay integers below 2^53; one integer an exponent then holds any number of blocks.
    """

    def __init__(self) -> None:
        self._total = Fraction(0)
        self._finite = True

    def add(self, values: Array) -> None:
        """Add at most 2^26 numbers, shape `(rows,)`. A non-finite one makes the sum NaN."""
        if not np.isfinite(values).all():
            self._finite = False
            return
        mantissa, exponent = np.frexp(values)
        high = np.trunc(mantissa * _HALF)
        low = (mantissa * _HALF - high) * _HALF
        lowest = int(exponent.min(initial=0))
        for half, shift in ((high, -27), (low, -54)):
            sums = np.bincount(exponent - lowest, weights=half)
            for offset in np.flatnonzero(sums):
                power = lowest + int(offset) + shift
                self._total += int(sums[offset]) * Fraction(2) ** power

    def merge(self, other: "ExactSum") -> None:
        """Add another sum."""
        self._total += other._total
        self._finite &= other._finite

    def __float__(self) -> float:
        """Return the sum, rounded once."""
        if not self._finite:
            return float("nan")
        try:
            return float(self._total)
        except OverflowError:
            return float("inf") if self._total > 0 else float("-inf")
