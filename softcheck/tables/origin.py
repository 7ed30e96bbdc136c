"""Which line of code dumped a case: how a case says so in words, and what of that is believed."""

import re
from collections.abc import Mapping

from softcheck.errors import printable
from softcheck.result import SourceLine
from softcheck.tables.limits import MAX_PATH

KEY = "dumped_by"
_WRITTEN = re.compile(rf"(?P<file>.{{1,{MAX_PATH}}}):(?P<line>[1-9][0-9]{{0,8}})")


def written(origin: SourceLine) -> str:
    """Return a line of code as a case says it."""
    return f"{origin.file}:{origin.line}"


def read(texts: Mapping[str, str]) -> tuple[SourceLine | None, tuple[str, ...]]:
    """Return the line of code that a case names, and a note where it names none as it should.

    It is data: nothing is looked up there, and no verdict depends on it.
    """
    if KEY not in texts:
        return None, ()
    if (match := _WRITTEN.fullmatch(texts[KEY])) is None:
        return None, (f"{KEY} is not FILE:LINE, and not used: '{printable(texts[KEY])}'",)
    return SourceLine(file=match["file"], line=int(match["line"])), ()
