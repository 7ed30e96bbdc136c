"""Tables as data frames: wide, a row for each state, or tidy, a row for each entry."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.refusals import listed
from softcheck.tables.roles import Kind, Role
from softcheck.tables.sources import Memory
from softcheck.tables.table import Table

Frame: TypeAlias = NDArray[Any]  # (states, columns)
Column: TypeAlias = NDArray[Any]  # (rows of the file,)

STATE = "state"
ACTION = "action"


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


def wide(
    file: File,
    numbers: Frame,
    states: tuple[str, ...] | None,
    actions: tuple[str, ...] | None,
    role: Role,
) -> Table:
    """Return a frame of states and actions as a table, or its one column of numbers for states."""
    if role.kind is Kind.TABLE:
        return Table(Memory(numbers), file, None, states, actions)
    require_one(file, numbers.shape[1], role)
    return Table(Memory(numbers[:, 0]), file, None, states)


def require_one(file: File, columns: int, role: Role) -> None:
    """Raise InputError unless a role of one number for each state has one column."""
    if columns != 1:
        raise InputError(
            file.where,
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
        every = list(product(self.states, self.actions))
        missing = [f"{state}, {action}" for state, action in every if (state, action) not in rows]
        if missing or not every:
            raise InputError(
                file.where,
                f"no row for {listed(missing)}" if missing else "no rows",
                "every action in every state",
                "Add the rows; what is not legal needs a column mask with 0 there and 1 elsewhere.",
            )
        self._order = np.array([rows[pair] for pair in every])

    def table(self, key: str, column: Column, role: Role) -> Table:
        """Return a column as a table, or as one number for each state if its role is such."""
        grid = column[self._order].reshape(len(self.states), len(self.actions))
        if role.kind is Kind.TABLE:
            return Table(Memory(grid), self._file, key, self.states, self.actions)
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
