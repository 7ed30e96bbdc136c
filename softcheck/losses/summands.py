"""The terms of a loss, each by itself: what a dumped gradient is fitted to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from softcheck.derive.expr import ONE, ZERO, Expr, Sym
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.spell import unicode
from softcheck.gradient.definition import Coefficients, Program, Summand
from softcheck.losses.cases import regrouped
from softcheck.losses.family import ACTION, Parts, read
from softcheck.losses.places import places
from softcheck.losses.programs import compiled
from softcheck.losses.settling import Policy, settled
from softcheck.losses.slopes import gradient
from softcheck.losses.trees import in_order, lettered, product, tidy, total, with_parts


class _Term(NamedTuple):
    """A term, settled, and its gradient."""

    alone: Expr
    value: Expr
    slope: Expr


@dataclass(frozen=True)
class Terms:
    """What the terms of a loss are made with.

    Attributes
    ----------
    policy : Policy
    action : str
        That of the logit.
    numbers : sequence of str
        The symbols of the arrays of one number.
    equal : callable
        Whether the kernel proves that two settled formulas are equal.
    """

    policy: Policy
    action: str
    numbers: Sequence[str]
    equal: Callable[[Expr, Expr], bool]

    def of(
        self, loss: Expr, slope: Expr, names: Mapping[str, str], *, in_family: bool
    ) -> tuple[Summand, ...]:
        """Return the terms of a loss; none where it has one alone, or they are not proved to be it.

        Parameters
        ----------
        loss : Expr
            With every action bound once.
        slope : Expr
            Its gradient, settled.
        names : mapping of symbol to name
            Of the arrays.
        in_family : bool
            Whether the loss is one of the family. What is one only together is one term then.
        """
        outer = (at for at in places(loss, self.policy) if at.is_term and at.depth == 1)
        found = [self._term(place.alone) for place in outer]
        found = [term for term in found if not self.equal(term.slope, ZERO)]
        made: list[tuple[_Term, Coefficients | Program]] = []
        left: list[Expr] = []
        for term in found:
            part = self._part(term, names, in_family=in_family)
            if part is None:
                left.append(term.alone)
            else:
                made.append((term, part))
        if left:
            rest = self._term(total(left))
            part = self._part(rest, names, in_family=in_family)
            if part is None:
                return ()
            made.append((rest, part))
        if len(made) < 2 or not self.equal(total(term.slope for term, _ in made), slope):
            return ()
        return tuple(
            Summand(
                unicode(lettered(regrouped(term.alone))),
                tuple(names[symbol] for symbol in self._weights(term)),
                part,
            )
            for term, part in made
        )

    def _term(self, alone: Expr) -> _Term:
        value = settled(self.policy.divided(alone), self.policy)
        return _Term(alone, value, self._slope(value))

    def _slope(self, value: Expr) -> Expr:
        slope = gradient(value, self.policy, self.action, lambda x: self.equal(x, ONE))
        return settled(slope, self.policy)

    def _part(
        self, term: _Term, names: Mapping[str, str], *, in_family: bool
    ) -> Coefficients | Program | None:
        try:
            if not in_family:
                return compiled(term.slope, self.policy, names, self.action)
            found = read(term.value, term.slope, self.policy, self.action, self.equal)
            if found is None:
                return None
            return coefficients(replace(found, rest=ZERO), self.policy, names)
        except OutsideError:
            return None

    def _weights(self, term: _Term) -> Iterator[str]:
        """Yield the numbers that a gradient is proportional to."""
        for symbol in self.numbers:
            if Sym(symbol) in in_order(term.slope):
                one = tidy(with_parts(term.slope, partial(_one, symbol)))
                if self.equal(term.slope, product((Sym(symbol), one))):
                    yield symbol


def _one(symbol: str, x: Expr) -> Expr | None:
    return ONE if x == Sym(symbol) else None


def coefficients(parts: Parts, policy: Policy, names: Mapping[str, str]) -> Coefficients:
    """Return the coefficients of the family as programs; arguments as those of `compiled`."""

    def program(x: Expr, action: str | None = None) -> Program | None:
        return None if x == ZERO else compiled(x, policy, names, action)

    return Coefficients(
        q=program(parts.q, ACTION),
        alpha=program(parts.alpha),
        target=program(parts.target, ACTION),
        uniform=program(parts.uniform),
        chosen=program(parts.chosen),
        index=None if parts.index is None else names[parts.index],
        zeta=program(parts.zeta),
        rest=program(parts.rest),
    )
