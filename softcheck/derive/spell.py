"""A tree as people write it: in Unicode on a line, and as LaTeX."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from softcheck.derive.expr import (
    Add,
    Compare,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
)
from softcheck.derive.glyphs import ACCENT_NAMES, GREEK, latex_of

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUM, _PRODUCT, _FACTOR = range(3)

_NAME = re.compile(
    rf"(?P<letters>[^*'⁽{''.join(ACCENT_NAMES)}]+)(?P<accents>[{''.join(ACCENT_NAMES)}]*)"
    r"(?P<marks>['*]*)(?P<step>⁽.*⁾)?"
)
"""What a name is made of but for its words and what it is of."""

_COMMANDS = {character: f"\\{command}" for command, character in GREEK.items()}
_PLAIN = re.compile(r"[^\W_]|[a-z]{3,}|KL")
"""Words below a name that need no braces to be read as one."""


@dataclass(frozen=True)
class _Marks:
    """How one of the two notations writes its signs."""

    symbol: Callable[[str, tuple[str, ...]], str]
    delta: Callable[[str, str], str]
    power: Callable[[str, int], str]
    quotient: Callable[[Callable[[Expr, int], str], Expr, Expr], str]
    total: Callable[[str, tuple[str, ...]], str]
    expectation: Callable[[str, str], str]
    derivative: Callable[[str, str], str]
    operator: Callable[[str], str]
    function: Callable[[str, Sequence[str]], str]
    holds: Callable[[str, str, str], str]
    log: str
    exp: str
    minus: str
    dot: str
    brackets: tuple[str, str]


def unicode(x: Expr) -> str:
    """Return a formula as one line of Unicode text."""
    return _spell(x, _SUM, _UNICODE)


def latex(x: Expr) -> str:
    """Return a formula as LaTeX."""
    return _spell(x, _SUM, _LATEX)


def _spell(x: Expr, level: int, marks: _Marks) -> str:  # noqa: C901  one case a node
    def inner(part: Expr, above: int) -> str:
        return _spell(part, above, marks)

    match x:
        case Num(value):
            return _number(value, level, marks)
        case Size():
            return "n"
        case Sym(name, args):
            return marks.symbol(name, args)
        case Delta(left, right):
            return marks.delta(left, right)
        case Add(terms):
            return _bracketed(_sum(terms, marks), level > _SUM, marks)
        case Mul(factors):
            text = _product(factors, marks)
            return _bracketed(text, level > _PRODUCT or _negative_inside(x, level), marks)
        case Div(over, under):
            return _bracketed(marks.quotient(inner, over, under), level > _PRODUCT, marks)
        case Pow(base, exponent):
            return marks.power(_base(base, marks), exponent)
        case Exp(of):
            return f"{marks.exp}{marks.brackets[0]}{inner(of, _SUM)}{marks.brackets[1]}"
        case Log(of):
            argument = inner(of, _FACTOR)
            # A power of brackets behind a logarithm could be a power of the logarithm.
            squared = isinstance(of, Pow) and argument.startswith(marks.brackets[0])
            text = f"{marks.log} {_bracketed(argument, squared, marks)}"
            return _bracketed(text, level > _PRODUCT, marks)
        case Sum(index, body, skip):
            text = f"{marks.total(index, skip)} {inner(body, _PRODUCT)}"
            return _bracketed(text, level > _PRODUCT, marks)
        case Compare("≤" | "≥" as how, left, right):
            return marks.holds(how, inner(left, _SUM), inner(right, _SUM))
        case Compare("min", Compare("max", of, low), high):
            return marks.function("clip", [inner(part, _SUM) for part in (of, low, high)])
        case Compare(how, left, right):
            return marks.function(how, [inner(left, _SUM), inner(right, _SUM)])
        case Expect(index, under, body):
            return f"{marks.expectation(index, under)}[{inner(body, _SUM)}]"
        case Diff(body, by):
            variable = inner(by, _SUM)
            if isinstance(body, Sym):
                return marks.derivative(inner(body, _SUM), variable)
            return f"{marks.operator(variable)}[{inner(body, _SUM)}]"
        case _:
            assert_never(x)


def _negative_inside(x: Mul, level: int) -> bool:
    first = x.factors[0]
    return level == _PRODUCT and isinstance(first, Num) and first.value < 0


def _bracketed(text: str, needed: bool, marks: _Marks) -> str:
    return f"{marks.brackets[0]}{text}{marks.brackets[1]}" if needed else text


def _base(x: Expr, marks: _Marks) -> str:
    text = _spell(x, _FACTOR, marks)
    simple = isinstance(x, Sym | Size | Delta) or (isinstance(x, Num) and x.value >= 0)
    return text if simple or text.startswith(marks.brackets[0]) else _bracketed(text, True, marks)


def _number(value: Fraction, level: int, marks: _Marks) -> str:
    sign = marks.minus if value < 0 else ""
    value = abs(value)
    text = str(value.numerator)
    if value.denominator != 1:
        if marks is _LATEX:
            text = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        else:
            text = f"{value.numerator}/{value.denominator}"
            if level == _FACTOR:
                text = f"({text})"
    return _bracketed(sign + text, bool(sign) and level > _SUM, marks)


def _sum(terms: tuple[Expr, ...], marks: _Marks) -> str:
    text = ""
    for term in terms:
        spelled = _spell(term, _SUM, marks)
        if not text:
            text = spelled
        elif spelled.startswith(marks.minus):
            text += f" {marks.minus} {spelled[len(marks.minus) :]}"
        else:
            text += f" + {spelled}"
    return text


def _product(factors: tuple[Expr, ...], marks: _Marks) -> str:
    """Return a product; a leading -1 is a sign, and what swallows the rest comes in brackets."""
    rest = list(factors)
    sign = ""
    while len(rest) > 1 and isinstance(rest[0], Num) and rest[0].value == -1:
        sign = "" if sign else marks.minus
        rest.pop(0)
    if len(rest) > 1 and isinstance(rest[0], Num) and rest[0].value < 0:
        sign = "" if sign else marks.minus
        rest[0] = Num(-rest[0].value)
    if len(rest) == 1:
        return sign + _spell(rest[0], _PRODUCT, marks)
    last = len(rest) - 1
    parts = []
    for place, factor in enumerate(rest):
        open_ended = isinstance(factor, Sum | Log)
        part = _spell(factor, _PRODUCT if open_ended and place == last else _FACTOR, marks)
        before = rest[place - 1] if place else None
        named = isinstance(before, Sym) and not before.args
        # A name directly before a bracket could be a function of what is in it.
        dotted = named and part.startswith(("(", "[", marks.brackets[0]))
        parts.append(f"{marks.dot} {part}" if dotted else part)
    return sign + " ".join(parts)


def _unicode_symbol(name: str, args: tuple[str, ...]) -> str:
    spelled = _unicode_name(name)
    return f"{spelled}({', '.join(args)})" if args else spelled


def _unicode_name(name: str) -> str:
    function, bracket, of = name.partition("(")
    base, _, words = function.partition("_")
    if words:
        base += f"_{words}" if _PLAIN.fullmatch(words) else f"_{{{words}}}"
    return f"{base}{bracket}{of}"


def _unicode_quotient(inner: Callable[[Expr, int], str], over: Expr, under: Expr) -> str:
    below = inner(under, _FACTOR)
    return f"{inner(over, _FACTOR)} / {below}"


def _latex_name(name: str) -> str:
    function, bracket, of = name.partition("(")
    if bracket:
        groups = (group.split(",") for group in of.removesuffix(")").split("‖"))
        named = r" \,\|\, ".join(", ".join(map(_latex_name, group)) for group in groups)
        return f"{_latex_name(function)}({named})"
    base, _, words = name.partition("_")
    match = _NAME.fullmatch(base)
    if match is None:
        return rf"\mathrm{{{name}}}"
    letters, accents, marks, step = match.groups()
    spelled = _latex_letters(letters)
    for accent in accents:
        spelled = rf"\{ACCENT_NAMES[accent]}{{{spelled}}}"
    spelled += marks.replace("*", r"^{\ast}") + ((latex_of(step) or "") if step else "")
    return rf"{spelled}_{{{_latex_words(words)}}}" if words else spelled


def _latex_letters(letters: str) -> str:
    if len(letters) > 1:
        return rf"\mathrm{{{letters}}}"
    return _COMMANDS.get(letters) or latex_of(letters) or letters


def _latex_words(words: str) -> str:
    if words.replace(",", "").isascii() and "'" not in words:
        return rf"\text{{{words}}}"
    return ",".join(map(_latex_name, words.split(",")))


def _latex_index(index: str) -> str:
    """Return an action, of which one character may be a letter with its accents."""
    letter, accents, primes = index[:1], index[1:].rstrip("'"), "'" * index.count("'")
    spelled = latex_of(letter) or letter
    if not all(accent in ACCENT_NAMES for accent in accents):
        return index
    for accent in accents:
        spelled = rf"\{ACCENT_NAMES[accent]}{{{spelled.strip()}}}"
    return spelled.strip() + primes


def _latex_symbol(name: str, args: tuple[str, ...]) -> str:
    spelled = _latex_name(name)
    actions = [_latex_index(arg) for arg in args]
    if not args:
        return spelled
    if name == "θ" or name.endswith(")"):
        return f"{spelled}_{{{','.join(actions)}}}"
    return f"{spelled}({', '.join(actions)})"


_LATEX_FUNCTIONS = {"min": r"\min", "max": r"\max", "clip": r"\operatorname{clip}"}

_UNICODE = _Marks(
    symbol=_unicode_symbol,
    delta=lambda left, right: f"1{{{left}={right}}}",
    power=lambda base, exponent: base + str(exponent).translate(_SUPERSCRIPTS),
    quotient=_unicode_quotient,
    total=lambda index, skip: f"Σ_{index}" + "".join(f"≠{other}" for other in skip),
    expectation=lambda index, under: f"E_{{{index}~{_unicode_name(under)}}}",
    derivative=lambda body, by: f"∂{body}/∂{by}",
    operator=lambda by: f"∂/∂{by} ",
    function=lambda name, of: f"{name}({', '.join(of)})",
    holds=lambda how, left, right: f"1{{{left} {how} {right}}}",
    log="log",
    exp="exp",
    minus="−",
    dot="·",
    brackets=("(", ")"),
)

_LATEX = _Marks(
    symbol=_latex_symbol,
    delta=lambda left, right: rf"\mathbf{{1}}\{{{_latex_index(left)}={_latex_index(right)}\}}",
    power=lambda base, exponent: f"{base}^{{{exponent}}}",
    quotient=lambda inner, over, under: rf"\frac{{{inner(over, _SUM)}}}{{{inner(under, _SUM)}}}",
    total=lambda index, skip: (
        rf"\sum_{{{_latex_index(index)}"
        + (r" \neq " + ", ".join(map(_latex_index, skip)) if skip else "")
        + "}"
    ),
    expectation=lambda index, under: (
        rf"\mathbb{{E}}_{{{_latex_index(index)} \sim {_latex_name(under)}}}"
    ),
    derivative=lambda body, by: rf"\frac{{\partial {body}}}{{\partial {by}}}",
    operator=lambda by: rf"\frac{{\partial}}{{\partial {by}}} ",
    function=lambda name, of: rf"{_LATEX_FUNCTIONS[name]}\left({', '.join(of)}\right)",
    holds=lambda how, left, right: rf"\mathbf{{1}}\left\{{{left} {latex_of(how)} {right}\right\}}",
    log=r"\log",
    exp=r"\exp",
    minus="-",
    dot=r"\cdot",
    brackets=(r"\left(", r"\right)"),
)
