"""Renderers: a report in, text out. Each is the module of its name, imported when used."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, get_args

from softcheck.result import Derivation, Derivations, LossReading, Report
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
    calls : bool
        Whether its reader calls softcheck from Python, where a setting is an argument.
    """

    verbosity: int = 0
    color: bool = False
    width: int = 100
    wraps: bool = False
    calls: bool = False


_FOR_PROGRAMS = {"json", "junit", "gitlab", "sarif", "html"}


@dataclass(frozen=True)
class Renderer:
    """One form that a report can have, written by the module of its name.

    Attributes
    ----------
    name : str
        What options call it.
    """

    name: OutputFormat

    @property
    def has_pictures(self) -> bool:
        """Whether it shows pictures, which are collected while a case is verified."""
        return self.name == "html"

    def has_digests(self, verbosity: int) -> bool:
        """Return whether it shows the digests of files, for a `Style` of this verbosity."""
        return self.name in {"json", "html"} or (self.name == "text" and verbosity > 0)

    @property
    def encoding(self) -> str | None:
        """The encoding that its readers take for granted; None if they are people at a terminal."""
        return "utf-8" if self.name in _FOR_PROGRAMS else None

    def verification(self, report: Report, style: Style) -> str:
        """Render the report of `verify`."""
        rendered: str = self._module.verification(report, style)
        return rendered

    def derivation(self, report: Derivation, document: str, style: Style) -> str:
        """Render the report of `derive` on a document."""
        rendered: str = self._module.derivation(report, document, style)
        return rendered

    def derivations(self, report: Derivations, style: Style) -> str:
        """Render the report of `derive` on several documents."""
        rendered: str = self._module.derivations(report, style)
        return rendered

    def loss(self, report: LossReading, style: Style) -> str:
        """Render what `derive --loss` says of a loss."""
        rendered: str = self._module.loss(report, style)
        return rendered

    @property
    def _module(self) -> Any:
        return import_module(f"{__name__}.{self.name}")


FORMATS: Mapping[OutputFormat, Renderer] = {name: Renderer(name) for name in get_args(OutputFormat)}
"""Every form by its name."""
