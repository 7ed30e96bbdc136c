"""Which numbers of actions a gradient was made with, where it was not with those that are given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from softcheck.checks.evaluation import Evaluation
from softcheck.diagnosis.columns import Columns, of_evaluation
from softcheck.diagnosis.mistakes.order import LABELS_OFF_BY_ONE, OTHER_LABELS, SHIFTED_LABELS
from softcheck.diagnosis.mistakes.record import Formula, Read
from softcheck.diagnosis.view import Numbers, Rows, View, dot, evaluated
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Buffers, Entries
from softcheck.tables.case import RawBlock

_TRIED = 3
"""So many actions a state are tried where its number is read off the gradient."""


def relabelled(view: View) -> Iterator[Formula]:
    """Yield the gradients of other numbers of actions than those of a case."""
    for given in view.shared.case.variant.givens:
        if given.kind is not Kind.INDEX:
            continue
        name = given.name
        for axis, length in enumerate(view.shared.shape) if view.shared.whole else ():
            for shift, whose in ((1, "the state before"), (-1, "the next state")):
                if length > 2:
                    said = f"{name} are those of {whose}"
                    said += f" along axis {axis}" if len(view.shared.shape) > 1 else ""
                    yield _Relabelling(name, axis, shift).formula(said)
                    if "weights" in view.given:
                        said += ", and so are the weights"
                        yield _Relabelling(name, axis, shift, weights=True).formula(said)
        for offset, how in ((1, "more"), (-1, "less")):
            said = f"{name} are each 1 {how} than given"
            yield _Relabelling(name, offset=offset).formula(said)
        said = f"{name} are others than those given, read off the gradient"
        yield _Relabelling(name).formula(said)


@dataclass(frozen=True)
class _Relabelling:
    """Where other numbers of actions come from.

    Attributes
    ----------
    array : str
        What holds the numbers.
    axis, shift : int or None, int
        Along which axis of states they have moved, and how far; None if they have not.
    offset : int
        What was added to each.
    weights : bool
        Whether the weights have moved too, as those do that come from `ignore_index`.
    """

    array: str
    axis: int | None = None
    shift: int = 0
    offset: int = 0
    weights: bool = False

    @property
    def is_read(self) -> bool:
        """Whether every number is read off the gradient."""
        return self.axis is None and not self.offset

    @property
    def code(self) -> str:
        """The code of the mistake."""
        if self.is_read:
            return OTHER_LABELS.code
        return (LABELS_OFF_BY_ONE if self.axis is None else SHIFTED_LABELS).code

    def formula(self, said: str) -> Formula:
        """Return it as a formula of the gradient."""
        cost, read = (2.0 if self.is_read else 1.0), Read(bits=self.bits)
        return Formula(partial(_columns, self), cost=cost, read=read, code=self.code, said=said)

    def bits(self, view: View) -> float:
        """Return how many bits are read off the gradient."""
        read = view.wrong_states if self.is_read else 0
        if self.axis is not None:
            read = view.shared.states * abs(self.shift) // view.shared.shape[self.axis]
        return read * log2(view.shared.actions)


class _Numbers(NamedTuple):
    """Numbers of actions, of which some are not known, and the weights of their states."""

    actions: Numbers
    known: Rows
    weights: Any = None


def _columns(it: _Relabelling, view: View) -> Columns:
    """Return the right gradient of other numbers.

    Of a state whose number is not known it is that of the action which comes nearest to the dumped
    one, at the scale of the states whose number is, or 0 where that is 0 throughout.
    """
    found = _moved(it, view)
    actions = np.where(found.known, found.actions, _nearest(it, view, found))
    left_out = ~found.known & ~view.grad.any(axis=0)
    left_out &= not left_out.all()  # or it would be a gradient of 0
    made = of_evaluation(_with(it, view, found, actions))
    (value,) = made.values
    return replace(made, values=(np.where(left_out, 0.0, value),))


def _moved(it: _Relabelling, view: View) -> _Numbers:
    given = view.raw.arrays[it.array]
    if it.is_read:
        return _Numbers(given, np.zeros(given.shape, dtype=np.bool_))
    actions, weights = given + it.offset, None
    known: Rows = (actions >= 0) & (actions < view.shared.actions)
    if it.axis is not None:
        shape, whole = view.shared.shape, view.shared.whole[0].raw.arrays
        place = np.arange(shape[it.axis]) - it.shift
        inside = (place >= 0) & (place < shape[it.axis])
        across = [1] * len(shape)
        across[it.axis] = -1
        known = np.broadcast_to(inside.reshape(across), shape).ravel()[view.states]

        def rolled(table: Any) -> Any:
            return np.roll(table.reshape(shape), it.shift, it.axis).ravel()[view.states]

        actions = rolled(whole[it.array])
        if it.weights:
            mean = view.shared.weight_sum / (view.shared.weighted or 1)
            weights = np.where(known, rolled(whole["weights"]), mean)
    actions = np.where(known, actions, given)
    legal = np.take_along_axis(view.legal, actions[np.newaxis], axis=0)[0] > 0
    return _Numbers(np.where(legal, actions, given), known & legal, weights)


def _nearest(it: _Relabelling, view: View, found: _Numbers) -> Numbers:
    """Return the action of each state whose gradient is nearest to the dumped one."""
    grad = np.where(np.isfinite(view.grad), view.grad, 0.0)

    def gradient(actions: Numbers) -> Entries:
        e = _with(it, view, found, actions)
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


def _with(it: _Relabelling, view: View, found: _Numbers, actions: Numbers) -> Evaluation:
    raw, shared = view.raw, view.shared
    arrays = {**raw.arrays, it.array: actions}
    if found.weights is not None:
        arrays["weights"] = found.weights
        if shared.settings.reduction == "weighted-mean":
            shared = replace(shared, reduction=_of_weights(it, view))
    other = RawBlock(raw.start, raw.rows, arrays)
    return evaluated(other, shared, shared.case.variant, Buffers())


def _of_weights(it: _Relabelling, view: View) -> float:
    """Return one over the sum of the weights that have moved."""
    shared = view.shared
    axis, shift = it.axis or 0, it.shift
    laid = shared.whole[0].raw.arrays["weights"].reshape(shared.shape)
    gone = np.take(laid, -1 if shift > 0 else 0, axis)
    mean = shared.weight_sum / (shared.weighted or 1)
    total = shared.weight_sum - float(gone.sum()) + mean * prod(gone.shape)
    return float(1.0 / total)
