"""The soft policy loss of a state from its definition, L = -sum_a pi(a) g(a), and how it changes.

With z the shifted logits, w = exp z, Z = sum w, u = Q - alpha z and N = sum w u,

    L = -(N / Z + alpha log Z).

A constant added to every logit of a state leaves L as it is, and a constant added to every Q
moves L by that constant. So z is taken relative to the largest logit and u relative to N / Z:
neither changes a difference or a derivative, and both keep large offsets out of the rounding.

A logit enters the sums of its own state through one term only, so how L changes with one logit
costs O(1). With p = w / Z, a logit moved by t takes Z and N to

    Z' / Z = 1 + p e,   N' / Z = p (e u - alpha t (1 + e)),   e = exp(t) - 1.

This file knows no derivative.
"""

from dataclasses import dataclass
from math import sinh, sqrt

import numpy as np

from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    PerState,
    Policy,
    States,
    sum_of_products,
    sum_over_actions,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the loss of each state of a block is made of.

    Attributes
    ----------
    p, u : Entries
        exp(z) / Z, and Q - alpha z less its mean N / Z.
    alpha : PerState
        The temperature.
    """

    p: Entries
    u: Entries
    alpha: PerState

    @classmethod
    def of(cls, block: Block, policy: Policy, buffers: Buffers) -> "Terms":
        """Return what the loss of `block` is made of."""
        u = np.multiply(policy.z, block.alpha, out=buffers("loss.u", policy.z.shape))
        np.subtract(block.q, u, out=u)
        u -= sum_of_products(policy.pi, u, buffers)
        return cls(policy.pi, u, block.alpha)


def change(terms: Terms, t: Entries, buffers: Buffers) -> States:
    """Return how much L changes when all logits of each state move.

    With e = exp(t) - 1, Z' / Z = 1 + sum p e and N' / Z = sum p e u - alpha sum p (1 + e) t: the
    change keeps its digits however small t is.

    Parameters
    ----------
    terms : Terms
    t : Entries
        How far each logit moves.
    buffers : Buffers
    """
    weight = np.expm1(t, out=buffers("scratch", t.shape))
    weight *= terms.p
    growth = sum_over_actions(weight, buffers)
    reward = sum_of_products(weight, terms.u, buffers)
    weight += terms.p
    entropy = sum_of_products(weight, t, buffers)
    quotient = (reward - terms.alpha * entropy) / (1.0 + growth)
    return -(quotient + terms.alpha * np.log1p(growth))


def central_difference(terms: Terms, h: float, out: Entries, buffers: Buffers) -> Entries:
    """Return (L(+h) - L(-h)) / 2h, one entry at a time: its logit alone moves by +-h.

    With S = sinh h, C = cosh h - 1, m = 1 + C p, which is the mean of the two Z' / Z, and
    y = p S / m the terms that the two losses share cancel before anything is rounded: exactly,
    for any h,

        (N'/Z')(h) - (N'/Z')(-h) = 2 y / (1 - y^2) (u / m - alpha h ((2 + C) / m - 1) / S),
        log Z'(h) - log Z'(-h) = 2 artanh y.

    Parameters
    ----------
    terms : Terms
    h : float
        How far the logit moves each way, at most 2^-14: then C p < 2^-29 and y^2 < 2^-28, and what
        is left out of 1 / m = 1 - C p + ..., 1 / (1 - y^2) = 1 + (p S)^2 + ... and
        artanh y = y (1 + (p S)^2 / 3 + ...) is below 2^-55 of them.
    out : Entries
        Receives the result.
    buffers : Buffers

    Returns
    -------
    Entries
        Entry (a, s) belongs to state s after only its logit a was moved.
    """
    p, alpha = terms.p, terms.alpha
    S, C = sinh(h), 2.0 * sinh(h / 2.0) ** 2
    # 1 / m in a unit whose square makes up for that of the series, S^2, and for the h / S of y.
    unit = S * sqrt(S / h)
    inverse = np.multiply(p, -C * unit, out=buffers("scratch", p.shape))
    inverse += unit
    series = np.multiply(p, p, out=buffers("scratch.2", p.shape))
    series += 1.0 / (S * S)
    quotient = np.subtract(((2.0 + C) * h / S) * alpha, terms.u, out=out)
    quotient *= inverse
    # Off go alpha h / S (1 + y^2) of the quotient and alpha (1 + y^2 / 3) of the logarithm: of the
    # latter alpha (1 + y^2) / 3 here, and the other 2 alpha / 3 below.
    quotient -= (unit * (h / S + 1.0 / 3.0)) * alpha
    quotient *= series
    quotient -= (2.0 / 3.0 * unit / (S * S)) * alpha
    quotient *= p
    quotient *= inverse
    return quotient


def imaginary_part(terms: Terms, out: Entries) -> Entries:
    """Return Im L / h with the logit of each entry moved by i h, in pairs of real numbers.

    h is so small that h^2 vanishes beside 1. Then exp(i h) = 1 + i h, and beside their real
    parts Z' / Z = 1 and N' / Z = 0 the imaginary ones are, in units of h, p and p (u - alpha);
    the quotient N' / Z' has the imaginary part of N' / Z, and the logarithm, whose imaginary
    part is the angle of Z', has p. Their factor p is taken out.

    Parameters
    ----------
    terms : Terms
    out : Entries
        Receives the result.
    """
    imaginary = np.subtract(terms.alpha, terms.u, out=out)
    imaginary -= terms.alpha
    imaginary *= terms.p
    return imaginary
