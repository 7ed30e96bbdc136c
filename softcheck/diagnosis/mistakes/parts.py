"""What formulas are made of: the right one, its gradient, and tables of the whole case.

With p = pi, l = log pi, J(w) = p (w - sum p w) and E the mean under p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.record import Formula

if TYPE_CHECKING:
    from collections.abc import Callable

    from softcheck.diagnosis.columns import Act, Columns
    from softcheck.diagnosis.mistakes.record import Planter
    from softcheck.diagnosis.view import Laid, View
    from softcheck.gradient.policy import Entries, Number
    from softcheck.gradient.tolerance import Precision

_T = TypeVar("_T")


def linear(
    of: Callable[[View, Entries], Entries], weight: Callable[[View], Entries] | None = None
) -> Callable[[View], Columns]:
    """-F(Q) and alpha F(l): Eq. (6) with another linear map F for J."""

    def parts(view: View) -> Columns:
        a, b = -of(view, view.q), view.alpha * of(view, view.log_p)
        return view.parts(a, b, None if weight is None else weight(view))

    return parts


def entropy(
    of: Callable[[View], Entries], weight: Callable[[View], Entries] | None = None
) -> Callable[[View], Columns]:
    """-J(Q) and alpha F: Eq. (6) with another gradient of the entropy."""

    def parts(view: View) -> Columns:
        a, b = -view.J(view.q), view.alpha * of(view)
        return view.parts(a, b, None if weight is None else weight(view))

    return parts


right = linear(lambda view, w: view.J(w))
"""-J(Q) and alpha J(l): Eq. (6)."""


def _of_any_loss(view: View) -> Columns:
    from softcheck.diagnosis.columns import of_evaluation

    return right(view) if view.is_soft else of_evaluation(view.e)


RIGHT = Formula(_of_any_loss)


def true_gradient(view: View) -> Entries:
    """Return the right gradient of any loss, times what reduction and weights make of it."""
    made: Entries = view.e.gradient * view.e.factor
    return made


def scaled(x: float) -> Planter:
    """Return what plants the right gradient of any loss times a number."""
    return lambda view, _: x * true_gradient(view)


def at(x: float, y: float) -> Planter:
    """Return what plants the right formula at two numbers of the family."""
    return lambda view, _: RIGHT.columns(view).value((x, y))


def moved(move: Callable[[View], Act], *, whole: bool = False) -> Callable[[View], Columns]:
    """Return what becomes of the right gradient of any loss where its numbers move.

    From a view, of the whole case where that is what it takes, `move` makes what becomes of a table
    of numbers.
    """

    def parts(view: View) -> Columns:
        return RIGHT.columns(view).acted(move(view))

    return in_whole(parts) if whole else parts


def in_whole(make: Callable[[View], Columns]) -> Callable[[View], Columns]:
    """Return what makes of the whole case the columns of some of its states."""
    return lambda view: of_whole(view, make).acted(lambda table: table[:, view.states])


def of_whole(view: View, make: Callable[[View], _T]) -> _T:
    """Return what a function makes of the whole case, once."""
    kept = view.shared.tables
    if make not in kept:
        kept[make] = make(view.shared.whole[0])
    made: _T = kept[make]
    return made


def rounded(x: Number, precision: Precision) -> Number:
    """Return numbers as a precision keeps them, whatever their size."""
    fraction, exponent = np.frexp(x)
    return np.ldexp(np.round(fraction / precision.unit) * precision.unit, exponent)


def flat(table: Laid) -> Entries:
    """Return `(*shape, actions)` as `(actions, states)`."""
    return table.reshape(-1, table.shape[-1]).T
