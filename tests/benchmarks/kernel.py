"""What all checks of `verify` cost a logit, in units of SciPy's softmax and log_softmax.

Both run in turn on one table in memory, so that what else the machine does falls on both.

python tests/benchmarks/kernel.py
"""

import time
from collections import Counter
from functools import partial
from typing import ClassVar

import ml_dtypes
import numpy as np
from scipy.special import log_softmax, softmax

from softcheck import blocks, checks
from softcheck.engines.local import Threads
from softcheck.evaluation import Context
from softcheck.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

ROUNDS = 5
SHAPES = [(1_000_000, 2), (8_000, 250), (500, 4_000), (15, 150_000)]


def tables(states, actions):
    """Return q and logits."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(states, actions)), generator.normal(size=(states, actions))


class Kernel:
    """All checks but the exact one over the blocks of a case, on some threads."""

    def __init__(self, arrays, threads, **settings):
        self.case = case_from_arrays(arrays | {"alpha": 0.2})
        self.settings = Settings(**settings)
        self.context = Context(self.case.states * self.case.actions, 5)
        self.engine = Threads(threads)

    def block(self, raw, buffers):
        """Run the checks of one block."""
        return checks.run(
            blocks.evaluation(self.case, raw, self.settings, self.context, buffers, blocks.Facts())
        )

    def __call__(self):
        """Run them all."""
        rows = max(1, self.settings.block_entries // self.case.actions)
        total = checks.Partial()
        for found in self.engine.over_blocks(self.block, self.case, rows):
            total.merge(found)
        if any(tally.failed for tally in total.tallies.values()):
            raise SystemExit("a right gradient failed")


def scipy_pair(logits):
    """Run what the kernel is measured by."""
    softmax(logits, axis=-1)
    log_softmax(logits, axis=-1)


def seconds(run, clock=time.perf_counter):
    """Return how long a call takes."""
    begun = clock()
    run()
    return clock() - begun


def in_turn(*runs, clock=time.perf_counter):
    """Return the least seconds of each run, all of them in turn."""
    rounds = ([seconds(run, clock) for run in runs] for _ in range(ROUNDS))
    return [min(times) for times in zip(*rounds, strict=True)]


class Counted(np.ndarray):
    """An array that counts the entries that pass through NumPy's functions."""

    passes: ClassVar = Counter()

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        """Count and compute."""
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(x) if isinstance(x, Counted) else x for x in out)
        made = getattr(ufunc, method)(*plain, **options)
        size = max(np.size(x) for x in plain)
        self.passes[ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"] += (
            size
        )
        if out is not None:
            return out[0]
        return made.view(Counted) if isinstance(made, np.ndarray) else made

    def __array_function__(self, function, types, inputs, options):
        """Count and compute."""
        self.passes[function.__name__] += max(getattr(x, "size", 1) for x in inputs)
        return super().__array_function__(function, types, inputs, options)


class CountedBuffers(Buffers):
    """Buffers whose arrays count."""

    def __call__(self, name, shape):
        """Return such an array."""
        return super().__call__(name, shape).view(Counted)


def where_time_goes(kernel):
    """Print what each step of one block costs, and how often it passes over the block."""
    rows = kernel.settings.block_entries // kernel.case.actions
    raw = next(kernel.case.blocks(rows))
    arguments = (kernel.case, raw, kernel.settings, kernel.context)
    entries = raw.rows * kernel.case.actions

    def steps(buffers):
        yield "givens", partial(blocks.evaluation, *arguments, buffers, blocks.Facts())
        e = blocks.evaluation(*arguments, buffers, blocks.Facts())
        for name in ("policy", "loss", "gradient", "bounds"):
            yield name, partial(getattr, e, name)
        for name in checks.ORACLES:
            if name != "sampled":
                yield name, partial(checks.check, e, name)

    least, counted = {}, {}
    buffers = Buffers()
    for _ in range(100):
        for name, step in steps(buffers):
            least[name] = min(least.get(name, np.inf), seconds(step, time.thread_time))
    for name, step in steps(CountedBuffers()):
        Counted.passes.clear()
        step()
        counted[name] = {
            of: size / entries for of, size in Counted.passes.items() if size >= entries / 3
        }
    for name, time_ in least.items():
        passes = ", ".join(f"{of} {count:.3g}" for of, count in sorted(counted[name].items()))
        cost = time_ / entries * 1e9
        print(f"  {name:20} {cost:5.2f} ns, {sum(counted[name].values()):4.1f} passes: {passes}")
    print(f"  {'all':20} {sum(least.values()) / entries * 1e9:5.2f} ns")


def main():
    """Print the ratios, then where the time goes, then what other shapes cost."""
    q, logits = tables(1_000_000, 18)
    given = {"q": q, "logits": logits}
    pair, one, two = in_turn(partial(scipy_pair, logits), Kernel(given, 1), Kernel(given, 2))
    print(f"scipy softmax + log_softmax {pair / q.size * 1e9:5.1f} ns a logit")
    print(f"one thread {one / pair:.2f} of that, two threads {two / pair:.2f}")
    # Beside other work the processor's time says more than the clock on the wall.
    kernels = [
        Kernel({name: array.astype(dtype) for name, array in given.items()}, 1)
        for dtype in (np.float64, np.float32, ml_dtypes.bfloat16)
    ]
    runs = [partial(scipy_pair, logits), *kernels]
    pair, one, single, brain = in_turn(*runs, clock=time.process_time)
    print(f"processor time, one thread: {one / pair:.2f} of scipy's")
    print(f"float32 {single / one:.2f}, bfloat16 {brain / one:.2f} of float64")
    where_time_goes(kernels[0])
    cost = one / q.size
    for states, actions in SHAPES:
        q, logits = tables(states, actions)
        (other,) = in_turn(Kernel({"q": q, "logits": logits}, 1), clock=time.process_time)
        print(f"{actions:>7} actions: {other / q.size / cost:.2f} of the cost a logit at 18")


if __name__ == "__main__":
    main()
