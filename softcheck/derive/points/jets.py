"""Numbers that carry derivatives: forward-mode differentiation of any order, on any arithmetic.

A jet is a polynomial in infinitesimals e1, e2, ... with ei^2 = 0, kept as a mapping from a set of
them to a coefficient. The coefficient of {1, 2} is a mixed second derivative.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

Number: TypeAlias = Any
"""Whatever adds, multiplies and divides: a float, an interval, an array."""

Tags: TypeAlias = frozenset[int]
Jet: TypeAlias = Mapping[Tags, Number]

NONE: Tags = frozenset()


@dataclass(frozen=True)
class Arithmetic:
    """What an arithmetic offers beside + - * and /.

    Attributes
    ----------
    number : callable
        From a Fraction.
    exp, log : callable
    """

    number: Callable[[Fraction], Number]
    exp: Callable[[Number], Number]
    log: Callable[[Number], Number]


def plain(value: Number) -> Jet:
    """Return a constant."""
    return {NONE: value}


def add(x: Jet, y: Jet) -> Jet:
    """Return the sum."""
    total = dict(x)
    for tags, value in y.items():
        total[tags] = total[tags] + value if tags in total else value
    return total


def multiply(x: Jet, y: Jet) -> Jet:
    """Return the product."""
    if len(x) == 1 and len(y) == 1 and NONE in x and NONE in y:
        return {NONE: x[NONE] * y[NONE]}
    total: dict[Tags, Number] = {}
    for left, a in x.items():
        for right, b in y.items():
            if not left & right:
                tags = left | right
                total[tags] = total[tags] + a * b if tags in total else a * b
    return total


def inverse(x: Jet, arithmetic: Arithmetic) -> Jet:
    """Return 1 / x."""
    first = arithmetic.number(Fraction(1)) / x[NONE]
    coefficients = [first]
    for _ in range(_order(x)):
        coefficients.append(-coefficients[-1] * first)
    return _series(x, coefficients)


def exp(x: Jet, arithmetic: Arithmetic) -> Jet:
    """Return exp x."""
    value = arithmetic.exp(x[NONE])
    factorial = 1
    coefficients = [value]
    for k in range(1, _order(x) + 1):
        factorial *= k
        coefficients.append(value * arithmetic.number(Fraction(1, factorial)))
    return _series(x, coefficients)


def log(x: Jet, arithmetic: Arithmetic) -> Jet:
    """Return log x."""
    coefficients = [arithmetic.log(x[NONE])]
    order = _order(x)
    if order:
        first = arithmetic.number(Fraction(1)) / x[NONE]
        power = first
        for k in range(1, order + 1):
            coefficients.append(power * arithmetic.number(Fraction((-1) ** (k + 1), k)))
            power = power * first
    return _series(x, coefficients)


def _order(x: Jet) -> int:
    """Return how many infinitesimals there are: the power of x - x0 beyond that is 0."""
    return len(frozenset().union(*x))


def _series(x: Jet, coefficients: list[Number]) -> Jet:
    """Return sum_k c_k (x - x0)^k."""
    rest = {tags: value for tags, value in x.items() if tags}
    total: Jet = {NONE: coefficients[0]}
    power: Jet = rest
    for coefficient in coefficients[1:]:
        total = add(total, {tags: value * coefficient for tags, value in power.items()})
        power = multiply(power, rest)
        if not power:
            break
    return total
