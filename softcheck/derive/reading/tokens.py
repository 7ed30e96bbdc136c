"""LaTeX text to tokens that know where they stand; macros are expanded, nothing is dropped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from softcheck.derive.limits import MACRO_DEPTH, TOKENS
from softcheck.derive.reading.glyphs import GLYPH, latex_of


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes
    ----------
    kind : str
        "command", "letter", "number", "sign", "text" (words), "font" (a name in a font),
        "row" (the end of a row), "cell" (an alignment mark) or "space" (a wide one).
    text : str
        What stands there; of a "text" or "font" its content.
    start, end : int
        Where, in characters of the document.
    font : str
        The command of a "font".
    """

    kind: str
    text: str
    start: int
    end: int
    font: str = ""


class ReadError(Exception):
    """Something that the reader does not understand, and where it stands in the document."""

    def __init__(self, reason: str, start: int) -> None:
        super().__init__(reason, start)
        self.reason = reason
        self.start = start


@dataclass(frozen=True, slots=True)
class Macro:
    """A command of the document's own: how many arguments it takes, and what it stands for.

    It is `ambiguous` if the document defines it again in another way.
    """

    arguments: int
    body: str
    ambiguous: bool = False


_FUNCTIONS = ("log", "exp", "softmax")
"""Functions that people write in bare letters."""

_TOKEN = re.compile(
    rf"(?P<glyph>{GLYPH.pattern})|"
    r"(?P<comment>%[^\n]*\n?)"
    r"|(?P<row>\\\\\*?(?:\[[^\]\n]*\])?|\\cr\b|\\newline\b)"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    rf"|(?P<word>(?<![A-Za-z])(?:{'|'.join(_FUNCTIONS)})(?![A-Za-z]))"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<letter>[^\W\d_])"
    r"|(?P<space>\s+)"
    r"|(?P<sign>.)",
    re.DOTALL,
)

WORDS = {"text", "textrm", "textit", "textbf", "textnormal", "mbox", "intertext", "shortintertext"}
"""Commands whose argument is running text."""

FONTS = {
    "mathrm", "mathbf", "mathbb", "mathcal", "mathscr", "mathsf", "mathit", "mathds", "mathfrak",
    "boldsymbol", "bm", "operatorname", "rm", "bf", "cal",
}  # fmt: skip

_THIN = set(",;:!> ") | {
    "displaystyle", "textstyle", "nonumber", "notag", "limits", "nolimits", "left", "right",
    "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr",
    "Biggl", "Biggr", "bigm", "Bigm", "thinspace", "medspace", "thickspace", "negthinspace",
    "mathopen", "mathclose", "mathstrut", "allowbreak", "relax", "qedhere", "centering", "noindent",
    "ensuremath",
}  # fmt: skip
"""Commands that move ink about and mean nothing."""

_CLASSES = {"mathop", "mathrel", "mathbin", "mathord"}
"""Commands that space their argument, and mean nothing."""

_WIDE = {"quad", "qquad", "enspace", "hfill"}
_MARKS = {"label", "tag", "hspace", "vspace", "phantom", "hphantom", "vphantom", "eqref", "ref",
          "color", "textcolor"}  # fmt: skip
"""Commands that mean nothing, together with their argument."""

_TAKING = _MARKS | _CLASSES | {"left", "right", "substack"}


def tokenize(text: str, start: int, end: int, macros: Mapping[str, Macro]) -> list[Token]:
    """Return the tokens of `text[start:end]`.

    Raises
    ------
    ReadError
        Where a group does not end, a macro is used wrongly, or there is too much of anything.
    """
    calls = iter(range(TOKENS))
    return _without_empty_groups(_expanded(_raw(text, start, end), macros, 0, calls))


def _without_empty_groups(tokens: Sequence[Token]) -> list[Token]:
    """Leave out `{}`, which only moves ink, except where it is an argument."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        pair = [token.text for token in tokens[i : i + 2] if token.kind == "sign"]
        argument = bool(out) and (out[-1].kind == "command" or out[-1].text in ("_", "^"))
        if pair == ["{", "}"] and not argument:
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


def _raw(text: str, start: int, end: int) -> list[Token]:
    found = []
    place = start
    while (match := _TOKEN.match(text, place, end)) is not None:
        kind = match.lastgroup or "sign"
        place = match.end()
        if kind in ("comment", "space"):
            continue
        token = Token(kind, match.group(), match.start(), place)
        if kind == "glyph":
            found += _glyph(token)
            continue
        if kind == "word":
            # Without a backslash TeX sets a product of letters, which nobody means.
            token = _function(token)
        elif kind == "command":
            token = replace(token, text=token.text[1:])
            if token.text in WORDS:
                token, place = _words(text, token, place, end)
        elif token.text == "&":
            token = replace(token, kind="cell")
        elif token.text == "~":
            continue
        found.append(token)
        if len(found) > TOKENS:
            raise ReadError(f"a formula of more than {TOKENS} tokens", start)
    return found


def _function(token: Token) -> Token:
    """Return a function whose name is written in letters."""
    if token.text == "softmax":
        return replace(token, kind="font", font="mathrm")
    return replace(token, kind="command")


def _glyph(token: Token) -> list[Token]:
    """Return the tokens that a character beyond ASCII stands for; they stand where it does."""
    latex = latex_of(token.text)
    if latex is None:
        return [replace(token, kind="letter" if token.text.isalpha() else "sign")]
    pieces = _raw(latex, 0, len(latex))
    return [replace(piece, start=token.start, end=token.end) for piece in pieces]


def _words(text: str, token: Token, place: int, end: int) -> tuple[Token, int]:
    """Return the running text that a command takes as one token, braces and all."""
    while place < end and text[place].isspace():
        place += 1
    if place >= end or text[place] != "{":
        raise ReadError(f"\\{token.text} without braces", token.start)
    depth, first = 0, place + 1
    while place < end:
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        place += 1
        if depth == 0:
            return Token("text", text[first : place - 1], token.start, place), place
    raise ReadError(f"\\{token.text} whose braces do not close", token.start)


def _expanded(
    tokens: Sequence[Token], macros: Mapping[str, Macro], depth: int, calls: Iterator[int]
) -> list[Token]:
    """Return tokens with macros replaced, fonts gathered and what means nothing left out."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token.kind != "command":
            out.append(token)
        elif token.text in macros:
            made, i = _call(token, tokens, i, macros, depth, calls)
            out += made
        elif token.text in FONTS:
            made, i = _font(token, tokens, i, macros, depth, calls)
            out += made
        elif token.text in _TAKING:
            inner, i = _taken(token, tokens, i)
            out += _expanded(inner, macros, depth, calls)
        elif token.text in _WIDE:
            out.append(replace(token, kind="space"))
        elif token.text not in _THIN:
            out.append(token)
        if len(out) > TOKENS:
            raise ReadError(f"a formula of more than {TOKENS} tokens", token.start)
    return out


def _taken(token: Token, tokens: Sequence[Token], i: int) -> tuple[list[Token], int]:
    """Return what a command that means nothing leaves of what it takes."""
    if token.text in ("left", "right"):
        return _after_size(tokens, i)
    inner, i = _argument(tokens, i, token)
    if token.text == "substack":
        # What stands in rows below a sum could as well stand beside each other.
        return [replace(t, kind="sign", text=",") if t.kind == "row" else t for t in inner], i
    return (inner if token.text in _CLASSES else []), i


def _after_size(tokens: Sequence[Token], i: int) -> tuple[list[Token], int]:
    r"""Leave out the dot of `\left.` and `\right.`, which stands for no bracket."""
    if i >= len(tokens) or tokens[i].text[:1] != ".":
        return [], i
    rest = tokens[i].text[1:]
    return ([replace(tokens[i], text=rest)] if rest else []), i + 1


def _argument(tokens: Sequence[Token], i: int, of: Token) -> tuple[list[Token], int]:
    """Return what a command takes: a group without its braces, or one token."""
    if i < len(tokens) and tokens[i].text == "*" and of.text in _MARKS:
        i += 1
    if i >= len(tokens):
        raise ReadError(f"\\{of.text} without its argument", of.start)
    if tokens[i].text != "{" or tokens[i].kind != "sign":
        if tokens[i].kind == "number" and len(tokens[i].text) > 1:
            raise ReadError(f"put the argument of \\{of.text} in braces", tokens[i].start)
        return [tokens[i]], i + 1
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].kind == "sign":
            depth += {"{": 1, "}": -1}.get(tokens[j].text, 0)
        if depth == 0:
            return list(tokens[i + 1 : j]), j + 1
    raise ReadError(f"\\{of.text} whose braces do not close", of.start)


def _call(
    token: Token,
    tokens: Sequence[Token],
    i: int,
    macros: Mapping[str, Macro],
    depth: int,
    calls: Iterator[int],
) -> tuple[list[Token], int]:
    """Replace a macro; what it stands for stands where it is called."""
    if depth >= MACRO_DEPTH or next(calls, None) is None:
        raise ReadError(f"the macro \\{token.text} goes on for ever", token.start)
    macro = macros[token.text]
    if macro.ambiguous:
        raise ReadError(f"the macro \\{token.text} is defined twice, in two ways", token.start)
    given = []
    end = token.end
    for _ in range(macro.arguments):
        argument, i = _argument(tokens, i, token)
        given.append(argument)
        end = tokens[i - 1].end
    body: list[Token] = []
    pieces = _raw(macro.body, 0, len(macro.body))
    j = 0
    while j < len(pieces):
        piece = pieces[j]
        if piece.text == "#" and j + 1 < len(pieces) and pieces[j + 1].kind == "number":
            # `#12` is argument 1 and then a 2.
            digits = pieces[j + 1].text
            number = int(digits[0])
            if not 1 <= number <= macro.arguments:
                raise ReadError(f"the macro \\{token.text} uses #{number}", token.start)
            body += given[number - 1]
            if digits[1:]:
                body.append(Token("number", digits[1:], token.start, end))
            j += 2
        else:
            body.append(replace(piece, start=token.start, end=end))
            j += 1
        if len(body) > TOKENS:
            raise ReadError(f"a formula of more than {TOKENS} tokens", token.start)
    return _expanded(body, macros, depth + 1, calls), i


def _font(
    token: Token,
    tokens: Sequence[Token],
    i: int,
    macros: Mapping[str, Macro],
    depth: int,
    calls: Iterator[int],
) -> tuple[list[Token], int]:
    """Join the letters that stand in a font into one name; leave anything else as it is."""
    if token.text == "operatorname" and i < len(tokens) and tokens[i].text == "*":
        i += 1
    content, i = _argument(tokens, i, token)
    if content and all(part.kind in ("letter", "number") for part in content):
        name = "".join(part.text for part in content)
        return [Token("font", name, token.start, tokens[i - 1].end, token.text)], i
    if len(content) == 1 and content[0].text in _FUNCTIONS:
        return [replace(content[0], start=token.start, end=tokens[i - 1].end)], i
    return _expanded(content, macros, depth, calls), i
