"""What a document claims and defines, as records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from softcheck.derive.expr import Condition, Definition, Expr

Kind: TypeAlias = Literal[
    "claim", "definition", "condition", "declaration", "not checked", "remark", "unread"
]
"""What a formula may be to its document; a relation that is no equality is not checked."""


@dataclass(frozen=True)
class Role:
    """What was made of one statement of a document, and why.

    Attributes
    ----------
    kind : str
    form : str
        The code of the form that made it so, from the table of `forms`; empty where none did.
    why : str
        That form in words, or why the statement was not read.
    source_line : int
    latex : str
    reading : str
        What was understood, in Unicode; empty where nothing was.
    """

    kind: Kind
    form: str
    why: str
    source_line: int
    latex: str
    reading: str = ""


@dataclass(frozen=True)
class Line:
    """One side of an equality, as it stands in the document.

    Attributes
    ----------
    source_line, column : int
        Where it starts, counted from 1.
    latex : str
        Its text.
    tree : Expr or None
        What was understood.
    problem : str
        Why nothing was, with the line and the column.
    """

    source_line: int
    column: int
    latex: str
    tree: Expr | None
    problem: str = ""

    @property
    def formula(self) -> Expr:
        """What was understood of a line without a problem."""
        if self.tree is None:
            raise ValueError(self.problem)
        return self.tree


@dataclass(frozen=True)
class Equality:
    """A claim that two lines are equal.

    Attributes
    ----------
    left, right : Line
    source_line : int
    conditions : tuple of Condition
        Those that stand behind it.
    problem : str
        Why it cannot be decided.
    unread : str
        A condition that was not understood: without it no counterexample counts.
    sure : bool
        Whether its form is one that may be refuted: what else is contradicted is unknown.
    doubt : str
        The words that make it doubtful, if any do.
    form : str
        The code of the form that made it a claim.
    head : Line or None
        Where `left` is the last line of an earlier chain that starts with the same formula: that
        formula as it stands here, to be used if the earlier chain does not hold.
    relation : str
        The sign between the lines; one that claims no equality is a problem.
    """

    left: Line
    right: Line
    source_line: int
    conditions: tuple[Condition, ...] = ()
    problem: str = ""
    unread: str = ""
    sure: bool = True
    doubt: str = ""
    form: str = ""
    head: Line | None = None
    relation: str = "="


@dataclass(frozen=True)
class Stated:
    """A definition of the document's own.

    Attributes
    ----------
    definition : Definition
    source_line : int
    latex : str
    words : str
        The words or the sign that made it one: "let", "where", ":=".
    sure : bool
        Whether it is explicit: nothing is refuted that rests on another.
    """

    definition: Definition
    source_line: int
    latex: str
    words: str = ""
    sure: bool = True


@dataclass(frozen=True)
class SetAside:
    """What a document says of symbols that is neither used nor decided: an example, a premise.

    Attributes
    ----------
    names : set of str
        The symbols that it is about: nothing is refuted that rests on what it may compete with.
    equality : Equality or None
        What it says, where that was read: what holds anyway competes with nothing.
    why : str
        What it is, and its line.
    replaces : bool
        Whether it may be another meaning of them, in place of one by default.
    """

    names: frozenset[str]
    equality: Equality | None
    why: str
    replaces: bool = True


@dataclass
class Reading:
    """What a document says.

    Attributes
    ----------
    equalities : list of Equality
        In the order of the text.
    definitions : dict of name to Stated
    constants : dict of name to source line
        What the text declares not to depend on the policy.
    normalised : dict of name to source line
        Constants that the text declares to add up to 1.
    conditions : list of Condition
        What the text assumes of scalars throughout.
    formulas : int
        How many formulas stand in the text, claims or not.
    restated : list of Equality
        The definitions of symbols that have a meaning by default, as equalities.
    aside : list of SetAside
    unsigned : set of str
        Scalars that the text bounds from above: they may be negative.
    clashes : dict of name to str
        Names that stand for several quantities, and how they are told apart in the text.
    roles : list of Role
        What was made of every statement, in the order of the text.
    off : int
        How many formulas are left out because the text, or the user, says so.
    """

    equalities: list[Equality] = field(default_factory=list)
    definitions: dict[str, Stated] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    normalised: dict[str, int] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    formulas: int = 0
    restated: list[Equality] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)
    unsigned: set[str] = field(default_factory=set)
    clashes: dict[str, str] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)
    off: int = 0


def placed(equalities: Iterable[Equality]) -> Iterator[Line]:
    """Yield every line once, in the order in which equalities use them."""
    seen: set[int] = set()
    for equality in equalities:
        for line in (equality.left, equality.right):
            if id(line) not in seen:
                seen.add(id(line))
                yield line
