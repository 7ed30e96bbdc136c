"""What is printed reads back as what it was: trees drawn at random, spelled and read again."""

import random
from fractions import Fraction

import pytest

from softcheck.derive.expr import (
    Add,
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
)
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.tokens import ReadError, tokenize
from softcheck.derive.spell import latex, unicode

TABLES = ("Q", "π", "θ", "g", "π_old", "π_ref", "π*", "π\u0302", "A_soft", "Q_soft,old", "x", "r'")
SCALARS = ("α", "V", "ℒ", "ϕ", "φ", "D_KL(π‖π\u0302)", "ℋ(π)", "V⁽²⁾", "V⁽ᵗ⁺¹⁾", "α_θ", "J")
ACTIONS = ("a", "b", "a'", "a\u0303", "k", "ȷ")
TREES = 250


def drawn(rng, depth, bound=()):
    """Return a random tree; an action that a sum binds is not bound again in it."""
    action = rng.choice(ACTIONS[:-1])
    if depth == 0:
        kind = rng.randrange(6)
        return (
            Num(Fraction(rng.randint(1, 9), rng.choice((1, 1, 2))))
            if kind == 0
            else Size()
            if kind == 1
            else Delta(*rng.sample(ACTIONS[:-1], 2))
            if kind == 2
            else Sym(rng.choice(SCALARS))
            if kind == 3
            else Sym(rng.choice(TABLES), (action,))
        )
    part = lambda: drawn(rng, depth - 1, bound)  # noqa: E731  the same draw, again and again
    match rng.randrange(9):
        case 0:
            return Add((part(), part()))
        case 1:
            return Mul((part(), part()))
        case 2:
            return Div(part(), part())
        case 3:
            return Pow(Sym(rng.choice(TABLES), (action,)), rng.choice((-1, 2, 3)))
        case 4:
            return Exp(part())
        case 5:
            return Log(part())
        case 6 if free := [each for each in ACTIONS[:4] if each not in bound]:
            index, *skip = rng.sample(free, min(len(free), rng.randint(1, 3)))
            return Sum(index, drawn(rng, depth - 1, (*bound, index)), tuple(skip))
        case 7 if free := [each for each in ACTIONS[:4] if each not in bound]:
            index = rng.choice(free)
            under = rng.choice(("π", "π_old", "π\u0302"))
            return Expect(index, under, drawn(rng, depth - 1, (*bound, index)))
        case _:
            return Diff(part(), rng.choice((Sym("θ", (action,)), Sym("α"), Sym("Q", ("k",)))))


def plain(x):
    """Return a tree in which products are flat and numbers are one number."""
    match x:
        case Mul() | Div(Num()):
            number, factors = Fraction(1), []
            pending = [x]
            while pending:
                node = pending.pop(0)
                match node:
                    case Mul(parts):
                        pending = [*parts, *pending]
                    case Num(value):
                        number *= value
                    case Div(Num(over), Num(under)):
                        number *= over / under
                    case _:
                        factors.append(inner(node))
            return number, *factors
        case Num(value):
            return (value,)
        case _:
            return Fraction(1), inner(x)


def inner(x):
    match x:
        case Add(terms):
            flat = []
            for term in terms:
                flat += inner(term)[1:] if isinstance(term, Add) else [plain(term)]
            return ("+", *flat)
        case Div(over, under):
            return "/", plain(over), plain(under)
        case Pow(base, exponent):
            return "^", plain(base), exponent
        case Exp(of) | Log(of):
            return type(x).__name__, plain(of)
        case Sum(index, body, skip):
            return "sum", index, plain(body), skip
        case Expect(index, under, body):
            return "mean", index, under, plain(body)
        case Diff(body, by):
            return "d", plain(body), by
        case _:
            return x


def read(text):
    return parse(tokenize(text, 0, len(text), {}), Scope(frozenset("k")), Found(), 0)


@pytest.mark.parametrize("spelled", [unicode, latex])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_printed_reads_back_as_the_same(spelled, seed):
    rng = random.Random(seed)  # noqa: S311  not for secrets
    for _ in range(TREES):
        tree = drawn(rng, rng.randint(0, 3))
        text = spelled(tree)
        try:
            back = read(text)
        except ReadError as error:
            pytest.fail(f"{text}: {error}")
        assert plain(back) == plain(tree), text
