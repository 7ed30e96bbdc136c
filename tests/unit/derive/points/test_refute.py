"""A counterexample is one for certain: intervals, not floating point, have the last word."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import mpmath
import pytest

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Add,
    Condition,
    Delta,
    Div,
    Exp,
    Expect,
    Log,
    Mul,
    Num,
    Sum,
    Sym,
    minus,
)
from softcheck.derive.points import refute
from softcheck.derive.points.evaluate import NoValueError
from softcheck.derive.points.refute import Claim, Point, Refutation, certified, enclosures, points

X, K = Sym("x", ("a",)), Sym("x", ("k",))
AT = Point(2, {"x": {(0,): Fraction(1, 3), (1,): Fraction(2)}}, {"a": 0, "k": 1})


def claim(left, right, *conditions, positive=(), ones=()):
    return Claim(left, right, {}, conditions, frozenset(positive), frozenset(ones))


def test_an_interval_contains_the_value_and_little_else():
    left, right = enclosures(claim(Exp(X), Log(K)), AT, 30)
    with mpmath.workdps(80):
        for interval, exact in ((left, mpmath.exp(mpmath.mpf(1) / 3)), (right, mpmath.log(2))):
            low, high = map(mpmath.mp.make_mpf, interval._mpi_)
            assert low <= exact <= high
            assert high - low < mpmath.mpf(10) ** -28


@pytest.mark.parametrize("gap", ["1e-25", "-1e-25"])
def test_a_difference_far_below_floating_point_is_certified(gap):
    found = certified(claim(Exp(X), Add((Exp(X), Num(Fraction(gap))))), AT)
    assert found is not None
    assert found.low <= -float(gap) <= found.high
    assert found.low * found.high > 0


def test_what_the_intervals_do_not_tell_apart_is_not_refuted():
    beyond = Add((Exp(X), Num(Fraction("1e-40"))))
    assert certified(claim(Exp(X), beyond), AT) is None
    assert certified(claim(Exp(X), Exp(X)), AT) is None


def test_what_floating_point_alone_tells_apart_is_not_refuted():
    huge = Fraction(10**20)
    swallowed = Add((Num(huge), X, Num(-huge)))
    assert float(huge) + 1.0 - float(huge) != 1.0
    assert refute.refute(claim(swallowed, X)) is None


def test_a_logarithm_of_what_may_not_be_positive_has_no_value():
    with pytest.raises(NoValueError, match="may not be positive"):
        enclosures(claim(Log(minus(X, X)), ZERO), AT, 30)


def test_nobody_else_makes_a_refutation():
    with pytest.raises(TypeError, match="only intervals say that something is refuted"):
        Refutation(claim(ONE, ONE), AT, 1.0, 1.0, -1.0, 1.0, object())
    found = certified(claim(ONE, ZERO), AT)
    with pytest.raises((TypeError, ValueError), match="seal"):
        replace(found, claim=claim(ONE, ONE))


@pytest.mark.parametrize("relation", ["=", "≠"])
def test_points_meet_the_conditions(relation):
    found = list(points(claim(X, K, Condition("a", relation, "k"))))
    assert found
    assert all((p.indices["a"] == p.indices["k"]) == (relation == "=") for p in found)


def test_points_meet_a_condition_on_a_numbered_action():
    found = list(points(claim(X, K, Condition("k", "=", "2"))))
    assert found
    assert all(p.indices["k"] == 1 for p in found)


def test_points_have_what_is_assumed_of_symbols():
    both = Mul((X, Sym("p", ("a",))))
    found = list(points(claim(both, ZERO, positive=["x"], ones=["p"])))
    assert {p.actions for p in found} == {1, 2, 3, 4}
    assert all(value > 0 for p in found for value in p.tables["x"].values())
    assert all(sum(p.tables["p"].values()) == 1 for p in found)


def test_a_difference_at_one_choice_of_actions_is_found():
    """Equal wherever a is not k: one entry of the diagonal must be looked at."""
    left = Mul((X, minus(ONE, Delta("a", "k"))))
    found = refute.refute(claim(left, X))
    assert found is not None
    assert found.point.indices["a"] == found.point.indices["k"]


def test_a_difference_that_only_some_numbers_of_actions_have_is_found():
    """n = 2 for two actions: another size must be looked at."""
    found = refute.refute(claim(Sum("b", ONE), Num(Fraction(2))))
    assert found is not None
    assert found.point.actions != 2


@pytest.mark.parametrize("given", [{}, {"positive": "abcdefghijkl"}, {"ones": "abcdefghijkl"}])
@pytest.mark.parametrize("arity", [0, 1, 2])
def test_no_two_symbols_have_the_same_values_wherever_it_is_tried(arity, given):
    names = "abcdefghijkl"
    both = Mul(tuple(Sym(name, ("i", "j")[:arity]) for name in names))
    found = [point for point in points(claim(both, ZERO, **given)) if point.actions > 1]
    for first, second in combinations(names, 2):
        assert any(point.tables[first] != point.tables[second] for point in found)


def test_two_scalars_are_told_apart():
    assert refute.refute(claim(Sym("s"), Sym("t"))) is not None
    assert refute.refute(claim(Sym("s"), Sym("t"), positive="st")) is not None
    assert refute.refute(claim(Sym("p", ("a",)), Sym("q", ("a",)), ones="pq")) is not None


def test_a_distribution_of_an_expectation_alone_has_values():
    found = refute.refute(claim(Expect("b", "q", Sym("x", ("b",))), ZERO, ones="q"))
    assert found is not None
    assert sum(found.point.tables["q"].values()) == 1


def test_an_action_of_a_large_number_is_there():
    found = refute.refute(claim(Sym("p", ("7",)), ZERO, ones="p"))
    assert found is not None
    assert found.point.actions >= 7


def test_a_point_without_a_value_for_certain_does_not_end_the_search():
    third = Div(ONE, Num(Fraction(3)))
    rounding = Add((third, third, third, Num(Fraction(-1))))
    wide = Mul((Num(Fraction(10**40)), Delta("a", "k"), rounding))
    found = refute.refute(claim(Log(Add((ONE, wide))), Add((X, ONE, ONE))))
    assert found is not None
    assert found.point.indices["a"] != found.point.indices["k"]
