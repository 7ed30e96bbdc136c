"""Right gradients as PyTorch computes them, in every precision: no false alarm, yet not blind."""

import ml_dtypes
import numpy as np
import pytest
import torch
from torch.distributions import Categorical

import softcheck
from softcheck import Status

DTYPES = {
    "float64": (torch.float64, np.float64),
    "float32": (torch.float32, np.float32),
    "bfloat16": (torch.bfloat16, ml_dtypes.bfloat16),
    "float16": (torch.float16, np.float16),
}


def log_softmax(q, logits, alpha):
    log_pi = torch.log_softmax(logits, -1)
    return log_pi.exp() * (alpha * log_pi - q)


def softmax_and_epsilon_at_zero(q, logits, alpha):
    pi = torch.softmax(logits, -1)
    return pi * (alpha * torch.log(pi + 1e-8 * (pi == 0)) - q)


def categorical(q, logits, alpha):
    policy = Categorical(logits=logits)
    return policy.probs * -q - alpha * policy.entropy()[..., None] / q.shape[-1]


def detached_log(q, logits, alpha):
    log_pi = torch.log_softmax(logits, -1)
    return log_pi.exp() * (alpha * log_pi - q).detach()


LOSSES = [log_softmax, softmax_and_epsilon_at_zero, categorical, detached_log]


def numpy(tensor, dtype):
    """Return a tensor as NumPy holds its type."""
    return tensor.detach().to(torch.float64).numpy().astype(dtype)


def dump(q, logits, alpha, loss, dtype):
    """Return q, logits and the gradient that autograd leaves, all in one dtype."""
    of_torch, of_numpy = DTYPES[dtype]
    q = torch.tensor(q, dtype=of_torch)
    leaf = torch.tensor(logits, dtype=of_torch, requires_grad=True)
    loss(q, leaf, alpha).sum().backward()
    return {
        "q": numpy(q, of_numpy),
        "logits": numpy(leaf, of_numpy),
        "grad": numpy(leaf.grad, of_numpy),
        "alpha": alpha,
    }


def gradient_check(given, **options):
    """Return the check of the gradient; the fit agrees with it on what is right."""
    checks = {check.name: check for check in softcheck.verify(**given, **options).cases[0].checks}
    if not checks["gradient"].failed:
        assert checks["fit"].status is Status.PASSED, checks["fit"].reason
    return checks["gradient"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_gradients_of_every_style_and_precision_pass(dtype, loss):
    generator = np.random.default_rng(5)
    for _ in range(25):
        actions = int(generator.integers(2, 30))
        q = generator.normal(size=(40, actions)) * 10.0 ** generator.uniform(-1, 2)
        logits = generator.normal(size=(40, actions)) * 10.0 ** generator.uniform(-1, 0.7)
        # Powers of two are the same number in every precision.
        alpha = 2.0 ** generator.integers(-6, 2)
        assert gradient_check(dump(q, logits, alpha, loss, dtype)).failed == 0


def intermediates(q, logits, alpha, dtype):
    """Return every intermediate as PyTorch computes it in one dtype."""
    of_torch, of_numpy = DTYPES[dtype]
    q, logits = torch.tensor(q, dtype=of_torch), torch.tensor(logits, dtype=of_torch)
    log_policy = torch.log_softmax(logits, -1)
    policy = torch.softmax(logits, -1)
    g = q - alpha * log_policy
    value = (policy * g).sum(-1)
    made = {
        "q": q,
        "logits": logits,
        "policy": policy,
        "log_policy": log_policy,
        "entropy": -(policy * log_policy).sum(-1),
        "g": g,
        "value": value,
        "advantage": g - value[..., None],
        "loss": -value.sum(),
    }
    return {name: numpy(tensor, of_numpy) for name, tensor in made.items()} | {"alpha": alpha}


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_intermediates_of_every_precision_pass(dtype, offset):
    generator = np.random.default_rng(8)
    for _ in range(40):
        actions = int(generator.integers(2, 30))
        q = generator.normal(size=(30, actions)) * 10.0 ** generator.uniform(-1, 2)
        logits = generator.normal(size=(30, actions)) * 10.0 ** generator.uniform(-1, 0.7)
        alpha = 2.0 ** generator.integers(-6, 2)
        made = softcheck.verify(**intermediates(q, logits + offset, alpha, dtype))
        assert [check.name for check in made.cases[0].checks if check.failed] == []


@pytest.mark.parametrize("offset", [10.0, 1000.0, -1000.0, 30000.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_logits_far_from_zero_pass(loss, offset):
    q, noise = np.random.default_rng(2).normal(size=(2, 50, 6))
    assert gradient_check(dump(q, noise + offset, 0.25, loss, "float32")).failed == 0


@pytest.mark.parametrize("actions", [18, 1_000, 32_000, 151_936])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vocabularies_of_language_models_pass(dtype, actions):
    q, noise = np.random.default_rng(3).normal(size=(2, 4, actions))
    assert gradient_check(dump(q, 3 * noise, 0.25, log_softmax, dtype)).failed == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_at_the_optimum_where_the_gradient_cancels_the_right_one_passes(dtype, loss):
    q = np.random.default_rng(4).normal(size=(60, 5))
    assert gradient_check(dump(q, q / 0.25, 0.25, loss, dtype)).failed == 0


def test_bfloat16_logits_with_a_float32_loss_are_float32_work():
    q, logits = np.random.default_rng(6).normal(size=(2, 200, 8))
    leaf = torch.tensor(logits, dtype=torch.bfloat16, requires_grad=True)
    log_softmax(torch.tensor(q, dtype=torch.float32), leaf.float(), 0.25).sum().backward()
    given = {
        "q": q.astype(np.float32),
        "logits": numpy(leaf, ml_dtypes.bfloat16),
        "grad": numpy(leaf.grad, ml_dtypes.bfloat16),
        "alpha": 0.25,
    }
    fine = gradient_check(given, compute_dtype="float32")
    coarse = gradient_check(given)
    assert (fine.failed, coarse.failed) == (0, 0)
    assert fine.blind == 0
    assert coarse.resolution.median > 10 * fine.resolution.median


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda q, logits, alpha: -log_softmax(q, logits, alpha),
        lambda q, logits, alpha: log_softmax(q, logits, -alpha),
        lambda q, logits, alpha: log_softmax(q, logits, 1.0),
        lambda q, logits, alpha: log_softmax(q, logits, alpha / np.log(2)),
        lambda q, logits, alpha: log_softmax(q, logits, 1.001 * alpha),
    ],
)
def test_wrong_gradients_fail_in_the_same_precisions(dtype, wrong):
    q, logits = np.random.default_rng(7).normal(size=(2, 100, 6))
    check = gradient_check(dump(q, logits, 0.25, wrong, dtype))
    assert check.status is Status.FAILED
    assert check.failed > 30
