"""A sum of floats without rounding, so that its parts can be added in any order."""

from dataclasses import dataclass
from fractions import Fraction
from operator import add, and_
from typing import Annotated

import numpy as np

from softcheck.checks.merging import Merging
from softcheck.gradient.policy import States

_HALF = 2.0**27


@dataclass
class ExactSum(Merging):
    """A running sum of float64 numbers, exact until it is read.

    A number is m 2^(e - 54) with an integer m below 2^54, split into two halves whose sums over
    a block stay integers below 2^53; one integer an exponent then holds any number of blocks.

    Attributes
    ----------
    total : Fraction
    finite : bool
        Whether all numbers were; otherwise the sum is NaN.
    """

    total: Annotated[Fraction, add] = Fraction(0)
    finite: Annotated[bool, and_] = True

    def add(self, values: States) -> None:
        """Add at most 2^26 numbers."""
        if not np.isfinite(values).all():
            self.finite = False
            return
        mantissa, exponent = np.frexp(values)
        high = np.trunc(mantissa * _HALF)
        low = (mantissa * _HALF - high) * _HALF
        lowest = int(exponent.min(initial=0))
        for half, shift in ((high, -27), (low, -54)):
            sums = np.bincount(exponent - lowest, weights=half)
            for offset in np.flatnonzero(sums):
                power = lowest + int(offset) + shift
                self.total += int(sums[offset]) * Fraction(2) ** power

    def __float__(self) -> float:
        """Return the sum, rounded once."""
        if not self.finite:
            return float("nan")
        try:
            return float(self.total)
        except OverflowError:
            return float("inf") if self.total > 0 else float("-inf")
