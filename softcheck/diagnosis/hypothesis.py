"""A mistake with its numbers: the gradient that it predicts, and whether a dump is that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from operator import add
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.dumps import printed
from softcheck.checks.merging import Merging, merged
from softcheck.checks.tally import Tally
from softcheck.diagnosis.labels import Relabelling
from softcheck.diagnosis.mistakes.parts import factor_of, gradient
from softcheck.diagnosis.mistakes.read_off import OTHER_ALPHA, OTHER_SCALE, Q_SCALED
from softcheck.diagnosis.mistakes.record import NOTHING, Formula, Move, Parts, Read
from softcheck.diagnosis.mistakes.where import LOW_PRECISION
from softcheck.diagnosis.points import Point
from softcheck.diagnosis.view import View, dot
from softcheck.gradient.definition import Program, Term, Wrong
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

FEW, IN_SIXTEEN_BITS = 4.0, 1.0
"""So many units of its rounding bound coarse arithmetic may be off where it is the explanation: it
is mostly off by less than one, in 16 bits always, for sums are kept in float32 there. What is
within K of coarse units may be anything."""

PRINTED = 6e-9
"""A number that was printed as short as float32 allows is off by so much of itself."""

_MOST_BITS = 40.0  # of one entry
_SURELY = 4.0  # units of the size of an entry
_LEAST = 2.0**-24  # float16 has so few exponents that gradients reach its subnormal numbers


class Free(NamedTuple):
    """Which of the two numbers were fitted because no name has them."""

    scale: bool = False
    ratio: bool = False


FIXED = Free()


class Coarse(NamedTuple):
    """Precisions that a gradient has, where others were declared."""

    computed: Precision
    stored: Precision


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
    coarse : Coarse or None
        What the gradient was rounded by, if that is the mistake.
    in_part : bool
        Whether that is so in the states with a wrong entry alone: the others follow Eq. (6).
    """

    formula: Formula
    x: float
    y: float
    codes: tuple[str, ...] = ()
    free: Free = FIXED
    coarse: Coarse | None = None
    in_part: bool = False

    @classmethod
    def at(cls, formula: Formula, point: Point) -> "Hypothesis":
        """Return a formula at a named point."""
        return cls(formula, point.scale, point.scale * point.ratio, point.codes)

    @property
    def cost(self) -> float:
        """How much has to be assumed."""
        own = self.formula.cost if self.formula.code else 0.0
        coarse = 2.5 * FREE if self.coarse else 0.0
        more = NAMED * (len(self.codes) + self.in_part)
        return own + more + FREE * len(self._free_name()) + coarse

    @property
    def names(self) -> tuple[str, ...]:
        """The codes of the mistakes, that of the formula first."""
        own = (self.formula.code,) if self.formula.code else ()
        free = self._free_name()
        low = (LOW_PRECISION.code,) if self.coarse else ()
        return (*own, *self.codes, *free, *low)

    @property
    def read(self) -> Read:
        """What it takes from the gradient."""
        return self.formula.read

    @property
    def is_zero(self) -> bool:
        """Whether nothing but rounding is predicted."""
        return self.x == 0.0 and self.y == 0.0

    def _free_name(self) -> tuple[str, ...]:
        scale, ratio = self.free
        if scale and ratio and abs(self.y - 1.0) < 1e-9:
            return (Q_SCALED.code,)
        return (OTHER_SCALE.code,) * scale + (OTHER_ALPHA.code,) * ratio


@dataclass(frozen=True)
class Guess:
    """What a gradient may be, in terms of the loss.

    Attributes
    ----------
    parts : sequence of (Program or None, float)
        Gradients and their coefficients, in units of what was declared; None is the right one.
    names : tuple of str
        The codes of the mistakes.
    cost : float
        How much has to be assumed; see `NAMED`.
    wrong : Wrong or None
        What the loss has for it.
    term : Term or None
        The one whose factor was fitted.
    terms : sequence of Term
        Those whose factors were all fitted, in the order of `parts`.
    coarse : Coarse or None
        What the gradient was rounded by, if that is the mistake.
    in_part : bool
        Whether that is so in the states with a wrong entry alone.
    even : bool
        Whether all states weigh the same; the parts are the right gradient then.
    move : Move or None
        What became of the right gradient, if that is the mistake; the parts are that then.
    labels : Relabelling or None
        Where other numbers of actions come from, if they are the mistake; the same.
    """

    parts: Sequence[tuple[Program | None, float]]
    names: tuple[str, ...]
    cost: float
    wrong: Wrong | None = None
    term: Term | None = None
    terms: Sequence[Term] = ()
    coarse: Coarse | None = None
    in_part: bool = False
    even: bool = False
    move: Move | None = None
    labels: Relabelling | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a formula with its numbers, and no array has moved or was rounded."""
        return self.coarse is None and self.move is None and self.labels is None

    @property
    def read(self) -> Read:
        """What it takes from the gradient."""
        if self.labels is not None:
            return Read(bits=self.labels.bits)
        return NOTHING if self.move is None else self.move.read

    @property
    def is_zero(self) -> bool:
        """Whether nothing but rounding is predicted."""
        return self.wrong is not None and self.wrong.is_zero

    @property
    def is_named(self) -> bool:
        """Whether no number was fitted or read off, and nothing rounded."""
        if self.move is not None and self.move.cost > NAMED:
            return False
        fitted = self.term is not None or self.terms or OTHER_SCALE.code in self.names
        return self.coarse is None and not fitted

    @property
    def factor(self) -> float:
        """The number that was named or fitted."""
        one = self.term is not None and not self.term.is_number
        return self.parts[-1][1] + (1.0 if one else 0.0)


Explanation: TypeAlias = Hypothesis | Guess
"""What may explain a wrong gradient: of Eq. (6), or of a loss that is a formula."""


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
        computed, stored = hypothesis.coarse or (view.dump.computed, view.dump.stored)
        units = computed.factor
        if computed is not view.dump.computed:
            units = IN_SIXTEEN_BITS if computed.unit > Precision.FLOAT32.unit else FEW
        tolerance = rounding(view, parts, *rounded, computed, units)
        tolerance += stored.unit * np.abs(value)
        tolerance *= view.dump.factor
        tolerance[~np.isfinite(value)] = 0.0  # no gradient is like that
        if hypothesis.in_part:
            _, expected, own, _ = view.of_eq_6
            value = np.where(view.wrong_rows, value, expected)
            tolerance = np.where(view.wrong_rows, tolerance, own)
        tolerance[~np.isfinite(view.grad)] = inf
        needed = partial(_allowance, view, parts, *rounded, computed)
        value, tolerance, _ = allow(view.grad, value, tolerance, needed)
        return Prediction(value, tolerance)


def rounding(
    view: View,
    parts: Parts,
    x: float,
    y: float,
    computed: Precision | None = None,
    units: float | None = None,
) -> Entries:
    """Return K E(U_c) for x a + y b, and the underflow of either precision.

    The rounding of each part is that of Q - E Q or of alpha l before it is weighted, times its
    weight, and (rho + n) times the part itself for the roundings of the weight. `computed` and
    K, the `units`, are those of the dump unless they are given.
    """
    base, dump = parts.base, view.dump
    computed = computed or dump.computed
    units = units or computed.factor
    factor: PerState = np.abs(factor_of(view, parts))
    size = abs(x) * base.rough_q + abs(y) * base.rough_log
    bound = parts.weight * size
    bound += base.spread * (np.abs(x * parts.a) + np.abs(y * parts.b))
    if base.e.legal is not None:
        slope = np.abs(x * parts.a + y * parts.b).sum(axis=0)
        left = of_masked(len(bound), _mean_size(parts, x, y), slope) / units
        np.maximum(bound, left, out=bound, where=~base.e.legal)
    bound *= factor * units * computed.unit
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
        Of an entry that follows from the others of its state, none.
    left, right, size, grain : float
        Sums of squares: of what the hypothesis leaves, of what Eq. (6) leaves, of the gradient,
        and of the rounding of what is stored.
    long, zero : int
        Entries that coarse arithmetic, if that is the hypothesis, would not have left: with more
        digits than it keeps, and 0 where it would have left something.
    inexact : int
        Entries that have its digits but for the rounding of decimal ones.
    nonzero, full : int
        Entries that are not 0, and those that use the last digit that it keeps: about half do.
    off : float
        The sum of squares of errors, without underflow, over the sizes of what entries are made of.
    """

    tally: Annotated[Tally, merged]
    mended: Annotated[int, add]
    bits: Annotated[float, add]
    left: Annotated[float, add]
    right: Annotated[float, add]
    size: Annotated[float, add]
    grain: Annotated[float, add]
    long: Annotated[int, add] = 0
    zero: Annotated[int, add] = 0
    inexact: Annotated[int, add] = 0
    nonzero: Annotated[int, add] = 0
    full: Annotated[int, add] = 0
    off: Annotated[float, add] = 0.0

    @property
    def reproduces(self) -> bool:
        """Whether every entry is as predicted, within the tolerance of a pass: else no name is."""
        return self.tally.failed == 0


def judge(view: View, hypothesis: Hypothesis) -> Evidence:
    """Compare a dumped gradient with what a hypothesis predicts, every place of some states."""
    return weigh(view, hypothesis, predict(view, hypothesis))


def weigh(view: View, made: Explanation, prediction: Prediction) -> Evidence:
    """Compare a dumped gradient with what an explanation predicts, every place of some states.

    The tolerance of a prediction is infinite where there is nothing to compare.
    """
    value, tolerance = prediction
    compared = int(np.count_nonzero(np.isfinite(tolerance)))
    with np.errstate(all="ignore"):
        finite = np.isfinite(view.grad)
        grad = np.where(finite, view.grad, 0.0)
        scale = view.of_eq_6.scale
        tally = view.e.compare(grad, value, tolerance, scale, entries=compared)
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
        hit = np.where(mended, np.log2(away / np.minimum(usual, tolerance)), 0.0)
        marks = {} if made.coarse is None else _marks(view, made.coarse, grad)
        return Evidence(
            tally,
            mended=int(np.count_nonzero(mended)),
            bits=_free_bits(view, made.read.numbers, np.clip(hit, 0.0, _MOST_BITS)),
            left=left,
            right=_squares(away, weight),
            size=size,
            grain=view.dump.stored.unit**2 * size,
            **marks,
        )


def _free_bits(view: View, numbers: int, hit: Entries) -> float:
    """Add up the evidence of the entries that do not follow from others of their state.

    Where a state sums to 0 by itself its last entry follows from all others, and each number that
    was read off a state takes one entry more.
    """
    follow = np.where(view.sums_wrong, 0, 1)
    if not numbers:
        hits, legal = np.count_nonzero(hit, axis=0), np.count_nonzero(view.legal, axis=0)
        follow = np.maximum(0, follow - (legal - hits))
    ordered = np.sort(hit, axis=0)[::-1]
    free = np.arange(len(hit))[:, np.newaxis] >= follow + numbers
    return float(ordered[free].sum())


def _marks(view: View, coarse: Coarse, grad: Entries) -> dict[str, Any]:
    """Return what of `Evidence` tells of coarse arithmetic: right entries bear its marks too."""
    computed, stored = coarse
    nonzero = grad[grad != 0.0]
    last = np.ldexp(stored.unit, np.frexp(nonzero)[1])
    if stored is Precision.FLOAT16:
        last = np.maximum(last, _LEAST)
    digits = nonzero / last
    kept = np.round(digits)
    _, expected, _, scale = view.of_eq_6
    underflow = computed.underflow_as(stored)
    left = _SURELY * computed.unit * scale + underflow
    error = np.maximum(np.abs(grad - expected) - underflow, 0.0)
    off = np.where(scale > 0.0, error / scale, 0.0)
    return {
        "off": dot(off, off),
        "nonzero": digits.size,
        "long": int(np.count_nonzero(np.abs(digits - kept) > PRINTED * np.abs(digits))),
        "inexact": int(np.count_nonzero(digits != kept)),
        "full": int(np.count_nonzero(kept % 2.0)),
        "zero": int(np.count_nonzero((grad == 0.0) & (np.abs(expected) > left))),
    }


def _squares(part: Array, weight: Array) -> float:
    product = np.where(weight > 0, part, 0.0) * weight
    return dot(product, product)
