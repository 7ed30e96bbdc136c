"""The outcome of a check over some entries; outcomes of disjoint entries merge in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.merging import Merging, kept
from softcheck.gradient.policy import Buffers, Entries, Quantity, States
from softcheck.gradient.tolerance import NONE_NEEDED, Needed

Histogram: TypeAlias = NDArray[np.int64]  # (bins,)
Bits: TypeAlias = Any  # of a number, or of an array of them, as int64

_MANTISSA_BITS = 4  # a bin of the histogram is a sixteenth of a power of two
_SHIFT = 52 - _MANTISSA_BITS
_LOWEST = (1023 - 60) << _MANTISSA_BITS
_BLIND = 1023 << _MANTISSA_BITS
BINS = _BLIND - _LOWEST + 1
_RANK = attrgetter("rank")
DECADES = 16
"""How many powers of ten, from 1 on, ratios are counted by."""


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
        return -self.ratio, *self._order

    @property
    def by_error(self) -> tuple[float, int, int]:
        """The sort key by which the largest error comes first."""
        return -abs(self.actual - self.expected), *self._order

    @property
    def _order(self) -> tuple[int, int]:
        return -1 if self.state is None else self.state, -1 if self.action is None else self.action


def _larger(mine: Spot | None, other: Spot | None) -> Spot | None:
    return min(filter(None, (mine, other)), key=attrgetter("by_error"), default=None)


def _worst_first(mine: list[Spot], others: list[Spot]) -> list[Spot]:
    return sorted(mine + others, key=_RANK)


def _both(mine: Needed, other: Needed) -> Needed:
    return Needed(*map(add, mine, other))


@dataclass
class Tally(Merging):
    """Counts, the worst spots and the resolution of a check.

    Attributes
    ----------
    entries, failed : int
        How many were compared, and how many differ by more than their tolerance.
    live, blind : int
        How many entries have something to see, and how many of these have a tolerance as large
        as their scale.
    spots : list of Spot
        The worst one, and further ones only as far as they failed; worst first.
    largest : Spot or None
        The failed one with the largest error, of those where both values are finite.
    decades : Histogram
        Of the ratios of what failed: entry k counts those above 10^k and not above 10^(k + 1), the
        last one all that are beyond, the infinite ones too.
    histogram : Histogram
        Of the resolution of each state, the worst tolerance over scale of its live entries: bin 0
        holds the states without one, the last one those with a blind entry.
    limit : int
        How many spots are kept.
    needed : Needed
        How often an allowance was needed.
    summary : str
        What the report should say of the outcome as a whole.
    """

    limit: Annotated[int, kept]
    entries: Annotated[int, add] = 0
    failed: Annotated[int, add] = 0
    live: Annotated[int, add] = 0
    blind: Annotated[int, add] = 0
    spots: Annotated[list[Spot], _worst_first] = field(default_factory=list)
    largest: Annotated[Spot | None, _larger] = None
    decades: Annotated[Histogram, add] = field(default_factory=lambda: np.zeros(DECADES, np.int64))
    histogram: Annotated[Histogram, add] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    needed: Annotated[Needed, _both] = NONE_NEEDED
    summary: Annotated[str, kept] = ""

    def resolution(self) -> tuple[float, float] | None:
        """Return the median and the worst over the states, rounded up to a bin's edge."""
        counts = np.cumsum(self.histogram[1:])
        if not counts[-1]:
            return None
        median = int(np.searchsorted(counts, (counts[-1] + 1) // 2)) + 1
        worst = int(np.flatnonzero(self.histogram)[-1])
        return _upper_edge(median), _upper_edge(worst)

    def merge(self, other: "Tally") -> None:
        """Add the outcome over other entries."""
        super().merge(other)
        self.spots = _keep(self.spots, self.limit)

    def relocate(self, where: Callable[[Spot], Spot]) -> None:
        """Say of every spot where it is."""
        self.spots = [*map(where, self.spots)]
        self.largest = self.largest and where(self.largest)

    def spread(self, where: Callable[[Spot], Sequence[Spot]]) -> None:
        """Say of every spot of which places it is, first ones first."""
        found: list[Spot] = []
        for spot in self.spots:
            if len(found) >= self.limit and spot.ratio < found[-1].ratio:
                break
            found += where(spot)
        self.spots = _keep(sorted(found, key=_RANK), self.limit)
        self.largest = self.largest and where(self.largest)[0]


def _keep(spots: list[Spot], limit: int) -> list[Spot]:
    """Return the worst spot, and the failed ones up to `limit`."""
    failed = [spot for spot in spots[:limit] if spot.ratio > 1]
    return failed or spots[:1]


def _upper_edge(index: int) -> float:
    """Return the upper edge of a bin of the histogram; infinite for the last."""
    if index == BINS - 1:
        return float("inf")
    bits = np.uint64(_LOWEST + index + 1) << np.uint64(_SHIFT)
    return float(bits.view(np.float64))


def mostly_blind(blind: int, entries: int) -> bool:
    """Return whether the median entry is blind, so that to agree means nothing."""
    return 2 * blind > entries


class Sight(NamedTuple):
    """How much a comparison sees of some states; see `Tally`."""

    live: int
    blind: int
    histogram: Histogram


def histogram(resolution: States) -> Histogram:
    """Count the resolutions of states by their leading bits.

    What is below the lowest bin has nothing to see.
    """
    bins = bin_of(np.minimum(resolution, 1.0).view(np.int64))
    return np.bincount(bins, minlength=BINS)


def bin_of(bits: Bits) -> Bits:
    """Return the bin of the histogram that a number of such bits belongs to, at most 1."""
    return np.maximum((bits >> _SHIFT) - _LOWEST, 0)


@np.errstate(all="ignore")  # a scale of 0 divides, and what overflows is blind
def sight(tolerance: Quantity, scale: Quantity, buffers: Buffers) -> Sight:
    """Return how much a comparison within `tolerance` sees of quantities of the size `scale`.

    A tolerance that is not finite sees nothing; where the scale is 0 there is nothing to see.
    """
    if scale.ndim == 1:
        tolerance, scale = tolerance[np.newaxis], scale[np.newaxis]
        buffers = Buffers()  # a quantity of the state counts once
    resolution = np.divide(tolerance, scale, out=buffers("scratch.2", scale.shape))
    worst = resolution.max(axis=0) if len(scale) > 1 else resolution[0]
    live, blind = buffers.actions(scale) * len(worst), 0
    if not worst.max() < 1.0:  # so too if there is a NaN
        unclear = np.flatnonzero(~(worst < 1.0))
        resolution = resolution[:, unclear]
        dead = scale[:, unclear] == 0.0
        resolution[dead] = 0.0
        unseen = ~(resolution < 1.0)
        resolution[unseen] = np.inf
        worst[unclear] = resolution.max(axis=0)
        of_unclear = buffers.of_states(unclear)
        live -= of_unclear.number_in_all(dead)
        blind = of_unclear.number_in_all(unseen)
    return Sight(live, blind, histogram(worst))


def over_tolerance(
    actual: Quantity, expected: Quantity, tolerance: Quantity, out: Quantity
) -> Quantity:
    """Return (actual - expected) / tolerance in `out`."""
    np.subtract(actual, expected, out=out)
    out /= tolerance
    return out


def compare(
    actual: Quantity,
    expected: Quantity,
    tolerance: Quantity,
    seen: Sight,
    buffers: Buffers,
    *,
    unit: float = 1.0,
    entries: int,
    start: int,
    limit: int,
    about: str = "",
    ratio: Quantity | None = None,
) -> Tally:
    """Compare two sides of a block, entry by entry.

    Parameters
    ----------
    actual, expected : Quantity
    tolerance : Quantity
        The largest error that is no error, in units of `unit`. Where it is not finite the entry
        is blind, and where it is 0 the values must be equal.
    seen : Sight
        How much that sees.
    unit : float
        A power of two.
    entries : int
        How many of the compared places count.
    start : int
        The number of the first state.
    limit : int
        How many failed spots to keep.
    about : str
        Passed on to the spots.
    ratio : Quantity, optional
        What `over_tolerance` makes of them, where it is known already.
    """
    by_action = actual.ndim == 2
    of_places = buffers if by_action else Buffers()  # a quantity of the state counts once
    if not by_action:
        actual, expected, tolerance = (x[np.newaxis] for x in (actual, expected, tolerance))
    if ratio is None:
        ratio = over_tolerance(actual, expected, tolerance, buffers("scratch.2", actual.shape))

    def spot(row: int, action: int, ratio: Entries = ratio) -> Spot:
        return Spot(
            abs(float(ratio[action, row])) / unit,
            start + row,
            action if by_action else None,
            float(actual[action, row]),
            float(expected[action, row]),
            float(tolerance[action, row]) * unit,
            about,
        )

    tally = Tally(limit, entries, live=seen.live, blind=seen.blind, histogram=seen.histogram)
    # Along what lies side by side, for that is quickest.
    across = 0 if len(ratio) > 1 and ratio.strides[0] == ratio.itemsize else 1
    highest, lowest = ratio.max(axis=across), ratio.min(axis=across)
    worst = max(highest.max(), -lowest.min())
    if worst <= unit:  # not so if there is a NaN
        tally.spots = [spot(*_first_place(ratio, highest, lowest, worst, across))]
        return tally
    size = settled(ratio, actual, expected, tolerance)
    if of_places.repeats is not None:
        size[of_places.repeats.counts == 0.0] = 0.0
    beyond = size > unit
    tally.failed = of_places.number_in_all(beyond)
    places = _worst_places(size, max(1, min(int(np.count_nonzero(beyond)), limit)))
    tally.spots = [spot(*place, size) for place in places]
    if tally.failed:
        tally.decades = in_decades(_above(size, unit, of_places))
        error = np.where(beyond, np.abs(actual - expected), -1.0)
        error[~np.isfinite(error)] = -1.0
        ((row, action),) = _worst_places(error, 1)
        tally.largest = spot(row, action, size) if error[action, row] >= 0.0 else None
    return tally


def _first_place(
    ratio: Entries, highest: States, lowest: States, worst: float, across: int
) -> tuple[int, int]:
    """Return (row, action) of the first state with the worst ratio, and its first such action.

    `highest` and `lowest` are the extremes along the axis `across`, `worst` the largest size.
    """
    if not worst:
        return 0, 0
    lines = ((highest == worst) | (lowest == -worst)).nonzero()[0].tolist()
    if not across:
        return lines[0], int(np.abs(ratio[:, lines[0]]).argmax())
    rows = [
        (int(find(ratio[line])), line)
        for line in lines
        for find, extreme in ((np.argmax, highest[line]), (np.argmin, -lowest[line]))
        if extreme == worst
    ]
    return min(rows)


def settled(ratio: Entries, actual: Entries, expected: Entries, tolerance: Entries) -> Entries:
    """Return the size of `ratio`, and where it is not finite 0 if right or blind, else infinite."""
    size: Entries = np.abs(ratio)
    if np.isfinite(size).all():
        return size
    wrong = np.isfinite(tolerance) & (actual != expected)
    np.copyto(size, np.where(wrong, np.inf, 0.0), where=~np.isfinite(size))
    return size


def _above(size: Entries, unit: float, buffers: Buffers) -> Histogram:
    """Count what is above each of the powers of ten, in units of `unit`."""
    above = np.zeros(DECADES, np.int64)
    for place in range(DECADES):
        above[place] = buffers.number_in_all(size > 10.0**place * unit)
        if not above[place]:
            break
    return above


def in_decades(above: Histogram) -> Histogram:
    """Return how many are above a power of ten and not above the next one."""
    decades: Histogram = -np.diff(above, append=0)
    return decades


def _worst_places(ratio: Entries, count: int) -> list[tuple[int, int]]:
    """Return (row, action) of the `count` largest ratios, worst first, ties in table order."""
    # They are in the rows with the largest ones, and a row is found sooner than an entry.
    worst = ratio.max(axis=0)
    among = max(0, worst.size - count)
    near = np.flatnonzero(worst >= np.partition(worst, among)[among])
    by_state = ratio[:, near].T
    threshold = np.partition(by_state, by_state.size - count, axis=None)[-count]
    rows, actions = np.nonzero(by_state >= threshold)
    order = np.argsort(-by_state[rows, actions], kind="stable")[:count]
    return [(int(near[rows[i]]), int(actions[i])) for i in order]
