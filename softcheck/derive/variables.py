"""Derivatives by a symbol that is defined: in such a claim it is a variable of its own.

There it has no definition, and its entries need not add up to 1: dg(a)/dpi(a) is -alpha/pi(a) where
g(a) = Q(a) - alpha log pi(a), whatever pi is. That is a convention of the field, not what was
written: a claim may be proved by it, and is never refuted.
"""

from collections.abc import Iterable
from dataclasses import replace

from softcheck.derive.expr import Diff, Expr, symbols, walk
from softcheck.derive.givens import Basis


def freed(known: Basis, *trees: Expr) -> Basis:
    """Return what is known for formulas in which all that they differentiate by is free."""
    free = _free(known, trees)
    if not free:
        return known
    return replace(
        known,
        definitions={n: body for n, body in known.definitions.items() if n not in free},
        constants=known.constants | free,
        ones=known.ones - free,
        freed=free,
    )


def entangled(known: Basis, *trees: Expr) -> str:
    """Say why a symbol cannot be free: what it is made of varies too, or varies in its stead."""
    free = _free(known, trees)
    slopes = _slopes(known, trees, free)
    variables = {slope.by.name for slope in slopes}
    for slope in slopes:
        name = slope.by.name
        if name not in free:
            continue
        made_of = known.symbols(known.definitions[name].body) - {name}
        for other in sorted(made_of & variables):
            return f"derivatives by {name} and by {other}, of which {name} is made"
        inside = _reached(known, [slope.body], free)
        for other in sorted(made_of & inside):
            if name not in inside:
                return f"a derivative by {name} of what holds {other}, of which {name} is made"
    return ""


def _free(known: Basis, trees: Iterable[Expr]) -> frozenset[str]:
    """Return the symbols with a definition that formulas differentiate by."""
    trees = list(trees)
    free: frozenset[str] = frozenset()
    while True:
        variables = {slope.by.name for slope in _slopes(known, trees, free)}
        more = variables & known.definitions.keys() - free
        if not more:
            return free
        free |= more


def _slopes(known: Basis, trees: Iterable[Expr], free: frozenset[str]) -> list[Diff]:
    """Return the derivatives in formulas, and in the definitions that they rest on."""
    trees = list(trees)
    names = sorted(_reached(known, trees, free) & known.definitions.keys() - free)
    bodies = [known.definitions[name].body for name in names]
    return [node for tree in (*trees, *bodies) for node in walk(tree) if isinstance(node, Diff)]


def _reached(known: Basis, trees: Iterable[Expr], free: frozenset[str]) -> set[str]:
    """Return the symbols of formulas, and of definitions that are no free symbol's."""
    seen: set[str] = set()
    pending = [name for tree in trees for name in symbols(tree)]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            if name in known.definitions and name not in free:
                pending += symbols(known.definitions[name].body)
    return seen
