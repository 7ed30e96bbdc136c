"""Eq. (6) and its relatives as printed, one function a formula."""

import numpy as np

from softcheck.gradient.policy import Entries, Policy


def gradient(policy: Policy, out: Entries) -> Entries:
    """Return dL/dtheta_a = -pi(a) (g(a) - V), Eq. (6), in `out`."""
    np.subtract(policy.value, policy.g, out=out)
    out *= policy.pi
    return out
