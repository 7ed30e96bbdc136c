r"""Where a formula stands in its text: the words before and behind it, in its sentence.

A sentence is running text in which each formula is one sign. It ends at a full stop, also at one
inside of a formula; at an empty line, but for one that only sets a display apart; before a capital
letter behind a display; and around headings and items of a list.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

INLINE, DISPLAY = "\ue000", "\ue001"
"""What stands for a formula in the words of its sentence: one in the text, one on its own."""

_FAR = 1000
"""Characters of a sentence that are looked at on either side of a formula."""

_NEAR = 200

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|eq|eqs|fig|figs|sec|ref|refs|resp|w\.r\.t|s\.t|i\.i\.d|vs|thm|prop|lem"
    r"|def|app|ch|etc|al|approx|a\.k\.a))$",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"\\(?:label|ref|eqref|cite[a-z]*|index|vspace|hspace|autoref|cref|Cref)\*?\s*\{[^{}\n]*\}"
    r"|\\(?:begin|end)\s*\{[^{}\n]*\}(?:\[[^\]\n]*\])?"
    r"|\\[A-Za-z]+\*?"
)
_HEADING = re.compile(
    r"^[ \t]*(?:\#{1,6}[ \t][^\n]*+"
    r"|\\(?:part|chapter|(?:sub)*section|(?:sub)?paragraph)\*?[ \t]*(?:\[[^\]\n]*+\])?[ \t]*"
    r"\{(?:[^{}\n]|\{[^{}\n]*+\})*+\}"
    r"|\*\*[^*\n]++\*\*|__[^_\n]++__"
    r"|\\(?:textbf|textit|emph)\{(?:[^{}\n]|\{[^{}\n]*+\})*+\}"
    r"|(?=[^\n]*\S)[^\n]*+\n[ \t]*(?:={3,}|-{3,}|~{3,}|\^{3,})[ \t]*$)",
    re.MULTILINE,
)
_ITEM = re.compile(
    r"^[ \t]*(?:[-*+]|\d{1,3}[.)]|\([a-z0-9]{1,3}\)|\\item\b)[ \t]*",
    re.MULTILINE,
)
_BLOCK = re.compile(
    r"\\(?:begin|end)\s*\{[^{}\n]*\}(?:\{[^{}\n]*\})*|^[ \t]*\|[^\n]*$", re.MULTILINE
)
"""The commands of environments, and rows of tables."""

_STOP = re.compile(r"[.!?;](?=[\s)\]\"'*_}]|$)|\n[ \t]*\n")


@dataclass(frozen=True)
class Piece:
    """A formula, as the sentences see it.

    Attributes
    ----------
    start, end : int
        With its delimiters.
    display : bool
        Whether it stands apart from the text.
    stops : bool
        Whether it ends in a full stop.
    """

    start: int
    end: int
    display: bool
    stops: bool


@dataclass(frozen=True)
class Surroundings:
    """What stands around a formula.

    Attributes
    ----------
    before, behind : str
        The words of its sentence, in which `INLINE` and `DISPLAY` stand for other formulas.
    sentence : int
        The number of the sentence.
    section : int
        The number of the heading or label that it stands under or in.
    in_heading : bool
        Whether it is a part of that heading.
    """

    before: str
    behind: str
    sentence: int
    section: int = 0
    in_heading: bool = False

    @property
    def alone(self) -> bool:
        """Whether no word of a sentence stands around it, only formulas."""
        return not (_words(self.before) or _words(self.behind))


def _words(text: str) -> str:
    return re.sub(rf"[{INLINE}{DISPLAY}\W_]+", "", text)


def surroundings(words: str, pieces: Sequence[Piece]) -> list[Surroundings]:
    """Return what stands around each formula of a text.

    Parameters
    ----------
    words : str
        The text in which all that is no running text and no formula is blank.
    pieces : sequence of Piece
        The formulas, in the order of the text.
    """
    line, places = _flat(words, pieces)
    headings = _headings(line)
    breaks = _breaks(line, headings)
    found = []
    number = section = 0
    for place in places:
        while breaks[number + 1] <= place:
            number += 1
        while section < len(headings) and headings[section][0] <= place:
            section += 1
        first = max(breaks[number], place - _FAR)
        last = min(breaks[number + 1], place + _FAR)
        item = _ITEM.match(line, first)
        heading = headings[section - 1] if section else (0, 0)
        found.append(
            Surroundings(
                before=_plain(line[item.end() if item else first : place]),
                behind=_plain(line[place + 1 : last]),
                sentence=number,
                in_heading=heading[0] <= place < heading[1],
                section=section,
            )
        )
    return found


def _flat(words: str, pieces: Sequence[Piece]) -> tuple[str, list[int]]:
    """Return the text with one sign a formula, and where the signs stand."""
    parts: list[str] = []
    places: list[int] = []
    length = last = 0
    for piece in pieces:
        parts.append(words[last : piece.start])
        length += piece.start - last
        places.append(length)
        sign = DISPLAY if piece.display else INLINE
        parts.append(f"{sign}." if piece.stops else sign)
        length += 1 + piece.stops
        last = piece.end
    return "".join([*parts, words[last:]]), places


def _headings(line: str) -> list[tuple[int, int]]:
    """Return where headings and labels stand."""
    return [match.span() for match in _HEADING.finditer(line)]


def _breaks(line: str, headings: Sequence[tuple[int, int]]) -> list[int]:
    """Return where sentences start, and the end of the text."""
    found = {0, len(line)}
    for start, end in headings:
        found |= {start, end}
    found |= {match.start() for match in _ITEM.finditer(line)}
    found |= {place for match in _BLOCK.finditer(line) for place in match.span()}
    found |= set(_stops(line))
    return [*sorted(found), len(line) + 1]


def _stops(line: str) -> Iterator[int]:
    for match in _STOP.finditer(line):
        if match[0] == ".":
            if not _ABBREVIATION.search(line, max(0, match.start() - 8), match.start()):
                yield match.end()
        elif match[0] in "!?;":
            if match[0] != ";":
                yield match.end()
        elif not _apart(line, match):
            yield match.end()
    for match in re.finditer(rf"{DISPLAY}\s*(?=[^\W\d_a-z])", line):
        yield match.end()


def _apart(line: str, blank: re.Match[str]) -> bool:
    """Tell whether an empty line only sets a display apart from its sentence."""
    before = line[max(0, blank.start() - _NEAR) : blank.start()].rstrip()[-1:]
    behind = line[blank.end() : blank.end() + _NEAR].lstrip()[:1]
    return DISPLAY in (before, behind)


def _plain(text: str) -> str:
    """Return words on one line, without the commands among them."""
    text = _MARKUP.sub(" ", text).replace("\u2019", "'")
    return " ".join(re.sub(r"[*{}]", " ", text).split())
