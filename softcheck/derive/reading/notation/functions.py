"""Functions: logarithm, exponential, softmax.

A logarithm takes one factor, an exponential a factor or what stands in its brackets.
"""

from collections.abc import Sequence

from softcheck.derive.expr import ONE, Div, Exp, Expr, Log, Num, Sum, Sym, free_indices
from softcheck.derive.limits import NESTING
from softcheck.derive.reading.notation.cursor import split
from softcheck.derive.reading.notation.entries import entry
from softcheck.derive.reading.notation.names import parse_index
from softcheck.derive.reading.notation.parser import REACH, Parser
from softcheck.derive.reading.notation.vocabulary import DIVERGENCE
from softcheck.derive.reading.tokens import ReadError, Token


def logarithm(parser: Parser) -> Expr:
    r"""Read `\log x`."""
    parser.take()
    if parser.sees("^", "_"):
        raise parser.refuse("what the logarithm is of")
    return Log(_argument(parser))


def exponential(parser: Parser) -> Expr:
    r"""Read `\exp(x)` or `\exp x`."""
    parser.take()
    if not (parser.sees("(", "[", "{") or parser.commands("{")):
        return Exp(_argument(parser))
    return Exp(parser.bracket())


def power_of_e(parser: Parser) -> Expr:
    """Read `e^x`, or the number `e`."""
    parser.take()
    if not parser.sees("^"):
        return Exp(ONE)
    parser.take()
    return Exp(parser.whole(parser.group()))


def _argument(parser: Parser) -> Expr:
    if isinstance(body := parser.factor(), Num) and parser.starts_factor():
        raise ReadError(REACH.format("this function"), parser.peek().start)
    return body


def softmax(parser: Parser) -> Expr:
    r"""Read `\mathrm{softmax}(x)_a`, where x may be a whole table."""
    start = parser.take().start
    index = _subscript(parser)
    if not parser.sees("(", "["):
        raise parser.refuse("what the softmax is of")
    content = parser.inside(parser.take())
    if index is None:
        index = _subscript(parser)
    if index is None and parser.sees("("):
        index = parse_index(parser.inside(parser.take()), parser.scope)
    index = index or parser.scope.entry
    if index is None:
        raise ReadError("a softmax without its action is a vector, name one entry", start)
    table = parser.whole(content)
    used = {index, *parser.scope.bound, *free_indices(table)}
    other = next(name for name in (f"b{chr(39) * k}" for k in range(NESTING)) if name not in used)
    over, under = (
        Exp(entry(table, action, parser.scope, start, vector=True)) for action in (index, other)
    )
    return Div(over, Sum(other, under))


def divergence(parser: Parser) -> Expr:
    r"""Read `D_{\mathrm{KL}}(p \,\|\, q)` or `\mathrm{KL}(p \| q)`: a quantity of its own name."""
    start = parser.take().start
    if parser.sees("_"):
        parser.take()
        parser.group()
    if not parser.sees("(", "["):
        raise parser.refuse("two distributions in brackets")
    parts = split(parser.inside(parser.take()), {"|", "Vert", "parallel", ",", ";"})
    names = [_distribution(parser, part) for part in parts]
    if len(names) != 2 or None in names:
        raise ReadError("a divergence that is not between two named distributions", start)
    return Sym(f"{DIVERGENCE}({names[0]}‖{names[1]})")


def _distribution(parser: Parser, tokens: Sequence[Token]) -> str | None:
    """Return the name of a distribution, or None if the tokens are something else."""
    inner = parser.nested(tokens)
    symbol = inner.symbol() if tokens and inner.starts_name() else None
    if not isinstance(symbol, Sym) or symbol.args or not inner.done:
        return None
    return symbol.name


def _subscript(parser: Parser) -> str | None:
    if not parser.sees("_"):
        return None
    parser.take()
    parts = [parse_index(part, parser.scope) for part in split(parser.group(), {","})]
    return parts[-1]
