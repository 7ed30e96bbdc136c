"""The factors that the terms of a loss really have in a dumped gradient, from all of its entries.

With G_k the gradients of the terms, times what reduction and weights make of a state's loss, the
true gradient is their sum. Here G = sum_k x_k G_k is fitted by least squares: rounding errors of
different states are nearly independent, so each x comes out far sharper than any single entry, and
an alpha that is one optimiser step old is seen where every entry passes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite, sqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.moments import COHERENT, SIGMAS, Direction, Layout, Moments
from softcheck.checks.tally import Tally, compare, sight
from softcheck.gradient.definition import Summand
from softcheck.gradient.policy import Array, Buffers
from softcheck.gradient.tolerance import U

Group: TypeAlias = tuple[int, ...]  # numbers of terms

SCALE = "scale"
"""What the factor of a loss as a whole is called."""

FEWEST = 6.0
"""Below so many states that carry the fit, its standard errors are not trusted."""

_FREEDOM = 20.0  # standard errors from n states are widened by 1 + 20 / n

_COLLINEAR = 1e-12
_USEFUL = 0.5
_ROUNDING = 64.0 * U  # of a product of two sums over actions, relative to its size


class Parameter(NamedTuple):
    """One fitted number: what was found, by how much it may be off, and its standard error."""

    value: float
    tolerance: float
    error: float

    @property
    def is_told(self) -> bool:
        """Whether the data tell it from others that are as large."""
        return self.tolerance < _USEFUL * max(1.0, abs(self.value))

    @property
    def is_sharp(self) -> bool:
        """Whether they tell it from 0."""
        return self.tolerance < _USEFUL * abs(self.value)

    def is_near(self, value: float) -> bool:
        """Return whether it may be another number."""
        return abs(self.value - value) <= self.tolerance


class Factor(NamedTuple):
    """What some terms of a loss are multiplied by, in units of what was declared.

    Attributes
    ----------
    name : str
        What is said of it: "scale", an array of one number, or terms as they are printed.
    terms : tuple of int
        Which of `Moments.summands` the data cannot tell apart; of a scale, those that no other
        factor is of.
    found : Parameter or None
        None where data hide it.
    """

    name: str
    terms: Group
    found: Parameter | None


@dataclass(frozen=True)
class _Solution:
    """A least-squares solution.

    Attributes
    ----------
    groups : sequence of Group
        The terms that have one factor.
    departure : Array
        Of each factor from 1.
    covariance : Array
    noise : Array
        What rounding may hide of the covariance, whose terms cancel.
    lever : Array
        How the departures move with the sums of each term and the error, `(groups, terms)`.
    """

    groups: Sequence[Group]
    departure: Array
    covariance: Array
    noise: Array
    lever: Array


class _Fit:
    """The sums over all states, and what of them may be due to rounding."""

    def __init__(self, moments: Moments) -> None:
        total, K = moments.sums.total(), moments.computed.factor
        terms = max(1, len(moments.summands))
        self.moments = moments
        self.layout = layout = Layout(terms)
        self.total = total
        self.of_error = total[0, layout.of_error]
        self.square = layout.square(total[0, layout.of_pairs])
        different = moments.different()
        self.repeats = sqrt(moments.repeats())
        squares = [1 + terms + at for at, (k, m) in enumerate(layout.pairs) if k == m]
        leverage = [total[0, at] ** 2 / total[at, at] for at in squares if total[at, at]]
        carrying = min([different, *leverage])
        # The bounds are of first order; coarse arithmetic leaves more over, and in one direction.
        coherent = COHERENT + sqrt(moments.computed.unit) if carrying >= FEWEST else K
        self.sigmas = SIGMAS * (1.0 + _FREEDOM / max(1.0, carrying))
        self.together = coherent / K * total[0, layout.sizes]
        self.shared, self.lost = total[0, layout.shared], total[0, layout.lost]
        # Below it is the rounding of the gradient here, in float64, in units of a tolerance.
        seen = U / moments.computed.tolerated * total[0, layout.sizes]
        self.is_seen = np.diag(self.square) > seen
        # A term that is small beside the others may be lost whole: there signs do not cancel.
        self.rounded = moments.stored.unit * np.sqrt(np.diag(self.square) * self.square.sum())
        self.rounded += total[0, layout.quanta]

    def _correlated(self, groups: Sequence[Group]) -> tuple[Array, Array]:
        """Return the sizes of the columns that groups of terms add up to, and their correlation."""
        along = self._along(groups)
        reduced = along.T @ self.square @ along
        size = np.sqrt(np.diag(reduced))
        return size, reduced / np.outer(size, size)

    def _along(self, groups: Sequence[Group]) -> Array:
        """Return which terms are in which group, `(terms, groups)`."""
        along = np.zeros((len(self.square), len(groups)))
        for place, group in enumerate(groups):
            along[list(group), place] = 1.0
        return along

    def solve(self, groups: Sequence[Group]) -> _Solution | None:
        """Fit one factor a group; terms that are in none have the declared one.

        The covariance is that of sums over states (the sandwich of robust regression), for the
        entries of one state share the rounding of its sums.
        """
        along = self._along(groups)
        size, correlation = self._correlated(groups)
        if not (np.isfinite(correlation).all() and (size > 0).all()):
            return None
        if np.linalg.eigvalsh(correlation)[0] < _COLLINEAR:
            return None
        inverse = np.linalg.inv(correlation) / np.outer(size, size)
        departure = inverse @ along.T @ self.of_error
        moved = along @ departure
        score = np.zeros((len(moved), len(moved) + len(self.layout.pairs)))
        score[:, : len(moved)] = np.eye(len(moved))
        for place, (k, m) in enumerate(self.layout.pairs, len(moved)):
            score[k, place] -= moved[m]
            if k != m:
                score[m, place] -= moved[k]
        spread = inverse @ along.T @ score
        products = self.total[self.layout.moments, self.layout.moments]
        noise = _ROUNDING * (np.abs(spread) @ np.abs(products) @ np.abs(spread).T)
        covariance = spread @ products @ spread.T
        return _Solution(groups, departure, covariance, noise, inverse @ along.T)

    def parameter(self, value: float, of: Direction, solution: _Solution) -> Parameter:
        """Return a number that moves with the factors of a solution as `of` says.

        Its tolerance is the largest of `SIGMAS` standard errors, `COHERENT` of the bounds of all
        entries together, and how what is alike was rounded; beside that what is no chance, for it
        adds up with any of these: entries that underflow may have made 0, what large logits do to
        all states alike, a log Z that all of them lose, and the rounding of the number and of the
        scale themselves.
        """
        hidden = float(np.abs(of) @ solution.noise @ np.abs(of))
        # What is less is whatever the rounding on a processor has left of it.
        spread = max(hidden, float(of @ solution.covariance @ of))
        error = sqrt(spread + hidden) * self.repeats
        at_most = np.abs(of) @ np.abs(solution.lever)
        along = of @ solution.lever
        alike = min(self.moments.rounded_alike(along), float(at_most @ self.rounded))
        tolerance = max(self.sigmas * error, float(at_most @ self.together), alike)
        tolerance += float(np.abs(along) @ self.shared + abs(along @ self.lost))
        unit = self.moments.computed.unit
        return Parameter(float(value), tolerance + 2.0 * unit * abs(value), error)

    def factor(self, place: int, solution: _Solution) -> Parameter:
        """Return the factor of a group."""
        of = np.eye(len(solution.groups))[place]
        return self.parameter(1.0 + solution.departure[place], of, solution)

    def ratio(self, place: int, base: int, solution: _Solution) -> Parameter:
        """Return the factor of a group over that of another."""
        over, under = 1.0 + solution.departure[[place, base]]
        of = np.zeros(len(solution.groups))
        of[place], of[base] = 1.0 / under, -over / under**2
        return self.parameter(over / under, of, solution)

    def apart(self) -> _Solution | None:
        """Fit a factor a term, and one to those together that the data cannot tell apart.

        As long as two factors are hidden, the two of them that are most alike become one.
        """
        groups: list[Group] = [(int(k),) for k in np.flatnonzero(self.is_seen)]
        while groups:
            solution = self.solve(groups)
            hidden = [*range(len(groups))]
            if solution is not None:
                hidden = [at for at in hidden if not self.factor(at, solution).is_told]
                if len(hidden) < 2:
                    return solution
            alike = np.abs(self._correlated(groups)[1])
            if len(hidden) < 2 or not np.isfinite(alike).all():
                break
            one, other = max(combinations(hidden, 2), key=lambda pair: float(alike[pair]))
            groups[one] = tuple(sorted(groups[one] + groups[other]))
            del groups[other]
        return None


@np.errstate(all="ignore")  # what overflows cannot be told
def fitted(moments: Moments) -> list[Factor]:
    """Return the factors of the terms of a loss; terms that the data cannot tell apart share one.

    Where all terms but one are weighed by a number of their own, as alpha weighs the entropy, the
    factor of that one is the scale, and those of the numbers are relative to it.
    """
    fit, numbers = _Fit(moments), _numbers(moments.summands)
    if numbers.count("") == 1:
        names = [number or SCALE for number in numbers]
        found = _relative(fit, numbers.index(""))
    else:
        names = [summand.text for summand in moments.summands]
        found = _absolute(fit)
    told = {group: each for group, each in found.items() if each.is_told and moments.signed}
    hidden = {*range(len(names))}.difference(*told)
    groups = [*told, *((k,) for k in hidden)]
    groups.sort(key=lambda group: (names[group[0]] != SCALE, group))
    return [
        Factor(" and ".join(names[k] for k in group), group, told.get(group)) for group in groups
    ]


def _numbers(summands: Sequence[Summand]) -> list[str]:
    """Return the array that weighs each term and no other, "" where there is none."""
    taken = Counter(name for summand in summands for name in summand.part.names)
    found = []
    for summand in summands:
        own = [name for name in summand.weights if taken[name] == 1]
        found.append(own[0] if own and len(summand.weights) == 1 else "")
    return found or [""]


def _absolute(fit: _Fit) -> dict[Group, Parameter]:
    """Return the factor of each group of terms."""
    solution = fit.apart()
    if solution is None:
        return {}
    return {group: fit.factor(place, solution) for place, group in enumerate(solution.groups)}


def _relative(fit: _Fit, base: int) -> dict[Group, Parameter]:
    """Return the factor of a term, and those of others over it.

    Where the data hide that one, it is the factor of all of them.
    """
    solution = fit.apart()
    groups = [] if solution is None else solution.groups
    place = next((place for place, group in enumerate(groups) if base in group), None)
    if solution is None or place is None or not fit.factor(place, solution).is_sharp:
        solution, place = fit.solve([tuple(range(len(fit.square)))]), 0
    if solution is None:
        return {}
    found: dict[Group, Parameter] = {(base,): fit.factor(place, solution)}
    for other, group in enumerate(solution.groups):
        if other != place:
            found[group] = fit.ratio(other, place, solution)
    return found


def check(moments: Moments, numbers: Mapping[str, Any]) -> Tally:
    """Compare the fitted factors with what was declared.

    Parameters
    ----------
    moments : Moments
        Of the whole case.
    numbers : mapping of name to number
        What is one number for the whole case. What is fitted of another, or of a term, is compared
        in units of what was declared.
    """
    said, rows = [], []
    factors = fitted(moments)
    for name, _, found in factors:
        declared = float(numbers.get(name, 1.0))
        if found is None:
            said.append(f"{name} cannot be told from this data")
            rows.append((declared, declared, 1.0, 0.0))
            continue
        value, tolerance, error = (x * declared for x in found)
        beside = f", declared {declared!r}" if name in numbers else " times the declared"
        said.append(f"{name} fitted {_spelled(value, error)}{beside}")
        rows.append((value, declared, tolerance, declared))
    if not moments.signed:
        said.append("a gradient of the opposite sign would look the same")
    if moments.skipped:
        said.append(f"{moments.skipped} entries that are not finite were left out")
    actual, expected, tolerances, scale = np.array(rows).T.copy()
    seen = sight(tolerances, scale, Buffers())
    tally = compare(
        actual, expected, tolerances, seen, Buffers(), entries=len(rows), start=0, limit=len(rows)
    )
    tally.relocate(lambda spot: spot._replace(state=None, about=factors[spot.state or 0].name))
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
