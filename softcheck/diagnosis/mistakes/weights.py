"""Mistakes in the weights of states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import WEIGHTS
from softcheck.diagnosis.mistakes.parts import right
from softcheck.diagnosis.mistakes.record import Formula, Mistake

if TYPE_CHECKING:
    from softcheck.diagnosis.mistakes.record import Parts
    from softcheck.diagnosis.view import Shared, View


def _alike(view: View, weight: float) -> Parts:
    """Return T_i with one weight for every state."""
    import numpy as np

    factor = np.full_like(view.e.factor, weight * view.shared.reduction)
    return right(view)._replace(factor=factor)


def _broadcast_weights(view: View) -> Parts:
    """T_i mean(w) / B for T_i w_i / B."""
    return _alike(view, view.shared.weight_sum / view.shared.states)


BROADCAST_WEIGHTS = Mistake(
    code="broadcast-weights",
    phrase="weights [B, 1] were broadcast against losses [B]",
    what="Their product is a [B, B] matrix, so that every state gets the mean weight.",
    wrong="G_i = T_i mean(w) / B",
    right="G_i = T_i w_i / B",
    wrong_line="loss = (weights[:, None] * loss).mean()  # loss has shape [B]",
    right_line="loss = (weights * loss).mean()",
    seen="tf2rl, torchrl#1243, tianshou#40",
    needs=WEIGHTS,
    formulas=(Formula(_broadcast_weights),),
)


def _normalised(shared: Shared) -> tuple[float, ...]:
    if shared.weight_sum in (0.0, float(shared.states)):
        return ()
    return (1.0 / shared.weight_sum / shared.reduction,)


WEIGHTS_NORMALISED = Mistake(
    code="weights-normalised",
    phrase="the weighted losses are divided by the sum of the weights",
    what=(
        "A weighted mean where the mean of weighted losses is declared. It is torchrl's convention "
        "for priorities."
    ),
    wrong="G_i = T_i w_i / sum w",
    right="G_i = T_i w_i / B",
    wrong_line="loss = (weights * loss).sum() / weights.sum()",
    right_line="loss = (weights * loss).mean()",
    seen="torchrl 0.14.1",
    needs=WEIGHTS,
    scale=_normalised,
)


def _weights_ignored(view: View) -> Parts:
    """T_i / B for T_i w_i / B."""
    return _alike(view, 1.0)


WEIGHTS_IGNORED = Mistake(
    code="weights-ignored",
    phrase="the weights of the states are not used",
    what="The gradient is that of the unweighted loss.",
    wrong="G_i = T_i / B",
    right="G_i = T_i w_i / B",
    wrong_line="loss = loss.mean()",
    right_line="loss = (weights * loss).mean()",
    needs=WEIGHTS,
    formulas=(Formula(_weights_ignored),),
)
