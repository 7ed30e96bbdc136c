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
    assert "70 of 200, in 14 of 40 states" in diagnosis.grounds


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
    assert diagnosis.grounds == "Explains all 40 wrong entries and changes no right one"


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
        assert "rounding" not in diagnosis.grounds
        assert not diagnosis.remedies


def test_a_wrong_baseline_is_not_called_rounding_of_bfloat16():
    for seed in range(5):
        given = right(seed, states=60, actions=6, spread=1.0)
        policy = np.exp(given["logits"] - np.log(np.exp(given["logits"]).sum(-1, keepdims=True)))
        g = given["q"] - given["alpha"] * np.log(policy)
        given["grad"] = -policy * (g - np.median(g, axis=-1, keepdims=True))
        (diagnosis,) = diagnoses(given)
        assert diagnosis.code == "unexplained"
        assert "rounding" not in diagnosis.grounds


def test_float32_in_a_float64_table_is_low_precision_and_says_what_to_declare():
    given = {
        name: np.asarray(table, dtype=np.float64) for name, table in right(7, "float32").items()
    }
    (diagnosis,) = diagnoses(given)
    assert diagnosis.code == "low-precision"
    assert [each.declare for each in diagnosis.remedies] == [{"compute_dtype": "float32"}]


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


def masked(given, mask):
    """Return a case with a mask, its gradient that of the masked softmax."""
    leaf = torch.tensor(given["logits"], requires_grad=True)
    log_pi = torch.log_softmax(leaf.masked_fill(~torch.tensor(mask), -1e9), -1)
    (log_pi.exp() * (0.25 * log_pi - torch.tensor(given["q"]))).sum().backward()
    return given | {"mask": mask, "grad": leaf.grad.numpy()}


ANOTHER_STEP = "may be those of another step"


def moved(given, size):
    """Return a case whose logits an optimiser has moved since."""
    noise = np.random.default_rng(9).normal(size=given["logits"].shape)
    return given | {"logits": given["logits"] + size * noise}


@pytest.mark.parametrize(("size", "is_said"), [(1e-3, True), (1e-2, True), (1e-7, False)])
def test_stale_logits_are_a_remark_where_they_can_be(size, is_said):
    (diagnosis,) = diagnoses(moved(right(10), size))
    assert diagnosis.code == "unexplained"
    assert (ANOTHER_STEP in diagnosis.grounds) is is_said


def test_a_gradient_behind_the_mask_is_not_of_another_step():
    mask = np.random.default_rng(3).random((40, 5)) < 0.7
    mask[:, 0] = True
    given = moved(masked(right(11), mask), 1e-3)
    assert ANOTHER_STEP in diagnoses(given)[0].grounds
    state, action = np.argwhere(~mask)[0]
    given["grad"][state, action] += 1e-3
    given["grad"][state, 0] -= 1e-3
    assert ANOTHER_STEP not in diagnoses(given)[0].grounds


def test_what_is_a_curve_over_pi_is_not_of_another_step():
    given = right(12, states=60)
    leaf = torch.tensor(given["logits"], requires_grad=True)
    pi = torch.softmax(leaf, -1)
    (pi * (0.25 * (pi + 0.0037).log() - torch.tensor(given["q"]))).sum().backward()
    (diagnosis,) = diagnoses(given | {"grad": leaf.grad.numpy()})
    assert diagnosis.code == "unexplained"
    assert "is a curve over pi" in diagnosis.grounds
    assert ANOTHER_STEP not in diagnosis.grounds


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_coarse_arithmetic_is_named_with_its_precision(dtype):
    for seed in range(5):
        given = right(seed, dtype, spread=4.0)
        wider = {name: np.asarray(table, dtype=np.float32) for name, table in given.items()}
        (diagnosis,) = diagnoses(wider)
        assert diagnosis.code == "low-precision"
        assert f"({dtype})" in diagnosis.message
        assert [each.declare for each in diagnosis.remedies] == [{"compute_dtype": dtype}]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_what_is_read_off_a_gradient_may_have_been_rounded_when_it_was_stored(dtype):
    given = right(18, dtype, states=60)
    leaf = torch.tensor(given["logits"].astype("float32"), requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    drawn = torch.tensor(np.random.default_rng(18).integers(5, size=(60, 1)))
    soft = 0.25 * log_pi - torch.tensor(given["q"].astype("float32"))
    (soft.detach() * log_pi).gather(-1, drawn).sum().backward()
    grad = leaf.grad.numpy().astype(DTYPES[dtype][1])
    assert codes(given | {"grad": grad, "compute_dtype": "float32"}) == ["sampled-gradient"]


def changed_after(grad, how, generator):
    """Return a gradient, computed in coarse arithmetic, of which more was made."""
    return {
        "relu": lambda: np.maximum(grad, 0.0),
        "zeroed": lambda: np.where(generator.random(grad.shape) < 0.3, 0.0, grad),
        "four bits": lambda: np.ldexp(np.round(np.frexp(grad)[0] * 16) / 16, np.frexp(grad)[1]),
    }[how]()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("how", ["relu", "zeroed", "four bits"])
def test_what_was_done_to_a_gradient_is_not_hidden_by_coarse_tolerances(dtype, how):
    for seed in range(5):
        given = right(seed, dtype)
        wider = {name: np.asarray(table, dtype=np.float64) for name, table in given.items()}
        wider["grad"] = changed_after(wider["grad"], how, np.random.default_rng(seed))
        (diagnosis,) = diagnoses(wider)
        assert diagnosis.code == "unexplained"
        assert not diagnosis.remedies


@pytest.mark.parametrize("digits", [4, 6, 8])
@pytest.mark.parametrize("form", ["f", "e"])
def test_digits_of_a_text_file_are_recognised(digits, form):
    given = right(13)
    printed = [[float(f"{x:.{digits}{form}}") for x in row] for row in given["grad"]]
    (diagnosis,) = diagnoses(given | {"grad": np.array(printed), "block_entries": 40})
    assert diagnosis.code == "printed-digits"
    said = f"({digits} decimals)" if form == "f" else f"({digits + 1} digits)"
    assert said in diagnosis.message
    assert diagnosis.evidence["mended"] == diagnosis.evidence["wrong"]


def test_wrong_numbers_with_few_digits_are_not_the_right_ones_printed():
    for seed in range(5):
        given = right(seed)
        noise = 1e-3 * np.random.default_rng(seed).normal(size=given["grad"].shape)
        assert codes(given | {"grad": np.round(given["grad"] + noise, 4)}) == ["unexplained"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_state_with_two_actions_proves_no_number_that_is_read_off_it(dtype):
    for seed in range(8):
        given = right(seed, dtype, states=1, actions=2)
        noise = np.random.default_rng(seed).normal(size=(1, 2))
        for wrong in (noise, noise - noise.mean(), 0.4 * given["grad"]):
            assert codes(given | {"grad": wrong.astype(dtype)}) == ["unexplained"]


def test_one_wrong_entry_among_blind_ones_is_not_isolated():
    given = right(14, "float32", states=2, actions=4)
    # Near the optimum rounding is as large as the gradient.
    given["logits"] = (given["q"] / 0.25).astype("float32")
    given["grad"] = np.zeros((2, 4), dtype="float32")
    given["grad"][0, 0] = 1e-3
    assert codes(given) == ["unexplained"]


@pytest.mark.parametrize("size", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize(("factor", "name"), [(-1.0, "sign-flipped"), (0.37, "other-scale")])
def test_near_the_optimum_the_plain_names_are_tried(size, factor, name):
    for seed in range(4):
        given = right(seed)
        noise = size * np.random.default_rng(seed).normal(size=(40, 5))
        leaf = torch.tensor(given["q"] / 0.25 + noise, requires_grad=True)
        log_pi = torch.log_softmax(leaf, -1)
        (log_pi.exp() * (0.25 * log_pi - torch.tensor(given["q"]))).sum().backward()
        logits, grad = leaf.detach().numpy(), factor * leaf.grad.numpy()
        assert codes(given | {"logits": logits, "grad": grad})[0] == name


def test_the_masked_mean_of_most_code_is_the_weighted_mean_and_no_padding():
    kept = (np.arange(40) % 3 > 0).astype(float)
    given = right(15, weights=kept / kept.sum()) | {"weights": kept}
    made = softcheck.verify(**given, reduction="mean").cases[0]
    assert [diagnosis.code for diagnosis in made.diagnosis] == ["weights-normalised"]
    (remedy,) = made.diagnosis[0].remedies
    assert remedy.declare == {"reduction": "weighted-mean"}
    assert softcheck.verify(**given, **remedy.declare)


def test_the_axis_that_was_summed_is_said():
    given = right(16)
    for name in ("q", "logits", "grad"):
        given[name] = given[name].reshape(8, 5, 5)
    given["grad"] = given["grad"] / 8
    made = softcheck.verify(**given, reduction="mean").cases[0]
    assert made.diagnosis[0].code == "summed-over-axis"
    assert "(axis 1 of [8, 5])" in made.diagnosis[0].message


def test_an_intermediate_is_said_to_be_float32_only_if_its_numbers_are():
    given = right(17)
    shifted = given["logits"] - given["logits"].max(-1, keepdims=True)
    policy = np.exp(shifted) / np.exp(shifted).sum(-1, keepdims=True)
    single = diagnoses(given | {"policy": policy.astype("float32").astype("float64")})
    assert "the rounding of float32" in single[0].grounds
    assert [each.declare for each in single[0].remedies] == [{"compute_dtype": "float32"}]
    noise = np.random.default_rng(17).normal(size=policy.shape)
    (diagnosis,) = diagnoses(given | {"policy": policy * (1.0 + 1e-8 * noise)})
    assert diagnosis.code == "first-wrong"
    assert not diagnosis.remedies


def test_a_scale_from_the_fit_is_no_name_for_what_it_does_not_give():
    for seed in range(5):
        given = right(seed, "bfloat16", states=100)
        grad = given["grad"].astype(np.float64)
        scaled = given | {"grad": (0.5 * grad).astype(ml_dtypes.bfloat16)}
        assert codes(scaled)[0] == "other-scale"
        halved = given | {"grad": np.maximum(grad, 0.0).astype(ml_dtypes.bfloat16)}
        assert codes(halved) == ["unexplained"]
