"""The mistakes of a loss, made from its formula: each with the gradient that it leaves.

A part that the loss is linear in is left out, turned around or scaled; an occurrence of the policy
has no gradient, or stands where its logarithm belongs; a step of the backward pass is left out.
What leaves the gradient as it is, for every number of actions, is no mistake; what leaves the same
gradient is one.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from math import exp, log
from typing import NamedTuple

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Add,
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
    symbols,
)
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.points.evaluate import Evaluator, NoValueError
from softcheck.derive.points.jets import Arithmetic
from softcheck.derive.spell import unicode
from softcheck.errors import SoftcheckError
from softcheck.gradient.definition import (
    Across,
    Kind,
    Loss,
    Program,
    Term,
    Variant,
    Wrong,
    with_arrays,
)
from softcheck.losses import read
from softcheck.losses.cases import Cases, regrouped
from softcheck.losses.making import Made
from softcheck.losses.other_policies import NUMBER, elsewhere, numbers_of, of_other_policies
from softcheck.losses.places import (
    Place,
    coefficients,
    is_coefficient,
    occurrences,
    places,
)
from softcheck.losses.programs import compiled
from softcheck.losses.settling import settled, unfolded
from softcheck.losses.slopes import by_log_policy, gradient
from softcheck.losses.trees import (
    at,
    depends,
    factors_of,
    in_order,
    less,
    lettered,
    negated,
    product,
    quotient,
    summed,
    tidy,
    total,
    with_parts,
)
from softcheck.losses.turned import turned

MISSING, SIGN, SCALED = "term-missing", "term-sign", "term-scaled"
STOP, NO_BASELINE = "stop-gradient", "no-baseline"
"""The codes of what has no other name; a mistake that people know by one has that."""

_HELD = "⊥"
"""What has no gradient, under names that no document has."""

_FLOATS = Arithmetic(float, exp, log)
_ACTIONS = 4
_NEAR = 1e-9


@dataclass(frozen=True)
class _Draft:
    """A mistake before its gradient is made, which may be none that can be computed."""

    code: str
    said: str
    slope: Callable[[], Expr]
    term: str = ""
    factor: str = ""


@lru_cache(16)
def of_variant(loss: Loss, variant: Variant) -> tuple[tuple[Wrong, ...], tuple[Term, ...]]:
    """Return the mistakes of a loss as it is given by some arrays, and its terms.

    There are none where what it was read from is no longer what it was.
    """
    maker = _maker(loss, variant)
    return ((), ()) if maker is None else (maker.mistakes(), maker.terms())


@lru_cache(16)
def across(loss: Loss, variant: Variant) -> Across | None:
    """Return what the gradient of a loss is made of before the softmax, as far as it is known."""
    maker = _maker(loss, variant)
    try:
        return None if maker is None else maker.across()
    except OutsideError:
        return None


@lru_cache(16)
def _maker(loss: Loss, variant: Variant) -> "_Maker | None":
    try:
        found = [made for made in read(loss.name).variants if made.variant == variant]
    except SoftcheckError:
        return None
    return _Maker(found[0]) if found else None


def mistakes(made: Made) -> tuple[Wrong, ...]:
    """Return the mistakes of a loss, the usual ones first."""
    return _Maker(made).mistakes()


def terms(made: Made) -> tuple[Term, ...]:
    """Return the terms of a loss that has several, each with its gradient by itself.

    Beside them, what a change by 1 makes of the gradient for each number that several terms take.
    """
    return _Maker(made).terms()


class _Left(NamedTuple):
    """The gradient that a mistake leaves, and its value at a point, if it has one there.

    That tells most formulas apart without a proof.
    """

    slope: Expr
    numbers: tuple[float, ...] | None

    @classmethod
    def of(cls, slope: Expr, maker: "_Maker") -> "_Left":
        return cls(slope, maker.numbers(slope))

    def same(self, other: "_Left", made: Made) -> bool:
        """Tell whether two are proved to be the same for every number of actions."""
        if self.numbers is not None and other.numbers is not None:
            pairs = zip(self.numbers, other.numbers, strict=True)
            if any(abs(x - y) > _NEAR * (1.0 + abs(x)) for x, y in pairs):
                return False
        return made.equal(self.slope, other.slope)


def _leaf(name: str, args: tuple[int, ...]) -> float:
    return random.Random(f"{name} {args}").uniform(0.3, 1.7)  # noqa: S311  no secret


class _Maker:
    def __init__(self, made: Made) -> None:
        # Every action is bound once, so that none is taken for another.
        self.whole = unfolded(made.loss, {}, made.policy.name)
        self.names = {given.symbol: given.name for given in made.variant.givens}
        self.chosen = {g.symbol: 1 for g in made.variant.givens if g.kind is Kind.INDEX}
        self.options = list(self._options(made))
        # What decides a minimum is another where what it is of has changed.
        cases, printed = Cases({}, made.policy.name), regrouped(self.whole)
        found = (*turned(printed, made.policy), *of_other_policies(printed, made.policy))
        self.turned = [each._replace(loss=cases.split(each.loss)) for each in found]
        self.unused = {x: cases.split(_with(printed, x, ZERO)) for x in self.options}
        self.made = made = made.among(cases)
        self.policy = made.policy
        self.action = made.action
        self.equal = made.equal
        self.free = frozenset(free_indices(self.whole))
        self.places = list(places(self.whole, self.policy))

    def _options(self, made: Made) -> Iterator[str]:
        """Yield the numbers that several terms take."""
        for given in made.variant.givens:
            number = given.kind in (Kind.NUMBER, Kind.STATE)
            times = sum(part == Sym(given.symbol) for part in in_order(self.whole))
            if number and times > 1 and given.symbol != made.policy.temperature:
                yield given.symbol

    def mistakes(self) -> tuple[Wrong, ...]:
        """See `mistakes`."""
        right = _Left.of(self.right, self)
        found: list[tuple[Wrong, _Left]] = []
        for wrong, slope in self.found():
            left = _Left.of(slope, self)
            if left.same(right, self.made):
                continue
            for place, (other, others) in enumerate(found):
                if left.same(others, self.made):
                    found[place] = replace(other, also=(*other.also, wrong)), others
                    break
            else:
                found.append((wrong, left))
        return tuple(wrong for wrong, _ in found)

    def terms(self) -> tuple[Term, ...]:
        """See `terms`."""
        found: dict[str, Term] = {}
        for place in self.places:
            if place.is_term and place.alone != self.whole:
                text = _text(place.alone)
                try:
                    program = self.program(self.slope(place.alone))
                except OutsideError:
                    continue
                found.setdefault(text, Term(text, program, is_outer=place.depth == 1))
        for symbol in self.options:
            low, high = (self.slope(_with(self.whole, symbol, x)) for x in (ZERO, ONE))
            slope = total((high, negated(low)))
            if self.equal(self.right, total((low, product((Sym(symbol), slope))))):
                name = self.names[symbol]
                found[name] = Term(name, self.program(slope), is_number=True)
        return tuple(found.values())

    def found(self) -> Iterator[tuple[Wrong, Expr]]:
        """Yield all mistakes whose gradient can be computed, and that as a formula."""
        for draft in self._drafts():
            try:
                slope = draft.slope()
                program = self.program(slope)
            except OutsideError:
                continue
            zero = slope == ZERO
            wrong = Wrong(draft.code, draft.said, draft.term, draft.factor, program, zero)
            yield (_numbered(wrong) if NUMBER in program.names else wrong), slope

    def _drafts(self) -> Iterator[_Draft]:
        yield from self._of_backward()
        moving = [place for place in self.places if depends(place.alone, self.policy.symbols)]
        terms = [place for place in moving if place.is_term]
        for kind, where in (
            (self._missing, terms),
            (self._flipped, terms),
            (self._reversed, terms),
            (self._of_coefficients, moving),
            (self._scaled, moving),
        ):
            for place in where:
                yield from kind(place)
        yield from self._unused()
        yield from self._stopped()
        for each in self.turned:
            yield self._of_loss(each.code, each.said, each.loss, _text(each.part))
        for place in moving:
            yield from self._unweighted(place)
        for part, put in occurrences(self.whole, self.policy):
            if isinstance(part, Log) and isinstance(part.of, Sym):
                loss = put(part.of)
                said = f"the policy stands for its logarithm: {_text(loss)}"
                yield self._of_loss("policy-for-log-policy", said, loss)

    def _of_loss(
        self, code: str, said: str, loss: Expr, term: str = "", factor: str = ""
    ) -> _Draft:
        return _Draft(code, said, partial(self.slope, loss), term, factor)

    # Gradients

    @cached_property
    def right(self) -> Expr:
        """The gradient of the loss."""
        return self.slope(self.whole)

    def slope(self, loss: Expr) -> Expr:
        """Return the gradient of a loss, by the divided logits."""
        return self._slope(self._settled(loss))

    def _slope(self, value: Expr) -> Expr:
        return gradient(value, self.policy, self.action, lambda x: self.equal(x, ONE))

    def _settled(self, loss: Expr) -> Expr:
        return settled(self.policy.divided(loss), self.policy)

    def program(self, slope: Expr) -> Program:
        """Return a gradient as a program."""
        pi = self.policy.at(self.action)
        if slope == ZERO:
            slope = Mul((ZERO, pi))
        elif self.action not in free_indices(slope):
            slope = Mul((slope, Exp(Mul((ZERO, Log(pi))))))  # the same at every action
        names = {**self.names, NUMBER: NUMBER}
        return compiled(slope, self.policy, names, self.action)

    def numbers(self, slope: Expr) -> tuple[float, ...] | None:
        """Return a gradient at a point, or None where it has no value there."""
        definitions = {self.policy.name: self.policy.definition()}
        point = Evaluator(_ACTIONS, _FLOATS, _leaf, definitions)
        try:
            return tuple(point(slope, {**self.chosen, self.action: a}) for a in range(_ACTIONS))
        except (NoValueError, ArithmeticError, ValueError):
            return None

    # Terms

    def _missing(self, place: Place) -> Iterator[_Draft]:
        code = "detached-policy" if place.alone == self.whole else MISSING
        code = "entropy-without-gradient" if self._is_entropy(place) else code
        said = f"{self._what(place)} has no gradient"
        yield self._of_loss(code, said, place.put(ZERO), _text(place.alone), "0")

    def _flipped(self, place: Place) -> Iterator[_Draft]:
        code = "sign-flipped" if place.alone == self.whole else SIGN
        code = "entropy-sign-flipped" if self._is_entropy(place) else code
        said = f"the sign of {self._what(place)} is flipped"
        flipped = place.put(negated(place.part))
        yield self._of_loss(code, said, flipped, _text(place.alone), "−1")

    def _of_coefficients(self, place: Place) -> Iterator[_Draft]:
        """Yield what comes of a coefficient that is left out."""
        for factor, rest in coefficients(place.part, self.policy, self.free):
            known = factor == Sym("α") and self._is_entropy(place)
            code = "missing-alpha" if known else SCALED
            said = f"{self._what(place)} lacks its factor {_text(factor)}"
            inverse = factor.under if isinstance(factor, Div) else quotient(ONE, factor)
            yield self._of_loss(code, said, place.put(rest), _text(place.alone), _text(inverse))

    def _scaled(self, place: Place) -> Iterator[_Draft]:
        """Yield what comes of a factor too many, which may be a coefficient."""
        what, alone = self._what(place), place.alone
        usual = [Num(Fraction(2)), Num(Fraction(1, 2))] if place.is_term else []
        factors: list[tuple[Expr, str]] = [(x, f"is multiplied by {_text(x)}") for x in usual]
        if place.is_term and any(isinstance(part, Sum) for part in in_order(alone)):
            factors.append((Div(ONE, Size()), "is multiplied by 1 / n"))  # a mean for a sum
        for factor, _ in coefficients(place.part, self.policy, self.free):
            if not isinstance(factor, Num):
                factors.append((factor, f"has its factor {_text(factor)} twice"))
        for factor, done in factors:
            mean = alone == self.whole and factor == Div(ONE, Size())
            loss = place.put(product((factor, place.part)))
            code = "mean-over-actions" if mean else SCALED
            yield self._of_loss(code, f"{what} {done}", loss, _text(alone), _text(factor))

    def _what(self, place: Place) -> str:
        return "the loss" if place.alone == self.whole else f"the term {_text(place.alone)}"

    def _is_entropy(self, place: Place) -> bool:
        """Tell whether a term is the sum of pi log pi, and not that of a logarithm of a ratio."""
        if place.alone == self.whole:
            return False
        *others, last = factors_of(place.alone) or (ONE,)
        if isinstance(place.part, Log) or not isinstance(last, Sum) or last.skip:
            return False
        pi = self.policy.at(last.index)
        plain = all(is_coefficient(other, self.policy, self.free) for other in others)
        return plain and set(factors_of(last.body)) == {pi, Log(pi)}

    def _unused(self) -> Iterator[_Draft]:
        """Yield what comes of an option that is not used, wherever it stands."""
        for symbol, loss in self.unused.items():
            name = self.names[symbol]
            yield self._of_loss(MISSING, f"{name} is taken as 0", loss, name, "0")

    def _unweighted(self, place: Place) -> Iterator[_Draft]:
        """Yield a sum over actions that lacks the policy."""
        match place.part:
            case Sum(index, body, skip) if self.policy.at(index) in factors_of(body):
                rest = [*factors_of(body)]
                rest.remove(self.policy.at(index))
                said = f"the sum over actions lacks π in {_text(place.alone)}"
                loss = place.put(summed(index, product(rest), skip))
                yield self._of_loss("unweighted-sum", said, loss, _text(place.alone))

    # Divergences

    def _reversed(self, place: Place) -> Iterator[_Draft]:
        """Yield a divergence the other way round."""
        for other in self._other_way(self._settled(place.alone)):
            loss = total((self._settled(place.put(ZERO)), other))
            said = f"the divergence is the wrong way round in {_text(place.alone)}"
            yield _Draft("forward-kl", said, partial(self._slope, loss), _text(place.alone))

    def _other_way(self, term: Expr) -> Iterator[Expr]:
        """Yield c sum pi (log pi - log rho) for -c sum rho log pi, and the other way round."""
        for place, factor in enumerate(factors_of(term)):
            if not isinstance(factor, Sum) or factor.skip:
                continue
            others = factors_of(term)
            rest = product((*others[:place], *others[place + 1 :]))
            index, pi = factor.index, self.policy.at(factor.index)
            match factors_of(factor.body):
                case first, Add(both) if first == pi and Log(pi) in both:
                    other = negated(total(part for part in both if part != Log(pi)))
                    if not depends(other, self.policy.symbols):
                        rho = settled(Exp(other), self.policy)
                        turned = summed(index, product((rho, Log(pi))))
                        yield negated(product((rest, turned)))
                case (Exp() | Sym()) as rho, last if last == Log(pi):
                    if not depends(rho, self.policy.symbols):
                        other = rho.of if isinstance(rho, Exp) else Log(rho)
                        turned = summed(index, product((pi, less(Log(pi), other))))
                        yield negated(product((rest, turned)))

    # Stop-gradients

    def _stopped(self) -> Iterator[_Draft]:
        """Yield what comes of no gradient at an occurrence, or at all of pi or log pi."""
        found = list(occurrences(self.whole, self.policy))
        for part, put in found:
            loss = put(self._held(part))
            yield self._stop(f"a stop-gradient on {self._named(part)}", loss, [part])
        at_action = [part for part, _ in found if symbols(part) == {self.policy.name}]
        for kind in (Sym, Log):
            parts = [part for part in at_action if isinstance(part, kind)]
            if len(parts) > 1:
                loss = with_parts(self.whole, partial(self._held_of, parts))
                yield self._stop(f"a stop-gradient on each {self._named(parts[0])}", loss, parts)

    def _stop(self, said: str, loss: Expr, parts: Sequence[Expr]) -> _Draft:
        values = {self._held(part).name: part for part in parts}

        def slope() -> Expr:
            return with_parts(self.slope(loss), lambda x: self._settled_value(x, values))

        return _Draft(STOP, said, slope, _marked(loss, values))

    def _held_of(self, parts: Sequence[Expr], x: Expr) -> Expr | None:
        return self._held(x) if x in parts else None

    def _held(self, part: Expr) -> Sym:
        """Return what stands for a part that has no gradient."""
        return Sym(f"{_HELD}{unicode(part)}", tuple(sorted(free_indices(part))))

    def _settled_value(self, x: Expr, values: Mapping[str, Expr]) -> Expr | None:
        value = _value(x, values)
        return None if value is None else self._settled(value)

    def _named(self, part: Expr) -> str:
        bound = free_indices(part) - self.free
        return _text(at(lettered(part, (self.action,)), dict.fromkeys(bound, self.action)))

    # The backward pass

    def _of_backward(self) -> Iterator[_Draft]:
        """Yield what comes of a step of the backward pass that is left out, or done twice."""
        policy, pi = self.policy, self.policy.at(self.action)
        everything, varying, shift = by_log_policy(self._settled(self.whole), policy, self.action)
        shifted = product((shift, pi))
        left_out = "the sum that the softmax subtracts is left out"
        diagonal = "only the diagonal of the softmax Jacobian is used"
        for code, said, weight in (
            (NO_BASELINE, left_out, varying),
            (NO_BASELINE, "the gradient is that by log π", everything),
            ("diagonal-jacobian", diagonal, product((varying, less(ONE, pi)))),
            ("diagonal-jacobian", f"{diagonal}, by log π", product((everything, less(ONE, pi)))),
        ):
            yield _Draft(code, said, partial(_itself, total((weight, shifted))))
        by_hand = with_parts(self.right, self._with_epsilon)
        said = f"{NUMBER} is added to π before its logarithm, by hand"
        yield _Draft("log-epsilon", said, partial(_itself, by_hand))
        if policy.temperature is not None:
            yield from self._of_temperature(Sym(policy.temperature))

    def _with_epsilon(self, x: Expr) -> Expr | None:
        match x:
            case Exp():  # a ratio, of which nobody takes a logarithm by hand
                return x
            case Log(Sym(self.policy.name) as pi):
                return Log(total((pi, Sym(NUMBER))))
        return None

    def across(self) -> Across:
        """Return the derivative by log pi, and what logsumexp adds to the gradient."""
        settled = self._settled(self.whole)
        slope, _, shift = by_log_policy(settled, self.policy, self.action)
        rest = product((shift, self.policy.at(self.action)))
        return Across(self.program(slope), None if rest == ZERO else self.program(rest))

    def _of_temperature(self, tau: Sym) -> Iterator[_Draft]:
        """Yield what comes of a temperature that stands in one place and not in another."""
        code, name = "temperature-in-policy", self.names[tau.name]
        for known, power, said in (
            (code, tau, f"the gradient is not divided by {name}"),
            (SCALED, Pow(tau, 2), f"the gradient is multiplied by {name}²"),
        ):
            left = product((power, self.right))
            yield _Draft(known, said, partial(_itself, left), _text(self.whole), _text(power))
        plain = _with(self.whole, tau.name, ONE)
        yield self._of_loss(code, f"{name} divides the logits of the policy alone", plain)

        def undivided(index: str) -> Expr:
            return product((tau, Sym(self.policy.variable, (index,))))

        for loss, said in (
            (self.whole, f"{name} does not divide the logits of the policy"),
            (plain, f"{name} is taken as 1"),
        ):
            yield self._of_loss(code, said, elsewhere(loss, self.policy, undivided))


def _numbered(wrong: Wrong) -> Wrong:
    """Return a mistake of a number with one of those that it may have, and the same with others."""

    def at_number(x: float) -> Wrong:
        slope = with_arrays(wrong.slope, {NUMBER: Fraction(x)})
        return replace(wrong, said=wrong.said.replace(NUMBER, f"{x:.3g}"), slope=slope)

    first, *others = map(at_number, numbers_of(wrong.code))
    return replace(first, others=tuple(others))


def _itself(x: Expr) -> Expr:
    return x


def _with(x: Expr, symbol: str, value: Expr) -> Expr:
    """Return a formula in which a number has another value."""
    return tidy(with_parts(x, lambda part: value if part == Sym(symbol) else None))


def _text(x: Expr) -> str:
    return unicode(lettered(regrouped(x)))


def _value(x: Expr, values: Mapping[str, Expr]) -> Expr | None:
    """Return what a part that had no gradient is."""
    if not isinstance(x, Sym) or x.name not in values:
        return None
    value = values[x.name]
    return at(value, dict(zip(sorted(free_indices(value)), x.args, strict=True)))


def _marked(loss: Expr, values: Mapping[str, Expr]) -> str:
    """Return a loss as it is printed, with `sg[...]` around what has no gradient."""

    def mark(x: Expr) -> Expr | None:
        value = _value(x, values)
        return None if value is None else Sym(f"sg[{_text(value)}]")

    return unicode(with_parts(lettered(regrouped(loss)), mark))
