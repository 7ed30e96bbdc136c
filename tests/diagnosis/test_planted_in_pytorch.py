"""Every row of the fixtures' table of bugs, planted in PyTorch code, in both precisions."""

import sys

import pytest
import torch
from fixture_cases import FIXTURES

import softcheck
from softcheck import Status

sys.path.insert(0, str(FIXTURES))
import make_negative

ROWS = [row for row in make_negative.MISTAKES if row.code and row.failed_checks == ("gradient",)]

RIGHT = {
    ("alpha-rounded", torch.float32),
    ("low-precision", torch.float32),
    ("clamped-policy-categorical", torch.float64),
}
"""Where the precision makes the bug none: float32 in float32, a clamp at float64's epsilon."""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("row", ROWS, ids=[row.name or row.code for row in ROWS])
def test_a_bug_in_pytorch_code_is_caught_and_named(row, dtype):
    torch.manual_seed(6)
    given = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in row.table.read().items()
    }
    arrays = given | row.plant(make_negative.Batch(given))
    arrays = {name: tensor.detach().numpy() for name, tensor in arrays.items()}
    q = arrays.pop("q", None)
    critics = tuple(arrays.pop(name) for name in ("q1", "q2") if name in arrays)
    made = softcheck.verify(q=critics if q is None else q, **arrays, **row.settings)
    if (row.name or row.code, dtype) in RIGHT:
        assert made.status is Status.PASSED
        return
    assert made.status is Status.FAILED
    best = made.cases[0].diagnosis[0]
    named = {best.code, *best.evidence.get("instead_of", ())}
    assert row.code in named
