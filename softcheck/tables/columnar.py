"""Files of columns, as Arrow reads them: wide, tidy, or with a column for each role."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.tables.files import File
from softcheck.tables.frames import (
    ACTION,
    INDEX,
    STATE,
    Column,
    Grid,
    is_tidy,
    labels_of,
    refuse_numbering,
    refuse_roles,
    require_one,
    unique,
)
from softcheck.tables.refusals import listed, load_extra, reading
from softcheck.tables.roles import Role, Roles
from softcheck.tables.sources import Memory, in_blocks
from softcheck.tables.table import Contents, Load, Rows, Runs, Table, check_whole

_BATCH = 2**13
"""Rows that are decoded at once."""

_LABEL = 64
"""About the bytes that a label takes in memory."""


class Groups(Protocol):
    """A file of columns that is open: groups of rows, one after the other."""

    @property
    def schema(self) -> Any:
        """The names and types of the columns."""

    @property
    def sizes(self) -> Sequence[int]:
        """The rows of each group."""

    def batches(self, rows: int, first: int, names: list[str]) -> Iterator[Any]:
        """Yield some columns, at most so many rows at once, from a group on."""


@dataclass(frozen=True)
class Columnar:
    """A file of columns, and what opens such a file."""

    file: File
    open: Callable[[File], AbstractContextManager[Groups]]

    @property
    def where(self) -> str:
        """The file for messages."""
        return self.file.where

    def opened(self) -> AbstractContextManager[Groups]:
        """Open it."""
        return self.open(self.file)


@dataclass(frozen=True)
class _Columns:
    """Columns of numbers side by side, or one column of lists; read some rows at a time."""

    held: Columnar
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    lists: bool = False

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield rows as they are decoded, or slices of the whole if the order is another."""
        if axis == len(self.shape) - 1 or len(self.shape) == 1:
            yield from in_blocks(self._parts(start, stop), rows)
            return
        check_whole(self.held.where, self.shape, self.dtype.itemsize)
        whole = np.concatenate([*self._parts(0, self.shape[0])])
        yield from Memory(whole).runs(rows, axis, start, stop)

    def _parts(self, start: int, stop: int) -> Iterator[Rows]:
        """Yield the rows from `start` to `stop` in parts, decoded from the start of their group."""
        if start >= stop:
            return
        with self.held.opened() as groups:
            group, row = 0, 0
            while start >= row + (size := groups.sizes[group]):
                group, row = group + 1, row + size
            for batch in groups.batches(_BATCH, group, [*self.names]):
                part = self._numbers(batch, row)
                yield part[max(start - row, 0) : max(stop - row, 0)]
                row += len(part)
                if row >= stop:
                    return

    def _numbers(self, batch: Any, row: int) -> Rows:
        """Return the numbers of some rows, of which `row` is the first."""
        if self.lists:
            return _flat(self.held, batch.column(0), self.names[0], self.shape[1], row)
        columns = [_flat(self.held, batch.column(name), name, None, row) for name in self.names]
        return np.stack(columns, axis=-1, dtype=self.dtype).reshape(-1, *self.shape[1:])


def contents_of(held: Columnar, roles: Roles) -> Contents:
    """Return the one table of a wide file, or the columns of another one by name."""
    types = load_extra(held.where, "pyarrow.types", "parquet")
    with held.opened() as groups:
        schema = groups.schema
        rows = sum(groups.sizes)
    names = list(schema.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not rows:
        raise InputError(
            held.where,
            f"the column {listed(twice)} twice" if twice else "no rows",
            "a row for each state, and every column once",
            "Write the table again.",
        )
    own = _index(held, schema, roles)
    index = STATE if STATE in names else next(iter(own), None)
    numbers = tuple(name for name in names if name != index and name not in own)
    if is_tidy(names):
        return _tidy(held, schema, rows, [name for name in numbers if name != ACTION])
    if len(own) > 1:
        raise InputError(
            held.where,
            f"the labels {listed(own)}",
            f"labels of states, or of states and actions under '{STATE}' and '{ACTION}'",
            "Name the levels of the index so, or reset it.",
        )
    if any(types.is_nested(schema.field(name).type) for name in numbers):
        return Contents({name: _later(held, schema, rows, name, index) for name in numbers})
    refuse_roles(held.where, numbers, roles)
    return Contents({None: lambda role: _wide(held, schema, rows, numbers, index, role)})


def _index(held: Columnar, schema: Any, roles: Roles) -> list[str]:
    """Return the columns of labels: those that pandas says, or the first one by its name."""
    with reading(held.where):
        said = (schema.pandas_metadata or {}).get("index_columns", ())
        own = [name for name in said if name in schema.names and roles.of(name) is None]
    return own or [name for name in schema.names[:1] if name in INDEX]


def _wide(
    held: Columnar, schema: Any, rows: int, names: tuple[str, ...], index: str | None, role: Role
) -> Table:
    """Return the table of a file with a row for each state and a column for each action."""
    types = [_dtype(held, schema, name) for name in names]
    if len({dtype == np.bool for dtype in types}) != 1:
        raise InputError(
            held.where,
            "booleans beside numbers" if types else "no column of numbers",
            "a column of numbers for each action",
            f"Name the column of labels '{STATE}'.",
        )
    states = _states(held, rows, index)
    dtype = np.result_type(*types)
    if states is None and types[0].kind in "iu" and dtype.kind == "f":
        numbering = Table(_Columns(held, names[:1], types[0], (rows,)), held.file).whole()
        refuse_numbering(held.where, names[0], numbering)
    if role.kind is Kind.TABLE:
        shape = (rows, len(names))
        of = index if index in (STATE, ACTION) else None
        return Table(_Columns(held, names, dtype, shape), held.file, None, states, names, of)
    require_one(held.where, len(names), role)
    return Table(_Columns(held, names, dtype, (rows,)), held.file, None, states)


def _later(held: Columnar, schema: Any, rows: int, name: str, index: str | None) -> Load:
    """Return what loads a column with a list of numbers, or one number, in each row."""

    def load(role: Role) -> Table:
        dtype = _dtype(held, schema, name)
        shape: tuple[int, ...] = (rows,)
        if (role.kind is Kind.TABLE) is not _is_list(held, schema.field(name).type):
            raise InputError(
                f"{held.where}::{name}",
                f"a column of {schema.field(name).type}",
                role.kind.value,
                "Write a list of numbers in each row, or one number if that is all there is.",
            )
        if role.kind is Kind.TABLE:
            shape = (rows, _width(held, name))
        source = _Columns(held, (name,), dtype, shape, role.kind is Kind.TABLE)
        return Table(source, held.file, name, _states(held, rows, index))

    return load


def _tidy(held: Columnar, schema: Any, rows: int, names: Sequence[str]) -> Contents:
    """Return the columns of a file with a row for each state and action."""
    check_whole(held.where, (rows, 2), _LABEL)
    grid = Grid(
        held.file,
        _labels(held, STATE, rows),
        _labels(held, ACTION, rows),
        lambda row: f"{held.where}[{row}]",
    )

    def later(name: str) -> Load:
        def load(role: Role) -> Table:
            source = _Columns(held, (name,), _dtype(held, schema, name), (rows,))
            return grid.table(name, Table(source, held.file, name).whole(), role)

        return load

    return Contents({name: later(name) for name in names})


def _is_list(held: Columnar, kind: Any) -> bool:
    types = load_extra(held.where, "pyarrow.types", "parquet")
    return any(
        test(kind) for test in (types.is_list, types.is_large_list, types.is_fixed_size_list)
    )


def _dtype(held: Columnar, schema: Any, name: str) -> np.dtype[Any]:
    """Return the type of the numbers in a column, or in its lists."""
    types = load_extra(held.where, "pyarrow.types", "parquet")
    kind = schema.field(name).type
    inner = kind.value_type if _is_list(held, kind) else kind
    if not any(test(inner) for test in (types.is_floating, types.is_integer, types.is_boolean)):
        raise InputError(
            f"{held.where}::{name}",
            f"a column of {kind}",
            "a column of numbers",
            f"Convert it; a column of labels needs the name '{STATE}'.",
        )
    pyarrow = load_extra(held.where, "pyarrow", "parquet")
    # Before version 20, `to_pandas_dtype` needs pandas.
    dtype: np.dtype[Any] = pyarrow.array([], inner).to_numpy(zero_copy_only=False).dtype
    return dtype


def _width(held: Columnar, name: str) -> int:
    """Return the length of the first list in a column, which all of them must have."""
    with held.opened() as groups:
        first = next(groups.batches(1, 0, [name])).column(0)[0]
    return len(first.as_py() or ())


def _flat(held: Columnar, column: Any, name: str, width: int | None, row: int) -> Rows:
    """Return the numbers of some rows of a column, or the lists of `width` numbers in them."""
    compute = load_extra(held.where, "pyarrow.compute", "parquet")

    def require(right: Column, expected: str) -> None:
        if not right.all():
            at = int(np.argmin(right))
            raise InputError(
                f"{held.where}::{name}[{row + at}]",
                "null" if column[at].as_py() is None else f"{column[at]}",
                expected,
                "Fill them; mask actions that are not legal (mask).",
            )

    if width is None:
        require(column.is_valid().to_numpy(zero_copy_only=False), "a number in every row")
        numbers: Rows = column.to_numpy(zero_copy_only=False)
        return numbers
    lengths = compute.fill_null(compute.list_value_length(column), -1)
    require(lengths.to_numpy() == width, f"a list of {width} numbers in every row")
    flat = column.flatten()
    there = flat.is_valid().to_numpy(zero_copy_only=False).reshape(len(column), width)
    require(there.all(axis=1), "lists without null")
    lists: Rows = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return lists


def _states(held: Columnar, rows: int, index: str | None) -> tuple[str, ...] | None:
    """Return the labels of the rows, which are held in memory, if there are any."""
    if index is None:
        return None
    check_whole(held.where, (rows,), _LABEL)
    return unique(held.where, "row", _labels(held, index, rows))


def _labels(held: Columnar, name: str, rows: int) -> list[str]:
    """Return a column of text or integers as the labels of so many rows."""
    with held.opened() as groups, reading(f"{held.where}::{name}"):
        batches = groups.batches(_BATCH, 0, [name])
        labels = [label for batch in batches for label in batch.column(0).to_pylist()]
        if len(labels) != rows:
            raise EOFError(f"{len(labels)} labels of {rows} rows")
    return labels_of(f"{held.where}::{name}", labels)
