"""The checks of every entry of a block in one compiled loop over states, a few at a time.

It computes what NumPy computes block by block, from the same formulas, in the cache of a processor
and without the interpreter's lock. What is out of the ordinary it leaves to NumPy, so that a report
of a failure has one origin.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from math import exp, expm1, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from softcheck.checks import oracles
from softcheck.gradient import analytic, family, loss, tolerance
from softcheck.gradient.numeric import central, complex_step
from softcheck.gradient.policy import FLOOR
from softcheck.gradient.tolerance import U

LANES = 32
"""States, or actions of one state, that are computed side by side: a tile of them stays in the
cache."""

RUN, LEVELS, SUMS = 8, 16, 5
"""Rows that are added one after the other; how often sums of those are added in pairs, which is
enough for 2^19 rows; and how many sums there are at once."""

_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_SHIFT = 1.5 * 2.0**52  # added, it rounds to a whole number, which is then in the lowest bits
_LOWEST, _VANISHES = -700.0, -746.0  # from here on exp is normal; below, it is 0

_UP, _DOWN = expm1(central.STEP), expm1(-central.STEP)
_UP_DRIFT, _DOWN_DRIFT = (t * exp(t) for t in (central.STEP, -central.STEP))

# No other licence: reassociation would fold the reduction of exp away.
_FAST: Any = {"contract", "nsz"}


def _sources() -> str:
    """Return a digest of all that is compiled, for Numba looks at the date of this file alone."""
    digest = hashlib.sha256()
    for module in (analytic, family, loss, oracles, tolerance, central, complex_step):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> str | None:
    """Return where compiled code is kept, or None where nothing can be written."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(home) / "softcheck" / _sources()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:
        return None


def _kept(function: Callable[..., Any]) -> Any:
    """Compile a function when it is called, and keep what was made of it where that can be."""
    made = njit(nogil=True, fastmath=_FAST, error_model="numpy")(function)
    if (folder := cache_folder()) is not None:
        settings: Any = config
        before, settings.CACHE_DIR = settings.CACHE_DIR, folder
        try:
            made.enable_caching()
        finally:
            settings.CACHE_DIR = before
    return made


inlined = njit(nogil=True, fastmath=_FAST, error_model="numpy", forceinline=True)

for formula in (
    analytic.of_entry,
    family.curvature_of,
    family.of_change,
    loss.change_by_one,
    loss.change_of_all,
    loss.imaginary_by_one,
    oracles.of_fall,
    oracles.step_against,
    tolerance.common,
    tolerance.err_of_r,
    tolerance.over_scale,
    tolerance.room_for_underflow,
):
    register_jitable(formula)


@intrinsic
def _bits(_context, _x):
    def code(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


@intrinsic
def _float(_context, _x):
    def code(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), code


def _on_the_stack(*shape: int) -> Any:
    """Return what makes an array on the stack: the compiler knows that no other overlaps it."""

    @intrinsic
    def made(_context):
        kind = types.Array(types.float64, len(shape), "C")

        def code(context, builder, _signature, _arguments):
            data = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), prod(shape)))
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
def exponential(x):
    """Return exp(x) for -700 <= x <= 0, to two roundings: exp(x - k log 2) by its series."""
    k = x * _LOG2E + _SHIFT
    n = k - _SHIFT
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r * r + r + 1.0
    return p * _float((_bits(k) << 52) + (1023 << 52))  # type: ignore[call-arg]


@inlined
def _expm1(t):
    """Return exp(t) - 1 for |t| <= 1/32: the terms of its series up to there."""
    p = 1.0 / 3628800.0
    p = p * t + 1.0 / 362880.0
    p = p * t + 1.0 / 40320.0
    p = p * t + 1.0 / 5040.0
    p = p * t + 1.0 / 720.0
    p = p * t + 1.0 / 120.0
    p = p * t + 1.0 / 24.0
    p = p * t + 1.0 / 6.0
    p = p * t + 0.5
    return p * t * t + t


(
    ALPHA, ZETA, HIGHEST, DEPTH, Z, LOG_Z, LOGSUMEXP, VALUE, LEVEL, MEAN, R, OF_Y, TOTAL_Y, BESIDE,
    OWN, LARGEST, SHARED, UNDERFLOW, SIZE, TOTAL, DOUBLED, ETA, LONGEST, LOOSE, FALL, RELATIVE,
    ROUTES, FOUND, IDENTITY, TOLERANCE, SCALE, POISON,
) = range(32)  # fmt: skip
"""What the states of a tile have; where the tile is one state, the same in each lane."""

_state_of_lanes: Any = _on_the_stack(32, LANES)
_sums_of_lanes = _on_the_stack(SUMS, LANES)


class Given(NamedTuple):
    """A block as the loop takes it.

    `is_wide` says that the entries of a state lie side by side, else those of an action do;
    `roundings` is what `tolerance.err_of_r` takes of Y1.
    """

    actions: int
    rows: int
    is_wide: bool
    n: float
    parts: int
    roundings: float


class Where(NamedTuple):
    """Where a tile lies: row k at `start` + k `stride`, of `width` entries, the last of `last`."""

    first: int
    start: int
    stride: int
    rows: int
    width: int
    last: int
    is_wide: bool


class Entry(NamedTuple):
    """An entry by each route, and what bounds its rounding and that of the routes."""

    complex_step: float
    central_difference: float
    homogeneous: float
    rounding: float
    routes: float


@inlined
def _width(at, k):
    """Return how many entries row k has."""
    return at.width if k < at.rows - 1 else at.last


@inlined
def _clear(sums, count):
    for s in range(count):
        for j in range(LANES):
            sums[s, j] = 0.0


@inlined
def _carry(sums, count, stack, k):
    """Put the sums over `RUN` rows aside, added to others of equally many rows."""
    if k % RUN != RUN - 1:
        return
    run, level = k // RUN, 0
    while run & 1:
        for s in range(count):
            for j in range(LANES):
                sums[s, j] += stack[level, s, j]
        run >>= 1
        level += 1
    for s in range(count):
        for j in range(LANES):
            stack[level, s, j] = sums[s, j]
            sums[s, j] = 0.0


@inlined
def _collect(sums, count, stack, at):
    """Add up what `_carry` has put aside; where a tile is one state, over the lanes too."""
    run, level = at.rows // RUN, 0
    while run:
        if run & 1:
            for s in range(count):
                for j in range(LANES):
                    sums[s, j] += stack[level, s, j]
        run >>= 1
        level += 1
    if at.is_wide:
        for s in range(count):
            half = LANES // 2
            while half:
                for j in range(half):
                    sums[s, j] += sums[s, j + half]
                half //= 2
            for j in range(LANES):
                sums[s, j] = sums[s, 0]


@inlined
def _share_largest(of, which, at):
    """Put the largest number in the place of each, where a tile is one state."""
    if at.is_wide:
        most = of[which, 0]
        for j in range(LANES):
            most = max(most, of[which, j])
        for j in range(LANES):
            of[which, j] = most


@inlined
def _by_state(of, which, given, at):
    """Lay out a number of each state, or one that all share."""
    for j in range(LANES):
        state = at.first if at.is_wide else at.first + min(j, at.width - 1)
        of[which, j] = given[state if given.size > 1 else 0]


@inlined
def _softmax(at, logits, z, pi, of, sums, stack):
    """z, exp z, Z, and what else `policy.evaluate` has of z; return how many weights are not 0."""
    for j in range(LANES):
        of[HIGHEST, j], of[DEPTH, j], of[POISON, j] = -np.inf, 0.0, 0.0
    for k in range(at.rows):
        start = np.uintp(at.start + k * at.stride)
        for j in range(_width(at, k)):
            of[HIGHEST, j] = max(of[HIGHEST, j], logits[start + np.uintp(j)])
    _share_largest(of, HIGHEST, at)
    _clear(sums, 2)
    for k in range(at.rows):
        start = np.uintp(at.start + k * at.stride)
        for j in range(_width(at, k)):
            below = logits[start + np.uintp(j)] - of[HIGHEST, j]
            is_live = below > _LOWEST
            weight = exponential(below) if is_live else 0.0
            z[k, j] = max(below, FLOOR)
            pi[k, j] = weight
            sums[0, j] += weight
            sums[1, j] += 1.0 if is_live else 0.0
            of[DEPTH, j] = max(of[DEPTH, j], -below if is_live else 0.0)
            of[POISON, j] += 0.0 if is_live or below < _VANISHES else np.inf
        _carry(sums, 2, stack, k)
    _collect(sums, 2, stack, at)
    _share_largest(of, DEPTH, at)
    for j in range(LANES):
        of[Z, j], of[LOG_Z, j] = sums[0, j], np.log(sums[0, j])
        of[LOGSUMEXP, j] = of[HIGHEST, j] + of[LOG_Z, j]
    live = 0.0
    for j in range(1 if at.is_wide else at.width):
        live += sums[1, j]
    return live


@inlined
def _weigh(at, logits, y, sizes, index, dense, uniform, chosen):
    """Fill in y, and its size."""
    for k in range(at.rows):
        start = np.uintp(at.start + k * at.stride)
        for j in range(_width(at, k)):
            y[k, j] = sizes[k, j] = 0.0
        if dense is not None:
            for j in range(_width(at, k)):
                y[k, j] = dense[start + np.uintp(j)]
                sizes[k, j] = abs(dense[start + np.uintp(j)])
        if uniform is not None:
            for j in range(_width(at, k)):
                state = at.first if at.is_wide else at.first + j
                part = uniform[state if uniform.size > 1 else 0]
                part = part if logits[start + np.uintp(j)] != -np.inf else 0.0
                y[k, j] += part
                sizes[k, j] += abs(part)
    if chosen is not None:
        for j in range(1 if at.is_wide else at.width):
            state = at.first + j
            action, part = index[state], chosen[state if chosen.size > 1 else 0]
            k, i = (action // LANES, action % LANES) if at.is_wide else (action, j)
            y[k, i] += part
            sizes[k, i] += abs(part)


@inlined
def _sum_y(at, y, sizes, sums, stack):
    """Add up y, and its size."""
    _clear(sums, 2)
    for k in range(at.rows):
        for j in range(_width(at, k)):
            sums[0, j] += y[k, j]
            sums[1, j] += sizes[k, j]
        _carry(sums, 2, stack, k)
    _collect(sums, 2, stack, at)


@inlined
def _linear(of, sums, y, zeta):
    """r, and the sums that it has of y."""
    for j in range(LANES):
        of[R, j] = of[OF_Y, j] = of[TOTAL_Y, j] = 0.0
        if y is not None:
            of[TOTAL_Y, j], of[OF_Y, j] = sums[0, j], sums[1, j]
            of[R, j] = sums[0, j]
        if zeta is not None:
            of[R, j] += 2.0 * of[ZETA, j] * of[LOGSUMEXP, j]


@inlined
def _soft(at, q, z, pi, u, gradient, of, sums, stack):
    """pi, g in `gradient`, V, u and their means."""
    _clear(sums, 2)
    for k in range(at.rows):
        for j in range(_width(at, k)):
            pi[k, j] /= of[Z, j]
        if q is not None:
            start = np.uintp(at.start + k * at.stride)
            for j in range(_width(at, k)):
                value, below = q[start + np.uintp(j)], z[k, j]
                g = value - (below - of[LOG_Z, j]) * of[ALPHA, j]
                moved = value - below * of[ALPHA, j]
                gradient[k, j], u[k, j] = g, moved
                sums[0, j] += pi[k, j] * g
                sums[1, j] += pi[k, j] * moved
            _carry(sums, 2, stack, k)
    if q is not None:
        _collect(sums, 2, stack, at)
    for j in range(LANES):
        of[VALUE, j], of[MEAN, j] = sums[0, j], sums[1, j]
        of[LEVEL, j] = of[VALUE, j] + of[R, j]
        of[BESIDE, j] = 5.0 * abs(of[ALPHA, j]) + abs(of[R, j])


@inlined
def _sizes(at, reach, q, y, z, pi, u, gradient, of, sums, stack):
    """The gradient, and what bounds its rounding before the part that entries share."""
    _clear(sums, 5)
    for j in range(LANES):
        of[LARGEST, j] = 0.0
    for k in range(at.rows):
        if q is None:
            for j in range(_width(at, k)):
                gradient[k, j] = analytic.of_entry(pi[k, j], 0.0, of[LEVEL, j])
        else:
            for j in range(_width(at, k)):
                p, centred = pi[k, j], u[k, j] - of[MEAN, j]
                D = abs(centred)
                u[k, j] = centred
                of[LARGEST, j] = max(of[LARGEST, j], D)
                sums[0, j] += p * D
                sums[1, j] += p * (2.0 * centred)
                sums[2, j] += (reach - z[k, j]) * ((D + of[BESIDE, j]) * p)
                gradient[k, j] = analytic.of_entry(p, gradient[k, j], of[LEVEL, j])
        if y is not None:
            for j in range(_width(at, k)):
                gradient[k, j] -= y[k, j]
        for j in range(_width(at, k)):
            sums[3, j] += gradient[k, j]
            sums[4, j] += gradient[k, j] * gradient[k, j]
        _carry(sums, 5, stack, k)
    _collect(sums, 5, stack, at)
    _share_largest(of, LARGEST, at)


@inlined
def _bounds(given, reach, log_actions, q, y, zeta, of, sums):
    """What `tolerance.bounds` has by state; the sum of the gradient beside its identity."""
    n, parts = given.n, given.parts
    for j in range(LANES):
        alpha, of_r, of_y = abs(of[ALPHA, j]), abs(of[R, j]), of[OF_Y, j]
        spread, logsumexp, depth = sums[0, j], abs(of[LOGSUMEXP, j]), of[DEPTH, j]
        of_square = loose = identity = own = 0.0
        if y is not None:
            own = abs(of[TOTAL_Y, j])
        if zeta is not None:
            weight = abs(of[ZETA, j])
            of_square = 2.0 * weight * (abs(of[HIGHEST, j]) + of[LOG_Z, j])
            loose = 2.0 * weight * (logsumexp + 1.0)
            identity = 2.0 * of[ZETA, j] * of[LOGSUMEXP, j]
            own += weight * (2.0 * logsumexp + 6.0)
        err = tolerance.err_of_r(
            n,
            log_actions,
            of_r,
            given.roundings * of_y,
            None if zeta is None else of[ZETA, j],
            logsumexp,
        )
        size = spread + alpha + of_y + of_square
        share = of[BESIDE, j] / size
        if q is None:
            shared, total, rest = err, (reach + log_actions) * of_r + err, 1.0 * parts
        else:
            value, mean, log_Z = of[VALUE, j], of[MEAN, j], of[LOG_Z, j]
            shared = tolerance.common(
                n,
                reach,
                sums[2, j],
                value,
                mean,
                alpha,
                log_Z,
                None if y is None and zeta is None else of_r,
                None if y is None and zeta is None else err,
            )
            total, rest, share = sums[2, j] + shared, parts + reach, max(share, 1.0)
        relative = tolerance.over_scale(reach, rest, shared, of[BESIDE, j], size, depth, share)
        if y is not None or zeta is not None:
            share = max((5.0 * alpha + own) / size, 1.0)
        underflow = tolerance.room_for_underflow(of[LARGEST, j], size)
        total += parts * of_y + given.actions * underflow
        relative += underflow * exponential(depth + of[LOG_Z, j]) / size
        slope = spread + of_r + of_y
        eta = oracles.step_against(family.curvature_of(slope, total, alpha, loose))
        rounding = total + n * slope
        if zeta is not None:
            rounding += err
        of[SHARED, j], of[UNDERFLOW, j], of[OWN, j] = shared, underflow, own - of_r
        of[SIZE, j], of[TOTAL, j], of[LOOSE, j] = size, total, of_y + loose
        of[DOUBLED, j] = sums[1, j] + 2.0 * of[R, j]
        of[RELATIVE, j], of[ROUTES, j] = relative, relative + central.ROUNDINGS * share
        of[ETA, j], of[LONGEST, j] = eta, eta * (slope + 2.0 * U * total)
        of[FALL, j] = -eta * sums[4, j]
        of[FOUND, j], of[IDENTITY, j] = sums[3, j], identity
        of[TOLERANCE, j], of[SCALE, j] = U * rounding, spread + size + of_y


@inlined
def _entry(
    reach, parts, z, p, u, y, size_of_y, alpha, total_y, zeta, logsumexp, beside, own, shared,
    underflow, doubled,
):  # fmt: skip
    """Return an entry by each route."""
    shares = total_y - alpha
    D = 0.0 if u is None else abs(u)
    twice = 0.0 if u is None else 2.0 * u
    by_step = loss.imaginary_by_one(p, u, alpha, shares, zeta, logsumexp, complex_step.STEP)
    up = loss.change_by_one(p, u, shares, zeta, logsumexp, _UP, alpha * _UP_DRIFT)
    down = loss.change_by_one(p, u, shares, zeta, logsumexp, _DOWN, alpha * _DOWN_DRIFT)
    weighted = (D + beside) * p
    rounding = (reach - z) * weighted + p * shared + underflow
    homogeneous = 0.5 * analytic.of_entry(p, twice, doubled)
    weighted += p * own
    if y is not None:
        by_step -= y
        homogeneous -= y
        up -= central.STEP * y
        down += central.STEP * y
        rounding += parts * size_of_y
        weighted += size_of_y
    difference = (up - down) * (0.5 / central.STEP)
    return Entry(
        by_step, difference, homogeneous, rounding, weighted * central.ROUNDINGS + rounding
    )


@inlined
def _routes(given, at, reach, q, y, zeta, z, pi, u, gradient, sizes, of, sums, stack, best, place):
    """Every entry by both numeric routes and by the identity; a step against the gradient."""
    _clear(sums, 4)
    for c in range(3):
        for j in range(LANES):
            best[c, j] = place[c, j] = 0.0
    for k in range(at.rows):
        row = 1.0 * k
        for j in range(_width(at, k)):
            right = gradient[k, j]
            entry = _entry(
                reach, given.parts, z[k, j], pi[k, j],
                None if q is None else u[k, j],
                None if y is None else y[k, j], None if y is None else sizes[k, j],
                of[ALPHA, j], of[TOTAL_Y, j], None if zeta is None else of[ZETA, j],
                of[LOGSUMEXP, j], of[BESIDE, j], of[OWN, j], of[SHARED, j],
                of[UNDERFLOW, j], of[DOUBLED, j],
            )  # fmt: skip
            routes = 1.0 / entry.routes
            by_step = abs(right - entry.complex_step) * routes
            by_difference = abs(right - entry.central_difference) * routes
            by_identity = abs(right - entry.homogeneous) / entry.rounding
            most, where = best[0, j], place[0, j]
            best[0, j] = max(most, by_step)
            place[0, j] = row if by_step > most else where
            most, where = best[1, j], place[1, j]
            best[1, j] = max(most, by_difference)
            place[1, j] = row if by_difference > most else where
            most, where = best[2, j], place[2, j]
            best[2, j] = max(most, by_identity)
            place[2, j] = row if by_identity > most else where
            of[POISON, j] += by_step + by_difference + by_identity
        for j in range(_width(at, k)):
            p, step = pi[k, j], -of[ETA, j] * gradient[k, j]
            weight = p * _expm1(step)
            sums[0, j] += weight
            if q is not None:
                sums[1, j] += weight * u[k, j]
                sums[2, j] += (weight + p) * step
            if y is not None:
                sums[3, j] += y[k, j] * step
        _carry(sums, 4, stack, k)
    _collect(sums, 4, stack, at)


@inlined
def _descent(given, q, y, zeta, of, sums):
    """How the loss changes by that step beside what its gradient says."""
    for j in range(LANES):
        weight = None if zeta is None else of[ZETA, j]
        reward = None if q is None else sums[1, j]
        entropy = None if q is None else sums[2, j]
        alpha, fall, size = of[ALPHA, j], of[FALL, j], of[SIZE, j]
        change = loss.change_of_all(
            sums[0, j], reward, entropy, alpha, of[TOTAL_Y, j], weight, of[LOGSUMEXP, j]
        )
        if y is not None:
            change -= sums[3, j]
        rounding = U * family.of_change(
            given.n, of[TOTAL, j], abs(alpha), of[LOOSE, j], of[LONGEST, j]
        )
        within, scale = oracles.of_fall(fall, of[ETA, j], rounding, size, size / of[Z, j])
        of[FOUND, j], of[IDENTITY, j], of[TOLERANCE, j], of[SCALE, j] = change, fall, within, scale


@inlined
def _compare(at, of, c, worst, resolution):
    """Compare what each state has one number of."""
    for j in range(1 if at.is_wide else at.width):
        found, expected, within = of[FOUND, j], of[IDENTITY, j], of[TOLERANCE, j]
        ratio = abs(found - expected) / within
        of[POISON, j] += ratio
        resolution[c - 1, at.first + j] = within / of[SCALE, j]
        if ratio > worst[c, 0]:
            _note(worst, c, ratio, at.first + j, -1, found, expected, within)


@inlined
def _note(worst, c, ratio, state, action, found, expected, within):
    worst[c, 0], worst[c, 1], worst[c, 2] = ratio, state, action
    worst[c, 3], worst[c, 4], worst[c, 5] = found, expected, within


@inlined
def _worst(given, at, reach, q, y, zeta, z, pi, u, gradient, sizes, of, best, place, worst):
    """Keep the worst entry of each comparison by entry, the first of several."""
    for c in range(3):
        lane = 0
        for j in range(1, at.width):
            is_before = at.is_wide and place[c, j] < place[c, lane]
            if best[c, j] > best[c, lane] or (best[c, j] == best[c, lane] and is_before):
                lane = j
        ratio = best[c, lane] * (0.5 / U)
        if ratio > worst[c, 0]:
            k = int(place[c, lane])
            entry = _entry(
                reach, given.parts, z[k, lane], pi[k, lane],
                None if q is None else u[k, lane],
                None if y is None else y[k, lane], None if y is None else sizes[k, lane],
                of[ALPHA, lane], of[TOTAL_Y, lane], None if zeta is None else of[ZETA, lane],
                of[LOGSUMEXP, lane], of[BESIDE, lane], of[OWN, lane], of[SHARED, lane],
                of[UNDERFLOW, lane], of[DOUBLED, lane],
            )  # fmt: skip
            expected, bound = entry.homogeneous, entry.rounding
            if c == 0:
                expected, bound = entry.complex_step, entry.routes
            elif c == 1:
                expected, bound = entry.central_difference, entry.routes
            state = at.first if at.is_wide else at.first + lane
            action = k * LANES + lane if at.is_wide else k
            _note(worst, c, ratio, state, action, gradient[k, lane], expected, 2.0 * U * bound)


@_kept
def sweep(
    given, logits, q, alpha, zeta, index, dense, uniform, chosen,
    z, pi, u, gradient, y, sizes, stack, resolution, worst,
):  # fmt: skip
    """Run the checks of every entry over the states of a block, a tile at a time.

    Return how many weights are not 0, and a number that is finite unless something was not.
    """
    of, sums = _state_of_lanes(), _sums_of_lanes()
    best, place = _sums_of_lanes(), _sums_of_lanes()
    log_actions = np.log(given.actions)
    reach = given.n + 8.0 + given.parts + log_actions
    first, live, poison = 0, 0.0, 0.0
    while first < given.rows:
        if given.is_wide:
            states, rows = 1, (given.actions + LANES - 1) // LANES
            last = given.actions - (rows - 1) * LANES
            width = min(LANES, given.actions)
            at = Where(first, first * given.actions, LANES, rows, width, last, True)
        else:
            states = min(LANES, given.rows - first)
            at = Where(first, first, given.rows, given.actions, states, states, False)
        live += _softmax(at, logits, z, pi, of, sums, stack)
        if zeta is not None:
            _by_state(of, ZETA, zeta, at)
        if y is not None:
            _weigh(at, logits, y, sizes, index, dense, uniform, chosen)
            _sum_y(at, y, sizes, sums, stack)
        _linear(of, sums, y, zeta)
        _by_state(of, ALPHA, alpha, at)
        _soft(at, q, z, pi, u, gradient, of, sums, stack)
        _sizes(at, reach, q, y, z, pi, u, gradient, of, sums, stack)
        _bounds(given, reach, log_actions, q, y, zeta, of, sums)
        _compare(at, of, 3, worst, resolution)
        _routes(
            given, at, reach, q, y, zeta, z, pi, u, gradient, sizes, of, sums, stack, best, place
        )
        _worst(given, at, reach, q, y, zeta, z, pi, u, gradient, sizes, of, best, place, worst)
        _descent(given, q, y, zeta, of, sums)
        _compare(at, of, 4, worst, resolution)
        for j in range(states):
            resolution[0, first + j], resolution[1, first + j] = of[RELATIVE, j], of[ROUTES, j]
        for j in range(at.width):
            poison += of[POISON, j]
        first += states
    return live, poison
