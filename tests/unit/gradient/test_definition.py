"""Programs of losses, changed."""

from fractions import Fraction

import numpy as np
import pytest

from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.definition import Operation, Program, without
from softcheck.gradient.policy import Block, Buffers
from softcheck.shipped import stored

ACTIONS, ROWS = 7, 50


def composed(name, arrays):
    """Return a loss on random states, its entropy weighing nothing."""
    (loss,) = stored(name).variants
    generator = np.random.default_rng(0)
    data = {given.name: np.abs(generator.normal(size=ROWS)) for given in loss.givens}
    data |= {"actions": generator.integers(ACTIONS, size=ROWS), "entropy_coef": np.zeros(1)}
    logits = generator.normal(size=(ACTIONS, ROWS))
    block = Block(np.zeros(logits.shape), logits, np.zeros(1), data=data)
    return Composed(without(loss.value, arrays), without(loss.slope, arrays), block, Buffers())


@pytest.mark.parametrize("name", ["grpo", "ppo-clip"])
def test_a_term_that_weighs_nothing_may_be_left_out(name):
    whole, part = (composed(name, arrays) for arrays in ([], ["entropy_coef"]))
    assert all(step.operator != "policy" for step in part.loss.operations)
    assert any(step.operator == "policy" for step in whole.loss.operations)
    for side in ("complex_step", "central_difference"):
        (value, error), (ours, less) = (getattr(each, side)() for each in (whole, part))
        np.testing.assert_array_equal(ours, value)
        assert (less.each <= error.each * (1.0 + 1e-12)).all()
    np.testing.assert_array_equal(part.gradient, whole.gradient)
    np.testing.assert_array_equal(part.value.value, whole.value.value)
    ours, theirs = part.dump_rounding, whole.dump_rounding  # where to add 0 counts as an operation
    assert ((0.9 * theirs < ours) & (ours <= theirs)).all()


def test_nothing_is_left_out_of_a_program_of_other_arrays():
    (loss,) = stored("grpo").variants
    whole = without(loss.value, ["another"])
    assert {step.of for step in whole.operations} == {step.of for step in loss.value.operations}


def test_a_sum_of_what_the_state_has_alone_is_that_times_how_many():
    """Once 0 pi(a) is left out of c + 0 pi(a), that is no longer by action."""
    program = Program((
        Operation("given", of="c"),
        Operation("given", of="none"),
        Operation("policy", by_action=True),
        Operation("multiply", (1, 2), by_action=True),
        Operation("add", (0, 3), by_action=True),
        Operation("power", (4,), 2, by_action=True),
        Operation("sum", (5,)),
    ))  # fmt: skip
    made = without(program, ["none"])
    assert [step.operator for step in made.operations] == ["given", "power", "sum"]
    assert not any(step.by_action for step in made.operations)
    slope = Program((Operation("number", of=Fraction(0)),))
    data = {"c": np.full(1, 3.0)}
    block = Block(np.zeros((4, 2)), np.zeros((4, 2)), np.zeros(1), data=data)
    np.testing.assert_array_equal(Composed(made, slope, block, Buffers()).value.value, [36.0, 36.0])


@pytest.mark.parametrize("operator", ["divide", "sum", "at"])
def test_what_is_made_of_nothing_is_nothing(operator):
    operands = (0, 1) if operator == "divide" else (0,)
    steps = (
        Operation("given", of="none"),
        Operation("given", of="c"),
        Operation(operator, operands, "j" if operator == "at" else None),
    )
    (only,) = without(Program(steps), ["none"]).operations
    assert (only.operator, only.of) == ("number", 0)
    one = Program((*steps[:2], Operation("exp", (0,))))
    assert [step.operator for step in without(one, ["none"]).operations] == ["number", "exp"]
