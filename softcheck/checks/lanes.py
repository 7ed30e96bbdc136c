"""How a block goes into the compiled loop, and what comes out of it."""

from typing import Any, NamedTuple

LANES = 32
"""States, or actions of one state, that are computed side by side: a tile of them stays in the
cache."""

RUN, LEVELS, SUMS = 8, 16, 10
"""Rows that are added one after the other; how often sums of those are added in pairs, which is
enough for 2^19 rows; and how many sums there are at once."""

TERMS = 3
"""The terms of a loss, up to which its dumped gradient is fitted here."""

NEAR = 2.0**-30
"""How far two kernels are apart, relative to a number, in what neither of them bounds."""

RESOLUTIONS = 5
"""Of the formula, of the routes, of the sum, of the descent, of the dump."""

FIELDS = 13
"""What the entries of a tile have, see `fused`."""


def fields(*, dumped: bool, has_y: bool, masked: bool, counted: bool) -> int:
    """Return how many are needed, the first ones: a tile of many actions fits in no cache."""
    needed = {13: counted, 12: masked, 11: has_y, 9: dumped}
    return next((count for count, is_needed in needed.items() if is_needed), 5)


class Given(NamedTuple):
    """A block as the loop takes it: the entries of a state lie side by side.

    A state has `entries`, which stand for `actions`. `is_wide` says that a tile is one of its
    states, not some of them; `lanes` is `LANES`, for a loop that a compiler should not write out
    number by number; `roundings` is what `tolerance.err_of_r` takes of Y1. `trusts` says that
    logits and q are not known to be finite. `before` states of the first group of `moments.Sums`
    are those of the block before.
    """

    actions: int
    log_actions: float
    entries: int
    rows: int
    is_wide: bool
    lanes: int
    n: float
    parts: int
    roundings: float
    trusts: bool
    before: int


class Weights(NamedTuple):
    """What y is added from beside the index of an action; see `policy.Target`."""

    dense: Any
    uniform: Any
    chosen: Any
    of_chosen: Any


class Coefficients(NamedTuple):
    """What a term of a loss has, or how far the coefficients of the loss are off.

    `plain` is by what q is multiplied, alpha and zeta, (3, states or 1); `of_y` is what y has for
    all legal actions and for the chosen one, (2, states or 1), or None where there is no y.
    """

    plain: Any
    of_y: Any


class Dumped(NamedTuple):
    """A dumped gradient as the loop takes it.

    `unit`, `underflow` and `tolerated` are those of what it was computed in, `stored` is the unit
    of what it was rounded to where that is coarser, else 0, `room` the underflow of either, `K` as
    in `Precision`, and `widened` what its tolerance is multiplied by. The errors of two kernels, in
    units of tolerances, are no more than `slack` apart. `factor` multiplies the gradient of each
    state, and `divided` is what that has beyond the factor of the loss. `beside` and `scaled` are
    those of `moments.LikeOthers`, the former the same for all states.
    """

    entries: Any
    unit: float
    underflow: float
    tolerated: float
    K: float
    stored: float
    room: float
    widened: float
    slack: float
    factor: Any
    divided: Any
    beside: float
    scaled: float


class Weighed(NamedTuple):
    """How near the entries of a dump are to a prediction, and to the right gradient.

    Attributes
    ----------
    failed, mended : float
        How many differ from the prediction, and from the right gradient, by more than tolerances.
    left, right, size : float
        Sums of squares, in units of the tolerance of the right gradient: of what the prediction
        leaves, of what the right gradient leaves, and of the dump.
    unsound : float
        What is 0 unless a tolerance is not finite, or too small for that.
    worst : float
        The largest error beside the prediction over its tolerance.
    """

    failed: float
    mended: float
    left: float
    right: float
    size: float
    unsound: float
    worst: float


class Received(NamedTuple):
    """What the loop fills in, in place of 0 or, in `worst`, of -1.

    Attributes
    ----------
    resolution : Array, (RESOLUTIONS,)
        The worst of those of the states, and 1 where that is more, or no number.
    histograms : Array, (RESOLUTIONS, bins)
        Of those of the states, see `tally.histogram`.
    worst : Array, (6, 6)
        Of each comparison: ratio, state, action or -1, found, expected, tolerance; of a dump where
        it is right.
    window : Array, (columns, GROUP + LANES)
        Of the states of a group with a dump, until all of them are there: see `moments.Layout`.
    products : Array, (groups, first columns, columns)
        Of each group that has ended, see `moments.Sums`; of one that had begun before, nothing.
    ends : Array, (2, columns, GROUP)
        The states of such a group, and of the last, which has not ended.
    seen, normalisers : Array, (bins,)
        Of the same, see `moments.Classes`.
    wrong : Array, (4, rows)
        Of states of tiles where a dump is wrong, one after the other: their number, the worst
        ratio, and at most and at least the largest error.
    above : Array, (decades,)
        How many entries of a dump have a ratio above each of `tally.DECADES` powers of ten.
    sums : Array, (8,)
        A number that is finite unless something was not: then nothing else is of use. The same for
        the dump, how many of its entries are live and blind, and the largest size of one in units
        of its tolerance. That of the dump is not finite, too, where it is not clear what is wrong
        of it. Then how many weights are not 0, how many states are in `moments.Classes`, and how
        many in `wrong`.
    """

    resolution: Any
    histograms: Any
    worst: Any
    window: Any
    products: Any
    ends: Any
    seen: Any
    normalisers: Any
    wrong: Any
    above: Any
    sums: Any


class LaidOut(NamedTuple):
    """What a dump is beside, entry by entry, as NumPy has it; what is empty is not asked for.

    Attributes
    ----------
    q, z, pi, g, scale, actual, expected, tolerance, error : Entries, flat
        See `policy.Policy` and `dumps.Sides`.
    states : Array, (5, rows)
        The largest logit, log Z, the depth, how many weights are not 0, and V.
    wrong : Array, (8, rows)
        How many entries of a dump are wrong, its sum and that of its tolerances, sum pi z, and of
        the wrong entries the least and the largest pi and |q|.
    sums : Array, (2,)
        A number that is finite unless something was not, or is NumPy's; then 1 where a state may be
        right by what `tolerance.allow` grants.
    """

    q: Any
    z: Any
    pi: Any
    g: Any
    scale: Any
    actual: Any
    expected: Any
    tolerance: Any
    error: Any
    states: Any
    wrong: Any
    sums: Any
