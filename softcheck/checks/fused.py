"""The checks of every entry of a block in one compiled loop over states, a few at a time.

It computes what NumPy computes block by block, from the same formulas, in the cache of a processor
and without the interpreter's lock. What is out of the ordinary it leaves to NumPy, and what is to
be said of a wrong gradient, which it only counts: findings have one origin. Another loop of the
same pieces lays out what a diagnosis takes of all entries.
"""

from math import exp, expm1, prod
from sys import float_info
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from softcheck.checks import dumps, moments, oracles, tally
from softcheck.checks.lanes import FIELDS, LANES, NEAR, RESOLUTIONS, RUN, SUMS, TERMS
from softcheck.checks.moments import (
    BELOW_DIGITS,
    BELOW_SIZE,
    BINS,
    CLIPPED,
    EXPONENT,
    FLUSHED,
    GROUP,
    OF_NORMALISERS,
    OF_STATES,
    QUANTUM,
    STEP,
    TOLD_APART,
)
from softcheck.gradient import analytic, family, loss, tolerance
from softcheck.gradient.numeric import central, complex_step
from softcheck.gradient.policy import FLOOR
from softcheck.gradient.tolerance import U

_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_SHIFT = 1.5 * 2.0**52  # added, it rounds to a whole number, which is then in the lowest bits
_ROOT_HALF = 0x3FE6A09E667F3BCD  # the bits of the square root of 1/2
_AHEAD = 2**11  # entries of a table
_MOST = float_info.max
_LINE = 64  # bytes: a vector that lies in two lines of a cache takes twice as long
_LOWEST, _VANISHES = -700.0, -746.0  # from here on exp is normal; below, it is 0

_UP, _DOWN = expm1(central.STEP), expm1(-central.STEP)
_UP_DRIFT, _DOWN_DRIFT = (t * exp(t) for t in (central.STEP, -central.STEP))

# No other licence to be fast: reassociation would fold the reduction of exp away.
_OPTIONS: Any = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
inlined = njit(**_OPTIONS, forceinline=True)
in_any_order = njit(**_OPTIONS | {"fastmath": {"contract", "nsz", "reassoc"}}, forceinline=True)
"""Of what does nothing but add up, which no compiler can spoil."""

_ALONE: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
compiled = njit(**_OPTIONS, **_ALONE)
"""Of what `loops.Loop` calls: machine code that needs no other, and allocates nothing."""

for formula in (
    analytic.of_entry,
    dumps.largest_logit,
    family.curvature_of,
    family.of_change,
    family.weight_of_products,
    loss.change_by_one,
    loss.change_of_all,
    loss.imaginary_by_one,
    moments.bin_of,
    moments.coherent,
    moments.of_others,
    moments.rounded_off,
    moments.shared_with,
    oracles.of_fall,
    oracles.step_against,
    tally.bin_of,
    tolerance.common,
    tolerance.common_of_dump,
    tolerance.err_of_r,
    tolerance.of_masked,
    tolerance.of_normaliser,
    tolerance.over_scale,
    tolerance.room_for_underflow,
):
    register_jitable(formula)


def _to_bits(_context, _x):
    def code(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


def _to_float(_context, _x):
    def code(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), code


def _root(_context, _x):
    def code(_context, builder, _signature, arguments):
        root = builder.module.declare_intrinsic("llvm.sqrt", [ir.DoubleType()])
        return builder.call(root, arguments)

    return types.float64(types.float64), code


def _with_long_vectors(_context):
    def code(context, builder, _signature, _arguments):
        # LLVM halves them where a processor may slow down for them, which these loops outweigh.
        # Past `AttributeSet.add`, which knows no attribute that has a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), code


with_long_vectors: Any = intrinsic(_with_long_vectors)
"""Called in a function, it has its loops take the longest vectors that the processor has."""

_bits: Any = intrinsic(_to_bits)
_float: Any = intrinsic(_to_float)
_square_root: Any = intrinsic(_root)  # NumPy's would be a call of another library


def _prefetch(_context, x, i):
    def code(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), cgutils.voidptr_t)
        number = cgutils.int32_t
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        called = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        for_reading, into_the_second_cache, of_data = number(0), number(2), number(1)
        builder.call(called, [place, for_reading, into_the_second_cache, of_data])
        return context.get_dummy_value()

    return types.void(x, i), code


prefetch: Any = intrinsic(_prefetch)
"""Called with an array and an index, it asks for the line of the cache that the entry lies in."""


def _on_the_stack(*shape: int) -> Any:
    """Return what makes an array on the stack: the compiler knows that no other overlaps it."""

    @intrinsic
    def made(_context):
        kind = types.Array(types.float64, len(shape), "C")

        def code(context, builder, _signature, _arguments):
            data = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), prod(shape)))
            data.align = _LINE
            array = context.make_array(kind)(context, builder)
            strides = [8 * prod(shape[axis + 1 :]) for axis in range(len(shape))]
            context.populate_array(
                array,
                data=builder.bitcast(data, ir.DoubleType().as_pointer()),
                shape=[context.get_constant(types.intp, size) for size in shape],
                strides=[context.get_constant(types.intp, stride) for stride in strides],
                itemsize=context.get_constant(types.intp, 8),
                meminfo=None,
            )
            return array._getvalue()

        return kind(), code

    return made


@inlined
def larger(most, x):
    """Return the larger of two numbers, of which the first was put where the result is going to.

    That it is no larger than a number can be, LLVM does not know: of a plain maximum it makes a
    store under a mask, for which a processor with AVX2 and no AVX-512 takes as long as for twenty.
    """
    return max(min(most, _MOST), x)


@inlined
def farther(most, x):
    """Return the size of the one of two numbers that is farther from 0, or NaN if there was one.

    The bits of what is not negative are in the order of their numbers, and after those NaN. The
    size of what was there is taken too, so that LLVM makes no store under a mask: see `larger`.
    """
    return _float(max(_bits(abs(most)), _bits(abs(x))))


@inlined
def _nearer(least, x):
    """Return the lesser of two numbers that are not negative; of the first the size, as above."""
    return _float(min(_bits(abs(least)), _bits(x)))


@inlined
def exponential(x):
    """Return exp(x) for -700 <= x <= 0, to two roundings: exp(x - k log 2) by its series."""
    k = x * _LOG2E + _SHIFT
    n = k - _SHIFT
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    # In pairs, and pairs of those: a processor waits for no long chain of products.
    r2 = r * r
    r4 = r2 * r2
    low = (r * (1.0 / 120.0) + 1.0 / 24.0) * r2 + (r * (1.0 / 6.0) + 0.5)
    middle = (r * (1.0 / 362880.0) + 1.0 / 40320.0) * r2 + (r * (1.0 / 5040.0) + 1.0 / 720.0)
    high = (r * (1.0 / 6227020800.0) + 1.0 / 479001600.0) * r2
    high += r * (1.0 / 39916800.0) + 1.0 / 3628800.0
    p = (high * r4 + middle) * r4 + low
    p = p * r * r + r + 1.0
    return p * _float((_bits(k) << 52) + (1023 << 52))


@inlined
def quotient(x, y, per_y):
    """Return x / y to one rounding, with `per_y` for 1 / y: their product, and what that leaves.

    It takes three operations, of which a processor does several while it divides.
    """
    near = x * per_y
    return (x - near * y) * per_y + near


@inlined
def _expm1(t):
    """Return exp(t) - 1 for |t| <= 1/32: the terms of its series up to there."""
    t2 = t * t
    low = (t * (1.0 / 120.0) + 1.0 / 24.0) * t2 + (t * (1.0 / 6.0) + 0.5)
    high = (t * (1.0 / 362880.0) + 1.0 / 40320.0) * t2 + (t * (1.0 / 5040.0) + 1.0 / 720.0)
    p = ((t2 * (1.0 / 3628800.0) + high) * (t2 * t2)) + low
    return p * t2 + t


@inlined
def logarithm(x):
    """Return log x for 1 <= x < 2^1000, to two roundings.

    With x = 2^k m and m in [0.7, 1.4], it is k log 2 + log m.
    """
    bits = _bits(x)
    k = (bits - _ROOT_HALF) >> 52
    f = _float(bits - (k << 52)) - 1.0
    s = f / (f + 2.0)
    s2 = s * s
    s4 = s2 * s2
    s8 = s4 * s4
    low = (s2 * (2.0 / 9.0) + 2.0 / 7.0) * s4 + (s2 * (2.0 / 5.0) + 2.0 / 3.0)
    high = (s2 * (2.0 / 17.0) + 2.0 / 15.0) * s4 + (s2 * (2.0 / 13.0) + 2.0 / 11.0)
    top = (s2 * (2.0 / 23.0) + 2.0 / 21.0) * s2 + 2.0 / 19.0
    p = ((top * s8 + high) * s8 + low) * s2
    half, exponent = 0.5 * f * f, 1.0 * k
    return exponent * _LN2_HIGH - ((half - (s * (half + p) + exponent * _LN2_LOW)) - f)


@inlined
def _log1p(f):
    """Return log(1 + f) for |f| <= 1/32: the terms of its series up to there.

    log(1 + f) = 2 artanh s, s = f / (2 + f), as f - (f^2 / 2 - s (f^2 / 2 + ...)), of which only
    the last subtraction rounds.
    """
    s = f / (f + 2.0)
    s2 = s * s
    p = ((s2 * (2.0 / 9.0) + 2.0 / 7.0) * (s2 * s2) + (s2 * (2.0 / 5.0) + 2.0 / 3.0)) * s2
    half = 0.5 * f * f
    return f - (half - s * (half + p))


(
    BELOW, PI, REWARD, CENTRED, GRADIENT, DUMPED, OF_FIRST, OF_SECOND, ROUGH, Y, SIZE_OF_Y, MASKED,
    COUNT,
) = range(0, FIELDS * LANES, LANES)  # fmt: skip
"""Where the entries of a tile have z, pi, q, u, the gradient; the dump, y of two terms and of what
is rough; y and its size, 1 where an action is masked, and for how many actions each stands, a
number for each lane. As they lie in one array, a compiler can tell that they do not overlap; of
that rows are as long as `lanes.fields` says."""

RATIO_OF_DUMP = OF_FIRST
"""Where `_wrong` puts errors over tolerances, in place of what is not needed any more."""

SOFT_VALUE, ERROR_OF_DUMP, WITHIN, SCALE_OF_DUMP = CENTRED, ROUGH, OF_FIRST, OF_SECOND
"""Where `_finish` puts g, how far the dump is off, its tolerance, and what its gradient is made of,
likewise."""

(
    ALPHA, ZETA, HIGHEST, DEPTH, ALIVE, Z, LOG_Z, LOGSUMEXP, VALUE, LEVEL, MEAN, R, OF_Y,
    TOTAL_Y, BESIDE, OWN, LARGEST, SHARED, UNDERFLOW, SIZE, SPREAD, WEIGHED, TOTAL, DOUBLED,
    ETA, LONGEST, LOOSE, FALL, RELATIVE, ROUTES, FOUND, IDENTITY, TOLERANCE, SCALE, POISON,
    UNIFORM, ERR, OF_SQUARE, BEST_STEP, BEST_DIFFERENCE, BEST_TWICE, BEST_DUMP, UNSOUND, FACTOR,
    PER_BOUND, COMMON, GATHERED, STORED, LEFT, ROOM, ROUGH_ALPHA, LEAST, UNSEEN, LIVE, BLIND,
    WHOLE, FIRST_REWARD, FIRST_ALPHA, FIRST_LEVEL, SECOND_REWARD, SECOND_ALPHA, SECOND_LEVEL,
    LOST, PAST, ADDED, ERROR, SURE, RATIO, ALL_ALIVE, ALL_LIVE, ALL_BLIND, ROUNDED_OFF,
    COHERENT, OF_OTHERS, PER_Z, SHARES, UP, DOWN, SIZE_OF_TERM,
    SHARED_BY_TERM, LOST_OF_TERM, ALL_TAKEN,
) = range(0, 82 * LANES, LANES)  # fmt: skip
"""What the states of a tile have; where the tile is one state, the same in each lane.

Of all tiles are `POISON` and `UNSOUND`, finite unless something was not, the latter of the dump;
`WHOLE`, the largest size of an entry of the right gradient in units of the tolerance of the dump;
`ALL_ALIVE`, `ALL_LIVE`, `ALL_BLIND` and `ALL_TAKEN`.
"""

_state_of_lanes: Any = _on_the_stack(82 * LANES)
sums_of_lanes = _on_the_stack(SUMS * LANES)
_parts_of_lanes = _on_the_stack(TERMS + 1, LANES)
_resolution_of_lanes = _on_the_stack(2 * RESOLUTIONS, LANES)


class Where(NamedTuple):
    """Where a tile lies: from `start` on, rows of `width` entries, the last of `last`."""

    first: int
    start: int
    rows: int
    width: int
    last: int
    is_wide: bool
    lanes: int


class Entry(NamedTuple):
    """An entry by each route, and what bounds its rounding and that of the routes."""

    complex_step: float
    central_difference: float
    homogeneous: float
    rounding: float
    routes: float


@inlined
def _tile_from(given, first):
    """Return the tile that begins with a state."""
    if given.is_wide:
        rows = (given.entries + LANES - 1) // LANES
        last = given.entries - (rows - 1) * LANES
        return Where(first, first * given.entries, rows, LANES, last, True, given.lanes)
    width = min(LANES, given.rows - first)
    return Where(first, first * given.entries, given.entries, width, width, False, given.lanes)


@inlined
def _count_of(k, j, counts, tile):
    """Return for how many actions an entry stands."""
    return 1.0 if counts is None else tile[k, COUNT + j]


@inlined
def clear(sums, count):
    """Set so many sums of each lane to 0."""
    for i in range(count * LANES):
        sums[i] = 0.0


@inlined
def _carry(sums, count, stack, k):
    """Put the sums over `RUN` rows aside, added to others of equally many rows."""
    if k % RUN != RUN - 1:
        return
    run, level = k // RUN, 0
    while run & 1:
        for i in range(count * LANES):
            sums[i] += stack[level, i]
        run >>= 1
        level += 1
    for i in range(count * LANES):
        stack[level, i] = sums[i]
        sums[i] = 0.0


@inlined
def _collect(sums, count, stack, at):
    """Add up what `_carry` has put aside; where a tile is one state, over the lanes too."""
    run, level = at.rows // RUN, 0
    while run:
        if run & 1:
            for i in range(count * LANES):
                sums[i] += stack[level, i]
        run >>= 1
        level += 1
    if at.is_wide:
        for s in range(count):
            half = LANES // 2
            while half:
                for j in range(half):
                    sums[s * LANES + j] += sums[s * LANES + j + half]
                half //= 2
            for j in range(LANES):
                sums[s * LANES + j] = sums[s * LANES]


@inlined
def _share_largest(of, which, at):
    """Put the largest number in the place of each, where a tile is one state."""
    if at.is_wide:
        most = of[which + 0]
        for j in range(LANES):
            most = max(most, of[which + j])
        for j in range(LANES):
            of[which + j] = most


@inlined
def _share_least(of, which, at):
    """Put the least number in the place of each, where a tile is one state."""
    if at.is_wide:
        least = of[which + 0]
        for j in range(LANES):
            least = min(least, of[which + j])
        for j in range(LANES):
            of[which + j] = least


@inlined
def _by_state(of, which, given, at):
    """Lay out a number of each state, or one that all share; a missing state is the last again."""
    for j in range(LANES):
        state = at.first if at.is_wide else at.first + min(j, at.width - 1)
        of[which + j] = given[state if given.size > 1 else 0]


@inlined
def _lay(at, tile, field, given, beyond):
    """Lay out an array; a missing action is `beyond`, a missing state the last again."""
    for k in range(at.rows):
        if at.is_wide:
            start = np.uintp(at.start + k * LANES)
            width = at.width if k < at.rows - 1 else at.last
            for j in range(width):
                tile[k, field + j] = given[start + np.uintp(j)]
            for j in range(width, LANES):
                tile[k, field + j] = beyond
        else:
            for j in range(LANES):
                start = np.uintp(at.start + min(j, at.width - 1) * at.rows)
                tile[k, field + j] = given[start + np.uintp(k)]


@inlined
def _ask_for(x, at, k):
    """Have a row of a later tile on its way from memory, for it comes while others are computed."""
    start = at.start + _AHEAD + k * LANES
    for i in range(0, LANES, _LINE // 8):
        prefetch(x, min(start + i, x.size - 1))


@inlined
def _softmax(given, at, logits, counts, tile, of, sums, stack):
    """z, exp z, Z, and what else `policy.evaluate` has of z."""
    with_long_vectors()
    if counts is not None:
        _lay(at, tile, COUNT, counts, 0.0)
    for j in range(LANES):
        of[HIGHEST + j], of[DEPTH + j] = -np.inf, 0.0
    _lay(at, tile, BELOW, logits, -np.inf)
    clear(sums, 1)
    for k in range(at.rows):
        for j in range(at.last if at.is_wide and k == at.rows - 1 else at.lanes):
            logit = tile[k, BELOW + j]
            of[HIGHEST + j] = larger(of[HIGHEST + j], logit)
            sums[j] += 0.0 * logit
    for j in range(LANES):
        of[POISON + j] += sums[j] if given.trusts else 0.0
    _share_largest(of, HIGHEST, at)
    clear(sums, 2)
    for k in range(at.rows):
        _ask_for(logits, at, k)
        for j in range(LANES):
            below = tile[k, BELOW + j] - of[HIGHEST + j]
            is_live = below > _LOWEST
            weight = exponential(below) if is_live else 0.0
            tile[k, BELOW + j] = max(below, FLOOR)
            tile[k, PI + j] = weight
            count = _count_of(k, j, counts, tile)
            sums[j] += count * weight
            sums[LANES + j] += count if is_live else 0.0
            of[DEPTH + j] = farther(of[DEPTH + j], below if is_live else 0.0)
            of[POISON + j] += 0.0 if is_live or below < _VANISHES else np.inf
        _carry(sums, 2, stack, k)
    _collect(sums, 2, stack, at)
    _share_largest(of, DEPTH, at)
    for j in range(LANES):
        of[Z + j], of[LOG_Z + j], of[ALIVE + j] = sums[j], logarithm(sums[j]), sums[LANES + j]
        of[LOGSUMEXP + j] = of[HIGHEST + j] + of[LOG_Z + j]
        of[PER_Z + j] = 1.0 / sums[j]


@inlined
def _weigh(at, tile, field, size, masked, index, dense, uniform, chosen, of_chosen, of):
    """Fill in weights of the actions, and their size where that is asked for."""
    if dense is None:
        for k in range(at.rows):
            for j in range(LANES):
                tile[k, field + j] = 0.0
    else:
        _lay(at, tile, field, dense, 0.0)
    if size is not None:
        for k in range(at.rows):
            for j in range(LANES):
                tile[k, size + j] = abs(tile[k, field + j])
    if uniform is not None:
        _weigh_all(at, tile, field, size, masked, uniform, of)
    if chosen is not None:
        _weigh_one(at, tile, field, size, index, chosen, of_chosen)


@inlined
def _weigh_all(at, tile, field, size, masked, uniform, of):
    """Add what all legal actions weigh."""
    _by_state(of, UNIFORM, uniform, at)
    for k in range(at.rows):
        for j in range(at.last if at.is_wide and k == at.rows - 1 else at.lanes):
            part = of[UNIFORM + j]
            if masked is not None:
                part *= 1.0 - tile[k, MASKED + j]
            tile[k, field + j] += part
            if size is not None:
                tile[k, size + j] += abs(part)


@inlined
def _weigh_one(at, tile, field, size, index, chosen, of_chosen):
    """Add what the chosen action weighs."""
    if index is not None:
        for j in range(1 if at.is_wide else LANES):
            state = at.first + min(j, at.width - 1)
            action, part = index[state], chosen[state if chosen.size > 1 else 0]
            k, i = (action // LANES, action % LANES) if at.is_wide else (action, j)
            tile[k, field + i] += part
            if size is not None:
                of = part if of_chosen is None else of_chosen[state]
                tile[k, size + i] += abs(of)


@inlined
def _sum_y(at, counts, tile, sums, stack):
    """Add up y, and its size."""
    clear(sums, 2)
    for k in range(at.rows):
        for j in range(LANES):
            count = _count_of(k, j, counts, tile)
            sums[j] += count * tile[k, Y + j]
            sums[LANES + j] += count * tile[k, SIZE_OF_Y + j]
        _carry(sums, 2, stack, k)
    _collect(sums, 2, stack, at)


@inlined
def _linear(of, sums, y, zeta):
    """r, and the sums that it has of y."""
    for j in range(LANES):
        of[R + j] = of[OF_Y + j] = of[TOTAL_Y + j] = 0.0
        if y is not None:
            of[TOTAL_Y + j], of[OF_Y + j] = sums[j], sums[LANES + j]
            of[R + j] = sums[j]
        if zeta is not None:
            of[R + j] += 2.0 * of[ZETA + j] * of[LOGSUMEXP + j]


@inlined
def _soft(at, q, counts, tile, of, sums, stack):
    """pi, g in the place of the gradient, V, u and their means."""
    with_long_vectors()
    clear(sums, 2)
    if q is not None:
        _lay(at, tile, REWARD, q, 0.0)
    for k in range(at.rows):
        if q is None:
            for j in range(LANES):
                tile[k, PI + j] = quotient(tile[k, PI + j], of[Z + j], of[PER_Z + j])
        else:
            for j in range(LANES):
                p = quotient(tile[k, PI + j], of[Z + j], of[PER_Z + j])
                value, below = tile[k, REWARD + j], tile[k, BELOW + j]
                g = value - (below - of[LOG_Z + j]) * of[ALPHA + j]
                moved = value - below * of[ALPHA + j]
                tile[k, PI + j], tile[k, GRADIENT + j], tile[k, CENTRED + j] = p, g, moved
                count = _count_of(k, j, counts, tile)
                sums[j] += count * (p * g)
                sums[LANES + j] += count * (p * moved)
            _carry(sums, 2, stack, k)
    if q is not None:
        _collect(sums, 2, stack, at)
    for j in range(LANES):
        of[VALUE + j], of[MEAN + j] = sums[j], sums[LANES + j]
        of[LEVEL + j] = of[VALUE + j] + of[R + j]
        of[BESIDE + j] = 5.0 * abs(of[ALPHA + j]) + abs(of[R + j])


@inlined
def _sizes(at, reach, q, y, counts, tile, of, sums, stack):
    """The gradient, and what bounds its rounding before the part that entries share."""
    with_long_vectors()
    clear(sums, 5)
    for j in range(LANES):
        of[LARGEST + j] = 0.0
    if q is not None and at.is_wide:
        for j in range(at.last, LANES):
            tile[at.rows - 1, CENTRED + j] = of[MEAN + j]
    for k in range(at.rows):
        if q is not None:
            _ask_for(q, at, k)
        for j in range(LANES):
            p, count = tile[k, PI + j], _count_of(k, j, counts, tile)
            if q is None:
                gradient = analytic.of_entry(p, 0.0, of[LEVEL + j])
            else:
                centred = tile[k, CENTRED + j] - of[MEAN + j]
                D = abs(centred)
                tile[k, CENTRED + j] = centred
                of[LARGEST + j] = farther(of[LARGEST + j], D)
                longest = reach - tile[k, BELOW + j]
                sums[j] += count * (p * D)
                sums[LANES + j] += count * (p * (2.0 * centred))
                sums[2 * LANES + j] += count * (longest * ((D + of[BESIDE + j]) * p))
                gradient = analytic.of_entry(p, tile[k, GRADIENT + j], of[LEVEL + j])
            if y is not None:
                gradient -= tile[k, Y + j]
            tile[k, GRADIENT + j] = gradient
            sums[3 * LANES + j] += count * gradient
            sums[4 * LANES + j] += count * (gradient * gradient)
        _carry(sums, 5, stack, k)
    _collect(sums, 5, stack, at)
    _share_largest(of, LARGEST, at)


@inlined
def _bounds(given, reach, log_actions, q, y, zeta, of, sums):
    """What `tolerance.bounds` has by state; the sum of the gradient beside its identity."""
    with_long_vectors()
    n, parts = given.n, given.parts
    for j in range(LANES):
        alpha, of_r, of_y = abs(of[ALPHA + j]), abs(of[R + j]), of[OF_Y + j]
        spread, logsumexp, depth = sums[j], abs(of[LOGSUMEXP + j]), of[DEPTH + j]
        of_square = loose = identity = own = 0.0
        if y is not None:
            own = abs(of[TOTAL_Y + j])
        if zeta is not None:
            weight = abs(of[ZETA + j])
            of_square = 2.0 * weight * (abs(of[HIGHEST + j]) + of[LOG_Z + j])
            loose = 2.0 * weight * (logsumexp + 1.0)
            identity = 2.0 * of[ZETA + j] * of[LOGSUMEXP + j]
            own += weight * (2.0 * logsumexp + 6.0)
        err = tolerance.err_of_r(
            n,
            log_actions,
            of_r,
            given.roundings * of_y,
            None if zeta is None else of[ZETA + j],
            logsumexp,
        )
        size = spread + alpha + of_y + of_square
        share = of[BESIDE + j] / size
        if q is None:
            shared, total, rest = err, (reach + log_actions) * of_r + err, 1.0 * parts
        else:
            value, mean, log_Z = of[VALUE + j], of[MEAN + j], of[LOG_Z + j]
            shared = tolerance.common(
                n,
                reach,
                sums[2 * LANES + j],
                value,
                mean,
                alpha,
                log_Z,
                None if y is None and zeta is None else of_r,
                None if y is None and zeta is None else err,
            )
            total, rest, share = sums[2 * LANES + j] + shared, parts + reach, max(share, 1.0)
        relative = tolerance.over_scale(reach, rest, shared, of[BESIDE + j], size, depth, share)
        if y is not None or zeta is not None:
            share = max((5.0 * alpha + own) / size, 1.0)
        underflow = tolerance.room_for_underflow(of[LARGEST + j], size)
        total += parts * of_y + given.actions * underflow
        relative += underflow * exponential(depth + of[LOG_Z + j]) / size
        slope = spread + of_r + of_y
        eta = oracles.step_against(family.curvature_of(slope, total, alpha, loose))
        rounding = total + n * slope
        if zeta is not None:
            rounding += err
        of[SHARED + j], of[UNDERFLOW + j], of[OWN + j] = shared, underflow, own - of_r
        of[SIZE + j], of[SPREAD + j], of[WEIGHED + j], of[TOTAL + j] = (
            size,
            spread,
            sums[2 * LANES + j],
            total,
        )
        of[ERR + j], of[OF_SQUARE + j], of[LOOSE + j] = err, of_square, of_y + loose
        of[DOUBLED + j] = sums[LANES + j] + 2.0 * of[R + j]
        of[RELATIVE + j], of[ROUTES + j] = relative, relative + central.ROUNDINGS * share
        of[ETA + j], of[LONGEST + j] = eta, eta * (slope + 2.0 * U * total)
        of[FALL + j] = -eta * sums[4 * LANES + j]
        of[SHARES + j] = of[TOTAL_Y + j] - of[ALPHA + j]
        of[UP + j], of[DOWN + j] = of[ALPHA + j] * _UP_DRIFT, of[ALPHA + j] * _DOWN_DRIFT
        of[FOUND + j], of[IDENTITY + j] = sums[3 * LANES + j], identity
        of[TOLERANCE + j], of[SCALE + j] = U * rounding, spread + size + of_y


@inlined
def _entry(k, j, reach, parts, q, y, zeta, tile, of):
    """Return an entry by each route."""
    p, alpha, logsumexp = tile[k, PI + j], of[ALPHA + j], of[LOGSUMEXP + j]
    shares = of[SHARES + j]
    u = None if q is None else tile[k, CENTRED + j]
    square = None if zeta is None else of[ZETA + j]
    D = 0.0 if q is None else abs(tile[k, CENTRED + j])
    twice = 0.0 if q is None else 2.0 * tile[k, CENTRED + j]
    by_step = loss.imaginary_by_one(p, u, alpha, shares, square, logsumexp, complex_step.STEP)
    up = loss.change_by_one(p, u, shares, square, logsumexp, _UP, of[UP + j])
    down = loss.change_by_one(p, u, shares, square, logsumexp, _DOWN, of[DOWN + j])
    weighted = (D + of[BESIDE + j]) * p
    rounding = (reach - tile[k, BELOW + j]) * weighted + p * of[SHARED + j] + of[UNDERFLOW + j]
    homogeneous = 0.5 * analytic.of_entry(p, twice, of[DOUBLED + j])
    weighted += p * of[OWN + j]
    if y is not None:
        by_step -= tile[k, Y + j]
        homogeneous -= tile[k, Y + j]
        up -= central.STEP * tile[k, Y + j]
        down += central.STEP * tile[k, Y + j]
        rounding += parts * tile[k, SIZE_OF_Y + j]
        weighted += tile[k, SIZE_OF_Y + j]
    difference = (up - down) * (0.5 / central.STEP)
    return Entry(
        by_step, difference, homogeneous, rounding, weighted * central.ROUNDINGS + rounding
    )


@inlined
def _routes(given, at, reach, q, y, zeta, counts, tile, of, sums, stack):
    """Every entry by both numeric routes and by the identity; a step against the gradient."""
    with_long_vectors()
    clear(sums, 4)
    for j in range(LANES):
        of[BEST_STEP + j] = of[BEST_DIFFERENCE + j] = of[BEST_TWICE + j] = 0.0
    for k in range(at.rows):
        for j in range(LANES):
            right = tile[k, GRADIENT + j]
            entry = _entry(k, j, reach, given.parts, q, y, zeta, tile, of)
            routes = 1.0 / entry.routes
            by_step = (right - entry.complex_step) * routes
            by_difference = (right - entry.central_difference) * routes
            by_identity = (right - entry.homogeneous) / entry.rounding
            of[BEST_STEP + j] = farther(of[BEST_STEP + j], by_step)
            of[BEST_DIFFERENCE + j] = farther(of[BEST_DIFFERENCE + j], by_difference)
            of[BEST_TWICE + j] = farther(of[BEST_TWICE + j], by_identity)
        for j in range(LANES):
            p, step = tile[k, PI + j], -of[ETA + j] * tile[k, GRADIENT + j]
            weight, count = p * _expm1(step), _count_of(k, j, counts, tile)
            sums[j] += count * weight
            if q is not None:
                sums[LANES + j] += count * (weight * tile[k, CENTRED + j])
                sums[2 * LANES + j] += count * ((weight + p) * step)
            if y is not None:
                sums[3 * LANES + j] += count * (tile[k, Y + j] * step)
        _carry(sums, 4, stack, k)
    _collect(sums, 4, stack, at)
    for j in range(LANES):
        of[POISON + j] += of[BEST_STEP + j] + of[BEST_DIFFERENCE + j] + of[BEST_TWICE + j]


@inlined
def _descent(given, q, y, zeta, of, sums):
    """How the loss changes by that step beside what its gradient says."""
    with_long_vectors()
    for j in range(LANES):
        weight = None if zeta is None else of[ZETA + j]
        reward = None if q is None else sums[LANES + j]
        entropy = None if q is None else sums[2 * LANES + j]
        alpha, fall, size = of[ALPHA + j], of[FALL + j], of[SIZE + j]
        change = loss.change_of_all(
            sums[j],
            _log1p(sums[j]),
            reward,
            entropy,
            alpha,
            of[TOTAL_Y + j],
            weight,
            of[LOGSUMEXP + j],
        )
        if y is not None:
            change -= sums[3 * LANES + j]
        rounding = U * family.of_change(
            given.n, of[TOTAL + j], abs(alpha), of[LOOSE + j], of[LONGEST + j]
        )
        within, scale = oracles.of_fall(fall, of[ETA + j], rounding, size, size / of[Z + j])
        of[FOUND + j], of[IDENTITY + j], of[TOLERANCE + j], of[SCALE + j] = (
            change,
            fall,
            within,
            scale,
        )


@inlined
def _compare(at, of, c, resolution, found):
    """Compare what each state has one number of."""
    with_long_vectors()
    for j in range(LANES):
        of[RATIO + j] = abs(of[FOUND + j] - of[IDENTITY + j]) / of[TOLERANCE + j]
        of[POISON + j] += of[RATIO + j]
        resolution[c - 1, j] = of[TOLERANCE + j] / of[SCALE + j]
    if _is_above(of, RATIO, found.worst[c, 0]):
        j = _best(at, of, RATIO)
        actual, expected, within = of[FOUND + j], of[IDENTITY + j], of[TOLERANCE + j]
        state = at.first if at.is_wide else at.first + j
        _note(found.worst, c, of[RATIO + j], state, -1, actual, expected, within)


@inlined
def _note(worst, c, ratio, state, action, actual, expected, within):
    worst[c, 0], worst[c, 1], worst[c, 2] = ratio, state, action
    worst[c, 3], worst[c, 4], worst[c, 5] = actual, expected, within


@inlined
def _is_above(of, which, limit):
    """Return whether some lane has more than that; unlike `_best`, of all at once."""
    is_above = False
    for j in range(LANES):
        is_above |= of[which + j] > limit
    return is_above


@inlined
def _best(at, of, which):
    """Return the first lane with the worst ratio."""
    lane = 0
    for j in range(1, at.width):
        if of[which + j] > of[which + lane]:
            lane = j
    return lane


@inlined
def _place(at, k, lane):
    """Return the state and the action of an entry."""
    return (at.first, k * LANES + lane) if at.is_wide else (at.first + lane, k)


@inlined
def _worst(given, at, reach, q, y, zeta, tile, of, worst):
    """Keep the worst entry by each route, and look for it only where there is a worse one."""
    for c in range(3):
        which = BEST_STEP + c * LANES
        if _is_above(of, which, worst[c, 0] * (2.0 * U)):
            lane, most = _best(at, of, which), -1.0
            ratio = of[which + lane] * (0.5 / U)
            for k in range(at.rows):
                right = tile[k, GRADIENT + lane]
                entry = _entry(k, lane, reach, given.parts, q, y, zeta, tile, of)
                expected, bound = entry.homogeneous, entry.rounding
                if c == 0:
                    expected, bound = entry.complex_step, entry.routes
                elif c == 1:
                    expected, bound = entry.central_difference, entry.routes
                error = abs(right - expected) / bound
                if error > most:
                    most = error
                    state, action = _place(at, k, lane)
                    _note(worst, c, ratio, state, action, right, expected, 2.0 * U * bound)


@inlined
def _lay_term(at, tile, field, masked, index, term, reward, of):
    """Lay out the coefficients of a term, and its y; zeta is kept in the place of its level."""
    _by_state(of, reward, term.plain[0], at)
    _by_state(of, reward + LANES, term.plain[1], at)
    _by_state(of, reward + 2 * LANES, term.plain[2], at)
    _lay_of_y(at, tile, field, masked, index, term.of_y, of)


@inlined
def _lay_of_y(at, tile, field, masked, index, y, of):
    """Lay out the y of a term, or what is rough of it, if it has one."""
    if y is not None:
        _weigh(at, tile, field, None, masked, index, None, y[0], y[1], None, of)


@inlined
def _level_term(of, sums, place, reward):
    """Put V + r of a term where its zeta was: sum pi z and sum y are in the sums."""
    for j in range(LANES):
        of_log = sums[j] - of[LOG_Z + j]
        of_q = of[MEAN + j] + of[ALPHA + j] * sums[j]
        value = of[reward + j] * of_q - of[reward + LANES + j] * of_log
        level = (
            value + sums[place * LANES + j] + 2.0 * of[reward + 2 * LANES + j] * of[LOGSUMEXP + j]
        )
        of[reward + 2 * LANES + j] = level


@inlined
def _lay_dump(at, masked, index, dump, rough, first, second, tile, of):
    """Lay out a dump and the coefficients of its terms."""
    _lay(at, tile, DUMPED, dump.entries, 0.0)
    _by_state(of, FACTOR, dump.factor, at)
    _by_state(of, GATHERED, dump.divided, at)
    if first is not None:
        _lay_term(at, tile, OF_FIRST, masked, index, first, FIRST_REWARD, of)
    if second is not None:
        _lay_term(at, tile, OF_SECOND, masked, index, second, SECOND_REWARD, of)
    if rough is not None:
        _by_state(of, ROUGH_ALPHA, rough.plain[1], at)
        _by_state(of, COMMON, rough.plain[2], at)
        _lay_of_y(at, tile, ROUGH, masked, index, rough.of_y, of)


@inlined
def _of_y(k, j, field, y, tile):
    """Return the y of an entry that `_lay_of_y` has laid out."""
    return 0.0 if y is None else tile[k, field + j]


@inlined
def _levels(at, rough, first, second, counts, tile, of, sums, stack):
    """The levels of the terms, and the sum of what is rough of y in the last of the sums."""
    clear(sums, 4)
    for k in range(at.rows):
        for j in range(at.lanes):
            count = _count_of(k, j, counts, tile)
            if first is not None:
                sums[j] += count * (tile[k, PI + j] * tile[k, BELOW + j])
                sums[LANES + j] += count * _of_y(k, j, OF_FIRST, first.of_y, tile)
            if second is not None:
                sums[2 * LANES + j] += count * _of_y(k, j, OF_SECOND, second.of_y, tile)
            if rough is not None:
                sums[3 * LANES + j] += count * _of_y(k, j, ROUGH, rough.of_y, tile)
        _carry(sums, 4, stack, k)
    _collect(sums, 4, stack, at)
    if first is not None:
        _level_term(of, sums, 1, FIRST_REWARD)
    if second is not None:
        _level_term(of, sums, 2, SECOND_REWARD)


@inlined
def _measure(given, log_actions, q, y, zeta, dump, rough, of, sums):
    """What the tolerance of a dump has by state."""
    for j in range(LANES):
        factor, alpha, value = abs(of[FACTOR + j]), abs(of[ALPHA + j]), of[VALUE + j]
        common = of[SHARED + j]
        if q is not None:
            reach = given.n + 4.0
            wider = given.n + 8.0 + given.parts + log_actions - reach
            total = of[WEIGHED + j] - wider * (of[SPREAD + j] + of[BESIDE + j])
            common = tolerance.common_of_dump(
                reach,
                total,
                value,
                alpha,
                of[LOG_Z + j],
                None if y is None and zeta is None else abs(of[R + j]),
                None if y is None and zeta is None else of[ERR + j],
            )
        if rough is not None:
            common += log_actions * of[ROUGH_ALPHA + j] + sums[3 * LANES + j]
            common += 2.0 * of[COMMON + j] * abs(of[LOGSUMEXP + j])
        weight = family.weight_of_products(
            value, of[LARGEST + j], of[OF_Y + j] + of[OF_SQUARE + j], alpha
        )
        size = weight * factor + of[GATHERED + j]
        left = tolerance.of_masked(
            given.n, abs(value) + of[SIZE + j], of[SPREAD + j] + 2.0 * of[OF_Y + j]
        )
        gathered = given.actions * dump.underflow * (1.0 + size)
        if not gathered > dumps.NO_MATTER * dump.tolerated * factor * of[SIZE + j]:
            gathered = 0.0
        of[COMMON + j], of[PER_BOUND + j] = common, dump.widened * dump.tolerated * factor
        of[GATHERED + j] = dump.widened * gathered
        of[STORED + j] = dump.widened * dump.stored * factor
        of[LEFT + j] = of[PER_BOUND + j] * (left / dump.K) + of[GATHERED + j]
        of[ROOM + j] = dump.widened * dump.room * (1.0 + size)
        largest = max(abs(of[HIGHEST + j]), abs(of[HIGHEST + j] - of[DEPTH + j]))
        of[UNSOUND + j] += np.inf if dump.unit * largest > 1.0 else 0.0
        of[BEST_DUMP + j] = of[LIVE + j] = of[BLIND + j] = 0.0
        of[LEAST + j] = of[UNSEEN + j] = np.inf


@inlined
def _within(k, j, reach, parts, masked, q, y, rough, tile, of):
    """Return the tolerance of a dumped entry and its scale, before what multiplies the loss."""
    p, z = tile[k, PI + j], tile[k, BELOW + j]
    D = 0.0 if q is None else abs(tile[k, CENTRED + j])
    scale = (D + of[SIZE + j]) * abs(of[HIGHEST + j])
    bound = (reach - z) * (D + of[BESIDE + j]) + (of[COMMON + j] + scale)
    if rough is not None:
        bound -= z * of[ROUGH_ALPHA + j]
    bound = bound * p + of[UNDERFLOW + j]
    scale = p * (D + of[SIZE + j])
    if y is not None:
        bound += parts * tile[k, SIZE_OF_Y + j]
        scale += tile[k, SIZE_OF_Y + j]
    if rough is not None:
        bound += _of_y(k, j, ROUGH, rough.of_y, tile)
    within = bound * of[PER_BOUND + j] + p * of[GATHERED + j]
    within += of[STORED + j] * abs(tile[k, GRADIENT + j])
    if masked is not None:
        within = of[LEFT + j] if tile[k, MASKED + j] > 0.0 else within
    return within + of[ROOM + j], scale


@inlined
def _term(k, j, field, reward, q, y, tile, of):
    """Return the gradient of a term by a logit."""
    g = -of[reward + LANES + j] * (tile[k, BELOW + j] - of[LOG_Z + j])
    if q is not None:
        g += of[reward + j] * tile[k, REWARD + j]
    gradient = analytic.of_entry(tile[k, PI + j], g, of[reward + 2 * LANES + j])
    return gradient - _of_y(k, j, field, y, tile)


@inlined
def _apart(k, j, unit, q, first, second, tile, of):
    """Return the gradients of the terms; the last is what the others leave."""
    whole, one, other = tile[k, GRADIENT + j] * unit, 0.0, 0.0
    if first is not None:
        one = _term(k, j, OF_FIRST, FIRST_REWARD, q, first.of_y, tile, of) * unit
    if second is not None:
        other = _term(k, j, OF_SECOND, SECOND_REWARD, q, second.of_y, tile, of) * unit
    return one, other, whole - one - other


@inlined
def _add_up(j, count, one, other, last, ratio, first, second, sums):
    """Add the products of an entry to the sums for the fit, in the order of `Layout.moments`."""
    if first is None:
        sums[j] += count * (last * ratio)
        sums[LANES + j] += count * (last * last)
    elif second is None:
        sums[j] += count * (one * ratio)
        sums[LANES + j] += count * (last * ratio)
        sums[2 * LANES + j] += count * (one * one)
        sums[3 * LANES + j] += count * (one * last)
        sums[4 * LANES + j] += count * (last * last)
    else:
        sums[j] += count * (one * ratio)
        sums[LANES + j] += count * (other * ratio)
        sums[2 * LANES + j] += count * (last * ratio)
        sums[3 * LANES + j] += count * (one * one)
        sums[4 * LANES + j] += count * (one * other)
        sums[5 * LANES + j] += count * (one * last)
        sums[6 * LANES + j] += count * (other * other)
        sums[7 * LANES + j] += count * (other * last)
        sums[8 * LANES + j] += count * (last * last)


@inlined
def _add_alike(at, k, terms, dump, alike, counts, tile, parts):
    """Add the entries of a row to `Moments.alike`."""
    for j in range(at.width if k < at.rows - 1 else at.last):
        digits = (_bits(tile[k, DUMPED + j]) >> BELOW_DIGITS) & (BINS - 1)
        size = (_bits(tile[k, PI + j]) >> BELOW_SIZE) & (BINS - 1)
        for term in range(terms):
            which = 2 if term == terms - 1 else term
            moved = max(dump.unit, dump.stored) * (parts[which, j] * parts[3, j])
            moved = np.rint(max(-CLIPPED, min(CLIPPED, moved)) / STEP)
            moved *= _count_of(k, j, counts, tile)
            alike[term, digits] += moved
            alike[term, BINS + size] += moved


@inlined
def _of_pair(sums, k, m, terms, j):
    """Return the sum of the products of two terms, see `moments.Layout`."""
    k, m = min(k, m), max(k, m)
    return sums[np.uintp((terms + k * terms - k * (k - 1) // 2 + m - k) * LANES + j)]


@inlined
def _keep(window, row, place, states, numbers, which):
    """Keep a number of each state of a tile in a column."""
    for j in range(states):
        window[np.uintp(row), np.uintp(place + j)] = numbers[which + j]


@inlined
def _begin_groups(given, found):
    """Begin with the group that the block before has begun."""
    for c in range(len(found.window)):
        for j in range(given.before):
            found.window[c, j] = 0.0


@in_any_order
def _products(window, c, out):
    """Add up the products of a column with each of the first ones over a group, three at a time."""
    with_long_vectors()
    last = len(out) - 1
    for first in range(0, last + 1, 3):
        second, third = min(first + 1, last), min(first + 2, last)
        one = two = three = 0.0
        for j in range(GROUP):
            x = window[np.uintp(c), np.uintp(j)]
            one += window[np.uintp(first), np.uintp(j)] * x
            two += window[np.uintp(second), np.uintp(j)] * x
            three += window[np.uintp(third), np.uintp(j)] * x
        out[first, c], out[second, c], out[third, c] = one, two, three


@inlined
def _end_group(given, group, place, found):
    """Add up a group whose states are all there; those of the next begin a window anew."""
    for c in range(len(found.window)):
        if group == 0 and given.before:
            for j in range(GROUP):
                found.ends[0, c, j] = found.window[c, j]
        else:
            _products(found.window, c, found.products[group])
    for c in range(len(found.window)):
        for j in range(GROUP, place):
            found.window[c, j - GROUP] = found.window[c, j]


@inlined
def _end_groups(place, found):
    """Keep the states of a group that the next block goes on with."""
    for c in range(len(found.window)):
        for j in range(place):
            found.ends[1, c, j] = found.window[c, j]


@inlined
def _fill_columns(at, place, terms, dump, alike, sums, of, window):
    """Fill in what a fit takes of each state, but for what `_move` adds."""
    products = terms + terms * (terms + 1) // 2
    unit, states = max(dump.unit, dump.stored), 1 if at.is_wide else at.width
    for j in range(LANES):
        highest, depth, logsumexp = of[HIGHEST + j], of[DEPTH + j], of[LOGSUMEXP + j]
        half = dump.unit * _float(_bits(max(depth, abs(highest))) & EXPONENT)
        off = moments.rounded_off(of[LOG_Z + j], half, alike is not None)
        of[ROUNDED_OFF + j] = dump.scaled * off
        of[COHERENT + j] = moments.coherent(unit, dump.K, highest, depth)
        of[OF_OTHERS + j] = moments.of_others(dump.unit, logsumexp, depth, dump.beside)
        of[RATIO + j] = 1.0
    _keep(window, 0, place, states, of, RATIO)
    for s in range(products):
        _keep(window, 1 + s, place, states, sums, s * LANES)
    for k in range(terms):
        row = 1 + products + k
        for j in range(LANES):
            whole = 0.0
            for m in range(terms):
                whole += _of_pair(sums, k, m, terms, j)
            size = _square_root(of[ALIVE + j] * _of_pair(sums, k, k, terms, j))
            shared = moments.shared_with(of[COHERENT + j], size, of[OF_OTHERS + j], whole)
            of[SIZE_OF_TERM + j], of[SHARED_BY_TERM + j] = size, shared
            of[LOST_OF_TERM + j], of[RATIO + j] = of[ROUNDED_OFF + j] * whole, 0.0
        _keep(window, row, place, states, of, SIZE_OF_TERM)
        _keep(window, row + terms, place, states, of, SHARED_BY_TERM)
        _keep(window, row + 2 * terms, place, states, of, RATIO)
        _keep(window, row + 3 * terms, place, states, of, LOST_OF_TERM)


@inlined
def _sort(at, terms, dump, alike, sums, of, found):
    """Sort states into the classes of a fit: see `moments.Classes`."""
    per_unit = 1.0 / dump.unit  # a power of two
    for j in range(LANES):
        weighed = 0.0
        for k in range(terms):
            weighed += _of_pair(sums, k, k, terms, j)
        digits = np.floor(of[LOG_Z + j] * per_unit)
        told = weighed if digits < TOLD_APART else digits
        of[RATIO + j] = 1.0 if weighed > 0.0 else 0.0
        of[SIZE_OF_TERM + j] = _float(moments.bin_of(_bits(weighed), OF_STATES))
        of[LOST_OF_TERM + j] = _float(moments.bin_of(_bits(told), OF_NORMALISERS))
    for j in range(1 if at.is_wide else at.width):
        is_taken = of[RATIO + j] > 0.0
        of[ALL_TAKEN + j] += of[RATIO + j]
        found.seen[np.uintp(_bits(of[SIZE_OF_TERM + j]))] |= is_taken
        if alike is None:
            found.normalisers[np.uintp(_bits(of[LOST_OF_TERM + j]))] += is_taken


@inlined
def _dump(given, at, place, reach, masked, q, y, dump, rough, first, second, alike, counts, tile,
          of, sums, stack, parts, found):  # fmt: skip
    """Every entry of a dump against the gradient, and the sums for its fit.

    Return whether there may be entries that underflow has made 0, or a log Z that is lost.
    """
    with_long_vectors()
    terms = 1 if first is None else 2 if second is None else 3
    products = terms + terms * (terms + 1) // 2
    clear(sums, products)
    for k in range(at.rows):
        _ask_for(dump.entries, at, k)
        for j in range(LANES):
            within, scale = _within(k, j, reach, given.parts, masked, q, y, rough, tile, of)
            inverse, scale = 1.0 / within, scale * abs(of[FACTOR + j])
            ratio = (tile[k, DUMPED + j] - tile[k, GRADIENT + j] * of[FACTOR + j]) * inverse
            of[BEST_DUMP + j] = farther(of[BEST_DUMP + j], ratio)
            of[LEAST + j] = _nearer(of[LEAST + j], within)
            seen = scale * inverse
            is_live, count = scale > 0.0, _count_of(k, j, counts, tile)
            of[UNSEEN + j] = _nearer(of[UNSEEN + j], seen if is_live else np.inf)
            of[LIVE + j] += count if is_live else 0.0
            of[BLIND + j] += count if is_live and not seen > 1.0 else 0.0
            unit = of[FACTOR + j] * inverse
            one, other, last = _apart(k, j, unit, q, first, second, tile, of)
            of[WHOLE + j] = farther(of[WHOLE + j], tile[k, GRADIENT + j] * unit)
            _add_up(j, count, one, other, last, ratio, first, second, sums)
            if alike is not None:
                parts[0, j], parts[1, j], parts[2, j], parts[3, j] = one, other, last, ratio
        if alike is not None:
            _add_alike(at, k, terms, dump, alike, counts, tile, parts)
        _carry(sums, products, stack, k)
    _collect(sums, products, stack, at)
    for j in range(LANES):
        of[UNSOUND + j] += of[BEST_DUMP + j]
    _fill_columns(at, place, terms, dump, alike, sums, of, found.window)
    _sort(at, terms, dump, alike, sums, of, found)
    has_moved = False
    for j in range(at.width):
        has_moved |= of[ROOM + j] > FLUSHED * of[LEAST + j]
        has_moved |= q is not None and of[LOG_Z + j] < dump.unit * abs(of[HIGHEST + j])
    return has_moved


@inlined
def _move(given, at, place, reach, masked, q, y, dump, rough, first, second, counts, tile, of,
          sums, stack, window):  # fmt: skip
    """Add how far the sums for the fit move in one direction: see `moments._columns`."""
    clear(sums, 10)
    for k in range(at.rows):
        for j in range(LANES):
            within, _ = _within(k, j, reach, given.parts, masked, q, y, rough, tile, of)
            unit, room = of[FACTOR + j] / within, of[ROOM + j]
            one, other, last = _apart(k, j, unit, q, first, second, tile, of)
            whole = abs(one + other + last)
            size = whole if whole * within <= room else 0.0
            if dump.stored > 0.0:
                size += abs(one) if abs(one) * within <= room else 0.0
                size += abs(other) if abs(other) * within <= room else 0.0
                size += abs(last) if abs(last) * within <= room else 0.0
            count = _count_of(k, j, counts, tile)
            sums[j] += count * (abs(one) * size)
            sums[LANES + j] += count * (abs(other) * size)
            sums[2 * LANES + j] += count * (abs(last) * size)
            p = tile[k, PI + j]
            mean = 0.0 if q is None else p * of[VALUE + j] * unit
            sums[3 * LANES + j] += count * (one * mean)
            sums[4 * LANES + j] += count * (other * mean)
            sums[5 * LANES + j] += count * (last * mean)
            sums[6 * LANES + j] += count * (p if tile[k, BELOW + j] < 0.0 else 0.0)
            quantum = QUANTUM * room / within
            sums[7 * LANES + j] += count * (abs(one) * quantum)
            sums[8 * LANES + j] += count * (abs(other) * quantum)
            sums[9 * LANES + j] += count * (abs(last) * quantum)
        _carry(sums, 10, stack, k)
    _collect(sums, 10, stack, at)
    terms = 1 if first is None else 2 if second is None else 3
    shared = len(window) - 3 * terms
    for term in range(terms):
        which = 2 if term == terms - 1 else term
        for j in range(1 if at.is_wide else at.width):
            exponent = _float(_bits(of[HIGHEST + j]) & EXPONENT)
            is_lost = of[LOG_Z + j] < dump.unit * exponent
            of_mean = abs(sums[6 * LANES + j] * sums[(3 + which) * LANES + j])
            flushed = sums[which * LANES + j]
            window[shared + term, place + j] += flushed + (of_mean if is_lost else 0.0)
            window[shared + terms + term, place + j] = sums[(7 + which) * LANES + j]


@inlined
def _worst_dump(given, at, reach, masked, q, y, rough, tile, of, worst):
    """Keep the worst entry of the dump."""
    if _is_above(of, BEST_DUMP, worst[5, 0]):
        lane, most = _best(at, of, BEST_DUMP), -1.0
        for k in range(at.rows):
            within, _ = _within(k, lane, reach, given.parts, masked, q, y, rough, tile, of)
            expected = tile[k, GRADIENT + lane] * of[FACTOR + lane]
            error = abs(tile[k, DUMPED + lane] - expected) / within
            if error > most:
                most = error
                state, action = _place(at, k, lane)
                dumped, ratio = tile[k, DUMPED + lane], of[BEST_DUMP + lane]
                _note(worst, 5, ratio, state, action, dumped, expected, within)


@inlined
def _begin_allowed(zeta, dump, of):
    """How far a normaliser may be off in each state; nothing is known to need that, or parts."""
    for j in range(LANES):
        offset = abs(of[VALUE + j]) + abs(of[ALPHA + j]) + abs(of[R + j])
        if zeta is not None:
            offset += 2.0 * abs(of[ZETA + j])
        normaliser = tolerance.of_normaliser(of[LOGSUMEXP + j], offset)
        of[LOST + j] = dump.widened * dump.unit * abs(of[FACTOR + j]) * normaliser
        of[PAST + j], of[ADDED + j] = -np.inf, 0.0


@inlined
def _allow(k, j, error, within, y, zeta, tile, of):
    """See how far an entry is beyond all that it may be allowed, where a loss has no q.

    That is something for a normaliser, and something for parts.
    """
    p, parts = tile[k, PI + j], 0.0
    if y is not None:
        parts += 2.0 * (tile[k, SIZE_OF_Y + j] + of[OF_Y + j] * p)
    if zeta is not None:
        parts += 4.0 * abs(of[ZETA + j] * of[LOGSUMEXP + j]) * p
    normaliser, parts = of[LOST + j] * p, of[STORED + j] * parts
    normaliser, parts = tolerance.AT_MOST * normaliser, tolerance.AT_MOST * parts
    of[PAST + j] = larger(of[PAST + j], error - (within + normaliser + parts))
    of[ADDED + j] += 1.0 if within < error <= within + parts else 0.0


@inlined
def _is_helped(j, q, dump, of):
    """Return whether a state may be right by what it is allowed.

    What a loss with a q is added from is not known here.
    """
    is_added = of[ADDED + j] > 0.0 if q is None else dump.stored > 0.0
    return is_added or not of[PAST + j] > 0.0


@inlined
def _count_above(given, at, dump, counts, tile, of, sums, found):
    """Count the ratios of a tile above each power of ten; what is too near to one is not clear."""
    least = most = abs(tile[0, RATIO_OF_DUMP])
    for j in range(LANES):
        least, most = min(least, of[LEAST + j]), max(most, of[BEST_DUMP + j])
    limit = 1.0
    for place in range(tally.DECADES):
        margin = dump.slack + NEAR * limit
        if most < limit - margin:
            break
        if least > limit + margin:  # of every entry
            found.above[place] += given.actions * (1 if at.is_wide else at.width)
        else:
            clear(sums, 2)
            for k in range(at.rows):
                for j in range(LANES):
                    count, ratio = _count_of(k, j, counts, tile), tile[k, RATIO_OF_DUMP + j]
                    sums[j] += count if ratio > limit + margin else 0.0
                    sums[LANES + j] += count if ratio >= limit - margin else 0.0
            for j in range(at.width):
                found.above[place] += np.int64(sums[j])
                of[UNSOUND + j] += 0.0 if sums[j] == sums[LANES + j] else np.inf
        limit *= 10.0


@inlined
def _end_wrong(at, q, dump, of, found):
    """Keep how wrong each state of a tile is."""
    for which in (BEST_DUMP, PAST, ADDED, ERROR, SURE):
        _share_largest(of, which, at)
    for j in range(at.width):
        is_helped = of[BEST_DUMP + j] > 1.0 and _is_helped(j, q, dump, of)
        of[UNSOUND + j] += np.inf if is_helped else 0.0
    states, kept = 1 if at.is_wide else at.width, np.intp(found.sums[7])
    for j in range(states):
        found.wrong[0, kept + j], found.wrong[1, kept + j] = at.first + j, of[BEST_DUMP + j]
        found.wrong[2, kept + j], found.wrong[3, kept + j] = of[ERROR + j], of[SURE + j]
    found.sums[7] += states


@inlined
def _wrong(given, at, reach, masked, q, y, zeta, dump, rough, counts, tile, of, sums, found):
    """Count the wrong entries of a dump.

    That is not sound where a ratio is as near to a power of ten as those of two kernels are to each
    other, or where an entry may be right by what `tolerance.allow` grants.
    """
    with_long_vectors()
    _begin_allowed(zeta, dump, of)
    for j in range(LANES):
        of[ERROR + j], of[SURE + j], of[LEAST + j] = 0.0, -np.inf, np.inf
    for k in range(at.rows):
        for j in range(LANES):
            within, _ = _within(k, j, reach, given.parts, masked, q, y, rough, tile, of)
            error = abs(tile[k, DUMPED + j] - tile[k, GRADIENT + j] * of[FACTOR + j])
            _allow(k, j, error, within, y, zeta, tile, of)
            ratio, margin = error * (1.0 / within), dump.slack * within
            is_wrong = ratio > 1.0
            of[ERROR + j] = farther(of[ERROR + j], error + margin if is_wrong else 0.0)
            of[SURE + j] = larger(of[SURE + j], error - margin if is_wrong else -np.inf)
            of[LEAST + j] = _nearer(of[LEAST + j], ratio)
            tile[k, RATIO_OF_DUMP + j] = ratio
    _count_above(given, at, dump, counts, tile, of, sums, found)
    _end_wrong(at, q, dump, of, found)


@inlined
def _is_lost(of, which):
    """Return whether something was not finite, of all or of the dump."""
    is_lost = False
    for j in range(LANES):
        is_lost |= not abs(of[which + j]) < np.inf
    return is_lost


@inlined
def _see(at, of, resolution):
    """Fill in how well the dump is seen."""
    for j in range(LANES):
        least = of[UNSEEN + j]
        dim = 1.0 / least if least > 1.0 else np.inf
        of[RATIO + j] = 0.0 if least == np.inf else dim
    _share_largest(of, RATIO, at)
    for j in range(LANES):
        resolution[4, j] = of[RATIO + j]
    for j in range(at.width):
        of[ALL_LIVE + j] += of[LIVE + j]
        of[ALL_BLIND + j] += of[BLIND + j]


@inlined
def _tell(given, at, reach, masked, q, y, zeta, dump, rough, counts, tile, of, sums, found):
    """Say what is wrong of a dump, or what is the worst."""
    if _is_above(of, BEST_DUMP, 1.0):
        _wrong(given, at, reach, masked, q, y, zeta, dump, rough, counts, tile, of, sums, found)
    else:
        _worst_dump(given, at, reach, masked, q, y, rough, tile, of, found.worst)


@inlined
def _count(dump, of, states, resolution, histograms):
    """Count how sharply each state is seen."""
    kinds = RESOLUTIONS - 1 if dump is None else RESOLUTIONS
    for j in range(LANES):
        resolution[0, j] = 2.0 * U * of[RELATIVE + j]
        resolution[1, j] = 2.0 * U * of[ROUTES + j]
    for c in range(kinds):
        for j in range(LANES):
            # In this order it is 1 for a NaN.
            found, worst = min(1.0, resolution[c, j]), RESOLUTIONS + c
            resolution[worst, j] = farther(resolution[worst, j], found)
            resolution[c, j] = _float(tally.bin_of(_bits(found)))
    # To add to one bin again a processor waits for what was written: so to others in between.
    for j in range(states):
        for c in range(kinds):
            histograms[np.uintp(c), np.uintp(_bits(resolution[c, j]))] += 1


@inlined
def _begin(of, resolution):
    """Nothing is found yet, in any tile."""
    for j in range(LANES):
        of[POISON + j] = of[UNSOUND + j] = of[WHOLE + j] = 0.0
        of[ALL_ALIVE + j] = of[ALL_LIVE + j] = of[ALL_BLIND + j] = of[ALL_TAKEN + j] = 0.0
        for c in range(2 * RESOLUTIONS):
            resolution[c, j] = 0.0


@inlined
def _end(of, resolution, found):
    """Keep what was found in all tiles."""
    for j in range(LANES):
        found.sums[0] += of[POISON + j]
        found.sums[1] += of[UNSOUND + j]
        found.sums[2] += of[ALL_LIVE + j]
        found.sums[3] += of[ALL_BLIND + j]
        found.sums[4] = max(found.sums[4], of[WHOLE + j])
        found.sums[5] += of[ALL_ALIVE + j]
        found.sums[6] += of[ALL_TAKEN + j]
        for c in range(RESOLUTIONS):
            found.resolution[c] = max(found.resolution[c], resolution[RESOLUTIONS + c, j])


@inlined
def _evaluate(given, at, reach, log_actions, logits, counts, masked, q, alpha, zeta, y, index, tile,
              of, sums, stack):  # fmt: skip
    """The policy of a tile, its gradient, and what bounds the rounding of that."""
    _softmax(given, at, logits, counts, tile, of, sums, stack)
    if masked is not None:
        _lay(at, tile, MASKED, masked, 0.0)
    if zeta is not None:
        _by_state(of, ZETA, zeta, at)
    if y is not None:
        _weigh(
            at, tile, Y, SIZE_OF_Y, masked, index,
            y.dense, y.uniform, y.chosen, y.of_chosen, of,
        )  # fmt: skip
        _sum_y(at, counts, tile, sums, stack)
    _linear(of, sums, y, zeta)
    _by_state(of, ALPHA, alpha, at)
    _soft(at, q, counts, tile, of, sums, stack)
    _sizes(at, reach, q, y, counts, tile, of, sums, stack)
    _bounds(given, reach, log_actions, q, y, zeta, of, sums)


@compiled
def sweep(
    given, logits, counts, masked, q, alpha, zeta, y, index, dump, one, other, rough, alike,
    tile, stack, found,
):  # fmt: skip
    """Run the checks of every entry over the states of a block, a tile at a time.

    What a block has not is None. The terms of a loss but the last are `one` and `other`, and how
    far the coefficients of the loss are off is `rough`, each `lanes.Coefficients`.
    """
    of, sums, parts = _state_of_lanes(), sums_of_lanes(), _parts_of_lanes()
    resolution = _resolution_of_lanes()
    log_actions = given.log_actions
    reach = given.n + 8.0 + given.parts + log_actions
    _begin(of, resolution)
    if dump is not None:
        _begin_groups(given, found)
    first, group, place = 0, 0, given.before
    while first < given.rows and not _is_lost(of, POISON):
        at = _tile_from(given, first)
        states = 1 if at.is_wide else at.width
        _evaluate(
            given, at, reach, log_actions, logits, counts, masked, q, alpha, zeta, y, index, tile,
            of, sums, stack,
        )  # fmt: skip
        _compare(at, of, 3, resolution, found)
        _routes(given, at, reach, q, y, zeta, counts, tile, of, sums, stack)
        _worst(given, at, reach, q, y, zeta, tile, of, found.worst)
        _descent(given, q, y, zeta, of, sums)
        _compare(at, of, 4, resolution, found)
        if dump is not None and not _is_lost(of, UNSOUND):  # else all of it is NumPy's
            _lay_dump(at, masked, index, dump, rough, one, other, tile, of)
            _levels(at, rough, one, other, counts, tile, of, sums, stack)
            _measure(given, log_actions, q, y, zeta, dump, rough, of, sums)
            near = reach if q is None else given.n + 4.0
            has_moved = _dump(
                given, at, place, near, masked, q, y, dump, rough, one, other,
                alike, counts, tile, of, sums, stack, parts, found,
            )  # fmt: skip
            if has_moved:
                _move(
                    given, at, place, near, masked, q, y, dump, rough, one, other,
                    counts, tile, of, sums, stack, found.window,
                )  # fmt: skip
            _tell(given, at, near, masked, q, y, zeta, dump, rough, counts, tile, of, sums, found)
            _see(at, of, resolution)
            place += states
            if place >= GROUP:
                _end_group(given, group, place, found)
                group, place = group + 1, place - GROUP
        _count(dump, of, states, resolution, found.histograms)
        for j in range(states):
            of[ALL_ALIVE + j] += of[ALIVE + j]
        first += states
    if dump is not None:
        _end_groups(place, found)
    _end(of, resolution, found)


(
    WRONG, TOTAL_DUMPED, TOTAL_WITHIN, OF_Z, LEAST_PI, MOST_PI, LEAST_Q, MOST_Q,
) = range(0, 8 * LANES, LANES)  # fmt: skip
"""Where `_finish` has what `lanes.LaidOut.wrong` has of a state."""


@inlined
def _begin_finish(sums):
    """No entry is wrong yet."""
    clear(sums, 8)
    for j in range(LANES):
        sums[LEAST_PI + j] = sums[LEAST_Q + j] = np.inf


@inlined
def _add_to_state(k, j, error, within, is_there, q, tile, sums):
    """Add what an entry has of its state; a missing one has nothing."""
    p, size = tile[k, PI + j], 0.0 if q is None else abs(tile[k, REWARD + j])
    is_wrong = error > within
    sums[WRONG + j] += 1.0 if is_wrong else 0.0
    sums[TOTAL_DUMPED + j] += tile[k, DUMPED + j] if is_there else 0.0
    sums[TOTAL_WITHIN + j] += within if is_there else 0.0
    sums[OF_Z + j] += p * tile[k, BELOW + j]
    sums[LEAST_PI + j] = _nearer(sums[LEAST_PI + j], p if is_wrong else np.inf)
    sums[MOST_PI + j] = farther(sums[MOST_PI + j], p if is_wrong else 0.0)
    sums[LEAST_Q + j] = _nearer(sums[LEAST_Q + j], size if is_wrong else np.inf)
    sums[MOST_Q + j] = farther(sums[MOST_Q + j], size if is_wrong else 0.0)


@inlined
def _finish(given, at, reach, masked, q, y, zeta, dump, rough, tile, of, sums, stack):
    """Compare a dump with the right gradient, as NumPy would; nothing else is to come of a tile.

    That is not sound where an error is as near to its tolerance as those of two kernels are to each
    other. Return whether a state may be right by what `tolerance.allow` grants.
    """
    with_long_vectors()
    _begin_allowed(zeta, dump, of)
    _begin_finish(sums)
    for k in range(at.rows):
        _ask_for(dump.entries, at, k)
        there = at.last if at.is_wide and k == at.rows - 1 else LANES
        for j in range(LANES):
            within, scale = _within(k, j, reach, given.parts, masked, q, y, rough, tile, of)
            expected = tile[k, GRADIENT + j] * of[FACTOR + j]
            error = abs(tile[k, DUMPED + j] - expected)
            _allow(k, j, error, within, y, zeta, tile, of)
            _add_to_state(k, j, error, within, j < there, q, tile, sums)
            is_near = abs(error - within) <= (dump.slack + NEAR) * within
            of[UNSOUND + j] += np.inf if is_near else 0.0 * (within + error)
            if q is not None:
                log_pi = tile[k, BELOW + j] - of[LOG_Z + j]
                tile[k, SOFT_VALUE + j] = tile[k, REWARD + j] - log_pi * of[ALPHA + j]
            tile[k, GRADIENT + j], tile[k, ERROR_OF_DUMP + j] = expected, error
            tile[k, WITHIN + j], tile[k, SCALE_OF_DUMP + j] = within, scale * abs(of[FACTOR + j])
        _carry(sums, 4, stack, k)
    _collect(sums, 4, stack, at)
    for which in (PAST, ADDED):
        _share_largest(of, which, at)
    for which in (MOST_PI, MOST_Q):
        _share_largest(sums, which, at)
    for which in (LEAST_PI, LEAST_Q):
        _share_least(sums, which, at)
    is_helped = False
    for j in range(at.width):
        is_helped |= sums[WRONG + j] > 0.0 and _is_helped(j, q, dump, of)
    return is_helped


@inlined
def _put(given, at, tile, field, out):
    """Write what the entries of a tile have where NumPy has it, see `policy.LONG`."""
    if out.size:
        for k in range(at.rows):
            start, width = at.first + k * given.rows, at.width
            if at.is_wide:
                start, width = at.start + k * LANES, LANES if k < at.rows - 1 else at.last
            for j in range(width):
                out[np.uintp(start + j)] = tile[k, field + j]


@inlined
def _write(given, at, tile, of, sums, found):
    """Write what a tile has."""
    _put(given, at, tile, REWARD, found.q)
    _put(given, at, tile, BELOW, found.z)
    _put(given, at, tile, PI, found.pi)
    _put(given, at, tile, SOFT_VALUE, found.g)
    _put(given, at, tile, SCALE_OF_DUMP, found.scale)
    _put(given, at, tile, DUMPED, found.actual)
    _put(given, at, tile, GRADIENT, found.expected)
    _put(given, at, tile, WITHIN, found.tolerance)
    _put(given, at, tile, ERROR_OF_DUMP, found.error)
    for j in range(1 if at.is_wide else at.width):
        found.states[0, at.first + j] = of[HIGHEST + j]
        found.states[1, at.first + j] = of[LOG_Z + j]
        found.states[2, at.first + j] = of[DEPTH + j]
        found.states[3, at.first + j] = of[ALIVE + j]
        found.states[4, at.first + j] = of[VALUE + j]
        for which in range(8):
            found.wrong[which, at.first + j] = sums[which * LANES + j]


@compiled
def lay_out(
    given, logits, counts, masked, q, alpha, zeta, y, index, dump, rough, tile, stack, found
):
    """Lay out a dump beside the right gradient and its policy; arguments are those of `sweep`.

    `found` is a `lanes.LaidOut`.
    """
    of, sums = _state_of_lanes(), sums_of_lanes()
    log_actions = given.log_actions
    reach = given.n + 8.0 + given.parts + log_actions
    near = reach if q is None else given.n + 4.0
    for j in range(LANES):
        of[POISON + j] = of[UNSOUND + j] = 0.0
    first = 0
    while first < given.rows and not _is_lost(of, POISON):
        at = _tile_from(given, first)
        _evaluate(
            given, at, reach, log_actions, logits, counts, masked, q, alpha, zeta, y, index, tile,
            of, sums, stack,
        )  # fmt: skip
        _lay_dump(at, masked, index, dump, rough, None, None, tile, of)
        if rough is not None:
            _levels(at, rough, None, None, counts, tile, of, sums, stack)
        _measure(given, log_actions, q, y, zeta, dump, rough, of, sums)
        if _finish(given, at, near, masked, q, y, zeta, dump, rough, tile, of, sums, stack):
            found.sums[1] = 1.0
        _write(given, at, tile, of, sums, found)
        first += 1 if at.is_wide else at.width
    for j in range(LANES):
        found.sums[0] += of[POISON + j] + of[UNSOUND + j]
