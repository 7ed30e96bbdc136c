"""The table of checks: one block in, one partial result out, and they merge in any order.

Every check compares Eq. (6), or something that was computed elsewhere, with an oracle, within a
tolerance derived for the entry.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import Annotated, Any

import numpy as np

from softcheck.checks import compiled, fit
from softcheck.checks.dumps import DUMPS, Total, check_dump, compare_sides, judged
from softcheck.checks.evaluation import Context, Evaluation
from softcheck.checks.merging import Merging, by_key, merged
from softcheck.checks.moments import Moments
from softcheck.checks.oracles import ORACLES, Suspect, check_exact
from softcheck.checks.picture import Picture
from softcheck.checks.table import CHECKS
from softcheck.checks.tally import Tally

OF_DUMPS = (*DUMPS, "fit")
"""The checks of what was dumped: where one fails, something has gone wrong elsewhere."""


@np.errstate(all="ignore")  # what overflows is blind, and counted
def check(e: Evaluation, name: str) -> Tally:
    """Run one check of a block, by its name in `ORACLES` or `DUMPS`."""
    return ORACLES[name](e) if name in ORACLES else check_dump(e, name)


def _worse(mine: Suspect, other: Suspect) -> Suspect:
    return min(mine, other, key=attrgetter("rank"))


@dataclass
class Partial(Merging):
    """What the checks found in some blocks.

    Attributes
    ----------
    tallies : dict of check to Tally
    totals : dict of check to Total
        Of what was dumped as one number.
    suspects : dict of check to the worst entry it has seen
    moments : Moments or None
        What the dumped gradient tells of its terms.
    sample : list of Suspect
        The entries of the random sample.
    picture : Picture or None
        What is to be seen of the dumped gradient, where that is asked for.
    not_compiled : str
        Why the compiled loop did not run, where it was to run.
    """

    tallies: Annotated[dict[str, Tally], by_key(merged)] = field(default_factory=dict)
    totals: Annotated[dict[str, Total], by_key(merged)] = field(default_factory=dict)
    moments: Annotated[Moments | None, merged] = None
    suspects: Annotated[dict[str, Suspect], by_key(_worse)] = field(default_factory=dict)
    sample: Annotated[list[Suspect], add] = field(default_factory=list)
    picture: Annotated[Picture | None, merged] = None
    not_compiled: Annotated[str, max] = ""


@np.errstate(all="ignore")
def run(e: Evaluation) -> Partial:
    """Run every check of one block but the exact one, and set entries aside for that."""
    known, moments, failure, checked = compiled.found(e)
    e = e if checked is None else checked
    partial = Partial(moments=moments, not_compiled=failure)
    for name, tally in known.items():
        _record(partial, name, tally, e)
    _draw(partial, e)
    # An expectation under the policy is what a loss has of q and alpha.
    is_sampled = e.context.samples and e.block.soft
    oracles = [name for name in ORACLES if name != "sampled" or is_sampled]
    if left := [name for name in (*oracles, *e.dumps) if name not in known]:
        for piece in [e] if e.anew is None else e.anew(None):
            partial.merge(_by_numpy(piece, left))
    return partial


def _by_numpy(e: Evaluation, names: Iterable[str]) -> Partial:
    """Run some checks of a block."""
    partial = Partial()
    for name in names:
        if name in e.dumps and e.dumps[name].values.ndim == 0:
            partial.totals[name] = Total.of(e, name)
        elif name == "gradient":
            found, needed = judged(e, name)
            ratio = found.ratio(e.buffers("value", found.actual.shape))
            tally = compare_sides(e, found, ratio)
            tally.needed = needed
            _record(partial, name, tally, e)
            if e.context.frame is not None:
                partial.picture = Picture.of(e, e.context.frame, found, ratio, tally)
            partial.moments = Moments.of(e, found, ratio)
        else:
            _record(partial, name, check(e, name), e)
    return partial


def _draw(partial: Partial, e: Evaluation) -> None:
    """Keep the entries of the random sample."""
    sample = e.context.sample
    first = bisect_left(sample, (e.start, 0.0))
    last = bisect_left(sample, (e.start + e.block.rows, 0.0))
    for state, position in sample[first:last]:
        row = state - e.start
        action, entry = e.drawn(row, position)
        partial.sample.append(Suspect.of(e, (0.0, state, action), row, action, entry))


def _record(partial: Partial, name: str, tally: Tally, e: Evaluation) -> None:
    """Keep a tally, and for the exact check its worst entry, or the likeliest of that state."""
    partial.tallies[name] = tally
    worst = tally.spots[0]
    if worst.state is None:
        return
    row = worst.state - e.start
    entry = worst.action
    if entry is None or not np.isfinite(e.block.logits[entry, row]):
        entry = int(e.block.logits[:, row].argmax())
    tally.spread(e.spots)
    # An entry that stands for no action is as another that does.
    rank, action = tally.spots[0].rank, e.action(row, entry)
    suspect = Suspect.of(e, rank, row, action, e.entry(row, action), partial.suspects.values())
    partial.suspects[name] = suspect


def outcome(found: Partial, context: Context, numbers: Mapping[str, Any]) -> dict[str, Tally]:
    """Return the outcome of every check of a case, in the order of `CHECKS`.

    Parameters
    ----------
    found : Partial
        Of all blocks.
    context : Context
    numbers : mapping of name to number
        What is one number for the whole case.
    """
    tallies = found.tallies | {name: total.tally() for name, total in found.totals.items()}
    tallies["exact"] = check_exact(found.suspects.values(), found.sample, context)
    if found.moments is not None:
        tallies["fit"] = fit.check(found.moments, numbers)
    return {name: tallies[name] for name in sorted(tallies, key=[*CHECKS].index)}
