"""Mistakes in the choice between critics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import TWO_CRITICS
from softcheck.diagnosis.mistakes.parts import right
from softcheck.diagnosis.mistakes.record import Formula, Mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries
    from softcheck.settings import CriticChoice


def _critic(choose: Callable[[Sequence[Entries]], Entries]) -> Callable[[View], Columns]:
    """-J(Q') and alpha J(l): Eq. (6) with another choice between the critics."""
    return lambda view: right(view.at(q=choose(view.critics) * view.legal))


def _undeclared(choice: CriticChoice) -> Callable[[View], bool]:
    return lambda view: TWO_CRITICS.met(view) and view.shared.settings.critics != choice


FIRST_CRITIC = Mistake(
    code="first-critic",
    phrase="one critic alone is used",
    what=(
        "The loss took a single critic where the smaller of the two is declared. If that is meant, "
        "declare it."
    ),
    wrong="G = T with Q1 for min(Q1, Q2)",
    wrong_line="q = qf1(obs)",
    right_line="q = torch.min(qf1(obs), qf2(obs))",
    seen="RLlib (old stack), ML-Agents",
    declare={"critics": "first"},
    needs=TWO_CRITICS,
    formulas=(
        Formula(_critic(lambda critics: critics[0]), applies=_undeclared("first")),
        Formula(_critic(lambda critics: critics[-1]), "the last one"),
    ),
)

MEAN_CRITIC = Mistake(
    code="mean-critic",
    phrase="the mean of the critics is used",
    what=("The loss took the mean where another choice is declared. If that is meant, declare it."),
    wrong="G = T with (Q1 + Q2) / 2 for min(Q1, Q2)",
    wrong_line="q = (qf1(obs) + qf2(obs)) / 2",
    right_line="q = torch.min(qf1(obs), qf2(obs))",
    seen="SLM-Lab, Revisiting-SAC",
    declare={"critics": "mean"},
    needs=TWO_CRITICS,
    formulas=(
        Formula(_critic(lambda critics: np.mean(critics, axis=0)), applies=_undeclared("mean")),
    ),
)

MAX_CRITIC = Mistake(
    code="max-critic",
    phrase="the larger critic is used",
    what="The maximum makes overestimation worse, which twin critics are there to curb.",
    wrong="G = T with max(Q1, Q2) for min(Q1, Q2)",
    wrong_line="q = torch.max(qf1(obs), qf2(obs))",
    right_line="q = torch.min(qf1(obs), qf2(obs))",
    needs=TWO_CRITICS,
    formulas=(Formula(_critic(lambda critics: np.max(critics, axis=0))),),
)
