"""Which mistakes can have made a gradient: every row of the table, on a part of the states."""

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softcheck.diagnosis.formulas import PRECISIONS, Formula, Parts, formulas, right
from softcheck.diagnosis.hypothesis import Free, Hypothesis, Prediction, predict, rounding
from softcheck.diagnosis.points import Point, points, scales
from softcheck.diagnosis.view import View
from softcheck.policy import Array

STRAY = 0.02
"""Up to this share of wrong entries a gradient counts as right but for them."""

_ROUNDS = 8
_PATIENCE = 3
_MISFIT = 0.5
_SLACK = 2.0
_SEEN = 4.0
_NEAR = 0.8
_PLAIN = Formula("", right)
_ZERO = Formula("detached-policy", right)


class Fit(NamedTuple):
    """A formula's best numbers, and how the misfit grows around them.

    Attributes
    ----------
    x, y : float
    misfit : float
        The sum over entries of (G - prediction)^2 in units of the tolerances, 1 at most for each.
    normal : Array, shape (2, 2)
        Its second derivatives, halved.
    entries : float
        How many entries took part.
    """

    x: float
    y: float
    misfit: float
    normal: Array
    entries: float

    def misfit_at(self, x: float, y: float) -> float:
        """Return the misfit at other numbers."""
        step = np.array([x - self.x, y - self.y])
        return self.misfit + float(step @ self.normal @ step)

    def fits(self, x: float, y: float) -> bool:
        """Whether most entries may be within their tolerance at these numbers."""
        return self.misfit_at(x, y) <= _SLACK * self.entries


def fit(view: View, parts: Parts) -> Fit | None:
    """Fit x and y of a formula, whatever a few wrong entries say.

    Least squares in units of the tolerance, reweighted: an entry whose error is r tolerances
    weighs 1 / (1 + r^2). Each round solves for what is left, so that no digit is lost.
    """
    grad = view.grad
    factor = view.e.factor if parts.factor is None else parts.factor
    a, b = parts.a * factor, parts.b * factor
    usable = np.isfinite(grad) & np.isfinite(a) & np.isfinite(b)
    if parts.unknown is not None:
        usable &= ~parts.unknown
    grad, a, b = (np.where(usable, array, 0.0) for array in (grad, a, b))
    largest = float(np.abs(grad).max(initial=0.0))
    size = float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
    x = y = largest / size if size > 0 else 0.0
    weight = _weight(view, parts, x, y, factor, usable)
    x = y = 0.0
    normal = np.zeros((2, 2))
    entries = 0.0
    R = grad
    robust = np.ones_like(a)
    for number in range(_ROUNDS):
        A, B, R = a * weight, b * weight, (grad - x * a - y * b) * weight
        A, B = A * robust, B * robust
        normal = _normal(A, B)
        if not np.isfinite(normal).all():
            return None
        step = _step(normal, np.array([np.sum(A * R * robust), np.sum(B * R * robust)]))
        x, y = x + float(step[0]), y + float(step[1])
        weight = _weight(view, parts, x, y, factor, usable)
        R = (grad - x * a - y * b) * weight
        robust = 1.0 / np.sqrt(1.0 + R * R)
        entries = float(np.count_nonzero(weight))
        moved = abs(float(step[0])) + abs(float(step[1]))
        hopeless = number >= _PATIENCE and np.count_nonzero(R * R > 1.0) > 0.9 * entries
        if hopeless or moved <= 1e-16 * (abs(x) + abs(y)):
            break
    misfit = float(np.sum(np.minimum(1.0, R * R)))
    # Numbers so large that their rounding would cover the gradient explain nothing.
    good = (np.abs(R) <= 1.0) & (np.abs(grad * weight) >= _SEEN)
    if np.count_nonzero(good) <= np.count_nonzero(np.abs(R) > 1.0):
        return None
    A, B = a * weight * robust, b * weight * robust
    normal = _normal(A, B)
    return Fit(x, y, misfit, normal, entries) if isfinite(misfit) else None


def _normal(a: Array, b: Array) -> Array:
    mixed = np.sum(a * b)
    return np.array([[np.sum(a * a), mixed], [mixed, np.sum(b * b)]])


def _weight(
    view: View, parts: Parts, x: float, y: float, factor: Array, usable: NDArray[np.bool_]
) -> Array:
    tolerance = rounding(view, parts, x, y, factor)
    tolerance += view.dump.stored.unit * np.abs((x * parts.a + y * parts.b) * factor)
    weight = 1.0 / tolerance
    return np.where(usable & np.isfinite(weight), weight, 0.0)


def _step(normal: Array, right_side: Array) -> Array:
    """Solve the normal equations; along what they do not determine, (1, 1) is taken."""
    size = np.sqrt(np.diag(normal))
    scale = np.where(size > 0, size, 1.0)
    correlation = normal / np.outer(scale, scale)
    if (size > 0).all() and np.linalg.det(correlation) > 1e-13:
        solved: Array = np.linalg.solve(correlation, right_side / scale) / scale
        return solved
    total = float(normal.sum())
    if (size > 0).all() and total > 1e-10 * float(np.diag(normal).sum()):
        return np.full(2, right_side.sum() / total)
    return np.where(size > 0, right_side / scale**2, 0.0)


def suspects(view: View) -> Iterator[Hypothesis]:
    """Yield what may explain the gradient of some states, by formula, the simplest first."""
    named = points(view.shared, view.dump.computed.unit)
    yield Hypothesis(_ZERO, 0.0, 0.0)
    for formula in formulas(view):
        with np.errstate(all="ignore"):
            parts = formula.parts(view)
            found = fit(view, parts)
        if found is None or found.misfit > _MISFIT * found.entries:
            continue
        yield from _of(view, formula, parts, found, named)
    for precision in PRECISIONS:
        if precision.unit > view.dump.computed.unit and _is_near(view):
            yield Hypothesis(_PLAIN, 1.0, 1.0, precision=precision)


def _is_near(view: View) -> bool:
    """Whether a gradient resembles the right one; coarse tolerances alone can cover anything."""
    with np.errstate(all="ignore"):
        a, b = right(view)[:2]
        true = (a + b) * view.e.factor
        seen = np.isfinite(view.grad) & np.isfinite(true)
        difference = np.linalg.norm((view.grad - true)[seen])
        return bool(difference < _NEAR * np.linalg.norm(true[seen]))


def _of(
    view: View, formula: Formula, parts: Parts, found: Fit, named: list[Point]
) -> Iterator[Hypothesis]:
    """Yield a formula at the points that its fit allows, and at the fit itself."""
    matched = False
    hidden = not parts.a.any() or not parts.b.any()
    for point in named:
        if hidden and point.ratio != 1.0:
            continue
        made = Hypothesis.at(formula, point)
        if found.fits(made.x, made.y) and (made.names or formula.code):
            matched = True
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
    (xx, xy), (_, yy) = found.normal.tolist()
    total = xx + 2.0 * xy + yy
    if total > 0:
        same = ((xx + xy) * x + (xy + yy) * y) / total
        yield Hypothesis(formula, same, same, free=Free(scale=True))
    if hidden:
        return
    for scale, codes in scales(view.shared):
        if yy > 0:
            other = y + xy / yy * (x - scale)
            yield Hypothesis(formula, scale, other, codes, Free(ratio=True))
    if xx > 0:
        other = x + xy / xx * (y - 1.0)
        yield Hypothesis(formula, other, 1.0, free=Free(scale=True, ratio=True))
    yield Hypothesis(formula, x, y, free=Free(scale=True, ratio=True))


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


def survivors(view: View) -> list[Hypothesis]:
    """Return the hypotheses that reproduce all entries of some states, cheapest first.

    Those of the family may leave a few that are wrong by themselves.
    """
    found = []
    for made in suspects(view):
        wrong = _share_wrong(view, predict(view, made))
        if wrong == 0.0 or (wrong <= STRAY and not made.formula.code and not made.precision):
            found.append(made)
    kept: list[Hypothesis] = []
    for made in sorted(found, key=lambda made: made.cost):
        # What a part of the mistakes explains needs no more of them.
        if not any(set(simpler.names) < set(made.names) for simpler in kept):
            kept.append(made)
    return kept
