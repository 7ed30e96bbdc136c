"""Derivatives: fractions of differentials, and operators that take what follows.

A derivative of a sum takes the whole product that follows, one of anything else takes a factor.
"""

from collections.abc import Sequence

from softcheck.derive.expr import Diff, Div, Expr, Num, Pow, Size, Sym, free_indices
from softcheck.derive.limits import ORDER
from softcheck.derive.reading.notation.cursor import spelled
from softcheck.derive.reading.notation.names import parse_index
from softcheck.derive.reading.notation.parser import REACH, Parser, number_of
from softcheck.derive.reading.notation.vocabulary import CONSTANTS, ENTRY
from softcheck.derive.reading.tokens import ReadError, Token


def fraction(parser: Parser) -> Expr:
    r"""Read `\frac{X}{Y}`, which is a derivative if both parts start with a differential."""
    command = parser.take()
    over, under = parser.group(), parser.group()
    if over and under and _is_differential(over[0]) and _is_differential(under[0]):
        return _derivative(parser, over, under)
    if not over or not under:
        raise ReadError(f"\\{command.text} with an empty part", command.start)
    return Div(parser.whole(over), parser.whole(under))


def _derivative(parser: Parser, over: Sequence[Token], under: Sequence[Token]) -> Expr:
    """Return d over / d under; with nothing in `over` the derivative takes what follows."""
    head = parser.nested(over)
    head.take()
    order = _order(head)
    variables = []
    below = parser.nested(under)
    while not below.done:
        if not _is_differential(below.peek()):
            raise below.refuse("∂ and a variable")
        below.take()
        variables += _variable_and_order(below)
    if len(variables) != order:
        raise ReadError(
            f"a derivative of order {order} by {len(variables)} variables", over[0].start
        )
    if head.done:
        bracketed = parser.starts_bracket() or parser.commands("sum")
        body = _operand(parser, variables)
        if parser.starts_factor() and not bracketed:
            raise ReadError(REACH.format("this derivative"), parser.peek().start)
    else:
        body = parser.whole(head.tokens[head.i :])
    return _by_all(body, variables, over[0].start)


def _order(parser: Parser) -> int:
    """Take the order of a derivative, which is 1 unless it is written out."""
    if not parser.sees("^"):
        return 1
    parser.take()
    number = number_of(parser.whole(parser.group()))
    if number is None or number.denominator != 1 or not 1 <= number <= ORDER:
        raise ReadError(
            f"an order of differentiation that is not 1 to {ORDER}", parser.peek(-1).start
        )
    return int(number)


def _variable(parser: Parser, *, vector: bool = False) -> Sym:
    """Take the variable that a derivative goes by."""
    start = parser.peek().start
    variable, *more = _variable_and_order(parser, vector=vector)
    if more:
        raise ReadError("a derivative by a power", start)
    return variable


def _variable_and_order(parser: Parser, *, vector: bool = False) -> list[Sym]:
    """Take a variable, as often as its order says; of a `vector` one entry that stands for all."""
    start = parser.peek().start
    symbol = parser.symbol(variable=True) if parser.starts_name() else None
    order = _order(parser)
    if isinstance(symbol, Pow) and symbol.exponent <= ORDER:
        order, symbol = symbol.exponent, symbol.base
    if not isinstance(symbol, Sym) or symbol.name in ("", "n"):
        raise ReadError("a derivative by something that is not a variable", start)
    letter = symbol.name.partition("_")[2]
    if not symbol.args and len(letter) == 1 and letter.isalpha():
        raise ReadError(
            f"{letter!r} is no name of an action here, take one of a, b, c, i, j, k, l", start
        )
    if not symbol.args and (vector or parser.scope.arity(symbol.name) == 1):
        if order > 1:
            raise ReadError("a second derivative by whole tables is a matrix", start)
        symbol = Sym(symbol.name, (ENTRY,))
    if parser.scope.is_state(symbol.name) and not symbol.args:
        raise ReadError(
            f"a derivative by the state {symbol.name}, of which it is not said how it enters", start
        )
    if "_s'" in symbol.name:
        raise ReadError("a derivative at another state is outside what can be decided", start)
    return [symbol] * order


def partial(parser: Parser) -> Expr:
    r"""Read `\partial_{x} X`, `\nabla_{x} X` or `\partial X / \partial x`."""
    command = parser.take()
    if parser.sees("_"):
        parser.take()
        content = parser.group()
        index = parse_index(content, parser.scope)
        if index is not None and command.text == "nabla":
            raise ReadError(
                rf"a gradient by an action, write \nabla_{{\theta_{index}}}", command.start
            )
        if index is not None:
            variable = Sym("θ", (index,))
        else:
            inner = parser.nested(content)
            vector = command.text == "nabla" and parser.scope.arity(spelled(content)) != 0
            variable = _variable(inner, vector=vector)
            inner.end()
        order = _order(parser)
        if order > 1 and variable.args == (ENTRY,):
            raise ReadError("a second derivative by whole tables is a matrix", command.start)
        body = _operand(parser, [variable])
        if index is not None and index in free_indices(body):
            raise ReadError(
                rf"a derivative by an action or by its logit, write \partial_{{\theta_{index}}}",
                command.start,
            )
        return _by_all(body, [variable] * order, command.start)
    if command.text == "nabla":
        raise ReadError(r"a gradient by nothing that is named, write \nabla_\theta", command.start)
    if parser.sees("/") and _is_differential(parser.peek(1)):
        # On one line: `∂/∂x [X]`.
        parser.i += 2
        variables = _variable_and_order(parser)
        return _by_all(_operand(parser, variables), variables, command.start)
    body = parser.factor()
    if not (parser.sees("/") and _is_differential(parser.peek(1))):
        raise parser.refuse("/ ∂ and a variable")
    parser.i += 2
    return _by_all(body, [_variable(parser)], command.start)


def _operand(parser: Parser, variables: Sequence[Sym]) -> Expr:
    """Take what a derivative applies to: a whole sum, else one factor."""
    start, bracketed = parser.peek().start, parser.starts_bracket()
    body = parser.factor()
    # What follows the function of a derivative is a factor beside both.
    parser.reach = -1
    constant = isinstance(body, Num | Size) or (
        isinstance(body, Sym) and body.name in CONSTANTS - {v.name for v in variables}
    )
    if constant and not bracketed and parser.starts_factor():
        raise ReadError(REACH.format("this derivative"), start)
    return body


def _is_differential(token: Token) -> bool:
    if token.kind == "command":
        return token.text in ("partial", "nabla")
    return token.text == "d" and token.kind in ("letter", "font")


def _by_all(body: Expr, variables: Sequence[Sym], at: int) -> Expr:
    """Return the derivative by some variables, of which none may be an action."""
    for variable in variables:
        if not variable.args and variable.name in free_indices(body):
            raise ReadError(f"a derivative by the action {variable.name}", at)
    for variable in reversed(variables):
        body = Diff(body, variable)
    return body
