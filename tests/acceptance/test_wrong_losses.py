"""Wrong gradients of every shipped loss fail: what people get wrong in each, one at a time."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from right_losses import FORMULAS, Batch, log_softmax, normalised, tensors

import softcheck
from softcheck import Status

STATES, ACTIONS = 40, 7
DTYPES = [torch.float64, torch.float32]
SMALL = {torch.float64: 1.001, torch.float32: 1.1}
"""The least factor that must be told from 1."""


def numbers():
    """Return all that a loss may be given, by name."""
    r = np.random.default_rng(21)
    legal = r.random((STATES, ACTIONS)) >= 0.25
    index = r.integers(ACTIONS, size=STATES)
    legal[np.arange(STATES), index] = True
    legal[:, :2] |= ~legal[:, :2]  # nowhere is there only one action
    return {
        "legal": legal,
        "logits": r.normal(size=(STATES, ACTIONS)) * 1.5,
        "weights": r.uniform(0.2, 2.0, size=STATES),
        "labels": index,
        "actions": index,
        "advantages": r.normal(size=STATES) * 2,
        "q": r.normal(size=(STATES, ACTIONS)) * 2,
        "table": r.normal(size=(STATES, ACTIONS)),
    }


NUMBERS = numbers()


def logarithms(legal):
    return normalised(NUMBERS["table"], legal)


GIVENS = {
    "sac": {"alpha": 0.3, "q": ...},
    "policy-gradient": {"q": ...},
    "entropy": {"coef": 0.4},
    "reverse-kl": {"beta": 0.7, "ref_log_probs": logarithms},
    "kl-regularised": {"beta": 0.7, "alpha": 0.2, "ref_log_probs": logarithms, "q": ...},
    "cross-entropy": {"labels": ..., "label_smoothing": 0.1, "z_coef": 0.05},
    "distillation": {"teacher_logits": "table", "temperature": 2.0, "beta": 0.25},
    "reinforce": {"actions": ..., "advantages": ..., "entropy_coef": 0.2},
}
"""What each loss is given here: with all of its options."""

ALTERNATIVES = {
    "reverse-kl": {"beta": 0.7, "ref_logits": "table"},
    "kl-regularised": {"beta": 0.7, "ref_logits": "table", "q": ...},
    "cross-entropy": {
        "targets": lambda legal: np.exp(logarithms(legal)),
        "label_smoothing": 0.1,
        "z_coef": 0.05,
    },
    "distillation": {"teacher_log_probs": logarithms, "beta": 0.25},
}
"""The same losses by their other arrays."""


@dataclass(frozen=True)
class Case:
    """A loss with all that it is given, and what is verified of it."""

    loss: str
    dtype: torch.dtype
    masked: bool
    has: dict

    @property
    def legal(self):
        return torch.tensor(NUMBERS["legal"] | (not self.masked))

    @property
    def weights(self):
        return torch.tensor(NUMBERS["weights"], dtype=self.dtype) if self.masked else 1.0

    def gradient(self, formula=None, reduce=torch.mean, **others):
        """Return the gradient of a formula, the right one by default, of these arrays or others."""
        formula = formula or FORMULAS[self.loss]
        leaf = torch.tensor(NUMBERS["logits"], dtype=self.dtype, requires_grad=True)
        batch = Batch(lambda: leaf, self.legal, {**self.has, **others})
        made = formula(batch, *log_softmax(batch))
        return torch.autograd.grad(reduce(self.weights * made), leaf)[0]

    def by_hand(self, formula):
        """Return what somebody wrote down for the gradient of a state, with its reduction."""
        batch = Batch(
            lambda: torch.tensor(NUMBERS["logits"], dtype=self.dtype), self.legal, self.has
        )
        weights = self.weights[:, None] if self.masked else 1.0
        return weights * formula(batch, *log_softmax(batch)) / STATES * self.legal

    def without(self, name):
        return replace(self, has={key: it for key, it in self.has.items() if key != name})

    def status(self, grad):
        given = {
            name: value.squeeze(-1) if name == "advantages" else value
            for name, value in self.has.items()
        }
        if self.masked:
            given |= {"mask": NUMBERS["legal"], "weights": self.weights}
        logits = torch.tensor(NUMBERS["logits"], dtype=self.dtype)
        report = softcheck.verify(
            loss=self.loss, logits=logits, grad=grad, reduction="mean", **given
        )
        return report.cases[0].status


def case(loss, masked=False, dtype=torch.float64, givens=GIVENS):
    legal = NUMBERS["legal"] | (not masked)

    def number(name, what):
        if callable(what):
            return what(legal)
        if what is ...:
            return NUMBERS[name]
        return NUMBERS[what] if isinstance(what, str) else what

    named = {name: number(name, what) for name, what in givens[loss].items()}
    return Case(loss, dtype, masked, tensors(named, dtype))


CASES = [
    (loss, masked, dtype, givens)
    for givens in (GIVENS, ALTERNATIVES)
    for loss in givens
    for masked, dtype in ((False, torch.float64), (True, torch.float32))
]
NAMES = [
    f"{loss}{'-masked' * masked}{'-alternative' * (givens is ALTERNATIVES)}"
    for loss, masked, _, givens in CASES
]

every_case = pytest.mark.parametrize("made", [case(*each) for each in CASES], ids=NAMES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])


@every_case
def test_what_is_right_passes(made):
    assert made.status(made.gradient()) is Status.PASSED


COEFFICIENTS = {
    "alpha",
    "q",
    "coef",
    "beta",
    "label_smoothing",
    "z_coef",
    "temperature",
    "advantages",
    "entropy_coef",
}


@every_case
def test_another_coefficient_fails(made):
    for name in COEFFICIENTS & made.has.keys():
        for factor in (SMALL[made.dtype], 0.5, -1.0 if name != "temperature" else 3.0):
            wrong = made.gradient(**{name: factor * made.has[name]})
            assert made.status(wrong) is Status.FAILED, (name, factor)


OPTIONAL = {"alpha", "label_smoothing", "z_coef", "temperature", "entropy_coef"}


@every_case
def test_a_dropped_term_fails(made):
    for name in OPTIONAL & made.has.keys():
        assert made.status(made.without(name).gradient()) is Status.FAILED, name


@every_case
def test_another_sign_scale_or_reduction_fails(made):
    right = made.gradient()
    some = right.clone()
    some[3, 1] += SMALL[made.dtype] * right.abs().max()
    wrong = {
        "sign": -right,
        "scale": SMALL[made.dtype] * right,
        "one entry": some,
        "zero": torch.zeros_like(right),
        "sum": made.gradient(reduce=torch.sum),
        "mean over all": right / ACTIONS,
        "states shifted": right.roll(1, 0),
        "actions shifted": right.roll(1, 1),
    }
    if made.masked:
        wrong["weights forgotten"] = replace(made, masked=False).gradient()
        wrong["weighted mean"] = right * STATES / NUMBERS["weights"].sum()
    for what, grad in wrong.items():
        assert made.status(grad) is Status.FAILED, what


def swapped(b, _, log_pi):
    """The divergence the other way round."""
    return b.flat("beta") * (b.log_ref.exp() * (b.log_ref - log_pi)).sum(-1)


def without_reference(b, pi, log_pi):
    return b.flat("beta") * (pi * log_pi).sum(-1)


def reference_as_probabilities(b, pi, log_pi):
    return b.flat("beta") * (pi * (log_pi - b.log_ref.exp())).sum(-1)


def sum_of_rows(table):
    return table.sum(-1, keepdim=True)


def smoothing_over_the_others(b, _, log_pi):
    """The mass of the smoothing goes to the other actions alone, as some papers have it."""
    smoothing = b["label_smoothing"]
    others = smoothing / (b.legal.sum(-1) - 1)
    mean = others * ((log_pi * b.legal).sum(-1) - b.chosen(log_pi))
    return -(1 - smoothing) * b.chosen(log_pi) - mean + b.z_loss


def smoothing_of_all_actions(b, _, log_pi):
    """Masked actions are counted among those that the mass is spread over."""
    smoothing = b["label_smoothing"]
    mean = (log_pi * b.legal).sum(-1) / ACTIONS
    return -(1 - smoothing) * b.chosen(log_pi) - smoothing * mean + b.z_loss


def normaliser_not_squared(b, _, log_pi):
    lse = torch.logsumexp(b.masked(), -1)
    return -(b.target * log_pi).sum(-1) + b["z_coef"] * lse


def normaliser_of_probabilities(b, _, log_pi):
    """The penalty of log-probabilities, whose normaliser is 0."""
    return -(b.target * log_pi).sum(-1) + b["z_coef"] * torch.logsumexp(log_pi, -1) ** 2


def softmax_twice(b, pi, _):
    again = torch.log_softmax(pi.masked_fill(~b.legal, -1e4), -1)
    return FORMULAS["cross-entropy"](b, again.exp(), again)


def forward_and_reverse_exchanged(b, pi, log_pi):
    beta, log_rho = b["beta"], b.log_teacher
    return (1 - beta) * (pi * (log_pi - log_rho)).sum(-1) - beta * (log_rho.exp() * log_pi).sum(-1)


def teacher_without_temperature(b, pi, log_pi):
    sharp = {"teacher_logits": b["temperature"] * b["teacher_logits"]}
    return FORMULAS["distillation"](replace(b, has=b.has | sharp), pi, log_pi)


WRITTEN = {
    "sac": {
        "pi detached": lambda b, pi, log_pi: (pi.detach() * (b["alpha"] * log_pi - b["q"])).sum(-1),
        "entropy detached": lambda b, pi, log_pi: (
            b["alpha"] * (pi * log_pi).detach() - pi * b["q"]
        ).sum(-1),
        "alpha on q": lambda b, pi, log_pi: b["alpha"] * (pi * (log_pi - b["q"])).sum(-1),
    },
    "policy-gradient": {
        "log pi": lambda b, pi, log_pi: -(b["q"] * log_pi).sum(-1),
        "pi squared": lambda b, pi, log_pi: -(pi**2 * b["q"]).sum(-1),
        "best q": lambda b, pi, log_pi: -(pi * b["q"].clamp_min(0)).sum(-1),
    },
    "entropy": {
        "pi detached": lambda b, pi, log_pi: b["coef"] * (pi.detach() * log_pi).sum(-1),
        "mean over actions": lambda b, pi, log_pi: b["coef"] * (pi * log_pi).mean(-1),
        "bits": lambda b, pi, log_pi: b["coef"] * (pi * log_pi).sum(-1) / np.log(2),
        "sum of log pi": lambda b, pi, log_pi: b["coef"] * (log_pi * b.legal).sum(-1),
    },
    "reverse-kl": {
        "swapped": swapped,
        "reference missing": without_reference,
        "reference as probabilities": reference_as_probabilities,
        "pi detached": lambda b, pi, log_pi: (
            b["beta"] * (pi.detach() * (log_pi - b.log_ref)).sum(-1)
        ),
        "squared": lambda b, pi, log_pi: b["beta"] * (pi * (log_pi - b.log_ref) ** 2).sum(-1) / 2,
    },
    "kl-regularised": {
        "reference missing": lambda b, pi, log_pi: (
            (pi * (b["beta"] * log_pi - b["q"])).sum(-1) + b["alpha"] * (pi * log_pi).sum(-1)
        ),
        "reference's sign": lambda b, pi, log_pi: (
            (pi * (b["beta"] * (log_pi + b.log_ref) - b["q"])).sum(-1)
            + b["alpha"] * (pi * log_pi).sum(-1)
        ),
        "divergence detached": lambda b, pi, log_pi: (
            (b["beta"] * (pi * (log_pi - b.log_ref)).detach() - pi * b["q"]).sum(-1)
            + b["alpha"] * (pi * log_pi).sum(-1)
        ),
        "swapped": lambda b, pi, log_pi: (
            swapped(b, pi, log_pi) + b["alpha"] * (pi * log_pi).sum(-1) - (pi * b["q"]).sum(-1)
        ),
    },
    "cross-entropy": {
        "normaliser not squared": normaliser_not_squared,
        "normaliser of probabilities": normaliser_of_probabilities,
        "softmax twice": softmax_twice,
        "probability": lambda b, pi, log_pi: -(b.target * pi).sum(-1) + b.z_loss,
    },
    "distillation": {
        "directions exchanged": forward_and_reverse_exchanged,
        "squared temperature": lambda b, pi, log_pi: (
            (b["temperature"] ** 2 + 0.5) * FORMULAS["distillation"](b, pi, log_pi)
        ),
        "only forward": lambda b, pi, log_pi: -(b.log_teacher.exp() * log_pi).sum(-1),
        "pi detached": lambda b, pi, log_pi: (
            -(1 - b["beta"]) * (b.log_teacher.exp() * log_pi).sum(-1)
            + b["beta"] * (pi.detach() * (log_pi - b.log_teacher)).sum(-1)
        ),
    },
    "reinforce": {
        "probability": lambda b, pi, log_pi: (
            -b.flat("advantages") * b.chosen(pi) + b["entropy_coef"] * (pi * log_pi).sum(-1)
        ),
        "entropy's sign": lambda b, pi, log_pi: (
            -b.flat("advantages") * b.chosen(log_pi) - b["entropy_coef"] * (pi * log_pi).sum(-1)
        ),
        "entropy detached": lambda b, pi, log_pi: (
            -b.flat("advantages") * b.chosen(log_pi)
            + b["entropy_coef"] * (pi.detach() * log_pi).sum(-1)
        ),
        "size of the advantage": lambda b, pi, log_pi: (
            -b.flat("advantages").abs() * b.chosen(log_pi)
            + b["entropy_coef"] * (pi * log_pi).sum(-1)
        ),
    },
}
"""Wrong losses that are written in words of their own; autograd has their gradients."""


@every_case
def test_another_loss_fails(made):
    for what, formula in WRITTEN[made.loss].items():
        assert made.status(made.gradient(formula)) is Status.FAILED, what


WITHOUT_BASELINE = {
    "sac": lambda b, pi, log_pi: pi * (b["alpha"] * log_pi - b["q"]),
    "policy-gradient": lambda b, pi, log_pi: -pi * b["q"],
    "entropy": lambda b, pi, log_pi: b["coef"] * pi * (log_pi + 1),
    "reverse-kl": lambda b, pi, log_pi: b["beta"] * pi * (log_pi - b.log_ref),
    "kl-regularised": lambda b, pi, log_pi: (
        pi * (b["beta"] * (log_pi - b.log_ref) + b["alpha"] * log_pi - b["q"])
    ),
    "cross-entropy": lambda b, pi, log_pi: (
        -b.target + 2 * b["z_coef"] * torch.logsumexp(b.masked(), -1, keepdim=True) * pi
    ),
    "distillation": lambda b, pi, log_pi: (
        (b["beta"] * pi * (log_pi - b.log_teacher) - (1 - b["beta"]) * b.log_teacher.exp())
        / b["temperature"]
    ),
    "reinforce": lambda b, pi, log_pi: (
        -b["advantages"] * torch.nn.functional.one_hot(b.index, ACTIONS)
        + b["entropy_coef"] * pi * (log_pi - sum_of_rows(pi * log_pi))
    ),
}
"""Gradients by hand that lack pi times the sum of the rest."""


@every_case
def test_a_gradient_without_its_baseline_fails(made):
    assert made.status(made.by_hand(WITHOUT_BASELINE[made.loss])) is Status.FAILED


@every_dtype
@pytest.mark.parametrize("masked", [False, True])
def test_other_labels_fail(masked, dtype):
    for loss, name in (("cross-entropy", "labels"), ("reinforce", "actions")):
        made = case(loss, masked, dtype)
        index = made.has[name]
        for what, other in {
            "next action": (index + 1) % ACTIONS,
            "next position": index.roll(1),
            "one position": torch.where(torch.arange(STATES) == 5, (index + 1) % ACTIONS, index),
        }.items():
            wrong = made.gradient(**{name: other})
            assert made.status(wrong) is Status.FAILED, (loss, what)


@every_dtype
def test_smoothing_spread_over_other_actions_fails(dtype):
    made = case("cross-entropy", True, dtype)
    for wrong in (smoothing_over_the_others, smoothing_of_all_actions):
        assert made.status(made.gradient(wrong)) is Status.FAILED, wrong.__name__


@every_dtype
def test_a_temperature_in_one_place_only_fails(dtype):
    made = case("distillation", False, dtype)
    hot, cold = made.gradient(), made.without("temperature")
    wrong = {
        "logits alone": 2.0 * hot,
        "teacher alone": made.gradient(teacher_without_temperature),
        "weight of T squared": 4.0 * hot,
        "nowhere": cold.gradient(),
    }
    for what, grad in wrong.items():
        assert made.status(grad) is Status.FAILED, what


@every_dtype
def test_ignored_positions_counted_in_the_mean_fail(dtype):
    logits = torch.tensor(NUMBERS["logits"], dtype=dtype, requires_grad=True)
    labels = torch.tensor(NUMBERS["labels"])
    labels[::3] = -100
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    left_out = torch.nn.functional.cross_entropy(logits, labels.clamp_min(0), reduction="none")
    for wrong in (each.sum() / STATES, left_out.mean()):
        (grad,) = torch.autograd.grad(wrong, logits, retain_graph=True)
        report = softcheck.verify(
            loss="cross-entropy",
            logits=logits,
            labels=labels,
            ignore_index=-100,
            grad=grad,
            reduction="weighted-mean",
        )
        assert report.cases[0].status is Status.FAILED
