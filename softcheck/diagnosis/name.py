"""From a failed verification to the mistakes that explain it, the best explanation first.

Every row of the table is fitted on a part of the states; what survives is compared with the
dump at every entry, within the tolerance rule of a pass. So a named mistake is no guess: its
formula gives the very numbers that were dumped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import inf
from typing import Annotated, TypeAlias

import numpy as np

from softcheck.checks.blocks import precisions
from softcheck.checks.dumps import DUMPS, INTERMEDIATES
from softcheck.checks.fit import fitted
from softcheck.checks.merging import Merging, merged, side_by_side
from softcheck.checks.moments import Moments
from softcheck.checks.tally import Tally, mostly_blind
from softcheck.diagnosis import intermediates, say
from softcheck.diagnosis.hypothesis import PRINTED, Evidence, Hypothesis, judge
from softcheck.diagnosis.mistakes.generated import NO_BASELINE, STOP_GRADIENT
from softcheck.diagnosis.mistakes.terms import DIAGONAL_JACOBIAN, MISSING_BASELINE
from softcheck.diagnosis.mistakes.where import ISOLATED_ENTRIES, NAN_FROM_MASK, NOT_FINITE
from softcheck.diagnosis.of_loss import named_by
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.sieve import (
    STRAY,
    credible,
    factors,
    is_but_for_rounding,
    of_fit,
    survivors,
)
from softcheck.diagnosis.states import OverBlocks, part, views
from softcheck.diagnosis.view import Shared, View
from softcheck.gradient.definition import Generated
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import Precision
from softcheck.result import Diagnosis
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

FEW = 8
"""How many explanations are followed through all states."""

_BACKWARD = (
    STOP_GRADIENT.code,
    NO_BASELINE.code,
    MISSING_BASELINE.code,
    DIAGONAL_JACOBIAN.code,
)
"""Mistakes that leave the value of a loss as it is."""

_FARTHER = 16.0  # in squares

_OTHERS = 4  # entries are seen to be right for each that is wrong by itself

_Judged: TypeAlias = tuple[Hypothesis, Evidence]


@dataclass
class _Found(Merging):
    """What the pass over all states found of some of them; no profile of a right gradient."""

    profile: Annotated[Profile | None, merged]
    evidence: Annotated[list[Evidence], side_by_side(merged)]
    quantity: Annotated[list[Tally], side_by_side(merged)]


@np.errstate(all="ignore")  # what overflows explains nothing
def diagnose(
    case: Case,
    settings: Settings,
    tallies: Mapping[str, Tally],
    moments: Moments | None,
    masked: int,
    over_blocks: OverBlocks,
    generated: Callable[[], Generated],
    *,
    repeats: bool = False,
    is_compiled: bool = False,
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
    generated : callable
        Makes the mistakes of the loss.
    repeats : bool
        Whether few entries of a state may differ, so that these are looked at.
    is_compiled : bool
        Whether what can be compiled is.
    """
    failed = [name for name in (*DUMPS, "fit") if name in tallies and tallies[name].failed]
    if not failed:
        return ()
    gradient, only_fit = "gradient" in failed, failed == ["fit"]
    quantity = failed[0] if failed[0] in INTERMEDIATES else None
    spots = [spot for name in failed for spot in tallies[name].spots]
    worst = dict.fromkeys(spot.state for spot in spots if spot.state is not None)
    view = part(
        case, settings, masked, [*worst], over_blocks, repeats=repeats, is_compiled=is_compiled
    )
    # A loss that was dumped as one number has no entries to compare.
    of_states = quantity is not None and tallies[quantity].spots[0].state is not None
    causes = intermediates.rows(quantity, view) if quantity and of_states and view.is_soft else []
    tried: list[Hypothesis] = []
    if gradient:
        tried = survivors(view, generated)[:FEW]
    elif moments is not None and only_fit and view.is_soft:
        tried = of_fit(fitted(moments), view)

    def follow(made: Sequence[Hypothesis], *, again: bool = False) -> _Found:
        rows = [] if again else causes

        def of_view(some: View) -> _Found:
            return _Found(
                Profile.of(some) if gradient and not again else None,
                [judge(some, each) for each in made],
                [intermediates.judge(some, quantity or "", value) for _, value in rows],
            )

        whole = bool(rows) or not all(each.is_scaled for each in made)
        return _over_states(of_view, view.shared, over_blocks, whole=whole)

    first = [made for made in tried if not _can_wait(made)] or tried
    found = follow(first) if tried or gradient or causes else _Found(None, [], [])
    said = list(say.of_quantity(quantity or "", [code for code, _ in causes], found.quantity))
    judged = list(zip(first, found.evidence, strict=True))
    anchor = _anchor(tallies)
    if found.profile is not None:
        simplest = min((made.cost for made, _ in _kept(view, judged)), default=inf)
        rest = [made for made in tried if made not in first and made.cost <= simplest]
        if rest:
            judged += zip(rest, follow(rest, again=True).evidence, strict=True)
        explained = _ordered(_kept(view, judged), view, anchor)
        said += _of_gradient(view, explained, found.profile, anchor, generated)
    elif moments is not None and only_fit and view.is_soft:
        usual = [made for made, evidence in judged if is_but_for_rounding(view, evidence)]
        said += say.of_fit(usual, tallies["fit"].summary)
    elif moments is not None and only_fit:
        said.append(say.of_factors(moments, generated().wrongs, tallies["fit"].summary))
    located = list(first_wrong(case, settings, failed, tallies))
    # A mistake that has its name says more than the place where it enters.
    is_named = any(each.remedies for each in said)
    return (*said, *located) if is_named else (*located, *said)


def _over_states(
    of_view: Callable[[View], _Found], shared: Shared, over_blocks: OverBlocks, *, whole: bool
) -> _Found:
    """Return what a function finds in all states of a case; for `whole` see `View.of`."""

    def work(raw: RawBlock, buffers: Buffers) -> _Found:
        return reduce(merged, map(of_view, views(raw, shared, buffers, whole=whole)))

    return reduce(merged, over_blocks(work))


def _can_wait(made: Hypothesis) -> bool:
    """Whether a hypothesis matters only where nothing that assumes less explains the gradient.

    What reads numbers off each state is neither said beside that nor preferred for coming nearer.
    """
    return made.formula.read.numbers > 0 and not (made.is_named or made.formula.terms)


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
    found = np.array([spot.actual for spot in tally.spots])
    return near and bool((np.abs(np.float32(found) - found) <= PRINTED * np.abs(found)).all())


def _of_gradient(
    view: View,
    explained: Sequence[_Judged],
    profile: Profile,
    anchor: bool | None,
    generated: Callable[[], Generated],
) -> Iterator[Diagnosis]:
    """Yield the explanations of a wrong gradient, or say that there is none."""
    case = view.shared.case
    if profile.infinite == profile.behind_mask > 0 and profile.struck == profile.masked:
        yield say.of_places(NAN_FROM_MASK, case, profile)
        if profile.failed == profile.infinite:
            return
    elif profile.failed == profile.infinite:
        # What is finite is right: there is no other formula to look for.
        where = ISOLATED_ENTRIES if _is_stray(profile, view) else NOT_FINITE
        yield say.of_places(where, case, profile)
        return
    if _is_stray(profile, view) and (not explained or explained[0][0].cost >= 4.0):
        yield say.of_places(ISOLATED_ENTRIES, case, profile)
    elif explained:
        yield say.explained(case, explained, view, profile, anchor)
    else:
        found, misfit = factors(view, generated().terms)
        yield say.unexplained(case, view, profile, found, misfit, anchor)


def _anchor(tallies: Mapping[str, Tally]) -> bool | None:
    """Return whether the dumped value of the loss is right, None if that is not known."""
    tally = tallies.get("loss")
    if tally is None or mostly_blind(tally.blind, tally.live):
        return None
    return tally.failed == 0


def _ordered(kept: Sequence[_Judged], view: View, anchor: bool | None) -> list[_Judged]:
    """Return the simplest first, one for each set of names, and of terms where it is of some.

    Of equals it is what leaves the value of the loss as right or wrong as it is, then what reads
    least off the gradient, then the usual one.
    """

    def rank(pair: _Judged) -> tuple[float, bool, int, float, int]:
        made, evidence = pair
        codes = {made.formula.code, *(wrong.code for wrong in made.wrongs)}
        backward = not codes.isdisjoint(_BACKWARD)
        is_other = anchor is not None and anchor != backward
        worst = min(evidence.worst, 1e6)
        return made.cost, is_other, int(4.0 * worst), made.formula.read.bits(view), -evidence.mended

    found: dict[object, _Judged] = {}
    for made, evidence in sorted(kept, key=rank):
        of = made.formula.said, *(term.text for term in made.formula.terms)
        found.setdefault((frozenset(made.names), of), (made, evidence))
    return [(_as_anchored(made, anchor), evidence) for made, evidence in found.values()]


def _as_anchored(made: Hypothesis, anchor: bool | None) -> Hypothesis:
    """Return a hypothesis as the mistake that leaves the value of the loss right, if that is so."""
    every = sorted(made.wrongs, key=lambda wrong: wrong.code not in _BACKWARD)
    if not anchor or not every or every[0].code not in _BACKWARD:
        return made
    first, *also = every
    wrong = replace(first, also=tuple(also))
    return replace(made, formula=named_by(made.formula, wrong))


def _kept(view: View, judged: Iterable[_Judged]) -> list[_Judged]:
    """Return what reproduces the gradient, and is no farther from it than need be."""
    kept = [
        (made, evidence)
        for made, evidence in judged
        if evidence.reproduces and credible(view, made, evidence)
    ]

    def reads(made: Hypothesis) -> tuple[int, float]:
        return made.formula.read.numbers, made.formula.read.bits(view)

    # Of two that are both within tolerance the one that is much nearer is meant, unless it is so
    # for what it has read off the gradient.
    far = [(reads(made), evidence.left + evidence.grain) for made, evidence in kept]
    return [
        (made, evidence)
        for made, evidence in kept
        if evidence.left <= _FARTHER * min(left for read, left in far if read <= reads(made))
    ]


def _is_stray(profile: Profile, view: View) -> bool:
    """Whether few entries, or those of few states, are wrong and the others seen to be right."""
    states = view.shared.states
    few = profile.failed <= max(1.0, STRAY * profile.entries)
    few |= profile.states <= max(1.0, STRAY * states) and states > 1
    apart = profile.near <= profile.failed
    # What is not finite is wrong whatever the others are.
    seen = profile.failed == profile.infinite or _OTHERS * profile.failed <= profile.told
    return bool(few and apart and seen and 2 * profile.failed <= profile.entries)
