"""Gradient checkers side by side on one loss: time a logit, bugs caught, false alarms.

python tests/benchmarks/peers.py [--limit SECONDS]

Every checker gets the loss as code and a gradient that was computed elsewhere, and says whether
they belong together: as its documentation shows, at its default tolerances, and in rows of their
own at tighter ones. It is stopped after the limit; that is an answer too. Only right tables of 1000
states have 10 minutes, so that the slow ones are timed there too; where even that is not enough, a
number after ~ follows the growth between the two sizes before it, which is less than comes. Needs
the dependency group `benchmark`.
"""

import argparse
import math
import multiprocessing
import os
import platform
import sys
import time
import warnings
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

ACTIONS, ALPHA = 18, 0.2
SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000)
BORNE = (1000, 100, 10)
"""Numbers of states for planted bugs: a checker is judged at the first that it can bear."""

MANY = 100_000
COMPARED, PATIENCE = 1000, 600.0
"""At this number of states every checker is timed, if that takes no more than so many seconds."""


@dataclass
class Problem:
    """Q and logits, the reduction of the loss, and the gradient under test, all of one dtype."""

    q: np.ndarray
    logits: np.ndarray
    reduction: str
    grad: np.ndarray

    @property
    def scale(self):
        """What multiplies the loss of each state."""
        return 1.0 / len(self.q) if self.reduction == "mean" else 1.0

    def loss(self, logits):
        """Return the loss, in the dtype of the problem."""
        z = logits.reshape(self.q.shape).astype(self.q.dtype)
        z = z - z.max(-1, keepdims=True)
        log_pi = z - np.log(np.exp(z).sum(-1, keepdims=True))
        soft = np.exp(log_pi) * (self.q.dtype.type(ALPHA) * log_pi - self.q)
        return soft.sum() * self.q.dtype.type(self.scale)


def eq6(q, logits, alpha):
    """Return the gradient of each state's loss, in the dtype of the tables."""
    z = logits - logits.max(-1, keepdims=True)
    log_pi = z - np.log(np.exp(z).sum(-1, keepdims=True))
    pi, g = np.exp(log_pi), q - q.dtype.type(alpha) * log_pi
    return -pi * (g - (pi * g).sum(-1, keepdims=True))


def problem(states, reduction="sum", dtype="float64", plant=None):
    """Return random tables, and their right gradient or one with a bug in it."""
    q, logits = np.random.default_rng(0).normal(size=(2, states, ACTIONS)).astype(dtype)
    grad = eq6(q, logits, ALPHA)
    if plant is not None:
        grad = plant(q, logits, grad)
    made = Problem(q, logits, reduction, grad)
    made.grad = grad * q.dtype.type(made.scale)
    return made


def flip_all(_q, _logits, grad):
    return -grad


def flip_one_state(_q, _logits, grad):
    grad[len(grad) // 2] *= -1
    return grad


def leave_out_alpha(q, logits, _grad):
    return eq6(q, logits, 1.0)


def shift_one_entry(_q, _logits, grad):
    grad[len(grad) // 2, ACTIONS // 2] += 1e-6
    return grad


BUGS = {
    "all signs flipped, mean loss": ("mean", flip_all, None),
    "one state of 100,000 flipped, sum loss": ("sum", flip_one_state, MANY),
    "alpha missing, sum loss": ("sum", leave_out_alpha, None),
    "one entry off by 1e-6, sum loss": ("sum", shift_one_entry, None),
}


def softcheck(p):
    """All of its checks, from arrays in memory."""
    import softcheck as tool

    made = tool.verify(q=p.q, logits=p.logits, alpha=ALPHA, grad=p.grad, reduction=p.reduction)
    return made.status is tool.Status.PASSED


def torch_loss(p, logits):
    import torch

    log_pi = torch.log_softmax(logits, -1)
    return (log_pi.exp() * (ALPHA * log_pi - torch.from_numpy(p.q))).sum() * p.scale


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
        log_pi = jax.nn.log_softmax(logits)
        return (jax.numpy.exp(log_pi) * (ALPHA * log_pi - p.q)).sum() * p.scale

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
    """Asks one peer, in a process that is ended when its time is over."""

    def __init__(self, peer, limit):
        self._peer, self._limit = peer, limit
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
            self._pool.apply(cell, (self._peer, (2,)))  # imports and compilers
        try:
            return self._pool.apply_async(cell, (self._peer, arguments)).get(limit or self._limit)
        except multiprocessing.TimeoutError:
            self.__exit__()
            return None


def times_of(judge, limit):
    """Return seconds by number of states, up to what ends in time.

    What would take twice the limit, if it grew on as it did, is not tried.
    """
    times = {}
    last, factor = 0.0, 10.0
    for states in SIZES:
        allowed = max(limit, PATIENCE) if states == COMPARED else limit
        found = judge(states, limit=allowed) if last * factor <= 2 * allowed else None
        if found is None:
            break
        if last:
            factor = max(10.0, found[1] / last)
        times[states] = last = found[1]
    return times


def judged(peer, limit):
    """Return all that is measured of a peer."""
    with Judge(peer, limit) as judge:
        times = times_of(judge, limit)
        bearable = [states for states, seconds in times.items() if seconds <= limit]
        borne = next((states for states in BORNE if states in bearable), BORNE[-1])

        def verdict(states, *arguments):
            found = judge(states, *arguments) if states in bearable else None
            return {"states": states, "accepted": None if found is None else found[0]}

        bugs, alarms = {}, {}
        if peer != YARDSTICK:
            for name, (reduction, plant, states) in BUGS.items():
                bugs[name] = verdict(states or borne, reduction, "float64", plant)
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


def microseconds(seconds, states):
    """Return a time as microseconds a logit, with three digits."""
    return f"{seconds / (states * ACTIONS) * 1e6:.3g}"


def exponent(times):
    """Return the power of the number of states that the time grows with, from the two largest."""
    (few, fast), (many, slow) = list(times.items())[-2:]
    return math.log(slow / fast) / math.log(many / few)


def growth(times):
    """Return how the time a logit grows when the number of states does."""
    return f"S^{exponent(times) - 1.0:.1f}" if len(times) > 1 else "?"


def time_at(times, states):
    """Return the time at a number of states and whether that is extrapolated, or None."""
    if states in times:
        return times[states], False
    largest = max(times, default=states)
    if states != COMPARED or len(times) < 2 or largest > states:
        return None
    return times[largest] * (states / largest) ** exponent(times), True


def cell_of(times, states, limit):
    """Return a time a logit as the table has it."""
    found = time_at(times, states)
    if found is None:
        return f"> {limit:g} s"
    seconds, extrapolated = found
    return f"{'~ ' if extrapolated else ''}{microseconds(seconds, states)}"


def shown(verdict, limit):
    """Return whether a peer rejected, and at how many states if not at the usual number."""
    if verdict["accepted"] is None:
        return f"> {limit:g} s"
    at = "" if verdict["states"] in (BORNE[0], MANY) else f" at {verdict['states']}"
    return ("no" if verdict["accepted"] else "yes") + at


def tables(found, limit):
    """Yield the tables that are printed."""
    times = Table(title=f"Microseconds a logit, {ACTIONS} actions, S states; tight: {TIGHT}")
    times.add_column("", no_wrap=True)
    for states in SIZES:
        times.add_column(f"S = {states:,}", justify="right", no_wrap=True)
    times.add_column("grows like", no_wrap=True)
    for peer, of in found.items():
        cells = [cell_of(of["seconds"], states, limit) for states in SIZES]
        times.add_row(peer, *cells, growth(of["seconds"]))
    yield times
    bugs = Table(title=f"Bugs caught at S = {BORNE[0]} where no other S is named")
    alarms = Table(title=f"False alarms on right gradients at S = {BORNE[0]}")
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
            cells = [shown(verdict, limit) for verdict in verdicts]
            table.add_row(peer, *cells, f"{count} of {len(verdicts)}")
        yield table


def goals(found):
    """Yield how far softcheck is from the slow checkers, and from the yardstick, as measured."""
    own, yardstick = found["softcheck"]["seconds"], found[YARDSTICK]["seconds"]
    largest = max(own)
    for peer in ("torch gradcheck", "scipy approx_derivative, 3-point", "numdifftools Gradient"):
        compared = time_at(found[peer]["seconds"], COMPARED)
        if compared is None:
            continue
        slow, extrapolated = compared[0] / COMPARED, compared[1]
        yield (
            f"{peer} at S = {COMPARED:,}{' (extrapolated)' if extrapolated else ''}, a logit: "
            f"{slow / (own[COMPARED] / COMPARED):.3g} times the time of softcheck there, "
            f"{slow / (own[largest] / largest):.3g} times that of softcheck at S = {largest:,}"
        )
    shared = max(set(own) & set(yardstick))
    ratio = own[shared] / yardstick[shared]
    yield f"softcheck at S = {shared:,}: {ratio:.3g} times the time of {YARDSTICK}"


def measured(console, limit):
    """Return all that is measured of all peers, by their names."""
    found = {}
    for peer in PEERS:
        with console.status(peer):
            found[peer] = judged(peer, limit)
    return found


def show(console, found, limit):
    """Print the tables, and how far they are from the goals."""
    for table in tables(found, limit):
        console.print(table)
    console.print(*goals(found), sep="\n", highlight=False)


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
