"""Mistakes that were published, each rebuilt in small from its formula: caught, and named.

What is wrong is written in PyTorch as it was there; where it was is said beside it.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  so does everybody

import softcheck
from softcheck import Status

SEQUENCES, TOKENS, ACTIONS = 5, 12, 16
STATES = SEQUENCES * TOKENS


class Batch:
    """Sequences of tokens with all that these losses take, and the logits as a leaf."""

    def __init__(self, dtype):
        r = np.random.default_rng(11)
        tables = torch.tensor(r.normal(size=(3, STATES, ACTIONS)), dtype=dtype)
        self.logits = (2 * tables[0]).requires_grad_()
        self.q, self.log_ref = tables[1], torch.log_softmax(tables[2], -1)
        self.labels = torch.tensor(r.integers(ACTIONS, size=STATES))
        states = torch.tensor(r.normal(size=(3, STATES)), dtype=dtype)
        self.log_pi = torch.log_softmax(self.logits, -1)
        self.pi = self.log_pi.exp()
        self.taken = self.log_pi.gather(-1, self.labels[:, None])[:, 0]
        self.advantages = states[0]
        self.old = (self.taken + 0.3 * states[1]).detach()
        self.ref = (self.taken + 0.3 * states[2]).detach()
        self.ratio = (self.taken - self.old).exp()
        lengths = torch.tensor(r.integers(4, TOKENS, size=(SEQUENCES, 1)))
        self.kept = (torch.arange(TOKENS) < lengths).to(dtype)

    @property
    def entropy(self):
        return -(self.pi * self.log_pi).sum(-1)

    @property
    def lse(self):
        return torch.logsumexp(self.logits, -1)

    def surrogate(self, least=torch.min, clip=0.2):
        clipped = self.ratio.clamp(1 - clip, 1 + clip)
        return -least(self.ratio * self.advantages, clipped * self.advantages)

    def k3(self, sg=lambda x: x):
        apart = self.ref - self.taken
        return sg(apart.exp()) - apart - 1


def _labels(b):
    return {"labels": b.labels, "label_smoothing": 0.1, "z_coef": 1e-2}


def _smoothed(b, hard=0.9, even=0.1, z=1e-2, z_loss=None):
    z_loss = b.lse**2 if z_loss is None else z_loss
    return -hard * b.taken - even * b.log_pi.mean(-1) + z * z_loss


def _ppo(b):
    return {
        "actions": b.labels,
        "advantages": b.advantages,
        "old_log_probs": b.old,
        "clip": 0.2,
        "entropy_coef": 0.01,
    }


def _grpo(b):
    return {**_ppo(b), "ref_log_probs": b.ref, "beta": 0.04}


def _loss_of_grpo(b, **others):
    parts = {"surrogate": b.surrogate(), "k": b.k3(), "entropy": b.entropy} | others
    return parts["surrogate"] + 0.04 * parts["k"] - 0.01 * parts["entropy"]


def _reinforce(b):
    return {"actions": b.labels, "advantages": b.advantages, "entropy_coef": 0.01}


PUBLISHED = {
    # trl#6625, trl#5595, PAPO#20
    "the entropy bonus has no gradient": (
        "grpo", _grpo, lambda b: _loss_of_grpo(b, entropy=b.entropy.detach()),
        "entropy-without-gradient", "η Σ_a π(a) log π(a)",
    ),
    # open_spiel#962, SB3#127, garage#628
    "the entropy is added to the loss": (
        "reinforce", _reinforce, lambda b: -b.advantages * b.taken + 0.01 * b.entropy,
        "entropy-sign-flipped", "log π(a)",
    ),
    "the coefficient of k3 is detached": (
        "grpo", _grpo, lambda b: _loss_of_grpo(b, k=b.k3(torch.detach)),
        "term-missing", "exp(m − log π(j))",
    ),
    "k2 for k3": (
        "grpo", _grpo, lambda b: _loss_of_grpo(b, k=(b.taken - b.ref) ** 2 / 2),
        "other-estimate", "the estimate k2",
    ),
    "k3 the other way round": (
        "grpo", _grpo,
        lambda b: _loss_of_grpo(b, k=(b.taken - b.ref).exp() - (b.taken - b.ref) - 1),
        "forward-kl", "the wrong way round",
    ),
    "the clip is on the wrong side": (
        "ppo-clip", _ppo, lambda b: b.surrogate(torch.max) - 0.01 * b.entropy,
        "clip-side", "is taken as max(",
    ),
    "clipped without the minimum": (
        "ppo-clip", _ppo, lambda b: b.surrogate(lambda _, clipped: clipped) - 0.01 * b.entropy,
        "clip-missing", "is taken as clip(",
    ),
    "not clipped": (
        "ppo-clip", _ppo, lambda b: -b.ratio * b.advantages - 0.01 * b.entropy,
        "clip-missing", "is taken as exp(log π(j) − ℓ) A",
    ),
    "the ratio is inverted": (
        "ppo-clip", _ppo,
        lambda b: -torch.min(
            b.advantages / b.ratio, (1 / b.ratio).clamp(0.8, 1.2) * b.advantages
        ) - 0.01 * b.entropy,
        "ratio-inverted", "the ratio is inverted",
    ),
    # fused cross-entropy kernels on shards of the vocabulary
    "smoothing once a shard": (
        "cross-entropy", _labels, lambda b: _smoothed(b, even=0.2), "term-scaled", "(ϵ / n)",
    ),
    "the z-loss lacks its 2": (
        "cross-entropy", _labels, lambda b: _smoothed(b, z_loss=b.lse * b.lse.detach()),
        "term-scaled", "is multiplied by 1/2",
    ),
    "the smoothing is a sum for a mean": (
        "cross-entropy", _labels, lambda b: _smoothed(b, even=0.1 * ACTIONS),
        "term-scaled", "lacks its factor 1 / n",
    ),
    # trl#3029, OpenRLHF#1319
    "the temperature divides the teacher alone": (
        "distillation", lambda b: {"teacher_logits": b.q, "temperature": 2.0},
        lambda b: -(torch.softmax(b.q / 2, -1) * b.log_pi).sum(-1),
        "temperature-in-policy", "does not divide the logits of the policy",
    ),
    "the divergence the wrong way round": (
        "distillation", lambda b: {"teacher_log_probs": b.log_ref},
        lambda b: F.kl_div(b.log_ref, b.log_pi, log_target=True, reduction="none").sum(-1),
        "forward-kl", "the wrong way round",
    ),
    "a reference that is swapped with the policy": (
        "reverse-kl", lambda b: {"ref_log_probs": b.log_ref, "beta": 0.04},
        lambda b: 0.04 * F.kl_div(b.log_pi, b.log_ref, log_target=True, reduction="none").sum(-1),
        "forward-kl", "the wrong way round",
    ),
    "probabilities taken for logits": (
        "cross-entropy", lambda b: {"labels": b.labels},
        lambda b: F.cross_entropy(b.pi, b.labels, reduction="none"), "double-softmax", "",
    ),
}  # fmt: skip

DTYPES = [torch.float32, torch.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def _named(b, loss, given, value, code, said, **more):
    (grad,) = torch.autograd.grad(value, b.logits, retain_graph=True)
    found = softcheck.verify(loss=loss, logits=b.logits, grad=grad, **given, **more).cases[0]
    assert found.status is Status.FAILED
    (one,) = found.diagnosis
    assert one.code == code
    assert said in one.message


@every_dtype
@pytest.mark.parametrize(
    ("loss", "given", "wrong", "code", "said"), PUBLISHED.values(), ids=PUBLISHED
)
def test_a_published_mistake_of_a_loss(loss, given, wrong, code, said, dtype):
    b = Batch(dtype)
    _named(b, loss, given(b), wrong(b).mean(), code, said, reduction="mean")


@every_dtype
def test_a_published_mistake_of_a_backward_pass(dtype):
    """Cross-entropy without pi, as a kernel that skips the softmax of rows far from the label."""
    b = Batch(dtype)
    target = F.one_hot(b.labels, ACTIONS).to(dtype)
    case = softcheck.verify(
        loss="cross-entropy", logits=b.logits, labels=b.labels, grad=-target / STATES,
        reduction="mean",
    ).cases[0]  # fmt: skip
    assert [one.code for one in case.diagnosis] == ["no-baseline"]


REDUCTIONS = {
    "summed over the batch": (lambda each, _: each.sum(), "summed-over-states"),
    "ignored tokens in the denominator": (lambda each, _: each.mean(), "mean-over-states"),
    "each sequence by itself": (
        lambda each, kept: (each.sum(1) / kept.sum(1)).mean(), "mean-over-sequences",
    ),
    "mean over sequences, sum over tokens": (
        lambda each, _: each.sum(1).mean(), "summed-over-axis",
    ),
}  # fmt: skip


@every_dtype
@pytest.mark.parametrize(("reduce", "code"), REDUCTIONS.values(), ids=REDUCTIONS)
def test_a_published_mistake_of_a_reduction(reduce, code, dtype):
    b = Batch(dtype)

    def laid(x):
        return x.reshape(SEQUENCES, TOKENS, *x.shape[1:])

    value = reduce(laid(-b.advantages * b.taken) * b.kept, b.kept)
    (grad,) = torch.autograd.grad(value, b.logits)
    case = softcheck.verify(
        loss="reinforce", logits=laid(b.logits), actions=laid(b.labels),
        advantages=laid(b.advantages), weights=b.kept, grad=laid(grad), reduction="weighted-mean",
    ).cases[0]  # fmt: skip
    assert [one.code for one in case.diagnosis] == [code]


def _over_states(b):
    """The logarithms of the policy along the wrong axis, and that of the label."""
    log_pi = torch.log_softmax(b.logits, 0)
    return log_pi, log_pi.gather(-1, b.labels[:, None])[:, 0]


# world-models#10, ray#16311, BindsNET#577
ALONG_STATES = {
    "cross-entropy": (
        _labels,
        lambda b, log, taken: -0.9 * taken - 0.1 * log.mean(-1) + 1e-2 * b.lse**2,
    ),
    "reinforce": (
        _reinforce,
        lambda b, log, taken: -b.advantages * taken + 0.01 * (log.exp() * log).sum(-1),
    ),
    "kl-regularised": (
        lambda b: {"q": b.q, "ref_log_probs": b.log_ref, "beta": 0.3},
        lambda b, log, _: (log.exp() * (0.3 * (log - b.log_ref) - b.q)).sum(-1),
    ),
    "distillation": (
        lambda b: {"teacher_logits": b.q, "temperature": 2.0},
        lambda b, *_: -(torch.softmax(b.q / 2, -1) * torch.log_softmax(b.logits / 2, 0)).sum(-1),
    ),
}


@every_dtype
@pytest.mark.parametrize("loss", ALONG_STATES)
def test_a_softmax_along_the_wrong_axis(loss, dtype):
    given, wrong = ALONG_STATES[loss]
    b = Batch(dtype)
    value = wrong(b, *_over_states(b)).mean()
    _named(b, loss, given(b), value, "softmax-over-states", "runs over states", reduction="mean")


def _along(z, axes):
    """The logarithm of a softmax, by one axis or by several."""
    return z - z.logsumexp(axes, keepdim=True)


@every_dtype
@pytest.mark.parametrize("loss", ["sac", "cross-entropy", "reinforce"])
@pytest.mark.parametrize(
    ("axes", "said"), [((0,), "axis 0"), ((1,), "axis 1"), ((0, 1), "axis 0 and 1")]
)
def test_a_softmax_along_another_axis_of_sequences(loss, axes, said, dtype):
    """Logits [B, S, A]: tokens of a sequence are states too."""
    r = np.random.default_rng(29)
    states = SEQUENCES, TOKENS
    shape = *states, ACTIONS
    z = torch.tensor(r.normal(size=shape), dtype=dtype, requires_grad=True)
    q = torch.tensor(r.normal(size=shape), dtype=dtype)
    chosen = torch.tensor(r.integers(ACTIONS, size=states))
    advantages = torch.tensor(r.normal(size=states), dtype=dtype)
    log = _along(z, axes)
    taken = log.gather(-1, chosen[..., None])[..., 0]
    each, given = {
        "sac": ((log.exp() * (0.3 * log - q)).sum(-1), {"q": q, "alpha": 0.3}),
        "cross-entropy": (-taken, {"labels": chosen}),
        "reinforce": (-advantages * taken, {"actions": chosen, "advantages": advantages}),
    }[loss]
    (grad,) = torch.autograd.grad(each.mean(), z)
    (case,) = softcheck.verify(loss=loss, logits=z, grad=grad, reduction="mean", **given).cases
    assert case.status is Status.FAILED
    (one,) = case.diagnosis
    assert one.code == "softmax-over-states"
    assert f"the softmax runs over states, along {said}" in one.message
