"""The complex-step derivative, dL/dtheta_a = Im L(theta + i h e_a) / h.

Nothing is subtracted, so it has the accuracy of the loss itself at any h (Squire and Trapp,
SIAM Review 40, 1998), and entries with a tiny pi keep their relative accuracy.
"""

from softcheck.loss import Loss, moved_imaginary
from softcheck.policy import Array, Buffers
from softcheck.tolerance import TINY, Bounds, U

STEP = 1e-20
"""Small enough that h^2 vanishes beside 1, large enough that w h seldom underflows."""


def gradient(loss: Loss, bounds: Bounds, buffers: Buffers) -> tuple[Array, Array]:
    """Return the derivative by every logit and a bound on its error, both `(actions, rows)`."""
    shape = loss.w.shape
    value = buffers("complex.value", shape)
    error = buffers("complex.error", shape)
    moved_imaginary(loss, STEP, value, error)
    value /= STEP
    # Its terms are those of Eq. (6), so its rounding is too; below `TINY / STEP` w h underflows.
    return value, bounds.of(U, TINY / STEP, error)
