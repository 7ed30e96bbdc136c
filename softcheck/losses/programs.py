"""A settled formula as a program: one action at a time, and nothing computed twice."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product as pairs

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Add,
    Delta,
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
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.spell import unicode
from softcheck.gradient.definition import Operation, Operator, Program
from softcheck.losses.settling import Policy, Region
from softcheck.losses.trees import (
    at,
    exponential_sum,
    factors_of,
    is_logsumexp,
    less,
    lettered,
    product,
    summands,
    summed,
    total,
)


def compiled(
    x: Expr, policy: Policy, names: Mapping[str, str], action: str | None = None
) -> Program:
    """Return the program of a settled formula.

    Parameters
    ----------
    x : Expr
    policy : Policy
    names : mapping of symbol to name
        Of the arrays; the free actions of the formula but for `action` are arrays too.
    action : str, optional
        The action that the value is by.

    Raises
    ------
    OutsideError
        If a sum inside of a sum does not come apart, or an action is named by its number.
    """
    compiler = _Compiler(policy, names)
    compiler.value(x, action)
    return Program(tuple(compiler.operations))


class _Compiler:
    def __init__(self, policy: Policy, names: Mapping[str, str]) -> None:
        self.policy = policy
        self.names = names
        self.regions = {region.name: region for region in policy.regions}
        self.operations: list[Operation] = []
        self.known: dict[Operation, int] = {}

    def value(self, x: Expr, axis: str | None) -> None:
        """Add the operations of a formula, its value last."""
        last = self.of(x, axis)
        if axis is not None and not self.operations[last].by_action:
            # The same at every action: nothing that depends on one is added.
            zero, policy = self._add("number", of=ZERO.value), self.of(self.policy.at(axis), axis)
            last = self._join("add", last, self._join("multiply", zero, policy))
        if last != len(self.operations) - 1:
            # The value is a step on the way to another: it is computed again at the end.
            self.operations.append(self.operations[last])

    def of(self, x: Expr, axis: str | None) -> int:  # noqa: C901  one case a node
        policy = self.policy
        match x:
            case Num(value):
                return self._add("number", of=value)
            case Size():
                return self._add("size")
            case Delta(left, right):
                return self._indicator(left, right, axis)
            case Sym(policy.name, (index,)):
                return self._at(self._add("policy", by_action=True), index, axis)
            case Log(Sym(policy.name, (index,))):
                return self._at(self._add("log_policy", by_action=True), index, axis)
            case Sym(policy.variable, (index,)):
                log_policy = self.of(Log(policy.at(index)), axis)
                return self._join("add", log_policy, self._add("logsumexp"))
            case Sym(name, args) if name in self.regions:
                return self._below(self.regions[name], args, axis)
            case Sym(name, ()):
                return self._add("given", of=self.names[name])
            case Sym(name, (index,)):
                return self._at(
                    self._add("given", of=self.names[name], by_action=True), index, axis
                )
            case Log(of) if is_logsumexp(x, policy.variable):
                return self._add("logsumexp")
            case Log(of):
                found = exponential_sum(x)
                if found is not None and (axis is None or axis not in free_indices(x)):
                    return self._reduced("logsumexp", self.of(found[1], found[0]))
                return self._map("log", self.of(of, axis))
            case Exp(of):
                return self._map("exp", self.of(of, axis))
            case Pow(base, exponent):
                return self._map("power", self.of(base, axis), exponent)
            case Add(terms):
                return self._fold("add", terms, axis)
            case Mul(factors):
                # What is one number a state is multiplied first.
                ordered = sorted(factors, key=lambda factor: axis in free_indices(factor))
                return self._fold("multiply", ordered, axis)
            case Div(over, under):
                return self._join("divide", self.of(over, axis), self.of(under, axis))
            case Sum(index, body, skip):
                return self._sum(x, index, body, skip, axis)
            case _:
                raise OutsideError(f"{unicode(lettered(x))} in a loss of one state")

    def _add(
        self,
        operator: Operator,
        operands: tuple[int, ...] = (),
        of: Fraction | str | int | None = None,
        *,
        by_action: bool = False,
    ) -> int:
        step = Operation(operator, operands, of, by_action)
        if step not in self.known:
            self.known[step] = len(self.operations)
            self.operations.append(step)
        return self.known[step]

    def _map(self, operator: Operator, operand: int, of: int | None = None) -> int:
        return self._add(operator, (operand,), of, by_action=self.operations[operand].by_action)

    def _join(self, operator: Operator, left: int, right: int) -> int:
        by_action = self.operations[left].by_action or self.operations[right].by_action
        return self._add(operator, (left, right), by_action=by_action)

    def _below(self, region: Region, actions: tuple[str, ...], axis: str | None) -> int:
        there = dict(zip(region.actions, actions, strict=True))
        left, right = (self.of(at(x, there), axis) for x in (region.left, region.right))
        return self._join("below", left, right)

    def _fold(self, operator: Operator, parts: Sequence[Expr], axis: str | None) -> int:
        result, *rest = [self.of(part, axis) for part in parts]
        for part in rest:
            result = self._join(operator, result, part)
        return result

    def _reduced(self, operator: Operator, operand: int) -> int:
        if not self.operations[operand].by_action:
            raise OutsideError("a sum over a body that is the same at every action")
        return self._add(operator, (operand,))

    def _at(self, table: int, index: str, axis: str | None) -> int:
        return table if index == axis else self._add("at", (table,), self._index(index))

    def _index(self, index: str) -> str:
        """Return the array that holds the number of an action."""
        if index not in self.names:
            what = (
                f"the action {index}, by its number" if index.isdigit() else "a sum inside of a sum"
            )
            raise OutsideError(f"{what}, which does not come apart")
        return self.names[index]

    def _indicator(self, left: str, right: str, axis: str | None) -> int:
        if axis not in (left, right):
            return self._at(self._indicator(left, right, left), right, axis)
        other = right if left == axis else left
        return self._add("indicator", of=self._index(other), by_action=True)

    def _sum(self, x: Expr, index: str, body: Expr, skip: tuple[str, ...], axis: str | None) -> int:
        if axis is not None and axis in skip:
            rest = tuple(other for other in skip if other != axis)
            return self.of(less(summed(index, body, rest), at(body, {index: axis})), axis)
        if skip:
            apart = (less(ONE, Delta(index, other)) for other in skip)
            return self._reduced("sum", self.of(product((*apart, body)), index))
        if axis is None or axis not in free_indices(body):
            return self._reduced("sum", self.of(body, index))
        terms = [summed(index, term) for term in _expanded(body)]
        for term in terms:
            for factor in factors_of(term):
                if isinstance(factor, Sum) and axis in free_indices(factor):
                    raise OutsideError(
                        f"{unicode(lettered(x))}, a sum inside of a sum, which does not come apart"
                    )
        return self.of(total(terms), axis)


def _expanded(x: Expr) -> list[Expr]:
    """Return the terms of a formula whose products are multiplied out."""
    match x:
        case Add(terms):
            return [part for term in terms for part in _expanded(term)]
        case Mul(factors):
            choices = [_expanded(factor) for factor in factors]
            return [product(chosen) for chosen in pairs(*choices)]
        case Pow(Add() as base, exponent) if 0 < exponent <= 4:
            return _expanded(Mul((base,) * exponent))
        case Div(over, under) if len(above := _expanded(over)) > 1:
            return [Div(term, under) for term in above]
    return [*summands(x)]
