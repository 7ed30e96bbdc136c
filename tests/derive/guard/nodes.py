"""Formulas of the guard, which shares no code with what it guards.

An index is a number: a bound one is bound once in a whole statement, so nothing is ever captured.
"""

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from itertools import count


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Count:
    """How many actions there are."""


@dataclass(frozen=True, slots=True)
class Scalar:
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the logits, `theta`, or of a vector that does not depend on them."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Chance:
    """Of an action: `pi`, softmax of `theta`, or `mu`, softmax of the constants `u`."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Delta:
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Add:
    terms: tuple


@dataclass(frozen=True, slots=True)
class Mul:
    factors: tuple


@dataclass(frozen=True, slots=True)
class Power:
    base: object
    exponent: int


@dataclass(frozen=True, slots=True)
class Quotient:
    top: object
    bottom: object


@dataclass(frozen=True, slots=True)
class Log:
    body: object


@dataclass(frozen=True, slots=True)
class Exp:
    body: object


@dataclass(frozen=True, slots=True)
class Sum:
    """Over all actions but `skip`."""

    index: int
    body: object
    skip: int | None = None


@dataclass(frozen=True, slots=True)
class Mean:
    """Of an action drawn from `pi`."""

    index: int
    body: object


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative by `theta` at an index."""

    index: int
    body: object


@dataclass(frozen=True, slots=True)
class Entropy:
    """Of `pi`."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Of `pi` from `mu`."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a document abbreviates, one of `MEANINGS`."""

    name: str
    index: int | None = None


ZERO, ONE, TWO, N = Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(2)), Count()
ALPHA = Scalar("alpha")
_fresh = count(100)


def fresh():
    """Return an index that occurs nowhere."""
    return next(_fresh)


def add(*terms):
    """Return a sum without zeros and without sums in it."""
    flat = [part for each in terms for part in (each.terms if isinstance(each, Add) else (each,))]
    constant = sum((each.value for each in flat if isinstance(each, Number)), Fraction(0))
    kept = [each for each in flat if not isinstance(each, Number)]
    kept += [Number(constant)] if constant or not kept else []
    return kept[0] if len(kept) == 1 else Add(tuple(kept))


def mul(*factors):
    """Return a product with one number at most, in front."""
    flat = [
        part for each in factors for part in (each.factors if isinstance(each, Mul) else (each,))
    ]
    constant = Fraction(1)
    for each in flat:
        constant *= each.value if isinstance(each, Number) else 1
    kept = [each for each in flat if not isinstance(each, Number)]
    if constant == 0 or not kept:
        return Number(constant)
    kept = kept if constant == 1 else [Number(constant), *kept]
    return kept[0] if len(kept) == 1 else Mul(tuple(kept))


def neg(body):
    return mul(Number(Fraction(-1)), body)


def minus(left, right):
    return add(left, neg(right))


def children(node):
    """Return the formulas directly inside of one."""
    match node:
        case Add(parts) | Mul(parts):
            return parts
        case Power(body) | Log(body) | Exp(body):
            return (body,)
        case Quotient(top, bottom):
            return (top, bottom)
        case Sum() | Mean() | Slope():
            return (node.body,)
        case _:
            return ()


def with_children(node, parts):
    """Return a formula with other formulas inside, tidied."""
    match node:
        case Add():
            return add(*parts)
        case Mul():
            return mul(*parts)
        case Quotient():
            return Quotient(*parts)
        case Power():
            return Power(parts[0], node.exponent)
        case Log() | Exp():
            return type(node)(parts[0])
        case _:
            return dataclasses.replace(node, body=parts[0])


def places(node, path=()):
    """Yield the way to every formula in one, and that formula."""
    yield path, node
    for number, child in enumerate(children(node)):
        yield from places(child, (*path, number))


def put(node, path, new):
    """Return a formula with another one at a place of it."""
    if not path:
        return new
    parts = list(children(node))
    parts[path[0]] = put(parts[path[0]], path[1:], new)
    return with_children(node, parts)


def size(node):
    return 1 + sum(map(size, children(node)))


def own_indices(node):
    """Return the indices that a formula itself mentions, bound ones aside."""
    match node:
        case Entry() | Chance() | Slope():
            return {node.index}
        case Named() if node.index is not None:
            return {node.index}
        case Delta(left, right):
            return {left, right}
        case Sum(skip=skip) if skip is not None:
            return {skip}
        case _:
            return set()


def free(node):
    """Return the free indices of a formula."""
    inside = set().union(*map(free, children(node))) if children(node) else set()
    if isinstance(node, Sum | Mean):
        inside.discard(node.index)
    return inside | own_indices(node)


def renamed(node, old, new):
    """Return a formula with a free index renamed."""
    changes = {
        name: new
        for name in ("index", "left", "right", "skip")
        if getattr(node, name, None) == old
        and not (name == "index" and isinstance(node, Sum | Mean))
    }
    node = dataclasses.replace(node, **changes) if changes else node
    parts = children(node)
    return with_children(node, [renamed(each, old, new) for each in parts]) if parts else node


def copied(node):
    """Return a formula with bound indices of its own."""
    parts = children(node)
    node = with_children(node, [copied(each) for each in parts]) if parts else node
    if isinstance(node, Sum | Mean):
        index = fresh()
        node = dataclasses.replace(node, index=index, body=renamed(node.body, node.index, index))
    return node


def mentions(node, kinds):
    return any(isinstance(each, kinds) for _, each in places(node))


def _meanings():
    """Return each abbreviation as a function of its index."""

    def log(index):
        return Log(Chance("pi", index))

    def weighted(of):
        index = fresh()
        return Sum(index, mul(Chance("pi", index), of(index)))

    def soft(index):
        return minus(Entry("Q", index), mul(ALPHA, log(index)))

    def logits():
        index = fresh()
        return Sum(index, Exp(Entry("theta", index)))

    return {
        "Z": lambda _: logits(),
        "V": lambda _: weighted(lambda index: Entry("Q", index)),
        "A": lambda index: minus(Entry("Q", index), Named("V")),
        "g": soft,
        "W": lambda _: weighted(lambda index: Named("g", index)),
        "L": lambda _: neg(weighted(lambda index: Named("g", index))),
        "J": lambda _: add(Named("V"), mul(ALPHA, Entropy())),
        "rho": lambda index: Quotient(Chance("pi", index), Chance("mu", index)),
    }


MEANINGS = _meanings()
INDEXED = ("A", "g", "rho")


def meaning(node):
    """Return what an abbreviation stands for."""
    return MEANINGS[node.name](node.index)
