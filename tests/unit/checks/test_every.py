"""The table of checks is whole: what it names is run, reported in its order, and told of."""

import evaluations
import numpy as np
import pytest
from pages import codes, table
from states import State

from softcheck.checks import every
from softcheck.gradient.policy import Block, Target

PAIR = State(np.array([1.0, -1.0]), np.zeros(2), 0.0)


def test_the_docs_tell_of_every_check():
    rows = [*table(r"check \| the gradient of .*"), *table(r"check \| what is compared")]
    told = [name for row in rows for name in codes(row[0])]
    assert sorted(told) == sorted(every.CHECKS), "a check has one row in docs/checks.md"


def test_every_check_is_run_and_comes_out_in_its_order():
    pair, one = np.array([[-0.5], [0.5]]), np.zeros(1)
    dumps = {
        "gradient": pair,
        "loss": np.array(0.0),
        "advantage": np.array([[1.0], [-1.0]]),
        "value": one,
        "g": np.array([[1.0], [-1.0]]),
        "entropy": one + np.log(2.0),
        "log_policy": np.full((2, 1), -np.log(2.0)),
        "policy": np.full((2, 1), 0.5),
    }
    dumps = {name: evaluations.float64_dump(values) for name, values in dumps.items()}
    e = evaluations.evaluation([PAIR], dumps=dumps, samples=10)
    found = every.outcome(every.run(e), e.context, {})
    assert tuple(found) == (*every.CHECKS,), "write down above what a new check compares"
    assert not any(tally.failed for tally in found.values())


def test_what_was_dumped_under_a_name_without_a_definition_is_never_passed_over():
    dump = evaluations.float64_dump(np.zeros((2, 1)))
    with pytest.raises(KeyError, match="surprise"):
        every.run(evaluations.evaluation([PAIR], dumps={"surprise": dump}))


@pytest.mark.parametrize("soft", [True, False])
def test_only_what_is_an_expectation_under_the_policy_is_sampled(soft):
    label = Target(2, index=np.zeros(1, np.intp), chosen=np.ones(1))
    block = Block(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(1), soft, label)
    found = every.run(evaluations.of_block(block, samples=10))
    assert ("sampled" in found.tallies) == soft
