"""Where a probability may be 0, and what is left out of a state then."""

import numpy as np
import pytest

from softcheck.gradient.policy import Block, Buffers, evaluate


def policy(*logits):
    logits = np.array(logits)[:, np.newaxis]
    return evaluate(Block(np.zeros(logits.shape), logits, np.zeros(1)), Buffers())


@pytest.mark.parametrize(
    ("lowest", "others"),
    [(-750.0, 1), (-746.0, 1), (-745.0, 2), (-742.0, 100), (-1e9, 1), (-np.inf, 1)],
)
def test_an_action_without_probability_is_not_live(lowest, others):
    """Below 2^-1075, which is exp(-745.13), a number is 0; and so it is divided by the others."""
    made = policy(lowest, -3.0, *[0.0] * others)
    assert made.pi[0, 0] == 0.0
    assert made.live[0] == 1 + others
    assert made.depth[0] == 3.0


@pytest.mark.parametrize("lowest", [-744.0, -720.0, -701.0])
def test_an_action_with_the_least_probability_is_live(lowest):
    made = policy(lowest, -3.0, 0.0)
    assert made.pi[0, 0] > 0.0
    assert made.live[0] == 3
    assert made.depth[0] == -lowest


@pytest.mark.parametrize("lowest", [-150.0, -650.0, -699.0])
def test_a_block_whose_probabilities_are_above_zero_is_not_searched_for_zeros(lowest):
    assert not policy(lowest, *[0.0] * 1000).deep
