"""A mistake with its numbers: the gradient that it predicts, and whether a dump is that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import inf, isnan, sqrt
from operator import add
from typing import Annotated, Any, NamedTuple

import numpy as np

from softcheck.checks import compiled
from softcheck.checks.merging import Merging, merged
from softcheck.checks.tally import settled
from softcheck.diagnosis.columns import Columns, of_evaluation
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.record import NOTHING, Formula
from softcheck.diagnosis.mistakes.where import LOW_PRECISION
from softcheck.diagnosis.view import Rows, View, dot
from softcheck.gradient.definition import Wrong
from softcheck.gradient.policy import Array, Entries, Flags, Some
from softcheck.gradient.tolerance import Precision, allow

NAMED, FREE = 1.0, 2.0
"""What a named mistake and a free number cost: the cheapest explanation comes first."""

FEW, IN_SIXTEEN_BITS = 4.0, 1.0
"""So many units of its rounding bound coarse arithmetic may be off where it is the explanation: it
is mostly off by less than one, in 16 bits always, for sums are kept in float32 there. What is
within K of coarse units may be anything."""

PRINTED = 6e-9
"""A number that was printed as short as float32 allows is off by so much of itself."""

_MOST_BITS = 40.0  # of one entry
_ENOUGH = 2**8  # states of a block
_SURELY = 4.0  # units of the size of an entry
_LEAST = 2.0**-24  # float16 has so few exponents that gradients reach its subnormal numbers


class Coarse(NamedTuple):
    """Precisions that a gradient has, where others were declared."""

    computed: Precision
    stored: Precision


@dataclass(frozen=True)
class Hypothesis:
    """A formula with its numbers.

    Attributes
    ----------
    formula : Formula
    numbers : tuple of float
        One for each of its columns, in units of what was declared.
    codes : tuple of str
        The named mistakes beside the formula's own.
    fitted : tuple of str
        What numbers are called that were fitted because no name has them, one for each.
    coarse : Coarse or None
        What the gradient was rounded by, if that is the mistake.
    in_part : bool
        Whether that is so in the states with a wrong entry alone: the others are right.
    """

    formula: Formula
    numbers: tuple[float, ...]
    codes: tuple[str, ...] = ()
    fitted: tuple[str, ...] = ()
    coarse: Coarse | None = None
    in_part: bool = False

    @property
    def cost(self) -> float:
        """How much has to be assumed."""
        own = self.formula.cost if self.formula.code else 0.0
        coarse = 2.5 * FREE if self.coarse else 0.0
        return own + NAMED * (len(self.codes) + self.in_part) + FREE * len(self.fitted) + coarse

    @property
    def names(self) -> tuple[str, ...]:
        """The codes of the mistakes, that of the formula first."""
        own = (self.formula.code,) if self.formula.code else ()
        low = (LOW_PRECISION.code,) if self.coarse else ()
        return tuple(dict.fromkeys((*own, *self.codes, *self.fitted, *low)))

    @property
    def wrongs(self) -> tuple[Wrong, ...]:
        """What it is in terms of the loss: each leaves the same gradient."""
        wrong = self.formula.wrong
        return () if wrong is None else (wrong, *wrong.also)

    @property
    def is_named(self) -> bool:
        """Whether no number was fitted or read off, and nothing rounded."""
        return self.formula.cost <= NAMED and not self.fitted and self.coarse is None

    @property
    def is_zero(self) -> bool:
        """Whether nothing but rounding is predicted."""
        return not any(self.numbers)

    @property
    def is_scaled(self) -> bool:
        """Whether it is the right gradient times a number, which is bounded as what passes is."""
        is_right = self.formula.columns is RIGHT.columns and self.coarse is None
        return is_right and not self.is_zero and len({*self.numbers}) == 1

    @property
    def ratio(self) -> float:
        """What the second number is over the first, 1 where there is none or both are 0."""
        x, *others = self.numbers
        return others[0] / x if others and x else 1.0


class Prediction(NamedTuple):
    """The gradient that a hypothesis predicts, how exactly, and how far off it is."""

    value: Entries
    tolerance: Entries
    error: Entries


@np.errstate(all="ignore")
def predict(view: View, made: Hypothesis, columns: Columns | None = None) -> Prediction:
    """Return the prediction for some states, within the tolerance rule of a dumped gradient.

    The tolerance is infinite where there is nothing to compare.
    """
    return _predicted(view, made, *_columns(view, made, columns))


def _columns(
    view: View, made: Hypothesis, columns: Columns | None = None
) -> tuple[Columns, Sequence[float]]:
    """Return the columns of a hypothesis and its numbers; `columns` are those of its formula."""
    if made.coarse is not None:
        return _rounded(view, made.formula, made.coarse), made.numbers
    if made.is_scaled:
        return of_evaluation(view.e, view.bounded), made.numbers[:1]
    return columns or made.formula.columns(view), made.numbers


def _predicted(
    view: View, made: Hypothesis, columns: Columns, numbers: Sequence[float]
) -> Prediction:
    """Return what `predict` does, from the columns of a hypothesis and its numbers."""
    value = columns.value(numbers)
    tolerance = columns.tolerance(numbers)
    if not np.isfinite(value.sum()):
        tolerance[~np.isfinite(value)] = 0.0  # no gradient is like that
    if made.in_part:
        _, expected, own, _ = view.right
        value = np.where(view.wrong_rows, value, expected)
        tolerance = np.where(view.wrong_rows, tolerance, own)
    if not view.is_finite:
        tolerance[~np.isfinite(view.grad)] = inf
    error = np.abs(view.grad - value)
    if columns.rounds.allowance is not None:
        needed = partial(columns.rounds.allowance, numbers)
        bare = value
        value, tolerance, _ = allow(view.grad, bare, tolerance, needed, error, view.e.counts)
        error = error if value is bare else np.abs(view.grad - value)
    return Prediction(value, tolerance, error)


def _rounded(view: View, formula: Formula, coarse: Coarse) -> Columns:
    """Return the columns of a formula in coarse arithmetic."""
    columns, computed = formula.columns(view.rounded(*coarse)), coarse.computed
    if computed is view.dump.computed:
        return columns
    units = IN_SIXTEEN_BITS if computed.unit > Precision.FLOAT32.unit else FEW
    rounds = columns.rounds
    rounds = rounds._replace(of=tuple(of * (units / computed.factor) for of in rounds.of))
    return Columns(columns.values, lambda: rounds)


@dataclass
class Evidence(Merging):
    """How well a hypothesis explains the dumped gradient of some states.

    Squares are in units of the tolerance of the right gradient, which is the same for every
    hypothesis, and taken over the entries that the hypothesis reproduces.

    Attributes
    ----------
    entries, live, failed : int
        Entries that are compared with the prediction, that have something to see, and that are not
        as predicted.
    worst : float
        The largest error over its tolerance.
    mended : int
        Entries that are wrong as they are, and right by the hypothesis.
    bits : float
        By how many halvings of the error these are hit: what chance would have to bring about.
        Of an entry that follows from the others of its state, none.
    left, right, size, grain : float
        Sums of squares: of what the hypothesis leaves, of what the right gradient leaves, of the
        gradient, and of the rounding of what is stored.
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

    entries: Annotated[int, add]
    live: Annotated[int, add]
    failed: Annotated[int, add]
    worst: Annotated[float, max]
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
        return self.failed == 0


@np.errstate(all="ignore")
def judge(view: View, made: Hypothesis, prediction: Prediction | None = None) -> Evidence:
    """Compare a dumped gradient with what a hypothesis predicts, every place of some states.

    `prediction` is what it predicts, where that is known.
    """
    if made.formula.sees(view) is not view:
        return reduce(merged, (judge(some, made) for some in view.entire_pieces()))
    if prediction is None:
        columns, numbers = _columns(view, made)
        if found := _reproduced(view, made, columns, numbers):
            return found
        prediction = _predicted(view, made, columns, numbers)
    value, tolerance, error = prediction
    e, grad, told = view.e, view.grad, np.isfinite(tolerance)
    compared = view.number_of(told)
    if not view.is_finite:
        finite = np.isfinite(grad)
        grad, told = np.where(finite, grad, 0.0), told & finite
        error = np.abs(grad - value)
    ratio = np.divide(error, tolerance, out=e.buffers("scratch.2", error.shape))
    failed, worst = 0, float(ratio.max())
    if not worst <= 1.0:
        ratio = settled(ratio, grad, value, tolerance)
        if view.distinct is not None:
            ratio[e.counts == 0.0] = 0.0
        failed, worst = view.number_of(ratio > 1.0), float(ratio.max())
    reproduced = (error <= tolerance) & told if failed else told
    mended = reproduced & view.wrong
    weight = view.per_tolerance if reproduced.all() else view.per_tolerance * reproduced
    usable = weight > 0.0
    if view.distinct is not None:
        weight = weight * np.sqrt(e.counts)
    left, size = _squares(error, weight), _squares(grad, weight)
    # Bounds are for the worst case: what is left over tells the usual error.
    usual = np.sqrt(left / max(1, view.number_of(usable)))
    some: Some = slice(None)
    if made.formula.read is NOTHING and not made.in_part:
        some = _evident(np.logical_or.reduce(mended, axis=0))
    bits = _free_bits(
        view, made, some, error[:, some], tolerance[:, some], usual, mended[:, some],
        usable[:, some],
    )  # fmt: skip
    marks = {} if made.coarse is None else _marks(view, made.coarse, grad)
    return Evidence(
        compared,
        e.live_entries,
        failed,
        worst,
        mended=view.number_of(mended),
        bits=bits,
        left=left,
        right=_squares(view.off, weight),
        size=size,
        grain=view.dump.stored.unit**2 * size,
        **marks,
    )


def _reproduced(
    view: View, made: Hypothesis, columns: Columns, numbers: Sequence[float]
) -> Evidence | None:
    """Return what `judge` does, compiled; None where not all is as predicted, or ordinary."""
    is_read = made.formula.read is not NOTHING or made.in_part
    if not view.shared.is_compiled or view.distinct or made.coarse or is_read:
        return None
    of, fixed, unit, _ = columns.rounds
    found = compiled.weighed(view.right, numbers, columns.values, of, unit, fixed)
    if found is None or found.failed or found.unsound != 0.0:
        return None
    some = _evident(view.wrong_rows)
    few = columns.of_states(some)
    grad, tolerance = view.grad[:, some], few.tolerance(numbers)
    bits = _free_bits(
        view, made, some, np.abs(grad - few.value(numbers)), tolerance,
        sqrt(found.left / view.grad.size), view.wrong_of(some), np.isfinite(tolerance),
    )  # fmt: skip
    return Evidence(
        view.grad.size,
        view.e.live_entries,
        0,
        found.worst,
        mended=int(found.mended),
        bits=bits,
        left=found.left,
        right=found.right,
        size=found.size,
        grain=view.dump.stored.unit**2 * found.size,
    )


def _evident(rows: Rows) -> Some:
    """Return the states that are evidence, or so many of them that these are enough."""
    states = np.flatnonzero(rows)
    return states[:_ENOUGH] if states.size > _ENOUGH else slice(None)


def _free_bits(
    view: View,
    made: Hypothesis,
    some: Some,
    error: Entries,
    tolerance: Entries,
    usual: float,
    mended: Flags,
    usable: Flags,
) -> float:
    """Add up the evidence of the entries of some states that do not follow from others of theirs.

    Where a state sums to 0 by itself its last entry follows from all others, and each number that
    was read off a state takes one entry more. Where nothing was read off, nor states chosen,
    `_ENOUGH` states are evidence enough.

    `usual` is the usual error over the tolerance of the right gradient, of entries that are usable.
    """
    expected = view.right.tolerance[:, some] * usual
    np.maximum(expected, error, out=expected)
    np.maximum(expected, view.dump.stored.unit * np.abs(view.grad[:, some]), out=expected)
    np.copyto(expected, tolerance, where=~usable)
    np.minimum(expected, tolerance, out=expected)
    hit = np.log2(view.off[:, some] / expected)
    np.clip(hit, 0.0, _MOST_BITS, out=hit)
    np.copyto(hit, 0.0, where=~mended)
    sums_wrong, numbers = view.sums_wrong[some], made.formula.read.numbers
    counts = np.broadcast_to(view.e.counts, view.grad.shape)[:, some]
    if not numbers:
        legal = view.e.legal
        least = (hit if legal is None else np.where(legal[:, some], hit, inf)).min(axis=0)
        follows = ~sums_wrong & (least > 0.0)
        return float((hit * counts).sum()) - float(hit.max(axis=0).sum(where=follows))
    follow = np.where(sums_wrong, 0, 1)
    order = np.argsort(-hit, axis=0)
    counts = np.take_along_axis(counts, order, axis=0)
    free = np.clip(np.cumsum(counts, axis=0) - (follow + numbers), 0.0, counts)
    return float((np.take_along_axis(hit, order, axis=0) * free).sum())


def _marks(view: View, coarse: Coarse, grad: Entries) -> dict[str, Any]:
    """Return what of `Evidence` tells of coarse arithmetic: right entries bear its marks too."""
    computed, stored = coarse
    last = np.ldexp(stored.unit, np.frexp(grad)[1])
    if stored is Precision.FLOAT16:
        last = np.maximum(last, _LEAST)
    digits = grad / last
    kept = np.round(digits)
    _, expected, _, scale = view.right
    underflow = computed.underflow_as(stored)
    left = _SURELY * computed.unit * scale + underflow
    error = np.maximum(np.abs(grad - expected) - underflow, 0.0)
    off = np.where(scale > 0.0, error / scale, 0.0) * np.sqrt(view.e.counts)
    return {
        "off": dot(off, off),
        "nonzero": view.number_of(grad != 0.0),
        "long": view.number_of(np.abs(digits - kept) > PRINTED * np.abs(digits)),
        "inexact": view.number_of(digits != kept),
        "full": view.number_of(kept % 2.0 != 0.0),
        "zero": view.number_of((grad == 0.0) & (np.abs(expected) > left)),
    }


def _squares(part: Array, weight: Array) -> float:
    """Return the weighted sum of squares; what weighs nothing need not be finite."""
    product = part * weight
    squares = dot(product, product)
    if isnan(squares):
        product[weight == 0.0] = 0.0
        squares = dot(product, product)
    return squares
