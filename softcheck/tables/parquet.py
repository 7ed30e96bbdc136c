"""Read ``.parquet`` files: wide or tidy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.contents import Contents, Load
from softcheck.tables.extras import load_extra
from softcheck.tables.files import listed, open_regular, reading
from softcheck.tables.frames import ACTION, STATE, Grid, unique, wide
from softcheck.tables.roles import Role
from softcheck.tables.table import Array, Table, check_whole

_INDEX = (STATE, "__index_level_0__")
"""Names of the column of labels; the second is pandas' own."""


def read_parquet(path: str) -> Contents:
    """Return the one table of a wide file, or the columns of a tidy one by name."""
    with _opened(path) as file:
        names = list(file.schema_arrow.names)
        rows = file.metadata.num_rows
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not rows:
        raise InputError(
            path,
            f"the column {listed(twice)} twice" if twice else "no rows",
            "a row for each state, and every column once",
            "Write the table again.",
        )
    if not (STATE in names and ACTION in names):
        return {None: lambda role: _wide(path, names, role)}
    grid = Grid(path, _labels(path, STATE), _labels(path, ACTION), lambda row: f"{path}[{row}]")

    def later(key: str) -> Load:
        return lambda role: grid.table(key, _column(path, key), role)

    return {name: later(name) for name in names if name not in (STATE, ACTION)}


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a file that is small enough to be in memory as a whole."""
    parquet = load_extra(path, "pyarrow.parquet", "parquet")
    with open_regular(path) as stream, reading(path), parquet.ParquetFile(stream) as file:
        check_whole(path, (file.metadata.num_rows, file.metadata.num_columns), 8)
        yield file


def _wide(path: str, names: list[str], role: Role) -> Table:
    """Return the table of a file with a row for each state."""
    index = next((name for name in _INDEX if name in names), None)
    actions = tuple(name for name in names if name != index)
    states = None if index is None else unique(path, "state", _labels(path, index))
    columns = [_column(path, name) for name in actions]
    if len({column.dtype == np.bool for column in columns}) != 1:
        raise InputError(
            path,
            "booleans beside numbers" if columns else "no column of numbers",
            "a column of numbers for each action",
            f"Name the column of labels '{STATE}'.",
        )
    return wide(path, np.stack(columns, axis=-1), states, actions, role)


def _column(path: str, name: str) -> Array:
    """Return a column of numbers."""
    types = load_extra(path, "pyarrow.types", "parquet")
    place = f"{path}::{name}"
    with _opened(path) as file, reading(place):
        column = file.read(columns=[name]).column(0)
        is_numeric = (types.is_floating, types.is_integer, types.is_boolean)
        if not any(test(column.type) for test in is_numeric):
            raise InputError(
                place,
                f"a column of {column.type}",
                "a column of numbers",
                f"Convert it; a column of labels needs the name '{STATE}'.",
            )
        if column.null_count:
            raise InputError(
                place,
                f"null in {column.null_count} of {len(column)} rows",
                "a number in every row",
                "Fill them; mask actions that are not legal (mask).",
            )
        numbers: Array = column.to_numpy()
    return numbers


def _labels(path: str, name: str) -> list[str]:
    """Return a column of text or integers as labels."""
    with _opened(path) as file, reading(f"{path}::{name}"):
        labels = file.read(columns=[name]).column(0).to_pylist()
    if not all(isinstance(label, (str, int)) for label in labels):
        raise InputError(
            f"{path}::{name}",
            "labels that are neither text nor integers",
            "a label in every row",
            "Convert the column to text.",
        )
    return [str(label) for label in labels]
