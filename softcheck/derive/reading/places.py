"""Pieces of a text, and texts in which some pieces are blank."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["formula", "prose", "excluded", "macro", "markup", "unread"]


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of a text, and what it is.

    Attributes
    ----------
    kind : str
        "formula", "prose" (running text), "excluded" (comments, code, what is switched off),
        "macro" (the definition of one), "markup" (what only surrounds formulas) or "unread" (what
        may hold an equality and is not read).
    start, end : int
        Where it stands, delimiters and all.
    body_start, body_end : int
        Of a formula: what lies inside of its delimiters.
    display : bool
        Of a formula: whether it stands apart from the text.
    closed : bool
        Whether the document closes it.
    reason : str
        Why it is excluded or unread.
    """

    kind: Kind
    start: int
    end: int
    body_start: int = 0
    body_end: int = 0
    display: bool = False
    closed: bool = True
    reason: str = ""


def blanked(text: str, regions: Iterable[Region]) -> str:
    """Return a text of the same length and lines in which some regions are blank."""
    pieces = []
    last = 0
    for region in regions:
        first = max(region.start, last)
        if region.end > first:
            pieces += [text[last:first], re.sub(r"[^\n]", " ", text[first : region.end])]
            last = region.end
    return "".join([*pieces, text[last:]])
