"""The states of a case as the formulas of mistakes see them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from softcheck.checks.blocks import reduction_of, rows_of_block
from softcheck.checks.exact_sum import ExactSum
from softcheck.diagnosis.view import Numbers, Shared, View
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 2**15
"""Entries of the states that the whole table of mistakes is tried on."""

WHOLE = 2**18
"""Up to so many entries the mistakes that need the whole table at once are tried."""


def part(case: Case, settings: Settings, masked: int, worst: Sequence[int]) -> View:
    """Read a part of the states, and the whole table where it is small enough.

    Parameters
    ----------
    case : Case
    settings : Settings
    masked : int
        How many entries are masked.
    worst : sequence of int
        States that have to be among them, the first of them at least.

    Returns
    -------
    View
        All states, up to `SAMPLE` entries; else about so many, evenly spread, and of the worst as
        many as have no more.
    """
    worst = worst[: max(1, SAMPLE // case.actions)]
    places = case.states * case.actions
    keep_all = places <= WHOLE
    stride = max(1, -(-places // SAMPLE))
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
        chosen = np.ones(raw.rows, dtype=bool)
        if not keep_all:
            chosen = (states % stride == 0) | np.isin(states, worst)
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
    )
    whole = View.of(RawBlock(0, states.size, arrays), states, shared, Buffers())
    if not keep_all:
        return whole
    shared.whole.append(whole)
    return whole.of_rows(np.flatnonzero((states % stride == 0) | np.isin(states, worst)))
