"""The scale and the temperature that a dumped gradient really has, from all of its entries.

With a = -J(Q) and b = alpha J(log pi), times what reduction and weights make of a state's loss,
the true gradient of SAC is a + b. In general b is the part of the entropy, where the loss has a
weight for that alone, and a is all else. Here G = x a + y b is fitted by least squares: rounding
errors of different states are nearly independent, so x and y / x come out far sharper than any
single entry, and an alpha that is one optimiser step old is seen where every entry passes.
"""

from dataclasses import dataclass, field
from math import isfinite, log, sqrt
from operator import add, itemgetter, or_
from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.dumps import Sides, coarse_factor, largest_logit, underflow
from softcheck.checks.evaluation import Evaluation
from softcheck.checks.merging import Merging, kept, merged
from softcheck.checks.tally import Tally, compare, sight
from softcheck.gradient.policy import Array, Buffers, Entries, PerState, States, sum_of_products
from softcheck.gradient.tolerance import Precision, U

Columns: TypeAlias = Array  # (columns, states)
Digits: TypeAlias = Array  # (2, bins), for a and b
Direction: TypeAlias = Array  # (2,), for a and b
Products: TypeAlias = Array  # (columns, columns)
Bins: TypeAlias = NDArray[np.bool_]  # (bins,)

SIGMAS = 6.0
"""How many standard errors are no error."""

COHERENT = 1.0 / 24.0
"""The part of its rounding bound by which all entries may err in one direction: sums that run
naively, a rounded temperature and an exponential function of its own are the same everywhere."""

FEWEST = 6.0
"""Below so many states that carry the fit, its standard errors are not trusted."""

_FREEDOM = 20.0  # standard errors from n states are widened by 1 + 20 / n

_COLUMNS = 10
"""Of each state: 1, sum a r, sum b r, sum a a, sum a b, sum b b, bounds on sum |a| and sum |b|, and
how far sum a r and sum b r may move in a direction that other states share."""

_MOMENTS = slice(1, 6)
_SIZES = slice(6, 8)
_SHARED = slice(8, 10)

_GROUP = 512
_BITS = 14
_COLLINEAR = 1e-12
_USEFUL = 0.5
_SIGNED = 0.5  # of its tolerance: if the gradient is no larger anywhere, its sign is no matter
_FLUSHED = 2.0**-20  # of a tolerance: less is no matter
_ROUNDING = 64.0 * U  # of a product of two sums over actions, relative to its size
_ALIKE = 1.0  # logits that differ by less have a logsumexp that other states may have too
_STEP, _CLIPPED = 2.0**-20, 2.0**8  # of what is at most 1 where a and b do not cancel
_HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Sums:
    """Sums over states of products of their columns, the same whatever blocks the states come in.

    States are added up in groups of 512 counted from the first state of the case, and groups in
    pairs, these in pairs again and so on: a sum waits until its sibling is there.

    Attributes
    ----------
    tree : dict of (level, number) to Products
        The sums over 2^level groups.
    parts : dict of group to Columns
        Groups that are not whole, 0 where a state is missing.
    """

    tree: dict[tuple[int, int], Products] = field(default_factory=dict)
    parts: dict[int, Columns] = field(default_factory=dict)

    def add(self, start: int, columns: Columns) -> None:
        """Add the columns of the states from `start` on."""
        stop = start + columns.shape[1]
        first = min(-(-start // _GROUP) * _GROUP, stop)
        last = max(stop // _GROUP * _GROUP, first)
        for low, high in ((start, first), (last, stop)):
            if low < high:
                part = np.zeros((_COLUMNS, _GROUP))
                begin = low % _GROUP
                part[:, begin : begin + high - low] = columns[:, low - start : high - start]
                self._add_part(low // _GROUP, part)
        self._add_groups(first // _GROUP, columns[:, first - start : last - start])

    def _add_part(self, group: int, part: Columns) -> None:
        part = part + self.parts.pop(group, 0.0)
        if part[0].all():
            self._add_groups(group, part)
        else:
            self.parts[group] = part

    def _add_groups(self, first: int, columns: Columns) -> None:
        for group, products in enumerate(_products(columns), first):
            self._add_products(0, group, products)

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
            self._add_part(group, part)

    def total(self) -> Products:
        """Return the sums over all states; the last group of a case need not be whole."""
        total = np.zeros((_COLUMNS, _COLUMNS))
        for _, products in sorted(self.tree.items(), key=itemgetter(0)):
            total += products
        for _, part in sorted(self.parts.items(), key=itemgetter(0)):
            total += _products(part)[0]
        return total


def _products(columns: Columns) -> Array:
    """Return of each group the sums of the products of each two columns."""
    groups = columns.reshape(_COLUMNS, -1, _GROUP).swapaxes(0, 1)
    products: Array = groups @ groups.swapaxes(1, 2)
    return products


@dataclass
class Moments(Merging):
    """The weighted moments of G against a and b over some states; they merge in any order.

    Attributes
    ----------
    computed, stored : Precision
        What the gradient was computed in, and what it was rounded to.
    entropy : str or None
        The name of the weight of the entropy; without one b is 0.
    sums : Sums
    skipped : int
        Entries that are not finite and took no part.
    signed : bool
        Whether some entry would not be right with the opposite sign.
    states : int
        States that took part.
    seen : Bins
        Which bins the hashes of states fall in: how many states differ (a table often repeats
        them).
    by_digits : Digits
        Where values were stored in less than they were computed in: U_s sum a r and U_s sum b r of
        the entries whose stored values begin with the same digits, in whole numbers of `_STEP`.
    """

    computed: Annotated[Precision, kept]
    stored: Annotated[Precision, kept]
    entropy: Annotated[str | None, kept] = "alpha"
    sums: Annotated[Sums, merged] = field(default_factory=Sums)
    skipped: Annotated[int, add] = 0
    signed: Annotated[bool, or_] = False
    states: Annotated[int, add] = 0
    seen: Annotated[Bins, or_] = field(default_factory=lambda: np.zeros(1 << _BITS, np.bool_))
    by_digits: Annotated[Digits, add] = field(default_factory=lambda: np.zeros((2, 0)))

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
        made = cls(dump.computed, dump.stored, e.context.entropy if e.block.soft else None)
        actual, expected, tolerance, _ = gradient
        a, b = (e.buffers(of, expected.shape) for of in ("scratch", "scratch.2"))
        scaled = bool((e.factor != 1.0).any())
        sac = made.entropy is not None and e.block.target is None and e.block.zeta is None
        if sac:
            weight = np.multiply(e.policy.pi, e.factor, out=b) if scaled else e.policy.pi
            weight = np.divide(weight, tolerance, out=b)
            np.subtract(e.mean(e.block.q), e.block.q, out=a)
            a *= weight
        np.divide(e.gradient, tolerance, out=b)
        if scaled:
            b *= e.factor
        made.signed = bool((b > _SIGNED).any() or (b < -_SIGNED).any())
        if not sac:
            np.copyto(a, b)
            if made.entropy is not None and (rest := e.kernel.without_entropy) is not None:
                np.divide(rest, tolerance, out=a)
                a *= e.factor
        b -= a

        def product(x: Entries, y: Entries) -> States:
            return sum_of_products(x, y, e.buffers)

        ar = product(a, r)
        if not np.isfinite(ar).all():
            finite, r = np.isfinite(actual - expected), r.copy()
            made.skipped = int(np.count_nonzero(~finite))
            for x in (a, b, r):
                np.copyto(x, 0.0, where=~finite | ~(tolerance > 0.0) | np.isinf(tolerance))
            ar = product(a, r)
        aa, bb = product(a, a), product(b, b)
        of_states = [np.ones_like(ar), ar, product(b, r), aa, product(a, b), bb, aa, bb]
        columns = np.array([*of_states, *_flushed(e, a, b, tolerance)])
        # No sum of magnitudes is larger, by the inequality of Cauchy and Schwarz.
        columns[_SIZES] = np.sqrt(e.policy.live * columns[_SIZES])
        # Logits so large that they have few digits have few logsumexp, which round alike.
        coarsest = max(dump.stored.unit, dump.computed.unit)
        alike = np.minimum(coarsest * largest_logit(e), 1.0) / dump.computed.factor
        columns[_SHARED] += alike * columns[_SIZES]
        columns[_SHARED] += _of_all(e) * np.abs(columns[[3, 5]] + columns[4])
        if dump.stored.unit > dump.computed.unit:
            of_digits = [_by_digits(actual, dump.stored.unit * (x * r)) for x in (a, b)]
            made.by_digits = np.array(of_digits)
        made.sums.add(e.start, columns)
        weighed = aa + bb
        weighed = weighed[weighed > 0.0]
        made.states = weighed.size
        bins = (weighed.view(np.uint64) * _HASH) >> np.uint64(64 - _BITS)
        made.seen[bins.view(np.int64)] = True  # NumPy takes these for indices as they are
        return made

    def different(self) -> float:
        """Return about how many states differ from one another, at most 160,000.

        Of n bins, k states leave n exp(-k / n) empty (Whang et al., *A linear-time probabilistic
        counting algorithm for database applications*, 1990). More states than can be counted
        make standard errors look larger, but these are below the floor long before.
        """
        empty = max(1, self.seen.size - int(self.seen.sum()))
        return self.seen.size * log(self.seen.size / empty)

    def stored_alike(self, along: Direction) -> float:
        """Return by how much along[0] sum a r + along[1] sum b r may be off by what was stored.

        Values of the same digits may all be rounded alike, others are not: where signs are random,
        sums S add up to more than t sqrt(sum S^2) with a chance of at most 2 exp(-t^2 / 2), however
        few they are and however they differ (Efron, *Student's t-test under symmetry conditions*,
        1969).
        """
        parts = along @ self.by_digits
        return SIGMAS * sqrt(float(parts @ parts)) * _STEP / self.stored.unit


def _of_all(e: Evaluation) -> PerState:
    """Return how far the entries of a state may be off as those of other states, over themselves.

    A reduction that has few digits is the same in all states. So is what logsumexp rounds where the
    logits of each are much alike, and K of 16 bits is too small for `COHERENT` to hold that. A
    label's entries are nearly the same in many states, and so are the parts they are added from.
    """
    dump, scale = e.dumps["gradient"], coarse_factor(e)
    if dump.computed.unit > Precision.FLOAT32.unit:
        alike = e.policy.depth < _ALIKE
        shared = np.minimum(dump.computed.unit * np.abs(e.policy.logsumexp), 1.0)
        scale = scale + np.where(alike, shared, 0.0)
    return scale if e.block.target is None else scale + dump.stored.unit


def _by_digits(stored: Entries, x: Entries) -> Array:
    """Return the sums of x over the entries that begin with the same digits, signs aside.

    They are whole numbers, which add up to the same in any order.
    """
    digits = (stored.ravel().view(np.int64) >> (52 - _BITS)) & ((1 << _BITS) - 1)
    whole = np.rint(np.clip(x.ravel(), -_CLIPPED, _CLIPPED) / _STEP)
    return np.bincount(digits, weights=whole, minlength=1 << _BITS).astype(np.float64)


def _flushed(e: Evaluation, a: Entries, b: Entries, tolerance: Entries) -> tuple[States, ...]:
    """Return how far sum a r and sum b r of each state may move where entries become 0.

    An entry that is larger than the room for underflow rounds in either direction. Where it is
    stored in less than it was computed in, each of its parts may have been stored by itself.
    """
    room = underflow(e)
    if not (room > _FLUSHED * tolerance.min(axis=0)).any():
        none = np.zeros_like(room)
        return none, none
    dump = e.dumps["gradient"]
    size = _below(a + b, tolerance, room)
    if dump.stored.unit > dump.computed.unit:
        size += _below(a, tolerance, room) + _below(b, tolerance, room)
    return tuple(sum_of_products(np.abs(x), size, e.buffers) for x in (a, b))


def _below(part: Entries, tolerance: Entries, room: States) -> Entries:
    """Return the size of what underflow may have made 0, and 0 elsewhere."""
    size = np.abs(part)
    np.copyto(size, 0.0, where=~(size * tolerance <= room))
    return size


class Parameter(NamedTuple):
    """One fitted number: what was found, by how much it may be off, and its standard error."""

    value: float
    tolerance: float
    error: float


class Fitted(NamedTuple):
    """x and y / x of a gradient, each in units of what was declared; None where data hide it."""

    scale: Parameter | None
    ratio: Parameter | None


class _Solution(NamedTuple):
    """A least-squares solution: the departures from 1, and what they follow from."""

    departure: Array
    covariance: Array
    noise: Array
    """What rounding may hide of the covariance, whose terms cancel."""
    lever: Array
    """How the departures move with the sums of a r and b r, shape `(parameters, 2)`."""


def _solve(total: Products, along: Array) -> _Solution | None:
    """Fit the departure of (x, y) from (1, 1) along the columns of `along`, shape `(2, k)`.

    The covariance is that of sums over states (the sandwich of robust regression), for the
    entries of one state share the rounding of its sums.
    """
    ar, br, aa, ab, bb = total[0, _MOMENTS]
    reduced = along.T @ np.array([[aa, ab], [ab, bb]]) @ along
    size = np.sqrt(np.diag(reduced))
    if not (np.isfinite(reduced).all() and (size > 0).all()):
        return None
    correlation = reduced / np.outer(size, size)
    if np.linalg.det(correlation) < _COLLINEAR:
        return None
    inverse = np.linalg.inv(correlation) / np.outer(size, size)
    departure = inverse @ along.T @ np.array([ar, br])
    dx, dy = along @ departure
    score = along.T @ np.array([[1.0, 0.0, -dx, -dy, 0.0], [0.0, 1.0, 0.0, -dx, -dy]])
    spread = inverse @ score
    products = total[_MOMENTS, _MOMENTS]
    noise = _ROUNDING * (np.abs(spread) @ np.abs(products) @ np.abs(spread).T)
    return _Solution(departure, spread @ products @ spread.T, noise, inverse @ along.T)


@np.errstate(all="ignore")  # what overflows cannot be told
def fitted(moments: Moments) -> Fitted:
    """Return x and y / x with their tolerances.

    The tolerance is the larger of `SIGMAS` standard errors and what rounding can do in one
    direction: `COHERENT` of the bounds of all entries together, the whole of those that underflow
    may have made 0, what large logits do to all states alike, how values of the same digits were
    stored, and the rounding of alpha and of the scale themselves.
    """
    total, unit, K = moments.sums.total(), moments.computed.unit, moments.computed.factor
    different = moments.different()
    repeats = sqrt(max(1.0, moments.states / max(1.0, different)))
    leverage = min((total[0, k] ** 2 / total[k, k] for k in (3, 5) if total[k, k]), default=0.0)
    carrying = min(leverage, different)
    # The bounds are of first order; coarse arithmetic leaves more over, and in one direction.
    coherent = COHERENT + sqrt(unit) if carrying >= FEWEST else K
    sigmas = SIGMAS * (1.0 + _FREEDOM / max(1.0, carrying))
    together = coherent / K * total[0, _SIZES] + total[0, _SHARED]
    aa, ab, bb = total[0, _MOMENTS][2:]
    stored = moments.stored.unit * np.abs([aa + ab, ab + bb])

    def parameter(value: float, of: Array, solution: _Solution) -> Parameter:
        hidden = float(np.abs(of) @ solution.noise @ np.abs(of))
        error = sqrt(max(0.0, float(of @ solution.covariance @ of)) + hidden) * repeats
        at_most = np.abs(of) @ np.abs(solution.lever)
        floor = float(at_most @ together)
        alike = min(moments.stored_alike(of @ solution.lever), float(at_most @ stored))
        value = float(value)
        return Parameter(value, max(sigmas * error, floor, alike) + 2.0 * unit * abs(value), error)

    if (both := _solve(total, np.eye(2))) is not None:
        x, y = 1.0 + both.departure
        scale = parameter(x, np.array([1.0, 0.0]), both)
        if scale.tolerance < _USEFUL * abs(x):
            ratio = parameter(y / x, np.array([-y / x, 1.0]) / x, both)
            return Fitted(scale, ratio if ratio.tolerance < _USEFUL else None)
    if (one := _solve(total, np.ones((2, 1)))) is not None:
        scale = parameter(1.0 + float(one.departure[0]), np.ones(1), one)
        return Fitted(scale if scale.tolerance < _USEFUL else None, None)
    return Fitted(None, None)


def check(moments: Moments, alpha: float | None) -> Tally:
    """Compare the fitted scale and temperature with the declared ones.

    Parameters
    ----------
    moments : Moments
        Of the whole case.
    alpha : float or None
        The temperature, or None if it differs by state: then it is compared in units of itself.
    """
    found = fitted(moments)
    declared = 1.0 if alpha is None else alpha
    said = []
    rows = []
    parameters = [("scale", found.scale, 1.0)]
    if moments.entropy is not None:
        parameters.append((moments.entropy, found.ratio, declared))
    for name, parameter, true in parameters:
        if parameter is None or not moments.signed:
            said.append(f"{name} cannot be told from this data")
            rows.append((true, true, 1.0, 0.0))
            continue
        value, tolerance, error = (number * true for number in parameter)
        unit_of = " times the declared" if name == "scale" or alpha is None else ""
        beside = "" if unit_of else f", declared {true!r}"
        said.append(f"{name} fitted {_spelled(value, error)}{unit_of}{beside}")
        rows.append((value, true, tolerance, true))
    if not moments.signed:
        said.append("a gradient of the opposite sign would look the same")
    if moments.skipped:
        said.append(f"{moments.skipped} entries that are not finite were left out")
    actual, expected, tolerances, scale = np.array(rows).T.copy()
    seen = sight(tolerances, scale, Buffers())
    tally = compare(
        actual, expected, tolerances, seen, Buffers(), entries=len(rows), start=0, limit=2
    )
    tally.relocate(lambda spot: spot._replace(state=None, about=said[spot.state or 0]))
    tally.summary = "; ".join(said)
    if moments.signed:
        tally.live = max(1, tally.live)
    return tally


def _spelled(value: float, error: float) -> str:
    """Return a fitted number with as many digits as its standard error leaves it."""
    if not (isfinite(value) and isfinite(error)) or error <= 0.0:
        return f"{value:.12g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{min(digits, 17)}f} +- {error:.1g}"
