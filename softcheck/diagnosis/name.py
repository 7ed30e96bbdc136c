"""From a failed verification to the mistakes that explain it, the best explanation first.

Every row of the table is fitted on a part of the states; what survives is compared with the
dump at every entry, within the tolerance rule of a pass. So a named mistake is no guess: its
formula gives the very numbers that were dumped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar

import numpy as np

from softcheck.checks.blocks import precisions
from softcheck.checks.dumps import DUMPS, INTERMEDIATES
from softcheck.checks.fit import fitted
from softcheck.checks.merging import Merging, merged, side_by_side
from softcheck.checks.moments import Moments
from softcheck.checks.tally import Tally
from softcheck.diagnosis import intermediates, say
from softcheck.diagnosis.hypothesis import PRINTED, Evidence, Hypothesis, judge
from softcheck.diagnosis.of_formulas import OfFormulas
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.sieve import STRAY, credible, is_but_for_rounding, of_fit, survivors
from softcheck.diagnosis.states import part
from softcheck.diagnosis.states import view as view_of
from softcheck.diagnosis.view import View
from softcheck.gradient.definition import Across, Term, Wrong
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import Precision
from softcheck.result import Diagnosis
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

FEW = 8
"""How many explanations are followed through all states."""

_FARTHER = 16.0  # in squares

_OTHERS = 4  # entries are seen to be right for each that is wrong by itself

_R = TypeVar("_R")
_Judged: TypeAlias = tuple[Any, Evidence]


class OverBlocks(Protocol):
    """Runs a function over the blocks of a case; results in their order, some of them merged."""

    def __call__(self, work: Callable[[RawBlock, Buffers], _R]) -> Iterator[_R]:
        """Yield what `work` makes of each block."""


@dataclass
class _Found(Merging):
    """What the pass over all states found of some of them; no profile of a right gradient."""

    profile: Annotated[Profile | None, merged]
    evidence: Annotated[list[Evidence], side_by_side(merged)]
    quantity: Annotated[list[Tally], side_by_side(merged)]


class _OfEq6:
    """What explains the gradient of Eq. (6); the methods are those of `OfFormulas`."""

    def __init__(self, case: Case, view: View) -> None:
        self.case, self.view = case, view

    def survivors(self) -> list[Hypothesis]:
        return survivors(self.view)

    def judges(self, view: View) -> Callable[[Hypothesis], Evidence]:
        return partial(judge, view)

    def ordered(self, kept: Sequence[_Judged]) -> list[_Judged]:
        """Return the simplest first, one for each set of names."""
        kept = sorted(
            kept, key=lambda pair: (pair[0].cost, int(4.0 * _worst(pair[1].tally)), -pair[1].mended)
        )
        named = {frozenset(made.names): (made, evidence) for made, evidence in reversed(kept)}
        return list(reversed(named.values()))

    def explained(self, explained: Sequence[_Judged], profile: Profile) -> Iterator[Diagnosis]:
        return say.explanations(self.case, explained, self.view, profile)

    def unexplained(self, profile: Profile) -> Diagnosis:
        return say.unexplained(self.case, self.view, profile)

    def of_fit(self, moments: Moments) -> list[Hypothesis]:
        return of_fit(fitted(moments), self.view)

    def said_of_fit(
        self, judged: Sequence[_Judged], _: Moments, summary: str
    ) -> Iterator[Diagnosis]:
        usual = (made for made, evidence in judged if is_but_for_rounding(self.view, evidence))
        return say.of_fit(list(usual), summary)


@np.errstate(all="ignore")  # what overflows explains nothing
def diagnose(
    case: Case,
    settings: Settings,
    tallies: Mapping[str, Tally],
    moments: Moments | None,
    masked: int,
    over_blocks: OverBlocks,
    mistakes: tuple[Sequence[Wrong], Sequence[Term], Across | None] | None = None,
) -> tuple[Diagnosis, ...]:
    """Name the mistakes behind what failed; nothing where nothing that was dumped failed.

    Parameters
    ----------
    case : Case
    settings : Settings
    tallies : mapping of check to Tally
        What the verification found.
    moments : Moments or None
        What it fitted to the gradient.
    masked : int
        How many entries are masked.
    over_blocks : callable
        See `OverBlocks`.
    mistakes : (sequence of Wrong, sequence of Term, Across or None), optional
        Those of the loss, and its terms; by default it is that of Eq. (6).
    """
    failed = [name for name in (*DUMPS, "fit") if name in tallies and tallies[name].failed]
    if not failed:
        return ()
    gradient, only_fit = "gradient" in failed, failed == ["fit"]
    quantity = failed[0] if failed[0] in INTERMEDIATES else None
    spots = [spot for name in failed for spot in tallies[name].spots]
    view = part(case, settings, masked, {spot.state for spot in spots if spot.state is not None})
    of: Any  # one of the two, with explanations of its own kind
    if mistakes is None:
        of = _OfEq6(case, view)
    else:
        of = OfFormulas(case, settings, view, mistakes, tallies)
    # A loss that was dumped as one number has no entries to compare.
    of_states = quantity is not None and tallies[quantity].spots[0].state is not None
    causes = []
    if quantity is not None and of_states and mistakes is None:
        causes = intermediates.rows(quantity, view)
    tried = of.survivors()[:FEW] if gradient else []
    if moments is not None and only_fit:
        tried = of.of_fit(moments)

    def work(raw: RawBlock, buffers: Buffers) -> _Found:
        states = np.arange(raw.start, raw.start + raw.rows)
        block = view_of(case, settings, raw, states, buffers, view.shared)
        return _Found(
            Profile.of(block) if gradient else None,
            list(map(of.judges(block), tried)) if tried else [],
            [intermediates.judge(block, quantity or "", value) for _, value in causes],
        )

    found = _Found(None, [], [])
    if tried or gradient or causes:
        found = _merged(over_blocks(work))
    said = list(say.of_quantity(quantity or "", [code for code, _ in causes], found.quantity))
    judged = list(zip(tried, found.evidence, strict=True))
    if found.profile is not None:
        said += _of_gradient(case, of, _kept(view, judged), found.profile)
    elif moments is not None and only_fit:
        said += of.said_of_fit(judged, moments, tallies["fit"].summary)
    located = list(first_wrong(case, settings, failed, tallies))
    # A mistake that has its name says more than the place where it enters.
    is_named = any(each.remedies for each in said)
    return (*said, *located) if is_named else (*located, *said)


def _merged(parts: Iterable[_Found]) -> _Found:
    first, *others = parts
    for other in others:
        first.merge(other)
    return first


def first_wrong(
    case: Case, settings: Settings, failed: Sequence[str], tallies: Mapping[str, Tally]
) -> Iterator[Diagnosis]:
    """Name the first wrong intermediate: everything computed from it may be wrong for its sake."""
    wrong = [name for name in failed if name in DUMPS]
    if not wrong or wrong[0] == "gradient":
        return
    is_single = _is_single(case, settings, wrong[0], tallies[wrong[0]])
    yield say.first_wrong(wrong[0], wrong[1:], Precision.FLOAT32 if is_single else None)


def _is_single(case: Case, settings: Settings, quantity: str, tally: Tally) -> bool:
    """Whether most of an intermediate is wrong, as numbers that float32 has, and by no more."""
    _, computed = precisions(case, quantity, settings)
    most = 2 * tally.failed >= tally.entries
    coarser = Precision.FLOAT32.unit / computed.unit
    near = most and computed is Precision.FLOAT64 and tally.spots[0].ratio <= coarser
    return near and all(_is_float32(spot.actual) for spot in tally.spots)


def _is_float32(value: float) -> bool:
    return bool(abs(float(np.float32(value)) - value) <= PRINTED * abs(value))


def _of_gradient(
    case: Case, of: Any, kept: Sequence[_Judged], profile: Profile
) -> Iterator[Diagnosis]:
    """Yield the explanations of a wrong gradient, or say that there is none."""
    if profile.infinite == profile.behind_mask > 0 and profile.struck == profile.masked:
        yield say.nan(case, profile)
        if profile.failed == profile.infinite:
            return
    elif profile.failed == profile.infinite:
        # What is finite is right: there is no other formula to look for.
        yield (say.isolated if _is_stray(profile) else say.not_finite)(case, profile)
        return
    explained = of.ordered(kept)
    if _is_stray(profile) and (not explained or explained[0][0].cost >= 4.0):
        yield say.isolated(case, profile)
    elif explained:
        yield from of.explained(explained, profile)
    else:
        yield of.unexplained(profile)


def _kept(view: View, judged: Iterable[_Judged]) -> list[_Judged]:
    """Return what reproduces the gradient, and is no farther from it than need be."""
    kept = [
        (made, evidence)
        for made, evidence in judged
        if evidence.reproduces and credible(view, made, evidence)
    ]
    # Of two that are both within tolerance the one that is much nearer is meant.
    nearest = min((evidence.left + evidence.grain for _, evidence in kept), default=0.0)
    return [pair for pair in kept if pair[1].left <= _FARTHER * nearest]


def _worst(tally: Tally) -> float:
    return min(tally.spots[0].ratio, 1e6)


def _is_stray(profile: Profile) -> bool:
    """Whether few entries, or those of few states, are wrong and the others seen to be right."""
    states = profile.entries / len(profile.by_action)
    few = profile.failed <= max(1.0, STRAY * profile.entries)
    few |= profile.states <= max(1.0, STRAY * states) and states > 1
    apart = profile.near <= profile.failed
    # What is not finite is wrong whatever the others are.
    seen = profile.failed == profile.infinite or _OTHERS * profile.failed <= profile.told
    return bool(few and apart and seen and 2 * profile.failed <= profile.entries)
