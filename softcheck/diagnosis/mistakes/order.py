"""Right numbers that stand at the place of others."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import moved, true_gradient
from softcheck.diagnosis.mistakes.record import ANY_DATA, Formula, Mistake, Need, Planted, Read

if TYPE_CHECKING:
    from collections.abc import Callable

    from softcheck.diagnosis.columns import Act
    from softcheck.diagnosis.view import Numbers, View
    from softcheck.gradient.policy import Entries

_COMPARED = 2**21  # entries that may be compared to find the order of states


def _swapped(_: View) -> Act:
    """Actions-first numbers that are read as states-first."""
    return lambda table: table.reshape(table.T.shape).T.copy()


TRANSPOSED = Mistake(
    code="transposed",
    phrase="states and actions are swapped",
    what="The right numbers, with their axes exchanged.",
    wrong="G = T transposed",
    wrong_line="np.save('grad.npy', grad.T)",
    right_line="np.save('grad.npy', grad)",
    needs=SEVERAL_STATES,
    formulas=(Formula(moved(_swapped, whole=True), "in memory"),),
    whole=True,
    every_loss=True,
    planted=Planted(in_parts=False),
)


def _shifted_actions(shift: int) -> Callable[[View], Act]:
    """T(a - k): every action's number stands further on."""
    return lambda _: lambda table: np.roll(table, shift, axis=0)


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
    formulas=tuple(
        Formula(moved(_shifted_actions(shift)), f"by {shift:+d}", in_order=True)
        for shift in (1, -1, 2, -2)
    ),
    every_loss=True,
)


def _permuted(whole: View) -> Act:
    """The states in another order: those of G and of the right gradient are matched by size."""
    _, true, tolerance, _ = whole.right
    origin = _matched(true, whole.grad, tolerance + abs(true))
    return lambda table: table[:, origin]


def _matched(true: Entries, grad: Entries, size: Entries) -> Numbers:
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
            moved(_permuted, whole=True),
            read=Read(bits=lambda view: view.wrong_states * log2(view.shared.states)),
        ),
    ),
    whole=True,
    every_loss=True,
    planted=Planted(
        lambda view, generator: true_gradient(view)[:, generator.permutation(view.p.shape[1])],
        in_parts=False,
    ),
)

SHIFTED_LABELS = Mistake(
    code="shifted-labels",
    phrase="the labels, or actions, are those of other states",
    what=(
        "The gradient is right for the labels of the state before or behind: the shift between a "
        "token and its next one was forgotten, or made twice. At the edge, where the label is not "
        "in the data, it was read off the gradient."
    ),
    wrong="G_i = T_i with the label of i - 1 or i + 1",
    right="G_i = T_i with the label j_i",
    wrong_line="loss = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())",
    right_line="loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())",
    planted=None,
)

LABELS_OFF_BY_ONE = Mistake(
    code="labels-off-by-one",
    phrase="the labels, or actions, count from another number",
    what=(
        "The gradient is right for labels that are each one more, or one less: in one of the two "
        "dumps they count from 1. A label beyond the last action was read off the gradient."
    ),
    wrong="G_i = T_i with the label j_i + 1 or j_i - 1",
    right="G_i = T_i with the label j_i",
    wrong_line="loss = F.cross_entropy(logits, labels)  # they count from 1",
    right_line="loss = F.cross_entropy(logits, labels - 1)",
    planted=None,
)

OTHER_LABELS = Mistake(
    code="other-labels",
    phrase="the labels, or actions, are others than those given",
    what=(
        "The gradient of each state is right for some label: which one was read off the gradient. "
        "The batch was shuffled between two dumps, or actions were drawn again."
    ),
    wrong="G_i = T_i with another label",
    right="G_i = T_i with the label j_i",
    wrong_line="actions = dist.sample(); log_pi = dist.log_prob(dist.sample())",
    right_line="actions = dist.sample(); log_pi = dist.log_prob(actions)",
    planted=None,
)
