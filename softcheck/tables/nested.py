"""Turn nested Python values, as JSON and pickles hold them, into tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.tables.files import File
from softcheck.tables.frames import (
    ACTION,
    INDEX,
    STATE,
    Grid,
    Labelled,
    is_of_roles,
    is_tidy,
    label,
    labels_of,
    refuse_roles,
    unique,
    wide,
)
from softcheck.tables.lists import array_of, refuse_many
from softcheck.tables.records import PARTS, Cells, Records, entries_of, records_of
from softcheck.tables.refusals import listed
from softcheck.tables.roles import TEXTS, Role, Roles
from softcheck.tables.sources import Memory
from softcheck.tables.table import Contents, Load, Table, where_is

Labels = tuple[str, ...]


def contents_of(file: File, value: object, roles: Roles) -> Contents:
    """Return the arrays in a value: the parts of a mapping by name, and the value as a whole.

    A mapping in which no name is a role may be one table, by label of state. The columns of a data
    frame are parts too.
    """
    records = records_of(file.where, value, roles)
    if records is not None:
        return Contents(_of_records(file, records, roles))

    def later(key: str | None, part: object) -> Load:
        return lambda role: table_of(file, key, part, role, roles)

    if not isinstance(value, Mapping):
        return Contents({None: later(None, value)})
    texts = texts_of(value)
    named: dict[str | None, Load] = {
        name: later(name, part)
        for name, part in value.items()
        if isinstance(name, str) and name not in texts
    }
    if columns := entries_of(value, roles):
        named = {name: load for name, load in named.items() if name not in columns}
        named |= _by_entry(file, columns)
    elif not texts and not any(map(roles.of, named)):
        named[None] = later(None, value)
    return Contents(named, texts)


def texts_of(value: Mapping[Any, Any]) -> dict[str, str]:
    """Return what a mapping says in words."""
    return {name: text for name in TEXTS if isinstance(text := value.get(name), str)}


def table_of(file: File, key: str | None, value: object, role: Role, roles: Roles) -> Table:
    """Return one table, its labels taken from the keys of mappings."""
    where = where_is(file.where, key)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.tolist()
    records = records_of(where, value, roles)
    if records is not None:
        return _wide(file, key, records, role, roles)
    if not isinstance(value, Mapping):
        return Table(Memory(array_of(value, where, role)), file, key)
    by_pair = role.kind is Kind.TABLE and all(
        _is_pair(label) and not isinstance(part, PARTS) for label, part in value.items()
    )
    rows = _by_state(value) if by_pair else value
    table = _by_row(file, key, list(rows.values()), _labels(rows, where), role)
    return replace(table, rows=STATE) if by_pair else table


def _of_records(file: File, records: Records, roles: Roles) -> dict[str | None, Load]:
    """Return the columns of a data frame by name, or the frame as the one table that it is."""
    columns = records.columns
    if is_tidy(columns):
        return _by_entry(file, columns)
    states, _, cells = _indexed(file.where, records)

    def later(name: str) -> Load:
        return lambda role: _by_row(file, name, list(cells[name]), states, role)

    named: dict[str | None, Load] = {name: later(name) for name in cells}
    if is_of_roles(columns, roles):
        return named
    return {**named, None: lambda role: _wide(file, None, records, role, roles)}


def _indexed(where: str, records: Records) -> tuple[Labels | None, str | None, dict[str, Cells]]:
    """Return the labels of the rows of a data frame, their heading, and its other columns."""
    cells = dict(records.columns)
    index = records.index
    first = next(iter(cells), None)
    heading = STATE if STATE in cells else first if first in INDEX else None
    if heading is not None:
        index = list(cells.pop(heading))
    if index is None:
        return None, None, cells
    return unique(where, "row", labels_of(where, index)), heading, cells


def _by_entry(file: File, columns: Mapping[str, Cells]) -> dict[str | None, Load]:
    """Return the columns of a data frame with a row for each state and action."""
    states, actions = (
        labels_of(where_is(file.where, name), list(columns[name])) for name in (STATE, ACTION)
    )
    grid = Grid(file, states, actions, lambda row: f"{file.where}[{row}]")

    def later(name: str) -> Load:
        def load(role: Role) -> Table:
            where = where_is(file.where, name)
            column = array_of(columns[name], where, role)
            if column.ndim != 1:
                raise InputError(
                    where,
                    f"an array of shape {column.shape[1:]} in each row",
                    "one number in each row, of a state and an action",
                    "Leave out the column 'action' where each row has all actions of a state.",
                )
            return grid.table(name, column, role)

        return load

    first = next(iter(columns))
    index = {first} if first in INDEX else set()
    return {name: later(name) for name in columns if name not in {STATE, ACTION, *index}}


def _wide(file: File, key: str | None, records: Records, role: Role, roles: Roles) -> Table:
    """Return a data frame with a row for each state and a column for each action."""
    where = where_is(file.where, key)
    refuse_roles(where, records.columns, roles)
    labels, heading, cells = _indexed(where, records)
    rows = list(zip(*cells.values(), strict=True))
    numbers = array_of(rows, where, role)
    if numbers.ndim != 2:
        raise InputError(
            where,
            "a list in a cell",
            "a number for each state and action",
            "Give it a row for each state, and a column for each action.",
        )
    return wide(file, key, numbers, Labelled(labels, tuple(cells), heading), role)


def _by_row(
    file: File, key: str | None, rows: Sequence[Any], states: Labels | None, role: Role
) -> Table:
    """Return a table of which there is a part for each state: numbers, or numbers by action."""
    where = where_is(file.where, key)
    actions = None
    if all(isinstance(row, Mapping) for row in rows):
        actions, rows = _by_action(states or range(len(rows)), rows, where)
    array = array_of(rows, where, role)
    if array.ndim == 1 and role.kind is Kind.TABLE:
        raise InputError(
            where,
            "one number for each label" if states else "one number in each row",
            f"{role.kind.value}",
            f"Write {{state: {{action: number}}}}, or add columns '{STATE}' and '{ACTION}'.",
        )
    if array.ndim > 2 and states is not None:
        raise InputError(
            where,
            f"an object of arrays with {array.ndim - 1} axes",
            "one array, or one row of numbers for each label of a state",
            f"Name the array: {where}::KEY, where KEY is one of {listed(states)}.",
        )
    return Table(Memory(array), file, key, states, actions)


def _labels(mapping: Mapping[Any, Any], where: str) -> tuple[str, ...]:
    """Return the keys as labels; keys that read the same are no labels."""
    labels = tuple(map(label, mapping))
    if not labels or len(set(labels)) < len(labels):
        raise InputError(
            where,
            "keys that read the same" if labels else "an empty object",
            "a different label for each state",
            "Write the labels as text.",
        )
    return labels


def _by_action(
    states: Sequence[object], rows: Sequence[Mapping[Any, Any]], where: str
) -> tuple[Labels, list[list[Any]]]:
    """Return the labels of the actions, and the rows in that order."""
    actions = list(rows[0])
    for state, row in zip(states, rows, strict=True):
        if row.keys() != rows[0].keys():
            odd = [name for name in {**rows[0], **row} if name not in row or name not in rows[0]]
            raise InputError(
                f"{where}[{state!r}]",
                f"other actions than in '{states[0]}': {listed(odd)}",
                "the same actions in every state",
                "Give every state every action, and mask those that are not legal (mask).",
            )
    refuse_many(where, len(rows) * len(actions))
    return _labels(rows[0], where), [[row[action] for action in actions] for row in rows]


def _is_pair(key: object) -> bool:
    return isinstance(key, tuple) and len(key) == 2


def _by_state(pairs: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return a mapping of (state, action) to numbers as one of states to actions to numbers."""
    states: dict[Any, dict[Any, Any]] = {}
    for (state, action), number in pairs.items():
        states.setdefault(state, {})[action] = number
    return states
