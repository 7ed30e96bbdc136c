"""Quantities and by how much they change: changes keep their digits however small they are."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic

from softcheck.gradient.composed.evaluate import Running, Softmax
from softcheck.gradient.composed.pair import Change
from softcheck.gradient.composed.running import ONE, Rounded
from softcheck.gradient.definition import Operation

_names = count()


@dataclass(frozen=True, slots=True, eq=False)
class Moved(Generic[Change]):
    """A quantity x that becomes x + change.

    Attributes
    ----------
    value : Rounded
    change : Rounded, Pair or None
        None where it stays as it is.
    name : int
        No other has it.
    """

    value: Rounded
    change: Change | None = None
    name: int = field(default_factory=_names.__next__)

    def __add__(self, other: object) -> "Moved[Change]":
        if not isinstance(other, Moved):
            return NotImplemented
        return Moved(self.value + other.value, total(self.change, other.change))

    def __mul__(self, other: object) -> "Moved[Change]":
        if not isinstance(other, Moved):
            return NotImplemented
        value, x, y = self.value * other.value, self.change, other.change
        if y is None:
            return Moved(value, None if x is None else x * other.value)
        if x is None:
            return Moved(value, y * self.value)
        # (x + dx) (y + dy) - x y = dx (y + dy) + x dy
        return Moved(value, x * (y + other.value) + y * self.value)

    def __truediv__(self, other: object) -> "Moved[Change]":
        if not isinstance(other, Moved):
            return NotImplemented
        value, x, y = self.value / other.value, self.change, other.change
        if y is None:
            return Moved(value, None if x is None else x / other.value)
        # (x + dx) / (y + dy) - x / y = (dx - x / y dy) / (y + dy)
        change = -(y * value) if x is None else x - y * value
        return Moved(value, change / (y + other.value))

    def exp(self) -> "Moved[Change]":
        """Return the exponential."""
        value = self.value.exp()
        return Moved(value, None if self.change is None else self.change.expm1() * value)

    def log(self) -> "Moved[Change]":
        """Return the logarithm."""
        relative = None if self.change is None else self.change / self.value
        return Moved(self.value.log(), None if relative is None else relative.log1p())


def still(value: Rounded) -> Moved[Any]:
    """Return a quantity that stays as it is."""
    return Moved(value)


def total(x: Change | None, y: Change | None) -> Change | None:
    """Return the sum of two changes."""
    if x is None or y is None:
        return x if y is None else y
    return x + y


class Stepped:
    """Programs on quantities that change as all logits of a state move at once.

    Parameters
    ----------
    running : Running
    softmax : mapping of str to Rounded
        By how much each of `running.softmax` changes; what is not in it stays.
    """

    def __init__(self, running: Running, softmax: Softmax) -> None:
        self.running = running
        self._moved = {
            name: Moved(running.softmax[name], change) for name, change in softmax.items()
        }

    @classmethod
    def by(cls, step: Rounded, running: Running) -> "Stepped":
        """Return programs after steps of (actions, rows).

        With d = Z' / Z - 1 = sum pi (exp(t) - 1) and delta = log(1 + d), a logarithm of the policy
        changes by t - delta, a probability by pi (exp(t) - 1 - d) / (1 + d), logsumexp by delta.
        """
        growth, pi = step.expm1(), running.softmax["policy"]
        d = running.sum(pi * growth)
        delta = d.log1p()
        policy = pi * (growth - d) / (d + ONE)
        return cls(running, {"log_policy": step - delta, "policy": policy, "logsumexp": delta})

    def leaf(self, step: Operation) -> Moved[Rounded]:
        """Return what the logits move, or else a number that stays."""
        return self._moved.get(step.operator) or still(self.running.leaf(step))

    def exp(self, x: Moved[Rounded]) -> Moved[Rounded]:
        """Return the exponential."""
        return x.exp()

    def log(self, x: Moved[Rounded]) -> Moved[Rounded]:
        """Return the logarithm."""
        return x.log()

    def sum(self, x: Moved[Rounded]) -> Moved[Rounded]:
        """Return the sum over the legal actions."""
        change = None if x.change is None else self.running.sum(x.change)
        return Moved(self.running.sum(x.value), change)

    def logsumexp(self, x: Moved[Rounded]) -> Moved[Rounded]:
        """Return the logarithm of the sum of the exponentials, relative to the largest."""
        top = self.running.highest(x.value)
        return self.sum((x + still(-top)).exp()).log() + still(top)

    def below(self, x: Moved[Rounded], y: Moved[Rounded]) -> Moved[Rounded]:
        """Return 1 where x is at most y before anything moves, and 0 elsewhere."""
        return still(self.running.below(x.value, y.value))

    def at(self, x: Moved[Rounded], index: str) -> Moved[Rounded]:
        """Return the entry at the action whose number an array holds."""
        change = None if x.change is None else self.running.at(x.change, index)
        return Moved(self.running.at(x.value, index), change)
