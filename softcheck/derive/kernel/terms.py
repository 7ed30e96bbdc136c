"""What a normal form is made of: products of atoms at actions, and sums over actions of such.

A term is a product of atoms at free actions, of indicators of free actions, and of closed sums
over all actions of such products. It has one way to be written, in the order that is fixed here.

An index is a name, which is free; or a whole number: from 0 on one that a sum will close over,
below 0 one that a sum inside of a term has closed.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import NamedTuple, TypeAlias, Union

Index: TypeAlias = str | int
Exponent: TypeAlias = int | Fraction


class OutsideError(Exception):
    """A formula has no normal form here; the message says which part of it."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A quantity, or a derivative of it by variables of which each takes some indices.

    The indices of an atom are those of the quantity and then those of the variables.
    """

    name: str
    by: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Exponential:
    """exp of a term, whose free indices are slots. Positive."""

    of: "Product"


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The sum over one action of a product of exponentials. Positive."""

    of: "Component"


@dataclass(frozen=True, slots=True)
class Logarithm:
    """log of a prime number, of an atom or of a sum that is positive."""

    of: Union[int, "Head", "Component"]


@dataclass(frozen=True, slots=True)
class Reciprocal:
    """One over a sum that is not zero."""

    of: "Component"


Head: TypeAlias = Symbol | Exponential | Normaliser | Logarithm | Reciprocal


class Atom(NamedTuple):
    """A head at its indices."""

    head: Head
    args: tuple[Index, ...]


Factors: TypeAlias = tuple[tuple[Atom, Exponent], ...]


class Component(NamedTuple):
    """The sum over `size` actions, the indices -1 to -size, of a product that links them."""

    size: int
    factors: Factors


class Product(NamedTuple):
    """A term without its coefficient.

    Attributes
    ----------
    factors : tuple of (Atom, exponent)
        At free indices, sorted.
    sums : tuple of Component
        Sorted; one that occurs twice is squared.
    classes : tuple of tuple of Index
        The free indices that an indicator says are equal; factors use the first of each class.
    """

    factors: Factors = ()
    sums: tuple[Component, ...] = ()
    classes: tuple[tuple[Index, ...], ...] = ()


EMPTY = Product()
"""The product of nothing, 1."""

SIZE = Atom(Symbol("#"), ())
"""The number of actions, under a name that no quantity has."""

# The order of what a product is made of


@cache
def _head_key(head: object) -> str:
    return repr(head)


def index_key(index: Index) -> tuple[int, int, str]:
    """Order numbers before names, and numbers that are closed before those that are open."""
    return (0, index, "") if isinstance(index, int) else (1, 0, index)


def class_key(index: Index) -> tuple[bool, bool, str]:
    """Order the members of a class: actions given by number first, open indices last."""
    return isinstance(index, int), not str(index).isdigit(), str(index)


def factor_key(factor: tuple[Atom, Exponent]) -> tuple[object, ...]:
    """Order factors by what they are, then by their exponents and their actions."""
    (head, args), exponent = factor
    return _head_key(head), exponent, tuple(map(index_key, args))


def sum_key(component: Component) -> tuple[object, ...]:
    """Order sums by how many actions they run over, then by their factors."""
    return component.size, tuple(map(factor_key, component.factors))
