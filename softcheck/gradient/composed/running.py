"""Arrays that carry a bound on their own rounding error: running error analysis.

Every operation adds its rounding to what its operands bring along (Higham, *Accuracy and
Stability of Numerical Algorithms*, section 3.3), so that any formula has a tolerance. Bounds are in
units of the unit roundoff U; an infinite one means that nothing is known.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar

import numpy as np

from softcheck.gradient.policy import Array, Buffers, Flags, sum_over_actions
from softcheck.gradient.tolerance import TINY, U, summation

Numbers: TypeAlias = Array  # (actions, rows), (rows,) or (1,)

_FUNCTION = 4.0
"""Relative error of NumPy's elementary functions: less than two units in the last place."""

UNDERFLOW = TINY / U
"""What a product, a quotient or an exponential may lose that has no normal number for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """Real numbers and what they may be off.

    Attributes
    ----------
    value, error : Numbers
        `error` is in units of U, and of a shape that broadcasts to that of `value`.
    """

    value: Numbers
    error: Numbers

    def __add__(self, other: "Rounded") -> "Rounded":
        value = self.value + other.value
        return Rounded(value, self.error + other.error + np.abs(value))

    def __neg__(self) -> "Rounded":
        return Rounded(-self.value, self.error)

    def __sub__(self, other: "Rounded") -> "Rounded":
        return self + -other

    def __mul__(self, other: "Rounded") -> "Rounded":
        value = self.value * other.value
        error = np.abs(value) + UNDERFLOW
        error += np.abs(self.value) * other.error
        error += self.error * (np.abs(other.value) + U * other.error)
        return Rounded(value, error)

    def __truediv__(self, other: "Rounded") -> "Rounded":
        value = self.value / other.value
        room = np.abs(other.value) - U * other.error
        error = (self.error + np.abs(value) * other.error) / room + np.abs(value) + UNDERFLOW
        return Rounded(value, _known(room, error))

    @property
    def size(self) -> Numbers:
        """At least the magnitude, whatever the rounding."""
        return np.abs(self.value) + U * self.error

    def times(self, factor: float) -> "Rounded":
        """Return the product with a power of two, which rounds nothing."""
        return Rounded(self.value * factor, self.error * abs(factor) + UNDERFLOW)

    def exp(self) -> "Rounded":
        """Return the exponential."""
        value = np.exp(self.value)
        error = value * (_growth(self.error) + _FUNCTION) + UNDERFLOW
        return Rounded(value, np.where(self.value == -np.inf, 0.0, error))

    def expm1(self) -> "Rounded":
        """Return the exponential less 1."""
        value = np.expm1(self.value)
        return Rounded(value, (value + 1.0) * _growth(self.error) + _FUNCTION * np.abs(value))

    def log(self) -> "Rounded":
        """Return the logarithm."""
        value = np.log(self.value)
        room = self.value - U * self.error
        return Rounded(value, _known(room, self.error / room + _FUNCTION * np.abs(value)))

    def log1p(self) -> "Rounded":
        """Return the logarithm of what is greater by 1."""
        value = np.log1p(self.value)
        room = 1.0 + self.value - U * self.error
        return Rounded(value, _known(room, self.error / room + _FUNCTION * np.abs(value)))

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
        size = summation(len(self.value)) * np.abs(self.value)
        return Rounded(value, sum_over_actions(size + self.error, buffers))


NOTHING: Numbers = np.zeros(1)
"""The error of what is exact."""


def precise(value: Numbers) -> Rounded:
    """Return numbers that are right as they are."""
    return Rounded(value, NOTHING)


def number(value: Fraction) -> Rounded:
    """Return a constant."""
    rounded = np.array([float(value)])
    return Rounded(rounded, NOTHING if Fraction(float(value)) == value else np.abs(rounded))


ZERO, ONE = number(Fraction(0)), number(Fraction(1))


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Complex numbers as their real and imaginary parts, and what each may be off.

    Every complex operation is written out in real ones; nothing is simplified across operations.
    The other operand may be real.

    Attributes
    ----------
    real, imaginary : Rounded
    """

    real: Rounded
    imaginary: Rounded

    def __add__(self, other: "Pair | Rounded") -> "Pair":
        if isinstance(other, Rounded):
            return Pair(self.real + other, self.imaginary)
        return Pair(self.real + other.real, self.imaginary + other.imaginary)

    def __neg__(self) -> "Pair":
        return Pair(-self.real, -self.imaginary)

    def __sub__(self, other: "Pair") -> "Pair":
        return self + -other

    def __mul__(self, other: "Pair | Rounded") -> "Pair":
        if isinstance(other, Rounded):
            return Pair(self.real * other, self.imaginary * other)
        return Pair(
            self.real * other.real - self.imaginary * other.imaginary,
            self.real * other.imaginary + self.imaginary * other.real,
        )

    def __truediv__(self, other: "Pair | Rounded") -> "Pair":
        if isinstance(other, Rounded):
            return Pair(self.real / other, self.imaginary / other)
        size = other.real * other.real + other.imaginary * other.imaginary
        turned = self * Pair(other.real, -other.imaginary)
        return Pair(turned.real / size, turned.imaginary / size)

    @property
    def size(self) -> Numbers:
        """At least the magnitude, whatever the rounding."""
        return self.real.size + self.imaginary.size

    def times(self, factor: float) -> "Pair":
        """Return the product with a power of two, which rounds nothing."""
        return Pair(self.real.times(factor), self.imaginary.times(factor))

    def expm1(self) -> "Pair":
        """Return the exponential less 1: e^x cos y - 1 = (e^x - 1) cos y - 2 sin^2 (y / 2)."""
        half = _sine(self.imaginary.times(0.5))
        growth = self.real.expm1()
        cosine = ONE - (half * half).times(2.0)
        real = growth * cosine - (half * half).times(2.0)
        return Pair(real, (growth + ONE) * _sine(self.imaginary))

    def log1p(self) -> "Pair":
        """Return the logarithm of what is greater by 1: log |1 + z|^2 / 2, and the angle."""
        x, y = self.real, self.imaginary
        modulus = (x * (x + ONE + ONE) + y * y).log1p().times(0.5)
        return Pair(modulus, _angle(y, x + ONE))

    def where(self, flags: Flags, other: "Pair") -> "Pair":
        """Return these numbers where `flags` hold, and the others elsewhere."""
        return Pair(
            self.real.where(flags, other.real), self.imaginary.where(flags, other.imaginary)
        )

    def apply(self, function: Any, *arguments: Any) -> "Pair":
        """Return what a function that only moves or drops numbers makes of all arrays."""
        return Pair(
            self.real.apply(function, *arguments), self.imaginary.apply(function, *arguments)
        )


Change = TypeVar("Change", Rounded, Pair)
"""By how much something changes: the real or the complex numbers of a numeric method."""


def _known(room: Numbers, error: Numbers) -> Numbers:
    """Return an error that is infinite where a pole may be as near as the number is off."""
    return np.where(room > 0.0, error, np.inf)


def _growth(error: Numbers) -> Numbers:
    """Return (exp(U error) - 1) / U, by how much an exponential grows."""
    return np.expm1(U * error) / U


def _sine(x: Rounded) -> Rounded:
    value = np.sin(x.value)
    return Rounded(value, x.error + _FUNCTION * np.abs(value))


def _angle(y: Rounded, x: Rounded) -> Rounded:
    """Return arctan(y / x) of a positive x."""
    value = np.arctan2(y.value, x.value)
    quotient = y / x
    return Rounded(value, _known(x.value, quotient.error + _FUNCTION * np.abs(value)))
