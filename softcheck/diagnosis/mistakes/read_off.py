"""Mistakes whose numbers no name has: they are fitted to the gradient, or read off it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import at, moved, scaled, true_gradient
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Planted, Read

if TYPE_CHECKING:
    from softcheck.diagnosis.columns import Act
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries

LOSS_SCALES = range(8, 33)
"""The powers of two that loss scalers multiply by."""

Q_SCALED = Mistake(
    code="q-scaled",
    phrase="Q has another scale than the one given",
    what=(
        "The part that comes from Q and the part that comes from the entropy are each right but "
        "for a number: the rewards, or Q, were scaled, or alpha is another and the loss has "
        "another scale."
    ),
    wrong="G = -x J(Q) + alpha J(l)",
    wrong_line="q = reward_scale * critic(obs)",
    right_line="q = critic(obs)  # and dump this very q",
    seen="Ipopt#487, where only a person saw the ratio",
    planted=Planted(at(0.1, 1.0)),
)

OTHER_ALPHA = Mistake(
    code="other-alpha",
    phrase="alpha is another than the one given",
    what=(
        "The gradient is exactly that of another temperature. Usually alpha was read before or "
        "after its own update, or a schedule moved on."
    ),
    wrong="G = -J(Q) + y J(l)",
    wrong_line="alpha_optimizer.step(); dump(alpha=log_alpha.exp())",
    right_line="dump(alpha=alpha)  # the number that the loss used",
    planted=Planted(at(1.0, 1.0537)),
)

OTHER_SCALE = Mistake(
    code="other-scale",
    phrase="the gradient has another scale than the one declared",
    what=(
        "Every entry is right but for one number: gradient clipping by norm, a loss coefficient, "
        "gradient accumulation, or data parallelism."
    ),
    wrong="G = x T",
    wrong_line="clip_grad_norm_([logits], 1.0); dump(grad=logits.grad)",
    right_line="dump(grad=logits.grad)  # before it is clipped",
    seen="Ipopt#487",
    every_loss=True,
    planted=Planted(scaled(0.317)),
)

LOSS_SCALED = Mistake(
    code="loss-scaled",
    phrase="the gradient is still multiplied by a loss scale",
    what=(
        "A GradScaler multiplies the loss by a large power of two, 65536 at first, so that float16 "
        "gradients do not vanish, and `step` divides it out again. The gradient was read before "
        "that."
    ),
    wrong="G = 2^k T",
    wrong_line="scaler.scale(loss).backward(); dump(grad=logits.grad)",
    right_line="scaler.scale(loss).backward(); dump(grad=logits.grad / scaler.get_scale())",
    seen="torch.amp.GradScaler, Apex and DeepSpeed: forgotten `unscale_`",
    every_loss=True,
    planted=Planted(scaled(65536.0)),
)


def _clipped(view: View) -> Act:
    """T clipped to [-c, c], c the largest entry of G: `clip_grad_value_`."""
    true = np.abs(view.right.expected)
    kept = np.minimum(1.0, view.shared.largest / true)
    kept[true == 0.0] = 1.0
    return lambda table: table * kept


def _plant_clipped(view: View, _: np.random.Generator) -> Entries:
    grad = true_gradient(view)
    bound = np.quantile(np.abs(grad), 0.8)
    return grad.clip(-bound, bound)


CLIPPED_GRADIENT = Mistake(
    code="clipped-gradient",
    phrase="the entries of the gradient are clipped",
    what=(
        "Every entry beyond a bound stands at the bound, and all others are right: a gradient read "
        "after it was clipped by value."
    ),
    wrong="G = max(-c, min(c, T))",
    wrong_line="clip_grad_value_([logits], c); dump(grad=logits.grad)",
    right_line="dump(grad=logits.grad); clip_grad_value_(parameters, c)",
    formulas=(
        Formula(
            moved(_clipped),
            applies=lambda view: 0.0 < view.shared.largest < inf,
            cost=2.0,
            read=Read(bits=lambda view: view.digits),
        ),
    ),
    every_loss=True,
    planted=Planted(_plant_clipped, in_parts=False),
)


def _scaled_by_state(view: View) -> Act:
    """s_i T_i, s_i read off G: weights that were not declared, states dropped or clipped."""
    true, grad = view.weighed(view.right.expected), view.weighed(view.grad)
    size = (true * true).sum(axis=0)
    scale = np.where(size > 0.0, (true * grad).sum(axis=0) / size, 1.0)
    return lambda table: table * scale


SCALED_BY_STATE = Mistake(
    code="scaled-by-state",
    phrase="every state has a scale of its own",
    what=(
        "The gradient of each state is right but for a number: importance weights that were not "
        "declared, a discount, states that were dropped with a factor of 0, a robust loss, or "
        "clipping state by state. Give the factors with --weights if they are meant."
    ),
    wrong="G_i = s_i T_i",
    wrong_line="loss = (weights * loss).mean(); dump(q, logits, grad)",
    right_line="dump(q, logits, grad, weights=weights)",
    needs=SEVERAL_STATES,
    formulas=(
        # One state may have a scale of its own too.
        Formula(moved(_scaled_by_state), applies=lambda _: True, cost=6.0, read=Read(numbers=1)),
    ),
    every_loss=True,
    planted=Planted(
        lambda view, generator: true_gradient(view) * generator.uniform(0.2, 0.9, view.p.shape[1]),
        in_parts=False,
    ),
)
