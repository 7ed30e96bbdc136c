"""Equality for every number of actions: a formula to a polynomial that is zero or is not.

The rules, each an identity for every n >= 1: products are expanded, factors free of an index
leave its sum, an indicator picks one action out of a sum, `exp` of a sum is a product, `log` of
a product of positive factors is a sum, the sum of exponentials over the actions is a positive
atom Z, and derivatives follow the product rule down to the atoms. Only `NormalForm.proved` says
that two formulas are equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, assert_never

from softcheck.derive.expr import (
    Abbreviation,
    Add,
    Compare,
    Condition,
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
    Size,
    Sum,
    Sym,
    symbols,
)
from softcheck.derive.kernel.polynomials import (
    Polynomial,
    atom,
    bind,
    constant,
    filled,
    fresh,
    kronecker,
    opened,
    plus,
    renamed,
    scaled,
    times,
)
from softcheck.derive.kernel.products import (
    filled_sum,
    logarithm_of,
    moved,
    product_shape,
    reciprocal_of,
)
from softcheck.derive.kernel.seal import SEAL
from softcheck.derive.kernel.terms import (
    SIZE,
    Atom,
    Component,
    Exponential,
    Head,
    Index,
    Logarithm,
    Normaliser,
    OutsideError,
    Product,
    Reciprocal,
    Symbol,
)
from softcheck.derive.kernel.theorems import Assumption, Facts, Lemma, Proved
from softcheck.derive.kernel.zero import vanishes
from softcheck.derive.limits import PRODUCTS, TOWER


class _Unfolded(NamedTuple):
    """The normal form of a definition at open indices, and what it takes for granted there."""

    params: tuple[int, ...]
    body: Polynomial
    assumes: tuple[Assumption, ...]


_COMPARED = {"min": "a minimum", "max": "a maximum", "≤": "a comparison", "≥": "a comparison"}


class NormalForm:
    """Formulas in normal form under some facts.

    Parameters
    ----------
    facts : Facts

    Attributes
    ----------
    assumed : set of Assumption
        What the formulas divide by or take the logarithm of, beyond what is known to be positive,
        and what the lemmas that were used assume.
    spent : int
        Products of terms so far.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.assumed: set[Assumption] = set()
        self.spent = 0
        self._known: dict[str, _Unfolded] = {}
        self._open: list[str] = []
        self._using: list[Lemma] = []
        self._held_back = 0

    def of(self, x: Expr) -> Polynomial:
        """Return the normal form of a formula.

        Raises
        ------
        OutsideError
            If it has none here.
        """
        return self._of(x, {})

    def difference(self, left: Expr, right: Expr) -> Polynomial:
        """Return the normal form of `left - right`."""
        return plus(self.of(left), scaled(self.of(right), -1))

    def proved(
        self, left: Expr, right: Expr, conditions: tuple[Condition, ...] = ()
    ) -> Proved | None:
        """Return the theorem that two formulas are equal for every n, or None if that is not shown.

        Raises
        ------
        OutsideError
            If one of them has no normal form here.
        """
        equal = [(c.left, c.right) for c in conditions if c.relation == "="]
        different = [(c.left, c.right) for c in conditions if c.relation == "≠"]
        if not vanishes(self.difference(left, right), equal, different, self.facts.ones):
            return None
        return Proved(left, right, conditions, tuple(self.assumed), SEAL)

    def positive(self, x: Expr) -> bool:
        """Tell whether a formula is a single product of what is positive, wherever it stands.

        Raises
        ------
        OutsideError
            If it has no normal form here.
        """
        terms = self.of(x)
        return len(terms) == 1 and all(
            coefficient > 0
            and not product.sums
            and not product.classes
            and all(self._positive(base) for base, _ in product.factors)
            for product, coefficient in terms.items()
        )

    # Formulas

    def _of(self, x: Expr, env: Mapping[str, Index]) -> Polynomial:  # noqa: C901  one case a node
        match x:
            case Num(value):
                return constant(value)
            case Size():
                return {Product(((SIZE, 1),)): Fraction(1)}
            case Sym(name, args):
                return self._symbol(name, tuple(env.get(index, index) for index in args))
            case Delta(left, right):
                return kronecker(env.get(left, left), env.get(right, right))
            case Add(terms):
                return plus(*(self._of(term, env) for term in terms))
            case Mul(factors):
                return self._times(*(self._of(factor, env) for factor in factors))
            case Div(over, under):
                return self._times(self._of(over, env), self._inverse(self._of(under, env)))
            case Pow(base, exponent):
                return self._power(self._of(base, env), exponent)
            case Exp(of):
                return self._exp(self._of(of, env))
            case Log(of):
                return self._log(self._of(of, env))
            case Sum(index, body, skip):
                at = fresh()
                summand = self._of(body, {**env, index: at})
                for other in skip:
                    apart = plus(constant(1), scaled(kronecker(at, env.get(other, other)), -1))
                    summand = self._times(summand, apart)
                return bind(summand, at, self.facts.ones)
            case Compare(how):
                raise OutsideError(_COMPARED[how])
            case Abbreviation(meaning=meaning):
                return self._of(meaning, env)
            case Diff(body, by):
                if by.name in self.facts.definitions:
                    raise OutsideError(f"a derivative by {by.name}, which is not a free variable")
                place = tuple(env.get(index, index) for index in by.args)
                return self._derivative(self._of(body, env), by.name, place)
            case _:
                assert_never(x)

    def _symbol(self, name: str, args: tuple[Index, ...]) -> Polynomial:
        definition = self.facts.definitions.get(name)
        if definition is None:
            return atom(Symbol(name), *args)
        if len(definition.params) != len(args):
            raise OutsideError(
                f"{name} is defined with {len(definition.params)} actions and used with {len(args)}"
            )
        known = self._known.get(name)
        if known is None:
            if name in self._open:
                raise OutsideError(f"the definition of {name} uses {name} itself")
            before = self._held_back
            known = self._unfolded(definition)
            if self._held_back == before:
                self._known[name] = known  # the same wherever it is used
        at: dict[Index, Index] = dict(zip(known.params, args, strict=True))
        self._assume(known.assumes, at)
        return renamed(known.body, at) if args else known.body

    def _unfolded(self, definition: Definition) -> _Unfolded:
        """Return what a definition says, at actions of its own."""
        self._open.append(definition.name)
        before, self.assumed = self.assumed, set()
        params = tuple(fresh() for _ in definition.params)
        body = self._of(definition.body, dict(zip(definition.params, params, strict=True)))
        assumes, self.assumed = tuple(self.assumed), before
        self._open.pop()
        return _Unfolded(params, body, assumes)

    def _assume(self, assumptions: Iterable[Assumption], at: Mapping[Index, Index]) -> None:
        """Take for granted what a definition or a lemma does, at the actions where it is used."""
        for assumption in assumptions:
            of = moved(assumption.of, at)
            if of is not None:
                self.assumed.add(assumption._replace(of=of))

    def _times(self, *polynomials: Polynomial) -> Polynomial:
        total = polynomials[0]
        for polynomial in polynomials[1:]:
            self.spent += len(total) * len(polynomial)
            if self.spent > PRODUCTS:
                raise OutsideError(f"more than {PRODUCTS} products of terms")
            total = times(total, polynomial)
        return total

    def _power(self, base: Polynomial, exponent: int) -> Polynomial:
        if exponent < 0:
            return self._power(self._inverse(base), -exponent)
        total = constant(1)
        for _ in range(exponent):
            total = self._times(total, base)
        return total

    def _single(self, polynomial: Polynomial, what: str) -> tuple[Product, Fraction]:
        if not polynomial:
            raise OutsideError(f"{what} zero")
        if len(polynomial) > 1:
            raise OutsideError(f"{what} a sum of several terms")
        product, coefficient = next(iter(polynomial.items()))
        if product.classes:
            raise OutsideError(f"{what} an indicator")
        return product, coefficient

    def _inverse(self, polynomial: Polynomial) -> Polynomial:
        product, coefficient = self._single(polynomial, "a division by")
        total = constant(1 / coefficient)
        for base, exponent in product.factors:
            if not self._positive(base):
                if isinstance(base.head, Reciprocal):
                    raise OutsideError("a division by a reciprocal of a sum")
                self.assumed.add(Assumption(Product(((base, 1),)), "≠"))
            total = self._times(total, {Product(((base, -exponent),)): Fraction(1)})
        for component in product.sums:
            if not self._positive_sum(component):
                self.assumed.add(Assumption(Product((), (component,)), "≠"))
            inverse = reciprocal_of(component)
            total = self._times(total, {Product(((inverse, 1),)): Fraction(1)})
        return total

    def _positive(self, base: Atom) -> bool:
        head = base.head
        if isinstance(head, Exponential | Normaliser) or base == SIZE:
            return True
        if isinstance(head, Reciprocal):
            return self._positive_sum(head.of)
        return isinstance(head, Symbol) and not head.by and head.name in self.facts.positive

    def _positive_sum(self, component: Component) -> bool:
        return all(self._positive(base) for base, _ in component.factors)

    def _exp(self, polynomial: Polynomial) -> Polynomial:
        total = constant(1)
        for product, coefficient in polynomial.items():
            if product.classes:
                raise OutsideError("an exponential of an indicator")
            total = self._times(total, self._exp_of_term(product, coefficient))
        return total

    def _exp_of_term(self, product: Product, coefficient: Fraction) -> Polynomial:
        """Return exp(c t): f^c where t is log f, else the atom exp(t) to the power c."""
        if not product.sums and len(product.factors) == 1:
            base, exponent = product.factors[0]
            if isinstance(base.head, Logarithm) and exponent == 1:
                return self._power_of_logarithm(base.head.of, base.args, coefficient)
        if _height(product) >= TOWER:
            raise OutsideError(f"more than {TOWER} exponentials within each other")
        template, args = product_shape(product)
        power = int(coefficient) if coefficient.denominator == 1 else coefficient
        return {Product(((Atom(Exponential(template), args), power),)): Fraction(1)}

    def _power_of_logarithm(
        self, inner: int | Head | Component, args: tuple[Index, ...], coefficient: Fraction
    ) -> Polynomial:
        """Return exp(c log f) = f^c."""
        if coefficient.denominator != 1 and not isinstance(inner, Exponential | Normaliser):
            raise OutsideError("a root")
        power = int(coefficient) if coefficient.denominator == 1 else coefficient
        if isinstance(inner, int):
            return constant(Fraction(inner) ** int(power))
        if isinstance(inner, Component):
            if power != -1 and power < 1:
                raise OutsideError("an exponential of the logarithm of a sum")
            component = filled_sum(inner, args)
            if power == -1:
                return {Product(((reciprocal_of(component), 1),)): Fraction(1)}
            return self._power({Product((), (component,)): Fraction(1)}, int(power))
        return {Product(((Atom(inner, args), power),)): Fraction(1)}

    def _log(self, polynomial: Polynomial) -> Polynomial:
        product, coefficient = self._single(polynomial, "a logarithm of")
        alone = coefficient == 1 and len(product.factors) == 1 and not product.sums
        total = self._log_of_number(coefficient)
        for base, exponent in product.factors:
            if not self._positive(base):
                if not alone or exponent != 1:
                    raise OutsideError(
                        f"a logarithm of a product in which {_spelled(base)} may be negative"
                    )
                self.assumed.add(Assumption(product, ">"))
            total = plus(total, scaled(self._log_of_atom(base), Fraction(exponent)))
        for component in product.sums:
            if not self._positive_sum(component):
                raise OutsideError("a logarithm of a sum that may be negative")
            total = plus(total, {Product(((logarithm_of(component), 1),)): Fraction(1)})
        return total

    def _log_of_number(self, value: Fraction) -> Polynomial:
        if value <= 0:
            raise OutsideError("a logarithm of a number that is not positive")
        total: Polynomial = {}
        for number, sign in ((value.numerator, 1), (value.denominator, -1)):
            for prime in _prime_factors(number):
                total = plus(total, scaled(atom(Logarithm(prime)), sign))
        return total

    def _log_of_atom(self, base: Atom) -> Polynomial:
        head = base.head
        if isinstance(head, Exponential):
            return filled(head.of, base.args)
        if isinstance(head, Reciprocal):
            component = filled_sum(head.of, base.args)
            return {Product(((logarithm_of(component), 1),)): Fraction(-1)}
        return atom(Logarithm(head), *base.args)

    # Derivatives

    def _derivative(self, polynomial: Polynomial, name: str, args: tuple[Index, ...]) -> Polynomial:
        """Return the derivative by the variable `name` at `args`."""
        total: Polynomial = {}
        for product, coefficient in polynomial.items():
            for part in self._derivatives(product, name, args):
                total = plus(total, scaled(part, coefficient))
        return total

    def _derivatives(
        self, product: Product, name: str, args: tuple[Index, ...]
    ) -> Iterable[Polynomial]:
        """Yield the derivative of one factor after another, times the others."""
        for place, (base, exponent) in enumerate(product.factors):
            inner = self._derivative_of_atom(base, name, args)
            if inner:
                others = [*product.factors[:place], *product.factors[place + 1 :]]
                if exponent != 1:
                    lowered = exponent - 1
                    others.insert(place, (base, lowered))
                rest = product._replace(factors=tuple(others))
                yield self._times(scaled({rest: Fraction(1)}, Fraction(exponent)), inner)
        for place, component in enumerate(product.sums):
            inner = self._derivative_of_sum(component, name, args)
            if inner:
                others_ = (*product.sums[:place], *product.sums[place + 1 :])
                yield self._times({product._replace(sums=others_): Fraction(1)}, inner)

    def _derivative_of_sum(
        self, component: Component, name: str, args: tuple[Index, ...]
    ) -> Polynomial:
        body, indices = opened(component)
        total = self._derivative(body, name, args)
        for index in indices:
            total = bind(total, index, self.facts.ones)
        return total

    def _derivative_of_atom(self, base: Atom, name: str, args: tuple[Index, ...]) -> Polynomial:
        head = base.head
        itself: Polynomial = {Product(((base, 1),)): Fraction(1)}
        if isinstance(head, Symbol):
            return self._derivative_of_symbol(head, base.args, name, args)
        if isinstance(head, Exponential):
            return self._times(itself, self._derivative(filled(head.of, base.args), name, args))
        if isinstance(head, Normaliser):
            return self._derivative_of_sum(filled_sum(head.of, base.args), name, args)
        if isinstance(head, Reciprocal):
            inner = self._derivative_of_sum(filled_sum(head.of, base.args), name, args)
            return scaled(self._times(itself, itself, inner), -1)
        inner_head = head.of
        if isinstance(inner_head, int):
            return {}
        if isinstance(inner_head, Component):
            component = filled_sum(inner_head, base.args)
            inverse: Polynomial = {Product(((reciprocal_of(component), 1),)): Fraction(1)}
            return self._times(inverse, self._derivative_of_sum(component, name, args))
        of = Atom(inner_head, base.args)
        inverse = {Product(((of, -1),)): Fraction(1)}
        return self._times(inverse, self._derivative_of_atom(of, name, args))

    def _derivative_of_symbol(
        self, head: Symbol, own: tuple[Index, ...], name: str, args: tuple[Index, ...]
    ) -> Polynomial:
        if head.name == name and not head.by:
            if len(own) != len(args):
                raise OutsideError(
                    f"{name} with {len(own)} actions, and a derivative with {len(args)}"
                )
            return self._times(
                constant(1), *(kronecker(i, j) for i, j in zip(own, args, strict=True))
            )
        if head.name in self.facts.constants or head.name == name or head == SIZE.head:
            return {}
        if not head.by:
            for lemma in self.facts.lemmas:
                shape = lemma.left.name, len(lemma.left.args), lemma.by.name, len(lemma.by.args)
                if shape != (head.name, len(own), name, len(args)):
                    continue
                if self._leads_back(lemma):
                    self._held_back += 1
                    continue
                names = (*lemma.left.args, *lemma.by.args)
                return self._by_lemma(lemma, dict(zip(names, (*own, *args), strict=True)))
        derivative = _differentiated(head, own, name, args)
        return atom(derivative.head, *derivative.args)

    def _leads_back(self, lemma: Lemma) -> bool:
        """Tell whether a lemma is being used already, or speaks of what is being unfolded."""
        used = any(lemma is other for other in self._using)
        return used or (bool(self._open) and not symbols(lemma.right).isdisjoint(self._open))

    def _by_lemma(self, lemma: Lemma, here: Mapping[str, Index]) -> Polynomial:
        """Return what a lemma says at some actions, in which it is not used again."""
        self._assume(lemma.assumes, dict(here.items()))
        self._using.append(lemma)
        right = self._of(lemma.right, here)
        self._using.pop()
        return right


def _differentiated(
    head: Symbol, own: tuple[Index, ...], name: str, args: tuple[Index, ...]
) -> Atom:
    """Return a symbol's derivative; the order of differentiation is no matter."""
    taken = sum(size for _, size in head.by)
    first = len(own) - taken
    variables = []
    place = first
    for variable, size in head.by:
        variables.append((variable, own[place : place + size]))
        place += size
    variables.append((name, args))
    variables.sort(key=lambda pair: (pair[0], tuple(map(str, pair[1]))))
    indices = [index for _, group in variables for index in group]
    by = tuple((variable, len(group)) for variable, group in variables)
    return Atom(Symbol(head.name, by), (*own[:first], *indices))


def _height(product: Product) -> int:
    """Return how many exponentials are within each other in a term."""
    groups = (product.factors, *(component.factors for component in product.sums))
    heads = [base.head for group in groups for base, _ in group]
    return max((1 + _height(head.of) for head in heads if isinstance(head, Exponential)), default=0)


def _prime_factors(number: int) -> Sequence[int]:
    factors = []
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
        if divisor > 100_000:
            raise OutsideError("a logarithm of a large number")
    return [*factors, number] if number > 1 else factors


def _spelled(base: Atom) -> str:
    """Return an atom for a message."""
    head = base.head
    if not isinstance(head, Symbol):
        return "a logarithm" if isinstance(head, Logarithm) else "a part of it"
    names = ", ".join(str(index) if isinstance(index, str) else "·" for index in base.args)
    spelled = f"{head.name}({names})" if names else head.name
    return f"a derivative of {spelled}" if head.by else spelled
