"""Minima and maxima as cases: which operand counts is decided from the data.

A minimum is y + m (x - y) with m = 1{x ≤ y}, a maximum the same with m = 1{x ≥ y}. But at a tie m
is constant around a state, so that is what it is read as: a constant of which nothing is known.
What is proved with it holds in each case, for every n. At a tie nothing is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from softcheck.derive.expr import Add, Compare, Definition, Expr, Mul, Sym, free_indices, rebuilt
from softcheck.derive.spell import unicode
from softcheck.losses.settling import Policy, Region, settled, unfolded
from softcheck.losses.trees import (
    at,
    factors_of,
    less,
    lettered,
    product,
    total,
    with_parts,
)


@dataclass(frozen=True)
class _Compared:
    """A comparison: of which actions, as it is printed, and its sides in terms of others."""

    actions: tuple[str, ...]
    printed: Compare
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Cases:
    """What the minima and maxima of some definitions depend on.

    Attributes
    ----------
    definitions : mapping of name to Definition
    policy : str
        The name of the policy, which is not written out.
    """

    definitions: Mapping[str, Definition]
    policy: str
    _compared: dict[str, _Compared] = field(default_factory=dict)

    def split(self, x: Expr) -> Expr:
        """Return a formula without minima and maxima."""
        if not isinstance(x, Compare):
            return rebuilt(x, self.split)
        holds = self._holds(x)
        left, right = self.split(x.left), self.split(x.right)
        return Add((right, Mul((holds, less(left, right)))))

    def _holds(self, x: Compare) -> Sym:
        """Return the symbol of whether the left side is the one that counts."""
        left, right = (unfolded(y, self.definitions, self.policy) for y in (x.left, x.right))
        printed = Compare("≤" if x.how == "min" else "≥", left, right)
        name, actions = unicode(lettered(printed)), tuple(sorted(free_indices(printed)))
        if name not in self._compared:
            sides = self.split(left), self.split(right)
            self._compared[name] = _Compared(actions, printed, *sides)
        return Sym(name, actions)

    def regions(self, policy: Policy) -> Iterator[Region]:
        """Yield the comparisons as they are computed, inner ones first."""
        for name, it in self._compared.items():
            left, right = (settled(policy.divided(x), policy) for x in (it.left, it.right))
            if it.printed.how == "≥":
                left, right = right, left
            yield Region(name, it.actions, left, right)

    def shown(self, x: Expr) -> Expr:
        """Return a formula with its comparisons, as they are printed."""

        def change(part: Expr) -> Expr | None:
            if not isinstance(part, Sym) or part.name not in self._compared:
                return None
            found = self._compared[part.name]
            return at(found.printed, dict(zip(found.actions, part.args, strict=True)))

        return with_parts(x, change)


def regrouped(x: Expr) -> Expr:
    """Return a formula whose cases are written as minima and maxima, as far as they are whole."""
    if not (isinstance(x, Add) and is_decided(x)):
        return rebuilt(x, regrouped)
    found = [(term, part) for term in x.terms for part in factors_of(term) if _is_case(part)]
    # What is made of others has the longer name.
    term, holds = max(found, key=lambda pair: len(pair[1].name))
    right = total(other for other in x.terms if other is not term)
    apart = product(part for part in factors_of(term) if part is not holds)
    left = regrouped(total((right, apart)))
    return Compare("min" if "≤" in holds.name else "max", left, regrouped(right))


def is_decided(x: Expr) -> bool:
    """Tell whether a formula is a minimum or a maximum in its cases."""
    return isinstance(x, Add) and any(_is_case(p) for term in x.terms for p in factors_of(term))


def _is_case(x: Expr) -> TypeGuard[Sym]:
    return isinstance(x, Sym) and x.name.startswith("1{")


def split(
    definitions: Mapping[str, Definition], reached: set[str], policy: str
) -> tuple[Cases, Mapping[str, Definition]]:
    """Return the cases of the definitions that are reached, and all definitions without them."""
    cases = Cases(definitions, policy)
    without = {
        name: replace(it, body=cases.split(it.body)) if name in reached else it
        for name, it in definitions.items()
    }
    return cases, without
