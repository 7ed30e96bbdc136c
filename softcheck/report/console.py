"""How lines for a person at a terminal are printed."""

from textwrap import wrap
from typing import TextIO

from rich.console import Console
from rich.text import Text

from softcheck.report import Style

_LEAST = 20
"""Columns that are left for words, however deep a line is indented."""


def console_on(out: TextIO, style: Style) -> Console:
    """Return a console that prints as a style has it, and changes nothing in what is printed."""
    return Console(
        file=out,
        width=style.width,
        force_terminal=style.color,
        no_color=not style.color,
        color_system="standard" if style.color else None,
        soft_wrap=not style.wraps,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )


def print_line(console: Console, *parts: Text | str) -> None:
    """Print a line: whole, or wrapped between words, each row indented as the first; never cut."""
    text = Text.assemble(*parts)
    if console.soft_wrap:
        console.print(text)
        return
    for line in text.split(allow_blank=True):
        start = indent = len(line.plain) - len(line.plain.lstrip())
        width = max(console.width - indent, _LEAST)
        rows = wrap(line.plain[indent:], width, break_long_words=False, break_on_hyphens=False)
        for row in rows or [""]:
            start = line.plain.index(row, start)
            part = line[start : start + len(row)]
            console.print(Text(" " * indent), part, sep="", soft_wrap=True)
            start += len(row)
