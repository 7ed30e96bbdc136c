"""A gradient, or the value of a loss, that is of another shipped loss: it is said which."""

import numpy as np
import pytest
import torch

from softcheck import Status
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

STATES, ACTIONS = 40, 7


class Batch:
    """What the losses below are made of, with its logits as a leaf."""

    def __init__(self):
        r = np.random.default_rng(0)
        tables = torch.tensor(r.normal(size=(3, STATES, ACTIONS)), dtype=torch.float32)
        self.logits = tables[0].requires_grad_()
        self.q, self.log_ref = tables[1], torch.log_softmax(tables[2], -1)
        self.actions = torch.tensor(r.integers(ACTIONS, size=STATES))
        states = torch.tensor(r.normal(size=(2, STATES)), dtype=torch.float32)
        self.log_pi = torch.log_softmax(self.logits, -1)
        self.pi = self.log_pi.exp()
        self.taken = self.log_pi.gather(-1, self.actions[:, None])[:, 0]
        self.advantages, self.old = states[0], (self.taken + 0.3 * states[1]).detach()

    def verified(self, loss, given, of_gradient, dumped=None):
        (grad,) = torch.autograd.grad(of_gradient.mean(), self.logits)
        arrays = {"logits": self.logits, "grad": grad, **given}
        if dumped is not None:
            arrays["loss"] = dumped
        plain = {name: torch.as_tensor(x).detach().numpy() for name, x in arrays.items()}
        case = case_from_arrays(plain, declared=Declared(load(loss)))
        return verify_case(case, Settings(reduction="mean"))


def _ppo(b):
    return {"actions": b.actions, "advantages": b.advantages, "old_log_probs": b.old, "clip": 0.1}


def _reinforce(b):
    return -b.advantages * b.taken


def _forward(b):
    return -(b.log_ref.exp() * b.log_pi).sum(-1)


OTHERS = {
    "reinforce for ppo-clip": ("ppo-clip", _ppo, _reinforce, "reinforce"),
    "cloning for ppo-clip": ("ppo-clip", _ppo, lambda b: -b.taken, "cross-entropy, with labels"),
    "ppo-clip for grpo": (
        "grpo",
        lambda b: {**_ppo(b), "clip": 5.0, "ref_log_probs": b.old - 0.5, "beta": 0.3},
        lambda b: -(b.taken - b.old).exp() * b.advantages,
        "ppo-clip",
    ),
    "distillation for reverse-kl": (
        "reverse-kl",
        lambda b: {"ref_log_probs": b.log_ref, "beta": 0.3},
        _forward,
        "distillation, with teacher_log_probs = ref_log_probs",
    ),
    "reverse-kl for distillation": (
        "distillation",
        lambda b: {"teacher_log_probs": b.log_ref},
        lambda b: (b.pi * (b.log_pi - b.log_ref)).sum(-1),
        "reverse-kl, with ref_log_probs = teacher_log_probs and beta = 1",
    ),
    "policy-gradient for sac": (
        "sac",
        lambda b: {"q": b.q, "alpha": 0.3},
        lambda b: -(b.pi * b.q).sum(-1),
        "policy-gradient",
    ),
}


@pytest.mark.parametrize("reduce", [None, torch.mean], ids=["states", "mean"])
@pytest.mark.parametrize(("loss", "given", "computed", "said"), OTHERS.values(), ids=OTHERS)
def test_the_loss_whose_value_was_dumped_is_said(loss, given, computed, said, reduce):
    b = Batch()
    value = computed(b)
    case = b.verified(loss, given(b), value, value if reduce is None else reduce(value))
    (found,) = [
        one
        for one in case.diagnosis
        if one.code == "other-loss" and one.evidence.get("quantity") == "loss"
    ]
    assert found.message.startswith(f"it is the loss {said}")


@pytest.mark.parametrize(("loss", "given", "computed", "said"), OTHERS.values(), ids=OTHERS)
def test_the_loss_whose_gradient_was_dumped_is_said_unless_a_mistake_is_known(
    loss, given, computed, said
):
    b = Batch()
    (found,) = b.verified(loss, given(b), computed(b)).diagnosis
    words = [found.message, *(other["said"] for other in found.evidence.get("alternatives", ()))]
    assert loss == "sac" or any(f"it is the loss {said}" in text for text in words)
    assert found.code in {"other-loss", "forward-kl", "term-missing", "entropy-without-gradient"}


def test_a_value_that_no_loss_has_is_not_given_one():
    b = Batch()
    value = _reinforce(b)
    given = {"actions": b.actions, "advantages": b.advantages}
    case = b.verified("reinforce", given, value, 1.01 * value)
    assert case.status is Status.FAILED
    assert [one.code for one in case.diagnosis] == ["first-wrong"]
