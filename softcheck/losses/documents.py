"""Documents and formulas to losses: which symbol is the loss, and what it is called."""

import re
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from softcheck.derive.expr import Expr, Sym, free_indices
from softcheck.derive.givens import basis
from softcheck.derive.reading.claims import Reading
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.reader import read
from softcheck.derive.reading.tokens import ReadError, tokenize
from softcheck.errors import UsageError, printable
from softcheck.gradient.definition import Loss
from softcheck.losses.headers import Header, header, symbol_of
from softcheck.losses.making import Made, made
from softcheck.losses.settling import policies
from softcheck.losses.trees import at, with_parts
from softcheck.shipped import names, stored

FOLDER = Path(__file__).parent
"""Where the documents of the shipped losses are."""

_LOSS = "ℒ"
"""What a loss is called that is given as a formula alone."""

_SCIENTIFIC = re.compile(r"(?<![\w\\.])(?:\d+\.?\d*|\.\d+)[eE][-+−]?\d+")

_NOTHING = re.compile(
    r"(?:[\s.,;]|\\(?:[,;:! ]|q?quad|nonumber|notag|(?:label|tag\*?)\{[^}]*\})|%[^\n]*)*"
)
"""What may stand behind a formula and says nothing."""

_SIGN = re.compile(r":?=|\\(?:coloneqq|triangleq|doteq|equiv|stackrel)")


@dataclass(frozen=True)
class Named:
    """A loss with the trees of its variants."""

    name: str
    title: str
    variants: tuple[Made, ...]

    @cached_property
    def loss(self) -> Loss:
        """The loss as data."""
        return Loss(self.name, self.title, tuple(each.variant for each in self.variants))


@cache
def shipped(name: str) -> Named:
    """Return a loss of those that are shipped, read from its document and proved."""
    text = (FOLDER / f"{name}.tex").read_text(encoding="utf-8")
    return document(text, name, None, name)


def document(text: str, name: str, symbol: str | None, where: str) -> Named:
    """Return the loss of a document.

    Parameters
    ----------
    text : str
    name : str
        What the loss is called.
    symbol : str or None
        Which of its symbols is the loss, as LaTeX or in Unicode; None if there is only one.
    where : str
        For messages.

    Raises
    ------
    UsageError
        If it defines no loss of that name, or several; if what it defines cannot be proved.
    InputError
        If its header is not understood.
    """
    reading = read(text)
    said = header(text, where)
    known = basis(reading)
    if symbol is not None:
        chosen: tuple[str, ...] = (_defined(symbol, reading, where),)
    else:
        chosen = said.variants or (_only(reading, where),)
    for each in chosen:
        _defined(each, reading, where)
        for part in {each, *known.symbols(known.definitions[each].body)} & {*reading.definitions}:
            _require_no_e(reading.definitions[part].latex, where)
            _require_one(part, known.definitions[part].body, reading, where)
    variants = tuple(made(each, known, said, where) for each in chosen)
    return Named(name, said.title, _told_apart(variants))


def _told_apart(variants: tuple[Made, ...]) -> tuple[Made, ...]:
    """Return variants in which no array is optional without which a case is another's."""
    names = [{given.name for given in each.variant.givens} for each in variants]

    def told(made: Made) -> Made:
        arrays = {given.name for given in made.variant.givens}
        givens = tuple(
            replace(given, default=None) if arrays - {given.name} in names else given
            for given in made.variant.givens
        )
        return replace(made, variant=replace(made.variant, givens=givens))

    return tuple(map(told, variants))


def formula(text: str, where: str) -> Named:
    """Return the loss that a formula alone says.

    Raises
    ------
    UsageError
        If it cannot be read, or not be proved.
    """
    bare = text.strip().strip("$").strip()
    _require_no_e(bare, where)
    reading = _read_formula(rf"$$\mathcal{{L}} := {bare}$$")
    if reading.definitions.keys() != {_LOSS} or reading.equalities:
        # It may name itself, as in L = ..., or say in words what its symbols are.
        whole = text if "$" in text else f"$${bare}$$"
        own = _read_formula(whole)
        problem = next((e.problem for e in (*own.equalities, *reading.equalities) if e.problem), "")
        if own.definitions and not any(e.problem for e in own.equalities):
            symbol = _only(own, where, "Give the formula of one.")
            if "$" not in text:
                _require_all(bare, own.definitions[symbol].latex, where)
            return Named(text, "", (made(symbol, basis(own), Header(), where),))
        sides = [each.right.tree for each in reading.equalities if each.right.tree is not None]
        outside = sorted({index for side in sides for index in free_indices(side)})
        if outside and not problem and not reading.definitions:
            problem = f"{outside[0]} outside of the sum over it"
        raise UsageError(
            where,
            f"a formula that cannot be read: {_without_place(problem)}"
            if problem
            else "no formula",
            "a shipped loss, FILE, FILE::SYMBOL or a formula",
            r"Write it as in '-\sum_a \pi(a) Q(a)'.",
        )
    _require_all(bare, reading.definitions[_LOSS].latex, where)
    return Named(text, "", (made(_LOSS, basis(reading), Header(), where),))


def _require_no_e(latex: str, where: str) -> None:
    """Raise UsageError for a number such as 1e-3, which is a product with e in a formula."""
    if (found := _SCIENTIFIC.search(latex)) is not None:
        expected = "a number as formulas have it"
        raise UsageError(where, f"'{found[0]}'", expected, r"Write it as 0.001, or as 10^{-3}.")


def _require_one(symbol: str, body: Expr, reading: Reading, where: str) -> None:
    """Raise UsageError where a symbol is defined again: that is read as a claim about the first."""
    if any(each.form.startswith("D") and each.left.tree == body for each in reading.equalities):
        raise UsageError(
            where, f"two definitions of {symbol}", "one", "Give the two names of their own."
        )


def _require_all(text: str, definition: str, where: str) -> None:
    """Raise UsageError where a formula goes on behind what was read as the loss."""
    loss = _SIGN.split(definition, maxsplit=1)[-1].strip()
    _, found, behind = text.partition(loss)
    if found and _NOTHING.fullmatch(behind) is None:
        raise UsageError(
            where,
            f"'{printable(behind.strip(), 60)}' behind the formula",
            "one formula, the loss of one state",
            "Leave it out, or write it as a part of the formula.",
        )


def _read_formula(text: str) -> Reading:
    return read(text, force=True)


def _without_place(problem: str) -> str:
    """Return a problem without its line and column, which count the characters put around it."""
    return re.sub(r"^line \d+, column \d+: ", "", problem)


def _defined(symbol: str, reading: Reading, where: str) -> str:
    """Return the name of a symbol that a document defines."""
    found = [name for name in (symbol, symbol_of(symbol)) if name in reading.definitions]
    name = next(iter(found), None)
    if name is None:
        listed = ", ".join(reading.definitions) or "nothing"
        raise UsageError(
            where, f"no definition of {symbol}", f"one of what it defines: {listed}",
            "Write the loss as 'L = ...', with the word 'define' or ':='.",
        )  # fmt: skip
    return name


def _only(reading: Reading, where: str, way: str = "") -> str:
    """Return the symbol of a document that is its loss: a number that depends on the policy.

    `way` is what to do where there are several; by default that one can be named.
    """
    found = _candidates(reading)
    if len(found) != 1:
        listed = ", ".join(found) if found else "no definition of a loss"
        raise UsageError(
            where,
            f"{len(found)} symbols that may be the loss: {listed}" if found else listed,
            "one",
            (way or f"Name it: {where}::{found[0]}.") if found else "Write it as 'L := ...'.",
        )
    return found[0]


def _candidates(reading: Reading) -> list[str]:
    """Return the symbols that may be the loss.

    They are numbers that depend on a policy; what another of them is made of is none.
    """
    known = basis(reading)
    softmaxes = policies(known.definitions)
    moving = {"θ", *(each.name for each in softmaxes), *(each.logits for each in softmaxes)}
    found = []
    for name, stated in reading.definitions.items():
        made_of = known.symbols(stated.definition.body)
        if name not in moving and made_of & moving and not _at_actions(stated.latex):
            found.append(name)
    used = {part for name in found for part in known.symbols(known.definitions[name].body)}
    return [name for name in found if name not in used]


def _at_actions(latex: str) -> bool:
    """Tell whether a definition is of a quantity at actions that it names."""
    left = _SIGN.split(latex, maxsplit=1)[0]
    try:
        tree = parse(tokenize(left, 0, len(left), {}), Scope(), Found(), 0)
    except ReadError:
        return False
    return isinstance(tree, Sym) and bool(tree.args)


def same(one: Made, other: Made) -> bool:
    """Tell whether two losses of the same arrays are proved to be equal for every n."""
    ours = {given.name: given for given in one.variant.givens}
    theirs = {given.name: given for given in other.variant.givens}
    kinds = {name: given.kind for name, given in ours.items()}
    if kinds != {name: given.kind for name, given in theirs.items()}:
        return False
    if one.variant.temperature != other.variant.temperature:
        return False
    names = {given.symbol: theirs[name].symbol for name, given in ours.items()}
    names |= {one.policy.name: other.policy.name, one.policy.variable: other.policy.variable}

    def there(x: Expr) -> Expr | None:
        return Sym(names.get(x.name, x.name), x.args) if isinstance(x, Sym) else None

    return other.equal(at(with_parts(one.value, there), names), other.value)


def as_shipped(named: Named) -> Named:
    """Return a loss under its name as the shipped one that it is, if it is one."""
    if len(named.variants) != 1:
        return named
    (own,) = named.variants
    arrays = {given.name for given in own.variant.givens}
    for name in names():
        loss = stored(name)
        if any({given.name for given in each.givens} == arrays for each in loss.variants):
            for variant in shipped(name).variants:
                if same(own, variant):
                    return Named(named.name, loss.title, (variant,))
    return named
