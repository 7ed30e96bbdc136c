"""Whether a polynomial is zero for every n, in every case of which of its actions are the same."""

from collections.abc import Iterable
from itertools import combinations

from softcheck.derive.kernel.polynomials import Polynomial, add_term, renamed
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
    groups = merged(equal)
    if groups is None:
        return True  # actions of different numbers are never the same
    same: dict[Index, Index] = {index: group[0] for group in groups for index in group}
    apart = {frozenset(same.get(index, index) for index in pair) for pair in different}
    return _vanishes(renamed(polynomial, same) if same else polynomial, apart, ones)


def _vanishes(
    polynomial: Polynomial, different: set[frozenset[Index]], ones: frozenset[str]
) -> bool:
    """Look at the case in which two actions of an indicator differ, and at that in which not."""
    if any(len(pair) == 1 for pair in different):
        return True  # there is no such case
    alive = {
        product: coefficient
        for product, coefficient in _reduced(polynomial, ones).items()
        if not any(
            frozenset(pair) in different
            for group in product.classes
            for pair in combinations(group, 2)
        )
    }
    pair = next((group[:2] for product in alive for group in product.classes), None)
    if pair is None:
        return not alive
    kept, gone = pair
    same = {frozenset(kept if i == gone else i for i in two) for two in different}
    return _vanishes(alive, different | {frozenset(pair)}, ones) and _vanishes(
        renamed(alive, {gone: kept}), same, ones
    )


def _reduced(polynomial: Polynomial, ones: frozenset[str]) -> Polynomial:
    total: Polynomial = {}
    for product, coefficient in polynomial.items():
        kept = with_ones(product, ones)
        if kept is not None:
            add_term(total, kept, coefficient)
    return total
