"""Arrays that carry a bound on their own rounding error: running error analysis.

Every operation adds its rounding to what its operands bring along (Higham, *Accuracy and
Stability of Numerical Algorithms*, section 3.3), so that any formula has a tolerance, to first
order in the unit roundoff.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from softcheck.derive.points.jets import Arithmetic
from softcheck.gradient.policy import Array
from softcheck.gradient.tolerance import TINY, U

StatesOrOne: TypeAlias = Array  # (rows,), or (1,) or () where all states share it

_FUNCTION = 2.0 * U
"""Relative error of NumPy's exp and log: less than one unit in the last place."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Values, one a state, and what they may be off; an infinite error means that nothing is known.

    Attributes
    ----------
    value, error : StatesOrOne
    """

    value: StatesOrOne
    error: StatesOrOne

    def __add__(self, other: "Rounded") -> "Rounded":
        value = self.value + other.value
        return Rounded(value, self.error + other.error + U * np.abs(value))

    def __sub__(self, other: "Rounded") -> "Rounded":
        return self + -other

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, self.error)

    def __mul__(self, other: "Rounded") -> "Rounded":
        value = self.value * other.value
        error = (
            np.abs(self.value) * other.error
            + np.abs(other.value) * self.error
            + self.error * other.error
        )
        return Rounded(value, error + U * np.abs(value) + TINY)

    def __truediv__(self, other: "Rounded") -> "Rounded":
        value = self.value / other.value
        room = np.abs(other.value) - other.error
        error = (self.error + np.abs(value) * other.error) / room
        error = np.where(room > 0, error + U * np.abs(value) + TINY, np.inf)
        return Rounded(value, error)


def _number(value: Fraction) -> Rounded:
    number = np.array(float(value))
    exact = Fraction(float(value)) == value
    return Rounded(number, EXACT if exact else U * np.abs(number))


def _exp(x: Rounded) -> Rounded:
    value = np.exp(x.value)
    return Rounded(value, value * (np.expm1(x.error) + _FUNCTION) + TINY)


def _log(x: Rounded) -> Rounded:
    value = np.log(x.value)
    room = x.value - x.error
    error = np.where(room > 0, x.error / room + _FUNCTION * np.abs(value), np.inf)
    return Rounded(value, error)


ARITHMETIC = Arithmetic(_number, _exp, _log)
EXACT: StatesOrOne = np.zeros(())
"""The error of what is exact."""
