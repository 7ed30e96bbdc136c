"""How far a right gradient may be off: rounding bounds, an entry at a time.

Errors of Eq. (6) scale with pi(a) (|g(a)| + sum pi |g|), not with the gradient: near
theta = Q / alpha the gradient cancels, and a relative tolerance would reject right code. The
bounds here are first order in the unit roundoff U, from the standard model of arithmetic
(Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 2) applied to

    z = theta - max,  w = exp z,  pi = w / sum w,  g = Q - alpha log pi,  -pi (g - sum pi g).
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any, NamedTuple

import numpy as np

from softcheck.gradient.loss import Terms
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Indices,
    Policy,
    States,
    sum_of_products,
    sum_over_actions,
)


class Precision(enum.Enum):
    """A floating-point format, and what is right of numbers that were computed in it.

    A row is its name, its unit roundoff, the size below which a result may be 0 (float32 and
    bfloat16 flush subnormal numbers on accelerators; float16 does not, and a chain of its products
    and sums may lose four of its quanta), and K: the tolerance of a dumped value in units of its
    bound. Right gradients of public frameworks stay below 13 (`torch.distributions.Categorical`,
    which clamps) and mostly below 2; of 16 bits, whose sums are accumulated in float32, below 1.
    """

    unit: float
    underflow: float
    factor: float

    FLOAT64 = "float64", 2.0**-53, 2.0**-1022, 16.0
    FLOAT32 = "float32", 2.0**-24, 2.0**-126, 16.0
    BFLOAT16 = "bfloat16", 2.0**-8, 2.0**-126, 2.0
    FLOAT16 = "float16", 2.0**-11, 2.0**-22, 2.0

    def __new__(cls, value: str, *row: float) -> "Precision":
        """Make a member whose value is the name of its dtype."""
        member = object.__new__(cls)
        member._value_ = value
        member.unit, member.underflow, member.factor = row
        return member

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "Precision":
        """Return the precision of numbers stored as `dtype`; integers count as float64."""
        return next((each for each in cls if each.value == dtype.name), cls.FLOAT64)

    @property
    def tolerated(self) -> float:
        """K U: what a bound on rounding, in units of U, is multiplied by for a dumped value."""
        return self.factor * self.unit

    def underflow_as(self, stored: "Precision") -> float:
        """Return the size below which a result may be 0 once it was rounded to `stored`."""
        return max(self.underflow, stored.underflow)


U = Precision.FLOAT64.unit
TINY = Precision.FLOAT64.underflow


def summation(actions: int) -> float:
    """Return n: a sum over `actions` terms errs by at most n U times the sum of magnitudes.

    The smaller of a plain running sum's n and that of a pairwise, blocked or compensated one,
    with room for the roundings of the terms themselves.
    """
    return min(actions + 4.0, 10.0 + 2.0 * log2(actions))


class Error(NamedTuple):
    """A bound on errors, in units of U.

    `each` bounds the error of each entry; `relative` bounds it over `scale` at every action of a
    state whose pi is not 0.
    """

    each: Entries
    relative: States


@dataclass(frozen=True, slots=True)
class Bounds:
    """The size of a state's gradient and the size of the rounding in it.

    Attributes
    ----------
    rounding : Error
        Bounds |computed - true| of the gradient.
    total : States
        The sum of `rounding.each` over the actions.
    slope : States
        At least the sum of |gradient|.
    size : States
        At least `slope`, and pi times it at most the scale of an entry.
    """

    rounding: Error
    total: States
    slope: States
    size: States


@dataclass(frozen=True, slots=True)
class Closed(Bounds):
    """The bounds of the family in closed form.

    Attributes
    ----------
    largest : States
        max D; D = |g - V|.
    weighted : Error
        pi (D + 5 alpha).
    """

    largest: States
    weighted: Error


def live_magnitude(logits: Entries, policy: Policy, out: Entries) -> Entries:
    """Return |theta| in `out`, 0 where the weight of the action is 0 and its logit is no matter."""
    np.abs(logits, out=out)
    if policy.deep:
        np.copyto(out, 0.0, where=policy.pi == 0.0)
    return out


@np.errstate(all="ignore")  # what overflows is blind, and where there is no size nothing is seen
def bounds(block: Block, policy: Policy, terms: Terms, buffers: Buffers) -> Closed:
    """Return the bounds on Eq. (6) in float64 for every entry of a block.

    With rho = |z| + 3 (what z, exp and the quotient add to the relative error of pi),
    D = |g - V| = |u|, mag = |Q| + alpha (3 + |z| + 3 |log pi|) (what z, log pi, the product and
    the difference add to the error of g) and n of `summation`,

        E_a = U pi_a [ (rho_a + n) D_a + mag_a + sum_j pi_j (mag_j + rho_j D_j + n |g_j|) ].

    As Q = g + alpha log pi, |g| <= D + |V| and |log pi| = |z| + log Z, that is at most

        U pi_a [ T_a + sum_j pi_j T_j + (n + 2) |V| + 2 alpha (3 + 4 log Z - 5 (n + 4)) ],
        T = (|z| + n + 4) (D + 5 alpha),

    which is what is returned, with room for underflow.

    Parameters
    ----------
    block, policy, terms
        One block and its quantities.
    buffers : Buffers
    """
    shape, alpha = policy.z.shape, block.alpha
    reach = summation(shape[0]) + 4.0
    D = np.abs(terms.u, out=buffers("bounds.weighted", shape))
    largest = D.max(axis=0)
    slope = sum_of_products(policy.pi, D, buffers)
    size = slope + alpha
    fivefold = 5.0 * alpha
    weighted = np.add(D, fivefold, out=D)
    weighted *= policy.pi
    rounding = np.subtract(reach, policy.z, out=buffers("bounds.rounding", shape))
    rounding *= weighted
    mean = sum_over_actions(rounding, buffers)
    shared = mean + (reach - 2.0) * np.abs(policy.value)
    shared += alpha * (6.0 - 10.0 * reach + 8.0 * policy.log_Z)
    rounding += np.multiply(policy.pi, shared, out=buffers("scratch", shape))
    total = mean + shared

    # Over pi (D + size), at the worst D, z and pi that the state may have.
    share = np.maximum(fivefold / size, 1.0)
    relative = (shared + reach * fivefold) / size + reach + policy.depth * share

    if not _is_far_from_underflow(policy, largest, size):
        underflow = TINY / U * (1.0 + largest + size)
        rounding += underflow
        total += shape[0] * underflow
        relative += underflow * np.exp(policy.depth + policy.log_Z) / size
    return Closed(Error(rounding, relative), total, slope, size, largest, Error(weighted, share))


def _is_far_from_underflow(policy: Policy, largest: States, size: States) -> bool:
    """Return whether room for underflow is too small to change a digit of any bound of a block.

    Every bound is at least pi times `size`, and pi at least exp(-depth) / actions.
    """
    least = np.exp(-policy.depth.max()) / len(policy.pi) * size.min()
    return not policy.deep and bool(TINY / U * (1.0 + largest.max() + size.max()) < U / 4.0 * least)


def scale(policy: Policy, terms: Terms, shared: Closed, out: Entries) -> Entries:
    """Return pi (D + sum pi D + alpha): what the gradient of an entry is made of."""
    np.multiply(policy.pi, shared.size - 5.0 * terms.alpha, out=out)
    out += shared.weighted.each
    return out


def of_masked(actions: int, size: States, slope: States) -> States:
    """Return what rounding may leave on the masked logits of each state, in units of U.

    A mask may come after the softmax: s = sum m p, pi = m p / s. With h = dL/dpi, whatever that is,
    the backward pass hands p

        t_k = h_k / s - (sum pi h) / s

    where an action is legal, and a masked logit -p sum_k p_k t_k = -p sum pi (h - sum pi h): 0 but
    for rounding. h / s rounds once, sum pi h and s as sums do, and so does the last sum. Where s is
    taken off as a logarithm that rounds twice, 2 |log s|: at most 16 if 0.03 % of p are legal. As
    p is at most 1, no more is left than

        (2 n + 17) sum pi |h| + n sum pi |h - sum pi h|.

    It is proved, not measured, so K is not for it.

    Parameters
    ----------
    actions : int
    size : States
        At least sum pi |h|. As h is -g + alpha, |V| + sum pi D + alpha will do.
    slope : States
        sum pi |h - sum pi h|, sum pi D.
    """
    n = summation(actions)
    left: States = (2.0 * n + 17.0) * size + n * slope
    return left


class Allowance(NamedTuple):
    """What some right code loses beyond its bound, in the states that it is asked for.

    Attributes
    ----------
    weight : Entries
        How the error of a normaliser is shared out: as pi is.
    normaliser : States
        The largest such error.
    parts : Entries or None
        The rounding of parts that were added in a precision coarser than they were computed in.
    """

    weight: Entries
    normaliser: States
    parts: Entries | None


def of_normaliser(logsumexp: States, size: States) -> States:
    """Return what an error that all log pi of a state share adds to its gradient, over pi U.

    `logits - logsumexp(logits)` rounds logsumexp itself, so that every log pi of the state is off
    by one and the same delta, |delta| <= U |logsumexp|, and pi sums to 1 + delta. The gradient

        pi (1 + delta) (h - sum pi (1 + delta) h) = (1 + delta) T - pi delta (1 + delta) sum pi h

    has a part left that is large where h has an offset. The bound of T covers the first term, and
    this, with room for a second rounding of logsumexp, the other one.

    Parameters
    ----------
    logsumexp : States
    size : States
        At least |sum pi h|: h is -g + alpha, so |V| + alpha will do.
    """
    left: States = 2.0 * np.abs(logsumexp) * size
    return left


def of_parts(reward: Entries, entropy: Entries, weight: Entries) -> Entries:
    """Return what the parts of a gradient round by if each is stored, in units of U.

    Where logits are upcast in several places, autograd rounds the gradient of each to the precision
    of the leaf and adds them in it. The parts are those of a reward, of an entropy, and of
    logsumexp beside sum pi theta in that entropy, which leave alpha pi each and cancel. Each of
    them rounds, and so do sums of some of them.

    Parameters
    ----------
    reward, entropy : Entries
        J(Q) and alpha J(log pi), of any sign.
    weight : Entries
        alpha pi.
    """
    size: Entries = np.abs(reward) + np.abs(entropy) + 2.0 * weight
    return 2.0 * size


class Needed(NamedTuple):
    """How often an allowance was needed.

    Attributes
    ----------
    normaliser : int
        In states that are right but for the error of a normaliser.
    parts : int
        In entries that are right if they were added from rounded parts.
    """

    normaliser: int
    parts: int


NONE_NEEDED = Needed(0, 0)


def allow(
    actual: Entries,
    expected: Entries,
    tolerance: Entries,
    allowance: Callable[[Indices], Allowance],
) -> tuple[Entries, Entries, Needed]:
    """Return `expected` and `tolerance` with an allowance for what is right with it, not without.

    A state that needs none is seen as sharply as it can be. The error of a normaliser is one number
    a state, what its entries add up to beyond what they should: with it taken off, all of the state
    must be right. Where one entry is a sum of rounded parts, all of its state are: each is seen no
    better than that.

    Parameters
    ----------
    actual, expected, tolerance : Entries
    allowance : callable
        From the states that need one; see `Allowance`.
    """
    off = actual - expected
    needy = np.flatnonzero(~(np.abs(off) <= tolerance).all(axis=0))
    if not needy.size:
        return expected, tolerance, NONE_NEEDED
    weight, normaliser, parts = allowance(needy)
    off, narrow = off[:, needy], tolerance[:, needy]
    wide = narrow if parts is None else narrow + parts
    shared = weight * np.clip(off.sum(axis=0), -normaliser, normaliser)
    without, with_it = ((np.abs(x) <= wide).all(axis=0) for x in (off, off - shared))
    helped = np.flatnonzero(with_it & ~without)
    off[:, helped] -= shared[:, helped]
    added = (np.abs(off) > narrow) & (np.abs(off) <= wide)
    expected, tolerance = expected.copy(), tolerance.copy()
    expected[:, needy[helped]] += shared[:, helped]
    tolerance[:, needy] = np.where(added.any(axis=0), wide, narrow)
    needed = Needed(helped.size, int(np.count_nonzero(added)))
    return expected, tolerance, needed
