"""A proof says something only where all that it takes for granted holds at once."""

import pytest

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Condition,
    Definition,
    Diff,
    Div,
    Log,
    Mul,
    Num,
    Sum,
    Sym,
    minus,
    negative,
)
from softcheck.derive.points.possible import Hypothesis, possible
from softcheck.derive.points.refute import Claim

X, Y, Z = (Sym(name, ("a",)) for name in "xyz")
S = Sym("s")


def claim(left=ZERO, right=ZERO, *conditions, definitions=None):
    return Claim(left, right, definitions or {}, conditions, frozenset(), frozenset())


def test_what_some_point_meets_is_possible():
    assert possible(claim(), [])
    assert possible(claim(), [Hypothesis(X, "≠"), Hypothesis(Y, ">")])


@pytest.mark.parametrize("relation", ["≠", ">"])
def test_zero_is_neither_positive_nor_anything_but_zero(relation):
    assert not possible(claim(), [Hypothesis(minus(X, X), relation)])


def test_zero_up_to_rounding_is_zero():
    third = Div(ONE, Num(3))
    rounded = minus(Mul((third, S)), Div(S, Num(3)))
    assert not possible(claim(), [Hypothesis(rounded, "≠")])


def test_hypotheses_that_exclude_each_other_hold_nowhere():
    each = [Hypothesis(S, ">"), Hypothesis(negative(S), ">")]
    assert all(possible(claim(), [one]) for one in each)
    assert not possible(claim(), each)


def test_an_action_that_is_bound_may_be_any():
    everywhere = Sym("x", ("·0",))
    assert possible(claim(), [Hypothesis(everywhere, ">")])
    assert not possible(claim(), [Hypothesis(minus(everywhere, X), "≠")])


def test_conditions_count():
    apart = Hypothesis(minus(X, Sym("x", ("b",))), "≠")
    assert possible(claim(X, X, Condition("a", "≠", "b")), [apart])
    assert not possible(claim(X, X, Condition("a", "=", "b")), [apart])


def test_several_tables_may_all_have_to_be_positive():
    assert possible(claim(), [Hypothesis(Sym(name, ("·0",)), ">") for name in "uvwxyz"])


def test_definitions_are_unfolded():
    known = {"f": Definition("f", (), minus(Sum("b", ONE), Sum("c", ONE)))}
    assert not possible(claim(definitions=known), [Hypothesis(Sym("f"), "≠")])
    never = {"f": Definition("f", (), Div(S, minus(S, S)))}
    assert not possible(claim(Sym("f"), Sym("f"), definitions=never), [])


@pytest.mark.parametrize("side", [Div(X, minus(X, X)), Log(negative(Mul((X, X))))])
def test_sides_without_a_value_are_equal_nowhere(side):
    assert not possible(claim(side, side), [])


def test_a_derivative_that_is_zero_is_seen_as_zero():
    assert possible(claim(), [Hypothesis(Diff(Mul((S, S)), S), "≠")])
    assert not possible(claim(), [Hypothesis(Diff(Sym("t"), S), "≠")])
