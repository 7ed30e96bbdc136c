"""Random losses, each a formula in LaTeX and the same in PyTorch: softcheck has to read the one.

    nice python tests/random_losses.py [COUNT] [SEED]

The gradient that autograd has of a loss must pass, in float64 and in float32, and one whose term is
off by 1 % must fail wherever that can be seen. One with a stop-gradient on a place where the policy
stands must fail and be named, or change nothing. Prints each loss of which this is not so, and
those that were refused.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import torch

import softcheck
from softcheck import Status
from softcheck.errors import SoftcheckError

Tensor = torch.Tensor

DTYPES = {"float64": torch.float64, "float32": torch.float32}

SEEN = {"float64": 1e-5, "float32": 2e-3}
"""How large an error has to be beside the largest entry of any term, if it must be found."""


@dataclass(frozen=True)
class Values:
    """What a formula is about: shapes (states, actions), (states,), or one number."""

    logits: Tensor
    legal: Tensor
    has: dict

    @property
    def log_pi(self):
        """The logarithms of the policy, and 0 at masked actions."""
        log_pi = torch.log_softmax(self.logits.masked_fill(~self.legal, -torch.inf), -1)
        return torch.where(self.legal, log_pi, 0.0)

    @property
    def pi(self):
        return self.log_pi.exp() * self.legal

    @property
    def normaliser(self):
        return torch.logsumexp(self.logits.masked_fill(~self.legal, -torch.inf), -1)

    def at(self, table):
        return table.gather(-1, self.has["j"][:, None]).squeeze(-1)

    def total(self, table):
        return (table * self.legal).sum(-1)


@dataclass(frozen=True)
class Held(Values):
    """The same, where the policy has no gradient at one of the places that read it."""

    place: int
    read: list = field(default_factory=list)

    def _held(self, value):
        self.read.append(value)
        return value.detach() if len(self.read) == self.place + 1 else value

    @property
    def log_pi(self):
        return self._held(super().log_pi)

    @property
    def pi(self):
        return self._held(super().log_pi.exp() * self.legal)

    @property
    def normaliser(self):
        return self._held(super().normaliser)


@dataclass(frozen=True)
class Piece:
    """A part of a formula: its text, its value, and the arrays that it takes."""

    text: str
    of: Callable[[Values], Tensor]
    takes: frozenset = frozenset()

    def __mul__(self, other):
        return Piece(
            f"{self.text} {other.text}",
            lambda v: self.of(v) * other.of(v),
            self.takes | other.takes,
        )

    def __truediv__(self, other):
        return Piece(
            rf"\frac{{{self.text}}}{{{other.text}}}",
            lambda v: self.of(v) / other.of(v),
            self.takes | other.takes,
        )

    def bracketed(self):
        return Piece(rf"\left({self.text}\right)", self.of, self.takes)

    def power(self, exponent):
        return Piece(
            rf"{self.bracketed().text}^{exponent}",
            lambda v: self.of(v) ** exponent,
            self.takes,
        )

    def function(self, name):
        function = {"log": torch.log, "exp": torch.exp}[name]
        return Piece(rf"\{name}{self.bracketed().text}", lambda v: function(self.of(v)), self.takes)


class Writer:
    """Draws pieces in one spelling."""

    def __init__(self, r):
        self.r = r
        self.used = set()
        self.entry = r.choice(["{0}({1})", "{0}_{1}", "{0}_{{{1}}}"])
        self.log = r.choice([r"\log ", r"\ln "])
        self.same = r.choice([r"\mathbf{{1}}\{{{0} = j\}}", r"\delta_{{{0}j}}", "[{0} = j]"])

    def draw(self, *choices):
        return choices[self.r.integers(len(choices))]

    def policy(self, index, power=1):
        exponent = f"^{power}" if power > 1 else ""
        name = r"\pi" + exponent if self.entry == "{0}({1})" else r"\pi"
        text = self.entry.format(name, index)
        return Piece(
            text if name != r"\pi" else text + exponent,
            lambda v: v.pi**power if index != "j" else v.at(v.pi) ** power,
            frozenset("j" if index == "j" else ()),
        )

    def log_policy(self, index):
        return Piece(
            self.log + self.entry.format(r"\pi", index),
            lambda v: v.log_pi if index != "j" else v.at(v.log_pi),
            frozenset("j" if index == "j" else ()),
        )

    def table(self, symbol, name, index):
        return Piece(
            self.entry.format(symbol, index),
            lambda v: v.has[name] if index != "j" else v.at(v.has[name]),
            frozenset({name} | ({"j"} if index == "j" else set())),
        )

    def tables(self, index):
        return self.draw(self.table("Q", "q", index), self.table(r"\rho", "rho", index))

    def same_as_chosen(self, index):
        def one_hot(v):
            return torch.nn.functional.one_hot(v.has["j"], v.pi.shape[-1]).to(v.pi.dtype)

        return Piece(self.same.format(index), one_hot, frozenset("j"))

    def number(self):
        return self.draw(
            Piece(r"\alpha", lambda v: v.has["alpha"], frozenset({"alpha"})),
            Piece(r"\beta", lambda v: v.has["beta"], frozenset({"beta"})),
            Piece(r"\frac{1}{2}", lambda v: 0.5),
            Piece("3", lambda v: 3.0),
        )

    def summed(self, body, index):
        return Piece(rf"\sum_{{{index}}} {body.text}", lambda v: v.total(body.of(v)), body.takes)

    def body(self, index):
        """Return a product of an action that depends on the policy."""
        body = self.draw(
            self.tables(index) * self.policy(index),
            self.policy(index, int(self.r.integers(2, 4))),
            self.policy(index) * self.log_policy(index),
            self.tables(index) * self.log_policy(index),
            self.policy(index, 2) * self.log_policy(index),
        )
        if self.r.random() < 0.6:
            body = self.tables(index) * body
        elif self.r.random() < 0.1:
            body = self.same_as_chosen(index) * body
        return body

    def sum(self):
        index = self.draw("a", "b", "i")
        return self.summed(self.body(index), index)

    def positive(self):
        """Return a sum that is above 0, of one product."""
        index = self.draw("a", "b")
        body = self.policy(index, int(self.r.integers(2, 4)))
        if self.r.random() < 0.4:
            body = self.policy(index) * self.table(r"\rho", "rho", index)
        return self.summed(body, index)

    def quotient(self):
        index = self.draw("a", "b", "i")
        return self.summed(self.tables(index) * self.body(index), index) / self.positive()

    def normaliser(self):
        text = r"\log \sum_{c} \exp(" + self.entry.format(r"\theta", "c") + ")"
        return Piece(text, lambda v: v.normaliser)

    def of_chosen(self):
        rest = Piece(rf"\left(1 - {self.policy('j').text}\right)", lambda v: 1 - v.at(v.pi))
        focal = Piece(f"{rest.text}^2", lambda v: (1 - v.at(v.pi)) ** 2, frozenset("j"))
        return self.draw(
            self.log_policy("j"),
            self.policy("j", int(self.r.integers(1, 4))),
            self.table("Q", "q", "j") * self.log_policy("j"),
            focal * self.log_policy("j"),
        )

    def term(self):
        """Return a term and what kind it is."""
        kind = self.draw(*["sum"] * 4, *KINDS)
        made = {
            "sum": self.sum,
            "product": lambda: self.sum().bracketed() * self.sum().bracketed(),
            "square": lambda: self.sum().power(2),
            "quotient": self.quotient,
            "log": lambda: self.positive().function("log"),
            "exp": lambda: self.sum().function("exp"),
            "chosen": self.of_chosen,
            "product of chosen": lambda: self.policy("j") * self.sum().bracketed(),
            "normaliser": lambda: self.normaliser().power(2),
        }[kind]()
        if made.text in self.used:  # two of a kind may leave nothing
            return self.term()
        self.used.add(made.text)
        if self.r.random() < 0.6:
            made = self.number() * Piece(rf"\cdot {made.text}", made.of, made.takes)
        return made, kind


KINDS = [
    "sum",
    "product",
    "square",
    "quotient",
    "log",
    "exp",
    "chosen",
    "product of chosen",
    "normaliser",
]


@dataclass(frozen=True)
class RandomLoss:
    """A formula, its terms with their signs, and the numbers that it is verified on."""

    text: str
    kinds: tuple
    terms: tuple
    numbers: dict
    """In float64: legal, logits, and the arrays that the formula takes."""

    def gradients(self, dtype):
        """Return the gradient of each term by autograd."""
        return [self._gradient(sign, piece, dtype) for sign, piece in self.terms]

    def _gradient(self, sign, piece, dtype):
        leaf = torch.tensor(self.numbers["logits"], dtype=dtype, requires_grad=True)
        has = {name: self._tensor(name, dtype) for name in piece.takes}
        loss = sign * piece.of(Values(leaf, torch.tensor(self.numbers["legal"]), has))
        return torch.autograd.grad(loss.sum(), leaf)[0]

    def stopped(self, place, dtype):
        """Return the gradient with a stop-gradient at a place, and how many places there are."""
        leaf = torch.tensor(self.numbers["logits"], dtype=dtype, requires_grad=True)
        has = {name: self._tensor(name, dtype) for _, piece in self.terms for name in piece.takes}
        held = Held(leaf, torch.tensor(self.numbers["legal"]), has, place)
        loss = sum(sign * piece.of(held) for sign, piece in self.terms)
        # What is left may not depend on the logits at all.
        return torch.autograd.grad(loss.sum() + 0.0 * leaf.sum(), leaf)[0], len(held.read)

    def _tensor(self, name, dtype):
        number = np.asarray(self.numbers[name])
        return torch.tensor(number, dtype=None if name == "j" else dtype)

    def given(self, dtype):
        """Return what `softcheck.verify` is given, but for the gradient."""
        takes = set().union(*(piece.takes for _, piece in self.terms))
        given = {name: self._tensor(name, dtype) for name in ("logits", *sorted(takes))}
        if not self.numbers["legal"].all():
            given["mask"] = self.numbers["legal"]
        return given | {"loss": self.text}


def drawn(number):
    """Draw a loss and its numbers."""
    r = np.random.default_rng([18, number])
    writer = Writer(r)
    terms, kinds, text = [], [], ""
    for place in range(r.integers(1, 4)):
        piece, kind = writer.term()
        sign = int(r.choice([-1, 1]))
        text += (" - " if sign < 0 else " + " if place else "") + piece.text
        terms.append((sign, piece))
        kinds.append(kind)
    shape = int(r.integers(1, 21)), round(2 * 20 ** r.random())
    legal = r.random(shape) >= r.choice([0.0, 0.0, 0.3])
    index = r.integers(shape[1], size=shape[0])
    legal[np.arange(shape[0]), index] = True
    numbers = {
        "legal": legal,
        "logits": r.normal(size=shape) * r.uniform(0.3, 2.0),
        "q": r.normal(size=shape),
        "rho": r.uniform(0.2, 1.5, size=shape),
        "alpha": r.uniform(0.2, 2.0),
        "beta": r.uniform(0.2, 2.0, size=shape[0]),
        "j": index,
    }
    return RandomLoss(text.strip(), tuple(kinds), tuple(terms), numbers)


def judged(loss):
    """Return what is wrong with the verdicts on a loss and its planted errors, as lines."""
    found = []
    for name, dtype in DTYPES.items():
        given, parts = loss.given(dtype), loss.gradients(dtype)
        right = sum(parts)
        (case,) = softcheck.verify(grad=right, **given).cases
        if case.status is not Status.PASSED:
            found.append(f"right {name} {case.status.value}: {_said(case)}")
        size = max(float(part.abs().max()) for part in parts)
        for place, part in enumerate(parts):
            error = 0.01 * part
            if float(error.abs().max()) <= SEEN[name] * size:
                continue
            with patch(
                "softcheck.diagnosis.name.diagnose", return_value=()
            ):  # its name is not asked
                (case,) = softcheck.verify(grad=right + error, **given).cases
            if case.status is not Status.FAILED:
                found.append(f"term {place} off by 1 % in {name}: {case.status.value}")
    return found


def stopped(loss, number):
    """Return what became of a stop-gradient at a place that is drawn: a word, and what is wrong."""
    r = np.random.default_rng([19, number])
    right, places = loss.stopped(-1, torch.float64)
    held, _ = loss.stopped(int(r.integers(places)), torch.float64)
    (case,) = softcheck.verify(grad=held, **loss.given(torch.float64)).cases
    # The gradients of two states may be many orders of magnitude apart.
    size = sum(part.abs() for part in loss.gradients(torch.float64)).amax(-1, keepdim=True)
    if ((held - right).abs() <= 1e-9 * size + 1e-15).all():
        passed = case.status is Status.PASSED
        return "a stop-gradient that changes nothing", [] if passed else [_said(case)]
    said = [one.message for one in case.diagnosis]
    said += [text for one in case.diagnosis for text in one.evidence.get("also", ())]
    said += [
        other["said"] for one in case.diagnosis for other in one.evidence.get("alternatives", ())
    ]
    named = case.status is Status.FAILED and any("stop-gradient" in text for text in said)
    return "a stop-gradient", [] if named else [f"a stop-gradient: {case.status.value}, {said}"]


def _said(case):
    return "; ".join(
        f"{check.name} {check.status.value}, worst {check.worst.ratio:.3g}: {check.reason}"
        for check in case.checks
        if check.status is not Status.PASSED
    )


def main(count=500, seed=0):
    counts = Counter()
    for number in range(seed, seed + count):
        loss = drawn(number)
        try:
            found = judged(loss)
            what, more = stopped(loss, number)
            counts[what] += 1
            found += more
        except SoftcheckError as error:
            print(f"{number}: refused: {loss.text}: {error}", flush=True)
            counts[f"refused, with {' '.join(sorted(set(loss.kinds)))}"] += 1
            continue
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        counts["wrong" if found else "right"] += 1
        for line in found:
            print(f"{number}: {loss.text}: {line}", flush=True)
    for what, times in sorted(counts.items()):
        print(f"{times:6} {what}")
    return counts["wrong"]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
