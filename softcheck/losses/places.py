"""Where a loss can be changed: the parts that it is linear in, and what depends on the logits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TypeAlias

from softcheck.derive.expr import (
    ONE,
    Add,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Sum,
    Sym,
    free_indices,
)
from softcheck.losses.cases import is_decided
from softcheck.losses.settling import Policy
from softcheck.losses.trees import (
    depends,
    factors_of,
    in_order,
    is_logsumexp,
    product,
    quotient,
    summed,
    total,
)

Put: TypeAlias = Callable[[Expr], Expr]
"""From something else to the loss with that in a place of it."""


@dataclass(frozen=True)
class Place:
    """A part that a loss is linear in.

    Attributes
    ----------
    part : Expr
    put : Put
    only : Put
        The same, with all other terms of the loss left out.
    depth : int
        In how many sums it stands.
    is_term : bool
        Whether it is a term of the last of them, or the loss itself.
    """

    part: Expr
    put: Put
    only: Put
    depth: int
    is_term: bool

    @property
    def alone(self) -> Expr:
        """The loss without its other terms."""
        return self.only(self.part)


def places(loss: Expr, policy: Policy) -> Iterator[Place]:
    """Yield the parts that a loss is linear in: terms, factors, and what is summed.

    Parameters
    ----------
    loss : Expr
        With every action bound once.
    policy : Policy
    """
    free = frozenset(free_indices(loss))
    return _places(Place(loss, _itself, _itself, 0, True), policy, free)


def _itself(x: Expr) -> Expr:
    return x


def _places(place: Place, policy: Policy, free: frozenset[str]) -> Iterator[Place]:
    yield place

    def inner(part: Expr, among: Put, alone: Put, *, is_term: bool = False) -> Iterator[Place]:
        there = Place(
            part,
            lambda new: place.put(among(new)),
            lambda new: place.only(alone(new)),
            place.depth + is_term,
            is_term,
        )
        return _places(there, policy, free)

    match place.part:
        case Add(terms) if not is_decided(place.part):
            for number, term in enumerate(terms):
                yield from inner(term, partial(_in_sum, terms, number), _itself, is_term=True)
        case Mul(factors):
            for number, factor in enumerate(factors):
                if not is_coefficient(factor, policy, free):
                    beside = partial(_in_product, factors, number)
                    yield from inner(factor, beside, beside)
        case Div(over, under):
            above = partial(_over, under)
            yield from inner(over, above, above)
        case Sum(index, body, skip):
            inside = partial(_summed, index, skip)
            yield from inner(body, inside, inside)


def _in_sum(terms: tuple[Expr, ...], place: int, new: Expr) -> Expr:
    return total((*terms[:place], new, *terms[place + 1 :]))


def _in_product(factors: tuple[Expr, ...], place: int, new: Expr) -> Expr:
    return product((*factors[:place], new, *factors[place + 1 :]))


def _over(under: Expr, new: Expr) -> Expr:
    return quotient(new, under)


def _summed(index: str, skip: tuple[str, ...], new: Expr) -> Expr:
    return summed(index, new, skip)


# Coefficients


def is_coefficient(x: Expr, policy: Policy, free: frozenset[str]) -> bool:
    """Tell whether a factor is one number a state that does not depend on the policy."""
    return free_indices(x) <= free and not depends(x, policy.symbols)


def coefficients(x: Expr, policy: Policy, free: frozenset[str]) -> Iterator[tuple[Expr, Expr]]:
    """Yield each coefficient of a product or quotient, and what is left without it.

    What stands below a line is a coefficient of one over it. A sum over actions is what something
    normalised is divided by, and none.
    """
    match x:
        case Mul(factors):
            for place, factor in enumerate(factors):
                if is_coefficient(factor, policy, free):
                    for coefficient, rest in _factors(factor):
                        yield coefficient, _in_product(factors, place, rest)
        case Div(over, under) if is_coefficient(under, policy, free):
            for coefficient, rest in _factors(Div(ONE, under)):
                yield coefficient, product((rest, over))


def _factors(x: Expr) -> Iterator[tuple[Expr, Expr]]:
    if any(isinstance(part, Sum) for part in in_order(x)):
        return
    match x:
        case Num(value):
            if abs(value) != 1:
                yield Num(abs(value)), Num(Fraction(1 if value > 0 else -1))
        case Div(over, under):
            for part in factors_of(over):
                yield part, quotient(_without(over, part), under)
            for part in factors_of(under):
                yield Div(ONE, part), quotient(over, _without(under, part))
        case _:
            yield x, ONE


def _without(x: Expr, factor: Expr) -> Expr:
    return product(part for part in factors_of(x) if part is not factor)


# What depends on the logits


def occurrences(x: Expr, policy: Policy, put: Put = _itself) -> Iterator[tuple[Expr, Put]]:
    """Yield each pi, log pi, logit, logsumexp and minimum of a loss, from left to right.

    What is in a minimum is none. Where a ratio is within its clip both sides of one are the same,
    and which of them has the gradient nobody knows.
    """
    if is_quantity(x, policy) or (is_decided(x) and depends(x, policy.symbols)):
        yield x, put
        return

    def inner(part: Expr, within: Put) -> Iterator[tuple[Expr, Put]]:
        return occurrences(part, policy, lambda new: put(within(new)))

    match x:
        case Add(parts) | Mul(parts):
            make = Add if isinstance(x, Add) else Mul
            for place, part in enumerate(parts):
                yield from inner(part, partial(_among, make, parts, place))
        case Div(over, under):
            yield from inner(over, lambda new: Div(new, under))
            yield from inner(under, lambda new: Div(over, new))
        case Pow(base, exponent):
            yield from inner(base, lambda new: Pow(new, exponent))
        case Exp(of):
            yield from inner(of, Exp)
        case Log(of):
            yield from inner(of, Log)
        case Sum(index, body, skip):
            yield from inner(body, lambda new: Sum(index, new, skip))


def _among(
    make: Callable[[tuple[Expr, ...]], Expr], parts: tuple[Expr, ...], place: int, new: Expr
) -> Expr:
    return make((*parts[:place], new, *parts[place + 1 :]))


def is_quantity(x: Expr, policy: Policy) -> bool:
    """Tell whether a formula is pi, log pi, a logit or the logsumexp of the logits."""
    of = x.of if isinstance(x, Log) else x
    named = isinstance(of, Sym) and of.name in {policy.name, policy.logits}
    return named or is_logsumexp(x, policy.logits)
