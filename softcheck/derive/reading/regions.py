"""A text cut into regions that cover every character: formulas, prose, and what is not read."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from softcheck.derive.limits import MARKS
from softcheck.derive.reading.bare import Bare, holds_equality, says_equal
from softcheck.derive.reading.excluded import OFF, excluded
from softcheck.derive.reading.macros import macros
from softcheck.derive.reading.places import Region, blanked
from softcheck.derive.reading.scan import ENVIRONMENTS, formulas
from softcheck.derive.reading.statements import RELATIONS
from softcheck.derive.reading.tokens import Macro

_MARKS = "\\${}[]<=`~"
LINES = "outside of the chosen lines"

_OPENS = re.compile(rf"\\(?:begin|end)\s*+\{{(?:{ENVIRONMENTS})\*?\}}|\\[\[\]]|\$\$")
_HOLDS = re.compile(r"\$|\\\(|\\ensuremath(?![A-Za-z])")
_CALL = re.compile(r"\\([A-Za-z]++)")
_THEOREMS = re.compile(
    r"\\newtheorem\*?\s*+\{([^{}\n]*+)\}|\\newtcbtheorem[^{}\n]*+\{([^{}\n]*+)\}"
)
_MATHEMATICS = re.compile(r"[_^=$]|\\(?!text|xspace|emph|sc|it|bf|rm|tt)[A-Za-z]|[^\x00-\u02ff]")

_STRANGE = re.compile(
    r"\\(?P<name>[A-Za-z]++)(?P<words>\s*+\{\s*+:?=:?\s*+\})?"
    r"|(?P<sign>[＝﹦⁼₌≐≑≒≓≖≗≘≙≚≛≝≞≟≣⩮⩴⩵⩶═꞊⹀🟰])"  # noqa: RUF001  signs that look alike
)
_WORDS = {"text", "textrm", "textit", "textbf", "textnormal", "mbox", "mathop", "mathrm", "hbox"}
_READ = {*RELATIONS, "eqref"}

_SIGN = r"(?:&?(?<![<>!])={1,2}(?![=>])&?|\\=)"
_BEFORE = re.compile(rf"\s*+{_SIGN}\s*\Z|[\s:&]*(?P<sign>{_SIGN})")
_BEHIND = re.compile(rf"(?P<sign>{_SIGN})[\s:&]*\Z")
_OPERAND = re.compile(r"[ \t]*+\S*+")
_BETWEEN = "an equality between two formulas, put both in one pair of dollars"
_BESIDE = "an equality beside a formula, put all of it in one pair of dollars"
_OUTSIDE = "an equality outside of a formula, put it in dollars"
_STOPS = "softcheck is switched off inside of a formula, do it before"


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
    """A document: its text, its macros, and the regions that it consists of.

    Parameters
    ----------
    text : str
    lines : sequence of (int, int)
        The first and last lines of what is read, counted from 1; none stands for all.

    Attributes
    ----------
    macros : dict of name to Macro
    regions : tuple of Region
        They cover every character, in order.
    """

    def __init__(self, text: str, lines: Sequence[tuple[int, int]] = ()) -> None:
        self.text = text
        marks = sum(text.count(mark) for mark in _MARKS)
        if marks > MARKS:
            reason = f"a document of more than {MARKS} characters of markup, split it"
            hidden = [Region("unread", 0, len(text), reason=reason)]
        else:
            hidden = excluded(text)
        visible = blanked(text, hidden)
        self.macros, defined = macros(visible)
        self._visible = blanked(visible, defined)
        found = [self._checked(region) for region in formulas(self._visible)]
        cut = _joined([*found, *hidden, *defined])
        self.regions = tuple(self._selected(self._covering(cut), lines))
        ends = [0, *(region.end for region in self.regions)]
        if [region.start for region in self.regions] != ends[:-1] or ends[-1] != len(text):
            raise AssertionError("regions that do not cover the text")

    # Places

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

    # What is counted

    @cached_property
    def off(self) -> int:
        """How many formulas are switched off, or stand outside of the chosen lines."""
        return self._hidden({OFF, LINES})

    @cached_property
    def excluded(self) -> int:
        """How many formulas stand in comments, in code, and behind the end of the document."""
        return self._hidden(set[str]()) - self.off

    def _hidden(self, reasons: set[str]) -> int:
        count = 0
        for region in self.regions:
            if region.kind == "excluded" and (not reasons or region.reason in reasons):
                text = self.text[region.start : region.end]
                found = sum(each.kind != "markup" for each in formulas(text))
                count += found or holds_equality(text)
        return count

    # Formulas

    def spans(self) -> Iterator[Span]:
        """Yield the formulas, and what may hold one, in the order of the text."""
        for region in self.regions:
            outer = (region.start, region.end)
            if region.kind == "unread":
                yield Span(False, *outer, True, region.reason, outer)
            elif region.kind == "formula":
                body = (region.body_start, region.body_end)
                yield Span(region.display, *body, region.closed, outer=outer)

    @cached_property
    def prose(self) -> str:
        """The text in which all is blank that is no running text and no formula."""
        kinds = ("prose", "formula", "unread")
        return blanked(self._visible, [each for each in self.regions if each.kind not in kinds])

    def _checked(self, region: Region) -> Region:
        """Return a formula, or that it is unread: a relation in it that only looks like one."""
        if region.kind != "formula":
            return region
        for match in _STRANGE.finditer(self._visible, region.body_start, region.body_end):
            name = match["name"]
            if name is None or (match["words"] and name in _WORDS):
                return replace(region, kind="unread", reason=f"{match[0]!r} is read as no relation")
            if name not in self.macros and name not in _READ and says_equal(name):
                return replace(region, kind="unread", reason=f"\\{name} is read as no relation")
        return region

    def _covering(self, cut: Sequence[Region]) -> Iterator[Region]:
        """Yield regions with the prose between them, and what may be an equality in it."""
        words = [name for name, macro in self.macros.items() if not _MATHEMATICS.search(macro.body)]
        theorems = [name for names in _THEOREMS.findall(self.text) for name in names]
        bare = Bare(theorems, words)
        opening = _opening(self.macros)
        last = Region("prose", 0, 0)
        for region in (*cut, Region("prose", len(self.text), len(self.text))):
            beside = (last.kind == "formula", region.kind == "formula")
            found = sorted(self._bare(bare, opening, last.end, region.start, beside))
            place = last.end
            for start, end, reason in found:
                if start < place:
                    continue
                if place < start:
                    yield Region("prose", place, start)
                yield Region("unread", start, end, reason=reason)
                place = end
            if place < region.start:
                yield Region("prose", place, region.start)
            if region.end > region.start:
                yield region
            last = region

    def _bare(
        self, bare: Bare, opening: set[str], start: int, end: int, beside: tuple[bool, bool]
    ) -> Iterator[tuple[int, int, str]]:
        """Yield what may be an equality in a piece of running text."""
        piece = self._visible[start:end]
        if beside[0] and (match := _BEFORE.match(piece)):
            both = beside[1] and match.end() == len(piece)
            sign = match.span("sign") if match["sign"] else (0, match.end())
            yield start + sign[0], start + sign[1], _BETWEEN if both else _BESIDE
        elif beside[1] and (match := _BEHIND.search(piece, max(0, len(piece) - 80))):
            yield start + match.start("sign"), start + match.end("sign"), _BESIDE
        for first, stop, around in bare.equalities(piece):
            reason = f"an equality in the environment {around!r}, which is not known"
            operand = _OPERAND.match(piece, stop)
            end = operand.end() if operand else stop
            yield start + first, start + end, reason if around else _OUTSIDE
        for match in _CALL.finditer(piece):
            if match[1] in opening:
                reason = f"the macro {match[0]} opens or holds a formula, write it out"
                yield start + match.start(), start + match.end(), reason

    def _selected(
        self, regions: Iterable[Region], lines: Sequence[tuple[int, int]]
    ) -> Iterator[Region]:
        """Yield regions; what stands on none of the chosen lines is excluded."""
        if not lines:
            yield from regions
            return
        chosen = [self._range(*pair) for pair in lines]
        for region in regions:
            if region.kind == "prose":
                yield from _split(region, chosen)
            elif region.kind in ("formula", "unread") and not any(
                start < region.end and region.start < end for start, end in chosen
            ):
                yield Region("excluded", region.start, region.end, reason=LINES)
            else:
                yield region

    def _range(self, first: int, last: int) -> tuple[int, int]:
        """Return where lines start and end."""
        starts = [*self._line_starts, len(self.text)]
        count = len(starts) - 1
        return starts[min(max(first, 1) - 1, count)], starts[min(max(last, 0), count)]


def _split(region: Region, chosen: Sequence[tuple[int, int]]) -> Iterator[Region]:
    """Yield the parts of a prose inside and outside of what is chosen."""
    borders = {place for pair in chosen for place in pair if region.start < place < region.end}
    places = [region.start, *sorted(borders), region.end]
    for start, end in pairwise(places):
        if any(first < end and start < last for first, last in chosen):
            yield Region("prose", start, end)
        else:
            yield Region("excluded", start, end, reason=LINES)


def _joined(regions: Sequence[Region]) -> list[Region]:
    """Return regions in order; one that another holds is a part of it."""
    out: list[Region] = []
    for region in sorted(regions, key=lambda region: (region.start, -region.end)):
        last = out[-1] if out else Region("prose", 0, 0)
        if region.start >= last.end:
            out.append(region)
            continue
        if last.kind == "formula" and region.reason == OFF:
            out[-1] = replace(last, kind="unread", reason=_STOPS)
        if region.end > last.end:
            out.append(Region(region.kind, last.end, region.end, reason=region.reason))
    return out


def _opening(macros: dict[str, Macro]) -> set[str]:
    """Return the macros that open, close or hold a formula, by themselves or by others."""
    users: dict[str, list[str]] = {}
    found = set()
    for name, macro in macros.items():
        holds = "=" in macro.body and (_HOLDS.search(macro.body) or holds_equality(macro.body))
        if holds or _OPENS.search(macro.body):
            found.add(name)
        for called in _CALL.findall(macro.body):
            users.setdefault(called, []).append(name)
    pending = list(found)
    while pending:
        for name in users.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    return found
