"""Functions: logarithm, exponential, softmax.

A logarithm takes one factor, an exponential a factor or what stands in its brackets.
"""

from collections.abc import Sequence

from softcheck.derive.expr import (
    ONE,
    Compare,
    Div,
    Exp,
    Expr,
    Log,
    Num,
    Pow,
    Sum,
    Sym,
    free_indices,
)
from softcheck.derive.limits import NESTING
from softcheck.derive.reading.notation.cursor import spelled, split
from softcheck.derive.reading.notation.entries import entry, renamed
from softcheck.derive.reading.notation.names import parse_index
from softcheck.derive.reading.notation.parser import REACH, Parser
from softcheck.derive.reading.notation.vocabulary import DIVERGENCE
from softcheck.derive.reading.tokens import ReadError, Token


def logarithm(parser: Parser) -> Expr:
    r"""Read `\log x`."""
    parser.take()
    power = 1
    if parser.sees("^") and parser.peek(1).kind == "number":
        parser.take()
        power = int(spelled(parser.group()))
    if parser.sees("^", "_"):
        raise parser.refuse("what the logarithm is of")
    log = Log(_argument(parser))
    return log if power == 1 else Pow(log, power)


def exponential(parser: Parser) -> Expr:
    r"""Read `\exp(x)` or `\exp x`."""
    parser.take()
    if not (parser.sees("(", "[", "{") or parser.commands("{")):
        return Exp(_argument(parser))
    return Exp(parser.bracket())


def power_of_e(parser: Parser) -> Expr:
    """Read `e^x`, or the number `e` where its font says that it is one."""
    parser.take()
    if not parser.sees("^"):
        return Exp(ONE)
    parser.take()
    return Exp(parser.whole(parser.group()))


def _argument(parser: Parser) -> Expr:
    """Take what a function is of: what stands in its brackets, or one factor."""
    if parser.sees("(", "[") or parser.commands("{"):
        body = parser.bracket()
        if parser.sees("^"):
            raise ReadError(REACH.format("this power"), parser.peek().start)
        return body
    if isinstance(body := parser.factor(), Num) and parser.starts_factor():
        raise ReadError(REACH.format("this function"), parser.peek().start)
    parser.reach = parser.i
    return body


def extreme(parser: Parser) -> Expr:
    r"""Read `\min(x, y)`, `\max(x, y)` and `\mathrm{clip}(x, a, b)` as min(max(x, a), b)."""
    token = parser.take()
    if not parser.starts_bracket():
        raise parser.refuse(f"what {token.text} is of in brackets")
    parts = [parser.whole(part) for part in split(parser.inside(parser.take()), {","})]
    match token.text, parts:
        case "min" | "max" as how, [left, right]:
            return Compare(how, left, right)
        case "clip", [of, low, high]:
            return Compare("min", Compare("max", of, low), high)
    number = "three" if token.text == "clip" else "two"
    raise ReadError(f"a {token.text} of {len(parts)} quantities, not of {number}", token.start)


def softmax(parser: Parser) -> Expr:
    r"""Read `\mathrm{softmax}(x)_a`, where x may be a whole table."""
    start = parser.take().start
    index = _subscript(parser)
    if not (parser.sees("(", "[") or parser.commands("{")):
        raise parser.refuse("what the softmax is of")
    content = parser.inside(parser.take())
    if index is None:
        index = _subscript(parser)
    if index is None and parser.sees("("):
        index = parse_index(parser.inside(parser.take()), parser.scope)
    table = parser.whole(content)
    named = free_indices(table) - {*parser.scope.bound}
    used = {*parser.scope.bound, *free_indices(table)} | ({index} if index else set())
    other = next(name for name in (f"b{chr(39) * k}" for k in range(NESTING)) if name not in used)
    if index is None and len(named) == 1:
        # The usual abuse: `softmax(z_i)` is the entry of the softmax of all z.
        (own,) = named
        return Div(Exp(table), Sum(other, Exp(renamed(table, own, other))))
    index = index or parser.scope.entry
    if index is None:
        raise ReadError("a softmax without its action is a vector, name one entry", start)
    other = next(
        name for name in (f"b{chr(39) * k}" for k in range(NESTING)) if name not in used | {index}
    )
    over, under = (
        Exp(entry(table, action, parser.scope, start, vector=True)) for action in (index, other)
    )
    return Div(over, Sum(other, under))


def divergence(parser: Parser) -> Expr:
    r"""Read `D_{\mathrm{KL}}(p \,\|\, q)` or `\mathrm{KL}(p \| q)`: a quantity of its own name."""
    token = parser.take()
    start = token.start
    mark = ""
    if parser.sees("_"):
        parser.take()
        mark = spelled(parser.group())
        mark = "" if token.text == "D" and mark == "KL" else f",{mark}"
    if not parser.sees("(", "["):
        raise parser.refuse("two distributions in brackets")
    parts = split(parser.inside(parser.take()), {"|", "Vert", "parallel", ",", ";"})
    names = [_distribution(parser, part) for part in parts]
    if len(names) != 2 or None in names:
        raise ReadError("a divergence that is not between two named distributions", start)
    return Sym(f"{DIVERGENCE}{mark}({names[0]}‖{names[1]})")


def _distribution(parser: Parser, tokens: Sequence[Token]) -> str | None:
    """Return the name of a distribution, or None if the tokens are something else."""
    inner = parser.nested(tokens)
    try:
        symbol = inner.symbol() if tokens and inner.starts_name() else None
    except ReadError:
        return None
    if not isinstance(symbol, Sym) or symbol.args or not inner.done:
        return None
    return symbol.name


def _subscript(parser: Parser) -> str | None:
    if not parser.sees("_"):
        return None
    start = parser.take().start
    *before, last = split(parser.group(), {","})
    index = parse_index(last, parser.scope)
    if index is None or not all(parser.scope.is_state(spelled(part)) for part in before):
        raise ReadError("a mark of a softmax that is not understood", start)
    return index
