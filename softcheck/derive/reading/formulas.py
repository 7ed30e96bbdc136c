"""The formulas of a document: their tokens and statements, and which letters mean what in them."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from softcheck.derive.reading.conditions import restricts
from softcheck.derive.reading.notation.cursor import Scope
from softcheck.derive.reading.notation.ranges import conditioned, letters
from softcheck.derive.reading.notation.vocabulary import CLASS, INDEX_LETTERS, SIZE_LETTERS
from softcheck.derive.reading.regions import Span, Text
from softcheck.derive.reading.sentences import DISPLAY, Piece, Surroundings, surroundings
from softcheck.derive.reading.statements import EQUATING, Statement, statements
from softcheck.derive.reading.tokens import ReadError, Token, tokenize

DEEP = "parts nested too deeply"

_NESTED = re.compile(r"\$(?P<dollar>[^$]+)\$|\\\((?P<round>.+?)\\\)", re.DOTALL)
_TRAILING = re.compile(
    r"(?:\\end\s*\{[^}]*\}|\\(?:label|tag)\{[^}]*\}|\\[,;!:> ]|\\q?quad|[\s}\\$\]])+$"
)


@dataclass
class Formula:
    """A formula of the document: where it stands, its tokens and statements, or its problem."""

    span: Span
    around: Surroundings
    tokens: list[Token] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    problem: str = ""
    place: int = 0


def formulas_of(text: Text) -> list[Formula]:
    """Return the formulas of a text, those in the words of another behind it."""
    spans = list(text.spans())
    pieces = [Piece(*span.outer, span.display, _stops(text.text, span)) for span in spans]
    around = surroundings(text.prose, pieces)
    found = []
    for span, place in zip(spans, around, strict=True):
        formula = _tokenized(text, span, place)
        found += [formula, *_in_words(text, formula)]
    return found


def _stops(text: str, span: Span) -> bool:
    r"""Tell whether a formula ends in a full stop: `x = 1.` or `x = 1. \end{align}`."""
    body = _TRAILING.sub("", text[span.start : span.end])
    return body.endswith(".") and not body.endswith(("..", r"\left.", r"\right."))


def _tokenized(text: Text, span: Span, around: Surroundings) -> Formula:
    formula = Formula(span, around, place=span.start)
    if span.problem:
        formula.problem = span.problem
        return formula
    try:
        formula.tokens = tokenize(text.text, span.start, span.end, text.macros)
        formula.statements = statements(formula.tokens)
    except ReadError as error:
        formula.problem, formula.place = error.reason, error.start
    except RecursionError:
        formula.problem = DEEP
    if not span.closed and formula.statements:
        formula.problem = "a formula whose delimiter does not close"
    return formula


def _in_words(text: Text, formula: Formula) -> Iterator[Formula]:
    """Yield the formulas in the running text that stands inside of a formula."""
    for token in formula.tokens:
        if token.kind != "text" or not _NESTED.search(token.text):
            continue
        span = Span(False, token.start, token.end, True)
        if text.text[token.start : token.end].find(token.text) < 0:
            yield Formula(span, formula.around, problem="a macro whose words hold a formula",
                           place=token.start)  # fmt: skip
            continue
        first = token.start + text.text[token.start : token.end].index(token.text)
        for match in _NESTED.finditer(token.text):
            start, end = (first + place for place in match.span(match.lastgroup or 0))
            words = token.text[: match.start()]
            number = formula.around.sentence
            around = Surroundings(f"{DISPLAY} {words}", token.text[match.end() :], number)
            yield _tokenized(text, Span(False, start, end, True), around)


def _numbered(formulas: Sequence[Formula]) -> frozenset[str]:
    r"""Return the names that the document defines at a number and uses at no letter: `L_1`."""
    numbers, letters_below = set[str](), set[str]()
    for formula in formulas:
        for i, token in enumerate(formula.tokens[:-2]):
            if formula.tokens[i + 1].text == "_" and token.kind in ("letter", "font"):
                below = [t for t in formula.tokens[i + 2 : i + 4] if t.text != "{"]
                if below and below[0].kind != "number":
                    letters_below.add(token.text)
        for statement in formula.statements:
            left = [token for token in statement.sides[0] if token.text not in ("{", "}")]
            defines = bool(statement.relations) and statement.relations[0].text in EQUATING
            if defines and [t.text for t in left[1:2]] == ["_"] and len(left) == 3:
                numbers |= {left[0].text} if left[2].kind == "number" else set()
    return frozenset(numbers - letters_below)


def _sizes(formulas: Sequence[Formula]) -> frozenset[str]:
    r"""Return the letters that sums end with: `K` of `\sum_{k=1}^K`."""
    found = set()
    for formula in formulas:
        tokens = formula.tokens
        for i, token in enumerate(tokens):
            if token.text == "sum" and token.kind == "command":
                raised = next((j for j in range(i, min(i + 12, len(tokens) - 1))
                               if tokens[j].text == "^"), None)  # fmt: skip
                if raised is not None:
                    after = tokens[raised + 1 : raised + 3]
                    found |= {t.text for t in after if t.kind == "letter"}
    return frozenset(found & SIZE_LETTERS)


def _classes(formulas: Sequence[Formula], actions: Collection[str]) -> set[str]:
    r"""Return the letters of classes: `y` of `p_y` beside `p_i`, and of `\mathbf 1_{i = y}`."""
    below: dict[str, set[str]] = {}
    found = set()
    for formula in formulas:
        tokens = [token for token in formula.tokens if token.text not in ("{", "}")]
        for i, token in enumerate(tokens[:-2]):
            after = tokens[i + 2]
            if tokens[i + 1].text == "_" and after.kind == "letter":
                below.setdefault(token.text, set()).add(after.text)
        for left, sign, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
            pair = {left.text, right.text}
            if sign.text == "=" and pair & set(actions) and CLASS in pair:
                found.add(CLASS)
    tables = [letters for letters in below.values() if letters & set(actions)]
    return found | {CLASS for letters in tables if CLASS in letters}


def scope_of(formulas: Sequence[Formula]) -> Scope:
    """Return which letters name an action, and which are quantities of the document's own."""
    bound = frozenset().union(*(letters(formula.tokens) for formula in formulas))
    quantities = set()
    for formula in formulas:
        for statement in formula.statements:
            left = statement.sides[0]
            if (
                statement.relations
                and statement.relations[0].text in EQUATING
                and len(left) == 1
                and left[0].kind == "letter"
                and left[0].text in INDEX_LETTERS - bound
                and (len(statement.sides[1]) > 1 or statement.relations[0].text == ":=")
                and not restricts(statement, Scope(bound))
            ):
                quantities.add(left[0].text)
    bound |= _classes(formulas, INDEX_LETTERS | bound)
    behind = frozenset().union(*(conditioned(formula.tokens) for formula in formulas)) - bound
    # Of two letters behind bars none plays the state: they tell two of them apart.
    contexts = behind if len(behind) == 1 else frozenset[str]()
    return Scope(
        bound,
        quantities=frozenset(quantities),
        sizes=_sizes(formulas),
        numbered=_numbered(formulas),
        contexts=contexts,
    )
