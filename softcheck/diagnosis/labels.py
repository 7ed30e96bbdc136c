"""Which numbers of actions a gradient was made with, where it was not with those that are given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Evaluation
from softcheck.diagnosis.mistakes.order import LABELS_OFF_BY_ONE, OTHER_LABELS, SHIFTED_LABELS
from softcheck.diagnosis.states import evaluated
from softcheck.diagnosis.view import Numbers, Rows, View
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Buffers, Entries
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

_TRIED = 3
"""So many actions a state are tried where its number is read off the gradient."""


@dataclass(frozen=True)
class Relabelling:
    """Where other numbers of actions come from.

    Attributes
    ----------
    array : str
        What holds the numbers.
    said : str
        What was done, in words.
    axis, shift : int or None, int
        Along which axis of states they have moved, and how far; None if they have not.
    offset : int
        What was added to each.
    weights : bool
        Whether the weights have moved too, as those do that come from `ignore_index`.
    """

    array: str
    said: str
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

    def bits(self, view: View) -> float:
        """Return how many bits are read off the gradient."""
        read = view.wrong_states if self.is_read else 0
        if self.axis is not None:
            read = view.shared.states * abs(self.shift) // view.shared.shape[self.axis]
        return read * log2(view.shared.actions)


def relabellings(case: Case, view: View) -> Iterator[Relabelling]:
    """Yield the ways in which numbers of actions may be others than those of a case."""
    for given in case.variant.givens:
        if given.kind is not Kind.INDEX:
            continue
        name = given.name
        for axis, length in enumerate(view.shared.shape) if view.shared.whole else ():
            for shift, whose in ((1, "the state before"), (-1, "the next state")):
                if length > 2:
                    said = f"{name} are those of {whose}"
                    said += f" along axis {axis}" if len(view.shared.shape) > 1 else ""
                    yield Relabelling(name, said, axis, shift)
                    if "weights" in view.given:
                        said += ", and so are the weights"
                        yield Relabelling(name, said, axis, shift, weights=True)
        for offset, how in ((1, "more"), (-1, "less")):
            yield Relabelling(name, f"{name} are each 1 {how} than given", offset=offset)
        yield Relabelling(name, f"{name} are others than those given, read off the gradient")


class _Numbers(NamedTuple):
    """Numbers of actions, of which some are not known, and the weights of their states."""

    actions: Numbers
    known: Rows
    weights: Any = None


class Relabelled:
    """The states of a view with other numbers of actions.

    Parameters
    ----------
    case : Case
    settings : Settings
    view : View
        With its `raw` block.
    """

    def __init__(self, case: Case, settings: Settings, view: View) -> None:
        self.case, self.settings, self.view = case, settings, view

    def gradient(self, it: Relabelling, times: float) -> tuple[Entries, Entries]:
        """Return the right gradient of other numbers at some scale, and its tolerance.

        Of a state whose number is not known it is that of the action which comes nearest to the
        dumped one, or 0 where that is 0 throughout.
        """
        found = self._moved(it)
        actions = np.where(found.known, found.actions, self._nearest(it, found, times))
        expected, tolerance = sides(self._with(it, found, actions), "gradient")[1:3]
        left_out = ~found.known & ~self.view.grad.any(axis=0)
        return np.where(left_out, 0.0, times * expected), abs(times) * tolerance

    def _moved(self, it: Relabelling) -> _Numbers:
        view = self.view
        given = _arrays(view)[it.array]
        if it.is_read:
            return _Numbers(given, np.zeros(given.shape, dtype=np.bool_))
        actions, weights = given + it.offset, None
        known: Rows = (actions >= 0) & (actions < view.shared.actions)
        if it.axis is not None:
            shape, whole = view.shared.shape, _arrays(view.shared.whole[0])
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

    def _nearest(self, it: Relabelling, found: _Numbers, times: float) -> Numbers:
        """Return the action of each state whose gradient is nearest to the dumped one."""
        view = self.view
        grad = np.where(np.isfinite(view.grad), view.grad, 0.0)

        def away(actions: Numbers) -> Entries:
            e = self._with(it, found, actions)
            difference: Entries = np.abs(grad - times * e.gradient * e.factor)
            return np.where(np.isfinite(difference), difference, np.inf)

        best = found.actions
        first = away(best)
        least = first.sum(axis=0)
        largest = np.where(view.legal > 0, first, -1.0)
        tried = min(_TRIED, len(first))
        for action in np.argpartition(largest, -tried, axis=0)[-tried:]:
            legal = np.take_along_axis(view.legal, action[np.newaxis], axis=0)[0] > 0
            candidate = np.where(legal, action, best)
            error = away(candidate).sum(axis=0)
            best = np.where(error < least, candidate, best)
            least = np.minimum(error, least)
        return best

    def _with(self, it: Relabelling, found: _Numbers, actions: Numbers) -> Evaluation:
        raw, shared = self.view.raw, self.view.shared
        if raw is None:
            raise TypeError(raw)
        arrays = {**raw.arrays, it.array: actions}
        if found.weights is not None:
            arrays["weights"] = found.weights
            if self.settings.reduction == "weighted-mean":
                shared = replace(shared, reduction=self._of_weights(it))
        other = RawBlock(raw.start, raw.rows, arrays)
        return evaluated(self.case, self.settings, other, Buffers(), shared, self.case.variant)

    def _of_weights(self, it: Relabelling) -> float:
        """Return one over the sum of the weights that have moved."""
        shared = self.view.shared
        axis, shift = it.axis or 0, it.shift
        laid = _arrays(shared.whole[0])["weights"].reshape(shared.shape)
        gone = np.take(laid, -1 if shift > 0 else 0, axis)
        mean = shared.weight_sum / (shared.weighted or 1)
        total = shared.weight_sum - float(gone.sum()) + mean * prod(gone.shape)
        return float(1.0 / total)


def _arrays(view: View) -> Any:
    if view.raw is None:
        raise TypeError(view)
    return view.raw.arrays
