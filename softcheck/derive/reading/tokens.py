"""LaTeX text to tokens that know where they stand; macros are expanded, nothing is dropped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from softcheck.derive.glyphs import ACCENTS, GLYPH, GREEK, latex_of, unaccented
from softcheck.derive.limits import MACRO_DEPTH, TOKENS


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


_COMMANDS_IN_LETTERS = ("log", "ln", "exp")
FUNCTIONS = (
    *_COMMANDS_IN_LETTERS, "softmax", "argmax", "argmin", "max", "min", "sup", "inf", "Var", "Cov",
    "KL", "Pr", "ReLU", "relu", "sigmoid", "sign", "sgn", "tanh", "sinh", "cosh", "sin", "cos",
    "tan", "sqrt", "det", "diag", "clip",
)  # fmt: skip
"""Functions that people write in bare letters, or as words: never a product of letters."""

_SYMBOLS = {"plus": "+", "minus": "-", "times": r"\cdot ", "equals": "=", "is equal to": "="}
"""Words that are read as the sign that they spell."""

_SIGNS = re.compile(r"[-+*/=<>:≤≥≠\d\s]+")
"""What is no word, though it stands where words do."""

_INDEX = rf"[^\W\d_][{''.join(set(ACCENTS.values()))}]*'*"
_TOKEN = re.compile(
    rf"(?P<accented>[^\W\d_][{''.join(set(ACCENTS.values()))}]+)"
    rf"|(?P<total>[Σ∑]\s*_(?P<over>{_INDEX}(?:≠{_INDEX})*)|Σ(?=\s*_))"
    r"|(?P<product>Π(?=\s*_))"
    rf"|(?P<glyph>{GLYPH.pattern})|"
    r"(?P<comment>%[^\n]*\n?)"
    r"|(?P<row>\\\\\*?(?:\[[^\]\n]*\])?|\\cr\b|\\newline\b)"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    rf"|(?P<word>(?<![A-Za-z])(?:{'|'.join(FUNCTIONS)})(?![A-Za-z]))"
    r"|(?P<subscript>_(?:(?P<mark>KL|[a-z]{3,})(?![A-Za-z])"
    r"|\{(?P<marks>[a-z]{3,}(?:,[a-z]{3,})+)\}))"
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
    "square", "blacksquare", "Box", "qed", "qedsymbol",
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
    tokens = _without_empty_groups(_expanded(_raw(text, start, end), macros, 0, calls))
    return _cases(_over(tokens))


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
        token = Token(kind, match.group(), match.start(), place)
        if kind in _PLAIN_TEXT:
            found += _plain_text(token, match)
            continue
        if kind == "word":
            # Without a backslash TeX sets a product of letters, which nobody means.
            token = _function(token)
        elif kind == "command":
            token = replace(token, text=token.text[1:])
            if token.text in WORDS:
                token, place = _words(text, token, place, end)
                found += _meant(token, text[place:end].lstrip()[:2])
                continue
        elif token.text == "&":
            token = replace(token, kind="cell")
        elif token.text == "~":
            token = _tilde(token, found)
        if token.text != "~":
            found.append(token)
        if len(found) > TOKENS:
            raise ReadError(f"a formula of more than {TOKENS} tokens", start)
    return found


def _function(token: Token) -> Token:
    """Return a function whose name is written in letters."""
    if token.text in _COMMANDS_IN_LETTERS:
        return replace(token, kind="command")
    return replace(token, kind="font", font="operatorname")


def _meant(token: Token, behind: str) -> list[Token]:
    """Return what words in a formula are: a function of what is behind, signs, or only words."""
    text = token.text.strip()
    if text in FUNCTIONS and behind[:1] not in {*")]},.;:&$=", ""} and behind != r"\\":
        return [replace(_function(token), text=text)]
    latex = _SYMBOLS.get(text) or (text if _SIGNS.fullmatch(text) else None)
    return [token] if not latex else _standing(latex, token)


def _tilde(token: Token, before: Sequence[Token]) -> Token:
    r"""Return `\sim` for the `~` of `E_{a~π}`: elsewhere it is a space."""
    near = before[-8:]
    first = _around(near, len(near), -1)
    drawn = first is not None and 0 < first < len(near) - 1 and near[first - 1].text == "_"
    return replace(token, kind="command", text="sim") if drawn else token


def _standing(latex: str, token: Token) -> list[Token]:
    """Return the tokens of LaTeX that a token stands for, where that token stands."""
    pieces = _raw(latex, 0, len(latex))
    return [replace(piece, start=token.start, end=token.end) for piece in pieces]


_PLAIN_TEXT = {"glyph", "accented", "total", "product", "subscript", "comment", "space"}


def _plain_text(token: Token, match: re.Match[str]) -> list[Token]:
    """Return the tokens that plain text stands for; they stand where it does."""
    if token.kind in ("comment", "space"):
        return []
    if token.kind == "subscript":
        # The mark of `A_soft` is a word; TeX sets `A_s oft`, which nobody means.
        word = Token(
            "text", match.group("mark") or match.group("marks"), token.start + 1, token.end
        )
        return [Token("sign", "_", token.start, token.start + 1), word]
    if token.kind == "product":
        return _standing(r"\prod ", token)
    if token.kind == "total":
        first, *skip = (match.group("over") or "").split("≠")
        left_out = rf" \neq {','.join(skip)}" if skip else ""
        return _standing(rf"\sum_{{{first}{left_out}}}" if first else r"\sum ", token)
    letter, accents = unaccented(token.text) if token.text[0].isalpha() else (token.text, "")
    if accents:
        return _standing(accents + f"{{{letter}}}", token)
    latex = latex_of(token.text)
    if latex is None:
        return [replace(token, kind="letter" if token.text.isalpha() else "sign")]
    return _standing(latex, token)


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
    if token.text == "hspace":
        narrow = not inner or inner[0].text == "-" or inner[0].text[0] in "0."
        return [] if narrow else [replace(token, kind="space")], i
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
    """Set what a command of a font takes: a name in letters is one token, and so is each letter."""
    if token.text == "operatorname" and i < len(tokens) and tokens[i].text == "*":
        i += 1
    content, i = _argument(tokens, i, token)
    content = [part for part in content if part.kind != "command" or part.text not in _THIN]
    if content and all(part.kind in ("letter", "number") for part in content):
        name = "".join(part.text for part in content)
        place = Token("font", name, token.start, tokens[i - 1].end, token.text)
        return [_function(place) if name in _COMMANDS_IN_LETTERS else place], i
    if len(content) == 1 and content[0].text in FUNCTIONS:
        return [replace(content[0], start=token.start, end=tokens[i - 1].end)], i
    return _set_in(token.text, _expanded(content, macros, depth, calls)), i


def _set_in(font: str, tokens: Sequence[Token]) -> list[Token]:
    """Return tokens whose letters are set in a font, those below and above the line aside."""
    out: list[Token] = []
    marks = depth = 0
    for part in tokens:
        token = part
        mark = bool(out) and out[-1].kind == "sign" and out[-1].text in ("_", "^")
        if token.kind == "sign":
            depth += (token.text == "{") - (token.text == "}")
            marks = depth if mark and token.text == "{" else marks if depth >= marks else 0
        named = token.kind == "letter" or (token.kind == "command" and token.text in GREEK)
        if named and not mark and not marks:
            text = GREEK.get(token.text, token.text) if token.kind == "command" else token.text
            joined = out and out[-1].kind == "font" and out[-1].end == token.start
            if joined and out[-1].font == font and token.kind == "letter" and font in _ROMAN:
                out[-1] = replace(out[-1], text=out[-1].text + text, end=token.end)
                continue
            token = replace(token, kind="font", text=text, font=font)
        out.append(token)
    return out


_ROMAN = {"mathrm", "rm", "operatorname"}
"""Fonts of words."""


def _over(tokens: list[Token]) -> list[Token]:
    r"""Write `{a \over b}` as `\frac{a}{b}`."""
    places = (i for i, t in enumerate(tokens) if t.kind == "command" and t.text == "over")
    place = next(places, None)
    if place is None:
        return tokens
    over = tokens[place]
    first, last = _around(tokens, place, -1), _around(tokens, place, 1)
    if first is None or last is None:
        raise ReadError(r"\over outside of braces, write \frac", over.start)
    brace = tokens[first]
    made = [
        replace(brace, kind="command", text="frac"),
        *tokens[first:place],
        replace(over, kind="sign", text="}"),
        replace(over, kind="sign", text="{"),
        *tokens[place + 1 : last + 1],
    ]
    return _over([*tokens[:first], *made, *tokens[last + 1 :]])


def _around(tokens: Sequence[Token], place: int, step: int) -> int | None:
    """Return where the braces around a place open (`step` -1) or close (1)."""
    depth = 0
    for i in range(place + step, len(tokens) if step > 0 else -1, step):
        if tokens[i].kind == "sign" and tokens[i].text in "{}":
            depth += step if tokens[i].text == "{" else -step
            if depth < 0:
                return i
    return None


def _cases(tokens: list[Token]) -> list[Token]:
    r"""Write `\begin{cases} ... \end{cases}` as `\cases{...}`, its marks as signs."""
    out: list[Token] = []
    i = opened = 0
    while i < len(tokens):
        token = tokens[i]
        name = "".join(part.text for part in tokens[i + 1 : i + 9])
        begins = token.kind == "command" and token.text == "begin"
        ends = token.kind == "command" and token.text == "end"
        if (begins or ends) and name.startswith(("{cases}", "{dcases}")):
            opened += begins - ends
            if begins:
                out.append(replace(token, text="cases"))
            out.append(replace(token, kind="sign", text="{" if begins else "}"))
            i += 2 + name.index("}")
            continue
        if opened and token.kind in ("row", "cell"):
            token = replace(token, kind="sign", text="\\\\" if token.kind == "row" else "&")
        out.append(token)
        i += 1
    return out
