"""Sums and means over actions, and whose actions they leave out.

A sum takes the whole product that follows; a mean takes what stands in its brackets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from softcheck.derive.expr import (
    Delta,
    Diff,
    Expect,
    Expr,
    Mul,
    Sum,
    Sym,
    children,
    free_indices,
    minus,
    walk,
)
from softcheck.derive.reading.notation.cursor import Scope, split
from softcheck.derive.reading.notation.entries import entry
from softcheck.derive.reading.notation.parser import Parser
from softcheck.derive.reading.notation.ranges import binders
from softcheck.derive.reading.notation.vocabulary import ENTRY
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
    if not below and not above:
        return _implied(parser, command)
    bound = binders(parser, below, above, command)
    with parser.binding(*(name for name, _ in bound)):
        tree = parser.product()
    for name, skip in reversed(bound):
        tree = Sum(name, tree, skip)
    return tree


def _implied(parser: Parser, command: Token) -> Expr:
    r"""Read `\sum e^{z_j}`, over the one action in it that nothing else binds."""
    tree = parser.product()
    index = _free_action(parser, tree)
    if index is None:
        raise ReadError("a sum that does not say what it runs over", command.start)
    parser.found.implied.add(index)
    return Sum(index, tree)


def _free_action(parser: Parser, tree: Expr) -> str | None:
    """Return the one action that a formula speaks of and nothing binds, if it is one."""
    free = _spoken_of(tree) - {*parser.scope.bound, ENTRY}
    return next(iter(free)) if len(free) == 1 else None


def _spoken_of(x: Expr) -> set[str]:
    """Return the free actions of a formula but for those that a derivative goes by."""
    match x:
        case Diff(body):
            return _spoken_of(body)
        case Sum(index, body, skip):
            return (_spoken_of(body) | {*skip}) - {index}
        case Expect(index, _, body):
            return _spoken_of(body) - {index}
        case Sym() | Delta():
            return free_indices(x)
        case _:
            return set().union(*map(_spoken_of, children(x)))


def expectation(parser: Parser) -> Expr:
    r"""Read `\mathbb{E}_{a \sim \pi(\cdot|s)}[X]`, or `\mathbb{E}_\pi[X]` and `\mathbb{E}[X]`.

    Where the action is not named, X is of whole tables or speaks of one action.
    """
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
        parser.found.guesses.append("an expectation that names no distribution is under π")
        return _Drawn(None, "π", start)
    parser.take()
    content = parser.nested(parser.group())
    action = content.index(any_letter=True)
    if action is not None and content.commands("sim"):
        content.take()
    elif action is not None and content.done:
        parser.found.guesses.append("an expectation that names no distribution is under π")
        return _Drawn(action, "π", start)
    else:
        action, content.i = None, 0
    where = content.peek()
    under = content.symbol() if content.starts_name() else None
    if not isinstance(under, Sym) or under.args:
        raise ReadError("an expectation under something that is no distribution", where.start)
    content.end()
    if action is None and parser.scope.arity(under.name) != 1:
        raise ReadError(_UNNAMED, start)
    return _Drawn(action, under.name, start)


def _mean(parser: Parser, drawn: _Drawn, factors: Sequence[Sequence[Token]]) -> Expr:
    """Return the mean of a product, each factor of which stands in brackets of its own."""
    action = drawn.action
    if action is None and len(factors) == 1:
        tree = parser.whole(factors[0])
        action = _free_action(parser, tree)
        if action is not None:
            parser.found.implied.add(action)
            parser.found.guesses.append(f"an expectation that names no action is over {action}")
            return Expect(action, drawn.under, _only_entries(parser, tree, drawn.start))
    action = action or _unused(parser.scope, factors, drawn.start)
    with parser.binding(action):
        if drawn.action is None:
            trees = [_entry(parser, action, factor, drawn.start) for factor in factors]
        else:
            trees = [parser.whole(factor) for factor in factors]
    return Expect(action, drawn.under, trees[0] if len(trees) == 1 else Mul(tuple(trees)))


def _entry(parser: Parser, action: str, content: Sequence[Token], start: int) -> Expr:
    r"""Return one entry of a formula of whole tables, in which `Q(s, \cdot)` is one too."""
    tree = parser.whole(_dotted(content, action))
    if free_indices(tree) - {*parser.scope.bound}:
        raise ReadError(_UNNAMED, start)
    return entry(tree, action, parser.scope, start, vector=False)


def _only_entries(parser: Parser, tree: Expr, start: int) -> Expr:
    """Return a formula that speaks of an action, of which no part may be a whole table."""
    for node in walk(tree):
        if isinstance(node, Sym) and not node.args and parser.scope.arity(node.name) == 1:
            raise ReadError(_UNNAMED, start)
    return tree


def _dotted(content: Sequence[Token], action: str) -> list[Token]:
    r"""Return tokens in which an action stands for the dot of `Q(s, \cdot)`."""
    return [
        replace(token, kind="letter", text=action)
        if token.text == "cdot" and _is_argument(content, i)
        else token
        for i, token in enumerate(content)
    ]


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
