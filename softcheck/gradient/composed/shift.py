"""A loss after one logit of each state has moved, for every logit at once, at O(1) for each.

With t the move of logit a, e = exp(t) - 1, d = Z' / Z - 1 = pi(a) e and delta = log(1 + d),

    log pi'(b) = log pi(b) - delta,   pi'(b) = pi(b) / (1 + d)                    for b other than a
    log pi'(a) = log pi(a) + t - delta,   pi'(a) = pi(a) (1 + e) / (1 + d),   lse' = lse + delta.

A quantity of the state changes by one number for each a. One of an action b changes by some
sum_k C_k(b) m_k(a) where another logit moves, and by a number of its own where its own logit does.
So with S_k = sum_b C_k(b) a sum over the actions changes by

    sum_k m_k(a) (S_k - C_k(a)) + own(a),

and no array of two actions exists. What is formed are changes, never their results, so that their
digits do not depend on how small t is. The loss itself is what is evaluated: nobody here knows a
derivative of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, mul
from typing import Any, Generic, NamedTuple, TypeAlias

import numpy as np

from softcheck.gradient.composed.evaluate import Running
from softcheck.gradient.composed.interpret import extended
from softcheck.gradient.composed.moved import Moved, Stepped, still, total
from softcheck.gradient.composed.pair import Change, Pair, imaginary
from softcheck.gradient.composed.running import NOTHING, ONE, ZERO, Numbers, Rounded, precise
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import Flags
from softcheck.gradient.tolerance import U

STEP = 2.0**-40
"""The change of a loss keeps its digits, and what h^2 leaves out is far below U."""

TRUNCATION = 2.0**10 * STEP * STEP / U
"""What that is at most, in units of U and of the size of what the derivative is made of as a logit
moves, see `Sizes.moved`.

Of a product of m numbers that each grow as they are, it is h^2 / 6 times 4 m^2, and here m < 39. It
shows where a derivative and all that it is made of round to nothing, as those of (1 - pi)^2 log pi
where pi is 1.
"""


class Term(NamedTuple, Generic[Change]):
    """C(b) m(a): by action or one for all, and one for each logit that moves."""

    coefficient: Rounded
    change: Change


Terms: TypeAlias = Mapping[tuple[int, ...], Term[Change]]
"""By the names of the changes that m is the product of."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifted(Generic[Change]):
    """A quantity of each action.

    Attributes
    ----------
    own : Moved
        It, and how it changes where its own logit moves.
    terms : Terms
        How it changes where another logit does.
    factors : tuple of Moved, or None
        Where another logit moves, it is a number that stays times these; None if it is not.
    """

    own: Moved[Change]
    terms: Terms[Change]
    factors: tuple[Moved[Change], ...] | None = None

    @classmethod
    def of(cls, x: "Shifted[Change] | Moved[Change]") -> "Shifted[Change]":
        """Return a quantity of the state as one that all actions share."""
        if isinstance(x, Shifted):
            return x
        if x.change is None:
            return cls(x, {}, ())
        return cls(x, {(x.name,): Term(ONE, x.change)}, (x,))

    def __add__(self, other: "Shifted[Change] | Moved[Change]") -> "Shifted[Change]":
        y: Shifted[Change] = self.of(other)
        factors = None if self.terms or y.terms else ()
        return Shifted(self.own + y.own, _merged(self.terms, y.terms), factors)

    def __mul__(self, other: "Shifted[Change] | Moved[Change]") -> "Shifted[Change]":
        y: Shifted[Change] = self.of(other)
        terms = _merged(
            _scaled(self.terms, y.own.value),
            _scaled(y.terms, self.own.value),
            _multiplied(self.terms, y.terms),
        )
        left, right = self.factors, y.factors
        factors = None if left is None or right is None else left + right
        return Shifted(self.own * y.own, terms, factors)

    def __truediv__(self, other: "Shifted[Change] | Moved[Change]") -> "Shifted[Change]":
        if isinstance(other, Moved):
            return self * (still(ONE) / other)
        return self * other.inverse()

    def __rtruediv__(  # type: ignore[misc] # `Moved` leaves it to this one
        self, other: Moved[Change]
    ) -> "Shifted[Change]":
        return self.inverse() * other

    __radd__, __rmul__ = __add__, __mul__

    def inverse(self) -> "Shifted[Change]":
        """Return 1 over it."""
        own = still(ONE) / self.own
        if self.factors is None:
            return Shifted(own, _series(_scaled(self.terms, own.value), own.value, -1.0, 1.0))
        product = reduce(mul, self.factors, still(ONE))
        inverse = still(ONE) / product
        if inverse.change is None:
            return Shifted(own, {}, ())
        term = Term(own.value * product.value, inverse.change)
        return Shifted(own, {(inverse.name,): term}, (inverse,))

    def log(self) -> "Shifted[Change]":
        """Return the logarithm."""
        own = self.own.log()
        if self.factors is None:
            relative = _scaled(self.terms, (still(ONE) / self.own).value)
            return Shifted(own, _series(relative, ONE, 1.0, -0.5))
        moved = reduce(add, (x.log() for x in self.factors), still(ZERO))
        return Shifted(own, self.of(moved).terms, None if self.factors else ())

    def exp(self) -> "Shifted[Change]":
        """Return the exponential."""
        own = self.own.exp()
        if any(term.coefficient.value.ndim > 1 for term in self.terms.values()):
            return Shifted(own, _series(self.terms, own.value, 1.0, 0.5))
        common = reduce(total, (m * C for C, m in self.terms.values()), None)
        if common is None:
            return Shifted(own, {}, ())
        change: Change = common.expm1()
        growth = Moved(ONE, change)
        return Shifted(own, {(growth.name,): Term(own.value, change)}, (growth,))


def _merged(*many: Terms[Change]) -> Terms[Change]:
    merged: dict[tuple[int, ...], Term[Change]] = {}
    for terms in many:
        for key, (coefficient, change) in terms.items():
            found = merged.get(key)
            merged[key] = Term(found.coefficient + coefficient if found else coefficient, change)
    return merged


def _scaled(terms: Terms[Change], factor: Rounded) -> Terms[Change]:
    return {key: Term(C * factor, m) for key, (C, m) in terms.items()}


def _multiplied(x: Terms[Change], y: Terms[Change]) -> Terms[Change]:
    products = (
        {tuple(sorted(k + n)): Term(C * D, m * w)}
        for k, (C, m) in x.items()
        for n, (D, w) in y.items()
    )
    return _merged(*products)


def _series(r: Terms[Change], factor: Rounded, first: float, second: float) -> Terms[Change]:
    """Return `factor` (first r + second r^2) with room for what the series goes on with.

    Of a logarithm, a quotient or an exponential that is less than 2 |r|^3 for |r| < 1/2: where
    actions change each in its own way, only polynomials have sums that O(1) brings up to date.
    """
    # What the logits of masked actions would do may be no number; it concerns no other.
    largest = sum(
        (C.size * np.fmax.reduce(m.size, axis=0) for C, m in r.values()), start=np.zeros(1)
    )
    left = np.where(largest < 0.5, 2.0 * largest * largest / U, np.inf)
    squared = _multiplied(r, r)
    terms = _merged(
        {key: Term(C.times(first), m) for key, (C, m) in r.items()},
        {key: Term(C.times(second), m) for key, (C, m) in squared.items()},
    )
    rough = {
        key: Term(Rounded(C.value, C.error + left * C.size), m) for key, (C, m) in terms.items()
    }
    return _scaled(rough, factor)


class Shift(Generic[Change]):
    """Programs on quantities that change as one logit of each state moves.

    Parameters
    ----------
    running : Running
    t : Rounded or Pair
        How far it moves, (1,).
    """

    def __init__(self, running: Running, t: Change) -> None:
        self.running = running
        self.nothing: Change = t * ZERO
        softmax = running.softmax
        self._e: Change = t.expm1()
        self._d: Change = self._e * softmax["policy"]
        delta: Change = self._d.log1p()
        logsumexp = Moved(softmax["logsumexp"], delta)
        log_policy = Moved(softmax["log_policy"], -delta + t)
        self._moved: dict[str, Moved[Change] | Shifted[Change]] = {
            "logsumexp": logsumexp,
            "log_policy": Shifted(log_policy, {(logsumexp.name,): Term(-ONE, delta)}),
        }

    def leaf(self, step: Operation) -> Moved[Change] | Shifted[Change]:
        """Return what the logits move, or else a number that stays."""
        if step.operator in self._moved:
            return self._moved[step.operator]
        if step.operator == "policy":
            return self._policy()
        return self._still(self.running.leaf(step))

    def _policy(self) -> Shifted[Change]:
        """Return the probabilities."""
        pi, growth = self.running.softmax["policy"], self._d + ONE
        lost: Change = -self._d / growth
        # What Z' / Z = 1 + d makes of the probability of another action.
        share: Moved[Change] = Moved(ONE, lost)
        policy = Moved(pi, (-self._d + self._e) / growth * pi)
        return Shifted(policy, {(share.name,): Term(pi, lost)}, (share,))

    def _still(self, value: Rounded) -> Moved[Change] | Shifted[Change]:
        return Shifted(Moved(value), {}, ()) if value.value.ndim > 1 else Moved(value)

    def exp(self, x: Moved[Change] | Shifted[Change]) -> Moved[Change] | Shifted[Change]:
        """Return the exponential."""
        return x.exp()

    def log(self, x: Moved[Change] | Shifted[Change]) -> Moved[Change] | Shifted[Change]:
        """Return the logarithm."""
        return x.log()

    def sum(self, x: Moved[Change] | Shifted[Change]) -> Moved[Change]:
        """Return the sum over the legal actions."""
        size = precise(self.running.size)
        if isinstance(x, Moved):
            return x * still(size)
        change = x.own.change
        for C, m in x.terms.values():
            others = C * (size - ONE) if C.value.ndim < 2 else self.running.sum(C) - C
            change = total(change, m * others)
        return Moved(self.running.sum(x.own.value), change)

    def logsumexp(self, x: Moved[Change] | Shifted[Change]) -> Moved[Change]:
        """Return the logarithm of the sum of the exponentials, relative to the largest."""
        value = x.value if isinstance(x, Moved) else x.own.value
        top = self.running.highest(value)
        return self.sum((x + still(-top)).exp()).log() + still(top)

    def below(
        self, x: Moved[Change] | Shifted[Change], y: Moved[Change] | Shifted[Change]
    ) -> Moved[Change] | Shifted[Change]:
        """Return 1 where x is at most y before anything moves, and 0 elsewhere."""
        left, right = (z.value if isinstance(z, Moved) else z.own.value for z in (x, y))
        return self._still(self.running.below(left, right))

    def at(self, x: Moved[Change] | Shifted[Change], index: str) -> Moved[Change]:
        """Return the entry at the action whose number an array holds."""
        if isinstance(x, Moved):
            return x
        value = self.running.at(x.own.value, index)
        if not x.terms and x.own.change is None:
            return Moved(value)
        changes = (m * self.running.at(C, index) for C, m in x.terms.values())
        others, own = reduce(total, changes, None) or self.nothing, x.own.change or self.nothing
        return Moved(value, own.where(self.running.indicator(index), others))


_Values: TypeAlias = Mapping[int, Moved[Change] | Shifted[Change]]


class Method(NamedTuple, Generic[Change]):
    """A numeric method.

    Attributes
    ----------
    moves : callable
        From a step h, (1,) or (rows,), to the moves that it makes.
    odd : callable
        From what becomes of something at these moves to what is odd in h: h times the derivative,
        to the order of h^3.
    """

    moves: Callable[[Numbers], Sequence[Change]]
    odd: Callable[[Sequence[Change]], Rounded]


COMPLEX = Method[Pair](
    lambda h: (Pair(np.zeros(1), h, NOTHING),),
    lambda made: imaginary(made[0]),
)
CENTRAL = Method[Rounded](
    lambda h: (precise(h), precise(-h)),
    lambda made: (made[0] - made[1]).times(0.5),
)


def complex_step(program: Program, running: Running) -> Rounded:
    """Return Im L(theta + i h e_a) / h, but for `TRUNCATION`."""
    return _derivative(program, running, COMPLEX)


def central_difference(program: Program, running: Running) -> Rounded:
    """Return (L(theta + h e_a) - L(theta - h e_a)) / 2h, but for `TRUNCATION`."""
    return _derivative(program, running, CENTRAL)


@np.errstate(all="ignore")  # where nothing is known, the error says so
def _derivative(program: Program, running: Running, method: Method[Change]) -> Rounded:
    """Return the derivative of a loss by each logit.

    A loss is often a function of few numbers of the state, such as a log pi of one action or a sum
    over actions. What is computed from these alone is evaluated once a state and not once a logit,
    with each of them moved by as much as any logit moves it. What is odd in h of the changes that
    come of them adds up to that of the loss, to the order of h^3.
    """
    behind = _behind(program)
    before = [n for n in range(len(program.operations)) if n not in behind]
    shifts = [Shift(running, t) for t in method.moves(np.array([STEP]))]
    found = [extended({}, program, before, shift) for shift in shifts]
    if not behind:
        return _odd(method, found, before[-1]).times(1.0 / STEP)
    slope = ZERO
    for n in {n for step in behind for n in program.operations[step].operands}.difference(behind):
        moved = _odd(method, found, n)
        if moved is not ZERO:
            h = _largest(moved, running.legal)
            made = [
                extended(_but_for(n, move, found[0]), program, behind, shifts[0])
                for move in method.moves(h)
            ]
            slope += moved * (_odd(method, made, behind[-1]) / precise(h))
    return slope.times(1.0 / STEP)


@np.errstate(all="ignore")
def by_log_policy(program: Program, running: Running, method: Method[Change]) -> Rounded:
    """Return the derivative of a loss by log pi of the one action that it names; see `TRUNCATION`.

    What else the loss takes from the logits is a sum over actions, and stays.
    """
    operations, behind = program.operations, _behind(program)
    before = [n for n in range(len(operations)) if n not in behind]
    values = extended({}, program, before, running)
    made = []
    for move in method.moves(np.array([STEP])):
        numbers: dict[int, Any] = {}
        for n in before:
            value = values[n]
            of = operations[operations[n].operands[0]].operator if operations[n].operands else ""
            change = {"log_policy": move, "policy": move.expm1() * value}.get(of)
            numbers[n] = Moved(value, change if operations[n].operator == "at" else None)
        made.append(extended(numbers, program, behind, Stepped(running, {})))
    return _odd(method, made, behind[-1]).times(1.0 / STEP)


def _odd(method: Method[Change], found: Sequence[_Values[Change]], n: int) -> Rounded:
    """Return what is odd of the changes of a number of the state, `ZERO` where it stays."""
    changes = [x.change for values in found if isinstance(x := values[n], Moved)]
    moved = [change for change in changes if change is not None]
    return method.odd(moved) if moved else ZERO


def _largest(moved: Rounded, legal: Flags | None) -> Numbers:
    """Return the largest change of each state, of its legal actions."""
    size = np.abs(moved.value)
    usual = size < np.inf if legal is None else legal & (size < np.inf)
    largest = size.max(axis=0, where=usual, initial=0.0)
    return np.where(largest > 0.0, largest, STEP)


def _but_for(n: int, move: Change, values: _Values[Change]) -> _Values[Change]:
    """Return the numbers of the state, of which one moves and the others stay."""
    made = {k: x.value for k, x in values.items() if isinstance(x, Moved)}
    return {k: Moved(value, move if k == n else None) for k, value in made.items()}


def _behind(program: Program) -> list[int]:
    """Return the steps that take numbers of the state alone and that such steps alone take."""
    operations = program.operations
    behind: set[int] = set()
    taken_before: set[int] = set()
    for n in reversed(range(len(operations))):
        step = operations[n]
        of_state = not any(operations[operand].by_action for operand in step.operands)
        if step.operands and of_state and not step.by_action and n not in taken_before:
            behind.add(n)
        else:
            taken_before |= {*step.operands}
    return sorted(behind)
