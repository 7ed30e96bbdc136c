"""Mistakes in the terms of Eq. (6): one is missing, or another stands in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import OPEN_MASK
from softcheck.diagnosis.mistakes.parts import RIGHT, entropy, linear
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Shown

if TYPE_CHECKING:
    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries, States


MISSING_BASELINE = Mistake(
    code="missing-baseline",
    phrase="V is not subtracted",
    what=(
        "The soft value of the state is missing. The sum over actions of each state is -V instead "
        "of 0."
    ),
    wrong="G = -p g",
    wrong_line="grad = -pi * (q - alpha * log_pi)",
    right_line="g = q - alpha * log_pi; grad = -pi * (g - (pi * g).sum(-1, keepdim=True))",
    seen="Odyssey#2134",
    formulas=(Formula(linear(lambda view, w: view.p * w)),),
    shows=(Shown("advantage", lambda view: view.e.policy.g),),
)


BASELINE_WITHOUT_ENTROPY = Mistake(
    code="baseline-without-entropy",
    phrase="the baseline is the expected Q, without the entropy",
    what=(
        "The value that is subtracted lacks alpha H, so the sum over actions of each state is "
        "-alpha H instead of 0."
    ),
    wrong="G = -p (g - sum p Q)",
    wrong_line="value = (pi * q).sum(-1, keepdim=True)",
    right_line="value = (pi * (q - alpha * log_pi)).sum(-1, keepdim=True)",
    formulas=(Formula(entropy(lambda view: view.p * view.log_p)),),
    shows=(
        Shown("value", lambda view: view.e.mean(view.q)),
        Shown("advantage", lambda view: view.e.policy.g - view.e.mean(view.q)),
    ),
)


def _less_plain_mean(view: View, w: Entries) -> Entries:
    """P (w - mean w): the mean over the legal actions, not that under p."""
    mean: States = (view.legal * w).sum(axis=0) / view.legal.sum(axis=0)
    return view.p * (w - mean)


UNIFORM_BASELINE = Mistake(
    code="uniform-baseline",
    phrase="the baseline is the plain mean over actions, not that under the policy",
    what=(
        "The value that is subtracted counts every legal action alike, so the sum over actions of "
        "each state is the plain mean of g less V instead of 0."
    ),
    wrong="G = -p (g - mean g)",
    wrong_line="value = (q - alpha * log_pi).mean(-1, keepdim=True)",
    right_line="value = (pi * (q - alpha * log_pi)).sum(-1, keepdim=True)",
    formulas=(Formula(linear(_less_plain_mean)),),
)


DIAGONAL_JACOBIAN = Mistake(
    code="diagonal-jacobian",
    phrase="only the diagonal of the softmax Jacobian is used",
    what="Softmax was differentiated as if each probability depended on its own logit alone.",
    wrong="G = -p (1 - p) g",
    wrong_line="grad = -g * pi * (1 - pi)",
    right_line="grad = -pi * (g - (pi * g).sum(-1, keepdim=True))",
    seen="libnd4j#440, mobula#3",
    formulas=(Formula(linear(lambda view, w: view.p * (1.0 - view.p) * w)),),
)


MISSING_POLICY_WEIGHT = Mistake(
    code="missing-policy-weight",
    phrase="the soft advantage is not multiplied by pi",
    what=(
        "This is the natural gradient up to 1 / p: a descent direction, but not the gradient of "
        "this loss."
    ),
    wrong="G = -(g - V)",
    wrong_line="grad = -(g - value)",
    right_line="grad = -pi * (g - value)",
    seen="p-christ#21 (a question); Agarwal et al. 2021 on the natural gradient",
    formulas=(
        Formula(linear(lambda view, w: view.legal * (w - view.e.mean(w)), lambda view: view.legal)),
    ),
)


def _unweighted(view: View, actions: States | float) -> Columns:
    """Alpha (1 - A p): no Q in it."""
    legal = view.legal
    b = legal * view.alpha * (1.0 - actions * view.p)
    return view.parts(0.0 * legal, b, legal * actions)


UNWEIGHTED_SUM = Mistake(
    code="unweighted-sum",
    phrase="the sum over actions lacks pi",
    what=(
        "The terms were summed over actions without their probabilities. Q, which has no gradient "
        "of its own, drops out."
    ),
    wrong="G = alpha (1 - A p)",
    wrong_line="loss = (alpha * log_pi - q).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="spinningup#22",
    formulas=(
        Formula(lambda view: _unweighted(view, view.legal.sum(axis=0))),
        Formula(
            lambda view: _unweighted(view, float(len(view.legal))),
            "masked actions counted",
            OPEN_MASK.met,
        ),
    ),
    shows=(Shown("value", lambda view: (view.legal * view.e.policy.g).sum(axis=0)),),
)


ENTROPY_WITHOUT_JACOBIAN = Mistake(
    code="entropy-without-jacobian",
    phrase="the derivative of p log p was not carried on to the logits",
    what=(
        "1 + log p is the derivative by the probability; the softmax Jacobian is still to be "
        "applied to it."
    ),
    wrong="G = -J(Q) + alpha (1 + l), or alpha p (1 + l)",
    wrong_line="grad = grad_q + alpha * (1 + log_pi)",
    right_line="grad = grad_q + alpha * pi * (log_pi - (pi * log_pi).sum(-1, keepdim=True))",
    seen="Kaixhin/Atari#48",
    formulas=(
        Formula(entropy(lambda view: view.legal * (1.0 + view.log_p), lambda view: view.legal)),
        Formula(entropy(lambda view: view.p * (1.0 + view.log_p)), "weighted by pi"),
    ),
)


NORMALISER_DETACHED = Mistake(
    code="normaliser-detached",
    phrase="the normaliser of log pi has no gradient",
    what=(
        "The backward pass of log_softmax lacks its second term, as if log pi were the logit "
        "itself: the sum over actions of each state is alpha instead of 0."
    ),
    wrong="G = T + alpha p",
    wrong_line="log_pi = logits - logits.logsumexp(-1, keepdim=True).detach()",
    right_line="log_pi = torch.log_softmax(logits, -1)",
    formulas=(Formula(entropy(lambda view: view.J(view.log_p) + view.p)),),
)


POLICY_FOR_LOG_POLICY = Mistake(
    code="policy-for-log-policy",
    phrase="pi stands where log pi is due",
    what="The logarithm was forgotten: alpha weighs the squared probabilities.",
    wrong="G = -J(Q - 2 alpha p)",
    wrong_line="loss = (pi * (alpha * pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="pytorch/rl#1750",
    formulas=(Formula(entropy(lambda view: 2.0 * view.J(view.p))),),
    shows=(
        Shown("policy", lambda view: view.log_p),
        Shown("log_policy", lambda view: view.p),
        Shown("g", lambda view: view.q - view.alpha * view.p),
    ),
)

GRADIENT_OF_LOG_POLICY = Mistake(
    code="gradient-of-log-policy",
    phrase="the gradient was taken at log pi, not at the logits",
    what="The hook sat after log_softmax. Its rows do not sum to 0.",
    wrong="G = -p (g - alpha)",
    wrong_line="log_pi.register_hook(save)",
    right_line="logits.register_hook(save)",
    formulas=(
        Formula(
            lambda view: view.parts(-view.p * view.q, view.alpha * view.p * (view.log_p + 1.0))
        ),
    ),
)

DETACHED_POLICY = Mistake(
    code="detached-policy",
    phrase="the gradient is 0 but for rounding",
    what=(
        "pi is detached, or the gradient was read after it was set to zero. The term through log "
        "pi alone vanishes on average over the policy."
    ),
    wrong="G = 0",
    wrong_line="loss = (pi.detach() * (alpha * log_pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    formulas=(replace(RIGHT, is_zero=True),),
)
