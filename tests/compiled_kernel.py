"""Random adversarial blocks by NumPy and by the compiled loop.

python tests/compiled_kernel.py COUNT SEED
"""

import sys
from dataclasses import replace

import evaluations
import numpy as np
from states import make

from softcheck.checks import every
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
        for name, found in by_loop.items():
            other, spot = theirs[name], found.spots[0]
            assert (found.entries, found.failed, found.live, found.blind) == (
                other.entries, other.failed, other.live, other.blind,
            )  # fmt: skip
            assert found.histogram.sum() == other.histogram.sum()
            moved = np.abs(np.cumsum(found.histogram - other.histogram)).sum()
            assert moved <= 0.01 * other.histogram.sum() + 1  # a bin's edge may lie in between
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
