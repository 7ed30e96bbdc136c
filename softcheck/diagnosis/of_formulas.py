"""The explanations of the gradient of a loss that is a formula, and what is said of them.

What a mistake leaves of the gradient is evaluated on the data.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeAlias

from softcheck.checks.fit import SCALE, Factor, Parameter, fitted
from softcheck.checks.moments import Moments
from softcheck.checks.tally import Tally, mostly_blind
from softcheck.diagnosis import over_states, say
from softcheck.diagnosis.guesses import Formulas, factors, survivors
from softcheck.diagnosis.hypothesis import Evidence, Guess, weigh
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.generated import NO_BASELINE, STOP_GRADIENT, TERM_SCALED
from softcheck.diagnosis.mistakes.read_off import OTHER_SCALE
from softcheck.diagnosis.mistakes.terms import DIAGONAL_JACOBIAN
from softcheck.diagnosis.mistakes.where import UNEXPLAINED
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.view import View
from softcheck.gradient.definition import Across, Term, Wrong
from softcheck.result import Diagnosis
from softcheck.settings import Settings
from softcheck.tables.case import Case

_Judged: TypeAlias = tuple[Guess, Evidence]

_LISTED = 3
_BACKWARD = (STOP_GRADIENT.code, NO_BASELINE.code, DIAGONAL_JACOBIAN.code)
"""Mistakes that leave the value of a loss as it is."""


class OfFormulas:
    """What explains the gradient of a loss that is a formula.

    Parameters
    ----------
    case : Case
    settings : Settings
    view : View
        A part of the states.
    mistakes : (sequence of Wrong, sequence of Term, Across or None)
        Those of the loss, its terms, and what its gradient is made of before the softmax.
    tallies : mapping of check to Tally
    """

    def __init__(
        self,
        case: Case,
        settings: Settings,
        view: View,
        mistakes: tuple[Sequence[Wrong], Sequence[Term], Across | None],
        tallies: Mapping[str, Tally],
    ) -> None:
        self.case, self.settings = case, settings
        self.wrongs, self.terms, across = mistakes
        self.across = None if across is None else over_states.move(case, settings, across)
        self.on = Formulas(case, settings, view)
        self.anchor = _anchor(tallies)

    def survivors(self) -> list[Guess]:
        """Return what reproduces all entries of a part of the states."""
        return survivors(self.on, self.wrongs, self.terms, self.across)

    def judges(self, view: View) -> Callable[[Guess], Evidence]:
        """Return what compares some states with what is predicted of them."""
        there = Formulas(self.case, self.settings, view)
        return lambda made: weigh(view, made, there.predict(made))

    def ordered(self, kept: Sequence[_Judged]) -> list[_Judged]:
        """Return the simplest first: of equals the usual one."""

        def rank(pair: _Judged) -> tuple[float, bool]:
            made, _ = pair
            backward = any(map(_is_backward, _every(made)))
            return made.cost, self.anchor is not None and self.anchor != backward

        return sorted(kept, key=rank)

    def explained(self, explained: Sequence[_Judged], profile: Profile) -> Iterator[Diagnosis]:
        """Yield the best explanation, with what these data cannot tell from it."""
        yield _explained(self.case, self.on.view, explained, profile, self.anchor)

    def unexplained(self, profile: Profile) -> Diagnosis:
        """Say what can be said where no formula gives the numbers."""
        return _unexplained(self.case, self.on, self.terms, profile, self.anchor)

    def of_fit(self, _: Moments) -> list[Guess]:
        """Return nothing that is to be judged: what the fit found is said as it is."""
        return []

    def said_of_fit(
        self, _: Sequence[_Judged], moments: Moments, summary: str
    ) -> Iterator[Diagnosis]:
        """Yield the numbers of a gradient whose entries all pass."""
        yield _of_fit(moments, self.wrongs, summary)


def _every(made: Guess) -> tuple[Wrong, ...]:
    """Return the mistakes that a guess may be."""
    return () if made.wrong is None else (made.wrong, *made.wrong.also)


def _is_backward(wrong: Wrong) -> bool:
    return wrong.code in _BACKWARD


def _as_anchored(made: Guess, anchor: bool | None) -> Guess:
    """Return a guess as the mistake that leaves the value of the loss right, if that is so."""
    every = sorted(_every(made), key=lambda wrong: not _is_backward(wrong))
    if not anchor or not every or not _is_backward(every[0]):
        return made
    first, *also = every
    wrong = replace(first, also=tuple(also))
    return replace(made, wrong=wrong, names=(first.code, *made.names[1:]))


def _anchor(tallies: Mapping[str, Tally]) -> bool | None:
    """Return whether the dumped value of the loss is right, None if that is not known."""
    tally = tallies.get("loss")
    if tally is None or mostly_blind(tally.blind, tally.live):
        return None
    return tally.failed == 0


_OF_VALUE = {
    True: ". The value of the loss is right: it is the backward pass, or a stop-gradient",
    False: ". The value of the loss is wrong too: another loss was computed",
    None: "",
}


def _explained(
    case: Case, view: View, explained: Sequence[_Judged], profile: Profile, anchor: bool | None
) -> Diagnosis:
    """Say the best explanation, and what these data cannot tell from it."""
    made, evidence = _as_anchored(explained[0][0], anchor), explained[0][1]
    wrong = profile.failed - profile.infinite
    grounds = say.explains(evidence, wrong)
    also = [each.said for each in _every(made)[1:]]
    others = [other for other, _ in explained[1:] if other.cost <= made.cost and other.is_named]
    if also:
        grounds += f". No data tell it from: {_listed(also)}"
    if others:
        beside = _listed([_said(other, view) for other in others])
        grounds += f". This data cannot tell it from: {beside}"
    grounds += _OF_VALUE[anchor]
    if profile.infinite:
        grounds += f"; {profile.infinite} entries that are not finite were left out"
    said: dict[str, object] = {
        **say.numbers(evidence.tally),
        "mended": evidence.mended,
        "wrong": wrong,
        "codes": list(made.names),
        **_numbers(made),
        "also": also,
        "instead_of": ["+".join(other.names) for other in others],
        "alternatives": [
            {"code": "+".join(other.names), "said": _said(other, view), **_numbers(other)}
            for other in others
        ],
    }
    if made.in_part:
        said["states"] = say.rows(case, profile)
    if anchor is not None:
        said["loss_is_right"] = anchor
    declare: dict[str, str] | None = {} if made.in_part else None
    if made.coarse is not None:
        declare = say.declare_coarse(made.coarse, view)
    return Diagnosis(
        code="+".join(made.names),
        message=_said(made, view) + (say.in_part(case, profile) if made.in_part else ""),
        grounds=grounds,
        evidence=said,
        remedies=say.remedies(made.names, declare),
    )


def _listed(said: Sequence[str]) -> str:
    """Return a few alternatives, and how many more there are."""
    more = f"; and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    return "; ".join(said[:_LISTED]) + more


def _numbers(made: Guess) -> dict[str, object]:
    """Return the term and the factor of a guess, and its scale in units of the declared."""
    if made.terms:
        pairs = zip(made.terms, made.parts, strict=True)
        return {"factors": [{"term": term.text, "factor": x} for term, (_, x) in pairs]}
    if made.term is not None:
        kind = "off_by" if made.term.is_number else "factor"
        return {"scale": 1.0, "term": made.term.text, kind: made.factor}
    said: dict[str, object] = {"scale": made.factor}
    for wrong in _every(made)[:1]:
        said |= {"term": wrong.term} if wrong.term else {}
        said |= {"factor": wrong.factor} if wrong.factor else {}
    return said


def _said(made: Guess, view: View) -> str:
    """Return a guess in words, with the numbers that no name has."""
    if made.terms:
        pairs = zip(made.terms, made.parts, strict=True)
        by_term = ", ".join(f"{factor:.6g} times {term.text}" for term, (_, factor) in pairs)
        return f"terms have factors of their own, {by_term}"
    if made.term is not None and made.term.is_number:
        return f"{made.term.text} is another, by {made.factor:+.8g}"
    if made.term is not None:
        return f"the term {made.term.text} is multiplied by {made.factor:.8g}"
    if made.coarse is not None:
        return f"{MISTAKES[made.names[0]].phrase} ({say.of_coarse(made.coarse, view)})"
    words = [
        f"{each.said}, {each.term}" if each.code == STOP_GRADIENT.code else each.said
        for each in _every(made)[:1]
    ]
    words += [MISTAKES[code].phrase for code in made.names[len(words) :]]
    if made.move is not None and made.move.variant:
        words[0] += f" ({made.move.variant})"
    if made.labels is not None:
        words[0] = made.labels.said
    number = (
        "" if made.is_named or not made.is_plain else f" (scale {made.factor:.8g} of the declared)"
    )
    return " and ".join(words) + number


def _unexplained(
    case: Case, on: Formulas, terms: Sequence[Term], profile: Profile, anchor: bool | None
) -> Diagnosis:
    """Say what can be said where no formula gives the numbers."""
    found, left = factors(on, terms)
    by_term = ", ".join(map(str, found))
    grounds = (
        f"{profile.failed} of {profile.entries} entries are wrong, in {profile.states} of "
        f"{case.states} states; nearest is {by_term}, which leaves {100 * left:.3g} % of the "
        f"gradient's size{_OF_VALUE[anchor]}"
    )
    evidence = say.where(case, profile) | {
        "factors": [each._asdict() for each in found],
        "misfit": left,
    }
    if anchor is not None:
        evidence["loss_is_right"] = anchor
    return Diagnosis(
        code=UNEXPLAINED.code,
        message=UNEXPLAINED.phrase,
        grounds=grounds,
        evidence=evidence,
        remedies=(),
    )


def _of_fit(moments: Moments, wrongs: Sequence[Wrong], summary: str) -> Diagnosis:
    """Say the factors that terms have in a gradient whose entries all pass."""
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
    return say.of_moments([*codes], summary, evidence)


def _code(term: str, found: Parameter, wrongs: Sequence[Wrong]) -> str:
    """Return what a term with a factor of its own is called."""
    named = {"0": 0.0, "−1": -1.0}
    known = (
        wrong.code
        for wrong in wrongs
        if wrong.term == term and wrong.factor in named and found.is_near(named[wrong.factor])
    )
    return next(known, TERM_SCALED.code)
