"""Mistakes in the weights of states."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import SEVERAL_STATES, WEIGHTS
from softcheck.diagnosis.mistakes.parts import RIGHT, moved, true_gradient
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Need, Planted, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softcheck.diagnosis.columns import Act
    from softcheck.diagnosis.view import Shared, View
    from softcheck.gradient.policy import Entries


def _is_told(view: View) -> bool:
    """Whether the mean weight is another than that of states that all weigh the same."""
    return WEIGHTS.met(view) and not isclose(view.shared.weight_sum * view.shared.reduction, 1.0)


BROADCAST_WEIGHTS = Mistake(
    code="broadcast-weights",
    phrase="weights [B, 1] were broadcast against losses [B]",
    what="Their product is a [B, B] matrix, so that every state gets the mean weight.",
    wrong="G_i = T_i mean(w) / B",
    right="G_i = T_i w_i / B",
    wrong_line="loss = (weights[:, None] * loss).mean()  # loss has shape [B]",
    right_line="loss = (weights * loss).mean()",
    seen="tf2rl, torchrl#1243, tianshou#40",
    needs=Need("it needs weights that are not divided by their sum", _is_told),
    formulas=(
        Formula(
            lambda view: RIGHT.columns(view.alike(view.shared.weight_sum / view.shared.states))
        ),
    ),
    every_loss=True,
)


def _normalised(shared: Shared) -> tuple[float, ...]:
    if shared.weight_sum in (0.0, float(shared.states)):
        return ()
    return (1.0 / shared.weight_sum / shared.reduction,)


WEIGHTS_NORMALISED = Mistake(
    code="weights-normalised",
    phrase="the weighted losses are divided by the sum of the weights",
    what=(
        "A weighted mean where the mean of weighted losses is declared. It is the masked mean of "
        "most code bases, and torchrl's convention for priorities: if it is meant, declare it."
    ),
    wrong="G_i = T_i w_i / sum w",
    right="G_i = T_i w_i / B",
    wrong_line="loss = (weights * loss).sum() / weights.sum()",
    right_line="loss = (weights * loss).mean()",
    seen="torchrl 0.14.1",
    declare={"reduction": "weighted-mean"},
    needs=WEIGHTS,
    scale=_normalised,
    every_loss=True,
)


WEIGHTS_IGNORED = Mistake(
    code="weights-ignored",
    phrase="the weights of the states are not used",
    what="The gradient is that of the unweighted loss.",
    wrong="G_i = T_i / B",
    right="G_i = T_i w_i / B",
    wrong_line="loss = loss.mean()",
    right_line="loss = (weights * loss).mean()",
    needs=WEIGHTS,
    formulas=(Formula(lambda view: RIGHT.columns(view.alike(1.0))),),
    every_loss=True,
)


def _mean_of_means(whole: View) -> Act:
    """T_i w_i / (C sum w) for T_i w_i / sum of all w, C sequences of the last axis of states."""
    weights = np.broadcast_to(whole.given["weights"], whole.states.shape)
    of_each = weights.reshape(-1, whole.shared.shape[-1])
    with np.errstate(divide="ignore"):
        by = 1.0 / (len(of_each) * of_each.sum(axis=-1, keepdims=True)) / whole.shared.reduction
    by = np.where(of_each != 0.0, by, 0.0).ravel()
    return lambda table: table * by


MEAN_OVER_SEQUENCES = Mistake(
    code="mean-over-sequences",
    phrase="the mean was taken of each sequence, and then over sequences",
    what=(
        "States are [sequence, position], and positions have weights: each sequence was averaged "
        "by itself, so that a token of a short one counts for more. The mean over all tokens "
        "divides by their number."
    ),
    wrong="G_i = T_i w_i / (C sum of w in its sequence), C sequences",
    right="G_i = T_i w_i / sum w",
    wrong_line="loss = ((loss * mask).sum(1) / mask.sum(1)).mean()",
    right_line="loss = (loss * mask).sum() / mask.sum()",
    seen="DAPO and Dr. GRPO on the loss of GRPO",
    needs=Need(
        "it needs weights and several axes of states",
        lambda view: WEIGHTS.met(view) and len(view.shared.shape) > 1,
    ),
    formulas=(Formula(moved(_mean_of_means, whole=True)),),
    whole=True,
    every_loss=True,
)


def _kept(by: float) -> Callable[[View], Act]:
    """T_i by a factor, and 0 in the states whose gradient is exactly 0."""
    return lambda view: lambda table: table * (by * view.grad.any(axis=0))


def _states_left_out(view: View) -> Iterator[Formula]:
    states, zero = view.shared.states, view.shared.zero
    missing = ~view.grad.any(axis=0) & view.wrong_rows
    if zero < states and missing.any():
        # Whether a state is left out is one bit of it.
        read = Read(bits=lambda view: float(view.wrong_states))
        said = f"{zero} of {states}"
        yield Formula(moved(_kept(1.0)), said, read=read)
        if view.shared.reduction != 1.0:
            by = states / (states - zero)
            said = f"{said}, and the mean is over the others"
            yield Formula(moved(_kept(by)), said, read=read)


def _plant_left_out(view: View, generator: np.random.Generator) -> Entries:
    grad = true_gradient(view)
    grad[:, generator.permutation(view.p.shape[1])[::3]] = 0.0
    return grad


STATES_LEFT_OUT = Mistake(
    code="states-left-out",
    phrase="states were left out of the loss",
    what=(
        "The gradient of some states is exactly 0: they were masked, filtered or dropped before "
        "the loss, or gathered wrongly. Under a mean it may be the mean over the others. If that "
        "is meant, give weights of 0 and 1."
    ),
    wrong="G_i = 0 for some states, T_i for the others, or T_i B / B_kept",
    wrong_line="loss = loss[~done].mean()",
    right_line="loss = loss.mean()",
    needs=SEVERAL_STATES,
    formulas=_states_left_out,
    every_loss=True,
    planted=Planted(_plant_left_out, in_parts=False),
)
