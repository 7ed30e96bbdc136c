"""Tidy sums and products, sums over actions, and letters to print."""

from fractions import Fraction

from softcheck.derive.expr import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Delta,
    Div,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
)
from softcheck.losses.trees import at, lettered, product, quotient, shared, summed, total

X, Y, TWO = Sym("x"), Sym("y"), Num(Fraction(2))
Q = Sym("Q", ("a",))


def test_a_sum_has_each_term_once_and_none_that_is_zero():
    assert total((X, Y, X)) == Add((Mul((TWO, X)), Y))
    assert total((X, Mul((MINUS_ONE, X)))) == ZERO
    assert total((ONE, X, MINUS_ONE)) == X
    assert total(()) == ZERO


def test_terms_are_alike_whatever_letter_their_sums_bind():
    one, other = Sum("a", Q), Sum("b", Sym("Q", ("b",)))
    assert total((one, other)) == Mul((TWO, one))
    assert total((one, Sum("b", Sym("Q", ("c",))))) != Mul((TWO, one))


def test_a_product_has_its_number_in_front():
    assert product((X, TWO, Y, TWO)) == Mul((Num(Fraction(4)), X, Y))
    assert product((X, ZERO)) == ZERO
    assert product(()) == ONE


def test_quotients_cancel():
    assert quotient(Mul((X, Y)), X) == Y
    assert quotient(X, Mul((X, Y))) == Div(ONE, Y)
    assert product((Div(ONE, X), X, Y)) == Y
    assert product((X, Div(Y, Mul((X, Y))))) == ONE
    assert quotient(Mul((MINUS_ONE, X)), Y) == Mul((MINUS_ONE, Div(X, Y)))


def test_what_does_not_depend_on_the_action_leaves_its_sum():
    assert summed("a", Mul((X, Q))) == Mul((X, Sum("a", Q)))
    assert summed("a", X) == Mul((X, Size()))
    assert summed("a", X, ("b",)) == Mul((X, Add((Size(), MINUS_ONE))))


def test_an_indicator_picks_a_term():
    assert summed("a", Mul((Delta("a", "j"), Q))) == Sym("Q", ("j",))
    assert summed("a", Add((Mul((Delta("j", "a"), Q)), Q))) == Add((Sym("Q", ("j",)), Sum("a", Q)))
    kept = Mul((Delta("a", "j"), Q))
    assert summed("a", kept, ("k",)) == Sum("a", kept, ("k",))


def test_no_action_is_captured():
    inner = Sum("a", Q)
    assert at(Mul((Q, inner)), {"a": "c"}) == Mul((Sym("Q", ("c",)), inner))
    assert at(Delta("a", "b"), {"a": "b"}) == ONE


def test_letters_are_those_that_a_formula_does_not_use():
    nested = Sum("x1", Mul((Sym("Q", ("x1",)), Sum("x2", Sym("Q", ("x2",))), Sym("Q", ("b",)))))
    a, c = Sym("Q", ("a",)), Sym("Q", ("c",))
    assert lettered(nested) == Sum("a", Mul((a, Sum("c", c), Sym("Q", ("b",)))))
    assert lettered(nested, ("a",)).index == "c"


def test_what_all_terms_share_comes_out():
    common, rest = shared([Mul((MINUS_ONE, X, Q)), Mul((MINUS_ONE, X, Y))], "a")
    assert (common, rest) == (Mul((MINUS_ONE, X)), Add((Q, Y)))
    common, rest = shared([Mul((X, Q)), Mul((Y, Q))], "a")
    assert (common, rest) == (ONE, Add((Mul((X, Q)), Mul((Y, Q)))))
    assert shared([Pow(Q, 2)], "a") == (ONE, Pow(Q, 2))
