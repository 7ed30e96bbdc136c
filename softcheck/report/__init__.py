"""Renderers: a report in, text out. One table of them all; a renderer is imported when used."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from softcheck.result import Derivation, Report
from softcheck.settings import OutputFormat


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
    wraps : bool
        Whether a sentence wider than that goes on in the next row; in a log it is one line.
    """

    verbosity: int = 0
    color: bool = False
    width: int = 100
    wraps: bool = False


@dataclass(frozen=True)
class Format:
    """One form that a report can have.

    Attributes
    ----------
    about : str
        What it is for, in a few words.
    verification : callable
        Renders the report of `verify`.
    derivation : callable
        Renders the report of `derive`; takes the document's name too.
    """

    about: str
    verification: Callable[[Report, Style], str]
    derivation: Callable[[Derivation, str, Style], str]


def _late(module: str, function: str = "render") -> Callable[..., str]:
    """Return a renderer whose module is imported when it is called."""

    def render(*arguments: Any) -> str:
        rendered: str = getattr(import_module(f"{__name__}.{module}"), function)(*arguments)
        return rendered

    return render


FORMATS: dict[OutputFormat, Format] = {
    "text": Format("tables, for a terminal", _late("text"), _late("derive_text")),
    "concise": Format("a line a finding, for logs", _late("concise"), _late("derive_concise")),
    "json": Format("all of it, for programs", _late("json"), _late("json", "derivation")),
    "junit": Format("JUnit XML", _late("junit"), _late("junit", "derivation")),
    "github": Format("workflow annotations", _late("github"), _late("github", "derivation")),
    "markdown": Format("a step summary", _late("markdown"), _late("markdown", "derivation")),
}
"""Every format, by the name that options give it."""
