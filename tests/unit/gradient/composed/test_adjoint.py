"""Losses drawn at random: automatic differentiation, both numeric routes and PyTorch agree."""

import numpy as np
import pytest
import torch
from programs import (
    EXAMPLES,
    Example,
    Torch,
    adversarial,
    known,
    ordinary,
    random_loss,
    ratios,
    running,
)

from softcheck.gradient.composed.adjoint import gradient
from softcheck.gradient.composed.evaluate import finished
from softcheck.gradient.composed.shift import central_difference, complex_step
from softcheck.gradient.tolerance import U

SEEDS = np.array_split(np.arange(120), 6)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("make", [ordinary, adversarial])
@np.errstate(all="ignore")
def test_no_error_exceeds_its_bound(name, make):
    sample, _, truth = known(name, make)
    on = running(sample)
    found = finished(gradient(EXAMPLES[name].programs()[0], on), on.shape, on.legal)
    assert ratios(found, truth).max() <= 1.0


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
@np.errstate(all="ignore")
def test_all_sides_of_a_random_loss_agree(seeds):
    for seed in seeds:
        loss = random_loss(seed)
        program = Example.program(loss)
        for sample in (ordinary(7, 10, seed, scale=2.0), adversarial(7, 10, seed)):
            on = running(sample)
            backwards, *routes = (
                finished(side(program, on), on.shape, on.legal)
                for side in (gradient, complex_step, central_difference)
            )
            for route in routes:
                off = np.abs(route.value - backwards.value)
                assert (off <= U * (route.error + backwards.error)).all()
            if sample.legal.all() and np.ptp(sample.logits) < 100.0:
                size = np.abs(backwards.value).max(axis=0)
                assert np.median(U * routes[0].error / size) < 1e-11
                far = gradient(program, running(sample, far=True))
                off = np.abs(autograd(loss, sample) - backwards.value)
                assert (off <= 2.0 * U * far.error).all()


def autograd(loss, sample):
    logits = torch.tensor(sample.logits, requires_grad=True)
    data = {name: torch.tensor(x) for name, x in sample.data.items()}
    loss(Torch(logits, data)).sum().backward()
    return logits.grad.numpy()
