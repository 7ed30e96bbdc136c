"""The complex-step derivative, dL/dtheta_a = Im L(theta + i h e_a) / h.

Nothing is subtracted, so it has the accuracy of the loss itself however small h is (Squire and
Trapp, SIAM Review 40, 1998), and entries with a tiny pi keep their relative accuracy.
"""

from softcheck.gradient.loss import Terms, imaginary
from softcheck.gradient.policy import Buffers, Entries

STEP = 2.0**-40
"""Truncation, h^2/6 of the third derivative, is below 2^-81 of it; a far smaller step would take
products with a tiny pi below the smallest number."""


def gradient(terms: Terms, buffers: Buffers) -> Entries:
    """Return the derivative by every logit.

    What is given to it (z, pi, u, logsumexp) is off by what moves it as it moves the formula. On
    the way of each of its terms, which together are `tolerance.Closed.own`, lie at most eight
    roundings, and one for each part of y: fewer than `central.ROUNDINGS`.
    """
    return imaginary(terms, STEP, buffers("value", terms.p.shape), buffers)
