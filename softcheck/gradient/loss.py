"""The loss of a state from the sums that it is made of, and how it changes when logits move.

With z the shifted logits, w = exp z, Z = sum w, u = q - alpha z, N = sum w u, P = sum y z and
Y = sum y,

    L = -(N / Z + alpha log Z) + Y log Z - P + zeta (max + log Z)^2 + rest.

A constant added to every logit of a state leaves all of L but the square as it is, and a constant
added to every q moves L by that constant. So z is taken relative to the largest logit and u
relative to N / Z: neither changes a difference or a derivative, and both keep large offsets out of
the rounding.

A logit enters the sums of its own state through one term only, so how L changes with one logit
costs O(1). With p = w / Z, a logit moved by t takes Z and N to

    Z' / Z = 1 + d,   N' / Z = d u - alpha t p exp t,   d = p (exp(t) - 1),

and with l = log(1 + d) the loss changes by

    -(N' / Z') - alpha l + Y l - y t + zeta l (2 logsumexp + l).

This file knows no derivative. What it returns is that sum evaluated as it stands, in real numbers
or in pairs of them.
"""

from dataclasses import dataclass
from math import exp, expm1

import numpy as np

from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Number,
    PerState,
    Policy,
    States,
    Target,
    fill,
    sum_of_products,
    sum_over_actions,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the loss of each state of a block is made of.

    Attributes
    ----------
    p : Entries
        exp(z) / Z.
    soft : bool
        Whether the loss has a q or an alpha.
    u : Entries
        q - alpha z less its mean N / Z.
    mean : States
        N / Z.
    alpha : PerState
    target : Target or None
        y.
    total : PerState
        Y.
    zeta : PerState or None
    logsumexp : States
    """

    p: Entries
    soft: bool
    u: Entries
    mean: States
    alpha: PerState
    target: Target | None
    total: PerState
    zeta: PerState | None
    logsumexp: States

    @classmethod
    def of(cls, block: Block, policy: Policy, buffers: Buffers) -> "Terms":
        """Return what the loss of `block` is made of."""
        u, mean = policy.g, policy.value
        if block.soft:
            u = np.multiply(policy.z, block.alpha, out=buffers("loss.u", policy.z.shape))
            np.subtract(block.q, u, out=u)
            mean = sum_of_products(policy.pi, u, buffers)
            u -= mean
        target = block.target
        total = np.zeros(1) if target is None else target.total(buffers)
        logsumexp = policy.logsumexp
        return cls(
            policy.pi, block.soft, u, mean, block.alpha, target, total, block.zeta, logsumexp
        )


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
    reward = entropy = None
    if terms.soft:
        reward = sum_of_products(weight, terms.u, buffers)
        weight += terms.p
        entropy = sum_of_products(weight, t, buffers)
    changed: States = change_of_all(
        growth,
        np.log1p(growth),
        reward,
        entropy,
        terms.alpha,
        terms.total,
        terms.zeta,
        terms.logsumexp,
    )
    if terms.target is not None:
        changed -= terms.target.sum_with(t, buffers)
    return changed


def change_of_all(
    growth: Number,
    of_log: Number,
    reward: Number | None,
    entropy: Number | None,
    alpha: Number,
    total: Number,
    zeta: Number | None,
    logsumexp: Number,
) -> Number:
    """Return how much L changes when all logits of a state move by t, but for sum y t.

    Parameters
    ----------
    growth, of_log, reward, entropy : Number
        Of the state: sum p e, log(1 + sum p e), sum p e u and sum p (1 + e) t with
        e = exp(t) - 1; the latter two are None where the loss has no q and no alpha.
    alpha, total, zeta, logsumexp : Number
        As those of `Terms`.
    """
    changed = total * of_log
    if zeta is not None:
        changed = changed + zeta * of_log * (2.0 * logsumexp + of_log)
    if reward is None:
        return changed
    return changed - ((reward - alpha * entropy) / (1.0 + growth) + alpha * of_log)


def moved(terms: Terms, t: float, out: Entries, buffers: Buffers) -> Entries:
    """Return how much L changes when the logit of an entry moves by t, one entry at a time.

    Parameters
    ----------
    terms : Terms
    t : float
        |t| <= 2^-24.
    out : Entries
        Receives the result: entry (a, s) is that of state s after its logit a was moved.
    buffers : Buffers
    """
    shares = terms.total - terms.alpha
    u, logsumexp = terms.u if terms.soft else None, terms.logsumexp
    growth, drift = expm1(t), terms.alpha * (t * exp(t))
    fill(out, change_by_one, terms.p, u, shares, terms.zeta, logsumexp, growth, drift)
    if terms.target is not None:
        terms.target.add_to(out, -t, buffers)
    return out


def change_by_one(
    p: Number,
    u: Number | None,
    shares: Number,
    zeta: Number | None,
    logsumexp: Number,
    growth: Number,
    drift: Number,
) -> Number:
    """Return how much L changes when one logit moves by t, but for y t.

    Parameters
    ----------
    p, u : Number
        Of the entry; u is None where the loss has no q and no alpha.
    shares : Number
        Y - alpha, what log(1 + d) is multiplied by.
    zeta : Number or None
    logsumexp : Number
    growth, drift : Number
        exp(t) - 1, and alpha t exp(t). With |t| <= 2^-24, log(1 + d) is d (1 + d (d/3 - 1/2)) to
        2^-74 of itself, and 1 / (1 + d) is 1 - d (1 - d) to 2^-72.
    """
    d = p * growth
    of_log = ((d * (1.0 / 3.0) - 0.5) * d + 1.0) * d
    # The change of a square is the change times the sum.
    changed = (
        of_log * shares if zeta is None else of_log * ((of_log + 2.0 * logsumexp) * zeta + shares)
    )
    return changed if u is None else (p * drift - d * u) * ((d - 1.0) * d + 1.0) + changed


def imaginary(terms: Terms, h: float, out: Entries, buffers: Buffers) -> Entries:
    """Return Im L / h when the logit of an entry moves by i h, one entry at a time.

    Parameters
    ----------
    terms : Terms
    h : float
        2^-40 or another power of two below.
    out : Entries
        Receives the result, as that of `moved`.
    buffers : Buffers
    """
    shares = terms.total - terms.alpha
    u, logsumexp = terms.u if terms.soft else None, terms.logsumexp
    fill(out, imaginary_by_one, terms.p, u, terms.alpha, shares, terms.zeta, logsumexp, h)
    if terms.target is not None:
        terms.target.add_to(out, -1.0, buffers)
    return out


def imaginary_by_one(
    p: Number,
    u: Number | None,
    alpha: Number,
    shares: Number,
    zeta: Number | None,
    logsumexp: Number,
    h: float,
) -> Number:
    """Return Im L / h when one logit moves by i h, but for y.

    Each operation on complex numbers is written as one on their real and one on their imaginary
    parts, the latter in units of h. As exp(ih) is 1 + ih to 2^-81, d is i p h, and beside u and p
    nothing real moves: with t = i h and c = p h,

        d u - alpha t (p + d) = alpha h c + i (c u - alpha h p),
        Im((a + ib) / (1 + ic)) = (b - a c) / (1 + c^2),
        log(1 + ic) = c^2 / 2 + i c to 2^-81,

    and 1 / (1 + c^2) is 1 - c^2 to 2^-160.

    Parameters are those of `change_by_one`.
    """
    square = p * p * (h * h)
    # The square of a complex number, whose real part counts twice.
    of_log = p * shares if zeta is None else ((square + 2.0 * logsumexp) * zeta + shares) * p
    if u is None:
        return of_log
    return of_log - (p * u - p * alpha - square * alpha) * (1.0 - square)
