"""A report for a person at a terminal: tables, or a chain as it was read, step by step."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.console import console_on, print_line
from softcheck.report.words import (
    CHECK_COLUMNS,
    FINDING_COLUMNS,
    Spelling,
    advice,
    argument,
    declared,
    dumped,
    finding_row,
    flag,
    grounds,
    index,
    judged,
    loss_lines,
    name,
    named,
    noted,
    picture,
    reserved,
    resolution,
    sentence,
    sight,
    size,
    tally,
    to_do,
    under_test,
)
from softcheck.result import (
    Case,
    Check,
    Derivation,
    Derivations,
    LossReading,
    OnData,
    Report,
    Status,
    Step,
    Verdict,
)

_COLORS = {
    Status.PASSED: "bold green",
    Status.INCONCLUSIVE: "bold yellow",
    Status.FAILED: "bold red",
    Status.ERROR: "bold red",
    Verdict.PROVED: "bold green",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.REFUTED: "bold red",
}

_UNBOUNDED = 100_000


def verification(report: Report, style: Style) -> str:
    """Return a verdict line a case, a row a check, the worst findings and what they mean."""
    out = io.StringIO()
    console = console_on(out, style)
    for case in report.cases:
        _case(console, case, style.verbosity, argument if style.calls else flag)
    if len(report.cases) > 1 and style.verbosity >= 0:
        print_line(console, _verdict(report.status), f"  {tally(report)}")
    # Rich fills a table's last column up with blanks; a blank line stands between cases only.
    lines = [line.rstrip() for line in out.getvalue().rstrip().splitlines()]
    return "".join(f"{line}\n" for line in lines)


def derivation(report: Derivation, document: str, style: Style) -> str:
    """Return the verdict, what is given, and each chain with the verdict on every step."""
    out = io.StringIO()
    console = console_on(out, style)
    if style.verbosity >= 0:
        print_line(
            console, _verdict(report.status), f"  {name(document)}  {derived.counts(report)}"
        )
        print_line(console, f"  {derived.document(report.document)}")
        _definitions(console, report)
        _roles(console, report)
    _steps(console, report, style.verbosity)
    if style.verbosity >= 0:
        if isinstance(report.on, OnData):
            _on_data(console, report.on)
        print_line(console, f"\n{report.status.advice}")
    return out.getvalue()


def derivations(report: Derivations, style: Style) -> str:
    """Return the report of each document, and how many ended how."""
    parts = [
        _unread(each.name, style)
        if each.report is None
        else derivation(each.report, each.name, style)
        for each in report.documents
    ]
    if style.verbosity >= 0:
        out = io.StringIO()
        print_line(console_on(out, style), _verdict(report.status), f"  {derived.tally(report)}")
        parts.append(out.getvalue())
    return "\n".join(filter(None, parts))


def loss(report: LossReading, style: Style) -> str:
    """Return the verdict, and of each variant its formulas, its arrays and harmless stops."""
    out = io.StringIO()
    console = console_on(out, style)
    if style.verbosity >= 0:
        heading = losses.heading(report)
        said = f"  {name(report.loss)}{f'  {heading}' if heading else ''}"
        print_line(console, _verdict(report.status), said)
        for variant in report.variants:
            console.print()
            for what, fact in losses.facts(variant):
                print_line(console, f"  {what:9} {fact}")
        print_line(console, f"\n{report.status.advice}")
    return out.getvalue()


def _unread(document: str, style: Style) -> str:
    out = io.StringIO()
    if style.verbosity >= 0:
        console = console_on(out, style)
        print_line(console, _verdict(Status.ERROR), f"  {name(document)}")
        print_line(console, f"  {Status.ERROR.advice}")
    return out.getvalue()


def _case(console: Console, case: Case, verbosity: int, spelling: Spelling) -> None:
    if verbosity < 0:
        if case.findings:
            print_line(console, name(case.name))
            _found(console, case, spelling)
            _findings(console, case)
        elif case.status not in (Status.PASSED, Status.ERROR):
            print_line(console, _verdict(case.status), f"  {name(case.name)}: {grounds(case)}")
        return
    print_line(console, _verdict(case.status), f"  {name(case.name)}{reserved(case)}")
    _found(console, case, spelling)
    if case.status is Status.ERROR:
        print_line(console, f"  {advice(case)}\n")
        return
    said = "\n".join(f"  {line}" for line in (declared(case), *loss_lines(case), *dumped(case)))
    print_line(console, said)
    if verbosity > 0:
        _givens(console, case)
    _checks(console, case, verbosity)
    for note in case.notes:
        print_line(console, f"\n{noted(note)}")
    print_line(console, f"\n{advice(case)}\n")


def _checks(console: Console, case: Case, verbosity: int) -> None:
    console.print()
    _grid(
        console,
        CHECK_COLUMNS,
        [*map(_check_row, case.checks)],
        right={"entries", "blind", "ratio", "resolution", "worst"},
    )
    for check in case.checks:
        if check.reason and (check.status is not Status.PASSED or verbosity > 0):
            print_line(console, f"\n{judged(check)}.")
            if check.failed > sum(1 for found in case.findings if found.check == check.name):
                print_line(console, f"  {picture(check)}")
    if case.findings:
        console.print()
        _findings(console, case)
    if said := "\n".join(f"{line}." for line in map(sight, under_test(case)) if line):
        print_line(console, f"\n{said}")


def _check_row(check: Check) -> tuple[Text | str, ...]:
    worst = check.worst
    return (
        check.name,
        Text(check.status.value, _COLORS[check.status]),
        str(check.entries),
        str(check.blind or ""),
        "-" if worst is None else size(worst.ratio),
        "-" if worst is None else index(worst.location),
        *resolution(check.resolution),
    )


def _found(console: Console, case: Case, spelling: Spelling) -> None:
    """Print what the mistake is and what to do, for that is what a reader looks for."""
    for diagnosis, lines in to_do(case, spelling):
        said = f" {sentence(diagnosis.grounds)}."
        print_line(console, Text(f"Found: {named(diagnosis)}.", "bold"), said)
        for line in lines:
            print_line(console, f"  {line}")
    if case.diagnosis:
        console.print()


def _findings(console: Console, case: Case) -> None:
    _grid(
        console,
        FINDING_COLUMNS,
        [finding_row(case, found) for found in case.findings],
        right={"found", "expected", "error", "tolerance", "ratio"},
    )


def _givens(console: Console, case: Case) -> None:
    for given in case.inputs:
        source = "::".join(name(part) for part in (given.path, given.key) if part is not None)
        digest = f"  sha256 {given.sha256}" if given.sha256 else ""
        print_line(console, f"  {given.role}: {source} {given.dtype} {given.shape}{digest}")
    print_line(console, f"  {', '.join(f'{key} {value}' for key, value in case.settings.items())}")


def _definitions(console: Console, report: Derivation) -> None:
    if report.givens:
        print_line(console, "\ngiven")
    for given in report.givens:
        said = derived.formula(given.reading, given.latex)
        print_line(console, f"  {said}", Text(f"  ({derived.source(given)})", "dim"))
        if given.note:
            print_line(console, f"    note: it {given.note}")


def _roles(console: Console, report: Derivation) -> None:
    roles = derived.roles(report)
    if roles:
        print_line(console, "\nread as")
    for role in roles:
        print_line(console, f"  line {role.source_line}  {derived.formula(None, role.latex)}")
        print_line(console, f"    {derived.role(role)}")


def _steps(console: Console, report: Derivation, verbosity: int) -> None:
    shown = (0, "")
    for step in report.steps:
        if verbosity < 0 and step.status is Verdict.PROVED:
            continue
        left, right = derived.formulas(report, step)
        if (step.from_line, left) != shown:
            print_line(console, f"\n{left}")
        if step.to_line != step.from_line:
            print_line(console, f"  {step.relation} {right}{derived.conditions(step)}")
        shown = step.to_line, right
        _step(console, report, step)


def _step(console: Console, report: Derivation, step: Step) -> None:
    status = Text(step.status.value, _COLORS[step.status])
    where = f"    {step.number}  line {step.source_line}  "
    if step.status is Verdict.PROVED:
        print_line(console, where, status, f" {derived.needs(step)}")
    else:
        print_line(console, where, status, f": {name(step.reason)}")
    indent = " " * 9
    if step.counterexample is not None:
        doubtful = step.status is Verdict.UNKNOWN
        at = "contradicted under this reading at" if doubtful else "at"
        print_line(console, f"{indent}{at} {derived.point(step.counterexample)}")
        print_line(console, f"{indent}{derived.sides(step.counterexample)}")
        for said in derived.differing(step):
            print_line(console, f"{indent}{said}")
    if step.gap is not None:
        print_line(
            console, f"{indent}left out: {derived.formula(step.gap.reading, step.gap.latex)}"
        )
        for stage in step.gap.proof:
            said = derived.formula(stage.reading, stage.latex)
            print_line(console, f"{indent}        = {said}", Text(f"  by {stage.by}", "dim"))
        only = derived.only_here(report, step)
        if only:
            print_line(console, f"{indent}only this step needs {derived.listed(only)}")


def _on_data(console: Console, on: OnData) -> None:
    print_line(console, "\n", _verdict(on.status), f"  {name(on.case)}  {derived.on_data(on)}")
    for found in on.deviations:
        print_line(console, f"  {derived.deviation(found)}")
    for note in on.notes:
        print_line(console, f"  note: {name(note)}")


def _verdict(status: Status | Verdict) -> Text:
    return Text(status.value.upper(), _COLORS[status])


def _grid(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[Text | str]],
    right: set[str],
) -> None:
    """Print rows as a table if it fits, and else as running `heading value` pairs.

    A column without an entry is left out. Neither form cuts or breaks a value.
    """
    used = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    headings = [headings[column] for column in used]
    cells = [[Text.assemble(row[column]) for column in used] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    unbounded = console.options.update(width=_UNBOUNDED)
    if table.__rich_measure__(console, unbounded).maximum <= console.width:
        console.print(table)
        return
    for row in cells:
        pairs = zip(headings[2:], row[2:], strict=True)
        parts = [Text.assemble(f"{heading} ", cell) for heading, cell in pairs if cell]
        _flow(console, [Text.assemble(row[0], "  ", row[1]), *parts])


def _flow(console: Console, parts: Sequence[Text]) -> None:
    """Print parts one after the other, on a new line where the next one would not fit."""
    line = Text()
    for part in parts:
        if line and len(line) + 2 + len(part) > console.width:
            print_line(console, line)
            line = Text("  ")
        elif line:
            line.append("  ")
        line.append_text(part)
    print_line(console, line)
