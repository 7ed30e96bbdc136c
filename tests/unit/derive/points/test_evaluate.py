"""The value of a formula where more than its nodes decides it: names, masks, budgets, underflow."""

import math
from fractions import Fraction

import pytest

from softcheck.derive.expr import (
    ONE,
    Add,
    Definition,
    Diff,
    Div,
    Exp,
    Expect,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    minus,
)
from softcheck.derive.points.evaluate import Evaluator, NoValueError
from softcheck.derive.points.jets import Arithmetic

EXACT = Arithmetic(Fraction, None, None)
FLOATS = Arithmetic(float, math.exp, math.log)
X = {("x", (i,)): Fraction(value) for i, value in enumerate((2, -3, 5))}
X_A, X_B, X_K = (Sym("x", (index,)) for index in "abk")


def evaluation(*definitions, known=None, arithmetic=EXACT, **more):
    known = X if known is None else known
    table = {definition.name: definition for definition in definitions}
    return Evaluator(3, arithmetic, lambda name, at: known.get((name, at)), table, **more)


def test_a_definition_is_not_captured_by_the_sum_that_it_stands_under():
    """With f(a) = sum_b x(a) x(b), sum_b f(b) is (sum x)^2: the two b are no one action."""
    f = Definition("f", ("a",), Sum("b", Mul((X_A, X_B))))
    assert evaluation(f)(Sum("b", Sym("f", ("b",))), {}) == 16


def test_the_same_tree_at_another_action_is_another_value():
    tree = Sum("b", Mul((X_A, X_B)))
    values = evaluation()
    assert [values(tree, {"a": i}) for i in range(3)] == [8, -12, 20]


def test_a_derivative_goes_through_definitions_and_is_not_remembered_as_a_value():
    """d/dx(k) sum_b x(b)^3 = 3 x(k)^2, before and after the sum itself was asked for."""
    cube = Definition("c", (), Sum("b", Pow(X_B, 3)))
    values = evaluation(cube)
    slope = Diff(Sym("c"), X_K)
    assert [values(slope, {"k": i}) for i in range(3)] == [12, 27, 75]
    assert values(Sym("c"), {}) == 8 - 27 + 125
    assert values(Diff(slope, X_K), {"k": 1}) == 6 * -3


def test_a_mask_leaves_its_actions_out_of_every_sum_and_of_n():
    known = X | {("p", (i,)): Fraction(1, 2) for i in range(3)}
    legal = evaluation(known=known, weight=lambda i: Fraction(i != 1))
    assert legal(Sum("b", X_B), {}) == 7
    assert legal(Sum("b", X_B, ("a",)), {"a": 0}) == 5
    assert legal(Expect("b", "p", X_B), {}) == Fraction(7, 2)
    assert legal(Size(), {}) == 2


def test_a_logarithm_of_a_quotient_of_exponentials_does_not_underflow():
    """log softmax of logits 2000 apart is -2000, where exp alone is 0."""
    theta = {("θ", (i,)): value for i, value in enumerate((-2000.0, 0.0, -5000.0))}
    pi = Definition("π", ("a",), Div(Exp(Sym("θ", ("a",))), Sum("b", Exp(Sym("θ", ("b",))))))
    values = evaluation(pi, known=theta, arithmetic=FLOATS)
    logs = [values(Log(Sym("π", ("a",))), {"a": i}) for i in range(3)]
    assert logs == [-2000.0, 0.0, -5000.0]
    slope = Diff(Log(Sym("π", ("a",))), Sym("θ", ("k",)))
    assert values(slope, {"a": 0, "k": 0}) == 1.0
    assert values(slope, {"a": 0, "k": 1}) == -1.0


CIRCLE = Definition("v", ("a",), Add((Sym("w"), Sym("v", ("a",)))))
REFUSED = {
    "a symbol without a value": (Sym("u"), "u has no meaning"),
    "an action that is not chosen": (X_K, "the action k is not chosen"),
    "an action that is not there": (Sym("x", ("4",)), "there is no action 4"),
    "a definition at another number of actions": (Sym("v"), "v is used with 0 actions"),
    "a derivative by what is defined": (Diff(X_A, Sym("v", ("a",))), "v is no free variable"),
    "a derivative at another number of actions": (
        Diff(X_A, Sym("x", ("a", "a"))),
        "x is used with 1 and 2 actions",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_value_is_said(name):
    tree, reason = REFUSED[name]
    with pytest.raises(NoValueError, match=reason):
        evaluation(CIRCLE)(tree, {"a": 0})


def test_work_is_bounded():
    tree = Sum("b", Sum("c", Mul((X_B, Sym("x", ("c",)), Num(Fraction(2))))))
    assert evaluation(budget=200)(tree, {}) == 32
    with pytest.raises(NoValueError, match="too much work"):
        evaluation(budget=20)(tree, {})


def test_powers_have_either_sign():
    assert evaluation()(Pow(X_A, -3), {"a": 1}) == Fraction(-1, 27)
    assert evaluation()(Pow(minus(X_A, X_A), 0), {"a": 1}) == 1
    assert evaluation()(Div(ONE, X_A), {"a": 2}) == Fraction(1, 5)
