"""A loss with another policy: of other logits, or with the logarithm of what is nearly the policy.

A softmax is taken twice, or of logits that are divided by a temperature; a small number is added to
the policy before its logarithm, or it is clamped there.
"""

from collections.abc import Callable, Iterator

from softcheck.derive.expr import ONE, Compare, Exp, Expr, Log, Sum, Sym
from softcheck.derive.spell import unicode
from softcheck.losses.settling import Policy
from softcheck.losses.trees import (
    depends,
    fresh,
    less,
    lettered,
    product,
    quotient,
    summands,
    total,
    with_parts,
)
from softcheck.losses.turned import Turned

NUMBER = "⊥number"
"""What stands for the number of a mistake that has one, under a name that no document has."""

_TEMPERATURE, _EPSILON, _CLAMPED = "temperature-in-policy", "log-epsilon", "clamped-policy"
_TEMPERATURES = (0.7, 0.5, 0.6, 0.8, 0.9, 1.2, 1.5, 2.0)
_EPSILONS = (*(10.0**-power for power in range(2, 9)), 1e-10, 1e-12, 2.0**-23, 2.0**-52)


def numbers_of(code: str) -> tuple[float, ...]:
    """Return the numbers that a mistake may have, one that is seen in any data first."""
    if code == _TEMPERATURE:
        # One that was forgotten is the inverse of one that is applied.
        return tuple(dict.fromkeys((*_TEMPERATURES, *(1.0 / x for x in _TEMPERATURES))))
    return _EPSILONS


def of_other_policies(loss: Expr, policy: Policy) -> Iterator[Turned]:
    """Yield a loss whose policy is another, everywhere or in one of its terms.

    Parameters
    ----------
    loss : Expr
        With its minima and maxima, and every action bound once.
    policy : Policy
    """
    number = Sym(NUMBER)

    def tempered(index: str) -> Expr:
        return quotient(Sym(policy.variable, (index,)), number)

    ways: list[tuple[str, str, Callable[[str], Expr]]] = [
        ("double-softmax", "probabilities are taken for logits", policy.at)
    ]
    if policy.temperature is None:
        ways.append((_TEMPERATURE, f"logits are divided by {NUMBER}", tempered))
    for code, said, logits in ways:
        whole = elsewhere(loss, policy, logits)
        yield Turned(code, said, loss, whole)
        if code == _TEMPERATURE:
            done = f"{said}, and the gradient is not"
            yield Turned(code, done, loss, product((number, whole)))
        if depends(loss, frozenset({policy.logits})):
            of_policy = elsewhere(loss, policy, logits, everywhere=False)
            yield Turned(code, f"{said}, in the policy alone", loss, of_policy)
        for where, term, put in _terms(loss, policy):
            other = put(elsewhere(term, policy, logits, everywhere=False))
            yield Turned(code, said + where, term, other)
    yield from _of_logarithms(loss, policy)


def _terms(loss: Expr, policy: Policy) -> Iterator[tuple[str, Expr, Callable[[Expr], Expr]]]:
    """Yield where each of several terms that hold the policy is, in words and by what puts it."""
    terms = summands(loss)
    moving = [place for place, term in enumerate(terms) if depends(term, frozenset({policy.name}))]
    for place in moving if len(moving) > 1 else ():

        def put(new: Expr, place: int = place) -> Expr:
            return total((*terms[:place], new, *terms[place + 1 :]))

        yield f" in {unicode(lettered(terms[place]))}", terms[place], put


def elsewhere(
    loss: Expr, policy: Policy, logits: Callable[[str], Expr], *, everywhere: bool = True
) -> Expr:
    """Return a loss at other logits, given by action, in terms of those that are divided.

    Where that is not so everywhere it is of the policy alone.
    """

    def normaliser() -> Expr:
        bound = fresh()
        return Log(Sum(bound, Exp(logits(bound))))

    def change(x: Expr) -> Expr | None:
        match x:
            case Log(Sym(policy.name, (index,))):
                return less(logits(index), normaliser())
            case Sym(policy.name, (index,)):
                return Exp(less(logits(index), normaliser()))
            case Sym(policy.variable, (index,)) if everywhere:
                return logits(index)
        return None

    return with_parts(policy.divided(loss), change)


def _of_logarithms(loss: Expr, policy: Policy) -> Iterator[Turned]:
    """Yield a loss with the logarithm of something else than the policy."""
    number = Sym(NUMBER)

    def with_number(pi: Expr) -> Expr:
        return total((pi, number))

    def clamped(pi: Expr) -> Expr:
        return Compare("max", pi, number)

    def on_both_sides(pi: Expr) -> Expr:
        return Compare("min", clamped(pi), less(ONE, number))

    for code, said, of in (
        (_EPSILON, f"{NUMBER} is added to π", with_number),
        (_CLAMPED, f"π is clamped at {NUMBER}", clamped),
        (_CLAMPED, f"π is clamped at {NUMBER} on both sides", on_both_sides),
    ):
        done = f"{said} before its logarithm"
        yield Turned(code, done, loss, _with_logarithm(loss, policy, of))
        for where, term, put in _terms(loss, policy) if code == _EPSILON else ():
            yield Turned(code, done + where, term, put(_with_logarithm(term, policy, of)))


def _with_logarithm(x: Expr, policy: Policy, of: Callable[[Expr], Expr]) -> Expr:
    """Return a formula with the logarithm of what is made of the policy."""

    def change(part: Expr) -> Expr | None:
        match part:
            case Log(Sym(policy.name) as pi):
                return Log(of(pi))
        return None

    return with_parts(x, change)
