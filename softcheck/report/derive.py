"""Renderers of a derivation's report: the report and the document's name in, text out."""

from collections.abc import Callable

from softcheck.report import Style
from softcheck.result import Derivation


def _text(report: Derivation, document: str, style: Style) -> str:
    from softcheck.report import derive_text

    return derive_text.render(report, document, style)


def _concise(report: Derivation, document: str, style: Style) -> str:
    from softcheck.report import derive_concise

    return derive_concise.render(report, document, style)


def _json(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  JSON has one style, and names no file
    from softcheck.report import json

    return json.render(report)


RENDERERS: dict[str, Callable[[Derivation, str, Style], str]] = {
    "text": _text,
    "concise": _concise,
    "json": _json,
}
"""Format to renderer; a renderer is imported when it is used."""
