"""A derivation's report with one line a finding, for logs and editors."""

from collections.abc import Iterator

from softcheck.report import Style
from softcheck.report import derive_words as words
from softcheck.report.words import name
from softcheck.result import Derivation, OnData, Verdict


def render(report: Derivation, document: str, style: Style) -> str:
    """Return one line for each step that is not proved or leaves a term out, then the verdict."""
    lines = _lines(report, name(document), style.verbosity)
    return "".join(f"{line}\n" for line in lines)


def _lines(report: Derivation, document: str, verbosity: int) -> Iterator[str]:
    for step in report.steps:
        told = step.gap is not None and verbosity >= 0
        if step.status is not Verdict.PROVED or told or verbosity > 0:
            yield f"{document}:{step.source_line}: {words.verdict(report, step)}"
    if verbosity < 0:
        return
    for given in report.givens:
        note = f"; note: {given.note}" if given.note else ""
        if given.source == "default" or note or verbosity > 0:
            place = f":{given.source_line}" if given.source == "document" else ""
            said = words.formula(given.reading, given.latex)
            yield f"{document}{place}: given ({words.source(given)}): {said}{note}"
    if isinstance(report.on, OnData):
        for found in report.on.deviations:
            yield f"{name(report.on.case)}: {words.deviation(found)}"
        for note in report.on.notes:
            yield f"{name(report.on.case)}: note: {name(note)}"
        yield f"{name(report.on.case)}: {report.on.status.value}: {words.on_data(report.on)}"
    yield f"{document}: {report.status.value}: {words.counts(report)}"
