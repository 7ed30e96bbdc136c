"""Where the formulas of a text stand, whatever surrounds them: LaTeX, Markdown or plain words."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from softcheck.derive.tokens import Macro

_ENVIRONMENTS = (
    "equation|align|aligned|alignat|alignedat|flalign|gather|gathered|multline|multlined|split|"
    "eqnarray|displaymath|math|dmath|IEEEeqnarray|empheq|numcases|subnumcases|dgroup|darray|"
    "xalignat|xxalignat"
)

_SPAN = re.compile(
    r"(?P<comment>%[^\n]*)"
    r"|(?P<skip>^[ \t]*(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?!\{?math\b)[^\n]*\n.*?"
    r"(?:^[ \t]*(?P=fence)|\Z)"
    r"|\\begin\{(?P<raw>verbatim|lstlisting|comment)\}.*?(?:\\end\{(?P=raw)\}|\Z)"
    r"|\\[\\$%])"
    r"|(?P<fenced>^[ \t]*(?P<wall>`{3,}+|~{3,}+)[ \t]*\{?math\b[^\n]*\n(?P<fenced_body>.*?)"
    r"(?:^[ \t]*(?P=wall)|\Z))"
    r"|(?P<dollars>\$\$(?P<dollars_body>.*?)(?:(?<!\\)\$\$|\Z))"
    r"|(?P<bracket>\\\[(?P<bracket_body>.*?)(?:\\\]|\Z))"
    rf"|(?P<environment>\\begin\{{(?P<name>(?:{_ENVIRONMENTS})\*?)\}}"
    r"(?P<environment_body>.*?)(?:\\end\{(?P=name)\}|\Z))"
    r"|(?P<ticked>\$`(?P<ticked_body>[^`]+)`\$)"
    r"|(?P<code>`[^`'\"\n]+`)"
    r"|(?P<round>\\\((?P<round_body>.*?)(?:\\\)|\Z))"
    r"|(?P<dollar>\$(?P<dollar_body>(?:[^$\\\n]|\\.|\n(?!\s*\n))+?)\$)"
    r"|(?P<open>\$)"
    rf"|(?P<stray>\\end\{{(?:{_ENVIRONMENTS})\*?\}}|\\\]|\\\)|\\ensuremath\b)",
    re.DOTALL | re.MULTILINE,
)

_TEX_FENCE = re.compile(
    r"^[ \t]*```+[ \t]*(?:la)?tex\b[^\n]*\n(?P<body>.*?)(?:^[ \t]*```+|\Z)",
    re.DOTALL | re.MULTILINE,
)
"""Fenced code that is LaTeX: its formulas count."""

_DISPLAYS = ("fenced", "dollars", "bracket", "environment")
_INLINES = ("ticked", "round", "dollar")

_COMMAND = re.compile(
    r"\\(?:re|provide)?newcommand\*?\s*\{?\s*\\(?P<new>[A-Za-z]+)\s*\}?\s*(?:\[(?P<count>\d)\])?\s*"
    r"(?=\{)"
    r"|\\def\s*\\(?P<def>[A-Za-z]+)\s*(?P<hashes>(?:#\d)*)\s*(?=\{)"
    r"|\\DeclareMathOperator\*?\s*\{?\s*\\(?P<operator>[A-Za-z]+)\s*\}?\s*(?=\{)"
)

_BLANK_LINE = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n\s*\n|\Z")


@dataclass(frozen=True)
class Span:
    """A formula's place.

    Attributes
    ----------
    display : bool
        Whether it stands apart from the text.
    start, end : int
        What lies inside of its delimiters.
    closed : bool
        Whether the document closes it.
    before : str
        The words of its sentence before it.
    sentence : str
        The whole sentence, other formulas left out.
    """

    display: bool
    start: int
    end: int
    closed: bool
    before: str = ""
    sentence: str = ""


class Text:
    """A document: its text, macros, and the places of its formulas.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.macros, blanks = _macros(text)
        for fence in _TEX_FENCE.finditer(text):
            blanks += [(fence.start(), fence.start("body")), (fence.end("body"), fence.end())]
        self._formulas = _blanked(text, sorted(blanks))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line(self, place: int) -> int:
        """Return the line of a place, counted from 1."""
        return bisect_right(self._line_starts, place)

    def column(self, place: int) -> int:
        """Return the column of a place, counted from 1."""
        return place - self._line_starts[self.line(place) - 1] + 1

    def spans(self) -> Iterator[Span]:
        """Yield the formulas in the order of the text."""
        tex = "\\documentclass" in self.text or "\\begin{" in self.text
        found = list(_matches(self._formulas, tex))
        sentences = _Sentences(self._formulas, [(m.start(), m.end()) for m in found])
        for match in found:
            kind = next((k for k in (*_DISPLAYS, *_INLINES, "open") if match[k] is not None), None)
            if kind is None:
                continue
            if kind == "open":
                yield from self._unclosed(match)
                continue
            start, end = match.span(f"{kind}_body")
            if kind == "environment":
                start, end = match.span("environment")
            closed = match.end() > end or (kind == "environment" and match[0].endswith("}"))
            before, sentence = sentences.around(match.start(), match.end())
            yield Span(kind in _DISPLAYS, start, end, closed, before, sentence)

    def _unclosed(self, match: re.Match[str]) -> Iterator[Span]:
        """Yield what a lone dollar opens if it looks like a formula rather than like money."""
        start = match.end()
        blank = _BLANK_LINE.search(self._formulas, start)
        end = blank.start() if blank else len(self._formulas)
        if re.search(r"\\[A-Za-z]|=", self._formulas[start:end]):
            yield Span(False, start, end, False)


def _matches(text: str, tex: bool) -> Iterator[re.Match[str]]:
    """Yield what `_SPAN` finds; a percent sign opens a comment in TeX, or where a line starts."""
    place = 0
    while (match := _SPAN.search(text, place)) is not None:
        if match["comment"] is not None and not tex:
            line_start = text.rfind("\n", 0, match.start()) + 1
            if text[line_start : match.start()].strip():
                place = match.start() + 1
                continue
        yield match
        place = match.end()


class _Sentences:
    """The sentences of a text whose formulas, and the full stops in them, are left out."""

    def __init__(self, text: str, formulas: list[tuple[int, int]]) -> None:
        self._words = _blanked(text, formulas)

    def around(self, start: int, end: int) -> tuple[str, str]:
        """Return the words before a formula and all words of its sentence."""
        first = max(0, start - 1000)
        for match in _SENTENCE_END.finditer(self._words, first, start):
            if match.end() > match.start():
                first = match.end()
        last = _SENTENCE_END.search(self._words, end, end + 1000)
        stop = last.start() if last else end + 1000
        before = " ".join(self._words[first:start].split())
        return before, " ".join(self._words[first:stop].split())


def _macros(text: str) -> tuple[dict[str, Macro], list[tuple[int, int]]]:
    """Return the commands that a document defines, and where it does."""
    macros = {}
    places = []
    for match in _COMMAND.finditer(text):
        end = _closing(text, match.end())
        if end is None:
            continue
        body = text[match.end() + 1 : end]
        name = match["new"] or match["def"] or match["operator"]
        count = int(match["count"] or 0) or len(match["hashes"] or "") // 2
        macros[name] = Macro(count, rf"\mathrm{{{body}}}" if match["operator"] else body)
        places.append((match.start(), end + 1))
    return macros, places


def _closing(text: str, start: int) -> int | None:
    """Return where the brace at `start` closes."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] in "{}" and text[place - 1] != "\\":
            depth += 1 if text[place] == "{" else -1
            if depth == 0:
                return place
    return None


def _blanked(text: str, places: list[tuple[int, int]]) -> str:
    """Return a text of the same length and lines in which some places are blank."""
    pieces = []
    last = 0
    for start, end in places:
        first = max(start, last)
        if end > first:
            pieces += [text[last:first], re.sub(r"[^\n]", " ", text[first:end])]
            last = end
    return "".join([*pieces, text[last:]])
