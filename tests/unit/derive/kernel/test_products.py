"""Each rule for products keeps their value, and writes what is equal in one way."""

import random
from fractions import Fraction
from itertools import permutations

import pytest
from brute import POINTS, Terms

from softcheck.derive.kernel.products import (
    close,
    filled_sum,
    logarithm_of,
    merged,
    moved,
    multiplied,
    product_shape,
    reciprocal_of,
    summed,
    with_ones,
    written,
)
from softcheck.derive.kernel.terms import (
    SIZE,
    Atom,
    Component,
    OutsideError,
    Product,
    Reciprocal,
    Symbol,
)

SEEDS = range(150)
NAMES = ("a", "k", "1")
FREE = ("a", "k")


def a_product(seed, indices=NAMES):
    """Return a random product; there are few indices, so that they collide."""
    for again in range(100):
        for term in Terms(f"{seed} {again}").term(indices):
            return term
    raise AssertionError(seed)


def x(index):
    return Atom(Symbol("x"), (index,))


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"n={point.n}")
def test_a_product_has_the_value_of_its_factors(point):
    for seed in SEEDS:
        left, right = a_product(seed), a_product(-1 - seed)
        made = multiplied(left, right)
        for at in point.choices(FREE):
            each = point.product(left, at) * point.product(right, at)
            assert point.product(made, at) == each, seed


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"n={point.n}")
def test_a_sum_has_the_value_of_its_terms(point):
    for seed in SEEDS:
        term = a_product(seed, (*NAMES, 10**6))
        made = summed(term, 10**6)
        for at in point.choices(FREE):
            terms = (point.product(term, {**at, 10**6: i}) for i in range(point.n))
            assert point.product(made, at) == sum(terms), seed


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"n={point.n}")
@pytest.mark.parametrize("mapping", [{"a": "k"}, {"a": "1"}, {"a": "k", "k": "a"}], ids=str)
def test_a_product_at_other_actions_has_its_value_there(point, mapping):
    for seed in SEEDS:
        term = a_product(seed)
        made = moved(term, mapping)
        for at in point.choices(FREE):
            there = {index: at.get(mapping.get(index, index), 0) for index in FREE}
            assert point.product(made, at) == point.product(term, there), seed


def test_the_order_of_the_factors_is_no_matter():
    for seed in SEEDS:
        left, right, third = a_product(seed), a_product(-1 - seed), a_product(seed + 1000)
        found = set()
        for one, two, three in permutations((left, right, third)):
            first = multiplied(one, two)
            found.add(first and multiplied(first, three))
        assert len(found - {None}) <= 1, seed


def test_the_names_of_summed_actions_are_no_matter():
    """sum_bc x(b) y(b, c) y(c, a), closed in either order, is one term."""
    factors = {x(-1): 1, Atom(Symbol("y"), (-1, -2)): 1, Atom(Symbol("y"), (-2, "a")): 1}
    swapped = {x(-2): 1, Atom(Symbol("y"), (-2, -1)): 1, Atom(Symbol("y"), (-1, "a")): 1}
    assert close(2, factors) == close(2, swapped)


def test_a_sum_falls_apart_into_those_that_hang_together():
    sums, extra = close(3, {x(-1): 1, x(-2): 2, x("a"): 1})
    assert sorted(component.factors for component in sums) == [
        ((x(-1), 1),),
        ((x(-1), 2),),
    ]
    assert extra == {x("a"): 1, SIZE: 1}


def test_too_many_sums_that_hang_together_are_refused():
    chain = {Atom(Symbol("y"), (-k, -k - 1)): 1 for k in range(1, 6)}
    with pytest.raises(OutsideError, match="more than 5 sums"):
        close(6, chain)


@pytest.mark.parametrize(
    ("classes", "joined"),
    [
        ([("a", "b"), ("b", "c")], (("a", "b", "c"),)),
        ([("a", "b"), ("c", "d"), ("b", "c")], (("a", "b", "c", "d"),)),
        ([("a", "2")], (("2", "a"),)),
        ([("a", "a")], ()),
        ([("a", "1"), ("b", "2"), ("a", "b")], None),
        ([("1", "2")], None),
    ],
    ids=str,
)
def test_indicators_that_share_an_action_are_joined(classes, joined):
    assert merged(classes) == joined


def test_actions_of_different_numbers_are_never_the_same():
    assert written({x("a"): 1}, [], [("a", "1"), ("a", "2")]) is None


ALONE = Component(1, ((Atom(Symbol("p"), (-1,)), 1),))
OF_TWO = Component(1, ((Atom(Symbol("q"), (-1, "a")), 1),))
OTHERS = {
    "squared": Component(1, ((Atom(Symbol("p"), (-1,)), 2),)),
    "with more": Component(1, ((Atom(Symbol("p"), (-1,)), 1), (x(-1), 1))),
    "of another": Component(1, ((x(-1), 1),)),
    "a diagonal of derivatives": Component(
        1, ((Atom(Symbol("p", (("θ", 1),)), (-1, -1)), 1),)
    ),
}  # fmt: skip


def test_the_sum_of_shares_is_one_and_that_of_their_derivatives_is_nothing():
    ones = frozenset({"p"})
    assert with_ones(Product(((x("a"), 1),), (ALONE,)), ones) == Product(((x("a"), 1),))
    column = Component(1, ((Atom(Symbol("p", (("θ", 1),)), (-1, "k")), 1),))
    assert with_ones(Product((), (column,)), ones) is None


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_sum_is_taken_for_that_of_shares(name):
    kept = Product((), (OTHERS[name],))
    assert with_ones(kept, frozenset({"p"})) == kept


def test_a_sum_cancels_as_many_reciprocals_as_there_are_sums():
    inverse = reciprocal_of(OF_TWO)
    for above, below in ((1, 1), (1, 2), (2, 1), (2, 3)):
        made = multiplied(Product((), (OF_TWO,) * above), Product(((inverse, below),)))
        assert made.sums == (OF_TWO,) * max(0, above - below)
        assert made.factors == (((inverse, below - above),) if below > above else ())
    at_k = Component(1, ((Atom(Symbol("q"), (-1, "k")), 1),))
    apart = multiplied(Product((), (OF_TWO,)), Product(((reciprocal_of(at_k), 1),)))
    assert apart.sums == (OF_TWO,)


def test_a_shape_filled_again_is_what_it_was_the_shape_of():
    for make in (reciprocal_of, logarithm_of):
        atom = make(OF_TWO)
        assert atom.args == ("a",)
        assert filled_sum(atom.head.of, atom.args) == OF_TWO
    for seed in SEEDS:
        term = a_product(seed)._replace(classes=())
        shape, args = product_shape(term)
        slots = {f"·{k}": index for k, index in enumerate(args)}
        assert moved(shape, slots) == term, seed


def test_a_reciprocal_that_depends_on_the_summed_action_is_refused():
    by_two = Atom(Reciprocal(Component(1, ((Atom(Symbol("y"), (-1, "·0")), 1),))), (0,))
    with pytest.raises(OutsideError, match="division by a sum"):
        summed(Product(((by_two, 1),)), 0)


def test_powers_add_up():
    rng = random.Random(0)  # noqa: S311  exponents, no secrets
    for _ in range(50):
        one, two = rng.randint(-3, 3), Fraction(rng.randint(-6, 6), 2)
        made = multiplied(Product(((x("a"), one),)), Product(((x("a"), two),)))
        assert dict(made.factors).get(x("a"), 0) == one + two
