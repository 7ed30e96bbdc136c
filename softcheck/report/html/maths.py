"""Formulas as MathML: LaTeX, and the plain notation that reports and mistakes are written in."""

import re
from functools import cache
from typing import TYPE_CHECKING

from htpy import Node, code
from markupsafe import Markup

from softcheck.derive.glyphs import ACCENT_NAMES, GLYPH, GREEK, latex_of
from softcheck.errors import printable

if TYPE_CHECKING:
    from math_core import LatexToMathML

_LONG = 2_000
"""Characters of a formula; of a longer one the middle is left out, and it is not typeset."""

_DEEP = 300
"""Commands, braces and scripts of a formula that is typeset: it is nested no deeper than it has of
these. The library ends the process where its stack does, at 260 such levels in half a megabyte."""

_OPENS = re.compile(r"[\\{(\[_^]")

_FUNCTIONS = {"log", "exp", "min", "max", "softmax", "clip", "sg", "mean", "round", "KL", "J"}
_SIGNS = {
    "{": r"\{", "}": r"\}", "~": r"\sim ", "Σ": r"\sum ", ">=": r"\geq ", "<=": r"\leq ",
    "...": r"\dots ", "\\": r"\backslash ", "#": r"\#", "$": r"\$", "%": r"\%", "&": r"\&",
    "^": r"\hat{}", "_": r"\_",
}  # fmt: skip

_TOKEN = re.compile(
    rf"""
    _\{{(?P<below>[^{{}}]*)\}} | _(?P<index>[^\W_]+'*(?:≠[^\W_]+'*)*)
    | \^(?P<above>-?\w+)
    | (?P<letter>[^\W\d_])(?P<accents>[{"".join(ACCENT_NAMES)}]+)
    | (?P<numbered>[A-Za-z]\d+) | (?P<word>[A-Za-z]+'*) | (?P<number>\d+(?:\.\d+)?)
    | (?P<sign>>=|<=|\.\.\.|[{{}}~Σ\\\#$%&^_])
    | (?P<glyph>{GLYPH.pattern}) | (?P<space>\s+) | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def plain(text: str) -> Node:
    """Return a formula in plain notation typeset, or its text where that cannot be."""
    return _typeset(_latex_of_plain(text), text)


def latex(source: str, otherwise: str) -> Node:
    """Return LaTeX typeset; where it cannot be, what it was read as in plain notation, or its text.

    Nothing of it reaches the page but what the library knows as mathematics: no link, no style.
    """
    if made := _mathml(source):
        return Markup(made)  # noqa: S704  the library escapes what is text
    return plain(otherwise) if otherwise else code[printable(source, _LONG)]


def _typeset(source: str, text: str) -> Node:
    made = _mathml(source)
    return Markup(made) if made else code[printable(text, _LONG)]  # noqa: S704  as above


def _mathml(source: str) -> str:
    """Return the MathML of LaTeX; nothing if it is too large, not understood or no plain text."""
    from math_core import LatexError

    source = " ".join(source.split())
    too_deep = len(_OPENS.findall(source)) > _DEEP
    if not source or too_deep or printable(source, _LONG) != source:
        return ""
    try:
        return _converter().convert_with_local_state(source, displaystyle=False)
    except LatexError:
        return ""


@cache
def _converter() -> "LatexToMathML":
    from math_core import LatexToMathML

    return LatexToMathML(fancy_error=False)


def _latex_of_plain(text: str) -> str:
    """Return LaTeX that looks as plain notation says; words that mean nothing in it stay words."""
    return "".join(map(_token, _TOKEN.finditer(text)))


def _token(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match[0]
    match kind:
        case "below" | "index" | "above":
            inner = match[kind]
            sign = "^" if kind == "above" else "_"
            if kind == "index" and len(inner.rstrip("'")) > 2 and "≠" not in inner:
                return rf"{sign}{{\text{{{inner}}}}}"
            return f"{sign}{{{_latex_of_plain(inner)}}}"
        case "letter" | "accents":
            spelled = match["letter"]
            for mark in match["accents"]:
                spelled = rf"\{ACCENT_NAMES[mark]}{{{spelled}}}"
            return spelled
        case "word":
            return _word(text, match.string[match.end() :])
        case "numbered":
            return f"{text[0]}_{{{text[1:]}}}"
        case "sign":
            return _SIGNS[text]
        case "glyph":
            return latex_of(text) or text
        case "space":
            return " "
        case _:
            return text


def _word(word: str, rest: str = "") -> str:
    """Return a word as LaTeX: a letter, a function, or a word of the language between spaces."""
    name = word.rstrip("'")
    primes = word[len(name) :]
    if len(name) == 1:
        return word
    if name in GREEK:
        return rf"\{name}{primes} "
    if name.startswith("d") and (name[1:] in GREEK or name[1:] in {"L", "log"}):
        return rf"\partial {_word(name[1:])}{primes}"
    if name == "sum":
        return r"\sum "
    if name in _FUNCTIONS:
        return rf"\operatorname{{{name}}}{primes} "
    return rf"\text{{ {name}{primes}{'' if rest.startswith('(') else ' '}}}"
