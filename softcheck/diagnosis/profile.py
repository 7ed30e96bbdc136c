"""Where a wrong gradient is wrong: counts and ranges that merge in any order."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Array, sum_over_actions

LISTED = 20
"""How many wrong entries are listed."""

_NEAR = 0.5  # of its tolerance
_COUNTS = (
    "entries",
    "failed",
    "states",
    "near",
    "infinite",
    "behind_mask",
    "masked",
    "struck",
    "sums_wrong",
)


@dataclass
class Profile:
    """The wrong entries of some states.

    Attributes
    ----------
    entries, failed, states : int
        Entries, those beyond their tolerance, and the states that these are in.
    near : int
        Entries that are right, but not by much.
    infinite, behind_mask : int
        Entries that are not finite: everywhere, and in states with a masked action.
    masked, struck : int
        States with a masked action, and those of them with an entry that is not finite.
    first, last : int or None
        The first and the last state with a wrong entry.
    places : list of (state, action)
        The first wrong entries.
    ranges : dict of quantity to (least, largest)
        Over the wrong entries.
    by_action : array of int, shape (actions,)
        How many are wrong.
    sums_wrong : int
        States whose gradient does not sum to 0.
    """

    entries: int = 0
    failed: int = 0
    states: int = 0
    near: int = 0
    infinite: int = 0
    behind_mask: int = 0
    masked: int = 0
    struck: int = 0
    first: int | None = None
    last: int | None = None
    places: list[tuple[int, int]] = field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_action: Any = None
    sums_wrong: int = 0

    @classmethod
    def of(cls, view: View) -> "Profile":
        """Return the profile of one block."""
        actual, expected, tolerance, _ = view.of_eq_6
        wrong = view.wrong
        made = cls(entries=wrong.size, by_action=np.count_nonzero(wrong, axis=1))
        made.failed = int(made.by_action.sum())
        made.sums_wrong = _sums_wrong(view, actual, tolerance)
        if view.e.legal is not None:
            masked = ~view.e.legal.all(axis=0)
            made.masked = int(np.count_nonzero(masked))
        if not made.failed:
            return made
        rows = np.flatnonzero(wrong.any(axis=0))
        made.states = rows.size
        made.first, made.last = int(view.states[rows[0]]), int(view.states[rows[-1]])
        where = np.argwhere(wrong.T)[:LISTED]
        made.places = [(int(view.states[row]), int(action)) for row, action in where]
        infinite = ~np.isfinite(actual)
        made.infinite = int(np.count_nonzero(infinite))
        if view.e.legal is not None:
            made.behind_mask = int(np.count_nonzero(infinite[:, masked]))
            made.struck = int(np.count_nonzero(infinite[:, masked].any(axis=0)))
        with np.errstate(all="ignore"):
            near = np.abs(actual - expected) > _NEAR * tolerance
        made.near = int(np.count_nonzero(near & ~wrong))
        entropy = np.broadcast_to(-view.e.mean(view.log_p), wrong.shape)
        for name, of in (("pi", view.p), ("|Q|", np.abs(view.q)), ("entropy", entropy)):
            made.ranges[name] = float(of[wrong].min()), float(of[wrong].max())
        return made

    def merge(self, other: "Profile") -> None:
        """Add the profile of later states."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        both = self.by_action is not None and other.by_action is not None
        self.by_action = self.by_action + other.by_action if both else other.by_action
        self.first = other.first if self.first is None else self.first
        self.last = self.last if other.last is None else other.last
        self.places = (self.places + other.places)[:LISTED]
        for name, (least, largest) in other.ranges.items():
            low, high = self.ranges.get(name, (least, largest))
            self.ranges[name] = min(low, least), max(high, largest)


def _sums_wrong(view: View, actual: Array, tolerance: Array) -> int:
    """Count the states whose gradient does not sum to 0 within the tolerances of its entries."""
    with np.errstate(all="ignore"):
        total = np.abs(sum_over_actions(actual, view.e.buffers))
        return int(np.count_nonzero(total > sum_over_actions(tolerance, view.e.buffers)))
