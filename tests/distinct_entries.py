"""Random tables of 16-bit logits with every action, and with the entries that differ.

A third of the gradients are wrong.

python tests/distinct_entries.py COUNT SEED
"""

import sys
from collections import Counter
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from compiled_kernel import DTYPES, agree_on_fit, room_of_ratio

from softcheck.checks import blocks, compiled, distinct, dumps, every, moments
from softcheck.checks.evaluation import Context
from softcheck.diagnosis.hypothesis import Coarse, Hypothesis, judge, predict
from softcheck.diagnosis.mistakes.order import SHIFTED_ACTIONS
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.read_off import CLIPPED_GRADIENT, SCALED_BY_STATE
from softcheck.diagnosis.mistakes.record import Formula
from softcheck.diagnosis.mistakes.weights import WEIGHTS_IGNORED
from softcheck.diagnosis.of_loss import of_program
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.sieve import fit, reproduces
from softcheck.diagnosis.states import part
from softcheck.diagnosis.view import View
from softcheck.gradient.definition import Kind
from softcheck.gradient.held import Held
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import Precision, U
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared

LOSSES = "cross-entropy", "reinforce", "entropy", "grpo", "ppo-clip"


def cases(count, seed, losses=LOSSES):
    """Yield cases of few different logits, and how they are verified."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        loss = load(str(generator.choice(losses)))
        variant = loss.variants[0]
        actions = int(generator.choice([64, 255, 256, 300, 1000, 5000]))
        rows = int(generator.integers(1, 9))
        few = max(1, min(actions // distinct.SHARE // 4, int(10.0 ** generator.uniform(0, 3))))
        dtype = DTYPES[str(generator.choice(["bfloat16", "float16"]))]
        scale = 10.0 ** generator.uniform(-2, 2, (rows, 1))
        values = scale * generator.normal(size=(rows, few))
        values += generator.choice([0.0, -30.0, 1e3], (rows, 1))
        which = generator.integers(few, size=(rows, actions))
        which[:, :few] = np.arange(few)
        logits = np.take_along_axis(values, which, axis=1).astype(dtype)
        if few > 2 and generator.random() < 0.4:
            logits[which == 1] = -np.inf
        chosen = [int(generator.choice(np.flatnonzero(np.isfinite(row)))) for row in logits]
        arrays = {"logits": logits}
        for given in variant.givens:
            if given.kind is Kind.INDEX:
                arrays[given.name] = np.array(chosen)
            elif given.kind is Kind.STATE:
                arrays[given.name] = generator.normal(size=rows)
            elif given.default is None or generator.random() < 0.5:
                arrays[given.name] = abs(float(generator.normal()))
        if generator.random() < 0.3:
            arrays["weights"] = generator.choice([0.0, 1.0, 2.0], rows)
        settings = Settings(
            reduction=str(generator.choice(["sum", "mean"])),
            compute_dtype=generator.choice(["float32", None]),
        )
        if generator.random() < 0.9:
            arrays["grad"] = right(arrays, loss, settings, which, generator)
            if generator.random() < 0.4:
                spoil(arrays["grad"], generator)
        yield case_from_arrays(arrays, declared=Declared(loss)), settings


def right(arrays, loss, settings, which, generator):
    """Return the gradient of a case with what its precisions round, alike where entries are."""
    dtype = arrays["logits"].dtype
    zero = arrays | {"grad": np.zeros_like(arrays["logits"])}
    e = whole(case_from_arrays(zero, declared=Declared(loss)), settings)
    computed = e.dumps["gradient"].computed
    with np.errstate(all="ignore"):
        of_value = generator.choice([-0.5, 0.0, 0.5], (len(which), which.max() + 1))
        noise = 1.0 + computed.unit * np.take_along_axis(of_value, which, axis=1).T
        values = e.gradient * e.factor * noise
        wide = generator.random() < 0.2 and settings.compute_dtype is not None
        return values.T.astype(np.float32 if wide else dtype)


def spoil(grad, generator):
    """Make a gradient wrong in one way or another."""
    dtype, rows = grad.dtype.type, generator.random(len(grad)) < 0.5
    row, action = (int(generator.integers(size)) for size in grad.shape)
    match generator.integers(7):
        case 0:
            grad *= dtype(generator.choice([-1.0, 3.0, 1.02]))
        case 1:
            grad[rows] *= dtype(-1.0)
        case 2:
            grad[row] = 0.0
        case 3:
            grad[row, action] += dtype(generator.choice([1e-3, 1.0]))
        case 4:
            grad[row, grad[row] == grad[row, action]] = generator.choice([np.nan, np.inf, -np.inf])
        case 5:
            grad[:] = np.roll(grad, 1, axis=1)
        case 6:
            grad[row, : action // 8] = generator.choice(grad[row], action // 8)


def whole(case, settings):
    """Return the evaluation of a case as one block."""
    (raw,) = case.blocks(case.states)
    return blocks.evaluation(
        case, raw, settings, context_of(case, settings), Buffers(), blocks.Masking()
    )


def shortened(case, settings, *, is_compiled=False):
    """Return the evaluation of its entries that differ, or None where these are too many."""
    (raw,) = case.blocks(case.states)
    assert distinct.may_repeat(case, settings)
    found = distinct.distinct(case, raw)
    if found is None:
        return None
    context = replace(context_of(case, settings), is_compiled=is_compiled)
    return blocks.evaluation(case, found.raw, settings, context, Buffers(), blocks.Masking(), found)


def context_of(case, settings):
    """Return what is the same for every block."""
    sample = [(0, 0.3), (case.states - 1, 0.9)]
    reduction = blocks.reduction_of(case, settings)
    loss = blocks.loss_of(case)
    return Context(case.states * case.actions, 5, 0, 0, sample, reduction, loss)


def agree(case, settings, *, is_compiled=False):
    """Compare what is found either way; return whether entries were few enough."""
    short = shortened(case, settings, is_compiled=is_compiled)
    if short is None:
        return False
    long = whole(case, settings)
    assert len(short.block.logits) < len(long.block.logits)
    ours, theirs = every.run(short), every.run(long)
    is_right = not any(tally.failed for tally in theirs.tallies.values())
    has_numbers = more_than_rounding(long).all()
    if is_compiled and is_ordinary(long, theirs) and has_numbers:
        by_loop = compiled.found(shortened(case, settings, is_compiled=True)).tallies
        assert by_loop.keys() >= OF_THE_LOOP
    if ours.moments is not None:
        of = shortened(case, settings), long, ours.moments, theirs.moments
        agree_on_moments(*of, is_told=is_right and has_numbers)
    agree_on_suspects(long, [*ours.sample, *ours.suspects.values()])
    # Where a minimum is of two that are the same but for rounding, either may be taken, and one
    # has at most twice the bound of the other.
    is_held = isinstance(long.kernel, Held)
    held = long.kernel.of_coefficient if is_held else np.zeros_like(long.gradient)
    bins, apart = (1, 1e-9) if case.variant.family and not is_held else (16, 1.0)
    of_case = case.scalars
    ours, theirs = (every.outcome(each, long.context, of_case) for each in (ours, theirs))
    assert ours.keys() == theirs.keys()
    with np.errstate(all="ignore"):
        sides = {
            "complex-step": long.kernel.complex_step,
            "central-difference": long.kernel.central_difference,
        }
        for name, found in ours.items():
            other, (spot, *_) = theirs[name], found.spots
            if is_right or name not in {"gradient", "fit"}:
                assert found.failed == other.failed == 0
            # The exact check looks at the worst entry of each other one; and what is fitted to a
            # wrong gradient may be told, or not.
            if name == "exact" or (name == "fit" and not is_right):
                continue
            assert (found.entries, found.live, found.blind) == (
                other.entries, other.live, other.blind,
            ), name  # fmt: skip
            if name != "fit":
                assert shifted(found.histogram, other.histogram, bins)
            at = spot.action, spot.state
            if name in sides and spot.action is not None:
                value, error = sides[name]()
                each = long.bounds.rounding.each
                assert abs(spot.expected - value[at]) <= 2.0 * U * (error.each + held)[at]
                assert abs(spot.actual - long.gradient[at]) <= 2.0 * U * (each + held)[at]
                assert near(spot.tolerance, 2.0 * U * error.each[at], apart)
        if "gradient" in ours:
            agree_on_gradient(long, ours["gradient"], theirs["gradient"])
    return True


def agree_on_moments(short, long, ours, theirs, *, is_told):
    """Compare what a dump tells of the terms, if it does."""
    assert ours.skipped == theirs.skipped
    if not is_told:
        return
    beside = apart_of_tolerances(short, long)
    agree_on_fit(long, ours, theirs, beside)
    of_digits, of_pi = np.split(ours.alike - theirs.alike, 2, axis=1)
    # A unit for each; pi may round to the other side of a limit.
    units = (1.0 + 2.0 * beside * moments.CLIPPED / moments.STEP) * long.gradient.size
    assert (np.abs(of_digits).sum(axis=1) <= units).all()
    assert (np.abs(of_pi.sum(axis=1)) <= units).all()


def agree_on_gradient(long, found, other):
    """Compare which entries are wrong, but for those that are as far off as is just right."""
    sides = dumps.sides(long, "gradient")
    ratio = np.abs(sides.ratio(np.empty_like(sides.expected)))
    room = 1e-5 + room_of_ratio(long)
    edge = int(np.count_nonzero(np.abs(ratio - 1.0) < room))
    assert abs(found.failed - other.failed) <= edge
    assert np.abs(found.decades - other.decades).sum() <= 2 * np.count_nonzero(
        np.abs(np.log10(ratio) - np.round(np.log10(ratio))) < room
    )
    assert sum(map(abs, np.subtract(found.needed, other.needed))) <= edge
    if not (found.failed or other.failed):
        (spot, *_), (its, *_) = found.spots, other.spots
        assert abs(spot.ratio - its.ratio) <= 1e-9 + room_of_ratio(long)
        assert near(spot.tolerance, sides.tolerance[spot.action, spot.state], 1e-5)
        return
    assert len(found.spots) == len(other.spots)
    for mine, its in zip(found.spots, other.spots, strict=True):
        assert np.isclose(mine.ratio, its.ratio, rtol=room, equal_nan=True)
        at = mine.action, mine.state
        assert mine.ratio < np.inf or at == (its.action, its.state)
        assert np.isclose(mine.actual, sides.actual[at], rtol=0.0, equal_nan=True)
        assert np.isclose(mine.ratio, ratio[at], rtol=room) or np.isnan(ratio[at])
    places = [(spot.state, spot.action) for spot in found.spots]
    assert len({*places}) == len(places)
    assert (found.largest is None) == (other.largest is None)
    if found.largest is not None:
        mine, its = (each.largest.actual - each.largest.expected for each in (found, other))
        assert np.isclose(abs(mine), abs(its), rtol=1e-9)


def agree_on_diagnosis(case, settings):
    """Compare what a diagnosis makes of entries with what it makes of every action.

    Returns
    -------
    bool
        Whether there is anything to compare.
    """
    (raw,) = case.blocks(case.states)
    found = distinct.distinct(case, raw) if "grad" in case.tables else None
    if found is None:
        return False
    of_case = part(case, settings, 0, [0]).shared
    view = View.of(found.raw, np.arange(case.states), of_case, Buffers(), found)
    whole = view.entire
    assert whole.p.shape == (case.actions, case.states)
    assert len(view.p) < case.actions
    with np.errstate(all="ignore"):
        room = apart_of_tolerances(view.e, whole.e) + room_of_ratio(whole.e) + 1e-9
        actual, expected, tolerance, _ = whole.right
        ratio = np.abs(actual - expected) / tolerance
    limits = (ratio, 1.0), (ratio, 0.5), (tolerance, expected)
    if any(is_near(*each, room) for each in limits) or not more_than_rounding(whole.e).all():
        return False
    ours, theirs = (asdict(Profile.of(each)) for each in (view, whole))
    np.testing.assert_array_equal(ours.pop("by_action"), theirs.pop("by_action"))
    assert digits(ours) == digits(theirs)
    as_program = Formula(partial(of_program, slope=case.variant.slope))
    hypotheses = [*HYPOTHESES, Hypothesis(as_program, (-1.0,))]
    if "weights" in case.tables:
        hypotheses += [Hypothesis(formula, (1.0,)) for formula in WEIGHTS_IGNORED.formulas]
    for made in hypotheses:
        of_whole = predict(whole, made)
        with np.errstate(all="ignore"):
            ratio = np.abs(whole.grad - of_whole.value) / of_whole.tolerance
        if is_near(ratio, 1.0, room):
            continue
        seen = made.formula.sees(view)
        assert reproduces(seen, predict(seen, made)) == reproduces(whole, of_whole)
        ours, theirs = (judge(each, made) for each in (view, whole))
        for name in ("entries", "failed", "mended", "long", "zero", "inexact", "nonzero", "full"):
            assert getattr(ours, name) == getattr(theirs, name), (made.names, name)
        for name in ("bits", "left", "right", "size", "grain", "off"):
            mine, its = getattr(ours, name), getattr(theirs, name)
            assert np.isclose(mine, its, rtol=1e-6 + 4.0 * room, atol=1e-6), (made.names, name)
    with np.errstate(all="ignore"):
        ours, theirs = (fit(each, RIGHT.columns(each)) for each in (view, whole))
    assert (ours is None) == (theirs is None)
    if ours is not None and ours.informed:
        assert ours.entries == theirs.entries
        assert np.isclose(ours.x, theirs.x, rtol=1e-6 + room)
        assert np.isclose(ours.misfit, theirs.misfit, rtol=1e-6 + 4.0 * room, atol=1e-6)
    return True


HYPOTHESES = [
    *(Hypothesis(RIGHT, (x,)) for x in (1.0, -1.0, 3.0)),
    Hypothesis(RIGHT, (-1.0,), in_part=True),
    Hypothesis(RIGHT, (1.0,), coarse=Coarse(Precision.FLOAT16, Precision.FLOAT16)),
    *(
        Hypothesis(formula, (1.0,))
        for mistake in (SCALED_BY_STATE, CLIPPED_GRADIENT, SHIFTED_ACTIONS)
        for formula in mistake.formulas
    ),
]


def is_near(x, y, room):
    """Return whether some of the numbers are so near that either may be the larger one."""
    with np.errstate(all="ignore"):
        return bool((np.abs(x - np.abs(y)) <= room * np.abs(y)).any())


def digits(found):
    """Return numbers that may round otherwise with ten digits."""
    if isinstance(found, dict):
        return {name: digits(each) for name, each in found.items()}
    if isinstance(found, (list, tuple)):
        return [digits(each) for each in found]
    return f"{found:.10g}" if isinstance(found, float) else found


def agree_on_suspects(long, suspects):
    """Compare the logits of the entries for the exact check with those of their actions."""
    for suspect in suspects:
        logit = long.block.logits[suspect.action, suspect.state]
        assert suspect.block.logits[suspect.entry, 0] == logit
        assert suspect.block.repeats.counts[suspect.entry, 0] > 0.0


def more_than_rounding(e):
    """Return which states have a gradient that is more than its own rounding."""
    return (np.abs(e.gradient) > U * e.bounds.rounding.each).any(axis=0)


OF_THE_LOOP = {"complex-step", "central-difference", "invariants", "descent"}


def is_ordinary(e, found):
    """Return whether no square overflows, no weight is subnormal, and all that is found is seen."""
    if any(found.tallies[name].blind for name in OF_THE_LOOP):
        return False
    below = e.block.logits - e.block.logits.max(axis=0)
    is_subnormal = (below < -700.0) & (below > -750.0)
    return np.abs(e.gradient).max() < 1e100 and not is_subnormal.any()


def apart_of_tolerances(short, long):
    """Return how far the tolerances of a dump are apart, relative to themselves.

    They may be by what a coefficient that is held did round, which bounds it.
    """
    if not isinstance(long.kernel, Held):
        return 0.0
    ours, theirs = (
        dumps.sides(replace(e, buffers=Buffers(e.block.repeats)), "gradient").tolerance
        for e in (short, long)
    )
    theirs = np.take_along_axis(theirs, short.standing.actions.T, axis=0)
    known = (theirs > 0.0) & np.isfinite(theirs)
    ratio = np.divide(ours, theirs, where=known, out=np.ones_like(theirs))
    return np.abs(ratio - 1.0).max()


def shifted(found, expected, bins):
    """Return whether no state is further than that many bins from where it was."""
    ours, theirs = np.cumsum(found), np.cumsum(expected)
    return (ours[:-bins] <= theirs[bins:]).all() and (theirs[:-bins] <= ours[bins:]).all()


def near(x, y, relative):
    """Return whether two tolerances are the same but for rounding."""
    return x == y or abs(x / y - 1.0) < relative


def main():
    """Try as many cases as asked for."""
    count, seed = map(int, sys.argv[1:])
    done = Counter()
    for case, settings in cases(count, seed):
        for is_compiled in (False, True):
            done[case.loss.name, is_compiled, agree(case, settings, is_compiled=is_compiled)] += 1
        done[case.loss.name, "diagnosed", agree_on_diagnosis(case, settings)] += 1
    print(dict(done))


if __name__ == "__main__":
    main()
