"""Mistakes in the policy itself, or in its logarithm."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import NO_MASK, SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import entropy, flat, of_whole, right
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Planted, Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import Laid, View
    from softcheck.gradient.policy import Entries

EPSILONS = (
    *(10.0**-power for power in range(2, 17)),
    2.0**-23,
    2.0**-24,
    2.0**-52,
)
"""What people add to a policy before its logarithm, or clamp it to."""


def _double_softmax(view: View) -> Columns:
    """-J(J'(g')) through p' = softmax(p)."""
    inner = view.at(logits=view.p)
    a = -view.J(inner.J(view.q))
    return inner.parts(a, view.alpha * view.J(inner.J(inner.log_p)), view.p)


def _softmax_of_policy(view: View) -> Columns:
    """-J'(g'): the gradient at the probabilities."""
    return right(view.at(logits=view.p))


DOUBLE_SOFTMAX = Mistake(
    code="double-softmax",
    phrase="probabilities are taken for logits",
    what=(
        "Softmax was applied to the output of a softmax, so the policy is nearly even whatever the "
        "logits."
    ),
    wrong="G = -J(J'(g')) with p' = softmax(p), or -J'(g') at the probabilities",
    wrong_line="dist = Categorical(logits=torch.softmax(logits, -1))",
    right_line="dist = Categorical(logits=logits)",
    seen=(
        "tf2rl#140, garage#1357; Tianshou 2.0.1, whose DiscreteActor has softmax_output=True by "
        "default"
    ),
    needs=NO_MASK,
    formulas=(Formula(_double_softmax), Formula(_softmax_of_policy, "at the probabilities")),
    shows=(Shown("policy", lambda view: view.at(logits=view.p).p),),
)


@cache
def softmax_over(axes: tuple[int, ...]) -> Callable[[View], tuple[Laid, Laid]]:
    """Return what makes of a whole case the softmax over axes of states, and its logarithm."""

    def made(whole: View) -> tuple[Laid, Laid]:
        from softcheck.gradient.policy import FLOOR

        logits = whole.in_order(np.maximum(whole.e.block.logits, -1e300))
        z = np.maximum(logits - logits.max(axis=axes, keepdims=True), FLOOR)
        log_policy = z - np.log(np.exp(z).sum(axis=axes, keepdims=True))
        return np.exp(log_policy) * whole.in_order(whole.legal), log_policy

    return made


def _plant_over_states(view: View, _: np.random.Generator) -> Entries:
    """-p (g - sum p g), sums and softmax along the first axis."""
    policy, log_policy = softmax_over((0,))(view)
    slope = view.alpha * (flat(log_policy) + 1.0) - view.q
    w = view.in_order(slope * view.e.factor)
    return flat(policy * (w - (policy * w).sum(axis=0, keepdims=True)))


def _shown_over_states(number: int) -> Callable[[View], Entries]:
    return lambda view: flat(of_whole(view, softmax_over((0,)))[number])[:, view.states]


SOFTMAX_OVER_STATES = Mistake(
    code="softmax-over-states",
    phrase="the softmax runs over states",
    what=(
        "Softmax along the wrong axis: probabilities of one action over the batch, or over the "
        "tokens of a sequence, sum to 1. The gradient sums to 0 over those, not over actions."
    ),
    wrong="G = -p (g - sum over states of p g) with p = softmax over states",
    wrong_line="pi = torch.softmax(logits, dim=0)",
    right_line="pi = torch.softmax(logits, dim=-1)",
    seen="world-models#10, ray#16311, BindsNET#577",
    needs=SEVERAL_STATES,
    whole=True,
    shows=(
        Shown("policy", _shown_over_states(0)),
        Shown("log_policy", _shown_over_states(1)),
    ),
    planted=Planted(_plant_over_states),
)


def _log_epsilon(e: float) -> Callable[[View], Columns]:
    """-J(Q - alpha (log(p + e) + p / (p + e)))."""
    return entropy(lambda view: view.J(np.log(view.p + e) + view.p / (view.p + e)))


def _log_epsilon_by_hand(e: float) -> Callable[[View], Columns]:
    """-J(Q - alpha log(p + e)): Eq. (6) as printed, with that logarithm."""
    return entropy(lambda view: view.J(np.log(view.p + e)))


def _shown_with_epsilon(e: float) -> tuple[Shown, ...]:
    return (
        Shown("policy", lambda view: view.p + e),
        Shown("log_policy", lambda view: np.log(view.p + e)),
        Shown("entropy", lambda view: -view.e.mean(np.log(view.p + e))),
        Shown("g", lambda view: view.q - view.alpha * np.log(view.p + e)),
    )


LOG_EPSILON = Mistake(
    code="log-epsilon",
    phrase="a small number is added to pi before its logarithm",
    what=(
        "log(p + e) differs from log p where p is near e, and its derivative is wrong there. "
        "log_softmax needs no epsilon."
    ),
    wrong="G = -J(Q - alpha (log(p + e) + p / (p + e))), by hand -J(Q - alpha log(p + e))",
    wrong_line="log_pi = torch.log(pi + 1e-8)",
    right_line="log_pi = torch.log_softmax(logits, -1)",
    seen="Pearl, tf2rl, Hands-on-RL, XinJingHao; by hand: mojo-rl",
    formulas=tuple(
        Formula(make(e), f"epsilon {e:.3g}{how}")
        for make, how in ((_log_epsilon, ""), (_log_epsilon_by_hand, ", by hand"))
        for e in EPSILONS
    ),
    shows=tuple(shown for e in EPSILONS for shown in _shown_with_epsilon(e)),
)


def _clamped_policy(low: float, high: float) -> Callable[[View], Columns]:
    """P clamped before the log: outside, the log is constant."""

    def slope(view: View) -> Entries:
        inside = (view.p >= low) & (view.p <= high)
        return view.J(np.where(inside, view.log_p, np.log(np.clip(view.p, low, high))) + inside)

    return entropy(slope)


def _shown_clamped(least: float) -> tuple[Shown, ...]:
    return (
        Shown("policy", lambda view: view.p.clip(least)),
        Shown("log_policy", lambda view: np.log(view.p.clip(least))),
    )


CLAMPED_POLICY = Mistake(
    code="clamped-policy",
    phrase="pi is clamped before its logarithm",
    what=(
        "Below the clamp the logarithm is constant, so these actions lose their part of the "
        "gradient."
    ),
    wrong="G = -J(Q - alpha (log max(p, c) + [p >= c]))",
    wrong_line="log_pi = pi.clamp(min=1e-8).log()",
    right_line="log_pi = torch.log_softmax(logits, -1)",
    seen="DigiRL#22; PyTorch, Categorical(probs=...)",
    formulas=tuple(
        Formula(_clamped_policy(e, top), f"at {e:.3g}{side}")
        for e in EPSILONS
        for top, side in ((1.0, ""), (1.0 - e, " on both sides"))
        if top < 1.0 or not side
    ),
    shows=tuple(shown for e in EPSILONS for shown in _shown_clamped(e)),
)

_SUMS = tuple(10.0**-power for power in range(3, 11))
_LANES = (2, 4, 8, 16, 32, 64)


def _leaking(more: float, largest: bool, by_hand: bool) -> Callable[[View], Columns]:
    """-p' (g' - sum p' g') with p' = p Z / (Z + e), which sums to less than 1.

    By autograd g' - alpha stands for g'. Z is that of logits less the largest, or of the logits.
    """

    def parts(view: View) -> Columns:
        log_Z = view.e.policy.log_Z
        shift = 0.0 if largest else view.e.policy.highest
        log_share = -np.log1p(more * np.exp(-log_Z - shift))
        policy = view.p * np.exp(log_share)
        log_policy = view.log_p + log_share + (0.0 if by_hand else 1.0)

        def centred(w: Entries) -> Entries:
            made: Entries = policy * (w - (policy * w).sum(axis=0))
            return made

        weight = policy * (1.0 + np.abs(log_share))
        return view.parts(-centred(view.q), view.alpha * centred(log_policy), weight)

    return parts


def _leaks(view: View) -> Iterator[Formula]:
    actions = view.shared.actions
    lanes = dict.fromkeys(-actions % width for width in _LANES if actions % width)
    for by_hand, how in ((False, ""), (True, ", by hand")):
        for e in _SUMS:
            yield Formula(_leaking(e, True, by_hand), f"sum + {e:.3g}{how}")
            yield Formula(_leaking(e, False, by_hand), f"sum of exp(logits) + {e:.3g}{how}")
        for count in lanes:
            said = f"{count} padded lanes whose logit is 0{how}"
            yield Formula(_leaking(float(count), False, by_hand), said)


POLICY_NOT_NORMALISED = Mistake(
    code="policy-not-normalised",
    phrase="pi does not sum to 1",
    what=(
        "A small number was added to the sum that the exponentials are divided by, or lanes that "
        "pad the actions take part in it: what they hold of pi is lost."
    ),
    wrong="G = -p' (g' - alpha - sum p' (g' - alpha)) with p' = exp(theta) / (sum + e)",
    wrong_line="pi = logits.exp() / (logits.exp().sum(-1, keepdim=True) + 1e-6)",
    right_line="pi = torch.softmax(logits, -1)",
    formulas=_leaks,
)
