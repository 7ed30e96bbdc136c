"""What formulas are made of: the right one, its gradient, and tables of the whole case.

With p = pi, l = log pi, J(w) = p (w - sum p w) and E the mean under p.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.record import Formula, Parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from softcheck.diagnosis.mistakes.record import Move, Planter
    from softcheck.diagnosis.view import Laid, View
    from softcheck.gradient.policy import Entries, PerState

Tables: TypeAlias = "tuple[Entries, ...]"


def usual(view: View, a: Entries, b: Entries, weight: Entries | None = None) -> Parts:
    """Return parts that round as those of Eq. (6) do, where they are weighted by `weight`."""
    return Parts(a, b, view.p if weight is None else weight, view)


def linear(
    of: Callable[[View, Entries], Entries], weight: Callable[[View], Entries] | None = None
) -> Callable[[View], Parts]:
    """-F(Q) and alpha F(l): Eq. (6) with another linear map F for J."""

    def parts(view: View) -> Parts:
        a, b = -of(view, view.q), view.alpha * of(view, view.log_p)
        return usual(view, a, b, None if weight is None else weight(view))

    return parts


def entropy(
    of: Callable[[View], Entries], weight: Callable[[View], Entries] | None = None
) -> Callable[[View], Parts]:
    """-J(Q) and alpha F: Eq. (6) with another gradient of the entropy."""

    def parts(view: View) -> Parts:
        a, b = -view.J(view.q), view.alpha * of(view)
        return usual(view, a, b, None if weight is None else weight(view))

    return parts


right = linear(lambda view, w: view.J(w))
"""-J(Q) and alpha J(l): Eq. (6)."""

RIGHT = Formula(right)


def factor_of(view: View, parts: Parts) -> PerState:
    """Return what reduction and weights multiply the parts of each state by."""
    return view.e.factor if parts.factor is None else parts.factor


def gradient(view: View, parts: Parts, x: float = 1.0, y: float = 1.0) -> Entries:
    """Return the gradient x a + y b of the declared loss."""
    made: Entries = (x * parts.a + y * parts.b) * factor_of(view, parts)
    return made


def true_gradient(view: View) -> Entries:
    """Return the right gradient of any loss, times what reduction and weights make of it."""
    made: Entries = view.e.gradient * view.e.factor
    return made


def scaled(x: float) -> Planter:
    """Return what plants the right gradient of any loss times a number."""
    return lambda view, _: x * true_gradient(view)


def at(x: float, y: float) -> Planter:
    """Return what plants the right formula at two numbers of the family."""

    def plant(view: View, _: np.random.Generator) -> Entries:
        return gradient(view, right(view), x, y)

    return plant


def of_move(move: Move) -> Formula:
    """Return what a move makes of Eq. (6)."""

    def parts(view: View) -> Parts:
        tables = _moved(move)
        a, b, rounding = of_whole(view, tables) if move.whole else tables(view)
        # What multiplies the loss of a state may have moved too, or be 0.
        unit = view.shared.reduction
        weight = abs(rounding) / (view.rough_q + view.rough_log) / unit
        return Parts(a / unit, b / unit, weight, view, np.full_like(view.e.factor, unit))

    return Formula(parts, move.variant, cost=move.cost, read=move.read)


@cache
def _moved(move: Move) -> Callable[[View], Tables]:
    def tables(view: View) -> Tables:
        made, factor = right(view), view.e.factor
        rounding = made.weight * (view.rough_q + view.rough_log) * abs(factor)
        return move.of(view, (made.a * factor, made.b * factor, rounding))

    return tables


def planted(of: Callable[[View, Tables], Tables]) -> Planter:
    """Return what plants a move that takes nothing from the gradient."""

    def plant(view: View, _: np.random.Generator) -> Entries:
        true = true_gradient(view)
        return of(view, (true, abs(true)))[0]

    return plant


def of_whole(view: View, tables: Callable[[View], Tables]) -> Tables:
    """Return tables of some states, which a function makes once from the whole case."""
    kept = view.shared.tables
    if tables not in kept:
        kept[tables] = tables(view.shared.whole[0])
    return tuple(table[:, view.states] for table in kept[tables])


def flat(table: Laid) -> Entries:
    """Return `(*shape, actions)` as `(actions, states)`."""
    return table.reshape(-1, table.shape[-1]).T
