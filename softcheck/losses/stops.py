"""Stop-gradients that change nothing: an occurrence of pi or log pi that may be held constant.

Each is tried on the tree: the loss with that occurrence constant is differentiated, that gradient
is proved, and so is that it equals the gradient of the loss once the constant has its value.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from softcheck.derive.expr import Diff, Expr, Log, Sym, children, rebuilt
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.spell import unicode
from softcheck.losses.cases import is_decided, regrouped
from softcheck.losses.making import Made, of_divided
from softcheck.losses.settling import settled
from softcheck.losses.slopes import gradient
from softcheck.losses.trees import with_parts

_HELD = "⊥"
"""What is held constant, under a name that no document has."""


def harmless(made: Made) -> tuple[str, ...]:
    """Return the loss with each stop-gradient, as `sg[...]`, that changes its gradient for no n."""
    found = []
    for number, occurrence in enumerate(_occurrences(made.loss, made.policy.name)):
        held = _with_held(made.loss, made.policy.name, number)
        try:
            proved = _changes_nothing(made, held, occurrence)
        except OutsideError:
            proved = False
        if proved:
            of = unicode(occurrence)
            found.append(re.sub(rf"{_HELD}\([^)]*\)", f"sg[{of}]", unicode(regrouped(held))))
    return tuple(found)


def _changes_nothing(made: Made, held: Expr, occurrence: Expr) -> bool:
    policy = made.policy
    value = settled(policy.divided(held), policy)
    slope = gradient(value, policy, made.action, lambda _: False)
    facts = of_divided(made.facts, policy)
    positive = {_HELD} if isinstance(occurrence, Sym) else set()
    constant = replace(
        facts, constants=facts.constants | {_HELD}, positive=facts.positive | positive
    )
    by = Sym(policy.variable, (made.action,))
    if NormalForm(constant).proved(Diff(policy.divided(held), by), slope) is None:
        return False

    def valued(part: Expr) -> Expr | None:
        if not isinstance(part, Sym) or part.name != _HELD:
            return None
        pi = policy.at(*part.args)
        return Log(pi) if isinstance(occurrence, Log) else pi

    return made.equal(with_parts(slope, valued), made.slope)


def _is_occurrence(x: Expr, policy: str) -> bool:
    of = x.of if isinstance(x, Log) else x
    return isinstance(of, Sym) and of.name == policy


def _occurrences(x: Expr, policy: str) -> Iterator[Expr]:
    """Yield each pi and log pi of a formula, from left to right, but for those of a minimum."""
    if _is_occurrence(x, policy):
        yield x
    if _is_occurrence(x, policy) or is_decided(x):
        return
    for part in children(x):
        yield from _occurrences(part, policy)


def _with_held(x: Expr, policy: str, number: int) -> Expr:
    """Return a formula in which one of its occurrences is held constant."""
    seen = -1

    def change(part: Expr) -> Expr:
        nonlocal seen
        if is_decided(part):
            return part
        if not _is_occurrence(part, policy):
            return rebuilt(part, change)
        seen += 1
        of = part.of if isinstance(part, Log) else part
        return Sym(_HELD, of.args) if seen == number and isinstance(of, Sym) else part

    return change(x)
