"""Distinctions of two cases: two actions are the same, or they are not."""

from collections.abc import Sequence

from softcheck.derive.expr import ONE, Add, Delta, Expr, Mul, minus
from softcheck.derive.reading.notation.cursor import spelled, split
from softcheck.derive.reading.notation.indicators import relation_of_actions
from softcheck.derive.reading.notation.parser import Parser
from softcheck.derive.reading.tokens import ReadError, Token


def cases(parser: Parser) -> Expr:
    r"""Read `\begin{cases} x & i = j \\ y & i \neq j \end{cases}` as x 1{i=j} + y (1 - 1{i=j})."""
    start = parser.take().start
    rows = [split(row, {"&"}) for row in split(parser.group(), {"\\\\"}) if row]
    if [len(row) for row in rows] != [2, 2]:
        raise ReadError("a distinction of cases that are not two", start)
    (first, when), (second, otherwise) = rows
    holds, other = _indicator(parser, when), _indicator(parser, otherwise)
    in_words = spelled(_bare(otherwise)) in ("otherwise", "else")
    if holds is None or not (in_words or _opposite(holds, other)):
        raise ReadError(
            "a distinction of cases that is not between two actions equal and not equal", start
        )
    above, below = parser.whole(_bare(first)), parser.whole(_bare(second))
    return Add((Mul((above, holds)), Mul((below, minus(ONE, holds)))))


def _opposite(holds: Expr, other: Expr | None) -> bool:
    """Tell whether one indicator is 1 where the other is 0, for the same two actions."""
    equal, unequal = (holds, other) if isinstance(holds, Delta) else (other, holds)
    if not isinstance(equal, Delta):
        return False
    return unequal in (minus(ONE, equal), minus(ONE, Delta(equal.right, equal.left)))


def _indicator(parser: Parser, tokens: Sequence[Token]) -> Expr | None:
    """Return the indicator of a condition, or None if it is none."""
    content = _bare(tokens)
    if content and content[0].kind == "text" and content[0].text.strip() in ("if", "for", "when"):
        content = content[1:]
    if content and content[0].text == "(" and content[-1].text == ")":
        content = content[1:-1]
    return relation_of_actions(parser, content)


def _bare(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens without the punctuation and the spaces that they end in."""
    kept = [token for token in tokens if token.kind != "space"]
    while kept and kept[-1].kind == "sign" and kept[-1].text in (",", ";", "."):
        kept.pop()
    return kept
