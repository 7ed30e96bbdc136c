"""Whether a loss is one of the family with one fast kernel, and which of its coefficients it has.

    L = -sum_a pi(a) (q(a) - alpha log pi(a)) - sum_a y(a) log pi(a) + zeta s^2 + rest

The coefficients are read off the tree as they are written there, so that nothing is expanded that
would cancel in rounding; the kernel proves that the loss is what they make. That of log pi of one
action may depend on that log pi, as in a ratio of policies: then the gradient is that of the loss
with it held constant, and the kernel proves that.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from softcheck.derive.expr import (
    MINUS_ONE,
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
from softcheck.losses.slopes import by_named_actions
from softcheck.losses.trees import (
    at,
    depends,
    factors_of,
    fresh,
    in_order,
    is_logsumexp,
    less,
    negated,
    negative,
    product,
    quotient,
    summed,
    total,
)

ACTION = "‡"
"""The action of the coefficients that depend on one."""

_PI, _LOG, _S = "pi", "log pi", "s"
_Q, _ALPHA, _Y, _EVEN = "sum pi", "sum pi log pi", "sum y log pi", "sum log pi"

_Atom = tuple[str, str]
_Linear = dict[tuple[_Atom, ...], Expr]
"""Coefficients of products of atoms: pi, log pi at an action, s, and sums over actions of those."""


@dataclass(frozen=True)
class Parts:
    """The coefficients as trees; what is 0 is `ZERO`. `q` and `target` are at `ACTION`."""

    q: Expr = ZERO
    alpha: Expr = ZERO
    target: Expr = ZERO
    uniform: Expr = ZERO
    chosen: Expr = ZERO
    index: str | None = None
    zeta: Expr = ZERO
    rest: Expr = ZERO

    def loss(self, policy: Policy) -> Expr:
        """Return the loss that they make."""
        a, pi, log = ACTION, policy.at(ACTION), Log(policy.at(ACTION))
        s = Log(Sum(a, Exp(Sym(policy.variable, (a,)))))
        parts = [
            negated(summed(a, product((pi, less(self.q, product((self.alpha, log))))))),
            negated(summed(a, product((total((self.target, self.uniform)), log)))),
            product((self.zeta, Pow(s, 2))),
            self.rest,
        ]
        if self.index is not None:
            parts.append(negated(product((self.chosen, Log(policy.at(self.index))))))
        return total(parts)

    def slope(self, policy: Policy, action: str) -> Expr:
        """Return the gradient that they make if they are held constant, without zeta."""
        pi, other = policy.at(action), fresh()
        u = less(product((self.alpha, Log(pi))), at(self.q, {ACTION: action}))
        mean = summed(other, product((policy.at(other), at(u, {action: other}))))
        y = total((at(self.target, {ACTION: action}), self.uniform))
        if self.index is not None:
            y = total((y, product((self.chosen, Delta(action, self.index)))))
        of_y = summed(other, at(y, {action: other}))
        return total((product((pi, less(u, mean))), less(product((of_y, pi)), y)))


def read(
    loss: Expr, slope: Expr, policy: Policy, action: str, equal: Callable[[Expr, Expr], bool]
) -> Parts | None:
    """Return the coefficients of a settled loss, or None if it is none of the family.

    Parameters
    ----------
    loss, slope : Expr
        It and its gradient.
    policy : Policy
    action : str
        That of the gradient.
    equal : callable
        Whether the kernel proves that two formulas are equal.
    """
    # What is decided at a tie may be held, but it is no coefficient.
    found = None if policy.regions else parts(loss, policy, equal)
    return found or held(loss, slope, policy, action, equal)


def held(
    loss: Expr, slope: Expr, policy: Policy, action: str, equal: Callable[[Expr, Expr], bool]
) -> Parts | None:
    """Return coefficients that have its gradient once they are held constant; see `read`."""
    named, each, shift = by_named_actions(loss, policy, action)
    if len(named) > 1 or shift != ZERO:
        return None
    try:
        found = {key: c for key, c in _linear(each, policy).items() if c != ZERO}
    except _OutsideFamilyError:
        return None
    alpha = found.pop(((_LOG, action), (_PI, action)), ZERO)
    of_pi = found.pop(((_PI, action),), ZERO)
    if found:
        return None
    q = less(alpha, of_pi)
    index, by = next(iter(named.items()), (None, ZERO))
    if Size() in in_order(by):
        return None
    result = Parts(
        q=at(q, {action: ACTION}) if action in free_indices(q) else ZERO,
        alpha=_signed(alpha),
        chosen=_signed(negated(by)),
        index=index,
    )
    return result if equal(slope, result.slope(policy, action)) else None


def parts(loss: Expr, policy: Policy, equal: Callable[[Expr, Expr], bool]) -> Parts | None:
    """Return the coefficients of a settled loss, or None if it is none of the family.

    Parameters
    ----------
    loss : Expr
    policy : Policy
    equal : callable
        Whether the kernel proves that two formulas are equal.
    """
    try:
        found = _linear(loss, policy)
    except _OutsideFamilyError:
        return None
    made: defaultdict[str, list[Expr]] = defaultdict(list)
    chosen: list[tuple[str, Expr]] = []
    for key, coefficient in found.items():
        if equal(coefficient, ZERO):
            continue
        match key:
            case ():
                made["rest"].append(coefficient)
            case ((what, ""),) if what in _FIELDS:
                made[_FIELDS[what]].append(coefficient)
            case ((what, index),) if what == _LOG:
                chosen.append((index, negated(coefficient)))
            case ((what, index),) if what == _PI:
                made["q"].append(product((coefficient, Delta(ACTION, index))))
            case ((one, ""), (other, "")) if one == other == _S:
                made["zeta"].append(coefficient)
            case _:
                return None
    first = chosen.pop(0) if chosen else None
    made["target"] += [negated(product((c, Delta(ACTION, index)))) for index, c in chosen]
    result = Parts(
        q=_signed(negated(total(made["q"]))),
        alpha=_signed(total(made["alpha"])),
        target=_signed(negated(total(made["target"]))),
        uniform=_signed(negated(total(made["uniform"]))),
        chosen=ZERO if first is None else _signed(first[1]),
        index=None if first is None else first[0],
        zeta=_signed(total(made["zeta"])),
        rest=_signed(total(made["rest"])),
    )
    return result if equal(loss, result.loss(policy)) else None


_FIELDS: Mapping[str, str] = {_Q: "q", _ALPHA: "alpha", _Y: "target", _EVEN: "uniform"}


def _signed(x: Expr) -> Expr:
    """Return a formula in which -(-x + y) is x - y."""
    factors = list(factors_of(x))
    if factors and isinstance(factors[0], Num) and factors[0].value < 0:
        for place, factor in enumerate(factors):
            if isinstance(factor, Add) and negative(factor.terms[0]):
                factors[place] = negated(factor)
                return product((MINUS_ONE, *factors))
    return x


class _OutsideFamilyError(Exception):
    """A loss that is no linear combination of what the family is made of."""


def _linear(x: Expr, policy: Policy) -> _Linear:  # noqa: C901  one case a node
    if not depends(x, policy.symbols):
        return {(): x}
    match x:
        case Sym(policy.name, (index,)):
            return {((_PI, index),): ONE}
        case Log(Sym(policy.name, (index,))):
            return {((_LOG, index),): ONE}
        case Sym(policy.variable, (index,)):
            return {((_LOG, index),): ONE, ((_S, ""),): ONE}
        case Log() if is_logsumexp(x, policy.variable):
            return {((_S, ""),): ONE}
        case Add(terms):
            return _added(*(_linear(term, policy) for term in terms))
        case Mul(factors):
            return _multiplied(*(_linear(factor, policy) for factor in factors))
        case Pow(base, exponent) if 0 < exponent <= 4:
            return _multiplied(*[_linear(base, policy)] * exponent)
        case Div(over, under) if not depends(under, policy.symbols):
            return {key: quotient(c, under) for key, c in _linear(over, policy).items()}
        case Sum(index, body, skip):
            return _summed(index, _linear(body, policy), skip)
    raise _OutsideFamilyError


def _added(*parts: _Linear) -> _Linear:
    found: dict[tuple[_Atom, ...], list[Expr]] = {}
    for part in parts:
        for key, coefficient in part.items():
            found.setdefault(key, []).append(coefficient)
    return {key: total(coefficients) for key, coefficients in found.items()}


def _multiplied(first: _Linear, *rest: _Linear) -> _Linear:
    for other in rest:
        first = _added(*(
            {tuple(sorted((*left, *right))): product((x, y))}
            for left, x in first.items()
            for right, y in other.items()
        ))  # fmt: skip
    return first


def _summed(index: str, body: _Linear, skip: tuple[str, ...]) -> _Linear:
    apart = [less(ONE, Delta(index, other)) for other in skip]
    found = []
    for key, factor in body.items():
        here = tuple(what for what, action in key if action == index)
        others = tuple(atom for atom in key if atom[1] != index)
        coefficient = product((*apart, factor))
        even = index not in free_indices(coefficient)
        match here:
            case ():
                found.append({others: summed(index, coefficient)})
                continue
            case (what,) if what == _PI and even:
                found.append({others: coefficient})
                continue
            case (what,) if what == _PI:
                atom = _Q
            case (what,) if what == _LOG:
                atom = _EVEN if even else _Y
            case (first, second) if {first, second} == {_PI, _LOG} and even:
                atom = _ALPHA
            case _:
                raise _OutsideFamilyError
        # Atoms beside it are of other sums, or depend on the policy: no such product is linear.
        if others:
            raise _OutsideFamilyError
        found.append({((atom, ""),): at(coefficient, {index: ACTION})})
    return _added(*found)
