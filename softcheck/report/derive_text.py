"""A derivation's report for a person at a terminal: the chain as it was read, step by step."""

import io

from rich.console import Console
from rich.text import Text

from softcheck.report import Style
from softcheck.report import derive_words as words
from softcheck.report.console import console_on, print_line
from softcheck.report.words import name
from softcheck.result import Derivation, OnData, Status, Step, Verdict

_COLORS = {
    Verdict.PROVED: "bold green",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.REFUTED: "bold red",
}
_DATA_COLORS = {Status.PASSED: "bold green", Status.INCONCLUSIVE: "bold yellow"}


def render(report: Derivation, document: str, style: Style) -> str:
    """Return the verdict, what is given, and each chain with the verdict on every step."""
    out = io.StringIO()
    console = console_on(out, style)
    if style.verbosity >= 0:
        verdict = Text(report.status.value.upper(), _COLORS[report.status])
        print_line(console, verdict, f"  {name(document)}  {words.counts(report)}")
        _givens(console, report)
    _steps(console, report, style.verbosity)
    if style.verbosity >= 0:
        if isinstance(report.on, OnData):
            _on_data(console, report.on)
        print_line(console, f"\n{report.status.advice}")
    return out.getvalue()


def _givens(console: Console, report: Derivation) -> None:
    if report.givens:
        print_line(console, "\ngiven")
    for given in report.givens:
        said = words.formula(given.reading, given.latex)
        print_line(console, f"  {said}", Text(f"  ({words.source(given)})", "dim"))
        if given.note:
            print_line(console, f"    note: it {given.note}")


def _steps(console: Console, report: Derivation, verbosity: int) -> None:
    lines = {line.number: line for line in report.lines}
    shown = 0
    for step in report.steps:
        if verbosity < 0 and step.status is Verdict.PROVED:
            continue
        before, after = lines[step.from_line], lines[step.to_line]
        if step.from_line != shown:
            print_line(console, f"\n{words.formula(before.reading, before.latex)}")
        if step.to_line != step.from_line:
            print_line(console, f"  = {words.formula(after.reading, after.latex)}")
        shown = step.to_line
        _verdict(console, report, step)


def _verdict(console: Console, report: Derivation, step: Step) -> None:
    status = Text(step.status.value, _COLORS[step.status])
    place = f"    {step.number}  line {step.source_line}  "
    if step.status is Verdict.PROVED:
        print_line(console, place, status, f" {words.needs(step)}")
    else:
        print_line(console, place, status, f": {name(step.reason)}")
    indent = " " * 9
    if step.counterexample is not None:
        print_line(console, f"{indent}at {words.point(step.counterexample)}")
        print_line(console, f"{indent}{words.sides(step.counterexample)}")
    if step.gap is not None:
        print_line(console, f"{indent}left out: {words.formula(step.gap.reading, step.gap.latex)}")
        for stage in step.gap.proof:
            said = words.formula(stage.reading, stage.latex)
            print_line(console, f"{indent}        = {said}", Text(f"  by {stage.by}", "dim"))
        only = words.only_here(report, step)
        if only:
            print_line(console, f"{indent}only this step needs {words.listed(only)}")


def _on_data(console: Console, on: OnData) -> None:
    color = _DATA_COLORS.get(on.status, "bold red")
    verdict = Text(on.status.value.upper(), color)
    print_line(console, "\n", verdict, f"  {name(on.case)}  {words.on_data(on)}")
    for found in on.deviations:
        print_line(console, f"  {words.deviation(found)}")
    for note in on.notes:
        print_line(console, f"  note: {name(note)}")
