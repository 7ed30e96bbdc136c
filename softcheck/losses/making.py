"""A loss from the symbol that it is defined as: its gradient, the proof, and its programs."""

import re
import unicodedata
from dataclasses import dataclass, replace

from softcheck.derive.expr import (
    ONE,
    ZERO,
    Diff,
    Exp,
    Expr,
    Log,
    Sym,
    children,
    free_indices,
    symbols,
    walk,
)
from softcheck.derive.givens import Basis
from softcheck.derive.glyphs import ACCENT_NAMES, GREEK
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.kernel.theorems import Facts, Proved
from softcheck.derive.reading.defaults import DEFAULTS
from softcheck.derive.spell import latex, unicode
from softcheck.errors import UsageError
from softcheck.gradient.definition import Given, Kind, Legal, Variant
from softcheck.losses.cases import Cases, split
from softcheck.losses.family import read
from softcheck.losses.headers import Array, Header
from softcheck.losses.programs import compiled
from softcheck.losses.settling import Policy, policies, settled, unfolded, with_softmaxes
from softcheck.losses.slopes import gradient
from softcheck.losses.summands import Terms, coefficients
from softcheck.losses.trees import in_order, lettered, letters, quotient


@dataclass(frozen=True)
class Made:
    """A variant of a loss with the trees that it was made from.

    Attributes
    ----------
    variant : Variant
    symbol : Sym
        What the loss is called in its document.
    loss, gradient : Expr
        All but the policy written out, minima and maxima in cases; the gradient is by the logit
        of `action`.
    value, slope : Expr
        The loss and its gradient as they are computed, by the divided logits.
    policy : Policy
    facts : Facts
        What the proof rests on.
    action : str
    theorem : Proved
        That the gradient is the derivative of the loss.
    """

    variant: Variant
    symbol: Sym
    loss: Expr
    gradient: Expr
    value: Expr
    slope: Expr
    policy: Policy
    facts: Facts
    action: str
    theorem: Proved

    def equal(self, x: Expr, y: Expr) -> bool:
        """Tell whether two settled formulas are proved to be equal for every n."""
        return _equal(of_divided(self.facts, self.policy), x, y)

    def among(self, cases: Cases) -> "Made":
        """Return the same loss, where the minima and maxima of others are known beside its own."""
        known = {region.name for region in self.policy.regions}
        more = [region for region in cases.regions(self.policy) if region.name not in known]
        policy = replace(self.policy, regions=(*self.policy.regions, *more))
        names = frozenset(region.name for region in more)
        facts = replace(self.facts, constants=self.facts.constants | names)
        return replace(self, policy=policy, facts=facts)


def made(name: str, known: Basis, header: Header, where: str) -> Made:
    """Return the loss that a symbol is defined as.

    Parameters
    ----------
    name : str
        The symbol.
    known : Basis
        What its document says.
    header : Header
    where : str
        For messages.

    Raises
    ------
    UsageError
        If it is no loss that can be proved and computed.
    """
    try:
        return _made(name, known, header, where)
    except OutsideError as error:
        raise refused(where, str(error)) from None
    except RecursionError:
        raise refused(where, "formulas nested too deeply") from None


def refused(where: str, reason: str) -> UsageError:
    """Return the error for a loss that cannot be proved."""
    reason = re.sub(r"‡\d*", "·", reason)  # an action that has no name of the document's
    return UsageError(
        where,
        f"a loss that is not proved: {reason}",
        "sums over actions of pi, log pi, logits and arrays",
        "Write it so.",
    )


def _made(name: str, known: Basis, header: Header, where: str) -> Made:
    symbol = Sym(name, known.definitions[name].params)
    misused = known.misused(symbol)
    if misused:
        raise OutsideError(misused)
    policy = _policy(symbol, known)
    printed = unfolded(symbol, known.definitions, policy.name)
    cases, definitions = split(known.definitions, known.symbols(symbol), policy.name)
    known = replace(known, definitions=definitions)
    policy = replace(policy, regions=tuple(cases.regions(policy)))
    whole = unfolded(symbol, known.definitions, policy.name)
    if Sym(policy.logits) in walk(whole):
        raise OutsideError(f"{policy.logits} without an action, for {policy.logits}(a)")
    if not symbols(whole) & policy.symbols:
        raise OutsideError(f"{unicode(symbol)} does not depend on the logits")
    value = settled(policy.divided(whole), policy)
    givens = _givens(whole, value, policy, header, where)
    names = {given.symbol: given.name for given in givens}
    facts = _facts(known, policy, givens)
    action = next(letters({given.symbol for given in givens if given.kind is Kind.INDEX}))
    slope = gradient(value, policy, action, lambda x: _equal(facts, policy.undivided(x), ONE))
    slope = settled(slope, policy)
    if _equal(facts, policy.undivided(slope), ZERO):
        raise OutsideError(f"the gradient of {unicode(symbol)} is 0 everywhere")
    tau = policy.temperature
    whole_slope = policy.undivided(slope)
    if tau is not None:
        whole_slope = quotient(whole_slope, Sym(tau))
    shown = lettered(with_softmaxes(whole_slope), (action,))
    _prove(facts, symbol, policy.undivided(value), "its own form")
    _prove(facts, whole_slope, shown, "its gradient")
    derivative = Diff(symbol, Sym(policy.logits, (action,)))
    theorem = _prove(facts, derivative, whole_slope, "its gradient")
    divided = of_divided(facts, policy)
    parts = read(value, slope, policy, action, lambda x, y: _equal(divided, x, y))
    texts = lettered(printed), lettered(cases.shown(shown), (action,))
    numbers = [given.symbol for given in givens if given.kind is Kind.NUMBER]
    terms = Terms(policy, action, numbers, lambda x, y: _equal(divided, x, y))
    variant = Variant(
        givens=givens,
        formula=unicode(texts[0]),
        gradient=unicode(texts[1]),
        formula_latex=latex(texts[0]),
        gradient_latex=latex(texts[1]),
        proved=True,
        value=compiled(value, policy, names),
        slope=compiled(slope, policy, names, action),
        family=None if parts is None else coefficients(parts, policy, names),
        temperature=None if tau is None else names[tau],
        equation=header.equation,
        summands=terms.of(whole, slope, names, in_family=parts is not None),
    )
    return Made(
        variant, symbol, lettered(whole), shown, value, slope, policy, facts, action, theorem
    )


def _policy(symbol: Sym, known: Basis) -> Policy:
    """Return the softmax that a loss is about: that of theta, or else the only one."""
    reached = known.symbols(symbol)
    found = [each for each in policies(known.definitions) if each.name in reached]
    found.sort(key=lambda each: each.name == symbol.name)  # the loss may be pi(a) itself
    for logits in ("θ", "z", *sorted({each.logits for each in found})):
        for each in found:
            if each.logits == logits:
                return each
    if "θ" in reached and "π" not in known.definitions:
        return Policy("π", "θ")
    raise OutsideError(f"{symbol.name} names no policy, such as π(a)")


def _facts(known: Basis, policy: Policy, givens: tuple[Given, ...]) -> Facts:
    """Return what is known: the document's definitions, and what the arrays may hold.

    That probabilities among the arrays add up to 1 is not used: those of a case do so but for
    rounding.
    """
    definitions = dict(known.definitions)
    if policy.name not in definitions:
        definitions[policy.name] = DEFAULTS[policy.name].definition(policy.name)
    free = {given.symbol for given in givens if given.kind is not Kind.INDEX}
    return Facts(
        definitions=definitions,
        lemmas=(),
        ones=frozenset(),
        constants=frozenset(free | {policy.logits} | {region.name for region in policy.regions}),
        positive=frozenset(given.symbol for given in givens if given.legal == "positive"),
    )


def of_divided(facts: Facts, policy: Policy) -> Facts:
    """Return what is known of formulas in the divided logits."""
    return replace(
        facts,
        definitions={policy.name: policy.definition()},
        constants=facts.constants | {policy.variable},
    )


def _equal(facts: Facts, x: Expr, y: Expr) -> bool:
    try:
        return NormalForm(facts).proved(x, y) is not None
    except OutsideError:
        return False


def _prove(facts: Facts, left: Expr, right: Expr, what: str) -> Proved:
    theorem = NormalForm(facts).proved(left, right)
    if theorem is None:
        raise OutsideError(f"{what}, {unicode(lettered(right))}, is not shown")
    return theorem


# Arrays


def _givens(
    whole: Expr, value: Expr, policy: Policy, header: Header, where: str
) -> tuple[Given, ...]:
    """Return the arrays of a loss: its free symbols, and its free actions."""
    uses: dict[str, Kind] = {}
    decided = {region.name for region in policy.regions}
    for part in in_order(whole):
        if isinstance(part, Sym) and part.name not in policy.symbols | decided:
            if len(part.args) > 1:
                raise OutsideError(f"{unicode(part)} depends on {len(part.args)} actions")
            uses.setdefault(part.name, Kind.TABLE if part.args else Kind.NUMBER)
    if policy.temperature is not None:
        uses.setdefault(policy.temperature, Kind.NUMBER)
    for index in sorted(free_indices(whole)):
        if index.isdigit():
            raise OutsideError(f"the action {index}, by its number")
        if index in uses:
            raise OutsideError(f"{index} is an action here, and a quantity")
        uses[index] = Kind.INDEX
    order = list(header.arrays)
    ranked = sorted(uses, key=lambda name: order.index(name) if name in order else len(order))
    givens = tuple(_given(name, uses[name], value, policy, header) for name in ranked)
    twice = {g.name for g in givens if sum(g.name == other.name for other in givens) > 1}
    if twice:
        raise UsageError(
            where, f"two symbols that are both called {min(twice)} in a case",
            "symbols with names of their own", "Rename one.",
        )  # fmt: skip
    return givens


def _given(symbol: str, kind: Kind, value: Expr, policy: Policy, header: Header) -> Given:
    said = header.arrays.get(symbol, Array(name_of(symbol)))
    if kind is Kind.INDEX and said.default is not None:
        raise OutsideError(f"a default for {said.name}, the number of an action")
    legal: Legal = said.legal or "finite"
    logarithm = any(isinstance(x, Log) and symbol in _bare(x.of) for x in in_order(value))
    if said.legal is None and (logarithm or symbol == policy.temperature):
        legal = "positive"
    if legal == "finite or -inf" and symbol in _bare(value):
        legal = "finite"
    return Given(
        symbol=symbol,
        name=said.name,
        kind=Kind.STATE if said.each_state and kind is Kind.NUMBER else kind,
        legal=legal,
        default=said.default,
        about=said.about,
    )


def _bare(x: Expr) -> set[str]:
    """Return the symbols of a formula of which it does not only take the exponential."""
    if isinstance(x, Exp):
        return set()
    if isinstance(x, Sym):
        return {x.name}
    return set().union(*map(_bare, children(x)))


_GREEK = {letter: command.removeprefix("var") for command, letter in reversed(GREEK.items())}


def name_of(symbol: str) -> str:
    """Return what an array is called in a case: `q` for Q, Greek letters by their name."""
    if symbol == "Q":
        return "q"
    if "(" in symbol:
        raise OutsideError(f"{symbol}, which has no name as an array")
    words = []
    for letter in symbol:
        if letter in ACCENT_NAMES:
            words.append(f"_{ACCENT_NAMES[letter]}")
        elif letter in "'*":
            words.append("_prime" if letter == "'" else "_star")
        else:
            words.append(_GREEK.get(letter) or unicodedata.normalize("NFKC", letter))
    name = "".join(word if word.isascii() else "_" for word in words)
    return "".join(letter if letter.isalnum() else "_" for letter in name)
