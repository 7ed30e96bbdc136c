"""The parts that a gradient may be made of, and what rounding does to it at any numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.dumps import Sides, allowance, bounded, printed
from softcheck.checks.evaluation import Dump, Evaluation
from softcheck.gradient.kernel import Once
from softcheck.gradient.policy import Entries, Some
from softcheck.gradient.tolerance import Allowance

Act: TypeAlias = Callable[[Entries], Entries]
"""What becomes of a table of numbers that move, whatever they are."""

Allowed: TypeAlias = Callable[[Sequence[float], Some], Allowance]
"""From numbers and some states to what these are allowed beyond their tolerance."""


class Rounds(NamedTuple):
    """How far a gradient sum_k x_k v_k may be off by rounding, at any numbers x_k.

    That is sum_k |x_k| of_k + fixed + unit |sum_k x_k v_k|.

    Attributes
    ----------
    of : tuple of Entries
    fixed : Entries
        What underflow and printing take whatever the numbers are; infinite where nothing can be
        told.
    unit : float
        Of what is stored, where that is not in `of`.
    allowance : callable or None
        See `Allowed`.
    """

    of: tuple[Entries, ...]
    fixed: Entries
    unit: float = 0.0
    allowance: Allowed | None = None


@dataclass(frozen=True)
class Columns:
    """A gradient sum_k x_k v_k whose numbers x_k are to be told.

    Attributes
    ----------
    values : tuple of Entries
        The parts v_k, times what reduction and weights make of a state's loss.
    bound : callable
        Returns how they round, which takes longer than their values.
    """

    values: tuple[Entries, ...]
    bound: Callable[[], Rounds]

    @Once
    def rounds(self) -> Rounds:
        """How they round."""
        return self.bound()

    @property
    def declared(self) -> tuple[float, ...]:
        """The numbers that were declared."""
        return (1.0,) * len(self.values)

    def value(self, numbers: Sequence[float]) -> Entries:
        """Return the gradient at some numbers."""
        parts = (x * value for x, value in zip(numbers, self.values, strict=True))
        made: Entries = reduce(np.add, parts)
        return made

    def tolerance(self, numbers: Sequence[float]) -> Entries:
        """Return its tolerance; where nothing should be left, that of what cancelled."""
        of, fixed, unit, _ = self.rounds
        sizes = np.abs(numbers if any(numbers) else self.declared)
        made: Entries = reduce(np.add, (size * each for size, each in zip(sizes, of, strict=True)))
        if unit:
            made += unit * np.abs(self.value(numbers))
        made += fixed
        return made

    def of_states(self, some: Some) -> "Columns":
        """Return the same of some states, without what these are allowed."""
        of, fixed, unit, _ = self.rounds
        rounds = Rounds(tuple(each[:, some] for each in of), fixed[:, some], unit)
        return Columns(tuple(each[:, some] for each in self.values), lambda: rounds)

    def acted(self, act: Act) -> "Columns":
        """Return the same numbers once they have moved; underflow takes as much wherever it is."""

        def bound() -> Rounds:
            of, fixed, unit, _ = self.rounds
            moved = tuple(np.abs(act(each)) for each in of)
            return Rounds(moved, np.fmax(act(fixed), fixed.min()), unit)

        return Columns(tuple(map(act, self.values)), bound)

    def beside(self, *others: "Columns") -> "Columns":
        """Return the parts of several gradients that are to be added."""

        def bound() -> Rounds:
            of = (of for other in others for of in other.rounds.of)
            return self.rounds._replace(of=(*self.rounds.of, *of))

        values = (value for each in others for value in each.values)
        return Columns((*self.values, *values), bound)


def of_evaluation(e: Evaluation, known: Sides | None = None) -> Columns:
    """Return the gradient of a loss, with the tolerance of one that was dumped.

    `known` is what `bounded` makes of it, where that is known.
    """

    def bound() -> Rounds:
        of, fixed = apart((known or bounded(e, "gradient")).tolerance, e.dumps["gradient"])
        return Rounds((of,), fixed, allowance=allowed)

    def allowed(numbers: Sequence[float], states: Some) -> Allowance:
        return allowance(replace(e, factor=e.factor * max(map(abs, numbers))), states)

    if known is not None:
        return Columns((known.expected,), bound)
    value = e.gradient * e.factor
    return Columns((value if e.legal is None else np.where(e.legal, value, 0.0),), bound)


def apart(tolerance: Entries, dump: Dump) -> tuple[Entries, Entries]:
    """Return what of a tolerance grows with the gradient, and what is `Rounds.fixed`."""
    least = dump.computed.underflow_as(dump.stored) + printed(dump.decimal, np.zeros(1))
    least *= dump.factor
    of = np.maximum(tolerance, least)
    of -= least
    if np.isfinite(of.sum()):
        return of, np.broadcast_to(least, of.shape)
    of[~np.isfinite(of)] = 0.0
    return of, np.where(np.isinf(tolerance), np.inf, least)


def of_table(dump: Dump, value: Entries, rounding: Entries) -> Columns:
    """Return a gradient whose rounding is bounded in units of U."""
    of = dump.computed.tolerated * rounding + dump.stored.unit * np.abs(value)
    fixed = np.full_like(value, dump.computed.underflow_as(dump.stored))
    return Columns((value,), lambda: Rounds((dump.factor * of,), dump.factor * fixed))
