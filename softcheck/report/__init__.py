"""Renderers: a report in, text out. One file a format, and one table of them all."""

from collections.abc import Callable
from dataclasses import dataclass

from softcheck.result import Report


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a report is to look.

    Attributes
    ----------
    verbosity : int
        -1 findings only, 0 the usual, 1 everything that was checked.
    color : bool
        Whether escape codes may colour it.
    width : int
        Columns; numbers are never cut to fit.
    """

    verbosity: int = 0
    color: bool = False
    width: int = 100


def _text(report: Report, style: Style) -> str:
    from softcheck.report import text

    return text.render(report, style)


def _concise(report: Report, style: Style) -> str:
    from softcheck.report import concise

    return concise.render(report, style)


def _json(report: Report, style: Style) -> str:  # noqa: ARG001  JSON has one style
    from softcheck.report import json

    return json.render(report)


RENDERERS: dict[str, Callable[[Report, Style], str]] = {
    "text": _text,
    "concise": _concise,
    "json": _json,
}
"""Format to renderer; a renderer is imported when it is used."""
