"""The report as commands to the runner of a GitHub workflow, which shows them as annotations.

Data and properties are escaped as GitHub's own toolkit does.
"""

from collections.abc import Sequence

from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.annotations import Annotation, of_cases, of_document, of_documents
from softcheck.report.words import name, tally
from softcheck.result import Derivation, Derivations, LossReading, OnData, Report, Verdict

_SHOWN = 10
"""GitHub shows no more annotations of one step."""

_MESSAGE = 4_096
"""The runner cuts a message here."""

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def verification(report: Report, style: Style) -> str:
    """Return an annotation a case that did not pass or has no gradient, and a line that sums up.

    The worst come first.
    """
    return _document(of_cases(report), f"{report.status.value}: {tally(report)}", style)


def derivation(report: Derivation, document: str, style: Style) -> str:
    """Return an annotation a step that is not proved, the refuted first, and a line that sums up.

    An annotation stands at the line of the document where its step ends.
    """
    return _document(of_document(report, document), _summary(report), style, _roles(report))


def derivations(report: Derivations, style: Style) -> str:
    """Return the annotations of each document, the worst first, a line for each, and one for all.

    One that could not be read comes before all others.
    """
    said = [
        line
        for each in derived.worst_first(report)
        if each.report is not None
        for line in (*_roles(each.report), f"{name(each.name)}: {_summary(each.report)}")
    ]
    summary = f"{report.status.value}: {derived.tally(report)}"
    return _document(of_documents(report), summary, style, said)


def loss(report: LossReading, style: Style) -> str:
    """Return a line a fact, for there is nothing to annotate, and a line that sums up."""
    said = [f"{what}: {fact}" for each in report.variants for what, fact in losses.facts(each)]
    summary = f"{report.status.value}: {name(report.loss)}"
    return _document([], summary, style, said)


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
    annotations: Sequence[Annotation], summary: str, style: Style, said: Sequence[str] = ()
) -> str:
    """Return the first annotations, in how many there are of them all, and what is said besides."""
    shown = annotations[:_SHOWN]
    lines = list(map(_command, shown))
    if len(shown) < len(annotations):
        summary += f"; {len(shown)} of {len(annotations)} annotations shown"
    if style.verbosity >= 0:
        lines += [f"softcheck: {line}" for line in (*said, summary)]
    return "".join(f"{line}\n" for line in lines)


def _command(annotation: Annotation) -> str:
    """Return an annotation as the runner takes it."""
    properties = {
        "file": annotation.file,
        "line": annotation.line,
        "col": annotation.column,
        "title": f"softcheck: {annotation.title}",
    }
    listed = ",".join(
        f"{key}={str(value).translate(_PROPERTY)}"
        for key, value in properties.items()
        if value is not None
    )
    message = "\n".join(annotation.said)[:_MESSAGE]
    return f"::{annotation.level} {listed}::{message.translate(_DATA)}"
