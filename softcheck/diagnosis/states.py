"""The states of a case as the formulas of mistakes see them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from softcheck.checks.blocks import reduction_of, rows_of_block
from softcheck.checks.distinct import Distinct, distinct, in_pieces
from softcheck.checks.exact_sum import ExactSum
from softcheck.diagnosis.view import Numbers, Rows, Shared, View
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 2**15
"""Entries of the states that the whole table of mistakes is tried on."""

FOLLOWED = 2
"""So many blocks are one where mistakes are followed through all states: threads, which wait for
each other between two passes over an array, do so half as often."""

_DIFFERENT = 2**12  # entries of a state differ, about, of logits in 16 bits
_ARRAYS = 4  # times as many are in use at once as in a verification, beside logits of many states

WHOLE = 2**18
"""Up to so many entries the mistakes that need the whole table at once are tried."""


def part(
    case: Case, settings: Settings, masked: int, worst: Sequence[int], *, repeats: bool = False
) -> View:
    """Read a part of the states, and the whole table where it is small enough.

    Parameters
    ----------
    case : Case
    settings : Settings
    masked : int
        How many entries are masked.
    worst : sequence of int
        States that have to be among them, the first of them at least.
    repeats : bool
        Whether few entries of a state may differ, so that these are looked at.

    Returns
    -------
    View
        All states, up to `SAMPLE` entries; else about so many, evenly spread, and of the worst as
        many as have no more.
    """
    places = case.states * case.actions
    keep_all = places <= WHOLE
    repeats = repeats and not keep_all
    chosen_of = partial(_chosen, case.states, worst)
    of_state = min(case.actions, _DIFFERENT) if repeats else case.actions
    weights, weighted, largest, zero = ExactSum(), 0, 0.0, 0
    kept: dict[str, list[NDArray[Any]]] = {}
    numbers: list[Numbers] = []
    for raw in case.blocks(rows_of_block(settings, case.actions)):
        states = np.arange(raw.start, raw.start + raw.rows)
        if "weights" in raw.arrays:
            weights.add(raw.arrays["weights"].astype(np.float64))
            weighted += int(np.count_nonzero(raw.arrays["weights"]))
        if "grad" in raw.arrays:
            sizes = np.abs(raw.arrays["grad"].astype(np.float64))
            largest = float(sizes.max(initial=largest, where=np.isfinite(sizes)))
            zero += int(np.count_nonzero(~sizes.any(axis=-1)))
        chosen = np.ones(raw.rows, dtype=bool) if keep_all else chosen_of(of_state, states)
        numbers.append(states[chosen])
        for role, array in raw.arrays.items():
            kept.setdefault(role, []).append(array[chosen])
    states = np.concatenate(numbers)
    arrays = {role: np.concatenate(parts) for role, parts in kept.items()}
    alpha = case.scalars.get("alpha")
    by_state = "weights" in arrays
    shared = Shared(
        case,
        settings,
        shape=case.shape or (1,),
        actions=case.actions,
        legal=places - masked,
        reduction=reduction_of(case, settings),
        alpha=None if alpha is None else float(alpha),
        weight_sum=float(weights) if by_state else float(case.states),
        weighted=weighted if by_state else case.states,
        largest=largest,
        zero=zero,
        repeats=repeats,
    )
    whole = RawBlock(0, states.size, arrays)
    found = distinct(case, whole) if repeats else None
    if found is not None:
        return View.of(found.raw, states, shared, Buffers(), found)
    view = View.of(whole, states, shared, Buffers())
    if keep_all:
        shared.whole.append(view)
    elif not repeats:
        return view
    return view.of_rows(np.flatnonzero(chosen_of(case.actions, states)))


def _chosen(count: int, worst: Sequence[int], of_state: int, states: Numbers) -> Rows:
    """Return which of some states are looked at, of `count` in all, with so many entries each."""
    stride = max(1, -(-count * of_state // SAMPLE))
    chosen: Rows = (states % stride == 0) | np.isin(states, worst[: max(1, SAMPLE // of_state)])
    return chosen


def views(raw: RawBlock, shared: Shared, buffers: Buffers) -> Iterator[View]:
    """Yield the states of a block, some at a time: each view is valid until the next one."""
    found = distinct(shared.case, raw) if shared.repeats else None
    pieces: Iterator[RawBlock | Distinct]
    if found is None:
        pieces = in_pieces(raw, rows_of_block(shared.settings, shared.actions, FOLLOWED))
    else:
        pieces = found.pieces(shared.settings.block_entries // _ARRAYS)
    for piece in pieces:
        some, entries = (piece.raw, piece) if isinstance(piece, Distinct) else (piece, None)
        states = np.arange(some.start, some.start + some.rows)
        yield View.of(some, states, shared, buffers, entries)
