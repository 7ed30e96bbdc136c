"""The scale and the temperature that a dumped gradient really has, from all of its entries.

With a = -J(Q) and b = alpha J(log pi), times what reduction and weights make of a state's loss,
the true gradient is a + b. Here G = x a + y b is fitted by least squares: rounding errors of
different states are nearly independent, so x and y / x come out far sharper than any single
entry, and an alpha that is one optimiser step old is seen where every entry passes.
"""

from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softcheck.dumps import Sides
from softcheck.evaluation import Evaluation
from softcheck.exact_sum import ExactSum
from softcheck.policy import Array, Buffers, sum_of_products, sum_over_actions
from softcheck.tally import Tally, compare, sight
from softcheck.tolerance import DUMP_FACTOR, U

SIGMAS = 6.0
"""How many standard errors are no error."""

COHERENT = 1.0 / 24.0
"""The part of its rounding bound by which all entries may err in one direction: sums that run
naively, a rounded temperature and an exponential function of its own are the same everywhere."""

FEWEST = 6.0
"""Below so many states that carry the fit, its standard errors are not trusted."""

_FREEDOM = 20.0  # standard errors from n states are widened by 1 + 20 / n

_GROUP = 64
_BASIC = ("ar", "br", "aa", "ab", "bb", "|a|", "|b|")
_PAIRS = tuple(combinations_with_replacement(range(5), 2))
_COUNT = len(_BASIC) + len(_PAIRS)
"""Sums that are kept: of each quantity, and of the products of each two of the first five."""

_SKETCH = 256
_COLLINEAR = 1e-12
_USEFUL = 0.5
_ROUNDING = 64.0 * U  # of a product of two sums over actions, relative to its size
_HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Sums:
    """Sums over states of quantities and of their products, the same whatever blocks they come in.

    States are added in groups of 64 counted from the first state of the case, each in a fixed
    order; a group that two blocks share waits until it is whole.
    """

    totals: list[ExactSum] = field(default_factory=lambda: [ExactSum() for _ in range(_COUNT)])
    waiting: dict[int, Array] = field(default_factory=dict)
    whole: list[Array] = field(default_factory=list)
    groups: list[Array] = field(default_factory=list)

    def add(self, start: int, columns: Array) -> None:
        """Add quantities of the states from `start` on, shape `(quantities, rows)`."""
        stop = start + columns.shape[1]
        first = min(-(-start // _GROUP) * _GROUP, stop)
        last = max(stop // _GROUP * _GROUP, first)
        if first < last:
            self._add_groups(columns[:, first - start : last - start])
        for state in (*range(start, first), *range(last, stop)):
            self.waiting[state] = columns[:, state - start].copy()

    @np.errstate(all="ignore")
    def _add_groups(self, columns: Array) -> None:
        states = columns.reshape(len(_BASIC), -1, _GROUP)
        products = [np.einsum("ij,ij->i", states[i], states[j]) for i, j in _PAIRS]
        self.groups.append(np.vstack([states.sum(axis=-1), *products]))

    def _add_to_totals(self) -> None:
        """Add the sums of groups exactly, many at a time, for that is slow."""
        if self.groups:
            for total, values in zip(self.totals, np.hstack(self.groups), strict=True):
                total.add(values)
        self.groups = []

    def merge(self, other: "Sums") -> None:
        """Add the sums over other states."""
        for total, more in zip(self.totals, other.totals, strict=True):
            total.merge(more)
        self.groups += other.groups
        if len(self.groups) >= _GROUP:
            self._add_to_totals()
        self.waiting |= other.waiting
        self.whole += other.whole
        for group in {state // _GROUP for state in other.waiting}:
            members = range(group * _GROUP, (group + 1) * _GROUP)
            if all(state in self.waiting for state in members):
                self.whole += [self.waiting.pop(state) for state in members]
        if len(self.whole) >= _GROUP * _GROUP:
            self._add_whole()

    def _add_whole(self) -> None:
        if self.whole:
            self._add_groups(np.stack(self.whole, axis=1))
        self.whole = []

    def values(self) -> list[float]:
        """Return the sums; the last group of a case need not be whole."""
        self._add_whole()
        for group in sorted({state // _GROUP for state in self.waiting}):
            columns = np.zeros((len(_BASIC), _GROUP))
            for state in range(group * _GROUP, (group + 1) * _GROUP):
                if state in self.waiting:
                    columns[:, state % _GROUP] = self.waiting.pop(state)
            self._add_groups(columns)
        self._add_to_totals()
        return [float(total) for total in self.totals]


@dataclass
class Moments:
    """The weighted moments of G against a and b over some states; they merge in any order.

    Attributes
    ----------
    sums : Sums
    skipped : int
        Entries that are not finite and took no part.
    states : int
        States that took part.
    sketch : array of uint64
        The smallest hashes of states: how many of them differ (a table often repeats them).
    """

    sums: Sums = field(default_factory=Sums)
    skipped: int = 0
    states: int = 0
    sketch: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))

    @classmethod
    def of(cls, e: Evaluation, gradient: Sides) -> "Moments":
        """Return the moments of one block.

        An entry weighs with its tolerance; where that is 0 or infinite it takes no part.
        """
        shape = gradient.expected.shape
        a = np.subtract(e.mean(e.block.q), e.block.q, out=e.buffers("fit.a", shape))
        a *= e.policy.pi
        a *= e.factor
        b = np.subtract(gradient.expected, a, out=e.buffers("fit.b", shape))
        r = np.subtract(gradient.actual, gradient.expected, out=e.buffers("fit.r", shape))
        weight = np.divide(1.0, gradient.tolerance, out=e.buffers("fit.weight", shape))
        finite = np.isfinite(r)
        unused = ~finite | (gradient.tolerance == 0) | (weight == 0)
        if unused.any():
            weight[unused] = 0.0
            r[unused] = 0.0
        a *= weight
        b *= weight
        r *= weight
        aa, ab, bb, ar, br = (
            sum_of_products(x, y, e.buffers) for x, y in ((a, a), (a, b), (b, b), (a, r), (b, r))
        )
        sizes = [sum_over_actions(np.abs(x, out=weight), e.buffers) for x in (a, b)]
        weighed = aa + bb
        made = cls(
            skipped=int(np.count_nonzero(~finite)),
            states=int(np.count_nonzero(weighed)),
        )
        made.sums.add(e.start, np.stack([ar, br, aa, ab, bb, *sizes]))
        made.sketch = _smallest(weighed[weighed > 0].view(np.uint64) * _HASH)
        return made

    def merge(self, other: "Moments") -> None:
        """Add the moments of other states."""
        self.sums.merge(other.sums)
        self.skipped += other.skipped
        self.states += other.states
        self.sketch = _smallest(np.concatenate([self.sketch, other.sketch]))

    def different(self) -> float:
        """Return about how many states differ from one another."""
        if self.sketch.size < _SKETCH:
            return float(self.sketch.size)
        return (_SKETCH - 1) * 2.0**64 / float(self.sketch[-1])


def _smallest(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the smallest different ones, in order.

    They are sorted in part where that will do, for to sort all takes longer than the fit; and not
    by np.unique, for which NumPy loads its masked arrays.
    """
    some = 4 * _SKETCH
    if hashes.size > some:
        found = _different(np.partition(hashes, some)[:some])
        if found.size > _SKETCH:
            return found[:_SKETCH]
    return _different(hashes)[:_SKETCH]


def _different(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each value once, in order."""
    ordered = np.sort(hashes)
    first: NDArray[np.bool_] = np.diff(ordered, prepend=~ordered[:1]) != 0
    return ordered[first]


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


def _solve(values: list[float], along: Array) -> _Solution | None:
    """Fit the departure of (x, y) from (1, 1) along the columns of `along`, shape `(2, k)`.

    The covariance is that of sums over states (the sandwich of robust regression), for the
    entries of one state share the rounding of its sums.
    """
    basic = dict(zip(_BASIC, values, strict=False))
    normal = np.array([[basic["aa"], basic["ab"]], [basic["ab"], basic["bb"]]])
    reduced = along.T @ normal @ along
    size = np.sqrt(np.diag(reduced))
    if not (np.isfinite(reduced).all() and (size > 0).all()):
        return None
    correlation = reduced / np.outer(size, size)
    if np.linalg.det(correlation) < _COLLINEAR:
        return None
    inverse = np.linalg.inv(correlation) / np.outer(size, size)
    departure = inverse @ along.T @ np.array([basic["ar"], basic["br"]])
    dx, dy = along @ departure
    pairs = np.zeros((5, 5))
    for (i, j), value in zip(_PAIRS, values[len(_BASIC) :], strict=True):
        pairs[i, j] = pairs[j, i] = value
    score = along.T @ np.array([[1.0, 0.0, -dx, -dy, 0.0], [0.0, 1.0, 0.0, -dx, -dy]])
    spread = inverse @ score
    noise = _ROUNDING * (np.abs(spread) @ np.abs(pairs) @ np.abs(spread).T)
    return _Solution(departure, spread @ pairs @ spread.T, noise, np.abs(inverse @ along.T))


@np.errstate(all="ignore")  # what overflows cannot be told
def fitted(moments: Moments, unit: float) -> Fitted:
    """Return x and y / x with their tolerances.

    The tolerance is the larger of `SIGMAS` standard errors and what rounding can do in one
    direction: `COHERENT` of the bounds of all entries together, and the rounding of alpha and
    of the scale themselves.

    Parameters
    ----------
    moments : Moments
        Of the whole case.
    unit : float
        The unit roundoff of what the gradient was computed in.
    """
    values = moments.sums.values()
    basic = dict(zip(_BASIC, values, strict=False))
    sizes = np.array([basic["|a|"], basic["|b|"]])
    squares = dict(zip(_PAIRS, values[len(_BASIC) :], strict=True))
    different = moments.different()
    repeats = sqrt(max(1.0, moments.states / max(1.0, different)))
    leverage = min(
        (basic[part] ** 2 / squares[k, k] for part, k in (("aa", 2), ("bb", 4)) if squares[k, k]),
        default=0.0,
    )
    carrying = min(leverage, different)
    # The bounds are of first order; coarse arithmetic leaves more over, and in one direction.
    coherent = COHERENT + sqrt(unit) if carrying >= FEWEST else DUMP_FACTOR
    sigmas = SIGMAS * (1.0 + _FREEDOM / max(1.0, carrying))

    def parameter(value: float, of: Array, solution: _Solution) -> Parameter:
        hidden = float(np.abs(of) @ solution.noise @ np.abs(of))
        error = sqrt(max(0.0, float(of @ solution.covariance @ of)) + hidden) * repeats
        floor = coherent / DUMP_FACTOR * float(np.abs(of) @ solution.lever @ sizes)
        value = float(value)
        return Parameter(value, max(sigmas * error, floor) + 2.0 * unit * abs(value), error)

    if (both := _solve(values, np.eye(2))) is not None:
        x, y = 1.0 + both.departure
        scale = parameter(x, np.array([1.0, 0.0]), both)
        if scale.tolerance < _USEFUL * abs(x):
            ratio = parameter(y / x, np.array([-y / x, 1.0]) / x, both)
            return Fitted(scale, ratio if ratio.tolerance < _USEFUL else None)
    if (one := _solve(values, np.ones((2, 1)))) is not None:
        scale = parameter(1.0 + float(one.departure[0]), np.ones(1), one)
        return Fitted(scale if scale.tolerance < _USEFUL else None, None)
    return Fitted(None, None)


def check(moments: Moments, alpha: float | None, unit: float) -> Tally:
    """Compare the fitted scale and temperature with the declared ones.

    Parameters
    ----------
    moments : Moments
        Of the whole case.
    alpha : float or None
        The temperature, or None if it differs by state: then it is compared in units of itself.
    unit : float
        The unit roundoff of what the gradient was computed in.
    """
    found = fitted(moments, unit)
    declared = 1.0 if alpha is None else alpha
    said = []
    rows = []
    for name, parameter, true in (("scale", found.scale, 1.0), ("alpha", found.ratio, declared)):
        if parameter is None:
            said.append(f"{name} cannot be told from this data")
            rows.append((true, true, 1.0, 0.0))
            continue
        value, tolerance, error = (number * true for number in parameter)
        unit_of = " times the declared" if name == "scale" or alpha is None else ""
        beside = "" if unit_of else f", declared {true!r}"
        said.append(f"{name} fitted {_spelled(value, error)}{unit_of}{beside}")
        rows.append((value, true, tolerance, true))
    if moments.skipped:
        said.append(f"{moments.skipped} entries that are not finite were left out")
    actual, expected, tolerances, scale = np.array(rows).T.copy()
    with np.errstate(divide="ignore"):  # there is nothing to see of what cannot be told
        seen = sight(tolerances, scale, Buffers())
        tally = compare(actual, expected, tolerances, seen, Buffers(), entries=2, start=0, limit=2)
    tally.spots = [spot._replace(state=None, about=said[spot.state or 0]) for spot in tally.spots]
    tally.summary = "; ".join(said)
    return tally


def _spelled(value: float, error: float) -> str:
    """Return a fitted number with as many digits as its standard error leaves it."""
    if not (isfinite(value) and isfinite(error)) or error <= 0.0:
        return f"{value:.12g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{min(digits, 17)}f} +- {error:.1g}"
