"""The report as one page for a browser: nothing beside it, no script, and pictures of it."""

from softcheck.report import Style
from softcheck.result import Derivation, Derivations, LossReading, Report


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  a page has one style
    """Return the page of a run of `verify`."""
    from softcheck.report.html.cases import page_of

    return page_of(report)


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of a document."""
    from softcheck.report.html.documents import derivation

    return derivation(report, document)


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of several documents."""
    from softcheck.report.html.documents import derivations

    return derivations(report)


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of a loss."""
    from softcheck.report.html.documents import loss

    return loss(report)
