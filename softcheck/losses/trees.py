"""Trees that stay tidy: sums and products in one level, numbers in front, and names to print."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import count
from string import ascii_lowercase

from softcheck.derive.expr import (
    MINUS_ONE,
    ONE,
    ZERO,
    Add,
    Delta,
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
    children,
    free_indices,
    rebuilt,
    symbols,
    walk,
)

_fresh = count()


def fresh() -> str:
    """Return the name of an action that nothing else uses."""
    return f"‡{next(_fresh)}"


def letters(taken: Collection[str]) -> Iterator[str]:
    """Yield names of actions, as people write them, that are not taken."""
    names = (letter + "'" * primes for primes in count() for letter in ascii_lowercase)
    return (name for name in names if name not in taken)


# Tidy nodes


def total(terms: Iterable[Expr]) -> Expr:
    """Return a sum: like terms in one, none that is 0."""
    counts: dict[Expr, Fraction] = {}
    shown: dict[Expr, Expr] = {}
    for term in (part for each in terms for part in summands(each)):
        number, rest = _number_and_rest(term)
        key = lettered(rest)
        counts[key] = counts.get(key, Fraction(0)) + number
        shown.setdefault(key, rest)
    flat = [product((Num(number), shown[key])) for key, number in counts.items() if number]
    return Add(tuple(flat)) if len(flat) > 1 else (flat[0] if flat else ZERO)


def _number_and_rest(x: Expr) -> tuple[Fraction, Expr]:
    if isinstance(x, Num):
        return x.value, ONE
    first, *rest = factors_of(x) or (ONE,)
    return (first.value, product(rest)) if isinstance(first, Num) else (Fraction(1), x)


def summands(x: Expr) -> tuple[Expr, ...]:
    """Return the terms of a sum; another formula is one term."""
    return tuple(t for term in x.terms for t in summands(term)) if isinstance(x, Add) else (x,)


def product(factors: Iterable[Expr]) -> Expr:
    """Return a product: its number in front, if that is not 1."""
    number = Fraction(1)
    rest: list[Expr] = []
    for factor in factors:
        for part in factors_of(factor):
            if isinstance(part, Num):
                number *= part.value
            else:
                rest.append(part)
    if not number:
        return ZERO
    rest = _cancelled(rest)
    if not rest:
        return Num(number)
    if number != 1:
        rest.insert(0, Num(number))
    return Mul(tuple(rest)) if len(rest) > 1 else rest[0]


def _cancelled(factors: list[Expr]) -> list[Expr]:
    """Return factors without those that a quotient among them divides by."""
    for place, factor in enumerate(factors):
        if isinstance(factor, Div):
            below = factors_of(factor.under)
            for other in factors:
                if other in below:
                    rest = list(factors[:place] + factors[place + 1 :])
                    rest.remove(other)
                    kept = list(below)
                    kept.remove(other)
                    return _cancelled([*rest, *factors_of(quotient(factor.over, product(kept)))])
    return factors


def factors_of(x: Expr) -> tuple[Expr, ...]:
    """Return the factors of a product; another formula is one factor, and 1 is none."""
    if not isinstance(x, Mul):
        return () if isinstance(x, Num) and x.value == 1 else (x,)
    if any(isinstance(factor, (Mul, Num)) for factor in x.factors):
        return tuple(part for factor in x.factors for part in factors_of(factor))
    return x.factors


def quotient(over: Expr, under: Expr) -> Expr:
    """Return a quotient, without factors that are above and below."""
    if over == ZERO or under == ONE:
        return over
    if isinstance(over, Num) and isinstance(under, Num) and under.value:
        return Num(over.value / under.value)
    above, below = list(factors_of(over)), list(factors_of(under))
    for factor in [*above]:
        if factor in below:
            above.remove(factor)
            below.remove(factor)
    over, under = product(above), product(below)
    number, rest = _number_and_rest(over)
    if number < 0:
        return product((MINUS_ONE, quotient(product((Num(-number), rest)), under)))
    return over if under == ONE else Div(over, under)


def power(base: Expr, exponent: int) -> Expr:
    """Return a power with a whole exponent."""
    if exponent == 0:
        return ONE
    if exponent == 1:
        return base
    return (
        Num(base.value**exponent) if isinstance(base, Num) and base.value else Pow(base, exponent)
    )


def negated(x: Expr) -> Expr:
    """Return -x, of a sum term by term."""
    return total(product((MINUS_ONE, term)) for term in summands(x))


def less(x: Expr, y: Expr) -> Expr:
    """Return x - y."""
    return total((x, negated(y)))


def summed(index: str, body: Expr, skip: tuple[str, ...] = ()) -> Expr:
    """Return a sum over actions: what does not depend on the action stands before it.

    An indicator of the action picks one term.
    """
    factors = factors_of(body)
    outside = [factor for factor in factors if index not in free_indices(factor)]
    inside = [factor for factor in factors if index in free_indices(factor)]
    if not inside and len(skip) < 2:
        return product((*outside, Size() if not skip else less(Size(), ONE)))
    if not skip:
        for place, factor in enumerate(inside):
            other = _other(factor, index)
            if other is not None:
                rest = product((*inside[:place], *inside[place + 1 :]))
                return product((*outside, at(rest, {index: other})))
        if len(inside) == 1 and isinstance(inside[0], Add):
            terms = inside[0].terms
            if any(_other(f, index) is not None for term in terms for f in factors_of(term)):
                return product((*outside, total(summed(index, term) for term in terms)))
    return product((*outside, Sum(index, product(inside), skip)))


def _other(x: Expr, index: str) -> str | None:
    """Return the action that an indicator says is the same as `index`."""
    if not isinstance(x, Delta) or index not in (x.left, x.right):
        return None
    return x.right if x.left == index else x.left


def at(x: Expr, to: Mapping[str, str]) -> Expr:
    """Return a formula whose free actions have other names, none of which it binds."""
    match x:
        case Sym(name, args):
            return Sym(name, tuple(to.get(index, index) for index in args))
        case Delta(left, right):
            left, right = to.get(left, left), to.get(right, right)
            return ONE if left == right else Delta(left, right)
        case Sum(index, body, skip):
            inner = {old: new for old, new in to.items() if old != index}
            return Sum(index, at(body, inner), tuple(to.get(i, i) for i in skip))
        case Mul(factors):
            return product(at(factor, to) for factor in factors)
        case _:
            return rebuilt(x, lambda part: at(part, to))


def tidy(x: Expr) -> Expr:
    """Return a formula with all of its nodes tidy."""
    match x:
        case Add(terms):
            return total(map(tidy, terms))
        case Mul(factors):
            return product(map(tidy, factors))
        case Div(over, under):
            return quotient(tidy(over), tidy(under))
        case Pow(base, exponent):
            return power(tidy(base), exponent)
        case Sum(index, body, skip):
            return summed(index, tidy(body), skip)
        case Delta(left, right) if left == right:
            return ONE
        case _:
            return rebuilt(x, tidy)


def negative(x: Expr) -> bool:
    """Tell whether all terms of a formula start with a minus sign."""
    return all(
        isinstance(first, Num) and first.value < 0
        for term in summands(x)
        for first in (factors_of(term) or (ONE,))[:1]
    )


def shared(terms: Iterable[Expr], index: str) -> tuple[Expr, Expr]:
    """Return the factors without an action that all terms share, and the sum of what is left."""
    split = [list(factors_of(term)) for term in terms]
    if all(negative(product(factors)) for factors in split):
        split = [[MINUS_ONE, *factors_of(negated(product(factors)))] for factors in split]
    common: list[Expr] = []
    for factor in [*split[0]]:
        everywhere = all(factor in factors for factors in split)
        if everywhere and index not in free_indices(factor):
            common.append(factor)
            for factors in split:
                factors.remove(factor)
    return product(common), total(product(factors) for factors in split)


def collected(x: Expr, names: Sequence[str]) -> Expr:
    """Return a formula in whose sums some factors stand once, the first of them outermost."""
    x = rebuilt(x, lambda part: collected(part, names))
    if not isinstance(x, Add):
        return x
    shown = [f for term in x.terms for f in factors_of(term) if isinstance(f, Sym)]
    for place, name in enumerate(names):
        factor = next((each for each in shown if each.name == name), None)
        if factor is None:
            continue
        held = [term for term in x.terms if factor in factors_of(term)]
        rest = total(term for term in x.terms if factor not in factors_of(term))
        inner = total(_less_factor(term, factor) for term in held)
        rest, inner = (collected(part, names[place:]) for part in (rest, inner))
        terms = summands(total((rest, product((factor, inner)))))
        return product(shared(terms, "") if terms != (ZERO,) else terms)
    return x


def _less_factor(x: Expr, factor: Expr) -> Expr:
    rest = list(factors_of(x))
    rest.remove(factor)
    return product(rest)


# What a formula is about


def in_order(x: Expr) -> Iterator[Expr]:
    """Yield a tree and all trees in it as they are read, from left to right."""
    yield x
    for part in children(x):
        yield from in_order(part)


def depends(x: Expr, names: frozenset[str]) -> bool:
    """Tell whether a formula holds one of some quantities."""
    return not names.isdisjoint(symbols(x))


def is_logsumexp(x: Expr, logits: str) -> bool:
    """Tell whether a formula is the logarithm of the sum of exponentials of the logits."""
    match x:
        case Log(Sum(index, Exp(Sym(name, (at,))), ())):
            return name == logits and at == index
    return False


def exponential_sum(x: Expr) -> tuple[str, Expr] | None:
    """Return action and exponent of a logarithm of a sum of exponentials."""
    match x:
        case Log(Sum(index, Exp(of), ())) if index in free_indices(of):
            return index, of
    return None


def with_parts(x: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Return a formula in which `change` replaces whatever it returns something for."""
    found = change(x)
    return rebuilt(x, lambda part: with_parts(part, change)) if found is None else found


def lettered(x: Expr, taken: Iterable[str] = ()) -> Expr:
    """Return a formula whose sums bind letters, from `a` on, that it does not use otherwise."""
    if not any(isinstance(part, Sum) for part in walk(x)):
        return x
    found: list[str] = []
    more = letters({*free_indices(x), *taken})

    def named(x: Expr, env: Mapping[str, str], depth: int) -> Expr:
        match x:
            case Sum(index, body, skip):
                while len(found) <= depth:
                    found.append(next(more))
                letter = found[depth]
                inner = named(body, {**env, index: letter}, depth + 1)
                return Sum(letter, inner, tuple(env.get(i, i) for i in skip))
            case Sym(name, args):
                return Sym(name, tuple(env.get(index, index) for index in args))
            case Delta(left, right):
                return Delta(env.get(left, left), env.get(right, right))
            case _:
                return rebuilt(x, lambda part: named(part, env, depth))

    return named(x, {}, 0)
