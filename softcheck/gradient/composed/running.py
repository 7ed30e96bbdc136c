"""Arrays that carry a bound on their own rounding error: running error analysis.

Every operation adds its rounding to what its operands bring along (Higham, *Accuracy and
Stability of Numerical Algorithms*, section 3.3), so that any formula has a tolerance. Bounds are in
units of the unit roundoff U; an infinite one means that nothing is known.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import frexp
from typing import Any, TypeAlias

import numpy as np

from softcheck.gradient.policy import Array, Buffers, Flags, sum_over_actions
from softcheck.gradient.tolerance import TINY, U, summation

Numbers: TypeAlias = Array  # (actions, rows), (rows,) or (1,)

_EXPONENTIAL = 2.0
"""Relative error of NumPy's exp and log: less than one unit in the last place."""

FUNCTION = 4.0
"""Relative error of its other elementary functions: less than two units."""

UNDERFLOW = TINY / U
"""What a product, a quotient or an exponential may lose that has no normal number for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """Real numbers and what they may be off.

    Attributes
    ----------
    value, error : Numbers
        `error` is in units of U, and of a shape that broadcasts to that of `value`.
    factor : float
        Its value where it is a constant that rounds nothing as a factor, else 0.
    """

    value: Numbers
    error: Numbers
    factor: float = 0.0

    def __add__(self, other: "Rounded") -> "Rounded":
        value = self.value + other.value
        error = np.abs(value)
        for side in (self, other):
            if side.error is not NOTHING:
                error += side.error
        return Rounded(value, error)

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, self.error, -self.factor)

    def __sub__(self, other: "Rounded") -> "Rounded":
        return self + -other

    def __mul__(self, other: "Rounded") -> "Rounded":
        for x, y in ((self, other), (other, self)):
            if y.factor:
                return x.times(y.factor)
        value = self.value * other.value
        error = np.abs(value)
        error += UNDERFLOW
        if other.error is not NOTHING:
            error += np.abs(self.value) * other.error
        if self.error is not NOTHING:
            error += self.error * other.size
        return Rounded(value, error)

    def __truediv__(self, other: "Rounded") -> "Rounded":
        value = self.value / other.value
        room = np.abs(other.value) - U * other.error
        error = (self.error + np.abs(value) * other.error) / room + np.abs(value) + UNDERFLOW
        return Rounded(value, known(room, error))

    @property
    def size(self) -> Numbers:
        """At least the magnitude, whatever the rounding."""
        magnitude = np.abs(self.value)
        return magnitude if self.error is NOTHING else magnitude + U * self.error

    def times(self, factor: float) -> "Rounded":
        """Return the product with a power of two, which rounds nothing."""
        value, error = self.value * factor, self.error
        if abs(factor) != 1.0:
            error = error * abs(factor)
        return Rounded(value, error + UNDERFLOW if abs(factor) < 1.0 else error)

    def exp(self) -> "Rounded":
        """Return the exponential."""
        value = np.exp(self.value)
        error = value * (growth(self.error) + _EXPONENTIAL) + UNDERFLOW
        return Rounded(value, np.where(self.value == -np.inf, 0.0, error))

    def expm1(self) -> "Rounded":
        """Return the exponential less 1."""
        value = np.expm1(self.value)
        return Rounded(value, (value + 1.0) * growth(self.error) + FUNCTION * np.abs(value))

    def log(self) -> "Rounded":
        """Return the logarithm; of what is 0 within its error nobody knows even that it is -inf."""
        room = self.value - U * self.error
        value = np.log(np.where((room > 0.0) | (self.error == 0.0), self.value, np.nan))
        return Rounded(value, known(room, self.error / room + _EXPONENTIAL * np.abs(value)))

    def log1p(self) -> "Rounded":
        """Return the logarithm of what is greater by 1."""
        value = np.log1p(self.value)
        room = 1.0 + self.value - U * self.error
        return Rounded(value, known(room, self.error / room + FUNCTION * np.abs(value)))

    def where(self, flags: Flags, other: "Rounded") -> "Rounded":
        """Return these numbers where `flags` hold, and the others elsewhere."""
        return Rounded(
            np.where(flags, self.value, other.value), np.where(flags, self.error, other.error)
        )

    def apply(self, function: Any, *arguments: Any) -> "Rounded":
        """Return what a function that only moves or drops numbers makes of both arrays."""
        error = np.broadcast_to(self.error, self.value.shape)
        return Rounded(function(self.value, *arguments), function(error, *arguments))

    def sum(self, buffers: Buffers) -> "Rounded":
        """Return the sum over the actions."""
        value = sum_over_actions(self.value, buffers)
        size = summation(buffers.actions(self.value)) * np.abs(self.value)
        return Rounded(value, sum_over_actions(size + self.error, buffers))


NOTHING: Numbers = np.zeros(1)
"""The error of what is exact."""


def precise(value: Numbers) -> Rounded:
    """Return numbers that are right as they are."""
    return Rounded(value, NOTHING)


def number(value: Fraction) -> Rounded:
    """Return a constant."""
    rounded = np.array([float(value)])
    if Fraction(float(value)) != value:
        return Rounded(rounded, np.abs(rounded))
    return Rounded(rounded, NOTHING, float(value) if abs(frexp(value)[0]) == 0.5 else 0.0)


ZERO, ONE = number(Fraction(0)), number(Fraction(1))


def known(room: Numbers, error: Numbers) -> Numbers:
    """Return an error that is infinite where a pole may be as near as the number is off."""
    return np.where(room > 0.0, error, np.inf)


def growth(error: Numbers) -> Numbers:
    """Return (exp(U error) - 1) / U, by how much an exponential grows."""
    return np.expm1(U * error) / U
