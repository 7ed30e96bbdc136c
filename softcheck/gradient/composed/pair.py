"""Complex numbers in pairs of real arrays, with a bound on their own rounding error.

Every complex operation is written out in real ones; nothing is simplified across operations. One
bound holds for both parts, for in a complex step it is the size of the imaginary part that counts:
the real one is its square. With x, y for the real and the imaginary part of z and U for the unit
roundoff, a result has at most

    z + w     U max(|x|, |y|)                      z w      2 U (|Re z| + |Im z|) (|Re w| + |Im w|)
    z / w     7 U (|x| + |y|)                      e^z - 1  U (30 (|e^x - 1| + sin^2 y/2) + 6 |y|)
    log(1 + z)    U (2 (|x (2 + x)| + y^2) / |1 + z|^2 + 4 |log |1 + z|| + 5 |arg(1 + z)|)

of its own, where functions of real numbers are right to 4 U.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from softcheck.gradient.composed.running import (
    NOTHING,
    UNDERFLOW,
    Numbers,
    Rounded,
    growth,
    known,
)
from softcheck.gradient.policy import Flags
from softcheck.gradient.tolerance import U

_BOTH = 1.5
"""An error of both parts is at most sqrt 2 times as far away."""

_SQUARE = 1e-290
"""From here on the square of a modulus has all of its digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Complex numbers; the other operand may be real.

    Attributes
    ----------
    real, imaginary : Numbers
    error : Numbers
        What either part may be off, in units of U.
    """

    real: Numbers
    imaginary: Numbers
    error: Numbers

    def __add__(self, other: "Pair | Rounded") -> "Pair":
        error = self.error + other.error
        if isinstance(other, Rounded):
            real = self.real + other.value
            return Pair(real, self.imaginary, error + np.abs(real))
        real, imaginary = self.real + other.real, self.imaginary + other.imaginary
        return Pair(real, imaginary, error + _larger(real, imaginary))

    def __neg__(self) -> "Pair":
        return Pair(-self.real, -self.imaginary, self.error)

    def __sub__(self, other: "Pair") -> "Pair":
        return self + -other

    def __mul__(self, other: "Pair | Rounded") -> "Pair":
        if isinstance(other, Rounded):
            if other.factor:
                return self.times(other.factor)
            real, imaginary = self.real * other.value, self.imaginary * other.value
            error = _larger(real, imaginary) + self.error * other.size
            if other.error is not NOTHING:
                error += _larger(self.real, self.imaginary) * other.error
            return Pair(real, imaginary, error + UNDERFLOW)
        x, y = self.size, other.size
        error = self.error * y + x * (other.error + 2.0 * y) + 4.0 * UNDERFLOW
        real = self.real * other.real - self.imaginary * other.imaginary
        return Pair(real, self.real * other.imaginary + self.imaginary * other.real, error)

    def __truediv__(self, other: "Pair | Rounded") -> "Pair":
        if isinstance(other, Rounded):
            real, imaginary = self.real / other.value, self.imaginary / other.value
            room = np.abs(other.value) - U * other.error
        else:
            square = other.real * other.real + other.imaginary * other.imaginary
            real = (self.real * other.real + self.imaginary * other.imaginary) / square
            imaginary = (self.imaginary * other.real - self.real * other.imaginary) / square
            room = _larger(other.real, other.imaginary) - _BOTH * U * other.error
            room = np.where(square > _SQUARE, room, 0.0)
        size = np.abs(real) + np.abs(imaginary)
        error = _BOTH * (self.error + size * other.error) / room + 7.0 * size + UNDERFLOW
        return Pair(real, imaginary, known(room, error))

    @property
    def size(self) -> Numbers:
        """At least the magnitude, whatever the rounding."""
        return np.abs(self.real) + np.abs(self.imaginary) + U * self.error

    def times(self, factor: float) -> "Pair":
        """Return the product with a power of two, which rounds nothing."""
        error = self.error * abs(factor) + UNDERFLOW
        return Pair(self.real * factor, self.imaginary * factor, error)

    def expm1(self) -> "Pair":
        """Return the exponential less 1: (e^x - 1) cos y - 2 sin^2 (y / 2) + i e^x sin y."""
        exponential, square = np.expm1(self.real), np.sin(0.5 * self.imaginary) ** 2
        real = exponential * (1.0 - 2.0 * square) - 2.0 * square
        imaginary = (exponential + 1.0) * np.sin(self.imaginary)
        own = 30.0 * (np.abs(exponential) + square) + 6.0 * np.abs(imaginary) + UNDERFLOW
        return Pair(real, imaginary, (exponential + 1.0) * growth(_BOTH * self.error) + own)

    def log1p(self) -> "Pair":
        """Return the logarithm of what is greater by 1: log |1 + z|^2 / 2, and the angle."""
        x, y = self.real, self.imaginary
        product, square = x * (2.0 + x), y * y
        real, imaginary = 0.5 * np.log1p(product + square), np.arctan2(y, 1.0 + x)
        room = _larger(1.0 + x, y) - _BOTH * U * self.error
        own = 2.0 * (np.abs(product) + square) / (room * room)
        own += 4.0 * np.abs(real) + 5.0 * np.abs(imaginary) + UNDERFLOW
        return Pair(real, imaginary, known(room, _BOTH * self.error / room + own))

    def where(self, flags: Flags, other: "Pair") -> "Pair":
        """Return these numbers where `flags` hold, and the others elsewhere."""
        return Pair(
            np.where(flags, self.real, other.real),
            np.where(flags, self.imaginary, other.imaginary),
            np.where(flags, self.error, other.error),
        )


Change = TypeVar("Change", Rounded, Pair)
"""By how much something changes: the real or the complex numbers of a numeric method."""


def imaginary(x: Pair) -> Rounded:
    """Return the imaginary part."""
    return Rounded(x.imaginary, x.error)


def _larger(x: Numbers, y: Numbers) -> Numbers:
    return np.maximum(np.abs(x), np.abs(y))
