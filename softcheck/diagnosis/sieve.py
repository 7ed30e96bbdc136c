"""Which mistakes can have made a gradient: every row of the table, on a part of the states."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from math import inf, isfinite, lgamma, log, log2, sqrt
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.fit import Factor, Parameter
from softcheck.checks.moments import SIGMAS
from softcheck.diagnosis import of_loss
from softcheck.diagnosis.columns import Columns
from softcheck.diagnosis.hypothesis import (
    FREE,
    NAMED,
    PRINTED,
    Coarse,
    Evidence,
    Hypothesis,
    Prediction,
    judge,
    predict,
)
from softcheck.diagnosis.mistakes import formulas
from softcheck.diagnosis.mistakes.generated import TERM_SCALED
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.read_off import (
    LOSS_SCALED,
    LOSS_SCALES,
    OTHER_ALPHA,
    OTHER_SCALE,
    Q_SCALED,
)
from softcheck.diagnosis.mistakes.record import Formula
from softcheck.diagnosis.of_loss import outer, with_terms
from softcheck.diagnosis.points import Point, points, scales
from softcheck.diagnosis.view import View, dot
from softcheck.gradient.definition import Generated, Term
from softcheck.gradient.policy import Array
from softcheck.gradient.tolerance import coarser

Column: TypeAlias = Array  # (entries,): of some states, one after the other

_Numbers: TypeAlias = tuple[tuple[float, float], tuple[str, ...], tuple[str, ...]]
"""x and y, the named mistakes that lead there, and what is called a number that was fitted."""

_Holds: TypeAlias = Callable[[View, Hypothesis, Columns], bool]
"""What is asked of a hypothesis, whose columns are known, in some states."""

STRAY = 0.02
"""Up to this share of wrong entries a gradient counts as right but for them."""

_ROUNDS = 4
_MISFIT = 0.5
_SLACK = 2.0
_ROUNDING = 0.01  # the largest share that rounding leaves of it where nothing should be left
_LEFT = 0.1  # the largest share of the gradient's squares that an explanation leaves
_LITTLE = 0.25  # of the squares of the best prediction
_BETTER = 0.25  # the largest share of what the right gradient leaves
_ROOM = 2.0  # for what a few states show less sharply than all
_BITS = 10.0  # of evidence for each unit of cost: the table is so long
_ALMOST = 0.1  # of a tolerance
_NEAR_POWER = 0.02
_COLLINEAR = 1e-4
_ALIKE = 0.5
_SHARP = 0.05
_FULL = 0.25
_SMALL = 0.15
_FEWEST, _ENOUGH = 4.0, 8.0  # entries that do not follow from others, for a number that is fitted
_MUCH = 3.0  # of cost


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

    def size(self, x: float, y: float) -> float:
        """Return the sum of squares of x a + y b."""
        return self.aa * x * x + 2.0 * self.ab * x * y + self.bb * y * y

    @property
    def likeness(self) -> float:
        """The squared cosine of the angle between the columns, 0 where one is 0."""
        return self.ab * self.ab / (self.aa * self.bb or 1.0)

    @property
    def is_collinear(self) -> bool:
        """Whether the columns are so nearly multiples of each other that the numbers are vague."""
        return self.likeness > 1.0 - _COLLINEAR


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
        return self.misfit + self.normal.size(x - self.x, y - self.y)

    def fits(self, x: float, y: float) -> bool:
        """Whether most entries may be within their tolerance at these numbers.

        Where tolerances are as wide as the gradient nearly 0 would be too, and tell nothing.
        """
        size = self.normal.size(x, y)
        enough = size >= _LITTLE * self.normal.size(self.x, self.y)
        return enough and self.misfit_at(x, y) <= _SLACK * self.entries

    @property
    def informed(self) -> bool:
        """Whether an entry tells anything of either number: where both parts are 0 none does."""
        return self.normal.aa > 0.0 or self.normal.bb > 0.0


def fit(view: View, columns: Columns) -> Fit | None:
    """Fit the one or two numbers of a formula, by least squares in units of the tolerance.

    That goes with the numbers, so each round weighs anew; and it solves for what is left, so that
    no digit is lost.
    """
    rounds, zero = columns.rounds, np.zeros_like(view.grad)
    (a, b, *_), (of_x, of_y, *_) = (*columns.values, zero), (*rounds.of, zero)
    tables = (view.grad, a, b, of_x, of_y, rounds.fixed)
    usable = np.logical_and.reduce([np.isfinite(table) for table in tables])
    grad, a, b, of_x, of_y, fixed = (table[usable] for table in tables)
    counts = np.broadcast_to(view.e.counts, usable.shape)[usable]
    size = float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
    x = y = float(np.abs(grad).max(initial=0.0)) / size if size > 0 else 0.0
    for _ in range(_ROUNDS):
        stored = rounds.unit * np.abs(x * a + y * b)
        weight = 1.0 / (abs(x) * of_x + abs(y) * of_y + fixed + stored)
        weight[~np.isfinite(weight)] = 0.0
        weight *= np.sqrt(counts)
        A, B, R = a * weight, b * weight, (grad - x * a - y * b) * weight
        normal = Normal.of(A, B)
        if not all(map(isfinite, normal)):
            return None
        dx, dy = normal.solve(dot(A, R), dot(B, R))
        x, y = x + dx, y + dy
    G, R = grad * weight, (grad - x * a - y * b) * weight
    misfit = float(np.sum(np.minimum(counts, R * R)))
    entries = int(counts[weight > 0.0].sum())
    # Numbers so large that their rounding would cover the gradient explain nothing.
    if not misfit <= _MISFIT * entries or dot(R, R) > _LEFT * dot(G, G):
        return None
    return Fit(x, y, misfit, normal, entries)


def explaining(view: View, tried: Iterable[Formula]) -> Iterator[Hypothesis]:
    """Yield some formulas with the numbers by which they explain the gradient of some states.

    What does not reproduce that of a few states is not tried on all of them; what is no mistake in
    these data would only be named beside what explains as much without it.
    """
    named, few = points(view, view.dump.computed.unit), view.few
    if _numbers_of(few) < _ENOUGH:
        few = view

    def reproduces_few(formula: Formula, columns: Columns) -> bool:
        return any(_with_numbers(few, formula, columns, named, _reproduced))

    by_right = cache(lambda: reproduces_few(RIGHT, RIGHT.columns(few)))
    for formula in tried:
        with np.errstate(all="ignore"):
            some = formula.sees(few)
            columns = formula.columns(some)
            if not _comes_near(some, formula, columns):
                continue
            differs = _differs(some, formula, columns)
            if some is few is not view:
                if not (reproduces_few(formula, columns) if differs else by_right()):
                    continue
                some, columns = view, formula.columns(view)
                differs = differs or _differs(view, formula, columns)
            if differs:
                yield from _with_numbers(some, formula, columns, named, explains)


def _differs(view: View, formula: Formula, columns: Columns) -> bool:
    """Whether the gradient of a mistake of the loss is another than the right one.

    It is not where a term that is off has the mistake, or a case that no state is in.
    """
    if formula.wrong is None or formula.is_zero:
        return True
    off = view.in_units(columns.value(columns.declared) - view.right.expected)
    return bool((np.abs(off) > _ALMOST).any())


def _comes_near(view: View, formula: Formula, columns: Columns) -> bool:
    """Whether a formula leaves little of the gradient of a few states, at whatever numbers.

    Else it cannot explain that of all, see `credible`. That takes its values, not their bounds.
    """
    left = view.weighed(view.grad - view.right.expected)
    right = dot(left, left)
    if formula.is_zero or not right:
        return True
    known = np.logical_and.reduce([np.isfinite(value) for value in columns.values])
    grad = np.where(known, view.weighed(view.grad), 0.0)
    zero = np.zeros_like(grad)
    a, b, *_ = (*(np.where(known, view.weighed(value), 0.0) for value in columns.values), zero)
    normal = Normal.of(a, b)
    if normal.is_collinear:
        return True
    x, y = normal.solve(dot(a, grad), dot(b, grad))
    rest = grad - x * a - y * b
    # What overflows tells nothing.
    return not dot(rest, rest) > _ROOM * min(_BETTER * right, _LEFT * dot(grad, grad))


def _with_numbers(
    view: View, formula: Formula, columns: Columns, named: Iterable[Point], holds: _Holds
) -> Iterator[Hypothesis]:
    """Yield a formula with those of the numbers that it may have by which it holds."""

    def held(numbers: Iterable[_Numbers]) -> Iterator[Hypothesis]:
        for each, codes, fitted in numbers:
            made = Hypothesis(formula, each[: len(columns.values)], codes, fitted)
            if made.names and holds(view, made, columns):
                yield made

    declared: _Numbers = (1.0, 1.0), (), ()
    # What reads its numbers off the gradient has no others.
    if formula.cost > NAMED or formula.is_zero:
        yield from held([((0.0, 0.0), (), ()) if formula.is_zero else declared])
        return
    found, values = fit(view, columns), columns.values
    # Near the optimum a fit says so little of two numbers that every point is tried by itself.
    vague = len(values) == 2 and not formula.code
    vague = vague and Normal.of(*map(view.weighed, values)).is_collinear
    if found is None and not vague:
        return
    # Where no entry informs of its numbers it has no others.
    if found is not None and not found.informed:
        yield from held([declared])
        return
    hidden = len(values) == 1 or not all(part.any() for part in values)
    matched = False
    for each in held(
        ((scale, scale * ratio), codes, ())
        for scale, ratio, codes in named
        if vague or (found and found.fits(scale, scale * ratio) and not (hidden and ratio != 1.0))
    ):
        yield each
        # Where tolerances are wide a point may be within them and yet not be meant.
        matched = True
    if not matched and formula.wrong is None and _determined(view, formula):
        yield from islice(held(_free(view, columns, found, hidden)), 1)


def _rounded(view: View) -> Iterator[Hypothesis]:
    """Yield the right gradient in precisions that are coarser than those declared."""
    declared = view.dump
    numbers = RIGHT.columns(view).declared
    for each in coarser(min(declared.stored.unit, declared.computed.unit)):
        if each.unit > declared.stored.unit:
            coarse = Coarse(declared.computed, each)
            yield Hypothesis(RIGHT, numbers, coarse=coarse)
        if each.unit > declared.computed.unit:
            coarse = Coarse(each, max(each, declared.stored, key=attrgetter("unit")))
            yield Hypothesis(RIGHT, numbers, coarse=coarse)


def _free(view: View, columns: Columns, found: Fit | None, hidden: bool) -> Iterator[_Numbers]:
    """Yield one number fitted and the other named, then both fitted, with what they are called."""
    total, grad = view.weighed(columns.value(columns.declared)), view.weighed(view.grad)
    if total.any():
        same = dot(total, grad) / dot(total, total)
        yield from _loss_scaled(view, same)
        yield (same, same), (), (OTHER_SCALE.code,)
    if hidden or found is None:
        return
    x, y = found.x, found.y
    xx, xy, yy = found.normal
    if xx > 0:
        yield (x + xy / xx * (y - 1.0), 1.0), (), (Q_SCALED.code,)
    for scale, codes in scales(view):
        if yy > 0:
            yield (scale, y + xy / yy * (x - scale)), codes, (OTHER_ALPHA.code,)
    yield (x, y), (), (OTHER_SCALE.code, OTHER_ALPHA.code)


def _loss_scaled(view: View, found: float) -> Iterator[_Numbers]:
    """Yield a named scale times a large power of two, near to the scale found."""
    for scale, codes in scales(view):
        power = log2(found / scale) if 1.0 < found / scale < inf else 0.0
        if round(power) in LOSS_SCALES and abs(power - round(power)) < _NEAR_POWER:
            x = scale * 2.0 ** round(power)
            yield (x, x), (*codes, LOSS_SCALED.code), ()


def of_terms(view: View, terms: Sequence[Term]) -> Iterator[Hypothesis]:
    """Yield factors of terms that were fitted: of each by itself, and of all that add up."""
    numbers = _numbers_of(view)
    left = view.weighed(view.grad - view.right.expected)
    for term in sorted(terms, key=lambda term: not term.is_outer) if numbers >= _ENOUGH else ():
        formula = with_terms([term], right=True)
        part = view.weighed(formula.columns(view).values[-1])
        more = dot(left, part) / (dot(part, part) or 1.0)
        if isfinite(more):
            yield Hypothesis(formula, (1.0, more), fitted=(TERM_SCALED.code,))
    several = outer(view, terms)
    if 1 < len(several) <= numbers / _ENOUGH:
        found, _ = factors(view, terms)
        formula = with_terms(several, right=False)
        fitted = (TERM_SCALED.code,) * len(several)
        yield Hypothesis(formula, tuple(each.factor for each in found), fitted=fitted)


class Share(NamedTuple):
    """What a term is multiplied by, and its standard error."""

    term: str
    factor: float
    error: float

    def __str__(self) -> str:
        return f"({self.factor:.4g} ± {self.error:.1g}) times {self.term}"


def factors(view: View, terms: Sequence[Term]) -> tuple[list[Share], float]:
    """Return the factors of the terms by least squares, and what part of the gradient is left."""
    several = outer(view, terms)
    names = [term.text for term in several] or ["the loss"]
    grad = view.weighed(view.grad).ravel()
    values = with_terms(several, right=not several).columns(view).values
    columns = np.stack([view.weighed(value).ravel() for value in values], axis=1)
    size = np.linalg.norm(columns, axis=0)
    columns /= np.where(size > 0, size, 1.0)
    found, *_ = np.linalg.lstsq(columns, grad, rcond=None)
    rest = grad - np.einsum("ei,i->e", columns, found)
    freedom = max(1, view.number_of(view.weighed(view.grad) != 0.0) - len(names))
    spread = np.linalg.pinv(np.einsum("ei,ej->ij", columns, columns)).diagonal()
    left = float(np.linalg.norm(rest) / (np.linalg.norm(grad) or 1.0))
    size = np.where(size > 0, size, np.inf)
    errors = np.sqrt(np.maximum(spread, 0.0) / freedom) * np.linalg.norm(rest) / size
    made = zip(names, found / size, errors, strict=True)
    return [Share(name, float(x), float(error)) for name, x, error in made], left


def _determined(view: View, formula: Formula) -> bool:
    """Whether there are enough numbers for a fitted one to mean anything."""
    return _numbers_of(view) >= (_ENOUGH if formula.code else _FEWEST)


def _numbers_of(view: View) -> float:
    """Return how many entries do not follow from others of their state."""
    return float(np.maximum(view.e.buffers.number_of(view.legal > 0.0) - 1.0, 0.0).sum())


def explains(view: View, made: Hypothesis, columns: Columns | None = None) -> bool:
    """Whether a hypothesis reproduces a gradient, and that means something; see `_Holds`."""
    prediction = predict(view, made, columns)
    return reproduces(view, prediction) and credible(view, made, judge(view, made, prediction))


def _reproduced(view: View, made: Hypothesis, columns: Columns) -> bool:
    return reproduces(view, predict(view, made, columns))


def reproduces(view: View, prediction: Prediction) -> bool:
    """Whether a prediction is right at every entry, and blind at less than half of them."""
    _, tolerance, error = prediction
    seen = np.isfinite(tolerance)
    if 2 * view.number_of(seen) < view.number_of(np.isfinite(view.grad)):
        return False
    return bool((~seen | (error <= tolerance)).all())


def credible(view: View, made: Hypothesis, evidence: Evidence) -> bool:
    """Whether what reproduces a gradient explains it, and is no chance or wide tolerance.

    It leaves little of the gradient, and much less than the right one does; what it mends is more
    than the assumptions that it makes could bring about.
    """
    if made.coarse is not None:
        return _has_marks(view, made.cost, made.coarse, evidence)
    if not evidence.mended or evidence.left > _BETTER * evidence.right:
        return False
    if not made.is_zero and evidence.left > _LEFT * evidence.size:
        return False
    if made.is_zero and evidence.size and not _is_rounding(view, evidence):
        return False
    bits = evidence.bits - made.formula.read.bits(view)
    if made.in_part:
        bits -= _bits_of_choice(view.shared.states, view.wrong_states)
    return bits >= _BITS * made.cost


def _has_marks(view: View, cost: float, coarse: Coarse, evidence: Evidence) -> bool:
    """Whether a gradient bears the marks of coarse arithmetic, and of nothing else.

    Every entry, right or wrong, has the digits of that arithmetic, no fewer, and none was set to 0;
    and errors are small beside what entries are made of: that everything is covered by wide
    tolerances says nothing.
    """
    live, count = evidence.live, evidence.nonzero
    lacking = log2(coarse.stored.unit / view.dump.stored.unit)
    if evidence.inexact:  # decimal digits of a text file hide some
        lacking = min(lacking, log2(0.5 * coarse.stored.unit / PRINTED))
    exact = evidence.long == 0 and evidence.full >= _FULL * count
    enough = lacking * count >= _BITS * cost and evidence.mended > 0
    whole = evidence.zero <= STRAY * live
    return exact and enough and whole and evidence.off <= _SMALL**2 * live


def _bits_of_choice(count: int, chosen: int) -> float:
    """Return how many bits it takes to say which of so many states are chosen."""
    ways = lgamma(count + 1) - lgamma(chosen + 1) - lgamma(max(count - chosen, 0) + 1)
    return ways / log(2.0)


def _is_rounding(view: View, evidence: Evidence) -> bool:
    """Whether a gradient that should be 0 is small enough for rounding, and goes with nothing."""
    if evidence.left > _ROUNDING * evidence.right:
        return False
    grad, parts = view.weighed(view.grad), (view.right.expected, *RIGHT.columns(view).values)
    return not any(Normal.of(grad, view.weighed(part)).likeness > _ALIKE for part in parts)


def survivors(view: View, generated: Callable[[], Generated]) -> list[Hypothesis]:
    """Return the hypotheses that reproduce all entries of some states, the simplest first.

    Parameters
    ----------
    view : View
    generated : callable
        Makes the mistakes of the loss.
    """
    found = [made for made in _rounded(view) if explains(view, made)]
    # Where no finite entry is wrong there is none that a formula could mend.
    if (view.wrong & np.isfinite(view.grad)).any():
        found += _somewhere(view, formulas)
        # The table has the usual mistakes of Eq. (6): to make others of its terms takes a second.
        if not view.is_soft or all(made.cost > _MUCH for made in found):
            found += _somewhere(view, partial(of_loss.formulas, made=generated()))
        # A number that is fitted assumes more than a name, and less than one for each state.
        if not view.is_soft and all(made.cost > FREE for made in found):
            terms = of_terms(view, generated().terms)
            found += [made for made in terms if explains(view, made)]
    kept: list[Hypothesis] = []
    for made in sorted(found, key=attrgetter("cost")):
        # What needs more mistakes than another is none.
        if not any({*simpler.names} < {*made.names} for simpler in kept):
            kept.append(made)
    return kept


def _somewhere(view: View, tried: Callable[[View], Iterable[Formula]]) -> list[Hypothesis]:
    """Return what some formulas explain: all of some states, or those alone with a wrong entry.

    The latter where there is nothing for all of them, or only what assumes much.
    """
    found = [*explaining(view, tried(view))]
    rows = np.flatnonzero(view.wrong_rows)
    if rows.size == view.states.size or any(made.cost <= _MUCH for made in found):
        return found
    with np.errstate(all="ignore"):
        there = view.of_rows(rows)
        wrong = [*explaining(there, tried(there))]
    in_part = [replace(made, in_part=True) for made in wrong if made.formula.cost <= NAMED]
    return found + [made for made in in_part if credible(view, made, judge(view, made))]


def of_fit(found: Sequence[Factor], view: View) -> list[Hypothesis]:
    """Return what gives the scale and temperature that all entries show together.

    The named points within the fit's own uncertainty, those of the fewest mistakes; else the
    numbers themselves.
    """
    scale, ratio = (factor.found for factor in found)
    x = 1.0 if scale is None else float(scale.value)
    of_alpha = 1.0 if ratio is None else float(ratio.value)
    wrong_scale = scale is not None and not scale.is_near(1.0)
    wrong_alpha = ratio is not None and not ratio.is_near(1.0)
    unit = view.dump.computed.unit
    named = [
        Hypothesis(RIGHT, (point.scale, point.scale * point.ratio), point.codes)
        for point in points(view, unit)
        if point.codes
        and (_is_at(scale, point.scale, unit) if wrong_scale else point.scale == 1.0)
        and (_is_at(ratio, point.ratio, unit) if wrong_alpha else point.ratio == 1.0)
    ]
    fewest = min((len(made.codes) for made in named), default=0)
    fitted = (OTHER_SCALE.code,) * wrong_scale + (OTHER_ALPHA.code,) * wrong_alpha
    free = Hypothesis(RIGHT, (x, x * of_alpha), fitted=fitted)
    return [made for made in named if len(made.codes) == fewest] or [free]


def is_but_for_rounding(view: View, evidence: Evidence) -> bool:
    """Whether a hypothesis from the fit leaves what rounding does, not all that tolerances allow.

    Where every entry passes as it is, to reproduce each within its tolerance says little.
    """
    usual = sqrt(evidence.left / max(1, evidence.entries))
    return evidence.reproduces and usual * view.dump.computed.factor <= 1.0


def _is_at(found: Parameter | None, named: float, unit: float) -> bool:
    """Whether a fitted number is a named one: a vague number is near to some name by chance."""
    if found is None:
        return False
    within = SIGMAS * found.error + 2.0 * unit * abs(named)
    sharp = within <= _SHARP * min(abs(found.value - 1.0), abs(named))
    return bool(sharp and abs(named - found.value) <= within)
