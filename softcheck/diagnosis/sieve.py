"""Which mistakes can have made a gradient: every row of the table, on a part of the states."""

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite, log2, sqrt
from typing import NamedTuple, TypeAlias

import numpy as np

from softcheck.diagnosis.hypothesis import (
    NAMED,
    Evidence,
    Free,
    Hypothesis,
    Prediction,
    judge,
    predict,
    rounding,
)
from softcheck.diagnosis.mistakes import formulas
from softcheck.diagnosis.mistakes.parts import RIGHT, factor_of, right, true_gradient
from softcheck.diagnosis.mistakes.read_off import LOSS_SCALED, LOSS_SCALES
from softcheck.diagnosis.mistakes.record import Formula, Parts
from softcheck.diagnosis.mistakes.terms import DETACHED_POLICY
from softcheck.diagnosis.points import Point, points, scales
from softcheck.diagnosis.view import View, dot
from softcheck.gradient.policy import Array
from softcheck.gradient.tolerance import Precision

Column: TypeAlias = Array  # (entries,): of some states, one after the other

STRAY = 0.02
"""Up to this share of wrong entries a gradient counts as right but for them."""

_ROUNDS = 8
_PATIENCE = 3
_MISFIT = 0.5
_SLACK = 2.0
_LEFT = 0.1  # the largest share of the gradient's squares that an explanation leaves
_BETTER = 0.25  # the largest share of what Eq. (6) leaves
_BITS = 10.0  # of evidence for each unit of cost: the table is so long
_ALIKE = 0.5  # squared correlation
_NEAR_POWER = 0.02
_NEAR = 0.8
_ZERO = replace(RIGHT, code=DETACHED_POLICY.code)
_COARSER = (Precision.FLOAT32, Precision.FLOAT16, Precision.BFLOAT16)


class Normal(NamedTuple):
    """The normal matrix of a least squares fit of two numbers: sums of a a, a b and b b."""

    aa: float
    ab: float
    bb: float

    @classmethod
    def of(cls, a: Column, b: Column) -> "Normal":
        """Return that of two columns."""
        return cls(dot(a, a), dot(a, b), dot(b, b))

    def solve(self, right_a: float, right_b: float) -> tuple[float, float]:
        """Solve the normal equations; along what they do not determine, (1, 1) is taken."""
        size_a, size_b = sqrt(self.aa), sqrt(self.bb)
        if size_a > 0 and size_b > 0:
            correlation = self.ab / size_a / size_b
            determinant = 1.0 - correlation * correlation
            if determinant > 1e-13:
                a, b = right_a / size_a, right_b / size_b
                x, y = a - correlation * b, b - correlation * a
                return x / determinant / size_a, y / determinant / size_b
            total = self.aa + 2.0 * self.ab + self.bb
            if total > 1e-10 * (self.aa + self.bb):
                both = (right_a + right_b) / total
                return both, both
        return right_a / (self.aa or 1.0), right_b / (self.bb or 1.0)


class Fit(NamedTuple):
    """A formula's best numbers, and how the misfit grows around them.

    Attributes
    ----------
    x, y : float
    misfit : float
        The sum over entries of (G - prediction)^2 in units of the tolerances, 1 at most for each.
    normal : Normal
        Its second derivatives, halved.
    entries : int
        How many entries took part.
    """

    x: float
    y: float
    misfit: float
    normal: Normal
    entries: int

    def misfit_at(self, x: float, y: float) -> float:
        """Return the misfit at other numbers."""
        dx, dy = x - self.x, y - self.y
        aa, ab, bb = self.normal
        return self.misfit + aa * dx * dx + 2.0 * ab * dx * dy + bb * dy * dy

    def fits(self, x: float, y: float) -> bool:
        """Whether most entries may be within their tolerance at these numbers."""
        return self.misfit_at(x, y) <= _SLACK * self.entries

    @property
    def informed(self) -> bool:
        """Whether an entry tells anything of either number: where both parts are 0 none does."""
        return self.normal.aa > 0.0 or self.normal.bb > 0.0


class _Columns(NamedTuple):
    """The entries of a gradient that a formula can tell, and its tolerance at any numbers.

    The tolerance of x a + y b is |x| `of_x` + |y| `of_y` + `fixed` + `unit` |x a + y b|.
    """

    grad: Column
    a: Column
    b: Column
    of_x: Column
    of_y: Column
    fixed: Column
    unit: float

    @classmethod
    def of(cls, view: View, parts: Parts) -> "_Columns":
        """Return the entries that are finite in a gradient and in both parts."""
        factor = factor_of(view, parts)
        a, b = parts.a * factor, parts.b * factor
        fixed = rounding(view, parts, 0.0, 0.0)
        usable = np.isfinite(view.grad) & np.isfinite(a) & np.isfinite(b) & np.isfinite(fixed)
        if parts.unknown is not None:
            usable &= ~parts.unknown
        of_x = rounding(view, parts, 1.0, 0.0) - fixed
        of_y = rounding(view, parts, 0.0, 1.0) - fixed
        return cls(
            view.grad[usable],
            a[usable],
            b[usable],
            of_x[usable],
            of_y[usable],
            fixed[usable],
            view.dump.stored.unit,
        )

    def weight(self, x: float, y: float) -> Column:
        """Return one over the tolerance, 0 where there is none."""
        tolerance = abs(x) * self.of_x + abs(y) * self.of_y + self.fixed
        tolerance += self.unit * np.abs(x * self.a + y * self.b)
        weight: Column = 1.0 / tolerance
        weight[~np.isfinite(weight)] = 0.0
        return weight


def fit(view: View, parts: Parts) -> Fit | None:
    """Fit x and y of a formula, whatever a few wrong entries say.

    Least squares in units of the tolerance, reweighted: an entry whose error is r tolerances
    weighs 1 / (1 + r^2). Each round solves for what is left, so that no digit is lost.
    """
    columns = _Columns.of(view, parts)
    grad, a, b = columns.grad, columns.a, columns.b
    largest = float(np.abs(grad).max(initial=0.0))
    size = float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
    x = y = largest / size if size > 0 else 0.0
    weight = columns.weight(x, y)
    x = y = 0.0
    entries = 0
    left = R = grad
    robust = np.ones_like(a)
    for number in range(_ROUNDS):
        weight *= robust
        A, B, R = a * weight, b * weight, left * weight
        normal = Normal.of(A, B)
        if not all(map(isfinite, normal)):
            return None
        dx, dy = normal.solve(dot(A, R), dot(B, R))
        x, y = x + dx, y + dy
        weight = columns.weight(x, y)
        left = grad - x * a - y * b
        R = left * weight
        square = R * R
        robust = 1.0 / np.sqrt(1.0 + square)
        entries = int(np.count_nonzero(weight))
        hopeless = number >= _PATIENCE and np.count_nonzero(square > 1.0) > 0.9 * entries
        if hopeless or abs(dx) + abs(dy) <= 1e-16 * (abs(x) + abs(y)):
            break
    misfit = float(np.sum(np.minimum(1.0, R * R)))
    # Numbers so large that their rounding would cover the gradient explain nothing.
    good = np.abs(R) <= 1.0
    seen, missed = grad[good] * weight[good], R[good]
    if 2 * np.count_nonzero(good) <= entries or dot(missed, missed) > _LEFT * dot(seen, seen):
        return None
    normal = Normal.of(a * (weight * robust), b * (weight * robust))
    return Fit(x, y, misfit, normal, entries) if isfinite(misfit) else None


def suspects(view: View) -> Iterator[Hypothesis]:
    """Yield what may explain the gradient of some states, by formula, the simplest first."""
    # Where no finite entry is wrong there is none that a formula could mend.
    if (view.wrong & np.isfinite(view.grad)).any():
        yield from _of_formulas(view)
    for precision in _COARSER:
        if precision.unit > view.dump.computed.unit and _is_near(view):
            yield Hypothesis(RIGHT, 1.0, 1.0, precision=precision)


def _of_formulas(view: View) -> Iterator[Hypothesis]:
    named = points(view, view.dump.computed.unit)
    yield Hypothesis(_ZERO, 0.0, 0.0)
    for formula in formulas(view):
        with np.errstate(all="ignore"):
            parts = formula.parts(view)
            found = fit(view, parts)
        if found is not None and found.misfit <= _MISFIT * found.entries:
            yield from _of(view, formula, parts, found, named)


def _is_near(view: View) -> bool:
    """Whether a gradient resembles the right one; coarse tolerances alone can cover anything."""
    with np.errstate(all="ignore"):
        true = true_gradient(view)
        seen = np.isfinite(view.grad) & np.isfinite(true)
        difference = np.linalg.norm((view.grad - true)[seen])
        return bool(difference < _NEAR * np.linalg.norm(true[seen]))


def _of(
    view: View, formula: Formula, parts: Parts, found: Fit, named: list[Point]
) -> Iterator[Hypothesis]:
    """Yield a formula at the points that its fit allows, and at the fit itself."""
    matched = False
    hidden = not parts.a.any() or not parts.b.any()
    # A formula that reads its numbers off the gradient, or that no entry informs, has no others.
    if formula.cost > NAMED or not found.informed:
        if formula.code:
            yield Hypothesis(formula, 1.0, 1.0)
        return
    for point in named:
        if hidden and point.ratio != 1.0:
            continue
        if not found.fits(point.scale, point.scale * point.ratio):
            continue
        made = Hypothesis.at(formula, point)
        if not made.names or _share_wrong(view, predict(view, made, parts)) > STRAY:
            continue
        # Where tolerances are wide a point may be within them and yet not be meant.
        matched = matched or credible(view, made, judge(view, made))
        yield made
    if matched or not _determined(view, formula):
        return
    for made in _free(view, formula, found, hidden):
        if _share_wrong(view, predict(view, made, parts)) <= STRAY:
            yield made
            return


def _free(view: View, formula: Formula, found: Fit, hidden: bool) -> Iterator[Hypothesis]:
    """Yield a formula with one number fitted and the other named, then with both fitted."""
    x, y = found.x, found.y
    xx, xy, yy = found.normal
    total = xx + 2.0 * xy + yy
    if total > 0:
        same = ((xx + xy) * x + (xy + yy) * y) / total
        yield from _loss_scaled(view, formula, same)
        yield Hypothesis(formula, same, same, free=Free(scale=True))
    if hidden:
        return
    for scale, codes in scales(view):
        if yy > 0:
            other = y + xy / yy * (x - scale)
            yield Hypothesis(formula, scale, other, codes, Free(ratio=True))
    if xx > 0:
        other = x + xy / xx * (y - 1.0)
        yield Hypothesis(formula, other, 1.0, free=Free(scale=True, ratio=True))
    yield Hypothesis(formula, x, y, free=Free(scale=True, ratio=True))


def _loss_scaled(view: View, formula: Formula, found: float) -> Iterator[Hypothesis]:
    """Yield a formula at a named scale times a large power of two, near to the scale found."""
    for scale, codes in scales(view):
        power = log2(found / scale) if found / scale > 1.0 else 0.0
        if round(power) in LOSS_SCALES and abs(power - round(power)) < _NEAR_POWER:
            x = scale * 2.0 ** round(power)
            yield Hypothesis(formula, x, x, (*codes, LOSS_SCALED.code))


def _determined(view: View, formula: Formula) -> bool:
    """Whether there are enough numbers for a fitted one to mean anything."""
    legal = view.legal.sum(axis=0)
    numbers = float(np.maximum(legal - 1.0, 0.0).sum())
    return numbers >= (4.0 if not formula.code else 8.0)


def _share_wrong(view: View, prediction: Prediction) -> float:
    """Return the share of entries that a prediction does not reproduce."""
    value, tolerance = prediction
    seen = np.isfinite(tolerance)
    if 2 * np.count_nonzero(seen) < np.count_nonzero(np.isfinite(view.grad)):
        return 1.0
    with np.errstate(all="ignore"):
        wrong = seen & ~(np.abs(view.grad - value) <= tolerance)
    return float(np.count_nonzero(wrong)) / max(1, int(np.count_nonzero(seen)))


def credible(view: View, made: Hypothesis, evidence: Evidence) -> bool:
    """Whether what reproduces a gradient explains it, and is no chance or wide tolerance.

    It leaves little of the gradient, much less than Eq. (6) does, and what it mends is more than
    the assumptions that it makes could bring about. Coarse arithmetic, whose tolerances are
    wide by themselves, is judged elsewhere.
    """
    if made.precision is not None:
        return True
    if not evidence.mended or evidence.left > _BETTER * evidence.right:
        return False
    if made.is_zero:
        return evidence.size == 0.0 or not _follows(view)
    read = made.formula.read(view) * view.wrong_states
    bits = evidence.bits - read
    return evidence.left <= _LEFT * evidence.size and bits >= _BITS * made.cost


def _follows(view: View) -> bool:
    """Whether a gradient goes with the right one, or a part of it: then it is no rounding."""
    _, expected, tolerance, _ = view.of_eq_6
    a, b = right(view)[:2]
    with np.errstate(all="ignore"):
        weight = np.where(np.isfinite(view.grad) & (tolerance > 0), 1.0 / tolerance, 0.0)
        grad = np.where(weight > 0, view.grad, 0.0) * weight
        for part in (expected, a * view.e.factor, b * view.e.factor):
            weighed = np.where(weight > 0, part, 0.0) * weight
            both = dot(grad, weighed) ** 2
            if both > _ALIKE * dot(grad, grad) * dot(weighed, weighed):
                return True
    return False


def survivors(view: View) -> list[Hypothesis]:
    """Return the hypotheses that reproduce all entries of some states, cheapest first.

    Those of the family may leave a few that are wrong by themselves.
    """
    found = []
    for made in suspects(view):
        wrong = _share_wrong(view, predict(view, made))
        few = wrong <= STRAY and not made.formula.code and not made.precision
        if (wrong == 0.0 or few) and credible(view, made, judge(view, made)):
            found.append(made)
    kept: list[Hypothesis] = []
    for made in sorted(found, key=lambda made: made.cost):
        # What a part of the mistakes explains needs no more of them.
        if not any(set(simpler.names) < set(made.names) for simpler in kept):
            kept.append(made)
    return kept
