"""The table of checks: one block in, one partial result a check out.

Every check compares Eq. (6), or something that was computed elsewhere, with an oracle, within a
tolerance derived for the entry. Partial results of disjoint blocks merge in any order.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softcheck import analytic
from softcheck import loss as soft_loss
from softcheck.exact_sum import ExactSum
from softcheck.numeric import central, complex_step, exact, sampled
from softcheck.policy import (
    Array,
    Block,
    Buffers,
    Policy,
    evaluate,
    mean_over_actions,
    sum_over_actions,
)
from softcheck.tally import Tally, compare
from softcheck.tolerance import (
    DUMP_FACTOR,
    TINY,
    Bounds,
    Precision,
    U,
    bounds,
    live_magnitude,
    loss_rounding,
    summation,
)


@dataclass(frozen=True, slots=True)
class Dump:
    """A quantity that was computed elsewhere, for one block.

    Attributes
    ----------
    values : Array, shape (actions, rows) or (rows,)
    stored, computed : Precision
        What it was rounded to, and what it was computed in.
    """

    values: Array
    stored: Precision
    computed: Precision


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for every block of a case.

    Attributes
    ----------
    places : int
        Entries of the whole case, masked ones included.
    limit : int
        How many findings a check keeps.
    samples, seed : int
        Draws a state for the expectation form (0: none), and their seed.
    sample : sequence of (state, position), sorted
        Entries that the exact check looks at whatever their errors; `position` in [0, 1) picks
        one of the legal actions.
    """

    places: int
    limit: int
    samples: int = 0
    seed: int = 0
    sample: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Evaluation:
    """A block, and the quantities that its checks share.

    Attributes
    ----------
    block : Block
    start : int
        The number of the block's first state in the case.
    factor : Array, shape (rows,)
        What reduction and weights multiply the loss of each state by.
    legal : array of bool, shape (actions, rows), or None where every action is legal
    dumps : mapping of role to Dump
    context : Context
    buffers : Buffers
    """

    block: Block
    start: int
    factor: Array
    legal: NDArray[np.bool_] | None
    dumps: Mapping[str, Dump]
    context: Context
    buffers: Buffers

    @cached_property
    def policy(self) -> Policy:
        """The softmax quantities."""
        return evaluate(self.block, self.buffers)

    @cached_property
    def loss(self) -> soft_loss.Loss:
        """The sums of the loss."""
        return soft_loss.sums(self.block, self.policy, self.buffers)

    @cached_property
    def bounds(self) -> Bounds:
        """The rounding of Eq. (6) in float64, from the logits as they are."""
        return bounds(self.block, self.policy, self.loss, self.buffers)

    @cached_property
    def rounded_bounds(self) -> Bounds:
        """The same where the logits have been rounded, as for what was computed elsewhere."""
        return bounds(self.block, self.policy, self.loss, self.buffers, rounded_logits=True)

    @cached_property
    def gradient(self) -> Array:
        """Eq. (6), shape `(actions, rows)`."""
        return analytic.gradient(self.policy, self.buffers("gradient", self.policy.pi.shape))

    @cached_property
    def error(self) -> Array:
        """The bound on the rounding in `gradient`."""
        return self.bounds.of(U, TINY, self.buffers("error", self.policy.pi.shape))

    def at(self, block: Block) -> "Evaluation":
        """Return the evaluation of another block of the same states, beside this one."""
        return replace(self, block=block, dumps={}, buffers=self.buffers.nested)

    def mean(self, x: Array) -> Array:
        """Return the expectation of x under the policy, shape `(rows,)`."""
        return mean_over_actions(self.policy.pi, x, self.buffers)

    @property
    def legal_entries(self) -> int:
        """How many actions are legal in the block."""
        return self.block.q.size if self.legal is None else int(np.count_nonzero(self.legal))

    def compare(
        self,
        actual: Array,
        expected: Array,
        tolerance: Array,
        scale: Array,
        *,
        entries: int | None = None,
        about: str = "",
    ) -> Tally:
        """Compare two sides of this block, see `tally.compare`; by default its legal entries."""
        return compare(
            actual,
            expected,
            tolerance,
            scale,
            self.buffers,
            entries=self.legal_entries if entries is None else entries,
            start=self.start,
            limit=self.context.limit,
            about=about,
        )


def check_complex_step(e: Evaluation) -> Tally:
    """Eq. (6) against the complex-step derivative of the loss, every logit."""
    value, error = complex_step.gradient(e.loss, e.bounds, e.buffers)
    error += e.error
    return e.compare(e.gradient, value, error, e.bounds.scale)


def check_central_difference(e: Evaluation) -> Tally:
    """Eq. (6) against the central difference of the loss, every logit."""
    value, error = central.gradient(e.policy, e.loss, e.bounds, e.buffers)
    error += e.error
    return e.compare(e.gradient, value, error, e.bounds.scale)


def check_sampled(e: Evaluation) -> Tally:
    """Eq. (6) against the mean of -(1{a' = a} - pi(a)) g(a') over drawn actions a'."""
    context = e.context
    value, error = sampled.gradient(
        e.policy, e.start, context.samples, context.seed, context.places, e.buffers
    )
    error += e.error
    return e.compare(e.gradient, value, error, e.bounds.scale)


def check_invariants(e: Evaluation) -> Tally:
    """Eq. (6) against identities of the true gradient, which need no step."""
    tally = _sum_is_zero(e)
    tally.merge(_unmoved_by_shift_and_scale(e))
    tally.merge(_zero_at_optimum(e))
    return tally


def _sum_is_zero(e: Evaluation) -> Tally:
    """The gradient of a state sums to 0."""
    total = sum_over_actions(e.gradient, e.buffers)
    size = sum_over_actions(np.abs(e.gradient), e.buffers)
    tolerance = sum_over_actions(e.error, e.buffers)
    tolerance += U * summation(len(e.gradient)) * size
    return e.compare(
        total,
        np.zeros_like(total),
        tolerance,
        sum_over_actions(e.bounds.scale, e.buffers),
        entries=total.size,
        about="the sum over actions is 0",
    )


def _unmoved_by_shift_and_scale(e: Evaluation) -> Tally:
    """gradient(2 (Q + d), 2 alpha, theta + c) = 2 gradient(Q, alpha, theta), for any c and d.

    c makes the largest logit 3 and d centres u, so that the shifts cost little rounding.
    """
    shape = e.block.q.shape
    q = np.subtract(e.block.q, e.loss.baseline, out=e.buffers("shifted.q", shape))
    q *= 2.0
    logits = np.add(e.policy.z, 3.0, out=e.buffers("shifted.logits", shape))
    other = e.at(Block(q, logits, 2.0 * e.block.alpha))
    tolerance = other.rounded_bounds.of(U, TINY, e.buffers("invariants.tolerance", shape))
    of_q = np.abs(q, out=q)
    of_q += mean_over_actions(other.policy.pi, of_q, e.buffers)
    of_q *= other.policy.pi
    of_q *= U
    tolerance += of_q
    tolerance *= 0.5
    tolerance += e.error
    actual = np.multiply(other.gradient, 0.5, out=of_q)
    about = "the same after a shift of Q and of the logits, and homogeneous in (Q, alpha)"
    return e.compare(actual, e.gradient, tolerance, e.bounds.scale, about=about)


def _zero_at_optimum(e: Evaluation) -> Tally:
    """The gradient vanishes at theta = Q / alpha; alpha = 0 has no optimum, so 1 is taken there."""
    shape = e.block.q.shape
    alpha = np.where(e.block.alpha > 0, e.block.alpha, 1.0)
    logits = np.divide(e.block.q, alpha, out=e.buffers("optimum.logits", shape))
    if e.legal is not None:
        np.copyto(logits, -np.inf, where=~e.legal)
    other = e.at(Block(e.block.q, logits, alpha))
    tolerance = other.rounded_bounds.of(U, TINY, e.buffers("invariants.tolerance", shape))
    return e.compare(
        other.gradient,
        np.zeros(shape),
        tolerance,
        other.rounded_bounds.scale,
        about="zero at theta = Q / alpha",
    )


def check_descent(e: Evaluation) -> Tally:
    """The loss after a small step along pi A_soft against its first-order prediction.

    The Hessian of L is alpha (diag pi - pi pi^T) + diag G - pi G^T - G pi^T with G = dL/dtheta,
    so its norm is at most M = max |G| + 2 |pi| |G| + alpha. With eta = 1 / 16 M no logit moves
    by more than 1/16, along the way M at most doubles, and the loss changes by -eta |G|^2 to
    within an eighth of that: it falls.
    """
    policy, gradient, buffers = e.policy, e.gradient, e.buffers
    shape = gradient.shape
    square = np.multiply(gradient, gradient, out=buffers("descent.square", shape))
    norm2 = sum_over_actions(square, buffers)
    np.multiply(policy.pi, policy.pi, out=square)
    pi_norm2 = sum_over_actions(square, buffers)
    largest = np.abs(gradient, out=square).max(axis=0)
    curvature = largest + 2.0 * np.sqrt(pi_norm2 * norm2) + e.block.alpha
    eta = 1.0 / (16.0 * np.where(curvature > 0, curvature, 1.0))

    q = np.subtract(e.block.q, e.loss.baseline, out=buffers("descent.q", shape))
    logits = np.multiply(gradient, -eta, out=buffers("descent.logits", shape))
    logits += policy.z
    stepped = e.at(Block(q, logits, e.block.alpha)).loss
    actual = stepped() - stepped.baseline - e.loss()
    # Both losses round, the second at a policy so near that twice the bound of the first holds.
    rounding = U * loss_rounding(policy, e.block.alpha, e.bounds) + TINY
    scale = eta * sum_over_actions(np.square(e.bounds.scale, out=square), buffers)
    return e.compare(
        actual,
        -eta * norm2,
        eta * norm2 / 8.0 + 3.0 * rounding,
        scale,
        entries=actual.size,
    )


class Expected(NamedTuple):
    """What a dumped quantity should be.

    `rounding` is its bound in units of U, `scale` the size of what it is made of, and `size` the
    same before it is weighted by pi, for underflow of pi.
    """

    value: Array
    rounding: Array
    scale: Array
    size: Array


def _log_policy_rounding(e: Evaluation) -> Array:
    """z, log Z, the logits themselves and the difference: see `tolerance.bounds` for rho."""
    policy = e.policy
    logits = live_magnitude(e.block.logits, policy, np.empty_like(policy.z))
    rho = logits - policy.z + 3.0
    normaliser = summation(len(rho)) + e.mean(rho)
    return logits - policy.z - policy.log_pi + 2.0 * policy.log_Z + normaliser + 1.0


def _expected_policy(e: Evaluation) -> Expected:
    pi = e.policy.pi
    return Expected(pi, pi * (_log_policy_rounding(e) + 2.0), pi, pi)


def _expected_log_policy(e: Evaluation) -> Expected:
    # Not `policy.log_pi`, which ends at a floor.
    log_pi = e.block.logits - e.block.logits.max(axis=0) - e.policy.log_Z
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
    factor, of = np.abs(e.factor), e.rounded_bounds
    # Backward passes weigh g and V by pi one by one.
    g = np.abs(e.policy.g)
    size = g + e.mean(g) + e.block.alpha
    return Expected(e.gradient * e.factor, of.rounding * factor, of.scale * factor, size * factor)


ORACLES: dict[str, Callable[[Evaluation], Tally]] = {
    "complex-step": check_complex_step,
    "central-difference": check_central_difference,
    "invariants": check_invariants,
    "descent": check_descent,
    "sampled": check_sampled,
}
"""What Eq. (6) itself is checked against. `exact` is not among them: it looks at chosen entries."""

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


def _tolerance(dump: Dump, expected: Expected) -> Array:
    """K E(U_c) + U_s |expected|, and the underflow of either precision."""
    computed, stored = dump.computed, dump.stored
    underflow = max(computed.underflow, stored.underflow)
    return (
        (DUMP_FACTOR * computed.unit) * expected.rounding
        + stored.unit * np.abs(expected.value)
        + underflow * (1.0 + expected.size)
    )


def check_dump(e: Evaluation, name: str) -> Tally:
    """Compare a dumped quantity with its definition; NaN and infinity in it always fail."""
    dump, expected = e.dumps[name], DUMPS[name](e)
    actual, value = dump.values, expected.value
    tolerance = _tolerance(dump, expected)
    # Bounds are of first order: they end where the rounding of a logit moves its exponential
    # by a factor.
    logits = live_magnitude(e.block.logits, e.policy, e.buffers("dump.logits", e.policy.w.shape))
    tolerance[..., dump.computed.unit * logits.max(axis=0) > 1.0] = np.inf
    tolerance[~np.isfinite(actual)] = 0.0
    if e.legal is not None and actual.ndim == 2:
        masked = ~e.legal
        tolerance[masked] = 0.0
        value = np.where(masked, 0.0, value)
        if name not in _ZERO_WHERE_MASKED:
            actual = np.where(masked, 0.0, actual)
    return e.compare(actual, value, tolerance, expected.scale, entries=actual.size)


def check(e: Evaluation, name: str) -> Tally:
    """Run one check of a block, by its name in `ORACLES` or `DUMPS`."""
    with np.errstate(all="ignore"):  # what overflows is blind, and counted
        return ORACLES[name](e) if name in ORACLES else check_dump(e, name)


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
        part = cls(e.dumps["loss"], states=e.block.alpha.size)
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
        tolerance = np.where(np.isfinite(actual), _tolerance(self.dump, total), 0.0)
        tally = compare(
            actual, total.value, tolerance, total.scale, Buffers(), entries=1, start=0, limit=1
        )
        tally.spots = [spot._replace(state=None) for spot in tally.spots]
        return tally


class Suspect(NamedTuple):
    """An entry for the exact check with all it depends on; its block has one row."""

    rank: tuple[float, int, int]
    state: int
    action: int
    block: Block


@dataclass
class Partial:
    """What the checks found in some blocks.

    Attributes
    ----------
    tallies : dict of check to Tally
    total : ReducedLoss or None
        The part of a loss that was dumped as one number.
    suspects : dict of check to the worst entry it has seen
    sample : list of Suspect
        The entries of the random sample.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    total: ReducedLoss | None = None
    suspects: dict[str, Suspect] = field(default_factory=dict)
    sample: list[Suspect] = field(default_factory=list)

    def merge(self, other: "Partial") -> None:
        """Add what was found in other blocks."""
        for name, tally in other.tallies.items():
            if name in self.tallies:
                self.tallies[name].merge(tally)
            else:
                self.tallies[name] = tally
        if self.total is not None and other.total is not None:
            self.total.merge(other.total)
        else:
            self.total = self.total or other.total
        for name, suspect in other.suspects.items():
            self.suspects[name] = min(suspect, self.suspects.get(name, suspect), key=_rank)
        self.sample += other.sample


def _rank(suspect: Suspect) -> tuple[float, int, int]:
    """The sort key: worst first, then in the order of the table."""
    return suspect.rank


def run(e: Evaluation) -> Partial:
    """Run every check of one block but the exact one, and set entries aside for that."""
    partial = Partial()
    for name in ORACLES:
        if name != "sampled" or e.context.samples:
            _record(partial, name, check(e, name), e)
    for name in DUMPS:
        if name not in e.dumps:
            continue
        if e.dumps[name].values.ndim == 0:
            with np.errstate(all="ignore"):
                partial.total = ReducedLoss.of(e)
        else:
            _record(partial, name, check(e, name), e)
    sample = e.context.sample
    first = bisect_left(sample, (e.start, 0.0))
    last = bisect_left(sample, (e.start + e.block.alpha.size, 0.0))
    for state, position in sample[first:last]:
        row = state - e.start
        legal = np.flatnonzero(np.isfinite(e.block.logits[:, row]))
        action = int(legal[int(position * legal.size)])
        partial.sample.append(_suspect(e, (0.0, state, action), row, action))
    return partial


def _record(partial: Partial, name: str, tally: Tally, e: Evaluation) -> None:
    """Keep a tally, and its worst entry for the exact check."""
    partial.tallies[name] = tally
    worst = tally.spots[0]
    if worst.state is None or worst.action is None:
        return
    row = worst.state - e.start
    if np.isfinite(e.block.logits[worst.action, row]):
        partial.suspects[name] = _suspect(e, worst.rank, row, worst.action)


def _suspect(e: Evaluation, rank: tuple[float, int, int], row: int, action: int) -> Suspect:
    """Copy a state out of the buffers of its block."""
    column = slice(row, row + 1)
    block = Block(*(x[..., column].copy() for x in (e.block.q, e.block.logits, e.block.alpha)))
    return Suspect(rank, e.start + row, action, block)


EXACT_ENTRIES = 64
EXACT_TERMS = 20_000
"""The exact check looks at most at so many entries, made of at most so many terms (but at 2)."""


def exact_budget(actions: int) -> int:
    """Return how many entries of states with `actions` actions the exact check may look at."""
    return max(2, min(EXACT_ENTRIES, EXACT_TERMS // actions))


def check_exact(partial: Partial, context: Context) -> Tally:
    """Eq. (6) and both numeric methods against 60-digit arithmetic, at chosen entries.

    The entries are the worst one of each check, as far as they fill half of the budget, and a
    random sample.
    """
    worst = sorted(partial.suspects.values(), key=_rank)
    actions = worst[0].block.q.shape[0] if worst else partial.sample[0].block.q.shape[0]
    budget = exact_budget(actions)
    chosen = {
        (suspect.state, suspect.action): suspect
        for suspect in worst[: budget // 2] + sorted(partial.sample, key=_rank)
    }
    suspects = list(chosen.values())[:budget]
    block = Block(
        *(
            np.ascontiguousarray(np.concatenate(parts, axis=-1))
            for parts in zip(
                *((s.block.q, s.block.logits, s.block.alpha) for s in suspects), strict=True
            )
        )
    )
    e = Evaluation(block, 0, np.ones(len(suspects)), None, {}, context, Buffers())
    truth = np.array([_exact_gradient(suspect) for suspect in suspects])
    at = np.array([suspect.action for suspect in suspects]), np.arange(len(suspects))
    tally = Tally(context.limit)
    with np.errstate(all="ignore"):
        sides = {
            "Eq. (6)": (e.gradient, e.error),
            "complex step": complex_step.gradient(e.loss, e.bounds, e.buffers),
            "central difference": central.gradient(e.policy, e.loss, e.bounds, e.buffers),
        }
        for about, (value, error) in sides.items():
            tally.merge(
                e.compare(
                    value[at], truth, error[at], e.bounds.scale[at], entries=truth.size, about=about
                )
            )
    tally.spots = [
        spot._replace(state=suspects[spot.state].state, action=suspects[spot.state].action)
        for spot in tally.spots
        if spot.state is not None
    ]
    return tally


def _exact_gradient(suspect: Suspect) -> float:
    """Return dL/dtheta at a suspect from its legal actions."""
    block = suspect.block
    legal = np.flatnonzero(np.isfinite(block.logits[:, 0]))
    action = legal.tolist().index(suspect.action)
    (value,) = exact.gradient(
        block.q[legal, 0].tolist(), block.logits[legal, 0].tolist(), float(block.alpha[0]), [action]
    )
    return value
