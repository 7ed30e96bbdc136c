"""Sums and means over actions, and whose actions they leave out.

A sum takes the whole product that follows; a mean takes what stands in its brackets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from softcheck.derive.expr import Expect, Expr, Mul, Sum, Sym, free_indices, minus
from softcheck.derive.reading.notation.cursor import Scope, split
from softcheck.derive.reading.notation.entries import arity, entry
from softcheck.derive.reading.notation.parser import Parser
from softcheck.derive.reading.notation.ranges import binders
from softcheck.derive.reading.tokens import ReadError, Token


def total(parser: Parser) -> Expr:
    r"""Read `\sum_{...}^{...} X`."""
    command = parser.take()
    below: list[Token] = []
    above: list[Token] = []
    while parser.sees("_", "^"):
        place = below if parser.take().text == "_" else above
        if place:
            raise ReadError("a sum with two ranges", command.start)
        place += parser.group()
    bound = binders(parser, below, above, command)
    with parser.binding(*(name for name, _ in bound)):
        tree = parser.product()
    for name, skip in reversed(bound):
        tree = Sum(name, tree, skip)
    return tree


def expectation(parser: Parser) -> Expr:
    r"""Read `\mathbb{E}_{a \sim \pi(\cdot|s)}[X]`, or `\mathbb{E}_\pi[X]` of whole tables."""
    start = parser.take().start
    drawn = _drawn(parser, start)
    if not parser.starts_bracket():
        raise parser.refuse("brackets around what is averaged")
    return _mean(parser, drawn, [parser.inside(parser.take())])


def covariance(parser: Parser) -> Expr:
    r"""Read `\mathrm{Cov}_{a \sim \pi}(X, Y)` and `\mathrm{Var}_{a \sim \pi}[X]`."""
    command = parser.take()
    drawn = _drawn(parser, command.start)
    if not parser.sees("(", "["):
        raise parser.refuse("brackets")
    parts = split(parser.inside(parser.take()), {","})
    if len(parts) != (2 if command.text == "Cov" else 1):
        raise ReadError(f"\\{command.text} of {len(parts)} quantities", command.start)
    x, y = parts[0], parts[-1]
    product = Mul((_mean(parser, drawn, [x]), _mean(parser, drawn, [y])))
    return minus(_mean(parser, drawn, [x, y]), product)


@dataclass(frozen=True)
class _Drawn:
    """What a mean is over: an action, which is None if it is not named, and its distribution."""

    action: str | None
    under: str
    start: int


_UNNAMED = "an expectation must name its action, as in E_{a ~ pi}"


def _drawn(parser: Parser, start: int) -> _Drawn:
    r"""Take `_{a \sim \pi(\cdot|s)}` or `_\pi`."""
    if not parser.sees("_"):
        raise ReadError(_UNNAMED, start)
    parser.take()
    content = parser.nested(parser.group())
    action = content.index(any_letter=True)
    if action is not None and content.commands("sim"):
        content.take()
    else:
        action, content.i = None, 0
    where = content.peek()
    under = content.symbol() if content.starts_name() else None
    if not isinstance(under, Sym) or under.args:
        raise ReadError("an expectation under something that is no distribution", where.start)
    content.end()
    if action is None and arity(under.name, parser.scope) != 1:
        raise ReadError(_UNNAMED, start)
    return _Drawn(action, under.name, start)


def _mean(parser: Parser, drawn: _Drawn, factors: Sequence[Sequence[Token]]) -> Expr:
    """Return the mean of a product, each factor of which stands in brackets of its own."""
    action = drawn.action or _unused(parser.scope, factors, drawn.start)
    with parser.binding(action):
        if drawn.action is None:
            trees = [_entry(parser, action, factor, drawn.start) for factor in factors]
        else:
            trees = [parser.whole(factor) for factor in factors]
    return Expect(action, drawn.under, trees[0] if len(trees) == 1 else Mul(tuple(trees)))


def _entry(parser: Parser, action: str, content: Sequence[Token], start: int) -> Expr:
    r"""Return one entry of a formula of whole tables, in which `Q(s, \cdot)` is one too."""
    tokens = [
        replace(token, kind="letter", text=action)
        if token.text == "cdot" and _is_argument(content, i)
        else token
        for i, token in enumerate(content)
    ]
    tree = parser.whole(tokens)
    if free_indices(tree) - {*parser.scope.bound}:
        raise ReadError(_UNNAMED, start)
    return entry(tree, action, parser.scope, start, vector=False)


def _is_argument(tokens: Sequence[Token], i: int) -> bool:
    """Tell whether a dot stands alone among arguments, where it is no sign of a product."""
    around = [token.text for token in (*tokens[max(i - 1, 0) : i], *tokens[i + 1 : i + 2])]
    return len(around) == 2 and around[0] in ("(", ",", "{", "_") and around[1] in _ENDS


_ENDS = (")", ",", "|", "mid", "}", ";")


def _unused(scope: Scope, contents: Sequence[Sequence[Token]], start: int) -> str:
    """Return a letter for an action that has none."""
    taken = {token.text for content in contents for token in content} | {*scope.bound}
    free = (letter for letter in "abcijkl" if letter not in taken)
    letter = next(free, None)
    if letter is None:
        raise ReadError(_UNNAMED, start)
    return letter
