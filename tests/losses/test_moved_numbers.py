"""Right numbers at other places, with other weights or of other labels, in losses of any formula:
each is caught and named. The gradients are those of PyTorch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  so does everybody

import softcheck

STATES, ACTIONS = 60, 20
ROWS = torch.tensor(np.random.default_rng(0).permutation(STATES))
KEPT = torch.arange(STATES) % 3 != 0


def _numbers():
    rng = np.random.default_rng(3)
    labels = torch.tensor(rng.integers(ACTIONS, size=STATES))
    return torch.tensor(2 * rng.normal(size=(STATES, ACTIONS)), dtype=torch.float32), labels


def _gradient(loss, *, labels=None):
    logits, given = _numbers()
    logits.requires_grad_()
    loss(F.cross_entropy(logits, given if labels is None else labels(given), reduction="none"))
    return logits.grad


def _mean(each):
    each.mean().backward()


def _verified(grad, **given):
    logits, labels = _numbers()
    arrays = {"logits": logits, "labels": labels, "grad": grad, "reduction": "mean"} | given
    return softcheck.verify(loss="cross-entropy", **arrays).cases[0]


def _clipped(grad):
    bound = grad.abs().quantile(0.9)
    return grad.clamp(-bound, bound)


@pytest.mark.parametrize(
    ("grad", "code", "said"),
    [
        (lambda: _gradient(_mean).roll(1, -1), "shifted-actions", "(by +1)"),
        (lambda: _gradient(_mean)[ROWS], "permuted-states", "rows stand at other states"),
        (lambda: _gradient(_mean).T.reshape(STATES, ACTIONS), "transposed", "(in memory)"),
        (lambda: _clipped(_gradient(_mean)), "clipped-gradient", "are clipped"),
        (
            lambda: _gradient(lambda each: each[KEPT].mean().backward()),
            "states-left-out",
            "(20 of 60, and the mean is over the others)",
        ),
        (
            lambda: _gradient(
                lambda each: (each * torch.linspace(0.2, 2, STATES)).mean().backward()
            ),
            "scaled-by-state",
            "a scale of its own",
        ),
        (
            lambda: _gradient(lambda each: each.sum().backward()).T.reshape(STATES, ACTIONS),
            "transposed+summed-over-states",
            "(in memory) and the sum",
        ),
        (
            lambda: _gradient(_mean, labels=lambda j: j.roll(1)),
            "shifted-labels",
            "labels are those of the state before",
        ),
        (
            lambda: _gradient(_mean, labels=lambda j: torch.cat([j[1:], j[:1] * 0 + 7])),
            "shifted-labels",
            "labels are those of the next state",
        ),
        (
            lambda: _gradient(_mean, labels=lambda j: (j + 1) % ACTIONS),
            "labels-off-by-one",
            "labels are each 1 more than given",
        ),
        (
            lambda: _gradient(lambda each: each.sum().backward(), labels=lambda j: j.roll(1)),
            "shifted-labels+summed-over-states",
            "the state before and the sum",
        ),
        (
            lambda: _gradient(_mean, labels=lambda j: j[ROWS]),
            "other-labels",
            "read off the gradient",
        ),
    ],
)
def test_right_numbers_that_have_moved(grad, code, said):
    (found,) = _verified(grad()).diagnosis
    assert found.code == code
    assert said in found.message
    assert found.evidence["instead_of"] == []


def test_labels_that_no_state_has_are_no_name():
    """A gradient of two labels in a state is that of none."""
    logits, labels = _numbers()
    logits.requires_grad_()
    other = (labels + 5) % ACTIONS
    each = [F.cross_entropy(logits, j, reduction="none") for j in (labels, other)]
    (0.5 * (each[0] + each[1])).mean().backward()
    (found,) = _verified(logits.grad).diagnosis
    assert found.code == "unexplained"


class Tokens:
    """Sequences of tokens, of which some are shorter, as a language model is trained on them."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.tokens = torch.tensor(rng.integers(ACTIONS, size=(4, 16)))
        self.tokens[0, 10:] = self.tokens[2, 13:] = -100
        numbers = 2 * rng.normal(size=(4, 15, ACTIONS))
        self.logits = torch.tensor(numbers, dtype=torch.float32, requires_grad=True)
        self.labels = self.tokens[:, 1:]
        self.kept = (self.labels >= 0).float()

    def each(self, labels=None):
        labels = self.labels if labels is None else labels
        flat = F.cross_entropy(
            self.logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none"
        )
        return flat.reshape(labels.shape)

    def verified(self, loss):
        (grad,) = torch.autograd.grad(loss, self.logits)
        return softcheck.verify(
            loss="cross-entropy",
            logits=self.logits,
            labels=self.labels.contiguous(),
            grad=grad,
            ignore_index=-100,
            reduction="weighted-mean",
        ).cases[0]


def _of_tokens_before(x):
    labels = x.tokens[:, :-1]
    return x.each(labels).sum() / (labels >= 0).sum()


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        (_of_tokens_before, "shifted-labels"),
        (lambda x: x.each().mean(), "mean-over-states"),
        (lambda x: x.each().sum(), "summed-over-states"),
        (lambda x: (x.each().sum(1) / x.kept.sum(1)).mean(), "mean-over-sequences"),
        (lambda x: x.each(x.labels.clamp_min(0)).mean(), "weights-ignored+mean-over-states"),
    ],
)
def test_reductions_and_shifts_of_tokens(loss, code):
    x = Tokens()
    assert [one.code for one in x.verified(loss(x)).diagnosis] == [code]


def test_the_mean_over_tokens_is_right():
    x = Tokens()
    case = x.verified(x.each().sum() / x.kept.sum())
    assert case.status is softcheck.Status.PASSED
    assert not case.diagnosis


@pytest.mark.parametrize("loss", ["reinforce", "sac"])
def test_a_mask_that_is_forgotten_is_named(loss):
    """Of a state that weighs nothing its own action counts, where it has one."""
    logits, actions = _numbers()
    mask, of_all = KEPT.float(), torch.linspace(-2, 3, STATES * ACTIONS).reshape(STATES, ACTIONS)
    given = {"q": of_all, "alpha": 0.2}
    logits.requires_grad_()
    log_pi = logits.log_softmax(-1)
    each = (log_pi.exp() * (0.2 * log_pi - of_all)).sum(-1)
    if loss == "reinforce":
        given = {"actions": actions, "advantages": of_all[:, 0]}
        each = -of_all[:, 0] * log_pi.gather(-1, actions[:, None])[:, 0]
    each.mean().backward()
    arrays = {"logits": logits, "grad": logits.grad, "weights": mask, **given}
    (case,) = softcheck.verify(loss=loss, reduction="weighted-mean", **arrays).cases
    assert case.diagnosis[0].code == "weights-ignored+mean-over-states"
    assert not any("broadcast" in one.code for one in case.diagnosis)
