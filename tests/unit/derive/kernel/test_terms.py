"""What a normal form is made of has one order, whatever order it comes in."""

from itertools import permutations

from softcheck.derive.kernel.terms import (
    Atom,
    Component,
    Symbol,
    class_key,
    factor_key,
    index_key,
    sum_key,
)

INDICES = (-2, -1, 0, 3, "1", "2", "a", "b", "·0")
MIXED = ("b", 3, -1, "2", "·0", 0, "a", -2, "1")


def test_indices_have_one_order_and_no_two_share_a_place():
    assert len({index_key(index) for index in INDICES}) == len(INDICES)
    assert sorted(MIXED, key=index_key) == list(INDICES)


def test_an_action_given_by_number_stands_for_its_class_and_an_open_one_never_does():
    assert sorted(("b", 0, "2", "a", 5), key=class_key) == ["2", "a", "b", 0, 5]


def test_the_order_of_factors_depends_on_nothing_but_the_factors():
    factors = [
        (Atom(Symbol("x"), ("a",)), 1),
        (Atom(Symbol("x"), ("b",)), 1),
        (Atom(Symbol("x"), ("a",)), 2),
        (Atom(Symbol("x", (("θ", 1),)), ("a", "b")), 1),
        (Atom(Symbol("y"), (-1, "a")), -1),
    ]
    orders = {tuple(sorted(each, key=factor_key)) for each in permutations(factors)}
    assert len(orders) == 1
    assert len(set(map(factor_key, factors))) == len(factors)


def test_the_order_of_sums_depends_on_nothing_but_the_sums():
    x, y = (Atom(Symbol("x"), (-1,)), 1), (Atom(Symbol("y"), (-1, -2)), 1)
    sums = [Component(1, (x,)), Component(2, (y,)), Component(2, (x, y))]
    assert len({tuple(sorted(each, key=sum_key)) for each in permutations(sums)}) == 1
