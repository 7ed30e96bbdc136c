"""The arithmetic of polynomials keeps values; what cancels is gone."""

from fractions import Fraction

import pytest
from brute import POINTS, Terms

from softcheck.derive.kernel import polynomials
from softcheck.derive.kernel.polynomials import (
    atom,
    bind,
    constant,
    filled,
    fresh,
    kronecker,
    opened,
    plus,
    renamed,
    scaled,
    times,
)
from softcheck.derive.kernel.products import product_shape
from softcheck.derive.kernel.terms import OutsideError, Symbol

SEEDS = range(80)
FREE = ("a", "k")
NAMES = (*FREE, "1")
EVERY = pytest.mark.parametrize("point", POINTS, ids=lambda point: f"n={point.n}")


def pair(seed):
    made = Terms(seed)
    return made.polynomial(NAMES), made.polynomial(NAMES)


@EVERY
def test_sums_products_and_multiples_have_their_values(point):
    for seed in SEEDS:
        left, right = pair(seed)
        total, product, third = plus(left, right), times(left, right), scaled(left, Fraction(1, 3))
        for at in point.choices(FREE):
            a, b = point.polynomial(left, at), point.polynomial(right, at)
            assert point.polynomial(total, at) == a + b, seed
            assert point.polynomial(product, at) == a * b, seed
            assert point.polynomial(third, at) == a / 3, seed


@EVERY
def test_a_sum_over_an_action_has_the_value_of_its_terms(point):
    for seed in SEEDS:
        index = fresh()
        inside = Terms(seed).polynomial((*NAMES, index))
        made = bind(inside, index)
        for at in point.choices(FREE):
            terms = (point.polynomial(inside, {**at, index: i}) for i in range(point.n))
            assert point.polynomial(made, at) == sum(terms), seed


@EVERY
def test_a_polynomial_at_other_actions_has_its_value_there(point):
    for seed in SEEDS:
        left, _ = pair(seed)
        made = renamed(left, {"a": "k"})
        for at in point.choices(FREE):
            assert point.polynomial(made, at) == point.polynomial(left, {**at, "a": at["k"]}), seed


@EVERY
def test_an_indicator_is_one_where_its_actions_are_the_same(point):
    for at in point.choices(FREE):
        assert point.polynomial(kronecker("a", "k"), at) == (at["a"] == at["k"])
        assert point.polynomial(kronecker("a", "1"), at) == (at["a"] == 0)
    assert kronecker("a", "a") == constant(1)
    assert kronecker("1", "2") == {}


@EVERY
def test_an_opened_sum_is_what_it_was_the_sum_of(point):
    for seed in SEEDS:
        for term in Terms(seed).term(NAMES):
            for component in term.sums:
                body, indices = opened(component)
                for at in point.choices(FREE):
                    terms = (
                        point.polynomial(body, {**at, **inner}) for inner in point.choices(indices)
                    )
                    assert sum(terms) == point.component(component, at)


def test_what_cancels_is_gone_and_what_does_not_stays():
    for seed in SEEDS:
        left, right = pair(seed)
        assert plus(left, scaled(left, -1)) == {}
        assert all(plus(left, right).values())
        assert times(left, constant(0)) == {}
        assert times(left, constant(1)) == left


def test_the_rules_of_rings_hold_letter_by_letter():
    for seed in SEEDS:
        left, right = pair(seed)
        third, _ = pair(-1 - seed)
        assert plus(left, right) == plus(right, left)
        assert times(left, right) == times(right, left)
        assert times(left, plus(right, third)) == plus(times(left, right), times(left, third))


def test_shares_add_up_to_one_only_where_they_are_said_to():
    index = fresh()
    share = atom(Symbol("p"), index)
    assert bind(share, index, frozenset({"p"})) == constant(1)
    assert bind(share, index) != constant(1)


def test_a_shape_filled_again_is_what_it_was_the_shape_of():
    for seed in SEEDS:
        for term in Terms(seed).term(NAMES):
            bare = term._replace(classes=())
            shape, args = product_shape(bare)
            assert filled(shape, args) == {bare: Fraction(1)}


def test_more_terms_than_are_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(polynomials, "TERMS", 3)
    left = plus(atom(Symbol("x"), "a"), atom(Symbol("x"), "k"))
    right = plus(atom(Symbol("w")), constant(1))
    with pytest.raises(OutsideError, match="more than 3 terms"):
        times(left, right)
