"""A normal form back to a formula that people can read."""

from collections.abc import Iterator
from fractions import Fraction

from softcheck.derive.expr import (
    ZERO,
    Add,
    Delta,
    Diff,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
)
from softcheck.derive.kernel.polynomials import Polynomial, filled
from softcheck.derive.kernel.products import filled_sum
from softcheck.derive.kernel.terms import (
    SIZE,
    Atom,
    Component,
    Exponential,
    Factors,
    Index,
    Logarithm,
    Normaliser,
    Product,
    Reciprocal,
    Symbol,
)

_NAMES = ("a'", "a''", "b", "c", "i", "j", "k", "l", "m", "b'", "c'", "i'", "j'", "k'")


def formula(polynomial: Polynomial) -> Expr:
    """Return a formula whose normal form is `polynomial`; its free indices are names."""
    terms = [_term(product, coefficient) for product, coefficient in polynomial.items()]
    if not terms:
        return ZERO
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def _term(product: Product, coefficient: Fraction) -> Expr:
    taken = {
        index
        for group in (product.factors, *(component.factors for component in product.sums))
        for base, _ in group
        for index in base.args
        if isinstance(index, str)
    } | {index for group in product.classes for index in group if isinstance(index, str)}
    names = (name for name in _names() if name not in taken)
    factors: list[Expr] = []
    if coefficient != 1:
        factors.append(Num(coefficient))
    for group in product.classes:
        factors += [Delta(str(group[0]), str(other)) for other in group[1:]]
    factors += _factors(product.factors, {}, names)
    factors += [_sum(component, {}, names) for component in product.sums]
    if not factors:
        return Num(coefficient)
    return factors[0] if len(factors) == 1 else Mul(tuple(factors))


def _names() -> Iterator[str]:
    yield from _NAMES
    number = 1
    while True:
        yield f"b_{number}"
        number += 1


def _sum(component: Component, bound: dict[Index, str], names: Iterator[str]) -> Expr:
    inner = dict(bound)
    for k in range(1, component.size + 1):
        inner[-k] = next(names)
    factors = _factors(component.factors, inner, names)
    body = factors[0] if len(factors) == 1 else Mul(tuple(factors))
    for k in range(component.size, 0, -1):
        body = Sum(inner[-k], body)
    return body


def _factors(factors: Factors, bound: dict[Index, str], names: Iterator[str]) -> list[Expr]:
    """Return the factors, plain quantities before derivatives; those below 1 become a quotient."""
    above: list[Expr] = []
    below: list[Expr] = []
    for base, exponent in sorted(factors, key=lambda f: _is_derivative(f[0])):
        if isinstance(base.head, Exponential):
            inner = _template(base.head.of, _named(base.args, bound))
            above.append(Exp(inner if exponent == 1 else Mul((Num(Fraction(exponent)), inner))))
            continue
        power = Fraction(exponent)
        written = _power(_atom(base, bound, names), abs(power))
        (above if exponent > 0 else below).append(written)
    if not below:
        return above
    over: Expr = (
        Num(Fraction(1)) if not above else (above[0] if len(above) == 1 else Mul(tuple(above)))
    )
    return [Div(over, below[0] if len(below) == 1 else Mul(tuple(below)))]


def _power(written: Expr, exponent: Fraction) -> Expr:
    """Return a power; of what is no exponential, the exponent is whole or the base positive."""
    if exponent.denominator != 1:
        return Exp(Mul((Num(exponent), Log(written))))
    return written if exponent == 1 else Pow(written, int(exponent))


def _is_derivative(base: Atom) -> bool:
    return isinstance(base.head, Symbol) and bool(base.head.by)


def _named(args: tuple[Index, ...], bound: dict[Index, str]) -> tuple[str, ...]:
    return tuple(bound.get(index, str(index)) for index in args)


def _template(template: Product, args: tuple[str, ...]) -> Expr:
    return formula(filled(template, args))


def _atom(base: Atom, bound: dict[Index, str], names: Iterator[str]) -> Expr:
    args = _named(base.args, bound)
    match base.head:
        case Symbol() if base == SIZE:
            return Size()
        case Symbol(name, by):
            return _symbol(name, by, args)
        case Exponential(of):
            return Exp(_template(of, args))
        case Normaliser(of):
            return _sum(filled_sum(of, args), {}, names)
        case Reciprocal(of):
            return Div(Num(Fraction(1)), _sum(filled_sum(of, args), {}, names))
        case Logarithm(int(prime)):
            return Log(Num(Fraction(prime)))
        case Logarithm(Component() as component):
            return Log(_sum(filled_sum(component, args), {}, names))
        case Logarithm(Symbol() | Exponential() | Normaliser() as head):
            return Log(_atom(Atom(head, args), {}, names))
    raise TypeError(base)


def _symbol(name: str, by: tuple[tuple[str, int], ...], args: tuple[str, ...]) -> Expr:
    place = len(args) - sum(size for _, size in by)
    tree: Expr = Sym(name, args[:place])
    for variable, size in by:
        tree = Diff(tree, Sym(variable, args[place : place + size]))
        place += size
    return tree
