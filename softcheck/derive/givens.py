"""What a derivation rests on: the defaults, what the document defines, and `--givens`."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from softcheck.derive.expr import (
    ONE,
    Definition,
    Diff,
    Expr,
    Sum,
    Sym,
    children,
    quantities,
    symbols,
    walk,
)
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.kernel.theorems import Facts
from softcheck.derive.limits import ORDER
from softcheck.derive.reading.claims import Reading
from softcheck.derive.reading.defaults import DEFAULTS, OWN, BuiltIn
from softcheck.derive.reading.notation.vocabulary import (
    CONSTANTS,
    DIVERGENCE,
    ENTROPIES,
    GIVEN_SCALARS,
    GIVEN_TABLES,
    POLICIES,
    TABLES,
    THE_STATE,
    is_fixed,
)
from softcheck.derive.spell import latex

Source = Literal["default", "document", "givens"]


@dataclass(frozen=True)
class Given:
    """One thing that is taken for granted.

    Attributes
    ----------
    name : str
    text : str
        What it says, in words or as LaTeX.
    definition : Definition or None
        None for what is only said not to depend on the policy.
    source : str
        "default", "document" or "givens" (the file of that option).
    source_line : int or None
    note : str
        Empty, or how it differs from Eq. (6)'s own.
    words : str
        What in the document made it one.
    sure : bool
        Whether that is explicit.
    """

    name: str
    text: str
    definition: Definition | None
    source: Source
    source_line: int | None
    note: str = ""
    words: str = ""
    sure: bool = True


@dataclass(frozen=True)
class Basis:
    """Everything that is known while the equalities of a document are decided.

    Attributes
    ----------
    definitions : dict of name to Definition
    givens : tuple of Given
        What is used, for the report.
    constants : set of str
        Symbols that depend on nothing.
    positive : set of str
        Symbols that are positive, whatever they stand for.
    ones : set of str
        Symbols that add up to 1 over the actions.
    arities : mapping of name to int
        How many actions each symbol takes: as it is defined, or else as most of its uses say.
    clashes : mapping of name to str
        Names that stand for several quantities.
    disputed : mapping of name to str
        Names of which the text says something more that is not used, and where.
    freed : set of str
        Symbols that have a definition, and are free variables of one claim.
    """

    definitions: Mapping[str, Definition]
    givens: tuple[Given, ...]
    constants: frozenset[str]
    positive: frozenset[str]
    ones: frozenset[str]
    arities: Mapping[str, int]
    clashes: Mapping[str, str]
    disputed: Mapping[str, str] = field(default_factory=dict)
    freed: frozenset[str] = frozenset()

    def facts(self, unfolded: Iterable[str] | None = None) -> Facts:
        """Return the facts in which only some definitions are unfolded; by default all are."""
        names = self.definitions if unfolded is None else unfolded
        kept = {name: self.definitions[name] for name in names}
        return Facts(
            definitions=kept,
            lemmas=(),
            ones=self.ones & self.constants,
            constants=self.constants,
            positive=self.positive,
        )

    def symbols(self, *trees: Expr) -> set[str]:
        """Return the symbols of some formulas, and of the definitions that they rest on."""
        seen: set[str] = set()
        pending = [name for tree in trees for name in symbols(tree)]
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                if name in self.definitions:
                    pending += symbols(self.definitions[name].body)
        return seen

    def order(self, tree: Expr) -> int:
        """Return how many derivatives are nested in a formula and its definitions."""
        known: dict[str, int] = {}

        def order(tree: Expr) -> int:
            if isinstance(tree, Sym):
                definition = self.definitions.get(tree.name)
                if definition is None:
                    return 0
                if tree.name not in known:
                    known[tree.name] = 0  # in a circle
                    known[tree.name] = order(definition.body)
                return known[tree.name]
            inner = max(map(order, children(tree)), default=0)
            return inner + isinstance(tree, Diff)

        return order(tree)

    def undefined(self, *trees: Expr) -> list[str]:
        """Return the symbols of some formulas, and of their definitions, that mean nothing."""
        return sorted(self.symbols(*trees) - self.constants - set(self.definitions))

    def _arities_of(self, *trees: Expr) -> dict[str, frozenset[int]]:
        """Return with how many actions the symbols of some formulas are used in them."""
        found: dict[str, set[int]] = {}
        for tree in self._unfolded(*trees):
            for quantity in quantities(tree):
                found.setdefault(quantity.name, set()).add(len(quantity.args))
        return {name: frozenset(counts) for name, counts in found.items()}

    def _unfolded(self, *trees: Expr) -> list[Expr]:
        """Return some formulas, and the definitions that they rest on."""
        names = sorted(self.symbols(*trees) & set(self.definitions))
        return [*trees, *(self.definitions[name].body for name in names)]

    def misused(self, *trees: Expr) -> str:
        """Say why nothing can be decided: a symbol used in two ways, or too many derivatives."""
        if THE_STATE in self.clashes:
            return f"{self.clashes[THE_STATE]} are both read as the state"
        bound = next(
            (
                node.by.name
                for tree in self._unfolded(*trees)
                for node in walk(tree)
                if isinstance(node, Diff) and node.by.name in self.ones & self.constants
            ),
            None,
        )
        if bound is not None:
            return f"a derivative by {bound}, whose entries add up to 1"
        if any(self.order(tree) > ORDER for tree in trees):
            return f"derivatives of an order beyond {ORDER}"
        here = self._arities_of(*trees)
        for name in sorted(self.symbols(*trees)):
            if name in self.clashes:
                return f"{name} stands for several quantities, told apart by {self.clashes[name]}"
            counts = here.get(name, frozenset())
            if name in self.arities:
                counts |= {self.arities[name]}
            if len(counts) > 1:
                shown = " and ".join(map(str, sorted(counts)))
                return f"{name} is used with {shown} actions"
        return ""


def basis(
    reading: Reading,
    extra: Reading | None = None,
    disputed: Mapping[str, str] | None = None,
    replaced: Collection[str] = (),
) -> Basis:
    """Return what is known for a document.

    Parameters
    ----------
    reading : Reading
        Of the document.
    extra : Reading, optional
        Of the file of `--givens`, which outranks the document.
    disputed : mapping of name to str, optional
        Names of which the text says something more.
    replaced : collection of name
        Those of them that may mean something else: they have no meaning by default.
    """
    disputed = disputed or {}
    parts: dict[Source, Reading] = {"document": reading}
    if extra is not None:
        parts["givens"] = extra
    givens = _stated(parts)
    trees = [
        line.tree
        for equality in reading.equalities
        for line in (equality.left, equality.right)
        if line.tree is not None
    ]
    trees += [definition.body for definition in _definitions(givens).values()]
    without = _differentiated_otherwise(trees, givens) | set(replaced)
    givens += _defaults(
        set().union(*map(symbols, trees)), {given.name for given in givens}, without
    )
    definitions = _definitions(givens)
    bodies = [definition.body for definition in definitions.values()]
    used = set().union(*map(symbols, [*trees, *bodies]))
    assumed = _assumed(parts.values(), trees, used - definitions.keys(), replaced)
    clashes = _labelled(used | definitions.keys())
    for part in parts.values():
        clashes |= part.clashes
    full = Basis(
        definitions=definitions,
        givens=(),
        constants=assumed.constants - definitions.keys(),
        positive=assumed.positive - definitions.keys(),
        ones=assumed.ones,
        arities=_arities(trees, definitions),
        clashes=clashes,
        disputed=disputed,
    )
    sums, positives = _distributions(full)
    return replace(
        full,
        givens=(
            *(_noted(full, given) for given in givens),
            *_granted(full, used, assumed),
        ),
        positive=full.positive | positives,
        ones=full.ones | sums,
    )


def _stated(parts: Mapping[Source, Reading]) -> list[Given]:
    """Return what the parts define, each name by the last part that does."""
    found = {
        name: Given(
            name,
            stated.latex,
            stated.definition,
            source,
            stated.source_line,
            words=stated.words,
            sure=stated.sure,
        )
        for source, part in parts.items()
        for name, stated in part.definitions.items()
    }
    return list(found.values())


def _definitions(givens: Iterable[Given]) -> dict[str, Definition]:
    return {given.name: given.definition for given in givens if given.definition is not None}


@dataclass(frozen=True)
class _Assumed:
    """What is taken for granted of symbols without a definition.

    Attributes
    ----------
    declared : mapping of name to source line
        Those that the text says something of.
    constants, ones, positive : set of str
        As in `Basis`.
    granted : set of str
        Those of the constants of which the text says nothing at all.
    """

    declared: Mapping[str, int]
    constants: frozenset[str]
    ones: frozenset[str]
    positive: frozenset[str]
    granted: frozenset[str]


def _assumed(
    parts: Iterable[Reading],
    trees: Sequence[Expr],
    undefined: set[str],
    replaced: Collection[str],
) -> _Assumed:
    """Return what the parts, and the notation of this field, say of symbols."""
    declared: dict[str, int] = {}
    ones: set[str] = set()
    unsigned: set[str] = set()
    positive: set[str] = set()
    for part in parts:
        declared |= {**part.normalised, **part.constants}
        ones |= part.normalised.keys()
        unsigned |= part.unsigned
        positive |= {c.left for c in part.conditions if c.relation == ">"}
    uses = _arities(trees, {})
    tables = {name for name in undefined if name.partition("_")[0] in GIVEN_TABLES}
    tables = {name for name in tables if uses.get(name) == 1} - set(replaced)
    scalars = {name for name in undefined & GIVEN_SCALARS if uses.get(name) == 0} - set(replaced)
    fixed = set(filter(is_fixed, undefined))
    policies = {name for name in fixed if name.partition("_")[0] in POLICIES}
    ones |= policies
    variables = {node.by.name for tree in trees for node in walk(tree) if isinstance(node, Diff)}
    return _Assumed(
        declared,
        frozenset(
            CONSTANTS | TABLES | variables | declared.keys() | ones | fixed | tables | scalars
        ),
        frozenset(ones),
        frozenset(positive | (CONSTANTS - unsigned) | policies),
        frozenset((tables | scalars) - declared.keys() - variables),
    )


def _arities(trees: Iterable[Expr], definitions: Mapping[str, Definition]) -> dict[str, int]:
    found = dict.fromkeys(TABLES, 1) | dict.fromkeys(CONSTANTS, 0)
    found |= {name: len(definition.params) for name, definition in definitions.items()}
    uses: dict[str, Counter[int]] = {}
    for tree in trees:
        for quantity in quantities(tree):
            uses.setdefault(quantity.name, Counter())[len(quantity.args)] += 1
    for name, counts in uses.items():
        if name not in definitions and (name not in found or len(counts) == 1):
            found[name] = max(counts, key=lambda count: (counts[count], count))
    return found


def _labelled(used: set[str]) -> dict[str, str]:
    """Return the names that are used with a word in brackets and without one: `p(x)` and `p(a)`."""
    clashes: dict[str, str] = {}
    for name in sorted(used):
        base, bracket, label = name.partition("(")
        if bracket and base in used:
            clashes |= dict.fromkeys((base, name), f"({label}")
    return clashes


def _differentiated_otherwise(trees: Sequence[Expr], givens: Iterable[Given]) -> set[str]:
    """Return the policies that are differentiated by other logits than those of their default."""
    defined = {given.name for given in givens}
    found = set()
    for tree in trees:
        for node in walk(tree):
            if not isinstance(node, Diff):
                continue
            if node.by.args and node.by.name not in TABLES | DEFAULTS.keys() | defined:
                found |= symbols(node.body) & DEFAULTS.keys()
    return found


def _defaults(used: set[str], known: set[str], without: set[str]) -> Iterator[Given]:
    """Yield the defaults that are used and not replaced, but for those of some names."""
    names = set(used)
    found: dict[str, BuiltIn] = {}
    for name in sorted(used - known):
        if name.startswith(f"{DIVERGENCE}("):
            p, q = name.removeprefix(f"{DIVERGENCE}(").removesuffix(")").split("‖")
            names |= {p, q}
            found[name] = _divergence(p, q)
        entropy, _, of = name.removesuffix(")").partition("(")
        if entropy in ENTROPIES and of and not {"‖", ","} & {*of}:
            names.add(of)
            found[name] = _entropy(name, of)
    if "π" in names | known:
        names.discard("p")  # a document that speaks of a policy and of p means two things
    known = known | without
    found |= {name: default for name, default in DEFAULTS.items() if name in names - known}
    for name, default in found.items():
        yield Given(name, default.text, default.definition(name), "default", None)


def _divergence(p: str, q: str) -> BuiltIn:
    p, q = (latex(Sym(name, ("b",))) for name in (p, q))
    left = rf"D_{{\mathrm{{KL}}}}({p.removesuffix('(b)')} \,\|\, {q.removesuffix('(b)')})"
    return BuiltIn(left, (), rf"\sum_b {p} (\log {p} - \log {q})")


def _entropy(name: str, p: str) -> BuiltIn:
    p = latex(Sym(p, ("b",)))
    return BuiltIn(latex(Sym(name)), (), rf"-\sum_b {p} \log {p}")


def _granted(known: Basis, used: set[str], assumed: _Assumed) -> Iterator[Given]:
    """Yield what is said of the symbols that depend on nothing."""
    declared = assumed.declared
    for name in sorted(used & known.constants - {"θ"}):
        more = ", and is positive" if name in known.positive else ""
        more += f", and Σ {name} = 1" if name in known.ones else ""
        source: Source = "document" if name in declared else "default"
        text = f"{name} does not depend on the policy{more}"
        yield Given(name, text, None, source, declared.get(name), sure=name not in assumed.granted)


def _distributions(known: Basis) -> tuple[frozenset[str], frozenset[str]]:
    """Return the defined symbols that add up to 1, and those that are positive, as proved."""
    ones, positives = set(), set()
    for name, definition in known.definitions.items():
        if len(definition.params) > 1:
            continue
        form = NormalForm(known.facts())
        try:
            if form.positive(Sym(name, definition.params)):
                positives.add(name)
            if len(definition.params) == 1:
                total = Sum("b", Sym(name, ("b",)))
                if form.proved(total, ONE):
                    ones.add(name)
        except OutsideError:
            continue
    return frozenset(ones), frozenset(positives)


def _noted(known: Basis, given: Given) -> Given:
    """Say how a definition differs from Eq. (6)'s own, if it does."""
    own = OWN.get(given.name)
    if given.definition is None or own is None or given.source == "default":
        return given
    if given.name in ("L", "ℒ") and "g" not in known.definitions:
        return given
    theirs, ours = given.definition, own.definition(given.name)
    if len(theirs.params) == len(ours.params):
        for facts in (known.facts(()), known.facts()):
            definitions = {**facts.definitions, given.name: ours}
            form = NormalForm(replace(facts, definitions=definitions))
            try:
                if form.proved(theirs.body, Sym(given.name, theirs.params)):
                    return given
            except OutsideError:
                continue
    return replace(given, note=f"differs from Eq. (6)'s own, {own.text}")
