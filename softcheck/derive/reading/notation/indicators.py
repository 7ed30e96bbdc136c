"""Indicators of equal actions: Iverson brackets and Kronecker deltas."""

from collections.abc import Sequence
from dataclasses import replace

from softcheck.derive.expr import ONE, Delta, Expr, minus
from softcheck.derive.reading.notation.names import Names, parse_index
from softcheck.derive.reading.tokens import ReadError, Token


def relation_of_actions(names: Names, content: Sequence[Token]) -> Expr | None:
    """Return the indicator of `i = j` or of `i != j`, or None if it is neither."""
    if content and content[0].text == "{" and content[0].kind == "command":
        content = content[1:-1]
    inner = names.nested(content)
    left = inner.index()
    equal = inner.sees("=")
    if left is None or not (equal or inner.commands("neq", "ne")):
        return None
    inner.take()
    right = inner.index()
    if right is None or not inner.done:
        return None
    return Delta(left, right) if equal else minus(ONE, Delta(left, right))


def indicator(names: Names) -> Expr:
    r"""Read `\mathbf{1}\{i = j\}`, `\mathbb{1}[i \neq j]`, `\mathbf{1}_{i = j}`."""
    token = names.take()
    if names.sees("_"):
        names.take()
        content = names.group()
    elif names.sees("{", "[", "(") or names.commands("{"):
        content = names.inside(names.take())
    else:
        raise ReadError("an indicator without its condition", token.start)
    found = relation_of_actions(names, content)
    if found is None:
        raise ReadError("an indicator whose condition is not an equality of actions", token.start)
    return found


def delta(names: Names) -> Expr:
    r"""Read `\delta_{ij}`, `\delta_i^j`, `\delta_{i = j}`, `\delta(i, j)`."""
    start = names.take().start
    content: list[Token] = []
    if names.sees("_"):
        names.take()
        content = names.group()
        relation = relation_of_actions(names, content)
        if relation is not None:
            return relation
        if names.sees("^") and parse_index(content, names.scope) is not None:
            names.take()
            content += names.group()
    elif names.sees("("):
        content = names.inside(names.take())
    if len(content) == 1 and content[0].kind == "number" and len(content[0].text) == 2:
        content = [replace(content[0], text=digit) for digit in content[0].text]
    inner = names.nested(content)
    left = inner.index()
    if inner.sees(",") or inner.commands("mid"):
        inner.take()
    right = inner.index()
    if left is None or right is None or not inner.done:
        raise ReadError("a delta without its two actions", start)
    return Delta(left, right)
