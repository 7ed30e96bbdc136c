"""Random adversarial blocks by NumPy and by the compiled loop.

python tests/compiled_kernel.py COUNT SEED
"""

import sys
from dataclasses import dataclass, field, fields, replace

import evaluations
import numpy as np
from states import make

from softcheck.checks import compiled as loop
from softcheck.checks import every, fused
from softcheck.checks.evaluation import Evaluation
from softcheck.gradient.tolerance import U


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
        block = replace(
            e.block,
            **{of: _laid_out(getattr(e.block, of), actions) for of in ("q", "logits")},
        )
        yield evaluations.of_block(block, start=1000)


def _laid_out(x, actions):
    return np.asarray(x, order="F" if actions >= 256 else "C")


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
    ours, theirs = every.run(compiled(e)).tallies, every.run(e).tallies
    by_loop = every.compiled.tallies(compiled(e))
    assert ours.keys() == theirs.keys()
    with np.errstate(all="ignore"):
        sides = {
            "complex-step": e.kernel.complex_step,
            "central-difference": e.kernel.central_difference,
        }
        if by_loop:
            expected = resolutions(e)
            *_, found, _ = loop._swept(fused, e.block)
            found[:2] *= 2.0 * U
            assert (np.abs(found - expected) <= room(e) * expected).all()
        for name, found in by_loop.items():
            other, spot = theirs[name], found.spots[0]
            assert (found.entries, found.failed, found.live, found.blind) == (
                other.entries, other.failed, other.live, other.blind,
            )  # fmt: skip
            assert found.histogram.sum() == other.histogram.sum()
            assert spot.ratio <= 1.0
            if name in sides and spot.action is not None:
                value, error = sides[name]()
                at = spot.action, spot.state - e.start
                assert abs(spot.expected - value[at]) <= 2.0 * U * error.each[at]
                assert abs(spot.actual - e.gradient[at]) <= 2.0 * U * e.bounds.rounding.each[at]
                assert abs(spot.tolerance / (2.0 * U * error.each[at]) - 1.0) < 1e-9
    return bool(by_loop)


def main():
    """Try as many blocks as asked for."""
    count, seed = map(int, sys.argv[1:])
    done = sum(agree(e) for e in blocks(count, seed))
    print(f"{count} blocks agree, {done} of them by the compiled loop")


if __name__ == "__main__":
    main()
