"""What a continuous integration is told: what is wrong, at a place in a file, under a rule.

A case is annotated at the line of code that dumped it, where it says which; a step at its line.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from softcheck.errors import printable
from softcheck.report import derive_words as derived
from softcheck.report.words import (
    NOT_EXPECTED,
    STRICT,
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
    undecided,
    without_gradient,
)
from softcheck.result import (
    Case,
    Derivation,
    Derivations,
    OnData,
    Report,
    Status,
    Step,
    Verdict,
)

_PATH = 4_096
"""The longest path that Linux takes; one that is cut short names no file."""

RULES = {
    "unreadable": Status.ERROR.advice,
    "inconclusive": Status.INCONCLUSIVE.advice,
    "failed": Status.FAILED.advice,
    "strict": STRICT,
    "expected": NOT_EXPECTED,
    "no-gradient": "No gradient was given, so none was verified.",
    "refuted": Verdict.REFUTED.advice,
    "unknown": Verdict.UNKNOWN.advice,
    "on-data": "On numbers, a line of a derivation does not agree with the first of its chain.",
}
"""What can be wrong beside the mistakes that have a code, by the names of their rules."""


@dataclass(frozen=True)
class Annotation:
    """What is said of one place.

    Attributes
    ----------
    level : {"error", "warning"}
    rule : str
        The code of the mistake, as `softcheck explain` takes it, or one of `RULES`.
    file : str
        With forward slashes; relative to the repository for a line of code.
    line, column : int or None
        Counted from 1; None where the file is not text.
    title : str
        In a few words.
    said : sequence of str
        All that there is to say, a line each, the most telling first.
    about : str
        What tells it from others under the same rule in the same file, wherever they stand.
    """

    level: Literal["error", "warning"]
    rule: str
    file: str
    line: int | None
    column: int | None
    title: str
    said: Sequence[str]
    about: str


def of_cases(report: Report) -> list[Annotation]:
    """Return one for each case that did not pass or has no gradient, the worst first."""
    errors = {id(report.cases[index]): error for index, error in errors_of(report).items()}
    return [
        _case(case, errors.get(id(case)))
        for case in by_severity(report.cases)
        if case.status is not Status.PASSED or without_gradient(case)
    ]


def of_document(report: Derivation, document: str) -> list[Annotation]:
    """Return one for each step that is not proved, the refuted first, and one for the data.

    Each stands where its step ends.
    """
    steps = [step for step in report.steps if step.status is not Verdict.PROVED]
    steps.sort(key=lambda step: step.status.severity, reverse=True)
    annotations = [_step(report, step, document) for step in steps]
    if isinstance(report.on, OnData) and report.on.status is not Status.PASSED:
        annotations.append(_on_data(report.on))
    return annotations


def of_documents(report: Derivations) -> list[Annotation]:
    """Return those of all documents: first what could not be read, then the worst document."""
    return [
        annotation
        for each in derived.worst_first(report)
        for annotation in (
            [_unread(each.name, each.error)]
            if each.report is None
            else of_document(each.report, each.name)
        )
    ]


def fingerprints(annotations: Iterable[Annotation]) -> Iterator[str]:
    """Yield for each what stays the same, in hexadecimal, while lines move and numbers change.

    Of several that are alike in all of that, the order tells them apart.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for each in annotations:
        key = (each.rule, each.file, each.about)
        words = (*key, str(seen[key]))
        seen[key] += 1
        yield hashlib.sha256("\0".join(words).encode("utf-8", "backslashreplace")).hexdigest()


def _case(case: Case, error: str | None) -> Annotation:
    """Return what is said of a case: the diagnosis first, for a list shows little more."""
    if error is not None:
        return _unread(case.name, error)
    file, line, of_what = _origin(case)
    if case.status is Status.PASSED:
        said = [*reservations(case), *map(noted, case.notes), loss_of(case)]
        title = f"no gradient{of_what}"
        return Annotation("warning", "no-gradient", file, line, None, title, said, case.name)
    wrong = deciding(case)
    said = [*found_lines(case), *map(judged, wrong)]
    said += [finding(case, found) for found in case.findings]
    said += [*map(noted, case.notes), loss_of(case)]
    title = f"{names_of(wrong) or f'{undecided(case)}:'} {case.status.value}{of_what}"
    return Annotation("error", _rule(case), file, line, None, title, said, case.name)


def _rule(case: Case) -> str:
    """Return what a case breaks: the best explanation of its failure, or how it ended."""
    if case.diagnosis:
        return case.diagnosis[0].code
    if deciding(case):
        return str(case.status.value)
    return "expected" if case.settings["expect"] else "strict"


def _origin(case: Case) -> tuple[str, int | None, str]:
    """Return where a case comes from, and of which case it speaks where that is not the same.

    Without a line of code it is the file of the gradient, or that of another array.
    """
    if case.dumped_by is not None:
        return _path(case.dumped_by.file), case.dumped_by.line, f": {name(case.name)}"
    paths = {given.role: given.path for given in case.inputs if given.path is not None}
    return _path(paths.get("grad") or next(iter(paths.values()), case.name)), None, ""


def _unread(file: str, error: str) -> Annotation:
    said = (sentence(error),)
    return Annotation("error", "unreadable", _path(file), None, None, "unreadable", said, file)


def _step(report: Derivation, step: Step, document: str) -> Annotation:
    left, right = (report.lines[number - 1] for number in (step.from_line, step.to_line))
    return Annotation(
        level="error",
        rule=step.status.value,
        file=_path(document),
        line=step.source_line,
        column=right.source_column if right.source_line == step.source_line else None,
        title=f"step {step.number} {step.status.value}{derived.conditions(step)}",
        said=derived.trouble(report, step),
        about=f"{left.latex} {step.relation} {right.latex}",
    )


def _on_data(on: OnData) -> Annotation:
    said = [derived.on_data(on), *map(derived.deviation, on.deviations), *map(sentence, on.notes)]
    title = f"the lines on data {on.status.value}"
    return Annotation("error", "on-data", _path(on.case), None, None, title, said, on.case)


def _path(file: str) -> str:
    """Return a path as data, with the slashes that every system's reports have."""
    return printable(file.replace(os.sep, "/"), _PATH)
