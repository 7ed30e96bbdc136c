"""What the pictures of a dumped gradient show: a sample of its entries, the worst, and a grid.

All of it is chosen by where an entry is in the table, so that a picture is the same whatever the
blocks and whoever came first.
"""

from dataclasses import dataclass
from heapq import nsmallest
from operator import add
from typing import Annotated, NamedTuple, Self

import numpy as np

from softcheck.checks.dumps import Sides
from softcheck.checks.evaluation import Evaluation
from softcheck.checks.frame import Cells, Frame
from softcheck.checks.merging import Merging, kept
from softcheck.checks.tally import Tally, settled
from softcheck.gradient.policy import Entries, Indices


class Mark(NamedTuple):
    """An entry as a picture shows it; `weight` is the size of what multiplies its state's loss."""

    state: int
    action: int
    found: float
    expected: float
    ratio: float
    pi: float
    weight: float


def _rank(mark: Mark) -> tuple[float, int, int]:
    return -mark.ratio, mark.state, mark.action


@dataclass
class Picture(Merging):
    """What the pictures show of some blocks.

    Attributes
    ----------
    limit : int
        How many of the worst entries are kept.
    sample : list of Mark
        In the order of the table. A masked entry is among them only where it is not 0.
    worst : list of Mark
        Entries beyond their tolerance, worst first.
    grid : Cells
        The largest ratio in each cell of the frame.
    """

    limit: Annotated[int, kept]
    sample: Annotated[list[Mark], add]
    worst: Annotated[list[Mark], add]
    grid: Annotated[Cells, np.maximum]

    @classmethod
    def of(cls, e: Evaluation, frame: Frame, found: Sides, ratio: Entries, tally: Tally) -> Self:
        """Return what is to be seen of one block.

        Parameters
        ----------
        e : Evaluation
        frame : Frame
        found : Sides
            Of the gradient.
        ratio : Entries
            Theirs, see `tally.over_tolerance`.
        tally : Tally
            Theirs.
        """
        grid = frame.largest(ratio, e.start)
        if not np.isfinite(grid).all():
            ratio = settled(ratio, found.actual, found.expected, found.tolerance)
            grid = frame.largest(ratio, e.start)
        start, stop = e.start, e.start + e.block.rows
        actions, states = frame.between(start, stop)
        if e.legal is not None:
            rows = states - start
            shown = e.legal[actions, rows] | (found.actual[actions, rows] != 0.0)
            actions, states = actions[shown], states[shown]
        failed = [spot for spot in tally.spots if spot.ratio > 1.0]
        return cls(
            tally.limit,
            _marks(e, found, ratio, actions, states),
            _marks(
                e,
                found,
                ratio,
                np.array([spot.action for spot in failed], np.intp),
                np.array([spot.state for spot in failed], np.intp),
            ),
            grid,
        )

    def merge(self, other: Self) -> None:
        """Add what is to be seen of other blocks."""
        super().merge(other)
        self.worst = nsmallest(self.limit, self.worst, key=_rank)


def _marks(
    e: Evaluation, found: Sides, ratio: Entries, actions: Indices, states: Indices
) -> list[Mark]:
    """Return entries of a block as marks."""
    rows = states - e.start
    weight = np.broadcast_to(np.abs(e.factor), (e.block.rows,))[rows]
    actual, expected, over, pi = (
        each[actions, rows] for each in (found.actual, found.expected, ratio, e.policy.pi)
    )
    columns = (states, actions, actual, expected, np.abs(over), pi, weight)
    return [Mark(*each) for each in zip(*(column.tolist() for column in columns), strict=True)]
