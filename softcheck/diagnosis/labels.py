"""Which numbers of actions a gradient was made with, where it was not with those that are given."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import log2
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.evaluation import Evaluation
from softcheck.diagnosis.columns import Columns, of_evaluation
from softcheck.diagnosis.mistakes.order import LABELS_OFF_BY_ONE, OTHER_LABELS, SHIFTED_LABELS
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Read
from softcheck.diagnosis.view import Numbers, Rows, View, dot, evaluated
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Buffers, Entries
from softcheck.tables.case import RawBlock

_TRIED = 3
"""So many actions a state are tried where its number is read off the gradient."""


class _Labels(NamedTuple):
    """Numbers of actions, of which some are not known, and the weights of their states.

    Attributes
    ----------
    actions : Numbers
    known : Rows
        The numbers of the other states are to be read off the gradient.
    weights : array or None
        None where they are those that are given.
    weight_sum : float
    """

    actions: Numbers
    known: Rows
    weights: Any = None
    weight_sum: float = 0.0


_Find: TypeAlias = Callable[[str, View], _Labels]
"""From the array that holds numbers of actions to others."""


def relabelled(view: View) -> Iterator[Formula]:
    """Yield the gradients of other numbers of actions than those of a case."""
    shared = view.shared
    for given in shared.case.variant.givens:
        if given.kind is not Kind.INDEX:
            continue
        name = given.name
        for axis, length in enumerate(shared.shape) if shared.whole else ():
            for shift, whose in ((1, "the state before"), (-1, "the next state")):
                if length > 2:
                    of, read = partial(_shifted, axis, shift), partial(_at_edge, axis)
                    said = f"{name} are those of {whose}"
                    said += f" along axis {axis}" if len(shared.shape) > 1 else ""
                    yield _formula(SHIFTED_LABELS, said, name, of, read)
                    if "weights" in view.given:
                        said += ", and so are the weights"
                        yield _formula(SHIFTED_LABELS, said, name, partial(of, weights=True), read)
        for offset, how in ((1, "more"), (-1, "less")):
            said = f"{name} are each 1 {how} than given"
            yield _formula(LABELS_OFF_BY_ONE, said, name, partial(_counted, offset))
        said = f"{name} are others than those given, read off the gradient"
        made = _formula(OTHER_LABELS, said, name, _unknown, attrgetter("wrong_states"))
        yield replace(made, cost=2.0)


def _formula(
    mistake: Mistake, said: str, name: str, of: _Find, read: Callable[[View], int] = lambda _: 0
) -> Formula:
    """Return other numbers as a formula; `read` tells in how many states they are read off."""
    bits = Read(bits=lambda view: read(view) * log2(view.shared.actions))
    columns = partial(_columns, name, of)
    return Formula(columns, code=mistake.code, said=said, read=bits, in_order=True)


def _at_edge(axis: int, view: View) -> int:
    """Return how many states have none before, or none behind them."""
    return view.shared.states // view.shared.shape[axis]


def _columns(name: str, of: _Find, view: View) -> Columns:
    """Return the right gradient of other numbers.

    Of a state whose number is not known it is that of the action which comes nearest to the dumped
    one, at the scale of the states whose number is, or 0 where that is 0 throughout.
    """
    found = of(name, view)
    actions = np.where(found.known, found.actions, _nearest(name, view, found))
    left_out = ~found.known & ~view.grad.any(axis=0)
    left_out &= not left_out.all()  # or it would be a gradient of 0
    made = of_evaluation(_with(name, view, found, actions))
    (value,) = made.values
    return replace(made, values=(np.where(left_out, 0.0, value),))


def _unknown(name: str, view: View) -> _Labels:
    given = view.raw.arrays[name]
    return _Labels(given, np.zeros(given.shape, dtype=np.bool_))


def _counted(offset: int, name: str, view: View) -> _Labels:
    """Numbers that count from another one."""
    actions = view.raw.arrays[name] + offset
    return _legal(name, view, actions, (actions >= 0) & (actions < view.shared.actions))


def _shifted(axis: int, shift: int, name: str, view: View, *, weights: bool = False) -> _Labels:
    """Numbers of the states beside, and their weights, as those have that `ignore_index` makes."""
    shared, whole = view.shared, view.shared.whole[0].raw.arrays
    inside = np.ones(shared.shape, dtype=np.bool_)
    np.moveaxis(inside, axis, 0)[0 if shift > 0 else -1] = False
    known = inside.ravel()[view.states]

    def rolled(table: Any) -> Any:
        return np.roll(table.reshape(shared.shape), shift, axis).ravel()[view.states]

    found = _legal(name, view, rolled(whole[name]), known)
    if not weights:
        return found
    mean = shared.weight_sum / (shared.weighted or 1)
    gone = np.moveaxis(whole["weights"].reshape(shared.shape), axis, 0)[-1 if shift > 0 else 0]
    return found._replace(
        weights=np.where(known, rolled(whole["weights"]), mean),
        weight_sum=shared.weight_sum - float(gone.sum()) + mean * gone.size,
    )


def _legal(name: str, view: View, actions: Numbers, known: Rows) -> _Labels:
    """Return numbers that are known, and those given where these are none or not legal."""
    given = view.raw.arrays[name]
    actions = np.where(known, actions, given)
    legal = np.take_along_axis(view.legal, actions[np.newaxis], axis=0)[0] > 0
    return _Labels(np.where(legal, actions, given), known & legal)


def _nearest(name: str, view: View, found: _Labels) -> Numbers:
    """Return the action of each state whose gradient is nearest to the dumped one."""
    grad = np.where(np.isfinite(view.grad), view.grad, 0.0)

    def gradient(actions: Numbers) -> Entries:
        e = _with(name, view, found, actions)
        made: Entries = np.nan_to_num(e.gradient * e.factor, posinf=np.inf, neginf=-np.inf)
        return made

    best = found.actions
    made = gradient(best)
    known, there = grad[:, found.known], made[:, found.known]
    times = dot(known, there) / dot(there, there) if there.any() else 1.0
    first = np.abs(grad - times * made)
    least = first.sum(axis=0)
    largest = np.where(view.legal > 0, first, -1.0)
    tried = min(_TRIED, len(first))
    for action in np.argpartition(largest, -tried, axis=0)[-tried:]:
        legal = np.take_along_axis(view.legal, action[np.newaxis], axis=0)[0] > 0
        candidate = np.where(legal, action, best)
        error = np.abs(grad - times * gradient(candidate)).sum(axis=0)
        best = np.where(error < least, candidate, best)
        least = np.minimum(error, least)
    return best


def _with(name: str, view: View, found: _Labels, actions: Numbers) -> Evaluation:
    raw, shared = view.raw, view.shared
    arrays = {**raw.arrays, name: actions}
    if found.weights is not None:
        arrays["weights"] = found.weights
        if shared.settings.reduction == "weighted-mean":
            shared = replace(shared, reduction=1.0 / found.weight_sum)
    other = RawBlock(raw.start, raw.rows, arrays)
    return evaluated(other, shared, shared.case.variant, Buffers())
