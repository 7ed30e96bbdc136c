"""Tokens to trees. What is not understood is refused, with its place.

`name(args)` is an application exactly when every argument is an action or a word of context such
as the state. The file `parser` has the levels of an expression; here is what a factor may start
with.
"""

from collections.abc import Sequence

from softcheck.derive.expr import Expr, actions, free_indices
from softcheck.derive.reading.notation.cases import cases
from softcheck.derive.reading.notation.cursor import Brace, Found, Scope, spelled
from softcheck.derive.reading.notation.derivatives import fraction, partial
from softcheck.derive.reading.notation.functions import (
    divergence,
    exponential,
    extreme,
    logarithm,
    power_of_e,
    softmax,
)
from softcheck.derive.reading.notation.gradients import is_gradient
from softcheck.derive.reading.notation.indicators import delta, indicator, relation_of_actions
from softcheck.derive.reading.notation.parser import Form, Parser
from softcheck.derive.reading.notation.sums import covariance, expectation, total
from softcheck.derive.reading.notation.vocabulary import (
    BRACES,
    EXPECTATIONS,
    INDICATORS,
    STYLES,
)
from softcheck.derive.reading.tokens import ReadError, Token


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
    place = tokens[0].start
    is_gradient(tree, place)
    found.free |= free_indices(tree)
    found.actions |= actions(tree)
    unclear = found.free & found.implied
    if unclear:
        raise ReadError(
            f"{min(unclear)} is free on one side, and no sign binds it on the other", place
        )
    both = found.actions & found.sizes
    if both:
        raise ReadError(f"{min(both)} is read as an action and as the number of actions", place)
    return tree


class _Grammar(Parser):
    def form(self) -> Form | None:  # noqa: C901  one case a kind of token
        token = self.peek()
        if token.kind in ("letter", "font") and token.text == "D" and self._is_divergence():
            return divergence
        if token.kind in ("command", "font") and token.text in ("min", "max"):
            # Of a set, as in max_a Q(a), it is outside of what can be decided.
            set_opens = self.sees("{", kind="command", ahead=1)
            return extreme if set_opens or self.sees("(", "[", ahead=1) else None
        match token.kind:
            case "command":
                return _COMMANDS.get(token.text)
            case "font" if (token.font, token.text) in INDICATORS:
                return indicator
            case "font" if (token.font, token.text) in EXPECTATIONS:
                return expectation
            case "font" | "letter" if self._is_e():
                return power_of_e
            case "font":
                return _WORDS.get(token.text)
            case "letter" if token.text == "I" and self._opens_indicator():
                return indicator
            case "letter" if token.text == "E" and self._opens_mean():
                return expectation
            case "number" if token.text == "1" and self._opens_indicator():
                return indicator
        return None

    def _opens_mean(self) -> bool:
        """Tell whether brackets come behind E and what stands below it: else it is a name."""
        start = self.i
        self.i += 1
        if self.sees("_"):
            self.i += 1
            self.group()
        opens = self.starts_bracket() and not self.sees("(" if self.i == start + 1 else "")
        self.i = start
        return opens

    def _is_e(self) -> bool:
        """Tell whether the number e comes: in roman letters, or where e is no name."""
        token = self.peek()
        if token.text != "e" or token.kind == "font":
            return token.text == "e" and STYLES.get(token.font) == "roman"
        if self.sees("^", ahead=1):
            return True
        return "e" not in self.scope.arities and not self.sees("_", "'", "(", ahead=1)

    def _opens_indicator(self) -> bool:
        r"""Tell whether the condition of an indicator comes: `_{i = j}`, `\{i = j\}`, `(i = j)`."""
        start = self.i
        self.i += 1
        opens = self.sees("_", "{", "[", "(") or self.commands("{")
        try:
            opener = self.take() if opens else None
            if opener is not None:
                content = self.group() if opener.text == "_" else self.inside(opener)
                opens = relation_of_actions(self, content) is not None
        except ReadError:
            opens = False
        self.i = start
        return opens

    def _is_divergence(self) -> bool:
        """Tell whether `D_{KL}` comes, in letters, in a font or as words."""
        start = self.i
        self.i += 1
        content = self.nested(self.tokens[self.i + 1 :]).group() if self.sees("_") else []
        named = spelled(content) == "KL"
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
    "cases": cases,
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
    "clip": extreme,
    "Cov": covariance,
    "Var": covariance,
}
"""Names that are set in a font."""
