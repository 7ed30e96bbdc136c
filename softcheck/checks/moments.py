"""What a dumped gradient tells of the terms of its loss: moments over states, for their fit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate, combinations_with_replacement
from math import log, sqrt
from operator import add, itemgetter, or_
from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.dumps import Sides, coarse_factor, largest_logit, underflow
from softcheck.checks.evaluation import Dump, Evaluation
from softcheck.checks.merging import Merging, kept, merged
from softcheck.gradient.definition import Summand
from softcheck.gradient.policy import (
    Array,
    Counts,
    Entries,
    Flags,
    Number,
    PerState,
    Policy,
    States,
    sum_of_products,
    sum_over_actions,
)
from softcheck.gradient.tolerance import Precision

Columns: TypeAlias = Array  # (columns, states)
Pairs: TypeAlias = Array  # (pairs of terms, ...)
Square: TypeAlias = Array  # (terms, terms, ...)
Alike: TypeAlias = Array  # (terms, 2 bins)
Direction: TypeAlias = Array  # (terms,)
Products: TypeAlias = Array  # (first columns, columns)
OfGroups: TypeAlias = Array  # (groups, first columns, columns)
Bins: TypeAlias = NDArray[np.bool_]  # (bins,)
OfBins: TypeAlias = NDArray[np.intp]  # (bins,)

COHERENT = 1.0 / 24.0
"""The part of its rounding bound by which all entries may err in one direction: sums that run
naively, a rounded temperature and an exponential function of its own are the same everywhere."""

SIGMAS = 6.0
"""How many standard errors are no error."""

SIGNED = 0.5
"""If a gradient is no larger anywhere, in units of its tolerance, its sign is no matter."""

FLUSHED = 2.0**-20
"""Room for underflow that is less, of a tolerance, is no matter."""

QUANTUM = 2.0**-2
"""The part of the room for underflow that is one quantum, see `Precision`."""

STEP, CLIPPED = 2.0**-20, 2.0**8
"""The unit and the limit of what is summed by digits: at most 1 where the terms do not cancel."""

OF_STATES, OF_NORMALISERS = 14, 12
"""The bits of a hash that tell states apart, and their normalisers."""

BINS, BELOW_DIGITS, BELOW_SIZE = 1 << OF_STATES, 52 - OF_STATES, 47
"""How many values the first digits of a number have, and how many bits follow them; and how many
those that say its size within 3 %."""

NORMALISERS = 1 << OF_NORMALISERS
TOLD_APART = 32.0
"""In units of rounding, a logarithm of a normaliser below which states say next to nothing."""

GROUP = 512
"""So many states are added up by themselves, see `Sums`."""

_ALIKE = 1.0  # logits that differ by less have a logsumexp that other states may have too
EXPONENT = np.int64(0x7FF0_0000_0000_0000)
"""The bits of a number that say its exponent."""

_HASH = np.int64(0x9E3779B97F4A7C15 - (1 << 64))
_ROUNDED = 16  # of the last bits, which two ways to compute a number differ in


class Layout:
    """Where the columns of a state are: 1, and sums over its actions.

    With x_k the gradient of a term by itself and r the error of the whole, both in units of the
    tolerance of an entry:

    Attributes
    ----------
    of_error : slice
        sum x_k r.
    of_pairs : slice
        sum x_k x_m, for each of `pairs`.
    sizes : slice
        Bounds on sum |x_k|.
    shared : slice
        How far sum x_k r may move in a direction that other states share.
    quanta : slice
        How far sum x_k r may move if each entry loses a quantum.
    lost : slice
        How far sum x_k r moves if each state loses of its log Z what it may, all in one direction.
    moments : slice
        `of_error` and `of_pairs`.
    of_squares : list of int
        sum x_k x_k, which are some of `of_pairs`.
    pairs : sequence of (int, int)
        The terms k and m, k <= m.
    """

    def __init__(self, terms: int) -> None:
        self.pairs = [*combinations_with_replacement(range(terms), 2)]
        ends = [*accumulate([1, terms, len(self.pairs), *4 * [terms]])]
        slices = map(slice, ends, ends[1:])
        self.of_error, self.of_pairs, self.sizes, self.shared, self.quanta, self.lost = slices
        self.moments = slice(ends[0], ends[2])
        self.of_squares = [ends[1] + n for n, (k, m) in enumerate(self.pairs) if k == m]

    def square(self, of_pairs: Pairs) -> Square:
        """Return `of_pairs` as a symmetric matrix, `(terms, terms, ...)`."""
        terms = self.sizes.stop - self.sizes.start
        square = np.empty((terms, terms, *of_pairs.shape[1:]))
        for (k, m), products in zip(self.pairs, of_pairs, strict=True):
            square[k, m] = square[m, k] = products
        return square


@dataclass
class Sums:
    """Sums over states of products of their first columns with all, whatever blocks they come in.

    States are added up in groups of 512 counted from the first state of the case, and groups in
    pairs, these in pairs again and so on: a sum waits until its sibling is there.

    Attributes
    ----------
    first : int
        How many columns are multiplied with all of them.
    tree : dict of (level, number) to Products
        The sums over 2^level groups.
    parts : dict of group to Columns
        Groups that are not whole, 0 where a state is missing.
    """

    first: int
    tree: dict[tuple[int, int], Products] = field(default_factory=dict)
    parts: dict[int, Columns] = field(default_factory=dict)

    def add(self, start: int, columns: Columns) -> None:
        """Add the columns of the states from `start` on."""
        stop = start + columns.shape[1]
        first = min(-(-start // GROUP) * GROUP, stop)
        last = max(stop // GROUP * GROUP, first)
        for low, high in ((start, first), (last, stop)):
            if low < high:
                part = np.zeros((len(columns), GROUP))
                begin = low % GROUP
                part[:, begin : begin + high - low] = columns[:, low - start : high - start]
                self.add_part(low // GROUP, part)
        self.add_groups(first // GROUP, self._products(columns[:, first - start : last - start]))

    def add_part(self, group: int, part: Columns) -> None:
        """Add some states of a group, 0 where the others are."""
        part = part + self.parts.pop(group, 0.0)
        if part[0].all():
            self.add_groups(group, self._products(part))
        else:
            self.parts[group] = part

    def add_groups(self, first: int, products: OfGroups) -> None:
        """Add neighbouring groups, the products of each, from the one numbered `first` on."""
        level = 0
        while len(products):
            # What has its sibling elsewhere; all others are added up at once.
            if first % 2:
                self._add_products(level, first, products[0])
                first, products = first + 1, products[1:]
            if len(products) % 2:
                self._add_products(level, first + len(products) - 1, products[-1])
            pairs = len(products) // 2 * 2
            level, first = level + 1, first // 2
            products = products[:pairs:2] + products[1:pairs:2]

    def _add_products(self, level: int, number: int, products: Products) -> None:
        while (sibling := self.tree.pop((level, number ^ 1), None)) is not None:
            level, number, products = level + 1, number // 2, products + sibling
        self.tree[level, number] = products

    @np.errstate(all="ignore")  # what overflows cannot be told
    def merge(self, other: "Sums") -> None:
        """Add the sums over other states: not field by field, for groups become whole."""
        for (level, number), products in other.tree.items():
            self._add_products(level, number, products)
        for group, part in other.parts.items():
            self.add_part(group, part)

    def total(self) -> Products:
        """Return the sums over all states, at least one; the last group need not be whole."""
        sums = [products for _, products in sorted(self.tree.items(), key=itemgetter(0))]
        parts = sorted(self.parts.items(), key=itemgetter(0))
        sums += [self._products(part)[0] for _, part in parts]
        total: Products = np.zeros_like(sums[0])
        for products in sums:
            total += products
        return total

    def _products(self, columns: Columns) -> OfGroups:
        """Return the sums of the products over each group."""
        groups = columns.reshape(len(columns), -1, GROUP).swapaxes(0, 1)
        products: OfGroups = groups[:, : self.first] @ groups.swapaxes(1, 2)
        return products


class Classes(NamedTuple):
    """Which states of a block may be the same, see `Moments`."""

    states: int
    seen: Bins
    normalisers: OfBins

    @classmethod
    def of(cls, weighed: States, told: States, unit: float, *, is_coarse: bool) -> "Classes":
        """Sort states into them.

        Parameters
        ----------
        weighed : States
            Sums of squares of the terms; what has none takes no part.
        told : States
            log Z, which tells states apart where it has digits enough.
        unit : float
            Of what a gradient was computed in.
        is_coarse : bool
            Whether its values are.
        """
        taken = weighed > 0.0
        weighed, told = weighed[taken], told[taken]
        seen, normalisers = np.zeros(BINS, np.bool_), np.zeros(NORMALISERS, np.intp)
        seen[bin_of(weighed.view(np.int64), OF_STATES)] = True
        if not is_coarse:
            digits = np.floor(told / unit)
            told = np.where(digits < TOLD_APART, weighed, digits)
            bins = bin_of(told.view(np.int64), OF_NORMALISERS)
            normalisers += np.bincount(bins, minlength=NORMALISERS)
        return cls(weighed.size, seen, normalisers)


@dataclass
class Moments(Merging):
    """The weighted moments of G against the terms of the loss over some states.

    They merge in any order.

    Attributes
    ----------
    computed, stored : Precision
        What the gradient was computed in, and what it was rounded to.
    sums : Sums
    summands : tuple of Summand
        The terms; none where the loss as a whole is the only one.
    skipped : int
        Entries that are not finite and took no part.
    signed : bool
        Whether some entry would not be right with the opposite sign.
    states : int
        States that took part.
    seen : Bins
        Which bins the hashes of states fall in: how many states differ (a table often repeats
        them).
    normalisers : OfBins
        How many states have a normaliser whose digits fall in each bin; nothing where values are
        coarse, for `alike` has it.
    alike : Alike
        Where there are few digits, see `is_coarse`: U_s sum x r of the entries whose stored values
        begin with the same digits, and then of those with about the same pi, in whole numbers of
        `STEP`.
    """

    computed: Annotated[Precision, kept]
    stored: Annotated[Precision, kept]
    sums: Annotated[Sums, merged]
    summands: Annotated[tuple[Summand, ...], kept] = ()
    skipped: Annotated[int, add] = 0
    signed: Annotated[bool, or_] = False
    states: Annotated[int, add] = 0
    seen: Annotated[Bins, or_] = field(default_factory=lambda: np.zeros(BINS, np.bool_))
    normalisers: Annotated[OfBins, add] = field(
        default_factory=lambda: np.zeros(NORMALISERS, np.intp)
    )
    alike: Annotated[Alike, add] = field(default_factory=lambda: np.zeros((1, 0)))

    @classmethod
    def of(cls, e: Evaluation, gradient: Sides, r: Entries) -> "Moments":
        """Return the moments of one block.

        An entry weighs with its tolerance; where that is 0 or infinite it takes no part.

        Parameters
        ----------
        e : Evaluation
        gradient : Sides
        r : Entries
            Their ratio.
        """
        dump = e.dumps["gradient"]
        actual, expected, tolerance, _ = gradient
        terms, skipped = _terms(e, tolerance), 0
        *_, whole = terms
        signed = bool((whole > SIGNED).any() or (whole < -SIGNED).any())
        for x in terms[:-1]:
            whole -= x  # the last term is what the others leave

        def product(x: Entries, y: Entries) -> States:
            return sum_of_products(x, y, e.buffers)

        of_error = [product(x, r) for x in terms]
        if not np.isfinite(of_error).all():
            finite, r = np.isfinite(actual - expected), r.copy()
            skipped = e.buffers.number_in_all(~finite)
            unused = ~finite | ~(tolerance > 0.0) | np.isinf(tolerance)
            for x in (*terms, r):
                np.copyto(x, 0.0, where=unused)
            of_error = [product(x, r) for x in terms]
        layout = Layout(len(terms))
        sums = np.array([*of_error, *(product(terms[k], terms[m]) for k, m in layout.pairs)])
        moved = *_flushed(e, terms, tolerance), _of_mean(e, terms, tolerance)
        columns, coarse = _columns(e, sums, *moved), is_coarse(dump)
        weighed = reduce(add, (columns[row] for row in layout.of_squares))
        classes = Classes.of(weighed, e.policy.log_Z, dump.computed.unit, is_coarse=coarse)
        added = Sums(layout.moments.stop)
        added.add(e.start, columns)
        made = cls.of_sums(e, added, classes, signed=signed)
        made.skipped = skipped
        if coarse:
            moves = [dump.stored.unit * (x * r) for x in terms]
            made.alike = np.array([_alike(e, actual, moved) for moved in moves])
        return made

    @classmethod
    def of_sums(cls, e: Evaluation, sums: Sums, classes: Classes, *, signed: bool) -> "Moments":
        """Return the moments of one block.

        Parameters
        ----------
        e : Evaluation
            Its policy is not asked for.
        sums : Sums
            Of its states.
        classes : Classes
        signed : bool
        """
        dump, loss = e.dumps["gradient"], e.context.loss
        summands = () if loss is None else loss.summands
        made = cls(dump.computed, dump.stored, sums, summands)
        made.signed, made.alike = signed, np.zeros((max(1, len(summands)), 0))
        made.states, made.seen, made.normalisers = classes
        return made

    def different(self) -> float:
        """Return about how many states differ from one another, at most 160,000.

        Of n bins, k states leave n exp(-k / n) empty (Whang et al., *A linear-time probabilistic
        counting algorithm for database applications*, 1990). More states than can be counted
        make standard errors look larger, but these are below the floor long before.
        """
        empty = max(1, self.seen.size - int(self.seen.sum()))
        return self.seen.size * log(self.seen.size / empty)

    def repeats(self) -> float:
        """Return how many states round alike, in the mean over states: 1 where each does by itself.

        Those of one normaliser do, which is n_c states in each class, and so sum n_c^2 / n in the
        mean. What is added by hashes that meet, of n states n^2 / B in B bins, is taken off.
        """
        n, bins = self.states, len(self.normalisers)
        met = float(np.square(self.normalisers, dtype=np.float64).sum()) - n**2 / bins
        alike = met / max(1.0, n * (1.0 - 1.0 / bins))
        return max(1.0, alike, n / max(1.0, self.different()))

    def rounded_alike(self, along: Direction) -> float:
        """Return by how much sum_k along[k] sum x_k r may be off by what was rounded alike.

        Values of the same digits may all be rounded alike, and the parts they are added from where
        pi is the same; others are not: where signs are random, sums S add up to more than
        t sqrt(sum S^2) with a chance of at most 2 exp(-t^2 / 2), however few they are and however
        they differ (Efron, *Student's t-test under symmetry conditions*, 1969).
        """
        parts = along @ self.alike
        return SIGMAS * sqrt(float(parts @ parts)) * STEP / self.stored.unit


def bin_of(number: Counts, bits: int) -> Counts:
    """Return the bin that a number above 0, given as it is stored, falls in: bits of its hash.

    Its last bits, which a processor or a kernel rounds as it does, count for nothing.
    """
    first = (number + (1 << _ROUNDED - 1)) >> _ROUNDED
    found: Counts = ((first * _HASH) >> (64 - bits)) & ((1 << bits) - 1)
    return found


def _terms(e: Evaluation, tolerance: Entries) -> list[Entries]:
    """Return the gradients of all terms but the last and of the whole, in units of a tolerance."""
    is_scaled = bool((e.factor != 1.0).any())

    def in_units(gradient: Entries, out: Entries) -> Entries:
        # A factor of 0 comes first: what it is divided by may be the smallest number.
        if is_scaled:
            gradient = np.multiply(gradient, e.factor, out=out)
        return np.divide(gradient, tolerance, out=out)

    count = len(e.context.loss.summands) if e.context.loss is not None else 0
    found: list[Entries] = []
    for number in range(count - 1):
        out = e.buffers("scratch" if not number else f"term.{number}", tolerance.shape)
        found.append(in_units(e.kernel.summand(number, out), out))
    found.append(in_units(e.gradient, e.buffers("scratch.2", tolerance.shape)))
    return found


def _columns(
    e: Evaluation, sums: Columns, flushed: Columns, quanta: Columns, of_mean: Columns
) -> Columns:
    """Return the columns of a block, see `Layout`.

    Parameters
    ----------
    e : Evaluation
    sums : Columns
        `Layout.moments`.
    flushed, quanta : Columns
        How far each of `Layout.of_error` may move where entries become 0, and where they lose a
        quantum.
    of_mean : Columns
        How far it does where log Z is lost in the mean that is subtracted.
    """
    policy, computed, like = e.policy, e.dumps["gradient"].computed, like_others(e)
    square = Layout(len(flushed)).square(sums[len(flushed) :])
    # No sum of magnitudes is larger, by the inequality of Cauchy and Schwarz.
    sizes = np.sqrt(policy.live * np.einsum("kks->ks", square))
    whole = square.sum(axis=0)
    alike = coherent(like.unit, computed.factor, policy.highest, policy.depth)
    of_all = of_others(computed.unit, policy.logsumexp, policy.depth, like.beside)
    shared = flushed + shared_with(alike, sizes, of_all, whole)
    shared += np.where(_is_lost(e.dumps["gradient"], policy), np.abs(of_mean), 0.0)
    half = _half_digit(np.maximum(policy.depth, np.abs(policy.highest)), computed)
    lost = like.scaled * rounded_off(policy.log_Z, half, like.is_coarse) * whole
    ones = np.ones((1, e.block.rows))
    return np.concatenate([ones, sums, sizes, shared, quanta, lost])


class LikeOthers(NamedTuple):
    """How entries and states may be rounded alike.

    Attributes
    ----------
    unit : float
        Of the coarser precision.
    beside : PerState
        How far the entries of a state may be off as those of other states, over themselves, but for
        their logsumexp: a reduction that has few digits is the same in all states, and a label's
        entries are nearly the same in many, and so are the parts they are added from.
    scaled : float
        How often what log Z loses scales the entries of a state: in log pi, and twice where pi is
        in a ratio.
    is_coarse : bool
        See `is_coarse`.
    """

    unit: float
    beside: PerState
    scaled: float
    is_coarse: bool


def like_others(e: Evaluation) -> LikeOthers:
    """Return how entries and states of a block may be rounded alike."""
    dump, block, beside = e.dumps["gradient"], e.block, coarse_factor(e)
    if block.target is not None or block.data:
        beside = beside + dump.stored.unit
    coarser = max(dump.stored.unit, dump.computed.unit)
    return LikeOthers(coarser, beside, 2.0 if block.data else 1.0, is_coarse(dump))


def coherent(unit: float, factor: float, highest: Number, depth: Number) -> Number:
    """Return the part of its tolerance by which an entry may be off as others are.

    Logits so large that they have few digits have few logsumexp, which round alike.
    """
    return np.minimum(unit * largest_logit(highest, depth), 1.0) / factor


def of_others(unit: float, logsumexp: Number, depth: Number, beside: Number) -> Number:
    """Return how far the entries of a state may be off as those of others, over themselves.

    That is what they are `beside` that, and what logsumexp rounds where the logits of each are much
    alike.
    """
    return beside + np.minimum(unit * np.abs(logsumexp), 1.0) * (depth < _ALIKE)


def shared_with(alike: Number, size: Number, of_all: Number, whole: Number) -> Number:
    """Return how far sum x_k r may move as in other states, but for what is 0 or lost."""
    return alike * size + of_all * np.abs(whole)


def _half_digit(x: States, precision: Precision) -> States:
    """Return half of the last digit of numbers: as much as a sum of their size is rounded by."""
    exponents: States = (x.view(np.int64) & EXPONENT).view(np.float64)
    return precision.unit * exponents


def rounded_off(log_normaliser: Number, half: Number, is_coarse: bool) -> Number:
    """Return how much of log Z may be lost where it is added to logits, in all states alike.

    These end with a digit of their own, `half` of the last of the largest one, so that the sums
    round to whole digits: where policies are alike, in one direction. In few digits all of it is,
    or `Layout.shared` has room otherwise.
    """
    if is_coarse:
        return log_normaliser * (log_normaliser < half)
    return np.minimum(log_normaliser, half)


def _is_lost(dump: Dump, policy: Policy) -> Flags:
    """Return whether log Z is less than half of the last digit of the largest logit."""
    lost: Flags = policy.log_Z < _half_digit(policy.highest, dump.computed)
    return lost


def is_coarse(dump: Dump) -> bool:
    """Return whether values have so few digits that those which are alike are rounded alike."""
    is_stored_coarser = dump.stored.unit > dump.computed.unit
    return is_stored_coarser or dump.computed.unit > Precision.FLOAT32.unit


def _alike(e: Evaluation, stored: Entries, x: Entries) -> Array:
    """Return the sums of x over the actions that are alike: a row of `Moments.alike`.

    They are whole numbers, which add up to the same in any order.
    """
    whole = (e.counts * np.rint(np.clip(x, -CLIPPED, CLIPPED) / STEP)).ravel()
    digits = (stored.ravel().view(np.int64) >> BELOW_DIGITS) & (BINS - 1)
    size = BINS + ((e.policy.pi.ravel().view(np.int64) >> BELOW_SIZE) & (BINS - 1))
    bins, weights = np.concatenate([digits, size]), np.concatenate([whole, whole])
    return np.bincount(bins, weights, 2 * BINS).astype(np.float64)


def _flushed(
    e: Evaluation, terms: Sequence[Entries], tolerance: Entries
) -> tuple[Columns, Columns]:
    """Return how far sum x r of each term and state may move where entries become 0.

    And how far if each loses a quantum.

    An entry that is larger than the room for underflow rounds in either direction. Where it is
    stored in less than it was computed in, each of its parts may have been stored by itself.
    """
    room = underflow(e)
    if not (room > FLUSHED * tolerance.min(axis=0)).any():
        none = np.zeros((len(terms), e.block.rows))
        return none, none
    dump = e.dumps["gradient"]
    size = _below(reduce(np.add, terms), tolerance, room)
    if dump.stored.unit > dump.computed.unit:
        for part in terms:
            size += _below(part, tolerance, room)
    sizes = [np.abs(x) for x in terms]
    at_least = np.maximum(tolerance, room)  # 0 where no entry weighs
    quantum = np.divide(QUANTUM * room, at_least, out=at_least, where=at_least > 0.0)
    flushed, quanta = (
        np.array([sum_of_products(x, by, e.buffers) for x in sizes]) for by in (size, quantum)
    )
    return flushed, quanta


def _of_mean(e: Evaluation, terms: Sequence[Entries], tolerance: Entries) -> Columns:
    """Return by how much sum x r of each term and state moves if the largest log pi lacks log Z.

    Then pi adds up to more than 1, by what the other actions have, and the mean that is subtracted
    is too large.
    """
    policy = e.policy
    if not _is_lost(e.dumps["gradient"], policy).any():
        return np.zeros((len(terms), e.block.rows))
    rest = sum_over_actions(np.where(policy.z < 0.0, policy.pi, 0.0), e.buffers)
    mean = policy.pi * (rest * policy.value * e.factor)
    np.divide(mean, tolerance, out=mean, where=tolerance > 0.0)
    return np.array([sum_of_products(x, mean, e.buffers) for x in terms])


def _below(part: Entries, tolerance: Entries, room: States) -> Entries:
    """Return the size of what underflow may have made 0, and 0 elsewhere."""
    size = np.abs(part)
    np.copyto(size, 0.0, where=~(size * tolerance <= room))
    return size
