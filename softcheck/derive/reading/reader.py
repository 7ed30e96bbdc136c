"""A document to what it claims: definitions, chains of lines, and one equality for each `=`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from softcheck.derive.expr import Num, Size, Sum, Sym, free_indices
from softcheck.derive.limits import EQUALITIES
from softcheck.derive.reading.claims import Line, Reading, Stated
from softcheck.derive.reading.conditions import (
    as_condition,
    conditions,
    is_condition,
    is_range,
    not_understood,
    quietly,
)
from softcheck.derive.reading.defaults import DEFAULTS
from softcheck.derive.reading.findings import Findings, Known
from softcheck.derive.reading.notation.cursor import Brace, Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.ranges import letters
from softcheck.derive.reading.notation.vocabulary import CONSTANTS, TABLES
from softcheck.derive.reading.regions import Span, Text
from softcheck.derive.reading.statements import Statement, statements
from softcheck.derive.reading.tokens import ReadError, Token, tokenize
from softcheck.derive.reading.words import assumes, says_constant

_NESTED = re.compile(r"\$(?P<dollar>[^$]+)\$|\\\((?P<round>.+?)\\\)", re.DOTALL)
_NOTHING: Mapping[str, Stated] = {}
_BOUNDS = {"<", ">", "≤", "≥"}
_NOT_UNDERSTOOD = "a condition not understood"


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
    document = Text(text)
    spans = list(document.spans())
    bound = frozenset().union(*(_letters(document, span) for span in spans))
    return _Reader(Known(document, known, force, bound)).read(spans)


def _letters(text: Text, span: Span) -> set[str]:
    """Return the letters that a formula binds as actions."""
    try:
        return letters(tokenize(text.text, span.start, span.end, text.macros))
    except (ReadError, RecursionError):
        return set()  # it is said where the formula is read


class _Reader:
    """Reads the formulas of a document in turn; what they say goes to the findings."""

    def __init__(self, known: Known) -> None:
        self.text = known.text
        self.letters = known.letters
        self.findings = Findings(known)

    def read(self, spans: Sequence[Span]) -> Reading:
        reading = self.findings.reading
        for span in spans:
            reading.formulas += 1
            try:
                self._span(span)
            except RecursionError:
                self._unreadable(span, "parts nested too deeply")
            if len(reading.equalities) > EQUALITIES:
                self._unreadable(span, f"more than {EQUALITIES} equalities in one document")
                break
        return self.findings.finished()

    def _scope(self, entry: str | None = None) -> Scope:
        """Return what is known where a formula stands."""
        stated = self.findings.stated()
        arities = {name: len(given.definition.params) for name, given in stated.items()}
        return Scope(self.letters, arities, entry)

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
            self.findings.reading.formulas -= 1

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
            parse(tokens, self._scope(), Found(), span.start)
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
        latex = self.text.words(span.start, span.end)
        self.findings.unreadable(reason, span.start if place is None else place, latex)

    def _constants(self, span: Span, found: Sequence[Statement]) -> None:
        """Take the symbols of a sentence that says they are constants."""
        if span.display or not says_constant(span):
            return
        for statement in found:
            if len(statement.sides) > 1:
                continue
            tree = quietly(statement.sides[0], self.letters)
            if isinstance(tree, Sym) and tree.name not in DEFAULTS.keys() | TABLES:
                line = self.text.line(span.start)
                self.findings.reading.constants.setdefault(tree.name, line)

    # One statement

    def _statement(self, span: Span, statement: Statement, asides: Sequence[Statement]) -> None:
        if is_condition(statement, self.letters, display=span.display):
            self._condition(span, statement)
            return
        findings = self.findings
        start = statement.relations[0].start
        scope, found = self._scope(_entry(statement.sides)), Found()
        lines = [self._line(side, scope, found, start) for side in statement.sides]
        if not span.display and assumes(f"{span.before} {statement.words}"):
            reason = "an assumption that the text makes; state it with --givens"
            problem = self.text.problem(reason, start)
            findings.claim(findings.equality(lines[0], lines[-1], span.start, problem=problem))
            return
        if not span.display and self._normalises(span, lines, statement.relations):
            return
        free = CONSTANTS | findings.reading.constants.keys()
        odd = not_understood(asides, free, self.letters)
        unread = self.text.problem(_NOT_UNDERSTOOD, odd.start) if odd else ""
        behind = conditions(asides, self.letters)
        findings.chain(lines, statement.relations, span.start, behind, unread)
        self._braces(span, found.braces)
        findings.note(found, start)

    def _normalises(self, span: Span, lines: Sequence[Line], relations: Sequence[Token]) -> bool:
        """Take "where the y add up to 1" of a symbol that nothing defines."""
        match [line.tree for line in lines]:
            case [Sum(index, Sym(name, args), ()), Num(value)] if args == (index,) and value == 1:
                if relations[0].text == "=" and name not in DEFAULTS.keys() | TABLES:
                    equality = self.findings.equality(lines[0], lines[1], span.start)
                    self.findings.normalising.append((name, equality))
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

    def _braces(self, span: Span, braces: Sequence[Brace]) -> None:
        """Take what braces name as definitions, and what they give a value as claims."""
        for brace in braces:
            inked = [token for token in brace.label if token.kind not in ("text", "space")]
            if not inked:
                continue
            start = inked[0].start
            while inked and inked[0].kind == "sign" and inked[0].text in "=:":
                inked.pop(0)
            label = self._line(inked, self._scope(), Found(), start)
            marked = self._line(brace.marked, self._scope(), Found(), start)
            part = replace(marked, source_line=label.source_line, tree=brace.body)
            loose = free_indices(brace.body) & brace.bound
            names = set(label.tree.args) if isinstance(label.tree, Sym) else set()
            if loose <= names and self.findings.define(label, part, start, force=False):
                continue
            self.findings.claim(self.findings.equality(part, label, span.start))

    def _condition(self, span: Span, statement: Statement) -> None:
        """Take a condition of the text: on a scalar for all that follows, on actions as a hint."""
        if len(statement.relations) != 1:
            return
        found = as_condition(statement, self.letters)
        sign = statement.relations[0].text
        if found is not None:
            if found.relation == ">":
                self.findings.reading.conditions.append(found)
            else:
                self.findings.hints.append((span.end, found))
            return
        if sign not in _BOUNDS:
            return
        low = statement.sides[0] if sign in ("<", "≤") else statement.sides[1]
        negative = quietly(low, self.letters)
        if isinstance(negative, Sym):
            self.findings.reading.unsigned.add(negative.name)
        if quietly(statement.sides[0], self.letters) != Size():
            start = statement.relations[0].start
            self.findings.reading.unread = self.text.problem(_NOT_UNDERSTOOD, start)


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
