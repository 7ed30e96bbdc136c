"""What was computed elsewhere, the gradient and all on the way to it, against its definition."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import add
from typing import Annotated, NamedTuple

import numpy as np

from softcheck.checks.evaluation import Dump, Evaluation
from softcheck.checks.exact_sum import ExactSum
from softcheck.checks.merging import Merging, kept, merged
from softcheck.checks.tally import Tally, compare, over_tolerance, sight
from softcheck.gradient.policy import Buffers, Entries, Number, PerState, Quantity, Some, States
from softcheck.gradient.tolerance import (
    NONE_NEEDED,
    Allowance,
    Needed,
    allow,
    of_logarithm,
    of_normaliser,
    summation,
)

NO_MATTER = 2.0**-20
"""What is less, of a bound, is no matter."""


class Expected(NamedTuple):
    """What a dumped quantity should be.

    `rounding` is its bound in units of U, `scale` the size of what it is made of, and `size` the
    same before it is weighted by pi, for underflow of pi; the largest of each state will do.
    """

    value: Quantity
    rounding: Quantity
    scale: Quantity
    size: Quantity


def _log_policy_rounding(e: Evaluation) -> Entries:
    return of_logarithm(e.block, e.policy, e.buffers)


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
    rounding = e.mean(of_log - (of_log + 2.0 + summation(e.actions)) * log_pi)
    return Expected(value, rounding + value, value, value)


def _expected_g(e: Evaluation) -> Expected:
    log_pi = _expected_log_policy(e)
    alpha, q = e.block.alpha, e.block.q
    magnitude = np.abs(q) + alpha * log_pi.scale
    rounding = magnitude + alpha * (log_pi.rounding + log_pi.scale)
    return Expected(q - alpha * log_pi.value, rounding, magnitude, magnitude)


def _expected_value(e: Evaluation) -> Expected:
    loss = e.kernel.value
    return Expected(e.policy.value, loss.rounding, loss.scale, loss.scale)


def _expected_advantage(e: Evaluation) -> Expected:
    g, value = _expected_g(e), _expected_value(e)
    advantage = g.value - value.value
    rounding = g.rounding + value.rounding + np.abs(advantage)
    scale = g.scale + value.scale
    return Expected(advantage, rounding, scale, scale)


def _expected_loss(e: Evaluation) -> Expected:
    """The loss, or what each state adds to it before it is reduced, with its weight."""
    value, rounding, scale = e.kernel.value
    each = e.dumps["loss"].values.ndim > 0
    factor = e.factor if e.of_loss is None else e.of_loss
    factor = factor / e.context.reduction if each else factor
    size = np.abs(factor)
    return Expected(value * factor, rounding * size, scale * size, scale * size)


def _expected_gradient(e: Evaluation) -> Expected:
    """The formula, with the rounding of logits that had been rounded themselves.

    What frameworks lose beyond that, who subtract logsumexp, is in `allowance`.
    """
    kernel, pi, factor = e.kernel, e.policy.pi, np.abs(e.factor)

    def buffer(quantity: str) -> Entries:
        return e.buffers(f"expected.{quantity}", pi.shape)

    value, scale, rounding = e.gradient, e.scale, kernel.dump_rounding
    computed = e.dumps["gradient"].computed
    if e.legal is not None:
        np.copyto(rounding, kernel.left_where_masked / computed.factor, where=~e.legal)
    if (e.factor != 1.0).any():
        value = np.multiply(value, e.factor, out=buffer("value"))
        scale = np.multiply(scale, factor, out=buffer("scale"))
        rounding *= factor
    coarse = coarse_factor(e)
    if coarse.any():
        rounding += kernel.scale * (coarse * factor / computed.tolerated)
    size = _size_of_gradient(e)
    # A mean gathers what underflow takes from each of its terms, and is weighted by pi.
    gathered = e.actions * computed.underflow / computed.tolerated * (1.0 + size)
    matters = gathered > NO_MATTER * factor * e.bounds.size
    if matters.any():
        rounding += np.where(matters, gathered, 0.0) * (
            pi if e.legal is None else np.where(e.legal, pi, 1.0)
        )
    return Expected(value, rounding, scale, size)


def coarse_factor(e: Evaluation) -> PerState:
    """Return how far what multiplies the loss may be off, relative to itself, by underflow.

    It is 0 where that is no smaller than what has all of its digits. A reduction and a weight may
    both be that small; the temperature divides a gradient, not them.
    """
    computed = e.dumps["gradient"].computed
    of_loss = np.abs(e.factor if e.of_loss is None else e.of_loss)
    coarse: PerState = np.zeros_like(of_loss)
    for size in (of_loss, np.full_like(of_loss, abs(e.context.reduction))):
        small = (size > 0.0) & (size * computed.unit < computed.underflow)
        coarse += np.minimum(
            np.divide(computed.underflow, size, out=np.zeros_like(size), where=small), 1.0
        )
    return coarse


def _size_of_gradient(e: Evaluation) -> States:
    """Return the size of what an entry is made of, for underflow.

    A gradient by logits over a temperature is divided by that once it is there.
    """
    weighted: States = e.kernel.weight_of_underflow * np.abs(e.factor)
    return weighted + divided_beyond(e)


def divided_beyond(e: Evaluation) -> PerState:
    """Return what a temperature below 1 multiplies the gradient by, less 1; else 0."""
    if e.of_loss is None:
        return np.zeros(1)
    divided = np.divide(e.factor, e.of_loss, out=np.zeros_like(e.factor), where=e.of_loss != 0.0)
    beyond: PerState = np.maximum(divided - 1.0, 0.0)
    return beyond


def underflow(e: Evaluation) -> States:
    """Return the part of the tolerance of a dumped gradient that is room for underflow."""
    dump = e.dumps["gradient"]
    return dump.factor * dump.computed.underflow_as(dump.stored) * (1.0 + _size_of_gradient(e))


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

_SEEN_WHERE_MASKED = {"policy", "gradient"}
"""What is 0 where an action is masked: the policy exactly, the gradient but for rounding."""


def dump_tolerance(dump: Dump, expected: Expected) -> Quantity:
    """Return K E(U_c) + U_s |expected| plus the underflow of either precision, times its factor.

    Where what was computed is stored as it is, its last rounding is part of E. The array of
    `expected.rounding` becomes the tolerance.
    """
    computed, stored = dump.computed, dump.stored
    # In units of K U_c, so that no product needs an array of its own.
    unit = computed.tolerated
    tolerance = expected.rounding
    tolerance += (computed.underflow_as(stored) / unit) * (1.0 + expected.size)
    if stored.unit > computed.unit:
        tolerance += (stored.unit / unit) * np.abs(expected.value)
    tolerance *= unit * dump.factor
    if dump.decimal:
        tolerance += dump.factor * printed(dump.decimal, expected.scale)
    return tolerance


def printed(decimal: float, scale: Quantity) -> Quantity:
    """Return how far a dump may be off where it and all that it is made of were printed.

    Logits that are off by h move pi by 2 h pi, log pi by 2 h, and so the gradient by 2 h of its
    scale, a mean by 4 h of its own; Q moves it by h, and its own last decimal by h.
    """
    return 4.0 * decimal * (1.0 + scale)


class Sides(NamedTuple):
    """A dumped quantity, what it should be, and how they compare; 0 tolerates no difference."""

    actual: Quantity
    expected: Quantity
    tolerance: Quantity
    scale: Quantity

    def error(self) -> Quantity:
        """Return how far they are apart."""
        error: Quantity = np.subtract(self.actual, self.expected)
        return np.abs(error, out=error)

    def ratio(self, out: Quantity) -> Quantity:
        """Return what `over_tolerance` makes of them, in `out`."""
        return over_tolerance(self.actual, self.expected, self.tolerance, out)


def sides(e: Evaluation, name: str) -> Sides:
    """Return a dumped quantity beside its definition; NaN and infinity in it always fail."""
    return judged(e, name)[0]


def judged(e: Evaluation, name: str) -> tuple[Sides, Needed]:
    """Return the sides of a dumped quantity, and how often they needed an allowance."""
    found = bounded(e, name)
    if name != "gradient":
        return found, NONE_NEEDED
    ratio = found.ratio(e.buffers("scratch.2", found.actual.shape))
    if ratio.max() <= 1.0 and ratio.min() >= -1.0:
        return found, NONE_NEEDED
    return allowed(e, found, found.error())


def allowed(e: Evaluation, found: Sides, error: Quantity) -> tuple[Sides, Needed]:
    """Return the sides of a gradient with what its states may be allowed beyond bounds.

    `error` is that of `found`.
    """
    actual, value, tolerance, scale = found
    needing = partial(allowance, e)
    value, tolerance, needed = allow(actual, value, tolerance, needing, error, e.counts)
    return Sides(actual, value, tolerance, scale), needed


def bounded(e: Evaluation, name: str) -> Sides:
    """Return the sides of a dumped quantity without what a state may be allowed beyond bounds."""
    dump, expected = e.dumps[name], DUMPS[name](e)
    actual, value = dump.values, expected.value
    tolerance = dump_tolerance(dump, expected)
    # Bounds are of first order: they end where the rounding of a logit moves its exponential
    # by a factor. What is left where an action is masked depends on no logit.
    far = dump.computed.unit * largest_logit(e.policy.highest, e.policy.depth) > 1.0
    if far.any():
        seen = True if e.legal is None or actual.ndim == 1 else e.legal
        np.copyto(tolerance, np.inf, where=far & seen)
    if not dump.finite and not np.isfinite(actual.sum()):
        tolerance[~np.isfinite(actual)] = 0.0
    if e.legal is not None and actual.ndim == 2:
        masked = ~e.legal
        value = np.where(masked, 0.0, value)
        if name != "gradient":
            tolerance[masked] = 0.0
        if name not in _SEEN_WHERE_MASKED:
            actual = np.where(masked, 0.0, actual)
    return Sides(actual, value, tolerance, expected.scale)


def allowance(e: Evaluation, states: Some) -> Allowance:
    """Return what the gradient of some states of a block is allowed, see `Allowance`."""
    dump, policy, kernel = e.dumps["gradient"], e.policy, e.kernel
    factor = dump.factor * np.broadcast_to(np.abs(e.factor), (e.block.rows,))[states]
    logsumexp = policy.logsumexp[states]
    normaliser = dump.computed.unit * of_normaliser(logsumexp, kernel.offset[states])
    parts = None
    if dump.stored.unit > dump.computed.unit:
        parts = kernel.parts(states) * (factor * dump.stored.unit)
    return Allowance(policy.pi[:, states], factor * normaliser, parts)


def largest_logit(highest: Number, depth: Number) -> Number:
    """Return the largest |theta| of an action whose pi is not 0, from those of `Policy`."""
    return np.maximum(np.abs(highest), np.abs(highest - depth))


def check_dump(e: Evaluation, name: str) -> Tally:
    """Compare a dumped quantity with its definition."""
    return compare_sides(e, sides(e, name))


def compare_sides(e: Evaluation, found: Sides, ratio: Quantity | None = None) -> Tally:
    """Compare the sides of a dumped quantity: every place counts, a masked one must be 0 too.

    `ratio` is theirs, where it is known already.
    """
    places = e.block.rows * (1 if found.actual.ndim == 1 else e.actions)
    return e.compare(*found, entries=places, ratio=ratio)


@dataclass
class Total(Merging):
    """What was dumped as one number, against the sum of what each state of the case adds to it."""

    dump: Annotated[Dump, kept]
    states: Annotated[int, add]
    value: Annotated[ExactSum, merged] = field(default_factory=ExactSum)
    rounding: Annotated[ExactSum, merged] = field(default_factory=ExactSum)
    scale: Annotated[ExactSum, merged] = field(default_factory=ExactSum)

    @classmethod
    def of(cls, e: Evaluation, name: str) -> "Total":
        """Return the part of one block."""
        part, expected = cls(e.dumps[name], e.block.rows), DUMPS[name](e)
        part.value.add(expected.value)
        part.rounding.add(expected.rounding)
        part.scale.add(expected.scale)
        return part

    @np.errstate(all="ignore")  # what is not finite is compared too
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
        tally.relocate(lambda spot: spot._replace(state=None))
        return tally
