"""Whether the checks of every logit run compiled, and what the compiled loop has found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, log, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from softcheck.checks import loops
from softcheck.checks.dumps import Sides, coarse_factor, compare_sides, divided_beyond, judged
from softcheck.checks.evaluation import Evaluation
from softcheck.checks.lanes import (
    LANES,
    LEVELS,
    NEAR,
    RESOLUTIONS,
    SUMS,
    TERMS,
    Coefficients,
    Dumped,
    Given,
    LaidOut,
    Received,
    Weighed,
    Weights,
    fields,
)
from softcheck.checks.moments import (
    BINS,
    GROUP,
    NORMALISERS,
    SIGNED,
    Classes,
    Layout,
    Moments,
    Sums,
    like_others,
)
from softcheck.checks.oracles import METHODS, TWICE, about_sum, of_coefficient
from softcheck.checks.tally import BINS as OF_RESOLUTION
from softcheck.checks.tally import DECADES, Histogram, Spot, Tally, in_decades
from softcheck.gradient.definition import Variant
from softcheck.gradient.family import Family
from softcheck.gradient.policy import (
    LONG,
    Array,
    Block,
    Entries,
    Flags,
    PerState,
    Policy,
    Quantity,
    States,
    Target,
)
from softcheck.gradient.tolerance import U, of_sum, summation
from softcheck.settings import KernelChoice

SWEEP = loops.Loop("softcheck.checks.fused", "sweep")
LAY_OUT = loops.Loop("softcheck.checks.fused", "lay_out")
WEIGH = loops.Loop("softcheck.checks.weighing", "weigh")

PAYS, PAYS_REPEATED = 2**24, 2**21
"""From so many entries on, to compile a form pays after some twenty runs, for which it is kept; and
where they may repeat, to compile the search for those that differ after four."""

UNKNOWN = "the loss is not linear in pi, pi log pi, log pi and logsumexp squared"
"""Why not all of a loss is compiled."""

BLOCKS = 8
"""So many blocks are one: what is done once a block takes as long as the loop over a small one."""

_FEW = 64
"""Of so few states, or of one in so many, NumPy says what is wrong."""


class Chosen(NamedTuple):
    """What of a case is to run compiled, and why not all of it.

    Attributes
    ----------
    sweeps : bool
        The loop over all entries.
    shortens : bool
        The search for those that differ.
    failure : str
    """

    sweeps: bool = False
    shortens: bool = False
    failure: str = ""


def chosen(kernel: KernelChoice, entries: int, variant: Variant, *, may_repeat: bool) -> Chosen:
    """Return what of a case of so many entries is to run compiled."""
    if kernel == "numpy":
        return Chosen()
    if missing := loops.missing():
        return Chosen(failure=missing)
    is_asked, is_known = kernel == "compiled", variant.family is not None
    failure = "" if is_known else UNKNOWN
    sweeps = is_known and (is_asked or entries >= PAYS)
    return Chosen(sweeps, may_repeat and (is_asked or entries >= PAYS_REPEATED), failure)


class Found(NamedTuple):
    """What the loop found in a block.

    Attributes
    ----------
    tallies : dict of check to Tally
        Of the oracles, and of the dumped gradient.
    moments : Moments or None
        Of that gradient.
    failure : str
        Why the loop did not run, where it was to run.
    checked : Evaluation or None
        The block once its tables were checked, where that was left to the loop, and they had to be.
    """

    tallies: dict[str, Tally]
    moments: Moments | None = None
    failure: str = ""
    checked: Evaluation | None = None


def found(e: Evaluation) -> Found:
    """Return the outcome of checks in a block that is ordinary, or nothing.

    An oracle that fails or is blind is left to NumPy, and so is what is not finite, or not clear.
    """
    kernel = e.kernel
    if not (e.context.is_compiled and isinstance(kernel, Family)):
        return Found({}, checked=None if e.checked is None else e.checked())
    dump = _dump(e, kernel)
    swept, failure = _swept(e, dump)
    sound, right, live_of_dump, blind, largest, live, states, _ = swept.sums.tolist()
    if e.checked is not None and (failure or not isfinite(sound)):
        checked = e.checked()
        return found(checked)._replace(checked=checked)
    if failure:
        return Found({}, failure=failure)
    worst = swept.worst
    if not (isfinite(sound) and worst[:5, 0].max() <= 1.0 and swept.resolution[:-1].max() < 1.0):
        return Found({})
    *counts, seen = swept.histograms
    tallies = _oracles(e, counts, worst, int(live))
    if any(tally.failed for tally in tallies.values()):
        return Found({})
    if dump.dump is None or not isfinite(right):
        return Found(tallies)
    tally = _tally(e, e.block.rows * e.actions, int(live_of_dump), seen, worst[-1])
    tally.blind = int(blind)
    if swept.above.any() and not _tell(e, dump.dump, swept, tally):
        return Found(tallies)
    classes = Classes(int(states), swept.seen, swept.normalisers)
    made = Moments.of_sums(e, _sums(e, swept), classes, signed=largest > SIGNED)
    if dump.alike is not None:
        made.alike = dump.alike
    return Found(tallies | {"gradient": tally}, made)


def _sums(e: Evaluation, swept: Received) -> Sums:
    """Return the sums over states of the groups that the loop has added up."""
    sums, group = Sums(swept.products.shape[1]), e.start // GROUP
    ended, left = divmod(e.start % GROUP + e.block.rows, GROUP)
    whole = int(e.start % GROUP > 0)
    if whole and ended:
        sums.add_part(group, swept.ends[0])
    sums.add_groups(group + whole, swept.products[whole:ended])
    if left:
        sums.add_part(group + ended, swept.ends[1])
    return sums


def _oracles(
    e: Evaluation, counts: Sequence[Histogram], worst: Array, live: int
) -> dict[str, Tally]:
    """Return the tallies of what `lanes.Received` has of the oracles."""
    formula, routes, sums_seen, descent = counts
    step, difference, twice, total, fall, _ = worst
    rows, entries = e.block.rows, e.legal_entries
    sums = _tally(e, rows, rows, sums_seen, total, about_sum(e))
    if e.block.soft:
        sums.merge(_tally(e, entries, live, formula, twice, TWICE))
    tallies = {
        "complex-step": _tally(e, entries, live, routes, step),
        "central-difference": _tally(e, entries, live, routes.copy(), difference),
        "invariants": sums,
        "descent": _tally(e, rows, rows, descent, fall),
    }
    for name, method in METHODS.items():
        tallies[name].merge(of_coefficient(e, method))
    return tallies


def _tell(e: Evaluation, dump: Dumped, swept: Received, tally: Tally) -> bool:
    """Say what is wrong of a dump; return whether that can be, as few states have the worst of it.

    Of these it is NumPy that says it, so that findings have one origin.
    """
    number, ratio, error, sure = swept.wrong[:, : int(swept.sums[-1])]
    least = np.sort(ratio)[-e.context.limit :][0] * (1.0 - NEAR) - 2.0 * dump.slack
    is_worst = (ratio >= max(least, 1.0)) | (error >= sure.max() * (1.0 - NEAR))
    states = number[is_worst].astype(np.intp)
    if e.anew is None or states.size > max(_FEW, e.block.rows // _FEW):
        return False
    (some,) = e.anew(states)
    told = compare_sides(some, judged(some, "gradient")[0])
    told.relocate(lambda spot: spot._replace(state=e.start + int(states[spot.state or 0])))
    tally.spots, tally.largest = told.spots, told.largest
    tally.failed, tally.decades = int(swept.above[0]), in_decades(swept.above)
    return True


def _tally(
    e: Evaluation, entries: int, live: int, counts: Any, spot: Any, about: str = ""
) -> Tally:
    """Return a tally of a comparison without a failure."""
    ratio, state, action, actual, expected, tolerance = spot.tolist()
    where = e.start + int(state), None if action < 0 else int(action)
    worst = Spot(ratio, *where, actual, expected, tolerance, about)
    return Tally(e.context.limit, entries=entries, live=live, spots=[worst], histogram=counts)


class _Dump(NamedTuple):
    """A dump, its terms and their errors as the loop takes them."""

    dump: Any = None
    one: Any = None
    other: Any = None
    rough: Any = None
    alike: Any = None


def _swept(e: Evaluation, dump: _Dump) -> tuple[Received, str]:
    """Run the loop; return what it has filled in, and why it did not run."""
    rows, layout = e.block.rows, Layout(_terms(e))
    columns = 0 if dump.dump is None else layout.lost.stop
    groups = 1 + (e.start % GROUP + rows) // GROUP
    shapes = {"window": (columns, GROUP + LANES), "wrong": (4, rows)}
    window, wrong = (
        e.buffers(f"swept.{name}", (1, prod(shape))).reshape(shape)
        for name, shape in shapes.items()
    )
    received = Received(
        np.zeros(RESOLUTIONS),
        np.zeros((RESOLUTIONS, OF_RESOLUTION), np.int64),
        np.full((6, 6), -1.0),
        window,
        np.empty((groups, layout.moments.stop, columns)),
        np.zeros((2, columns, GROUP)),
        np.zeros(BINS, np.bool_),
        np.zeros(NORMALISERS, np.intp),
        wrong,
        np.zeros(DECADES, np.int64),
        np.zeros(8),
    )
    return received, SWEEP(*_block(e), *dump, *_room(e, dump.dump), received)


def _block(e: Evaluation) -> tuple[Any, ...]:
    """Return a block as the loops take it."""
    block, target = e.block, e.block.target
    entries, rows = block.logits.shape
    n = summation(e.actions)
    parts, roundings, y, index = 0, 0.0, None, None
    if target is not None:
        parts, roundings, index = target.parts + 1, of_sum(target, n), target.index
        dense = None if target.dense is None else _flat(target.dense)
        y = Weights(dense, target.uniform, target.chosen, target.of_chosen)
    return (
        Given(
            e.actions,
            log(e.actions),
            entries,
            rows,
            entries >= LONG,
            LANES,
            n,
            parts,
            roundings,
            e.checked is not None,
            e.start % GROUP,
        ),
        _flat(block.logits),
        None if block.repeats is None else _flat(block.repeats.counts),
        None if e.legal is None else _flat(~e.legal),
        _flat(block.q) if block.soft else None,
        block.alpha,
        block.zeta,
        y,
        index,
    )


def _room(e: Evaluation, dump: Dumped | None) -> tuple[Array, Array]:
    """Return what the loops work in: a tile, and the sums that are put aside."""
    entries = len(e.block.logits)
    needed = fields(
        dumped=dump is not None,
        has_y=e.block.target is not None,
        masked=e.legal is not None,
        counted=e.block.repeats is not None,
    )
    rows = -(-entries // LANES) if entries >= LONG else entries
    shapes = {"tile": (rows, needed * LANES), "aside": (LEVELS, SUMS * LANES)}
    tile, aside = (e.buffers(name, (1, prod(of))).reshape(of) for name, of in shapes.items())
    return tile, aside


def _terms(e: Evaluation) -> int:
    """Return how many terms the gradient of a loss is fitted to."""
    return max(1, 0 if e.context.loss is None else len(e.context.loss.summands))


def _dump(e: Evaluation, kernel: Family) -> _Dump:
    """Return the dumped gradient as the loop takes it, or nothing if there is none it knows."""
    dump, block = e.dumps.get("gradient"), e.block
    if dump is None or e.context.frame is not None or dump.decimal or coarse_factor(e).any():
        return _Dump()
    rough = kernel.rough
    of_q_or_y = rough is not None and (
        rough.q is not None or (rough.target is not None and rough.target.dense is not None)
    )
    terms = [_coefficients(block, each) for each in block.summands]
    if of_q_or_y or _terms(e) > TERMS or any(term is None for term in terms):
        return _Dump()
    computed, stored, like = dump.computed, dump.stored, like_others(e)
    is_coarser = stored.unit > computed.unit
    one, other, *_ = (*terms, None, None)
    given = Dumped(
        _flat(dump.values),
        computed.unit,
        computed.underflow,
        computed.tolerated,
        computed.factor,
        stored.unit if is_coarser else 0.0,
        computed.underflow_as(stored),
        dump.factor,
        4.0 * U / (dump.factor * computed.tolerated),  # each is off by less than its bounds
        e.factor,
        divided_beyond(e),
        float(like.beside[0]),
        like.scaled,
    )
    return _Dump(
        given,
        one,
        other,
        None if rough is None else _by_state(None, rough.alpha, rough.target, rough.zeta),
        np.zeros((_terms(e), 2 * BINS)) if like.is_coarse else None,
    )


def _coefficients(block: Block, term: Block) -> Coefficients | None:
    """Return what a term has of the coefficients of its loss, or None if those are other ones."""
    target, has_q = term.target, term.soft and any(term.q.strides)
    if (has_q and term.q is not block.q) or (target is not None and target.dense is not None):
        return None
    return _by_state(np.full(1, float(has_q)), term.alpha, target, term.zeta)


def _by_state(
    q: PerState | None, alpha: PerState | None, target: Target | None, zeta: PerState | None
) -> Coefficients:
    """Return coefficients of one number a state."""
    of_y = None if target is None else _side_by_side(target.uniform, target.chosen)
    return Coefficients(_side_by_side(q, alpha, zeta), of_y)


def _side_by_side(*given: PerState | None) -> Array:
    """Return numbers of states as rows of one array; None is 0."""
    none = np.zeros(1)
    return np.array(np.broadcast_arrays(*(none if x is None else x for x in given)))


def _flat(x: Quantity | Flags) -> Any:
    """Return the entries of a block, those of a state side by side.

    They may be those of a file: none is to be written to, and so one form is compiled of any.
    """
    flat = x.ravel(order="F").view()
    flat.flags.writeable = False
    return flat


Ranges: TypeAlias = dict[str, tuple[float, float]]
"""The least and the largest of pi and |q| over wrong entries, and of the entropy over their states;
nothing where none is."""


class WhereWrong(NamedTuple):
    """Where a dump is wrong, state by state.

    Attributes
    ----------
    number : States
        At how many actions it is.
    sums : Flags, shape (rows,)
        Whether its entries do not sum to 0 within their tolerances.
    """

    number: States
    sums: Flags


class Laid(NamedTuple):
    """A block as NumPy takes it, with its policy, and its dump beside the right gradient.

    Attributes
    ----------
    e : Evaluation
    sides : Sides
        What `dumps.bounded` returns.
    error : Entries
        Of these.
    wrong : WhereWrong or None
        None if some of it may be right by what it is allowed: see `dumps.allowed`.
    ranges : Ranges
    """

    e: Evaluation
    sides: Sides
    error: Entries
    wrong: WhereWrong | None
    ranges: Ranges


_OF_POLICY = "q", "z", "pi", "g", "scale"
_OF_DUMP = "actual", "expected", "tolerance", "error"


class _Filled(NamedTuple):
    """What the loop has laid out: arrays by name, and what it has of each state."""

    made: dict[str, Entries]
    states: Array
    wrong: Array
    is_settled: bool


def _filled(e: Evaluation, names: Mapping[str, str]) -> _Filled | None:
    """Have the loop lay out some of what it can, each in the buffer that `names` says.

    It is None where the loop does not know its loss or its dump, or finds it out of the ordinary.
    """
    kernel, shape = e.kernel, e.block.logits.shape
    given = _dump(e, kernel) if isinstance(kernel, Family) else _Dump()
    if given.dump is None:
        return None
    made = {name: e.buffers.over(None)(buffer, shape) for name, buffer in names.items()}
    states, wrong, sums = np.empty((5, shape[1])), np.empty((8, shape[1])), np.zeros(2)
    *fields, _, _, _ = LaidOut._fields
    flat = {name: made[name].ravel(order="K") if name in made else np.empty(0) for name in fields}
    found = LaidOut(**flat, states=states, wrong=wrong, sums=sums)
    failure = LAY_OUT(*_block(e), given.dump, given.rough, *_room(e, given.dump), found)
    return None if failure or not isfinite(sums[0]) else _Filled(made, states, wrong, not sums[1])


def laid_out(e: Evaluation, *, whole: bool = True) -> Laid | None:
    """Lay a block out that is as the loop takes it; None where `_filled` is.

    Unless it is to be `whole`, it has no policy, and no scale, where nothing has to be allowed.
    """
    block, dump, shape = e.block, e.dumps.get("gradient"), e.block.logits.shape
    lies_so = len(block.logits) >= LONG
    omitted = {"q": lies_so or not block.soft, "actual": lies_so, "g": not block.soft}
    names = (*_OF_POLICY, *_OF_DUMP) if whole else _OF_DUMP
    found = _filled(e, {name: f"laid.{name}" for name in names if not omitted.get(name)})
    if dump is None or found is None:
        return None
    if not (found.is_settled or whole):
        return laid_out(e)
    made, (highest, log_Z, depth, live, value), wrong, is_settled = found
    values = made.get("actual", dump.values)
    laid = replace(
        e,
        block=replace(block, q=made.get("q", block.q)),
        dumps={**e.dumps, "gradient": replace(dump, values=values)},
        buffers=e.buffers.over(None),
    )
    Evaluation.live_entries.put(laid, int(live.sum()))
    if whole:
        policy = Policy(
            made["z"],
            made["pi"],
            highest,
            log_Z,
            depth,
            bool((live < len(block.logits)).any()),
            live.astype(np.intp),
            made.get("g", np.broadcast_to(value, shape)),
            value,
        )
        Family.policy.put(laid.kernel, policy)
    scale = made.get("scale", np.broadcast_to(np.nan, shape))
    sides = Sides(values, made["expected"], made["tolerance"], scale)
    number, total, within, of_z, *ends = wrong
    where = WhereWrong(number, np.abs(total) > within) if is_settled else None
    return Laid(laid, sides, made["error"], where, _ranges(number > 0.0, ends, log_Z - of_z))


def tolerance_of(e: Evaluation, buffer: str) -> Entries | None:
    """Return the tolerance of a dumped gradient that `dumps.bounded` has, in an array of a name.

    The block is as the loop takes it; it is None where `_filled` is.
    """
    found = _filled(e, {"tolerance": buffer})
    return None if found is None else found.made["tolerance"]


def _ranges(rows: Flags, ends: Sequence[States], entropy: States) -> Ranges:
    """Return the ranges over the states where a dump is wrong, from those of their entries."""
    if not rows.any():
        return {}
    least_pi, most_pi, least_q, most_q, entropy = (each[rows] for each in (*ends, entropy))
    named = ("pi", least_pi, most_pi), ("|Q|", least_q, most_q), ("entropy", entropy, entropy)
    return {name: (float(least.min()), float(most.max())) for name, least, most in named}


def weighed(
    right: Sides,
    numbers: Sequence[float],
    values: Sequence[Entries],
    of: Sequence[Entries],
    unit: float,
    fixed: Entries,
) -> Weighed | None:
    """Return how near a dump is to sum_k x_k v_k, or None where that is not compiled.

    Parameters
    ----------
    right : Sides
        The dump beside the right gradient.
    numbers : sequence of float
        One or two x_k, not all of them 0.
    values, of, unit, fixed
        v_k, and how that sum rounds: see `columns.Rounds`.
    """
    arrays, first = [*right[:3], *values, *of], values[0]
    if len(values) > 2 or not any(numbers) or any(fixed.strides):
        return None
    lie_alike = len({(x.shape, x.strides, x.dtype) for x in arrays}) == 1
    if not (lie_alike and (first.flags.c_contiguous or first.flags.f_contiguous)):
        return None
    flat = [each.ravel(order="K") for each in arrays]
    for each in flat:
        each.flags.writeable = False  # so that one form is compiled
    columns = zip(flat[3 : 3 + len(of)], flat[3 + len(of) :], strict=True)
    one, other, *_ = (*columns, None)
    x, y, *_ = (*map(float, numbers), 0.0)
    found = np.zeros(len(Weighed._fields))
    failure = WEIGH(*flat[:3], one, other, x, y, unit, float(fixed.flat[0]), LANES, found)
    return None if failure else Weighed(*found.tolist())
