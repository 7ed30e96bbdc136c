"""The report as a Code Quality artifact of GitLab, whose findings stand in a merge request.

GitLab takes the properties of Code Climate's issues that are written here.
"""

from collections.abc import Sequence
from typing import Any, Final

from softcheck.report import Style
from softcheck.report.annotations import (
    Annotation,
    fingerprints,
    of_cases,
    of_document,
    of_documents,
)
from softcheck.report.json import indented
from softcheck.result import Derivation, Derivations, LossReading, Report

_SEVERITY: Final = {"error": "major", "warning": "minor"}


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  it has one style
    """Return a finding a case that did not pass or has no gradient, the worst first."""
    return _artifact(of_cases(report))


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  it has one style
    """Return a finding a step that is not proved, the refuted first."""
    return _artifact(of_document(report, document))


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  it has one style
    """Return the findings of each document, the worst first."""
    return _artifact(of_documents(report))


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  there is nothing to find
    """Return no finding: a loss that is read is proved."""
    return _artifact([])


def _artifact(annotations: Sequence[Annotation]) -> str:
    return indented([*map(_finding, annotations, fingerprints(annotations))])


def _finding(annotation: Annotation, fingerprint: str) -> dict[str, Any]:
    first, *others = annotation.said
    return {
        "description": "\n".join((f"{annotation.title}: {first}", *others)),
        "check_name": annotation.rule,
        "fingerprint": fingerprint,
        "severity": _SEVERITY[annotation.level],
        "location": {"path": annotation.file, "lines": {"begin": annotation.line or 1}},
    }
