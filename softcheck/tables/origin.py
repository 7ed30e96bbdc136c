"""Which line of code dumped a case: how a case says so in words, and what of that is believed."""

import re

from softcheck.errors import printable
from softcheck.result import SourceLine
from softcheck.tables.limits import MAX_PATH

KEY = "dumped_by"
_WRITTEN = re.compile(rf"(?P<file>.{{1,{MAX_PATH}}}):(?P<line>[1-9][0-9]{{0,8}})")


def written(file: str, line: int) -> str:
    """Return a line of code as a case says it."""
    return f"{file}:{line}"


def read(text: str | None) -> tuple[SourceLine | None, tuple[str, ...]]:
    """Return the line of code that a case says, and a note where what it says is none.

    It is data: nothing is looked up there, and no verdict depends on it.
    """
    if text is None:
        return None, ()
    if (match := _WRITTEN.fullmatch(text)) is None:
        return None, (f"{KEY} is not FILE:LINE, and not used: '{printable(text)}'",)
    return SourceLine(file=match["file"], line=int(match["line"])), ()
