"""Adversarial states and their true gradients, by arithmetic that is not the tool's."""

from dataclasses import dataclass
from itertools import accumulate

import mpmath
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

DIGITS = 80

TABLES = 10 * settings.default.max_examples
"""How many states a property is tested with: 1,000, and 5,000 with the profile `thorough`."""


@dataclass(frozen=True)
class State:
    """One state; a masked action has a logit of -inf and a q of 0."""

    q: np.ndarray
    logits: np.ndarray
    alpha: float


@st.composite
def states(draw, max_actions=64):
    """Draw states over the whole range that the tolerances are promised for."""
    kind = draw(st.sampled_from(["any", "near-optimal", "saturated", "equal"]))
    return make(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        kind,
        actions=draw(st.integers(1, max_actions)),
        logit_scale=10.0 ** draw(st.floats(-3, 3)),
        offset=draw(st.sampled_from([0.0, 1.0, -30.0, 1e3, -1e6, 1e6])),
        q_scale=10.0 ** draw(st.floats(-4, 9)),
        alpha=draw(st.one_of(st.just(0.0), st.floats(-6, 3).map(lambda x: 10.0**x))),
        masked=draw(st.sampled_from([0.0, 0.0, 0.3, 0.9])),
    )


def make(generator, kind, *, actions, logit_scale, offset, q_scale, alpha, masked):
    """Make one state of a kind."""
    q = generator.normal(size=actions) * q_scale
    logits = generator.normal(size=actions) * logit_scale + offset
    if kind == "near-optimal" and alpha > 0:
        logits = q / alpha + generator.normal(size=actions) * 10.0 ** generator.uniform(-12, -3)
    elif kind == "saturated":
        logits[generator.integers(actions)] += 10.0 ** generator.uniform(1, 3)
    elif kind == "equal":
        q[:] = q[0]
    hidden = generator.random(actions) < masked
    hidden[generator.integers(actions)] = False
    q[hidden] = 0.0
    logits[hidden] = -np.inf
    return State(q, logits, alpha)


def true_terms(state):
    """Return the legal actions, and w = exp z and u = Q - alpha z of each at 80 digits."""
    context = mpmath.mp.clone()
    context.dps = DIGITS
    legal = np.flatnonzero(np.isfinite(state.logits))
    q = [context.mpf(x) for x in state.q[legal].tolist()]
    theta = [context.mpf(x) for x in state.logits[legal].tolist()]
    alpha = context.mpf(state.alpha)
    top = max(theta)
    w = [context.exp(t - top) for t in theta]
    u = [x - alpha * (t - top) for x, t in zip(q, theta, strict=True)]
    return legal, w, u


def true_gradient(state):
    """Return -pi (g - V) at 80 digits, in the leave-one-out form that never cancels."""
    legal, w, u = true_terms(state)
    wu = [a * b for a, b in zip(w, u, strict=True)]
    Z = sum(w)
    gradient = np.zeros(len(state.q))
    for i, (Z_others, N_others) in enumerate(
        zip(sums_of_others(w), sums_of_others(wu), strict=True)
    ):
        gradient[legal[i]] = float(-w[i] / Z**2 * (Z_others * u[i] - N_others))
    return gradient


def true_size(state):
    """Return pi (D + sum pi D + alpha), D = |g - V|: what the gradient is made of."""
    legal, w, u = true_terms(state)
    Z = sum(w)
    pi = [a / Z for a in w]
    mean = sum(p * x for p, x in zip(pi, u, strict=True))
    D = [abs(x - mean) for x in u]
    slope = sum(p * d for p, d in zip(pi, D, strict=True))
    size = np.zeros(len(state.q))
    size[legal] = [float(p * (d + slope + state.alpha)) for p, d in zip(pi, D, strict=True)]
    return size


def true_loss(state, step=None):
    """Return -sum pi (Q - alpha log pi) at 80 digits, after the logits moved by `step`."""
    context = mpmath.mp.clone()
    context.dps = DIGITS
    legal = np.flatnonzero(np.isfinite(state.logits))
    step = np.zeros(len(state.q)) if step is None else step
    q = [context.mpf(x) for x in state.q[legal].tolist()]
    theta = [
        context.mpf(x) + context.mpf(t)
        for x, t in zip(state.logits[legal].tolist(), step[legal].tolist(), strict=True)
    ]
    top = max(theta)
    Z = context.fsum(context.exp(t - top) for t in theta)
    log_pi = [t - top - context.log(Z) for t in theta]
    terms = (context.exp(p) * (x - state.alpha * p) for x, p in zip(q, log_pi, strict=True))
    return -context.fsum(terms)


def sums_of_others(terms):
    """Return for each term the sum of all others, from prefix and suffix sums."""
    before = [0, *accumulate(terms[:-1])]
    after = [0, *accumulate(terms[:0:-1])]
    return [a + b for a, b in zip(before, reversed(after), strict=True)]
