"""A document to decisions: every equality gets a verdict, and the grounds for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from softcheck.derive.expr import Num, Size, Sym, walk
from softcheck.derive.givens import Basis, basis
from softcheck.derive.kernel.theorems import Lemma, Proved, lemma
from softcheck.derive.ladder import Ladder, Proof
from softcheck.derive.limits import WORK
from softcheck.derive.points.evaluate import NoValueError
from softcheck.derive.points.possible import possible
from softcheck.derive.points.refute import Claim, Refutation, refute
from softcheck.derive.points.witness import DisagreementError, confirm
from softcheck.derive.reading.claims import Equality, Reading
from softcheck.derive.reading.notation.vocabulary import is_fixed
from softcheck.derive.reading.reader import read
from softcheck.derive.variables import entangled, freed
from softcheck.errors import InputError, NothingToCheckError, printable
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
    weak : set of str
        The symbols whose definitions may be none; empty where something else is not sure.
    """

    refutation: Refutation
    reason: str
    weak: frozenset[str] = frozenset()


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
    disputed : bool
        Whether the engines contradict each other about it: a defect of softcheck.

    Raises
    ------
    ValueError
        If the proof or the refutation is that of something else.
    """

    equality: Equality
    found: Proof | Refutation | Contradicted | str
    spent: int = 0
    disputed: bool = False

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

    def insist(self) -> None:
        """Raise what the engines contradict each other about, once the report is out.

        Raises
        ------
        softcheck.derive.points.witness.DisagreementError
        """
        for decision in self.decisions:
            if decision.disputed:
                place = f"line {decision.equality.source_line}"
                raise DisagreementError(f"{place}: {decision.found}")


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
    """
    extra = None if givens is None else _definitions(givens)
    reading = read(text, known=extra.definitions if extra else {}, lines=lines)
    if not reading.equalities:
        reading = _restating(reading)
    if not reading.equalities:
        found = "no formula" if not reading.formulas else "formulas without an equality to decide"
        raise NothingToCheckError(
            name, found, "at least one equation in $...$, $$...$$, \\[...\\] or an environment",
            "Give the LaTeX of the derivation.",
        )  # fmt: skip
    known = _basis(reading, extra)
    decisions: list[Decision] = []
    lemmas: list[Lemma] = []
    reached: set[int] = set()
    sound: set[int] = set()
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
            wrong = id(equality.left) not in sound
            decision = again if wrong or again.status is Verdict.PROVED else decision
        decisions.append(decision)
        starts = id(equality.left) not in reached or id(equality.left) in sound
        reached.add(id(equality.right))
        if decision.status is Verdict.PROVED and starts:
            sound.add(id(equality.right))
        name = f"line {decision.equality.source_line}"
        if isinstance(decision.found, Proof) and all(other.name != name for other in lemmas):
            stated = lemma(decision.found.proved, name)
            lemmas += [stated] if stated is not None else []
    return Checked(reading, known, tuple(_corroborated(decisions)))


def _basis(reading: Reading, extra: Reading | None) -> Basis:
    """Return what is known, without the defaults of symbols of which the text says more.

    What it says more competes with nothing if it holds anyway.
    """
    known = basis(reading, extra)
    disputed: dict[str, str] = {}
    replaced: set[str] = set()
    for said in reading.aside:
        equality = said.equality
        if equality is None or not _holds(equality, known):
            disputed |= dict.fromkeys(said.names - disputed.keys(), said.why)
            replaced |= said.names if said.replaces else set()
    return basis(reading, extra, disputed, replaced) if disputed else known


def _restating(reading: Reading) -> Reading:
    """Return a document that only defines, with what it says of defaults as claims."""
    known = basis(replace(reading, definitions={}, equalities=reading.restated))
    agreeing = [equality for equality in reading.restated if _holds(equality, known)]
    if not agreeing:
        return reading
    names = {symbol.name for e in agreeing for symbol in [e.left.tree] if isinstance(symbol, Sym)}
    kept = {name: stated for name, stated in reading.definitions.items() if name not in names}
    return replace(reading, definitions=kept, equalities=agreeing)


def _holds(equality: Equality, known: Basis) -> bool:
    left, right = equality.left.tree, equality.right.tree
    if left is None or right is None or equality.problem or known.misused(left, right):
        return False
    try:
        return Ladder(left, right, equality.conditions, known, ()).climb() is not None
    except RecursionError:
        return False


def _corroborated(decisions: Sequence[Decision]) -> list[Decision]:
    """Let counterexamples count where all that was not sure is a definition that proofs need.

    A definition by which another claim of the document was proved is the one that is meant.
    """
    proofs = [d.found for d in decisions if isinstance(d.found, Proof)]
    needed = {ground.name for p in proofs for ground in p.needs if ground.kind == "definition"}
    return [
        replace(decision, found=decision.found.refutation)
        if isinstance(decision.found, Contradicted)
        and decision.found.weak
        and decision.found.weak <= needed
        else decision
        for decision in decisions
    ]


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
    try:
        return _decided(equality, known, lemmas, witness)
    except RecursionError:
        return Decision(equality, "formulas nested too deeply")
    except DisagreementError as error:
        return Decision(equality, f"internal error: {error}", disputed=True)
    except Exception as error:  # the trouble of one step costs no other
        return Decision(equality, f"internal error: {type(error).__name__}: {printable(error)}")


def _decided(
    equality: Equality, known: Basis, lemmas: Sequence[Lemma], witness: Witness
) -> Decision:
    left, right = equality.left.tree, equality.right.tree
    if equality.problem or left is None or right is None:
        return Decision(equality, equality.problem)
    tangle, known = entangled(known, left, right), freed(known, left, right)
    misused = known.misused(left, right) or tangle
    if misused:
        return Decision(equality, misused)
    claim = Claim(left, right, known.definitions, equality.conditions, known.positive, known.ones)
    ladder = Ladder(left, right, equality.conditions, known, lemmas)
    found: Proof | Refutation | Contradicted | str | None = ladder.climb()
    if isinstance(found, Proof):
        if not witness(claim):
            found = "the second engine finds no number of actions to confirm it at"
        elif not possible(claim, found.hypotheses):
            found = found.vacuous
    else:
        found = _not_proved(equality, claim, known, ladder.outside)
    return Decision(equality, found, ladder.spent)


def _not_proved(
    equality: Equality,
    claim: Claim,
    known: Basis,
    outside: str,
) -> Refutation | Contradicted | str:
    """Return the counterexample, or the reason why there is none that counts."""
    reason = equality.unread
    if known.freed and not reason:
        have = "has a definition" if len(known.freed) == 1 else "have definitions"
        reason = f"a derivative by {' and '.join(sorted(known.freed))}, which {have}"
    missing = known.undefined(claim.left, claim.right)
    if missing:
        have = "has" if len(missing) == 1 else "have"
        said = [f", {known.disputed[name]} says something of it" for name in missing
                if name in known.disputed]  # fmt: skip
        reason = f"{' and '.join(missing)} {have} no definition{''.join(said[:1])}"
    elif not reason and (free := _set_free(claim, known)) is not None:
        reason = f"{free} is free here; a value of it can be stated with --givens"
    if reason:
        return reason
    try:
        refutation = refute(claim)
    except NoValueError as error:
        return str(error)
    if refutation is not None:
        return _accused(equality, refutation, known)
    if outside:
        return f"outside of what can be decided: {outside}"
    return "neither proved nor contradicted at any point that was tried"


def _accused(equality: Equality, refutation: Refutation, known: Basis) -> Refutation | Contradicted:
    """Return a counterexample, with what is not sure of the claim or of what it rests on."""
    claim = refutation.claim
    if not equality.sure:
        why = f"for the words {equality.doubt!r}" if equality.doubt else "from its form"
        reason = f"contradicted as it is read, but {why} it is not sure that it is claimed"
        return Contradicted(refutation, reason)
    names = known.symbols(claim.left, claim.right)
    if any(isinstance(node, Size) for side in (claim.left, claim.right) for node in walk(side)):
        names |= {"n"}
    for name in sorted(names & known.disputed.keys()):
        reason = f"contradicted as it is read, but {known.disputed[name]} says more of {name}"
        return Contradicted(refutation, reason)
    weak = {given.name: given.source_line for given in known.givens if not given.sure}
    rests = sorted(names & weak.keys())
    if rests:
        said = " and ".join(f"line {weak[name]} for the definition of {name}" for name in rests)
        return Contradicted(refutation, f"contradicted if one takes {said}", frozenset(rests))
    return refutation


def _set_free(claim: Claim, known: Basis) -> str | None:
    """Return the free quantity that a claim only gives a value to, if it does no more."""
    for side, other in ((claim.left, claim.right), (claim.right, claim.left)):
        if isinstance(side, Sym) and side.name in known.constants:
            number = side is claim.left and isinstance(other, Num)
            if number or (is_fixed(side.name) and isinstance(other, Sym)):
                return side.name
    return None
