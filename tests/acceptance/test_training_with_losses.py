"""Any loss inside a training step: captured, saved, and verified from the file it went to."""

import json

import numpy as np
import pytest
import torch
from right_gradients import verdict
from right_losses import LOSSES, drawn
from run import softcheck as run
from torch import nn
from torch.nn import functional as F  # noqa: N812  so does everybody

import softcheck

ROWS, FEATURES, CLASSES = 12, 6, 5


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(25)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_saved_case_says_its_loss_and_how_it_is_reduced(loss, suffix, tmp_path):
    path = tmp_path / f"step{suffix}"
    checked = 0
    for number in range(12):
        made = drawn(number, most=200, loss=loss)
        if "bfloat16" in made.how and suffix == ".npz":  # which cannot keep it
            continue
        given = {name: it for name, it in made.given.items() if name != "compute_dtype"}
        softcheck.save_case(path, **given)
        computed = made.given.get("compute_dtype")
        options = [f"--compute-dtype={computed}"] if computed else []
        done = run("verify", path, "--output-format=json", *options)
        (case,) = json.loads(done.out)["cases"]
        assert case["loss"]["name"] == loss
        assert case["status"] == verdict(made)[0].value, (number, made.how, done)
        checked += 1
    assert checked > 3


def of_language_model(model, tokens, labels):
    return F.cross_entropy(model(tokens), labels, ignore_index=-100)


def test_a_step_of_a_language_model_is_captured(tmp_path):
    model = nn.Linear(FEATURES, CLASSES)
    tokens, labels = torch.randn(ROWS, FEATURES), torch.randint(CLASSES, (ROWS,))
    labels[3] = -100
    path = tmp_path / "step.npz"
    with softcheck.capture(
        actor=model,
        loss="cross-entropy",
        reduction="weighted-mean",
        labels=labels,
        ignore_index=-100,
        path=path,
    ) as captured:
        of_language_model(model, tokens, labels).backward()
    softcheck.assert_gradient(**captured.arrays)
    assert run("verify", path).code == 0
    wrong = captured.arrays | {"grad": 1.01 * captured.arrays["grad"]}
    with pytest.raises(AssertionError, match="gradient"):
        softcheck.assert_gradient(**wrong)


def test_a_step_of_a_policy_with_a_formula_of_its_own_is_captured():
    actor = nn.Linear(FEATURES, CLASSES)
    observations, q = torch.randn(ROWS, FEATURES), torch.randn(ROWS, CLASSES)
    formula = r"-\sum_a \pi(a) Q(a) + \beta (\sum_a \pi(a) \log \pi(a))^2"
    with softcheck.capture(actor=actor, loss=formula, reduction="mean", beta=0.3) as captured:
        captured.record(q=q)
        log_pi = torch.log_softmax(actor(observations), -1)
        pi = log_pi.exp()
        losses = 0.3 * (pi * log_pi).sum(-1) ** 2 - (pi * q).sum(-1)
        losses.mean().backward()
    softcheck.assert_gradient(**captured.arrays)


class Fused(torch.autograd.Function):
    """A kernel that never shows its logits: hidden states and weights in, a loss out."""

    @staticmethod
    def forward(ctx, hidden, weight, labels, factor):
        logits = hidden @ weight.T
        log_pi = torch.log_softmax(logits, -1)
        grad = log_pi.exp()
        grad[torch.arange(len(labels)), labels] -= factor
        ctx.save_for_backward(grad / len(labels), weight)
        return -log_pi.gather(-1, labels[:, None]).mean()

    @staticmethod
    def backward(ctx, upstream):
        grad, weight = ctx.saved_tensors
        return upstream * grad @ weight, None, None, None


@pytest.mark.parametrize(("factor", "is_right"), [(1.0, True), (1.001, False)])
def test_a_fused_kernel_shows_its_gradient_with_the_identity_as_weight(factor, is_right):
    hidden = torch.randn(ROWS, CLASSES, requires_grad=True)
    labels = torch.randint(CLASSES, (ROWS,))
    Fused.apply(hidden, torch.eye(CLASSES), labels, factor).backward()
    report = softcheck.verify(
        loss="cross-entropy", logits=hidden, labels=labels, grad=hidden.grad, reduction="mean"
    )
    assert bool(report) == is_right


def test_what_a_loss_needs_is_said_before_anything_is_written(tmp_path):
    model, path = nn.Linear(FEATURES, CLASSES), tmp_path / "step.npz"
    tokens, labels = torch.randn(ROWS, FEATURES), torch.randint(CLASSES, (ROWS,))
    step = softcheck.capture(actor=model, loss="cross-entropy", reduction="mean", path=path)
    with pytest.raises(softcheck.SoftcheckError, match="labels"), step:
        F.cross_entropy(model(tokens), labels).backward()
    assert not path.exists()


def test_a_dumped_loss_is_checked_beside_its_name():
    logits = torch.randn(ROWS, CLASSES, requires_grad=True)
    labels = torch.randint(CLASSES, (ROWS,))
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    given = {"logits": logits, "labels": labels, "grad": logits.grad, "reduction": "mean"}
    value = loss.detach()
    assert softcheck.verify(loss="cross-entropy", loss_value=value, **given)
    report = softcheck.verify(loss="cross-entropy", loss_value=1.01 * value, **given)
    failed = {c.name for c in report.cases[0].checks if c.status is softcheck.Status.FAILED}
    assert failed == {"loss"}


def test_weights_of_states_beside_labels_that_are_left_out():
    logits = torch.randn(ROWS, CLASSES, requires_grad=True)
    labels, weights = torch.randint(CLASSES, (ROWS,)), torch.rand(ROWS)
    labels[::4] = -100
    each = F.cross_entropy(logits, labels, reduction="none")
    kept = (weights * (labels != -100)).sum()
    ((weights * each).sum() / kept).backward()
    assert softcheck.verify(
        loss="cross-entropy",
        logits=logits,
        labels=np.asarray(labels),
        ignore_index=-100,
        weights=weights,
        grad=logits.grad,
        reduction="weighted-mean",
    )
