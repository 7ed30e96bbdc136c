"""What a step needs: algebra alone, a lemma, or which definitions; and what it left out.

A ground is one thing that a step may use. The rungs are no ground at all; the definitions of
what stands on one side only, which no comparison can do without; the lemmas proved before; and
everything. Where everything is needed, grounds are taken away again, the strongest first, as
long as the step stays proved.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, assert_never

from softcheck.derive.difference import under
from softcheck.derive.expr import Condition, Expr, symbols
from softcheck.derive.givens import Basis
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.polynomials import renamed
from softcheck.derive.kernel.terms import Index, OutsideError, Product
from softcheck.derive.kernel.theorems import Assumption, Facts, Lemma, Proved
from softcheck.derive.points.possible import Hypothesis
from softcheck.derive.spell import unicode
from softcheck.derive.writing import formula


@dataclass(frozen=True)
class Ground:
    """One thing that a step may use: a definition, a lemma, or that a policy adds up to 1."""

    kind: Literal["definition", "lemma", "one"]
    name: str

    @property
    def words(self) -> str:
        """Name it for the report."""
        match self.kind:
            case "definition":
                return f"the definition of {self.name}"
            case "lemma":
                return f"the lemma of {self.name}"
            case "one":
                return f"Σ {self.name} = 1"
            case _:
                assert_never(self.kind)


@dataclass(frozen=True)
class Stage:
    """What is left of a gap once one more ground is used."""

    by: Ground
    left: Expr


@dataclass(frozen=True)
class Gap:
    """The difference of two sides before the grounds that make it vanish are used.

    Attributes
    ----------
    term : Expr
        Left side minus right side: what the right side leaves out.
    stages : tuple of Stage
        Its proof: what becomes of it, ground by ground, down to 0.
    """

    term: Expr
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Proof:
    """Why a step holds for every n.

    Attributes
    ----------
    proved : Proved
        That it does.
    needs : tuple of Ground
        A smallest set that proves it; empty for algebra alone.
    gap : Gap or None
    freed : set of str
        Symbols that are free variables in it, although they have a definition.
    """

    proved: Proved
    needs: tuple[Ground, ...]
    gap: Gap | None
    freed: frozenset[str] = frozenset()

    @property
    def words(self) -> tuple[str, ...]:
        """Say all that the step needs, for the report."""
        free = (f"{name} as a free variable" for name in sorted(self.freed))
        return (*(ground.words for ground in self.needs), *free, *self._granted)

    @property
    def _granted(self) -> tuple[str, ...]:
        """Say what the step takes for granted."""
        positive = {_said(a) for a in self.proved.assumes if a.relation == ">"}
        nonzero = {_said(a) for a in self.proved.assumes if a.relation == "≠"} - positive
        return (
            *(f"{term} > 0" for term in sorted(positive)),
            *(f"{term} ≠ 0" for term in sorted(nonzero)),
        )

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """All that the step takes for granted, an action that is bound under a name of its own."""
        return tuple(
            Hypothesis(_term(a, lambda i: f"·{i}"), a.relation) for a in self.proved.assumes
        )

    @property
    def vacuous(self) -> str:
        """Say why the step says nothing, if its hypotheses hold nowhere."""
        granted = " and ".join(self._granted)
        if granted:
            return f"it takes for granted that {granted}, which holds at no point that was tried"
        return "its sides have a value at no point that was tried"


def _indices(product: Product) -> set[Index]:
    """Return the actions that a term speaks of."""
    groups = (product.factors, *(component.factors for component in product.sums))
    return {index for group in groups for base, _ in group for index in base.args}


def _said(assumption: Assumption) -> str:
    """Spell the term of an assumption; an action that a sum or a definition binds is a dot."""
    return unicode(_term(assumption, lambda _: "·"))


def _term(assumption: Assumption, name: Callable[[int], str]) -> Expr:
    """Return the term of an assumption, in which the actions that are bound have names."""
    indices = _indices(assumption.of)
    bound: dict[Index, Index] = {i: name(i) for i in indices if isinstance(i, int) and i >= 0}
    return formula(renamed({assumption.of: Fraction(1)}, bound))


class Ladder:
    """The rungs for one equality.

    Parameters
    ----------
    left, right : Expr
    conditions : tuple of Condition
    context : Basis
    lemmas : sequence of Lemma

    Attributes
    ----------
    outside : str
        Why a rung had no normal form, the highest rung's reason; empty if all had one.
    spent : int
        Products of terms so far.
    """

    def __init__(
        self,
        left: Expr,
        right: Expr,
        conditions: tuple[Condition, ...],
        context: Basis,
        lemmas: Sequence[Lemma],
    ) -> None:
        self.left = left
        self.right = right
        self.conditions = conditions
        self.context = context
        # What was proved of a symbol with its definition need not hold of any variable.
        self.lemmas = {} if context.freed else {lemma.name: lemma for lemma in lemmas}
        self.outside = ""
        self.spent = 0

    def climb(self) -> Proof | None:
        """Return the proof on the lowest rung that has one, or None."""
        named = self._one_sided()
        cited = [*named, *(Ground("lemma", name) for name in self.lemmas)]
        everything = [*cited, *self._ones(), *self._definitions(named)]
        for rung in ([], named, cited, everything):
            proved = self._proves(rung)
            if proved is not None:
                proved, needs = self._fewest(rung, proved)
                self.outside = ""
                gap = self._gap(cited, needs) if rung is everything else None
                return Proof(proved, needs, gap, self.context.freed)
        return None

    # Grounds

    def _one_sided(self) -> list[Ground]:
        """Return the definitions of what stands on one side only.

        Of several, one that the others are defined with waits: it may then stand on both sides.
        """
        found: list[Ground] = []
        left, right = symbols(self.left), symbols(self.right)
        while True:
            done = {ground.name for ground in found}
            apart = [n for n in left ^ right if n in self.context.definitions and n not in done]
            if not apart:
                return found
            name = min(apart, key=lambda n: (any(n in self._parts(m) for m in apart if m != n), n))
            found.append(Ground("definition", name))
            side = left if name in left else right
            side |= symbols(self.context.definitions[name].body)

    def _parts(self, name: str) -> set[str]:
        """Return all that a definition rests on."""
        parts: set[str] = set()
        pending = [name]
        while pending:
            definition = self.context.definitions.get(pending.pop())
            if definition is not None:
                new = symbols(definition.body) - parts
                parts |= new
                pending += new
        return parts

    def _definitions(self, named: Sequence[Ground]) -> list[Ground]:
        """Return the other definitions, those of policies last."""
        names = [name for name in self.context.definitions if name not in self.context.ones]
        names += [name for name in self.context.definitions if name in self.context.ones]
        grounds = [Ground("definition", name) for name in names]
        return [ground for ground in grounds if ground not in named]

    def _ones(self) -> list[Ground]:
        return [Ground("one", name) for name in sorted(self.context.ones - self.context.constants)]

    def _facts(self, grounds: Iterable[Ground]) -> Facts:
        grounds = list(grounds)
        facts = self.context.facts(g.name for g in grounds if g.kind == "definition")
        lemmas = tuple(self.lemmas[g.name] for g in grounds if g.kind == "lemma")
        ones = facts.ones | {g.name for g in grounds if g.kind == "one"}
        return replace(facts, lemmas=lemmas, ones=ones)

    def _proves(self, grounds: Iterable[Ground]) -> Proved | None:
        form = NormalForm(self._facts(grounds))
        try:
            return form.proved(self.left, self.right, self.conditions)
        except OutsideError as outside:
            self.outside = str(outside)
            return None
        except RecursionError:
            self.outside = "formulas nested too deeply"
            return None
        finally:
            self.spent += form.spent

    def _fewest(
        self, grounds: Sequence[Ground], proved: Proved
    ) -> tuple[Proved, tuple[Ground, ...]]:
        """Take grounds away, the last first, many at a time if that leaves the step proved."""
        kept = list(grounds)
        pending = [list(grounds)] if grounds else []
        while pending:
            block = pending.pop()
            rest = [ground for ground in kept if ground not in block]
            # Without any the step was not proved on the lowest rung.
            again = self._proves(rest) if rest or len(block) == 1 else None
            if again is not None:
                proved, kept = again, rest
            elif len(block) > 1:
                half = len(block) // 2
                pending += [block[:half], block[half:]]
        return proved, tuple(kept)

    # What a proof says

    def _gap(self, cited: Sequence[Ground], needs: Sequence[Ground]) -> Gap | None:
        """Return the term that the step leaves out, if the rest of its terms agree without it."""
        used = [ground for ground in cited if ground in needs]
        form = NormalForm(self._facts(used))
        try:
            left, right = form.of(self.left), form.of(self.right)
            rest = under(self.conditions, form.difference(self.left, self.right))
        except OutsideError:
            return None
        if not rest or len(rest) >= len(left) + len(right):
            return None
        term = formula(rest)
        return Gap(term, self._stages(term, used, [g for g in needs if g not in used]))

    def _stages(
        self, term: Expr, used: list[Ground], further: Sequence[Ground]
    ) -> tuple[Stage, ...]:
        """Use one more ground after the other, definitions first, and say what is left."""
        order = sorted(further, key=lambda g: (g.kind == "one", g.name in self.context.ones))
        stages = []
        grounds = [*used]
        before = term
        for ground in order:
            grounds.append(ground)
            form = NormalForm(self._facts(grounds))
            try:
                left = formula(under(self.conditions, form.of(term)))
            except OutsideError:
                continue
            if left != before:
                stages.append(Stage(ground, left))
            before = left
        return tuple(stages)
