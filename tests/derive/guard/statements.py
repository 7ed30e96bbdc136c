"""Statements whose truth is known, and documents that make several of them."""

import copy
import dataclasses
import itertools
import random
from dataclasses import dataclass
from fractions import Fraction

import mpmath
from edits import edited
from nodes import (
    INDEXED,
    MEANINGS,
    Chance,
    Count,
    Log,
    Named,
    Number,
    Scalar,
    Slope,
    Sum,
    fresh,
    meaning,
    mul,
    neg,
    places,
    put,
    size,
)
from spelling import Speller, Style, unicode
from truths import Writer, distinct, joined, rewritten, vectorial
from values import DIFFERENT, DIGITS, EQUAL, Point, value


@dataclass(frozen=True)
class Condition:
    """What a statement is said to hold for.

    Attributes
    ----------
    relation : str
        "equal" or "different", of two indices; "one", of the scalar alpha; "two", of the count.
    left, right : int or None
    """

    relation: str
    left: int | None = None
    right: int | None = None

    def allows(self, point, at):
        match self.relation:
            case "equal":
                return at[self.left] == at[self.right]
            case "different":
                return at[self.left] != at[self.right]
            case "one":
                return point.scalars["alpha"] == 1
            case _:
                return point.actions == 2


@dataclass(frozen=True)
class Statement:
    """A chain of equalities.

    Attributes
    ----------
    members : tuple of nodes
    indices : tuple of int
        The free ones.
    condition : Condition or None
    truths : tuple of bool
        Of each equality.
    latex : str
        The block of the document that says it.
    sure : bool
        Whether it is a bare display that starts with a derivative and has no condition.
    """

    members: tuple
    indices: tuple
    condition: Condition | None
    truths: tuple
    latex: str = ""
    sure: bool = False


def occasions(rng, indices, condition):
    """Yield points, each with actions for the free indices, at which a condition holds."""
    fixed = {"alpha": mpmath.mpf(1)} if condition and condition.relation == "one" else {}
    for actions in (3, 2, 4, 1):
        point = Point(rng, actions, fixed)
        choices = [[rng.randrange(actions) for _ in indices]]
        if actions == 3:  # every way in which some of the indices can be the same
            ways = itertools.product(range(3), repeat=len(indices))
            choices = [each for each in ways if is_first_of_its_kind(each)]
        for choice in choices:
            at = dict(zip(indices, choice, strict=True))
            if condition is None or condition.allows(point, at):
                yield point, at


def is_first_of_its_kind(numbers):
    """Tell whether each number is at most one more than those before it."""
    return all(each <= max(numbers[:n], default=-1) + 1 for n, each in enumerate(numbers))


def agrees(left, right, rng, indices, condition):
    """Tell whether two formulas are equal at all points tried; None where that is not certain."""
    with mpmath.workdps(DIGITS):
        return _agrees(left, right, rng, indices, condition)


def _agrees(left, right, rng, indices, condition):
    tried = 0
    for point, at in occasions(rng, indices, condition):
        try:
            ends = value(left, point, at), value(right, point, at)
        except (ZeroDivisionError, ValueError):
            continue
        if any(isinstance(each, mpmath.mpc) or not mpmath.isfinite(each) for each in ends):
            continue
        gap = abs(ends[0] - ends[1]) / max(1, *map(abs, ends))
        if gap > DIFFERENT:
            return False
        if gap > EQUAL:
            return None
        tried += 1
    return True if tried else None


def negative_entropy():
    """Return what the entropy is defined as."""
    index = fresh()
    return neg(Sum(index, mul(Chance("pi", index), Log(Chance("pi", index)))))


def parts(statement, kind):
    """Return what a statement has of a kind of formula."""
    return [
        part for each in statement.members for _, part in places(each) if isinstance(part, kind)
    ]


def draw_statement(rng, names):
    """Return a statement, or None where the draw was of no use."""
    indices = tuple(range(rng.choice([1, 2, 2, 2, 3])))
    writer = Writer(rng, indices, names)
    left = writer.left()
    if rng.random() < 0.3:
        left = rewritten(left, rng, indices, 1)
    members = [left]
    for _ in range(rng.choice([1, 1, 1, 2])):
        members.append(rewritten(members[-1], rng, indices, rng.choice([1, 2, 3, 4, 6, 8, 12])))
    condition = None
    if len(indices) > 1 and rng.random() < 0.25:
        condition = Condition(rng.choice(["equal", "different", "different"]), 0, 1)
        apply = joined if condition.relation == "equal" else distinct
        members[1:] = [apply(each, 0, 1) for each in members[1:]]
    elif rng.random() < 0.04:
        condition = Condition(rng.choice(["one", "two"]))
        members[-1] = special_case(members[-1], condition)
    if rng.random() < 0.5:
        which = rng.randrange(len(members)) if rng.random() < 0.3 else len(members) - 1
        if condition and rng.random() < 0.3 and condition.relation in {"equal", "different"}:
            opposite = "different" if condition.relation == "equal" else "equal"
            condition = rng.choice([None, Condition(opposite, 0, 1)])
        else:
            members[which] = edited(members[which], rng, indices)
    pairs = list(itertools.pairwise(members))
    if any(left == right for left, right in pairs) or max(map(size, members)) > 60:
        return None
    truths = tuple(agrees(*pair, rng, indices, condition) for pair in pairs)
    return None if None in truths else Statement(tuple(members), indices, condition, truths)


def special_case(node, condition):
    """Return what a formula is where alpha is 1, or where there are two actions."""
    for path, part in places(node):
        if condition.relation == "one" and part == Scalar("alpha"):
            return special_case(put(node, path, Number(Fraction(1))), condition)
        if condition.relation == "two" and isinstance(part, Count):
            return special_case(put(node, path, Number(Fraction(2))), condition)
    return node


LAYOUTS = (
    *("display", "display", "display", "goes on", "bracket", "equation", "align"),
    *("sentence", "sentence", "inline"),
)
WITHIN = (
    *(r"\quad \text{if } %s", r"\quad \text{for } %s", r"\quad \text{when } %s"),
    *(r"\quad \text{where } %s", r", \qquad \text{for all } %s", r", \quad \forall\, %s"),
    *(r", \quad %s", r",\; %s", r"\qquad (%s)", r"\quad (%s)"),
)
NEGATED = (r"\quad \text{unless } %s", r"\quad \text{except if } %s", r"\quad \text{if not } %s")
# None of them reaches further than its sentence, as a heading or "suppose" may.
BEFORE = (
    *("For $%s$,", "If $%s$, then", "When $%s$:", "For $%s$ we have"),
    *("In the case $%s$ we get", "Whenever $%s$,"),
)
BEHIND = ("for $%s$.", "if $%s$.", "whenever $%s$.", "provided that $%s$.")
OPENINGS = (
    *("Then", "Hence", "It follows that", "Therefore we obtain", "So", "This gives", "We have"),
    *("One finds", "By the chain rule,", "Thus, for every policy,"),
)
DEFINING = (
    *("Let ${0} = {1}$.", "We define ${0} = {1}$.", "Define ${0} = {1}$.", "We write ${0} = {1}$."),
    *("We denote ${0} = {1}$.", "Denote by ${0} = {1}$ what matters.", "Let $$ {0} = {1} . $$"),
    *("Let ${0} := {1}$.", "$$ {0} := {1} $$", r"\[ {0} := {1} \]", r"$$ {0} \doteq {1} $$"),
    r"We define $${0} \equiv {1}.$$",
)
DECLARING = ("Here ${0}$ does not depend on ${1}$.", "${0}$ is constant with respect to ${1}$.")


class Document:
    """Several statements in one style, with definitions of what they name.

    Attributes
    ----------
    seed : int
    lines : list of str
    blocks : list of (int, int, Statement)
        With the first and the last line of each.
    """

    def __init__(self, seed, statements):
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311  formulas, no secrets
        self.style = Style.draw(self.rng)
        self.lines = []
        self.blocks = []
        scalars = [each for each in MEANINGS if each not in INDEXED]
        self.names = self.rng.sample(scalars, self.rng.choice([0, 0, 1, 2]))
        self.names += self.rng.sample(INDEXED, self.rng.choice([0, 0, 1]))
        drawn = []
        while len(drawn) < statements:
            found = draw_statement(self.rng, self.names)
            drawn += [found] if found is not None else []
        later = self.define(drawn[0])
        for number, statement in enumerate(drawn):
            self.write(statement)
            if number == 0 and later:
                self.lines[-1:] = [later, ""]

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    def without(self, first, last):
        """Return the document with some lines emptied, and the statement that stands on them."""
        less = copy.copy(self)
        less.lines = [*self.lines[: first - 1], *[""] * (last + 1 - first), *self.lines[last:]]
        less.blocks = [each for each in self.blocks if not first <= each[0] <= last]
        return less

    def speller(self, indices, vector=None):
        letters = dict(zip(indices, self.style.letters, strict=False))
        return Speller(self.style, self.rng, letters, vector=vector)

    def define(self, first):
        """Write what the statements name, and return what follows the first with 'where'."""
        style, rng = self.style, self.rng
        one, two = style.letters[:2]
        later = ""
        if style.explicit or rng.random() < 0.3:
            logit = [style.theta + style.logit % each for each in (one, two)]
            whole = rf"\frac{{\exp({logit[0]})}}{{\sum_{{{two}}} \exp({logit[1]})}}"
            if rng.random() < 0.5:
                whole = rf"e^{{{logit[0]}}} / \sum_{{{two}}} e^{{{logit[1]}}}"
            self.state(DEFINING, self.speller((0,)).attach(style.pi, style.chance, 0), whole)
        entropy = self.speller(())(negative_entropy())
        self.state(DEFINING, style.entropy % self.speller(()).whole("pi"), entropy)
        # A letter for the number of actions is known by a sum that goes up to it.
        summed = (
            rf"\sum_{{{two}=1}}^{{{style.count}}}" if style.count in "nNK" else rf"\sum_{{{two}}}"
        )
        reference = rf"e^{{{style.u}_{{{one}}}}} / {summed} e^{{{style.u}_{{{two}}}}}"
        self.state(DEFINING, self.speller((0,)).attach(style.mu, style.chance, 0), reference)
        self.state(DECLARING, rf"{style.u}_{{{one}}}", style.theta)
        self.state(DECLARING, style.q + style.entry % one, style.theta)
        for scalar in (style.alpha, style.beta):
            self.state(DECLARING, scalar, style.theta)
        for node in self.named():
            speller = self.speller((0,))
            sides = speller(node), speller(meaning(node))
            used = any(part.name == node.name for part in parts(first, Named))
            if used and not later and rng.random() < 0.5:
                later = "where ${} = {}$.".format(*sides)
            else:
                self.state(DEFINING, *sides)
        return later

    def named(self):
        """Return the abbreviations, those first that others need."""
        needed = list(self.names)
        for name in needed:
            inside = [part.name for _, part in places(MEANINGS[name](0)) if isinstance(part, Named)]
            needed += [each for each in inside if each not in needed]
        ordered = [each for each in MEANINGS if each in needed]
        return [Named(each, 0 if each in INDEXED else None) for each in ordered]

    def state(self, forms, left, right):
        """Write a sentence on two formulas."""
        pair = [unicode(each) if self.style.unicode else each for each in (left, right)]
        self.lines += [self.rng.choice(forms).format(*pair), ""]

    def write(self, statement):
        """Write a statement in some layout, with its condition before it, in it or behind it."""
        vector = self.vector(statement)
        speller = self.speller(statement.indices, vector)
        sides = [speller(each) for each in statement.members]
        before, within, behind = self.said(statement.condition)
        lines = self.laid_out(sides, before, within, behind)
        bare = not (before or within or behind or lines[0].startswith(OPENINGS))
        start = self.text.count("\n") + 1 if self.lines else 1
        self.lines += [*lines, ""]
        done = dataclasses.replace(
            statement,
            latex="\n".join(lines),
            sure=bare and isinstance(statement.members[0], Slope),
        )
        self.blocks.append((start, start + len(lines) - 1, done))

    def vector(self, statement):
        """Return an index whose derivatives may all be written as gradients, or None."""
        if statement.condition or self.rng.random() < 0.4:
            return None
        for index in statement.indices:
            slopes = [each for each in parts(statement, Slope) if each.index == index]
            if slopes and all(vectorial(each, index) for each in statement.members):
                return index
        return None

    def said(self, condition):
        """Return a condition in words before a statement, within it or behind it, one not empty."""
        if condition is None:
            return "", "", ""
        style, rng = self.style, self.rng
        pair = {"one": (style.alpha, "1"), "two": (style.count, "2")}.get(
            condition.relation, style.letters[:2]
        )
        unequal = condition.relation == "different"
        sign = rng.choice([r"\neq", r"\ne"]) if unequal else "="
        formula = f" {sign} ".join(pair)
        place = rng.choice(["before", "within", "within", "within", "behind"])
        if place == "before":
            return rng.choice(BEFORE) % formula, "", ""
        if place == "behind":
            return "", "", rng.choice(BEHIND) % formula
        if unequal and rng.random() < 0.15:
            return "", rng.choice(NEGATED) % " = ".join(pair), ""
        return "", rng.choice(WITHIN) % formula, ""

    def laid_out(self, sides, before, within, behind):
        """Return the lines of a chain."""
        rng = self.rng
        chain = " = ".join(sides)
        layout = rng.choice(LAYOUTS)
        if layout == "sentence" and not (before or within or behind):
            before = rng.choice(OPENINGS)
        if layout == "inline" and not within:
            before = before or rng.choice(OPENINGS)
            return [f"{before} ${chain}$ {behind}" if behind else f"{before} ${chain}$."]
        # What follows a sentence that begins with a condition must not be taken for more of it.
        marks = ["."] if before else ["", "", " .", ",", "."]
        mark = "" if behind else rng.choice(marks)
        end = within + mark
        block = [f"$$ {chain} {end} $$"]
        if layout == "align":
            rows = [f"{sides[0]} &= {sides[1]}", *(f"&= {each}" for each in sides[2:])]
            rows = [*(row + r" \\" for row in rows[:-1]), rows[-1] + end]
            block = [r"\begin{align*}", *rows, r"\end{align*}"]
        elif layout == "equation":
            block = [r"\begin{equation}", chain + end, r"\end{equation}"]
        elif layout == "bracket":
            block = [rf"\[ {chain} {end} \]"]
        elif layout == "goes on" and len(sides) > 2:
            block = [f"$$ {' = '.join(sides[:-1])} $$", "", f"$$ = {sides[-1]} {end} $$"]
        return [*([before] if before else []), *block, *([behind] if behind else [])]
