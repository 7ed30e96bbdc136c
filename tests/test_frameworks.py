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
    checks = checks_of(softcheck.verify(**given, **options))
    if not checks["gradient"].failed:
        assert not checks["fit"].failed, checks["fit"].reason
    return checks["gradient"]


def checks_of(report):
    return {check.name: check for check in report.cases[0].checks}


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
    given = dump(q, q / 0.25, 0.25, loss, dtype)
    assert gradient_check(given).failed == 0
    # There it is no more than rounding, and nothing can be told from it.
    fit = checks_of(softcheck.verify(**given))["fit"]
    assert fit.status is Status.INCONCLUSIVE
    assert "the opposite sign would look the same" in fit.reason
    given["grad"] = -given["grad"]
    assert checks_of(softcheck.verify(**given))["gradient"].failed == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_one_action_nothing_can_be_told(dtype):
    q, logits = np.random.default_rng(9).normal(size=(2, 50, 1))
    report = softcheck.verify(**dump(q, logits, 0.25, log_softmax, dtype))
    assert not report
    assert checks_of(report)["fit"].status is Status.INCONCLUSIVE


def test_a_sign_that_one_entry_tells_is_told_though_scale_and_alpha_are_not():
    """Two states carry no fit, but one entry is larger than its tolerance."""
    q, noise = np.random.default_rng(9).normal(size=(2, 2, 4))
    given = dump(q, q / 0.25 + 1e-4 * noise, 0.25, log_softmax, "float32")
    fit = checks_of(softcheck.verify(**given))["fit"]
    assert "scale cannot be told" in fit.reason
    assert "sign" not in fit.reason
    assert fit.status is Status.PASSED
    given["grad"] = -given["grad"]
    assert checks_of(softcheck.verify(**given))["gradient"].failed


def renormalised(legal, epsilon=0.0):
    """A mask that comes after the softmax; an epsilon in its sum leaks."""

    def loss(q, logits, alpha):
        pi = torch.softmax(logits, -1) * legal
        pi = pi / (pi.sum(-1, keepdim=True) + epsilon)
        return pi * (alpha * torch.log(torch.where(pi > 0, pi, 1.0)) - q)

    return loss


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize(("dtype", "leak"), [("float64", 1e-11), ("float32", 1e-4)])
def test_a_mask_after_the_softmax_leaves_rounding_where_it_masks_and_a_leak_is_none(
    dtype, leak, offset
):
    generator = np.random.default_rng(10)
    q, logits = generator.normal(size=(2, 100, 7))
    legal = generator.random(q.shape) > 0.4
    legal[:, 0] = True
    right, wrong = (
        dump(q + offset, logits, 0.25, renormalised(torch.tensor(legal), epsilon), dtype)
        for epsilon in (0.0, leak)
    )
    assert np.count_nonzero(right["grad"][~legal]) > 50
    assert gradient_check(right, mask=legal).failed == 0
    (case,) = softcheck.verify(**wrong, mask=legal, max_findings=700).cases
    behind = [f for f in case.findings if f.check == "gradient" and not legal[f.location]]
    assert len(behind) > 50


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_mistake_is_named_beside_what_such_a_mask_leaves(dtype):
    q, logits = np.random.default_rng(20).normal(size=(2, 100, 7))
    legal = np.random.default_rng(21).random(q.shape) > 0.4
    legal[:, 0] = True
    wrong = dump(q, logits, 0.5, renormalised(torch.tensor(legal)), dtype) | {"alpha": 0.25}
    (diagnosis,) = softcheck.verify(**wrong, mask=legal).cases[0].diagnosis
    assert diagnosis.code == "alpha-doubled"


def minus_logsumexp(q, logits, alpha):
    log_pi = logits - torch.logsumexp(logits, -1, keepdim=True)
    return log_pi.exp() * (alpha * log_pi - q)


def of_categorical(q, logits, alpha):
    policy = Categorical(logits=logits)
    return policy.logits.exp() * (alpha * policy.logits - q)


@pytest.mark.parametrize("offset", [100.0, 1000.0, -300.0])
@pytest.mark.parametrize("loss", [minus_logsumexp, of_categorical])
def test_what_logsumexp_rounds_is_allowed_and_said(loss, offset):
    alpha = 0.05
    q, noise = np.random.default_rng(12).normal(size=(2, 200, 6))
    q = q + offset
    logits = q / alpha + 1e-3 * noise
    report = softcheck.verify(**dump(q, logits, alpha, loss, "float64"))
    assert report
    (note,) = report.cases[0].notes
    assert "log_softmax keeps the digits" in note
    (case,) = softcheck.verify(**dump(q, logits, alpha, log_softmax, "float64")).cases
    assert case.notes == ()
    for of_alpha in (1.0 + 1e-6, 1.001):
        wrong = dump(
            q, logits, alpha, lambda q, x, alpha, by=of_alpha: loss(q, x, by * alpha), "float64"
        )
        assert checks_of(softcheck.verify(**wrong | {"alpha": alpha}))["gradient"].failed > 600


def upcast_twice(q, logits, alpha):
    """An entropy and a reward, each of which upcasts the leaf."""
    log_pi = torch.log_softmax(logits.float(), -1)
    return alpha * log_pi.exp() * log_pi - torch.softmax(logits.float(), -1) * q.float()


def entropy_of_logits(q, logits, alpha):
    """The entropy as logsumexp(theta) - sum pi theta, each of which upcasts the leaf."""
    of_sum = torch.softmax(logits.float(), -1) * logits.float()
    entropy = torch.logsumexp(logits.float(), -1, keepdim=True) / q.shape[-1] - of_sum
    return -alpha * entropy - torch.softmax(logits.float(), -1) * q.float()


@pytest.mark.parametrize("near", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("loss", [upcast_twice, entropy_of_logits])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_parts_that_are_added_in_the_precision_of_the_leaf_are_allowed_and_said(dtype, loss, near):
    alpha = 0.25
    q, noise = np.random.default_rng(13).normal(size=(2, 256, 8))
    logits = q / alpha + near * noise
    options = {"compute_dtype": "float32"}
    report = softcheck.verify(**dump(q, logits, alpha, loss, dtype), **options)
    assert report, report.cases[0].findings[:3]
    (note,) = report.cases[0].notes
    assert "upcast them once" in note
    for of_alpha in (1.05, 2.0):
        wrong = dump(q, logits, of_alpha * alpha, loss, dtype) | {"alpha": alpha}
        assert checks_of(softcheck.verify(**wrong, **options))["gradient"].failed > 100


def test_a_mistake_is_named_in_parts_that_were_added_so():
    q, noise = np.random.default_rng(20).normal(size=(2, 100, 7))
    wrong = dump(q, q / 0.25 + 0.05 * noise, -0.25, upcast_twice, "bfloat16") | {"alpha": 0.25}
    (diagnosis,) = softcheck.verify(**wrong, compute_dtype="float32").cases[0].diagnosis
    assert diagnosis.code == "entropy-sign-flipped"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_computed_wholly_in_16_bits_is_seen(dtype, loss):
    q, logits = np.random.default_rng(14).normal(size=(2, 200, 6))
    check = gradient_check(dump(q, logits, 0.25, loss, dtype))
    assert check.failed == 0
    assert check.blind < 0.25 * check.entries
    wrong = dump(q, logits, 0.25, lambda q, x, alpha: -loss(q, x, alpha), dtype)
    assert gradient_check(wrong).failed > 500


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("actions", [18, 60])
def test_what_float16_flushes_to_zero_is_no_other_alpha(actions, seed):
    """Entries below 3e-8 become 0, always toward 0: under a mean loss up to a fifth of them."""
    q, logits = np.random.default_rng(seed).normal(size=(2, 1000, actions))
    logits *= 2.0

    def mean(q, logits, alpha):
        return log_softmax(q, logits, alpha) / 1000

    right, wrong = (dump(q, logits, 0.05 * by, mean, "float16") for by in (1.0, 1.25))
    assert np.count_nonzero(right["grad"] == 0) > 0.01 * right["grad"].size
    assert gradient_check(right, reduction="mean").failed == 0
    fit = checks_of(softcheck.verify(**wrong | {"alpha": 0.05}, reduction="mean"))["fit"]
    assert fit.failed


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
