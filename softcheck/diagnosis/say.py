"""Diagnoses in words: what was found, by which numbers, and what would tell more."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from softcheck.checks.tally import Tally
from softcheck.diagnosis.hypothesis import Coarse, Evidence, Hypothesis
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.parts import right
from softcheck.diagnosis.mistakes.read_off import LOSS_SCALED
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
from softcheck.diagnosis.view import Shared, View
from softcheck.gradient.policy import Array
from softcheck.gradient.tolerance import Precision
from softcheck.result import Diagnosis, Remedy
from softcheck.tables.case import Case

_BY_NUMBERS = 0.1  # of what is left by Eq. (6)
_NEAR = 0.1  # of the gradient's size
_A_STEP = 1e-5  # an optimiser's step leaves more
_SMOOTH = 0.1  # below 0.05 for an epsilon or a clamp, above 0.8 for logits of another step
_ENOUGH = 20  # entries


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
                evidence={"quantity": quantity} | numbers(tally),
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


def numbers(tally: Tally) -> dict[str, float]:
    """Return the same as evidence."""
    return {
        "entries": tally.entries,
        "reproduced": tally.entries - tally.failed,
        "worst_ratio": tally.spots[0].ratio,
    }


def explanations(
    case: Case, explained: Sequence[tuple[Hypothesis, Evidence]], view: View, profile: Profile
) -> Iterator[Diagnosis]:
    """Yield the explanations, and what data would separate them.

    Parameters
    ----------
    case : Case
    explained : sequence of (Hypothesis, Evidence)
        The best first.
    view : View
    profile : Profile
        Its entries that are not finite could not be compared.
    """
    best = explained[0][0]
    listed = [
        (made, evidence)
        for made, evidence in explained
        if made is best
        or (made.cost <= best.cost + 1.0 and not any(made.free) and made.coarse is None)
    ]
    codes = ["+".join(made.names) for made, _ in listed]
    infinite, wrong = profile.infinite, profile.failed - profile.infinite
    for number, (made, evidence) in enumerate(listed):
        grounds = explains(evidence, wrong)
        others = [code for code in codes if code != codes[number]]
        if others and number == 0:
            grounds += _apart([made for made, _ in listed], others, view)
        elif others:
            grounds += f", as {codes[0]} does"
        if infinite:
            grounds += f"; {infinite} entries that are not finite were left out"
        of_case: dict[str, object] = numbers(evidence.tally) | {
            "mended": evidence.mended,
            "wrong": wrong,
            "codes": list(made.names),
            "scale": float(made.x),
            "alpha": _alpha_of(made, view.shared),
            "instead_of": others,
        }
        if made.in_part:
            of_case["states"] = rows(case, profile)
        yield Diagnosis(
            code=codes[number],
            message=_said(made, view) + (in_part(case, profile) if made.in_part else ""),
            grounds=grounds,
            evidence=of_case,
            remedies=remedies(made.names, _declare(made, view)),
        )


def rows(case: Case, profile: Profile) -> list[list[int]]:
    """Return where the first states with a wrong entry are."""
    return [list(case.location(state)) for state in profile.rows]


def in_part(case: Case, profile: Profile) -> str:
    """Say which states have a mistake that the others do not have."""
    states = ", ".join(str(state) for state in rows(case, profile)[:5])
    more = ", ..." if profile.states > 5 else ""
    return f" in {profile.states} of {case.states} states, {states}{more}; all others are right"


def _alpha_of(made: Hypothesis, shared: Shared) -> float | None:
    """Return the temperature of a hypothesis; where alpha differs by state, in units of it."""
    if made.x == 0.0:
        return None
    return float(made.y / made.x * (1.0 if shared.alpha is None else shared.alpha))


def _said(made: Hypothesis, view: View) -> str:
    """Return a hypothesis in words, with the numbers that no name has."""
    words = _phrases(made.names)
    details = [made.formula.variant] if made.formula.variant else []
    if made.coarse is not None:
        details.append(of_coarse(made.coarse, view))
    if SUMMED_OVER_AXIS.code in made.codes:
        shape = view.shared.shape
        axes = [axis for axis, x in enumerate(sums_over_axis(view.shared)) if abs(made.x) == x]
        details += [f"axis {axis} of {list(shape)}" for axis in axes]
    if made.free.scale or LOSS_SCALED.code in made.codes:
        details.append(f"scale {made.x:.8g} of the declared")
    if made.free.ratio:
        unit = "" if view.shared.alpha is not None else " of the declared"
        details.append(f"alpha {_alpha_of(made, view.shared) or 0.0:.8g}{unit}")
    return f"{words} ({', '.join(details)})" if details else words


def of_coarse(coarse: Coarse, view: View) -> str:
    """Say what a gradient was rounded to."""
    computed, stored = coarse
    return f"stored as {stored.value}" if computed is view.dump.computed else computed.value


def declare_coarse(coarse: Coarse, view: View) -> dict[str, str]:
    """Return the settings under which a gradient that was so rounded is right."""
    computed, stored = coarse
    is_stored = computed is view.dump.computed
    return {"grad_dtype": stored.value} if is_stored else {"compute_dtype": computed.value}


def _declare(made: Hypothesis, view: View) -> Mapping[str, str] | None:
    """Return the settings under which a gradient is right, None for those of the records."""
    if made.coarse is not None:
        return declare_coarse(made.coarse, view)
    return {} if made.in_part or made.formula.variant else None


def _phrases(codes: Sequence[str]) -> str:
    return " and ".join(MISTAKES[code].phrase for code in codes)


def _apart(made: Sequence[Hypothesis], others: Sequence[str], view: View) -> str:
    """Say that these data do not tell explanations apart, and what data would."""
    beside = " or ".join(others)
    wanted = []
    if len({one.formula.code for one in made}) > 1:
        wanted.append("a batch with more actions and a less even policy")
    else:
        points = [Point(one.x, one.y / one.x if one.x else 1.0, one.codes) for one in made]
        told = told_apart_by(points, view.shared, view.dump.computed.unit)
        if told is None:
            return f". No data tell it from {beside}"
        wanted += told
    return f". This data cannot tell it from {beside}; {' and '.join(wanted)} would"


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
        "by_action": [int(count) for count in profile.by_action[:64]],
        "row_sums_not_zero": profile.sums_wrong,
        "ranges": {name: list(span) for name, span in profile.ranges.items()},
        "places": _places(case, profile),
    }


def isolated(case: Case, profile: Profile) -> Diagnosis:
    """Say that few entries are wrong, and which."""
    places = ", ".join(str(place) for place in _places(case, profile)[:5])
    more = ", ..." if profile.failed > 5 else ""
    return Diagnosis(
        code=ISOLATED_ENTRIES.code,
        message=ISOLATED_ENTRIES.phrase,
        grounds=f"{profile.failed} of {profile.entries}, in {profile.states} of {case.states} "
        f"states, at {places}{more}",
        evidence=where(case, profile),
        remedies=(),
    )


def nan(case: Case, profile: Profile) -> Diagnosis:
    """Say that the mask made what is not finite."""
    return Diagnosis(
        code=NAN_FROM_MASK.code,
        message=NAN_FROM_MASK.phrase,
        grounds=f"All {profile.infinite} entries that are not finite are in states with a masked "
        "action",
        evidence=where(case, profile),
        remedies=remedies([NAN_FROM_MASK.code]),
    )


def not_finite(case: Case, profile: Profile) -> Diagnosis:
    """Say that many entries are not finite, and all others right."""
    return Diagnosis(
        code=NOT_FINITE.code,
        message=NOT_FINITE.phrase,
        grounds=f"{profile.infinite} of {profile.entries}, in {profile.states} of {case.states} "
        "states",
        evidence=where(case, profile),
        remedies=remedies([NOT_FINITE.code]),
    )


def unexplained(case: Case, view: View, profile: Profile) -> Diagnosis:
    """Say what can be said where no formula gives the numbers."""
    x, y, misfit = _plain_fit(view)
    alpha = y / x * (1.0 if view.shared.alpha is None else view.shared.alpha) if x else None
    off, curve = _misfit(view, 1.0, 1.0), _curve(view)
    said = [
        f"Nearest is scale {x:.4g} of the declared, alpha "
        f"{'unknown' if alpha is None else format(alpha, '.4g')}, {100 * misfit:.3g} % of the "
        "gradient's size left over",
        f"{profile.sums_wrong} of {case.states} states do not sum to 0",
    ]
    if not view.shared.whole:
        said.append("what needs the whole table at once was not tried")
    # What another scale and alpha account for is no matter of the logits.
    near = max(_A_STEP, _BY_NUMBERS * off) < misfit < _NEAR and abs(x - 1.0) < _NEAR
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
    return Diagnosis(
        code=UNEXPLAINED.code,
        message=UNEXPLAINED.phrase,
        grounds="; ".join(said),
        evidence=where(case, profile)
        | {"scale": x, "alpha": alpha, "misfit": misfit, "curve": curve},
        remedies=(),
    )


def _curve(view: View) -> float:
    """Return the von Neumann ratio of the ranks of (G - T) / pi in the order of pi.

    It is about 1 for numbers in random order and 0 for those of a smooth function of pi (Bartels,
    *The rank version of von Neumann's ratio test for randomness*, 1982).
    """
    actual, expected, tolerance, _ = view.of_eq_6
    with np.errstate(all="ignore"):
        left = (actual - expected) / (view.p * view.e.factor)
        seen = np.isfinite(left) & np.isfinite(tolerance) & (view.legal > 0)
    if np.count_nonzero(seen) < _ENOUGH:
        return 1.0
    ranks = np.argsort(np.argsort(left[seen][np.argsort(view.p[seen])])).astype(np.float64)
    steps, spread = np.diff(ranks), ranks - ranks.mean()
    return float((steps * steps).sum() / (2.0 * (spread * spread).sum()))


def _plain_fit(view: View) -> tuple[float, float, float]:
    """Return x, y and the relative size of what they leave, by plain least squares."""
    grad, columns = _columns(view)
    (x, y), *_ = np.linalg.lstsq(columns, grad, rcond=None)
    return float(x), float(y), _misfit(view, float(x), float(y))


def _misfit(view: View, x: float, y: float) -> float:
    """Return the size of what a scale and a temperature leave, relative to the gradient's."""
    grad, columns = _columns(view)
    size = float(np.linalg.norm(grad))
    return float(np.linalg.norm(grad - columns @ np.array([x, y]))) / size if size else 0.0


def _columns(view: View) -> tuple[Array, Array]:
    """Return the finite gradient, shape `(entries,)`, and its two parts, `(entries, 2)`."""
    parts = right(view)
    grad = np.where(np.isfinite(view.grad) & (view.legal > 0), view.grad, 0.0)
    factor = view.e.factor
    columns = np.stack([(parts.a * factor).ravel(), (parts.b * factor).ravel()], axis=1)
    return grad.ravel(), columns


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
        codes = list(made.names)
        yield of_moments(codes, summary, {"scale": made.x, "ratio": made.y / made.x})
    if not explained:
        yield of_moments([UNEXPLAINED.code], summary, {})


def of_moments(codes: Sequence[str], summary: str, numbers: Mapping[str, object]) -> Diagnosis:
    """Say what is wrong with a gradient whose entries all pass, by what was fitted to them."""
    named = [code for code in codes if code != UNEXPLAINED.code]
    return Diagnosis(
        code="+".join(codes),
        message=_phrases(codes),
        grounds=f"Every entry passes, all of them together do not: {summary}",
        evidence={"codes": named, **numbers},
        remedies=remedies(named),
    )
