"""What was decided of a document, as the records of a report."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import msgspec

from softcheck import result
from softcheck.derive.check import Checked, Contradicted, Decision
from softcheck.derive.difference import difference
from softcheck.derive.expr import Condition, Sym
from softcheck.derive.givens import Given
from softcheck.derive.ladder import Gap, Proof
from softcheck.derive.points.refute import Refutation
from softcheck.derive.reading.claims import Line, Reading, placed
from softcheck.derive.spell import latex, unicode
from softcheck.result import Verdict
from softcheck.version import __version__


def report(checked: Checked, *, roles: bool = False, strict: bool = False) -> result.Derivation:
    """Return what was found as plain records.

    Parameters
    ----------
    checked : Checked
    roles : bool
        Whether to say what was made of every statement.
    strict : bool
        Whether no document is proved that has relations which are not checked.
    """
    document = _document(checked.reading)
    status = checked.status
    if strict and document.not_checked and status is Verdict.PROVED:
        status = Verdict.UNKNOWN
    lines = list(placed(checked.equalities))
    numbers = {id(line): number for number, line in enumerate(lines, 1)}
    return result.Derivation(
        schema_version=result.SCHEMA_VERSION,
        tool=result.Tool(name="softcheck", version=__version__),
        command="derive",
        status=status,
        givens=tuple(_given(given, checked.reading) for given in checked.context.givens),
        lines=tuple(_line(line, numbers[id(line)]) for line in lines),
        steps=tuple(
            _step(checked, position, numbers) for position in range(len(checked.decisions))
        ),
        document=document,
        roles=_roles(checked.reading) if roles else msgspec.UNSET,
    )


def together(documents: Sequence[result.DocumentReport]) -> result.Derivations:
    """Return the reports of several documents as one."""
    read = [each.report.status for each in documents if each.report is not None]
    return result.Derivations(
        schema_version=result.SCHEMA_VERSION,
        tool=result.Tool(name="softcheck", version=__version__),
        command="derive",
        status=max((each.status for each in documents), key=lambda status: status.severity),
        summary=result.DocumentSummary(
            documents=len(documents),
            proved=read.count(Verdict.PROVED),
            refuted=read.count(Verdict.REFUTED),
            unknown=read.count(Verdict.UNKNOWN),
            errors=tuple(each.error for each in documents if each.report is None),
        ),
        documents=tuple(documents),
    )


def _roles(reading: Reading) -> tuple[result.Role, ...]:
    return tuple(result.Role(**asdict(role)) for role in reading.roles)


def _document(reading: Reading) -> result.Document:
    """Return what was made of the formulas; where no roles were noted, what came of them."""
    kinds = [role.kind for role in reading.roles]
    if not kinds:
        unread = sum(equality.left is equality.right for equality in reading.equalities)
        kinds += ["unread"] * unread
        kinds += ["claim"] * (len(reading.equalities) - unread)
        kinds += ["definition"] * len(reading.definitions)
        kinds += ["condition"] * len(reading.conditions)
    return result.Document(
        formulas=reading.formulas,
        claims=kinds.count("claim"),
        definitions=kinds.count("definition"),
        conditions=kinds.count("condition"),
        not_checked=kinds.count("not checked"),
        unread=kinds.count("unread"),
        off=reading.off,
    )


def _given(given: Given, document: Reading) -> result.Given:
    reading = given.text
    stated = document.definitions.get(given.name) if given.source == "document" else None
    if given.definition is not None:
        symbol = Sym(given.definition.name, given.definition.params)
        reading = f"{unicode(symbol)} := {unicode(given.definition.body)}"
    return result.Given(
        name=given.name,
        latex=given.text if given.definition is not None else "",
        reading=reading,
        source=given.source,
        source_line=given.source_line,
        words="" if stated is None else stated.words,
        sure=stated is None or stated.sure,
        note=given.note,
    )


def _line(line: Line, number: int) -> result.Line:
    return result.Line(
        number=number,
        source_line=line.source_line,
        source_column=line.column,
        latex=line.latex,
        reading=None if line.tree is None else unicode(line.tree),
    )


def _step(checked: Checked, position: int, numbers: dict[int, int]) -> result.Step:
    decision = checked.decisions[position]
    equality, found = decision.equality, decision.found
    proof = found if isinstance(found, Proof) else None
    return result.Step(
        number=position + 1,
        from_line=numbers[id(equality.left)],
        relation=equality.relation,
        to_line=numbers[id(equality.right)],
        source_line=equality.source_line,
        conditions=tuple(map(_condition, equality.conditions)),
        status=decision.status,
        needs=() if proof is None else proof.words,
        gap=None if proof is None or proof.gap is None else _gap(proof.gap),
        counterexample=_point(found),
        difference=_difference(checked, found),
        reason=_reason(checked.decisions, position),
    )


def _condition(condition: Condition) -> str:
    return f"{condition.left} {condition.relation} {condition.right}"


def _reason(decisions: Sequence[Decision], position: int) -> str:
    match decisions[position].found:
        case str() as reason:
            return reason
        case Contradicted(_, reason):
            return reason
        case _:
            return _blame(decisions, position)


def _blame(decisions: Sequence[Decision], position: int) -> str:
    """Say of a refuted step whether its line is wrong, or only carries on from here."""
    if decisions[position].status is not Verdict.REFUTED:
        return ""
    line = decisions[position].equality.right
    following = [d for d in decisions if d.equality.left is line]
    before = [d for d in decisions if d.equality.right is decisions[position].equality.left]
    if any(d.status is Verdict.REFUTED for d in following):
        return "the steps to this line and from it both fail: this line is wrong"
    if any(d.status is Verdict.REFUTED for d in before):
        return "the line before it is wrong"
    if following:
        return "the error starts here and is carried on"
    return "the two sides differ"


def _gap(gap: Gap) -> result.Gap:
    return result.Gap(
        latex=latex(gap.term),
        reading=unicode(gap.term),
        proof=tuple(
            result.GapStage(by=stage.by.words, latex=latex(stage.left), reading=unicode(stage.left))
            for stage in gap.stages
        ),
    )


def _refutation(found: Proof | Refutation | Contradicted | str) -> Refutation | None:
    """Return the counterexample, whatever it is one to."""
    match found:
        case Refutation():
            return found
        case Contradicted():
            return found.refutation
        case Proof() | str():
            return None


def _difference(
    checked: Checked, found: Proof | Refutation | Contradicted | str
) -> result.Formula | None:
    """Return by what the sides differ, where there is a counterexample and it is short."""
    refutation = _refutation(found)
    if refutation is None:
        return None
    claim = refutation.claim
    known = replace(
        checked.context,
        definitions=claim.definitions,
        positive=claim.positive,
        ones=claim.ones,
    )
    by = difference(claim.left, claim.right, claim.conditions, known)
    return None if by is None else result.Formula(latex=latex(by), reading=unicode(by))


def _point(found: Proof | Refutation | Contradicted | str) -> result.Counterexample | None:
    refutation = _refutation(found)
    if refutation is None:
        return None
    values: dict[str, object] = {}
    for name, entries in refutation.point.tables.items():
        numbers = [float(value) for value in entries.values()]
        values[name] = numbers[0] if () in entries else numbers
    return result.Counterexample(
        actions=refutation.point.actions,
        indices={name: action + 1 for name, action in refutation.point.indices.items()},
        values=values,
        left=refutation.left,
        right=refutation.right,
        difference=(refutation.low, refutation.high),
    )
