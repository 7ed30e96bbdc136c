"""A document to what it claims: the passes, one after the other.

Regions, formulas and sentences are made first. Then every statement gets its role, in the order of
the text, and goes to the findings: a definition, a claim with its conditions, or neither.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from softcheck.derive.expr import (
    Condition,
    Expect,
    Expr,
    Num,
    Size,
    Sum,
    Sym,
    free_indices,
    symbols,
    walk,
)
from softcheck.derive.limits import EQUALITIES
from softcheck.derive.reading.claims import Kind, Line, Reading, Stated
from softcheck.derive.reading.conditions import Restriction, quietly, restriction, restricts
from softcheck.derive.reading.defaults import DEFAULTS
from softcheck.derive.reading.findings import Findings, Known
from softcheck.derive.reading.forms import Form, Seen, doubt, form_of
from softcheck.derive.reading.formulas import DEEP, Formula, formulas_of, scope_of
from softcheck.derive.reading.labels import labelled
from softcheck.derive.reading.notation.cursor import Brace, Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.sides import settled
from softcheck.derive.reading.notation.vocabulary import (
    CONSTANTS,
    DIVERGENCE,
    INDEX_LETTERS,
    TABLES,
    is_fixed,
)
from softcheck.derive.reading.regions import Span, Text
from softcheck.derive.reading.sentences import DISPLAY, INLINE
from softcheck.derive.reading.shapes import (
    entry_letter,
    is_quotient,
    is_whole,
    names_in,
    side_of,
    updates,
)
from softcheck.derive.reading.statements import EQUATING, Statement
from softcheck.derive.reading.tokens import ReadError, Token
from softcheck.derive.reading.words import (
    Told,
    denied,
    is_behind,
    joins,
    opens_case,
    says_any,
    says_constant,
    starts_condition,
)

_NOTHING: Mapping[str, Stated] = {}
_OPTIMA = {"max", "min", "sup", "inf", "argmax", "argmin", "arg"}


def read(
    text: str,
    *,
    known: Mapping[str, Stated] = _NOTHING,
    force: bool = False,
    lines: Sequence[tuple[int, int]] = (),
) -> Reading:
    """Return what a document says; what was not understood is a claim with a problem.

    Parameters
    ----------
    text : str
    known : mapping of name to Stated
        Symbols that have a meaning already: what the document says of them is a claim.
    force : bool
        Whether every equation with one symbol on its left is a definition.
    lines : sequence of (first, last)
        The lines of which a formula is read that stands on one of them; none for all.
    """
    document = Text(text, lines)
    formulas = formulas_of(document)
    scope = scope_of(formulas)
    # What a symbol is may stand behind its first use: what is defined is collected first.
    first = _Reader(Known(document, known, force), formulas, scope).read()
    arities = {name: len(given.definition.params) for name, given in first.definitions.items()}
    scope = replace(scope, arities=arities)
    labels = frozenset((INDEX_LETTERS | scope.letters) - scope.quantities - _bound(first))
    reading = _Reader(Known(document, known, force, labels), formulas, scope).read()
    reading.off = document.off
    return labelled(reading)


def _bound(reading: Reading) -> set[str]:
    """Return the letters that sums and means of a document bind."""
    lines = [line.tree for e in reading.equalities for line in (e.left, e.right)]
    bodies = [stated.definition.body for stated in reading.definitions.values()]
    trees = [tree for tree in (*lines, *bodies) if tree is not None]
    return {n.index for tree in trees for n in walk(tree) if isinstance(n, Sum | Expect)}


class _Reader:
    """Gives the statements of a document their roles; what they say goes to the findings."""

    def __init__(self, known: Known, formulas: Sequence[Formula], scope: Scope) -> None:
        self.text = known.text
        self.formulas = formulas
        self.scope = scope
        self.findings = Findings(known)
        self.force = known.force
        self.used: set[str] = set()
        self.signed: set[str] = set()
        self.unread: set[str] = set()
        self.leading: tuple[int, list[Restriction], bool] = (-1, [], False)
        self.case: tuple[int, Restriction] = (-1, Restriction())

    def read(self) -> Reading:
        reading = self.findings.reading
        for position, formula in enumerate(self.formulas):
            reading.formulas += bool(formula.tokens or formula.problem)
            try:
                self._formula(formula, position)
            except RecursionError:
                self._unreadable(formula.span, DEEP)
            if len(reading.equalities) > EQUALITIES:
                reason = f"more than {EQUALITIES} equalities in one document"
                self._unreadable(formula.span, reason)
                break
        return self.findings.finished()

    def _unreadable(self, span: Span, reason: str, place: int | None = None) -> None:
        latex = self.text.words(span.start, span.end)
        self.findings.unreadable(reason, span.start if place is None else place, latex)

    def _scope(self, entry: str | None = None) -> Scope:
        """Return what is known where a formula stands."""
        stated = self.findings.stated()
        arities = {name: len(given.definition.params) for name, given in stated.items()}
        return replace(self.scope, arities={**self.scope.arities, **arities}, entry=entry)

    # One formula

    def _formula(self, formula: Formula, position: int) -> None:
        if formula.problem:
            self._unreadable(formula.span, formula.problem, formula.place)
            self._dispute_left(formula)
            return
        self._constants(formula)
        if self._is_condition(formula):
            self._condition(formula, position)
            return
        found = formula.statements
        behind = self._behind(position)
        related = any(statement.relations for statement in found)
        start, beside = 0, False
        while start < len(found):
            end = _row(found, start)
            row = found[start:end]
            first = start == 0
            start = end
            mains = [statement for statement in row if self._is_main(statement)]
            if not mains:
                beside = self._loose(formula, row, related=related) and beside
                continue
            places = [row.index(main) for main in mains]
            behind_row = restriction(row[places[-1] + 1 :], self.scope)
            for place, following in zip(places, [*places[1:], len(row)], strict=True):
                main = row[place]
                own = restriction(row[place + 1 : following], self.scope)
                bound = restriction([Statement([[]], bound=main.bound)], self.scope)
                reach = _joined(bound, own, behind_row, behind, self._reaching(formula))
                beside = self._statement(
                    formula, main, reach, first=first and place == 0, beside=beside
                )
        if formula.span.display or related:
            number, said, _ = self.leading
            self.leading = (number, said, True)

    def _is_main(self, statement: Statement) -> bool:
        """Tell whether a statement on a row says something, and does not only restrict."""
        if not statement.relations:
            return False
        if not statement.aside:
            return True
        if starts_condition(statement.words):
            return False
        return not restricts(statement, self.scope)

    def _loose(self, formula: Formula, row: Sequence[Statement], *, related: bool) -> bool:
        """Look at a row that claims nothing: a relation may hide in what cannot be read."""
        for statement in row:
            tokens = statement.tokens
            if related:
                self._unreadable(formula.span, "a row without a relation", statement.start)
                return False
            found = Found()
            line = self._line(tokens, self._scope(), found, formula.span.start)
            if line.tree is not None:
                self._braces(found.braces, sure=False)
                if formula.span.display:
                    self.findings.last = line
                continue
            try:
                parse(tokens, self._scope(), Found(), formula.span.start)
            except ReadError as error:
                hidden = any(token.text in ("=", "neq") for token in tokens)
                if formula.span.display or hidden:
                    self._unreadable(formula.span, error.reason, error.start)
                    return False
        return True

    def _constants(self, formula: Formula) -> None:
        """Take the symbols of a sentence that says they are constants, or a softmax of others."""
        if formula.span.display or len(formula.statements) == 0:
            return
        constant = says_constant(formula.around)
        for statement in formula.statements:
            if len(statement.sides) > 1:
                continue
            tree = quietly(statement.sides[0], self.scope)
            if not isinstance(tree, Sym):
                continue
            line = self.text.line(formula.span.start)
            if constant and tree.name not in DEFAULTS.keys() | TABLES:
                self.findings.reading.constants.setdefault(tree.name, line)
            if says_any(formula.around):
                why = f"line {line}, which speaks of any {tree.name},"
                self.findings.set_aside({tree.name}, None, why)

    def _dispute_left(self, formula: Formula) -> None:
        """Note that something is said of a symbol that was not read."""
        tokens = formula.tokens
        place = next((i for i, token in enumerate(tokens) if token.text in ("=", "&")), 0)
        for end in range(place, 0, -1):
            tree = quietly(tokens[:end], self.scope)
            if isinstance(tree, Sym):
                line = self.text.line(formula.span.start)
                self.findings.set_aside({tree.name}, None, f"line {line}, which was not read")
                return

    # Conditions

    def _is_condition(self, formula: Formula) -> bool:
        """Tell whether a formula in the text only restricts."""
        found = formula.statements
        return (
            not formula.span.display
            and bool(found)
            and bool(found[0].relations or found[0].bound)
            and all(not s.relations or restricts(s, self.scope) for s in found)
        )

    def _condition(self, formula: Formula, position: int) -> None:
        """Take a condition of the text: on a scalar for all that follows, on actions for some."""
        findings = self.findings
        said = restriction(formula.statements, self.scope, words=False)
        main = formula.statements[0]
        self._restricting(formula, main, said)
        open_ended = denied(formula.around)
        for condition in said.conditions:
            if condition.relation == ">" and not open_ended:
                findings.reading.conditions.append(condition)
        if said.problem or open_ended:
            self._bounded(main, formula)
        apart = tuple(c for c in said.conditions if c.relation != ">")
        if formula.around.in_heading:
            self.case = (formula.around.section, replace(said, conditions=apart))
            return
        if self._leads(position) is not None:
            return  # it was taken by the formula before it
        between = _between(formula.around.before)
        said = replace(said, conditions=apart)
        told = "if" if between.strip() in ("[", "|") else starts_condition(between)
        if told == "unless":
            said = _opposite(said)
        elif told == "odd":
            said = replace(said, problem=f"the words {between.strip()!r}", place=main.start)
        elif told is None and not joins(between):
            self._unplaced(formula, main, said)
            return
        if opens_case(formula.around):
            self.case = (formula.around.section, said)
        number, before, claimed = self.leading
        same = number == formula.around.sentence
        self.leading = (
            formula.around.sentence,
            [*before, said] if same and not claimed else [said],
            False,
        )

    def _restricting(self, formula: Formula, main: Statement, said: Restriction) -> None:
        """Record the role of a formula that only restricts."""
        if not main.relations:
            return
        kind: Kind = "condition" if said.conditions or said.problem else "declaration"
        start = formula.span.start
        lines = [self._line(side, self.scope, Found(), start) for side in main.sides]
        signs = [relation.text for relation in main.relations]
        self.findings.role(kind, None, "it restricts", lines, signs)

    def _unplaced(self, formula: Formula, main: Statement, said: Restriction) -> None:
        """Record a condition of which it is not known what it restricts."""
        if not (said.conditions or said.problem):
            return
        names = set().union(*(symbols(tree) for tree in self._trees(main)))
        line = self.text.line(formula.span.start)
        why = f"line {line}, a condition whose reach is not known"
        self.findings.set_aside(names, None, why, replaces=False)
        if said.conditions:
            reach = Restriction(problem="a condition before it", place=main.start)
            self.case = (formula.around.section, reach)

    def _trees(self, statement: Statement) -> list[Expr]:
        trees = (quietly(side, self.scope) for side in statement.sides)
        return [tree for tree in trees if tree is not None]

    def _bounded(self, statement: Statement, formula: Formula) -> None:
        """Take a bound of a scalar that is not understood: nothing is refuted that it may touch."""
        sign = statement.relations[0].text if statement.relations else ""
        if sign not in ("<", ">", "≤", "≥", "≠"):
            return
        low = statement.sides[0] if sign in ("<", "≤") else statement.sides[1]
        negative = quietly(low, self.scope)
        if isinstance(negative, Sym):
            self.findings.reading.unsigned.add(negative.name)
        names = set().union(*(symbols(tree) for tree in self._trees(statement)))
        line = self.text.line(formula.span.start)
        why = f"line {line}, a condition not understood"
        self.findings.set_aside(names, None, why, replaces=False)

    def _reaching(self, formula: Formula) -> Restriction:
        """Return the conditions that lead to a formula, in its sentence or its case."""
        number, said, _ = self.leading
        found = list(said) if number == formula.around.sentence else []
        section, case = self.case
        if section == formula.around.section:
            found.append(case)
        together = _joined(*found)
        pairs = {(c.left, c.right) for c in together.conditions if c.relation == "="}
        pairs &= {(c.left, c.right) for c in together.conditions if c.relation == "≠"}
        if pairs:
            # Words that speak of both cases speak of all.
            kept = tuple(c for c in together.conditions if (c.left, c.right) not in pairs)
            together = replace(together, conditions=kept)
        return together

    def _behind(self, position: int) -> Restriction:
        """Return the conditions in the words directly behind a formula."""
        found = []
        following = position + 1
        while (told := self._leads(following)) is not None:
            formula = self.formulas[following]
            said = restriction(formula.statements, self.scope, words=False)
            if told == "unless":
                said = _opposite(said)
            elif told == "odd":
                said = replace(said, problem="the words before it", place=formula.span.start)
            found.append(said)
            following += 1
        return _joined(*found)

    def _leads(self, position: int) -> Told | None:
        """Tell whether a condition restricts the formula before it, and by which words."""
        if not 0 < position < len(self.formulas):
            return None
        formula, previous = self.formulas[position], self.formulas[position - 1]
        if formula.around.sentence != previous.around.sentence or not self._is_condition(formula):
            return None
        between = _between(formula.around.before)
        told = starts_condition(between)
        if told is None and joins(between) and self._is_condition(previous):
            return self._leads(position - 1)
        if told is None or self._is_condition(previous):
            return None
        if not is_behind(between, formula.around.behind):
            return None
        if not any(statement.relations for statement in previous.statements):
            return None
        return told

    # One statement

    def _statement(
        self,
        formula: Formula,
        statement: Statement,
        reach: Restriction,
        *,
        first: bool,
        beside: bool,
    ) -> bool:
        """Give a statement its role; return whether it is a claim that may be refuted."""
        findings = self.findings
        start = statement.relations[0].start
        scope, found = self._scope(entry_letter(statement.sides, self.scope)), Found()
        lines = self._entries(
            [self._line(side, scope, found, start) for side in statement.sides], scope, start
        )
        signs = [relation.text for relation in statement.relations]
        goes_on = formula.span.display or formula.around.alone
        if not statement.sides[0] and goes_on and first and findings.last is not None:
            lines[0] = findings.last
        if self._normalises(formula, lines, signs):
            return False
        seen = self._seen(formula, statement, lines, signs, first=first, beside=beside)
        form = self._forced(lines) or form_of(seen)
        kind = "remark" if form is None else form.kind
        mixed = sorted(found.stateful & found.stateless)
        if mixed and kind == "definition" and lines[0].tree == lines[-1].tree:
            findings.role("declaration", form, "one is written for the other", lines, signs)
            return False
        if mixed:
            said = f"{mixed[0]} with the state and without it, write one of them"
            problem = self.text.problem(said, start)
            lines = [replace(line, tree=None, problem=problem) for line in lines]
        findings.role(kind, form, "" if form else "no form fits it", lines, signs)
        sure = False
        if kind in ("definition", "claim", "remark"):
            sure = self._said(formula, statement, lines, reach, seen, form, found)
        findings.note(found, start)
        if kind == "condition":
            equality = findings.equality(lines[0], lines[1])
            why = f"line {lines[0].source_line}, {form.why if form else ''}"
            whole = seen.right not in ("number", "symbol", "entry") and not seen.number
            findings.set_aside(names_in(lines[0].tree), equality, why, replaces=whole)
        return sure

    def _said(
        self,
        formula: Formula,
        statement: Statement,
        lines: Sequence[Line],
        reach: Restriction,
        seen: Seen,
        form: Form | None,
        found: Found,
    ) -> bool:
        """Record a definition, a claim, or an equality of which it is not known what it is."""
        findings = self.findings
        if form is not None and form.kind == "remark":
            # What is denied is not claimed; what else is no claim may still hold.
            problem = self.text.problem(form.why, statement.start) if form.code == "X" else ""
            said = findings.equality(
                lines[0], lines[-1], problem=problem, sure=False, doubt=form.why, form=form.code
            )
            findings.claim(said)
            findings.set_aside(names_in(lines[0].tree), said, f"line {lines[0].source_line}")
            return False
        apart = any(c.relation != ">" for c in reach.conditions)
        unsure = doubt(seen, restricted=apart) if form is None or form.kind == "claim" else ""
        unsure = unsure or next(iter(found.guesses), "")
        if form is not None and form.code == "C0" and apart:
            findings.doubt_chain("a condition behind what goes on with it")
        findings.chain(form, lines, statement.relations, reach, unsure)
        self._noted(formula, lines, reach, seen, form)
        self._braces(found.braces, sure=form is not None and form.sure and not unsure)
        return form is not None and form.kind == "claim" and form.sure and not unsure

    def _noted(
        self,
        formula: Formula,
        lines: Sequence[Line],
        reach: Restriction,
        seen: Seen,
        form: Form | None,
    ) -> None:
        """Note what a statement means for those that follow it."""
        findings = self.findings
        apart = any(c.relation != ">" for c in reach.conditions)
        defines = form is not None and form.kind == "definition"
        if seen.default:
            findings.reading.restated.append(findings.equality(lines[0], lines[1]))
        if form is None or (defines and apart):
            equality = findings.equality(lines[0], lines[1], restriction=reach)
            findings.set_aside(names_in(lines[0].tree), equality, f"line {lines[0].source_line}")
        for condition in reach.conditions:
            if condition.relation == ">" and defines:
                findings.reading.conditions.append(condition)
        if form is not None and form.code == "D1":
            self.signed |= names_in(lines[0].tree)
        if form is None or form.kind == "claim":
            self.used |= set().union(*(names_in(line.tree) for line in lines))
        if formula.span.display or formula.around.alone:
            findings.last = lines[-1]
        if any(line.problem for line in lines[1:]):
            self.unread |= names_in(lines[0].tree)

    def _forced(self, lines: Sequence[Line]) -> Form | None:
        """Return the form of a definition where every equation is one."""
        if not self.force or not isinstance(lines[0].tree, Sym):
            return None
        return Form("G", "definition", True, "a given", lambda _: True)

    def _seen(
        self,
        formula: Formula,
        statement: Statement,
        lines: Sequence[Line],
        signs: Sequence[str],
        *,
        first: bool,
        beside: bool,
    ) -> Seen:
        left, right = lines[0].tree, lines[1].tree
        name = left.name if isinstance(left, Sym) else ""
        stated = name in self.findings.stated()
        default = name in DEFAULTS
        known = stated or default or name in CONSTANTS | TABLES or is_fixed(name)
        known = known or name in self.findings.reading.constants or name.startswith(DIVERGENCE)
        known = known or isinstance(left, Size)
        equalities = [s for s, sign in zip(statement.sides[1:], signs, strict=True)
                      if sign in EQUATING]  # fmt: skip
        trees = [line.tree for line in lines[1:]]
        return Seen(
            display=formula.span.display,
            around=formula.around,
            words=statement.words,
            first=first,
            signs=tuple(signs),
            left=side_of(statement.sides[0], left),
            right=side_of(statement.sides[1], right),
            defined=stated,
            default=default and not stated,
            starred=name.partition("_")[0].endswith("*"),
            stated=stated or name in self.unread or ((default or known) and name in self.used),
            known=known,
            softmax=is_quotient(right),
            zero=any(isinstance(tree, Num) and tree.value == 0 for tree in trees),
            derives=any(
                side_of(side, tree) == "derivative"
                for side, tree in zip(statement.sides[1:], trees, strict=True)
            ),
            update=len(trees) == 1 and updates(left, right),
            optimum=any(side[:1] and side[0].text in _OPTIMA for side in equalities),
            premise=statement.premise,
            beside=beside and not statement.words,
            signed=bool(self.signed)
            and set().union(*(names_in(line.tree) for line in lines))
            <= self.signed | CONSTANTS | TABLES,
            column=any(
                is_whole(side) and not any(t.kind in ("letter", "font") for t in side)
                for side in statement.sides[2:]
            ),
            number=isinstance(right, Num)
            or (
                right is not None
                and not names_in(right) - {"n"}
                and not free_indices(right)
                and not (isinstance(left, Size) and names_in(right))
            ),
        )

    def _entries(self, lines: Sequence[Line], scope: Scope, start: int) -> list[Line]:
        """Return the lines of a statement, an equality of gradients by its entries."""
        try:
            trees = settled([line.tree for line in lines], scope, start)
        except ReadError as error:
            problem = self.text.problem(error.reason, error.start)
            return [replace(line, tree=None, problem=line.problem or problem) for line in lines]
        return [replace(line, tree=tree) for line, tree in zip(lines, trees, strict=True)]

    def _normalises(self, formula: Formula, lines: Sequence[Line], signs: Sequence[str]) -> bool:
        """Take "where the y add up to 1" of a symbol that nothing defines."""
        if formula.span.display or signs != ["="]:
            return False
        match [line.tree for line in lines]:
            case [Sum(index, Sym(name, args), ()), Num(value)] if args == (index,) and value == 1:
                if name not in DEFAULTS.keys() | TABLES:
                    equality = self.findings.equality(lines[0], lines[1])
                    self.findings.normalising.append((name, equality))
                    self.findings.role("declaration", None, "it adds up to 1", lines, signs)
                    return True
        return False

    def _line(self, tokens: Sequence[Token], scope: Scope, found: Found, at: int) -> Line:
        place = tokens[0].start if tokens else at
        latex = self.text.words(place, max(token.end for token in tokens)) if tokens else ""
        tree, problem = None, ""
        try:
            tree = parse(tokens, scope, found, at)
            if scope.entry is not None and isinstance(tree, Sym) and not tree.args:
                tree = Sym(tree.name, (scope.entry,))
        except ReadError as error:
            problem = self.text.problem(error.reason, error.start)
        return Line(self.text.line(place), self.text.column(place), latex, tree, problem)

    def _braces(self, braces: Sequence[Brace], *, sure: bool) -> None:
        """Take what braces name as definitions, and what they give a value as claims."""
        for brace in braces:
            inked = [token for token in brace.label if token.kind not in ("text", "space")]
            if not inked or (inked[0].text == "(" and inked[-1].text == ")"):
                continue
            start = inked[0].start
            valued = inked[0].text in ("=", ":") or inked[0].kind != "number"
            while inked and inked[0].kind == "sign" and inked[0].text in "=:":
                inked.pop(0)
            label = self._line(inked, self._scope(), Found(), start)
            marked = self._line(brace.marked, self._scope(), Found(), start)
            part = replace(marked, source_line=label.source_line, tree=brace.body)
            loose = free_indices(brace.body) & brace.bound
            names = set(label.tree.args) if isinstance(label.tree, Sym) else set()
            if loose <= names and self._names_part(label, part):
                continue
            self.findings.claim(
                self.findings.equality(part, label, sure=sure and valued, form="brace")
            )

    def _names_part(self, label: Line, part: Line) -> bool:
        name = label.tree.name if isinstance(label.tree, Sym) else ""
        if not name or name in CONSTANTS | TABLES | DEFAULTS.keys():
            return False
        return self.findings.define(label, part, "a brace", sure=True)


def _row(found: Sequence[Statement], start: int) -> int:
    """Return where the row of statements that begins at a place ends."""
    end = start + 1
    while end < len(found) and found[end].aside:
        end += 1
    return end


def _joined(*parts: Restriction) -> Restriction:
    """Return several restrictions as one."""
    conditions = tuple(dict.fromkeys(c for part in parts for c in part.conditions))
    problems = sorted((part for part in parts if part.problem), key=lambda part: not part.lost)
    problem = next(iter(problems), Restriction())
    return replace(problem, conditions=conditions)


def _opposite(said: Restriction) -> Restriction:
    """Return what is left where a condition is excluded."""
    if len(said.conditions) != 1 or said.conditions[0].relation == ">":
        return replace(said, problem=said.problem or "an exception")
    (condition,) = said.conditions
    relation = "=" if condition.relation == "≠" else "≠"
    return replace(said, conditions=(Condition(condition.left, relation, condition.right),))


def _between(before: str) -> str:
    """Return the words since the last formula of a sentence."""
    return re.split(f"[{INLINE}{DISPLAY}]", before)[-1]
