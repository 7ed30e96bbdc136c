r"""Formulas of whole tables, such as `Q / \alpha`, and one entry of them."""

from softcheck.derive.expr import (
    Abbreviation,
    Delta,
    Diff,
    Expr,
    Sum,
    Sym,
    free_indices,
    rebuilt,
    walk,
)
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.tokens import ReadError


def entry(x: Expr, index: str, scope: Scope, at: int, *, vector: bool) -> Expr:
    """Return the entry of a formula of whole tables at an action.

    Parameters
    ----------
    x : Expr
        Quantities without an action are tables or scalars.
    index : str
    scope : Scope
    at : int
        Where the formula stands, for the error.
    vector : bool
        Whether there must be a table in it.

    Raises
    ------
    ReadError
        Where it is not clear whether a name stands for a table or for one number.
    """
    names = {node.name for node in walk(x) if isinstance(node, Sym) and not node.args}
    unclear = {name for name in names if scope.arity(name) is None}
    tables = {name for name in names if scope.arity(name) == 1}
    if vector and not tables and len(unclear) == 1:
        tables, unclear = unclear, set()
    if unclear:
        name = min(unclear)
        raise ReadError(
            f"it is not clear whether {name} is one number or one an action, write {name}(a)", at
        )
    if vector and (not tables or free_indices(x) - {*scope.bound}):
        raise ReadError("a whole table was expected here, not an entry of one", at)
    return _at(x, index, tables, at)


def at_action(x: Expr, index: str, scope: Scope, at: int) -> Expr:
    """Return the entry of a formula in which the tables that are known as such stand whole."""
    names = {node.name for node in walk(x) if isinstance(node, Sym) and not node.args}
    return _at(x, index, {name for name in names if scope.arity(name) == 1}, at)


def renamed(x: Expr, old: str, new: str) -> Expr:
    """Return a formula that speaks of another action, which nothing in it binds.

    Raises
    ------
    ReadError
        Where a sum or a derivative is in the way.
    """
    match x:
        case Sym(name, args):
            return Sym(name, tuple(new if arg == old else arg for arg in args))
        case Sum() | Abbreviation() | Diff() | Delta():
            if old in free_indices(x):
                message = "one entry of a softmax with a sum in it, write its definition"
                raise ReadError(message, 0)
            return x
        case _:
            return rebuilt(x, lambda part: renamed(part, old, new))


def _at(x: Expr, index: str, tables: set[str], at: int) -> Expr:
    match x:
        case Sym(name, ()) if name in tables:
            return Sym(name, (index,))
        case Sum() | Abbreviation() | Diff():
            if any(isinstance(n, Sym) and n.name in tables and not n.args for n in walk(x)):
                message = "a whole table inside of a sum or a derivative, write out its entries"
                raise ReadError(message, at)
            return x
        case _:
            return rebuilt(x, lambda part: _at(part, index, tables, at))
