"""What is proved, what that may use, and what it takes for granted."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Literal, NamedTuple

from softcheck.derive.expr import Condition, Definition, Diff, Expr, Log, Mul, Sym
from softcheck.derive.kernel.seal import SEAL, Seal, require
from softcheck.derive.kernel.terms import Product


class Assumption(NamedTuple):
    """What a formula takes for granted where it stands: that a term is not 0, or that it is > 0."""

    of: Product
    relation: Literal["≠", ">"]


@dataclass(frozen=True)
class Proved:
    """The theorem `left = right` for every n; only `NormalForm.proved` makes one.

    Attributes
    ----------
    left, right : Expr
    conditions : tuple of Condition
        The actions for which it holds.
    assumes : tuple of Assumption
        Where it holds: what it divides by is not 0, what it takes the logarithm of is > 0.
    """

    left: Expr
    right: Expr
    conditions: tuple[Condition, ...]
    assumes: tuple[Assumption, ...]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        require(seal)


@dataclass(frozen=True)
class Lemma:
    """A derivative that was proved: `d left / d by = right`, at actions that may be any.

    Only `lemma` makes one.

    Attributes
    ----------
    left, by : Sym
        All their actions are different names.
    right : Expr
    name : str
        For the report.
    assumes : tuple of Assumption
        Where it holds: whatever uses it takes the same for granted.
    """

    left: Sym
    by: Sym
    right: Expr
    name: str
    assumes: tuple[Assumption, ...]
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        require(seal)


@dataclass(frozen=True)
class Facts:
    """What a step may use.

    Attributes
    ----------
    definitions : mapping of name to Definition
        Those that are unfolded; any other symbol is a function of which nothing is known.
    lemmas : tuple of Lemma
    ones : set of str
        Symbols that add up to 1 over the actions.
    constants : set of str
        Symbols that depend on nothing: their derivative by anything else is zero.
    positive : set of str
    """

    definitions: Mapping[str, Definition]
    lemmas: tuple[Lemma, ...]
    ones: frozenset[str]
    constants: frozenset[str]
    positive: frozenset[str]


def lemma(proved: Proved, name: str) -> Lemma | None:
    """Return what a theorem says of a derivative at any actions, if that is what it is about."""
    derivative, right = proved.left, proved.right
    if proved.conditions or not isinstance(derivative, Diff):
        return None
    body, by = derivative.body, derivative.by
    if isinstance(body, Log):
        # d log f = d f / f for whatever f there is.
        right = Mul((body.of, right))
        body = body.of
    if not isinstance(body, Sym):
        return None
    actions = (*body.args, *by.args)
    if len(set(actions)) < len(actions) or any(action.isdigit() for action in actions):
        return None
    return Lemma(body, by, right, name, proved.assumes, SEAL)
