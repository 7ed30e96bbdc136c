"""Sums and means over actions, and whose actions they leave out.

A sum takes the whole product that follows; a mean takes what stands in its brackets.
"""

from collections.abc import Sequence

from softcheck.derive.expr import Expect, Expr, Mul, Sum, Sym, minus
from softcheck.derive.notation.cursor import split
from softcheck.derive.notation.parser import Parser
from softcheck.derive.notation.ranges import binders
from softcheck.derive.tokens import ReadError, Token


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
    parser.scope.bound += [name for name, _ in bound]
    tree = parser.product()
    del parser.scope.bound[len(parser.scope.bound) - len(bound) :]
    for name, skip in reversed(bound):
        tree = Sum(name, tree, skip)
    return tree


def expectation(parser: Parser) -> Expr:
    r"""Read `\mathbb{E}_{a \sim \pi(\cdot|s)}[X]`."""
    start = parser.take().start
    drawn = _drawn(parser, start)
    if not (parser.sees("[", "(", "{") or parser.commands("{")):
        raise parser.refuse("brackets around what is averaged")
    opener = parser.take()
    content = parser.inside(opener)
    return Expect(*drawn, _averaged(parser, drawn[0], content))


def _averaged(parser: Parser, index: str, content: Sequence[Token]) -> Expr:
    """Return what stands in the brackets of a mean over an action."""
    parser.scope.bound.append(index)
    tree = parser.whole(content)
    parser.scope.bound.pop()
    return tree


def _drawn(parser: Parser, start: int) -> tuple[str, str]:
    r"""Take `_{a \sim \pi(\cdot|s)}`."""
    if not parser.sees("_"):
        raise ReadError("an expectation must name its action, as in E_{a ~ pi}", start)
    parser.take()
    content = parser.nested(parser.group())
    index = content.index(any_letter=True)
    if index is None or not (content.commands("sim") or content.sees("~")):
        raise ReadError("an expectation must name its action, as in E_{a ~ pi}", start)
    content.take()
    where = content.peek()
    under = content.symbol() if content.starts_name() else None
    if not isinstance(under, Sym) or under.args:
        raise ReadError("an expectation under something that is no distribution", where.start)
    content.end()
    return index, under.name


def covariance(parser: Parser) -> Expr:
    r"""Read `\mathrm{Cov}_{a \sim \pi}(X, Y)` and `\mathrm{Var}_{a \sim \pi}[X]`."""
    command = parser.take()
    drawn = _drawn(parser, command.start)
    if not parser.sees("(", "["):
        raise parser.refuse("brackets")
    parts = split(parser.inside(parser.take()), {","})
    if len(parts) != (2 if command.text == "Cov" else 1):
        raise ReadError(f"\\{command.text} of {len(parts)} quantities", command.start)
    x, y = (_averaged(parser, drawn[0], part) for part in (parts[0], parts[-1]))
    both = Expect(*drawn, Mul((x, y)))
    return minus(both, Mul((Expect(*drawn, x), Expect(*drawn, y))))
