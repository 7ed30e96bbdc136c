"""The loss that is linear in pi, pi log pi, log pi and logsumexp squared, on a block of states.

Its gradient, its rounding and its numeric derivatives have closed forms. Discrete SAC, whose
gradient is Eq. (6), is the case without y and zeta.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from softcheck.gradient import analytic
from softcheck.gradient.kernel import Once, Sized
from softcheck.gradient.loss import Terms, change
from softcheck.gradient.numeric import central, complex_step, exact, sampled
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Number,
    PerState,
    Policy,
    Rough,
    Some,
    States,
    evaluate,
    sum_of_products,
)
from softcheck.gradient.tolerance import (
    Closed,
    Error,
    U,
    bounds,
    live_magnitude,
    of_dump,
    of_logarithm,
    of_masked,
    of_parts,
    scale,
    summation,
)


def of_change(n: float, total: Number, alpha: Number, loose: Number, longest: Number) -> Number:
    """Return the rounding of a change of the loss, see `Family.change`."""
    return 3.0 * longest * (total + n * alpha + (2.0 * n + 10.0) * loose)


def curvature_of(slope: Number, total: Number, alpha: Number, square: Number) -> Number:
    """Return at least the norm of the Hessian, see `Family.curvature`."""
    return 3.0 * (slope + 2.0 * U * total) + alpha + square


def weight_of_products(value: Number, largest: Number, of_r: Number, alpha: Number) -> Number:
    """Return the most that pi is weighed by where g, V and r are, one by one."""
    return 2.0 * (np.abs(value) + largest + of_r) + alpha


@dataclass(frozen=True)
class Family:
    """A block of the family as a `kernel.Kernel`.

    Attributes
    ----------
    block : Block
    buffers : Buffers
    """

    block: Block
    buffers: Buffers

    @Once
    def policy(self) -> Policy:
        """The softmax quantities."""
        return evaluate(self.block, self.buffers)

    @Once
    def r(self) -> States | None:
        """Y + 2 zeta logsumexp, or None where the loss has neither."""
        return analytic.linear(self.block, self.policy, self.buffers)

    @Once
    def gradient(self) -> Entries:
        """Its formula, see `analytic.gradient`."""
        out = self.buffers("gradient", self.policy.pi.shape)
        return analytic.gradient(self.policy, self.r, self.block.target, self.buffers, out)

    @Once
    def terms(self) -> Terms:
        """The terms of the loss."""
        return Terms.of(self.block, self.policy, self.buffers)

    @Once
    def bounds(self) -> Closed:
        """The rounding of the gradient in float64, the coefficients taken as exact."""
        return bounds(self.block, self.policy, self.terms, self.r, self.buffers)

    @Once
    def scale(self) -> Entries:
        """What the gradient of each entry is made of."""
        return scale(self.policy, self.bounds, self.block.target, self.buffers)

    @property
    def peak(self) -> States:
        """At most the largest scale of a state: the largest pi is 1 / Z."""
        peak: States = self.bounds.size * np.exp(-self.policy.log_Z)
        return peak

    @property
    def row_sum(self) -> Sized:
        """2 zeta logsumexp."""
        bounds = self.bounds
        rounding = bounds.total + summation(self._actions) * bounds.slope
        value = np.zeros(self.block.rows)
        if self.block.zeta is not None:
            value += 2.0 * self.block.zeta * self.policy.logsumexp
            rounding = rounding + bounds.err
        return Sized(value, rounding, bounds.spread + bounds.size + bounds.of_y)

    def complex_step(self) -> tuple[Entries, Error]:
        """See `numeric.complex_step`."""
        return complex_step.gradient(self.terms, self.buffers), self._of_routes

    def central_difference(self) -> tuple[Entries, Error]:
        """See `numeric.central`."""
        return central.gradient(self.terms, self.buffers), self._of_routes

    @Once
    def _of_routes(self) -> Error:
        """What either numeric route may err by: made once, and hardly wider than that of one."""
        return self.bounds.with_own(central.ROUNDINGS, self.buffers)

    def change(self, step: Entries, longest: States) -> tuple[States, States]:
        """See `loss.change`.

        Its terms round by at most |step| times what those of the gradient do, summed over the
        actions, those of the entropy by alpha (rho + n) times that, and likewise those of y and
        logsumexp, whose errors may cancel in the gradient.
        """
        n, loose = summation(self._actions), self.bounds.of_y + self._size_of_square(1.0)
        rounding = of_change(n, self.bounds.total, self._alpha, loose, longest)
        return change(self.terms, step, self.buffers), rounding

    def homogeneous(self) -> Entries:
        """Return half of gradient(2 (q - alpha theta + c), 0, 2 y, 2 zeta), for some c.

        All at once: a shift of q changes nothing, the gradient is homogeneous in its coefficients,
        and the entropy moves into q: at theta = q / alpha, where q - alpha theta is constant, the
        part of both is zero. c makes the mean 0. (pi does not see a shift of the logits, for it is
        made of theta - max theta.) The loss has a q or an alpha.
        """
        policy, terms, buffers = self.policy, self.terms, self.buffers
        g = np.multiply(terms.u, 2.0, out=buffers("scratch", policy.g.shape))
        r = None if self.r is None else 2.0 * self.r
        moved = replace(policy, g=g, value=self._mean(g))
        value = analytic.gradient(moved, r, None, buffers, buffers("value", g.shape))
        value *= 0.5
        if self.block.target is not None:
            self.block.target.add_to(value, -1.0, buffers)
        return value

    def sampled(
        self, start: int, samples: int, seed: int, intervals: int
    ) -> tuple[Entries, Entries]:
        """See `numeric.sampled`."""
        value, error = sampled.gradient(self.policy, start, samples, seed, intervals, self.buffers)
        if self.r is not None:
            value += self.policy.pi * self.r
        if self.block.target is not None:
            self.block.target.add_to(value, -1.0, self.buffers)
        return value, error

    @property
    def curvature(self) -> States:
        """At least the norm of the Hessian.

        With G the gradient of the part in q and alpha, and C = diag pi - pi pi^T whose norm is at
        most 1/2, it is alpha C + diag G - pi G^T - G pi^T + (Y + 2 zeta logsumexp) C + 2 zeta pi
        pi^T. Three times the sum of the whole |gradient| also keeps a step of a sixteenth of its
        inverse below 1/48.
        """
        bounds, square = self.bounds, self._size_of_square(1.0)
        curvature: States = curvature_of(bounds.slope, bounds.total, self._alpha, square)
        return curvature

    def _size_of_square(self, beside: float) -> PerState:
        """Return 2 |zeta| (|logsumexp| + beside)."""
        if self.block.zeta is None:
            return np.zeros(1)
        size: PerState = 2.0 * np.abs(self.block.zeta) * (np.abs(self.policy.logsumexp) + beside)
        return size

    def exact(self, actions: Sequence[int]) -> list[float]:
        """See `numeric.exact`."""
        block, entries = self.block.apart(actions)
        legal = np.flatnonzero(np.isfinite(block.logits[:, 0]))
        counts = None if block.repeats is None else block.repeats.counts[legal, 0]
        zeta = 0.0 if block.zeta is None else float(block.zeta[0])
        y, of = None, block.target
        if of is not None:
            dense = None if of.dense is None else of.dense[legal, 0].tolist()
            index = None if of.index is None else int(np.searchsorted(legal, of.index[0]))
            uniform, chosen = (0.0 if x is None else float(x[0]) for x in (of.uniform, of.chosen))
            y = exact.Weights(dense, uniform, index, chosen)
        return exact.gradient(
            block.q[legal, 0].tolist(),
            block.logits[legal, 0].tolist(),
            float(block.alpha[0]),
            np.searchsorted(legal, entries).tolist(),
            y,
            zeta,
            None if counts is None else counts.astype(np.intp).tolist(),
        )

    def summand(self, number: int, out: Entries) -> Entries:
        """Return the gradient of a term: that of the family, with coefficients of its own."""
        of, policy = self.block.summands[number], self.policy
        g, value = of.q, np.zeros(of.rows)
        if of.alpha.any():
            g = np.subtract(of.q, of.alpha * policy.log_pi, out=out)
        if of.soft:
            value = self._mean(g)
        policy = replace(policy, g=g, value=value)
        r = analytic.linear(of, policy, self.buffers)
        return analytic.gradient(policy, r, of.target, self.buffers, out)

    @property
    def _actions(self) -> int:
        """How many actions a state has."""
        return self.buffers.actions(self.policy.pi)

    @property
    def _alpha(self) -> PerState:
        """The size of alpha, which is negative where a loss wants less entropy."""
        size: PerState = np.abs(self.block.alpha)
        return size

    def _mean(self, x: Entries) -> States:
        """Return the expectation of x under the policy."""
        return sum_of_products(self.policy.pi, x, self.buffers)

    @property
    def dump_rounding(self) -> Entries:
        """See `tolerance.of_dump`; what coefficients add that had been rounded themselves.

        What frameworks lose that subtract logsumexp is in `offset`.
        """
        out = self.buffers("dump.rounding", self.policy.pi.shape)
        of_dump(self.block, self.policy, self.bounds, self.scale, out, self.buffers)
        if self.rough is not None:
            self.add_rough(self.rough, out)
        return out

    @property
    def rough(self) -> Rough | None:
        """How far the coefficients may be off that whoever dumped a gradient has computed."""
        return self.block.rough

    def add_rough(self, rough: Rough, out: Entries) -> None:
        """Add what errors of the coefficients do to the gradient: it is linear in each of them."""
        pi, shared = self.policy.pi, np.zeros(self.block.rows)
        if rough.q is not None:
            out += pi * rough.q
            shared += self._mean(rough.q)
        if rough.alpha is not None:
            # |log pi - sum pi log pi| = |z - sum pi z|, and sum pi |z| is at most log A.
            out -= pi * self.policy.z * rough.alpha
            shared += np.log(self._actions) * rough.alpha
        if rough.target is not None:
            rough.target.add_to(out, 1.0, self.buffers)
            shared += rough.target.total(self.buffers)
        if rough.zeta is not None:
            shared += 2.0 * rough.zeta * np.abs(self.policy.logsumexp)
        out += pi * shared

    @property
    def left_where_masked(self) -> States:
        """See `tolerance.of_masked`; dL/dpi of -sum y log pi is -y / pi."""
        bounds = self.bounds
        size = np.abs(self.policy.value) + bounds.size
        return of_masked(summation(self._actions), size, bounds.spread + 2.0 * bounds.of_y)

    @property
    def weight_of_underflow(self) -> States:
        """See `weight_of_products`."""
        bounds, value = self.bounds, self.policy.value
        of_r = bounds.of_y + bounds.of_square
        weight: States = weight_of_products(value, bounds.largest, of_r, self._alpha)
        return weight

    @property
    def offset(self) -> States:
        """|sum pi h| for h = dL/dpi, -g + alpha; r; and 2 zeta for logsumexp in its square."""
        offset: States = np.abs(self.policy.value) + self._alpha
        if self.r is not None:
            offset = offset + np.abs(self.r)
        return offset if self.block.zeta is None else offset + 2.0 * np.abs(self.block.zeta)

    def parts(self, states: Some) -> Entries:
        """See `tolerance.of_parts`."""
        block = self.block.states(states)
        policy, pi = self.policy, self.policy.pi[:, states]
        size = np.zeros_like(pi)
        if block.soft:
            reward = pi * (block.q - self._mean(self.block.q)[states])
            entropy = pi * (policy.g[:, states] - policy.value[states]) - reward
            apart = np.maximum(np.abs(reward) + np.abs(entropy), self._of_terms[:, states])
            size += of_parts(apart, np.abs(block.alpha) * pi)
        if block.target is not None:
            of_y = block.target.size()
            of_y.add_to(size, 2.0, self.buffers)
            size += 2.0 * of_y.total(self.buffers.of_states(states)) * pi
        if block.zeta is not None:
            size += 4.0 * np.abs(block.zeta * policy.logsumexp[states]) * pi
        return size

    @property
    def _of_terms(self) -> Entries:
        """What the gradients of the terms of the loss add up to if none cancels another."""
        rest, size = self.gradient.copy(), np.zeros_like(self.policy.pi)
        for number in range(len(self.block.summands)):
            term = self.summand(number, np.empty_like(size))
            size += np.abs(term)
            rest -= term
        return size + np.abs(rest)

    @property
    def value(self) -> Sized:
        """The loss, with the rounding of logits and coefficients."""
        block, policy, n = self.block, self.policy, summation(self._actions)
        value, rounding, scale = (np.zeros(block.rows) for _ in range(3))
        if block.soft:
            g = np.abs(policy.g)
            of_log = of_logarithm(block, policy, self.buffers)
            of_g = np.abs(block.q) + self._alpha * (of_log - 2.0 * policy.log_pi)
            value -= policy.value
            rounding += self._mean(of_g + (of_log + 2.0 + n) * g)
            scale += self._mean(g)
        live = live_magnitude(block.logits, policy, self.buffers("live_logits", policy.pi.shape))
        normaliser = n + 3.0 + 2.0 * policy.log_Z + self._mean(live - policy.z)
        logsumexp = np.abs(policy.highest) + policy.log_Z
        legal = np.isfinite(block.logits)
        # Not `policy.log_pi`, which ends at a floor.
        log_pi = np.where(legal, policy.highest + policy.log_Z - block.logits, 0.0)
        if block.target is not None:
            of_y = block.target.size()
            value += block.target.sum_with(log_pi, self.buffers)
            of_log = np.where(legal, np.abs(block.logits), 0.0) + (n + 6.0) * log_pi + normaliser
            rounding += of_y.sum_with(of_log, self.buffers)
            scale += of_y.sum_with(log_pi, self.buffers)
        if block.zeta is not None:
            weight = np.abs(block.zeta)
            value += block.zeta * policy.logsumexp**2
            rounding += 2.0 * weight * logsumexp * (normaliser + 2.0 * logsumexp)
            scale += weight * logsumexp**2
        if block.rest is not None:
            value += block.rest
            scale += np.abs(block.rest)
        if block.target is not None or block.zeta is not None or block.rest is not None:
            rounding += 4.0 * scale
        if block.rough is not None:
            rounding += self._rough_value(block.rough, log_pi, logsumexp)
        return Sized(value, rounding, scale)

    def _rough_value(self, rough: Rough, log_pi: Entries, logsumexp: States) -> States:
        """Return what errors of the coefficients do to the loss; `log_pi` without its sign."""
        found = np.zeros(self.block.rows)
        if rough.q is not None:
            found += self._mean(rough.q)
        if rough.alpha is not None:
            found += rough.alpha * self._mean(log_pi)
        if rough.target is not None:
            found += rough.target.sum_with(log_pi, self.buffers)
        if rough.zeta is not None:
            found += rough.zeta * logsumexp**2
        return found if rough.rest is None else found + rough.rest
