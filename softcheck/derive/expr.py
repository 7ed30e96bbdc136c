"""What a formula says, as a tree. An index is a name, and a sum binds the one it introduces.

Nothing here is computed. Whoever walks a tree carries a mapping from index names to what they
stand for, so that a definition can be used under any binder without a name being captured.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Num:
    """A rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Size:
    """The number of actions, n."""


@dataclass(frozen=True, slots=True)
class Sym:
    """A quantity, at the actions it depends on: `pi(a)`, `V`."""

    name: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The indicator of `left == right`."""

    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Add:
    """A sum of the terms that are written out."""

    terms: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Mul:
    """A product."""

    factors: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Div:
    """A quotient."""

    over: "Expr"
    under: "Expr"


@dataclass(frozen=True, slots=True)
class Pow:
    """A power with a whole exponent."""

    base: "Expr"
    exponent: int


@dataclass(frozen=True, slots=True)
class Exp:
    """The exponential."""

    of: "Expr"


@dataclass(frozen=True, slots=True)
class Log:
    """The natural logarithm."""

    of: "Expr"


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum over all actions `index`, those in `skip` left out."""

    index: str
    body: "Expr"
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """The smaller or the larger of two, or the indicator that the first is it.

    No rule of `derive` decides it. A loss is read in each case: see `softcheck.losses.cases`.
    """

    how: Literal["min", "max", "≤", "≥"]
    left: "Expr"
    right: "Expr"


class Abbreviation:
    """A node that only stands for others, its `meaning`: whoever computes, computes that."""

    __slots__ = ()
    meaning: "Expr"


@dataclass(frozen=True, slots=True)
class Expect(Abbreviation):
    """The expectation over `index`, drawn from the distribution named `under`."""

    index: str
    under: str
    body: "Expr"
    meaning: "Expr" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        drawn = Mul((Sym(self.under, (self.index,)), self.body))
        object.__setattr__(self, "meaning", Sum(self.index, drawn))


@dataclass(frozen=True, slots=True)
class Diff:
    """The partial derivative by a variable."""

    body: "Expr"
    by: Sym


Expr: TypeAlias = (
    Num | Size | Sym | Delta | Add | Mul | Div | Pow | Exp | Log | Sum | Compare | Expect | Diff
)

ZERO = Num(Fraction(0))
ONE = Num(Fraction(1))
MINUS_ONE = Num(Fraction(-1))


@dataclass(frozen=True, slots=True)
class Condition:
    """What a claim assumes: two actions equal (or not), or a scalar that is positive.

    Attributes
    ----------
    relation : str
        "=", "≠" between the actions `left` and `right`, or ">" for the scalar `left` > 0.
    """

    left: str
    relation: str
    right: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A symbol, the actions it depends on, and what it stands for."""

    name: str
    params: tuple[str, ...]
    body: Expr = field(repr=False)


def negative(x: Expr) -> Expr:
    """Return -x."""
    return Mul((MINUS_ONE, *x.factors)) if isinstance(x, Mul) else Mul((MINUS_ONE, x))


def minus(x: Expr, y: Expr) -> Expr:
    """Return x - y."""
    return Add((x, negative(y)))


def children(x: Expr) -> tuple[Expr, ...]:
    """Return the parts of a tree that are trees."""
    match x:
        case Add(terms):
            return terms
        case Mul(factors):
            return factors
        case Div(over, under):
            return over, under
        case Pow(base):
            return (base,)
        case Exp(of) | Log(of):
            return (of,)
        case Sum(_, body) | Expect(_, _, body):
            return (body,)
        case Compare(_, left, right):
            return left, right
        case Diff(body, by):
            return body, by
        case Num() | Size() | Sym() | Delta():
            return ()
        case _:
            assert_never(x)


def rebuilt(x: Expr, change: Callable[[Expr], Expr]) -> Expr:  # noqa: C901  one case a node
    """Return a tree with its parts changed; what a derivative goes by stays as it is."""
    match x:
        case Add(terms):
            return Add(tuple(map(change, terms)))
        case Mul(factors):
            return Mul(tuple(map(change, factors)))
        case Div(over, under):
            return Div(change(over), change(under))
        case Pow(base, exponent):
            return Pow(change(base), exponent)
        case Exp(of):
            return Exp(change(of))
        case Log(of):
            return Log(change(of))
        case Sum(index, body, skip):
            return Sum(index, change(body), skip)
        case Compare(how, left, right):
            return Compare(how, change(left), change(right))
        case Expect(index, policy, body):
            return Expect(index, policy, change(body))
        case Diff(body, by):
            return Diff(change(body), by)
        case Num() | Size() | Sym() | Delta():
            return x
        case _:
            assert_never(x)


def walk(x: Expr) -> Iterator[Expr]:
    """Yield a tree and all trees in it."""
    pending = [x]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


def quantities(x: Expr) -> Iterator[Sym]:
    """Yield the quantities in a tree, and those that an abbreviation in it stands for."""
    pending = [x]
    while pending:
        node = pending.pop()
        if isinstance(node, Sym):
            yield node
        pending.extend((node.meaning,) if isinstance(node, Abbreviation) else children(node))


def symbols(x: Expr) -> set[str]:
    """Return the names of the quantities in a tree, distributions of expectations included."""
    return {quantity.name for quantity in quantities(x)}


def actions(x: Expr) -> set[str]:
    """Return all actions that a tree speaks of, bound or not."""
    found: set[str] = set()
    for node in walk(x):
        match node:
            case Sym(_, args):
                found |= {*args}
            case Delta(left, right):
                found |= {left, right}
            case Sum(index, _, skip):
                found |= {index, *skip}
            case Expect(index):
                found.add(index)
    return found


def free_indices(x: Expr) -> set[str]:
    """Return the actions that a tree speaks of without binding them."""
    match x:
        case Sym(_, args):
            return set(args)
        case Delta(left, right):
            return {left, right}
        case Sum(index, body, skip):
            return (free_indices(body) | set(skip)) - {index}
        case Expect(index, _, body):
            return free_indices(body) - {index}
        case Num() | Size() | Add() | Mul() | Div() | Pow() | Exp() | Log() | Compare() | Diff():
            return set().union(*map(free_indices, children(x)))
        case _:
            assert_never(x)
