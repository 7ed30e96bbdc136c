"""Tables as data frames: wide, a row for each state, or tidy, a row for each entry."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.tables.files import File
from softcheck.tables.refusals import listed
from softcheck.tables.roles import Role, Roles
from softcheck.tables.sources import Memory
from softcheck.tables.table import Table, where_is

Frame: TypeAlias = NDArray[Any]  # (states, columns)
Column: TypeAlias = NDArray[Any]  # (rows of the file,)

STATE = "state"
ACTION = "action"

INDEX = ("", STATE, ACTION, "index", "Unnamed: 0", "__index_level_0__")
"""Headings of a first column of labels: no heading, ours, and those that pandas gives to it."""


def is_tidy(names: Collection[object]) -> bool:
    """Return whether a frame has a row for each entry, by the names of its columns."""
    return STATE in names and ACTION in names


def is_of_roles(names: Collection[object], roles: Roles) -> bool:
    """Return whether the columns of a frame are named arrays, not actions.

    Actions may have letters for names, and of a to z two are those of roles.
    """
    known = [isinstance(name, str) and roles.of(name) for name in names if name not in INDEX]
    return len(known) > 1 and sum(map(bool, known)) * 2 >= len(known)


def refuse_roles(where: str, names: Collection[str], roles: Roles) -> None:
    """Raise InputError for a frame of named arrays that does not say which entry is in a row."""
    if is_of_roles(names, roles):
        missing = " and no ".join(name for name in (STATE, ACTION) if name not in names)
        raise InputError(
            where,
            f"the columns {listed(names)}, but no {missing}",
            f"a row for each state and action, in columns '{STATE}' and '{ACTION}'",
            "Add these columns, or write each array to a file of its own.",
        )


def refuse_numbering(where: str, heading: str, first: Column) -> None:
    """Raise InputError for a first column that numbers the rows: those are labels, not values."""
    numbers = np.arange(len(first))
    if len(first) > _FEW and ((first == numbers).all() or (first == numbers + 1).all()):
        raise InputError(
            where,
            f"the numbers of the rows as the values of an action '{heading}'",
            "a column for each action, and labels only under a name of theirs",
            f"Name that column '{STATE}', or leave it out.",
        )


_FEW = 2
"""Rows whose numbers may well be values."""


def label(key: object) -> str:
    """Return a key as a label: numbers of NumPy read as those of Python, in tuples too."""
    return str(_plain(key))


def _plain(key: object) -> object:
    if isinstance(key, np.generic):
        return key.item()
    return tuple(map(_plain, key)) if isinstance(key, (tuple, list)) else key


def labels_of(where: str, cells: Sequence[object]) -> list[str]:
    """Return cells of text or integers, or of tuples, as labels."""
    if not all(isinstance(cell, (str, Integral, tuple, list)) for cell in cells):
        raise InputError(
            where,
            "labels that are neither text nor integers",
            "a label in every row",
            "Convert the column to text.",
        )
    return list(map(label, cells))


def unique(where: str, what: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels that are all there, and all different; raise InputError otherwise."""
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice or "" in labels:
        raise InputError(
            where,
            f"an empty label of a {what}" if "" in labels else f"the {what} {listed(twice)} twice",
            f"a different label for each {what}",
            "Correct the labels.",
        )
    return tuple(labels)


@dataclass(frozen=True)
class Labelled:
    """What a wide frame says beside its numbers.

    Parameters
    ----------
    rows, columns : tuple of str or None
        Their labels, where it has any.
    heading : str or None
        What stands above the labels of the rows.
    """

    rows: tuple[str, ...] | None
    columns: tuple[str, ...] | None
    heading: str | None

    @property
    def of(self) -> str | None:
        """What the rows are, if the heading says so: `state` or `action`."""
        return self.heading if self.heading in (STATE, ACTION) else None


def wide(file: File, key: str | None, numbers: Frame, labels: Labelled, role: Role) -> Table:
    """Return a frame of states and actions as a table, or its one column of numbers for states."""
    where = where_is(file.where, key)
    if role.kind is Kind.TABLE:
        others = numbers[:, 1:]
        if labels.rows is None and labels.columns and (others != np.floor(others)).any():
            refuse_numbering(where, labels.columns[0], numbers[:, 0])
        return Table(Memory(numbers), file, key, labels.rows, labels.columns, labels.of)
    require_one(where, numbers.shape[1], role)
    return Table(Memory(numbers[:, 0]), file, key, labels.rows)


def require_one(where: str, columns: int, role: Role) -> None:
    """Raise InputError unless a role of one number for each state has one column."""
    if columns != 1:
        raise InputError(
            where,
            f"{columns} columns of numbers",
            f"{role.kind.value}, because it is {role.name}",
            "Write one number in each row.",
        )


class Grid:
    """The place of each row in the table of states and actions.

    Parameters
    ----------
    file : File
        Where it is from.
    states, actions : sequence of str
        The labels in each row. States and actions keep the order in which they first appear.
    place : callable
        From the number of a row to its place for messages.

    Raises
    ------
    InputError
        If a pair of state and action occurs twice, or is missing.
    """

    def __init__(
        self,
        file: File,
        states: Sequence[str],
        actions: Sequence[str],
        place: Callable[[int], str],
    ) -> None:
        self._file = file
        self._place = place
        self.states = tuple(dict.fromkeys(states))
        self.actions = tuple(dict.fromkeys(actions))
        rows: dict[tuple[str, str], int] = {}
        for row, pair in enumerate(zip(states, actions, strict=True)):
            if pair in rows:
                raise InputError(
                    place(row),
                    f"state '{pair[0]}' with action '{pair[1]}' again",
                    "each pair of state and action once",
                    f"Remove one of the two; the first is {place(rows[pair])}.",
                )
            rows[pair] = row
        # As many pairs as a few rows could have labels for would not fit in memory.
        missing = len(self.states) * len(self.actions) - len(rows)
        every = product(self.states, self.actions)
        if missing or not rows:
            absent = (
                f"{state}, {action}" for state, action in every if (state, action) not in rows
            )
            raise InputError(
                file.where,
                f"no row for {listed(absent, missing)}" if missing else "no rows",
                "every action in every state",
                "Add the rows; what is not legal needs a column mask with 0 there and 1 elsewhere.",
            )
        self._order = np.array([rows[pair] for pair in every])

    def table(self, key: str, column: Column, role: Role) -> Table:
        """Return a column as a table, or as one number for each state if its role is such."""
        grid = column[self._order].reshape(len(self.states), len(self.actions))
        if role.kind is Kind.TABLE:
            return Table(Memory(grid), self._file, key, self.states, self.actions, STATE)
        same = (grid == grid[:, :1]) | ((grid != grid) & (grid[:, :1] != grid[:, :1]))
        if not same.all():
            state, action = np.argwhere(~same)[0].tolist()
            row = int(self._order[state * len(self.actions) + action])
            raise InputError(
                f"{self._place(row)}, column {key}",
                f"{grid[state, action]}, but {grid[state, 0]} elsewhere in the same state",
                f"{role.kind.value}, because it is {role.name}",
                "Repeat the number of the state in each of its rows.",
            )
        return Table(Memory(grid[:, 0]), self._file, key, self.states)
