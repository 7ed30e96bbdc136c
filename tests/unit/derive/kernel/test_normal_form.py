"""Formulas that the kernel calls equal are those that brute force finds equal."""

from fractions import Fraction
from itertools import combinations, combinations_with_replacement

import independent
import mpmath
import pytest
from brute import POINTS, Point
from rewriting import DEFINITIONS, Maker

from softcheck.derive.expr import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Condition,
    Definition,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    minus,
    negative,
)
from softcheck.derive.kernel import normal_form
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.kernel.theorems import Facts, lemma
from softcheck.derive.spell import unicode


def facts(definitions=None, lemmas=(), ones="p", constants="pwQ", positive="p"):
    return Facts(
        definitions or {}, tuple(lemmas), frozenset(ones), frozenset(constants), frozenset(positive)
    )


def equal(left, right, known=None, conditions=()):
    """Tell whether the kernel proves an equality; what is outside of it is not proved."""
    try:
        return NormalForm(known or facts()).proved(left, right, tuple(conditions)) is not None
    except OutsideError:
        return False


def num(value):
    return Num(Fraction(value))


def x(index):
    return Sym("x", (index,))


def p(index):
    return Sym("p", (index,))


# Polynomials, indicators and sums: the kernel decides these

OUTSIDE_SUMS = [ONE, Size(), x("a"), x("k"), p("a"), Delta("a", "k"), Sym("w")]
INSIDE_SUMS = [x("b"), p("b"), x("a"), Delta("a", "b"), Delta("b", "k"), Sym("y", ("a", "b"))]


def _sums(body):
    for skip in ((), ("a",), ("a", "k")):
        yield Sum("b", body, skip)
        yield Add((Sum("b", body), *(negative(_there(body, other)) for other in skip)))


def _there(tree, index):
    """Return a product at another action."""
    match tree:
        case Mul(factors):
            return Mul(tuple(_there(factor, index) for factor in factors))
        case Sym(name, args):
            return Sym(name, tuple(index if arg == "b" else arg for arg in args))
        case Delta(left, right):
            return Delta(*(index if arg == "b" else arg for arg in (left, right)))
    return tree


def _polynomials():
    yield from OUTSIDE_SUMS
    yield from map(Mul, combinations_with_replacement(OUTSIDE_SUMS, 2))
    for factors in (*zip(INSIDE_SUMS), *combinations_with_replacement(INSIDE_SUMS, 2)):
        body = factors[0] if len(factors) == 1 else Mul(factors)
        yield from _sums(body)
        yield Expect("b", "p", body)
    yield from _sums(ONE)
    yield Pow(Sum("b", x("b")), 2)
    yield Sum("b", Sum("c", Mul((x("b"), x("c")))))
    yield Sum("b", Sum("c", Mul((x("b"), Delta("b", "c")))))
    yield Sum("b", Sum("c", Sym("y", ("b", "c"))))
    yield Sum("c", Sum("b", Sym("y", ("b", "c"))))
    yield Sum("b", Sum("c", Sym("y", ("c", "b"))), ("a",))
    yield Sum("b", Sum("c", Mul((x("b"), Sym("y", ("b", "c")), x("c")))))
    yield Sum("b", Sum("c", Mul((x("c"), Sym("y", ("c", "b")), x("b")))))
    yield Sum("b", Mul((x("b"), Sum("c", Sym("y", ("b", "c"))))))
    yield Sum("b", Sum("c", ONE, ("b",)), ("a",))
    yield Pow(minus(Size(), ONE), 2)


# Exponentials, logarithms, quotients

E_A, E_K, E_B = (Exp(Sym("θ", (index,))) for index in "akb")
Z = Sum("b", E_B)
QUOTIENTS = [
    ONE, E_A, E_K, Z, Exp(negative(Sym("θ", ("a",)))), Div(ONE, E_A), Div(E_A, E_K), Div(E_A, Z),
    Exp(minus(Sym("θ", ("a",)), Sym("θ", ("k",)))), Pow(Z, -1), Pow(E_A, 2), Mul((E_A, E_A)),
    Exp(Mul((num(2), Sym("θ", ("a",))))), Sum("b", Div(E_B, Z)), Sum("b", Div(E_B, E_A)),
    Div(Z, E_A), Log(E_A), Sym("θ", ("a",)), Log(Div(E_A, E_K)), Log(Mul((E_A, E_K))),
    Sum("b", E_B, ("a",)),
    minus(Z, E_A), minus(ONE, Div(E_A, Z)), Div(ONE, Sum("b", x("b"))), Pow(Sum("b", x("b")), -1),
    Div(Sum("b", x("b")), Sum("c", x("c"))), Div(x("a"), Sum("b", x("b"))),
    Sum("b", Div(x("b"), Sum("c", x("c")))), Div(Sum("b", Mul((x("b"), E_B))), Z),
    Sum("b", Mul((Div(E_B, Z), x("b")))), Div(x("a"), x("k")), Mul((x("a"), Pow(x("k"), -1))),
]  # fmt: skip

FAMILIES = {"polynomials": list(_polynomials()), "quotients": QUOTIENTS}
SIGNED = [*POINTS, Point(3, 1), Point(5, 2)]


def classes(formulas):
    """Return formulas by their values at every point and every choice of actions."""
    found = {}
    for tree in formulas:
        values = tuple(point.tree(tree, at) for point in SIGNED for at in point.choices(("a", "k")))
        found.setdefault(values, []).append(tree)
    return list(found.values())


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return classes(FAMILIES[request.param])


def test_what_has_equal_values_everywhere_is_proved_equal(family):
    assert sum(len(members) > 1 for members in family) >= 8
    for first, *others in family:
        for other in others:
            assert equal(first, other), f"{unicode(first)} = {unicode(other)}"


def test_what_differs_anywhere_is_never_proved_equal(family):
    first = [members[0] for members in family]
    for left, right in combinations(first, 2):
        assert not equal(left, right), f"{unicode(left)} = {unicode(right)}"


def test_conditions_are_those_that_are_given():
    same, apart = Condition("a", "=", "k"), Condition("a", "≠", "k")
    assert equal(x("a"), x("k"), conditions=[same])
    assert not equal(x("a"), x("k"), conditions=[apart])
    assert not equal(x("a"), x("k"), conditions=[Condition("w", ">", "0")])
    assert equal(Mul((Delta("a", "k"), x("a"))), ZERO, conditions=[apart])
    others = Sum("b", x("b"), ("a", "k"))
    taken = Add((Sum("b", x("b")), negative(x("a")), negative(x("k"))))
    assert equal(others, taken, conditions=[apart])
    assert not equal(others, taken)
    assert not equal(others, taken, conditions=[same])


def test_nothing_false_is_proved_of_random_formulas():
    """Whatever is proved of a formula and an edited one holds at one to four actions."""
    known = facts(DEFINITIONS, (), "π", "Qwαθ", ("w", "α", "π"))
    proved = 0
    for seed in range(400):
        maker = Maker(seed)
        left = maker.formula(2)
        right = maker.rewritten(left, 1)
        right = maker.edited(right) if seed % 2 else right
        if left == right or not equal(left, right, known):
            continue
        proved += 1
        for n in (1, 2, 3, 4):
            tables = {(name, (i,)): mpmath.mpf(maker.random.uniform(0.3, 2))
                      for name in ("θ", "Q", "w") for i in range(n)}  # fmt: skip
            tables["α", ()] = mpmath.mpf(maker.random.uniform(0.3, 2))
            for indices in ({"a": 0, "k": n - 1}, {"a": n - 1, "k": n - 1}):
                sides = [
                    independent.value(side, n, tables, DEFINITIONS, indices)
                    for side in (left, right)
                ]
                assert mpmath.almosteq(*sides, rel_eps=1e-15, abs_eps=1e-15), seed
    assert proved > 50


# Logarithms, and derivatives against difference quotients, at ninety digits

PI = DEFINITIONS["π"]
PI_A, PI_K = Sym("π", ("a",)), Sym("π", ("k",))
BY = Sym("θ", ("k",))
SCORE = Add((Delta("a", "k"), negative(PI_K)))
MEAN = Sum("b", Mul((Sym("π", ("b",)), Sym("Q", ("b",)))))
WEIGHED = Sum("b", Mul((Sym("w", ("b",)), Exp(Sym("θ", ("b",))))))
DERIVATIVES = {
    "softmax": (PI_A, Mul((PI_A, SCORE)), Mul((PI_A, Delta("a", "k"), minus(ONE, PI_K)))),
    "logarithm": (Log(PI_A), SCORE, Delta("a", "k")),
    "mean": (MEAN, Mul((PI_K, minus(Sym("Q", ("k",)), MEAN))), Mul((PI_K, Sym("Q", ("k",))))),
    "square": (Pow(PI_A, 2), Mul((num(2), Pow(PI_A, 2), SCORE)), Mul((Pow(PI_A, 2), SCORE))),
    "inverse": (Pow(PI_A, -1), Mul((MINUS_ONE, Pow(PI_A, -1), SCORE)), Mul((Pow(PI_A, -1), SCORE))),
    "exponential of a mean": (
        Exp(MEAN),
        Mul((Exp(MEAN), PI_K, minus(Sym("Q", ("k",)), MEAN))),
        Mul((Exp(MEAN), PI_K, Sym("Q", ("k",)))),
    ),
    "one over a sum": (
        Div(ONE, WEIGHED),
        negative(Div(Mul((Sym("w", ("k",)), Exp(BY))), Pow(WEIGHED, 2))),
        negative(Div(Mul((Sym("w", ("k",)), Exp(BY))), WEIGHED)),
    ),
    "logarithm of a sum": (
        Log(WEIGHED),
        Div(Mul((Sym("w", ("k",)), Exp(BY))), WEIGHED),
        Div(Exp(BY), WEIGHED),
    ),
    "second": (
        Diff(PI_A, Sym("θ", ("a",))),
        Mul((PI_A, minus(ONE, Mul((num(2), PI_A))), SCORE)),
        Mul((PI_A, minus(ONE, PI_A), SCORE)),
    ),
    "all of them": (Sum("b", Sym("π", ("b",))), ZERO, PI_K),
}


LOGARITHMS = {
    "exponential of a logarithm": (Exp(Log(Z)), Z, Exp(Z)),
    "of one over a sum": (Exp(negative(Log(Z))), Pow(Z, -1), negative(Z)),
    "of a quotient": (
        Log(Div(E_A, Z)),
        minus(Sym("θ", ("a",)), Log(Z)),
        Div(Sym("θ", ("a",)), Log(Z)),
    ),
    "of a number": (
        Log(num("12/5")),
        Add((Mul((num(2), Log(num(2)))), Log(num(3)), negative(Log(num(5))))),
        Add((Log(num(2)), Log(num(3)), negative(Log(num(5))))),
    ),
    "of n": (Log(Size()), Log(Sum("b", ONE)), Sum("b", Log(num(2)))),
    "half a power": (Mul((Exp(Mul((num("1/2"), Log(Z)))),) * 2), Z, Pow(Z, 2)),
}
IDENTITIES = LOGARITHMS | {
    f"derivative: {name}": (Diff(body, BY), right, wrong)
    for name, (body, right, wrong) in DERIVATIVES.items()
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_is_proved_and_what_nearly_is_one_is_not(name):
    left, right, wrong = IDENTITIES[name]
    known = facts({"π": PI}, (), "", "Qwθ", "w")
    n, draw = 3, Maker(name).random.uniform
    tables = {(symbol, (i,)): mpmath.mpf(draw(0.3, 2)) for symbol in "θQw" for i in range(n)}
    for indices in ({"a": 0, "k": 1}, {"a": 2, "k": 2}):
        value, true = (
            independent.value(side, n, tables, {"π": PI}, indices) for side in (left, right)
        )
        assert mpmath.almosteq(value, true, rel_eps=1e-30, abs_eps=1e-30)
    assert equal(left, right, known)
    assert not equal(left, wrong, known)


def test_a_derivative_by_what_is_constant_is_zero_and_of_what_is_unknown_is_not():
    assert equal(Diff(Sym("Q", ("a",)), BY), ZERO)
    assert not equal(Diff(x("a"), BY), ZERO)
    assert not equal(Diff(Sym("Q", ("a",)), Sym("Q", ("a",))), ZERO)
    assert equal(Diff(Sym("Q", ("a",)), Sym("Q", ("k",))), Delta("a", "k"))


def test_the_order_of_differentiation_is_no_matter_and_its_actions_are():
    by_a, by_k = Sym("θ", ("a",)), Sym("θ", ("k",))
    assert equal(Diff(Diff(x("b"), by_a), by_k), Diff(Diff(x("b"), by_k), by_a))
    assert not equal(Diff(Diff(x("b"), by_a), by_a), Diff(Diff(x("b"), by_a), by_k))


def test_a_lemma_is_used_at_any_actions_and_hands_on_what_it_assumes():
    """d log f(a) / d Q(k) = 1{a=k} / Q(k) for f = Q, where Q(a) > 0 and Q(k) is not 0."""

    def slope(a, k):
        return Div(Delta(a, k), Sym("Q", (k,)))

    definition = Definition("f", ("a",), Sym("Q", ("a",)))
    by_k, by_j = Sym("Q", ("k",)), Sym("Q", ("j",))
    theorem = NormalForm(facts({"f": definition})).proved(
        Diff(Log(Sym("f", ("a",))), by_k), slope("a", "k")
    )
    assert said(theorem) == {("Q", "a", ">"), ("Q", "k", "≠")}
    at_b = Sym("f", ("b",))
    there = Mul((at_b, slope("b", "j")))
    found = NormalForm(facts({}, [lemma(theorem, "it")])).proved(Diff(at_b, by_j), there)
    assert said(found) == {("Q", "b", ">"), ("Q", "j", "≠")}
    assert not equal(Diff(at_b, by_j), there)


def said(theorem):
    """Return what a theorem assumes of single atoms: name, action and relation."""
    return {
        (base.head.name, *base.args, assumption.relation)
        for assumption in theorem.assumes
        for base, _ in assumption.of.factors
    }


def lemmas(*claims):
    """Return what is proved of derivatives by algebra alone, as lemmas."""
    return [lemma(NormalForm(facts()).proved(*claim), str(k)) for k, claim in enumerate(claims)]


def test_a_lemma_that_leads_back_to_itself_ends_and_proves_what_it_says():
    """The log-derivative trick, d y = y d log y, and log y again."""
    y, by = Sym("y", ("a",)), Sym("θ", ("k",))
    slope, of_log = Diff(y, by), Diff(Log(y), by)
    known = facts({}, lemmas((slope, Mul((y, of_log)))))
    assert equal(slope, Mul((y, of_log)), known)
    assert equal(Diff(Mul((y, y)), by), Mul((num(2), y, slope)), known)
    assert not equal(slope, of_log, known)
    assert not equal(slope, ZERO, known)


def test_lemmas_that_lead_back_to_each_other_end():
    """d x = d (x + y) - d y and d y = d (x + y) - d x, by the one symbol or the other."""
    by = Sym("θ", ("k",))
    x_, y_ = Sym("x"), Sym("y")
    first, second = Diff(x_, by), Diff(y_, by)
    both = Diff(Add((x_, y_)), by)
    known = facts({}, lemmas((first, minus(both, second)), (second, minus(both, first))))
    assert equal(both, Add((first, second)), known)
    assert not equal(first, second, known)
    assert not equal(first, ZERO, known)


def test_after_a_lemma_that_leads_back_to_itself_another_is_used():
    y, by = Sym("y", ("a",)), Sym("θ", ("k",))
    slope = Diff(y, by)
    trick = lemmas((slope, Mul((y, Diff(Log(y), by)))))
    definition = Definition("y", ("a",), Exp(Mul((Delta("a", "a"), Sym("θ", ("a",))))))
    value = Mul((y, Delta("a", "k")))
    theorem = NormalForm(facts({"y": definition})).proved(slope, value)
    known = facts({}, [*trick, lemma(theorem, "value")])
    assert equal(slope, value, known)
    assert not equal(slope, value, facts({}, trick))


def test_a_definition_that_was_unfolded_inside_of_a_lemma_is_unfolded_anew_outside():
    """y' = z and z := y': inside of the lemma z is left as it is, outside it is y' again."""
    y, by = Sym("y"), Sym("s")
    z = Definition("z", (), Diff(y, by))
    theorem = NormalForm(facts({"z": z})).proved(Diff(y, by), Sym("z"))
    known = facts({"z": z}, [lemma(theorem, "")])
    assert equal(minus(Diff(y, by), Sym("z")), ZERO, known)
    assert equal(minus(Sym("z"), Diff(y, by)), ZERO, known)


@pytest.mark.parametrize("power", [-3, -1, 2, 3, 24])
def test_powers_of_the_number_of_actions_are_kept(power):
    n = Size()
    once = Pow(n, power)
    assert equal(once, Mul((n, Pow(n, power - 1))))
    assert equal(once, Exp(Mul((num(power), Log(n)))))
    assert not equal(once, n)
    assert not equal(once, Pow(n, power + 1))
    assert not equal(Mul((once, x("a"))), Mul((n, x("a"))))


def test_a_sum_over_two_actions_of_nothing_is_the_square_of_their_number():
    twice = Sum("a", Sum("b", ONE))
    assert equal(twice, Pow(Size(), 2))
    assert not equal(twice, Size())
    assert not equal(Exp(Pow(Size(), 2)), Exp(Size()))


def test_no_quantity_is_the_number_of_actions_whatever_its_name():
    assert not equal(Sym("n"), Size())
    assert not equal(Sum("a", ONE), Sym("n"))
    assert not equal(Diff(Sym("n"), Sym("s")), ZERO)
    assert equal(Diff(Size(), Sym("s")), ZERO)


# What a theorem takes for granted, and what has no normal form


def test_what_is_divided_by_is_assumed_unless_it_is_known_to_be_positive():
    for unknown in (x("a"), Sum("b", x("b")), Sum("b", Mul((x("b"), p("b"))))):
        assumed = NormalForm(facts()).proved(Div(unknown, unknown), ONE)
        assert [assumption.relation for assumption in assumed.assumes] == ["≠"]
    for positive in (p("a"), E_A, Z, Size(), Sum("b", p("b"))):
        assert NormalForm(facts()).proved(Div(positive, positive), ONE).assumes == ()


def test_positive_is_what_nothing_can_make_otherwise():
    form = NormalForm(facts())
    for tree in (p("a"), E_A, Div(E_A, Z), Size(), Mul((num(2), p("a"), p("k")))):
        assert form.positive(tree), unicode(tree)
    for tree in (
        x("a"),
        negative(p("a")),
        ZERO,
        Delta("a", "k"),
        minus(ONE, p("a")),
        Diff(p("a"), BY),
    ):
        assert not form.positive(tree), unicode(tree)


def test_a_logarithm_assumes_that_it_exists():
    found = NormalForm(facts()).proved(Log(x("a")), Log(x("a")))
    assert [assumption.relation for assumption in found.assumes] == [">"]


CIRCLE = {"v": Definition("v", (), Add((Sym("u"), ONE))), "u": Definition("u", (), Sym("v"))}
REFUSED = {
    "a division by zero": (Div(ONE, minus(x("a"), x("a"))), "a division by zero"),
    "a division by a sum of terms": (Div(ONE, Add((x("a"), ONE))), "sum of several terms"),
    "a division by an indicator": (Div(ONE, Delta("a", "k")), "a division by an indicator"),
    "a logarithm of a negative number": (Log(num(-2)), "not positive"),
    "a logarithm of what may be negative": (Log(Mul((x("a"), x("k")))), "may be negative"),
    "a logarithm of a sum that may be negative": (Log(Sum("b", x("b"))), "may be negative"),
    "a root": (Exp(Mul((num("1/2"), Log(x("a"))))), "a root"),
    "an exponential of an indicator": (Exp(Delta("a", "k")), "exponential of an indicator"),
    "a definition in a circle": (Sym("v"), "uses v itself"),
    "another number of actions": (Sym("u", ("a",)), "defined with 0 actions and used with 1"),
    "a derivative by what is defined": (Diff(x("a"), Sym("v")), "not a free variable"),
    "a derivative of another shape": (Diff(x("a"), Sym("x", ("a", "k"))), "with 1 actions"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_normal_form_is_refused(name):
    tree, reason = REFUSED[name]
    with pytest.raises(OutsideError, match=reason):
        NormalForm(facts(CIRCLE)).of(tree)


def test_more_work_than_is_allowed_is_refused(monkeypatch):
    monkeypatch.setattr(normal_form, "PRODUCTS", 20)
    form = NormalForm(facts())
    with pytest.raises(OutsideError, match="more than 20 products"):
        form.of(Pow(Add((x("a"), x("k"))), 6))
    assert form.spent > 20
