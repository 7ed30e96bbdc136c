"""The gradient of a loss whose softmax runs over states instead of actions."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import numpy as np

from softcheck.diagnosis.columns import Columns, of_tables
from softcheck.diagnosis.mistakes.parts import flat, of_whole
from softcheck.diagnosis.mistakes.policy import SOFTMAX_OVER_STATES, softmax_over
from softcheck.diagnosis.mistakes.record import Formula
from softcheck.diagnosis.view import View
from softcheck.gradient.composed.evaluate import evaluate, softmax_of
from softcheck.gradient.composed.running import Rounded
from softcheck.gradient.definition import Across
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import summation


def over_states(across: Across, view: View) -> Iterator[Formula]:
    """Yield gradients of a loss whose W, of each state, is `across`, by each axis and by all."""
    shape = view.shared.shape
    long = [axis for axis, extent in enumerate(shape) if extent > 1]
    for axes in dict.fromkeys([*((axis,) for axis in long), tuple(long)]):
        along = f", along axis {' and '.join(map(str, axes))}" if len(shape) > 1 else ""
        yield Formula(
            partial(_of_states, partial(_columns, across, axes)),
            code=SOFTMAX_OVER_STATES.code,
            said=SOFTMAX_OVER_STATES.phrase + along,
        )


def _of_states(make: Callable[[View], Columns], view: View) -> Columns:
    return of_whole(view, make).acted(lambda table: table[:, view.states])


def _columns(across: Across, axes: tuple[int, ...], whole: View) -> Columns:
    """Return W - p sum W, the sum over axes of states."""
    e = whole.composed
    shape, legal = e.policy.pi.shape, e.legal
    usual = softmax_of(e.block, e.policy, legal, e.buffers, far=True)
    policy, log_policy = of_whole(whole, softmax_over(axes))
    spread = 3.0 - log_policy + np.abs(np.where(policy > 0, whole.in_order(e.block.logits), 0.0))
    extent = prod(whole.shared.shape[axis] for axis in axes)
    spread = spread + summation(extent)
    p, log_p, rough = flat(policy), flat(log_policy), flat(spread)
    softmax = {**usual, "log_policy": Rounded(log_p, rough), "policy": Rounded(p, p * rough)}
    W = evaluate(across.slope, e.block.data, shape, Buffers(), legal=legal, softmax=softmax)
    laid, error = (
        whole.in_order(x * f) for x, f in ((W.value, e.factor), (W.error, abs(e.factor)))
    )
    total, size = (x.sum(axis=axes, keepdims=True) for x in (laid, np.abs(laid)))
    value = flat(laid - policy * total)
    off = error.sum(axis=axes, keepdims=True) + extent * size + spread * np.abs(total)
    rounding = flat(error + policy * off + 2.0 * np.abs(laid))
    if across.shift is not None:
        rest = evaluate(across.shift, e.block.data, shape, Buffers(), legal=legal, softmax=usual)
        value = value + rest.value * e.factor
        rounding = rounding + rest.error * abs(e.factor)
    return of_tables(whole, (value,), (rounding,))
