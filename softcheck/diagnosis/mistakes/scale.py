"""Mistakes that leave the gradient x T: every entry is right but for one named number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import UNDECLARED
from softcheck.diagnosis.mistakes.record import Mistake, Need, Shown

if TYPE_CHECKING:
    from softcheck.diagnosis.view import Shared

SIGN_FLIPPED = Mistake(
    code="sign-flipped",
    phrase="the sign of the loss is flipped",
    what=(
        "An objective to maximise was handed to an optimiser that minimises, or a minus is one too "
        "many. The policy runs away from the good actions."
    ),
    wrong="G = -T",
    wrong_line="loss = objective  # which is to grow",
    right_line="loss = -objective",
    seen="safe-grid-agents#28, Truxify#11885",
    flips="scale",
    every_loss=True,
    shows=(
        Shown("value", lambda view: -view.e.policy.value),
        Shown("advantage", lambda view: view.e.policy.value - view.e.policy.g),
        Shown("loss", lambda view: view.e.policy.value * view.e.factor / view.shared.reduction),
    ),
)

MEAN_OVER_STATES = Mistake(
    code="mean-over-states",
    phrase="the mean over states was taken",
    what=(
        "The loss was averaged over the batch where its sum is declared. Most code bases do this "
        "on purpose: then declare it."
    ),
    wrong="G = T / B",
    wrong_line="loss = loss_of_state.mean()",
    right_line="loss = loss_of_state.sum()",
    seen="most code bases; right where it is declared",
    declare={"reduction": "mean"},
    needs=Need("it is what is declared, or there is one state"),
    scale=lambda shared: (1.0 / shared.states / shared.reduction,),
    every_loss=True,
    shows=(Shown("loss", lambda view: -view.e.policy.value / view.shared.states),),
)

MEAN_OVER_STATES_AND_ACTIONS = Mistake(
    code="mean-over-states-and-actions",
    phrase="the mean over states and actions was taken",
    what=(
        "`.mean()` over [B, A] divides by the number of actions too: the expectation under the "
        "policy is a sum over actions, and its weights are already in pi. The policy learns A "
        "times more slowly, and the entropy target no longer fits."
    ),
    wrong="G = T / (B A)",
    wrong_line="loss = loss_of_entry.mean()  # loss_of_entry has shape [B, A]",
    right_line="loss = loss_of_entry.sum(-1).mean()",
    declare={"reduction": "mean-all"},
    seen="CleanRL sac_atari, MORL-Baselines, Pearl; p-christ#54, #58; toshikwa/sac-discrete#2, #7",
    needs=UNDECLARED,
    scale=lambda shared: (1.0 / shared.places / shared.reduction,),
    every_loss=True,
)

MEAN_OVER_ACTIONS = Mistake(
    code="mean-over-actions",
    phrase="the mean over actions was taken",
    what="The sum over actions under pi became a mean: pi is already the weight of each action.",
    wrong="G = T / A",
    wrong_line="loss = loss_of_entry.mean(-1).sum()  # loss_of_entry has shape [B, A]",
    right_line="loss = loss_of_entry.sum(-1).sum()",
    seen="multi-discrete variants, which divide by the number of heads",
    needs=Need("there is one action"),
    scale=lambda shared: (1.0 / shared.actions / shared.reduction,),
    every_loss=True,
    shows=(Shown("loss", lambda view: -view.e.policy.value / view.shared.actions),),
)

SUMMED_OVER_STATES = Mistake(
    code="summed-over-states",
    phrase="the sum over states was taken",
    what=(
        "The loss was summed over the batch where its mean is declared: the step grows with the "
        "batch."
    ),
    wrong="G = B T",
    wrong_line="loss = loss_of_state.sum()",
    right_line="loss = loss_of_state.mean()",
    seen="p-christ before 9cf68ff",
    declare={"reduction": "sum"},
    needs=UNDECLARED,
    scale=lambda shared: (1.0 / shared.reduction,),
    every_loss=True,
)


def sums_over_axis(shared: Shared) -> list[float]:
    """Return the scale of a sum over each axis of states, with the mean over the others."""
    if len(shared.shape) < 2:
        return []
    return [count / shared.states / shared.reduction for count in shared.shape]


SUMMED_OVER_AXIS = Mistake(
    code="summed-over-axis",
    phrase="the loss was summed over one axis of states and averaged over the others",
    what=(
        "The states have several axes, such as batch and agents, and one of them was summed: the "
        "loss of the agents of a step, say."
    ),
    wrong="G = T n / B, n the length of that axis",
    wrong_line="loss = loss.sum(1).mean()  # loss has shape [batch, agents]",
    right_line="loss = loss.mean()",
    needs=Need("it needs several axes of states", lambda view: len(view.shared.shape) > 1),
    scale=sums_over_axis,
    every_loss=True,
)
