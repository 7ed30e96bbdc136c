"""The outcome of a check over some entries; outcomes of disjoint entries merge in any order."""

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softcheck.policy import Array, Buffers

_MANTISSA_BITS = 4  # a bin of the histogram is a sixteenth of a power of two
_SHIFT = 52 - _MANTISSA_BITS
_LOWEST = (1023 - 60) << _MANTISSA_BITS
_BLIND = 1023 << _MANTISSA_BITS
_BINS = _BLIND - _LOWEST + 1


class Spot(NamedTuple):
    """One entry that stands out. Spots sort worst first, then in the order of the table.

    `ratio` is error over tolerance and infinite where either value is not finite; `action` is
    None for a quantity of a whole state, `state` too for one of the whole case; `about` says
    what was compared if the check compares several things.
    """

    ratio: float
    state: int | None
    action: int | None
    actual: float
    expected: float
    tolerance: float
    about: str = ""

    @property
    def rank(self) -> tuple[float, int, int]:
        """The sort key."""
        state = -1 if self.state is None else self.state
        return -self.ratio, state, -1 if self.action is None else self.action


@dataclass
class Tally:
    """Counts, the worst spots and the resolution of a check.

    Attributes
    ----------
    entries, failed : int
        How many were compared, and how many differ by more than their tolerance.
    spots : list of Spot
        The worst one, and further ones only as far as they failed; worst first.
    histogram : array of int, shape (bins,)
        Of resolution, tolerance over scale: bin 0 holds the dead entries (scale 0), the last
        one the blind entries (resolution 1 or worse).
    limit : int
        How many spots are kept.
    summary : str
        What the report should say of the outcome as a whole.
    """

    limit: int
    entries: int = 0
    failed: int = 0
    spots: list[Spot] = field(default_factory=list)
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    summary: str = ""

    @property
    def blind(self) -> int:
        """How many live entries have a tolerance as large as their scale."""
        return int(self.histogram[-1])

    @property
    def live(self) -> int:
        """How many entries have something to see."""
        return int(self.histogram[1:].sum())

    def resolution(self) -> tuple[float, float] | None:
        """Return the median and the worst over the live entries, rounded up to a bin's edge."""
        if not self.live:
            return None
        counts = np.cumsum(self.histogram[1:])
        median = int(np.searchsorted(counts, (self.live + 1) // 2)) + 1
        worst = int(np.flatnonzero(self.histogram)[-1])
        return _upper_edge(median), _upper_edge(worst)

    def merge(self, other: "Tally") -> None:
        """Add the outcome over other entries."""
        self.entries += other.entries
        self.failed += other.failed
        self.histogram += other.histogram
        merged = list(heapq.merge(self.spots, other.spots, key=lambda spot: spot.rank))
        self.spots = _keep(merged, self.limit)


def _keep(spots: list[Spot], limit: int) -> list[Spot]:
    """Return the worst spot, and the failed ones up to `limit`."""
    failed = [spot for spot in spots[:limit] if spot.ratio > 1]
    return failed or spots[:1]


def _upper_edge(index: int) -> float:
    """Return the upper edge of a bin of the histogram; infinite for the last."""
    if index == _BINS - 1:
        return float("inf")
    bits = np.uint64(_LOWEST + index + 1) << np.uint64(_SHIFT)
    return float(bits.view(np.float64))


def compare(
    actual: Array,
    expected: Array,
    tolerance: Array,
    scale: Array,
    buffers: Buffers,
    *,
    entries: int,
    start: int,
    limit: int,
    about: str = "",
) -> Tally:
    """Compare two sides of a block, entry by entry.

    Parameters
    ----------
    actual, expected : Array, shape (actions, rows), or (rows,) for a quantity of whole states
    tolerance : Array, same shape
        The largest error that is no error. Where it is not finite the entry is blind, and where
        it is 0 the values must be equal.
    scale : Array, same shape
        The size of what the quantity is made of; 0 where there is nothing to see.
    entries : int
        How many of the compared places count.
    start : int
        The number of the first state.
    limit : int
        How many failed spots to keep.
    about : str
        Passed on to the spots.
    """
    by_action = actual.ndim == 2
    if not by_action:
        actual, expected, tolerance, scale = (
            array[np.newaxis] for array in (actual, expected, tolerance, scale)
        )
    ratio = np.subtract(actual, expected, out=buffers("tally.ratio", actual.shape))
    np.abs(ratio, out=ratio)
    ratio /= tolerance
    # The first worst state, then its first worst action: the order of the table.
    of_state = ratio.max(axis=0)
    if not np.isfinite(of_state).all():
        _settle(ratio, actual, expected, tolerance)
        of_state = ratio.max(axis=0)
    peak = of_state.max()
    failed = 0
    if peak > 1:
        failed = int(np.count_nonzero(ratio > 1))
        places = _worst_places(ratio, min(failed, limit))
    else:
        row = int(of_state.argmax())
        places = [(row, int(ratio[:, row].argmax()))]
    spots = [
        Spot(
            float(ratio[action, row]),
            start + row,
            action if by_action else None,
            float(actual[action, row]),
            float(expected[action, row]),
            float(tolerance[action, row]),
            about,
        )
        for row, action in places
    ]
    np.divide(tolerance, scale, out=ratio)
    return Tally(limit, entries, failed, spots, _histogram(ratio, scale))


def _histogram(resolution: Array, scale: Array) -> NDArray[np.int64]:
    """Count resolutions by their leading bits, which it overwrites; NaN counts as blind."""
    bins = resolution.view(np.uint64)
    np.right_shift(bins, np.uint64(_SHIFT), out=bins)
    np.minimum(bins, np.uint64(_BLIND), out=bins)
    np.maximum(bins, np.uint64(_LOWEST + 1), out=bins)
    np.subtract(bins, np.uint64(_LOWEST), out=bins)
    dead = scale == 0.0
    if dead.any():
        np.copyto(bins, np.uint64(0), where=dead)
    return np.bincount(bins.view(np.int64).ravel(), minlength=_BINS)


def _settle(ratio: Array, actual: Array, expected: Array, tolerance: Array) -> None:
    """Decide the entries of `ratio` that are not finite: 0 where right or blind, else infinite."""
    wrong = np.isfinite(tolerance) & (actual != expected)
    np.copyto(ratio, np.where(wrong, np.inf, 0.0), where=~np.isfinite(ratio))


def _worst_places(ratio: Array, count: int) -> list[tuple[int, int]]:
    """Return (row, action) of the `count` largest ratios, worst first, ties in table order."""
    by_state = ratio.T
    threshold = np.partition(by_state, by_state.size - count, axis=None)[-count]
    rows, actions = np.nonzero(by_state >= threshold)
    order = np.argsort(-by_state[rows, actions], kind="stable")[:count]
    return [(int(rows[i]), int(actions[i])) for i in order]
