"""The central difference, dL/dtheta_a = (L(theta + h e_a) - L(theta - h e_a)) / 2h."""

import numpy as np

from softcheck.gradient.loss import Terms, central_difference
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import Closed, Error, U

STEP = 2.0**-18
"""A power of two near U^(1/3), the step for losses that are rounded as a whole."""

_LOCAL = 1.0001 * (STEP * STEP / 6.0 + 16.0 * U) / U


def gradient(terms: Terms, bounds: Closed, buffers: Buffers) -> tuple[Entries, Error]:
    """Return the difference quotient by every logit and a bound on its error.

    Truncation is at most h^2/6 max |d^3 L|. Along one logit, L depends on x = logit pi_a only:
    with s = pi_a (1 - pi_a) and c = Q_a minus the soft value of the other actions,
    dL = -s (c - alpha x) and D_a = (1 - pi_a) |c - alpha x|, so that for |t| <= h

        |d^3 L| <= e^h (pi_a D_a + 2 alpha s + alpha h s).

    Rounding has two parts. What is given to the difference (z, pi, u) is off by what moves the
    quotient as it moves Eq. (6). Its own arithmetic is at most sixteen roundings of terms of at
    most pi_a (D_a + 2 alpha) together. `Closed.weighted` is at least pi_a (D_a + 2 alpha).

    Returns
    -------
    value : Entries
    error : Error
    """
    shape = terms.p.shape
    value = central_difference(terms, STEP, buffers("value", shape), buffers)
    # e^h and alpha h s are below 1.00001 and 2^-18 of what they stand beside.
    error = np.multiply(bounds.weighted.each, _LOCAL, out=buffers("scratch", shape))
    error += bounds.rounding.each
    return value, Error(error, _LOCAL * bounds.weighted.relative + bounds.rounding.relative)
