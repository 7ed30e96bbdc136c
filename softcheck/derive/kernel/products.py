"""The one way to write a product of terms, and what becomes of it under a sum.

Each rule is an identity for every n >= 1: an indicator renames or picks out an action, what does
not depend on the action of a sum leaves it, and a sum falls apart into those that hang together.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import permutations

from softcheck.derive.kernel.terms import (
    EMPTY,
    SIZE,
    Atom,
    Component,
    Exponent,
    Exponential,
    Factors,
    Index,
    Logarithm,
    Normaliser,
    OutsideError,
    Product,
    Reciprocal,
    Symbol,
    class_key,
    factor_key,
    index_key,
    sum_key,
)
from softcheck.derive.limits import LINKED_SUMS


def multiplied(x: Product, y: Product) -> Product | None:
    """Return the product of two terms, or None if it is zero."""
    if x == EMPTY:
        return y
    if y == EMPTY:
        return x
    factors = dict(x.factors)
    for base, exponent in y.factors:
        factors[base] = factors.get(base, 0) + exponent
    return written(factors, [*x.sums, *y.sums], [*x.classes, *y.classes])


def written(
    factors: Mapping[Atom, Exponent],
    sums: list[Component],
    classes: Iterable[tuple[Index, ...]],
) -> Product | None:
    """Return the one way to write a product, or None if it is zero."""
    groups = merged(classes)
    if groups is None:
        return None
    if groups:
        mapping = {index: group[0] for group in groups for index in group[1:]}
        factors = relabelled(factors.items(), mapping)
        closed: list[Component] = []
        more: dict[Atom, Exponent] = {}
        for component in sums:
            kept, extra = close(component.size, relabelled(component.factors, mapping))
            closed += kept
            _gather(more, extra)
        sums = closed
        factors = dict(factors)
        _gather(factors, more)
    return resolved(factors, sums, groups)


def resolved(
    factors: Mapping[Atom, Exponent],
    sums: list[Component],
    classes: tuple[tuple[Index, ...], ...] = (),
) -> Product:
    """Return the one way to write a product whose indicators are resolved."""
    live = {base: _whole(exponent) for base, exponent in factors.items() if exponent}
    if sums and any(isinstance(base.head, Reciprocal) for base in live):
        sums = _cancelled(live, sums)
    return Product(
        tuple(sorted(live.items(), key=factor_key)),
        tuple(sorted(sums, key=sum_key)) if len(sums) > 1 else tuple(sums),
        classes,
    )


def _whole(exponent: Exponent) -> Exponent:
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1
    return int(exponent) if whole else exponent


def _gather(into: dict[Atom, Exponent], more: Mapping[Atom, Exponent]) -> None:
    for base, exponent in more.items():
        into[base] = into.get(base, 0) + exponent


def relabelled(
    factors: Iterable[tuple[Atom, Exponent]], mapping: Mapping[Index, Index]
) -> dict[Atom, Exponent]:
    """Return factors at other indices."""
    renamed: dict[Atom, Exponent] = {}
    for (head, args), exponent in factors:
        moved = (
            Atom(head, tuple(mapping.get(index, index) for index in args))
            if args
            else Atom(head, ())
        )
        renamed[moved] = renamed.get(moved, 0) + exponent
    return renamed


def merged(classes: Iterable[tuple[Index, ...]]) -> tuple[tuple[Index, ...], ...] | None:
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
            ordered.append(tuple(sorted(group, key=class_key)))
    return tuple(sorted(ordered, key=lambda group: tuple(map(class_key, group))))


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


def summed(product: Product, index: int) -> Product | None:
    """Return the sum over an open index, or None if it is zero."""
    for group in product.classes:
        if index in group:
            # An indicator picks one action out of the sum.
            return moved(product, {index: next(other for other in group if other != index)})
    inside = [factor for factor in product.factors if index in factor[0].args]
    factors = dict(factor for factor in product.factors if index not in factor[0].args)
    linked: dict[Atom, Exponent] = {}
    kept = []
    bound = 1
    for component in product.sums:
        if any(index in base.args for base, _ in component.factors):
            shift: dict[Index, Index] = {-k: -k - bound for k in range(1, component.size + 1)}
            _gather(linked, relabelled(component.factors, shift))
            bound += component.size
        else:
            kept.append(component)
    _gather(linked, dict(inside))
    if any(isinstance(base.head, Reciprocal) for base, _ in inside):
        raise OutsideError("a division by a sum inside of a sum over its actions")
    closed, extra = close(bound, relabelled(linked.items(), {index: -1}))
    _gather(factors, extra)
    return written(factors, [*kept, *closed], product.classes)


def moved(product: Product, mapping: Mapping[Index, Index]) -> Product | None:
    """Return a product at other indices, or None if it is zero there."""
    classes = [tuple(mapping.get(index, index) for index in group) for group in product.classes]
    return written(*_parts_moved(product, mapping), classes)


def _parts_moved(
    product: Product, mapping: Mapping[Index, Index]
) -> tuple[dict[Atom, Exponent], list[Component]]:
    factors = relabelled(product.factors, mapping)
    sums: list[Component] = []
    for component in product.sums:
        kept, extra = close(component.size, relabelled(component.factors, mapping))
        sums += kept
        _gather(factors, extra)
    return factors, sums


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
        component = _ordered(sorted(indices, key=index_key), parts)
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
        key=sum_key,
    )


def _numbered(
    indices: list[Index], parts: list[tuple[Atom, Exponent]], order: tuple[int, ...]
) -> Component:
    mapping: dict[Index, Index] = {
        index: -place for index, place in zip(indices, order, strict=True)
    }
    factors = sorted(relabelled(parts, mapping).items(), key=factor_key)
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
    return resolved(*_parts_moved(product, slots)), tuple(slots)


def _component_shape(component: Component) -> tuple[Component, tuple[Index, ...]]:
    slots = _slots((component.factors,))
    factors = tuple(sorted(relabelled(component.factors, slots).items(), key=factor_key))
    return Component(component.size, factors), tuple(slots)


def reciprocal_of(component: Component) -> Atom:
    """Return one over a sum."""
    template, args = _component_shape(component)
    return Atom(Reciprocal(template), args)


def logarithm_of(component: Component) -> Atom:
    """Return the logarithm of a sum."""
    template, args = _component_shape(component)
    return Atom(Logarithm(template), args)


def filled_sum(template: Component, args: tuple[Index, ...]) -> Component:
    """Return a sum whose slots are filled, its factors in order."""
    mapping: dict[Index, Index] = {f"·{k}": index for k, index in enumerate(args)}
    factors = tuple(sorted(relabelled(template.factors, mapping).items(), key=factor_key))
    return Component(template.size, factors)
