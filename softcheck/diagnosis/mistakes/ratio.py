"""Mistakes that leave the gradient -J(Q) + y J(l): alpha, or the entropy, weighs otherwise."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.parts import rounded
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import Shared, View
    from softcheck.gradient.policy import PerState

_LOG_2 = log(2.0)


ALPHA_DOUBLED = Mistake(
    code="alpha-doubled",
    phrase="alpha is applied twice over",
    what=(
        "The entropy is counted twice, for instance once in the loss and once in a Q that already "
        "holds it."
    ),
    wrong="G = -J(Q) + 2 alpha J(l)",
    wrong_line="loss = (pi * (2 * alpha * log_pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="ga5am3/discrete-SAC-ERE-PER",
    ratio=lambda _shared, _: (2.0,),
    shows=(Shown("g", lambda view: view.q - 2.0 * view.alpha * view.log_p),),
)

ENTROPY_SIGN_FLIPPED = Mistake(
    code="entropy-sign-flipped",
    phrase="the sign of the entropy is flipped",
    what=(
        "The entropy is added to the loss, so it is minimised: the policy collapses instead of "
        "exploring."
    ),
    wrong="G = -J(Q) - alpha J(l)",
    wrong_line="loss = -(pi * q).sum(-1) + alpha * entropy",
    right_line="loss = -(pi * q).sum(-1) - alpha * entropy",
    seen="open_spiel#962, SB3#127, garage#628, tensorflow/models#5058",
    flips="ratio",
    shows=(
        Shown("entropy", lambda view: view.e.mean(view.log_p)),
        Shown("g", lambda view: view.q + view.alpha * view.log_p),
        Shown("value", lambda view: view.e.mean(view.q + view.alpha * view.log_p)),
    ),
)

ENTROPY_WITHOUT_GRADIENT = Mistake(
    code="entropy-without-gradient",
    phrase="the entropy has no gradient",
    what=(
        "The entropy is only a number in the loss: it was detached, computed under no_grad, or its "
        "gradient is never used."
    ),
    wrong="G = -J(Q)",
    wrong_line="loss = -(pi * q).sum(-1) - alpha * entropy.detach()",
    right_line="loss = -(pi * q).sum(-1) - alpha * entropy",
    seen="trl#6625, trl#5595, PAPO#20",
    ratio=lambda _shared, _: (0.0,),
    shows=(
        Shown("g", lambda view: view.q),
        Shown("advantage", lambda view: view.q - view.e.policy.value),
    ),
)

LOG_BASE_2 = Mistake(
    code="log-base-2",
    phrase="log2 is taken for log",
    what="The entropy is measured in bits, which makes alpha 1.44 times larger than it says.",
    wrong="G = -J(Q) + alpha / ln 2 J(l)",
    wrong_line="log_pi = torch.log2(pi)",
    right_line="log_pi = torch.log_softmax(logits, -1)",
    seen="Lunar_Lander_SAC_discrete",
    ratio=lambda _shared, _: (1.0 / _LOG_2,),
    shows=(
        Shown("log_policy", lambda view: view.log_p / _LOG_2),
        Shown("entropy", lambda view: -view.e.mean(view.log_p) / _LOG_2),
        Shown("g", lambda view: view.q - view.alpha * (view.log_p / _LOG_2)),
    ),
)

ENTROPY_NORMALISED = Mistake(
    code="entropy-normalised",
    phrase="the entropy is divided by log A",
    what=(
        "The entropy was scaled to at most 1, which divides alpha by the logarithm of the number "
        "of actions."
    ),
    wrong="G = -J(Q) + alpha / log A J(l)",
    wrong_line="entropy = -(pi * log_pi).sum(-1) / math.log(pi.shape[-1])",
    right_line="entropy = -(pi * log_pi).sum(-1)",
    seen="trfl, option normalise",
    ratio=lambda shared, _: (1.0 / log(shared.actions),) if shared.actions > 1 else (),
    shows=(
        Shown(
            "entropy",
            lambda view: -view.e.mean(view.log_p) / log(max(2, view.shared.actions)),
        ),
    ),
)

ENTROPY_AVERAGED_OVER_ACTIONS = Mistake(
    code="entropy-averaged-over-actions",
    phrase="the entropy is a mean over actions",
    what=(
        "p log p was averaged over the actions where their sum is the entropy: alpha is divided by "
        "the number of actions."
    ),
    wrong="G = -J(Q) + alpha / A J(l)",
    wrong_line="entropy = -(pi * log_pi).mean(-1)",
    right_line="entropy = -(pi * log_pi).sum(-1)",
    ratio=lambda shared, _: (1.0 / shared.actions,),
    shows=(Shown("entropy", lambda view: -view.e.mean(view.log_p) / view.shared.actions),),
)

ENTROPY_AVERAGED_OVER_STATES = Mistake(
    code="entropy-averaged-over-states",
    phrase="the entropy is divided by the number of states once more",
    what=(
        "The entropy went into the loss of every state as its mean over the batch, so alpha is "
        "divided by the number of states."
    ),
    wrong="G = -J(Q) + alpha / B J(l)",
    wrong_line="loss = (-(pi * q).sum(-1) - alpha * entropy.mean() / len(q)).sum()",
    right_line="loss = (-(pi * q).sum(-1) - alpha * entropy).sum()",
    ratio=lambda shared, _: (1.0 / shared.states,),
)

Q_COUNTED_TWICE = Mistake(
    code="q-counted-twice",
    phrase="Q is counted twice",
    what=(
        "Two terms of the loss both subtract Q, as where a discrete and a continuous head share a "
        "critic."
    ),
    wrong="G = -2 J(Q) + alpha J(l)",
    wrong_line="loss = ((pi * (alpha * log_pi - q)).sum(-1) - (pi * q).sum(-1)).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="hybrid-sac#1",
    scale=lambda _shared: (2.0,),
    ratio=lambda _shared, _: (0.5,),
)


def _by_state(change: Callable[[PerState], PerState]) -> tuple[Formula]:
    """Return the formula of a changed alpha where it is 0 or differs by state: it has no ratio."""

    def parts(view: View) -> Columns:
        return view.parts(-view.J(view.q), change(view.alpha) * view.J(view.log_p))

    return (Formula(parts, applies=lambda view: not view.shared.alpha),)


MISSING_ALPHA = Mistake(
    code="missing-alpha",
    phrase="alpha is missing before log pi",
    what="The entropy has the weight 1 instead of alpha. With alpha = 1 nobody notices.",
    wrong="G = -J(Q) + J(l)",
    wrong_line="loss = (pi * (log_pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="p-christ#21, sweetice#36",
    ratio=lambda shared, _: (1.0 / shared.alpha,) if shared.alpha else (),
    formulas=_by_state(lambda alpha: 0.0 * alpha + 1.0),
    shows=(
        Shown("g", lambda view: view.q - view.log_p),
        Shown("value", lambda view: view.e.mean(view.q - view.log_p)),
    ),
)

LOG_ALPHA_AS_ALPHA = Mistake(
    code="log-alpha-as-alpha",
    phrase="log alpha stands where alpha belongs",
    what=(
        "The optimised parameter log alpha was used without exp. Below alpha = 1 it even has the "
        "wrong sign."
    ),
    wrong="G = -J(Q) + log(alpha) J(l)",
    wrong_line="loss = (pi * (log_alpha * log_pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (log_alpha.exp() * log_pi - q)).sum(-1).mean()",
    seen="SB3#2013",
    ratio=lambda shared, _: (log(shared.alpha) / shared.alpha,) if shared.alpha else (),
    formulas=_by_state(lambda alpha: np.log(alpha)),  # noqa: PLW0108  NumPy is loaded later
)


def _rounded(shared: Shared, unit: float) -> list[float]:
    """Return alpha in the precisions coarser than `unit`, in units of itself."""
    from softcheck.gradient.tolerance import coarser

    alpha = shared.alpha
    if not alpha:
        return []
    return [rounded(alpha, precision) / alpha for precision in coarser(unit)]


ALPHA_ROUNDED = Mistake(
    code="alpha-rounded",
    phrase="alpha was rounded to a lower precision",
    what=(
        "Alpha went through float32, float16 or bfloat16 while everything else is finer: every "
        "entry is off by alpha's own rounding."
    ),
    wrong="G = -J(Q) + round(alpha) J(l)",
    wrong_line="alpha = log_alpha.float().exp()",
    right_line="alpha = log_alpha.double().exp()",
    seen="a float32 log_alpha.exp() beside a float64 table",
    ratio=_rounded,
    formulas=_by_state(lambda alpha: alpha.astype(np.float32).astype(np.float64)),
)
