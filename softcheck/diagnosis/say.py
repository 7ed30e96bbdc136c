"""Diagnoses in words: what was found, by which numbers, and what would tell more."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

import numpy as np

from softcheck.checks.fit import SCALE, Factor, Parameter, fitted
from softcheck.checks.moments import Moments
from softcheck.checks.tally import Tally
from softcheck.diagnosis.hypothesis import Coarse, Evidence, Hypothesis
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.generated import TERM_SCALED
from softcheck.diagnosis.mistakes.read_off import LOSS_SCALED, OTHER_ALPHA, OTHER_SCALE, Q_SCALED
from softcheck.diagnosis.mistakes.record import Mistake
from softcheck.diagnosis.mistakes.scale import SUMMED_OVER_AXIS, sums_over_axis
from softcheck.diagnosis.mistakes.where import (
    FIRST_WRONG,
    ISOLATED_ENTRIES,
    LOW_PRECISION,
    NAN_FROM_MASK,
    NOT_FINITE,
    UNEXPLAINED,
)
from softcheck.diagnosis.points import Point, told_apart_by
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.sieve import Share
from softcheck.diagnosis.view import Shared, View
from softcheck.gradient.definition import Wrong
from softcheck.gradient.tolerance import Precision
from softcheck.result import Diagnosis, Remedy
from softcheck.tables.case import Case

_BY_NUMBERS = 0.1  # of what is left by Eq. (6)
_NEAR = 0.1  # of the gradient's size
_A_STEP = 1e-5  # an optimiser's step leaves more
_SMOOTH = 0.1  # below 0.05 for an epsilon or a clamp, above 0.8 for logits of another step
_ENOUGH = 20  # entries
_LISTED = 3
_SHOWN = 5

_OF_VALUE = {
    True: ". The value of the loss is right: it is the backward pass, or a stop-gradient",
    False: ". The value of the loss is wrong too: another loss was computed",
    None: "",
}


def of_quantity(
    quantity: str, codes: Sequence[str], tallies: Sequence[Tally]
) -> Iterator[Diagnosis]:
    """Yield what reproduces a wrong intermediate."""
    seen = set()
    for code, tally in zip(codes, tallies, strict=True):
        if tally.failed == 0 and code not in seen:
            seen.add(code)
            yield Diagnosis(
                code=code,
                message=MISTAKES[code].phrase,
                grounds=makes_right(quantity, tally),
                evidence={"quantity": quantity} | of_tally(tally),
                remedies=remedies([code]),
            )


def makes_right(quantity: str, tally: Tally) -> str:
    """Say that an explanation gives every number of a quantity."""
    return f"This makes all {tally.entries} entries of the {quantity} right"


def remedies(codes: Sequence[str], declare: Mapping[str, str] | None = None) -> tuple[Remedy, ...]:
    """Return what to do about each of some mistakes.

    Parameters
    ----------
    codes : sequence of str
    declare : mapping of str to str, optional
        Settings under which their numbers are right; by default those of the records.
    """
    return tuple(
        Remedy(
            code=code,
            declare=dict(MISTAKES[code].declare if declare is None else declare),
            wrong_line=MISTAKES[code].wrong_line,
            right_line=MISTAKES[code].right_line,
        )
        for code in codes
    )


def explains(evidence: Evidence, wrong: int) -> str:
    """Say at how many of the wrong entries an explanation gives the numbers that were dumped.

    It does so at every entry where it can be compared.
    """
    which = "all" if evidence.mended == wrong else f"{evidence.mended} of"
    if wrong == 1:
        return "Explains the wrong entry and changes no right one"
    return f"Explains {which} {wrong} wrong entries and changes no right one"


def numbers(entries: int, failed: int, worst: float) -> dict[str, float]:
    """Return the same as evidence."""
    return {"entries": entries, "reproduced": entries - failed, "worst_ratio": worst}


def of_tally(tally: Tally) -> dict[str, float]:
    """Return the same of what explains no gradient."""
    return numbers(tally.entries, tally.failed, tally.spots[0].ratio)


def explained(
    case: Case,
    found: Sequence[tuple[Hypothesis, Evidence]],
    view: View,
    profile: Profile,
    anchor: bool | None,
) -> Diagnosis:
    """Say the best explanation, with what these data cannot tell from it and what data would.

    Parameters
    ----------
    case : Case
    found : sequence of (Hypothesis, Evidence)
        The best first.
    view : View
    profile : Profile
        Its entries that are not finite could not be compared.
    anchor : bool or None
        Whether the value of the loss is right, None if that is not known.
    """
    made, evidence = found[0]
    others = [
        other
        for other, _ in found[1:]
        if (other.is_named or (made.formula.terms and other.formula.terms))
        and other.cost <= made.cost + (other.formula.wrong is None)
    ]
    infinite, wrong = profile.infinite, profile.failed - profile.infinite
    also = [each.said for each in made.wrongs[1:]]
    grounds = explains(evidence, wrong)
    if also:
        grounds += f". No data tell it from: {_listed(also)}"
    if others:
        grounds += _apart([made, *others], view)
    grounds += _OF_VALUE[anchor]
    if infinite:
        grounds += f"; {infinite} entries that are not finite were left out"
    said: dict[str, object] = {
        **numbers(evidence.entries, evidence.failed, evidence.worst),
        "mended": evidence.mended,
        "wrong": wrong,
        "codes": list(made.names),
        **_numbers(made, view.shared),
        "also": also,
        "instead_of": ["+".join(other.names) for other in others],
        "alternatives": [
            {
                "code": "+".join(other.names),
                "said": _said(other, view),
                **_numbers(other, view.shared),
            }
            for other in others
        ],
    }
    if made.in_part:
        said["states"] = _rows(case, profile)
    if anchor is not None:
        said["loss_is_right"] = anchor
    return Diagnosis(
        code="+".join(made.names),
        message=_said(made, view) + (_in_part(case, profile) if made.in_part else ""),
        grounds=grounds,
        evidence=said,
        remedies=remedies(made.names, _declare(made, view)),
    )


def _listed(said: Sequence[str]) -> str:
    """Return a few alternatives, and how many more there are."""
    more = f"; and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    return "; ".join(said[:_LISTED]) + more


def _rows(case: Case, profile: Profile) -> list[list[int]]:
    """Return where the first states with a wrong entry are."""
    return [list(case.location(state)) for state in profile.rows]


def _first(places: Sequence[object], count: int) -> str:
    """Return the first of so many places."""
    return ", ".join(map(str, places[:_SHOWN])) + (", ..." if count > _SHOWN else "")


def _in_part(case: Case, profile: Profile) -> str:
    """Say which states have a mistake that the others do not have."""
    states = _first(_rows(case, profile), profile.states)
    return f" in {profile.states} of {case.states} states, {states}; all others are right"


def _numbers(made: Hypothesis, shared: Shared) -> dict[str, object]:
    """Return the numbers of a hypothesis, in units of what was declared; alpha if it is one."""
    terms, wrong = made.formula.terms, made.formula.wrong
    if _is_several(made):
        pairs = zip(terms, made.numbers, strict=True)
        return {"factors": [{"term": term.text, "factor": float(x)} for term, x in pairs]}
    said: dict[str, object] = {"scale": float(made.numbers[0])}
    for term in terms:
        kind = "off_by" if term.is_number else "factor"
        said |= {"term": term.text, kind: float(made.numbers[-1]) + (not term.is_number)}
    if shared.case.roles.is_soft and not terms:
        said["alpha"] = _alpha_of(made, shared)
    if wrong is not None:
        said |= {"term": wrong.term} if wrong.term else {}
        said |= {"factor": wrong.factor} if wrong.factor else {}
    return said


def _is_several(made: Hypothesis) -> bool:
    """Whether all terms of the loss have factors of their own."""
    return 0 < len(made.numbers) == len(made.formula.terms)


def _alpha_of(made: Hypothesis, shared: Shared) -> float | None:
    """Return the temperature of a hypothesis; where alpha differs by state, in units of it."""
    unit = 1.0 if shared.alpha is None else shared.alpha
    return None if made.is_zero else float(made.ratio) * unit


def _said(made: Hypothesis, view: View) -> str:
    """Return a hypothesis in words, with the numbers that no name has."""
    formula = made.formula
    if _is_several(made):
        pairs = zip(formula.terms, made.numbers, strict=True)
        by_term = ", ".join(f"{factor:.6g} times {term.text}" for term, factor in pairs)
        return f"terms have factors of their own, {by_term}"
    for term in formula.terms:
        if term.is_number:
            return f"{term.text} is another, by {made.numbers[-1]:+.8g}"
        return f"the term {term.text} is multiplied by {made.numbers[-1] + 1.0:.8g}"
    own, *others = (MISTAKES[code].phrase for code in made.names)
    own = (formula.said or own) + (f" ({formula.variant})" if formula.variant else "")
    words = " and ".join([own, *others])
    details = []
    if made.coarse is not None:
        details.append(_of_coarse(made.coarse, view))
    if SUMMED_OVER_AXIS.code in made.codes:
        scale, shape = abs(made.numbers[0]), view.shared.shape
        axes = [axis for axis, x in enumerate(sums_over_axis(view.shared)) if scale == x]
        details += [f"axis {axis} of {list(shape)}" for axis in axes]
    if {OTHER_SCALE.code, Q_SCALED.code, LOSS_SCALED.code} & {*made.names}:
        details.append(f"scale {made.numbers[0]:.8g} of the declared")
    if {OTHER_ALPHA.code, Q_SCALED.code} & {*made.fitted}:
        unit = "" if view.shared.alpha is not None else " of the declared"
        details.append(f"alpha {_alpha_of(made, view.shared) or 0.0:.8g}{unit}")
    return f"{words} ({', '.join(details)})" if details else words


def _of_coarse(coarse: Coarse, view: View) -> str:
    """Say what a gradient was rounded to."""
    computed, stored = coarse
    return f"stored as {stored.value}" if computed is view.dump.computed else computed.value


def _declare(made: Hypothesis, view: View) -> Mapping[str, str] | None:
    """Return the settings under which a gradient is right, None for those of the records."""
    if made.coarse is None:
        return {} if made.in_part or made.formula.variant else None
    computed, stored = made.coarse
    is_stored = computed is view.dump.computed
    return {"grad_dtype": stored.value} if is_stored else {"compute_dtype": computed.value}


def _apart(made: Sequence[Hypothesis], view: View) -> str:
    """Say that these data do not tell the first hypothesis from others, and what data would."""
    beside = _listed([f"{_said(other, view)} ({'+'.join(other.names)})" for other in made[1:]])
    this = f". This data cannot tell it from: {beside}"
    if any(one.formula.said or one.formula.terms for one in made):
        return this
    if len({one.formula.code for one in made}) > 1:
        return f"{this}. A batch with more actions and a less even policy would"
    points = [Point(one.numbers[0], one.ratio, one.codes) for one in made]
    told = told_apart_by(points, view.shared, view.dump.computed.unit)
    if told is None:
        return f". No data tell it from: {beside}"
    wanted = " and ".join(told)
    return f"{this}. {wanted[0].upper()}{wanted[1:]} would"


def first_wrong(quantity: str, others: Sequence[str], within: Precision | None) -> Diagnosis:
    """Say which quantity is wrong first.

    Parameters
    ----------
    quantity : str
    others : sequence of str
        What is wrong too, of what follows.
    within : Precision or None
        That whose rounding is as large as the differences, if there is one.
    """
    grounds = "Look there: what follows may be wrong for its sake"
    evidence: dict[str, object] = {"quantity": quantity, "then_wrong": list(others)}
    made: tuple[Remedy, ...] = ()
    if within is not None:
        grounds += f". No difference is larger than the rounding of {within.value}"
        evidence["within_rounding_of"] = within.value
        made = remedies([LOW_PRECISION.code], {"compute_dtype": within.value})
    return Diagnosis(
        code=FIRST_WRONG.code,
        message=f"{quantity} is the first wrong quantity in the order of computation",
        grounds=grounds,
        evidence=evidence,
        remedies=made,
    )


def _places(case: Case, profile: Profile) -> list[list[int]]:
    return [list(case.location(state, action)) for state, action in profile.places]


def where(case: Case, profile: Profile) -> dict[str, object]:
    """Return the evidence of where a gradient is wrong."""
    return {
        "failed": profile.failed,
        "entries": profile.entries,
        "states": profile.states,
        "by_action": profile.by_action.tolist(),
        "row_sums_not_zero": profile.sums_wrong,
        "ranges": {name: list(span) for name, span in profile.ranges.items()},
        "places": _places(case, profile),
    }


def of_places(mistake: Mistake, case: Case, profile: Profile) -> Diagnosis:
    """Say that a gradient is wrong in few places, or not finite, and right in all others."""
    counted = f"{profile.failed} of {profile.entries}, in {profile.states} of {case.states} states"
    at = _first(_places(case, profile), profile.failed)
    grounds = {
        ISOLATED_ENTRIES.code: f"{counted}, at {at}",
        NAN_FROM_MASK.code: (
            f"All {profile.infinite} entries that are not finite are in states with a masked action"
        ),
        NOT_FINITE.code: counted,
    }
    return Diagnosis(
        code=mistake.code,
        message=mistake.phrase,
        grounds=grounds[mistake.code],
        evidence=where(case, profile),
        # That few entries are wrong only says where to look.
        remedies=() if mistake is ISOLATED_ENTRIES else remedies([mistake.code]),
    )


def unexplained(
    case: Case,
    view: View,
    profile: Profile,
    found: Sequence[Share],
    misfit: float,
    anchor: bool | None,
) -> Diagnosis:
    """Say what can be said where no formula gives the numbers.

    Parameters
    ----------
    case, view, profile, anchor
        As those of `explained`.
    found : sequence of Share
        The factors of the terms of the loss that come nearest.
    misfit : float
        What they leave of the gradient's size.
    """
    curve, shares = _curve(view), ", ".join(map(str, found))
    right = view.weighed(view.right.expected), view.weighed(view.grad)
    off = float(np.linalg.norm(right[1] - right[0]) / (np.linalg.norm(right[1]) or 1.0))
    said = [
        f"{profile.failed} of {profile.entries} entries are wrong, in {profile.states} of "
        f"{case.states} states",
        f"nearest is {shares}, which leaves {100 * misfit:.3g} % of the gradient's size",
    ]
    if not view.e.shifts:
        said.append(f"{profile.sums_wrong} of {case.states} states do not sum to 0")
    if not view.shared.whole:
        said.append("what needs the whole table at once was not tried")
    # What other factors account for is no matter of the logits.
    near = max(_A_STEP, _BY_NUMBERS * off) < misfit < _NEAR
    near &= all(abs(each.factor - 1.0) < _NEAR for each in found[:1])
    if near and curve < _SMOOTH:
        said.append(
            "what is left over, divided by pi, is a curve over pi: pi or its logarithm was "
            "altered, as by an epsilon, a clamp or another normalisation"
        )
    elif near and profile.sums_wrong == profile.leaks == 0 and 2 * profile.states > case.states:
        said.append(
            "all are near to right and every state sums to 0: the logits, or Q, may be those of "
            "another step, dumped after the optimiser had moved them"
        )
    evidence = where(case, profile) | {
        "factors": [each._asdict() for each in found],
        "misfit": misfit,
        "curve": curve,
    }
    if anchor is not None:
        evidence["loss_is_right"] = anchor
    return Diagnosis(
        code=UNEXPLAINED.code,
        message=UNEXPLAINED.phrase,
        grounds="; ".join(said) + _OF_VALUE[anchor],
        evidence=evidence,
        remedies=(),
    )


def _curve(view: View) -> float:
    """Return the von Neumann ratio of the ranks of (G - T) / pi in the order of pi.

    It is about 1 for numbers in random order and 0 for those of a smooth function of pi (Bartels,
    *The rank version of von Neumann's ratio test for randomness*, 1982). Entries that are alike
    count once, for they would be in order by themselves.
    """
    actual, expected, tolerance, _ = view.right
    with np.errstate(all="ignore"):
        left = (actual - expected) / (view.p * view.e.factor)
        seen = np.isfinite(left) & np.isfinite(tolerance) & (view.legal > 0)
    _, ordered = np.unique(np.stack([view.p[seen], left[seen]]), axis=1)
    if ordered.size < _ENOUGH:
        return 1.0
    ranks = np.argsort(np.argsort(ordered)).astype(np.float64)
    steps, spread = np.diff(ranks), ranks - ranks.mean()
    return float((steps * steps).sum() / (2.0 * (spread * spread).sum()))


def of_fit(explained: Sequence[Hypothesis], summary: str) -> Iterator[Diagnosis]:
    """Yield the scale and temperature of a gradient whose entries all pass.

    Parameters
    ----------
    explained : sequence of Hypothesis
        What gives these two numbers, and every entry too.
    summary : str
        What the fit found.
    """
    for made in explained:
        yield _of_moments(made.names, summary, {"scale": made.numbers[0], "ratio": made.ratio})
    if not explained:
        yield _of_moments([UNEXPLAINED.code], summary, {})


def of_factors(moments: Moments, wrongs: Sequence[Wrong], summary: str) -> Diagnosis:
    """Say the factors that terms have in a gradient whose entries all pass.

    Parameters
    ----------
    moments : Moments
    wrongs : sequence of Wrong
        The mistakes of the loss.
    summary : str
        What the fit found.
    """
    told = [(each, each.found) for each in fitted(moments) if each.found is not None]
    sharpest = min((found for _, found in told), key=attrgetter("tolerance"))
    if all(each.name != SCALE and found.is_near(sharpest.value) for each, found in told):
        told = [(Factor(SCALE, (), sharpest), sharpest)]
    codes: dict[str, None] = {}
    evidence: dict[str, object] = {}
    factors: list[dict[str, object]] = []
    for each, found in told:
        if found.is_near(1.0):
            continue
        if each.name == SCALE:
            codes[OTHER_SCALE.code] = None
            evidence["scale"] = found.value
        else:
            term = " and ".join(moments.summands[k].text for k in each.terms)
            codes[_code(term, found, wrongs)] = None
            factors.append({"term": term, "factor": found.value})
    evidence |= factors[0] if len(factors) == 1 else {"factors": factors}
    return _of_moments([*codes], summary, evidence)


def _code(term: str, found: Parameter, wrongs: Sequence[Wrong]) -> str:
    """Return what a term with a factor of its own is called."""
    named = {"0": 0.0, "−1": -1.0}
    known = (
        wrong.code
        for wrong in wrongs
        if wrong.term == term and wrong.factor in named and found.is_near(named[wrong.factor])
    )
    return next(known, TERM_SCALED.code)


def _of_moments(codes: Sequence[str], summary: str, numbers: Mapping[str, object]) -> Diagnosis:
    """Say what is wrong with a gradient whose entries all pass, by what was fitted to them."""
    named = [code for code in codes if code != UNEXPLAINED.code]
    return Diagnosis(
        code="+".join(codes),
        message=" and ".join(MISTAKES[code].phrase for code in codes),
        grounds=f"Every entry passes, all of them together do not: {summary}",
        evidence={"codes": named, **numbers},
        remedies=remedies(named),
    )
