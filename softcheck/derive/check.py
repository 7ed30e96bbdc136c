"""A document to decisions: every equality gets a verdict, and the grounds for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from softcheck.derive.expr import Num, Sym
from softcheck.derive.givens import Basis, basis
from softcheck.derive.kernel.theorems import Lemma, Proved, lemma
from softcheck.derive.ladder import Ladder, Proof
from softcheck.derive.limits import WORK
from softcheck.derive.points.evaluate import NoValueError
from softcheck.derive.points.refute import Claim, Refutation, refute
from softcheck.derive.points.witness import confirm
from softcheck.derive.reading.claims import Equality, Reading
from softcheck.derive.reading.notation.vocabulary import is_fixed
from softcheck.derive.reading.reader import read
from softcheck.errors import InputError, NothingToCheckError
from softcheck.result import Verdict

Witness = Callable[[Claim], tuple[int, ...]]
"""The second engine: the numbers of actions at which it agrees that a claim holds."""


@dataclass(frozen=True)
class Contradicted:
    """A counterexample to a claim whose reading is not sure: it accuses nobody.

    Attributes
    ----------
    refutation : Refutation
    reason : str
        What is not sure.
    """

    refutation: Refutation
    reason: str


@dataclass(frozen=True)
class Decision:
    """What was found of one equality, which is its verdict.

    Attributes
    ----------
    equality : Equality
    found : Proof, Refutation, Contradicted or str
        The reason where it is none of them.
    spent : int
        The products of terms that it took.

    Raises
    ------
    ValueError
        If the proof or the refutation is that of something else.
    """

    equality: Equality
    found: Proof | Refutation | Contradicted | str
    spent: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.found, str):
            return
        about = _about(self.found)
        left, right = self.equality.left.tree, self.equality.right.tree
        if (about.left, about.right, about.conditions) != (left, right, self.equality.conditions):
            raise ValueError(f"what was found is not about line {self.equality.source_line}")

    @property
    def status(self) -> Verdict:
        """The verdict: proved by the kernel, refuted at a point, or neither."""
        match self.found:
            case Proof():
                return Verdict.PROVED
            case Refutation():
                return Verdict.REFUTED
            case Contradicted() | str():
                return Verdict.UNKNOWN


def _about(found: Proof | Refutation | Contradicted) -> Proved | Claim:
    """Return what a proof or a counterexample is of."""
    match found:
        case Proof():
            return found.proved
        case Refutation():
            return found.claim
        case Contradicted():
            return found.refutation.claim


@dataclass(frozen=True)
class Checked:
    """A document that was decided, before it is a report.

    Attributes
    ----------
    reading : Reading
    context : Basis
    decisions : tuple of Decision
        One for each equality, in the order of the text.
    """

    reading: Reading
    context: Basis
    decisions: tuple[Decision, ...]

    @property
    def equalities(self) -> tuple[Equality, ...]:
        """The equalities as they were decided."""
        return tuple(decision.equality for decision in self.decisions)

    @property
    def status(self) -> Verdict:
        """The worst of all."""
        return max((d.status for d in self.decisions), key=lambda status: status.severity)


def check(
    text: str,
    *,
    name: str = "derivation",
    givens: str | None = None,
    lines: Sequence[tuple[int, int]] = (),
    witness: Witness = confirm,
) -> Checked:
    """Decide every equality of a document.

    Parameters
    ----------
    text : str
        LaTeX, also inside of Markdown or plain text.
    name : str
        For messages.
    givens : str, optional
        A document of definitions that outrank those of `text`.
    lines : sequence of (first, last)
        Those of `text` that are read, counted from 1; none for all of them.
    witness : callable
        The second engine.

    Raises
    ------
    NothingToCheckError
        If there is no equality.
    InputError
        If `givens` holds something else than definitions.
    softcheck.derive.points.witness.DisagreementError
        If the two engines contradict each other.
    """
    extra = None if givens is None else _definitions(givens)
    reading = read(text, known=extra.definitions if extra else {}, lines=lines)
    if not reading.equalities:
        found = "no formula" if not reading.formulas else "formulas without an equality to decide"
        raise NothingToCheckError(
            name, found, "at least one equation in $...$, $$...$$, \\[...\\] or an environment",
            "Give the LaTeX of the derivation.",
        )  # fmt: skip
    known = basis(reading, extra)
    decisions: list[Decision] = []
    lemmas: list[Lemma] = []
    spent = 0
    for equality in reading.equalities:
        if spent > WORK:
            reason = "the document takes more work than is allowed, give a part of it"
            decisions.append(Decision(equality, reason))
            continue
        decision = decide(equality, known, lemmas, witness)
        spent += decision.spent
        if decision.status is not Verdict.PROVED and equality.head is not None:
            # The chain that it would go on may be wrong itself.
            alone = replace(equality, left=equality.head, head=None)
            again = decide(alone, known, lemmas, witness)
            decision = again if again.status is Verdict.PROVED else decision
        decisions.append(decision)
        name = f"line {decision.equality.source_line}"
        if isinstance(decision.found, Proof) and all(other.name != name for other in lemmas):
            stated = lemma(decision.found.proved, name)
            lemmas += [stated] if stated is not None else []
    return Checked(reading, known, tuple(decisions))


def _definitions(text: str) -> Reading:
    reading = read(text, force=True)
    if reading.equalities:
        first = reading.equalities[0]
        raise InputError(
            f"--givens, line {first.source_line}",
            first.problem or f"a claim, {first.left.latex} = {first.right.latex}",
            "definitions only, such as $g(a) = Q(a) - \\alpha \\log \\pi(a)$",
            "Write one symbol on the left of each equation.",
        )
    return reading


def decide(equality: Equality, known: Basis, lemmas: Sequence[Lemma], witness: Witness) -> Decision:
    """Return the verdict on one equality; whatever goes wrong is unknown, with its reason."""
    left, right = equality.left.tree, equality.right.tree
    if equality.problem or left is None or right is None:
        return Decision(equality, equality.problem)
    misused = known.misused(left, right)
    if misused:
        return Decision(equality, misused)
    claim = Claim(left, right, known.definitions, equality.conditions, known.positive, known.ones)
    ladder = Ladder(left, right, equality.conditions, known, lemmas)
    try:
        proof = ladder.climb()
        if proof is not None:
            if not witness(claim):
                reason = "the second engine finds no number of actions to confirm it at"
                return Decision(equality, reason)
            return Decision(equality, proof, ladder.spent)
        found = _not_proved(equality, claim, known, ladder.outside, lemmas, witness)
        return Decision(equality, found, ladder.spent)
    except RecursionError:
        return Decision(equality, "formulas nested too deeply")


def _not_proved(
    equality: Equality,
    claim: Claim,
    known: Basis,
    outside: str,
    lemmas: Sequence[Lemma],
    witness: Witness,
) -> Refutation | Contradicted | str:
    """Return the counterexample, or the reason why there is none that counts."""
    missing = known.undefined(claim.left, claim.right)
    unread = equality.unread or known.unread
    if missing:
        have = "has" if len(missing) == 1 else "have"
        unread = f"{' and '.join(missing)} {have} no definition"
    elif (free := _set_free(claim, known)) is not None:
        unread = f"{free} is free here; a value of it can be stated with --givens"
    elif not unread and equality.hints:
        under = (*equality.conditions, *equality.hints)
        proof = Ladder(claim.left, claim.right, under, known, lemmas).climb()
        # Words that speak of both cases exclude each other, and anything holds under them.
        if proof is not None and witness(replace(claim, conditions=under)):
            said = " and ".join(f"{c.left} {c.relation} {c.right}" for c in equality.hints)
            unread = f"it holds where {said}; write that behind the equation if it is meant"
    if unread:
        return unread
    try:
        refutation = refute(claim)
    except NoValueError as error:
        return str(error)
    if refutation is not None and not equality.sure:
        return Contradicted(refutation, "contradicted, but it is not sure that it is claimed")
    if refutation is not None:
        return refutation
    if outside:
        return f"outside of what can be decided: {outside}"
    return "neither proved nor contradicted at any point that was tried"


def _set_free(claim: Claim, known: Basis) -> str | None:
    """Return the free quantity that a claim only gives a value to, if it does no more."""
    for side, other in ((claim.left, claim.right), (claim.right, claim.left)):
        if isinstance(side, Sym) and side.name in known.constants:
            number = side is claim.left and isinstance(other, Num)
            if number or (is_fixed(side.name) and isinstance(other, Sym)):
                return side.name
    return None
