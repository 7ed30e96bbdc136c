"""What Eq. (6) is checked against: numeric derivatives, identities, descent and exact values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from softcheck.checks.evaluation import Context, Evaluation
from softcheck.checks.tally import Tally
from softcheck.gradient import analytic
from softcheck.gradient.loss import change
from softcheck.gradient.numeric import central, complex_step, exact, sampled
from softcheck.gradient.policy import Block, Buffers, States, sum_of_products, sum_over_actions
from softcheck.gradient.tolerance import TINY, U, summation


def check_complex_step(e: Evaluation) -> Tally:
    """Eq. (6) against the complex-step derivative of the loss, every logit."""
    return e.compare_gradient(*complex_step.gradient(e.terms, e.bounds, e.buffers))


def check_central_difference(e: Evaluation) -> Tally:
    """Eq. (6) against the central difference of the loss, every logit."""
    return e.compare_gradient(*central.gradient(e.terms, e.bounds, e.buffers))


def check_sampled(e: Evaluation) -> Tally:
    """Eq. (6) against the mean of -(1{a' = a} - pi(a)) g(a') over drawn actions a'."""
    context = e.context
    value, error = sampled.gradient(
        e.policy, e.start, context.samples, context.seed, context.places, e.buffers
    )
    return e.compare(e.gradient, value, error + U * e.bounds.rounding.each, e.scale)


def check_invariants(e: Evaluation) -> Tally:
    """Eq. (6) against identities of the true gradient, which need no step."""
    tally = _sum_is_zero(e)
    tally.merge(_entropy_moves_into_q(e))
    return tally


def _sum_is_zero(e: Evaluation) -> Tally:
    """The gradient of a state sums to 0; sum |gradient| is at most `size`."""
    total, size = sum_over_actions(e.gradient, e.buffers), e.bounds.size
    return e.compare(
        total,
        np.zeros(total.shape),
        U * (e.bounds.total + summation(len(e.gradient)) * size),
        2.0 * size - e.block.alpha,
        entries=total.size,
        about="the sum over actions is 0",
    )


def _entropy_moves_into_q(e: Evaluation) -> Tally:
    """gradient(2 (Q - alpha theta + c), 0) = 2 gradient(Q, alpha), for any c.

    All at once: a shift of Q changes nothing, the gradient is homogeneous in (Q, alpha), and at
    theta = Q / alpha, where Q - alpha theta is constant, it is zero. c makes the mean 0. (pi does
    not see a shift of the logits, for it is made of theta - max theta.)
    """
    policy, buffers = e.policy, e.buffers
    g = np.multiply(e.terms.u, 2.0, out=buffers("scratch", policy.g.shape))
    moved = replace(policy, g=g, value=e.mean(g))
    value = analytic.gradient(moved, buffers("value", g.shape))
    value *= 0.5
    about = "gradient(2 (Q - alpha theta + c), 0) = 2 gradient(Q, alpha)"
    # The rounding of u is that of g, and pi is the same.
    return e.compare_gradient(value, e.bounds.rounding, about)


def check_descent(e: Evaluation) -> Tally:
    """The loss after a small step along pi A_soft against its first-order prediction.

    The Hessian of L is alpha (diag pi - pi pi^T) + diag G - pi G^T - G pi^T with G = dL/dtheta,
    so its norm is at most M = 3 sum |G| + alpha. With eta = 1 / 16 M no logit moves by more than
    1/48, along the way M at most doubles, and the loss changes by -eta |G|^2 to within an eighth
    of that: it falls.

    With T = 1.03 eta sum |G|, which no step and no exp(step) - 1 exceeds, the terms of the change
    round by at most T times what those of Eq. (6) do, summed over the actions, and by
    2 T alpha (rho + n) for the entropy; and where G is off, so is the prediction.
    """
    gradient, alpha, bounds = e.gradient, e.block.alpha, e.bounds
    slope = bounds.slope + 2.0 * U * bounds.total
    curvature = 3.0 * slope + alpha
    eta = 1.0 / (16.0 * np.maximum(curvature, TINY))
    step = np.multiply(gradient, -eta, out=e.buffers("value", gradient.shape))
    fall = sum_of_products(gradient, step, e.buffers)
    share = bounds.size * np.exp(-e.policy.log_Z)
    rounding = 3.0 * eta * slope * (bounds.total + summation(len(step)) * alpha)
    return e.compare(
        change(e.terms, step, e.buffers),
        fall,
        U * rounding + TINY * (1.0 + bounds.size) - fall / 8.0,
        # At least eta times the sum of scale^2, as the largest pi is 1 / Z.
        eta * share * share - fall,
        entries=eta.size,
    )


ORACLES: dict[str, Callable[[Evaluation], Tally]] = {
    "complex-step": check_complex_step,
    "central-difference": check_central_difference,
    "invariants": check_invariants,
    "descent": check_descent,
    "sampled": check_sampled,
}
"""What Eq. (6) itself is checked against. `exact` is not among them: it looks at chosen entries."""


class Suspect(NamedTuple):
    """An entry for the exact check with all it depends on; its block has one row.

    `rank` sorts the worst first, then in the order of the table.
    """

    rank: tuple[float, int, int]
    state: int
    action: int
    block: Block

    @classmethod
    def of(cls, e: Evaluation, rank: tuple[float, int, int], row: int, action: int) -> "Suspect":
        """Copy a state out of the buffers of its block."""
        return cls(rank, e.start + row, action, e.block.state(row))


EXACT_DRAWS = 3, 64
EXACT_TERMS = 64, 8_000
EXACT_SHARE = 512
"""The exact check draws 3 to 64 entries at random, but of many actions only as many as have 64 to
8,000 terms; in between one for 512 states, which takes less time than the checks of these."""


def exact_sample(states: int, actions: int) -> int:
    """Return how many entries of a case the exact check draws at random, at least 1."""
    fewest, most = (
        min(draws, terms // actions) for draws, terms in zip(EXACT_DRAWS, EXACT_TERMS, strict=True)
    )
    return max(1, fewest, min(most, states // EXACT_SHARE))


def check_exact(worst: Iterable[Suspect], sample: Sequence[Suspect], context: Context) -> Tally:
    """Eq. (6) and both numeric methods against 40-digit arithmetic, at chosen entries.

    Parameters
    ----------
    worst : iterable of Suspect
        The worst entry of each check; of these the worst, fewer than twice as many as are drawn.
    sample : sequence of Suspect
        Entries drawn at random, at least one.
    context : Context
    """
    rank = attrgetter("rank")
    chosen = [*sorted(worst, key=rank)[: 2 * len(sample) - 1], *sorted(sample, key=rank)]
    suspects = [*{(each.state, each.action): each for each in chosen}.values()]
    block = Block(
        np.concatenate([each.block.q for each in suspects], axis=1),
        np.concatenate([each.block.logits for each in suspects], axis=1),
        np.concatenate([each.block.alpha for each in suspects]),
    )
    e = Evaluation(block, 0, np.ones(len(suspects)), None, {}, context, Buffers())
    truth = _exact_gradient(suspects)
    at = np.array([suspect.action for suspect in suspects]), np.arange(len(suspects))
    tally = Tally(context.limit)
    with np.errstate(all="ignore"):
        given = e.terms, e.bounds, e.buffers
        for about, side in (
            ("Eq. (6)", lambda *_: (e.gradient, e.bounds.rounding)),
            ("complex step", complex_step.gradient),
            ("central difference", central.gradient),
        ):
            value, error = side(*given)
            tolerance = U * error.each[at]
            tally.merge(
                e.compare(value[at], truth, tolerance, e.scale[at], entries=truth.size, about=about)
            )
    tally.spots = [
        spot._replace(state=suspects[spot.state].state, action=suspects[spot.state].action)
        for spot in tally.spots
        if spot.state is not None
    ]
    return tally


def _exact_gradient(suspects: Sequence[Suspect]) -> States:
    """Return dL/dtheta at each suspect, from the legal actions of its state."""
    of_state: dict[int, list[int]] = {}
    for index, suspect in enumerate(suspects):
        of_state.setdefault(suspect.state, []).append(index)
    found = np.empty(len(suspects))
    for indices in of_state.values():
        block = suspects[indices[0]].block
        legal = np.flatnonzero(np.isfinite(block.logits[:, 0]))
        found[indices] = exact.gradient(
            block.q[legal, 0].tolist(),
            block.logits[legal, 0].tolist(),
            float(block.alpha[0]),
            np.searchsorted(legal, [suspects[index].action for index in indices]).tolist(),
        )
    return found
