"""A polynomial is called zero exactly where brute force finds it zero, in every case."""

import random
from itertools import product

import pytest
from brute import POINTS

from softcheck.derive.kernel.polynomials import (
    atom,
    bind,
    constant,
    fresh,
    kronecker,
    plus,
    scaled,
    times,
)
from softcheck.derive.kernel.terms import Symbol
from softcheck.derive.kernel.zero import vanishes

ONES = frozenset({"p"})


def x(index):
    return atom(Symbol("x"), index)


def total(summand):
    index = fresh()
    return bind(summand(index), index)


MENU = [
    constant(1),
    x("a"),
    x("k"),
    x("1"),
    kronecker("a", "k"),
    kronecker("a", "1"),
    kronecker("k", "1"),
    times(kronecker("a", "k"), kronecker("k", "1")),
    times(kronecker("a", "k"), x("a")),
    times(kronecker("a", "1"), x("k")),
    times(kronecker("a", "1"), x("1")),
    times(kronecker("k", "1"), times(kronecker("a", "k"), x("a"))),
    atom(Symbol("y"), "a", "k"),
    atom(Symbol("y"), "k", "a"),
    times(kronecker("a", "k"), atom(Symbol("y"), "a", "a")),
    total(x),
    total(lambda b: atom(Symbol("p"), b)),
    total(lambda b: atom(Symbol("y"), b, "a")),
    total(lambda b: atom(Symbol("y"), b, "k")),
    total(lambda b: times(x(b), kronecker(b, "a"))),
]

CASES = {
    "": ((), ()),
    "a = k": ((("a", "k"),), ()),
    "a ≠ k": ((), (("a", "k"),)),
    "a = 1": ((("a", "1"),), ()),
    "a ≠ 1": ((), (("a", "1"),)),
    "a = k, k ≠ 1": ((("a", "k"),), (("k", "1"),)),
    "a ≠ 1, k ≠ 1": ((), (("a", "1"), ("k", "1"))),
    "a = 1, k = 1": ((("a", "1"), ("k", "1")), ()),
    "a ≠ k, a ≠ 1, k ≠ 1": ((), (("a", "k"), ("a", "1"), ("k", "1"))),
}


def is_zero(polynomial, equal, different):
    """Tell by brute force whether a polynomial is zero for one to four actions."""

    def action(at, index):
        return at.get(index, 0)

    return all(
        point.polynomial(polynomial, at) == 0
        for point in POINTS
        for at in point.choices(("a", "k"))
        if all(action(at, i) == action(at, j) for i, j in equal)
        and not any(action(at, i) == action(at, j) for i, j in different)
    )


@pytest.mark.parametrize("case", CASES)
def test_zero_is_what_is_zero_in_every_case(case):
    draw = random.Random(case)  # noqa: S311  polynomials, no secrets
    found = []
    for left, right in product(MENU, repeat=2):
        third = scaled(draw.choice(MENU), draw.choice((-1, 0, 0, 1)))
        polynomial = plus(left, scaled(right, -1), third)
        found.append(vanishes(polynomial, *CASES[case], ones=ONES))
        assert found[-1] == is_zero(polynomial, *CASES[case]), (left, right, third)
    assert sum(found) >= 8
    assert len(found) - sum(found) >= 100


def test_what_no_action_meets_makes_anything_hold():
    assert vanishes(constant(1), equal=[("a", "1"), ("a", "2")])
    assert vanishes(constant(1), equal=[("a", "k")], different=[("k", "a")])
    assert not vanishes(constant(1), equal=[("a", "k")], different=[("k", "b")])


def test_shares_add_up_to_one_only_where_they_are_said_to():
    difference = plus(total(lambda b: atom(Symbol("p"), b)), constant(-1))
    assert vanishes(difference, ones=ONES)
    assert not vanishes(difference)
    assert not vanishes(difference, ones=frozenset({"x"}))
