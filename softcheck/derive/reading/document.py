"""Where the formulas of a text stand, whatever surrounds them: LaTeX, Markdown or plain words."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from softcheck.derive.reading.tokens import Macro

_ENVIRONMENTS = (
    "equation|align|aligned|alignat|alignedat|flalign|gather|gathered|multline|multlined|split|"
    "eqnarray|displaymath|math|dmath|IEEEeqnarray|empheq|numcases|subnumcases|dgroup|darray|"
    "xalignat|xxalignat"
)

_SPAN = re.compile(
    r"(?P<skip>^[ \t]*(?P<fence>`{3,}+|~{3,}+)[ \t]*+(?!\{?math\b)[^\n]*\n.*?"
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
    r"|(?P<dollar>\$(?!\d[\d.,]*\s+[A-Za-z]{2,}[^$\\=^_{}]*\s\$)(?P<dollar_body>(?:[^$\\\n]|\\.|\n(?!\s*\n))+?)\$)"
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

_COMMENT = re.compile(
    r"(?P<kept>\\(?:url|href|path)\s*\{[^}\n]*\}|\\verb\*?(?P<bar>[^A-Za-z\s*])[^\n]*?(?P=bar)"
    r"|\\begin\{(?P<raw>verbatim|lstlisting|comment)\}.*?(?:\\end\{(?P=raw)\}|\Z)|\\.)"
    r"|%[^\n]*",
    re.DOTALL,
)

_OPENING = re.compile(rf"\\(?:begin|end)\s*\{{(?:{_ENVIRONMENTS})\*?\}}|\\[\[\]]|\$\$")
_HOLDING = re.compile(r"\$|\\\(|\\ensuremath\b")


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
    problem : str
        Why it cannot be read at all.
    outer : tuple of int
        Where its delimiters start and end.
    """

    display: bool
    start: int
    end: int
    closed: bool
    problem: str = ""
    outer: tuple[int, int] = (0, 0)


class Text:
    """A document: its text, macros, and the places of its formulas.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.text = text
        text = _blanked(text, list(_comments(text)))
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

    def words(self, start: int, end: int) -> str:
        """Return what stands in a place, on one line."""
        return " ".join(self.text[start:end].split())

    def problem(self, reason: str, place: int) -> str:
        """Say what is wrong, and where."""
        return f"line {self.line(place)}, column {self.column(place)}: {reason}"

    @property
    def prose(self) -> str:
        """The text in which what is no formula and no running text is blank."""
        return self._formulas

    def spans(self) -> Iterator[Span]:
        """Yield the formulas in the order of the text."""
        found = list(_SPAN.finditer(self._formulas))
        places = [(m.start(), m.end()) for m in found]
        yield from self._hidden(_blanked(self._formulas, places))
        kinds = (*_DISPLAYS, *_INLINES, "open", "stray")
        before = 0
        for match in found:
            kind = next((k for k in kinds if match[k] is not None), None)
            if kind is None:
                continue
            if self._formulas[before : match.start()].strip() in ("=", r"\=") and before:
                reason = "an equality between two formulas, put both in one pair of dollars"
                yield Span(False, match.start(), match.end(), True, reason, match.span())
            before = match.end()
            if kind == "stray":
                reason = f"{match[0]} without the formula that it belongs to"
                yield Span(False, match.start(), match.end(), True, reason, match.span())
                continue
            if kind == "open":
                yield from self._unclosed(match)
                continue
            start, end = match.span(f"{kind}_body")
            if kind == "environment":
                start, end = match.span("environment")
            closed = match.end() > end or (kind == "environment" and match[0].endswith("}"))
            yield Span(kind in _DISPLAYS, start, end, closed, outer=match.span())

    def _hidden(self, words: str) -> Iterator[Span]:
        """Yield the macros in the running text that open, close or hold a formula."""
        for name, macro in self.macros.items():
            holds = "=" in macro.body and _HOLDING.search(macro.body)
            if not (holds or _OPENING.search(macro.body)):
                continue
            for match in re.finditer(rf"\\{name}(?![A-Za-z])", words):
                reason = f"the macro \\{name} opens or holds a formula, write it out"
                yield Span(False, match.start(), match.end(), True, reason, match.span())

    def _unclosed(self, match: re.Match[str]) -> Iterator[Span]:
        """Yield what a lone dollar opens if it looks like a formula rather than like money."""
        start = match.end()
        blank = re.compile(r"\n\s*\n|\$").search(self._formulas, start)
        end = blank.start() if blank else len(self._formulas)
        if re.search(r"\\[A-Za-z]|=", self._formulas[start:end]):
            yield Span(False, start, end, False, outer=(match.start(), end))


def _macros(text: str) -> tuple[dict[str, Macro], list[tuple[int, int]]]:
    """Return the commands that a document defines, and where it does."""
    macros: dict[str, Macro] = {}
    places = []
    for match in _COMMAND.finditer(text):
        end = _closing(text, match.end())
        if end is None:
            continue
        body = text[match.end() + 1 : end]
        name = match["new"] or match["def"] or match["operator"]
        count = int(match["count"] or 0) or len(match["hashes"] or "") // 2
        macro = Macro(count, rf"\mathrm{{{body}}}" if match["operator"] else body)
        twice = name in macros and macros[name] != macro
        macros[name] = replace(macro, ambiguous=True) if twice else macro
        places.append((match.start(), end + 1))
    return macros, places


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield where comments stand; outside of TeX only a line that starts with one is a comment."""
    if "\\documentclass" not in text and "\\begin{" not in text:
        yield from (match.span() for match in re.finditer(r"^[ \t]*%[^\n]*", text, re.MULTILINE))
        return
    whole = "\\documentclass" in text
    for match in _COMMENT.finditer(text):
        # In a fragment, which may be Markdown, `5%` is a number.
        if match["kept"] is None and (whole or not text[: match.start()][-1:].isdigit()):
            yield match.span()


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
