"""What the operations of a program do, on any arithmetic."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce
from operator import add, mul
from typing import Any, Protocol, TypeVar, cast

from softcheck.gradient.definition import Operation, Program

Value = TypeVar("Value")


class Arithmetic(Protocol[Value]):
    """What its numbers do beside `+`, `*` and `/`; they may be one for each action, or for all."""

    def leaf(self, step: Operation) -> Value:
        """Return what does not depend on earlier steps."""

    def exp(self, x: Value) -> Value:
        """Return the exponential."""

    def log(self, x: Value) -> Value:
        """Return the logarithm."""

    def sum(self, x: Value) -> Value:
        """Return the sum over the legal actions: of a number of the state, that times how many."""

    def logsumexp(self, x: Value) -> Value:
        """Return the logarithm of the sum of the exponentials at the legal actions."""

    def below(self, x: Value, y: Value) -> Value:
        """Return 1 where x is at most y before anything moves, and 0 elsewhere."""

    def at(self, x: Value, index: str) -> Value:
        """Return the entry at the action whose number an array holds."""


def interpret(program: Program, arithmetic: Arithmetic[Value]) -> list[Value]:
    """Return the values of the steps of a program; the last one is its own."""
    numbers = range(len(program.operations))
    return [*extended({}, program, numbers, arithmetic).values()]


def extended(
    values: Mapping[int, Value],
    program: Program,
    numbers: Iterable[int],
    arithmetic: Arithmetic[Value],
) -> dict[int, Value]:
    """Return the values of steps by their numbers, with those of some more."""
    found = dict(values)
    for n in numbers:
        step = program.operations[n]
        found[n] = perform(step, [found[operand] for operand in step.operands], arithmetic)
    return found


def perform(  # noqa: C901  one case an operator
    step: Operation, operands: list[Any], arithmetic: Arithmetic[Any]
) -> Any:
    """Return the value of a step from those of its operands."""
    match step.operator:
        case "add":
            return reduce(add, operands)
        case "multiply":
            return reduce(mul, operands)
        case "divide":
            return operands[0] / operands[1]
        case "power":
            return _power(operands[0], cast("int", step.of), arithmetic)
        case "exp":
            return arithmetic.exp(operands[0])
        case "log":
            return arithmetic.log(operands[0])
        case "sum":
            return arithmetic.sum(operands[0])
        case "logsumexp" if operands:
            return arithmetic.logsumexp(operands[0])
        case "below":
            return arithmetic.below(*operands)
        case "at":
            return arithmetic.at(operands[0], str(step.of))
        case _:
            return arithmetic.leaf(step)


def _power(x: Any, exponent: int, arithmetic: Arithmetic[Any]) -> Any:
    if exponent <= 0:
        one = arithmetic.leaf(Operation("number", of=Fraction(1)))
        return one / _power(x, -exponent, arithmetic) if exponent else one
    half, odd = divmod(exponent, 2)
    if not half:
        return x
    root = _power(x, half, arithmetic)
    return root * root * x if odd else root * root
