"""Where a probability may be 0, and what is left out of a state then."""

from dataclasses import replace

import numpy as np
import pytest

from softcheck.gradient.policy import Block, Buffers, Rough, Target, evaluate


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


def test_states_are_taken_out_of_a_block_and_put_together_again():
    """Each with what it has of every part; numbers that all states share stay shared."""
    table = np.arange(6.0).reshape(2, 3)
    legal = np.array([[True, True, False], [True, True, True]])
    block = Block(
        table, -table, np.array([0.3]), True,
        Target(2, table, np.arange(3.0), legal, np.array([0, 1, 1]), np.array([0.9])),
        np.array([1.0, 2.0, 3.0]), None, Rough(q=table, target=Target(2, uniform=np.ones(3))),
        {"beta": np.array([2.0]), "j": np.array([1, 0, 1])},
    )  # fmt: skip
    some = block.states(np.array([2, 0]))
    assert some.q.tolist() == [[2.0, 0.0], [5.0, 3.0]]
    assert some.alpha.tolist() == [0.3]
    assert some.target.index.tolist() == [1, 0]
    assert some.target.legal.tolist() == [[False, True], [True, True]]
    assert some.rough.q.tolist() == some.q.tolist()
    assert {name: x.tolist() for name, x in some.data.items()} == {"beta": [2.0], "j": [1, 1]}
    one, two = block.state(2), replace(block.state(0), target=Target(2, *_parts(block)))
    joined = Block.joined([one, two])
    assert joined.alpha.tolist() == [0.3, 0.3]
    assert joined.zeta.tolist() == [3.0, 1.0]
    assert joined.target.legal.tolist() == [[False, True], [True, True]]
    assert joined.data["j"].tolist() == [1, 1]
    table[:] = -1.0
    assert some.q.min() == 0.0, "a copy"


def _parts(block):
    """Return what the first state has of y, its actions all legal and so not said."""
    of = block.state(0).target
    return of.dense, of.uniform, None, of.index, of.chosen
