"""Only the kernel makes a theorem, and a lemma says no more than its theorem."""

from dataclasses import replace

import pytest

from softcheck.derive.expr import ONE, Add, Condition, Diff, Expr, Log, Mul, Sum, Sym
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.seal import Seal
from softcheck.derive.kernel.terms import EMPTY
from softcheck.derive.kernel.theorems import Assumption, Facts, Lemma, Proved, lemma

NOTHING = Facts({}, (), frozenset(), frozenset(), frozenset())
A, K = Sym("x", ("a",)), Sym("θ", ("k",))
SLOPE = Diff(A, K)


def proved(left: Expr, right: Expr, *conditions: Condition) -> Proved:
    found = NormalForm(NOTHING).proved(left, right, conditions)
    assert found is not None
    return found


@pytest.mark.parametrize("seal", [None, object(), Seal()])
def test_nobody_else_makes_a_theorem_or_a_lemma(seal):
    with pytest.raises(TypeError, match="only the kernel says that something is proved"):
        Proved(A, ONE, (), (), seal)
    with pytest.raises(TypeError, match="only the kernel says that something is proved"):
        Lemma(A, K, ONE, "line 1", (), seal)


def test_a_theorem_cannot_be_made_into_another():
    with pytest.raises((TypeError, ValueError), match="seal"):
        replace(proved(A, A), right=ONE)


def test_a_theorem_says_what_was_asked_and_nothing_false_is_one():
    same = (Condition("a", "=", "k"),)
    found = proved(A, Sym("x", ("k",)), *same)
    assert (found.left, found.right, found.conditions) == (A, Sym("x", ("k",)), same)
    assert NormalForm(NOTHING).proved(A, Sym("x", ("k",))) is None
    assert NormalForm(NOTHING).proved(A, ONE, same) is None


def test_a_lemma_is_the_derivative_that_was_proved():
    found = lemma(proved(SLOPE, Add((SLOPE,))), "line 7")
    assert found is not None
    assert (found.left, found.by, found.right, found.name) == (A, K, Add((SLOPE,)), "line 7")


def test_a_lemma_of_a_logarithm_is_about_what_it_is_of_and_assumes_the_same():
    theorem = proved(Diff(Log(A), K), Diff(Log(A), K))
    found = lemma(theorem, "")
    assert found is not None
    assert (found.left, found.by) == (A, K)
    assert found.right == Mul((A, Diff(Log(A), K)))
    assert found.assumes == theorem.assumes
    assert {assumption.relation for assumption in found.assumes} == {">"}


@pytest.mark.parametrize(
    "theorem",
    [
        (A, A),
        (SLOPE, SLOPE, Condition("a", "≠", "k")),
        (Diff(A, Sym("θ", ("a",))), Diff(A, Sym("θ", ("a",)))),
        (Diff(Sym("x", ("1",)), K), Diff(Sym("x", ("1",)), K)),
        (Diff(Sum("b", Sym("x", ("b",))), K), Diff(Sum("b", Sym("x", ("b",))), K)),
    ],
    ids=["no derivative", "under a condition", "a diagonal", "a numbered action", "of a sum"],
)
def test_what_holds_at_some_actions_only_is_no_lemma(theorem):
    assert lemma(proved(*theorem), "") is None


def test_assumptions_are_told_apart_by_their_relation():
    assert Assumption(EMPTY, ">") != Assumption(EMPTY, "≠")
