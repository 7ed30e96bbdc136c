"""The parts that a gradient may be made of, and what rounding does to it at any numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.dumps import allowance, bounded
from softcheck.checks.evaluation import Evaluation
from softcheck.diagnosis.view import View
from softcheck.gradient.definition import Program
from softcheck.gradient.policy import Entries, Indices, PerState, States
from softcheck.gradient.tolerance import Allowance, of_masked, of_normaliser, of_parts

Act: TypeAlias = Callable[[Entries], Entries]
"""What becomes of a table of numbers that move, whatever they are."""

Allowed: TypeAlias = Callable[[Sequence[float], Indices], Allowance]
"""From numbers and some states to what these are allowed beyond their tolerance."""


class Rounds(NamedTuple):
    """How far a gradient sum_k x_k v_k may be off by rounding, at any numbers x_k.

    That is sum_k |x_k| of_k + fixed + unit |sum_k x_k v_k|.

    Attributes
    ----------
    of : tuple of Entries
    fixed : Entries
        What underflow takes whatever the numbers are; infinite where nothing can be told.
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

    @cached_property
    def rounds(self) -> Rounds:
        """How they round."""
        return self.bound()

    @property
    def declared(self) -> tuple[float, ...]:
        """The numbers that were declared."""
        return (1.0,) * len(self.values)

    def value(self, numbers: Sequence[float]) -> Entries:
        """Return the gradient at some numbers."""
        made: Entries = sum(
            (x * value for x, value in zip(numbers, self.values, strict=True)),
            start=np.zeros_like(self.values[0]),
        )
        return made

    def tolerance(self, numbers: Sequence[float], value: Entries) -> Entries:
        """Return its tolerance; where nothing should be left, that of what cancelled."""
        of, fixed, unit, _ = self.rounds
        sizes = np.abs(numbers) if any(numbers) else np.ones(len(numbers))
        made: Entries = fixed + unit * np.abs(value)
        for size, each in zip(sizes, of, strict=True):
            made += size * each
        return made

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


def of_evaluation(e: Evaluation) -> Columns:
    """Return the gradient of a loss, with the tolerance of one that was dumped."""

    def bound() -> Rounds:
        found, dump = bounded(e, "gradient"), e.dumps["gradient"]
        underflow = dump.factor * dump.computed.underflow_as(dump.stored)
        fixed = np.where(np.isinf(found.tolerance), np.inf, underflow)
        of = np.maximum(found.tolerance, underflow) - underflow
        of[~np.isfinite(of)] = 0.0
        return Rounds((of,), fixed, allowance=allowed)

    def allowed(numbers: Sequence[float], states: Indices) -> Allowance:
        return allowance(replace(e, factor=e.factor * max(map(abs, numbers))), states)

    value = e.gradient * e.factor
    return Columns((value if e.legal is None else np.where(e.legal, value, 0.0),), bound)


def of_tables(view: View, values: tuple[Entries, ...], roundings: tuple[Entries, ...]) -> Columns:
    """Return parts whose rounding is bounded in units of U."""
    dump = view.dump
    by = dump.factor * dump.computed.tolerated
    fixed = np.full_like(values[0], dump.factor * dump.computed.underflow_as(dump.stored))
    rounds = Rounds(tuple(by * x for x in roundings), fixed, dump.factor * dump.stored.unit)
    return Columns(values, lambda: rounds)


def of_program(view: View, slope: Program) -> Columns:
    """Return a gradient of the arrays of a case."""
    e = view.composed
    loss = replace(view.shared.case.variant, family=None, slope=slope)
    return of_evaluation(replace(e, context=replace(e.context, loss=loss)))


def of_two(view: View, a: Entries, b: Entries, weight: Entries, base: View) -> Columns:
    """Return the parts of a gradient x a + y b of Eq. (6), one from Q and one from alpha.

    The rounding of each is that of Q - E Q or of alpha l before it is weighted, times `weight`, and
    (rho + n) times the part itself for the roundings of the weight; `base` has that Q and policy.
    Both parts are still to be multiplied by what reduction and weights make of a state's loss.
    """
    factor = view.e.factor
    bound = partial(_of_two, view, a, b, weight, base)
    return Columns((a * factor, b * factor), bound)


def _of_two(view: View, a: Entries, b: Entries, weight: Entries, base: View) -> Rounds:
    dump, legal, actions, factor = view.dump, base.e.legal, len(weight), view.e.factor
    computed, size = dump.computed, np.abs(factor)
    alone = computed.underflow_as(dump.stored) + actions * computed.underflow * np.abs(weight)
    means = (
        base.e.mean(np.abs(base.q)),
        base.alpha * (np.abs(base.e.mean(base.log_p)) + 1.0),
    )
    of = []
    for part, rough, mean in zip((a, b), (base.rough_q, base.rough_log), means, strict=True):
        bound = weight * rough + base.spread * np.abs(part)
        if legal is not None:
            left = of_masked(actions, mean, np.abs(part).sum(axis=0)) / computed.factor
            np.maximum(bound, left, out=bound, where=~legal)
        bound *= computed.tolerated * size
        bound += alone * size * rough
        bound += 4.0 * dump.decimal * size * weight * rough
        of.append(dump.factor * bound)
    fixed = alone + 4.0 * dump.decimal
    np.copyto(
        fixed,
        np.inf,
        where=(computed.unit * view.largest_logit > 1.0) & (True if legal is None else legal),
    )

    def allowed(numbers: Sequence[float], states: Indices) -> Allowance:
        def some(z: PerState) -> States:
            return np.broadcast_to(z, means[0].shape)[states]

        x, y = map(abs, numbers if any(numbers) else (1.0, 1.0))
        by, policy = dump.factor * some(size), base.e.policy
        offset = some(x * means[0] + y * means[1])
        normaliser = computed.unit * of_normaliser(some(policy.highest + policy.log_Z), offset)
        added = None
        if dump.stored.unit > computed.unit:
            parts = (x * a[:, states], y * b[:, states], y * some(base.alpha) * weight[:, states])
            added = of_parts(*parts) * (by * dump.stored.unit)
        return Allowance(weight[:, states], by * normaliser, added)

    unit = dump.factor * dump.stored.unit
    return Rounds((of[0], of[1]), dump.factor * fixed, unit, allowed)
