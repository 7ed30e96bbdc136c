"""Where a wrong gradient is wrong, in counts and ranges."""

from dataclasses import dataclass, field
from itertools import islice
from operator import add
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.merging import Merging, by_key
from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Flags

LISTED = 20
"""How many wrong entries are listed."""

ACTIONS = 64
"""Of so many actions, the first ones, wrong entries are counted one by one."""

_NEAR = 0.5  # of its tolerance

Span: TypeAlias = tuple[float, float]
ByAction: TypeAlias = NDArray[np.intp]  # (actions,), of these `ACTIONS` at the most


def _first_few(mine: list[Any], other: list[Any]) -> list[Any]:
    return (mine + other)[:LISTED]


def _both(mine: Span, other: Span) -> Span:
    return min(mine[0], other[0]), max(mine[1], other[1])


@dataclass
class Profile(Merging):
    """The wrong entries of some states.

    Attributes
    ----------
    by_action : ByAction
        How many entries are wrong, of the first `ACTIONS`.
    entries, failed, states : int
        Entries, those beyond their tolerance, and the states that these are in.
    near, told : int
        Entries that are right, but not by much; and right ones that a gradient of 0 would not be.
    infinite, behind_mask : int
        Entries that are not finite: everywhere, and in states with a masked action.
    masked, struck : int
        States with a masked action, and those of them with an entry that is not finite.
    sums_wrong : int
        States whose gradient does not sum to 0.
    leaks : int
        Masked entries that are wrong.
    places : list of (state, action)
        The first wrong entries.
    rows : list of int
        The first states with one.
    ranges : dict of quantity to (least, largest)
        Over the wrong entries.
    """

    by_action: Annotated[ByAction, add]
    entries: Annotated[int, add]
    failed: Annotated[int, add]
    states: Annotated[int, add] = 0
    near: Annotated[int, add] = 0
    told: Annotated[int, add] = 0
    infinite: Annotated[int, add] = 0
    behind_mask: Annotated[int, add] = 0
    masked: Annotated[int, add] = 0
    struck: Annotated[int, add] = 0
    sums_wrong: Annotated[int, add] = 0
    leaks: Annotated[int, add] = 0
    places: Annotated[list[tuple[int, int]], _first_few] = field(default_factory=list)
    rows: Annotated[list[int], _first_few] = field(default_factory=list)
    ranges: Annotated[dict[str, Span], by_key(_both)] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View) -> "Profile":
        """Return the profile of one block."""
        actual, expected, tolerance, _ = view.right
        found, legal = view.where_wrong, view.e.legal
        entries, failed = view.states.size * view.shared.actions, int(found.number.sum())
        made = cls(_by_action(view, failed == entries), entries, failed)
        made.sums_wrong = int(np.count_nonzero(found.sums))
        masked = np.zeros(len(view.states), bool) if legal is None else ~legal.all(axis=0)
        made.masked = int(np.count_nonzero(masked))
        if not failed:
            return made
        rows = np.flatnonzero(found.number)
        made.states, made.ranges = rows.size, view.ranges
        made.rows = view.states[rows[:LISTED]].tolist()
        places = (
            (int(view.states[row]), int(action))
            for row in rows[:LISTED].tolist()
            for action in np.flatnonzero(_at_actions(view, row))
        )
        made.places = [*islice(places, LISTED)]
        made.leaks = 0 if legal is None else view.number_of(view.wrong & ~legal)
        if not view.is_finite:
            infinite = ~np.isfinite(actual)
            made.infinite = view.number_of(infinite)
            made.behind_mask = view.number_of(infinite & masked)
            made.struck = int(np.count_nonzero(infinite[:, masked].any(axis=0)))
        if failed < entries:
            near, told = view.off > _NEAR * tolerance, np.abs(expected) > tolerance
            made.near = view.number_of(near & ~view.wrong)
            made.told = view.number_of(told & ~view.wrong)
        return made


def _by_action(view: View, all_wrong: bool) -> ByAction:
    """Return how many entries are wrong, action by action."""
    made: ByAction
    if all_wrong:
        return np.full(min(ACTIONS, view.shared.actions), view.states.size)
    if view.distinct is None:
        made = np.count_nonzero(view.wrong[:ACTIONS], axis=1)
        return made
    made = np.zeros(min(ACTIONS, view.shared.actions), dtype=np.intp)
    for row in range(view.states.size):
        made += view.distinct.at_actions(row, view.wrong[:, row], ACTIONS)
    return made


def _at_actions(view: View, row: int) -> Flags:
    """Return which actions of a state are wrong."""
    wrong = view.wrong_of(slice(row, row + 1))[:, 0]
    return wrong if view.distinct is None else view.distinct.at_actions(row, wrong)
