"""Programs: one action at a time, nothing twice."""

from fractions import Fraction

import pytest

from softcheck.derive.expr import Add, Exp, Log, Mul, Num, Sum, Sym
from softcheck.derive.kernel.terms import OutsideError
from softcheck.gradient.definition import Operation
from softcheck.losses.programs import compiled
from softcheck.losses.settling import Policy

POLICY = Policy("π", "θ")
NAMES = {"Q": "q", "j": "labels"}


def sequence(x, action=None):
    program = compiled(x, POLICY, NAMES, action)
    assert all(k < at for at, step in enumerate(program.operations) for k in step.operands)
    assert all(
        len(step.operands) == 2
        for step in program.operations
        if step.operator in ("add", "multiply", "divide")
    )
    return program.operations


def test_the_same_is_computed_once():
    mean = Sum("b", Mul((POLICY.at("b"), Sym("Q", ("b",)))))
    again = Sum("c", Mul((POLICY.at("c"), Sym("Q", ("c",)))))
    steps = sequence(Add((mean, Mul((mean, again)))))
    assert [step.operator for step in steps].count("sum") == 1


def test_policy_and_logits_are_never_unfolded():
    steps = sequence(Log(Sum("b", Exp(Sym("θ", ("b",))))))
    assert steps == (Operation("logsumexp"),)
    assert sequence(Sym("θ", ("j",)))[-1].operator == "add"


def test_arrays_keep_away_from_overflow_by_logsumexp():
    steps = sequence(Log(Sum("b", Exp(Sym("Q", ("b",))))))
    assert steps == (Operation("given", of="q", by_action=True), Operation("logsumexp", (0,)))


def test_an_entry_is_taken_at_an_index():
    assert sequence(Log(POLICY.at("j"))) == (
        Operation("log_policy", by_action=True),
        Operation("at", (0,), "labels"),
    )


def test_what_is_one_number_a_state_is_multiplied_first():
    two, q = Num(Fraction(2)), Sym("Q", ("a",))
    steps = sequence(Mul((q, two, Sym("Q", ("j",)))), "a")
    assert [step.by_action for step in steps if step.operator == "multiply"] == [False, True]


def test_the_value_comes_last():
    steps = sequence(Add((Sym("Q", ("j",)), Mul((Num(Fraction(0)), Sym("Q", ("j",)))))))
    assert steps[-1].operator == "add"


def test_a_sum_that_depends_on_two_actions_is_refused():
    x = Sum("b", Exp(Mul((Sym("Q", ("a",)), Sym("Q", ("b",))))))
    with pytest.raises(OutsideError, match="a sum inside of a sum"):
        compiled(x, POLICY, NAMES, "a")
