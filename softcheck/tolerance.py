"""How far a right gradient may be off: rounding bounds, an entry at a time.

Errors of Eq. (6) scale with pi(a) (|g(a)| + sum pi |g|), not with the gradient: near
theta = Q / alpha the gradient cancels, and a relative tolerance would reject right code. The
bounds here are first order in the unit roundoff U, from the standard model of arithmetic
(Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 2) applied to

    z = theta - max,  w = exp z,  pi = w / sum w,  g = Q - alpha log pi,  -pi (g - sum pi g).
"""

import enum
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np

from softcheck.loss import Loss
from softcheck.policy import Array, Block, Buffers, Policy, mean_over_actions

DUMP_FACTOR = 16.0
"""Tolerance of a dumped value in units of its bound. Right gradients of public frameworks stay
below 13 (`torch.distributions.Categorical`, which clamps) and mostly below 2."""


class Precision(enum.Enum):
    """A floating-point format: its unit roundoff, and below what it may return zero.

    float32 and bfloat16 flush subnormal numbers on accelerators; float16 does not.
    """

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "Precision":
        """Return the precision of numbers stored as `dtype`; integers count as float64."""
        return cls(dtype.name) if dtype.name in _ROUNDING else cls.FLOAT64

    @property
    def unit(self) -> float:
        """The unit roundoff."""
        return _ROUNDING[self.value][0]

    @property
    def underflow(self) -> float:
        """The size below which a result may be 0."""
        return _ROUNDING[self.value][1]


_ROUNDING = {
    "float64": (2.0**-53, 2.0**-1022),
    "float32": (2.0**-24, 2.0**-126),
    "bfloat16": (2.0**-8, 2.0**-126),
    "float16": (2.0**-11, 2.0**-24),
}


U = Precision.FLOAT64.unit
TINY = Precision.FLOAT64.underflow


def summation(actions: int) -> float:
    """Return n: a sum over `actions` terms errs by at most n U times the sum of magnitudes.

    The smaller of a plain running sum's n and that of a pairwise, blocked or compensated one,
    with room for the roundings of the terms themselves.
    """
    return min(actions + 4.0, 8.0 + 2.0 * log2(actions))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The size of a state's gradient and the size of the rounding in it.

    Attributes
    ----------
    rounding : Array, shape (actions, rows)
        |computed - true| of Eq. (6) is at most `U * rounding`, underflow aside.
    size : Array, shape (actions, rows)
        D + sum pi D + alpha with D = |g - V|: what a gradient is made of, before its weight.
    scale : Array, shape (actions, rows)
        pi size: what the gradient is made of.
    mean : Array, shape (rows,)
        sum pi (mag + rho D + n |g|), the rounding that all entries of a state share.
    """

    rounding: Array
    size: Array
    scale: Array
    mean: Array

    def of(self, unit: float, underflow: float, out: Array) -> Array:
        """Return the absolute bound for a unit roundoff, where results may underflow to zero."""
        np.add(self.size, 1.0, out=out)
        out *= underflow / unit
        out += self.rounding
        out *= unit
        return out


def live_magnitude(logits: Array, policy: Policy, out: Array) -> Array:
    """Return |theta| in `out`, 0 where the weight of the action is 0 and its logit is no matter."""
    np.abs(logits, out=out)
    np.copyto(out, 0.0, where=policy.w == 0.0)
    return out


def bounds(
    block: Block,
    policy: Policy,
    loss: Loss,
    buffers: Buffers,
    *,
    rounded_logits: bool = False,
) -> Bounds:
    """Return the bounds on Eq. (6) for every entry of a block.

    With rho = |z| + 3 (what z, exp and the quotient add to the relative error of pi),
    D = |g - V| = |u - ubar|, mag = |Q| + alpha (2 + |z| + 3 |log pi|) (what z, log pi, the
    product and the difference add to the error of g) and n of `summation`:

        E_a = U pi_a [ (rho_a + n) D_a + mag_a + sum_j pi_j (mag_j + rho_j D_j + n |g_j|) ]

    Parameters
    ----------
    block, policy, loss
        One block and its quantities.
    buffers : Buffers
    rounded_logits : bool
        Whether the logits are rounded themselves, as they are for whatever was computed
        elsewhere: frameworks subtract logsumexp before the maximum. rho then grows by |theta|
        and mag by alpha |theta|.
    """
    shape = policy.z.shape
    n = summation(shape[0])

    kind = "rounded" if rounded_logits else "exact"

    def buffer(quantity: str) -> Array:
        return buffers(f"bounds.{kind}.{quantity}", shape)

    D = np.abs(loss.u, out=buffer("D"))
    size = np.add(D, mean_over_actions(policy.pi, D, buffers) + block.alpha, out=buffer("size"))
    scale = np.multiply(policy.pi, size, out=buffer("scale"))

    # log Z >= 0, so both z and log pi are negative or zero.
    rho = np.subtract(3.0, policy.z, out=buffer("rho"))
    if rounded_logits:
        rho += live_magnitude(block.logits, policy, buffer("scratch"))
    scratch = np.multiply(policy.log_pi, 3.0, out=buffer("scratch"))
    rounding = np.subtract(rho, scratch, out=buffer("rounding"))
    rounding *= block.alpha
    rounding += np.abs(block.q, out=scratch)
    rho *= D
    rounding += rho
    np.abs(policy.g, out=scratch)
    scratch *= n
    scratch += rounding
    mean = mean_over_actions(policy.pi, scratch, buffers)
    D *= n
    rounding += D
    rounding += mean
    rounding *= policy.pi
    return Bounds(rounding, size, scale, mean)


def loss_rounding(policy: Policy, alpha: Array, shared: Bounds) -> Array:
    """Return the bound on a state's loss in units of U, shape `(rows,)`.

        E_L = U [ sum pi (mag + rho D + n |u|) + alpha (2 log Z + n) + 4 |ubar| ]

    with |u| <= |g| + alpha log Z and |ubar| <= |V| + alpha log Z.
    """
    n = summation(policy.z.shape[0])
    return shared.mean + alpha * ((n + 6.0) * policy.log_Z + n) + 4.0 * np.abs(policy.value)
