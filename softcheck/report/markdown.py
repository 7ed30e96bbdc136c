"""The report in GitHub's Markdown, for the summary of a workflow's step.

Whatever comes from a file is either a code span, in which nothing has a meaning, or a sentence in
which every character that could have one is escaped.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from softcheck.errors import printable
from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.words import (
    CHECK_COLUMNS,
    FINDING_COLUMNS,
    advice,
    by_severity,
    deciding,
    declared,
    dumped,
    errors_of,
    finding_row,
    found_in,
    grounds,
    index,
    judged,
    loss_lines,
    name,
    named,
    reserved,
    resolution,
    sentence,
    size,
    tally,
    to_change,
    to_declare,
    to_learn,
)
from softcheck.result import (
    Case,
    Check,
    Derivation,
    Derivations,
    Diagnosis,
    LossReading,
    OnData,
    Report,
    Status,
    Verdict,
)

_BYTES = 1_000_000
"""What the parts of a page may add up to; a summary of more than 1 MiB is not shown at all."""

_ROWS = 500
"""Rows of a table that lists all cases or all steps."""

_LISTED = 20
"""Findings, diagnoses or notes of one case."""

_FORMULA = 300
"""Characters of an equality in a table."""

_SPECIAL = re.compile(
    r"(?P<refers>[@#]+)|(?P<ends>[`|$])|[\\*_{}\[\]<>!~&]|:(?=//)|(?<=www)\.", re.IGNORECASE
)
"""What could refer to someone, what could end a span or a cell, and what else could be a mark."""


class _Page:
    """A document in the making, which takes a part only if it still fits."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _BYTES

    def add(self, part: str) -> bool:
        """Take a part; return whether it fitted."""
        size = len(part.encode())
        if size > self._room:
            return False
        self._room -= size
        self._parts.append(part)
        return True

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], of_what: str) -> None:
        """Take the first rows of a table, and say how many are left out."""
        self.add(_table(headings, ()))
        self.take(map(_row, rows[:_ROWS]), len(rows), of_what)

    def take(self, parts: Iterable[str], total: int, of_what: str) -> None:
        """Take parts up to the first that does not fit, and say how many of all are left out.

        There is always room to say that.
        """
        shown = sum(1 for _ in takewhile(self.add, parts))
        self._parts.append(_left_out(total - shown, of_what))

    def __str__(self) -> str:
        return "".join(self._parts)


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  Markdown has one style
    """Return the verdict, a table of the cases, and the details of those that did not pass.

    The worst cases come first. The details of a single case are there even if it passed.
    """
    errors = {id(report.cases[at]): error for at, error in errors_of(report).items()}
    cases = by_severity(report.cases)
    page = _Page()
    page.add(f"## softcheck: {report.status.value}\n\n{tally(report)}.\n")
    if len(cases) > 1:
        rows = [
            (_code(name(case.name)), _verdict(case.status), _text(grounds(case))) for case in cases
        ]
        page.table(("case", "verdict", "grounds"), rows, "cases")
    detailed = [case for case in cases if case.status is not Status.PASSED or len(cases) == 1]
    sections = (_details(case, errors.get(id(case))) for case in detailed)
    page.take(sections, len(detailed), "cases with their details")
    return str(page)


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  Markdown has one style
    """Return the verdict, a table of the steps, and what was found on data if that was asked."""
    page = _Page()
    page.add(f"## softcheck: {report.status.value}\n\n")
    _derivation(page, report, document)
    return str(page)


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  Markdown has one style
    """Return the verdict, a table of the documents, and the steps of each, the worst first."""
    page = _Page()
    page.add(f"## softcheck: {report.status.value}\n\n{derived.tally(report)}.\n")
    documents = derived.worst_first(report)
    rows = [
        (_code(name(each.name)), _verdict(Status.ERROR), _text(each.error))
        if each.report is None
        else (_code(name(each.name)), _verdict(each.status), derived.summary(each.report))
        for each in documents
    ]
    page.table(("document", "verdict", "grounds"), rows, "documents")
    for each in documents:
        if each.report is not None:
            page.add(f"\n### {_code(name(each.name))}: {each.status.value}\n\n")
            _derivation(page, each.report, each.name)
    return str(page)


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  Markdown has one style
    """Return the verdict, and a table of what there is to say of each variant."""
    page = _Page()
    heading = losses.heading(report)
    about = f", {_text(heading)}" if heading else ""
    page.add(f"## softcheck: {report.status.value}\n\n{_code(name(report.loss))}{about}.\n")
    for variant in report.variants:
        rows = [(what, _code(fact)) for what, fact in losses.facts(variant)]
        page.table(("what", "as it was read"), rows, "facts")
    return str(page)


def _derivation(page: _Page, report: Derivation, document: str) -> None:
    """Add what there is to say of a document."""
    page.add(
        f"{_code(name(document))}: {derived.counts(report)}. {report.status.advice}\n\n"
        f"{derived.document(report.document)}.\n"
    )
    rows = [
        (
            str(step.number),
            str(step.source_line),
            _code(printable(derived.equality(report, step), _FORMULA)),
            _verdict(step.status),
            _text(derived.grounds(report, step)),
        )
        for step in report.steps
    ]
    page.table(("step", "line", "equality", "verdict", "why"), rows, "steps")
    page.add(_givens(report))
    roles = derived.roles(report)
    if roles:
        read = [
            (
                str(role.source_line),
                _code(printable(role.latex, _FORMULA)),
                _text(derived.role(role)),
            )
            for role in roles
        ]
        page.table(("line", "formula", "read as"), read, "formulas")
    if isinstance(report.on, OnData):
        page.take([_on_data(report.on)], 1, "case with the lines on data")


def _givens(report: Derivation) -> str:
    """Return what a derivation takes for granted."""
    listed = "".join(
        f"- {_code(derived.formula(given.reading, given.latex))} ({_text(derived.source(given))})\n"
        for given in report.givens[:_LISTED]
    )
    left_out = _left_out(len(report.givens) - _LISTED, "givens")
    return f"\n### given\n\n{listed}{left_out}" if listed else ""


def _details(case: Case, error: str | None) -> str:
    """Return the section of a case: diagnosis, checks, why they did not pass, findings, notes."""
    parts = [f"\n### {_code(name(case.name))}: {case.status.value}{_text(reserved(case))}\n"]
    if error is not None:
        return f"{parts[0]}\n{_text(error)}\n"
    parts += [_found(*each) for each in islice(found_in(case), _LISTED)]
    parts.append(_left_out(len(case.diagnosis) - _LISTED, "diagnoses"))
    parts.append(f"\n{declared(case)}. {advice(case)}\n")
    parts += [f"\n{_code(line)}\n" for line in (*loss_lines(case), *dumped(case))]
    parts.append(_checks(case.checks))
    parts.append(_bullets([*map(judged, deciding(case))], "reasons"))
    if case.findings:
        parts.append(_findings(case))
    parts.append(_bullets([f"note: {note}" for note in case.notes], "notes"))
    return "".join(parts)


def _checks(checks: Sequence[Check]) -> str:
    rows = []
    for check in checks:
        worst = check.worst
        ratio = "" if worst is None else size(worst.ratio)
        at = "" if worst is None else _code(index(worst.location))
        counts = (str(check.entries), str(check.blind))
        verdict = _verdict(check.status)
        rows.append((check.name, verdict, *counts, ratio, at, *resolution(check.resolution)))
    return _table(CHECK_COLUMNS, rows)


def _found(diagnosis: Diagnosis, is_said: bool) -> str:
    """Return what the mistake is, and what to do about it."""
    parts = [f"\n**Found: {_text(named(diagnosis))}.** {_text(diagnosis.grounds)}.\n"]
    if not is_said:
        return parts[0]
    for remedy in diagnosis.remedies:
        if said := to_declare(remedy):
            parts.append(f"\n{_text(said)}\n")
        parts.append("\n```diff\n" + "".join(f"{line}\n" for line in to_change(remedy)) + "```\n")
    parts.append(f"\n{_code(to_learn(diagnosis))}\n")
    return "".join(parts)


def _findings(case: Case) -> str:
    findings = case.findings
    shown = (finding_row(case, found) for found in findings[:_LISTED])
    rows = [(check, _code(at), *numbers) for check, at, *numbers in shown]
    return _table(FINDING_COLUMNS, rows) + _left_out(len(findings) - len(rows), "findings")


def _on_data(on: OnData) -> str:
    """Return the section of the lines on data."""
    deviations = [derived.deviation(found) for found in on.deviations]
    parts = [f"\n### {_code(name(on.case))}: {on.status.value}\n\n{derived.on_data(on)}.\n"]
    parts.append(_bullets(deviations, "lines"))
    parts.append(_bullets([f"note: {note}" for note in on.notes], "notes"))
    return "".join(parts)


def _bullets(sentences: Sequence[str], of_what: str) -> str:
    """Return the first of some sentences as a list."""
    listed = "".join(f"- {_text(said)}\n" for said in sentences[:_LISTED])
    return f"\n{listed}{_left_out(len(sentences) - _LISTED, of_what)}" if listed else ""


def _left_out(count: int, of_what: str) -> str:
    return f"\nLeft out, for a summary has a limit: {count} {of_what}.\n" if count > 0 else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n" + _row(headings) + _row(["---"] * len(headings)) + "".join(map(_row, rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _verdict(status: Status | Verdict) -> str:
    return status.value if status in (Status.PASSED, Verdict.PROVED) else f"**{status.value}**"


def _text(said: str) -> str:
    """Return a sentence in which no character has a meaning, and nobody is mentioned."""
    return _SPECIAL.sub(_escaped, sentence(said))


def _escaped(match: re.Match[str]) -> str:
    if match["refers"]:
        return f"`{match[0]}`"
    return f"&#{ord(match[0])};" if match["ends"] else f"\\{match[0]}"


def _code(data: str) -> str:
    """Return a code span, for a cell of a table too; a pipe would end the cell even there."""
    if not data:
        return ""
    data = data.replace("|", r"\x7c")
    fence = "`" * (1 + max(map(len, re.findall("`+", data)), default=0))
    pad = " " if not data.strip() or data.startswith("`") or data.endswith("`") else ""
    return f"{fence}{pad}{data}{pad}{fence}"
