"""The value of a program on a block of states, with a bound on its rounding."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from softcheck.gradient.composed.interpret import interpret
from softcheck.gradient.composed.running import UNDERFLOW, ZERO, Rounded, number, precise
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Counts,
    Entries,
    Flags,
    Policy,
    States,
    sum_of_products,
)
from softcheck.gradient.tolerance import U, summation

Data: TypeAlias = Mapping[str, Any]
"""Arrays by name: (actions, rows), (rows,) or (1,), and whole numbers of an action each (rows,)."""


Softmax: TypeAlias = Mapping[str, Rounded]
"""What programs take from the logits, by operator: "log_policy" and "policy", (actions, rows) and 0
where an action is masked, and "logsumexp", (rows,)."""


def softmax_of(
    block: Block, policy: Policy, legal: Flags | None, buffers: Buffers, *, far: bool = False
) -> Softmax:
    """Return what programs take from the logits, with what rounding does to it.

        z = theta - max,  w = exp z,  pi = w / Z,  Z = sum w,  log pi = z - log Z,
        logsumexp = max + log Z.

    w is off by what z is and by 2 of its own, Z by the mean of these and its sum. Where logits are
    `far` from 0, each may have been rounded itself, and log pi = theta - logsumexp.
    """
    shifted = block.logits - policy.highest
    if legal is not None:
        shifted = np.where(legal, shifted, 0.0)
    depth = np.abs(shifted)
    if far:
        depth += np.abs(block.logits if legal is None else np.where(legal, block.logits, 0.0))
    of_Z = sum_of_products(policy.pi, depth, buffers) + summation(buffers.actions(depth)) + 2.0
    return _softmax(shifted, policy.pi, depth, of_Z, policy, far=far)


def of_one_action(
    block: Block, policy: Policy, index: Counts, actions: int, *, far: bool
) -> Softmax:
    """Return the same of one action in each state, as if it were the only one.

    sum pi |z| is at most log A, see `tolerance.bounds`.
    """
    theta, pi = (entry(x, index)[np.newaxis] for x in (block.logits, policy.pi))
    shifted = theta - policy.highest
    depth, mean = np.abs(shifted), np.log(actions)
    if far:
        depth += np.abs(theta)
        mean += np.abs(policy.highest) + mean
    return _softmax(shifted, pi, depth, mean + summation(actions) + 2.0, policy, far=far)


def _softmax(
    z: Entries, pi: Entries, depth: Entries, rounding: States, policy: Policy, *, far: bool
) -> Softmax:
    """Return what `softmax_of` does, where z rounds by `depth` and Z by `rounding`."""
    log_policy, logsumexp = z - policy.log_Z, policy.logsumexp
    unshifted = 2.0 * np.abs(logsumexp) if far else 0.0
    of_log_Z = rounding + 4.0 * policy.log_Z
    of_policy = pi * (depth + rounding + (3.0 + unshifted)) + UNDERFLOW
    of_highest = np.abs(policy.highest) if far else 0.0
    return {
        "log_policy": Rounded(log_policy, depth + of_log_Z + np.abs(log_policy) + unshifted),
        "policy": Rounded(pi, of_policy),
        "logsumexp": Rounded(logsumexp, of_highest + of_log_Z + np.abs(logsumexp)),
    }


@dataclass(frozen=True, slots=True)
class Running:
    """Programs on arrays that carry their error: (actions, rows), and (rows,) or (1,).

    A comparison is a tie where it is as close as `units` times the error, and then it is off by 1.
    """

    data: Data
    shape: tuple[int, int]
    buffers: Buffers
    legal: Flags | None
    softmax: Softmax
    units: float = 1.0

    def leaf(self, step: Operation) -> Rounded:
        """Return a number, an array, or a quantity of the policy."""
        match step.operator, step.of:
            case "number", Fraction() | int() as constant:
                return number(Fraction(constant))
            case "size", _:
                return precise(self.size)
            case "given", str(name):
                return precise(self.data[name])
            case "indicator", str(index):
                return precise(self.indicator(index).astype(np.float64))
            case operator, _:
                return self.softmax[operator]

    @property
    def size(self) -> States:
        """How many actions are legal."""
        if self.legal is None:
            repeats = self.buffers.repeats
            return np.full(1, float(self.shape[0] if repeats is None else repeats.actions))
        return self.buffers.number_of(self.legal).astype(np.float64)

    def indicator(self, index: str) -> Flags:
        """Return at which actions the numbers of an array are."""
        flags: Flags = np.arange(self.shape[0])[:, np.newaxis] == self.data[index]
        return flags

    def exp(self, x: Rounded) -> Rounded:
        """Return the exponential."""
        return x.exp()

    def log(self, x: Rounded) -> Rounded:
        """Return the logarithm."""
        return x.log()

    def sum(self, x: Rounded) -> Rounded:
        """Return the sum over the legal actions."""
        if x.value.ndim < len(self.shape):
            return x * precise(self.size)
        return (x if self.legal is None else x.where(self.legal, ZERO)).sum(self.buffers)

    def logsumexp(self, x: Rounded) -> Rounded:
        """Return the logarithm of the sum of the exponentials, relative to the largest."""
        top = self.highest(x)
        return self.sum((x - top).exp()).log() + top

    def highest(self, x: Rounded) -> Rounded:
        """Return the largest value of each state, a number that is no result."""
        legal = x.value if self.legal is None else np.where(self.legal, x.value, -np.inf)
        return precise(np.max(np.broadcast_to(legal, self.shape), axis=0))

    def below(self, x: Rounded, y: Rounded) -> Rounded:
        """Return 1 where x is at most y, and 0 elsewhere."""
        apart = np.abs(x.value - y.value) > self.units * U * (x.error + y.error)
        return Rounded((x.value <= y.value).astype(np.float64), np.where(apart, 0.0, 1.0 / U))

    def at(self, x: Rounded, index: str) -> Rounded:
        """Return the entry at the action whose number an array holds."""
        return x if x.value.ndim < len(self.shape) else x.apply(entry, self.data[index])


def entry(x: Entries, index: Counts) -> States:
    """Return the entry of each state at an action of its own."""
    found: States = np.take_along_axis(x, index[np.newaxis, :], axis=0)[0]
    return found


@np.errstate(all="ignore")  # where nothing is known, the error says so
def evaluate(
    program: Program,
    data: Data,
    shape: tuple[int, int],
    buffers: Buffers,
    *,
    legal: Flags | None = None,
    softmax: Softmax = MappingProxyType({}),
) -> Rounded:
    """Return the value of a program and a bound on its error, in units of U.

    Parameters
    ----------
    program : Program
    data : mapping of str to array
        What it is given, by name: (actions, rows), (rows,) or (1,); an index is (rows,).
    shape : (actions, rows)
    buffers : Buffers
    legal : Flags, optional
        Where actions are legal; without it all are.
    softmax : Softmax, optional
        Needed where the program depends on the logits.

    Returns
    -------
    Rounded
        By action, of `shape` and 0 where an action is masked; else of (rows,). Where the value
        is not a number it is 0, and its error infinite.
    """
    found = interpret(program, Running(data, shape, buffers, legal, softmax))[-1]
    return finished(found, shape if program.by_action else shape[1:], legal)


def finished(found: Rounded, shape: tuple[int, ...], legal: Flags | None) -> Rounded:
    """Return a result in its shape: 0 where masked; where it is unknown, its error says so."""
    value, error = (np.broadcast_to(x, shape).copy(order="K") for x in (found.value, found.error))
    unknown = np.isnan(value) | np.isnan(error)
    value[np.isnan(value)] = 0.0
    error[unknown] = np.inf
    if legal is not None and len(shape) > 1:
        value[~legal] = error[~legal] = 0.0
    return Rounded(value, error)
