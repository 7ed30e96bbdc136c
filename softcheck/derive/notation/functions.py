"""Functions: logarithm, exponential, softmax.

A logarithm takes one factor, an exponential a factor or what stands in its brackets.
"""

from softcheck.derive.expr import (
    ONE,
    Add,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Sum,
    Sym,
    free_indices,
)
from softcheck.derive.limits import NESTING
from softcheck.derive.notation.cursor import split
from softcheck.derive.notation.names import parse_index
from softcheck.derive.notation.parser import REACH, Parser
from softcheck.derive.notation.vocabulary import CONSTANTS, TABLES
from softcheck.derive.tokens import ReadError


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
    if index is None:
        raise ReadError("a softmax without its action is a vector, name one entry", start)
    table = parser.whole(content)
    used = {index, *parser.scope.bound, *free_indices(table)}
    other = next(name for name in (f"b{chr(39) * k}" for k in range(NESTING)) if name not in used)
    return Div(Exp(_entry(table, index)), Sum(other, Exp(_entry(table, other))))


def _subscript(parser: Parser) -> str | None:
    if not parser.sees("_"):
        return None
    parser.take()
    parts = [parse_index(part, parser.scope) for part in split(parser.group(), {","})]
    return parts[-1]


def _entry(x: Expr, index: str) -> Expr:
    """Return one entry of a formula of whole tables."""
    match x:
        case Sym(name, ()) if name in TABLES or name not in CONSTANTS:
            return Sym(name, (index,))
        case Add(terms):
            return Add(tuple(_entry(term, index) for term in terms))
        case Mul(factors):
            return Mul(tuple(_entry(factor, index) for factor in factors))
        case Div(over, under):
            return Div(_entry(over, index), _entry(under, index))
        case Log(of):
            return Log(_entry(of, index))
    return x
