"""Polynomials: terms with rational coefficients. One without terms is zero for every n."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import count
from typing import TypeAlias

from softcheck.derive.kernel.products import (
    moved,
    multiplied,
    relabelled,
    resolved,
    summed,
    with_ones,
    written,
)
from softcheck.derive.kernel.terms import EMPTY, Atom, Component, Head, Index, OutsideError, Product
from softcheck.derive.limits import TERMS

Polynomial: TypeAlias = dict[Product, Fraction]

_fresh = count()


def fresh() -> int:
    """Return an index that nothing else uses."""
    return next(_fresh)


def constant(value: Fraction | int) -> Polynomial:
    """Return a number."""
    return {EMPTY: Fraction(value)} if value else {}


def atom(head: Head, *args: Index) -> Polynomial:
    """Return an atom."""
    return {Product(((Atom(head, args), 1),)): Fraction(1)}


def kronecker(left: Index, right: Index) -> Polynomial:
    """Return 1 where two actions are the same and 0 elsewhere."""
    product = written({}, [], [(left, right)])
    return {} if product is None else {product: Fraction(1)}


def plus(*polynomials: Polynomial) -> Polynomial:
    """Return the sum."""
    total = dict(polynomials[0])
    for polynomial in polynomials[1:]:
        for product, coefficient in polynomial.items():
            add_term(total, product, coefficient)
    return total


def scaled(polynomial: Polynomial, factor: Fraction | int) -> Polynomial:
    """Return a multiple."""
    return {product: c * factor for product, c in polynomial.items()} if factor else {}


def times(x: Polynomial, y: Polynomial) -> Polynomial:
    """Return the product.

    Raises
    ------
    OutsideError
        If it has too many terms.
    """
    total: Polynomial = {}
    for left, a in x.items():
        for right, b in y.items():
            product = multiplied(left, right)
            if product is not None:
                add_term(total, product, a * b)
        if len(total) > TERMS:
            raise OutsideError(f"more than {TERMS} terms")
    return total


def add_term(total: Polynomial, product: Product, coefficient: Fraction) -> None:
    """Add a term to a polynomial in place."""
    value = total.get(product, 0) + coefficient
    if value:
        total[product] = Fraction(value)
    else:
        total.pop(product, None)


def renamed(polynomial: Polynomial, mapping: Mapping[Index, Index]) -> Polynomial:
    """Return a polynomial at other indices; two that become one are the same action."""
    total: Polynomial = {}
    for product, coefficient in polynomial.items():
        there = moved(product, mapping)
        if there is not None:
            add_term(total, there, coefficient)
    return total


def bind(polynomial: Polynomial, index: int, ones: frozenset[str] = frozenset()) -> Polynomial:
    """Return the sum over an open index, of which nothing is left.

    Parameters
    ----------
    polynomial : Polynomial
    index : int
    ones : set of str
        Symbols of one index that add up to 1.
    """
    total: Polynomial = {}
    for product, coefficient in polynomial.items():
        bound = summed(product, index)
        bound = bound and with_ones(bound, ones)
        if bound is not None:
            add_term(total, bound, coefficient)
    return total


def filled(template: Product, args: tuple[Index, ...]) -> Polynomial:
    """Return a template with its slots filled."""
    mapping: dict[Index, Index] = {f"·{k}": index for k, index in enumerate(args)}
    return renamed({template: Fraction(1)}, mapping)


def opened(component: Component) -> tuple[Polynomial, list[int]]:
    """Return what a sum is over, and the open indices that stand for the closed ones."""
    indices = [fresh() for _ in range(component.size)]
    mapping: dict[Index, Index] = {-k - 1: index for k, index in enumerate(indices)}
    return {resolved(relabelled(component.factors, mapping), []): Fraction(1)}, indices
