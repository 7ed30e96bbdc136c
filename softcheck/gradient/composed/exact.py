"""The derivative of a program by a logit to 40 digits: the arbiter that says who is wrong.

It is the central difference of the loss from its definition, with h = 1e-25: truncation is of the
order of h^2. What the difference cancels, and what a small pi(a) makes of it, are digits more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import log
from typing import Any

import numpy as np

from softcheck.gradient.composed.interpret import interpret
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import FLOOR, Block

_DIGITS = 90
_STEP = 25
_SUMS = "sum", "logsumexp"


def gradient(program: Program, block: Block, actions: Sequence[int]) -> list[float]:
    """Return dL/dtheta_a for each a in `actions`, rounded to float64.

    Parameters
    ----------
    program : Program
        The loss.
    block : Block
        One state; its logits and data are taken as exact numbers.
    actions : sequence of int
        Of finite logits; where entries stand for several actions, one of those.

    Returns
    -------
    list of float
        Not a number where the loss is no real number.
    """
    import mpmath

    block, actions = block.apart(actions)
    logits = block.logits[:, 0]
    # An entry is as small as its probability, and a ratio of policies as that of an action again.
    depth = min(2.0 * float(np.ptp(logits[np.isfinite(logits)])), -FLOOR)
    context = mpmath.mp.clone()
    context.dps = _DIGITS + int(depth / log(10.0))
    digits = _Digits(context, program, block, actions)
    # Infinite data may make it 0 times infinity, or the logarithm of a negative number.
    return [digits.derivative(action) for action in actions]


@dataclass
class _Digits:
    """A program on the legal actions of a state: arrays of many digits, of (actions,) or (1,).

    One that adds up nothing of each action takes those that it names, and is given no others but
    those by whose logits it is differentiated.
    """

    context: Any
    program: Program
    block: Block
    actions: Sequence[int]
    softmax: dict[str, Callable[[], Any]] = field(default_factory=dict)
    comparisons: list[Any] = field(default_factory=list)
    decided: Iterator[Any] | None = None

    def __post_init__(self) -> None:
        logits, repeats = self.block.logits[:, 0], self.block.repeats
        counts = np.ones_like(logits) if repeats is None else repeats.counts[:, 0]
        self.exp, self.log = (
            np.frompyfunc(function, 1, 1) for function in (self.context.exp, self.context.log)
        )
        legal = np.flatnonzero(np.isfinite(logits))
        # Logits in 16 bits are few. No weight is too large for its exponent.
        theta, which = np.unique(logits[legal], return_inverse=True)
        times = _whole(np.bincount(which, counts[legal]))
        weights = self.exp(self._numbers(theta))
        self.size, self.Z = times.sum(), (weights * times).sum(keepdims=True)
        if (named := _taken(self.program, self.block)) is not None:
            is_taken = np.isin(legal, [*named, *self.actions])
            legal, which = legal[is_taken], which[is_taken]
        self.legal, self.weights = legal, weights[which]
        self.counts = None if repeats is None else _whole(counts[legal])
        self.theta = self._digits(self.block.logits)
        self.data = {name: self._digits(array) for name, array in self.block.data.items()}
        self.h = self.context.mpf(10) ** -_STEP

    def _digits(self, array: Any) -> Any:
        """Return the numbers of the legal actions, or that of the state."""
        return self._numbers(array[self.legal, 0] if array.ndim > 1 else np.atleast_1d(array))

    def _numbers(self, array: Any) -> Any:
        """Return numbers with all their digits."""
        return np.array([self.context.mpf(x) for x in array.tolist()], dtype=object)

    def derivative(self, action: int) -> float:
        """Return the difference quotient by the logit of an action."""
        self.comparisons, self.decided = [], None
        try:
            if any(step.operator == "below" for step in self.program.operations):
                self._moved(action, self.context.zero)
            up, down = (self._moved(action, sign * self.h) for sign in (1, -1))
            return float((up - down) / (2 * self.h))
        except TypeError:  # a complex number
            return float("nan")

    def _moved(self, action: int, t: Any) -> Any:
        """Return the loss where a logit is moved by t."""
        at = int(np.searchsorted(self.legal, action))
        theta, weights = self.theta.copy(), self.weights.copy()
        theta[at] += t
        weights[at] *= self.context.exp(t)
        Z = self.Z + (weights[at] - self.weights[at])  # the action stands for no other
        logsumexp = self.log(Z)
        self.softmax = {
            "policy": cache(lambda: weights / Z),
            "log_policy": cache(lambda: theta - logsumexp),
            "logsumexp": lambda: logsumexp,
        }
        if t:
            self.decided = iter(self.comparisons)
        try:
            return interpret(self.program, self)[-1][0]
        except ZeroDivisionError:
            return self.context.nan

    def below(self, x: Any, y: Any) -> Any:
        """Return what was decided before a logit moved; or decide it then."""
        if self.decided is None:
            flags = [self.context.mpf(int(z <= w)) for z, w in np.broadcast(x, y)]
            self.comparisons.append(np.array(flags, dtype=object))
            return self.comparisons[-1]
        return next(self.decided, np.array([self.context.nan]))

    def leaf(self, step: Operation) -> Any:
        match step.operator, step.of:
            case "number", Fraction() | int() as constant:
                constant = Fraction(constant)
                return np.array([self.context.mpf(constant.numerator) / constant.denominator])
            case "size", _:
                return self._size
            case "given", str(name):
                return self.data[name]
            case "indicator", str(index):
                return np.array([self.context.mpf(int(hit)) for hit in self._flags(index)])
            case operator, _:
                return self.softmax[operator]()

    def _flags(self, index: str) -> Any:
        return self.legal == self.block.data[index][0]

    def sum(self, x: Any) -> Any:
        if x.size == 1:
            return x * self._size
        return (x if self.counts is None else x * self.counts).sum(keepdims=True)

    @property
    def _size(self) -> Any:
        """How many actions are legal."""
        return np.array([self.context.mpf(self.size)])

    def logsumexp(self, x: Any) -> Any:
        return self.log(self.sum(self.exp(x)))

    def at(self, x: Any, index: str) -> Any:
        return x[self._flags(index)] if x.size == len(self.legal) else x


def _whole(numbers: Any) -> Any:
    """Return whole numbers as Python has them."""
    return numbers.astype(np.int64).astype(object)


def _taken(program: Program, block: Block) -> set[int] | None:
    """Return the actions that a program names, or None if it adds up what each of them has."""
    operations = program.operations
    added = {n for step in operations if step.operator in _SUMS for n in step.operands}
    if any(operations[n].by_action for n in added):
        return None
    return {int(block.data[str(step.of)][0]) for step in operations if step.operator == "at"}
