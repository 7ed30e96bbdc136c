"""The central difference, dL/dtheta_a = (L(theta + h e_a) - L(theta - h e_a)) / 2h."""

import numpy as np

from softcheck.loss import Loss, change
from softcheck.policy import Array, Buffers, Policy
from softcheck.tolerance import TINY, Bounds, U

STEP = 2.0**-17
"""A power of two near U^(1/3), the step for losses that are rounded as a whole."""


def gradient(policy: Policy, loss: Loss, bounds: Bounds, buffers: Buffers) -> tuple[Array, Array]:
    """Return the difference quotient by every logit and a bound on its error.

    Truncation is at most h^2/6 max |d^3 L|. Along one logit, L depends on x = logit pi_a only:
    with s = pi_a (1 - pi_a) and c = Q_a minus the soft value of the other actions,
    dL = -s (c - alpha x) and D_a = (1 - pi_a) |c - alpha x|, so that for |t| <= h

        |d^3 L| <= e^h (pi_a D_a + 2 alpha s + alpha h s).

    Rounding has two parts. What both losses share (z, w, u, Z, N) is a change of the givens by
    U, and moves the quotient as it moves Eq. (6). What each does for itself is less than eight
    roundings of terms of at most h pi_a (D_a + 2 alpha), and is divided by h.

    Returns
    -------
    value, error : Array, shape (actions, rows)
    """
    shape = loss.w.shape
    value = buffers("central.value", shape)
    error = buffers("central.error", shape)
    backward = buffers("central.backward", shape)
    change(loss, STEP, value, buffers)
    change(loss, -STEP, backward, buffers)
    value -= backward
    value /= 2.0 * STEP

    bounds.of(U, TINY / STEP, error)
    local = np.abs(loss.u, out=backward)
    local += 2.0 * loss.alpha
    local *= policy.pi
    # e^h and alpha h s are below 1.00001 and 2^-17 of what they stand beside.
    local *= 1.0001 * (STEP * STEP / 6.0 + 8.0 * U)
    error += local
    return value, error
