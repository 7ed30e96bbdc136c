"""What of a text nobody reads as mathematics: comments, code, verbatim, what is switched off."""

import re

from softcheck.derive.limits import FORMULAS
from softcheck.derive.reading.bare import holds_equality
from softcheck.derive.reading.places import Region

OFF = "switched off"
COMMENT = "a comment"
CODE = "code"
BEHIND = r"behind \end{document}"

_RAW = r"verbatim\*?|Verbatim\*?|BVerbatim|alltt|lstlisting|minted|comment|filecontents\*?"
_PROGRAMS = (
    "code|code-block|code-cell|sourcecode|literalinclude|r|python|py|julia|bash|sh|console|eval-rst"
)
_DOCUMENTS = "math|latex|tex|markdown|md|rst"

_INTEREST = re.compile(r"[%\\<]|^\[(?=//\]:|comment\]:)|`++|~++|\.\.(?=[ \t])", re.MULTILINE)
_HIDDEN = re.compile(r"\[(?://|comment)\]:[ \t]*+(?:#|<>)[ \t]*+(?:\([^\n]*\)|\"[^\n]*\"|'[^\n]*')")
"""The label of a link that nobody follows: how Markdown writes a comment."""
_SWITCH = re.compile(r"(?:%|<!--)[ \t]*+softcheck:[ \t]*+off\b", re.IGNORECASE)
_ON = re.compile(r"(?:%|<!--)[ \t]*+softcheck:[ \t]*+on\b(?:[^\n]*?-->|[^\n]*+)", re.IGNORECASE)
_PERCENT = re.compile(r"%[^\n]*+(?:\n[ \t]*+%(?![ \t]*+softcheck:)[^\n]*+)*+")
_SHORTCODE = re.compile(r"%[^%{}\n]*+%\}")
_VERB = re.compile(
    r"\\(?:verb|lstinline|mintinline\{[^{}\n]*+\})\*?(?:\[[^\]\n]*+\])?"
    r"(?:(?P<bar>[^A-Za-z\s*{])[^\n]{0,500}?(?P=bar)|\{[^{}\n]*+\})"
)
_LINK = re.compile(r"\\(?:url|href|path|nolinkurl)\s*+\{[^}\n]{0,500}+\}")
_BEGIN = re.compile(rf"\\begin[ \t]*+\{{(?P<name>{_RAW})\}}")
_CONDITIONAL = re.compile(r"\\(?P<name>if(?!f\b|thenelse\b)[A-Za-z@]*+|else\b|fi\b)")
_IFFALSE = re.compile(r"\\iffalse(?![A-Za-z])")
_END = re.compile(r"\\end[ \t]*+\{document\}")
_TAG = re.compile(r"<(?P<name>script|style|pre|code)\b(?![^<>]*math/tex)[^<>]*+>", re.IGNORECASE)
_FENCE = re.compile(r"(?P<wall>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`\n]*+)\n")
_INDENT = re.compile(r"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?")
_WINDOW = 200
_WALL = 8
"""A wall that is longer may be closed by one of this length."""
_FORMULA = re.compile(r"(?<=:math:)`[^`]*+`|(?<=\{math\})`[^`]*+`|(?<=\$)`[^`\n]++`(?=\$)")
_CODE = re.compile(r"(?<!`)(?P<ticks>`{1,2}+)(?P<body>[^`\n]++)(?P=ticks)(?!`)")
_DIRECTIVE = re.compile(
    r"\.\.[ \t]++(?:code-block|code|sourcecode)::[ \t]*+(?!(?:la)?tex\b)[^\n]*+\n"
)
_PROGRAM = re.compile(rf"\{{(?:{_PROGRAMS})\b", re.IGNORECASE)
_DOCUMENT = re.compile(rf"(?:\{{|(?:{_DOCUMENTS})\b)", re.IGNORECASE)
_NATURE = re.compile(
    r"^[ \t]*+(?P<tex>\\documentclass\b)|^[ \t]*+(?:```|~~~|#{1,6} )", re.MULTILINE
)


def is_tex(text: str) -> bool:
    """Tell whether a text is a whole document of LaTeX."""
    match = _NATURE.search(text)
    return match is not None and match["tex"] is not None


class Finder:
    """Searches a text for what may end something; what is missing once is not searched again.

    Parameters
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, re.Match[str] | None] = {}

    def __call__(self, pattern: str, start: int) -> re.Match[str] | None:
        """Return the next match of a pattern; starts only grow."""
        if pattern in self._found:
            found = self._found[pattern]
            if found is None or found.start() >= start:
                return found
        found = re.compile(pattern, re.MULTILINE).search(self._text, start)
        self._found[pattern] = found
        return found


def line_before(text: str, place: int) -> str:
    """Return what stands on its line before a place; of a long line, more than an indent."""
    window = text[max(0, place - _WINDOW) : place]
    return window[window.rfind("\n") + 1 :] if "\n" in window or place <= _WINDOW else "..."


def leads_line(text: str, place: int) -> bool:
    """Tell whether nothing but blanks, quotes or the mark of an item stands before a place."""
    return _INDENT.fullmatch(line_before(text, place)) is not None


def block_end(text: str, start: int, indent: int) -> int:
    """Return where a block ends whose lines are blank or further in than `indent`."""
    end = start
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop + 1
        line = text[start:stop]
        if line.strip():
            if len(line) - len(line.lstrip()) <= indent:
                break
            end = stop
        start = stop
    return end


def excluded(text: str) -> list[Region]:
    """Return what is not read, in the order of the text; what does not end is unread."""
    return _Excluding(text).found


class _Excluding:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Region] = []
        self._tex = is_tex(text)
        self._fragment = not self._tex and "\\begin{" in text and _NATURE.search(text) is None
        self._next = Finder(text)
        self._ends = True  # whether every \\iffalse so far does
        self._read: set[int] = set()  # walls that close what is read
        self._read_to = 0
        handlers = {
            "%": self._percent, "\\": self._command, "<": self._tag, "`": self._ticks,
            "~": self._fence, ".": self._directive, "[": self._hidden,
        }  # fmt: skip
        place = 0
        while match := _INTEREST.search(text, place):
            place = max(match.end(), handlers[match[0][0]](match.start()))
            if len(self.found) > FORMULAS:
                reason = f"more than {FORMULAS} pieces that are not read"
                self.found.append(Region("unread", place, len(text), reason=reason))
                break

    def _exclude(self, start: int, end: int, reason: str) -> int:
        self.found.append(Region("excluded", start, end, reason=reason))
        return end

    def _until(self, start: int, body: int, pattern: str, reason: str, what: str) -> int:
        """Exclude what ends with a pattern; what does not end is unread, and read on behind."""
        if stop := self._next(pattern, body):
            return self._exclude(start, stop.end(), reason)
        self.found.append(Region("unread", start, body, reason=f"{what} that does not end"))
        return body

    def _switch(self, at: int) -> int | None:
        """Exclude what is switched off, up to where it is switched on again."""
        if not (off := _SWITCH.match(self.text, at)):
            return None
        on = _ON.search(self.text, off.end())
        return self._exclude(at, on.end() if on else len(self.text), OFF)

    def _percent(self, at: int) -> int:
        text = self.text
        if (end := self._switch(at)) is not None:
            return end
        if not self._tex and text[at - 1 : at] == "{" and (code := _SHORTCODE.match(text, at)):
            return code.end()
        leads = self._tex or not line_before(text, at).strip()
        # In a fragment, which may be Markdown, `5%` and `5 %` are numbers.
        number = text[max(0, at - 2) : at].strip()[-1:].isdigit()
        if not (leads or (self._fragment and not number)):
            return at + 1
        comment = _PERCENT.match(text, at)
        return self._exclude(at, comment.end() if comment else at + 1, COMMENT)

    def _command(self, at: int) -> int:
        text = self.text
        if link := _LINK.match(text, at):
            return link.end()
        if verb := _VERB.match(text, at):
            return self._exclude(at, verb.end(), CODE)
        if begin := _BEGIN.match(text, at):
            end = rf"\\end[ \t]*\{{{re.escape(begin['name'])}\}}"
            return self._until(at, begin.end(), end, CODE, begin[0])
        if iffalse := _IFFALSE.match(text, at):
            return self._iffalse(at, iffalse.end())
        if _END.match(text, at):
            return self._exclude(at, len(text), BEHIND)
        return at + 2

    def _iffalse(self, at: int, body: int) -> int:
        r"""Exclude what `\iffalse` hides, up to its `\else` or `\fi`."""
        depth = 1
        for stop in _CONDITIONAL.finditer(self.text, body) if self._ends else ():
            depth += {"fi": -1}.get(stop["name"], int(stop["name"] != "else"))
            if depth == 0 or (depth == 1 and stop["name"] == "else"):
                return self._exclude(at, stop.end(), COMMENT)
        self._ends = False
        self.found.append(Region("unread", at, body, reason=r"\iffalse without its \fi"))
        return body

    def _tag(self, at: int) -> int:
        if (end := self._switch(at)) is not None:
            return end
        if self._tex:
            return at + 1
        if self.text.startswith("<!--", at):
            return self._until(at, at + 4, "-->", COMMENT, "a comment")
        if not (tag := _TAG.match(self.text, at)):
            return at + 1
        name = tag["name"].lower()
        closing = rf"(?i:</{name}[ \t]*>)"
        if name in ("script", "style"):
            return self._until(at, tag.end(), closing, CODE, tag[0][:40])
        stop = self._next(closing, tag.end()) if at >= self._read_to else None
        if stop is None:
            return tag.end()
        if holds_equality(self.text[tag.end() : stop.start()]):
            self._read_to = stop.start()
            return tag.end()
        return self._exclude(at, stop.end(), CODE)

    def _hidden(self, at: int) -> int:
        hidden = None if self._tex else _HIDDEN.match(self.text, at)
        return self._exclude(at, hidden.end(), COMMENT) if hidden else at + 1

    def _ticks(self, at: int) -> int:
        text = self.text
        if formula := _FORMULA.match(text, at):
            return formula.end()
        if text.startswith("```", at):
            return self._fence(at)
        if self._tex or not (code := _CODE.match(text, at)):
            return at + 1
        body = code["body"]
        # Between two quotes of TeX, or two stray ticks, stands running text.
        words = "$" in body and ("''" in body or body != body.strip())
        if words or holds_equality(body):
            return code.end()
        return self._exclude(at, code.end(), CODE)

    def _fence(self, at: int) -> int:
        """Exclude fenced code, unless it is mathematics or running text."""
        fence = _FENCE.match(self.text, at)
        if self._tex or fence is None or at in self._read or not leads_line(self.text, at):
            return fence.end("wall") if fence else at + 1
        stop = self._next(closing_fence(fence["wall"]), fence.end())
        if stop is None:
            return fence.end()
        info = fence["info"].strip().lstrip(".")
        reads = _DOCUMENT.match(info) is not None and _PROGRAM.match(info) is None
        if info.lower() in ("", "text", "txt"):
            reads = holds_equality(self.text[fence.end() : stop.start()])
        if reads:
            self._read.add(stop.start("wall"))
            return fence.end()
        return self._exclude(at, stop.end(), CODE)

    def _directive(self, at: int) -> int:
        """Exclude the code of a reStructuredText document."""
        directive = _DIRECTIVE.match(self.text, at)
        before = line_before(self.text, at)
        if self._tex or directive is None or before.strip():
            return at + 1
        return self._exclude(at, block_end(self.text, directive.end(), len(before)), CODE)


def closing_fence(wall: str) -> str:
    """Return the pattern of the line that closes a fence."""
    return rf"^[ \t>]*(?P<wall>{wall[0]}{{{min(len(wall), _WALL)},}})[ \t]*$"
