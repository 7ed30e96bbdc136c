"""What Eq. (6) is checked against: numeric derivatives, identities, descent and exact values."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from softcheck.evaluation import Context, Evaluation
from softcheck.numeric import central, complex_step, exact, sampled
from softcheck.policy import Block, Buffers, mean_over_actions, sum_over_actions
from softcheck.tally import Tally
from softcheck.tolerance import TINY, U, loss_rounding, summation


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
    magnitude = np.abs(e.gradient, out=e.buffers("invariants.magnitude", e.gradient.shape))
    size = sum_over_actions(magnitude, e.buffers)
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
        column = slice(row, row + 1)
        block = Block(*(x[..., column].copy() for x in (e.block.q, e.block.logits, e.block.alpha)))
        return cls(rank, e.start + row, action, block)


EXACT_ENTRIES = 64
EXACT_TERMS = 20_000
"""The exact check looks at most at so many entries, made of at most so many terms (but at 2)."""


def exact_budget(actions: int) -> int:
    """Return how many entries of states with `actions` actions the exact check may look at."""
    return max(2, min(EXACT_ENTRIES, EXACT_TERMS // actions))


def check_exact(worst: Iterable[Suspect], sample: Sequence[Suspect], context: Context) -> Tally:
    """Eq. (6) and both numeric methods against 60-digit arithmetic, at chosen entries.

    Parameters
    ----------
    worst : iterable of Suspect
        The worst entry of each check; the worst of them fill at most half of the budget.
    sample : sequence of Suspect
        Entries drawn at random, at least one.
    context : Context
    """
    budget = exact_budget(len(sample[0].block.q))
    rank = attrgetter("rank")
    chosen = sorted(worst, key=rank)[: budget // 2] + sorted(sample, key=rank)
    suspects = list({(each.state, each.action): each for each in chosen}.values())[:budget]
    block = Block(
        np.concatenate([each.block.q for each in suspects], axis=1),
        np.concatenate([each.block.logits for each in suspects], axis=1),
        np.concatenate([each.block.alpha for each in suspects]),
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
