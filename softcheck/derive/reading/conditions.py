"""Statements that only restrict: which actions are equal, ranges, the sign of a scalar."""

from collections.abc import Container, Sequence
from typing import TypeAlias

from softcheck.derive.expr import Condition, Expr, Num, Size, Sym
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.names import parse_index
from softcheck.derive.reading.statements import Statement
from softcheck.derive.reading.tokens import ReadError, Token

Letters: TypeAlias = frozenset[str]
"""The letters that name an action in a document, beyond those that always do."""

_INDEX_RANGE = {"dots", "ldots", "cdots", "forall", "in", "n", "N", "K"}


def quietly(tokens: Sequence[Token], letters: Letters) -> Expr | None:
    """Return the tree of an expression, or None if it cannot be read."""
    try:
        return parse(tokens, Scope(letters), Found(), 0)
    except ReadError:
        return None


def is_condition(statement: Statement, letters: Letters, *, display: bool) -> bool:
    """Tell whether a statement only restricts: actions, ranges, the sign of a scalar."""
    if _for_all(statement):
        return True
    if len(statement.relations) != 1:
        return all(_is_index_or_number(side, letters) for side in statement.sides)
    left, right = statement.sides
    sign = statement.relations[0].text
    if sign == "∈":
        return parse_index(left, Scope(letters)) is not None
    if _is_index_or_number(left, letters) and _is_index_or_number(right, letters):
        numbers = all(side[0].kind == "number" for side in statement.sides)
        stands_alone = display and not statement.aside
        return not (sign == "=" and (numbers or stands_alone))
    if sign in (">", "≥", "<", "≤", "≠") and (statement.aside or not display):
        return _is_scalar(quietly(left, letters)) and _is_scalar(quietly(right, letters))
    return False


def as_condition(statement: Statement, letters: Letters) -> Condition | None:
    """Return what a statement assumes of two actions or of a scalar, if that is understood."""
    if len(statement.relations) != 1:
        return None
    left, right = statement.sides
    sign = statement.relations[0].text
    first, second = parse_index(left, Scope(letters)), parse_index(right, Scope(letters))
    if first and second and sign in ("=", "≠") and not (first.isdigit() and second.isdigit()):
        return Condition(first, sign, second)
    low, high = (right, left) if sign == "<" else (left, right)
    scalar, bound = quietly(low, letters), quietly(high, letters)
    if sign in (">", "<") and isinstance(scalar, Sym) and isinstance(bound, Num):
        return Condition(scalar.name, ">", "0") if bound.value == 0 else None
    return None


def conditions(asides: Sequence[Statement], letters: Letters) -> tuple[Condition, ...]:
    """Return the conditions behind a statement that are understood."""
    found = (
        as_condition(aside, letters) for aside in asides if aside.relations and not _for_all(aside)
    )
    return tuple(condition for condition in found if condition is not None)


def not_understood(
    asides: Sequence[Statement], free: Container[str], letters: Letters
) -> Token | None:
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
            if _sets_scalar(aside, free, letters):
                return relation
        elif relation.text != "∈" and as_condition(aside, letters) is None:
            return relation
    return None


def _for_all(statement: Statement) -> bool:
    return bool(statement.sides[0]) and statement.sides[0][0].text == "forall"


def _sets_scalar(statement: Statement, free: Container[str], letters: Letters) -> bool:
    """Tell whether a statement gives a number to a scalar that is free, as in `alpha = 0`."""
    if len(statement.sides) != 2:
        return False
    left, right = (quietly(side, letters) for side in statement.sides)
    scalar = isinstance(left, Sym) and not left.args and left.name in free
    return scalar and isinstance(right, Num)


def _is_index_or_number(tokens: Sequence[Token], letters: Letters) -> bool:
    return parse_index(tokens, Scope(letters)) is not None


def _is_scalar(tree: Expr | None) -> bool:
    return isinstance(tree, Num | Size) or (isinstance(tree, Sym) and len(tree.args) <= 1)


def is_range(tokens: Sequence[Token], letters: Letters, *, lists: bool) -> bool:
    r"""Tell whether the tokens only go on with a list of actions: `\dots, n`, `\forall a`.

    Outside of `lists` a number is none of them: `0,5` is one half, of which nothing may be lost.
    """
    if tokens and tokens[0].text == "forall":
        return True
    if all(token.kind == "number" for token in tokens):
        return lists
    return all(token.text in _INDEX_RANGE for token in tokens) or _is_index_or_number(
        tokens, letters
    )
