"""Counterexamples: a small point found by search, then certified by interval arithmetic."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from softcheck.derive.expr import Condition, Definition, Expr, free_indices, quantities
from softcheck.derive.limits import OPERATIONS
from softcheck.derive.points.evaluate import Evaluator, NoValueError
from softcheck.derive.points.jets import Arithmetic, Number

_CERTIFYING_DIGITS = 30
"""Decimal digits of the intervals that tell two sides apart."""

_VISIBLE = 1e-7
"""Relative difference from which a point is worth certifying."""

_SIZES = (2, 3, 1, 4)
_ACTIONS_TRIED = 81

_TABLES: tuple[tuple[int, ...], ...] = (
    (0, 1, -1, 2),
    (1, 3, 2, -1),
    (2, 0, 1, -2),
    (-1, 1, 3, 0),
    (0, -2, 1, 1),
)
"""Whole numbers for the entries of a table, not uniform."""

_SHARES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((1,), (1, 3), (1, 2, 5), (1, 2, 5, 8)),
    ((1,), (3, 1), (5, 1, 2), (2, 8, 1, 5)),
    ((1,), (5, 3), (2, 1, 1), (4, 1, 2, 1)),
)
"""Shares for constants that add up to 1, of which those of few actions are exact in binary."""

_POSITIVE = (Fraction(2), Fraction(1, 2), Fraction(1), Fraction(3))
_SCALARS = (Fraction(3), Fraction(-1), Fraction(2), Fraction(1, 2))


@dataclass(frozen=True)
class Point:
    """Where two sides are compared.

    Attributes
    ----------
    actions : int
        n.
    tables : mapping of name to the value of each entry
        By the actions of an entry, counted from 0; a scalar has the entry ().
    indices : mapping of free action to action, counted from 0
    """

    actions: int
    tables: Mapping[str, Mapping[tuple[int, ...], Fraction]]
    indices: Mapping[str, int]


@dataclass(frozen=True)
class Claim:
    """Two sides, and what is assumed.

    Attributes
    ----------
    left, right : Expr
    definitions : mapping of name to Definition
    conditions : tuple of Condition
    positive, ones : set of str
        Free symbols that are positive, and that add up to 1.
    """

    left: Expr
    right: Expr
    definitions: Mapping[str, Definition]
    conditions: tuple[Condition, ...]
    positive: frozenset[str]
    ones: frozenset[str]

    def allows(self, indices: Mapping[str, int]) -> bool:
        """Tell whether a choice of the free actions, counted from 0, meets the conditions."""
        return allowed(self.conditions, indices)


def allowed(conditions: Iterable[Condition], indices: Mapping[str, int]) -> bool:
    """Tell whether a choice of actions, counted from 0, meets the conditions on actions."""

    def action(name: str) -> int:
        return int(name) - 1 if name.isdigit() else indices[name]

    return all(
        (action(c.left) == action(c.right)) == (c.relation == "=")
        for c in conditions
        if c.relation != ">"
    )


class _Seal:
    """What `certified` holds, and nobody else."""


_SEAL = _Seal()


@dataclass(frozen=True)
class Refutation:
    """A point at which two sides differ, for certain; only `certified` makes one.

    Attributes
    ----------
    claim : Claim
        What it refutes.
    point : Point
    left, right : float
        The sides.
    low, high : float
        Between these lies the difference; 0 does not.
    """

    claim: Claim
    point: Point
    left: float
    right: float
    low: float
    high: float
    seal: InitVar[_Seal]

    def __post_init__(self, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise TypeError("only intervals say that something is refuted: ask certified")


def refute(claim: Claim) -> Refutation | None:
    """Return a certified counterexample, or None if the search finds none.

    Raises
    ------
    NoValueError
        If the sides have no value at any point.
    """
    budget = OPERATIONS
    for point in points(claim):
        evaluation = floats(claim, point, budget)
        try:
            left = evaluation(claim.left, point.indices)
            right = evaluation(claim.right, point.indices)
        except (ZeroDivisionError, ValueError, OverflowError):
            budget = evaluation.budget
            continue
        except NoValueError:
            if evaluation.budget < 0:
                return None
            raise
        budget = evaluation.budget
        if not abs(left - right) <= _VISIBLE * (1e-3 + abs(left) + abs(right)):
            try:
                found = certified(claim, point)
            except NoValueError:
                continue  # what floating point gives a value has none for certain
            if found is not None:
                return found
    return None


def floats(claim: Claim, point: Point, budget: int) -> Evaluator:
    """Return what computes with floating point at a point."""
    arithmetic = Arithmetic(float, math.exp, math.log)
    return Evaluator(
        point.actions, arithmetic, _leaf(point, arithmetic), claim.definitions, budget=budget
    )


def _leaf(point: Point, arithmetic: Arithmetic) -> Callable[[str, tuple[int, ...]], Number | None]:
    def leaf(name: str, at: tuple[int, ...]) -> Number | None:
        value = point.tables.get(name, {}).get(at)
        return None if value is None else arithmetic.number(value)

    return leaf


def certified(claim: Claim, point: Point) -> Refutation | None:
    """Return the two sides at a point if interval arithmetic tells them apart."""
    left, right = enclosures(claim, point, _CERTIFYING_DIGITS)
    difference = left - right
    low, high = difference.a, difference.b
    if not (low > 0 or high < 0):
        return None
    ends = float(low.a), float(high.b)
    return Refutation(claim, point, float(left.mid), float(right.mid), *ends, _SEAL)


def enclosures(claim: Claim, point: Point, digits: int) -> tuple[Number, Number]:
    """Return intervals that contain the two sides at a point.

    Raises
    ------
    NoValueError
        Where a symbol has no value, or a side is not defined.
    """
    evaluation = intervals(claim, point, digits)
    return evaluation(claim.left, point.indices), evaluation(claim.right, point.indices)


def intervals(claim: Claim, point: Point, digits: int = _CERTIFYING_DIGITS) -> Evaluator:
    """Return what computes intervals that contain the values at a point."""
    from mpmath.ctx_iv import MPIntervalContext

    context = MPIntervalContext()
    context.dps = digits

    def number(value: Fraction) -> Number:
        return context.mpf(value.numerator) / context.mpf(value.denominator)

    def log(value: Number) -> Number:
        if not value.a > 0:
            raise NoValueError("a logarithm of what may not be positive")
        return context.log(value)

    arithmetic = Arithmetic(number, context.exp, log)
    return Evaluator(point.actions, arithmetic, _leaf(point, arithmetic), claim.definitions)


def points(claim: Claim, *further: Expr) -> Iterator[Point]:
    """Yield points that meet the conditions, small and plain ones first.

    Parameters
    ----------
    claim : Claim
    further : Expr
        What else is to have a value there.
    """
    free = free_actions(claim)
    kinds = _kinds(claim, further)
    fewest = fewest_actions(claim)
    sizes = [actions for actions in _SIZES if actions >= fewest] or [fewest]
    for positive, attempt in product((False, True), range(len(_TABLES))):
        for actions in sizes:
            tables = {
                name: _values(kind, attempt + rank, actions, positive=positive or kind.positive)
                for kind, names in kinds.items()
                for rank, name in enumerate(names)
            }
            choices = product(range(actions), repeat=len(free))
            for count, chosen in enumerate(choices):
                if count == _ACTIONS_TRIED:
                    break
                indices = dict(zip(free, chosen, strict=True))
                if claim.allows(indices):
                    yield Point(actions, tables, indices)


def free_actions(claim: Claim) -> list[str]:
    """Return the names of the actions of a claim, those that its conditions speak of last.

    Whoever tries the last ones first soon meets the conditions.
    """
    named = free_indices(claim.left) | free_indices(claim.right)
    bound = {n for c in claim.conditions if c.relation != ">" for n in (c.left, c.right)}
    names = (index for index in named | bound if not index.isdigit())
    return sorted(names, key=lambda index: (index in bound, index))


def fewest_actions(claim: Claim) -> int:
    """Return the largest action that a claim gives by its number, at least 1."""
    named = free_indices(claim.left) | free_indices(claim.right)
    return max([1, *(int(index) for index in named if index.isdigit())])


class _Kind(NamedTuple):
    """What values a free symbol takes."""

    arity: int
    positive: bool
    share: bool


def _kinds(claim: Claim, further: Iterable[Expr]) -> dict[_Kind, list[str]]:
    """Return the free symbols of formulas and their definitions, those of one kind together."""
    arities: dict[str, int] = {}
    pending = [claim.left, claim.right, *further]
    opened: set[str] = set()
    while pending:
        for quantity in quantities(pending.pop()):
            name = quantity.name
            if name not in claim.definitions:
                arities[name] = len(quantity.args)
            elif name not in opened:
                opened.add(name)
                pending.append(claim.definitions[name].body)
    kinds: dict[_Kind, list[str]] = {}
    for name, arity in sorted(arities.items()):
        share = name in claim.ones and arity == 1
        kinds.setdefault(_Kind(arity, name in claim.positive, share), []).append(name)
    return kinds


def _values(
    kind: _Kind, choice: int, actions: int, *, positive: bool
) -> Mapping[tuple[int, ...], Fraction]:
    """Return the entries of a symbol: no two of its kind get the same ones at one point."""
    if kind.arity == 0:
        scalars = _POSITIVE if positive else _SCALARS
        again, which = divmod(choice, len(scalars))
        return {(): scalars[which] + 5 * again}
    again, which = divmod(choice, len(_SHARES if kind.share else _TABLES))
    if kind.share:
        row = _SHARES[which][min(actions, 4) - 1]
        shares = [row[(i + again) % len(row)] + i // len(row) for i in range(actions)]
        return {(i,): Fraction(share, sum(shares)) for i, share in enumerate(shares)}
    row = _TABLES[which]
    values = {}
    for place, at in enumerate(product(range(actions), repeat=kind.arity)):
        value = Fraction(row[(place + again) % len(row)] + place // len(row) + 3 * again)
        values[at] = abs(value) + 1 if positive else value
    return values
