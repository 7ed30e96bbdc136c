"""Mistakes in the terms of Eq. (6): one is missing, or another stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import OPEN_MASK
from softcheck.diagnosis.mistakes.parts import at, usual
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Planted, Shown, Turn

if TYPE_CHECKING:
    from softcheck.diagnosis.mistakes.record import Parts
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries, States


def _missing_baseline(view: View) -> Parts:
    """-p g: the row sums are -V."""
    return usual(view, -view.p * view.q, view.alpha * view.p * view.log_p)


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
    formulas=(Formula(_missing_baseline),),
    shows=(Shown("advantage", lambda view: view.e.policy.g),),
    turn=Turn.OF_TERMS,
)


def _baseline_without_entropy(view: View) -> Parts:
    """-p (g - E Q): the row sums are -alpha H."""
    return usual(view, -view.J(view.q), view.alpha * view.p * view.log_p)


def _expected_q(view: View) -> States:
    return view.e.mean(view.q)


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
    formulas=(Formula(_baseline_without_entropy),),
    shows=(
        Shown("value", _expected_q),
        Shown("advantage", lambda view: view.e.policy.g - _expected_q(view)),
    ),
    turn=Turn.OF_TERMS,
)


def _uniform_baseline(view: View) -> Parts:
    """-p (g - mean g): the mean over the legal actions, not that under p."""

    def less_mean(w: Entries) -> Entries:
        mean: States = (view.legal * w).sum(axis=0) / view.legal.sum(axis=0)
        return w - mean

    return usual(view, -view.p * less_mean(view.q), view.alpha * view.p * less_mean(view.log_p))


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
    formulas=(Formula(_uniform_baseline),),
    turn=Turn.OF_TERMS,
)


def _diagonal_jacobian(view: View) -> Parts:
    """-p (1 - p) g."""
    diagonal = view.p * (1.0 - view.p)
    return usual(view, -diagonal * view.q, view.alpha * diagonal * view.log_p)


DIAGONAL_JACOBIAN = Mistake(
    code="diagonal-jacobian",
    phrase="only the diagonal of the softmax Jacobian is used",
    what="Softmax was differentiated as if each probability depended on its own logit alone.",
    wrong="G = -p (1 - p) g",
    wrong_line="grad = -g * pi * (1 - pi)",
    right_line="grad = -pi * (g - (pi * g).sum(-1, keepdim=True))",
    seen="libnd4j#440, mobula#3",
    formulas=(Formula(_diagonal_jacobian),),
    turn=Turn.OF_TERMS,
)


def _missing_policy_weight(view: View) -> Parts:
    """-(g - V)."""
    legal = view.legal
    a = -legal * (view.q - view.e.mean(view.q))
    return usual(view, a, legal * view.alpha * (view.log_p - view.e.mean(view.log_p)), legal)


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
    formulas=(Formula(_missing_policy_weight),),
    turn=Turn.OF_TERMS,
)


def _unweighted_sum(view: View) -> Parts:
    """Alpha (1 - A p): no Q in it."""
    return _unweighted(view, view.legal.sum(axis=0))


def _unweighted_sum_of_all(view: View) -> Parts:
    """The same where A counts the masked actions too."""
    return _unweighted(view, float(len(view.legal)))


def _unweighted(view: View, actions: States | float) -> Parts:
    legal = view.legal
    b = legal * view.alpha * (1.0 - actions * view.p)
    return usual(view, 0.0 * legal, b, legal * actions)


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
        Formula(_unweighted_sum),
        Formula(_unweighted_sum_of_all, "masked actions counted", OPEN_MASK.met),
    ),
    shows=(Shown("value", lambda view: (view.legal * view.e.policy.g).sum(axis=0)),),
    turn=Turn.OF_TERMS,
)


def _entropy_without_jacobian(view: View) -> Parts:
    """-J(Q) + alpha (1 + l)."""
    legal = view.legal
    return usual(view, -view.J(view.q), legal * view.alpha * (1.0 + view.log_p), legal)


def _entropy_without_jacobian_weighted(view: View) -> Parts:
    """-J(Q) + alpha p (1 + l)."""
    return usual(view, -view.J(view.q), view.alpha * view.p * (1.0 + view.log_p))


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
        Formula(_entropy_without_jacobian),
        Formula(_entropy_without_jacobian_weighted, "weighted by pi"),
    ),
    turn=Turn.OF_TERMS,
)


def _normaliser_detached(view: View) -> Parts:
    """-J(Q) + alpha (J(l) + p): log pi passes its gradient on as it is."""
    return usual(view, -view.J(view.q), view.alpha * (view.J(view.log_p) + view.p))


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
    formulas=(Formula(_normaliser_detached),),
    turn=Turn.OF_TERMS,
)


def _policy_for_log_policy(view: View) -> Parts:
    """-J(Q - 2 alpha p)."""
    return usual(view, -view.J(view.q), 2.0 * view.alpha * view.J(view.p))


POLICY_FOR_LOG_POLICY = Mistake(
    code="policy-for-log-policy",
    phrase="pi stands where log pi is due",
    what="The logarithm was forgotten: alpha weighs the squared probabilities.",
    wrong="G = -J(Q - 2 alpha p)",
    wrong_line="loss = (pi * (alpha * pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="pytorch/rl#1750",
    formulas=(Formula(_policy_for_log_policy),),
    shows=(
        Shown("policy", lambda view: view.log_p),
        Shown("log_policy", lambda view: view.p),
        Shown("g", lambda view: view.q - view.alpha * view.p),
    ),
    turn=Turn.OF_TERMS,
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
    planted=Planted(at(0.0, 0.0)),
)
"""It is the right formula at x = y = 0, and nothing is fitted."""
