"""The soft policy loss of a state from its definition, L = -sum_a pi(a) g(a), real or complex.

With z the shifted logits, w = exp z, Z = sum w, u = Q - alpha z and N = sum w u,

    L = -(N / Z + alpha log Z).

A constant added to every logit of a state leaves L as it is, and a constant added to every Q
moves L by that constant; so z is taken relative to the largest logit and u relative to its own
mean. Neither changes a derivative, and both keep large offsets out of the rounding.

A logit enters the sums of its own state through one term only, so the loss at a moved logit
costs O(1). This file knows no derivative.
"""

from dataclasses import dataclass

import numpy as np

from softcheck.policy import Array, Block, Buffers, Policy, mean_over_actions


@dataclass(frozen=True, slots=True)
class Loss:
    """The sums that make up the loss of each state of a block.

    Attributes
    ----------
    w, u : Array, shape (actions, rows)
        exp z, and Q - alpha z - baseline.
    Z, N, alpha, baseline : Array, shape (rows,)
        sum w, sum w u, the temperature, and the mean of Q - alpha z under pi.
    """

    w: Array
    u: Array
    Z: Array
    N: Array
    alpha: Array
    baseline: Array

    def __call__(self) -> Array:
        """Return L + baseline of each state, shape `(rows,)`."""
        return -(self.N / self.Z + self.alpha * np.log(self.Z))


def sums(block: Block, policy: Policy, buffers: Buffers) -> Loss:
    """Return the sums of the loss of `block`."""
    shape = policy.z.shape
    u = np.multiply(policy.z, block.alpha, out=buffers("loss.u", shape))
    np.subtract(block.q, u, out=u)
    baseline = mean_over_actions(policy.w, u, buffers) / policy.Z
    u -= baseline
    N = mean_over_actions(policy.w, u, buffers)
    return Loss(policy.w, u, policy.Z, N, block.alpha, baseline)


def change(loss: Loss, t: float, out: Array, buffers: Buffers) -> Array:
    """Return how much L changes when the logit of an entry moves by `t`, one entry at a time.

        w' = w e^t,  N' = N - w u + w' (u - alpha t),  Z' = Z - w + w',
        L' - L = -(N' / Z' - N / Z + alpha log (Z' / Z))

    With e = e^t - 1 and p = w / Z this is -(p (b - e N / Z) / (1 + p e) + alpha log(1 + p e)),
    where b = e (u - alpha t) - alpha t: the loss of the others is never added and taken away
    again, so that the change keeps its digits however small p is.

    Parameters
    ----------
    loss : Loss
    t : float
        How far the logit moves.
    out : Array, shape (actions, rows)
        Receives the result.
    buffers : Buffers

    Returns
    -------
    Array, shape (actions, rows)
        Entry (a, s) belongs to state s after only its logit a was moved.
    """
    e = np.expm1(t)
    np.subtract(loss.u, loss.N / loss.Z, out=out)
    out *= e
    out -= (e + 1.0) * t * loss.alpha
    growth = np.divide(loss.w, loss.Z, out=buffers("change.growth", out.shape))
    out *= growth
    growth *= e
    logarithm = np.log1p(growth, out=buffers("change.logarithm", out.shape))
    logarithm *= loss.alpha
    growth += 1.0
    out /= growth
    out += logarithm
    return np.negative(out, out=out)


def moved_imaginary(loss: Loss, h: float, out: Array, scratch: Array) -> Array:
    """Return Im L with the logit of each entry moved by `i h`, in pairs of real numbers.

    The same sums as in `change` at t = i h, where h is so small that h^2 vanishes beside 1: then
    Z' = Z + i w h, N' = N + i w h (u - alpha) and |Z'| = Z. The imaginary part of the quotient
    is (Im N' Z - N Im Z') / |Z'|^2, and that of the logarithm is the angle of Z'.

    Parameters
    ----------
    loss : Loss
    h : float
        The imaginary step, at most 1e-9.
    out, scratch : Array, shape (actions, rows)
        `out` receives the result.

    Returns
    -------
    Array, shape (actions, rows)
    """
    Z_imag = np.multiply(loss.w, h, out=scratch)
    quotient = np.subtract(loss.u, loss.alpha, out=out)
    quotient *= loss.Z
    quotient -= loss.N
    quotient *= Z_imag
    quotient /= loss.Z * loss.Z
    angle = np.arctan2(Z_imag, loss.Z, out=scratch)
    angle *= loss.alpha
    quotient += angle
    return np.negative(quotient, out=quotient)
