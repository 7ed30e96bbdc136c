"""A name is given only to what it explains; everything else stays unexplained."""

import ml_dtypes
import numpy as np
import pytest
import torch

import softcheck

DTYPES = {
    "float64": (torch.float64, np.float64),
    "float32": (torch.float32, np.float32),
    "float16": (torch.float16, np.float16),
    "bfloat16": (torch.bfloat16, ml_dtypes.bfloat16),
}


def right(seed, dtype="float64", states=40, actions=5, spread=1.5, weights=None):
    """Return a right case, its gradient left by autograd; unlike `weights`, all is returned."""
    of_torch, of_numpy = DTYPES[dtype]
    generator = np.random.default_rng(seed)
    q = torch.tensor(generator.normal(size=(states, actions)), dtype=of_torch)
    logits = spread * generator.normal(size=(states, actions))
    leaf = torch.tensor(logits, dtype=of_torch, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    loss = (log_pi.exp() * (0.25 * log_pi - q)).sum(-1)
    (loss if weights is None else loss * torch.tensor(weights, dtype=of_torch)).sum().backward()
    arrays = {"q": q, "logits": leaf.detach(), "grad": leaf.grad}
    made = {name: table.double().numpy().astype(of_numpy) for name, table in arrays.items()}
    return made | {"alpha": 0.25}


def diagnoses(given):
    return softcheck.verify(**given).cases[0].diagnosis


def codes(given):
    return [diagnosis.code for diagnosis in diagnoses(given)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_entry_that_is_not_finite_is_isolated(dtype, value):
    for seed in range(5):
        given = right(seed, dtype, states=8, actions=4)
        given["grad"][3, 1] = value
        assert codes(given) == ["isolated-entries"]


def test_many_entries_that_are_not_finite_leave_no_formula_to_name():
    given = right(1)
    given["grad"][::3] = np.nan
    (diagnosis,) = diagnoses(given)
    assert diagnosis.code == "not-finite"
    assert "70 of 200, in 14 of 40 states" in diagnosis.message


def test_nan_in_one_masked_state_of_many_is_not_from_the_mask():
    given = right(2)
    mask = np.ones((40, 5), dtype=bool)
    mask[:, 4] = False
    leaf = torch.tensor(given["logits"], requires_grad=True)
    log_pi = torch.log_softmax(leaf.masked_fill(~torch.tensor(mask), -1e9), -1)
    (log_pi.exp() * (0.25 * log_pi - torch.tensor(given["q"]))).sum().backward()
    given |= {"mask": mask, "grad": leaf.grad.numpy()}
    given["grad"][7, 2] = np.nan
    assert codes(given) == ["isolated-entries"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", [10, 16])
def test_a_forgotten_loss_scale_is_named_in_every_precision(dtype, power):
    given = right(3, dtype)
    scaled = given["grad"].astype(np.float64) * 2.0**power
    (best, *_) = diagnoses(given | {"grad": scaled.astype(DTYPES[dtype][1])})
    assert best.code == "loss-scaled"
    assert best.evidence["scale"] == 2.0**power


def test_a_scale_that_no_loss_scaler_has_is_other_scale():
    given = right(4)
    given["grad"] *= 65000.0
    assert codes(given) == ["other-scale"]


def test_an_explanation_says_how_many_wrong_entries_it_mends():
    given = right(5)
    bound = np.quantile(np.abs(given["grad"]), 0.8)
    given["grad"] = given["grad"].clip(-bound, bound)
    (diagnosis,) = diagnoses(given)
    assert diagnosis.code == "clipped-gradient"
    assert diagnosis.evidence["mended"] == diagnosis.evidence["wrong"] == 40
    assert "40 of the 40 wrong ones among them" in diagnosis.message


def test_undeclared_weights_are_named_where_a_state_has_enough_entries():
    weights = np.random.default_rng(6).uniform(0.2, 1.0, size=40)
    assert codes(right(6, weights=weights)) == ["scaled-by-state"]
    # Two entries that sum to 0 have some scale whatever is wrong.
    assert codes(right(6, actions=2, weights=weights)) == ["unexplained"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_relative_noise_is_not_called_low_precision(dtype):
    for seed in range(5):
        given = right(seed, dtype)
        noise = 1.0 + 1e-3 * np.random.default_rng(seed).normal(size=given["grad"].shape)
        given["grad"] = (given["grad"] * noise).astype(dtype)
        (diagnosis,) = diagnoses(given)
        assert diagnosis.code == "unexplained"
        # A hint that, followed, hides the noise behind wide tolerances is none.
        assert "rounding" not in diagnosis.message
        assert "--" not in diagnosis.message


def test_a_wrong_baseline_is_not_called_rounding_of_bfloat16():
    for seed in range(5):
        given = right(seed, states=60, actions=6, spread=1.0)
        policy = np.exp(given["logits"] - np.log(np.exp(given["logits"]).sum(-1, keepdims=True)))
        g = given["q"] - given["alpha"] * np.log(policy)
        given["grad"] = -policy * (g - np.median(g, axis=-1, keepdims=True))
        (diagnosis,) = diagnoses(given)
        assert diagnosis.code == "unexplained"
        assert "rounding" not in diagnosis.message


def test_float32_in_a_float64_table_is_low_precision_and_says_what_to_declare():
    given = {
        name: np.asarray(table, dtype=np.float64) for name, table in right(7, "float32").items()
    }
    (diagnosis,) = diagnoses(given)
    assert diagnosis.code == "low-precision"
    assert "--compute-dtype float32" in diagnosis.message


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_wrong_gradient_in_coarse_arithmetic_is_not_called_zero(dtype):
    for seed in range(10):
        given = right(seed, dtype)
        wrong = np.random.default_rng(seed).normal(size=given["grad"].shape)
        given["grad"] = wrong.astype(DTYPES[dtype][1])
        assert codes(given) == ["unexplained"]


def test_rows_of_zeros_are_not_rows_of_other_states():
    given = right(8)
    given["grad"][::4] = 0.0
    assert codes(given) == ["states-left-out"]


def test_a_name_reproduces_every_wrong_entry_or_is_none():
    for seed in range(5):
        given = right(seed)
        given["grad"] = given["grad"][np.random.default_rng(seed).permutation(40)]
        assert codes(given) == ["permuted-states"]
        given["grad"][::10] = 0.0
        assert codes(given) == ["unexplained"]


def test_a_mistake_of_some_states_is_named_with_them():
    given = right(9)
    given["grad"][10:30] *= -1.0
    (diagnosis,) = diagnoses(given)
    assert diagnosis.code == "sign-flipped"
    assert diagnosis.evidence["states"] == [[state] for state in range(10, 30)]
    assert diagnosis.evidence["mended"] == diagnosis.evidence["wrong"] == 100
    assert "in 20 of 40 states" in diagnosis.message
    given["grad"][35, 2] *= 1.1  # so that the others are not all right
    assert codes(given) == ["unexplained"]
