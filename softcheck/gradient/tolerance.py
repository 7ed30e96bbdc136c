"""How far a right gradient may be off: rounding bounds, an entry at a time.

Errors of Eq. (6) scale with pi(a) (|g(a)| + sum pi |g|), not with the gradient: near
theta = Q / alpha the gradient cancels, and a relative tolerance would reject right code. The
bounds here are first order in the unit roundoff U, from the standard model of arithmetic
(Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 2) applied to

    z = theta - max,  w = exp z,  pi = w / sum w,  g = q - alpha log pi,  r = Y + 2 zeta logsumexp,
    pi (sum pi g + r - g) - y.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from math import log, log2
from typing import Any, NamedTuple

import numpy as np

from softcheck.gradient.loss import Terms
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Number,
    PerState,
    Policy,
    Some,
    States,
    Target,
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


def coarser(unit: float) -> list[Precision]:
    """Return the precisions whose unit roundoff is larger, the finest first."""
    every = (Precision.FLOAT32, Precision.FLOAT16, Precision.BFLOAT16)
    return [precision for precision in every if precision.unit > unit]


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
        Pi times it is at most the scale of an entry.
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
    spread, largest : States
        sum pi D and max D, D = |g - V|.
    weighted : Entries
        pi (D + beside).
    beside : States
        5 alpha + |r|.
    parts : int
        k, or 0 where the loss has no y.
    of_y, of_square : PerState
        Y1 = sum |y|, and 2 |zeta| (|max theta| + log Z), which is at least 2 |zeta logsumexp|.
    err : PerState
        A bound on the error of r.
    underflow : States
        The room for underflow in `rounding`.
    own : Error
        pi (D + 5 alpha + |Y| + |zeta| (2 |logsumexp| + 6)) + |y|, what a numeric route adds up.
    """

    spread: States
    largest: States
    weighted: Entries
    beside: States
    parts: int
    of_y: PerState
    of_square: PerState
    err: PerState
    underflow: States
    own: Error

    def with_own(self, times: float, buffers: Buffers) -> Error:
        """Return `rounding` and `times` as many roundings of `own`."""
        each = np.multiply(self.own.each, times, out=buffers("bounds.routes", self.weighted.shape))
        each += self.rounding.each
        return Error(each, self.rounding.relative + times * self.own.relative)


def live_magnitude(logits: Entries, policy: Policy, out: Entries) -> Entries:
    """Return |theta| in `out`, 0 where the weight of the action is 0 and its logit is no matter."""
    np.abs(logits, out=out)
    if policy.deep:
        np.copyto(out, 0.0, where=policy.pi == 0.0)
    return out


@np.errstate(all="ignore")  # what overflows is blind, and where there is no size nothing is seen
def bounds(
    block: Block, policy: Policy, terms: Terms, r: States | None, buffers: Buffers
) -> Closed:
    """Return the bounds on the gradient in float64 for every entry of a block.

    Relative to itself z rounds once, exp z by 2 and the quotient once, so the error of log w_j is
    at most |z_j| + 2, and pi_a is off by that, by its mean over pi and by the sum: as
    sum pi |z| = H - log Z is at most log A, by no more than |z_a| + n + 5 + log A, with n of
    `summation`. An error that all g or all pi of a state share cancels in g - V, but for its weight
    |V| in a policy that adds up to 1 + (n + 1) U. The rest of g rounds by at most
    alpha (3 |z| + 2 log Z) + D + |V|, D = |g - V|, its mean by the mean of that, of (|z| + 2) D and
    of (n + 1) D, and r by

        err = n_y Y1 + 2 |zeta| (n + 2 + 2 log A + 2 |logsumexp|) + |r|,   Y1 = sum |y|,

    for log Z is off by sum pi |z| + 2 + n and its own rounding. Each of the parts of y is one
    subtraction more, and one rounding is for whoever rounds the truth: k together. With
    b = 5 |alpha|, R = n + 8 + k + log A and T_a = (|z_a| + R) (D_a + b + |r|)
    that is no more than

        E_a = U { pi_a [ T_a + sum_j pi_j T_j - R (2 b + |r|) + 2 alpha (3 + 4 log Z)
                         + (2 n + 4) |V| + err ] + k |y_a| },

    which is what is returned, with room for underflow; 3 alpha would do for b, but 5 alpha is what
    `of_dump` weighs by. Where a loss has no q and no alpha there is
    no D and no V, and

        E_a = U { pi_a [ (|z_a| + R) |r| + err ] + k |y_a| }.

    The terms of the numeric routes have u = q - alpha z in place of g, so |V| is the larger of
    |sum pi g| and |sum pi u|.

    Parameters
    ----------
    block, policy, terms
        One block and its quantities.
    r : States or None
        None where the loss has no y and no zeta.
    buffers : Buffers
    """
    shape, target = policy.z.shape, block.target
    actions = buffers.actions(policy.z)
    n, log_A, alpha = summation(actions), log(actions), np.abs(block.alpha)
    parts = 0 if target is None else target.parts + 1
    reach = n + 8.0 + parts + log_A
    size_of_y = None if target is None else target.size()
    of_r, of_y, of_square, err, own = _linear(block, policy, terms, r, size_of_y, buffers)
    b = 5.0 * alpha
    beside = b + of_r
    weighted, rounding = buffers("bounds.weighted", shape), buffers("bounds.rounding", shape)
    if terms.soft:
        D = np.abs(terms.u, out=weighted)
        largest = D.max(axis=0)
        spread = sum_of_products(policy.pi, D, buffers)
        weighted += beside
        weighted *= policy.pi
    else:
        largest = spread = np.zeros(shape[1])
        np.multiply(policy.pi, of_r, out=weighted)
    np.subtract(reach, policy.z, out=rounding)
    rounding *= weighted
    size = spread + alpha
    if r is not None:
        size += of_y + of_square
    # Over pi (D + size) + |y|, at the worst D, z and pi that the state may have.
    share = beside / size
    if terms.soft:
        total = sum_over_actions(rounding, buffers)
        linear = (None, None) if r is None else (of_r, err)
        shared = common(n, reach, total, policy.value, terms.mean, alpha, policy.log_Z, *linear)
        total += shared
        np.maximum(share, 1.0, out=share)
        rest = parts + reach
    else:
        shared, total, rest = err, (reach + log_A) * of_r + err, parts
    relative = over_scale(reach, rest, shared, beside, size, policy.depth, share)
    rounding += np.multiply(policy.pi, shared, out=buffers("scratch", shape))

    own_each, own_share = weighted, share
    if r is not None:
        own_share = np.maximum((b + own) / size, 1.0)
        own_each = np.multiply(policy.pi, own - of_r, out=buffers("bounds.own", shape))
        own_each += weighted
    if size_of_y is not None:
        size_of_y.add_to(own_each, 1.0, buffers)
        size_of_y.add_to(rounding, parts, buffers)
        total = total + parts * of_y
    underflow = np.zeros(1)
    if r is not None or not _is_far_from_underflow(policy, largest, size, actions):
        underflow = room_for_underflow(largest, size)
        rounding += underflow
        total = total + actions * underflow
        relative += underflow * np.exp(policy.depth + policy.log_Z) / size
    return Closed(
        rounding=Error(rounding, relative),
        total=total,
        slope=spread if r is None else spread + of_r + of_y,
        size=size,
        spread=spread,
        largest=largest,
        weighted=weighted,
        beside=beside,
        parts=parts,
        of_y=of_y,
        of_square=of_square,
        err=err,
        underflow=underflow,
        own=Error(own_each, own_share),
    )


def common(
    n: float,
    reach: float,
    total: Number,
    value: Number,
    mean: Number,
    alpha: Number,
    log_normaliser: Number,
    of_r: Number | None,
    err: Number | None,
) -> Number:
    """Return what all entries of a state err by in units of pi U, where a loss has a q or an alpha.

    It is the bracket of E_a in `bounds` without T_a, which `total` has the mean of with |z| + R in
    place of it. `of_r` and `err` are None where the loss has no y and no zeta.
    """
    shared = np.maximum(np.abs(value), np.abs(mean)) * (2.0 * n + (3.0 if err is None else 4.0))
    shared = shared + total + alpha * (6.0 - 10.0 * reach + 8.0 * log_normaliser)
    return shared if of_r is None or err is None else shared + (err - reach * of_r)


def over_scale(
    reach: float,
    parts: float,
    shared: Number,
    beside: Number,
    size: Number,
    depth: Number,
    share: Number,
) -> Number:
    """Return a bound on E_a over the scale of an entry for all entries of a state, in units of U.

    `share` is `beside` over `size`. Where a loss has a q or an alpha it is at least 1 and `parts`
    are k + R, for the scale has D as T_a has it.
    """
    return (shared + reach * beside) / size + parts + depth * share


def of_sum(target: Target, n: float) -> float:
    """Return n_y, what sum y rounds by in units of Y1."""
    added = 0.0 if target.uniform is None else 3.0
    return added if target.dense is None else n


def err_of_r(
    n: float, log_actions: float, of_r: Number, of_y: Number, zeta: Number | None, logsumexp: Number
) -> Number:
    """Return err of `bounds`, with n_y Y1 in `of_y`."""
    err = of_r + of_y
    if zeta is None:
        return err
    return err + 2.0 * np.abs(zeta) * (n + 2.0 + 2.0 * (log_actions + np.abs(logsumexp)))


def room_for_underflow(largest: Number, size: Number) -> Number:
    """Return what underflow may take from any entry of a state, in units of U."""
    return TINY / U * (1.0 + largest + size)


class _Linear(NamedTuple):
    """What a loss has of y and zeta; see `bounds` and `Closed`."""

    of_r: PerState
    of_y: PerState
    of_square: PerState
    err: PerState
    own: PerState


def _linear(
    block: Block,
    policy: Policy,
    terms: Terms,
    r: States | None,
    size_of_y: Target | None,
    buffers: Buffers,
) -> _Linear:
    """Return |r|, Y1, 2 |zeta| (|max theta| + log Z), err and what a route adds of them."""
    zeta, actions = block.zeta, buffers.actions(policy.z)
    n, log_A = summation(actions), log(actions)
    none = np.zeros(1)
    if r is None:
        return _Linear(none, none, none, none, none)
    of_r = np.abs(r)
    of_y = of_square = own = none
    summed: PerState = none
    if size_of_y is not None:
        of_y = size_of_y.total(buffers)
        summed = of_sum(size_of_y, n) * of_y
        own = np.abs(terms.total)
    if zeta is not None:
        weight, logsumexp = np.abs(zeta), np.abs(terms.logsumexp)
        of_square = 2.0 * weight * (np.abs(policy.highest) + policy.log_Z)
        own = own + weight * (2.0 * logsumexp + 6.0)
    err = err_of_r(n, log_A, of_r, summed, zeta, terms.logsumexp)
    return _Linear(of_r, of_y, of_square, err, own)


def _is_far_from_underflow(policy: Policy, largest: States, size: States, actions: int) -> bool:
    """Return whether room for underflow is too small to change a digit of any bound of a block.

    Every bound is at least pi times `size`, and pi at least exp(-depth) / actions.
    """
    least = np.exp(-policy.depth.max()) / actions * size.min()
    return not policy.deep and bool(TINY / U * (1.0 + largest.max() + size.max()) < U / 4.0 * least)


def of_dump(
    block: Block, policy: Policy, shared: Closed, scale: Entries, out: Entries, buffers: Buffers
) -> Entries:
    """Return in `out` what a dumped gradient is tolerated in units of, K U: see `Precision`.

    K was measured with R = n + 4, without the mean of |z|, and with (n + 2) |V|, which count some
    roundings once that the proof of `bounds` counts twice. What has no q and no alpha has no such
    part. A logit may have been rounded itself: |z| becomes |z| + |theta|, and as |theta| is at most
    |max theta| + |z|, that is |max theta| times the scale, but for y, within a factor of 2 that K
    covers.
    """
    if block.target is None:
        np.multiply(scale, np.abs(policy.highest), out=out)
    else:
        np.multiply(policy.pi, shared.size - shared.beside, out=out)
        out += shared.weighted
        out *= np.abs(policy.highest)
    if not block.soft:
        out += shared.rounding.each
        return out
    alpha, reach = np.abs(block.alpha), summation(buffers.actions(out)) + 4.0
    rounding = np.subtract(reach, policy.z, out=buffers("scratch", out.shape))
    rounding *= shared.weighted
    linear: tuple[Any, Any] = (None, None)
    if block.target is not None or block.zeta is not None:
        linear = shared.beside - 5.0 * alpha, shared.err
    total = sum_over_actions(rounding, buffers)
    common = common_of_dump(reach, total, policy.value, alpha, policy.log_Z, *linear)
    rounding += np.multiply(policy.pi, common, out=buffers("scratch.2", out.shape))
    if block.target is not None:
        block.target.size().add_to(rounding, shared.parts, buffers)
    rounding += shared.underflow
    out += rounding
    return out


def common_of_dump(
    reach: float,
    total: Number,
    value: Number,
    alpha: Number,
    log_normaliser: Number,
    of_r: Number | None,
    err: Number | None,
) -> Number:
    """Return what `common` is for a dump, see `of_dump`; `reach` is n + 4."""
    shared = total + (reach - 2.0) * np.abs(value)
    shared = shared + alpha * (6.0 - 10.0 * reach + 8.0 * log_normaliser)
    return shared if of_r is None or err is None else shared + (err - reach * of_r)


def scale(policy: Policy, shared: Closed, target: Target | None, buffers: Buffers) -> Entries:
    """Return pi (D + size) + |y|: what the gradient of an entry is made of."""
    out = np.multiply(policy.pi, shared.size - shared.beside, out=buffers("scale", policy.pi.shape))
    out += shared.weighted
    if target is not None:
        target.size().add_to(out, 1.0, buffers)
    return out


def of_logarithm(block: Block, policy: Policy, buffers: Buffers) -> Entries:
    """Return the rounding of log pi from logits that had been rounded, 0 |theta| where pi is 0.

    z, log Z, the logits themselves and the difference: see `bounds`.
    """
    rho = live_magnitude(block.logits, policy, buffers("live_logits", policy.pi.shape))
    rho -= policy.z
    rho += 3.0
    normaliser = summation(buffers.actions(rho)) + sum_of_products(policy.pi, rho, buffers)
    # |theta| - z - log pi + 2 log Z + normaliser + 1
    rounding: Entries = rho - policy.z
    rounding += 3.0 * policy.log_Z + (normaliser - 2.0)
    return rounding


def of_masked(n: float, size: States, slope: States) -> States:
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
    n : float
        `summation` of the actions.
    size : States
        At least sum pi |h|. As h is -g + alpha, |V| + sum pi D + alpha will do.
    slope : States
        sum pi |h - sum pi h|, sum pi D.
    """
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


def of_normaliser(logsumexp: Number, size: Number) -> Number:
    """Return what an error that all log pi of a state share adds to its gradient, over pi U.

    `logits - logsumexp(logits)` rounds logsumexp itself, so that every log pi of the state is off
    by one and the same delta, |delta| <= U |logsumexp|, and pi sums to 1 + delta. The gradient

        pi (1 + delta) (h - sum pi (1 + delta) h) = (1 + delta) T - pi delta (1 + delta) sum pi h

    has a part left that is large where h has an offset. The bound of T covers the first term, and
    this, with room for a second rounding of logsumexp, the other one.

    Parameters
    ----------
    logsumexp : Number
    size : Number
        At least |sum pi h|: h is -g + alpha, so |V| + alpha will do.
    """
    return 2.0 * np.abs(logsumexp) * size


def of_parts(apart: Entries, weight: Entries) -> Entries:
    """Return what the parts of a gradient round by if each is stored, in units of U.

    Where logits are upcast in several places, autograd rounds the gradient of each to the precision
    of the leaf and adds them in it. The parts are those of each term, and of logsumexp beside
    sum pi theta in an entropy, which leave alpha pi each and cancel. Each of them rounds, and so do
    sums of some of them.

    Parameters
    ----------
    apart : Entries
        What the sizes of the gradients of the terms add up to.
    weight : Entries
        alpha pi.
    """
    size: Entries = apart + 2.0 * weight
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

AT_MOST = 1.0 + 2.0**-20
"""Times the largest allowance: none is refused for how that was rounded."""


def allow(
    actual: Entries,
    expected: Entries,
    tolerance: Entries,
    allowance: Callable[[Some], Allowance],
    error: Entries,
    counts: Entries | float = 1.0,
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
    error : Entries
        |actual - expected|.
    counts : Entries or float
        For how many actions each entry stands.
    """
    beyond = error - tolerance
    farthest = beyond.max(axis=0)
    needy = np.flatnonzero(~(farthest <= 0.0))
    if not needy.size:
        return expected, tolerance, NONE_NEEDED
    some = slice(None) if needy.size == error.shape[1] else needy  # all of them without a copy
    weight, normaliser, parts = allowance(some)
    most = normaliser * weight.max(axis=0)
    least = farthest[some]  # all of a state must be right
    if parts is not None:  # one entry that is a sum of rounded parts is enough
        beyond = beyond[:, some]
        least = np.where(beyond > 0.0, beyond, np.inf).min(axis=0)
        most += parts.max(axis=0)
    near = np.flatnonzero(~(least > AT_MOST * most))
    if not near.size:
        return expected, tolerance, NONE_NEEDED
    needy, weight, normaliser = needy[near], weight[:, near], normaliser[near]
    off, narrow = actual[:, needy] - expected[:, needy], tolerance[:, needy]
    wide = narrow if parts is None else narrow + parts[:, near]
    often = counts[:, needy] if isinstance(counts, np.ndarray) else counts
    shared = weight * np.clip((off * often).sum(axis=0), -normaliser, normaliser)
    without, with_it = ((np.abs(x) <= wide).all(axis=0) for x in (off, off - shared))
    helped = np.flatnonzero(with_it & ~without)
    off[:, helped] -= shared[:, helped]
    added = (np.abs(off) > narrow) & (np.abs(off) <= wide)
    if not (helped.size or added.any()):
        return expected, tolerance, NONE_NEEDED
    expected, tolerance = expected.copy(), tolerance.copy()
    expected[:, needy[helped]] += shared[:, helped]
    tolerance[:, needy] = np.where(added.any(axis=0), wide, narrow)
    needed = Needed(helped.size, int((added * often).sum()))
    return expected, tolerance, needed
