"""Formulas in the notations of papers, blogs and books, one draw of them a document."""

import re
from dataclasses import dataclass

from nodes import (
    ONE,
    Add,
    Chance,
    Count,
    Delta,
    Divergence,
    Entropy,
    Entry,
    Exp,
    Log,
    Mean,
    Mul,
    Named,
    Number,
    Power,
    Quotient,
    Scalar,
    Slope,
    Sum,
    free,
    mentions,
)

# How tightly a formula holds together: what is looser than its place needs brackets.
ADD, PREFIX, PRODUCT, ATOM = range(4)

LETTERS = (
    ("a", "b", "c", "k", "d", "i", "j", "m"),
    ("a", "a'", "a''", "b", "b'", "c", "k", "j"),
    ("i", "j", "k", "l", "m", "a", "b", "c"),
    ("k", "j", "i", "m", "l", "b", "a", "c"),
)
COUNTS = ("n", "N", "K", r"|\mathcal{A}|", r"\lvert \mathcal{A} \rvert")
INDICATORS = (
    r"\mathbf{1}\{%s = %s\}",
    r"\mathbb{1}_{%s = %s}",
    r"\mathbb{1}\{%s = %s\}",
    r"\mathbf{1}_{\{%s=%s\}}",
    r"1_{%s = %s}",
    r"\mathbb{I}[%s = %s]",
    r"\mathbb{I}(%s = %s)",
    r"\mathbb{I}\{%s=%s\}",
    r"\mathbf{1}[%s = %s]",
    r"\delta_{%s%s}",
    r"\delta_{%s,%s}",
    r"[%s = %s]",
    r"\mathbb 1[%s=%s]",
    r"\text{1}\{%s = %s\}",
)
EXPECTATIONS = (
    r"\mathbb{E}_{%s \sim %s}%s",
    r"\mathbb{E}_{%s \sim %s}%s",
    r"E_{%s \sim %s}%s",
    r"\operatorname{E}_{%s \sim %s}%s",
    r"\mathrm{E}_{%s\sim %s}%s",
    r"\mathop{\mathbb{E}}_{%s \sim %s}%s",
)
DIVERGENCES = (
    r"D_{KL}(%s \| %s)",
    r"D_{\mathrm{KL}}(%s \,\|\, %s)",
    r"\mathrm{KL}(%s \| %s)",
    r"\operatorname{KL}(%s \Vert %s)",
    r"\mathrm{KL}\left(%s \middle\| %s\right)",
    r"D_{\text{KL}}\bigl(%s \,\big\|\, %s\bigr)",
)
GREEK = {
    r"\pi": "π", r"\theta": "θ", r"\alpha": "α", r"\mu": "μ", r"\tau": "τ", r"\beta": "β",
    r"\lambda": "λ", r"\rho": "ρ", r"\delta": "δ", r"\sum": "∑", r"\partial": "∂", r"\nabla": "∇",
    r"\neq": "≠", r"\ne": "≠", r"\cdot": "·", r"\sim": "∼", r"\in": "∈", r"\eta": "η",
    r"\mathcal{A}": "\N{MATHEMATICAL SCRIPT CAPITAL A}",
    r"\mathbb{E}": "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}", r"\forall": "∀", r"\|": "‖",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """What one document calls things, drawn at random."""

    letters: tuple
    pi: str
    mu: str
    theta: str
    q: str
    u: str
    alpha: str
    beta: str
    count: str
    chance: str  # how an action is attached: "(%s)", "_{%s}", "(%s|s)"
    entry: str
    logit: str
    indicator: str
    expectation: str
    divergence: str
    entropy: str
    named: dict
    unicode: bool
    state: bool
    explicit: bool  # whether the policy has to be defined

    @classmethod
    def draw(cls, rng):
        letters = list(rng.choice(LETTERS))
        state = rng.random() < 0.2
        subscripts = not state and rng.random() < 0.4
        usual = state or rng.random() < 0.6
        pi = (
            rng.choice([r"\pi", r"\pi_\theta", r"\pi_{\theta}"])
            if usual
            else rng.choice(["p", r"\pi"])
        )
        pi = r"\pi" if subscripts and pi != "p" else pi
        theta = r"\theta" if usual else rng.choice(["z", "x", "h", r"\eta"])
        bar = rng.choice(["|", r"\mid ", r" \vert "])
        entry = "_{%s}" if subscripts else "(%s)"
        chance = f"(%s{bar}s)" if state else entry
        named = {
            "Z": "Z", "V": "V", "A": "A", "g": "g", "W": "W", "J": "J",
            "L": rng.choice(["L", r"\mathcal{L}"]), "rho": r"\rho",
        }  # fmt: skip
        alpha, beta = rng.sample([r"\alpha", r"\tau", r"\beta", r"\lambda", r"\kappa"], 2)
        return cls(
            letters=tuple(letters),
            pi=pi,
            mu=rng.choice([r"\mu", "q", r"\nu"]),
            theta=theta,
            q=rng.choice(["Q", "Q", "r", "R"]),
            u=rng.choice(["u", "w"]),
            alpha=alpha,
            beta=beta,
            count=rng.choice([each for each in COUNTS if each not in letters]),
            chance=chance,
            entry="(s, %s)" if state else entry,
            logit="_{s,%s}" if state else rng.choice(["_{%s}", entry]),
            indicator=rng.choice(INDICATORS),
            expectation=rng.choice(EXPECTATIONS),
            divergence=rng.choice(DIVERGENCES),
            entropy=rng.choice(["H(%s)", r"\mathcal{H}(%s)", "H[%s]", r"\mathrm{H}(%s)"]),
            named=named,
            unicode=rng.random() < 0.15,
            state=state,
            explicit=not usual,
        )


class Speller:
    """Write formulas in one style; the free indices of a statement keep their letters."""

    def __init__(self, style, rng, given, *, vector=None):
        self.style = style
        self.rng = rng
        self.letters = dict(given)
        self.vector = vector  # the index of a derivative that is written as a gradient

    def __call__(self, node):
        text = self.term(node)[0]
        if self.style.unicode:
            text = unicode(text)
        return text

    def letter(self, index):
        return self.letters[index]

    def bind(self, node):
        """Give the index of a sum a letter that nothing in it or around it has."""
        taken = {letter for index, letter in self.letters.items()}
        self.letters[node.index] = next(
            each
            for each in (*self.style.letters, "x", "y", "v", "o", "t", "l")
            if each not in taken
            and each
            not in {
                self.style.theta,
                self.style.pi,
                self.style.q,
                self.style.alpha,
                self.style.beta,
                self.style.mu,
                self.style.u,
                self.style.count,
            }
        )

    def attach(self, name, pattern, index):
        letter = self.letter(index)
        text = name + pattern % letter
        if pattern == "_{%s}" and "_" in name:
            base, _, mark = name.partition("_")
            text = f"{base}_{{{mark.strip('{}')}, {letter}}}"
        return re.sub(r"_\{(\w)\}", r"_\1", text) if self.rng.random() < 0.7 else text

    def bracketed(self, text):
        pairs = [("(", ")"), ("(", ")"), (r"\left(", r"\right)"), (r"\left[", r"\right]")]
        pairs += [(r"\bigl(", r"\bigr)"), (r"\Big(", r"\Big)"), ("[", "]")]
        opening, closing = self.rng.choice(pairs)
        return f"{opening}{text}{closing}" if opening in "([" else f"{opening} {text} {closing}"

    def at_least(self, node, level):
        text, found = self.term(node)
        return text if found >= level and not text.startswith("-") else self.bracketed(text)

    def term(self, node):  # noqa: C901  one case a node
        """Return a formula and how tightly it holds together."""
        style = self.style
        match node:
            case Number(value):
                if value.denominator == 1:
                    return str(value), ATOM if value >= 0 else ADD
                sign = "-" if value < 0 else ""
                text = rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
                return text, ATOM if value >= 0 else ADD
            case Count():
                return style.count, ATOM
            case Scalar(name):
                return getattr(style, name), ATOM
            case Entry(name, index):
                if name == "theta":
                    return self.attach(style.theta, style.logit, index), ATOM
                pattern = style.entry if name == "Q" else "_{%s}"
                return self.attach(style.q if name == "Q" else style.u, pattern, index), ATOM
            case Chance(name, index):
                return self.attach(getattr(style, name), style.chance, index), ATOM
            case Named(name, index):
                letter = style.named[name]
                if index is not None:
                    return self.attach(letter, style.entry, index), ATOM
                return (letter + "(s)" if style.state else letter), ATOM
            case Delta(left, right):
                text = style.indicator % (self.letter(left), self.letter(right))
                return text, ATOM
            case Entropy():
                return style.entropy % self.whole("pi"), ATOM
            case Divergence():
                return style.divergence % (self.whole("pi"), self.whole("mu")), ATOM
            case Add():
                return self.addition(node), ADD
            case Mul():
                return self.product(node)
            case Power(base, exponent):
                text = self.at_least(base, ATOM)
                if isinstance(
                    base, Delta | Exp | Quotient | Entropy | Divergence | Mean | Slope | Power
                ):
                    text = self.bracketed(text)
                return f"{text}^{exponent}", ATOM
            case Quotient(top, bottom):
                return rf"\frac{{{self.term(top)[0]}}}{{{self.term(bottom)[0]}}}", ATOM
            case Log(body):
                name = self.rng.choice([r"\log", r"\log", r"\ln"])
                if isinstance(body, Chance) and self.rng.random() < 0.8:
                    return f"{name} {self.term(body)[0]}", PREFIX
                text = self.term(body)[0]
                if isinstance(body, Sum | Quotient) and self.rng.random() < 0.6:
                    return f"{name} {text}", PREFIX
                return f"{name} {self.bracketed(text)}", PREFIX
            case Exp(body):
                text = self.term(body)[0]
                return (f"e^{{{text}}}" if self.rng.random() < 0.6 else rf"\exp({text})"), ATOM
            case Sum():
                return self.sum(node), PREFIX
            case Mean():
                return self.mean(node), ATOM
            case Slope():
                return self.slope(node)
        raise TypeError(node)

    def whole(self, name):
        return getattr(self.style, name) + (r"(\cdot|s)" if self.style.state else "")

    def addition(self, node):
        text = ""
        for each in node.terms:
            part = self.term(each)[0]
            if not text:
                text = part
            elif part.startswith("-"):
                text += f" - {part[1:].lstrip()}"
            else:
                text += f" + {part}"
        return text

    def product(self, node):
        factors = list(node.factors)
        sign = ""
        if isinstance(factors[0], Number) and factors[0].value < 0:
            sign = "-"
            factors[0] = Number(-factors[0].value)
            factors = factors[1:] if factors[0] == ONE else factors
        # What swallows all that follows stands last, or in brackets.
        factors.sort(key=lambda each: isinstance(each, Sum))
        parts = []
        for number, each in enumerate(factors):
            last = number == len(factors) - 1
            parts.append(self.at_least(each, PREFIX if last else PRODUCT))
        level = PREFIX if isinstance(factors[-1], Sum | Log | Slope) else PRODUCT
        text = parts[0]
        for part in parts[1:]:
            glue = self.rng.choice([" ", " ", " ", r" \, ", r" \cdot "])
            text += (
                r" \cdot " if part[0].isdigit() or part.startswith(r"\frac{1}") else glue
            ) + part
        return sign + text, ADD if sign else level

    def sum(self, node):
        letters, pairs = [], False
        self.bind(node)
        lower = [self.letter(node.index)]
        if node.skip is not None:
            unlike = self.rng.choice([r"\neq", r"\ne"])
            lower = [f"{lower[0]} {unlike} {self.letter(node.skip)}"]
            body = node.body
        else:
            letters = [node.index]
            body = node.body
            if (
                isinstance(body, Sum)
                and body.skip in {None, node.index}
                and self.rng.random() < 0.5
            ):
                pairs = body.skip is not None
                self.bind(body)
                letters.append(body.index)
                lower = [(r" \neq " if pairs else ", ").join(map(self.letter, letters))]
                body = body.body
        sign = rf"\sum_{{{lower[0]}}}"
        if node.skip is None:
            form = self.rng.random()
            if form < 0.15 and len(letters) == 1 and not self.style.count.startswith((r"\l", "|")):
                sign = rf"\sum_{{{lower[0]}=1}}^{{{self.style.count}}}"
            elif form < 0.3 and not pairs:
                sign = rf"\sum_{{{lower[0]} \in \mathcal{{A}}}}"
            elif form < 0.35:
                sign = rf"\sum\limits_{{{lower[0]}}}"
        text = f"{sign} {self.at_least(body, PREFIX)}"
        for index in {node.index, *letters}:
            del self.letters[index]
        return text

    def mean(self, node):
        style, whole = self.style, self.whole("pi")
        self.bind(node)
        text = self.term(node.body)[0]
        brackets = (
            self.rng.choice(["[%s]", r"\left[ %s \right]", r"\bigl[ %s \bigr]", r"\Big[%s\Big]"])
            % text
        )
        only = free(node.body) == {node.index} and not mentions(
            node.body, Sum | Mean | Slope | Named
        )
        letter = self.letter(node.index)
        del self.letters[node.index]
        if only and self.rng.random() < 0.4:
            name = self.rng.choice([r"\mathbb{E}", "E"])
            return f"{name}_{{{whole}}}{brackets}"
        return style.expectation % (letter, whole, brackets)

    def slope(self, node):
        theta, body = self.style.theta, node.body
        if node.index == self.vector:
            return rf"\nabla_{{{theta}}} {self.operand(body)}", PREFIX
        by = self.attach(theta, self.style.logit, node.index)
        if isinstance(body, Slope) and body.index != self.vector and self.rng.random() < 0.7:
            return self.second(by, node)
        form = self.rng.choice(["fraction", "fraction", "fraction", "operator", "partial", "nabla"])
        if form == "fraction" and not isinstance(body, Add | Mul | Sum):
            return rf"\frac{{\partial {self.at_least(body, PREFIX)}}}{{\partial {by}}}", ATOM
        if form in {"fraction", "operator"}:
            return rf"\frac{{\partial}}{{\partial {by}}} {self.operand(body)}", PREFIX
        sign = r"\partial" if form == "partial" else r"\nabla"
        return rf"{sign}_{{{by}}} {self.operand(body)}", PREFIX

    def second(self, by, node):
        """Return a derivative of a derivative, written as one."""
        inner = self.attach(self.style.theta, self.style.logit, node.body.index)
        below = rf"\partial {by} \partial {inner}"
        if node.index == node.body.index and not by.endswith(("}", ")")):
            below = rf"\partial {by}^2"
        text, level = self.term(node.body.body)
        if level in {ATOM, PREFIX} and self.rng.random() < 0.6:
            return rf"\frac{{\partial^2 {text}}}{{{below}}}", ATOM
        return rf"\frac{{\partial^2}}{{{below}}} {self.bracketed(text)}", PREFIX

    def operand(self, body):
        """Return what a derivative in front is of."""
        text, level = self.term(body)
        bare = isinstance(body, Chance | Named | Mean | Entropy | Divergence)
        bare |= isinstance(body, Log) and isinstance(body.body, Chance)
        bare |= isinstance(body, Sum) and self.rng.random() < 0.5
        return text if bare and level else self.bracketed(text)


def unicode(text):
    """Return LaTeX with the letters and signs that a keyboard has."""
    for command in sorted(GREEK, key=len, reverse=True):
        text = re.sub(re.escape(command) + r"(?![a-zA-Z])\s?", GREEK[command], text)
    text = re.sub(r"(?<=[)\w])\^2(?!\d)", "²", text)
    return text.replace("\\log ", "log ").replace(r"\, ", "")
