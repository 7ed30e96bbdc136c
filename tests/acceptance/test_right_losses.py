"""No right gradient of a shipped loss fails, whoever computed it and however they wrote it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from right_gradients import verdict
from right_losses import LOSSES, Batch, Draw, drawn, styles, tensors
from torch.nn import functional as F  # noqa: N812  so does everybody

import softcheck
from softcheck import Status

EACH = 40


@pytest.mark.parametrize("loss", LOSSES)
def test_every_way_to_write_a_loss_has_the_same_gradient(loss):
    for seed in range(20):
        draw = Draw(np.random.default_rng([19, seed]), 500, actions=7, loss=loss)
        if draw.regime not in {"ordinary", "offset"}:
            continue
        has, legal = tensors(draw.given, torch.float64), torch.tensor(draw.legal)
        grads = {}
        for name, way in styles(loss, Batch(legal.double, legal, has)).items():
            leaf = torch.tensor(draw.logits, requires_grad=True)
            made = way(Batch(lambda leaf=leaf: leaf, legal, has))
            grads[name] = made if made.ndim == 2 else torch.autograd.grad(made.sum(), leaf)[0]
        expected = grads.pop("by_hand").detach()
        for name, grad in grads.items():
            size = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(grad, expected, rtol=0, atol=1e-9 * size, msg=name)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_right_gradient_fails(loss):
    statuses = []
    for number in range(EACH):
        made = drawn(number, most=3_000, loss=loss)
        if made.is_finite:
            status, said = verdict(made)
            assert status is not Status.FAILED, (number, made.how, said)
            statuses.append(status)
    # What cannot be seen proves nothing.
    assert 3 * statuses.count(Status.PASSED) > len(statuses)


FAILED_ONCE = {
    "a ratio and k3 in bfloat16, each of logits that are upcast anew": 95_233,
    "a reward and a divergence that cancel, each rounded to bfloat16": 1_103_385,
    "states of one policy, of which each V is off in one direction": 822_928,
    "log Z is nearly lost beside the depth of all states": 1_108_809,
}


@pytest.mark.parametrize("number", FAILED_ONCE.values(), ids=FAILED_ONCE)
def test_what_failed_once_passes(number):
    made = drawn(number)
    status, said = verdict(made)
    assert status is Status.PASSED, (made.how, said)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_right_gradient_of_a_large_vocabulary_fails(loss):
    for number in range(3):
        made = drawn(number, most=64_000, actions=32_000, loss=loss)
        status, said = verdict(made)
        assert status is not Status.FAILED, (number, made.how, said)


ROWS, CLASSES, IGNORED = 60, 11, -100
GENERATOR = np.random.default_rng(20)
LOGITS = GENERATOR.normal(size=(ROWS, CLASSES)) * 2
LABELS = GENERATOR.integers(CLASSES, size=ROWS)
LEFT_OUT = np.where(GENERATOR.random(ROWS) < 0.3, IGNORED, LABELS)
TARGETS = GENERATOR.dirichlet(np.ones(CLASSES), size=ROWS)
CLASS_WEIGHTS = GENERATOR.uniform(0.2, 3.0, size=CLASSES)
OPTIONS = [
    ({}, LABELS, {"labels": LABELS, "reduction": "mean"}),
    ({"reduction": "sum"}, LABELS, {"labels": LABELS, "reduction": "sum"}),
    (
        {"label_smoothing": 0.1},
        LABELS,
        {"labels": LABELS, "label_smoothing": 0.1, "reduction": "mean"},
    ),
    (
        {"label_smoothing": 0.1},
        TARGETS,
        {"targets": TARGETS, "label_smoothing": 0.1, "reduction": "mean"},
    ),
    (
        {"weight": CLASS_WEIGHTS},
        LABELS,
        {"labels": LABELS, "weights": CLASS_WEIGHTS[LABELS], "reduction": "weighted-mean"},
    ),
    (
        {"ignore_index": IGNORED},
        LEFT_OUT,
        {"labels": LEFT_OUT, "ignore_index": IGNORED, "reduction": "weighted-mean"},
    ),
    (
        {"ignore_index": IGNORED, "reduction": "sum"},
        LEFT_OUT,
        {"labels": LEFT_OUT, "ignore_index": IGNORED, "reduction": "sum"},
    ),
    (
        {"ignore_index": 3, "label_smoothing": 0.2},
        LABELS,
        {"labels": LABELS, "ignore_index": 3, "label_smoothing": 0.2, "reduction": "weighted-mean"},
    ),
    (
        {"ignore_index": IGNORED, "weight": CLASS_WEIGHTS},
        LEFT_OUT,
        {
            "labels": LEFT_OUT,
            "ignore_index": IGNORED,
            "weights": CLASS_WEIGHTS[LEFT_OUT.clip(0)],
            "reduction": "weighted-mean",
        },
    ),
]
"""What PyTorch's cross-entropy is told, its target, and how that is said here."""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("told", "target", "said"), OPTIONS)
def test_options_of_the_cross_entropy_of_pytorch(told, target, said, dtype):
    leaf = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    if target.dtype == np.float64:
        target = torch.tensor(target, dtype=dtype)
        said = said | {"targets": target}
    if "weight" in told:
        told = told | {"weight": torch.tensor(told["weight"], dtype=dtype)}
        said = said | {"weights": torch.tensor(said["weights"], dtype=dtype)}
    loss = F.cross_entropy(leaf, torch.as_tensor(target), **told)
    loss.backward()
    report = softcheck.verify(
        loss="cross-entropy", logits=leaf, grad=leaf.grad, loss_value=loss.detach(), **said
    )
    assert report, report.cases[0].checks


def test_logits_of_sequences_of_a_batch():
    leaf = torch.tensor(LOGITS.reshape(5, 12, CLASSES), dtype=torch.float32, requires_grad=True)
    labels = torch.tensor(LEFT_OUT.reshape(5, 12))
    F.cross_entropy(leaf.flatten(0, 1), labels.flatten()).backward()
    softcheck.assert_gradient(
        loss="cross-entropy",
        logits=leaf,
        labels=labels,
        ignore_index=IGNORED,
        grad=leaf.grad,
        reduction="weighted-mean",
    )


def of_numpy(x):
    return jnp.asarray(x, dtype=jnp.float32)


Q, REFERENCE = GENERATOR.normal(size=(2, ROWS, CLASSES))
LOG_REFERENCE = np.asarray(jax.nn.log_softmax(of_numpy(REFERENCE)))
ADVANTAGES = GENERATOR.normal(size=ROWS).astype(np.float32)
CHOSEN = (np.arange(ROWS), LABELS)

OLD = np.asarray(jax.nn.log_softmax(of_numpy(LOGITS)))[CHOSEN] + 0.3 * ADVANTAGES[::-1]
PPO = {
    "actions": jnp.asarray(LABELS),
    "advantages": ADVANTAGES,
    "old_log_probs": OLD,
    "clip": 0.2,
}


def surrogate(taken):
    ratio = jnp.exp(taken - OLD)
    return -jnp.minimum(ratio * ADVANTAGES, jnp.clip(ratio, 0.8, 1.2) * ADVANTAGES)


def k3(apart):
    return jnp.exp(apart) - apart - 1


IN_JAX = {
    "sac": (
        {"q": of_numpy(Q), "alpha": 0.2},
        lambda pi, log_pi, _: pi * (0.2 * log_pi - of_numpy(Q)),
    ),
    "policy-gradient": ({"q": of_numpy(Q)}, lambda pi, log_pi, _: -pi * of_numpy(Q)),
    "entropy": ({"coef": 0.01}, lambda pi, log_pi, _: 0.01 * pi * log_pi),
    "reverse-kl": (
        {"ref_log_probs": LOG_REFERENCE, "beta": 0.3},
        lambda pi, log_pi, _: 0.3 * pi * (log_pi - LOG_REFERENCE),
    ),
    "kl-regularised": (
        {"q": of_numpy(Q), "ref_logits": of_numpy(REFERENCE), "beta": 0.3, "alpha": 0.1},
        lambda pi, log_pi, _: (
            pi * (0.3 * (log_pi - LOG_REFERENCE) - of_numpy(Q)) + 0.1 * pi * log_pi
        ),
    ),
    "cross-entropy": (
        {"labels": jnp.asarray(LABELS), "z_coef": 1e-3},
        lambda pi, log_pi, logits: (
            -log_pi[CHOSEN] + 1e-3 * jax.scipy.special.logsumexp(logits, axis=-1) ** 2
        ),
    ),
    "distillation": (
        {"teacher_logits": of_numpy(REFERENCE)},
        lambda pi, log_pi, _: -jnp.exp(LOG_REFERENCE) * log_pi,
    ),
    "reinforce": (
        {"actions": jnp.asarray(LABELS), "advantages": ADVANTAGES, "entropy_coef": 0.01},
        lambda pi, log_pi, _: -ADVANTAGES * log_pi[CHOSEN] + 0.01 * (pi * log_pi).sum(-1),
    ),
    "ppo-clip": (PPO, lambda pi, log_pi, _: surrogate(log_pi[CHOSEN])),
    "grpo": (
        PPO | {"ref_log_probs": LOG_REFERENCE[CHOSEN], "beta": 0.04},
        lambda pi, log_pi, _: (
            surrogate(log_pi[CHOSEN]) + 0.04 * k3(LOG_REFERENCE[CHOSEN] - log_pi[CHOSEN])
        ),
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_right_gradients_of_jax_pass(loss):
    given, terms = IN_JAX[loss]

    def of(logits):
        log_pi = jax.nn.log_softmax(logits)
        return terms(jnp.exp(log_pi), log_pi, logits).sum() / ROWS

    logits = of_numpy(LOGITS)
    grad = jax.grad(of)(logits)
    assert softcheck.verify(loss=loss, logits=logits, grad=grad, reduction="mean", **given)
