"""The recipes of the README and docs/, run as they stand there, with the real libraries."""

import shlex
import unittest

import jax
import numpy as np
import pytest
import torch
from pages import blocks, without_digits
from run import softcheck as program
from torch import nn

import softcheck

TRAINING, TEN_MINUTES = "docs/training.md", "docs/ten-minutes.md"
STATES, ACTIONS, FEATURES = 24, 5, 7

(CHECKED,) = blocks("python", "README.md", "Check your own step")
(STEP,), (MENDED,) = blocks("python", TEN_MINUTES), blocks("diff", TEN_MINUTES)
CAPTURED, RECORDED, OF_TOKENS = blocks("python", TRAINING, "PyTorch")
(IN_JAX,), (IN_NUMPY,) = (blocks("python", TRAINING, name) for name in ("JAX", "NumPy"))
(FUSED,) = blocks("python", TRAINING, "A fused kernel that never shows its logits")
UNDER_PYTEST, UNDER_UNITTEST = blocks("python", TRAINING, "In a test suite")
(COMMAND,) = blocks("sh", TRAINING, "NumPy")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(recipe, names):
    exec(recipe, names)  # noqa: S102  the pages are ours


def in_torch():
    torch.manual_seed(0)
    actor, qf1, qf2 = (nn.Linear(FEATURES, ACTIONS) for _ in range(3))
    return {
        "actor": actor,
        "qf1": qf1,
        "qf2": qf2,
        "actor_optimizer": torch.optim.Adam(actor.parameters()),
        "observations": torch.randn(STATES, FEATURES),
        "alpha": 0.2,
        "tau": 0.5,
    }


def in_jax():
    parameters, observations, q = (
        jax.random.normal(jax.random.key(seed), shape)
        for seed, shape in enumerate([(FEATURES, ACTIONS), (STATES, FEATURES), (STATES, ACTIONS)])
    )
    return {
        "actor": lambda p, x: x @ p,
        "parameters": parameters,
        "observations": observations,
        "q": q,
        "alpha": 0.2,
    }


def in_numpy():
    q, logits = np.random.default_rng(0).normal(size=(2, STATES, ACTIONS))
    return {"q": q, "logits": logits, "alpha": 0.2}


@pytest.mark.parametrize(
    ("recipe", "names", "right", "wrong"),
    [
        (CAPTURED, in_torch, "alpha * log_pi - q", "log_pi - q"),
        (IN_JAX, in_jax, "alpha * log_pi - q", "log_pi - q"),
        (IN_NUMPY, in_numpy, "q - alpha * log_pi", "q - log_pi"),
    ],
    ids=["torch", "jax", "numpy"],
)
def test_a_recipe_leaves_a_dump_that_passes_and_one_of_a_wrong_loss_that_is_named(
    recipe, names, right, wrong
):
    command = shlex.split(COMMAND)[1:]
    run(recipe, names())
    assert program(*command).code == 0
    assert recipe.count(right) == 1
    run(recipe.replace(right, wrong), names())
    outcome = program(*command)
    assert outcome.code == 1
    assert "(missing-alpha)" in outcome.out


def test_the_check_of_a_step_says_what_is_shown_until_the_step_is_mended():
    assert CHECKED in STEP
    with pytest.raises(AssertionError) as raised:
        run(STEP, {})
    printed = without_digits(f"AssertionError: {raised.value}".splitlines()[0])
    for page in ("README.md", TEN_MINUTES):
        assert printed in map(without_digits, blocks("", page))
    wrong, right = (line[1:] for line in MENDED.splitlines())
    assert STEP.count(wrong) == 1
    run(STEP.replace(wrong, right), {})


def token_step():
    torch.manual_seed(0)
    return {
        "lm_head": nn.Linear(FEATURES, ACTIONS),
        "hidden": torch.randn(STATES, FEATURES),
        "labels": torch.randint(ACTIONS, (STATES,)),
        "torch": torch,
        "softcheck": softcheck,
    }


def test_the_recipe_of_another_loss_leaves_a_file_that_says_all():
    run(OF_TOKENS, token_step())
    assert program("verify", "step.npz").code == 0
    wrong = OF_TOKENS.replace("labels).backward", "labels.roll(1)).backward")
    assert wrong != OF_TOKENS
    run(wrong, token_step())
    assert program("verify", "step.npz").code == 1


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_recipe_for_a_fused_kernel(scale):
    def fused_linear_cross_entropy(hidden, weight, labels):
        return scale * nn.functional.cross_entropy(hidden @ weight.T, labels)

    names = {"vocabulary": 50, "fused_linear_cross_entropy": fused_linear_cross_entropy}
    if scale == 1.0:
        run(FUSED, names)
        return
    with pytest.raises(AssertionError):
        run(FUSED, names)


def test_recorded_logits_pass_and_the_gradient_of_other_logits_does_not():
    run(RECORDED, in_torch() | {"torch": torch, "softcheck": softcheck})
    wrong = RECORDED.replace("log_softmax(logits", "log_softmax(tau * logits")
    assert wrong != RECORDED
    with pytest.raises(AssertionError):
        run(wrong, in_torch() | {"torch": torch, "softcheck": softcheck})


def test_the_gradient_of_the_jax_recipe_is_that_of_the_parameters():
    names = in_jax()
    run(IN_JAX, names)

    def loss(parameters):
        return names["actor_loss"](names["actor"](parameters, names["observations"]), names["q"])

    whole = jax.grad(loss)(names["parameters"])
    np.testing.assert_allclose(names["parameters_grad"], whole, rtol=1e-4, atol=1e-7)


def step(scale):
    """Return what the test-suite recipes call, right for a scale of 1."""
    names = in_numpy()
    run(IN_NUMPY, names)
    return lambda: (names["q"], names["logits"], scale * names["grad"])


def test_the_recipe_for_pytest():
    names = {"one_training_step": step(1.0)}
    run(UNDER_PYTEST, names)
    names["test_actor_gradient"]()
    names["one_training_step"] = step(-1.0)
    with pytest.raises(AssertionError, match="the sign of the loss is flipped"):
        names["test_actor_gradient"]()


def test_the_failure_under_pytest_is_the_one_shown():
    names = in_numpy()
    run(IN_NUMPY.replace("q - alpha * log_pi", "q - log_pi"), names)
    wrong = {"one_training_step": lambda: (names["q"], names["logits"], names["grad"])}
    run(UNDER_PYTEST, wrong)
    with pytest.raises(AssertionError) as raised:
        wrong["test_actor_gradient"]()
    (shown,) = blocks("", TRAINING, "In a test suite")
    shown = shown.replace("\nE    ", "\n").removeprefix("E       AssertionError: ")
    printed = without_digits(f"{raised.value}\n")
    assert without_digits(shown) == printed[: len(without_digits(shown))]


@pytest.mark.parametrize(("scale", "failures"), [(1.0, 0), (-1.0, 1)])
def test_the_recipe_for_unittest(scale, failures):
    names = {"one_training_step": step(scale), "__name__": "recipe"}
    run(UNDER_UNITTEST, names)
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(names["TestActor"]).run(outcome)
    assert (len(outcome.failures), len(outcome.errors)) == (failures, 0)
    for _, text in outcome.failures:
        assert "AssertionError: the sign of the loss is flipped" in text
        assert "softcheck/api.py" not in text
