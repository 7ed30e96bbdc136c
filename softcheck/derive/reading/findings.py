"""What is found in the formulas of a document, one after the other: definitions and claims."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from softcheck.derive.expr import (
    Condition,
    Definition,
    Div,
    Expr,
    Sum,
    Sym,
    children,
    free_indices,
    symbols,
)
from softcheck.derive.reading.claims import Equality, Kind, Line, Reading, Role, SetAside, Stated
from softcheck.derive.reading.conditions import Restriction
from softcheck.derive.reading.forms import Form
from softcheck.derive.reading.notation.cursor import Found
from softcheck.derive.reading.regions import Text
from softcheck.derive.reading.statements import EQUATING
from softcheck.derive.reading.tokens import Token
from softcheck.derive.spell import unicode


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
    labels : set of str
        Letters of actions that nothing binds: each names one action throughout.
    """

    text: Text
    stated: Mapping[str, Stated]
    force: bool
    labels: frozenset[str] = frozenset()


@dataclass
class Findings:
    """What the formulas said so far.

    Attributes
    ----------
    known : Known
    reading : Reading
    names : Found
        The letters and marks of all formulas.
    normalising : list of (name, Equality)
        What is said to add up to 1: a claim if the name has a meaning after all.
    heads : list of (Expr, Line)
        The formulas that chains start with, and the last line of each.
    last : Line or None
        The last line of the last chain in a display.
    """

    known: Known
    reading: Reading = field(default_factory=Reading)
    names: Found = field(default_factory=Found)
    normalising: list[tuple[str, Equality]] = field(default_factory=list)
    heads: list[tuple[Expr, Line]] = field(default_factory=list)
    last: Line | None = None

    def finished(self) -> Reading:
        """Return what the document says, once all of it is read."""
        for name, equality in self.normalising:
            if name in self.stated():
                self.reading.equalities.append(equality)
            else:
                self.reading.normalised.setdefault(name, equality.left.source_line)
        self.reading.clashes |= self.names.clashes()
        self.reading.equalities.sort(key=lambda equality: equality.source_line)
        self.reading.roles.sort(key=lambda role: role.source_line)
        return self.reading

    def stated(self) -> Mapping[str, Stated]:
        """Return what has a meaning so far."""
        return {**self.known.stated, **self.reading.definitions}

    # Roles

    def role(
        self, kind: Kind, form: Form | None, why: str, lines: Sequence[Line], signs: Sequence[str]
    ) -> None:
        """Record what was made of a statement: its sides, and the relations between them."""
        read = [unicode(line.tree) for line in lines if line.tree is not None]
        reading = _joined(read, signs) if len(read) == len(lines) else ""
        code = "" if form is None else form.code
        why = why or ("" if form is None else form.why)
        latex = _joined([line.latex for line in lines], signs)
        self.reading.roles.append(Role(kind, code, why, lines[0].source_line, latex, reading))

    def set_aside(
        self, names: Iterable[str], equality: Equality | None, why: str, *, replaces: bool = True
    ) -> None:
        """Record what the text says of some symbols that is neither used nor decided."""
        names = frozenset(names)
        if names:
            self.reading.aside.append(SetAside(names, equality, why, replaces))

    # Claims

    def claim(self, equality: Equality) -> None:
        """Record a claim."""
        self.reading.equalities.append(equality)

    def unreadable(self, reason: str, place: int, latex: str = "") -> None:
        """Record a claim that could not be read, so that no document passes without it."""
        text = self.known.text
        problem = text.problem(reason, place)
        line = Line(text.line(place), text.column(place), latex, None, problem)
        self.claim(Equality(line, line, line.source_line, problem=problem))
        self.role("unread", None, reason, [line], [])

    def chain(
        self,
        form: Form | None,
        lines: Sequence[Line],
        relations: Sequence[Token],
        restriction: Restriction,
        doubt: str,
    ) -> None:
        """Record the definitions and equalities of a chain.

        Parameters
        ----------
        form : Form or None
        lines : sequence of Line
        relations : sequence of Token
            One fewer than lines.
        restriction : Restriction
            What stands with it.
        doubt : str
            Why it may mean something else than it says; empty where nothing says so.
        """
        defines = form is not None and form.kind == "definition"
        sure = form is not None and form.sure and not doubt
        previous = lines[0]
        apart = [c for c in restriction.conditions if c.relation != ">"]
        known = None if apart else self._known_head(lines[0])
        last = max((i for i, r in enumerate(relations) if r.text in EQUATING), default=-1)
        for position, (relation, line) in enumerate(zip(relations, lines[1:], strict=True)):
            sign = relation.text
            if position > last and position > 0:
                self.role("not checked", None, "an inequality behind an equality",
                          [previous, line], [sign])  # fmt: skip
                continue
            if sign == "=:" and self.define(line, previous, "=:", sure=True):
                continue
            if position == 0 and defines and form is not None and not apart:
                words = sign if sign in (":=", "≐") else form.why
                whole = _normalised(previous, line) if sign == "∝" else line
                if whole is not None and self.define(previous, whole, words, sure=form.sure):
                    previous = line
                    continue
                sure = False
            stated = None
            if position == 0 and known is not None:
                previous, stated = known, previous
            problem = ""
            if sign not in EQUATING:
                problem = self.known.text.problem(f"'{sign}' claims no equality", relation.start)
            self.claim(
                self.equality(
                    previous,
                    line,
                    restriction=restriction,
                    problem=problem,
                    sure=sure,
                    doubt=doubt,
                    form="" if form is None else form.code,
                    head=stated,
                    relation=sign,
                )
            )
            previous = line
        head = lines[0].tree
        equal = all(relation.text in EQUATING for relation in relations)
        if equal and head is not None and not apart and previous.tree is not None:
            self.heads = [(tree, last) for tree, last in self.heads if tree != head]
            self.heads.append((head, previous))

    def doubt_chain(self, why: str) -> None:
        """Make the last chain one that may hold under a condition only."""
        equalities = self.reading.equalities
        position = len(equalities) - 1
        line = self.last
        while position >= 0 and equalities[position].right is line:
            line = equalities[position].left
            equalities[position] = replace(equalities[position], sure=False, doubt=why)
            position -= 1

    def equality(
        self,
        left: Line,
        right: Line,
        *,
        restriction: Restriction | None = None,
        problem: str = "",
        sure: bool = True,
        doubt: str = "",
        form: str = "",
        head: Line | None = None,
        relation: str = "=",
    ) -> Equality:
        """Return the claim that two lines are equal where the conditions on them hold."""
        restriction = restriction or Restriction()
        problem = problem or left.problem or right.problem
        if paired := _paired(left.tree, right.tree):
            said = f"a sum without {paired} may be one over pairs, write two sums or say for which"
            problem = problem or f"line {left.source_line}, column {left.column}: {said} {paired}"
        free = set().union(*(free_indices(s.tree) for s in (left, right) if s.tree is not None))
        unread = ""
        if restriction.problem:
            said = f"{restriction.problem} not understood"
            unread = self.known.text.problem(said, restriction.place)
        if restriction.lost:
            problem = problem or unread
        return Equality(
            left,
            right,
            right.source_line,
            _concerning(restriction.conditions, free | self.known.labels),
            problem,
            unread,
            sure=sure,
            doubt=doubt,
            form=form,
            head=head,
            relation=relation,
        )

    def _known_head(self, line: Line) -> Line | None:
        """Return the last line of an earlier chain that starts with the same formula."""
        return next((last for tree, last in self.heads if tree == line.tree), None)

    # Definitions

    def define(self, left: Line, right: Line, words: str, *, sure: bool) -> bool:
        """Take `left = right` as a definition, if nothing stands in its way."""
        symbol, body = left.tree, right.tree
        if not isinstance(symbol, Sym) or body is None:
            return False
        name, params = symbol.name, symbol.args
        if name in self.stated() or name in self._rests_on(body):
            return False
        if len(set(params)) < len(params) or any(param.isdigit() for param in params):
            return False
        loose = {index for index in free_indices(body) if index not in params}
        if not all(index.isdigit() or index in self.known.labels for index in loose):
            return False  # the name does not carry an action that the formula speaks of
        self.reading.definitions[name] = Stated(
            Definition(name, params, body),
            left.source_line,
            f"{left.latex} = {right.latex}",
            words,
            sure,
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
        self.names.take_spellings(found)
        for mine, more, what in (
            (self.names.sizes, found.sizes, "the number of actions"),
            (self.names.sets, found.sets, "the set of actions"),
        ):
            mine.update(more)
            if len(mine) > 1:
                named = " and ".join(sorted(mine))
                mine.intersection_update({min(mine)})
                self.unreadable(f"{named} are both read as {what}", place)


def _normalised(left: Line, right: Line) -> Line | None:
    """Return the distribution over the action on the left that is in proportion to a side."""
    if right.tree is None or not isinstance(left.tree, Sym) or len(left.tree.args) != 1:
        return None
    (action,) = left.tree.args
    return replace(right, tree=Div(right.tree, Sum(action, right.tree)))


def _paired(left: Expr | None, right: Expr | None) -> str | None:
    """Return an action that sums on one side leave out and that stands nowhere else."""
    if left is None or right is None:
        return None
    for side, other in ((left, right), (right, left)):
        out = free_indices(side) - free_indices(other) - _apart(side)
        if found := sorted(index for index in out if not index.isdigit()):
            return found[0]
    return None


def _apart(x: Expr) -> set[str]:
    """Return the free actions of a formula that stand outside of the sums that leave them out."""
    match x:
        case Sum(index, body, skip):
            return _apart(body) - {index, *skip}
        case _ if not children(x):
            return free_indices(x)
    return set().union(*map(_apart, children(x))) & free_indices(x)


def _joined(sides: Sequence[str], signs: Sequence[str]) -> str:
    """Return sides with the relations between them."""
    pieces = [sides[0]] if sides else []
    for sign, side in zip(signs, sides[1:], strict=False):
        pieces += [sign, side]
    return " ".join(pieces)


def _concerning(conditions: Sequence[Condition], free: set[str]) -> tuple[Condition, ...]:
    """Return the conditions that speak of what a claim leaves free, each through any others."""
    named = Counter(name for c in conditions if c.relation != ">" for name in (c.left, c.right))
    return tuple(
        c
        for c in conditions
        if c.relation == ">"
        or all(n in free or n.isdigit() or named[n] > 1 for n in (c.left, c.right))
    )
