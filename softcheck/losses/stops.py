"""Stop-gradients that change nothing: an occurrence of pi or log pi that may be held constant.

Each is tried on the tree: the loss with that occurrence constant is differentiated, that gradient
is proved, and so is that it equals the gradient of the loss once the constant has its value.
"""

from dataclasses import replace

from softcheck.derive.expr import Diff, Expr, Log, Sym, free_indices, symbols
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.spell import unicode
from softcheck.losses.cases import regrouped
from softcheck.losses.making import Made, of_divided
from softcheck.losses.places import occurrences
from softcheck.losses.settling import settled
from softcheck.losses.slopes import gradient
from softcheck.losses.trees import with_parts

_HELD = "⊥"
"""What is held constant, under a name that no document has."""


def harmless(made: Made) -> tuple[str, ...]:
    """Return the loss with each stop-gradient, as `sg[...]`, that changes its gradient for no n."""
    found = []
    for part, put in occurrences(made.loss, made.policy):
        if symbols(part) != {made.policy.name}:
            continue
        held = put(Sym(_HELD, tuple(free_indices(part))))
        try:
            proved = _changes_nothing(made, held, part)
        except OutsideError:
            proved = False
        if proved:
            found.append(unicode(regrouped(put(Sym(f"sg[{unicode(part)}]")))))
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
