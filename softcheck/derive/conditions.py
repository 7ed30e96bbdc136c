"""Statements that only restrict: which actions are equal, ranges, the sign of a scalar."""

from collections.abc import Container, Sequence

from softcheck.derive.expr import Condition, Expr, Num, Size, Sym
from softcheck.derive.notation.cursor import Scope
from softcheck.derive.notation.grammar import parse
from softcheck.derive.notation.names import parse_index
from softcheck.derive.statements import Statement
from softcheck.derive.tokens import ReadError, Token

_INDEX_RANGE = {"dots", "ldots", "cdots", "forall", "in", "n", "N", "K"}


def quietly(tokens: Sequence[Token]) -> Expr | None:
    """Return the tree of an expression, or None if it cannot be read."""
    try:
        return parse(tokens, Scope(), 0)
    except ReadError:
        return None


def is_condition(statement: Statement, *, display: bool) -> bool:
    """Tell whether a statement only restricts: actions, ranges, the sign of a scalar."""
    if _for_all(statement):
        return True
    if len(statement.relations) != 1:
        return all(_is_index_or_number(side) for side in statement.sides)
    left, right = statement.sides
    sign = statement.relations[0].text
    if sign == "∈":
        return parse_index(left, Scope()) is not None
    if _is_index_or_number(left) and _is_index_or_number(right):
        numbers = all(side[0].kind == "number" for side in statement.sides)
        stands_alone = display and not statement.aside
        return not (sign == "=" and (numbers or stands_alone))
    if sign in (">", "≥", "<", "≤", "≠") and (statement.aside or not display):
        return _is_scalar(quietly(left)) and _is_scalar(quietly(right))
    return False


def as_condition(statement: Statement) -> Condition | None:
    """Return what a statement assumes of two actions or of a scalar, if that is understood."""
    if len(statement.relations) != 1:
        return None
    left, right = statement.sides
    sign = statement.relations[0].text
    first, second = parse_index(left, Scope()), parse_index(right, Scope())
    if first and second and sign in ("=", "≠") and not (first.isdigit() and second.isdigit()):
        return Condition(first, sign, second)
    low, high = (right, left) if sign == "<" else (left, right)
    scalar, bound = quietly(low), quietly(high)
    if sign in (">", "<") and isinstance(scalar, Sym) and isinstance(bound, Num):
        return Condition(scalar.name, ">", "0") if bound.value == 0 else None
    return None


def conditions(asides: Sequence[Statement]) -> tuple[Condition, ...]:
    """Return the conditions behind a statement that are understood."""
    found = (as_condition(aside) for aside in asides if aside.relations and not _for_all(aside))
    return tuple(condition for condition in found if condition is not None)


def not_understood(asides: Sequence[Statement], free: Container[str]) -> Token | None:
    """Return the relation of the first condition behind a statement that is not understood.

    Parameters
    ----------
    asides : sequence of Statement
    free : names
        Scalars of which nothing is known: a value for one is a condition too.
    """
    for aside in asides:
        if not aside.relations:
            continue
        relation = aside.relations[0]
        if any(other.text == "=" for other in aside.relations):
            if _sets_scalar(aside, free):
                return relation
        elif relation.text != "∈" and as_condition(aside) is None:
            return relation
    return None


def _for_all(statement: Statement) -> bool:
    return bool(statement.sides[0]) and statement.sides[0][0].text == "forall"


def _sets_scalar(statement: Statement, free: Container[str]) -> bool:
    """Tell whether a statement gives a number to a scalar that is free, as in `alpha = 0`."""
    if len(statement.sides) != 2:
        return False
    left, right = map(quietly, statement.sides)
    scalar = isinstance(left, Sym) and not left.args and left.name in free
    return scalar and isinstance(right, Num)


def _is_index_or_number(tokens: Sequence[Token]) -> bool:
    return parse_index(tokens, Scope()) is not None


def _is_scalar(tree: Expr | None) -> bool:
    return isinstance(tree, Num | Size) or (isinstance(tree, Sym) and len(tree.args) <= 1)


def is_range(tokens: Sequence[Token], lists: bool) -> bool:
    r"""Tell whether the tokens only go on with a list of actions: `\dots, n`, `\forall a`.

    Outside of `lists` a number is none of them: `0,5` is one half, of which nothing may be lost.
    """
    if tokens and tokens[0].text == "forall":
        return True
    if all(token.kind == "number" for token in tokens):
        return lists
    return all(token.text in _INDEX_RANGE for token in tokens) or _is_index_or_number(tokens)
