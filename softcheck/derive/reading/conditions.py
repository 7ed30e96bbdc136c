"""Statements that only restrict: which actions are equal, ranges, the sign of a scalar.

A condition is understood, or the step that it stands with is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from softcheck.derive.expr import Condition, Expr, Num, Size, Sym
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.names import parse_index
from softcheck.derive.reading.statements import EQUATING, Statement
from softcheck.derive.reading.tokens import ReadError, Token
from softcheck.derive.reading.words import joins, starts_condition

_DOTS = {"dots", "ldots", "cdots", "dotsc", "hdots"}
_SPACES = {"Delta", "Δ", "R", "S", "A", "X", "Y", "C", "K", "V", "I", "U", "W", "N", "Z"}
"""Letters, or letters in a font, of sets that a quantity lies in as a whole."""

_OF_SETS = {"-", "+", "cup", "cap", "setminus", "backslash", "triangle", "ominus"}
"""Signs that make a set of two."""

_OPPOSITE = {"=": "≠", "≠": "="}
_BOUNDS = ("<", ">", "≤", "≥")


@dataclass(frozen=True)
class Restriction:
    """What restricts a claim.

    Attributes
    ----------
    conditions : tuple of Condition
    problem : str
        What was not understood, if anything.
    place : int
        Where that stands.
    lost : bool
        Whether it may be a part of the claim itself, and not of what is assumed.
    """

    conditions: tuple[Condition, ...] = ()
    problem: str = ""
    place: int = 0
    lost: bool = False


def quietly(tokens: Sequence[Token], scope: Scope) -> Expr | None:
    """Return the tree of an expression, or None if it cannot be read."""
    try:
        return parse(tokens, scope, Found(), 0)
    except ReadError:
        return None


def restricts(statement: Statement, scope: Scope) -> bool:
    """Tell whether a statement has the form of a restriction, understood or not."""
    if statement.aside and _is_value(statement, scope):
        return True
    if not statement.relations:
        return bool(statement.bound)
    sign = statement.relations[0].text
    left = statement.sides[0]
    if sign in ("∈", "∉"):
        return not any(relation.text in EQUATING for relation in statement.relations)
    if sign in (":=", "=:", "≐", "≡"):
        return False
    if _is_list(statement):
        return True
    if all(_is_action(side, scope) or _is_number(side) for side in statement.sides):
        return any(_is_action(side, scope) for side in statement.sides)
    if sign in (*_BOUNDS, "≠") and len(statement.relations) <= 2:
        return all(_is_scalar(quietly(side, scope)) for side in statement.sides)
    return sign == "=" and _is_action(left, scope) and _is_number(statement.sides[-1])


def restriction(
    statements: Sequence[Statement], scope: Scope, *, words: bool = True
) -> Restriction:
    """Return what some statements behind another, or in the text, say together.

    Parameters
    ----------
    statements : sequence of Statement
    scope : Scope
    words : bool
        Whether the words inside of the formula count.
    """
    found: list[Condition] = []
    position = 0
    while position < len(statements):
        statement = statements[position]
        together = listed(statements, position)
        position += len(together)
        said = statement.words if words else ""
        told = starts_condition(said) if said else "if"
        opposite = told == "unless"
        if told in (None, "odd") and not joins(said):
            lost = not statement.relations
            return Restriction((), f"the words {said!r}", statement.start, lost)
        for part in statement.bound:
            found += _bound(part, scope)
        if not statement.relations:
            if statement.tokens and not _is_action(statement.tokens, scope):
                return Restriction((), "what stands behind it", statement.start, lost=True)
            continue
        understood = [] if len(together) > 1 else _understood(statement, scope)
        if understood is None or (opposite and len(understood) != 1):
            return Restriction(problem="a condition", place=statement.relations[0].start)
        found += [_negated(c) for c in understood] if opposite else understood
    return Restriction(tuple(dict.fromkeys(found)))


def _negated(condition: Condition) -> Condition:
    return Condition(condition.left, _OPPOSITE[condition.relation], condition.right)


def _understood(statement: Statement, scope: Scope) -> list[Condition] | None:
    """Return what a statement assumes of actions or of a scalar; None if it is not understood."""
    if _is_list(statement):
        return []
    sign = statement.relations[0].text
    if sign in ("∈", "∉"):
        return _member(statement, scope)
    if len(statement.relations) > 1:
        return _between(statement, scope)
    left, right = statement.sides
    first, second = parse_index(left, scope), parse_index(right, scope)
    if first and second and sign in ("=", "≠") and not (first.isdigit() and second.isdigit()):
        return [Condition(first, sign, second)]
    if sign in ("<", ">", "≤", "≥"):
        low, high = (right, left) if sign in ("<", "≤") else (left, right)
        scalar, bound = quietly(low, scope), quietly(high, scope)
        if isinstance(scalar, Sym) and isinstance(bound, Num) and bound.value >= 0:
            if bound.value == 0 and sign in ("≤", "≥"):
                return []
            return [Condition(scalar.name, ">", "0")] if bound.value == 0 else None
        if first and _is_number(right):
            return []
    return None


def _between(statement: Statement, scope: Scope) -> list[Condition] | None:
    r"""Understand `1 \le i \le n`, a range, and `i = j = k`."""
    signs = {relation.text for relation in statement.relations}
    if signs <= {"≤", "<"}:
        inner = statement.sides[1:-1]
        return [] if all(_is_action(side, scope) for side in inner) else None
    actions = [parse_index(side, scope) for side in statement.sides]
    if signs == {"="} and all(actions):
        names = [name for name in actions if name]
        return [Condition(a, "=", b) for a, b in pairwise(names)]
    return None


def _member(statement: Statement, scope: Scope) -> list[Condition] | None:
    r"""Understand `a \in \mathcal{A}`, `a \in \mathcal{A} \setminus \{b\}`, `\theta \in R^n`."""
    if len(statement.relations) > 1:
        return None
    left, right = statement.sides
    names = [part for part in _commas(left) if part]
    without = next(
        (i for i, t in enumerate(right) if t.text in ("setminus", "backslash", "-")), None
    )
    if statement.relations[0].text == "∉" or without is not None:
        listed = right if without is None else right[without + 1 :]
        inner = [t for t in listed if t.text not in ("{", "}")]
        out = [parse_index(part, scope) for part in _commas(inner)]
        index = parse_index(left, scope)
        if index is None or not all(out):
            return None
        return [Condition(index, "≠", other) for other in out if other]
    actions = all(_is_action(part, scope) for part in names)
    return [] if not actions or _is_space(right) else None


def _is_space(tokens: Sequence[Token]) -> bool:
    """Tell whether tokens name a set as a whole: all actions, or a space of vectors."""
    first = tokens[0] if tokens else None
    if first is None:
        return False
    if first.kind == "font" or first.text in _SPACES:
        # What a set is without, or has in common with another, is said with an operator.
        return not any(token.text in _OF_SETS for token in tokens[1:] if token.kind != "letter")
    return any(t.text in _DOTS for t in tokens) or (first.text == "[" and len(tokens) == 3)


def _commas(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text in (",", "(", ")") and token.kind == "sign":
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _bound(part: Sequence[Token], scope: Scope) -> list[Condition]:
    r"""Return what `\forall a \neq b` assumes."""
    place = next((i for i, t in enumerate(part) if t.text in ("neq", "ne", "=")), None)
    if place is None:
        return []
    sign = "=" if part[place].text == "=" else "≠"
    first, second = parse_index(part[1:place], scope), parse_index(part[place + 1 :], scope)
    return [Condition(first, sign, second)] if first and second else []


def _is_list(statement: Statement) -> bool:
    r"""Tell whether a statement runs through a list in brackets: `i \in \{1, \dots, K\}`."""
    return any(
        side[:1] and side[0].text in ("{", "(", "[") and any(token.text in _DOTS for token in side)
        for side in statement.sides[1:]
    )


def listed(statements: Sequence[Statement], position: int) -> list[Statement]:
    r"""Return a statement with those behind it that go on with its list, `i = 1`, `\dots`, `K`."""
    found = [statements[position]]
    for statement in statements[position + 1 :]:
        if statement.relations or not statement.aside:
            break
        found.append(statement)
    dots = any(token.text in _DOTS for statement in found[1:] for token in statement.tokens)
    return found if dots else found[:1]


def _is_action(tokens: Sequence[Token], scope: Scope) -> bool:
    index = parse_index(tokens, scope)
    return index is not None and not index.isdigit()


def _is_number(tokens: Sequence[Token]) -> bool:
    return bool(tokens) and all(token.kind == "number" for token in tokens)


def _is_value(statement: Statement, scope: Scope) -> bool:
    """Tell whether a statement gives a number to a scalar, as in `alpha = 0`."""
    if [relation.text for relation in statement.relations] != ["="]:
        return False
    left, right = (quietly(side, scope) for side in statement.sides)
    scalar = isinstance(left, Sym) and not left.args and left.name not in scope.arities
    return (scalar or isinstance(left, Size)) and isinstance(right, Num)


def _is_scalar(tree: Expr | None) -> bool:
    return isinstance(tree, Num | Size) or (isinstance(tree, Sym) and len(tree.args) <= 1)
