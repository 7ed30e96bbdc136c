"""How the parts of a derivation's report are put into words, for every format for people."""

from collections.abc import Sequence

from softcheck.errors import printable
from softcheck.report.words import number, plural, size
from softcheck.result import (
    Counterexample,
    Derivation,
    Derivations,
    Deviation,
    Document,
    DocumentReport,
    Given,
    OnData,
    Role,
    Status,
    Step,
    Verdict,
)

_FORMULA = 2_000
_REASON = 500


def formula(reading: str | None, latex: str) -> str:
    """Return a line as it was read, or as it stands in the document where it was not."""
    return printable(latex if reading is None else reading, _FORMULA)


def formulas(report: Derivation, step: Step) -> tuple[str, str]:
    """Return both sides of a step: as they were read, unless that tells them not apart."""
    left, right = (report.lines[number - 1] for number in (step.from_line, step.to_line))
    if left.reading == right.reading:
        return formula(None, left.latex), formula(None, right.latex)
    return formula(left.reading, left.latex), formula(right.reading, right.latex)


def equality(report: Derivation, step: Step) -> str:
    """Return what a step claims, and where."""
    left, right = formulas(report, step)
    return f"{left} {step.relation} {right}{conditions(step)}"


def conditions(step: Step) -> str:
    """Return where a step is to hold, to stand behind it; nothing if that is everywhere."""
    return f" for {printable(listed(step.conditions), _REASON)}" if step.conditions else ""


def document(found: Document) -> str:
    """Return how many formulas a document has, and what was made of them."""
    parts = [
        f"{count} {plural(word, count)}"
        for count, word in (
            (found.claims, "claim"),
            (found.definitions, "definition"),
            (found.conditions, "condition"),
        )
        if count
    ]
    total = f"{found.formulas} {plural('formula', found.formulas)}"
    return ", ".join([total, *parts, *left_out(found)])


def roles(report: Derivation) -> tuple[Role, ...]:
    """Return what was made of every statement, where that was asked for."""
    return report.roles if isinstance(report.roles, tuple) else ()


def role(found: Role) -> str:
    """Return what was made of a statement, by which form, and what was understood."""
    form = printable(": ".join(filter(None, (found.form, found.why))), _REASON)
    said = f"{found.kind} ({form})" if form else found.kind
    return f"{said}: {printable(found.reading, _FORMULA)}" if found.reading else said


def left_out(found: Document) -> list[str]:
    """Return what of a document no verdict covers."""
    relations = f"{plural('relation', found.not_checked)} not checked"
    counts = ((found.not_checked, relations), (found.unread, "unread"), (found.off, "switched off"))
    return [f"{count} {what}" for count, what in counts if count]


def counts(report: Derivation) -> str:
    """Return how many equalities there are, and how many of them ended how."""
    total = len(report.steps)
    parts = [
        f"{found} {verdict.value}"
        for verdict in (Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN)
        if (found := sum(step.status is verdict for step in report.steps))
    ]
    return f"{total} {plural('equality', total)}: {', '.join(parts)}"


def summary(report: Derivation) -> str:
    """Return how many equalities ended how, and what no verdict covers, on one line."""
    return "; ".join([counts(report), *left_out(report.document)])


def tally(report: Derivations) -> str:
    """Return how many documents there are, and how many of them ended how."""
    found = report.summary
    parts = {
        "proved": found.proved,
        "refuted": found.refuted,
        "unknown": found.unknown,
        "unreadable": len(found.errors),
    }
    ended = ", ".join(f"{count} {word}" for word, count in parts.items() if count)
    return f"{found.documents} {plural('document', found.documents)}: {ended}"


def worst_first(report: Derivations) -> list[DocumentReport]:
    """Return the documents: those that could not be read, the refuted, the unknown, the proved."""
    ranked = sorted(report.documents, key=lambda each: each.status.severity, reverse=True)
    return sorted(ranked, key=lambda each: each.report is not None)


def needs(step: Step) -> str:
    """Return what a proved step needs."""
    return "by algebra alone" if not step.needs else f"with {listed(step.needs)}"


def listed(words: Sequence[str]) -> str:
    """Return words in a row."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def source(given: Given) -> str:
    """Return where something that is given comes from."""
    if given.source == "default":
        return "default"
    place = "--givens, " if given.source == "givens" else ""
    words = f": {printable(given.words, _REASON)}" if given.words else ""
    weak = "" if given.sure else f", taken as the definition of {printable(given.name)}"
    return f"{place}line {given.source_line}{words}{weak}"


def point(found: Counterexample) -> str:
    """Return where a counterexample is."""
    parts = [f"n = {found.actions}"]
    parts += [f"{name} = {action}" for name, action in found.indices.items()]
    for name, values in sorted(found.values.items()):
        if isinstance(values, list):
            parts.append(f"{name} = ({', '.join(map(_plain, values))})")
        else:
            parts.append(f"{name} = {_plain(values)}")
    return ", ".join(parts)


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else number(value)


def sides(found: Counterexample) -> str:
    """Return both values of a counterexample."""
    return f"left {found.left:.12g}, right {found.right:.12g}, certified by interval arithmetic"


def only_here(report: Derivation, step: Step) -> tuple[str, ...]:
    """Return the facts that close a gap and that no other step needs."""
    if step.gap is None:
        return ()
    others = {need for other in report.steps if other is not step for need in other.needs}
    return tuple(stage.by for stage in step.gap.proof if stage.by not in others)


def verdict(report: Derivation, step: Step) -> str:
    """Return the verdict on a step and the grounds for it, on one line."""
    colon = "" if step.status is Verdict.PROVED else ":"
    where = conditions(step)
    return f"step {step.number} {step.status.value}{where}{colon} {grounds(report, step)}"


def grounds(report: Derivation, step: Step) -> str:
    """Return what the verdict on a step rests on, on one line."""
    if step.status is not Verdict.PROVED:
        return "; ".join(trouble(report, step))
    said = needs(step)
    if step.gap is None:
        return said
    only = only_here(report, step)
    why = listed([stage.by for stage in step.gap.proof])
    said += f"; it leaves out {formula(step.gap.reading, step.gap.latex)}, which is 0 by {why}"
    return f"{said}; only this step needs {listed(only)}" if only else said


def trouble(report: Derivation, step: Step) -> tuple[str, ...]:
    """Return what is to be said of a step that is not proved: its counterexample, its reason."""
    found = step.counterexample
    reason = printable(step.reason, _REASON)
    if found is None:
        return (reason,)
    doubtful = step.status is Verdict.UNKNOWN
    reading = f"contradicted under the reading {equality(report, step)}: " if doubtful else ""
    at = f"at {printable(point(found), _FORMULA)}"
    return (f"{reading}{sides(found)}", at, *differing(step), reason)


def differing(step: Step) -> list[str]:
    """Return by what the two sides of a step differ for every n, where that is short."""
    by = step.difference
    return [] if by is None else [f"left − right = {formula(by.reading, by.latex)}"]


def deviation(found: Deviation) -> str:
    """Return how far a line is from the first line of its chain."""
    drawn = " (sampled)" if found.sampled else ""
    at = f" at [{', '.join(map(str, found.location))}]" if found.location else ""
    entries = f"{found.entries} {plural('entry', found.entries)}"
    return f"line {found.line}{drawn}: {size(found.worst)} tolerances{at}, {entries}"


def on_data(on: OnData) -> str:
    """Return the verdict on the lines on data."""
    said = {
        Status.PASSED: "agrees with the first line of its chain within rounding",
        Status.FAILED: "does not agree with the first line of its chain",
        Status.INCONCLUSIVE: "cannot be told from the first line of its chain, for rounding",
    }[on.status if on.status is not Status.ERROR else Status.FAILED]
    every = "every proved line" if on.status is Status.PASSED else "a line"
    return f"{every} {said}"
