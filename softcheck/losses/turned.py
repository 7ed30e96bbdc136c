"""A loss with a part the wrong way round: minima and clips, ratios, estimates of a divergence."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from softcheck.derive.expr import (
    MINUS_ONE,
    Add,
    Compare,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Sym,
    free_indices,
)
from softcheck.derive.spell import unicode
from softcheck.losses.places import is_coefficient
from softcheck.losses.settling import Policy
from softcheck.losses.trees import (
    depends,
    in_order,
    lettered,
    negated,
    negative,
    power,
    quotient,
    summands,
    tidy,
    total,
    with_parts,
)


class Turned(NamedTuple):
    """Another loss that is taken for one.

    Attributes
    ----------
    code, said : str
        As those of `Wrong`.
    part : Expr
        What it is about.
    loss : Expr
        With its minima and maxima, as it is printed.
    """

    code: str
    said: str
    part: Expr
    loss: Expr


def turned(loss: Expr, policy: Policy) -> Iterator[Turned]:
    """Yield what comes of a loss whose minima, ratios or estimates are not what they should be.

    Parameters
    ----------
    loss : Expr
        With its minima and maxima, and every action bound once.
    policy : Policy
    """
    for part in dict.fromkeys(in_order(loss)):
        match part:
            case Compare():
                yield from _of_comparison(loss, part, policy)
            case Add():
                yield from _of_estimate(loss, part, policy)
    for term in summands(loss):
        yield from _upside_down(loss, term, policy)


def _replaced(x: Expr, part: Expr, by: Expr) -> Expr:
    return with_parts(x, lambda each: by if each == part else None)


def _text(x: Expr) -> str:
    return unicode(lettered(x))


# Minima, maxima and clips


def _of_comparison(loss: Expr, part: Compare, policy: Policy) -> Iterator[Turned]:
    """Yield a minimum for a maximum, one of its sides alone, and bounds of the other sign."""
    other: Literal["min", "max"] = "max" if part.how == "min" else "min"

    def with_it(code: str, by: Expr) -> Turned:
        said = f"{_text(part)} is taken as {_text(by)}"
        return Turned(code, said, part, _replaced(loss, part, by))

    yield with_it("clip-side", Compare(other, part.left, part.right))
    for side, beside in ((part.left, part.right), (part.right, part.left)):
        if depends(side, policy.symbols):
            yield with_it("clip-missing", side)
            continue
        for bound in _of_other_sign(side, policy):
            yield with_it("clip-side", Compare(part.how, beside, bound))


def _of_other_sign(bound: Expr, policy: Policy) -> Iterator[Expr]:
    """Yield a bound with each of its coefficients subtracted where it is added."""
    free = frozenset(free_indices(bound))
    for part in dict.fromkeys(in_order(bound)):
        if isinstance(part, Sym) and is_coefficient(part, policy, free):
            yield tidy(_replaced(bound, part, negated(part)))


# Ratios of policies, and estimates of a divergence


def _upside_down(loss: Expr, term: Expr, policy: Policy) -> Iterator[Turned]:
    """Yield a term in which the policy and another have changed places, if it has their ratio."""
    ratios = [part for part in in_order(term) if isinstance(part, Exp)]
    for ours, other in dict.fromkeys(filter(None, (_ratio(part.of, policy) for part in ratios))):
        inside = sum(_count(part, other) for part in ratios)
        is_divergence = inside < _count(term, other)
        done = "the divergence is the wrong way round" if is_divergence else "the ratio is inverted"
        code = "forward-kl" if is_divergence else "ratio-inverted"
        put = _replaced(loss, term, _exchanged(term, ours, other))
        yield Turned(code, f"{done} in {_text(term)}", term, put)


def _exchanged(x: Expr, one: Expr, other: Expr) -> Expr:
    swap = {one: other, other: one}
    return with_parts(x, swap.get)


def _count(x: Expr, part: Expr) -> int:
    return sum(each == part for each in in_order(x))


def _ratio(x: Expr, policy: Policy) -> tuple[Log, Sym] | None:
    """Return the two of log pi - log rho, either way round, at one action."""
    match x:
        case Add((first, second)) if negative(first) != negative(second):
            for ours, other in ((first, second), (second, first)):
                match _positive(ours), _positive(other):
                    case Log(Sym(policy.name)) as log, Sym() as rho if rho.name != policy.name:
                        return log, rho
    return None


def _positive(x: Expr) -> Expr:
    return negated(x) if negative(x) else x


def _of_estimate(loss: Expr, part: Add, policy: Policy) -> Iterator[Turned]:
    """Yield other estimates where the divergence is exp(x) - x - 1, x = log rho - log pi."""
    for each in part.terms:
        if not isinstance(each, Exp) or _ratio(each.of, policy) is None:
            continue
        x = each.of
        if _flat(total((part, negated(each), x))) == MINUS_ONE:
            for name, by in (("k1", negated(x)), ("k2", quotient(power(x, 2), Num(Fraction(2))))):
                said = f"{_text(part)} is taken as {_text(by)}, the estimate {name}"
                yield Turned("other-estimate", said, part, _replaced(loss, part, by))


def _flat(x: Expr) -> Expr:
    """Return a sum of which no term is a sum that is subtracted."""
    match x:
        case Mul((Num(value), Add() as inner)) if value == -1:
            return negated(_flat(inner))
        case Add(terms):
            return total(map(_flat, terms))
    return tidy(x)
