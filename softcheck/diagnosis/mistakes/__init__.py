"""Every mistake that has a name: one record each, a topic a file.

To add one, write its record into the file of its topic, with its formula above it: it is explained,
recognised and planted from then on.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes import (
    critics,
    generated,
    losses,
    masks,
    order,
    policy,
    ratio,
    read_off,
    scale,
    terms,
    weights,
    where,
)
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.record import Formula, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from softcheck.diagnosis.view import View

TOPICS = (
    scale,
    ratio,
    read_off,
    terms,
    policy,
    critics,
    masks,
    weights,
    losses,
    order,
    generated,
    where,
)

MISTAKES: Mapping[str, Mistake] = MappingProxyType(
    {
        each.code: each
        for topic in TOPICS
        for each in vars(topic).values()
        if isinstance(each, Mistake)
    }
)
"""By their codes: topic by topic, and those of a topic as they stand in its file.

They are explained and tried in this order: of two that assume as much and fit alike, the first is
named first.
"""


def formulas(view: View) -> Iterator[Formula]:
    """Yield the right formula, and those that the gradient of some states can be of."""
    yield RIGHT
    for mistake in MISTAKES.values():
        if not mistake.every_loss and not view.is_soft:
            continue
        if mistake.whole and not view.shared.whole:
            continue
        made = mistake.formulas
        for formula in made(view) if callable(made) else made:
            if (formula.applies or mistake.needs.met)(view):
                yield replace(formula, code=mistake.code)
