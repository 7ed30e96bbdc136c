"""What was computed elsewhere, the gradient and all on the way to it, against its definition."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from softcheck.checks.evaluation import Dump, Evaluation
from softcheck.checks.exact_sum import ExactSum
from softcheck.checks.tally import Tally, compare, over_tolerance, sight
from softcheck.gradient.policy import Array, Buffers
from softcheck.gradient.tolerance import DUMP_FACTOR, summation


class Expected(NamedTuple):
    """What a dumped quantity should be.

    `rounding` is its bound in units of U, `scale` the size of what it is made of, and `size` the
    same before it is weighted by pi, for underflow of pi; the largest of each state will do.
    """

    value: Array
    rounding: Array
    scale: Array
    size: Array


def _log_policy_rounding(e: Evaluation) -> Array:
    """z, log Z, the logits themselves and the difference: see `tolerance.bounds` for rho."""
    policy, logits = e.policy, e.live_logits
    rho = logits - policy.z + 3.0
    normaliser = summation(len(rho)) + e.mean(rho)
    return logits - policy.z - policy.log_pi + 2.0 * policy.log_Z + normaliser + 1.0


def _expected_policy(e: Evaluation) -> Expected:
    pi = e.policy.pi
    return Expected(pi, pi * (_log_policy_rounding(e) + 2.0), pi, pi)


def _expected_log_policy(e: Evaluation) -> Expected:
    # Not `policy.log_pi`, which ends at a floor.
    log_pi = e.block.logits - e.policy.highest - e.policy.log_Z
    scale = 1.0 + np.abs(log_pi)
    return Expected(log_pi, _log_policy_rounding(e) + 2.0 * scale, scale, scale)


def _expected_entropy(e: Evaluation) -> Expected:
    log_pi = e.policy.log_pi
    value = -e.mean(log_pi)
    of_log = _log_policy_rounding(e)
    rounding = e.mean(of_log - (of_log + 2.0 + summation(len(log_pi))) * log_pi)
    return Expected(value, rounding + value, value, value)


def _expected_g(e: Evaluation) -> Expected:
    log_pi = _expected_log_policy(e)
    alpha, q = e.block.alpha, e.block.q
    magnitude = np.abs(q) + alpha * log_pi.scale
    rounding = magnitude + alpha * (log_pi.rounding + log_pi.scale)
    return Expected(q - alpha * log_pi.value, rounding, magnitude, magnitude)


def _expected_value(e: Evaluation) -> Expected:
    g = np.abs(e.policy.g)
    of_log = _log_policy_rounding(e)
    of_g = np.abs(e.block.q) + e.block.alpha * (of_log - 2.0 * e.policy.log_pi)
    rounding = e.mean(of_g + (of_log + 2.0 + summation(len(g))) * g)
    scale = e.mean(g)
    return Expected(e.policy.value, rounding, scale, scale)


def _expected_advantage(e: Evaluation) -> Expected:
    g, value = _expected_g(e), _expected_value(e)
    advantage = g.value - value.value
    rounding = g.rounding + value.rounding + np.abs(advantage)
    scale = g.scale + value.scale
    return Expected(advantage, rounding, scale, scale)


def _expected_loss(e: Evaluation) -> Expected:
    value = _expected_value(e)
    size = np.abs(e.factor)
    scale = value.scale * size
    return Expected(-value.value * e.factor, value.rounding * size, scale, scale)


def _expected_gradient(e: Evaluation) -> Expected:
    """Eq. (6), with the rounding that logits far from 0 add to that of `tolerance.bounds`.

    Frameworks subtract logsumexp before the maximum, and a logit may have been rounded itself: rho
    grows by |theta| and mag by alpha |theta|. As |theta| is at most |max theta| + |z|, and rho has
    |z|, that is |max theta| times the scale, within a factor of 2 that `DUMP_FACTOR` covers.
    """

    def buffer(quantity: str) -> Array:
        return e.buffers(f"expected.{quantity}", e.policy.pi.shape)

    value, scale, policy = e.gradient, e.scale, e.policy
    rounding = np.multiply(scale, np.abs(policy.highest), out=buffer("rounding"))
    rounding += e.bounds.rounding.entries
    # Backward passes weigh g and V by pi one by one.
    size = 2.0 * (np.abs(policy.value) + e.bounds.largest) + e.block.alpha
    if (e.factor != 1.0).any():
        factor = np.abs(e.factor)
        value = np.multiply(value, e.factor, out=buffer("value"))
        scale = np.multiply(scale, factor, out=buffer("scale"))
        rounding *= factor
        size *= factor
    return Expected(value, rounding, scale, size)


INTERMEDIATES: dict[str, Callable[[Evaluation], Expected]] = {
    "policy": _expected_policy,
    "log_policy": _expected_log_policy,
    "entropy": _expected_entropy,
    "g": _expected_g,
    "value": _expected_value,
    "advantage": _expected_advantage,
    "loss": _expected_loss,
}
"""What may have been dumped on the way to the gradient, in the order of computation."""

DUMPS = INTERMEDIATES | {"gradient": _expected_gradient}

_ZERO_WHERE_MASKED = {"policy", "gradient"}


def dump_tolerance(dump: Dump, expected: Expected) -> Array:
    """Return K E(U_c) + U_s |expected| plus the underflow of either precision, times a factor.

    Where what was computed is stored as it is, its last rounding is part of E. The array of
    `expected.rounding` becomes the tolerance.
    """
    computed, stored = dump.computed, dump.stored
    underflow = max(computed.underflow, stored.underflow)
    # In units of K U_c, so that no product needs an array of its own.
    unit = DUMP_FACTOR * computed.unit
    tolerance = expected.rounding
    tolerance += (underflow / unit) * (1.0 + expected.size)
    if stored.unit > computed.unit:
        tolerance += (stored.unit / unit) * np.abs(expected.value)
    tolerance *= unit * dump.factor
    return tolerance


class Sides(NamedTuple):
    """A dumped quantity, what it should be, and how they compare; 0 tolerates no difference."""

    actual: Array
    expected: Array
    tolerance: Array
    scale: Array

    def ratio(self, out: Array) -> Array:
        """Return what `over_tolerance` makes of them, in `out`."""
        return over_tolerance(self.actual, self.expected, self.tolerance, out)


def sides(e: Evaluation, name: str) -> Sides:
    """Return a dumped quantity beside its definition; NaN and infinity in it always fail."""
    dump, expected = e.dumps[name], DUMPS[name](e)
    actual, value = dump.values, expected.value
    tolerance = dump_tolerance(dump, expected)
    # Bounds are of first order: they end where the rounding of a logit moves its exponential
    # by a factor.
    far = dump.computed.unit * _largest_logit(e) > 1.0
    if far.any():
        tolerance[..., far] = np.inf
    if not dump.finite and not np.isfinite(actual.sum()):
        tolerance[~np.isfinite(actual)] = 0.0
    if e.legal is not None and actual.ndim == 2:
        masked = ~e.legal
        tolerance[masked] = 0.0
        value = np.where(masked, 0.0, value)
        if name not in _ZERO_WHERE_MASKED:
            actual = np.where(masked, 0.0, actual)
    return Sides(actual, value, tolerance, expected.scale)


def _largest_logit(e: Evaluation) -> Array:
    """Return the largest |theta| of an action whose pi is not 0, shape `(rows,)`."""
    highest, depth = e.policy.highest, e.policy.depth
    largest: Array = np.maximum(np.abs(highest), np.abs(highest - depth))
    return largest


def check_dump(e: Evaluation, name: str) -> Tally:
    """Compare a dumped quantity with its definition."""
    return compare_sides(e, sides(e, name))


def compare_sides(e: Evaluation, found: Sides, ratio: Array | None = None) -> Tally:
    """Compare the sides of a dumped quantity: every place counts, a masked one must be 0.

    `ratio` is theirs, where it is known already.
    """
    return e.compare(*found, entries=found.actual.size, ratio=ratio)


@dataclass
class ReducedLoss:
    """The dumped loss of a whole case, against the sum of what each state contributes."""

    dump: Dump
    states: int = 0
    value: ExactSum = field(default_factory=ExactSum)
    rounding: ExactSum = field(default_factory=ExactSum)
    scale: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, e: Evaluation) -> "ReducedLoss":
        """Return the part of one block."""
        part = cls(e.dumps["loss"], states=e.block.rows)
        expected = _expected_loss(e)
        part.value.add(expected.value)
        part.rounding.add(expected.rounding)
        part.scale.add(expected.scale)
        return part

    def merge(self, other: "ReducedLoss") -> None:
        """Add the part of other blocks."""
        self.states += other.states
        self.value.merge(other.value)
        self.rounding.merge(other.rounding)
        self.scale.merge(other.scale)

    def tally(self) -> Tally:
        """Compare the two totals; summing over the states rounds too."""
        scale = float(self.scale)
        rounding = float(self.rounding) + summation(self.states) * scale
        total = Expected(*(np.array([x]) for x in (float(self.value), rounding, scale, scale)))
        actual = self.dump.values.reshape(1)
        tolerance = np.where(np.isfinite(actual), dump_tolerance(self.dump, total), 0.0)
        seen = sight(tolerance, total.scale, Buffers())
        tally = compare(
            actual, total.value, tolerance, seen, Buffers(), entries=1, start=0, limit=1
        )
        tally.spots = [spot._replace(state=None) for spot in tally.spots]
        return tally
