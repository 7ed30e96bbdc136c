"""A place in a row of tokens, and what is known there beside them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from softcheck.derive.expr import Expr
from softcheck.derive.reading.notation.vocabulary import (
    CONSTANTS,
    OUTSIDE,
    POLICIES,
    STATES,
    TABLES,
)
from softcheck.derive.reading.tokens import ReadError, Token

OPENERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Brace:
    """A part of a formula that a brace marks.

    Attributes
    ----------
    body : Expr
    marked, label : list of Token
        The part, and what stands at the brace.
    bound : set of str
        The actions that sums around it bind.
    """

    body: Expr
    marked: list[Token]
    label: list[Token]
    bound: frozenset[str]


@dataclass(frozen=True)
class Scope:
    r"""What is known at a place beside the tokens.

    Attributes
    ----------
    letters : set of str
        Letters that name an action in this document, beyond those that always do.
    quantities : set of str
        Letters that would name an action, if the document did not define them as quantities.
    sizes : set of str
        Letters that are the number of actions in this document, as a sum that ends with one says.
    numbered : set of str
        Names that numbers tell apart in this document, as in `L_1`.
    arities : mapping of name to int
        How many actions the quantities take whose meaning is known so far.
    entry : str or None
        The action of which a formula of whole tables is one entry.
    bound : tuple of str
        The actions that sums around the place bind.
    contexts : set of str
        Letters that play the state in this document, as `x` of `\pi(y|x)` does.
    """

    letters: frozenset[str] = frozenset()
    quantities: frozenset[str] = frozenset()
    sizes: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()
    arities: Mapping[str, int] = field(default_factory=dict)
    entry: str | None = None
    bound: tuple[str, ...] = ()
    contexts: frozenset[str] = frozenset()

    def is_state(self, name: str) -> bool:
        """Tell whether a name is that of the state."""
        return name in STATES or name in self.contexts

    def arity(self, name: str) -> int | None:
        """Return how many actions a name takes, if that is known."""
        if name in self.arities:
            return self.arities[name]
        if name in CONSTANTS or name == "n":
            return 0
        policy = name.partition("_")[0].rstrip("*'") in POLICIES
        return 1 if name in TABLES or policy or name == "A_soft" else None


@dataclass
class Found:
    """What is found beside the tree.

    Attributes
    ----------
    braces : list of Brace
        The parts that are marked by a brace.
    sizes, sets : set of str
        The letters that were read as the number of actions, and as their set.
    spellings : dict of (name, what) to set of str
        How names were spelled, where several spellings are read as one name: their marks, their
        font, what they are applied to. Two spellings of one name are two quantities.
    guesses : list of str
        What was read in one way and can be meant in another: enough for a proof, and not to
        refute.
    stateful, stateless : set of str
        The names that are given the state behind a bar, and those that are not.
    implied, free, actions : set of str
        The actions that were bound though no sign says so, those that nothing binds, and all.
    """

    braces: list[Brace] = field(default_factory=list)
    sizes: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    spellings: defaultdict[tuple[str, str], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    guesses: list[str] = field(default_factory=list)
    stateful: set[str] = field(default_factory=set)
    stateless: set[str] = field(default_factory=set)
    implied: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)

    def spelling(self, name: str, what: str, how: str) -> None:
        """Note how a name was spelled."""
        self.spellings[name, what].add(how)

    def take_spellings(self, of: "Found") -> None:
        """Take the spellings of another formula."""
        for key, spellings in of.spellings.items():
            self.spellings[key] |= spellings

    def clashes(self) -> dict[str, str]:
        """Return the names that are spelled in two ways, and the two ways."""
        return {
            name: " and ".join(sorted(spellings))
            for (name, _), spellings in self.spellings.items()
            if len(spellings) > 1
        }


class Cursor:
    """Tokens that are taken one after the other.

    Parameters
    ----------
    tokens : sequence of Token
    scope : Scope
    found : Found
        Shared with all cursors over parts of the same formula.
    at : int
        Where the document stands, for the error of an empty expression.

    Attributes
    ----------
    i : int
        How many tokens are taken.
    depth : int
        Brackets and operators that are open.
    """

    def __init__(self, tokens: Sequence[Token], scope: Scope, found: Found, at: int) -> None:
        self.tokens = list(tokens)
        self.scope = scope
        self.found = found
        self.at = tokens[-1].end if tokens else at
        self.i = 0
        self.depth = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.i >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without taking it; beyond the last there is an empty one."""
        place = self.i + ahead
        return (
            self.tokens[place] if place < len(self.tokens) else Token("end", "", self.at, self.at)
        )

    def take(self) -> Token:
        """Return the next token and go on."""
        token = self.peek()
        self.i += 1
        return token

    def sees(self, *texts: str, kind: str = "sign", ahead: int = 0) -> bool:
        """Tell whether one of some tokens comes."""
        token = self.peek(ahead)
        return token.kind == kind and token.text in texts

    def commands(self, *texts: str) -> bool:
        """Tell whether one of some commands comes."""
        return self.sees(*texts, kind="command")

    def refuse(self, expected: str) -> ReadError:
        """Return the error of the token that comes."""
        token = self.peek()
        if token.kind == "end":
            return ReadError(f"the formula ends where {expected} was expected", token.start)
        if token.kind in ("command", "font") and token.text in OUTSIDE:
            return ReadError(f"{OUTSIDE[token.text]} is outside what can be decided", token.start)
        return ReadError(f"{shown(token)} not understood, expected {expected}", token.start)

    def end(self) -> None:
        """Refuse whatever is left over."""
        if not self.done:
            raise self.refuse("an operator or the end of the formula")

    def group(self) -> list[Token]:
        """Take a braced group, or one token as TeX does, and return its content."""
        if not self.sees("{"):
            if self.done:
                raise self.refuse("an argument")
            token = self.take()
            if token.kind != "number" or len(token.text) == 1:
                return [token]
            if not token.text[0].isdigit():
                raise ReadError("put this number in braces", token.start)
            # Without braces TeX takes one digit.
            self.i -= 1
            self.tokens[self.i] = replace(token, text=token.text[1:], start=token.start + 1)
            return [replace(token, text=token.text[0])]
        return self.inside(self.take())

    def inside(self, opener: Token) -> list[Token]:
        """Return the tokens up to the bracket that closes `opener`, which was just taken."""
        closers = [OPENERS[opener.text]]
        escaped = [opener.kind == "command"]
        first = self.i
        while not self.done:
            token = self.take()
            if token.kind not in ("sign", "command"):
                continue
            plain = token.kind == "sign"
            if token.text in OPENERS and (plain or token.text == "{"):
                closers.append(OPENERS[token.text])
                escaped.append(not plain)
            elif token.text in (")", "]", "}") and (plain or token.text == "}"):
                if token.text != closers.pop() or plain == escaped.pop():
                    raise ReadError(f"{shown(token)} closes another bracket", token.start)
                if not closers:
                    return list(self.tokens[first : self.i - 1])
        raise ReadError(f"{shown(opener)} does not close", opener.start)

    def nested(self, tokens: Sequence[Token]) -> Self:
        """Return a cursor over a part of the tokens."""
        inner = type(self)(tokens, self.scope, self.found, self.peek(-1).end)
        inner.depth = self.depth
        return inner

    @contextmanager
    def binding(self, *actions: str) -> Iterator[None]:
        """Read what stands under a sum over some actions."""
        outer = self.scope
        self.scope = replace(outer, bound=(*outer.bound, *actions))
        yield
        self.scope = outer


def shown(token: Token) -> str:
    """Return a token for a message."""
    text = f"\\{token.text}" if token.kind == "command" else token.text
    return repr(text).replace("\\\\", "\\")


def spelled(tokens: Sequence[Token]) -> str:
    """Return the texts of tokens, one behind the other."""
    return "".join(token.text for token in tokens).strip()


def split(tokens: Sequence[Token], separators: set[str]) -> list[list[Token]]:
    """Split at separators outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind in ("sign", "command"):
            depth += (token.text in OPENERS) - (token.text in (")", "]", "}"))
            double_bar = token.kind == "command" and token.text == "|"
            if depth == 0 and (token.text in separators or double_bar):
                if parts[-1] or token.text != "|":
                    parts.append([])
                continue
        parts[-1].append(token)
    return parts
