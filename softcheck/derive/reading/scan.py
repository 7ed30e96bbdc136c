"""Where the formulas of a text stand, whatever marks them: TeX, Markdown, HTML and others."""

import re
from bisect import bisect_left, bisect_right

from softcheck.derive.limits import FORMULAS
from softcheck.derive.reading.bare import holds_equality
from softcheck.derive.reading.excluded import (
    Finder,
    block_end,
    closing_fence,
    is_tex,
    leads_line,
    line_before,
)
from softcheck.derive.reading.places import Region

ENVIRONMENTS = (
    "equation|align|aligned|alignat|alignedat|flalign|gather|gathered|multline|multlined|split|"
    "eqnarray|displaymath|math|dmath|IEEEeqnarray|empheq|numcases|subnumcases|dgroup|darray|"
    "xalignat|xxalignat"
)
_INTEREST = re.compile(
    r"(?=[\\$`~:<{!\[.#])(?:[\\$<{]|`++|~{3,}+|:(?:::++|(?=math:|\[))|!(?=\[)|\[(?=latexm|asciim|stem)"
    r"|\.\.(?=[ \t])|\#(?=\+INCL|inclu))",
    re.IGNORECASE,
)

_ENVIRONMENT = re.compile(
    rf"\\(?P<way>begin|end)[ \t]*+\{{[ \t]*+(?P<name>(?:{ENVIRONMENTS})\*?)[ \t]*+\}}"
)
_ARGUMENT = re.compile(
    r"\s*+(?:(?<=alignat\})|(?<=alignat\*\})|(?<=IEEEeqnarray\})|(?<=IEEEeqnarray\*\})"
    r"|(?<=alignedat\})|(?<=empheq\}))(?:\[[^\[\]\n]*+\])?\{[^{}\n]*+\}"
    r"|(?:(?<=aligned\})|(?<=gathered\})|(?<=multlined\}))\s*+\[[tbc]\]"
)
"""What an environment takes: the number of its columns, or where it stands on the line."""

_DELIMITER = re.compile(rf"\$|\\[\[(]|\\begin[ \t]*\{{(?:{ENVIRONMENTS})\b")
_ROUND = re.compile(r"\\(?:(?P<close>\))|.)|(?P<blank>\n[ \t\r]*+\n)", re.DOTALL)
_SQUARE = re.compile(r"\\(?:(?P<close>\])|.)", re.DOTALL)
_DOLLARS = re.compile(r"\\.|(?P<blank>\n[ \t\r]*+\n)|(?P<dollar>\$)", re.DOTALL)
_BLANK = re.compile(r"\n[ \t\r]*+\n")
_TICKED = re.compile(r"\$`(?P<body>[^`\n]++)`\$")
_ROLE = re.compile(r"(?::math:|\{math\})`(?P<body>[^`]*+)`")
_FENCE = re.compile(
    r"(?P<wall>`{3,}+|~{3,}+|:{3,}+)[ \t]*+(?:\{?\.?(?P<math>math)\b|\{?\.?(?P<tex>latex|tex)\b)"
    r"(?P<rest>[^\n`}]*+\}?+)(?P<first>[^\n`]*+)\n"
)
_OPTIONS = re.compile(r"(?:[ \t>]*+:[\w-]++:[^\n]*+(?:\n|\Z))*+")
_DIRECTIVE = re.compile(r"\.\.[ \t]++math::[ \t]*+")
_SCRIPT = re.compile(
    r"<script\b(?=[^<>]*math/tex)(?P<display>[^<>]*mode[ \t]*=[ \t]*display)?[^<>]*+>"
)
_LATEX = re.compile(r"latex(?=\s)")

_WORDS = re.compile(r"[A-Za-z]{3,}[ \t\n]++[A-Za-z]{2,}")
_COMMANDS = re.compile(r"\\[A-Za-z]++(?:\{[^{}]*+\})?")
_MATHEMATICS = re.compile(r"\\[A-Za-z]|[_^=]")
_EQUATES = re.compile(r"\\[A-Za-z]|=")
_MONEY = re.compile(r"\d|[A-Z_]{2,}\b|\s|\Z")
_NESTED = re.compile(r"\\(?:text\w*|mbox|intertext)\s*\{[^{}]*\Z")

_WITHIN = 20
"""Formulas in the words of one formula."""

_NAMED = r"formula|equation|\beqs?n?[\b\d_.-]|latex|math|\btex\b|\bproof\b|derivation"
_LOOKS = re.compile(_NAMED, re.IGNORECASE)
_INPUT = re.compile(
    r"\\(?:input|include|subfile|subfileinclude|import|subimport|includestandalone)(?![A-Za-z])"
    r"[ \t]*+(?:\{[^{}\n]*+\}[ \t]*+){0,2}"
)
_PICTURE = re.compile(r"\\includegraphics\*?(?:\[[^\[\]\n]*+\])?\{(?P<name>[^{}\n]*+)\}")
_ENSUREMATH = re.compile(r"\\ensuremath(?![A-Za-z])")
_IMAGE = re.compile(r"!\[(?P<alt>[^\]\[\n]*+)\](?:\((?P<name>[^()\n]*+)\)?+)?+")
_TAG = re.compile(
    r"<(?P<name>math|blockmath|inlinemath|latex|tex|katex|mathjax|equation|formula|img)\b[^<>]*+>",
    re.IGNORECASE,
)
_SHORTCODE = re.compile(
    r"\{[{%][<%]?[-~]?[ \t]*+"
    r"(?P<name>math|katex|mathjax|latex|tex|equation|formula|include\w*|import)\b[^{}\n]*+[%>}]?\}",
    re.IGNORECASE,
)
_ASCIIDOC = re.compile(r"\[(?:latexmath|asciimath|stem)[^\]\n]*+\][ \t]*+\n", re.IGNORECASE)
_ASCIIDOC_WALL = re.compile(r"\+{4,}[ \t]*$", re.MULTILINE)
_ASCIIDOC_INLINE = re.compile(r":\[[^\n\]]*+(?:\]|(?=\n))")
_INCLUDED = re.compile(r"\.\.[ \t]++(?P<kind>include|image|figure)::[ \t]*+(?P<name>[^\n]*+)")
_HASH = re.compile(r"#(?:\+INCLUDE:|include\s)[^\n]*+")


def formulas(text: str) -> list[Region]:
    """Return the formulas of a text, their markup, and what holds some that are not read."""
    return _Scanner(text).found


class _Scanner:
    """Goes through a text once; a handler for each character that may open something."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Region] = []
        self._tex = is_tex(text)
        self._next = Finder(text)
        self._ends = _environments(text)
        self._unclosed: set[str] = set()  # brackets that nothing closes any more
        self._dollars: list[int] = []
        self._blanks: list[int] = []
        for match in _DOLLARS.finditer(text):
            if match["dollar"]:
                self._dollars.append(match.start())
            elif match["blank"]:
                self._blanks.append(match.start())
        handlers = {
            "\\": self._command, "$": self._dollar, "`": self._fence, "~": self._fence,
            ":": self._colon, "<": self._tag, "{": self._brace, "!": self._image,
            "[": self._bracket, ".": self._directive, "#": self._hash,
        }  # fmt: skip
        place = 0
        while opening := _INTEREST.search(text, place):
            place = max(opening.end(), handlers[opening[0][0]](opening.start()))
            if len(self.found) > FORMULAS:
                reason = f"more than {FORMULAS} formulas in one document"
                self.found.append(Region("unread", place, len(text), reason=reason))
                break

    # What is found

    def _formula(
        self, start: int, end: int, body: tuple[int, int], *, display: bool, closed: bool = True
    ) -> int:
        """Record a formula; one without ink is only markup."""
        inked = self.text[slice(*body)].strip() or not closed
        made = Region("formula" if inked else "markup", start, end, *body, display, closed)
        self.found.append(made)
        return end

    def _unread(self, start: int, end: int, reason: str) -> int:
        self.found.append(Region("unread", start, end, reason=reason))
        return end

    def _blocks(self, start: int, end: int, body: tuple[int, int]) -> int:
        """Record the formulas of a block: blank lines stand between them."""
        first, last = body
        chunks = []
        for blank in _BLANK.finditer(self.text, first, last):
            chunks.append((first, blank.start()))
            first = blank.end()
        chunks = [c for c in (*chunks, (first, last)) if self.text[slice(*c)].strip()]
        if not chunks:
            return self._formula(start, end, body, display=True)
        ends = [*(chunk[0] for chunk in chunks[1:]), end]
        for chunk, stop in zip(chunks, ends, strict=True):
            self._formula(start, stop, chunk, display=True)
            start = stop
        return end

    def _blank(self, start: int) -> int:
        """Return where the paragraph of a place ends."""
        place = bisect_left(self._blanks, start)
        return self._blanks[place] if place < len(self._blanks) else len(self.text)

    def _open(self, start: int, body: int, *, display: bool) -> int:
        """Record a formula that nothing closes: it reaches to the end of its paragraph."""
        end = self._blank(body)
        return self._formula(start, end, (body, end), display=display, closed=False)

    # TeX

    def _command(self, at: int) -> int:
        text = self.text
        following = text[at + 1 : at + 3]
        if following[:1] == "\\":
            return at + 2 if self._tex else self._doubled(at, following[1:])
        if following[:1] == "[":
            return self._closed(at, _SQUARE, display=True)
        if following[:1] == "(":
            return self._closed(at, _ROUND, display=False)
        if following[:1] in ("]", ")"):
            return self._unread(
                at, at + 2, f"{text[at : at + 2]} without the formula it belongs to"
            )
        if environment := _ENVIRONMENT.match(text, at):
            return self._environment(at, environment)
        if held := _ENSUREMATH.match(text, at):
            return self._unread(at, held.end(), f"{held[0]} outside of a formula")
        if file := _INPUT.match(text, at):
            reason = f"{file[0].strip()}: another file is not read; name it too, or paste it in"
            return self._unread(at, file.end(), reason)
        picture = _PICTURE.match(text, at)
        if picture and _LOOKS.search(picture["name"]):
            return self._unread(at, picture.end(), "a picture of a formula")
        return at + 2

    def _closed(self, at: int, pattern: re.Pattern[str], *, display: bool) -> int:
        """Record what brackets with backslashes enclose."""
        name = pattern.pattern
        stop = None
        if name not in self._unclosed:
            for stop in pattern.finditer(self.text, at + 2):
                if stop.group("close") or (not display and stop.group("blank")):
                    break
            else:
                self._unclosed.add(name)
                stop = None
        if stop is None or not stop.group("close"):
            return self._open(at, at + 2, display=display)
        return self._formula(at, stop.end(), (at + 2, stop.start()), display=display)

    def _doubled(self, at: int, bracket: str) -> int:
        """Record what brackets with doubled backslashes enclose, as Markdown has them."""
        closing = {"[": r"\\\\\]", "(": r"\\\\\)"}.get(bracket)
        stop = self._next(closing, at + 3) if closing else None
        if stop is None or (bracket == "(" and self._blank(at) < stop.start()):
            return at + 2
        return self._formula(at, stop.end(), (at + 3, stop.start()), display=bracket == "[")

    def _environment(self, at: int, opening: re.Match[str]) -> int:
        name = opening["name"]
        if opening["way"] == "end":
            return self._unread(at, opening.end(), f"{opening[0]} without its \\begin")
        argument = _ARGUMENT.match(self.text, opening.end())
        body = argument.end() if argument else opening.end()
        display = name != "math"
        if at not in self._ends:
            return self._open(at, body, display=display)
        last, end = self._ends[at]
        return self._formula(at, end, (min(body, last), last), display=display)

    def _dollar(self, at: int) -> int:
        text = self.text
        if text.startswith("$$", at):
            stop = self._next_pair(at + 2)
            if stop is None:
                return self._open(at, at + 2, display=True)
            return self._formula(at, stop + 2, (at + 2, stop), display=True)
        if ticked := _TICKED.match(text, at):
            return self._formula(at, ticked.end(), ticked.span("body"), display=False)
        stop = self._closing_dollar(at)
        if stop is None:
            money = not self._tex and _MONEY.match(text, at + 1)
            if money or not _EQUATES.search(text, at, self._blank(at)):
                return at + 1
            return self._open(at, at + 1, display=False)
        body = text[at + 1 : stop]
        if not self._opens(body, text[stop + 1 : stop + 2]):
            return at + 1
        latex = _LATEX.match(text, at + 1)  # as WordPress has it
        return self._formula(at, stop + 1, (latex.end() if latex else at + 1, stop), display=False)

    def _next_pair(self, start: int) -> int | None:
        """Return where two dollars stand next, neither behind a backslash."""
        place = bisect_left(self._dollars, start)
        while place + 1 < len(self._dollars):
            if self._dollars[place + 1] == self._dollars[place] + 1:
                return self._dollars[place]
            place += 1
        return None

    def _closing_dollar(self, at: int) -> int | None:
        """Return where the formula that a dollar may open ends: in its paragraph."""
        end = self._blank(at)
        place = bisect_right(self._dollars, at)
        for _ in range(_WITHIN):
            stop = self._dollars[place] if place < len(self._dollars) else end
            if stop >= end:
                return None
            if not _NESTED.search(self.text, max(at, stop - 100), stop):
                return stop
            place += 2  # words inside of the formula, with a formula in them
        return None

    def _opens(self, body: str, following: str) -> bool:
        """Tell whether a dollar opens a formula, or is money, or a variable of a shell."""
        if self._tex:
            return True
        mathematics = _MATHEMATICS.search(body)
        wordy = _WORDS.search(_COMMANDS.sub(" ", body))
        tight = bool(body) and not body[0].isspace() and not body[-1].isspace()
        if body[:1].isdigit() and not mathematics and " " in body:
            return False
        if tight and not following.isdigit():
            return bool(mathematics) or not wordy
        return bool(mathematics) and not wordy

    # Markdown, reStructuredText, HTML and others

    def _fence(self, at: int) -> int:
        text = self.text
        fence = _FENCE.match(text, at)
        if fence is None or self._tex or not leads_line(text, at):
            return at + 1
        stop = self._next(closing_fence(fence["wall"]), fence.end())
        last, end = (stop.start(), stop.end()) if stop else (len(text), len(text))
        body = min(_after_options(text, fence.end()), last)
        if fence["first"].strip() if "}" in fence["rest"] else "=" in fence["rest"]:
            body = fence.start("first") if "}" in fence["rest"] else fence.start("rest")
        if not stop:
            return self._formula(at, end, (body, last), display=True, closed=False)
        inner = text[body:last].strip()
        if fence["math"] and not inner.startswith("\\begin"):
            if _ENVIRONMENT.search(inner):
                return self._formula(at, end, (body, last), display=True)
            return self._blocks(at, end, (body, last))
        if not _DELIMITER.search(inner):
            return self._blocks(at, end, (body, last))
        self.found.append(Region("markup", at, fence.end()))
        return fence.end()

    def _colon(self, at: int) -> int:
        if self.text.startswith(":::", at):
            return self._fence(at)
        if role := _ROLE.match(self.text, at):
            return self._formula(at, role.end(), role.span("body"), display=False)
        inline = _ASCIIDOC_INLINE.match(self.text, at)
        name = re.search(r"(?:latexmath|asciimath|stem)\Z", self.text[max(0, at - 9) : at])
        if inline and name:
            return self._unread(at - len(name[0]), inline.end(), "a formula of AsciiDoc")
        return at + 1

    def _directive(self, at: int) -> int:
        text = self.text
        before = line_before(text, at)
        if not text.startswith("..", at) or before.strip():
            return at + 1
        if other := _INCLUDED.match(text, at):
            if other["kind"] == "include":
                reason = "another file is not read; name it too, or paste it in"
                return self._unread(at, other.end(), reason)
            if _LOOKS.search(other["name"]):
                return self._unread(at, other.end(), "a picture of a formula")
        directive = _DIRECTIVE.match(text, at)
        if directive is None:
            return at + 1
        body = directive.end()
        line = text.find("\n", body)
        line = len(text) if line < 0 else line + 1
        end = max(line, block_end(text, line, len(before)))
        behind = min(end, _after_options(text, line))
        if not text[body:line].strip():
            return self._blocks(at, end, (behind, end))
        if behind == line:
            return self._blocks(at, end, (body, end))
        # The formula stands on the line of the directive, and its options behind it.
        self._formula(at, behind, (body, line), display=True)
        return self._blocks(behind, end, (behind, end)) if behind < end else end

    def _tag(self, at: int) -> int:
        text = self.text
        if script := _SCRIPT.match(text, at):
            stop = self._next(r"(?i:</script[ \t]*>)", script.end())
            display = script["display"] is not None
            if stop is None:
                return self._open(at, script.end(), display=display)
            body = (script.end(), stop.start())
            return self._formula(at, stop.end(), body, display=display)
        tag = _TAG.match(text, at)
        if tag and tag["name"].lower() == "img":
            if _LOOKS.search(tag[0]) or holds_equality(tag[0][1:]):
                return self._unread(at, tag.end(), "a picture of a formula")
        elif tag:
            stop = self._next(rf"(?i:</{tag['name'].lower()}[ \t]*>)", tag.end())
            end = tag.end() if tag[0].endswith("/>") or stop is None else stop.end()
            return self._unread(at, end, f"a formula as <{tag['name']}>")
        return at + 1

    def _brace(self, at: int) -> int:
        if role := _ROLE.match(self.text, at):
            return self._formula(at, role.end(), role.span("body"), display=False)
        shortcode = _SHORTCODE.match(self.text, at)
        if shortcode is None:
            return at + 1
        name = shortcode["name"].lower()
        if name.startswith(("include", "import")):
            return self._unread(at, shortcode.end(), "another file is not read; paste it in")
        stop = self._next(rf"(?i:\{{[{{%][<%]?[-~]?[ \t]*(?:/[ \t]*|end){name}\b[^{{}}\n]*\}}+)",
                          shortcode.end())  # fmt: skip
        end = stop.end() if stop else shortcode.end()
        return self._unread(at, end, f"a formula in the shortcode {name!r}")

    def _image(self, at: int) -> int:
        image = _IMAGE.match(self.text, at)
        if image and (_LOOKS.search(image[0]) or holds_equality(image[0])):
            return self._unread(at, image.end(), "a picture of a formula")
        return at + 1

    def _bracket(self, at: int) -> int:
        block = _ASCIIDOC.match(self.text, at)
        if block is None or not leads_line(self.text, at):
            return at + 1
        first = _ASCIIDOC_WALL.match(self.text, block.end())
        if first is None:
            return self._unread(at, self._blank(block.end()), "a formula of AsciiDoc")
        stop = self._next(rf"^{_ASCIIDOC_WALL.pattern}", first.end())
        end = stop.end() if stop else first.end()
        return self._unread(at, end, "a formula of AsciiDoc")

    def _hash(self, at: int) -> int:
        """Record what Org and the preprocessor take from other files."""
        file = _HASH.match(self.text, at)
        if file is None or not leads_line(self.text, at):
            return at + 1
        return self._unread(at, file.end(), "another file is not read; paste it in")


def _after_options(text: str, start: int) -> int:
    """Return where the options of a directive end, a line each."""
    options = _OPTIONS.match(text, start)
    return options.end() if options else start


def _environments(text: str) -> dict[int, tuple[int, int]]:
    r"""Return where the `\end` of each environment starts and ends, by where its `\begin` does."""
    ends: dict[int, tuple[int, int]] = {}
    opened: dict[str, list[int]] = {}
    for match in _ENVIRONMENT.finditer(text):
        starts = opened.setdefault(match["name"], [])
        if match["way"] == "begin":
            starts.append(match.start())
        elif starts:
            ends[starts.pop()] = match.span()
    return ends
