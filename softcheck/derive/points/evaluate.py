"""The value of a formula for a given number of actions, on any arithmetic.

Sums are loops and derivatives are jets: nothing here is shared with the normal form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import assert_never

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
    free_indices,
)
from softcheck.derive.points import jets
from softcheck.derive.points.jets import Arithmetic, Jet, Number


class NoValueError(Exception):
    """A formula has no value at a point: a symbol without a meaning, or too much work."""


@dataclass
class Evaluator:
    """Formulas at one point.

    Attributes
    ----------
    actions : int
        The number of actions, n.
    arithmetic : Arithmetic
    leaf : callable
        From the name of a free symbol and its actions, counted from 0, to a number; None if the
        symbol has no value.
    definitions : mapping of name to Definition
    weight : callable or None
        From an action to the factor of its terms in every sum: 0 where it is masked.
    budget : int
        Operations that may still be done.
    """

    actions: int
    arithmetic: Arithmetic
    leaf: Callable[[str, tuple[int, ...]], Number | None]
    definitions: Mapping[str, Definition]
    weight: Callable[[int], Number] | None = None
    budget: int = 1_000_000_000
    _moved: tuple[tuple[str, tuple[int, ...], int], ...] = ()
    _known: dict[object, Jet] = field(default_factory=dict)
    _nodes: list[Expr] = field(default_factory=list)
    _free: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, x: Expr, indices: Mapping[str, int]) -> Number:
        """Return the value of a formula at some actions, counted from 0.

        Raises
        ------
        NoValueError
            Where a symbol has no value, or the budget is spent.
        ZeroDivisionError, ValueError
            Where the arithmetic cannot go on.
        """
        return self._of(x, indices)[jets.NONE]

    def _of(self, x: Expr, env: Mapping[str, int]) -> Jet:  # noqa: C901  one case a node
        self.budget -= 1
        if self.budget < 0:
            raise NoValueError("too much work")
        number = self.arithmetic.number
        match x:
            case Num(value):
                return jets.plain(number(value))
            case Size():
                return jets.plain(self._size())
            case Sym(name, args):
                return self._symbol(name, tuple(self._action(i, env) for i in args))
            case Delta(left, right):
                same = self._action(left, env) == self._action(right, env)
                return jets.plain(number(Fraction(int(same))))
            case Add(terms):
                total = self._of(terms[0], env)
                for term in terms[1:]:
                    total = jets.add(total, self._of(term, env))
                return total
            case Mul(factors):
                total = self._of(factors[0], env)
                for factor in factors[1:]:
                    total = jets.multiply(total, self._of(factor, env))
                return total
            case Div(over, under):
                below = jets.inverse(self._of(under, env), self.arithmetic)
                return jets.multiply(self._of(over, env), below)
            case Pow(base, exponent):
                return self._power(self._of(base, env), exponent)
            case Exp(of):
                return jets.exp(self._of(of, env), self.arithmetic)
            case Log(of):
                return self._log(of, env)
            case Sum() | Diff():
                return self._remembered(x, env)
            case Compare(how):
                raise NoValueError(f"a {how}imum is outside what can be decided")
            case Abbreviation(meaning=meaning):
                return self._of(meaning, env)
            case _:
                assert_never(x)

    def _remembered(self, x: Sum | Diff, env: Mapping[str, int]) -> Jet:
        """Return the value of a sum or a derivative, computed once for each choice of actions."""
        if id(x) not in self._free:
            self._nodes.append(x)  # an id stays taken while its tree lives
            self._free[id(x)] = tuple(sorted(free_indices(x)))
        at = tuple(self._action(index, env) for index in self._free[id(x)])
        key = id(x), at, self._moved
        if key not in self._known:
            self._known[key] = self._sum_or_derivative(x, env)
        return self._known[key]

    def _sum_or_derivative(self, x: Sum | Diff, env: Mapping[str, int]) -> Jet:
        match x:
            case Sum(index, body, skip):
                out = {self._action(other, env) for other in skip}
                return self._sum(index, env, lambda i, inner: (
                    None if i in out else self._of(body, inner)))  # fmt: skip
            case Diff(body, by):
                args = tuple(self._action(index, env) for index in by.args)
                return self._derivative(body, by.name, args, env)

    def _sum(
        self,
        index: str,
        env: Mapping[str, int],
        term: Callable[[int, Mapping[str, int]], Jet | None],
    ) -> Jet:
        total = jets.plain(self.arithmetic.number(Fraction(0)))
        for i in range(self.actions):
            value = term(i, {**env, index: i})
            if value is not None:
                if self.weight is not None:
                    value = jets.multiply(jets.plain(self.weight(i)), value)
                total = jets.add(total, value)
        return total

    def _size(self) -> Number:
        total = self.arithmetic.number(Fraction(self.actions))
        if self.weight is None:
            return total
        total = self.weight(0)
        for i in range(1, self.actions):
            total = total + self.weight(i)
        return total

    def _action(self, index: str, env: Mapping[str, int]) -> int:
        if index in env:
            return env[index]
        if index.isdigit():
            if int(index) > self.actions:
                raise NoValueError(f"there is no action {index}")
            return int(index) - 1
        raise NoValueError(f"the action {index} is not chosen")

    def _symbol(self, name: str, args: tuple[int, ...]) -> Jet:
        definition = self.definitions.get(name)
        if definition is not None:
            key = name, args, self._moved
            if key not in self._known:
                self._known[key] = self._unfolded(definition, args)
            return self._known[key]
        value = self.leaf(name, args)
        if value is None:
            raise NoValueError(f"{name} has no meaning")
        jet = {jets.NONE: value}
        for moved, at, tag in self._moved:
            if moved == name:
                if len(at) != len(args):
                    raise NoValueError(f"{name} is used with {len(args)} and {len(at)} actions")
                if at == args:
                    jet[frozenset((tag,))] = self.arithmetic.number(Fraction(1))
        return jet

    def _unfolded(self, definition: Definition, args: tuple[int, ...]) -> Jet:
        if len(definition.params) != len(args):
            raise NoValueError(f"{definition.name} is used with {len(args)} actions")
        return self._of(definition.body, dict(zip(definition.params, args, strict=True)))

    def _derivative(
        self, body: Expr, name: str, args: tuple[int, ...], env: Mapping[str, int]
    ) -> Jet:
        if name in self.definitions:
            raise NoValueError(f"{name} is no free variable")
        before = self._moved
        tag = len(before)
        self._moved = (*before, (name, args, tag))
        value = self._of(body, env)
        self._moved = before
        zero = self.arithmetic.number(Fraction(0))
        slope = {tags - {tag}: number for tags, number in value.items() if tag in tags}
        slope.setdefault(jets.NONE, zero)
        return slope

    def _power(self, base: Jet, exponent: int) -> Jet:
        total = jets.plain(self.arithmetic.number(Fraction(1)))
        for _ in range(abs(exponent)):
            total = jets.multiply(total, base)
        return total if exponent >= 0 else jets.inverse(total, self.arithmetic)

    def _log(self, of: Expr, env: Mapping[str, int]) -> Jet:
        """Return log; that of exp(x) / y is x - log y, which no underflow disturbs."""
        match of:
            case Exp(inner):
                return self._of(inner, env)
            case Div(Exp(inner), under):
                below = self._log(under, env)
                return jets.add(self._of(inner, env), {tags: -v for tags, v in below.items()})
            case Sym(name, args) if name in self.definitions:
                definition = self.definitions[name]
                at = tuple(self._action(index, env) for index in args)
                if isinstance(definition.body, Div | Exp) and len(at) == len(definition.params):
                    key = "log", name, at, self._moved
                    if key not in self._known:
                        inner_env = dict(zip(definition.params, at, strict=True))
                        self._known[key] = self._log(definition.body, inner_env)
                    return self._known[key]
        return jets.log(self._of(of, env), self.arithmetic)
