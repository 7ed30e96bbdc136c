"""Right gradients by the thousand, computed by PyTorch as people do: none of them may fail.

    nice python tests/right_gradients.py [COUNT] [SEED]

Prints each that fails, and how many passed or were inconclusive, by arithmetic and by the checks
that saw nothing. `drawn` makes the gradient of a line again from its number.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import log

import numpy as np
import torch
from torch.distributions import Categorical

import softcheck
from softcheck import Status

Tensor = torch.Tensor

MOST = 30_000
"""Entries of the largest table."""


@dataclass(frozen=True)
class Batch:
    """What a loss is made of; each call of `logits` reads the leaf, as code does in each place."""

    q: Tensor
    logits: Callable[[], Tensor]
    alpha: Tensor | float
    legal: Tensor

    def masked(self, logits):
        """Return logits with a large negative number where an action is masked."""
        return logits.masked_fill(~self.legal, -1e4)


def of_log(pi, log_pi, batch):
    return (pi * (batch.alpha * log_pi - batch.q)).sum(-1)


def log_at_zero(pi):
    """The logarithm, and 0 where pi has underflowed or is masked."""
    return torch.log(torch.where(pi > 0, pi, 1.0))


def by_log_softmax(batch):
    log_pi = torch.log_softmax(batch.masked(batch.logits()), -1)
    return of_log(log_pi.exp(), log_pi, batch)


def by_softmax_beside_log_softmax(batch):
    pi = torch.softmax(batch.masked(batch.logits()), -1)
    return of_log(pi, torch.log_softmax(batch.masked(batch.logits()), -1), batch)


def by_softmax_and_log(batch):
    pi = torch.softmax(batch.masked(batch.logits()), -1)
    return of_log(pi, log_at_zero(pi), batch)


def by_logsumexp(batch):
    logits = batch.masked(batch.logits())
    log_pi = logits - torch.logsumexp(logits, -1, keepdim=True)
    return of_log(log_pi.exp(), log_pi, batch)


def by_two_terms(batch):
    """Reward and entropy, each with a policy of its own."""
    reward = (torch.softmax(batch.masked(batch.logits()), -1) * batch.q).sum(-1)
    log_pi = torch.log_softmax(batch.masked(batch.logits()), -1)
    alpha = batch.alpha.squeeze(-1) if torch.is_tensor(batch.alpha) else batch.alpha
    return alpha * (log_pi.exp() * log_pi).sum(-1) - reward


def of_distribution(policy, batch):
    alpha = batch.alpha.squeeze(-1) if torch.is_tensor(batch.alpha) else batch.alpha
    return -(policy.probs * batch.q).sum(-1) - alpha * policy.entropy()


def by_categorical(batch):
    return of_distribution(
        Categorical(logits=batch.masked(batch.logits()), validate_args=False), batch
    )


def by_categorical_log(batch):
    policy = Categorical(logits=batch.masked(batch.logits()), validate_args=False)
    return of_log(policy.logits.exp(), policy.logits, batch)


def by_categorical_of_probabilities(batch):
    pi = torch.softmax(batch.logits(), -1) * batch.legal
    return of_distribution(Categorical(probs=pi, validate_args=False), batch)


def by_renormalised_mask(batch):
    pi = torch.softmax(batch.logits(), -1) * batch.legal
    pi = pi / pi.sum(-1, keepdim=True)
    return of_log(pi, log_at_zero(pi), batch)


def by_renormalised_logarithms(batch):
    log_pi = torch.log_softmax(batch.logits(), -1).masked_fill(~batch.legal, -1e4)
    log_pi = log_pi - torch.logsumexp(log_pi, -1, keepdim=True)
    return of_log(log_pi.exp(), log_pi, batch)


def by_hand(batch):
    log_pi = torch.log_softmax(batch.masked(batch.logits()), -1)
    g = batch.q - batch.alpha * log_pi
    pi = log_pi.exp()
    return -pi * (g - (pi * g).sum(-1, keepdim=True))


def by_hand_of_logsumexp(batch):
    logits = batch.masked(batch.logits())
    log_pi = logits - torch.logsumexp(logits, -1, keepdim=True)
    g = batch.q - batch.alpha * log_pi
    pi = log_pi.exp()
    return pi * ((pi * g).sum(-1, keepdim=True) - g)


def by_hand_in_numpy(batch):
    """With the maximum taken off, in the arithmetic of NumPy or in float64."""
    logits, q = batch.masked(batch.logits()), batch.q
    z = logits - logits.amax(-1, keepdim=True)
    w = z.exp()
    Z = w.sum(-1, keepdim=True)
    pi, g = w / Z, q - batch.alpha * (z - Z.log())
    return -pi * g + pi * (pi * g).sum(-1, keepdim=True)


STYLES = [
    by_log_softmax,
    by_softmax_beside_log_softmax,
    by_softmax_and_log,
    by_logsumexp,
    by_two_terms,
    by_categorical,
    by_categorical_log,
    by_categorical_of_probabilities,
    by_renormalised_mask,
    by_renormalised_logarithms,
    by_hand,
    by_hand_of_logsumexp,
    by_hand_in_numpy,
]

CLAMPS = {by_categorical_of_probabilities}
"""These clamp probabilities at the roundoff of their type: below it they are wrong."""

SHALLOW = {by_renormalised_logarithms}
"""These round as far as the masked logits are above the legal ones, and nothing tells how far."""


@dataclass(frozen=True)
class Arithmetic:
    """The type of the leaf and its gradient, the type of the loss, and how often it is upcast."""

    stored: torch.dtype
    computed: torch.dtype
    anew: bool = False

    @property
    def name(self):
        stored, computed = (str(dtype).removeprefix("torch.") for dtype in self.dtypes)
        return stored if stored == computed else f"{stored} upcast{' anew' * self.anew}"

    @property
    def dtypes(self):
        return self.stored, self.computed


ARITHMETICS = [
    *(Arithmetic(t, t) for t in (torch.float64, torch.float32, torch.bfloat16, torch.float16)),
    *(
        Arithmetic(t, torch.float32, anew)
        for t in (torch.bfloat16, torch.float16)
        for anew in (False, True)
    ),
]

REGIMES = ["ordinary", "near-optimal", "optimal", "saturated", "offset", "offset near-optimal"]

SHARES = [0.25, 0.25, 0.03, 0.15, 0.17, 0.15]
"""How often each of them is drawn."""


@dataclass(frozen=True)
class Drawn:
    """A right gradient with its givens, as `softcheck.verify` takes them, and how it was made."""

    how: str
    given: dict = field(repr=False)
    is_finite: bool


def drawn(seed, most=MOST):
    """Draw a right gradient of at most so many entries."""
    r = np.random.default_rng([16, seed])
    style, arithmetic = STYLES[r.integers(len(STYLES))], ARITHMETICS[r.integers(len(ARITHMETICS))]
    regime = str(r.choice(REGIMES, p=SHARES))
    actions = 1 if r.random() < 0.02 else round(2.0 * 500.0 ** (r.random() ** 1.5))
    states = round(min(2000.0, most / actions) ** r.random())
    shape = states, actions
    alpha = 0.0 if r.random() < 0.02 else 10.0 ** r.uniform(-3, 0.7)
    by_state = r.random() < 0.25
    alphas = alpha * r.uniform(0.2, 1.0, size=(states, 1)) if by_state else alpha
    q = r.normal(size=shape) * 10.0 ** r.uniform(-2, 2)
    logits = r.normal(size=shape) * 10.0 ** r.uniform(-2, 0.8)
    if "optimal" in regime:
        q = logits * alphas
        if regime != "optimal":
            logits = logits + 10.0 ** r.uniform(-6, 0) * r.normal(size=shape)
    if "offset" in regime:
        q = q + r.choice([0.0, 10.0, 100.0, 1000.0])
        logits = logits + r.choice([0.0, 30.0, -300.0, 1000.0])
    if regime == "saturated":
        logits[np.arange(states), r.integers(actions, size=states)] += 10.0 ** r.uniform(0.5, 2)
    legal = r.random(shape) >= r.choice([0.0, 0.0, 0.3, 0.8])
    legal[np.arange(states), r.integers(actions, size=states)] = True
    highest = np.where(legal, logits, -np.inf).max(-1, keepdims=True)
    if style in SHALLOW:
        logits = np.where(legal, logits, np.minimum(logits, highest + 7.0 - log(actions)))
    if style in CLAMPS:
        room = -log(torch.finfo(arithmetic.computed).eps) - log(actions)
        logits = np.maximum(logits, highest - room + 1.0)
    weights = r.random(states) if r.random() < 0.25 else None
    if weights is not None and r.random() < 0.5:
        weights[r.random(states) < 0.3] = 0.0
    reduction = str(r.choice(["sum", "mean", "mean-all"]))
    how = f"{style.__name__}, {arithmetic.name}, {regime}, {states} x {actions}, {reduction}"
    given, grad = _computed(style, arithmetic, (q, logits, alphas), legal, weights, reduction)
    return Drawn(how, given, bool(torch.isfinite(grad).all()))


def _computed(style, arithmetic, numbers, legal, weights, reduction):
    """Let PyTorch compute a gradient, and return it with what `softcheck.verify` is given."""
    stored, computed = arithmetic.dtypes
    q, logits, alpha = numbers
    leaf = torch.tensor(logits, dtype=stored, requires_grad=True)
    upcast = leaf.to(computed)
    q = torch.tensor(q, dtype=computed)
    given = {"q": q, "logits": leaf, "alpha": alpha, "reduction": reduction}
    if isinstance(alpha, np.ndarray):
        alpha = torch.tensor(alpha, dtype=computed)
        given["alpha"] = alpha.squeeze(-1)
    read = (lambda: leaf.to(computed)) if arithmetic.anew else (lambda: upcast)
    made = style(Batch(q, read, alpha, torch.tensor(legal)))
    states, actions = q.shape
    number = {"sum": 1, "mean": states, "mean-all": states * actions}[reduction]
    if weights is not None:
        given["weights"] = torch.tensor(weights, dtype=computed)
        made = made * (given["weights"] if made.ndim == 1 else given["weights"][:, None])
    if made.ndim == 1:
        (made.sum() / number).backward()
        grad = leaf.grad
    else:
        grad = (made / number).to(stored)
    if not legal.all():
        given["mask"] = legal
    if stored is not computed:
        given["compute_dtype"] = str(computed).removeprefix("torch.")
    return given | {"grad": grad}, grad


def verdict(made):
    """Return the status of a right gradient, and why where it did not pass."""
    (case,) = softcheck.verify(**made.given).cases
    said = [
        f"{check.name} {check.status.value}, worst {check.worst.ratio:.3g}: {check.reason}"
        for check in case.checks
        if check.status is not Status.PASSED
    ]
    return case.status, said


def main(count=10_000, seed=0):
    counts = Counter()
    for number in range(seed, seed + count):
        made = drawn(number)
        if not made.is_finite:
            counts["not finite: no right gradient"] += 1
            continue
        status, said = verdict(made)
        if status is Status.FAILED:
            print(f"{number}: {made.how}: {said}", flush=True)
        because = [line.split()[0] for line in said if "inconclusive" in line]
        counts[f"{status.value} {made.how.split(', ')[1]} {' '.join(because)}"] += 1
    for what, times in sorted(counts.items()):
        print(f"{times:6} {what}")
    return any(what.startswith("failed") for what in counts)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
