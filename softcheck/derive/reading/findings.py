"""What is found in the formulas of a document, one after the other: definitions and claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from softcheck.derive.expr import Condition, Definition, Exp, Expr, Sym, free_indices, symbols, walk
from softcheck.derive.reading.claims import Equality, Line, Reading, Stated
from softcheck.derive.reading.defaults import DEFAULTS
from softcheck.derive.reading.notation.cursor import Found
from softcheck.derive.reading.notation.vocabulary import CONSTANTS, DIVERGENCE, TABLES, is_fixed
from softcheck.derive.reading.regions import Text
from softcheck.derive.reading.tokens import Token

_EQUATING = ("=", ":=", "=:")


@dataclass(frozen=True)
class Known:
    """What is known of a document before its first formula is read.

    Attributes
    ----------
    text : Text
    stated : mapping of name to Stated
        Symbols that have a meaning already: what the document says of them is a claim.
    force : bool
        Whether every equation with one symbol on its left is a definition.
    letters : set of str
        The letters that the document binds as actions: they name one in all formulas.
    """

    text: Text
    stated: Mapping[str, Stated]
    force: bool
    letters: frozenset[str]


@dataclass
class Findings:
    """What the formulas said so far.

    Attributes
    ----------
    known : Known
    reading : Reading
    names : Found
        The letters and marks of all formulas.
    hints : list of (place, Condition)
        Conditions on actions in the text, and where they end.
    normalising : list of (name, Equality)
        What is said to add up to 1: a claim if the name has a meaning after all.
    heads : list of (Expr, Line)
        The formulas that chains start with, and the last line of each.
    """

    known: Known
    reading: Reading = field(default_factory=Reading)
    names: Found = field(default_factory=Found)
    hints: list[tuple[int, Condition]] = field(default_factory=list)
    normalising: list[tuple[str, Equality]] = field(default_factory=list)
    heads: list[tuple[Expr, Line]] = field(default_factory=list)

    def finished(self) -> Reading:
        """Return what the document says, once all of it is read."""
        for name, equality in self.normalising:
            if name in self.stated():
                self.reading.equalities.append(equality)
            else:
                self.reading.normalised.setdefault(name, equality.left.source_line)
        for name, marks in self.names.marks.items():
            if len(marks) > 1:
                self.reading.clashes[name] = " and ".join(sorted(marks))
        self.reading.equalities.sort(key=lambda equality: equality.source_line)
        return self.reading

    def stated(self) -> Mapping[str, Stated]:
        """Return what has a meaning so far."""
        return {**self.known.stated, **self.reading.definitions}

    # Claims

    def equality(
        self,
        left: Line,
        right: Line,
        place: int,
        conditions: tuple[Condition, ...] = (),
        problem: str = "",
        unread: str = "",
        head: Line | None = None,
    ) -> Equality:
        """Return the claim that two lines of a formula at `place` are equal."""
        problem = problem or left.problem or right.problem
        hints = self._hints(place)
        return Equality(
            left, right, right.source_line, conditions, problem, unread, hints, head=head
        )

    def claim(self, equality: Equality) -> None:
        """Record a claim."""
        self.reading.equalities.append(equality)

    def unreadable(self, reason: str, place: int, latex: str = "") -> None:
        """Record a claim that could not be read, so that no document passes without it."""
        text = self.known.text
        problem = text.problem(reason, place)
        line = Line(text.line(place), text.column(place), latex, None, problem)
        self.claim(Equality(line, line, line.source_line, problem=problem))

    def chain(
        self,
        lines: Sequence[Line],
        relations: Sequence[Token],
        place: int,
        conditions: tuple[Condition, ...],
        unread: str,
    ) -> None:
        """Record the definitions and equalities of a chain, in the formula at `place`."""
        previous = lines[0]
        known = None if conditions else self._known_head(lines[0])
        for position, (relation, line) in enumerate(zip(relations, lines[1:], strict=True)):
            sign = relation.text
            if sign == "=:" and self.define(line, previous, relation.start, force=True):
                continue
            first = position == 0
            if (
                first
                and sign in ("=", ":=")
                and not conditions
                and self.define(previous, line, relation.start, force=sign == ":=")
            ):
                previous = line
                continue
            stated = None
            if first and known is not None:
                previous, stated = known, previous
            if sign in _EQUATING:
                made = self.equality(previous, line, place, conditions, unread=unread, head=stated)
            else:
                reason = f"'{sign}' claims no equality"
                problem = self.known.text.problem(reason, relation.start)
                made = self.equality(previous, line, place, conditions, problem)
            self.claim(made)
            previous = line
        head = lines[0].tree
        equal = all(relation.text in _EQUATING for relation in relations)
        if equal and head is not None and not conditions and previous.tree is not None:
            self.heads = [(tree, last) for tree, last in self.heads if tree != head]
            self.heads.append((head, previous))

    def _known_head(self, line: Line) -> Line | None:
        """Return the last line of an earlier chain that starts with the same formula."""
        return next((last for tree, last in self.heads if tree == line.tree), None)

    def _hints(self, place: int) -> tuple[Condition, ...]:
        """Return the conditions on actions in the sentence that leads to a formula."""
        text = self.known.text.text
        return tuple(
            condition for end, condition in self.hints if not re.search(r"[.!?]\s", text[end:place])
        )

    # Definitions

    def define(self, left: Line, right: Line, at: int, *, force: bool) -> bool:
        """Take `left = right` as a definition if its left side has no meaning yet."""
        symbol, body = left.tree, right.tree
        if not isinstance(symbol, Sym) or body is None:
            return False
        name, params = symbol.name, symbol.args
        force = force or self.known.force
        if name in self.stated() or name in self._rests_on(body):
            return False
        # A formula that starts with the policy is a claim about it, unless it builds it.
        builds = force or name == "A_soft" or any(isinstance(node, Exp) for node in walk(body))
        if name in DEFAULTS and not builds:
            return False
        if (name.startswith(DIVERGENCE) or is_fixed(name)) and not force:
            return False
        if not self.known.force and name in CONSTANTS | TABLES | self.reading.constants.keys():
            return False
        if len(set(params)) < len(params) or any(param.isdigit() for param in params):
            return False
        if any(index not in params and not index.isdigit() for index in free_indices(body)):
            return False  # the name does not carry an action that the formula speaks of
        self.reading.definitions[name] = Stated(
            Definition(name, params, body),
            self.known.text.line(at),
            f"{left.latex} = {right.latex}",
        )
        return True

    def _rests_on(self, body: Expr) -> set[str]:
        """Return the symbols of a formula, and of the definitions that it rests on."""
        found: set[str] = set()
        pending = symbols(body)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                if name in self.reading.definitions:
                    pending |= symbols(self.reading.definitions[name].definition.body)
        return found

    # Names

    def note(self, found: Found, place: int) -> None:
        """Take the letters and marks of a formula; letters of two meanings are a problem."""
        for name, marks in found.marks.items():
            self.names.marks[name] |= marks
        for mine, more, what in (
            (self.names.sizes, found.sizes, "the number of actions"),
            (self.names.sets, found.sets, "the set of actions"),
        ):
            mine.update(more)
            if len(mine) > 1:
                named = " and ".join(sorted(mine))
                mine.intersection_update({min(mine)})
                self.unreadable(f"{named} are both read as {what}", place)
