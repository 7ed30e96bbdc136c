"""Every kind of node is known to all who walk trees: each of them, and all to each other.

A new kind of node needs an example here. Where one who walks trees does not know it, mypy says so.
"""

import re
from dataclasses import fields
from fractions import Fraction
from typing import get_args

import independent
import mpmath
import pytest

from softcheck.derive.expr import (
    ONE,
    Add,
    Compare,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    children,
    free_indices,
    minus,
    symbols,
    walk,
)
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.kernel.theorems import Facts
from softcheck.derive.points.evaluate import Evaluator, NoValueError
from softcheck.derive.points.jets import Arithmetic
from softcheck.derive.points.refute import Claim, refute
from softcheck.derive.points.witness import DisagreementError, confirm
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.tokens import ReadError, tokenize
from softcheck.derive.spell import latex, unicode

X_A, X_B, X_K = (Sym("x", (index,)) for index in "abk")
W, P_A, P_B = Sym("w"), Sym("p", ("a",)), Sym("p", ("b",))
HALF, TWO, THREE = Num(Fraction(1, 2)), Num(Fraction(2)), Num(Fraction(3))

EXAMPLES = {
    Num: (Num(Fraction(3, 2)), "3/2", Div(THREE, TWO)),
    Size: (Size(), "n", Sum("b", ONE)),
    Sym: (X_A, "x(a)", Sum("b", Mul((Delta("a", "b"), X_B)))),
    Delta: (Delta("a", "k"), "1{a=k}", Sum("b", Mul((Delta("a", "b"), Delta("b", "k"))))),
    Add: (Add((X_A, W)), "x(a) + w", Mul((W, Add((ONE, Div(X_A, W)))))),
    Mul: (Mul((X_A, W)), "x(a) w", Div(X_A, Pow(W, -1))),
    Div: (Div(X_A, W), "x(a) / w", Mul((X_A, Pow(W, -1)))),
    Pow: (Pow(X_A, 2), "x(a)²", Mul((X_A, X_A))),
    Exp: (Exp(X_A), "exp(x(a))", Mul((Exp(Mul((HALF, X_A))), Exp(Mul((HALF, X_A)))))),
    Log: (Log(X_A), "log x(a)", minus(Log(Mul((X_A, W))), Log(W))),
    Sum: (Sum("b", X_B, ("a",)), "Σ_b≠a x(b)", minus(Sum("b", X_B), X_A)),
    Expect: (
        Expect("b", "p", Mul((X_B, X_A))),
        "E_{b~p}[x(b) x(a)]",
        Mul((X_A, Sum("b", Mul((P_B, X_B))))),
    ),
    Diff: (Diff(Pow(X_A, 2), X_K), "∂/∂x(k) [x(a)²]", Mul((TWO, X_A, Delta("a", "k")))),
}
"""A tree with each kind of node at its top, how it is spelled, and the same in other nodes."""

KINDS = [kind for kind in get_args(Expr) if kind is not Compare]
TREES = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
FACTS = Facts({}, (), frozenset(), frozenset({"w", "p"}), frozenset({"w", "x"}))
FLOATS = Arithmetic(float, lambda x: float(mpmath.exp(x)), lambda x: float(mpmath.log(x)))


def example(kind):
    assert kind in EXAMPLES, (
        f"the node {kind.__name__} has no example: say in EXAMPLES how it is spelled, and what is "
        "the same in other nodes"
    )
    return EXAMPLES[kind][0]


def tables(n):
    values = {("w", ()): 1.75}
    for i in range(n):
        values |= {("x", (i,)): 0.5 + i, ("p", (i,)): 0.25 + i * i}
    return values


def evaluation(n, known=None):
    known = tables(n) if known is None else known
    return Evaluator(n, FLOATS, lambda name, at: known.get((name, at)), {})


def claim(left, right):
    return Claim(left, right, {}, (), frozenset({"w", "x"}), frozenset({"p"}))


@TREES
def test_a_tree_is_spelled_and_what_is_spelled_is_read_again(kind):
    tree = example(kind)
    assert unicode(tree) == EXAMPLES[kind][1]
    text = latex(tree)
    read = parse(tokenize(text, 0, len(text), {}), Scope(), Found(), 0)
    spelled = Div(THREE, TWO) if kind is Num else tree
    assert read == spelled, f"the notation of {kind.__name__}, {text}, reads as {unicode(read)}"


@TREES
def test_a_tree_has_the_value_that_is_found_by_other_means(kind):
    tree = example(kind)
    for n in (1, 2, 3):
        for at in ({"a": 0, "k": 0}, {"a": 0, "k": n - 1}):
            mine = evaluation(n)(tree, at)
            theirs = independent.value(tree, n, tables(n), {}, at)
            assert mpmath.almosteq(mine, theirs, rel_eps=1e-14), (n, at)


@TREES
def test_the_kernel_the_points_and_sympy_each_know_what_a_tree_equals(kind):
    # A share beside it: points have no values for what stands below an expectation only.
    tree = Add((example(kind), P_A))
    same = Add((EXAMPLES[kind][2], P_A))
    more = Add((tree, Num(Fraction(1, 1000))))
    assert NormalForm(FACTS).proved(tree, same)
    assert NormalForm(FACTS).proved(tree, more) is None
    assert refute(claim(tree, same)) is None
    assert refute(claim(tree, more)) is not None
    assert confirm(claim(tree, same))
    with pytest.raises(DisagreementError):
        confirm(claim(tree, more))


@TREES
def test_the_children_of_a_tree_are_all_trees_in_its_fields(kind):
    tree = example(kind)
    held = []
    for field in (field for field in fields(tree) if field.init):
        value = getattr(tree, field.name)
        held += [part for part in (value if isinstance(value, tuple) else (value,))
                 if isinstance(part, Expr)]  # fmt: skip
    assert list(children(tree)) == held
    assert set(walk(tree)) >= {tree, *held}


@TREES
def test_a_tree_needs_the_actions_that_are_free_in_it_and_no_other(kind):
    tree = example(kind)
    free = free_indices(tree)
    evaluation(2)(tree, dict.fromkeys(free, 0))
    for left_out in free:
        with pytest.raises(NoValueError, match="is not chosen"):
            evaluation(2)(tree, dict.fromkeys(free - {left_out}, 0))


@TREES
def test_a_tree_needs_the_quantities_that_it_names_and_no_other(kind):
    tree = example(kind)
    at = {"a": 0, "k": 0}
    known = {key: value for key, value in tables(2).items() if key[0] in symbols(tree)}
    evaluation(2, known)(tree, at)
    for name in symbols(tree):
        left = {key: value for key, value in known.items() if key[0] != name}
        with pytest.raises(NoValueError, match=f"{name} has no meaning"):
            evaluation(2, left)(tree, at)


@pytest.mark.parametrize(("how", "spelled"), [("min", "min(x(a), w)"), ("max", "max(x(a), w)")])
def test_what_is_not_decided_is_read_and_has_neither_form_nor_value(how, spelled):
    tree = Compare(how, X_A, W)
    assert unicode(tree) == spelled
    text = latex(tree)
    assert parse(tokenize(text, 0, len(text), {}), Scope(), Found(), 0) == tree
    assert children(tree) == (X_A, W)
    assert free_indices(tree) == {"a"}
    with pytest.raises(OutsideError, match=f"a {how}imum"):
        NormalForm(FACTS).proved(tree, tree)
    with pytest.raises(NoValueError, match=f"a {how}imum is outside"):
        evaluation(2)(tree, {"a": 0})


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (r"\max_a x(a)", "a maximum is outside what can be decided"),
        (r"\max(x(a))", "a max of 1 quantities, not of two"),
        (r"\mathrm{clip}(x(a), w)", "a clip of 2 quantities, not of three"),
        (r"\mathrm{clip} x(a)", "what clip is of in brackets"),
    ],
)
def test_what_is_no_minimum_of_two_is_refused(text, refused):
    with pytest.raises(ReadError, match=re.escape(refused)):
        parse(tokenize(text, 0, len(text), {}), Scope(), Found(), 0)


def test_an_action_is_bound_where_a_sum_says_so_and_free_in_what_it_leaves_out():
    assert free_indices(Sum("b", Sym("y", ("a", "b")), ("k",))) == {"a", "k"}
    assert free_indices(Expect("b", "p", Sym("y", ("a", "b")))) == {"a"}
    assert free_indices(Mul((Sum("b", X_B), X_B))) == {"b"}
    assert free_indices(Diff(ONE, Sym("θ", ("k",)))) == {"k"}
