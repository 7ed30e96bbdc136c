"""Mistakes are named by their numbers: on gradients that autograd left, and never on right ones."""

import ml_dtypes
import numpy as np
import pytest
import torch
from fixture_cases import walk

import softcheck
from softcheck import Status
from softcheck.checks import dumps, fit
from softcheck.checks.blocks import Masking, evaluation
from softcheck.checks.evaluation import Context
from softcheck.checks.moments import Moments
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays, open_case
from softcheck.verification import verify_case

DTYPES = {
    "float64": (torch.float64, np.float64),
    "float32": (torch.float32, np.float32),
    "bfloat16": (torch.bfloat16, ml_dtypes.bfloat16),
}


def named(fixture):
    return pytest.param(fixture, id=fixture.path.name)


def diagnosed(fixture):
    chosen = dict(fixture.expected["settings"])
    weights = chosen.pop("weights", None)
    given = {"weights": [str(fixture.path.parent / weights)]} if weights else {}
    axis = chosen.pop("action_axis", -1)
    case = verify_case(open_case(str(fixture.path), given, action_axis=axis), Settings(**chosen))
    return [diagnosis.code for diagnosis in case.diagnosis]


@pytest.mark.parametrize("fixture", [named(f) for f in walk("negative")])
def test_the_planted_mistake_is_named(fixture):
    codes = diagnosed(fixture)
    if fixture.expected["mistake"] is not None:
        assert codes[0] == fixture.expected["mistake"]
    assert ("first-wrong" in codes) == ("first_wrong" in fixture.expected)


@pytest.mark.parametrize("fixture", [named(f) for f in walk("positive")])
def test_what_is_right_gets_no_diagnosis(fixture):
    assert diagnosed(fixture) == []


@pytest.mark.parametrize("factor", [0.1, 1.0, 100.0])
def test_states_that_weigh_nothing_hide_no_mistake(factor):
    q, logits = np.random.default_rng(0).normal(size=(2, 40, 18))
    weights = np.where(np.arange(40) % 3 == 0, 0.0, 1.0)
    theta = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(theta, -1)
    losses = (log_pi.exp() * (0.2 * log_pi - torch.tensor(q))).sum(-1)
    (losses @ torch.tensor(weights)).backward()
    arrays = {"q": q, "logits": logits, "alpha": 0.2, "weights": weights}
    made = softcheck.verify(**arrays, grad=-theta.grad, tolerance_factor=factor)
    assert [found.code for found in made.cases[0].diagnosis] == ["sign-flipped"]


def right(generator, dtype, states):
    """Return a right case of random size and scale, its gradient left by autograd."""
    of_torch, of_numpy = DTYPES[dtype]
    actions = int(generator.integers(2, 20))
    q = generator.normal(size=(states, actions)) * 10.0 ** generator.uniform(-1, 2)
    logits = generator.normal(size=(states, actions)) * 10.0 ** generator.uniform(-1, 0.7)
    logits += generator.choice([0.0, 10.0, 1000.0])
    alpha = 2.0 ** generator.integers(-6, 2)  # the same number in every precision
    q, leaf = torch.tensor(q, dtype=of_torch), torch.tensor(logits, dtype=of_torch)
    leaf.requires_grad_()
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (alpha * log_pi - q)).sum().backward()

    def numpy(tensor):
        return tensor.detach().to(torch.float64).numpy().astype(of_numpy)

    return {"q": numpy(q), "logits": numpy(leaf), "grad": numpy(leaf.grad), "alpha": alpha}


def checked(arrays):
    """Return the tallies of the checks of a dumped gradient, without those of Eq. (6)."""
    case = case_from_arrays(arrays)
    (raw,) = case.blocks(case.states)
    context = Context(case.states * case.actions, 5, sample=(), loss=case.variant)
    e = evaluation(case, raw, Settings(), context, Buffers(), Masking())
    with np.errstate(all="ignore"):
        sides = dumps.sides(e, "gradient")
        gradient = dumps.compare_sides(e, sides)
        moments = Moments.of(e, sides, sides.ratio(np.empty_like(sides.expected)))
    return gradient, fit.check(moments, case.scalars)


@pytest.mark.parametrize("dtype", DTYPES)
def test_five_thousand_right_gradients_raise_no_alarm(dtype):
    generator = np.random.default_rng(11)
    for _ in range(1700):
        gradient, fitted = checked(right(generator, dtype, int(generator.integers(1, 200))))
        assert (gradient.failed, fitted.failed) == (0, 0), fitted.summary


def float32_case(states, alpha=1.0, scale=1.0):
    """Return a float32 case, right but for its scale and temperature.

    Its logits are so far from 0 that their own rounding could hide either at any entry.
    """
    generator = np.random.default_rng(12)
    q, logits = generator.normal(size=(2, states, 6)).astype(np.float32)
    logits += np.float32(2000.0)
    leaf = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    loss = (log_pi.exp() * (0.2 * alpha * log_pi - torch.tensor(q))).sum()
    (scale * loss).backward()
    return {"q": q, "logits": logits, "grad": leaf.grad.numpy(), "alpha": 0.2}


@pytest.mark.parametrize("wrong", [{"alpha": 1.001}, {"alpha": 0.999}, {"scale": 1.0001}])
def test_the_fit_sees_what_no_entry_shows(wrong):
    gradient, fitted = checked(float32_case(500, **wrong))
    assert gradient.failed == 0
    assert fitted.failed == 1
    assert checked(float32_case(500))[1].failed == 0


def check_named(made, name):
    (check,) = (check for check in made.cases[0].checks if check.name == name)
    return check


def test_the_fit_says_what_it_found_beside_what_was_declared():
    made = softcheck.verify(**float32_case(800, alpha=1.01))
    check = check_named(made, "fit")
    assert check.status is Status.FAILED
    assert "alpha fitted 0.202" in check.reason
    assert "declared 0.2" in check.reason


def test_two_mistakes_at_once_are_both_named():
    generator = np.random.default_rng(13)
    q, logits = generator.normal(size=(2, 64, 5))
    leaf = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (log_pi - torch.tensor(q))).mean().backward()
    made = softcheck.verify(q=q, logits=logits, alpha=0.2, grad=leaf.grad.numpy())
    best = made.cases[0].diagnosis[0]
    assert set(best.code.split("+")) == {"missing-alpha", "mean-over-states-and-actions"}
    assert best.grounds == "Explains all 320 wrong entries and changes no right one"


def test_what_the_data_cannot_tell_apart_is_said():
    generator = np.random.default_rng(14)
    q, logits = generator.normal(size=(2, 1, 4))
    leaf = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (0.5 * log_pi - torch.tensor(q))).mean().backward()
    made = softcheck.verify(q=q, logits=logits, alpha=0.5, grad=leaf.grad.numpy())
    (best,) = made.cases[0].diagnosis
    codes = {best.code, *best.evidence["instead_of"]}
    assert {"mean-over-states-and-actions", "mean-over-actions"} <= codes
    assert "the mean over actions was taken (mean-over-actions)" in best.grounds
    assert best.grounds.endswith("Another number of states would")


def large(states, actions):
    generator = np.random.default_rng(15)
    q, logits = generator.normal(size=(2, states, actions))
    leaf = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (0.3 * log_pi - torch.tensor(q))).sum().backward()
    return {"q": q, "logits": logits, "grad": leaf.grad.numpy(), "alpha": 0.3}


def test_one_flipped_state_among_a_hundred_thousand_is_named_with_its_place():
    given = large(100_000, 3)
    given["grad"][77_777] *= -1
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "sign-flipped"
    assert diagnosis.evidence["states"] == [[77_777]]
    assert "in 1 of 100000 states, [77777]; all others are right" in diagnosis.message


def test_one_entry_among_1_800_000_off_by_a_billionth_is_isolated():
    given = large(100_000, 18)
    given["grad"][54_321, 7] *= 1 + 1e-9
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "isolated-entries"
    assert diagnosis.evidence["places"] == [[54_321, 7]]


def test_what_is_made_from_the_loss_is_named_of_eq_6_too():
    given = large(60, 5)
    p = torch.softmax(torch.tensor(given["logits"]), -1).numpy()
    slope = given["alpha"] * (np.log(p) + 1) - given["q"]
    given["grad"] = p * (1 - p) * slope
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "diagonal-jacobian"
    assert diagnosis.message.endswith("is used, by log π")
    assert diagnosis.grounds == "Explains all 300 wrong entries and changes no right one"


def test_what_no_row_explains_is_unexplained():
    given = large(100, 4)
    given["grad"] = np.random.default_rng(0).normal(size=(100, 4))
    codes = [diagnosis.code for diagnosis in softcheck.verify(**given).cases[0].diagnosis]
    assert codes == ["unexplained"]


def test_noise_is_not_low_precision_because_coarse_rounding_would_cover_it():
    generator = np.random.default_rng(16)
    q, logits = 1e4 * generator.normal(size=(40, 3)), generator.normal(size=(40, 3))
    noise = generator.normal(size=(40, 3))
    made = softcheck.verify(q=q, logits=logits, alpha=0.2, grad=noise)
    assert [diagnosis.code for diagnosis in made.cases[0].diagnosis] == ["unexplained"]


def test_numbers_far_too_large_are_named_and_those_that_overflow_raise_no_warning():
    given = large(40, 3)
    right = given["grad"].copy()
    given["grad"] = 1e100 * right
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "other-scale"
    assert diagnosis.evidence["scale"] == pytest.approx(1e100)
    given["grad"][::2] = np.nan
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "other-scale"
    assert "60 entries that are not finite were left out" in diagnosis.grounds
    given["grad"] = 1e307 * right
    assert softcheck.verify(**given).cases[0].diagnosis
