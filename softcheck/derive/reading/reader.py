"""A document to what it claims: definitions, chains of lines, and one equality for each `=`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from softcheck.derive.expr import (
    Condition,
    Definition,
    Exp,
    Expr,
    Num,
    Size,
    Sum,
    Sym,
    free_indices,
    walk,
)
from softcheck.derive.expr import symbols as symbols_of
from softcheck.derive.limits import EQUALITIES
from softcheck.derive.reading.claims import Equality, Line, Reading, Stated
from softcheck.derive.reading.conditions import (
    as_condition,
    conditions,
    is_condition,
    is_range,
    not_understood,
    quietly,
)
from softcheck.derive.reading.document import Span, Text
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.ranges import letters
from softcheck.derive.reading.notation.vocabulary import CONSTANTS, DIVERGENCE, TABLES, is_fixed
from softcheck.derive.reading.statements import Statement, statements
from softcheck.derive.reading.tokens import ReadError, Token, tokenize
from softcheck.derive.reading.words import assumes, says_constant

REPLACEABLE = {"π", "p", "A_soft"}
"""Symbols that mean something unless the document says what they mean."""

_NESTED = re.compile(r"\$(?P<dollar>[^$]+)\$|\\\((?P<round>.+?)\\\)", re.DOTALL)
_NOTHING: Mapping[str, Stated] = {}
_BOUNDS = {"<", ">", "≤", "≥"}


def read(text: str, *, known: Mapping[str, Stated] = _NOTHING, force: bool = False) -> Reading:
    """Return what a document says; what was not understood is a claim with a problem.

    Parameters
    ----------
    text : str
    known : mapping of name to Stated
        Symbols that have a meaning already: what the document says of them is a claim.
    force : bool
        Whether every equation with one symbol on its left is a definition.
    """
    return _Reader(Text(text), known, force).read()


class _Reader:
    def __init__(self, text: Text, known: Mapping[str, Stated], force: bool) -> None:
        self.text = text
        self.known = known
        self.force = force
        self.reading = Reading()
        self.letters: frozenset[str] = frozenset()
        self.sizes: set[str] = set()
        self.sets: set[str] = set()
        self.marks: dict[str, set[str]] = {}
        self.hints: list[tuple[int, Condition]] = []
        self.normalising: list[tuple[str, Line, Line]] = []
        self.place = 0
        self.heads: list[tuple[Expr, Line]] = []

    def read(self) -> Reading:
        spans = list(self.text.spans())
        self.letters = frozenset().union(*map(self._letters, spans))
        for span in spans:
            self.reading.formulas += 1
            try:
                self._span(span)
            except RecursionError:
                self._unreadable(span, "parts nested too deeply")
            if len(self.reading.equalities) > EQUALITIES:
                self._unreadable(span, f"more than {EQUALITIES} equalities in one document")
                break
        self._normalised()
        for name, marks in self.marks.items():
            if len(marks) > 1:
                self.reading.clashes[name] = " and ".join(sorted(marks))
        self.reading.equalities.sort(key=lambda equality: equality.source_line)
        return self.reading

    def _letters(self, span: Span) -> set[str]:
        """Return the letters that a formula binds as actions: they name one in all formulas."""
        try:
            return letters(tokenize(self.text.text, span.start, span.end, self.text.macros))
        except (ReadError, RecursionError):
            return set()  # it is said where the formula is read

    def _scope(self, sides: Sequence[Sequence[Token]] = ()) -> Scope:
        """Return what is known where a formula stands; `sides` are those of its equations."""
        stated = {**self.known, **self.reading.definitions}
        arities = {name: len(given.definition.params) for name, given in stated.items()}
        return Scope(self.letters, arities, entry=_entry(sides))

    # One formula

    def _span(self, span: Span) -> None:
        source = self.text.text[span.start : span.end]
        if span.problem:
            self._unreadable(span, span.problem)
            return
        try:
            tokens = tokenize(self.text.text, span.start, span.end, self.text.macros)
            found = statements(tokens)
        except ReadError as error:
            self._unreadable(span, error.reason, error.start)
            return
        except RecursionError:
            self._unreadable(span, "parts nested too deeply")
            return
        if not span.closed and found:
            self._unreadable(span, "a formula whose delimiter does not close")
            return
        self._constants(span, found)
        self._words(span, tokens)
        lists = not found or is_condition(found[0], self.letters, display=span.display) or any(
            token.text in ("dots", "ldots", "cdots") for token in tokens
        )  # fmt: skip
        for position, statement in enumerate(found):
            if statement.relations:
                following = self._asides(found, position)
                self._statement(span, statement, following)
            elif not statement.aside:
                self._expression(span, statement.sides[0])
            elif (
                statement.aside
                and found[0].relations
                and not is_range(statement.sides[0], self.letters, lists=lists)
            ):
                first = statement.sides[0][0]
                self._unreadable(span, f"{first.text!r} left over", first.start)
        if not source.strip():
            self.reading.formulas -= 1

    def _words(self, span: Span, tokens: Sequence[Token]) -> None:
        """Read the formulas in the running text that stands inside of a formula."""
        for token in tokens:
            if token.kind != "text" or not _NESTED.search(token.text):
                continue
            if self.text.text[token.start : token.end].find(token.text) < 0:
                self._unreadable(span, "a macro whose words hold a formula", token.start)
                continue
            first = token.start + self.text.text[token.start : token.end].index(token.text)
            for match in _NESTED.finditer(token.text):
                start, end = (first + place for place in match.span(match.lastgroup or 0))
                words = f"{token.text[: match.start()]}"
                self._span(Span(False, start, end, True, words, token.text))

    def _expression(self, span: Span, tokens: Sequence[Token]) -> None:
        """Look at a formula that claims nothing: a relation may hide in what cannot be read."""
        try:
            parse(tokens, self._scope(), span.start)
        except ReadError as error:
            if span.display or any(token.text in ("=", "neq") for token in tokens):
                self._unreadable(span, error.reason, error.start)

    def _asides(self, found: Sequence[Statement], position: int) -> list[Statement]:
        """Return what stands behind a statement on its row."""
        following = []
        for statement in found[position + 1 :]:
            if not statement.aside:
                break
            following.append(statement)
        return following

    def _unreadable(self, span: Span, reason: str, place: int | None = None) -> None:
        """Record a claim that could not be read, so that no document passes without it."""
        latex = " ".join(self.text.text[span.start : span.end].split())
        where = span.start if place is None else place
        line = Line(self.text.line(where), self.text.column(where), latex, None,
                    self._problem(reason, where))  # fmt: skip
        self.reading.equalities.append(Equality(line, line, line.source_line, problem=line.problem))

    def _problem(self, reason: str, place: int) -> str:
        return f"line {self.text.line(place)}, column {self.text.column(place)}: {reason}"

    def _constants(self, span: Span, found: Sequence[Statement]) -> None:
        """Take the symbols of a sentence that says they are constants."""
        if span.display or not says_constant(span):
            return
        for statement in found:
            if len(statement.sides) > 1:
                continue
            tree = quietly(statement.sides[0], self.letters)
            if isinstance(tree, Sym) and tree.name not in REPLACEABLE | TABLES:
                line = self.text.line(span.start)
                self.reading.constants.setdefault(tree.name, line)

    # One statement

    def _statement(self, span: Span, statement: Statement, asides: Sequence[Statement]) -> None:
        if is_condition(statement, self.letters, display=span.display):
            self._condition(span, statement)
            return
        self.place = span.start
        odd = not_understood(asides, CONSTANTS | self.reading.constants.keys(), self.letters)
        unread = self._problem("a condition not understood", odd.start) if odd else ""
        scope = self._scope(statement.sides)
        start = statement.relations[0].start
        lines = [self._line(side, scope, start) for side in statement.sides]
        if not span.display and assumes(f"{span.before} {statement.words}"):
            self._claim(lines[0], lines[-1], (), self._problem(
                "an assumption that the text makes; state it with --givens", start))  # fmt: skip
            return
        if not span.display and self._normalises(lines, statement.relations):
            return
        self._chain(lines, statement.relations, conditions(asides, self.letters), unread)
        self._braces(scope)
        self._check_names(scope, start)

    def _normalises(self, lines: Sequence[Line], relations: Sequence[Token]) -> bool:
        """Take "where the y add up to 1" of a symbol that nothing defines."""
        match [line.tree for line in lines]:
            case [Sum(index, Sym(name, args), ()), Num(value)] if args == (index,) and value == 1:
                if relations[0].text == "=" and name not in REPLACEABLE | TABLES:
                    self.normalising.append((name, lines[0], lines[1]))
                    return True
        return False

    def _normalised(self) -> None:
        """Make claims of the sums to 1 whose symbol the document defines after all."""
        for name, left, right in self.normalising:
            if name in self.reading.definitions or name in self.known:
                self._claim(left, right, ())
            else:
                self.reading.normalised.setdefault(name, left.source_line)

    def _line(self, tokens: Sequence[Token], scope: Scope, at: int) -> Line:
        place = tokens[0].start if tokens else at
        latex = self.text.text[place : max(token.end for token in tokens)] if tokens else ""
        tree, problem = None, ""
        try:
            tree = parse(tokens, scope, at)
            if scope.entry is not None and isinstance(tree, Sym) and not tree.args:
                tree = Sym(tree.name, (scope.entry,))
        except ReadError as error:
            problem = self._problem(error.reason, error.start)
        return Line(
            self.text.line(place), self.text.column(place), " ".join(latex.split()), tree, problem
        )

    def _chain(
        self,
        lines: Sequence[Line],
        relations: Sequence[Token],
        conditions: tuple[Condition, ...],
        unread: str,
    ) -> None:
        """Record the definitions and equalities of a chain."""
        previous = lines[0]
        known = None if conditions else self._known_head(lines[0])
        for position, (relation, line) in enumerate(zip(relations, lines[1:], strict=True)):
            sign = relation.text
            if sign == "=:" and self._define(line, previous, relation.start, force=True):
                continue
            first = position == 0
            if (
                first
                and sign in ("=", ":=")
                and not conditions
                and self._define(previous, line, relation.start, force=sign == ":=")
            ):
                previous = line
                continue
            stated = None
            if first and known is not None:
                previous, stated = known, previous
            if sign in ("=", ":=", "=:"):
                self._claim(previous, line, conditions, unread=unread, head=stated)
            else:
                self._claim(previous, line, conditions, self._problem(
                    f"'{sign}' claims no equality", relation.start))  # fmt: skip
            previous = line
        head = lines[0].tree
        equal = all(relation.text in ("=", ":=", "=:") for relation in relations)
        if equal and head is not None and not conditions and previous.tree is not None:
            self.heads = [(tree, last) for tree, last in self.heads if tree != head]
            self.heads.append((head, previous))

    def _known_head(self, line: Line) -> Line | None:
        """Return the last line of an earlier chain that starts with the same formula."""
        return next((last for tree, last in self.heads if tree == line.tree), None)

    def _claim(
        self,
        left: Line,
        right: Line,
        conditions: tuple[Condition, ...],
        problem: str = "",
        unread: str = "",
        head: Line | None = None,
    ) -> None:
        problem = problem or left.problem or right.problem
        self.reading.equalities.append(
            Equality(
                left, right, right.source_line, conditions, problem, unread, self._hints(), head
            )
        )

    def _define(self, left: Line, right: Line, at: int, *, force: bool) -> bool:
        """Take `left = right` as a definition if its left side has no meaning yet."""
        symbol, body = left.tree, right.tree
        if not isinstance(symbol, Sym) or body is None:
            return False
        name, params = symbol.name, symbol.args
        force = force or self.force
        if name in self.known or name in self.reading.definitions or name in self._rests_on(body):
            return False
        # A formula that starts with the policy is a claim about it, unless it builds it.
        builds = force or name == "A_soft" or any(isinstance(node, Exp) for node in walk(body))
        if name in REPLACEABLE and not builds:
            return False
        if (name.startswith(DIVERGENCE) or is_fixed(name)) and not force:
            return False
        if not self.force and name in CONSTANTS | TABLES | self.reading.constants.keys():
            return False
        if len(set(params)) < len(params) or any(param.isdigit() for param in params):
            return False
        if any(index not in params and not index.isdigit() for index in free_indices(body)):
            return False  # the name does not carry an action that the formula speaks of
        self.reading.definitions[name] = Stated(
            Definition(name, params, body),
            self.text.line(at),
            f"{left.latex} = {right.latex}",
        )
        return True

    def _rests_on(self, body: Expr) -> set[str]:
        """Return the symbols of a formula, and of the definitions that it rests on."""
        found: set[str] = set()
        pending = symbols_of(body)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                if name in self.reading.definitions:
                    pending |= symbols_of(self.reading.definitions[name].definition.body)
        return found

    def _braces(self, scope: Scope) -> None:
        """Take what braces name as definitions, and what they give a value as claims."""
        for brace in scope.braces:
            inked = [token for token in brace.label if token.kind not in ("text", "space")]
            if not inked:
                continue
            start = inked[0].start
            while inked and inked[0].kind == "sign" and inked[0].text in "=:":
                inked.pop(0)
            label = self._line(inked, self._scope(), start)
            marked = self._line(brace.marked, self._scope(), start)
            part = replace(marked, source_line=label.source_line, tree=brace.body)
            loose = free_indices(brace.body) & brace.bound
            names = set(label.tree.args) if isinstance(label.tree, Sym) else set()
            if loose <= names and self._define(label, part, start, force=False):
                continue
            self._claim(part, label, ())

    def _check_names(self, scope: Scope, start: int) -> None:
        self.sizes |= scope.sizes
        self.sets |= scope.sets
        for name, marks in scope.marks.items():
            self.marks.setdefault(name, set()).update(marks)
        for names, what in (
            (self.sizes, "the number of actions"),
            (self.sets, "the set of actions"),
        ):
            if len(names) > 1:
                named = " and ".join(sorted(names))
                names.intersection_update({min(names)})
                line = Line(self.text.line(start), self.text.column(start), "", None,
                            self._problem(f"{named} are both read as {what}", start))  # fmt: skip
                self._claim(line, line, ())

    # Conditions

    def _condition(self, span: Span, statement: Statement) -> None:
        """Take a condition of the text: on a scalar for all that follows, on actions as a hint."""
        if len(statement.relations) != 1:
            return
        found = as_condition(statement, self.letters)
        sign = statement.relations[0].text
        if found is not None and found.relation == ">":
            self.reading.conditions.append(found)
            return
        if found is not None:
            self.hints.append((span.end, found))
            return
        low = statement.sides[0] if sign in ("<", "≤") else statement.sides[1]
        negative = quietly(low, self.letters)
        if sign in _BOUNDS and isinstance(negative, Sym):
            self.reading.unsigned.add(negative.name)
        if sign in _BOUNDS and quietly(statement.sides[0], self.letters) != Size():
            self.reading.unread = self._problem(
                "a condition not understood", statement.relations[0].start
            )

    def _hints(self) -> tuple[Condition, ...]:
        """Return the conditions on actions in the sentence that leads to this formula."""
        text = self.text.text
        return tuple(
            condition
            for end, condition in self.hints
            if not re.search(r"[.!?]\s", text[end : self.place])
        )


def _entry(sides: Sequence[Sequence[Token]]) -> str | None:
    r"""Return a letter for the action of `p = \mathrm{softmax}(z)`, an equation of whole tables."""
    softmaxes, named = 0, set[str]()
    for side in sides:
        if _is_softmax(side):
            softmaxes += 1
        else:
            tree = quietly(side, frozenset())
            if not isinstance(tree, Sym) or len(tree.args) > 1:
                return None
            named |= {*tree.args}
    if not softmaxes or len(named) > 1:
        return None
    taken = {token.text for side in sides for token in side}
    return next(iter(named), next((letter for letter in "aijk" if letter not in taken), None))


def _is_softmax(side: Sequence[Token]) -> bool:
    """Tell whether a side is a softmax of something, and no entry of it."""
    if len(side) < 2 or side[0].kind != "font" or side[0].text != "softmax":
        return False
    depth = 0
    for place, token in enumerate(side[1:], 1):
        depth += token.kind == "sign" and token.text in "([{"
        depth -= token.kind == "sign" and token.text in ")]}"
        if depth == 0:
            return place == len(side) - 1
    return False
