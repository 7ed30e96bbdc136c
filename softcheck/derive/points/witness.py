"""The second engine: SymPy writes a claim out for a few n and differentiates it; points decide.

Whatever the normal form calls zero must be zero here too. A difference whose interval at a
random point excludes zero proves that one of the two engines is wrong.
"""

import operator
import random
from collections.abc import Mapping
from fractions import Fraction
from functools import cache, reduce
from itertools import islice, product
from typing import TYPE_CHECKING, Any, assert_never

from softcheck.derive.expr import (
    Abbreviation,
    Add,
    Compare,
    Definition,
    Delta,
    Diff,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    children,
)
from softcheck.derive.points.refute import Claim, fewest_actions, free_actions

if TYPE_CHECKING:
    import sympy

_SIZES = (1, 2, 3, 12)
"""The numbers of actions at which the engines must agree."""

_CONFIRMING_DIGITS = 60
"""Decimal digits of the intervals in which two sides must agree."""

_TERMS = 600
"""A size is left out where writing the claim out would take more terms than this."""

_ACTIONS_TRIED = 9
_ACTIONS_LOOKED_AT = 4096

_WIDTH = 1e-20
"""Intervals wider than this, relatively, confirm nothing."""


class DisagreementError(Exception):
    """The engines contradict each other: a defect of softcheck, never of the document."""


@cache
def _context() -> Any:
    """Return interval arithmetic, made once: to make it takes longer than a side."""
    from mpmath.ctx_iv import MPIntervalContext

    context = MPIntervalContext()
    context.dps = _CONFIRMING_DIGITS
    return context


def confirm(claim: Claim) -> tuple[int, ...]:
    """Return the numbers of actions at which the second engine agrees that the sides are equal.

    Raises
    ------
    DisagreementError
        If it proves that they are not.
    """
    return tuple(
        actions
        for actions in _SIZES
        if actions >= fewest_actions(claim)
        and (actions == 1 or _cost_of(claim, actions) <= _TERMS)
        and any(_agree(claim, actions, positive=positive) for positive in (False, True))
    )


def _agree(claim: Claim, actions: int, *, positive: bool) -> bool:
    """Tell whether the sides are equal at a random point; False if they have no value there."""
    written = _Written(actions, claim, positive=positive)
    choices = _choices(claim, actions)
    for indices in choices:
        try:
            left, right = written.sides(indices)
        except (ValueError, ZeroDivisionError, OverflowError):
            return False
        difference = left - right
        if difference.a > 0 or difference.b < 0:
            raise DisagreementError(
                f"the normal form proves an equality that is {left} = {right} at a point with "
                f"{actions} actions"
            )
        if not difference.delta < _WIDTH * (1 + abs(left.mid)):
            return False
    return bool(choices)


def _choices(claim: Claim, actions: int) -> list[dict[str, int]]:
    """Return a few choices of the free actions that meet the conditions."""
    free = free_actions(claim)
    tried = min(actions, 3 if len(free) < 3 else 2)
    choices = islice(product(range(tried), repeat=len(free)), _ACTIONS_LOOKED_AT)
    named = (dict(zip(free, chosen, strict=True)) for chosen in choices)
    return list(islice(filter(claim.allows, named), _ACTIONS_TRIED))


class _Written:
    """A claim with every sum written out, for one number of actions."""

    def __init__(self, actions: int, claim: Claim, *, positive: bool) -> None:
        self.actions = actions
        self.claim = claim
        self.positive = positive
        self.random = random.Random(actions)  # noqa: S311  a point of a test, no secret
        self.values: dict[Any, Any] = {}
        self.symbols: dict[tuple[str, tuple[int, ...]], sympy.Symbol] = {}
        self.known: dict[object, sympy.Expr] = {}
        self.intervals: dict[sympy.Expr, Any] = {}
        self.nodes: list[Expr] = []

    def sides(self, indices: Mapping[str, int]) -> tuple[Any, Any]:
        """Return intervals that contain the two sides at a random point."""
        left = self.value(self.explicit(self.claim.left, indices))
        right = self.value(self.explicit(self.claim.right, indices))
        return left, right

    def explicit(self, x: Expr, env: Mapping[str, int]) -> "sympy.Expr":
        """Return a formula in SymPy's symbols."""
        key = id(x), tuple(sorted(env.items()))
        if key not in self.known:
            self.nodes.append(x)  # an id stays taken while its tree lives
            self.known[key] = self._explicit(x, env)
        return self.known[key]

    def _explicit(self, x: Expr, env: Mapping[str, int]) -> "sympy.Expr":  # noqa: C901  one case a node
        import sympy

        match x:
            case Num(value):
                return sympy.Rational(value.numerator, value.denominator)
            case Size():
                return sympy.Integer(self.actions)
            case Sym(name, args):
                return self._symbol(name, tuple(self._action(index, env) for index in args))
            case Delta(left, right):
                return sympy.Integer(self._action(left, env) == self._action(right, env))
            case Add(terms):
                return sympy.Add(*(self.explicit(term, env) for term in terms))
            case Mul(factors):
                return sympy.Mul(*(self.explicit(factor, env) for factor in factors))
            case Div(over, under):
                return self.explicit(over, env) / self.explicit(under, env)
            case Pow(base, exponent):
                return self.explicit(base, env) ** exponent
            case Exp(of):
                return sympy.exp(self.explicit(of, env))
            case Log(of):
                return sympy.log(self.explicit(of, env))
            case Sum(index, body, skip):
                out = {self._action(other, env) for other in skip}
                kept = (i for i in range(self.actions) if i not in out)
                return sympy.Add(*(self.explicit(body, {**env, index: i}) for i in kept))
            case Compare():
                raise TypeError(x)  # no point has a value that is to be confirmed
            case Abbreviation(meaning=meaning):
                return self.explicit(meaning, env)
            case Diff(body, by):
                at = tuple(self._action(index, env) for index in by.args)
                return sympy.diff(self.explicit(body, env), self._free(by.name, at))
            case _:
                assert_never(x)

    def _action(self, index: str, env: Mapping[str, int]) -> int:
        return env[index] if index in env else int(index) - 1

    def _symbol(self, name: str, args: tuple[int, ...]) -> "sympy.Expr":
        definition = self.claim.definitions.get(name)
        if definition is None:
            return self._free(name, args)
        key = name, args
        if key not in self.known:
            inner = dict(zip(definition.params, args, strict=True))
            self.known[key] = self.explicit(definition.body, inner)
        return self.known[key]

    def _free(self, name: str, args: tuple[int, ...]) -> "sympy.Symbol":
        import sympy

        key = name, args
        if key not in self.symbols:
            positive = self.positive or name in self.claim.positive or name in self.claim.ones
            # Real, it would cost SymPy more to reason about than to write out what it simplifies.
            symbol = sympy.Symbol(f"{name}{list(args)}")
            self.symbols[key] = symbol
            share = name in self.claim.ones and len(args) == 1
            self.values[symbol] = (
                Fraction(2 * args[0] + 1, self.actions**2) if share else self._drawn(positive)
            )
        return self.symbols[key]

    def _drawn(self, positive: bool) -> Fraction:
        size = Fraction(self.random.randint(1, 2**20), 2**20)
        return size + Fraction(1, 8) if positive or self.random.random() < 0.5 else -size

    def value(self, x: "sympy.Expr") -> Any:
        """Return an interval that contains a formula's value."""
        if x not in self.intervals:
            self.intervals[x] = self._value(x)
        return self.intervals[x]

    def _value(self, x: "sympy.Expr") -> Any:
        import sympy

        context = _context()
        if x.is_Rational:
            return context.mpf(int(x.p)) / context.mpf(int(x.q))
        if x.is_Symbol:
            value = self.values[x]
            return context.mpf(value.numerator) / context.mpf(value.denominator)
        if x is sympy.E:
            return context.exp(context.mpf(1))
        parts = [self.value(part) for part in x.args]
        if x.is_Add or x.is_Mul:
            return reduce(operator.add if x.is_Add else operator.mul, parts)
        if x.is_Pow:
            return _power(parts[0], parts[1], x.args[1], context)
        functions = {sympy.exp: context.exp, sympy.log: context.log}
        if x.func not in functions:
            raise ValueError(f"{x} is no number")
        return functions[x.func](parts[0])


def _power(base: Any, exponent: Any, written: Any, context: Any) -> Any:
    if not written.is_Integer:
        return context.exp(exponent * context.log(base))
    power = base ** abs(int(written))
    return power if written > 0 else context.mpf(1) / power


def _cost_of(claim: Claim, actions: int) -> int:
    known: dict[str, int] = {}
    return max(_cost(side, actions, claim.definitions, known) for side in (claim.left, claim.right))


def _cost(
    x: Expr, actions: int, definitions: Mapping[str, Definition], known: dict[str, int]
) -> int:
    """Return about how many terms a formula has when its sums are written out."""
    if isinstance(x, Sym):
        if x.name not in definitions:
            return 1
        if x.name not in known:
            known[x.name] = 1  # in a circle
            inner = _cost(definitions[x.name].body, actions, definitions, known)
            known[x.name] = min(inner, actions * actions)  # written once, and shared
        return known[x.name]
    if isinstance(x, Abbreviation):
        return _cost(x.meaning, actions, definitions, known)
    parts = sum(_cost(part, actions, definitions, known) for part in children(x)) or 1
    return parts * actions if isinstance(x, Sum | Diff) else parts
