"""Mistakes that are made from the formula of a loss: what a name of theirs means.

Which of them made a gradient is found by `softcheck.diagnosis.sieve`.
"""

from __future__ import annotations

from functools import partial

from softcheck.diagnosis.mistakes.record import Mistake

_Generated = partial(Mistake, planted=None)  # it is planted as the formula that the loss has for it

TERM_MISSING = _Generated(
    code="term-missing",
    phrase="a term of the loss has no gradient",
    what=(
        "The gradient is that of the loss without one of its terms: it was left out, its "
        "coefficient is 0, or it was computed without gradient. The report says which term."
    ),
    wrong="G = T - dL_k/dtheta",
    right="T = dL/dtheta, L = L_1 + ... + L_m",
    wrong_line="loss = one_term + coef * other_term.detach()",
    right_line="loss = one_term + coef * other_term",
    seen="trl#6625, trl#5595, PAPO#20 (entropy)",
)

TERM_SIGN = _Generated(
    code="term-sign",
    phrase="the sign of a term of the loss is flipped",
    what="The gradient is that of the loss with one of its terms subtracted instead of added.",
    wrong="G = T - 2 dL_k/dtheta",
    right="T = dL/dtheta, L = L_1 + ... + L_m",
    wrong_line="loss = policy_loss - beta * kl",
    right_line="loss = policy_loss + beta * kl",
    seen="open_spiel#962, SB3#127, garage#628 (entropy)",
)

TERM_SCALED = _Generated(
    code="term-scaled",
    phrase="a term of the loss has another factor",
    what=(
        "The gradient is that of the loss with one of its terms multiplied by a number: its "
        "coefficient was left out, or is there twice; it is counted once a shard; a sum is a mean; "
        "a 2 of a derivative was forgotten. The report says which term and which factor."
    ),
    wrong="G = T + (x - 1) dL_k/dtheta",
    right="T = dL/dtheta, L = L_1 + ... + L_m",
    wrong_line="dlogits += z_coef * lse * pi",
    right_line="dlogits += 2 * z_coef * lse * pi",
)

STOP_GRADIENT = _Generated(
    code="stop-gradient",
    phrase="a part of the loss has no gradient",
    what=(
        "The gradient is that of the loss with a stop-gradient, as of detach or no_grad, on one "
        "occurrence of pi or log pi. The report says which: sg[...]. A stop-gradient that changes "
        "nothing, such as on the log pi of an entropy, is never named."
    ),
    wrong="G = dL/dtheta with sg[...] held constant",
    right="T = dL/dtheta",
    wrong_line="kl = (ref - log_pi).detach().exp() - (ref - log_pi) - 1",
    right_line="kl = (ref - log_pi).exp() - (ref - log_pi) - 1",
)

NO_BASELINE = _Generated(
    code="no-baseline",
    phrase="the sum that the softmax subtracts is left out",
    what=(
        "The gradient is that by log pi, or by what pi is multiplied by: the backward pass of the "
        "softmax lacks its second term, and states do not sum to 0."
    ),
    wrong="G = W, W = dL/dlog pi",
    right="T = W - p sum W",
    wrong_line="dlogits = -target",
    right_line="dlogits = pi * target.sum(-1, keepdim=True) - target",
)

CLIP_SIDE = _Generated(
    code="clip-side",
    phrase="a minimum, a maximum or a clip is on the wrong side",
    what=(
        "The gradient is that of the loss with a maximum for a minimum, or with a bound of the "
        "other sign: other states are clipped than should be. The report says which."
    ),
    wrong="G = dL'/dtheta, L' the loss with the other one",
    right="T = dL/dtheta",
    wrong_line="loss = -torch.max(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv)",
    right_line="loss = -torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv)",
)

CLIP_MISSING = _Generated(
    code="clip-missing",
    phrase="a minimum, a maximum or a clip is left out",
    what=(
        "The gradient is that of the loss with one side of a minimum, maximum or clip alone: it is "
        "not clipped, on one side only, or always clipped, without the minimum that keeps a step "
        "back possible. The report says which."
    ),
    wrong="G = dL'/dtheta, L' the loss with one side of the minimum",
    right="T = dL/dtheta",
    wrong_line="loss = -ratio.clamp(1 - eps, 1 + eps) * adv",
    right_line="loss = -torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv)",
)

RATIO_INVERTED = _Generated(
    code="ratio-inverted",
    phrase="a ratio of two policies is inverted",
    what="The policy and the other one, such as that which acted, have changed places.",
    wrong="G = dL'/dtheta, L' the loss with exp(log mu - log pi)",
    right="T = dL/dtheta, L the loss with exp(log pi - log mu)",
    wrong_line="ratio = (old_log_probs - log_probs).exp()",
    right_line="ratio = (log_probs - old_log_probs).exp()",
)

OTHER_ESTIMATE = _Generated(
    code="other-estimate",
    phrase="another estimate of the divergence was taken",
    what=(
        "From one action, the divergence can be estimated as k1 = d, k2 = d^2 / 2 or "
        "k3 = exp(-d) - 1 + d, d = log pi - log rho. As losses they differ: the gradient of k1 "
        "averages to 0, those of k2 and k3 to that of the reverse and the forward divergence."
    ),
    wrong="G has dk2/dtheta = d (e - p), e = 1 at the action",
    right="T has dk3/dtheta = (1 - exp(-d)) (e - p)",
    wrong_line="kl = 0.5 * (log_probs - ref_log_probs) ** 2",
    right_line="d = ref_log_probs - log_probs; kl = d.exp() - d - 1",
)

OTHER_LOSS = _Generated(
    code="other-loss",
    phrase="it is another of the losses that come with softcheck",
    what=(
        "The gradient, or the value of the loss, is that of another loss, made of the arrays that "
        "are there. The report says which, and which array stands for which. If it is meant, say "
        "so: --loss."
    ),
    wrong="G = dL'/dtheta, or the loss dumped is L'",
    right="T = dL/dtheta",
    wrong_line="loss = -advantages * log_probs  # said to be ppo-clip",
    right_line="loss = -torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv)",
)
