"""Eq. (6) and its relatives as printed, one function a formula."""

import numpy as np

from softcheck.gradient.policy import Array, Policy


def gradient(policy: Policy, out: Array) -> Array:
    """Return dL/dtheta_a = -pi(a) (g(a) - V), Eq. (6), shape `(actions, rows)`, in `out`."""
    np.subtract(policy.value, policy.g, out=out)
    out *= policy.pi
    return out
