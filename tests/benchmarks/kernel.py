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
import torch
from scipy.special import log_softmax, softmax

from softcheck.checks import blocks, compiled, every
from softcheck.checks.evaluation import Context
from softcheck.engines.local import Threads
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

ROUNDS = 5
ALPHA = 0.2
OF_LOGITS = ("complex-step", "central-difference", "invariants")
KINDS = {"by NumPy": False, "compiled": True}
SHAPES = [(1_000_000, 2), (8_000, 250), (500, 4_000), (15, 150_000)]


def tables(states, actions):
    """Return q and logits."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(states, actions)), generator.normal(size=(states, actions))


class Kernel:
    """The checks over the blocks of a case, on some threads.

    All but the exact one; or of them those of every logit alone, which leaves out `descent`.
    """

    def __init__(self, arrays, threads, *, of_logits=False, is_compiled=False, **settings):
        self.of_logits = of_logits
        self.case = case_from_arrays(arrays | {"alpha": ALPHA})
        self.settings = Settings(**settings)
        self.blocks = compiled.BLOCKS if is_compiled else 1
        places = self.case.states * self.case.actions
        loss = blocks.loss_of(self.case)
        self.context = Context(places, 5, loss=loss, is_compiled=is_compiled)
        self.engine = Threads(threads)

    def block(self, raw, buffers):
        """Run the checks of one block."""
        e = blocks.evaluation(
            self.case, raw, self.settings, self.context, buffers, blocks.Masking()
        )
        if self.of_logits:
            return every.Partial({name: every.check(e, name) for name in OF_LOGITS})
        return every.run(e)

    def __call__(self):
        """Run them all."""
        rows = blocks.rows_of_block(self.settings, self.case.actions, self.blocks)
        rows = blocks.evenly(self.case.states, rows)
        total = every.Partial()
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
    rows = blocks.rows_of_block(kernel.settings, kernel.case.actions)
    raw = next(kernel.case.blocks(rows))
    arguments = (kernel.case, raw, kernel.settings, kernel.context)
    entries = raw.rows * kernel.case.actions

    def steps(buffers):
        yield "givens", partial(blocks.evaluation, *arguments, buffers, blocks.Masking())
        e = blocks.evaluation(*arguments, buffers, blocks.Masking())
        for name in ("policy", "terms", "gradient", "bounds"):
            yield name, partial(getattr, e.kernel, name)
        for name in every.ORACLES:
            if name != "sampled":
                yield name, partial(every.check, e, name)

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


def of_compiled(states, actions=18):
    """Return the ratios of the compiled loop by name, once it is compiled, with what beside."""
    q, logits = tables(states, actions)
    log_pi = log_softmax(logits, axis=-1)
    pi, g = np.exp(log_pi), q - ALPHA * log_pi
    grad = pi * ((pi * g).sum(axis=-1, keepdims=True) - g)
    table, rewards = torch.tensor(logits, requires_grad=True), torch.tensor(q)

    def step():
        log_policy = torch.log_softmax(table, -1)
        loss = (log_policy.exp() * (ALPHA * log_policy - rewards)).sum()
        torch.autograd.grad(loss, table)

    given, ratios = {"q": q, "logits": logits}, {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        without = Kernel(given, threads, is_compiled=True)
        with_it = Kernel(given | {"grad": grad}, threads, is_compiled=True)
        for kernel in (without, with_it):
            kernel()
        loop, all_, pass_, pair = in_turn(without, with_it, step, partial(scipy_pair, logits))
        on = f"{states:,} states compiled, {threads} {'thread' if threads == 1 else 'threads'}"
        ratios[on] = {"beside": "scipy softmax + log_softmax", "ratio": loop / pair}
        beside = "PyTorch, forward and backward, as many threads"
        ratios[f"{on}, with a dump"] = {"beside": beside, "ratio": all_ / pass_}
    return ratios


def of_shapes(what, *, is_compiled):
    """Return what a logit costs at other numbers of actions beside 18, by name."""
    costs = {}
    for states, actions in [(300_000, 18), *SHAPES]:
        q, logits = tables(states, actions)
        kernel = Kernel({"q": q, "logits": logits}, 1, is_compiled=is_compiled)
        kernel()
        (seconds_of,) = in_turn(kernel, clock=time.process_time)
        costs[actions] = seconds_of / q.size
    one = costs.pop(18)
    return {
        f"{actions:,} actions, a logit {what}": {"beside": "18 actions", "ratio": cost / one}
        for actions, cost in costs.items()
    }


def measured():
    """Return what each ratio is of, beside what, the ratios by name, and the kernel they are of."""
    q, logits = tables(1_000_000, 18)
    given = {"q": q, "logits": logits}
    kernels = {
        f"{what}, {threads} {'thread' if threads == 1 else 'threads'}": Kernel(
            given, threads, of_logits=of_logits
        )
        for what, of_logits in (("checks of every logit", True), ("those and descent", False))
        for threads in (1, 2)
    }
    pair, *times = in_turn(partial(scipy_pair, logits), *kernels.values())
    ratios = {
        what: {"beside": "scipy softmax + log_softmax", "ratio": seconds_of / pair}
        for what, seconds_of in zip(kernels, times, strict=True)
    }
    # Beside other work the processor's time says more than the clock on the wall.
    kernels = {
        dtype.__name__: Kernel({name: array.astype(dtype) for name, array in given.items()}, 1)
        for dtype in (np.float64, np.float32, ml_dtypes.bfloat16)
    }
    of_dtype = dict(zip(kernels, in_turn(*kernels.values(), clock=time.process_time), strict=True))
    one = of_dtype.pop("float64")
    for name, seconds_of in of_dtype.items():
        ratios[name] = {"beside": "float64", "ratio": seconds_of / one}
    for what, is_compiled in KINDS.items():
        ratios |= of_shapes(what, is_compiled=is_compiled)
    for states in (100_000, 1_000_000):
        ratios |= of_compiled(states)
    ratios["scipy"] = {"beside": "ns a logit", "ratio": pair / q.size * 1e9}
    return ratios, kernels["float64"]


def main():
    """Print the ratios, and where the time goes."""
    ratios, kernel = measured()
    for what, of in ratios.items():
        print(f"{of['ratio']:6.2f}  {what}, beside {of['beside']}")
    where_time_goes(kernel)


if __name__ == "__main__":
    main()
