"""The exact derivative of losses as programs, against the same formulas in 160 digits."""

from dataclasses import replace

import numpy as np
import pytest
from programs import EXAMPLES, MP, Sample, adversarial, known, ordinary, true_gradient

from softcheck.gradient.composed.exact import gradient
from softcheck.gradient.policy import Block
from softcheck.shipped import stored


def block(sample, row):
    column = sample.columns(slice(row, row + 1))
    return Block(np.zeros(column.logits.shape), column.logits, np.zeros(1), data=column.data)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("make", [ordinary, adversarial])
def test_it_is_right_to_the_last_digit_of_a_float64(name, make):
    sample, _, truth = known(name, make)
    program = EXAMPLES[name].programs()[0]
    for row in range(0, 30, 5):
        legal = np.flatnonzero(sample.legal[:, row])[::-1].tolist()
        found = gradient(program, block(sample, row), legal)
        logits = sample.logits[:, row]
        for action, value in zip(legal, found, strict=True):
            # Where the terms of a gradient cancel, 40 digits are those of the terms, and pi theirs.
            left = 1e-30 * MP.exp(float(logits[action] - logits.max()))
            expected = truth[action, row]
            assert abs(value - expected) <= 2.0**-53 * abs(expected) + left


@pytest.mark.parametrize("name", ["entropy-penalty", "half-of-jensen-shannon"])
def test_a_tiny_probability_has_as_many_digits(name):
    """exp(-170) is 1e-74, and it is what its gradient is made of."""
    sample = ordinary(actions=3, rows=1)
    sample = Sample(np.array([[0.0], [-170.0], [-1.0]]), sample.data)
    truth = true_gradient(EXAMPLES[name], sample, 0)[1]
    (found,) = gradient(EXAMPLES[name].programs()[0], block(sample, 0), [1])
    assert abs(found - truth) <= 2.0**-53 * abs(truth) > 0


def test_a_loss_that_is_no_number_has_no_derivative():
    sample = ordinary(actions=3, rows=1)
    no_number = replace(block(sample, 0), data={"c": np.zeros(1)})
    formulas = (lambda m: m.sum(m.pi) / m.state("c"), lambda m: m.log(m.sum(-m.pi)))
    for formula in formulas:
        program = EXAMPLES["k2"].program(formula)
        assert np.isnan(gradient(program, no_number, [0, 2])).all()


def test_a_tiny_ratio_of_policies_has_as_many_digits():
    """The ratio exp(-300) is beside 1 - clip in a minimum, and is what the gradient is made of."""
    (loss,) = stored("ppo-clip").variants
    given = {"advantages": 1.0, "old_log_probs": 0.0, "clip": 0.2, "entropy_coef": 0.0}
    data = {name: np.array([value]) for name, value in given.items()}
    logits = np.array([[0.0], [-300.0], [-290.0]])
    state = Block(np.zeros((3, 1)), logits, np.zeros(1), data=data | {"actions": np.array([1])})
    (found,) = gradient(loss.value, state, [2])
    weights = [MP.exp(float(logit)) for logit in logits[:, 0]]
    pi = [weight / sum(weights) for weight in weights]
    truth = pi[1] * pi[2]
    assert abs(found - truth) <= 2.0**-53 * truth > 0
