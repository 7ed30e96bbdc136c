"""Random tables of 16-bit logits with every action, and with the entries that differ.

python tests/distinct_entries.py COUNT SEED
"""

import sys
from collections import Counter
from dataclasses import replace

import numpy as np
from compiled_kernel import DTYPES, agree_on_fit, room_of_ratio

from softcheck.checks import blocks, compiled, distinct, dumps, every, moments
from softcheck.checks.evaluation import Context
from softcheck.gradient.definition import Kind
from softcheck.gradient.held import Held
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import U
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared

LOSSES = "cross-entropy", "reinforce", "entropy", "grpo", "ppo-clip"


def cases(count, seed, losses=LOSSES):
    """Yield cases of few different logits, with right gradients, and how they are verified."""
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
    if not theirs.is_right:
        assert not ours.is_right
        return False
    assert ours.is_right
    is_rounding = np.abs(long.gradient) <= U * long.bounds.rounding.each
    if is_compiled and is_ordinary(long) and not is_rounding.all(axis=0).any():
        by_loop = compiled.found(shortened(case, settings, is_compiled=True)).tallies
        assert by_loop.keys() >= {"complex-step", "central-difference", "invariants", "descent"}
    if ours.moments is not None and not is_rounding.all(axis=0).any():
        beside = apart_of_tolerances(shortened(case, settings), long)
        agree_on_fit(long, ours.moments, theirs.moments, beside)
        of_digits, of_pi = np.split(ours.moments.alike - theirs.moments.alike, 2, axis=1)
        # A unit for each; pi may round to the other side of a limit.
        units = 1.0 + 2.0 * beside * moments.CLIPPED / moments.STEP
        assert (np.abs(of_digits).sum(axis=1) <= units * case.states * case.actions).all()
        assert (np.abs(of_pi.sum(axis=1)) <= units * case.states * case.actions).all()
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
            assert found.failed == other.failed == 0
            if name == "exact":
                continue  # it looks at the worst entry of each check
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
            (spot, *_), (other, *_) = ours["gradient"].spots, theirs["gradient"].spots
            assert abs(spot.ratio - other.ratio) <= 1e-9 + room_of_ratio(long)
            tolerance = dumps.sides(long, "gradient").tolerance
            assert near(spot.tolerance, tolerance[spot.action, spot.state], 1e-5)
    return True


def agree_on_suspects(long, suspects):
    """Compare the logits of the entries for the exact check with those of their actions."""
    for suspect in suspects:
        logit = long.block.logits[suspect.action, suspect.state]
        assert suspect.block.logits[suspect.entry, 0] == logit
        assert suspect.block.repeats.counts[suspect.entry, 0] > 0.0


def is_ordinary(e):
    """Return whether no square overflows, and no weight is neither normal nor 0."""
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
        dumps.sides(replace(e, buffers=Buffers(e.block.repeats)), "gradient").tolerance.max(axis=0)
        for e in (short, long)
    )
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
    done = Counter(
        (case.loss.name, is_compiled, agree(case, settings, is_compiled=is_compiled))
        for case, settings in cases(count, seed)
        for is_compiled in (False, True)
    )
    print(dict(done))


if __name__ == "__main__":
    main()
