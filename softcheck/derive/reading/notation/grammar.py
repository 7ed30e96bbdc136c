"""Tokens to trees. What is not understood is refused, with its place.

`name(args)` is an application exactly when every argument is an action or a word of context such
as the state. The file `parser` has the levels of an expression; here is what a factor may start
with.
"""

from collections.abc import Sequence

from softcheck.derive.expr import Expr
from softcheck.derive.reading.notation.cursor import Brace, Found, Scope, spelled
from softcheck.derive.reading.notation.derivatives import fraction, partial
from softcheck.derive.reading.notation.functions import (
    divergence,
    exponential,
    logarithm,
    power_of_e,
    softmax,
)
from softcheck.derive.reading.notation.indicators import delta, indicator
from softcheck.derive.reading.notation.parser import Form, Parser
from softcheck.derive.reading.notation.sums import covariance, expectation, total
from softcheck.derive.reading.notation.vocabulary import BRACES, EXPECTATIONS, INDICATORS
from softcheck.derive.reading.tokens import Token


def parse(tokens: Sequence[Token], scope: Scope, found: Found, at: int) -> Expr:
    """Return the tree of an expression.

    Parameters
    ----------
    tokens : sequence of Token
    scope : Scope
    found : Found
        Filled with what is found beside the tree.
    at : int
        Where the document stands, for the error of an empty expression.

    Raises
    ------
    ReadError
        At the first token that is not understood, or is left over.
    """
    parser = _Grammar(tokens, scope, found, at)
    tree = parser.expression()
    parser.end()
    return tree


class _Grammar(Parser):
    def form(self) -> Form | None:
        token = self.peek()
        if token.kind in ("letter", "font") and token.text == "D" and self._is_divergence():
            return divergence
        match token.kind:
            case "command":
                return _COMMANDS.get(token.text)
            case "font" if (token.font, token.text) in INDICATORS:
                return indicator
            case "font" if (token.font, token.text) in EXPECTATIONS:
                return expectation
            case "font":
                return _WORDS.get(token.text)
            case "letter" if token.text == "e" and not self.sees("_", "'", "(", ahead=1):
                return power_of_e
            case "letter" if token.text == "E" and self.sees("_", ahead=1):
                return expectation
            case "number" if token.text == "1" and self.sees("{", kind="command", ahead=1):
                return indicator
        return None

    def _is_divergence(self) -> bool:
        """Tell whether `D_{KL}` comes, in letters, in a font or as words."""
        start = self.i
        self.i += 1
        named = self.sees("_") and spelled(self.nested(self.tokens[self.i + 1 :]).group()) == "KL"
        self.i = start
        return named


def _brace(parser: Parser) -> Expr:
    """Take a part that a brace marks, and note what its label says."""
    command = parser.take()
    marked = parser.group()
    body = parser.whole(marked)
    if parser.sees(BRACES[command.text]):
        parser.take()
        bound = frozenset(parser.scope.bound)
        parser.found.braces.append(Brace(body, marked, parser.group(), bound))
    return body


def _boxed(parser: Parser) -> Expr:
    parser.take()
    return parser.whole(parser.group())


_COMMANDS: dict[str, Form] = {
    "frac": fraction,
    "tfrac": fraction,
    "dfrac": fraction,
    "sum": total,
    "log": logarithm,
    "ln": logarithm,
    "exp": exponential,
    "partial": partial,
    "nabla": partial,
    "delta": delta,
    "underbrace": _brace,
    "overbrace": _brace,
    "boxed": _boxed,
}

_WORDS: dict[str, Form] = {
    "softmax": softmax,
    "log": logarithm,
    "ln": logarithm,
    "exp": exponential,
    "KL": divergence,
    "Cov": covariance,
    "Var": covariance,
}
"""Names that are set in a font."""
