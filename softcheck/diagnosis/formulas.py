"""The table of mistakes outside the family G = x (-J(Q)) + y J(log pi): one row a formula.

A row gives the gradient that the mistake leaves in two parts, a that comes from Q and b that
comes from alpha, so that a scale and a temperature that are wrong too can be told at once. With
p = pi, l = log pi, J(w) = p (w - sum p w) and E the mean under p; each part is still to be
multiplied by what reduction and weights make of a state's loss.

"Seen" in a row is public code or a public thread, `repository#number`; `softcheck explain` says
more of each code.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, log, log2, sqrt
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.diagnosis.view import View
from softcheck.gradient.policy import FLOOR, Array
from softcheck.gradient.tolerance import Precision, summation

Tables: TypeAlias = tuple[Array, ...]


class Parts(NamedTuple):
    """The two parts of a wrong gradient.

    Attributes
    ----------
    a, b : Array, shape (actions, rows)
    weight : Array, same shape
        What the rounding of Q - E Q and of alpha l is multiplied by.
    base : View
        Whose Q and policy it is the rounding of.
    factor : Array, shape (rows,), or None
        In place of what reduction and weights make of a state's loss.
    unknown : array of bool, shape (actions, rows), or None
        Entries that the formula cannot tell.
    """

    a: Array
    b: Array
    weight: Array
    base: View
    factor: Array | None = None
    unknown: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Formula:
    """A row: a code, what it is about in this variant, its parts, and what it needs.

    Attributes
    ----------
    code : str
        Empty for the right formula.
    parts : callable
        From a view to the parts.
    variant : str
        What the message says beside the code, such as the size of an epsilon.
    applies : callable
        Whether the data can have this mistake.
    whole : bool
        Whether it needs the whole table at once.
    cost : float
        How much has to be assumed; see `hypothesis.NAMED`.
    read : callable
        How many bits of each state are read off the gradient itself: they prove nothing.
    """

    code: str
    parts: Callable[[View], Parts]
    variant: str = ""
    applies: Callable[[View], bool] = lambda _view: True
    whole: bool = False
    cost: float = 1.0
    read: Callable[[View], float] = lambda _view: 0.0


def _usual(view: View, a: Array, b: Array, weight: Array | None = None) -> Parts:
    return Parts(a, b, view.p if weight is None else weight, view)


def right(view: View) -> Parts:
    """-J(Q) and alpha J(l): Eq. (6)."""
    return _usual(view, -view.J(view.q), view.alpha * view.J(view.log_p))


def _missing_baseline(view: View) -> Parts:
    """-p g: the row sums are -V. Seen: Odyssey#2134."""
    return _usual(view, -view.p * view.q, view.alpha * view.p * view.log_p)


def _baseline_without_entropy(view: View) -> Parts:
    """-p (g - E Q): the row sums are -alpha H."""
    return _usual(view, -view.J(view.q), view.alpha * view.p * view.log_p)


def _uniform_baseline(view: View) -> Parts:
    """-p (g - mean g): the mean over the legal actions, not that under p."""

    def less_mean(w: Array) -> Array:
        mean: Array = (view.legal * w).sum(axis=0) / view.legal.sum(axis=0)
        return w - mean

    return _usual(view, -view.p * less_mean(view.q), view.alpha * view.p * less_mean(view.log_p))


def _diagonal_jacobian(view: View) -> Parts:
    """-p (1 - p) g. Seen: libnd4j#440, mobula#3."""
    diagonal = view.p * (1.0 - view.p)
    return _usual(view, -diagonal * view.q, view.alpha * diagonal * view.log_p)


def _missing_policy_weight(view: View) -> Parts:
    """-(g - V). Seen: p-christ#21 (a question)."""
    legal = view.legal
    a = -legal * (view.q - view.e.mean(view.q))
    return _usual(view, a, legal * view.alpha * (view.log_p - view.e.mean(view.log_p)), legal)


def _unweighted_sum(view: View) -> Parts:
    """Alpha (1 - A p): no Q in it. Seen: spinningup#22."""
    legal = view.legal
    b = legal * view.alpha * (1.0 - legal.sum(axis=0) * view.p)
    return _usual(view, np.zeros_like(b), b, legal * legal.sum(axis=0))


def _unweighted_sum_of_all(view: View) -> Parts:
    """The same where A counts the masked actions too."""
    legal = view.legal
    b = legal * view.alpha * (1.0 - len(legal) * view.p)
    return _usual(view, np.zeros_like(b), b, legal * len(legal))


def _entropy_without_jacobian(view: View) -> Parts:
    """-J(Q) + alpha (1 + l). Seen: Kaixhin/Atari#48."""
    legal = view.legal
    return _usual(view, -view.J(view.q), legal * view.alpha * (1.0 + view.log_p), legal)


def _entropy_without_jacobian_weighted(view: View) -> Parts:
    """-J(Q) + alpha p (1 + l)."""
    return _usual(view, -view.J(view.q), view.alpha * view.p * (1.0 + view.log_p))


def _policy_for_log_policy(view: View) -> Parts:
    """-J(Q - 2 alpha p). Seen: pytorch/rl#1750."""
    return _usual(view, -view.J(view.q), 2.0 * view.alpha * view.J(view.p))


def _gradient_of_log_policy(view: View) -> Parts:
    """-p (g - alpha): the hook sat on log pi."""
    return _usual(view, -view.p * view.q, view.alpha * view.p * (view.log_p + 1.0))


def _double_softmax(view: View) -> Parts:
    """-J(J'(g')) through p' = softmax(p). Seen: tf2rl#140, garage#1357."""
    inner = view.at(logits=view.p)
    a = -view.J(inner.J(view.q))
    return Parts(a, view.alpha * view.J(inner.J(inner.log_p)), view.p, inner)


def _softmax_of_policy(view: View) -> Parts:
    """-J'(g'): the gradient at the probabilities. Seen: Tianshou 2.0.1, DiscreteActor."""
    inner = view.at(logits=view.p)
    return Parts(-inner.J(view.q), view.alpha * inner.J(inner.log_p), inner.p, inner)


def _log_epsilon(epsilon: float) -> Callable[[View], Parts]:
    """-J(Q - alpha (log(p + e) + p / (p + e))). Seen: Pearl, tf2rl, Hands-on-RL."""

    def parts(view: View) -> Parts:
        moved = view.p + epsilon
        return _usual(view, -view.J(view.q), view.alpha * view.J(np.log(moved) + view.p / moved))

    return parts


def _clamped_policy(low: float, high: float) -> Callable[[View], Parts]:
    """P clamped before the log: outside, the log is constant. Seen: DigiRL#22, Categorical."""

    def parts(view: View) -> Parts:
        inside = (view.p >= low) & (view.p <= high)
        logarithm = np.where(inside, view.log_p, np.log(np.clip(view.p, low, high)))
        return _usual(view, -view.J(view.q), view.alpha * view.J(logarithm + inside))

    return parts


def _critic(choose: Callable[[list[Array]], Array]) -> Callable[[View], Parts]:
    """Another choice between the critics. Seen: RLlib (old stack), ML-Agents, SLM-Lab."""

    def parts(view: View) -> Parts:
        other = view.at(q=choose(view.critics) * view.legal)
        made = right(other)
        return made._replace(base=other)

    return parts


def _twins(choice: str) -> Callable[[View], bool]:
    return lambda view: len(view.critics) > 1 and view.shared.choice != choice


def _masked(view: View) -> bool:
    logits = view.given["logits"]
    return view.e.legal is not None and bool(np.isfinite(logits).all())


def _masked_in_softmax(view: View) -> Parts:
    """-J0(m (Q - alpha l0 - alpha)): the mask after the softmax, not renormalised."""
    legal = view.legal
    open_ = view.at(logits=view.given["logits"])
    b = view.alpha * open_.J(legal * (open_.log_p + 1.0))
    return Parts(-open_.J(legal * view.q), b, open_.p, open_)


def _masked_q_zero(view: View) -> Parts:
    """-J0(m Q - alpha l0): Q of illegal actions 0, the actions stay. Seen: Pearl."""
    open_ = view.at(logits=view.given["logits"])
    return Parts(-open_.J(view.legal * view.q), view.alpha * open_.J(open_.log_p), open_.p, open_)


def _weighted(view: View) -> bool:
    return "weights" in view.given


def _broadcast_weights(view: View) -> Parts:
    """T_i mean(w) / B for T_i w_i / B. Seen: tf2rl, torchrl#1243, tianshou#40."""
    mean = view.shared.weight_sum / view.shared.states
    return right(view)._replace(factor=np.full_like(view.e.factor, mean * view.shared.reduction))


def _weights_ignored(view: View) -> Parts:
    """T_i / B for T_i w_i / B."""
    return right(view)._replace(factor=np.full_like(view.e.factor, view.shared.reduction))


def _tempered_policy(temperature: float) -> Callable[[View], Parts]:
    """-J_T(Q) / T + alpha J(l): the entropy's policy lacks it. Seen: trl#3029."""

    def parts(view: View) -> Parts:
        warm = view.at(logits=view.e.block.logits / temperature)
        b = view.alpha * view.J(view.log_p)
        return Parts(-warm.J(view.q) / temperature, b, view.p + warm.p / temperature, view)

    return parts


def _temperature_throughout(temperature: float) -> Callable[[View], Parts]:
    """-J_T(g_T) / T: the policy that was dumped lacks the temperature. Seen: OpenRLHF#1319."""

    def parts(view: View) -> Parts:
        warm = view.at(logits=view.e.block.logits / temperature)
        made = right(warm)
        return Parts(made.a / temperature, made.b / temperature, warm.p / temperature, warm)

    return parts


def _temperature_forgotten(temperature: float) -> Callable[[View], Parts]:
    """-J_T(g_T): taken at logits / T, without its 1 / T."""

    def parts(view: View) -> Parts:
        warm = view.at(logits=view.e.block.logits / temperature)
        return right(warm)._replace(base=warm)

    return parts


def _forward_kl(view: View) -> Parts:
    """P - softmax(Q / alpha). Seen: ACER#6, aprender#2153."""
    logits = np.where(view.legal > 0, view.q / view.alpha, -np.inf)
    target = view.at(logits=logits)
    a = view.p - target.p
    weight = (view.p + target.p) / np.where(view.alpha > 0, view.alpha, 1.0)
    return Parts(a, np.zeros_like(a), weight, target)


def _sampled_entropy(view: View) -> Parts:
    """-J(Q) + alpha (e_a' - p): log pi of one action a' drawn, read off G. Seen: SB3#1856."""
    a = -view.J(view.q)
    left = np.where(np.isfinite(view.grad), view.grad / view.e.factor - a, 0.0)
    left = np.where(view.legal > 0, left + view.alpha * view.p, -np.inf)
    drawn = np.zeros_like(a)
    drawn[left.argmax(axis=0), np.arange(a.shape[1])] = 1.0
    return _usual(view, a, view.alpha * (drawn - view.p), np.maximum(view.p, drawn))


def _next_state_policy(view: View) -> Parts:
    """Alpha (p' - p) with the policy p' of the next step. Seen: Meta-YZ/SAC-Discrete."""

    def tables(whole: View) -> Tables:
        successor = np.roll(whole.in_order(whole.p), -1, axis=0)
        return _flat(np.zeros_like(successor)), _flat(successor)

    a, successor = _of_whole(view, "next-state-policy", tables)
    rows = view.shared.states // view.shared.shape[0]
    last = view.states >= view.shared.states - rows
    b = view.alpha * (successor - view.p)
    weight = np.maximum(view.p, successor)
    unknown = np.broadcast_to(last, b.shape)
    return Parts(a, b, weight, view, unknown=unknown)


def _softmax_over_states(view: View) -> Parts:
    """The softmax along the first axis. Seen: world-models#10, ray#16311, BindsNET#577."""

    def tables(whole: View) -> Tables:
        policy, log_policy = over_states(whole)
        factor, alpha = (
            whole.in_order(np.broadcast_to(x, whole.p.shape)) for x in (whole.e.factor, whole.alpha)
        )
        logits = np.where(policy > 0, whole.in_order(whole.e.block.logits), 0.0)
        spread = 3.0 - log_policy + np.abs(logits) + summation(len(policy))
        a, of_q = _jacobian_over_states(policy, -factor * whole.in_order(whole.q), 1.0, spread)
        log_policy_1 = log_policy + 1.0
        b, of_log = _jacobian_over_states(policy, factor * alpha * log_policy_1, spread, spread)
        return _flat(a), _flat(b), _flat(of_q + of_log)

    a, b, rounding = _of_whole(view, "softmax-over-states", tables)
    weight = rounding / (view.rough_q + view.rough_log)
    return Parts(a, b, weight, view, factor=np.ones_like(view.e.factor))


def _jacobian_over_states(
    policy: Array, w: Array, error: Array | float, spread: Array
) -> tuple[Array, Array]:
    """Return p (w - sum p w) along the first axis and its rounding, where w rounds by `error`."""

    def mean(x: Array) -> Array:
        total: Array = (policy * x).sum(axis=0, keepdims=True)
        return total

    D = w - mean(w)
    rounding = spread * np.abs(D) + (error + 2.0) * np.abs(w)
    return policy * D, policy * (rounding + mean(rounding + len(w) * np.abs(D)))


def over_states(whole: View) -> tuple[Array, Array]:
    """Return the softmax over the first axis of states and its logarithm, `(*shape, actions)`."""
    logits = whole.in_order(np.maximum(whole.e.block.logits, -1e300))
    z = np.maximum(logits - logits.max(axis=0, keepdims=True), FLOOR)
    log_policy = z - np.log(np.exp(z).sum(axis=0, keepdims=True))
    return np.exp(log_policy) * whole.in_order(whole.legal), log_policy


def _clipped(view: View) -> Parts:
    """T clipped to [-c, c], c the largest entry of G: `clip_grad_value_`."""
    made = right(view)
    true = np.abs((made.a + made.b) * view.e.factor)
    kept = np.minimum(1.0, view.shared.largest / true)
    kept[true == 0.0] = 1.0
    return made._replace(a=made.a * kept, b=made.b * kept, weight=made.weight * kept)


def _scaled_by_state(view: View) -> Parts:
    """s_i T_i, s_i read off G: weights that were not declared, states dropped or clipped."""
    made = right(view)
    _, true, tolerance, _ = view.of_eq_6
    usable = np.isfinite(view.grad) & np.isfinite(tolerance) & (tolerance > 0)
    grad, true = np.where(usable, view.grad, 0.0), np.where(usable, true, 0.0)
    weight = np.where(usable, 1.0 / tolerance, 0.0)
    true, grad = true * weight, grad * weight
    size = (true * true).sum(axis=0)
    scale = np.where(size > 0.0, (true * grad).sum(axis=0) / size, 1.0)
    # Two entries that sum to 0 have some scale whatever they are.
    seen = np.count_nonzero(np.abs(true) > _SEEN, axis=0)
    alike = (seen > 0) & (seen <= 2)
    unknown = np.broadcast_to(alike & view.wrong.any(axis=0), made.a.shape)
    return made._replace(factor=view.e.factor * scale, unknown=unknown)


def _transposed(view: View) -> Parts:
    """States and actions swapped, where there are as many of both."""
    return _moved(view, "transposed", lambda table: table.T.copy())


def _transposed_in_memory(view: View) -> Parts:
    """Actions-first numbers that are read as states-first."""
    return _moved(view, "transposed in memory", lambda table: table.reshape(table.T.shape).T.copy())


def _permuted_states(view: View) -> Parts:
    """The states in another order: those of G and of the right gradient are matched by size."""

    def tables(whole: View) -> Tables:
        made = right(whole)
        true = (made.a + made.b) * whole.e.factor
        size = np.abs(_with_rounding(whole, made)[2] * whole.e.factor) + np.abs(true)
        origin = _matched(true, whole.grad, size)
        factor = whole.e.factor
        return tuple((part * factor)[:, origin] / factor for part in _with_rounding(whole, made))

    made = _placed(view, "permuted-states", tables)
    # A row of zeros may stand anywhere.
    return made._replace(unknown=np.broadcast_to(~view.grad.any(axis=0), made.a.shape))


def _matched(true: Array, grad: Array, size: Array) -> NDArray[np.int64]:
    """Return for each state of `grad` the state of `true` that it most resembles.

    States are sorted by one random combination of their entries; rounding, which goes with
    `size`, may exchange near ones.
    """
    probe = np.random.default_rng(0).normal(size=len(true))
    order = np.argsort(probe @ true, kind="stable")
    place = np.argsort(probe @ grad, kind="stable")
    ranks = np.arange(order.size)
    best = np.full(order.size, np.inf)
    nearest = np.zeros(order.size, dtype=np.int64)
    reach = min(order.size, 1 + _COMPARED // true.size)
    for shift in range(-reach, reach + 1):
        candidate = order[np.clip(ranks + shift, 0, order.size - 1)]
        difference = np.abs(true[:, candidate] - grad[:, place])
        distance = (difference / np.maximum(size[:, candidate], 1e-300)).max(axis=0)
        better = distance < best
        best[better], nearest[better] = distance[better], candidate[better]
    origin = np.empty_like(nearest)
    origin[place] = nearest
    return origin


def _moved(view: View, name: str, move: Callable[[Array], Array]) -> Parts:
    def tables(whole: View) -> Tables:
        return tuple(move(part) for part in _with_rounding(whole, right(whole)))

    return _placed(view, name, tables)


def _with_rounding(whole: View, made: Parts) -> Tables:
    return made.a, made.b, made.weight * (whole.rough_q + whole.rough_log)


def _placed(view: View, name: str, tables: Callable[[View], Tables]) -> Parts:
    """Return parts that have moved together with their rounding."""
    a, b, rounding = _of_whole(view, name, tables)
    return _usual(view, a, b, np.abs(rounding) / (view.rough_q + view.rough_log))


def _shifted_actions(shift: int) -> Callable[[View], Parts]:
    """Every action's number stands further on."""

    def parts(view: View) -> Parts:
        made = right(view)
        a, b, weight = (np.roll(x, shift, axis=0) for x in (made.a, made.b, view.p))
        return _usual(view, a, b, weight)

    return parts


def _of_whole(view: View, name: str, tables: Callable[[View], Tables]) -> Tables:
    """Return the parts of some states, computed once from the whole table."""
    kept = view.shared.tables
    if name not in kept:
        kept[name] = tables(view.shared.whole[0])
    return tuple(table[:, view.states] for table in kept[name])


def _flat(table: Array) -> Array:
    """Return `(*shape, actions)` as `(actions, states)`."""
    return table.reshape(-1, table.shape[-1]).T


def _unmasked(view: View) -> bool:
    return view.e.legal is None


def _several_states(view: View) -> bool:
    return view.shared.states > 1


_SEEN = 4.0  # tolerances
_COMPARED = 2**21  # entries that may be compared to find the order of states

EPSILONS = (
    *(10.0**-power for power in range(2, 17)),
    2.0**-23,
    2.0**-24,
    2.0**-52,
)
"""What people add to a policy before its logarithm, or clamp it to."""

TEMPERATURES = (2.0, 0.5, 3.0, 4.0, 5.0, 10.0, 0.1, 0.2, 0.25, 0.7, 0.8, 0.9, 1.5)


def _temperatures(view: View) -> list[float]:
    """The temperatures of a softmax that are worth trying."""
    of_alpha = [view.shared.alpha, 1.0 / view.shared.alpha] if view.shared.alpha else []
    tried = [*TEMPERATURES, sqrt(view.shared.actions), *of_alpha]
    return [t for t in dict.fromkeys(tried) if abs(log(t)) > 1e-6]


FORMULAS = (
    Formula("", right),
    Formula("missing-baseline", _missing_baseline),
    Formula("baseline-without-entropy", _baseline_without_entropy),
    Formula("uniform-baseline", _uniform_baseline),
    Formula("diagonal-jacobian", _diagonal_jacobian),
    Formula("missing-policy-weight", _missing_policy_weight),
    Formula("unweighted-sum", _unweighted_sum),
    Formula("unweighted-sum", _unweighted_sum_of_all, "masked actions counted", _masked),
    Formula("entropy-without-jacobian", _entropy_without_jacobian),
    Formula("entropy-without-jacobian", _entropy_without_jacobian_weighted, "weighted by pi"),
    Formula("policy-for-log-policy", _policy_for_log_policy),
    Formula("gradient-of-log-policy", _gradient_of_log_policy),
    Formula("double-softmax", _double_softmax, applies=_unmasked),
    Formula("double-softmax", _softmax_of_policy, "at the probabilities", applies=_unmasked),
    Formula("softmax-over-states", _softmax_over_states, applies=_several_states, whole=True),
    *(Formula("log-epsilon", _log_epsilon(e), f"epsilon {e:.3g}") for e in EPSILONS),
    *(
        Formula("clamped-policy", _clamped_policy(e, top), f"at {e:.3g}{side}")
        for e in EPSILONS
        for top, side in ((1.0, ""), (1.0 - e, " on both sides"))
        if top < 1.0 or not side
    ),
    Formula("first-critic", _critic(lambda q: q[0]), applies=_twins("first")),
    Formula("first-critic", _critic(lambda q: q[-1]), "the last one", applies=_twins("last")),
    Formula("mean-critic", _critic(lambda q: np.mean(q, axis=0)), applies=_twins("mean")),
    Formula("max-critic", _critic(np.maximum.reduce), applies=_twins("max")),
    Formula("masked-in-softmax", _masked_in_softmax, applies=_masked),
    Formula("masked-q-zero", _masked_q_zero, applies=_masked),
    Formula("broadcast-weights", _broadcast_weights, applies=_weighted),
    Formula("weights-ignored", _weights_ignored, applies=_weighted),
    Formula("next-state-policy", _next_state_policy, applies=_several_states, whole=True),
    Formula("forward-kl", _forward_kl, applies=lambda view: bool((view.alpha > 0).all())),
    Formula(
        "sampled-entropy",
        _sampled_entropy,
        applies=lambda view: bool(view.e.factor.all()),
        read=lambda view: log2(view.shared.actions),
    ),
    Formula(
        "transposed",
        _transposed,
        applies=lambda view: view.shared.states == view.shared.actions,
        whole=True,
    ),
    Formula("transposed", _transposed_in_memory, "in memory", applies=_several_states, whole=True),
    *(
        Formula(
            "shifted-actions",
            _shifted_actions(shift),
            f"by {shift:+d}",
            applies=lambda view: view.shared.actions > 1,
        )
        for shift in (1, -1, 2, -2)
    ),
    Formula(
        "permuted-states",
        _permuted_states,
        applies=lambda view: _several_states(view) and bool(view.e.factor.all()),
        whole=True,
        read=lambda view: log2(view.shared.states),
    ),
    Formula(
        "clipped-gradient",
        _clipped,
        applies=lambda view: 0.0 < view.shared.largest < inf,
        cost=2.0,
    ),
    Formula("scaled-by-state", _scaled_by_state, cost=6.0, read=lambda _: 16.0),
)
"""The table. Adding a mistake is adding a row, and a text for `softcheck explain`."""

_ALPHAS: dict[str, Callable[[Array], Array]] = {
    "missing-alpha": np.ones_like,
    "log-alpha-as-alpha": np.log,
    "alpha-rounded": lambda alpha: alpha.astype(np.float32).astype(np.float64),
}


def _with_alpha(change: Callable[[Array], Array]) -> Callable[[View], Parts]:
    def parts(view: View) -> Parts:
        made = right(view)
        return made._replace(b=change(view.alpha) * view.J(view.log_p), base=view)

    return parts


def formulas(view: View) -> Iterator[Formula]:
    """Yield the rows that the data can have.

    What is wrong with a temperature that differs by state cannot be a number: it gets rows.
    """
    with np.errstate(all="ignore"):
        rows = [row for row in FORMULAS if row.applies(view)]
        yield from (row for row in rows if not row.whole or view.shared.whole)
        for temperature in _temperatures(view):
            said = f"temperature {temperature:.6g}"
            for make in (_tempered_policy, _temperature_throughout, _temperature_forgotten):
                yield Formula("temperature-in-policy", make(temperature), said)
        if view.shared.alpha is None or view.shared.alpha == 0.0:
            for code, change in _ALPHAS.items():
                yield Formula(code, _with_alpha(change))


PRECISIONS = (Precision.FLOAT32, Precision.FLOAT16, Precision.BFLOAT16)
