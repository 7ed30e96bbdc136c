"""The value of a formula to 160 digits, a derivative by the definition: a difference quotient."""

from functools import lru_cache

import mpmath
from nodes import (
    Add,
    Chance,
    Count,
    Delta,
    Divergence,
    Entropy,
    Entry,
    Exp,
    Log,
    Mean,
    Mul,
    Named,
    Number,
    Power,
    Quotient,
    Scalar,
    Slope,
    Sum,
    meaning,
)

DIGITS = 160
_WIDTH = mpmath.mpf(10) ** -30  # two derivatives on top of each other keep 60 digits
EQUAL = mpmath.mpf(10) ** -50
"""Sides that differ by less, relative to the larger of them and 1, are equal."""
DIFFERENT = mpmath.mpf(10) ** -3
"""Sides that differ by more are not. What lies between was not written by a rule of the guard."""


class Point:
    """Numbers for everything that a formula may mention.

    Attributes
    ----------
    actions : int
    entries : dict of name to tuple of mpf
    scalars : dict of name to mpf
    """

    def __init__(self, rng, actions, scalars=()):
        def draw():
            return mpmath.mpf(rng.randint(-2000, 2000)) / 1009

        self.actions = actions
        self.entries = {name: tuple(draw() for _ in range(actions)) for name in ("theta", "Q", "u")}
        self.scalars = {name: abs(draw()) + 1 / mpmath.mpf(7) for name in ("alpha", "beta")}
        self.scalars.update(scalars)


@lru_cache(maxsize=4096)
def _softmax(logits):
    weights = [mpmath.exp(each) for each in logits]
    total = mpmath.fsum(weights)
    return tuple(each / total for each in weights)


def value(node, point, at, theta=None):  # noqa: C901  one case a node
    """Return the value of a formula.

    Parameters
    ----------
    node
        The formula.
    point : Point
    at : dict of index to int
        Which action each free index is.
    theta : tuple of mpf, optional
        The logits; by default those of the point.
    """
    theta = point.entries["theta"] if theta is None else theta

    def inside(body, **changes):
        return value(body, point, changes.get("at", at), changes.get("theta", theta))

    def total(index, body, skip=None):
        return mpmath.fsum(
            inside(body, at={**at, index: action})
            for action in range(point.actions)
            if skip is None or action != at[skip]
        )

    match node:
        case Number(number):
            return mpmath.mpf(number.numerator) / number.denominator
        case Count():
            return mpmath.mpf(point.actions)
        case Scalar(name):
            return point.scalars[name]
        case Entry(name, index):
            return (theta if name == "theta" else point.entries[name])[at[index]]
        case Chance(name, index):
            return _softmax(theta if name == "pi" else point.entries["u"])[at[index]]
        case Delta(left, right):
            return mpmath.mpf(at[left] == at[right])
        case Add(terms):
            return mpmath.fsum(map(inside, terms))
        case Mul(factors):
            return mpmath.fprod(map(inside, factors))
        case Power(base, exponent):
            return inside(base) ** exponent
        case Quotient(top, bottom):
            return inside(top) / inside(bottom)
        case Log(body):
            return mpmath.log(inside(body))
        case Exp(body):
            return mpmath.exp(inside(body))
        case Sum(index, body, skip):
            return total(index, body, skip)
        case Mean(index, body):
            return total(index, Mul((Chance("pi", index), body)))
        case Slope(index, body):
            ends = []
            for step in (_WIDTH, -_WIDTH):
                moved = list(theta)
                moved[at[index]] += step
                ends.append(inside(body, theta=tuple(moved)))
            return (ends[0] - ends[1]) / (2 * _WIDTH)
        case Entropy():
            return -mpmath.fsum(each * mpmath.log(each) for each in _softmax(theta))
        case Divergence():
            pairs = zip(_softmax(theta), _softmax(point.entries["u"]), strict=True)
            return mpmath.fsum(each * mpmath.log(each / other) for each, other in pairs)
        case Named():
            return inside(meaning(node))
    raise TypeError(node)
