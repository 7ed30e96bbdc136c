"""What softcheck itself says of symbols, written as a document would write it."""

from dataclasses import dataclass

from softcheck.derive.expr import Definition
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.tokens import tokenize


@dataclass(frozen=True)
class BuiltIn:
    """A definition of softcheck's own: its two sides as LaTeX, and the actions on the left."""

    left: str
    params: tuple[str, ...]
    right: str

    @property
    def text(self) -> str:
        """The definition as LaTeX."""
        return f"{self.left} = {self.right}"

    def definition(self, name: str) -> Definition:
        """Return what it says of a name."""
        body = parse(tokenize(self.right, 0, len(self.right), {}), Scope(), Found(), 0)
        return Definition(name, self.params, body)


_SOFTMAX = r"\frac{\exp(\theta_a)}{\sum_b \exp(\theta_b)}"
_LOSS = r"-\sum_a \pi(a) g(a)"

DEFAULTS = {
    "A_soft": BuiltIn(r"A_{\text{soft}}(a)", ("a",), "g(a) - V"),
    "π": BuiltIn(r"\pi(a)", ("a",), _SOFTMAX),
    "p": BuiltIn("p(a)", ("a",), _SOFTMAX),
}
"""What a symbol means unless the document says what it means."""

OWN = {
    "π": DEFAULTS["π"],
    "g": BuiltIn("g(a)", ("a",), r"Q(a) - \alpha \log \pi(a)"),
    "V": BuiltIn("V", (), r"\sum_a \pi(a) g(a)"),
    "A_soft": DEFAULTS["A_soft"],
    "ℒ": BuiltIn(r"\mathcal{L}", (), _LOSS),
    "L": BuiltIn("L", (), _LOSS),
}
"""Eq. (6)'s own definitions, with which a document's are compared."""
