"""A mistake with its numbers: the gradient that it predicts, and whether a dump is that one."""

from dataclasses import dataclass
from functools import partial
from math import inf
from operator import add
from typing import Annotated, NamedTuple

import numpy as np

from softcheck.checks.dumps import printed
from softcheck.checks.merging import Merging, merged
from softcheck.checks.tally import Tally
from softcheck.diagnosis.mistakes.parts import factor_of, gradient
from softcheck.diagnosis.mistakes.read_off import OTHER_ALPHA, OTHER_SCALE, Q_SCALED
from softcheck.diagnosis.mistakes.record import Formula, Parts
from softcheck.diagnosis.mistakes.where import LOW_PRECISION
from softcheck.diagnosis.points import Point
from softcheck.diagnosis.view import View, dot
from softcheck.gradient.policy import Array, Entries, Indices, PerState, States
from softcheck.gradient.tolerance import (
    Allowance,
    Precision,
    allow,
    of_masked,
    of_normaliser,
    of_parts,
)

NAMED, FREE = 1.0, 2.0
"""What a named mistake and a free number cost: the cheapest explanation comes first."""


_MOST_BITS = 40.0  # of one entry
_ROUND = 0.1  # of a unit in the last place: decimal digits in a text file add their own rounding


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
        own = self.formula.cost if self.formula.code else 0.0
        precision = 2.5 * FREE if self.precision else 0.0
        return own + NAMED * len(self.codes) + FREE * sum(self.free) + precision

    @property
    def names(self) -> tuple[str, ...]:
        """The codes of the mistakes, that of the formula first."""
        own = (self.formula.code,) if self.formula.code else ()
        free = self._free_name()
        low = (LOW_PRECISION.code,) if self.precision else ()
        return (*own, *self.codes, *free, *low)

    @property
    def is_zero(self) -> bool:
        """Whether nothing but rounding is predicted."""
        return self.x == 0.0 and self.y == 0.0

    def _free_name(self) -> tuple[str, ...]:
        scale, ratio = self.free
        if scale and ratio and abs(self.y - 1.0) < 1e-9:
            return (Q_SCALED.code,)
        return (OTHER_SCALE.code,) * scale + (OTHER_ALPHA.code,) * ratio


class Prediction(NamedTuple):
    """The gradient that a hypothesis predicts, and how exactly."""

    value: Entries
    tolerance: Entries


def predict(view: View, hypothesis: Hypothesis, parts: Parts | None = None) -> Prediction:
    """Return the prediction for some states, within the tolerance rule of a dumped gradient."""
    with np.errstate(all="ignore"):
        parts = parts or hypothesis.formula.parts(view)
        x, y = hypothesis.x, hypothesis.y
        value = gradient(view, parts, x, y)
        # Where nothing should be left, the rounding of what cancelled is.
        rounded = (x, y) if x or y else (1.0, 1.0)
        tolerance = rounding(view, parts, *rounded, hypothesis.precision)
        tolerance += view.dump.stored.unit * np.abs(value)
        tolerance *= view.dump.factor
        tolerance[~np.isfinite(value)] = 0.0  # no gradient is like that
        if parts.unknown is not None:
            tolerance[parts.unknown] = inf
        tolerance[~np.isfinite(view.grad)] = inf
        needed = partial(_allowance, view, parts, *rounded, hypothesis.precision)
        value, tolerance, _ = allow(view.grad, value, tolerance, needed)
        return Prediction(value, tolerance)


def rounding(
    view: View, parts: Parts, x: float, y: float, coarser: Precision | None = None
) -> Entries:
    """Return K E(U_c) for x a + y b, and the underflow of either precision.

    The rounding of each part is that of Q - E Q or of alpha l before it is weighted, times its
    weight, and (rho + n) times the part itself for the roundings of the weight.
    """
    base, dump = parts.base, view.dump
    computed = coarser or dump.computed
    factor: PerState = np.abs(factor_of(view, parts))
    size = abs(x) * base.rough_q + abs(y) * base.rough_log
    bound = parts.weight * size
    bound += base.spread * (np.abs(x * parts.a) + np.abs(y * parts.b))
    if base.e.legal is not None:
        slope = np.abs(x * parts.a + y * parts.b).sum(axis=0)
        left = of_masked(len(bound), _mean_size(parts, x, y), slope) / computed.factor
        np.maximum(bound, left, out=bound, where=~base.e.legal)
    bound *= factor * computed.tolerated
    gathered = len(bound) * computed.underflow * np.abs(parts.weight)
    bound += (computed.underflow_as(dump.stored) + gathered) * (1.0 + factor * size)
    if dump.decimal:
        bound += printed(dump.decimal, factor * parts.weight * size)
    seen = True if base.e.legal is None else base.e.legal
    np.copyto(bound, inf, where=(computed.unit * view.largest_logit > 1.0) & seen)
    return bound


def _allowance(
    view: View, parts: Parts, x: float, y: float, coarser: Precision | None, states: Indices
) -> Allowance:
    """Return what x a + y b is allowed in some states, as the right gradient is."""
    base, dump = parts.base, view.dump

    def of(z: PerState) -> States:
        return np.broadcast_to(z, view.e.policy.value.shape)[states]

    factor = dump.factor * of(np.abs(factor_of(view, parts)))
    policy, weight = base.e.policy, parts.weight[:, states]
    logsumexp = of(policy.highest + policy.log_Z)
    normaliser = (coarser or dump.computed).unit * of_normaliser(
        logsumexp, of(_mean_size(parts, x, y))
    )
    added = None
    if dump.stored.unit > dump.computed.unit:
        a, b = x * parts.a[:, states], y * parts.b[:, states]
        added = of_parts(a, b, abs(y) * of(base.alpha) * weight) * (factor * dump.stored.unit)
    return Allowance(weight, factor * normaliser, added)


def _mean_size(parts: Parts, x: float, y: float) -> States:
    """Return a bound on sum pi |h| where h is what x a + y b weighs with pi."""
    base = parts.base
    of_log = base.alpha * (np.abs(base.e.mean(base.log_p)) + 1.0)
    size: States = abs(x) * base.e.mean(np.abs(base.q)) + abs(y) * of_log
    return size


@dataclass
class Evidence(Merging):
    """How well a hypothesis explains the dumped gradient of some states.

    Squares are in units of the tolerance of Eq. (6), which is the same for every hypothesis, and
    taken over the entries that the hypothesis reproduces.

    Attributes
    ----------
    tally : Tally
        Every finite entry against the prediction.
    mended : int
        Entries that are wrong by Eq. (6) and right by the hypothesis.
    bits : float
        By how many halvings of the error these are hit: what chance would have to bring about.
    left, right, size, grain : float
        Sums of squares: of what the hypothesis leaves, of what Eq. (6) leaves, of the gradient,
        and of the rounding of what is stored.
    unrounded : int
        Wrong entries that no computation in `hypothesis.precision` ends with.
    """

    tally: Annotated[Tally, merged]
    mended: Annotated[int, add]
    bits: Annotated[float, add]
    left: Annotated[float, add]
    right: Annotated[float, add]
    size: Annotated[float, add]
    grain: Annotated[float, add]
    unrounded: Annotated[int, add]


def judge(view: View, hypothesis: Hypothesis) -> Evidence:
    """Compare a dumped gradient with what a hypothesis predicts, every place of some states."""
    value, tolerance = predict(view, hypothesis)
    compared = int(np.count_nonzero(np.isfinite(tolerance)))
    with np.errstate(all="ignore"):
        finite = np.isfinite(view.grad)
        grad = np.where(finite, view.grad, 0.0)
        tally = view.e.compare(grad, value, tolerance, np.ones_like(value), entries=compared)
        error = np.abs(grad - value)
        reproduced = finite & np.isfinite(tolerance) & (error <= tolerance)
        mended = reproduced & view.wrong
        _, expected, unit, _ = view.of_eq_6
        away = np.abs(grad - expected)
        weight = np.where(reproduced & (unit > 0) & np.isfinite(unit), 1.0 / unit, 0.0)
        left, size = _squares(error, weight), _squares(grad, weight)
        # Bounds are for the worst case: what is left over tells the usual error.
        usual = unit * np.sqrt(left / max(1, int(np.count_nonzero(weight))))
        grain = view.dump.stored.unit * np.abs(grad)
        usual = np.where(weight > 0, np.maximum(np.maximum(error, usual), grain), tolerance)
        bits = np.log2(away[mended] / np.minimum(usual, tolerance)[mended])
        unrounded = 0
        if hypothesis.precision is not None:
            unrounded = _unrounded(grad[finite & view.wrong], hypothesis.precision)
        return Evidence(
            tally,
            mended=int(np.count_nonzero(mended)),
            bits=float(np.clip(bits, 0.0, _MOST_BITS).sum()),
            left=left,
            right=_squares(away, weight),
            size=size,
            grain=view.dump.stored.unit**2 * size,
            unrounded=unrounded,
        )


def _squares(part: Array, weight: Array) -> float:
    product = np.where(weight > 0, part, 0.0) * weight
    return dot(product, product)


def _unrounded(values: Array, precision: Precision) -> int:
    """Count the numbers whose significand is longer than a precision keeps."""
    digits = np.frexp(values)[0] / precision.unit
    return int(np.count_nonzero(np.abs(digits - np.round(digits)) > _ROUND))
