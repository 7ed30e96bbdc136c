"""Random identities are proved, and never one that a single edit has made false."""

from typing import get_args

import independent
import mpmath
from hypothesis import HealthCheck, assume, given, settings
from rewriting import DEFINITIONS, Maker, makers

from softcheck.derive.expr import Compare, Expr, free_indices, walk
from softcheck.derive.givens import Basis
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.ladder import Ladder
from softcheck.derive.points.evaluate import Evaluator
from softcheck.derive.points.jets import Arithmetic
from softcheck.derive.points.refute import Claim, refute
from softcheck.derive.points.witness import confirm
from softcheck.derive.writing import formula

EXAMPLES = 2000

CONTEXT = Basis(
    definitions=DEFINITIONS,
    givens=(),
    constants=frozenset({"Q", "w", "α", "θ"}),
    positive=frozenset({"w", "α", "π"}),
    ones=frozenset({"π"}),
    arities={},
    clashes={},
)


def claim(left, right):
    return Claim(left, right, DEFINITIONS, (), CONTEXT.positive, frozenset())


def proves(left, right):
    """Tell whether the whole ladder proves an equality."""
    return Ladder(left, right, (), CONTEXT, ()).climb() is not None


def tables(maker, n):
    draw = maker.random.uniform
    values = {("α", ()): mpmath.mpf(draw(0.3, 2))}
    for i in range(n):
        values["θ", (i,)] = mpmath.mpf(draw(-2, 2))
        values["Q", (i,)] = mpmath.mpf(draw(-2, 2))
        values["w", (i,)] = mpmath.mpf(draw(0.3, 2))
    return values


def differs(maker, left, right):
    """Tell whether two formulas differ at some small point, by means of neither engine."""
    for n in (2, 3):
        values = tables(maker, n)
        for indices in ({"a": 0, "k": 1}, {"a": 1, "k": 1}):
            try:
                sides = [
                    independent.value(side, n, values, DEFINITIONS, indices)
                    for side in (left, right)
                ]
            except ZeroDivisionError:
                continue  # an edit can leave nothing of a divisor
            if abs(sides[0] - sides[1]) > 1e-10 * (1 + abs(sides[0])):
                return True
    return False


def in_fragment(tree):
    try:
        NormalForm(CONTEXT.facts()).of(tree)
    except OutsideError:
        return False
    return True


@settings(max_examples=EXAMPLES)
@given(makers())
def test_a_formula_and_its_rewriting_are_proved_equal(maker):
    left = maker.formula()
    right = maker.rewritten(left)
    assume(left != right and in_fragment(left) and in_fragment(right))
    assert proves(left, right)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.filter_too_much])
@given(makers())
def test_one_random_edit_is_never_proved(maker):
    left = maker.formula()
    right = maker.edited(maker.rewritten(left, 2))
    assume(differs(maker, left, right))
    assert not proves(left, right)


@settings(max_examples=150)
@given(makers())
def test_a_random_edit_that_shows_is_refuted_and_the_second_engine_agrees_on_the_rest(maker):
    left = maker.formula(2)
    right = maker.rewritten(left, 2)
    if in_fragment(left) and in_fragment(right):
        assert confirm(claim(left, right))
    wrong = maker.edited(right)
    assume(differs(maker, left, wrong))
    found = refute(claim(left, wrong))
    assert found is not None
    assert found.low * found.high > 0


@settings(max_examples=500)
@given(makers())
def test_a_normal_form_has_the_value_of_its_formula(maker):
    tree = maker.formula()
    assume(in_fragment(tree))
    again = formula(NormalForm(CONTEXT.facts()).of(tree))
    n = maker.random.choice((1, 2, 3))
    values = tables(maker, n)
    indices = {"a": 0, "k": n - 1}
    with mpmath.workdps(50):
        arithmetic = Arithmetic(
            lambda value: mpmath.mpf(value.numerator) / value.denominator, mpmath.exp, mpmath.log
        )
        run = Evaluator(n, arithmetic, lambda name, at: values.get((name, at)), DEFINITIONS)
        mine = run(again, indices)
        theirs = independent.value(tree, n, values, DEFINITIONS, indices)
    assert mpmath.almosteq(mine, theirs, rel_eps=1e-15, abs_eps=1e-12)
    assert free_indices(again) <= free_indices(tree)


def test_the_formulas_are_of_every_kind():
    kinds = {type(node) for seed in range(200) for node in walk(Maker(seed).formula())}
    missing = {kind.__name__ for kind in {*get_args(Expr)} - kinds - {Compare}}  # none is decided
    assert not missing, f"no random formula has a {missing}: let Maker make one"
