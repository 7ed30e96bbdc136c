"""What the sides of a statement say of each other's letters, which no side can tell alone."""

from collections import Counter
from collections.abc import Iterator, Sequence

from softcheck.derive.expr import (
    Delta,
    Diff,
    Expect,
    Expr,
    Sum,
    Sym,
    children,
    free_indices,
    walk,
)
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.notation.gradients import by_entry
from softcheck.derive.reading.tokens import ReadError


def settled(sides: Sequence[Expr | None], scope: Scope, at: int) -> list[Expr | None]:
    """Return the sides of a statement, each as what it is beside the others.

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
        Where a letter can be meant in two ways, or a side is a gradient and another a number.
    """
    trees = [tree for tree in sides if tree is not None]
    free = set().union(*map(free_indices, trees))
    everywhere = Counter(letter for tree in trees for letter in _spoken(tree, frozenset()))
    for tree in trees:
        for node in walk(tree):
            if not isinstance(node, Sum):
                continue
            here, body = Counter(_spoken(node, frozenset())), {*_spoken(node.body, frozenset())}
            for other in node.skip:
                if other in body and here[other] == everywhere[other]:
                    reason = f"a sum over {node.index} or over pairs of {node.index} and {other}"
                    raise ReadError(f"{reason}, write \\sum_{other} before it", at)
            if node.index in free and _differentiates(node):
                reason = f"the {node.index} of a derivative under a sum over {node.index}"
                raise ReadError(f"{reason} that is free elsewhere, rename one", at)
    return by_entry(sides, scope, at)


def _differentiates(x: Sum) -> bool:
    """Tell whether a derivative under a sum goes by the action of the sum."""
    return any(isinstance(node, Diff) and x.index in node.by.args for node in walk(x.body))


def _spoken(x: Expr, bound: frozenset[str]) -> Iterator[str]:
    """Yield an action as often as a formula speaks of it without binding it."""
    match x:
        case Sym(_, args):
            yield from (arg for arg in args if arg not in bound)
        case Delta(left, right):
            yield from (action for action in (left, right) if action not in bound)
        case Sum(index, body, skip):
            yield from (other for other in skip if other not in bound)
            yield from _spoken(body, bound | {index})
        case Expect(index, _, body):
            yield from _spoken(body, bound | {index})
        case _:
            for part in children(x):
                yield from _spoken(part, bound)
