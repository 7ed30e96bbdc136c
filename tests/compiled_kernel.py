"""Random adversarial blocks by NumPy and by the compiled loop.

python tests/compiled_kernel.py COUNT SEED
"""

import sys
from dataclasses import dataclass, field, fields, replace
from typing import get_args

import evaluations
import ml_dtypes
import numpy as np
import pytest
from states import make

from softcheck.checks import compiled as loop
from softcheck.checks import dumps, every, fit, moments
from softcheck.checks.coefficients import block_of
from softcheck.checks.evaluation import Dump, Evaluation
from softcheck.gradient import tolerance
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Buffers
from softcheck.gradient.tolerance import Precision, U
from softcheck.losses import load, names
from softcheck.settings import Dtype


def blocks(count, seed):
    """Yield evaluations of states of one kind, scale and number of actions each."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        actions = int(generator.choice([1, 2, 3, 7, 18, 31, 33, 64, 255, 256, 300, 1000]))
        drawn = {
            "actions": actions,
            "logit_scale": 10.0 ** generator.uniform(-3, 2.5),
            "offset": generator.choice([0.0, 1.0, -30.0, 1e3, -1e6, 1e6]),
            "q_scale": 10.0 ** generator.uniform(-4, 9),
            "alpha": generator.choice([0.0, 10.0 ** generator.uniform(-6, 3)]),
            "masked": generator.choice([0.0, 0.0, 0.3, 0.9]),
        }
        kind = generator.choice(["any", "near-optimal", "saturated", "equal"])
        rows = int(generator.integers(1, 70 if actions < 100 else 4))
        e = evaluations.evaluation([make(generator, kind, **drawn) for _ in range(rows)])
        laid_out = {of: _laid_out(getattr(e.block, of)) for of in ("q", "logits")}
        block = replace(e.block, **laid_out, summands=(replace(e.block.summands[0], **laid_out),))
        e = evaluations.of_block(block, start=1000, loss=evaluations.SAC)
        yield dumped(e, generator) if generator.random() < 0.7 else e


def of_losses(count, seed, losses=()):
    """Yield evaluations of blocks of losses, by default all, that the loop knows."""
    generator = np.random.default_rng(seed)
    variants = [
        v for name in losses or names() for v in load(name).variants if v.family is not None
    ]
    for _ in range(count):
        variant = variants[generator.integers(len(variants))]
        actions = int(generator.choice([1, 2, 7, 33, 300]))
        rows = int(generator.integers(1, 70 if actions < 100 else 4))
        logits = generator.normal(size=(actions, rows)) * 10.0 ** generator.uniform(-2, 1, rows)
        logits += generator.choice([0.0, -30.0, 1e3], rows)
        masked = generator.random(logits.shape) < generator.choice([0.0, 0.3])
        masked[0] = False
        logits[masked] = -np.inf
        data = {array.name: given(array, ~masked, generator) for array in variant.givens}
        constant = [array.name for array in variant.givens if array.kind is Kind.NUMBER]
        for name in constant:
            data[name] = data[name][:1] * generator.choice([0.0, 1.0, 1.0])
        if variant.temperature is not None:
            data[variant.temperature] = np.array([1.7])
        off = {
            each.name for each in variant.givens if each.default == 0 and not data[each.name].any()
        }
        summands = [each for each in variant.summands if off.isdisjoint(each.weights)]
        loss = replace(variant, summands=tuple(summands) if len(summands) > 1 else ())
        legal = ~masked if masked.any() else None
        with np.errstate(all="ignore"):
            block = block_of(loss, data, constant, _laid_out(logits), legal, Buffers())
            yield dumped(evaluations.of_block(block, start=700, loss=loss), generator)


def given(array, legal, generator):
    """Draw an array of a loss."""
    if array.kind is Kind.INDEX:
        return np.zeros(legal.shape[1], dtype=np.intp)
    if array.kind is not Kind.TABLE:
        return np.abs(generator.normal(size=legal.shape[1]))
    table = generator.normal(size=legal.shape)
    if array.legal in {"positive", "not negative"}:
        table = np.abs(table)
    return _laid_out(np.where(legal, table, 0.0))


def dumped(e, generator):
    """Return an evaluation with a dump that is right but for what its precisions round."""
    formats = [*Precision]
    stored = formats[generator.integers(4)]
    computed = (stored, Precision.FLOAT32, Precision.FLOAT64)[generator.integers(3)]
    if computed.unit > stored.unit:
        computed = stored
    rows = e.block.rows
    factor = (np.ones(1), np.full(1, 1 / 64), generator.normal(size=rows))[generator.integers(3)]
    if generator.random() < 0.1:
        factor = np.where(generator.random(rows) < 0.3, 0.0, 1.0)
    with np.errstate(all="ignore"):
        noise = computed.unit * generator.normal(size=e.gradient.shape) / 2
        values = e.gradient * factor * (1.0 + noise)
        values = values.astype(DTYPES[stored.value]).astype(np.float64)
    e = replace(e, factor=factor, dumps={"gradient": Dump(_laid_out(values), stored, computed)})
    return replace(e, buffers=Buffers())


DTYPES = {each: getattr(ml_dtypes if each == "bfloat16" else np, each) for each in get_args(Dtype)}


def near(found, expected):
    """Return whether reports are the same but for how their numbers round."""
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(near(found[x], expected[x]) for x in found)
    if isinstance(found, list | tuple):
        return len(found) == len(expected) and all(map(near, found, expected))
    if isinstance(found, float):
        return found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    return found == expected


def _laid_out(x):
    return np.asarray(x, order="F" if len(x) >= 256 else "C")


@dataclass(frozen=True)
class Watched(Evaluation):
    """An evaluation that keeps the resolutions of what each state has one number of."""

    seen: list = field(default_factory=list)

    def compare(self, actual, expected, tolerance, scale, **options):
        """Keep and compare."""
        self.seen.append(tolerance / scale)
        return super().compare(actual, expected, tolerance, scale, **options)


def resolutions(e):
    """Return the resolutions by NumPy of each state, as `sweep` fills them in."""
    watched = Watched(**{each.name: getattr(e, each.name) for each in fields(e)})
    every.check(watched, "invariants")
    every.check(watched, "descent")
    of_entries = e.bounds.rounding.relative, e.kernel.complex_step()[1].relative
    return np.array([*(2.0 * U * relative for relative in of_entries), *watched.seen])


def room(e):
    """Return how far the resolutions of a state may be apart, each in units of itself.

    A bound is computed from what it bounds. With d = 2 U sum of the bounds of a state, by which the
    sum |G| of two kernels may differ, the size of the terms moves by d and what is linear in |G| or
    |G|^2 by up to three times d / |G|; the rest, 1e-12, is the rounding of the bounds themselves.
    """
    d = 2.0 * U * e.bounds.total
    norm = np.sqrt((e.gradient * e.gradient).sum(axis=0))
    of_size, of_gradient = d / e.bounds.size, 3.0 * d / (norm + d)
    return 1e-12 + np.array([of_size, of_size, of_size, of_gradient])


def compiled(e):
    """Return the evaluation for the compiled loop."""
    return replace(e, context=replace(e.context, is_compiled=True))


def agree(e):
    """Compare what both kernels find; return whether the loop had not left it to NumPy."""
    mine, numpy_s = every.run(compiled(e)), every.run(replace(e, buffers=Buffers()))
    ours, theirs = mine.tallies, numpy_s.tallies
    by_loop, of_loop, *_ = loop.found(compiled(e))
    assert ours.keys() == theirs.keys()
    with np.errstate(all="ignore"):
        sides = {
            "complex-step": e.kernel.complex_step,
            "central-difference": e.kernel.central_difference,
        }
        if by_loop:
            expected, apart = resolutions(e), room(e)
            found = loop._swept(e, loop._Dump())[0].resolution[:-1]
            assert ((expected * (1.0 - apart)).max(axis=1) <= found).all()
            assert (found <= (expected * (1.0 + apart)).max(axis=1)).all()
        for name, found in by_loop.items():
            other, spot = theirs[name], found.spots[0]
            assert (found.entries, found.failed, found.live, found.blind) == (
                other.entries, other.failed, other.live, other.blind,
            )  # fmt: skip
            assert found.histogram.sum() == other.histogram.sum()
            if name != "descent" or room(e)[-1].max() < BIN:
                assert within_a_bin(found.histogram, other.histogram)
            assert spot.ratio <= 1.0
            if name in sides and spot.action is not None:
                value, error = sides[name]()
                at = spot.action, spot.state - e.start
                assert abs(spot.expected - value[at]) <= 2.0 * U * error.each[at]
                assert abs(spot.actual - e.gradient[at]) <= 2.0 * U * e.bounds.rounding.each[at]
                assert abs(spot.tolerance / (2.0 * U * error.each[at]) - 1.0) < 1e-9
        if of_loop is not None:
            agree_on_fit(e, of_loop, numpy_s.moments)
            (spot,), found = by_loop["gradient"].spots, numpy_s.tallies["gradient"]
            moved = room_of_tolerance(e)
            if spot.ratio > 0.0:  # of what is said beside it
                apart = abs(spot.actual - spot.expected) / spot.tolerance
                assert abs(apart - spot.ratio) <= 1e-9 + room_of_ratio(e)
            assert abs(spot.ratio - found.spots[0].ratio) <= 1e-9 + room_of_ratio(e) + moved
            sides = dumps.sides(replace(e, buffers=Buffers()), "gradient")
            at = spot.action, spot.state - e.start
            assert abs(spot.tolerance / sides.tolerance[at] - 1.0) < NO_MATTER + moved
    return set(by_loop)


def agree_laid_out(e):
    """Compare what both kernels lay out of a dump, as it is, negated and with all it is allowed.

    Return how many of these the loop had not left to NumPy.
    """
    clean = replace(e, buffers=Buffers())
    with np.errstate(all="ignore"):
        right = dumps.bounded(clean, "gradient").expected.copy()
        weight, normaliser, _ = dumps.allowance(clean, slice(None))
        allowed = right + 0.9 * normaliser * weight
        values = e.dumps["gradient"].values
        return sum(
            agree_on_entries(replace(e, dumps={"gradient": replace(dump, values=_laid_out(each))}))
            for each in (values, -values, allowed)
            for dump in e.dumps.values()
        )


def agree_on_entries(e):
    """Compare every entry that both kernels lay out; return whether the loop has done so."""
    laid, clean = loop.laid_out(compiled(e)), replace(e, buffers=Buffers())
    if laid is None:
        return False
    policy, found = laid.e.policy, laid.sides
    assert (policy.z == clean.policy.z).all()
    for name in ("highest", "depth", "live"):
        assert (getattr(policy, name) == getattr(clean.policy, name)).all()
    rounding = 2.0 * U * np.abs(dumps._log_policy_rounding(clean) + 2.0)
    assert (np.abs(policy.pi - clean.policy.pi) <= rounding * clean.policy.pi).all()
    if e.block.soft:
        of_g = 2.0 * U * np.where(clean.policy.pi > 0.0, dumps._expected_g(clean).rounding, np.inf)
        assert (np.abs(policy.g - clean.policy.g) <= of_g).all()
        assert (laid.e.block.q == e.block.q).all()
    each = 2.0 * U * clean.bounds.rounding.each * np.abs(e.factor)
    expected = dumps.bounded(clean, "gradient")
    assert (found.actual == expected.actual).all()
    assert (np.abs(found.expected - expected.expected) <= each).all()
    apart = NO_MATTER * expected.tolerance + e.dumps["gradient"].stored.unit * each
    assert (np.abs(found.tolerance - expected.tolerance) <= apart).all()
    assert (np.abs(found.scale - expected.scale) <= each + NO_MATTER * expected.scale).all()
    assert (laid.error == found.error()).all()
    if laid.wrong is not None:
        _, needed = dumps.allowed(clean, expected, expected.error())
        assert needed == tolerance.NONE_NEEDED
        agree_on_where_it_is_wrong(e, laid, clean)
    return True


def agree_on_where_it_is_wrong(e, laid, clean):
    """Compare what the loop says of the wrong entries of each state with what its arrays say."""
    actual, _, within, _ = laid.sides
    wrong, size = laid.error > within, np.abs(e.block.q)
    total, room = np.abs(actual.sum(axis=0)), within.sum(axis=0)
    is_clear = np.abs(total - room) > 1e-9 * room
    assert (laid.wrong.number == wrong.sum(axis=0)).all()
    assert (laid.wrong.sums == (total > room))[is_clear].all()
    rows = wrong.any(axis=0)
    pi, entropy = laid.e.policy.pi, (clean.policy.log_Z - clean.mean(clean.policy.z))[rows]
    expected = {}
    if rows.any():
        named = ("pi", pi[wrong]), ("|Q|", size[wrong]), ("entropy", entropy)
        expected = {name: (of.min(), of.max()) for name, of in named}
    assert laid.ranges.keys() == expected.keys()
    for name, ends in expected.items():
        assert np.allclose(
            laid.ranges[name], ends, rtol=1e-11, atol=1e-11 * clean.policy.depth.max()
        )
    part = loop.laid_out(compiled(e), whole=False)
    for one, other in ((part.sides[:3], laid.sides[:3]), (part.wrong, laid.wrong)):
        assert all((x == y).all() for x, y in zip(one, other, strict=True))
    assert (part.error == laid.error).all()
    assert part.ranges == laid.ranges
    assert part.e.live_entries == clean.live_entries


def within_a_bin(found, expected):
    """Return whether what lies near the edge of a bin may be in the next one, and no more."""
    ours, theirs = np.cumsum(found), np.cumsum(expected)
    return (ours[:-1] <= theirs[1:]).all() and (theirs[:-1] <= ours[1:]).all()


def room_of_ratio(e):
    """Return how far the ratios of a dump may be apart: both kernels round the gradient."""
    computed = e.dumps["gradient"].computed
    return 2.0 * U / computed.tolerated


BIN = 0.04
"""The width of a bin of resolutions, relative to them: one of a gradient that is nothing but
rounding may be some bins off, and was compared by itself."""

NO_MATTER = 1e-5
"""What bounds leave out, or round, of a tolerance."""


def room_of_tolerance(e):
    """Return how far the tolerances of a dump may be apart beyond that, relative to themselves.

    Where values were stored in less than they were computed in they have U_s |G|, and both kernels
    round G. That shows where a gradient is nothing but rounding.
    """
    dump, clean = e.dumps["gradient"], replace(e, buffers=Buffers())
    if dump.stored.unit <= dump.computed.unit:
        return 0.0
    tolerance = dumps.sides(clean, "gradient").tolerance
    apart = dump.stored.unit * 2.0 * U * clean.bounds.rounding.each * np.abs(e.factor)
    return float(np.where(tolerance > 0.0, apart / tolerance, 0.0).max())


def states_of_rounding(e):
    """Return how many states have a gradient that is nothing but rounding, which may be 0."""
    _, right, tolerance, _ = dumps.sides(replace(e, buffers=Buffers()), "gradient")
    with np.errstate(all="ignore"):
        return int((np.abs(right) <= room_of_ratio(e) * tolerance).all(axis=0).sum())


def agree_on_fit(e, found, expected, beside=0.0):
    """Compare the moments of a dump, and the factors that are fitted from them.

    Tolerances may be apart by `beside`, relative to themselves, and what both kernels round.
    """
    assert (found.signed, found.skipped) == (expected.signed, expected.skipped)
    assert abs(found.states - expected.states) <= states_of_rounding(e)
    ours, theirs = found.sums.total(), expected.sums.total()
    layout = moments.Layout(max(1, len(e.context.loss.summands)))
    sizes = np.maximum(ours[0, layout.sizes], theirs[0, layout.sizes])
    room, apart = room_of_ratio(e), np.abs(ours - theirs)[0]
    by = NO_MATTER + room_of_tolerance(e) + beside
    assert (apart[layout.of_error] <= 4.0 * (room + by) * (1.0 + sizes)).all()
    for place, (k, m) in enumerate(layout.pairs, 1 + len(sizes)):
        x = np.sqrt(np.diag(layout.square(theirs[0, layout.of_pairs]))[[k, m]])
        # A product has two numbers in units of a tolerance.
        unit = 2.0 * by * x[0] * x[1]
        assert apart[place] <= unit + 4.0 * room * (1.0 + sizes[k] + sizes[m])
    # An entry at the edge of what underflow makes 0 is a part of what is shared, or is not.
    for of, within in ((layout.shared, 0.5), (layout.quanta, 1e-3), (layout.lost, 1e-3)):
        most = np.abs(theirs[0, of]).max()
        # What is no matter the loop looks at by the tile, and NumPy by the block.
        no_matter = moments.FLUSHED * (most + sizes.max())
        no_matter += 4.0 * room * (1.0 + sizes)
        assert (apart[of] <= (within + 2.0 * by) * most + no_matter).all()
    squares = np.diag(layout.square(theirs[0, layout.of_pairs]))
    if squares.min() <= 1e-20 * squares.max():  # the gradient of a term is nothing but rounding
        return
    for mine, other in zip(fit.fitted(found), fit.fitted(expected), strict=True):
        assert (mine.name, mine.found is None) == (other.name, other.found is None)
        if mine.found is not None:
            assert abs(mine.found.value - other.found.value) <= other.found.tolerance


def main():
    """Try as many blocks as asked for."""
    count, seed = map(int, sys.argv[1:])
    every_block = [e for of in (blocks, of_losses) for e in of(count // 2, seed)]
    done = [agree(e) for e in every_block]
    by_loop, of_dump = (sum(check in found for found in done) for check in ("descent", "gradient"))
    laid = sum(agree_laid_out(e) for e in every_block if "gradient" in e.dumps)
    print(
        f"{len(done)} blocks agree, {by_loop} by the compiled loop, {of_dump} with their dump; "
        f"{laid} dumps are laid out alike"
    )


if __name__ == "__main__":
    main()
