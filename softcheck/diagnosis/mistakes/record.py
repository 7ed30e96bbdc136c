"""What a mistake is: one record, by which it is explained, recognised, shown and planted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import Shared, View
    from softcheck.gradient.definition import Term, Wrong
    from softcheck.gradient.policy import Entries, Quantity

EQ_6 = "dL/dtheta = -p (g - V), g = Q - alpha log p, V = sum p g"

Planter: TypeAlias = "Callable[[View, np.random.Generator], Entries]"
"""From right data, and a source of chance, to the wrong gradient."""


@dataclass(frozen=True)
class Need:
    """What data must have to show a mistake.

    Attributes
    ----------
    words : str
        What `softcheck selftest` says where they do not have it.
    met : callable
        Whether they have it. A scale or a ratio tells by itself: it is left out where it is 1.
    """

    words: str
    met: Callable[[View], bool] = lambda _view: True


ANY_DATA = Need("nothing in this data differs by it")


class Read(NamedTuple):
    """What a formula takes from the gradient that it is to explain: that much proves nothing.

    Attributes
    ----------
    numbers : int
        How many numbers of each state.
    bits : callable
        How many bits besides: of n choices log2(n), of a number its digits.
    """

    numbers: int = 0
    bits: Callable[[View], float] = lambda _view: 0.0


NOTHING = Read()


@dataclass(frozen=True)
class Formula:
    """A formula that a mistake may follow.

    Attributes
    ----------
    columns : callable
        From a view to the parts of the gradient, so that a scale, or a temperature, that is wrong
        too can be told at once.
    variant : str
        What the message says beside the code, such as the size of an epsilon.
    applies : callable or None
        Whether the gradient can be of this formula; None: where the mistake's need is met.
    cost : float
        How much has to be assumed; see `hypothesis.NAMED`.
    read : Read
    code : str
        That of the mistake, which `mistakes.formulas` puts in; empty for the right formula.
    said : str
        What was done, where that is more than the phrase of the mistake.
    wrong : Wrong or None
        What the loss has for it, if it is made from the loss.
    terms : sequence of Term
        Those of the loss whose factors are its last numbers.
    is_zero : bool
        Whether nothing but the rounding of its parts is left.
    in_order : bool
        Whether it goes by where actions stand: else entries may stand for several of them.
    """

    columns: Callable[[View], Columns]
    variant: str = ""
    applies: Callable[[View], bool] | None = None
    cost: float = 1.0
    read: Read = NOTHING
    code: str = ""
    said: str = ""
    wrong: Wrong | None = None
    terms: Sequence[Term] = ()
    is_zero: bool = False
    in_order: bool = False

    def sees(self, view: View) -> View:
        """Return some states as it can take them."""
        return view.entire if self.in_order else view

    def gradient(self, view: View) -> Entries:
        """Return the gradient that is left, at the numbers that were declared."""
        columns = self.columns(view)
        return (0.0 if self.is_zero else 1.0) * columns.value(columns.declared)


class Shown(NamedTuple):
    """A quantity on the way to the gradient, and what the mistake makes of it."""

    quantity: str
    value: Callable[[View], Quantity]


@dataclass(frozen=True)
class Planted:
    """How `softcheck selftest` plants a mistake.

    Attributes
    ----------
    by : Planter or None
        None: by its scale or ratio, or its first formula that applies.
    in_parts : bool
        Whether some states can have it and the others not.
    not_in : sequence of str
        Types of numbers in which it is none.
    """

    by: Planter | None = None
    in_parts: bool = True
    not_in: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """All that is known of one mistake.

    The sieve needs of it `scale`, `ratio` and `flips`, which make the named points of the family
    G = x (-J(Q)) + y J(log pi), or `formulas` for what is outside of it.

    Attributes
    ----------
    code : str
    phrase : str
        In a report, before "this reproduces your gradient".
    what : str
        What happened, for its author.
    wrong, right : str
        The gradient that is left, and the one that is due, in the letters of `explain.LETTERS`.
    wrong_line, right_line : str
        Typical PyTorch, with log_pi of shape [B, A].
    seen : str
        Public code and threads, repository#number; empty where there are none.
    declare : mapping of str to str
        Settings under which the gradient that is left is the right one, by name. No setting stands
        for a variant.
    needs : Need
    scale : callable or None
        The values of x that it leads to, in units of what was declared.
    ratio : callable or None
        Those of y / x, from what is shared and the unit roundoff of the gradient. A mistake with a
        scale and a ratio has both at once.
    flips : "scale", "ratio" or None
        Which number it turns around, beside what other mistakes do to it.
    formulas : sequence of Formula, or a callable that makes them from a view
    whole : bool
        Whether its formulas are told from the whole table at once.
    every_loss : bool
        Whether it is one of any loss: what is wrong is made of the right gradient alone.
    shows : sequence of Shown
        Whatever the data need for the gradient to show it.
    planted : Planted or None
        None for what is no mistake and only says where to look.
    """

    code: str
    phrase: str
    what: str
    wrong: str
    wrong_line: str
    right_line: str
    right: str = EQ_6
    seen: str = ""
    declare: Mapping[str, str] = field(default_factory=dict)
    needs: Need = ANY_DATA
    scale: Callable[[Shared], Iterable[float]] | None = None
    ratio: Callable[[Shared, float], Iterable[float]] | None = None
    flips: Literal["scale", "ratio"] | None = None
    formulas: Sequence[Formula] | Callable[[View], Iterable[Formula]] = ()
    whole: bool = False
    every_loss: bool = False
    shows: Sequence[Shown] = ()
    planted: Planted | None = Planted()
