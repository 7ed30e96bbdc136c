"""Which shipped loss the dumped value of a loss is that of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import inf, log2
from typing import Annotated

import numpy as np

from softcheck.checks.blocks import Masking, evaluation, reduction_of
from softcheck.checks.dumps import Total, check_dump
from softcheck.checks.evaluation import Context
from softcheck.checks.merging import Merging, merged, side_by_side
from softcheck.checks.tally import Tally, mostly_blind
from softcheck.diagnosis import say
from softcheck.diagnosis.states import OverBlocks
from softcheck.gradient.definition import Wrong
from softcheck.gradient.policy import Buffers
from softcheck.result import Diagnosis
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

_BITS = 10.0
"""By so many halvings of its error a value has to be hit, beside what choosing a loss takes."""

_DIGITS = 2.0**-24  # of a value that is hit by chance


@dataclass
class _Found(Merging):
    """The dumped value beside that of each other loss, in some blocks."""

    beside: Annotated[list[Tally | Total], side_by_side(merged)]


@np.errstate(all="ignore")  # what overflows explains nothing
def diagnose(
    case: Case,
    settings: Settings,
    tallies: Mapping[str, Tally],
    over_blocks: OverBlocks,
    others: Sequence[Wrong],
) -> Iterator[Diagnosis]:
    """Name the loss whose value was dumped, where that is wrong for the loss of the case.

    Parameters
    ----------
    case, settings, tallies, over_blocks
        As those of `name.diagnose`.
    others : sequence of Wrong
        Other losses on the arrays of the case, with their values.
    """
    right = tallies.get("loss")
    losses = [(other, other.value) for other in others if other.value is not None]
    if right is None or not right.failed or not losses:
        return
    is_total = "loss" in case.scalars

    def work(raw: RawBlock, buffers: Buffers) -> _Found:
        found: list[Tally | Total] = []
        for other, value in losses:
            loss = replace(case.variant, value=value, slope=other.slope, family=None)
            reduction = reduction_of(case, settings)
            context = Context(case.states, settings.max_findings, reduction=reduction, loss=loss)
            e = evaluation(case, raw, settings, context, buffers, Masking())
            found.append(Total.of(e, "loss") if is_total else check_dump(e, "loss"))
        return _Found(found)

    beside = reduce(merged, over_blocks(work)).beside
    for (other, _), found in zip(losses, beside, strict=True):
        tally = found.tally() if isinstance(found, Total) else found
        seen = not mostly_blind(tally.blind, tally.live)
        if seen and not tally.failed and _bits(right, tally) >= _BITS + log2(len(losses)):
            yield Diagnosis(
                code=other.code,
                message=other.said,
                grounds=say.makes_right("loss", tally),
                evidence={**say.of_tally(tally), "quantity": "loss", "formula": other.term},
                remedies=say.remedies([other.code]),
            )
            return


def _bits(right: Tally, other: Tally) -> float:
    """Return how much nearer values are to those of another loss: what chance would bring about."""
    away, near = (abs(each.spots[0].actual - each.spots[0].expected) for each in (right, other))
    least = max(near, _DIGITS * abs(other.spots[0].actual))
    return right.failed * log2(max(away / least, 1.0)) if least else inf
