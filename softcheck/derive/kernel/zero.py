"""Whether a polynomial is zero for every n, in every case of which of its actions are the same."""

from collections.abc import Iterable, Iterator

from softcheck.derive.kernel.polynomials import Polynomial, add, renamed
from softcheck.derive.kernel.products import merged, with_ones
from softcheck.derive.kernel.terms import Index


def vanishes(
    polynomial: Polynomial,
    equal: Iterable[tuple[str, str]] = (),
    different: Iterable[tuple[str, str]] = (),
    ones: frozenset[str] = frozenset(),
) -> bool:
    """Tell whether a polynomial is zero for every n: no term is left in any case of its actions.

    Parameters
    ----------
    polynomial : Polynomial
    equal, different : pairs of index names
        What is assumed of the free actions.
    ones : set of str
        Symbols of one index that add up to 1.
    """
    return (
        next(_leftovers(polynomial, list(equal), set(map(frozenset, different)), ones), None)
        is None
    )


def residue(
    polynomial: Polynomial,
    equal: Iterable[tuple[str, str]] = (),
    different: Iterable[tuple[str, str]] = (),
    ones: frozenset[str] = frozenset(),
) -> Polynomial:
    """Return what is left of a polynomial in the first case of its actions where anything is."""
    found = _leftovers(polynomial, list(equal), set(map(frozenset, different)), ones)
    return next(found, {})


def _leftovers(
    polynomial: Polynomial,
    equal: list[tuple[str, str]],
    different: set[frozenset[Index]],
    ones: frozenset[str],
) -> Iterator[Polynomial]:
    groups = merged(equal)
    if groups is None:
        return
    same: dict[Index, Index] = {index: group[0] for group in groups for index in group}
    different = {frozenset(same.get(i, i) for i in pair) for pair in different}
    if any(len(pair) == 1 for pair in different):
        return
    polynomial = renamed(polynomial, same) if same else polynomial
    polynomial = _reduced(polynomial, ones)
    alive: Polynomial = {}
    for product, coefficient in polynomial.items():
        if not any(
            frozenset((i, j)) in different
            for group in product.classes
            for i in group
            for j in group
        ):
            alive[product] = coefficient
    pair = next(((group[0], group[1]) for product in alive for group in product.classes), None)
    if pair is None:
        if alive:
            yield alive
        return
    yield from _leftovers(alive, [], different | {frozenset(pair)}, ones)
    yield from _leftovers(renamed(alive, {pair[1]: pair[0]}), [], _same(different, pair), ones)


def _same(different: set[frozenset[Index]], pair: tuple[Index, Index]) -> set[frozenset[Index]]:
    return {frozenset(pair[0] if i == pair[1] else i for i in two) for two in different}


def _reduced(polynomial: Polynomial, ones: frozenset[str]) -> Polynomial:
    total: Polynomial = {}
    for product, coefficient in polynomial.items():
        kept = with_ones(product, ones)
        if kept is not None:
            add(total, kept, coefficient)
    return total
