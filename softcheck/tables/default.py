"""The loss of a case that names none, as data: Eq. (6). To know it takes no reading of anything.

It is what `losses/sac.json` says, which a test compares.
"""

from fractions import Fraction

from softcheck.errors import UsageError
from softcheck.gradient.definition import (
    Coefficients,
    Given,
    Kind,
    Loss,
    Operation,
    Program,
    Variant,
)

NAME = "sac"

_Q = Operation("given", of="q", by_action=True)
_ALPHA = Operation("given", of="alpha")
_LOSS = (
    Operation("number", of=Fraction(-1)),
    Operation("policy", by_action=True),
    _Q,
    _ALPHA,
    Operation("log_policy", by_action=True),
    Operation("multiply", (0, 3)),
    Operation("multiply", (5, 4), by_action=True),
    Operation("add", (2, 6), by_action=True),
    Operation("multiply", (1, 7), by_action=True),
    Operation("sum", (8,)),
    Operation("multiply", (0, 9)),
)
_SLOPE = (
    *_LOSS,
    Operation("add", (7, 10), by_action=True),
    Operation("multiply", (0, 1), by_action=True),
    Operation("multiply", (12, 11), by_action=True),
)

LOSS = Loss(
    name=NAME,
    title="discrete soft actor-critic",
    variants=(
        Variant(
            givens=(
                Given("Q", "q", Kind.TABLE, about="the value of each action"),
                Given("α", "alpha", Kind.NUMBER, "not negative", about="the weight of the entropy"),
            ),
            formula="−Σ_a π(a) (Q(a) − α log π(a))",
            gradient="−π(a) (Q(a) − α log π(a) − Σ_b π(b) (Q(b) − α log π(b)))",
            formula_latex=r"-\sum_{a} \pi(a) \left(Q(a) - \alpha \log \pi(a)\right)",
            gradient_latex=(
                r"-\pi(a) \left(Q(a) - \alpha \log \pi(a) "
                r"- \sum_{b} \pi(b) \left(Q(b) - \alpha \log \pi(b)\right)\right)"
            ),
            proved=True,
            value=Program(_LOSS),
            slope=Program(_SLOPE),
            family=Coefficients(q=Program((_Q,)), alpha=Program((_ALPHA,))),
            equation="Eq. (6)",
        ),
    ),
)


def load(text: str) -> Loss:
    """Return the default loss by its name; who knows others hands a function of theirs on.

    Raises
    ------
    UsageError
        If it is the name of another one, or a formula.
    """
    if text != NAME:
        raise UsageError("loss", f"'{text}'", f"'{NAME}'", "Give what loads other losses.")
    return LOSS
