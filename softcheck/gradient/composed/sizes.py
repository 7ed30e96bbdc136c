"""The size of what a program's value is made of: its formula over magnitudes, nothing cancels."""

from dataclasses import dataclass

import numpy as np

from softcheck.gradient.composed.evaluate import Running
from softcheck.gradient.composed.running import Numbers, Rounded, precise
from softcheck.gradient.definition import Operation
from softcheck.gradient.policy import Entries, Policy, sum_of_products


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Numbers, and the size of what they are made of.

    Attributes
    ----------
    value : Rounded
    size : Numbers
    """

    value: Rounded
    size: Numbers

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(self.value + other.value, self.size + other.size)

    def __mul__(self, other: "Measured") -> "Measured":
        return Measured(self.value * other.value, self.size * other.size)

    def __truediv__(self, other: "Measured") -> "Measured":
        return Measured(self.value / other.value, self.size / np.abs(other.value.value))


@dataclass(frozen=True, slots=True)
class Sizes:
    """Programs over magnitudes.

    Attributes
    ----------
    running : Running
    policy : Policy
    centred : bool
        Whether a table counts by how far it is from its mean under the policy, and by the mean of
        that: an offset that all actions share moves few losses.
    weighted : bool
        Whether a probability counts as itself, and not as 1.
    """

    running: Running
    policy: Policy
    centred: bool = True
    weighted: bool = True

    def leaf(self, step: Operation) -> Measured:
        """Return the magnitude of what does not depend on earlier steps."""
        value = self.running.leaf(step)
        size = np.abs(value.value)
        match step.operator:
            case "given" if self.centred and size.ndim > 1:
                size = np.abs(value.value - self._mean(value.value))
                size += self._mean(size)
            case "policy" if not self.weighted:
                size = np.ones_like(size)
            case "logsumexp":
                size = np.abs(self.policy.highest) + self.policy.log_Z
        return Measured(value, size)

    def _mean(self, x: Entries) -> Numbers:
        return sum_of_products(self.policy.pi, x, self.running.buffers)

    def exp(self, x: Measured) -> Measured:
        """Return the exponential, which is its own size."""
        value = x.value.exp()
        return Measured(value, value.value)

    def log(self, x: Measured) -> Measured:
        """Return the logarithm; where it is 0, what it is of is not."""
        value = x.value.log()
        return Measured(value, np.abs(value.value) + x.size / np.abs(x.value.value))

    def sum(self, x: Measured) -> Measured:
        """Return the sum over the legal actions."""
        return Measured(self.running.sum(x.value), self.running.sum(precise(x.size)).value)

    def logsumexp(self, x: Measured) -> Measured:
        """Return the logarithm of a sum of exponentials."""
        value = self.running.logsumexp(x.value)
        return Measured(value, np.abs(value.value) + 1.0)

    def at(self, x: Measured, index: str) -> Measured:
        """Return the entry at the action whose number an array holds."""
        size = self.running.at(precise(x.size), index).value
        return Measured(self.running.at(x.value, index), size)
