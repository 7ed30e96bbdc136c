"""The loss of a case that names none, as data: Eq. (6), for whoever has no other losses."""

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
_G = (
    Operation("policy", by_action=True),
    _Q,
    _ALPHA,
    Operation("log_policy", by_action=True),
    Operation("multiply", (2, 3), by_action=True),
    Operation("number", of=Fraction(-1)),
    Operation("multiply", (4, 5), by_action=True),
    Operation("add", (1, 6), by_action=True),
    Operation("multiply", (0, 7), by_action=True),
    Operation("sum", (8,)),
)
"""Up to V = sum pi g, with g the step before the last but one."""

LOSS = Loss(
    name=NAME,
    title="the policy loss of discrete soft actor-critic",
    variants=(
        Variant(
            givens=(
                Given("Q", "q", Kind.TABLE, about="action values"),
                Given("α", "alpha", Kind.NUMBER, legal="not negative", about="temperature"),
            ),
            formula="-∑_a π(a) (Q(a) - α log π(a))",
            gradient="-π(a) (Q(a) - α log π(a) - ∑_b π(b) (Q(b) - α log π(b)))",
            formula_latex=r"-\sum_a \pi(a) (Q(a) - \alpha \log \pi(a))",
            gradient_latex=(
                r"-\pi(a) (Q(a) - \alpha \log \pi(a) "
                r"- \sum_b \pi(b) (Q(b) - \alpha \log \pi(b)))"
            ),
            proved=True,
            value=Program((*_G, Operation("multiply", (5, 9)))),
            slope=Program(
                (
                    *_G,
                    Operation("multiply", (9, 5)),
                    Operation("add", (7, 10), by_action=True),
                    Operation("multiply", (0, 11), by_action=True),
                    Operation("multiply", (12, 5), by_action=True),
                )
            ),
            family=Coefficients(q=Program((_Q,)), alpha=Program((_ALPHA,))),
        ),
    ),
)
"""L = -sum_a pi(a) g(a) with g(a) = Q(a) - alpha log pi(a), and its gradient, Eq. (6)."""


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
