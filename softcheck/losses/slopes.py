"""The gradient of a loss, on its tree.

With l = log pi and s the logsumexp of the logits, both as variables of their own,
W(a) = dL/dl(a) and kappa = dL/ds, the derivative by a logit is

    G(a) = W(a) - pi(a) sum_b W(b) + kappa pi(a).

A term c pi(a) of W, of which c does not depend on a, cancels. What is written here is not believed:
the kernel proves it of the loss as it stands in its document.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Add,
    Delta,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    free_indices,
)
from softcheck.losses.settling import Policy
from softcheck.losses.trees import (
    at,
    collected,
    depends,
    factors_of,
    fresh,
    in_order,
    is_logsumexp,
    less,
    negated,
    negative,
    power,
    product,
    quotient,
    shared,
    summands,
    summed,
    total,
)

_EACH = "each action"
_SHIFT = "a shift of all logits"

_Slope = tuple[str, Expr]
"""By which action's log pi something is differentiated, or one of the two above, and the result.

Of `_EACH` the result is that by log pi of the action that is asked for.
"""


def gradient(loss: Expr, policy: Policy, action: str, is_one: Callable[[Expr], bool]) -> Expr:
    """Return the derivative of a settled loss by the logit of an action.

    Parameters
    ----------
    loss : Expr
    policy : Policy
    action : str
        A name that is free nowhere in the loss.
    is_one : callable
        Whether a formula is 1 for every n.
    """
    found = list(_Walk(policy, action).slopes(loss))
    parts = [
        *_of_actions(found, policy, action),
        *_of_sums(found, policy, action, is_one),
    ]
    shift = total(slope for by, slope in found if by == _SHIFT)
    slope = total((*parts, product((*factors_of(shift), policy.at(action)))))
    return _of_cases(slope, policy)


def _of_cases(slope: Expr, policy: Policy) -> Expr:
    """Return a slope with each comparison once.

    Where both of its cases say the same it is a tie that matters to nobody, and one difference of
    the two that is 0.
    """
    return collected(slope, [region.name for region in reversed(policy.regions)])


def by_named_actions(loss: Expr, policy: Policy, action: str) -> tuple[dict[str, Expr], Expr, Expr]:
    """Return dL/dlog pi of each action that a settled loss names, that of any other, and kappa."""
    named: dict[str, list[Expr]] = {_EACH: [], _SHIFT: []}
    for by, slope in _Walk(policy, action).slopes(loss):
        named.setdefault(by, []).append(slope)
    found = {by: _of_cases(total(slopes), policy) for by, slopes in named.items()}
    return found, found.pop(_EACH), found.pop(_SHIFT)


def by_log_policy(loss: Expr, policy: Policy, action: str) -> tuple[Expr, Expr, Expr]:
    """Return W(a), the same without c pi(a) that cancel, and kappa, of a settled loss.

    A sum over actions is no such c: people leave it in, as that of a reference's logits.
    """
    pi = policy.at(action)

    def plain(x: Expr) -> bool:
        return not any(isinstance(part, Sum) for part in in_order(x))

    parts: list[Expr] = []
    shift: list[Expr] = []
    for by, slope in _Walk(policy, action).slopes(loss):
        if by == _SHIFT:
            shift.append(slope)
        else:
            parts.append(slope if by == _EACH else product((slope, Delta(action, by))))
    varying: list[Expr] = []
    for term in (term for part in parts for term in summands(part)):
        rest = _without(term, pi)
        varying.append(term if rest is None else product((_varying(rest, action, plain), pi)))
    return total(parts), total(varying), total(shift)


class _Walk:
    def __init__(self, policy: Policy, action: str) -> None:
        self.policy = policy
        self.action = action

    def slopes(self, x: Expr) -> Iterator[_Slope]:  # noqa: C901  one case a node
        policy = self.policy
        if not depends(x, policy.symbols):
            return
        match x:
            case Sym(policy.name, (index,)):
                yield index, x
            case Log(Sym(policy.name, (index,))):
                yield index, ONE
            case Sym(policy.variable, (index,)):
                yield index, ONE
                yield _SHIFT, ONE
            case Log() if is_logsumexp(x, policy.variable):
                yield _SHIFT, ONE
            case Add(terms):
                for term in terms:
                    yield from self.slopes(term)
            case Mul(factors):
                for place, factor in enumerate(factors):
                    before, behind = factors[:place], factors[place + 1 :]
                    for by, slope in self.slopes(factor):
                        yield by, product((*before, slope, *behind))
            case Div(over, under):
                for by, slope in self.slopes(over):
                    yield by, quotient(slope, under)
                for by, slope in self.slopes(under):
                    yield by, negated(product((quotient(slope, under), x)))
            case Pow(base, exponent):
                outer = product((Num(Fraction(exponent)), power(base, exponent - 1)))
                for by, slope in self.slopes(base):
                    yield by, product((outer, slope))
            case Exp(of):
                for by, slope in self.slopes(of):
                    yield by, product((x, slope))
            case Log(of):
                for by, slope in self.slopes(of):
                    yield by, quotient(slope, of)
            case Sum(index, body, skip):
                yield from self._sum(index, body, skip)
            case _:
                raise TypeError(x)

    def _sum(self, index: str, body: Expr, skip: tuple[str, ...]) -> Iterator[_Slope]:
        for by, slope in self.slopes(body):
            if by != index:
                yield by, summed(index, slope, skip)
                continue
            apart = (less(ONE, Delta(self.action, other)) for other in skip)
            yield _EACH, product((*apart, at(slope, {index: self.action})))


def _of_sums(
    found: Iterable[_Slope], policy: Policy, action: str, is_one: Callable[[Expr], bool]
) -> Iterator[Expr]:
    """Yield W(a) - pi(a) sum_b W(b) for what is summed over all actions, in up to three parts."""
    pi = policy.at(action)
    weighted: list[Expr] = []
    free: list[Expr] = []
    even: list[Expr] = []
    for term in (term for by, slope in found if by == _EACH for term in summands(slope)):
        rest = _without(term, pi)
        if rest is not None:
            weighted += [rest] if action in free_indices(rest) else []
        else:
            (free if action in free_indices(term) else even).append(term)
    for group in (free, even):
        if group:
            common, inner = shared(group, action)
            other = fresh()
            everything = summed(other, at(inner, {action: other}))
            if is_one(everything):
                everything = ONE
            yield _signed(*_spread(common, inner, product((*factors_of(everything), pi)), pi))
    if weighted:
        common, inner = shared(weighted, action)
        inner = _varying(inner, action)
        other = fresh()
        mean = summed(other, product((policy.at(other), at(inner, {action: other}))))
        yield product((*factors_of(common), pi, less(inner, mean)))


def _spread(factor: Expr, x: Expr, y: Expr, pi: Expr) -> tuple[Expr, Expr, Expr]:
    """Return c / n (1 - n pi(a)) as c (1 / n - pi(a))."""
    for part in factors_of(factor) if x == ONE else ():
        if isinstance(part, Div) and part.under == Size():
            kept = [each for each in factors_of(factor) if each is not part]
            return product((*kept, part.over)), Div(ONE, Size()), pi
    return factor, x, y


def _varying(x: Expr, action: str, which: Callable[[Expr], bool] = lambda _: True) -> Expr:
    """Return a formula without those terms that are the same at every action."""
    if action not in free_indices(x):
        return ZERO if which(x) else x
    if isinstance(x, Add):
        return total(_varying(term, action, which) for term in x.terms)
    factors = factors_of(x)
    here = [factor for factor in factors if action in free_indices(factor)]
    if len(factors) > 1 and len(here) == 1:
        kept = _varying(here[0], action, which)
        return product(kept if factor is here[0] else factor for factor in factors)
    return x


def _of_actions(found: Iterable[_Slope], policy: Policy, action: str) -> Iterator[Expr]:
    """Yield C (1{a = j} - pi(a)) for each action j that the loss names."""
    by_action: dict[str, list[Expr]] = {}
    for by, slope in found:
        if by not in (_EACH, _SHIFT):
            by_action.setdefault(by, []).append(slope)
    for index, slopes in by_action.items():
        yield _signed(total(slopes), Delta(action, index), policy.at(action))


def _signed(factor: Expr, x: Expr, y: Expr) -> Expr:
    """Return factor (x - y) without a minus sign where that can be."""
    if negative(factor):
        factor, x, y = negated(factor), y, x
    return product((*factors_of(factor), less(x, y)))


def _without(x: Expr, pi: Expr) -> Expr | None:
    """Return a product divided by pi, or None if pi is none of its factors."""
    factors = list(factors_of(x))
    for place, factor in enumerate(factors):
        if factor == pi:
            return product(factors[:place] + factors[place + 1 :])
        match factor:
            case Pow(base, exponent) if base == pi and exponent > 1:
                rest = power(base, exponent - 1)
                return product((*factors[:place], rest, *factors[place + 1 :]))
            case Div(over, under):
                above = _without(over, pi)
                if above is not None:
                    below = quotient(above, under)
                    return product((*factors[:place], below, *factors[place + 1 :]))
    return None
