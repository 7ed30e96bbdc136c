"""What users write, for mypy: arrays of every library are accepted, wrong options are not."""

from typing import assert_type

import jax
import numpy as np
import torch

import softcheck


def use() -> None:
    tensor, array, table = torch.ones(3, 2), jax.numpy.ones((3, 2)), np.ones((3, 2))
    softcheck.save_case("a.npz", q=(tensor, tensor), logits=tensor, grad=tensor.grad, alpha=tensor)
    softcheck.save_case("a.npz", q=array, logits=array, grad=array, log_alpha=0.5, mask=table > 0)
    softcheck.assert_gradient(q=table, logits=tensor, grad=array, alpha=1, reduction="mean")
    net = torch.nn.Linear(2, 2)
    with softcheck.capture(actor=net, critics=[net, net], alpha=0.2, path="a.npz") as captured:
        captured.record(loss=tensor.sum())
    softcheck.assert_gradient(**captured.arrays, reduction="mean")
    labels = np.array([0, 1, 1])
    softcheck.save_case(
        "a.npz", loss="cross-entropy", logits=tensor, labels=labels, grad=array, reduction="mean"
    )
    softcheck.assert_gradient(
        loss="cross-entropy", logits=table, grad=tensor, targets=array, z_coef=0.1, loss_value=table
    )
    with softcheck.capture(actor=net, loss="reinforce", reduction="sum", actions=labels) as step:
        step.record(advantages=tensor)
    softcheck.verify(loss=r"-\sum_a \rho(a) \log \pi(a)", logits=table, arrays={"rho": array})
    assert_type(softcheck.verify(q=table, logits=array, alpha=1).status, softcheck.Status)
    # An unused "ignore" is an error to mypy: these two have to be refused.
    softcheck.verify(q=table, logits=table, alpha=1, reduction="average")  # type: ignore[arg-type]
    softcheck.save_case("a.npz", q=table, logits=table, weigths=table)  # type: ignore[call-arg]
