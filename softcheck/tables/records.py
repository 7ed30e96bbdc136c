"""Data frames in nested values, whichever way pandas and Polars write them: cells by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.tables.frames import ACTION, STATE, is_of_roles, is_tidy, unique
from softcheck.tables.lists import refuse_many
from softcheck.tables.refusals import listed
from softcheck.tables.roles import Roles
from softcheck.tables.table import AsGiven

Cells: TypeAlias = list[Any] | AsGiven  # one a row


PARTS = (list, tuple, np.ndarray, Mapping)
"""What is no single number or label."""


@dataclass(frozen=True)
class Records:
    """A data frame.

    Parameters
    ----------
    columns : dict of str to cells
        By name.
    index : list or None
        The labels of the rows, where they are no column of their own.
    """

    columns: dict[str, Cells]
    index: list[Any] | None = None


def records_of(where: str, value: object, roles: Roles) -> Records | None:
    """Return the data frame that a value is, or None if it is none.

    That is a list of records; what pandas calls `split`, `table` and `index`, of which the last is
    one only if its names are those of a case, as it is also how a table by label is written.

    Raises
    ------
    InputError
        If it is one whose rows differ in their names.
    """
    if _are_records(value):
        return Records(_columns(where, value))
    if not isinstance(value, Mapping):
        return None
    if value.keys() == {"columns", "index", "data"}:
        return _split(where, **value)
    if value.keys() == {"schema", "data"} and _are_records(value["data"]):
        return _with_schema(_columns(where, value["data"]), value["schema"])
    rows = list(value.values())
    if _are_records(rows) and all(is_tidy(row) or is_of_roles(row, roles) for row in rows):
        return Records(_columns(where, rows), list(value))
    return None


def entries_of(value: Mapping[Any, Any], roles: Roles) -> dict[str, Cells]:
    """Return those parts of a mapping that are the columns of one entry a row, by name, if any.

    These are lists as long as that of the actions, or mappings with its keys. Beside states and
    actions every table has to be one: else they are something else that bears these names.
    """
    if not is_tidy(value):
        return {}
    rows = value[ACTION]
    found = {
        name: cells
        for name, part in value.items()
        if isinstance(name, str) and (cells := _cells(part, rows)) is not None
    }
    nested = {name for name, cells in found.items() if isinstance(cells[0], PARTS)}
    wanted = {STATE, ACTION, *(name for name in value if _is_table(name, roles))}
    return found if wanted <= found.keys() and nested <= {STATE} else {}


def _is_table(name: object, roles: Roles) -> bool:
    role = roles.of(name) if isinstance(name, str) else None
    return role is not None and role.kind is Kind.TABLE


def _cells(part: object, rows: object) -> Cells | None:
    """Return the cells of a column, if there is one for each of some rows."""
    if isinstance(part, Mapping) and isinstance(rows, Mapping):
        return [part[row] for row in rows] if rows and part.keys() == rows.keys() else None
    return part if _is_list(part) and _is_list(rows) and 0 < len(part) == len(rows) else None


def _is_list(part: object) -> TypeGuard[Cells]:
    return isinstance(part, list) or (isinstance(part, np.ndarray) and part.ndim > 0)


def _are_records(value: object) -> TypeGuard[Sequence[Mapping[Any, Any]]]:
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(row, Mapping) for row in value)
    )


def _columns(where: str, rows: Sequence[Mapping[Any, Any]]) -> dict[str, Cells]:
    """Return the cells of records by name; each record must have the names of the first."""
    first = rows[0]
    for number, row in enumerate(rows):
        if row.keys() != first.keys():
            odd = [name for name in {**first, **row} if name not in row or name not in first]
            raise InputError(
                f"{where}[{number}]",
                f"other names than in the first record: {listed(odd)}",
                "the same names in every record",
                "Give every record all names; mask actions that are not legal (mask).",
            )
    refuse_many(where, len(rows) * len(first))
    names = unique(where, "column", list(map(str, first)))
    return {name: [row[own] for row in rows] for name, own in zip(names, first, strict=True)}


def _split(where: str, columns: object, index: object, data: object) -> Records | None:
    """Return what has its names, labels and rows apart, if these fit together."""
    if not (isinstance(columns, list) and isinstance(index, list) and isinstance(data, list)):
        return None
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return None
    if len(index) != len(data) or not data:
        return None
    names = unique(where, "column", list(map(str, columns)))
    return Records({name: [row[at] for row in data] for at, name in enumerate(names)}, index)


def _with_schema(columns: dict[str, Cells], schema: object) -> Records:
    """Return records whose schema says which column has their labels."""
    key = schema.get("primaryKey") if isinstance(schema, Mapping) else None
    if isinstance(key, list) and len(key) == 1 and key[0] in columns and key[0] != STATE:
        return Records(
            {name: cells for name, cells in columns.items() if name != key[0]},
            list(columns[key[0]]),
        )
    return Records(columns)
