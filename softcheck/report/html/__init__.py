"""The report as one page for a browser: nothing beside it, no script, and pictures of it."""

from softcheck.report import Style
from softcheck.report.html import derivation as derived
from softcheck.report.html import verification as verified
from softcheck.result import Derivation, Derivations, LossReading, Report


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  a page has one style
    """Return the page of a run of `verify`."""
    return verified.page_of(report)


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of a document."""
    return derived.derivation(report, document)


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of several documents."""
    return derived.derivations(report)


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  as above
    """Return the page of a loss."""
    return derived.loss(report)
