"""The states of a case as the formulas of mistakes see them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.blocks import reduction_of, rows_of_block
from softcheck.checks.distinct import Distinct, distinct, in_pieces
from softcheck.checks.exact_sum import ExactSum
from softcheck.checks.merging import Merging, by_key, merged
from softcheck.diagnosis.view import Numbers, Rows, Shared, View
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

SAMPLE = 2**15
"""Entries of the states that the whole table of mistakes is tried on."""

FOLLOWED = 2
"""So many blocks are one where mistakes are followed through all states: threads, which wait for
each other between two passes over an array, do so half as often."""

_DIFFERENT = 2**12  # entries of a state differ, about, of logits in 16 bits
_ARRAYS = 4  # times as many are in use at once as in a verification, beside logits of many states

WHOLE = 2**18
"""Up to so many entries the mistakes that need the whole table at once are tried."""


_R = TypeVar("_R")


class OverBlocks(Protocol):
    """Runs a function over the blocks of a case; results in their order, some of them merged."""

    def __call__(self, work: Callable[[RawBlock, Buffers], _R]) -> Iterator[_R]:
        """Yield what `work` makes of each block."""


@dataclass
class _Looked(Merging):
    """What some states have: the arrays of those that are kept, and what is known of them all."""

    numbers: Annotated[list[Numbers], add]
    kept: Annotated[dict[str, list[NDArray[Any]]], by_key(add)]
    weights: Annotated[ExactSum, merged] = field(default_factory=ExactSum)
    weighted: Annotated[int, add] = 0
    largest: Annotated[float, max] = 0.0
    zero: Annotated[int, add] = 0


def part(
    case: Case,
    settings: Settings,
    masked: int,
    worst: Sequence[int],
    over_blocks: OverBlocks | None = None,
    *,
    repeats: bool = False,
    is_compiled: bool = False,
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
    over_blocks : callable, optional
        See `OverBlocks`; by default one block after the other.
    repeats : bool
        Whether few entries of a state may differ, so that these are looked at.
    is_compiled : bool
        Whether what can be compiled is.

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
    rows = rows_of_block(settings, case.actions)

    def look(raw: RawBlock) -> _Looked:
        states = np.arange(raw.start, raw.start + raw.rows)
        chosen = np.ones(raw.rows, dtype=bool) if keep_all else chosen_of(of_state, states)
        kept = {role: [array[chosen]] for role, array in raw.arrays.items()}
        looked = _Looked([states[chosen]], kept)
        if "weights" in raw.arrays:
            looked.weights.add(raw.arrays["weights"].astype(np.float64))
            looked.weighted = int(np.count_nonzero(raw.arrays["weights"]))
        if "grad" in raw.arrays:
            looked.largest, looked.zero = _sizes(raw.arrays["grad"].astype(np.float64, copy=False))
        return looked

    def work(raw: RawBlock, _: Buffers) -> _Looked:
        return reduce(merged, map(look, in_pieces(raw, rows)))

    found_in = map(look, case.blocks(rows)) if over_blocks is None else over_blocks(work)
    looked = reduce(merged, found_in)
    states = np.concatenate(looked.numbers)
    arrays = {role: np.concatenate(parts) for role, parts in looked.kept.items()}
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
        weight_sum=float(looked.weights) if by_state else float(case.states),
        weighted=looked.weighted if by_state else case.states,
        largest=looked.largest,
        zero=looked.zero,
        repeats=repeats,
        is_compiled=is_compiled,
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


def _sizes(grad: NDArray[np.float64]) -> tuple[float, int]:
    """Return the largest finite |entry|, and how many states, the rows, have no other than 0."""
    least, most = grad.min(), grad.max()
    if np.isfinite(least) and np.isfinite(most):
        largest = max(-least, most, 0.0)
    else:
        sizes = np.abs(grad)
        largest = sizes.max(initial=0.0, where=np.isfinite(sizes))
    begin_with_0 = grad[grad[:, 0] == 0.0]
    return float(largest), int(np.count_nonzero(~begin_with_0.any(axis=-1)))


def _chosen(count: int, worst: Sequence[int], of_state: int, states: Numbers) -> Rows:
    """Return which of some states are looked at, of `count` in all, with so many entries each."""
    stride = max(1, -(-count * of_state // SAMPLE))
    chosen: Rows = (states % stride == 0) | np.isin(states, worst[: max(1, SAMPLE // of_state)])
    return chosen


def views(raw: RawBlock, shared: Shared, buffers: Buffers, *, whole: bool) -> Iterator[View]:
    """Yield the states of a block, some at a time: each view is valid until the next one.

    For `whole` see `View.of`.
    """
    found = distinct(shared.case, raw) if shared.repeats else None
    pieces: Iterator[RawBlock | Distinct]
    if found is None:
        pieces = in_pieces(raw, rows_of_block(shared.settings, shared.actions, FOLLOWED))
    else:
        pieces = found.pieces(shared.settings.block_entries // _ARRAYS)
    for piece in pieces:
        some, entries = (piece.raw, piece) if isinstance(piece, Distinct) else (piece, None)
        states = np.arange(some.start, some.start + some.rows)
        is_compiled = shared.is_compiled
        yield View.of(some, states, shared, buffers, entries, is_compiled=is_compiled, whole=whole)
