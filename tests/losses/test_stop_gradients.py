"""Stop-gradients that are said to be harmless leave PyTorch's gradient as it is; all others not."""

import numpy as np
import pytest
import torch

from softcheck.losses import read
from softcheck.losses.stops import harmless

LOSSES = {
    # formula: [(stop, the loss with it, of log pi, log pi detached, given)]
    r"-\sum_a \pi(a) (Q(a) - \alpha \log \pi(a))": [
        (
            "−Σ_a sg[π(a)] (Q(a) − α log π(a))",
            lambda lp, x: -(lp.detach().exp() * (x["Q"] - x["α"] * lp)).sum(0),
        ),
        (
            "−Σ_a π(a) (Q(a) − α sg[log π(a)])",
            lambda lp, x: -(lp.exp() * (x["Q"] - x["α"] * lp.detach())).sum(0),
        ),
    ],
    r"\frac{1}{2} \sum_a \pi(a) (\log \pi(a) - \log \rho(a))^2": [
        (
            "(1 / 2) Σ_a sg[π(a)] (log π(a) − log ρ(a))²",
            lambda lp, x: (lp.detach().exp() * (lp - x["ρ"].log()) ** 2).sum(0) / 2,
        ),
        (
            "(1 / 2) Σ_a π(a) (sg[log π(a)] − log ρ(a))²",
            lambda lp, x: (lp.exp() * (lp.detach() - x["ρ"].log()) ** 2).sum(0) / 2,
        ),
    ],
    r"\sum_a \pi(a) \log \frac{\pi(a)}{\rho(a)}": [
        (
            "Σ_a sg[π(a)] log (π(a) / ρ(a))",
            lambda lp, x: (lp.detach().exp() * (lp.exp() / x["ρ"]).log()).sum(0),
        ),
        (
            "Σ_a π(a) log (sg[π(a)] / ρ(a))",
            lambda lp, x: (lp.exp() * (lp.detach().exp() / x["ρ"]).log()).sum(0),
        ),
    ],
    r"\left(\sum_a \pi(a) \log \pi(a)\right)^2": [
        (
            "(Σ_a sg[π(a)] log π(a))²",
            lambda lp, x: (lp.detach().exp() * lp).sum(0) ** 2,
        ),
        (
            "(Σ_a π(a) sg[log π(a)])²",
            lambda lp, x: (lp.exp() * lp.detach()).sum(0) ** 2,
        ),
    ],
}


def _gradient(loss, theta, given):
    theta = theta.clone().requires_grad_()
    loss(torch.log_softmax(theta, 0), given).sum().backward()
    return theta.grad


@pytest.mark.parametrize("formula", LOSSES)
def test_a_stop_is_harmless_exactly_where_autograd_says_so(formula):
    (made,) = read(formula).variants
    rng = np.random.default_rng(7)
    theta = torch.tensor(rng.normal(size=(6, 3)))
    given = {
        "Q": torch.tensor(rng.normal(size=(6, 3))),
        "ρ": torch.tensor(rng.uniform(0.1, 1, (6, 3))),
        "α": torch.tensor(0.3),
    }
    whole = LOSSES[formula][-1][1]

    def without_stop(log_pi, x):
        return whole(_undetached(log_pi), x)

    right = _gradient(without_stop, theta, given)
    stops = [
        text
        for text, loss in LOSSES[formula]
        if torch.allclose(_gradient(loss, theta, given), right, atol=1e-13)
    ]
    assert list(harmless(made)) == stops


def _undetached(log_pi):
    """Return log pi as a tensor whose `detach` does nothing."""

    class Whole(torch.Tensor):
        def detach(self):
            return self

    return log_pi.as_subclass(Whole)


def test_each_of_several_occurrences_is_told():
    (made, _) = read("kl-regularised").variants
    assert harmless(made) == (
        "−Σ_a π(a) (Q(a) − β · (sg[log π(a)] − ℓ(a)) − α log π(a))",
        "−Σ_a π(a) (Q(a) − β · (log π(a) − ℓ(a)) − α sg[log π(a)])",
    )


def test_a_loss_of_a_temperature_has_stops_too():
    made = read("distillation").variants[3]
    (stop,) = harmless(made)
    assert "sg[log π(a)]" in stop
