"""Evaluations of states as the checks see them, without files."""

import numpy as np

from softcheck.checks.evaluation import Context, Dump, Evaluation
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.tolerance import Precision
from softcheck.shipped import stored

(SAC,) = stored("sac").variants


def evaluation(states, *, dumps=None, limit=100, samples=0, seed=0, start=0):
    """Lay states with equally many actions out as one block."""
    q = np.stack([state.q for state in states], axis=1)
    logits = np.stack([state.logits for state in states], axis=1)
    of_q = Block(q, logits, np.zeros(1))
    block = Block(q, logits, np.array([state.alpha for state in states]), summands=(of_q,))
    return of_block(block, dumps, limit, samples, seed, start, loss=SAC)


def of_block(block, dumps=None, limit=100, samples=0, seed=0, start=0, *, loss=None):
    """Return the evaluation of a block."""
    legal = np.isfinite(block.logits)
    sample = [(start, place / 3) for place in range(3)]
    context = Context(block.logits.size, limit, samples, seed, sample, loss=loss)
    return Evaluation(
        block,
        start,
        np.ones(block.rows),
        None if legal.all() else legal,
        {
            name: Dump(np.asarray(values, dtype=np.float64), precision, precision)
            for name, (values, precision) in (dumps or {}).items()
        },
        context,
        Buffers(),
    )


def float64_dump(values):
    """Return a dump that was computed in float64."""
    return values, Precision.FLOAT64
