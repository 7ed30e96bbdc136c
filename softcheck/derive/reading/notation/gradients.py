"""Equalities of gradients: an equality for each entry, of which one stands for all."""

from collections.abc import Sequence
from typing import assert_never

from softcheck.derive.expr import (
    ZERO,
    Add,
    Compare,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    free_indices,
)
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.notation.entries import at_action
from softcheck.derive.reading.notation.vocabulary import ENTRY
from softcheck.derive.reading.tokens import ReadError


def by_entry(sides: Sequence[Expr | None], scope: Scope, at: int) -> list[Expr | None]:
    """Return the sides of a statement, each that is a gradient or a whole table as its entry.

    Parameters
    ----------
    sides : sequence of Expr or None
        None for a side that was not understood.
    scope : Scope
    at : int
        Where the statement stands, for the error.

    Raises
    ------
    ReadError
        Where a side is a gradient and another is a number.
    """
    if not any(tree is not None and ENTRY in free_indices(tree) for tree in sides):
        return list(sides)
    found = [tree if tree is None else at_action(tree, ENTRY, scope, at) for tree in sides]
    for tree in found:
        if tree is not None and tree != ZERO and not is_gradient(tree, at):
            raise ReadError("a gradient is a vector, and another side is a number", at)
    return found


def is_gradient(x: Expr, at: int) -> bool:  # noqa: C901  one case a node
    """Tell whether a formula is an entry of a gradient: each of its terms has one.

    Raises
    ------
    ReadError
        Where a product has two gradients, or a term has none and others have one.
    """
    match x:
        case Sym() | Delta() | Num() | Size():
            return ENTRY in free_indices(x)
        case Add(terms):
            kinds = {is_gradient(term, at) for term in terms if term != ZERO}
            if len(kinds) > 1:
                raise ReadError("a sum of a gradient and a number", at)
            return True in kinds
        case Mul(factors):
            count = sum(is_gradient(factor, at) for factor in factors)
            if count > 1:
                raise ReadError("a product of two gradients", at)
            return count == 1
        case Div(over, under):
            _number(under, at)
            return is_gradient(over, at)
        case Pow(inner) | Exp(inner) | Log(inner):
            _number(inner, at)
            return False
        case Compare(_, left, right):
            _number(left, at)
            _number(right, at)
            return False
        case Sum(_, body) | Expect(_, _, body):
            return is_gradient(body, at)
        case Diff(body, by):
            if ENTRY in by.args:
                _number(body, at)
                return True
            return is_gradient(body, at)
        case _:
            assert_never(x)


def _number(x: Expr, at: int) -> None:
    """Refuse a gradient where only a number can stand."""
    if is_gradient(x, at):
        raise ReadError("a function or a second derivative of a gradient", at)
