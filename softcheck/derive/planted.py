"""The test that the checker can fail: mistakes planted in a derivation that is right.

Each edit changes one formula of the derivation of Eq. (6), and must be refuted at its step.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from softcheck.derive import built_in
from softcheck.derive.check import Checked
from softcheck.derive.check import check as check_text
from softcheck.derive.points.refute import Claim
from softcheck.derive.points.witness import confirm
from softcheck.result import Verdict


@dataclass(frozen=True)
class Edit:
    """One planted mistake.

    Attributes
    ----------
    name : str
    about : str
        What is wrong.
    changes : tuple of (old, new, occurrence)
        Texts that are replaced, spaces aside; `occurrence` counts from 0.
    step : int
        The first step that must be refuted, counted from 1.
    """

    name: str
    about: str
    changes: tuple[tuple[str, str, int], ...]
    step: int


_LEMMA = r"(\mathbf{1}\{a' = a\} - \pi_\theta(a|s))"
_LEMMA_WRONG = r"(\mathbf{1}\{a' = a\} - \pi_\theta(a'|s))"
_LEMMA_LINE, _LEMMA_PUT_IN, _LEMMA_AS_MEAN = range(3)

EDITS: tuple[Edit, ...] = (
    Edit(
        "result-sign",
        "the sign of the result",
        ((r"-\pi_\theta(a|s) A_{\text{soft}}", r"\pi_\theta(a|s) A_{\text{soft}}", 0),),
        11,
    ),
    Edit(
        "baseline-dropped",
        "the value is not subtracted",
        ((r"(g(s, a) - V_\pi(s))", r"g(s, a)", 0),),
        10,
    ),
    Edit(
        "baseline-sign",
        "the value is added",
        ((r"(g(s, a) - V_\pi(s))", r"(g(s, a) + V_\pi(s))", 0),),
        10,
    ),
    Edit(
        "lemma-action",
        "the softmax derivative with pi(a') for pi(a)",
        ((_LEMMA, _LEMMA_WRONG, _LEMMA_LINE),),
        2,
    ),
    Edit(
        "lemma-action-carried",
        "the same, and put in",
        ((_LEMMA, _LEMMA_WRONG, _LEMMA_PUT_IN), (_LEMMA, _LEMMA_WRONG, _LEMMA_LINE)),
        2,
    ),
    Edit(
        "one-plus-pi",
        "1 + pi for 1 - pi",
        ((r"(1 - \pi_\theta(a|s))", r"(1 + \pi_\theta(a|s))", 0),),
        6,
    ),
    Edit("square-lost", "pi for pi squared", ((r"\pi_\theta(a|s)^2", r"\pi_\theta(a|s)", 0),), 7),
    Edit(
        "sum-sign",
        "the sign of the sum over the other actions",
        (
            (
                r"- \sum_{a' \neq a} \pi_\theta(a'|s) \pi_\theta(a|s)",
                r"+ \sum_{a' \neq a} \pi_\theta(a'|s) \pi_\theta(a|s)",
                0,
            ),
        ),
        7,
    ),
    Edit(
        "indicator-dropped",
        "1 for the indicator",
        ((_LEMMA, r"(1 - \pi_\theta(a|s))", _LEMMA_PUT_IN),),
        4,
    ),
    Edit(
        "value-over-others",
        "the value as a sum over the other actions",
        ((r"\underbrace{\sum_{a' \in \mathcal{A}}", r"\underbrace{\sum_{a' \neq a}", 0),),
        9,
    ),
    Edit(
        "logarithm-lost",
        "pi for log pi in the definition of g: the term that is left out is not 0",
        ((r"\alpha \log \pi_\theta(a'|s)", r"\alpha \pi_\theta(a'|s)", 0),),
        3,
    ),
)


@dataclass(frozen=True)
class Planting:
    """What became of a planted mistake: `step` is the first that was refuted, if any."""

    edit: Edit
    step: int | None
    checked: Checked

    @property
    def caught(self) -> bool:
        """Whether the mistake was refuted where it is, and nothing before it."""
        return self.step == self.edit.step


def planted(text: str, edit: Edit) -> str:
    """Return a derivation of Eq. (6) with a mistake in it.

    Raises
    ------
    ValueError
        If the text does not have the formula that is edited.
    """
    for old, new, occurrence in edit.changes:
        pattern = r"\s*".join(map(re.escape, old.split()))
        found = [match.span() for match in re.finditer(pattern, text)]
        if len(found) <= occurrence:
            raise ValueError(f"no {old} to edit")
        start, end = found[occurrence]
        text = text[:start] + new + text[end:]
    return text


def outcomes(
    text: str | None = None, check: Callable[[str], Checked] | None = None
) -> Iterator[Planting]:
    """Plant every mistake, by default in the built-in derivation, and see what is refuted."""
    text = built_in() if text is None else text
    check = check or partial(check_text, witness=_Remembered())
    for edit in EDITS:
        checked = check(planted(text, edit))
        wrong = [
            number
            for number, decision in enumerate(checked.decisions, 1)
            if decision.status is Verdict.REFUTED
        ]
        yield Planting(edit, wrong[0] if wrong else None, checked)


class _Remembered:
    """The second engine, which is asked once for each claim: the edits leave most of them alone."""

    def __init__(self) -> None:
        self.known: list[tuple[Claim, tuple[int, ...]]] = []

    def __call__(self, claim: Claim) -> tuple[int, ...]:
        found = next((sizes for other, sizes in self.known if other == claim), None)
        if found is None:
            found = confirm(claim)
            self.known.append((claim, found))
        return found
