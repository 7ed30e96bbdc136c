"""The derivative to more digits than anyone needs: the arbiter that says who is wrong.

L = -(N / Z + alpha log Z), with Z = sum w and N = sum w (Q - alpha z) from its definition, is
evaluated in mpmath with one logit moved by i h. With h below the last of `DIGITS` digits,
Im L / h is dL/dtheta to within 1e-55 of what it is made of.
"""

from collections.abc import Sequence
from functools import cache

import mpmath

DIGITS = 60
_VANISHES = -2000
"""Below this shifted logit, pi < 1e-868 and a gradient rounds to 0 for any Q in float64."""


@cache
def _context() -> mpmath.ctx_mp.MPContext:
    """Return arithmetic of `DIGITS` digits; to make it takes longer than a derivative."""
    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def gradient(
    q: Sequence[float], logits: Sequence[float], alpha: float, actions: Sequence[int]
) -> list[float]:
    """Return dL/dtheta_a of one state for each a in `actions`, rounded to float64.

    Parameters
    ----------
    q, logits : sequence of float
        The legal actions of the state; finite. Taken as exact numbers.
    alpha : float
        The temperature.
    actions : sequence of int
        Indices into `q` and `logits`.
    """
    context = _context()
    h = context.mpf(10) ** -context.dps
    temperature, top = context.mpf(alpha), context.mpf(max(logits))
    values = [context.mpf(value) for value in q]
    z = [context.mpf(logit) - top for logit in logits]
    w = [context.exp(shifted) for shifted in z]
    wu = [
        weight * (value - temperature * shifted)
        for weight, value, shifted in zip(w, values, z, strict=True)
    ]
    Z, N = context.fsum(w), context.fsum(wu)

    def loss(a: int) -> mpmath.mpc:
        z_moved = context.mpc(z[a], h)
        w_moved = context.exp(z_moved)
        Z_moved = Z - w[a] + w_moved
        N_moved = N - wu[a] + w_moved * (values[a] - temperature * z_moved)
        return -(N_moved / Z_moved + temperature * context.log(Z_moved))

    return [0.0 if z[a] < _VANISHES else float(loss(a).imag / h) for a in actions]
