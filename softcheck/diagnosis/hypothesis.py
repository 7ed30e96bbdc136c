"""A mistake with its numbers: the gradient that it predicts, and whether a dump is that one."""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from softcheck.diagnosis.formulas import Formula, Parts
from softcheck.diagnosis.points import Point
from softcheck.diagnosis.view import View
from softcheck.policy import Array
from softcheck.tally import Tally
from softcheck.tolerance import DUMP_FACTOR, Precision

NAMED, FREE = 1.0, 2.0
"""What a named mistake and a free number cost: the cheapest explanation comes first."""


class Free(NamedTuple):
    """Which of the two numbers were fitted because no name has them."""

    scale: bool = False
    ratio: bool = False


FIXED = Free()


@dataclass(frozen=True)
class Hypothesis:
    """A formula at a point (x, y).

    Attributes
    ----------
    formula : Formula
    x, y : float
        In units of what was declared.
    codes : tuple of str
        The named mistakes beside the formula's own.
    free : Free
    precision : Precision or None
        What the gradient was computed in, if that is the mistake.
    """

    formula: Formula
    x: float
    y: float
    codes: tuple[str, ...] = ()
    free: Free = FIXED
    precision: Precision | None = None

    @classmethod
    def at(cls, formula: Formula, point: Point) -> "Hypothesis":
        """Return a formula at a named point."""
        return cls(formula, point.scale, point.scale * point.ratio, point.codes)

    @property
    def cost(self) -> float:
        """How much has to be assumed."""
        own = NAMED if self.formula.code else 0.0
        precision = 2.5 * FREE if self.precision else 0.0
        return own + NAMED * len(self.codes) + FREE * sum(self.free) + precision

    @property
    def names(self) -> tuple[str, ...]:
        """The codes of the mistakes, that of the formula first."""
        own = (self.formula.code,) if self.formula.code else ()
        free = self._free_name()
        low = ("low-precision",) if self.precision else ()
        return (*own, *self.codes, *free, *low)

    def _free_name(self) -> tuple[str, ...]:
        scale, ratio = self.free
        if scale and ratio:
            return ("q-scaled",) if abs(self.y - 1.0) < 1e-9 else ("other-scale", "other-alpha")
        return ("other-scale",) * scale + ("other-alpha",) * ratio


class Prediction(NamedTuple):
    """The gradient that a hypothesis predicts, and how exactly."""

    value: Array
    tolerance: Array


def predict(view: View, hypothesis: Hypothesis, parts: Parts | None = None) -> Prediction:
    """Return the prediction for some states, within the tolerance rule of a dumped gradient."""
    with np.errstate(all="ignore"):
        parts = parts or hypothesis.formula.parts(view)
        x, y = hypothesis.x, hypothesis.y
        factor = view.e.factor if parts.factor is None else parts.factor
        value = (x * parts.a + y * parts.b) * factor
        # Where nothing should be left, the rounding of what cancelled is.
        rounded = (x, y) if x or y else (1.0, 1.0)
        tolerance = rounding(view, parts, *rounded, factor, hypothesis.precision)
        tolerance += view.dump.stored.unit * np.abs(value)
        tolerance *= view.dump.factor
        tolerance[~np.isfinite(value)] = 0.0  # no gradient is like that
        if parts.unknown is not None:
            tolerance[parts.unknown] = inf
        tolerance[~np.isfinite(view.grad)] = inf
        return Prediction(value, tolerance)


def rounding(
    view: View, parts: Parts, x: float, y: float, factor: Array, coarser: Precision | None = None
) -> Array:
    """Return K E(U_c) for x a + y b, and the underflow of either precision.

    The rounding of each part is that of Q - E Q or of alpha l before it is weighted, times its
    weight, and (rho + n) times the part itself for the roundings of the weight.
    """
    base, dump = parts.base, view.dump
    computed = coarser or dump.computed
    size = abs(x) * base.rough_q + abs(y) * base.rough_log
    bound = parts.weight * size
    bound += base.spread * (np.abs(x * parts.a) + np.abs(y * parts.b))
    bound *= np.abs(factor) * (DUMP_FACTOR * computed.unit)
    underflow = max(computed.underflow, dump.stored.underflow)
    bound += underflow * (1.0 + np.abs(factor) * size)
    bound[:, computed.unit * view.largest_logit > 1.0] = inf
    return bound


def judge(view: View, hypothesis: Hypothesis) -> Tally:
    """Compare a dumped gradient with what a hypothesis predicts, every place of some states."""
    value, tolerance = predict(view, hypothesis)
    compared = int(np.count_nonzero(np.isfinite(tolerance)))
    with np.errstate(all="ignore"):
        grad = np.where(np.isfinite(view.grad), view.grad, 0.0)
        return view.e.compare(grad, value, tolerance, np.ones_like(value), entries=compared)
