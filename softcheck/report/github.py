"""The report as commands to the runner of a GitHub workflow, which shows them as annotations.

Data and properties are escaped as GitHub's own toolkit does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from softcheck.errors import printable
from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.words import (
    by_severity,
    deciding,
    errors_of,
    finding,
    found_lines,
    judged,
    loss_of,
    name,
    names_of,
    noted,
    reservations,
    sentence,
    tally,
    without_gradient,
)
from softcheck.result import (
    Case,
    Derivation,
    Derivations,
    LossReading,
    OnData,
    Report,
    Status,
    Step,
    Verdict,
)

_SHOWN = 10
"""GitHub shows no more annotations of one step."""

_MESSAGE = 4_096
"""The runner cuts a message here."""

_PATH = 4_096
"""The longest path that Linux takes; one that is cut short names no file."""

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


@dataclass(frozen=True)
class _Annotation:
    """What is said of one place; `line` is None where the file is not text."""

    command: Literal["error", "warning"]
    file: str
    line: int | None
    title: str
    said: Sequence[str]

    def __str__(self) -> str:
        file = printable(self.file, _PATH)
        properties = {"file": file, "line": self.line, "title": f"softcheck: {self.title}"}
        listed = ",".join(
            f"{key}={str(value).translate(_PROPERTY)}"
            for key, value in properties.items()
            if value is not None
        )
        message = "\n".join(self.said)[:_MESSAGE]
        return f"::{self.command} {listed}::{message.translate(_DATA)}"


def verification(report: Report, style: Style) -> str:
    """Return an annotation a case that did not pass or has no gradient, and a line that sums up.

    The worst come first.
    """
    errors = {id(report.cases[index]): error for index, error in errors_of(report).items()}
    annotations = [
        _case(case, errors.get(id(case)))
        for case in by_severity(report.cases)
        if case.status is not Status.PASSED or without_gradient(case)
    ]
    return _document(annotations, f"{report.status.value}: {tally(report)}", style)


def derivation(report: Derivation, document: str, style: Style) -> str:
    """Return an annotation a step that is not proved, the refuted first, and a line that sums up.

    An annotation stands at the line of the document where its step ends.
    """
    return _document(_open(report, document), _summary(report), style, _roles(report))


def derivations(report: Derivations, style: Style) -> str:
    """Return the annotations of each document, the worst first, a line for each, and one for all.

    One that could not be read comes before all others.
    """
    annotations, said = [], []
    for each in derived.worst_first(report):
        if each.report is None:
            annotations.append(_unread(each.name, each.error))
        else:
            annotations += _open(each.report, each.name)
            said += [*_roles(each.report), f"{name(each.name)}: {_summary(each.report)}"]
    return _document(annotations, f"{report.status.value}: {derived.tally(report)}", style, said)


def loss(report: LossReading, style: Style) -> str:
    """Return a line a fact, for there is nothing to annotate, and a line that sums up."""
    said = [f"{what}: {fact}" for each in report.variants for what, fact in losses.facts(each)]
    summary = f"{report.status.value}: {name(report.loss)}"
    return _document([], summary, style, said)


def _open(report: Derivation, document: str) -> list[_Annotation]:
    """Return what is not proved, the refuted first, or does not agree on data."""
    steps = [step for step in report.steps if step.status is not Verdict.PROVED]
    steps.sort(key=lambda step: step.status.severity, reverse=True)
    annotations = [_step(report, step, document) for step in steps]
    if isinstance(report.on, OnData) and report.on.status is not Status.PASSED:
        annotations.append(_on_data(report.on))
    return annotations


def _summary(report: Derivation) -> str:
    """Return how it ended, and the conditions under which steps are proved."""
    proved = [step for step in report.steps if step.status is Verdict.PROVED and step.conditions]
    parts = [
        f"{report.status.value}: {derived.summary(report)}",
        *(f"step {step.number}{derived.conditions(step)}" for step in proved),
    ]
    if isinstance(report.on, OnData):
        parts.append(f"on data: {derived.on_data(report.on)}")
    return "; ".join(parts)


def _roles(report: Derivation) -> list[str]:
    return [f"line {role.source_line}: {derived.role(role)}" for role in derived.roles(report)]


def _document(
    annotations: Sequence[_Annotation], summary: str, style: Style, said: Sequence[str] = ()
) -> str:
    """Return the first annotations, in how many there are of them all, and what is said besides."""
    shown = annotations[:_SHOWN]
    lines = list(map(str, shown))
    if len(shown) < len(annotations):
        summary += f"; {len(shown)} of {len(annotations)} annotations shown"
    if style.verbosity >= 0:
        lines += [f"softcheck: {line}" for line in (*said, summary)]
    return "".join(f"{line}\n" for line in lines)


def _case(case: Case, error: str | None) -> _Annotation:
    """Return what is said of a case: the diagnosis first, for a list shows little more."""
    if error is not None:
        return _unread(case.name, error)
    if case.status is Status.PASSED:
        said = [*reservations(case), *map(noted, case.notes), loss_of(case)]
        return _Annotation("warning", _file(case), None, "no gradient", said)
    wrong = deciding(case)
    said = [*found_lines(case)]
    said += map(judged, wrong)
    said += [finding(case, found) for found in case.findings]
    said += [*map(noted, case.notes), loss_of(case)]
    codes = "".join(f": {each.code}" for each in case.diagnosis[-1:])
    title = f"{names_of(wrong) or 'a note, under --strict:'} {case.status.value}{codes}"
    return _Annotation("error", _file(case), None, title, said)


def _unread(file: str, error: str) -> _Annotation:
    return _Annotation("error", file, None, "unreadable", (sentence(error),))


def _file(case: Case) -> str:
    """Return the file that a case is about: that of the gradient if it has one."""
    paths = {given.role: given.path for given in case.inputs if given.path is not None}
    return paths.get("grad") or next(iter(paths.values()), case.name)


def _step(report: Derivation, step: Step, document: str) -> _Annotation:
    title = f"step {step.number} {step.status.value}{derived.conditions(step)}"
    return _Annotation("error", document, step.source_line, title, derived.trouble(report, step))


def _on_data(on: OnData) -> _Annotation:
    said = [derived.on_data(on), *map(derived.deviation, on.deviations), *map(sentence, on.notes)]
    return _Annotation("error", on.case, None, f"the lines on data {on.status.value}", said)
