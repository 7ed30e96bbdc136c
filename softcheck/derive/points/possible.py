"""Whether all that a proof takes for granted holds anywhere: if not, it says nothing."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from softcheck.derive.expr import Expr, free_indices
from softcheck.derive.limits import OPERATIONS
from softcheck.derive.points.evaluate import Evaluator, NoValueError
from softcheck.derive.points.jets import Number
from softcheck.derive.points.refute import Claim, Point, floats, intervals, points

_APART = 1e-9
"""From here on floating point is worth a look with intervals."""


@dataclass(frozen=True)
class Hypothesis:
    """That a formula is not 0, or that it is > 0, at its own actions whichever they are.

    Attributes
    ----------
    of : Expr
    relation : str
    """

    of: Expr
    relation: Literal["≠", ">"]


def possible(claim: Claim, hypotheses: Sequence[Hypothesis]) -> bool:
    """Tell whether both sides have a value, and all hypotheses hold, at one point for certain."""
    budget = OPERATIONS
    for point in points(claim, *(hypothesis.of for hypothesis in hypotheses)):
        roughly = floats(claim, point, budget)
        try:
            if _holds(roughly, claim, hypotheses, point, _roughly) and _holds(
                intervals(claim, point), claim, hypotheses, point, _certainly
            ):
                return True
        except (ZeroDivisionError, ValueError, OverflowError, NoValueError):
            pass
        budget = roughly.budget
        if budget < 0:
            return False
    return False


def _roughly(value: Number, relation: str) -> bool:
    above, below = value > _APART, value < -_APART
    return bool(_meets(relation, above=above, below=below) and math.isfinite(value))


def _certainly(value: Number, relation: str) -> bool:
    above, below = value.a > 0, value.b < 0
    return bool(_meets(relation, above=above, below=below) and value.delta < math.inf)


def _meets(relation: str, *, above: bool, below: bool) -> bool:
    """Tell whether a value is what it must be; without a relation it may be any."""
    return above or not relation or (below and relation == "≠")


def _holds(
    evaluation: Evaluator,
    claim: Claim,
    hypotheses: Sequence[Hypothesis],
    point: Point,
    judge: Callable[[Number, str], bool],
) -> bool:
    return all(
        judge(evaluation(side, point.indices), "") for side in (claim.left, claim.right)
    ) and all(
        judge(evaluation(hypothesis.of, indices), hypothesis.relation)
        for hypothesis in hypotheses
        for indices in _everywhere(hypothesis.of, point)
    )


def _everywhere(x: Expr, point: Point) -> Iterator[Mapping[str, int]]:
    """Yield the choices of the actions that a point leaves open."""
    opened = sorted(i for i in free_indices(x) - point.indices.keys() if not i.isdigit())
    for chosen in product(range(point.actions), repeat=len(opened)):
        yield {**point.indices, **dict(zip(opened, chosen, strict=True))}
