"""The central difference, dL/dtheta_a = (L(theta + h e_a) - L(theta - h e_a)) / 2h.

Both losses are evaluated as their change, which keeps its digits at any h.
"""

from softcheck.gradient.loss import Terms, moved
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import U

STEP = 2.0**-24
"""A power of two. Truncation is some roundings: a third of those that are tolerated."""

ROUNDINGS = 16.0 + 1.0001 * STEP * STEP / 6.0 / U
"""Its own arithmetic and its truncation, in units of U of `tolerance.Closed.own`."""


def gradient(terms: Terms, buffers: Buffers) -> Entries:
    """Return the difference quotient by every logit.

    Truncation is at most h^2/6 max |d^3 L|. Along one logit, L depends on x = logit pi_a and on
    logsumexp only: with s = pi_a (1 - pi_a) and c = q_a minus the soft value of the other actions,
    the soft part is -s (c - alpha x), D_a = (1 - pi_a) |c - alpha x|, the derivative of log Z is
    pi_a, and so for |t| <= h

        |d^3 L| <= e^h (pi_a D_a + 2 alpha s + alpha h s + |Y| s
                        + |zeta| (6 pi_a s + 2 (|logsumexp| + h) s)),

    which is at most `tolerance.Closed.own` but for e^h and what has a factor h. Rounding has two
    parts. What is given to the difference (z, pi, u, logsumexp) is off by what moves the quotient
    as it moves the formula. Its own arithmetic is at most sixteen roundings of terms that are `own`
    together.
    """
    shape = terms.p.shape
    value = moved(terms, STEP, buffers("value", shape), buffers)
    value -= moved(terms, -STEP, buffers("scratch.2", shape), buffers)
    value *= 0.5 / STEP
    return value
