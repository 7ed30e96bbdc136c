"""The table of checks: one block in, one partial result out, and they merge in any order.

Every check compares Eq. (6), or something that was computed elsewhere, with an oracle, within a
tolerance derived for the entry.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from softcheck.checks import fit
from softcheck.checks.dumps import DUMPS, ReducedLoss, check_dump, compare_sides, sides
from softcheck.checks.evaluation import Evaluation
from softcheck.checks.oracles import ORACLES, Suspect
from softcheck.checks.tally import Tally


def check(e: Evaluation, name: str) -> Tally:
    """Run one check of a block, by its name in `ORACLES` or `DUMPS`."""
    with np.errstate(all="ignore"):  # what overflows is blind, and counted
        return ORACLES[name](e) if name in ORACLES else check_dump(e, name)


@dataclass
class Partial:
    """What the checks found in some blocks.

    Attributes
    ----------
    tallies : dict of check to Tally
    total : ReducedLoss or None
        The part of a loss that was dumped as one number.
    suspects : dict of check to the worst entry it has seen
    moments : fit.Moments or None
        What the dumped gradient tells of its scale and temperature.
    sample : list of Suspect
        The entries of the random sample.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    total: ReducedLoss | None = None
    moments: fit.Moments | None = None
    suspects: dict[str, Suspect] = field(default_factory=dict)
    sample: list[Suspect] = field(default_factory=list)

    def merge(self, other: "Partial") -> None:
        """Add what was found in other blocks."""
        for name, tally in other.tallies.items():
            if name in self.tallies:
                self.tallies[name].merge(tally)
            else:
                self.tallies[name] = tally
        if self.total is not None and other.total is not None:
            self.total.merge(other.total)
        else:
            self.total = self.total or other.total
        if self.moments is not None and other.moments is not None:
            self.moments.merge(other.moments)
        else:
            self.moments = self.moments or other.moments
        for name, suspect in other.suspects.items():
            rival = self.suspects.get(name, suspect)
            self.suspects[name] = min(suspect, rival, key=attrgetter("rank"))
        self.sample += other.sample


def run(e: Evaluation) -> Partial:
    """Run every check of one block but the exact one, and set entries aside for that."""
    partial = Partial()
    for name in ORACLES:
        if name != "sampled" or e.context.samples:
            _record(partial, name, check(e, name), e)
    for name in DUMPS:
        if name not in e.dumps:
            continue
        if e.dumps[name].values.ndim == 0:
            with np.errstate(all="ignore"):
                partial.total = ReducedLoss.of(e)
        elif name == "gradient":
            with np.errstate(all="ignore"):
                found = sides(e, name)
                ratio = found.ratio(e.buffers("value", found.actual.shape))
                _record(partial, name, compare_sides(e, found, ratio), e)
                partial.moments = fit.Moments.of(e, found, ratio)
        else:
            _record(partial, name, check(e, name), e)
    sample = e.context.sample
    first = bisect_left(sample, (e.start, 0.0))
    last = bisect_left(sample, (e.start + e.block.rows, 0.0))
    for state, position in sample[first:last]:
        row = state - e.start
        legal = np.flatnonzero(np.isfinite(e.block.logits[:, row]))
        action = int(legal[int(position * legal.size)])
        partial.sample.append(Suspect.of(e, (0.0, state, action), row, action))
    return partial


def _record(partial: Partial, name: str, tally: Tally, e: Evaluation) -> None:
    """Keep a tally, and for the exact check its worst entry, or the likeliest of that state."""
    partial.tallies[name] = tally
    worst = tally.spots[0]
    if worst.state is None:
        return
    row = worst.state - e.start
    action = worst.action
    if action is None or not np.isfinite(e.block.logits[action, row]):
        action = int(e.block.logits[:, row].argmax())
    partial.suspects[name] = Suspect.of(e, worst.rank, row, action)
