"""The gradient of a loss whose softmax runs over states instead of actions."""

from dataclasses import replace

import numpy as np

from softcheck.checks.dumps import Expected, dump_tolerance
from softcheck.diagnosis.mistakes.parts import flat
from softcheck.diagnosis.mistakes.policy import over_states
from softcheck.diagnosis.mistakes.record import Move
from softcheck.diagnosis.states import evaluated
from softcheck.diagnosis.view import View
from softcheck.gradient.composed.evaluate import evaluate, softmax_of
from softcheck.gradient.composed.running import Rounded
from softcheck.gradient.definition import Across
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import summation
from softcheck.settings import Settings
from softcheck.tables.case import Case


def move(case: Case, settings: Settings, across: Across) -> Move:
    """Return what becomes of a gradient whose W, of each state, is `across`."""

    def of(whole: View, _: tuple[Entries, ...]) -> tuple[Entries, ...]:
        return _gradient(case, settings, whole, across)

    return Move(of, whole=True)


def _gradient(
    case: Case, settings: Settings, whole: View, across: Across
) -> tuple[Entries, Entries]:
    """Return W - p sum W, the sum over the first axis of states, and its tolerance."""
    if whole.raw is None:
        raise TypeError(whole)
    loss = replace(case.variant, family=None)
    e = evaluated(case, settings, whole.raw, Buffers(), whole.shared, loss)
    shape, legal = e.policy.pi.shape, e.legal
    usual = softmax_of(e.block, e.policy, legal, e.buffers, far=True)
    policy, log_policy = over_states(whole)
    spread = 3.0 - log_policy + np.abs(np.where(policy > 0, whole.in_order(e.block.logits), 0.0))
    spread = spread + summation(len(policy))
    p, log_p, rough = flat(policy), flat(log_policy), flat(spread)
    softmax = {**usual, "log_policy": Rounded(log_p, rough), "policy": Rounded(p, p * rough)}
    W = evaluate(across.slope, e.block.data, shape, Buffers(), legal=legal, softmax=softmax)
    laid, error = (
        whole.in_order(x * f) for x, f in ((W.value, e.factor), (W.error, abs(e.factor)))
    )
    total, size = (x.sum(axis=0, keepdims=True) for x in (laid, np.abs(laid)))
    value = flat(laid - policy * total)
    scale = flat(np.abs(laid) + policy * size)
    off = error.sum(axis=0, keepdims=True) + len(laid) * size + spread * np.abs(total)
    rounding = flat(error + policy * off + 2.0 * np.abs(laid))
    if across.shift is not None:
        rest = evaluate(across.shift, e.block.data, shape, Buffers(), legal=legal, softmax=usual)
        value = value + rest.value * e.factor
        scale = scale + np.abs(rest.value * e.factor)
        rounding = rounding + rest.error * abs(e.factor)
    return value, dump_tolerance(whole.dump, Expected(value, rounding, scale, scale))
