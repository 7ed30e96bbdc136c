"""Masks that come too late or not at all, in losses of any formula: each is caught and named."""

import numpy as np
import pytest
import torch
from formulas_in_torch import InTorch
from planted_in_torch import Data

import softcheck
from softcheck.derive.expr import Exp, Log, Size, Sum, Sym
from softcheck.losses import load, names, read
from softcheck.losses.cases import regrouped

VARIANTS = [
    pytest.param(name, number, dtype, id=f"{name}-{number}-{str(dtype).removeprefix('torch.')}")
    for name in names()
    for number, dtype in zip(
        range(len(load(name).variants)), [torch.float32, torch.float64] * 3, strict=False
    )
]


class OfLegal(InTorch):
    """Formulas whose sums are over some actions, but for that of the softmax."""

    def __init__(self, legal, *rest):
        super().__init__(*rest)
        self.legal = legal.to(self.logits.dtype)

    def _usual(self, x, env, path):
        match x:
            case Size():
                return self.legal.sum(0)
            case Log(Sum(_, Exp(Sym(name)), ())) if name == self.name:
                return self.logits.logsumexp(0)
            case Sum(index, body, ()):
                total = 0.0
                for a, legal in enumerate(self.legal):
                    each = self._of(body, {**env, index: a}, (*path, 0))
                    total = total + torch.where(legal > 0, each, 0.0)
                return total
        return super()._usual(x, env, path)


class Masked(Data):
    """A loss with ordinary numbers, some of its actions masked."""

    def __init__(self, name, number, dtype, seed=0):
        rng = np.random.default_rng([seed, number, len(name)])
        super().__init__(read(name).variants[number], rng, dtype, rows=30, actions=8)
        self.mask = torch.tensor(rng.random((30, 8)) < 0.6)
        self.mask[:, 0] = True
        for index in self.indices.values():
            self.mask.scatter_(1, self.arrays[index][:, None], True)

    def graded(self, *, in_softmax, in_sums=True):
        """Return the gradient of the mean of a loss whose masked actions are in some of it."""
        leaf = self.logits.clone().requires_grad_()
        tau = self.arrays[self.made.variant.temperature] if self.policy.temperature else 1.0
        logits = leaf if in_softmax else leaf.masked_fill(~self.mask, -1e9)
        arrays = {g.symbol: self.arrays[g.name] for g in self.givens}
        formula = OfLegal(
            (self.mask if in_sums else torch.ones_like(self.mask)).T,
            logits.T / tau,
            {symbol: x.T if x.ndim == 2 else x for symbol, x in arrays.items()},
            {symbol: self.arrays[name] for symbol, name in self.indices.items()},
            self.policy.name,
            self.policy.logits,
        )
        return torch.autograd.grad(formula(regrouped(self.tree)).mean(), leaf)[0]

    def verified(self, loss, grad, **changed):
        given = {**self.given, "mask": self.mask, "grad": grad, "reduction": "mean"} | changed
        return softcheck.verify(loss=loss, **given).cases[0]


def _said(case):
    """Return what a diagnosis says: the mistake, and those that the data do not tell from it."""
    (found,) = case.diagnosis
    alternatives = found.evidence["alternatives"]
    assert {found.code, *(other["code"] for other in alternatives)} == {"masked-in-softmax"}
    return {found.message, *(other["said"] for other in alternatives)}


AFTER, NOWHERE = "the mask is applied after the softmax", "the mask is not applied"


@pytest.mark.parametrize(("name", "number", "dtype"), VARIANTS)
def test_a_mask_that_leaves_the_softmax_open_is_named(name, number, dtype):
    it = Masked(name, number, dtype)
    right = it.verified(name, it.graded(in_softmax=False))
    assert right.status is softcheck.Status.PASSED
    after, nowhere = (it.graded(in_softmax=True, in_sums=x) for x in (True, False))
    same = torch.allclose(after, nowhere, rtol=1e-6, atol=1e-9)  # of the action taken alone
    for grad, said in ((after, AFTER), (nowhere, NOWHERE)):
        assert _said(it.verified(name, grad)) == ({AFTER, NOWHERE} if same else {said})


@pytest.mark.parametrize("name", ["sac", "policy-gradient"])
def test_what_masked_actions_hold_may_be_no_number_of_theirs(name):
    it = Masked(name, 0, torch.float64)
    q = it.arrays["q"].masked_fill(~it.mask, torch.nan)
    case = it.verified(name, it.graded(in_softmax=True), q=q)
    assert _said(case) == {AFTER}
    case = it.verified(name, it.graded(in_softmax=True, in_sums=False), q=q)
    assert "masked-in-softmax" not in [one.code for one in case.diagnosis]


def test_two_that_are_the_same_in_these_data_alone_are_not_said_to_be_so_in_any():
    """Where the action values of masked actions are 0, they add nothing to a sum."""
    it = Masked("policy-gradient", 0, torch.float64)
    it.arrays["q"] *= it.mask
    case = it.verified("policy-gradient", it.graded(in_softmax=True))
    assert _said(case) == {AFTER, NOWHERE}
    assert "This data cannot tell it from" in case.diagnosis[0].grounds


@pytest.mark.parametrize("name", ["entropy", "policy-gradient"])
def test_no_gradient_is_not_that_of_a_state_of_one_action_everywhere(name):
    """Where one action is legal the gradient is 0: that all are that one is read off."""
    it = Masked(name, 0, torch.float64)
    it.mask[3, 1:] = False
    (found,) = it.verified(name, torch.zeros_like(it.logits)).diagnosis
    assert found.code == "detached-policy"
    assert found.evidence["instead_of"] == ["permuted-states"]
