"""A report with one line a finding, for logs and editors."""

from collections.abc import Iterable, Iterator

from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.words import (
    finding,
    found_in_a_line,
    grounds,
    judged,
    name,
    noted,
    sight,
    tally,
)
from softcheck.result import (
    Case,
    Derivation,
    Derivations,
    LossReading,
    OnData,
    Report,
    Status,
    Verdict,
)


def verification(report: Report, style: Style) -> str:
    """Return the mistakes, one line a finding, a verdict a case and its grounds, and the totals."""
    lines = [line for case in report.cases for line in _case(case, style.verbosity)]
    if len(report.cases) > 1 and style.verbosity >= 0:
        lines.append(f"{report.status.value}: {tally(report)}")
    return _joined(lines)


def derivation(report: Derivation, document: str, style: Style) -> str:
    """Return a line for each step that is not simply proved, then the verdict.

    A step is not simply proved either if it leaves a term out, or holds under a condition.
    """
    return _joined(_derivation(report, name(document), style.verbosity))


def derivations(report: Derivations, style: Style) -> str:
    """Return the lines of each document."""
    return _joined(
        line
        for each in report.documents
        for line in (
            _unread(each.name, style.verbosity)
            if each.report is None
            else _derivation(each.report, name(each.name), style.verbosity)
        )
    )


def loss(report: LossReading, style: Style) -> str:
    """Return a line a fact, then the verdict."""
    return _joined(_loss(report, style.verbosity))


def _loss(report: LossReading, verbosity: int) -> Iterator[str]:
    title = name(report.loss)
    if verbosity >= 0:
        for variant in report.variants:
            for what, said in losses.facts(variant):
                yield f"{title}: {what}: {said}"
        yield f"{title}: {report.status.value}: {losses.heading(report) or 'the loss'}"


def _unread(document: str, verbosity: int) -> Iterator[str]:
    if verbosity >= 0:
        yield f"{name(document)}: {Status.ERROR.value}: {Status.ERROR.advice}"


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _case(case: Case, verbosity: int) -> Iterator[str]:
    title = name(case.name)
    for line in found_in_a_line(case):
        yield f"{title}: {line}"
    for found in case.findings:
        yield f"{title}: {finding(case, found)}"
    if verbosity < 0:
        if case.status not in (Status.PASSED, Status.ERROR) and not case.findings:
            yield f"{title}: {case.status.value}: {grounds(case)}"
        return
    for check in case.checks:
        if check.status is not Status.PASSED or verbosity > 0:
            yield f"{title}: {judged(check, f'{check.entries} entries')}"
            if verbosity > 0 and (said := sight(check)):
                yield f"{title}: {said}"
    for note in case.notes:
        yield f"{title}: {noted(note)}"
    yield f"{title}: {case.status.value}: {grounds(case)}"


def _derivation(report: Derivation, document: str, verbosity: int) -> Iterator[str]:
    for step in report.steps:
        told = (step.gap is not None or step.conditions) and verbosity >= 0
        if step.status is not Verdict.PROVED or told or verbosity > 0:
            yield f"{document}:{step.source_line}: {derived.verdict(report, step)}"
    if verbosity < 0:
        return
    for given in report.givens:
        note = f"; note: {given.note}" if given.note else ""
        if given.source == "default" or note or not given.sure or verbosity > 0:
            place = f":{given.source_line}" if given.source == "document" else ""
            said = derived.formula(given.reading, given.latex)
            yield f"{document}{place}: given ({derived.source(given)}): {said}{note}"
    for role in derived.roles(report):
        yield f"{document}:{role.source_line}: {derived.role(role)}"
    if isinstance(report.on, OnData):
        for far in report.on.deviations:
            yield f"{name(report.on.case)}: {derived.deviation(far)}"
        for note in report.on.notes:
            yield f"{name(report.on.case)}: note: {name(note)}"
        yield f"{name(report.on.case)}: {report.on.status.value}: {derived.on_data(report.on)}"
    yield f"{document}: {report.status.value}: {derived.summary(report)}"
