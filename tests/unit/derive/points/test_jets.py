"""Jets carry the mixed derivatives that SymPy finds."""

from fractions import Fraction

import mpmath
import pytest
import sympy

from softcheck.derive.points import jets
from softcheck.derive.points.jets import NONE, Arithmetic

DIGITS = 50
MP = Arithmetic(lambda v: mpmath.mpf(v.numerator) / v.denominator, mpmath.exp, mpmath.log)
EXACT = Arithmetic(Fraction, None, None)
X, Y = sympy.symbols("x y", positive=True)
AT = {X: sympy.Rational(3, 7), Y: sympy.Rational(5, 4)}


def square(jet):
    return jets.multiply(jet, jet)


def one_plus(jet):
    return jets.add(jets.plain(mpmath.mpf(1)), jet)


FUNCTIONS = {
    "exp": (lambda x, y: jets.exp(jets.multiply(x, y), MP), sympy.exp(X * Y)),
    "log": (lambda x, y: jets.log(jets.add(square(x), y), MP), sympy.log(X**2 + Y)),
    "inverse": (lambda x, y: jets.inverse(jets.add(x, square(y)), MP), 1 / (X + Y**2)),
    "nested": (
        lambda x, y: jets.multiply(
            jets.exp(jets.multiply(x, jets.inverse(y, MP)), MP), jets.log(one_plus(x), MP)
        ),
        sympy.exp(X / Y) * sympy.log(1 + X),
    ),
    "of exp of exp": (lambda x, y: jets.exp(jets.exp(jets.multiply(x, y), MP), MP),
                      sympy.exp(sympy.exp(X * Y))),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("by", ["x", "y", "xx", "xy", "xxy", "xyyy"])
def test_a_coefficient_is_the_derivative_that_sympy_finds(name, by):
    function, written = FUNCTIONS[name]
    with mpmath.workdps(DIGITS):
        values = {"x": {NONE: MP.number(Fraction(3, 7))}, "y": {NONE: MP.number(Fraction(5, 4))}}
        for tag, letter in enumerate(by):
            values[letter][frozenset((tag,))] = mpmath.mpf(1)
        jet = function(values["x"], values["y"])
        exact = sympy.diff(written, *({"x": X, "y": Y}[letter] for letter in by)).subs(AT)
        true = mpmath.mpf(str(sympy.N(exact, DIGITS)))
        assert mpmath.almosteq(jet[frozenset(range(len(by)))], true, rel_eps=1e-45)


def test_rational_jets_are_exact():
    """1 / (x y) at (2, 3), by both: 1 / (x^2 y^2) = 1 / 36."""
    x = {NONE: Fraction(2), frozenset((0,)): Fraction(1)}
    y = {NONE: Fraction(3), frozenset((1,)): Fraction(1)}
    assert jets.inverse(jets.multiply(x, y), EXACT) == {
        NONE: Fraction(1, 6),
        frozenset((0,)): Fraction(-1, 12),
        frozenset((1,)): Fraction(-1, 18),
        frozenset((0, 1)): Fraction(1, 36),
    }


def test_an_infinitesimal_squares_to_nothing():
    x = {NONE: Fraction(2), frozenset((0,)): Fraction(1)}
    assert square(x) == {NONE: Fraction(4), frozenset((0,)): Fraction(4)}
