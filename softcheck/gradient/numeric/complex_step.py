"""The complex-step derivative, dL/dtheta_a = Im L(theta + i h e_a) / h.

Nothing is subtracted, so it has the accuracy of the loss itself at any h (Squire and Trapp,
SIAM Review 40, 1998), and entries with a tiny pi keep their relative accuracy. The imaginary
parts are kept in units of h, so that h need not be chosen.
"""

from softcheck.gradient.loss import Terms, imaginary_part
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import Bounds, Error


def gradient(terms: Terms, bounds: Bounds, buffers: Buffers) -> tuple[Entries, Error]:
    """Return the derivative by every logit, and a bound on its error."""
    value = imaginary_part(terms, buffers("value", terms.p.shape))
    # Its terms are those of Eq. (6), so its rounding is too.
    return value, bounds.rounding
