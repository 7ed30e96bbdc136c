"""Right numbers that stand at the place of others."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import of_whole, right, true_gradient, usual
from softcheck.diagnosis.mistakes.record import ANY_DATA, Formula, Mistake, Need, Planted, Read

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from softcheck.diagnosis.mistakes.parts import Tables
    from softcheck.diagnosis.mistakes.record import Parts
    from softcheck.diagnosis.view import Numbers, View
    from softcheck.gradient.policy import Entries

_COMPARED = 2**21  # entries that may be compared to find the order of states


def _with_rounding(whole: View) -> Tables:
    made = right(whole)
    return made.a, made.b, made.weight * (whole.rough_q + whole.rough_log)


def _placed(view: View, tables: Callable[[View], Tables]) -> Parts:
    """Return parts that have moved together with their rounding."""
    a, b, rounding = of_whole(view, tables)
    return usual(view, a, b, abs(rounding) / (view.rough_q + view.rough_log))


def _swapped(whole: View) -> Tables:
    """States and actions swapped, where there are as many of both."""
    return tuple(table.T.copy() for table in _with_rounding(whole))


def _swapped_in_memory(whole: View) -> Tables:
    """Actions-first numbers that are read as states-first."""
    return tuple(table.reshape(table.T.shape).T.copy() for table in _with_rounding(whole))


TRANSPOSED = Mistake(
    code="transposed",
    phrase="states and actions are swapped",
    what="The right numbers, with their axes exchanged.",
    wrong="G = T transposed",
    wrong_line="np.save('grad.npy', grad.T)",
    right_line="np.save('grad.npy', grad)",
    needs=SEVERAL_STATES,
    formulas=(
        Formula(
            lambda view: _placed(view, _swapped),
            applies=lambda view: view.shared.states == view.shared.actions,
        ),
        Formula(lambda view: _placed(view, _swapped_in_memory), "in memory"),
    ),
    whole=True,
    planted=Planted(in_parts=False),
)


def _shifted_actions(shift: int) -> Callable[[View], Parts]:
    """T(a - k): every action's number stands further on."""

    def parts(view: View) -> Parts:
        import numpy as np

        made = right(view)
        a, b, weight = (np.roll(x, shift, axis=0) for x in (made.a, made.b, view.p))
        return usual(view, a, b, weight)

    return parts


SHIFTED_ACTIONS = Mistake(
    code="shifted-actions",
    phrase="every number stands at another action",
    what=(
        "The right numbers, moved along the actions: an action 0 that one table has and the other "
        "lacks, or indices from 1."
    ),
    wrong="G(a) = T(a - k)",
    wrong_line="grad = grad.roll(1, -1)",
    right_line="dump q, logits and grad with one order of actions",
    needs=Need(ANY_DATA.words, lambda view: view.shared.actions > 1),
    formulas=tuple(Formula(_shifted_actions(shift), f"by {shift:+d}") for shift in (1, -1, 2, -2)),
)


def _permuted(whole: View) -> Tables:
    """The states in another order: those of G and of the right gradient are matched by size."""
    true, factor = true_gradient(whole), whole.e.factor
    parts = _with_rounding(whole)
    origin = _matched(true, whole.grad, abs(parts[2] * factor) + abs(true))
    return tuple((part * factor)[:, origin] / factor for part in parts)


def _permuted_states(view: View) -> Parts:
    """T(order(s))."""
    return _placed(view, _permuted)


def _matched(true: Entries, grad: Entries, size: Entries) -> Numbers:
    """Return for each state of `grad` the state of `true` that it most resembles.

    States are sorted by one random combination of their entries; rounding, which goes with
    `size`, may exchange near ones.
    """
    import numpy as np

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


def _plant_permuted(view: View, generator: np.random.Generator) -> Entries:
    return true_gradient(view)[:, generator.permutation(view.p.shape[1])]


PERMUTED_STATES = Mistake(
    code="permuted-states",
    phrase="the rows stand at other states",
    what=(
        "The right rows, shuffled or repeated: the batch was sampled or sorted again between two "
        "dumps, or an index is wrong."
    ),
    wrong="G(s) = T(order(s))",
    wrong_line="q, logits = dump(batch); grad = dump(shuffle(batch))",
    right_line="dump q, logits and grad of one batch, in one order",
    needs=SEVERAL_STATES,
    formulas=(
        Formula(
            _permuted_states,
            applies=lambda view: SEVERAL_STATES.met(view) and bool(view.e.factor.all()),
            read=Read(bits=lambda view: view.wrong_states * log2(view.shared.states)),
        ),
    ),
    whole=True,
    planted=Planted(_plant_permuted, in_parts=False),
)
