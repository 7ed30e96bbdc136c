"""Gradients of SAC in two parts, and what is gathered of them for their fit."""

import ml_dtypes
import numpy as np

from softcheck.checks.blocks import Masking, evaluation, loss_of
from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Context
from softcheck.checks.merging import merged
from softcheck.checks.moments import Moments
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

ALPHA = 0.25


def parts(q, logits, alpha=ALPHA):
    """Return -J(Q) and alpha J(log pi)."""
    log_pi = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    log_pi = np.maximum(log_pi, -1e3)  # of a masked action
    pi = np.exp(log_pi)

    def jacobian(w):
        return pi * (w - (pi * w).sum(axis=-1, keepdims=True))

    return -jacobian(q), alpha * jacobian(log_pi)


def tables(seed, states, actions=5):
    return np.random.default_rng(seed).normal(size=(2, states, actions))


def moments(arrays, rows=None, settings=Settings()):  # noqa: B008  it is frozen
    """Return the moments of a case of SAC, and the tolerances of its first block."""
    return of_case(case_from_arrays({"alpha": ALPHA} | arrays), rows, settings)


def of_case(case, rows=None, settings=Settings()):  # noqa: B008  it is frozen
    """Return the moments of a case, and the tolerances of its first block."""
    context = Context(case.states * case.actions, 5, loss=loss_of(case))
    buffers, total, tolerance = Buffers(), None, None
    for raw in case.blocks(rows or case.states):
        e = evaluation(case, raw, settings, context, buffers, Masking())
        with np.errstate(all="ignore"):
            found = sides(e, "gradient")
            ratio = found.ratio(np.empty_like(found.expected))
            total = merged(total, Moments.of(e, found, ratio))
        tolerance = found.tolerance.T.copy() if tolerance is None else tolerance
    return total, tolerance


def wrong(seed, states=40, actions=5, masked=False):
    """Return a case whose gradient has another scale and temperature and noise, and its parts."""
    q, logits = tables(seed, states, actions)
    if masked:
        logits[::3, 1] = -np.inf
    a, b = parts(q, logits)
    noise = 1e-3 * np.random.default_rng(seed).normal(size=q.shape)
    return {"q": q, "logits": logits, "grad": (1.5 * a - 3.0 * b) * (1.0 + noise)}, a, b


def coarse(name, grad, times=1.0):
    """Return a gradient as it is stored in 16 bits."""
    return (times * grad).astype(getattr(ml_dtypes, name, name))
