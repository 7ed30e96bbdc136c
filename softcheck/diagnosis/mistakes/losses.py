"""Gradients of another loss, of another policy's loss, or at another place than the logits."""

from __future__ import annotations

from math import log, log2, sqrt
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import flat, of_whole
from softcheck.diagnosis.mistakes.record import ANY_DATA, Formula, Mistake, Need, Planted, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries


def _next_policy(whole: View) -> Entries:
    return flat(np.roll(whole.in_order(whole.p), -1, axis=0))


def _next_state_policy(view: View) -> Columns:
    """Alpha (p' - p) with the policy p' of the next step; that after the last is read off G."""
    successor = of_whole(view, _next_policy)[:, view.states]
    last = view.states >= view.shared.states - _steps(view)
    size = view.alpha * np.abs(view.e.factor)
    room = view.right.tolerance / size
    beyond = view.p + view.grad / (view.alpha * view.e.factor)
    is_policy = (beyond >= -room).all(axis=0)
    is_policy &= np.abs(beyond.sum(axis=0) - 1.0) <= room.sum(axis=0)
    beyond[:, ~is_policy] = np.nan
    successor = np.where(last, beyond, successor)
    b = view.alpha * (successor - view.p)
    return view.parts(np.zeros_like(b), b, np.maximum(view.p, successor))


def _plant_next_state_policy(view: View, _: np.random.Generator) -> Entries:
    successor = of_whole(view, _next_policy)[:, view.states]
    grad: Entries = view.alpha * (successor - view.p) * view.e.factor
    return grad


def _steps(view: View) -> int:
    """How many states a step of time has: it runs along the first axis."""
    return view.shared.states // view.shared.shape[0]


NEXT_STATE_POLICY = Mistake(
    code="next-state-policy",
    phrase="the terms are weighted by the policy of the next state",
    what=(
        "pi of the next state is a constant here, so Q drops out and log pi is pulled towards it. "
        "The next state of the last step is not in the data: what its policy must be was read off "
        "the gradient."
    ),
    wrong="G = alpha (p' - p), p' the policy of the next state",
    wrong_line="loss = (next_pi * (alpha * log_pi - q)).sum(-1).mean()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="Meta-YZ/SAC-Discrete",
    needs=SEVERAL_STATES,
    formulas=(
        Formula(
            _next_state_policy,
            read=Read(bits=lambda view: _steps(view) * view.shared.actions * view.digits),
        ),
    ),
    whole=True,
    planted=Planted(_plant_next_state_policy),
)

TEMPERATURES = (2.0, 0.5, 3.0, 4.0, 5.0, 10.0, 0.1, 0.2, 0.25, 0.7, 0.8, 0.9, 1.5)
"""Temperatures of a softmax that people choose."""


def _tempered_policy(temperature: float) -> Callable[[View], Columns]:
    """-J_T(Q) / T + alpha J(l): the entropy's policy lacks it."""

    def parts(view: View) -> Columns:
        warm = view.at(logits=view.e.block.logits / temperature)
        b = view.alpha * view.J(view.log_p)
        return view.parts(-warm.J(view.q) / temperature, b, view.p + warm.p / temperature)

    return parts


def _temperature_throughout(temperature: float, slope: float) -> Callable[[View], Columns]:
    """-J_T(g_T) / T: the policy that was dumped lacks the temperature; or without that 1 / T."""

    def parts(view: View) -> Columns:
        warm = view.at(logits=view.e.block.logits / temperature)
        a, b = -warm.J(warm.q), warm.alpha * warm.J(warm.log_p)
        return warm.parts(slope * a, slope * b, slope * warm.p)

    return parts


def _temperatures(view: View) -> Iterator[Formula]:
    alpha = view.shared.alpha
    tried = [*TEMPERATURES, sqrt(view.shared.actions), *([alpha, 1.0 / alpha] if alpha else [])]
    for temperature in dict.fromkeys(tried):
        if abs(log(temperature)) > 1e-6:
            said = f"temperature {temperature:.6g}"
            yield Formula(_tempered_policy(temperature), said)
            for slope in (1.0 / temperature, 1.0):
                yield Formula(_temperature_throughout(temperature, slope), said)


TEMPERATURE_IN_POLICY = Mistake(
    code="temperature-in-policy",
    phrase="the policy has a softmax temperature that is not in the logits given",
    what=(
        "The policy is softmax(theta / T) in one place and softmax(theta) in another, or the "
        "factor 1 / T of its derivative is missing."
    ),
    wrong="G = -J_T(Q) / T + alpha J(l), or -J_T(g_T), or that over T",
    wrong_line=(
        "pi = torch.softmax(logits / temperature, -1); log_pi = torch.log_softmax(logits, -1)"
    ),
    right_line="log_pi = torch.log_softmax(logits / temperature, -1); pi = log_pi.exp()",
    seen="trl#3029, OpenRLHF#1319",
    formulas=_temperatures,
)


def _forward_kl(view: View) -> Columns:
    """P - softmax(Q / alpha)."""
    logits = np.where(view.legal > 0, view.q / view.alpha, -np.inf)
    target = view.at(logits=logits)
    a = view.p - target.p
    weight = (view.p + target.p) / np.where(view.alpha > 0, view.alpha, 1.0)
    return target.parts(a, np.zeros_like(a), weight)


FORWARD_KL = Mistake(
    code="forward-kl",
    phrase="the divergence is the wrong way round",
    what=(
        "KL(softmax(Q / alpha) || pi) covers all good actions; the soft actor-critic minimises "
        "KL(pi || softmax(Q / alpha))."
    ),
    wrong="G = p - softmax(Q / alpha)",
    wrong_line="loss = F.kl_div(log_pi, torch.softmax(q / alpha, -1), reduction='batchmean')",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1).mean()",
    seen="ACER#6, aprender#2153",
    needs=Need(ANY_DATA.words, lambda view: bool((view.alpha > 0).all())),
    formulas=(Formula(_forward_kl),),
)


_READ_ACTION = Read(bits=lambda view: view.wrong_states * log2(view.shared.actions))


def _is_weighed(view: View) -> bool:
    """Whether every state counts: what is read off the gradient is read in units of its factor."""
    return bool(view.e.factor.all())


def _one_of_others(view: View, left: Entries) -> tuple[Entries, Entries]:
    """Return e, 1 at the drawn action of each state, and c, where `left` is c (e - p).

    Over -p, it is c at every action but the drawn one.
    """
    live = view.p > 0.0
    over = np.where(live, left / -view.p, np.nan)
    c = np.where(live.any(axis=0), np.nanmedian(over, axis=0), 0.0)
    return _largest(np.where(live, np.abs(over - c), -np.inf)), c


def _largest(made: Entries) -> Entries:
    """Return 1 at the largest entry of each state, the first of several, 0 elsewhere."""
    chosen = np.zeros_like(made)
    chosen[made.argmax(axis=0), np.arange(made.shape[1])] = 1.0
    return chosen


def _less_q(view: View) -> Entries:
    """G + J(Q), 0 where G is not finite."""
    made = view.grad / view.e.factor + view.J(view.q)
    left: Entries = np.where(np.isfinite(made), made, 0.0)
    return left


def _sampled_entropy(view: View) -> Columns:
    """-J(Q) + alpha (e_a' - p): log pi of one action a' drawn, read off G."""
    left = _less_q(view) + view.alpha * view.p
    drawn = _largest(np.where(view.legal > 0, left, -np.inf))
    b = view.alpha * (drawn - view.p)
    return view.parts(-view.J(view.q), b, np.maximum(view.p, drawn))


def _sampled_entropy_weighted(view: View) -> Columns:
    """-J(Q) + alpha p_a' (1 + l_a') (e_a' - p): p log p of one action a' drawn, read off G."""
    drawn, _ = _one_of_others(view, _less_q(view))
    slope = (drawn * view.p * (1.0 + view.log_p)).sum(axis=0)
    b = view.alpha * slope * (drawn - view.p)
    return view.parts(-view.J(view.q), b, np.maximum(view.p, drawn))


def _draw(view: View, generator: np.random.Generator) -> Entries:
    reached = view.p.cumsum(axis=0) > generator.random(view.p.shape[1])
    return _largest(np.where(reached, 1.0, 0.0))


def _plant_sampled_entropy(view: View, generator: np.random.Generator) -> Entries:
    chosen = _draw(view, generator)
    grad: Entries = (view.alpha * (chosen - view.p) - view.J(view.q)) * view.e.factor
    return grad


SAMPLED_ENTROPY = Mistake(
    code="sampled-entropy",
    phrase="the entropy is -log pi of one action drawn",
    what=(
        "alpha (e - p) of the drawn action averages to 0 over draws: the entropy is not "
        "regularised at all. Which action was drawn was read off the gradient."
    ),
    wrong="G = -J(Q) + alpha (e - p), e = 1 at the drawn action, or alpha p_e (1 + l_e) (e - p)",
    wrong_line="entropy = -dist.log_prob(dist.sample())",
    right_line="entropy = dist.entropy()",
    seen="SB3#1856, ml-agents#3607; rlx#3",
    formulas=(
        Formula(_sampled_entropy, applies=_is_weighed, read=_READ_ACTION),
        Formula(_sampled_entropy_weighted, "p log p of it", _is_weighed, read=_READ_ACTION),
    ),
    planted=Planted(_plant_sampled_entropy),
)


def _sampled_gradient(view: View) -> Columns:
    """C (e_a' - p): the drawn action a' and the number c of each state are read off G."""
    grad = np.where(np.isfinite(view.grad), view.grad, 0.0) / view.e.factor
    drawn, c = _one_of_others(view, grad)
    others = (view.p * (1.0 - drawn)).sum(axis=0)  # 1 - p, without the digits that it loses
    a = c * (drawn * others - (1.0 - drawn) * view.p)
    # What whoever takes 1 - p loses, as a share of what Eq. (6) rounds by there.
    unit = view.dump.factor * view.dump.computed.tolerated * np.abs(view.e.factor)
    weight = unit * np.abs(c) * drawn * view.p / sum(view.tolerances)
    return view.parts(a, np.zeros_like(a), weight)


def _plant_sampled_gradient(view: View, generator: np.random.Generator) -> Entries:
    chosen = _draw(view, generator)
    soft = (chosen * (view.alpha * view.log_p - view.q)).sum(axis=0)
    grad: Entries = soft * (chosen - view.p) * view.e.factor
    return grad


SAMPLED_GRADIENT = Mistake(
    code="sampled-gradient",
    phrase="every state has the gradient of one action drawn, not the expectation over all",
    what=(
        "REINFORCE: c (e - p) for the action that was drawn. Its mean over draws is the gradient "
        "if c is the loss of that action, but one draw is noise. Which action, and c, were read "
        "off the gradient."
    ),
    wrong="G = c (e - p), e = 1 at the drawn action",
    wrong_line="loss = log_pi.gather(-1, a) * (alpha * log_pi - q).gather(-1, a).detach()",
    right_line="loss = (pi * (alpha * log_pi - q)).sum(-1)",
    formulas=(
        Formula(
            _sampled_gradient,
            applies=_is_weighed,
            cost=3.0,
            read=_READ_ACTION._replace(numbers=1),
        ),
    ),
    planted=Planted(_plant_sampled_gradient, in_parts=False),
)
