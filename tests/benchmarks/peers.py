"""Gradient checkers side by side on two losses: time a logit, bugs caught, false alarms.

python tests/benchmarks/peers.py [--limit SECONDS]

Every checker gets the loss as code and a gradient that was computed elsewhere, and says whether
they belong together: as its documentation shows, at its default tolerances, and in rows of their
own at tighter ones. It is stopped after the limit; that is an answer too. Only right tables of 1000
states of 18 actions, and of one of 32,000, have 10 minutes, so that the slow ones are timed there
too; where even that is not enough, a number after ~ follows the growth between the two sizes before
it, which is less than comes. Needs the dependency group `benchmark`.
"""

import argparse
import math
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

ALPHA, SMOOTHING = 0.2, 0.1


def sac(log_pi, exp, q):
    """Return the soft policy loss, summed over states, in any library's arrays."""
    return (exp(log_pi) * (ALPHA * log_pi - q)).sum()


def eq6(log_pi, q, alpha=ALPHA):
    """Return the gradient of each state's loss, in the dtype of the tables."""
    pi, g = np.exp(log_pi), q - q.dtype.type(alpha) * log_pi
    return -pi * (g - (pi * g).sum(-1, keepdims=True))


def cross_entropy(log_pi, _exp, rows, labels):
    """Return the cross-entropy with smoothed labels, summed over tokens."""
    return -(1.0 - SMOOTHING) * log_pi[rows, labels].sum() - SMOOTHING * log_pi.mean(-1).sum()


def policy_less_target(log_pi, rows, labels, smoothing=SMOOTHING):
    """Return the gradient of each token's cross-entropy, in the dtype of the logits."""
    grad = np.exp(log_pi) - log_pi.dtype.type(smoothing / log_pi.shape[-1])
    grad[rows, labels] -= log_pi.dtype.type(1.0 - smoothing)
    return grad


def flip_all(grad, _log_pi, *_given):
    return -grad


def flip_one(grad, _log_pi, *_given):
    grad[len(grad) // 2] *= -1
    return grad


def leave_out_alpha(_grad, log_pi, q):
    return eq6(log_pi, q, 1.0)


def shift_one_entry(grad, _log_pi, *_given):
    grad[len(grad) // 2, grad.shape[-1] // 2] += 1e-6
    return grad


def drop_softmax(grad, log_pi, *_given):
    return grad - np.exp(log_pi)


def shift_labels(_grad, log_pi, rows, labels):
    return policy_less_target(log_pi, rows, (labels + 1) % log_pi.shape[-1])


def leave_out_smoothing(_grad, log_pi, rows, labels):
    return policy_less_target(log_pi, rows, labels, 0.0)


@dataclass(frozen=True)
class Task:
    """A loss, what it is tried on, and what can be wrong with its gradient.

    Attributes
    ----------
    name : str
    actions : int
    sizes : tuple of int
        Numbers of states.
    borne : tuple of int
        Those for planted bugs: a checker is judged at the first that it can bear.
    compared : int
        Where every checker is timed, if that takes no more than `PATIENCE`.
    loss, gradient : function of log pi and what is given
    given : function of (generator, states, actions)
        Return that.
    options : function of what is given
        Return what softcheck is told beside logits and gradient.
    bugs : dict of name to (reduction, what makes the gradient wrong, number of states or None)
    """

    name: str
    actions: int
    sizes: tuple[int, ...]
    borne: tuple[int, ...]
    compared: int
    loss: Callable
    gradient: Callable
    given: Callable
    options: Callable
    bugs: dict


def _tokens(generator, states, actions):
    return np.arange(states), generator.integers(actions, size=states)


TASKS = {
    "sac": Task(
        name="discrete SAC",
        actions=18,
        sizes=(10, 100, 1000, 10_000, 100_000, 1_000_000),
        borne=(1000, 100, 10),
        compared=1000,
        loss=sac,
        gradient=eq6,
        given=lambda generator, *shape: (generator.normal(size=shape),),
        options=lambda q: {"q": q, "alpha": ALPHA},
        bugs={
            "all signs flipped, mean loss": ("mean", flip_all, None),
            "one state of 100,000 flipped, sum loss": ("sum", flip_one, 100_000),
            "alpha missing, sum loss": ("sum", leave_out_alpha, None),
            "one entry off by 1e-6, sum loss": ("sum", shift_one_entry, None),
        },
    ),
    "cross-entropy": Task(
        name="cross-entropy, smoothed labels",
        actions=32_000,
        sizes=(1, 4, 16, 64, 256, 1024),
        borne=(16, 4, 1),
        compared=1,
        loss=cross_entropy,
        gradient=policy_less_target,
        given=_tokens,
        options=lambda _rows, labels: {
            "loss": "cross-entropy",
            "labels": labels,
            "label_smoothing": SMOOTHING,
        },
        bugs={
            "softmax term dropped, mean loss": ("mean", drop_softmax, None),
            "one token of 1,024 flipped, sum loss": ("sum", flip_one, 1024),
            "labels off by one, mean loss": ("mean", shift_labels, None),
            "smoothing forgotten, sum loss": ("sum", leave_out_smoothing, None),
        },
    ),
}

PATIENCE = 600.0
"""So many seconds a checker has where all are compared."""


def log_softmax(logits):
    z = logits - logits.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


@dataclass
class Problem:
    """Logits and what else is given, the reduction, and the gradient under test."""

    task: Task
    logits: np.ndarray
    given: tuple
    reduction: str
    grad: np.ndarray

    @property
    def scale(self):
        """What multiplies the loss of each state."""
        return 1.0 / len(self.logits) if self.reduction == "mean" else 1.0

    def loss(self, logits):
        """Return the loss, in the dtype of the problem."""
        dtype = self.logits.dtype
        z = logits.reshape(self.logits.shape).astype(dtype)
        return self.task.loss(log_softmax(z), np.exp, *self.given) * dtype.type(self.scale)


def problem(name, states, reduction="sum", dtype="float64", plant=None):
    """Return random tables, and their right gradient or one with a bug in it."""
    task, generator = TASKS[name], np.random.default_rng(0)
    given = tuple(
        x.astype(dtype) if x.dtype.kind == "f" else x
        for x in task.given(generator, states, task.actions)
    )
    logits = generator.normal(size=(states, task.actions)).astype(dtype)
    log_pi = log_softmax(logits)
    grad = task.gradient(log_pi, *given)
    if plant is not None:
        grad = plant(grad, log_pi, *given)
    made = Problem(task, logits, given, reduction, grad)
    made.grad = grad * logits.dtype.type(made.scale)
    return made


def softcheck(p):
    """All of its checks, from arrays in memory."""
    import softcheck as tool

    options = p.task.options(*p.given)
    made = tool.verify(logits=p.logits, grad=p.grad, reduction=p.reduction, **options)
    return made.status is tool.Status.PASSED


def torch_loss(p, logits):
    import torch

    given = map(torch.from_numpy, p.given)
    return p.task.loss(torch.log_softmax(logits, -1), torch.exp, *given) * p.scale


def torch_gradcheck(p, **options):
    """The loss as an autograd.Function whose backward is the gradient under test.

    Where its fast mode rejects, it goes on to the slow one for the message.
    """
    import torch

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(_context, logits):
            return torch_loss(p, logits)

        @staticmethod
        def backward(_context, grad_output):
            return grad_output * torch.from_numpy(p.grad)

    leaf = torch.from_numpy(p.logits).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that float32 is likely to fail
        return torch.autograd.gradcheck(Loss.apply, leaf, raise_exception=False, **options)


def jax_check_grads(p, **options):
    """The loss as a custom_vjp whose rule is the gradient under test."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)  # float32 stays float32

    def loss(logits):
        return p.task.loss(jax.nn.log_softmax(logits), jax.numpy.exp, *p.given) * p.scale

    checked = jax.custom_vjp(loss)
    checked.defvjp(lambda logits: (loss(logits), None), lambda _, ct: (ct * p.grad,))
    try:
        check_grads(checked, (jax.numpy.asarray(p.logits),), order=1, modes=["rev"], **options)
    except AssertionError:
        return False
    return True


def scipy_check_grad(p):
    """Its result is the norm of the difference; that of its example is below 1e-6."""
    from scipy.optimize import check_grad

    return check_grad(p.loss, lambda _: p.grad.ravel(), p.logits.ravel()) <= 1e-6


def scipy_three_points(p):
    """approx_derivative, and the rule of its check_derivative: an accuracy of 1e-6 is right."""
    from scipy.optimize._numdiff import approx_derivative

    numeric = approx_derivative(p.loss, p.logits.ravel(), method="3-point")
    error = np.abs(numeric - p.grad.ravel()) / np.maximum(1.0, np.abs(numeric))
    return bool(error.max() <= 1e-6)


def numdifftools_gradient(p):
    """Compared by numpy.allclose, as in its documentation."""
    import numdifftools

    return np.allclose(numdifftools.Gradient(p.loss)(p.logits.ravel()), p.grad.ravel())


def torch_forward_backward(p):
    """No checker: what the gradient itself costs."""
    import torch

    leaf = torch.from_numpy(p.logits).requires_grad_()
    torch_loss(p, leaf).backward()
    return bool(torch.isfinite(leaf.grad).all())


TIGHT = {"atol": 1e-7, "rtol": 1e-5}
"""Tighter tolerances, which torch and jax take as arguments; their rows are called tight."""

YARDSTICK = "torch forward + backward"
PEERS = {
    "softcheck": softcheck,
    "torch gradcheck": torch_gradcheck,
    "torch gradcheck, tight": partial(torch_gradcheck, **TIGHT),
    "torch gradcheck, fast_mode": partial(torch_gradcheck, fast_mode=True),
    "torch gradcheck, fast_mode, tight": partial(torch_gradcheck, fast_mode=True, **TIGHT),
    "jax check_grads": jax_check_grads,
    "jax check_grads, tight": partial(jax_check_grads, **TIGHT),
    "scipy check_grad": scipy_check_grad,
    "scipy approx_derivative, 3-point": scipy_three_points,
    "numdifftools Gradient": numdifftools_gradient,
    YARDSTICK: torch_forward_backward,
}


def cell(peer, arguments):
    """Return the verdict of a peer and its median seconds; this runs in a process of its own."""
    check, given = PEERS[peer], problem(*arguments)
    seconds = []
    while not seconds or (len(seconds) < 5 and sum(seconds) < 2):
        begun = time.perf_counter()
        verdict = check(given)
        seconds.append(time.perf_counter() - begun)
    return bool(verdict), median(seconds)


class Judge:
    """Asks one peer about one task, in a process that is ended when its time is over."""

    def __init__(self, peer, task, limit):
        self._peer, self._task, self._limit = peer, task, limit
        self._pool = None

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None

    def __call__(self, *arguments, limit=None):
        """Return (verdict, seconds), or None where the peer does not end in time."""
        if self._pool is None:
            self._pool = multiprocessing.get_context("spawn").Pool(1)
            self._pool.apply(cell, (self._peer, ("sac", 2)))  # imports and compilers
        try:
            return self._pool.apply_async(cell, (self._peer, (self._task, *arguments))).get(
                limit or self._limit
            )
        except multiprocessing.TimeoutError:
            self.__exit__()
            return None


def times_of(judge, task, limit):
    """Return seconds by number of states, up to what ends in time.

    What would take twice the limit, if it grew on as it did, is not tried.
    """
    times = {}
    usual = task.sizes[1] / task.sizes[0]
    last, factor = 0.0, usual
    for states in task.sizes:
        allowed = max(limit, PATIENCE) if states == task.compared else limit
        found = judge(states, limit=allowed) if last * factor <= 2 * allowed else None
        if found is None:
            break
        if last:
            factor = max(usual, found[1] / last)
        times[states] = last = found[1]
    return times


def judged(peer, name, limit):
    """Return all that is measured of a peer on a task."""
    task = TASKS[name]
    with Judge(peer, name, limit) as judge:
        times = times_of(judge, task, limit)
        bearable = [states for states, seconds in times.items() if seconds <= limit]
        borne = next((states for states in task.borne if states in bearable), task.borne[-1])

        def verdict(states, *arguments):
            found = judge(states, *arguments) if states in bearable else None
            return {"states": states, "accepted": None if found is None else found[0]}

        bugs, alarms = {}, {}
        if peer != YARDSTICK:
            for bug, (reduction, plant, states) in task.bugs.items():
                bugs[bug] = verdict(states or borne, reduction, "float64", plant)
            for dtype in ("float64", "float32"):
                for reduction in ("sum", "mean"):
                    alarms[f"{dtype}, {reduction} loss"] = verdict(borne, reduction, dtype)
    return {"seconds": times, "bugs": bugs, "false_alarms": alarms}


def machine():
    """Return what was measured on, and with."""
    cpu = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    packages = ("numpy", "torch", "jax", "scipy", "numdifftools")
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def microseconds(seconds, logits):
    """Return a time as microseconds a logit, with three digits."""
    return f"{seconds / logits * 1e6:.3g}"


def exponent(times):
    """Return the power of the number of states that the time grows with, from the two largest."""
    (few, fast), (many, slow) = list(times.items())[-2:]
    return math.log(slow / fast) / math.log(many / few)


def growth(times):
    """Return how the time a logit grows when the number of states does."""
    return f"S^{exponent(times) - 1.0:.1f}" if len(times) > 1 else "?"


def time_at(times, states, task):
    """Return the time at a number of states and whether that is extrapolated, or None."""
    if states in times:
        return times[states], False
    largest = max(times, default=states)
    if states != task.compared or len(times) < 2 or largest > states:
        return None
    return times[largest] * (states / largest) ** exponent(times), True


def cell_of(times, states, task, limit):
    """Return a time a logit as the table has it."""
    found = time_at(times, states, task)
    if found is None:
        return f"> {limit:g} s"
    seconds, extrapolated = found
    return f"{'~ ' if extrapolated else ''}{microseconds(seconds, states * task.actions)}"


def shown(verdict, task, limit):
    """Return whether a peer rejected, and at how many states if not at the usual number."""
    if verdict["accepted"] is None:
        return f"> {limit:g} s"
    usual = verdict["states"] >= task.borne[0]
    at = "" if usual else f" at {verdict['states']}"
    return ("no" if verdict["accepted"] else "yes") + at


def tables(found, task, limit):
    """Yield the tables that are printed of a task."""
    about = f"{task.name}, {task.actions:,} actions, S states"
    times = Table(title=f"Microseconds a logit: {about}; tight: {TIGHT}")
    times.add_column("", no_wrap=True)
    for states in task.sizes:
        times.add_column(f"S = {states:,}", justify="right", no_wrap=True)
    times.add_column("grows like", no_wrap=True)
    for peer, of in found.items():
        cells = [cell_of(of["seconds"], states, task, limit) for states in task.sizes]
        times.add_row(peer, *cells, growth(of["seconds"]))
    yield times
    bugs = Table(title=f"Bugs caught at S = {task.borne[0]} where no other S is named: {about}")
    alarms = Table(title=f"False alarms on right gradients at S = {task.borne[0]}: {about}")
    checkers = {peer: of for peer, of in found.items() if of["bugs"]}
    first = next(iter(checkers.values()))
    for table, key in ((bugs, "bugs"), (alarms, "false_alarms")):
        table.add_column("", no_wrap=True)
        for name in first[key]:
            table.add_column(name)
        table.add_column("caught" if table is bugs else "alarms", no_wrap=True)
        for peer, of in checkers.items():
            verdicts = list(of[key].values())
            count = sum(verdict["accepted"] is False for verdict in verdicts)
            cells = [shown(verdict, task, limit) for verdict in verdicts]
            table.add_row(peer, *cells, f"{count} of {len(verdicts)}")
        yield table


def goals(found, task):
    """Yield how far softcheck is from the slow checkers, and from the yardstick, as measured."""
    own, yardstick = found["softcheck"]["seconds"], found[YARDSTICK]["seconds"]
    largest, few = max(own), task.compared
    for peer in ("torch gradcheck", "scipy approx_derivative, 3-point", "numdifftools Gradient"):
        compared = time_at(found[peer]["seconds"], few, task)
        if compared is None:
            continue
        slow, extrapolated = compared[0] / few, compared[1]
        yield (
            f"{task.name}, {peer} at S = {few:,}{' (extrapolated)' if extrapolated else ''}, "
            f"a logit: {slow / (own[few] / few):.3g} times the time of softcheck there, "
            f"{slow / (own[largest] / largest):.3g} times that of softcheck at S = {largest:,}"
        )
    shared = max(set(own) & set(yardstick))
    ratio = own[shared] / yardstick[shared]
    yield f"{task.name}, softcheck at S = {shared:,}: {ratio:.3g} times the time of {YARDSTICK}"


def measured(console, limit):
    """Return all that is measured of all peers, by task and name."""
    found = {}
    for name in TASKS:
        found[name] = {}
        for peer in PEERS:
            with console.status(f"{name}, {peer}"):
                found[name][peer] = judged(peer, name, limit)
    return found


def show(console, found, limit):
    """Print the tables, and how far they are from the goals."""
    for name, of in found.items():
        for table in tables(of, TASKS[name], limit):
            console.print(table)
        console.print(*goals(of, TASKS[name]), sep="\n", highlight=False)


def wide_console():
    """Return a console on which the tables fit, if it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else 132)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=60.0)
    limit = parser.parse_args().limit
    console = wide_console()
    show(console, measured(console, limit), limit)


if __name__ == "__main__":
    main()
