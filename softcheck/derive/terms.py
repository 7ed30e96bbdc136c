"""Polynomials whose terms are products over actions that are free, and sums over actions.

A term is a product of atoms at free actions, of indicators of free actions, and of closed sums
over all actions of such products. Every operation here is an identity for each n >= 1, and a
term has one way to be written: so a polynomial without terms is zero for every n.

An index is a name, which is free; or a whole number: from 0 on one that `bind` will close over,
below 0 one that a sum inside of a term has closed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import count, permutations
from typing import NamedTuple, TypeAlias, Union

from softcheck.derive.limits import LINKED_SUMS, TERMS

Index: TypeAlias = str | int
Exponent: TypeAlias = int | Fraction


class OutsideError(Exception):
    """A formula has no normal form here; the message says which part of it."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A quantity, or a derivative of it by variables of which each takes some indices.

    The indices of an atom are those of the quantity and then those of the variables.
    """

    name: str
    by: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Exponential:
    """exp of a term, whose free indices are slots. Positive."""

    of: "Product"


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The sum over one action of a product of exponentials. Positive."""

    of: "Component"


@dataclass(frozen=True, slots=True)
class Logarithm:
    """log of a prime number, of an atom or of a sum that is positive."""

    of: Union[int, "Head", "Component"]


@dataclass(frozen=True, slots=True)
class Reciprocal:
    """One over a sum that is not zero."""

    of: "Component"


Head: TypeAlias = Symbol | Exponential | Normaliser | Logarithm | Reciprocal


class Atom(NamedTuple):
    """A head at its indices."""

    head: Head
    args: tuple[Index, ...]


Factors: TypeAlias = tuple[tuple[Atom, Exponent], ...]


class Component(NamedTuple):
    """The sum over `size` actions, the indices -1 to -size, of a product that links them."""

    size: int
    factors: Factors


class Product(NamedTuple):
    """A term without its coefficient.

    Attributes
    ----------
    factors : tuple of (Atom, exponent)
        At free indices, sorted.
    sums : tuple of Component
        Sorted; one that occurs twice is squared.
    classes : tuple of tuple of Index
        The free indices that an indicator says are equal; factors use the first of each class.
    """

    factors: Factors = ()
    sums: tuple[Component, ...] = ()
    classes: tuple[tuple[Index, ...], ...] = ()


ONE = Product()
SIZE = Atom(Symbol("n"), ())
Polynomial: TypeAlias = dict[Product, Fraction]

_fresh = count()


def fresh() -> int:
    """Return an index that nothing else uses."""
    return next(_fresh)


# Order


@cache
def _head_key(head: object) -> str:
    return repr(head)


def _index_key(index: Index) -> tuple[int, int, str]:
    """Order numbers before names, and numbers that are closed before those that are open."""
    return (0, index, "") if isinstance(index, int) else (1, 0, index)


def _class_key(index: Index) -> tuple[bool, bool, str]:
    """Order the members of a class: actions given by number first, open indices last."""
    return isinstance(index, int), not str(index).isdigit(), str(index)


def _factor_key(factor: tuple[Atom, Exponent]) -> tuple[object, ...]:
    (head, args), exponent = factor
    return _head_key(head), exponent, tuple(map(_index_key, args))


def _sum_key(component: Component) -> tuple[object, ...]:
    return component.size, tuple(map(_factor_key, component.factors))


# Polynomials


def constant(value: Fraction | int) -> Polynomial:
    """Return a number."""
    return {ONE: Fraction(value)} if value else {}


def atom(head: Head, *args: Index) -> Polynomial:
    """Return an atom."""
    return {Product(((Atom(head, args), 1),)): Fraction(1)}


def indicator(left: Index, right: Index) -> Polynomial:
    """Return 1 where two actions are the same and 0 elsewhere."""
    product = _product({}, [], [(left, right)])
    return {} if product is None else {product: Fraction(1)}


def plus(*polynomials: Polynomial) -> Polynomial:
    """Return the sum."""
    total = dict(polynomials[0])
    for polynomial in polynomials[1:]:
        for product, coefficient in polynomial.items():
            _add(total, product, coefficient)
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
            product = _times(left, right)
            if product is not None:
                _add(total, product, a * b)
        if len(total) > TERMS:
            raise OutsideError(f"more than {TERMS} terms")
    return total


def _add(total: Polynomial, product: Product, coefficient: Fraction) -> None:
    value = total.get(product, 0) + coefficient
    if value:
        total[product] = Fraction(value)
    else:
        total.pop(product, None)


def _times(x: Product, y: Product) -> Product | None:
    if x == ONE:
        return y
    if y == ONE:
        return x
    factors = dict(x.factors)
    for base, exponent in y.factors:
        factors[base] = factors.get(base, 0) + exponent
    return _product(factors, [*x.sums, *y.sums], [*x.classes, *y.classes])


def _product(
    factors: Mapping[Atom, Exponent],
    sums: list[Component],
    classes: Iterable[tuple[Index, ...]],
) -> Product | None:
    """Return the one way to write a product, or None if it is zero."""
    merged = _merged(classes)
    if merged is None:
        return None
    if merged:
        mapping = {index: group[0] for group in merged for index in group[1:]}
        factors = _renamed(factors.items(), mapping)
        closed: list[Component] = []
        more: dict[Atom, Exponent] = {}
        for component in sums:
            kept, extra = close(component.size, _renamed(component.factors, mapping))
            closed += kept
            _gather(more, extra)
        sums = closed
        factors = dict(factors)
        _gather(factors, more)
    return _written(factors, sums, merged)


def _written(
    factors: Mapping[Atom, Exponent],
    sums: list[Component],
    classes: tuple[tuple[Index, ...], ...] = (),
) -> Product:
    """Return the one way to write a product whose indicators are resolved."""
    live = {base: _whole(exponent) for base, exponent in factors.items() if exponent}
    if sums and any(isinstance(base.head, Reciprocal) for base in live):
        sums = _cancelled(live, sums)
    return Product(
        tuple(sorted(live.items(), key=_factor_key)),
        tuple(sorted(sums, key=_sum_key)) if len(sums) > 1 else tuple(sums),
        classes,
    )


def _whole(exponent: Exponent) -> Exponent:
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1
    return int(exponent) if whole else exponent


def _gather(into: dict[Atom, Exponent], more: Mapping[Atom, Exponent]) -> None:
    for base, exponent in more.items():
        into[base] = into.get(base, 0) + exponent


def _renamed(
    factors: Iterable[tuple[Atom, Exponent]], mapping: Mapping[Index, Index]
) -> dict[Atom, Exponent]:
    renamed: dict[Atom, Exponent] = {}
    for (head, args), exponent in factors:
        moved = (
            Atom(head, tuple(mapping.get(index, index) for index in args))
            if args
            else Atom(head, ())
        )
        renamed[moved] = renamed.get(moved, 0) + exponent
    return renamed


def _merged(classes: Iterable[tuple[Index, ...]]) -> tuple[tuple[Index, ...], ...] | None:
    """Join classes that share an index; None if two different actions are said to be the same."""
    groups: list[set[Index]] = []
    for members in classes:
        joined = set(members)
        apart = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                apart.append(group)
        groups = [*apart, joined]
    ordered = []
    for group in groups:
        if sum(str(index).isdigit() for index in group if isinstance(index, str)) > 1:
            return None
        if len(group) > 1:
            ordered.append(tuple(sorted(group, key=_class_key)))
    return tuple(sorted(ordered, key=lambda group: tuple(map(_class_key, group))))


def _cancelled(live: dict[Atom, Exponent], sums: list[Component]) -> list[Component]:
    """Cancel sums against their reciprocals."""
    kept = []
    for component in sums:
        inverse = reciprocal_of(component)
        if live.get(inverse, 0) > 0:
            live[inverse] = _whole(live[inverse] - 1)
            if not live[inverse]:
                del live[inverse]
        else:
            kept.append(component)
    return kept


# Sums


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
        bound = _bind(product, index)
        bound = bound and with_ones(bound, ones)
        if bound is not None:
            _add(total, bound, coefficient)
    return total


def _bind(product: Product, index: int) -> Product | None:
    for group in product.classes:
        if index in group:
            # An indicator picks one action out of the sum.
            rest = tuple(other for other in group if other != index)
            classes = [rest if other == group else other for other in product.classes]
            mapping: dict[Index, Index] = {index: rest[0]}
            return _moved(product._replace(classes=()), mapping, classes)
    inside = [factor for factor in product.factors if index in factor[0].args]
    factors = dict(factor for factor in product.factors if index not in factor[0].args)
    linked: dict[Atom, Exponent] = {}
    kept = []
    bound = 1
    for component in product.sums:
        if any(index in base.args for base, _ in component.factors):
            shift: dict[Index, Index] = {-k: -k - bound for k in range(1, component.size + 1)}
            _gather(linked, _renamed(component.factors, shift))
            bound += component.size
        else:
            kept.append(component)
    _gather(linked, dict(inside))
    if any(isinstance(base.head, Reciprocal) for base, _ in inside):
        raise OutsideError("a division by a sum inside of a sum over its actions")
    closed, extra = close(bound, _renamed(linked.items(), {index: -1}))
    _gather(factors, extra)
    return _product(factors, [*kept, *closed], product.classes)


def _moved(
    product: Product, mapping: Mapping[Index, Index], classes: Iterable[tuple[Index, ...]]
) -> Product | None:
    return _product(*_parts_moved(product, mapping), classes)


def _parts_moved(
    product: Product, mapping: Mapping[Index, Index]
) -> tuple[dict[Atom, Exponent], list[Component]]:
    factors = _renamed(product.factors, mapping)
    sums: list[Component] = []
    for component in product.sums:
        kept, extra = close(component.size, _renamed(component.factors, mapping))
        sums += kept
        _gather(factors, extra)
    return factors, sums


def renamed(polynomial: Polynomial, mapping: Mapping[Index, Index]) -> Polynomial:
    """Return a polynomial at other indices; two that become one are the same action."""
    total: Polynomial = {}
    for product, coefficient in polynomial.items():
        classes = [tuple(mapping.get(i, i) for i in group) for group in product.classes]
        moved = _moved(product._replace(classes=()), mapping, classes)
        if moved is not None:
            _add(total, moved, coefficient)
    return total


def close(
    bound: int, factors: Mapping[Atom, Exponent]
) -> tuple[list[Component], dict[Atom, Exponent]]:
    """Sum a product over the indices -1 to -bound.

    Returns
    -------
    sums : list of Component
        One for each group of indices that hang together, in their one order.
    extra : dict
        The factors that came out of the sums: sums of exponentials are atoms, a sum over nothing
        is n, and what does not depend on the indices stands outside.
    """
    live = [(base, exponent) for base, exponent in factors.items() if exponent]
    extra: dict[Atom, Exponent] = {}
    groups: list[tuple[set[Index], list[tuple[Atom, Exponent]]]] = [
        ({-k}, []) for k in range(1, bound + 1)
    ]
    for factor in live:
        mine = {index for index in factor[0].args if isinstance(index, int) and index < 0}
        if not mine:
            extra[factor[0]] = extra.get(factor[0], 0) + factor[1]
            continue
        touched = [group for group in groups if group[0] & mine]
        joined = (set().union(*(g[0] for g in touched)), [f for g in touched for f in g[1]])
        joined[1].append(factor)
        groups = [group for group in groups if not group[0] & mine] + [joined]
    sums = []
    for indices, parts in groups:
        if not parts:
            extra[SIZE] = extra.get(SIZE, 0) + 1
            continue
        component = _ordered(sorted(indices, key=_index_key), parts)
        if component.size == 1 and all(
            isinstance(base.head, Exponential) for base, _ in component.factors
        ):
            template, args = _component_shape(component)
            normaliser = Atom(Normaliser(template), args)
            extra[normaliser] = extra.get(normaliser, 0) + 1
        else:
            sums.append(component)
    return sums, extra


def _ordered(indices: list[Index], parts: list[tuple[Atom, Exponent]]) -> Component:
    """Number the closed indices in the way that comes first."""
    size = len(indices)
    if size > LINKED_SUMS:
        raise OutsideError(f"more than {LINKED_SUMS} sums that hang together")
    return min(
        (_numbered(indices, parts, order) for order in permutations(range(1, size + 1))),
        key=_sum_key,
    )


def _numbered(
    indices: list[Index], parts: list[tuple[Atom, Exponent]], order: tuple[int, ...]
) -> Component:
    mapping: dict[Index, Index] = {
        index: -place for index, place in zip(indices, order, strict=True)
    }
    factors = sorted(_renamed(parts, mapping).items(), key=_factor_key)
    return Component(len(indices), tuple(factors))


def with_ones(product: Product, ones: frozenset[str]) -> Product | None:
    """Put 1 for the sum of a symbol that adds up to 1, and 0 for the sum of its derivatives."""
    if not ones or not product.sums:
        return product
    kept = []
    for component in product.sums:
        (head, args), exponent = component.factors[0]
        alone = component.size == 1 and len(component.factors) == 1 and exponent == 1
        total = isinstance(head, Symbol) and head.name in ones and args[0] == -1
        if alone and total and -1 not in args[1:]:
            if isinstance(head, Symbol) and head.by:
                return None
            continue
        kept.append(component)
    return product._replace(sums=tuple(kept))


# Shapes: what a term is like, with its free indices taken out


def _slots(factors: Iterable[Factors]) -> dict[Index, Index]:
    names: dict[Index, Index] = {}
    for group in factors:
        for base, _ in group:
            for index in base.args:
                if isinstance(index, str) or index >= 0:
                    names.setdefault(index, f"·{len(names)}")
    return names


def product_shape(product: Product) -> tuple[Product, tuple[Index, ...]]:
    """Return a product without indicators at slots, and the indices that fill them."""
    slots = _slots((product.factors, *(component.factors for component in product.sums)))
    return _written(*_parts_moved(product, slots)), tuple(slots)


def _component_shape(component: Component) -> tuple[Component, tuple[Index, ...]]:
    slots = _slots((component.factors,))
    factors = tuple(sorted(_renamed(component.factors, slots).items(), key=_factor_key))
    return Component(component.size, factors), tuple(slots)


def reciprocal_of(component: Component) -> Atom:
    """Return one over a sum."""
    template, args = _component_shape(component)
    return Atom(Reciprocal(template), args)


def logarithm_of(component: Component) -> Atom:
    """Return the logarithm of a sum."""
    template, args = _component_shape(component)
    return Atom(Logarithm(template), args)


def filled(template: Product, args: tuple[Index, ...]) -> Polynomial:
    """Return a template with its slots filled."""
    mapping: dict[Index, Index] = {f"·{k}": index for k, index in enumerate(args)}
    return renamed({template: Fraction(1)}, mapping)


def opened(component: Component) -> tuple[Polynomial, list[int]]:
    """Return what a sum is over, and the open indices that stand for the closed ones."""
    indices = [fresh() for _ in range(component.size)]
    mapping: dict[Index, Index] = {-k - 1: index for k, index in enumerate(indices)}
    return {_written(_renamed(component.factors, mapping), []): Fraction(1)}, indices


def filled_sum(template: Component, args: tuple[Index, ...]) -> Component:
    """Return a sum whose slots are filled, its factors in order."""
    mapping: dict[Index, Index] = {f"·{k}": index for k, index in enumerate(args)}
    factors = tuple(sorted(_renamed(template.factors, mapping).items(), key=_factor_key))
    return Component(template.size, factors)


# Zero


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
    groups = _merged(equal)
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
            _add(total, kept, coefficient)
    return total
