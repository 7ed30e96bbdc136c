"""A formula as it is written to one that can be computed: definitions and logarithms unfolded.

The policy stays a symbol, and so does its logarithm: what is made here is pi, log pi, the logits
and the logarithm of their sum of exponentials, and arrays. That it says the same as the document is
not taken for granted: the kernel proves what is made of it from the document's own definitions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Abbreviation,
    Add,
    Definition,
    Delta,
    Diff,
    Div,
    Exp,
    Expr,
    Log,
    Mul,
    Num,
    Pow,
    Sum,
    Sym,
    free_indices,
    rebuilt,
)
from softcheck.derive.kernel.terms import OutsideError
from softcheck.losses.trees import (
    at,
    factors_of,
    fresh,
    less,
    negated,
    power,
    product,
    quotient,
    summed,
    tidy,
    total,
    with_parts,
)

DIVIDED = "ϑ"
"""The logits over their temperature, under a name that no document has."""


@dataclass(frozen=True)
class Region:
    """A comparison that is decided from the data.

    Attributes
    ----------
    name : str
        The symbol of what is 1 where `left` is at most `right`, and else 0.
    actions : tuple of str
        What it is of.
    left, right : Expr
        Settled.
    """

    name: str
    actions: tuple[str, ...]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Policy:
    """The softmax that a loss is about.

    Attributes
    ----------
    name : str
        Its symbol.
    logits : str
        The symbol of the logits.
    temperature : str or None
        The symbol of what they are divided by.
    regions : tuple of Region
        What is decided from it, a comparison behind those that it is made of.
    """

    name: str
    logits: str
    temperature: str | None = None
    regions: tuple[Region, ...] = ()

    @property
    def variable(self) -> str:
        """The symbol of what the policy is the softmax of."""
        return self.logits if self.temperature is None else DIVIDED

    @property
    def symbols(self) -> frozenset[str]:
        """What depends on the logits."""
        return frozenset({self.name, self.logits, self.variable})

    def at(self, index: str) -> Sym:
        """Return the policy at an action."""
        return Sym(self.name, (index,))

    def definition(self) -> Definition:
        """Return the policy as a softmax of its variable."""
        over, under = (Exp(Sym(self.variable, (index,))) for index in "ab")
        return Definition(self.name, ("a",), Div(over, Sum("b", under)))

    def divided(self, x: Expr) -> Expr:
        """Return a formula in terms of the divided logits."""
        if self.temperature is None:
            return x
        tau = Sym(self.temperature)

        def change(part: Expr) -> Expr | None:
            match part:
                case Div(Sym(self.logits, (index,)), Sym(self.temperature, ())):
                    return Sym(DIVIDED, (index,))
                case Sym(self.logits, (index,)):
                    return Mul((tau, Sym(DIVIDED, (index,))))
            return None

        return with_parts(x, change)

    def undivided(self, x: Expr) -> Expr:
        """Return a formula in terms of the logits."""
        if self.temperature is None:
            return x
        tau = Sym(self.temperature)

        def change(part: Expr) -> Expr | None:
            match part:
                case Sym(name, (index,)) if name == DIVIDED:
                    return Div(Sym(self.logits, (index,)), tau)
            return None

        return with_parts(x, change)


def unfolded(x: Expr, definitions: Mapping[str, Definition], keep: str | None = None) -> Expr:
    """Return a formula with its definitions written out, and every action bound once.

    Parameters
    ----------
    x : Expr
    definitions : mapping of name to Definition
    keep : str, optional
        The name of a policy that is not written out.

    Raises
    ------
    OutsideError
        If a definition uses itself, or the formula holds a derivative.
    """
    return _unfolded(x, {}, definitions, keep, ())


def _unfolded(
    x: Expr,
    env: Mapping[str, str],
    definitions: Mapping[str, Definition],
    keep: str | None,
    inside: tuple[str, ...],
) -> Expr:
    def inner(part: Expr) -> Expr:
        return _unfolded(part, env, definitions, keep, inside)

    match x:
        case Sym(name, args):
            args = tuple(env.get(index, index) for index in args)
            definition = definitions.get(name)
            if definition is None or name == keep:
                return Sym(name, args)
            if name in inside:
                raise OutsideError(f"the definition of {name} uses {name} itself")
            if len(args) != len(definition.params):
                raise OutsideError(f"{name} is used with {len(args)} actions")
            there = dict(zip(definition.params, args, strict=True))
            return _unfolded(definition.body, there, definitions, keep, (*inside, name))
        case Delta(left, right):
            return Delta(env.get(left, left), env.get(right, right))
        case Sum(index, body, skip):
            new = fresh()
            there = {**env, index: new}
            written = _unfolded(body, there, definitions, keep, inside)
            return Sum(new, written, tuple(env.get(other, other) for other in skip))
        case Abbreviation(meaning=meaning):
            return inner(meaning)
        case Diff():
            raise OutsideError("a derivative")
        case _:
            return rebuilt(x, inner)


def policies(definitions: Mapping[str, Definition]) -> list[Policy]:
    """Return the symbols that are defined as a softmax."""
    found = []
    for name, definition in definitions.items():
        if len(definition.params) != 1:
            continue
        try:
            body = unfolded(definition.body, definitions)
        except OutsideError:
            continue
        match _softmax(body):
            case index, Sym(logits, (at,)) if (index, at) == definition.params * 2:
                found.append(Policy(name, logits))
            case index, Div(Sym(logits, (at,)), Sym(tau, ())) if (
                index,
                at,
            ) == definition.params * 2:
                found.append(Policy(name, logits, tau))
    return found


def _softmax(x: Expr) -> tuple[str, Expr] | None:
    """Return action and exponent of the quotient of an exponential by the sum of all of them."""
    match x:
        case Div(Exp(over), Sum(index, Exp(under), ())):
            for one in sorted(free_indices(over)):
                if at(under, {index: one}) == over and index in free_indices(under):
                    return one, over
    return None


def settled(x: Expr, policy: Policy) -> Expr:
    """Return a formula that is ready to be differentiated and computed.

    Parameters
    ----------
    x : Expr
        In terms of the divided logits, with all definitions but the policy's unfolded.
    policy : Policy
    """
    return _settled(tidy(x), policy)


def _settled(x: Expr, policy: Policy) -> Expr:  # noqa: C901  one case a node
    def inner(part: Expr) -> Expr:
        return _settled(part, policy)

    softmax = _softmax(x)
    if softmax is not None:
        action, over = softmax
        if over == Sym(policy.variable, (action,)):
            return policy.at(action)
        over = inner(over)
        return Exp(less(over, _log_of_sum(action, over)))
    match x:
        case Log(of):
            return _logarithm(of, policy)
        case Exp(of):
            inside = inner(of)
            return inside.of if isinstance(inside, Log) else Exp(inside)
        case Add(terms):
            return total(map(inner, terms))
        case Mul((Num(value), Add() as body)) if value == -1:
            return negated(inner(body))
        case Mul(factors):
            return _with_powers(product(map(inner, factors)))
        case Div(over, under):
            return quotient(inner(over), inner(under))
        case Pow(base, exponent):
            return power(inner(base), exponent)
        case Sum(index, Sym(policy.name, (at_,)), ()) if at_ == index:
            return ONE
        case Sum(index, body, skip):
            return summed(index, inner(body), skip)
        case _:
            return rebuilt(x, inner)


def _with_powers(x: Expr) -> Expr:
    """Return a product in which each factor stands once, to its power."""
    exponents: dict[Expr, int] = {}
    for factor in factors_of(x):
        base, exponent = factor, 1
        if isinstance(factor, Pow):
            base, exponent = factor.base, factor.exponent
        exponents[base] = exponents.get(base, 0) + exponent
    return product(power(base, exponent) for base, exponent in exponents.items())


def with_softmaxes(x: Expr) -> Expr:
    """Return a settled formula to be read: with quotients of exponentials by their sum."""

    def change(part: Expr) -> Expr | None:
        match part:
            case Exp(Add((exponent, Mul((Num(value), Log(Sum(index, Exp(under), ()) as whole)))))):
                for one in free_indices(exponent) if value == -1 else ():
                    if at(under, {index: one}) == exponent:
                        return Div(Exp(exponent), whole)
        return None

    return with_parts(x, change)


def _log_of_sum(index: str, exponent: Expr) -> Expr:
    bound = fresh()
    return Log(Sum(bound, Exp(at(exponent, {index: bound}))))


def _logarithm(of: Expr, policy: Policy) -> Expr:
    """Return the logarithm of a product as a sum of logarithms, and that of an exponential."""

    def inner(part: Expr) -> Expr:
        return _logarithm(part, policy)

    softmax = _softmax(of)
    if softmax is not None:
        action, above = softmax
        if above == Sym(policy.variable, (action,)):
            return Log(policy.at(action))
        above = _settled(above, policy)
        return less(above, _log_of_sum(action, above))
    match of:
        case Num(value) if value == 1:
            return ZERO
        case Exp(inside):
            return _settled(inside, policy)
        case Mul(factors) if not _numbers(factors):
            return total(map(inner, factors))
        case Mul(factors):
            number = Num(_numbers(factors)[0])
            rest = product(factor for factor in factors if not isinstance(factor, Num))
            return total((Log(number), inner(rest))) if number.value > 0 else Log(of)
        case Div(over, under):
            return less(inner(over), inner(under))
        case Pow(base, exponent):
            return product((Num(Fraction(exponent)), inner(base)))
        case _:
            body = _settled(of, policy)
            return inner(body) if body != of else Log(of)


def _numbers(factors: Sequence[Expr]) -> list[Fraction]:
    return [factor.value for factor in factors if isinstance(factor, Num)]
