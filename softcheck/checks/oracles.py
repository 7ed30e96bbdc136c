"""What a gradient is checked against: numeric derivatives, identities, descent and exact values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from softcheck.checks.evaluation import Context, Evaluation, kernel_of
from softcheck.checks.tally import Spot, Tally
from softcheck.gradient.composed import shift
from softcheck.gradient.definition import Variant
from softcheck.gradient.family import Family
from softcheck.gradient.held import Held
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Number,
    States,
    sum_of_products,
    sum_over_actions,
)
from softcheck.gradient.tolerance import TINY, Error, U

TWICE = "gradient(2 (Q - alpha theta + c), 0) = 2 gradient(Q, alpha)"
"""The identity that a gradient with a q or an alpha is compared by, see `Family.homogeneous`."""


METHODS: Mapping[str, shift.Method[Any]] = {
    "complex-step": shift.COMPLEX,
    "central-difference": shift.CENTRAL,
}
"""What a coefficient that is held is differentiated by."""


def check_complex_step(e: Evaluation) -> Tally:
    """The gradient against the complex-step derivative of the loss, every logit."""
    tally = e.compare_gradient(*e.kernel.complex_step())
    tally.merge(of_coefficient(e, METHODS["complex-step"]))
    return tally


def check_central_difference(e: Evaluation) -> Tally:
    """The gradient against the central difference of the loss, every logit."""
    tally = e.compare_gradient(*e.kernel.central_difference())
    tally.merge(of_coefficient(e, METHODS["central-difference"]))
    return tally


def of_coefficient(e: Evaluation, method: shift.Method[Any]) -> Tally:
    """A coefficient that is held against a numeric derivative of the loss, every state."""
    kernel = e.kernel
    if not isinstance(kernel, Held):
        return Tally(e.context.limit)
    found, numeric = kernel.coefficient, kernel.coefficient_by(method)
    tolerance, about = U * (found.error + numeric.error), "the derivative by log pi of the action"
    return e.compare(
        found.value, numeric.value, tolerance, found.size, entries=e.block.rows, about=about
    )


def check_sampled(e: Evaluation) -> Tally:
    """The gradient against the mean of -(1{a' = a} - pi(a)) g(a') over drawn actions a'.

    What a loss has of y and zeta is no expectation and added as it is.
    """
    context, kernel = e.context, e.kernel
    if not isinstance(kernel, Family):
        return Tally(context.limit)
    value, error = kernel.sampled(e.start, context.samples, context.seed, context.places)
    return e.compare(e.gradient, value, error + U * e.bounds.rounding.each, e.scale)


def check_invariants(e: Evaluation) -> Tally:
    """The gradient against identities of the true one, which need no step."""
    tally = _sum(e)
    if isinstance(e.kernel, Family) and e.block.soft:
        # The rounding of u is that of g, and pi is the same.
        value, error = e.kernel.homogeneous(), e.bounds.rounding
        tally.merge(e.compare_gradient(value, error, TWICE))
    return tally


def _sum(e: Evaluation) -> Tally:
    """The gradient of a state sums to 0, or to what a shift of its logits does to the loss."""
    total, (value, rounding, scale) = sum_over_actions(e.gradient, e.buffers), e.kernel.row_sum
    return e.compare(total, value, U * rounding, scale, entries=total.size, about=about_sum(e))


def about_sum(e: Evaluation) -> str:
    """Return what the sum over the actions is compared with, in words."""
    return "the sum over actions is " + ("dL/dlogsumexp" if e.shifts else "0")


def check_descent(e: Evaluation) -> Tally:
    """The loss after a small step along -gradient against its first-order prediction.

    The Hessian of the soft policy loss is alpha (diag pi - pi pi^T) + diag G - pi G^T - G pi^T with
    G = dL/dtheta, so its norm is at most M = 3 sum |G| + alpha; `Kernel.curvature` is the M of any
    loss. With eta = 1 / 16 M no logit moves by more than 1/48, along the way M at most doubles, and
    the loss changes by -eta |G|^2 to within an eighth of that: it falls.

    With T = 1.03 eta sum |G|, which no step and no exp(step) - 1 exceeds, the change rounds as
    `Kernel.change` says; and where G is off, so is the prediction.
    """
    gradient, bounds, kernel = e.gradient, e.bounds, e.kernel
    eta = step_against(kernel.curvature)
    step = np.multiply(gradient, -eta, out=e.buffers("value", gradient.shape))
    fall = sum_of_products(gradient, step, e.buffers)
    change, rounding = kernel.change(step, eta * (bounds.slope + 2.0 * U * bounds.total))
    tolerance, scale = of_fall(fall, eta, U * rounding, bounds.size, kernel.peak)
    return e.compare(change, fall, tolerance, scale, entries=eta.size)


def step_against(curvature: Number) -> Number:
    """Return eta of `check_descent`."""
    return 1.0 / (16.0 * np.maximum(curvature, TINY))


def of_fall(
    fall: Number, eta: Number, rounding: Number, size: Number, peak: Number
) -> tuple[Number, Number]:
    """Return how far a change may be from `fall`, and the scale of both.

    The scale is at least eta times the sum of that of each entry squared.
    """
    return rounding + TINY * (1.0 + size) - fall / 8.0, eta * peak * peak - fall


ORACLES: dict[str, Callable[[Evaluation], Tally]] = {
    "complex-step": check_complex_step,
    "central-difference": check_central_difference,
    "invariants": check_invariants,
    "descent": check_descent,
    "sampled": check_sampled,
}
"""What the gradient is checked against. `exact` is not among them: it looks at chosen entries."""


class Suspect(NamedTuple):
    """An entry for the exact check with all it depends on; its block has one row.

    `rank` sorts the worst first, then in the order of the table; `entry` of the block stands for
    the action.
    """

    rank: tuple[float, int, int]
    state: int
    action: int
    block: Block
    entry: int

    @classmethod
    def of(
        cls,
        e: Evaluation,
        rank: tuple[float, int, int],
        row: int,
        action: int,
        entry: int,
        others: "Iterable[Suspect]" = (),
    ) -> "Suspect":
        """Copy a state out of the buffers of its block, but for what others have copied."""
        state = e.start + row
        copied = next((each.block for each in others if each.state == state), None)
        return cls(rank, state, action, e.block.state(row) if copied is None else copied, entry)


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
    """The gradient and both numeric methods against 40-digit arithmetic, at chosen entries.

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
    block = Block.joined([each.block for each in suspects])
    buffers = Buffers(block.repeats)
    e = Evaluation(block, 0, np.ones(len(suspects)), None, {}, context, buffers)
    truth = _exact_gradient(suspects, context.loss)
    at = np.array([suspect.entry for suspect in suspects]), np.arange(len(suspects))
    tally = Tally(context.limit)
    held = e.kernel.of_coefficient if isinstance(e.kernel, Held) else np.zeros_like(block.logits)
    sides: dict[str, Callable[[], tuple[Entries, Error]]] = {
        context.equation: lambda: (e.gradient, e.bounds.rounding),
        "complex step": e.kernel.complex_step,
        "central difference": e.kernel.central_difference,
    }
    with np.errstate(all="ignore"):
        for about, side in sides.items():
            value, error = side()
            tolerance = U * (error.each + held)[at]
            tally.merge(
                e.compare(value[at], truth, tolerance, e.scale[at], entries=truth.size, about=about)
            )

    def entry(spot: Spot) -> Spot:
        suspect = suspects[spot.state or 0]
        return spot._replace(state=suspect.state, action=suspect.action)

    tally.relocate(entry)
    return tally


def _exact_gradient(suspects: Sequence[Suspect], loss: Variant | None) -> States:
    """Return dL/dtheta at each suspect."""
    of_state: dict[int, list[int]] = {}
    for index, suspect in enumerate(suspects):
        of_state.setdefault(suspect.state, []).append(index)
    found = np.empty(len(suspects))
    for indices in of_state.values():
        kernel = kernel_of(suspects[indices[0]].block, loss, Buffers())
        found[indices] = kernel.exact([suspects[index].entry for index in indices])
    return found
