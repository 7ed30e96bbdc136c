"""The complex-step derivative, dL/dtheta_a = Im L(theta + i h e_a) / h.

Nothing is subtracted, so it has the accuracy of the loss itself however small h is (Squire and
Trapp, SIAM Review 40, 1998), and entries with a tiny pi keep their relative accuracy.
"""

from softcheck.gradient.loss import Terms, imaginary
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import Closed, Error

STEP = 2.0**-40
"""Truncation, h^2/6 of the third derivative, is below 2^-81 of it; a far smaller step would take
products with a tiny pi below the smallest number."""

_LOCAL = 8.0


def gradient(terms: Terms, bounds: Closed, buffers: Buffers) -> tuple[Entries, Error]:
    """Return the derivative by every logit, and a bound on its error.

    What is given to it (z, pi, u, logsumexp) is off by what moves it as it moves the formula. On
    the way of each of its terms, which together are `Closed.own`, lie at most eight roundings, and
    one for each part of y.
    """
    value = imaginary(terms, STEP, buffers("value", terms.p.shape), buffers)
    return value, bounds.with_own(_LOCAL + bounds.parts, buffers)
