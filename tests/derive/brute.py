"""The value of trees and of normal forms by brute force: loops over the actions, in fractions.

`exp` is two to the power: the rules of the kernel that do not differentiate hold for any base,
and with whole logits every number is exact. A value shares nothing with the kernel but the records
that it is the value of.
"""

import random
from fractions import Fraction
from itertools import product
from math import prod

from softcheck.derive import expr
from softcheck.derive.kernel.polynomials import (
    atom,
    bind,
    constant,
    fresh,
    kronecker,
    plus,
    scaled,
    times,
)
from softcheck.derive.kernel.terms import (
    SIZE,
    Exponential,
    Logarithm,
    Normaliser,
    Reciprocal,
    Symbol,
)

ARITIES = {"x": 1, "y": 2, "p": 1, "w": 0, "θ": 1}


class Point:
    """Whole numbers for all symbols, and for `p` shares of one, with `n` actions."""

    def __init__(self, n, seed=0):
        draw = random.Random(f"{n} {seed}")  # noqa: S311  values of a test, no secret
        self.n = n
        self.tables = {
            (name, at): Fraction(draw.choice((-5, -3, -2, 1, 2, 3, 4, 7)))
            for name, arity in ARITIES.items()
            for at in product(range(n), repeat=arity)
        }
        shares = [draw.randint(1, 9) for _ in range(n)]
        for i, share in enumerate(shares):
            self.tables["p", (i,)] = Fraction(share, sum(shares))

    def choices(self, names):
        """Yield every choice of some free actions."""
        for chosen in product(range(self.n), repeat=len(names)):
            yield dict(zip(names, chosen, strict=True))

    def _action(self, index, at):
        return at[index] if index in at else int(index) - 1

    # Trees

    def tree(self, x, at):  # noqa: C901  one case a node
        def go(part, inner=at):
            return self.tree(part, inner)

        match x:
            case expr.Num(value):
                return value
            case expr.Size():
                return Fraction(self.n)
            case expr.Sym(name, args):
                return self.tables[name, tuple(self._action(index, at) for index in args)]
            case expr.Delta(left, right):
                return Fraction(self._action(left, at) == self._action(right, at))
            case expr.Add(terms):
                return sum(map(go, terms), Fraction(0))
            case expr.Mul(factors):
                return prod(map(go, factors), start=Fraction(1))
            case expr.Div(over, under):
                return go(over) / go(under)
            case expr.Pow(base, exponent):
                return go(base) ** exponent
            case expr.Exp(of):
                return _exp(go(of))
            case expr.Log(of):
                return _log(go(of))
            case expr.Sum(index, body, skip):
                out = {self._action(other, at) for other in skip}
                kept = (i for i in range(self.n) if i not in out)
                return sum((go(body, {**at, index: i}) for i in kept), Fraction(0))
            case expr.Expect(index, under, body):
                return sum(
                    self.tables[under, (i,)] * go(body, {**at, index: i}) for i in range(self.n)
                )
        raise TypeError(f"tests/derive/brute.py has no value for {type(x).__name__}")

    # Normal forms

    def polynomial(self, terms, at):
        return sum((c * self.product(term, at) for term, c in terms.items()), Fraction(0))

    def product(self, term, at):
        """Return the value of a term; None, as the kernel says it, is 0."""
        if term is None:
            return Fraction(0)
        for group in term.classes:
            if len({self._action(index, at) for index in group}) > 1:
                return Fraction(0)
        sums = prod((self.component(c, at) for c in term.sums), start=Fraction(1))
        return self.factors(term.factors, at) * sums

    def component(self, component, at):
        closed = [-k for k in range(1, component.size + 1)]
        return sum(
            self.factors(component.factors, {**at, **dict(zip(closed, chosen, strict=True))})
            for chosen in product(range(self.n), repeat=component.size)
        )

    def factors(self, factors, at):
        return prod((self._power(*factor, at) for factor in factors), start=Fraction(1))

    def _power(self, base, exponent, at):
        if isinstance(base.head, Exponential):
            return _exp(self.product(base.head.of, self._slots(base.args, at)) * exponent)
        return self._atom(base.head, base.args, at) ** int(exponent)

    def _atom(self, head, args, at):
        match head:
            case SIZE.head:
                return Fraction(self.n)
            case Symbol(name, ()):
                return self.tables[name, tuple(self._action(index, at) for index in args)]
            case Normaliser(of):
                return self.component(of, self._slots(args, at))
            case Reciprocal(of):
                return 1 / self.component(of, self._slots(args, at))
            case Logarithm(int(prime)):
                return _log(Fraction(prime))
            case Logarithm(Symbol() | Normaliser() as of):
                return _log(self._atom(of, args, at))
            case Logarithm(of):
                return _log(self.component(of, self._slots(args, at)))
        raise TypeError(head)

    def _slots(self, args, at):
        return {f"·{k}": self._action(index, at) for k, index in enumerate(args)}


POINTS = [Point(n) for n in (1, 2, 3, 4)]


class Terms:
    """A source of random terms of the kernel, made of what its constructors give."""

    def __init__(self, seed):
        self.random = random.Random(seed)  # noqa: S311  terms, no secrets

    def polynomial(self, indices, terms=3):
        parts = [
            scaled(self.term(indices), self.random.choice((-2, -1, 1, Fraction(1, 2))))
            for _ in range(self.random.randint(1, terms))
        ]
        return plus(*parts)

    def term(self, indices, factors=4):
        """Return a product of factors at some indices, and of sums over one or two actions."""
        made = constant(1)
        for _ in range(self.random.randint(1, factors)):
            made = times(made, self.factor(indices))
        return made

    def factor(self, indices):
        pick = self.random.choice
        kind = self.random.randrange(10)
        if kind < 3:
            return atom(Symbol("x"), pick(indices))
        if kind < 5:
            return atom(Symbol("y"), pick(indices), pick(indices))
        if kind < 7:
            return kronecker(pick(indices), pick(indices))
        if kind == 7:
            return atom(pick((SIZE.head, Symbol("w"))))
        inner = fresh()
        return bind(self.term((*indices, inner), 3), inner)


def _exp(value):
    assert value.denominator == 1, "brute force knows two to a whole power only"
    return Fraction(2) ** int(value)


def _log(value):
    number, inverse = (value, 1) if value >= 1 else (1 / value, -1)
    assert number.denominator == 1
    assert number.numerator.bit_count() == 1, "brute force knows the logarithm of 2^k only"
    return Fraction(inverse * (number.numerator.bit_length() - 1))
