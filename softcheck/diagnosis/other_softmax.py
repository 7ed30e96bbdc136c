"""The gradient of a loss whose softmax runs over states, or over masked actions too."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import numpy as np

from softcheck.diagnosis.columns import Columns, of_table
from softcheck.diagnosis.mistakes.masks import MASKED_IN_SOFTMAX
from softcheck.diagnosis.mistakes.parts import flat, in_whole, of_whole
from softcheck.diagnosis.mistakes.policy import SOFTMAX_OVER_STATES, softmax_over
from softcheck.diagnosis.mistakes.record import Formula
from softcheck.diagnosis.view import View
from softcheck.gradient.composed.evaluate import Running, Softmax, finished, softmax_of
from softcheck.gradient.composed.interpret import interpret
from softcheck.gradient.composed.running import Rounded, precise
from softcheck.gradient.definition import Across, Program
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import summation


def over_states(across: Across, view: View) -> Iterator[Formula]:
    """Yield gradients of a loss whose W, of each state, is `across`, by each axis and by all."""
    shape = view.shared.shape
    long = [axis for axis, extent in enumerate(shape) if extent > 1]
    for axes in dict.fromkeys([*((axis,) for axis in long), tuple(long)]):
        along = f", along axis {' and '.join(map(str, axes))}" if len(shape) > 1 else ""
        yield Formula(
            in_whole(partial(_over_states, across, axes)),
            code=SOFTMAX_OVER_STATES.code,
            said=SOFTMAX_OVER_STATES.phrase + along,
        )


def over_masked(across: Across) -> Formula:
    """Return the gradient of a loss of the legal actions alone whose softmax runs over all."""
    return Formula(partial(_over_masked, across), code=MASKED_IN_SOFTMAX.code)


def _over_states(across: Across, axes: tuple[int, ...], whole: View) -> Columns:
    e = whole.composed
    usual = softmax_of(e.block, e.policy, e.legal, e.buffers, far=True)
    policy, log_policy = of_whole(whole, softmax_over(axes))
    spread = 3.0 - log_policy + np.abs(np.where(policy > 0, whole.in_order(e.block.logits), 0.0))
    extent = prod(whole.shared.shape[axis] for axis in axes)
    p, log_p, rough = map(flat, (policy, log_policy, spread + summation(extent)))
    softmax = {**usual, "log_policy": Rounded(log_p, rough), "policy": Rounded(p, p * rough)}

    def summed(table: Entries) -> Entries:
        laid = whole.in_order(table)
        return flat(np.broadcast_to(laid.sum(axis=axes, keepdims=True), laid.shape))

    def total(x: Rounded) -> Rounded:
        return Rounded(summed(x.value), summed(extent * np.abs(x.value) + x.error))

    return _columns(across, whole, softmax, usual, total)


def _over_masked(across: Across, view: View) -> Columns:
    e = view.at(logits=view.open_logits).e
    softmax = softmax_of(e.block, e.policy, None, e.buffers, far=True)
    return _columns(across, view, softmax, softmax, lambda x: x.sum(Buffers()))


@np.errstate(all="ignore")  # where nothing is known, the error says so
def _columns(
    across: Across,
    view: View,
    softmax: Softmax,
    of_shift: Softmax,
    total: Callable[[Rounded], Rounded],
) -> Columns:
    """Return W - p sum W + kappa p, the sum over what the softmax runs over.

    What the loss has of logsumexp itself has `of_shift`.
    """
    e = view.composed
    shape, factor = e.policy.pi.shape, precise(e.factor)

    def value(program: Program, softmax: Softmax) -> Rounded:
        return interpret(program, Running(e.block.data, shape, Buffers(), e.legal, softmax))[-1]

    W = finished(value(across.slope, softmax), shape, e.legal) * factor
    made = W - softmax["policy"] * total(W)
    if across.shift is not None:
        made = made + finished(value(across.shift, of_shift), shape, None) * factor
    return of_table(view.dump, made.value, made.error)
