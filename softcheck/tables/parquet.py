"""Read ``.parquet`` files: wide, tidy, or with a column for each role."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from softcheck.errors import InputError
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
from softcheck.tables.roles import Kind, Role, role_of
from softcheck.tables.sources import Memory, in_blocks
from softcheck.tables.table import Contents, Load, Rows, Runs, Table, check_whole

_BUFFER = 2**16
"""Bytes that are read ahead of each column."""

_BATCH = 2**13
"""Rows that are decoded at once."""

_LABEL = 64
"""About the bytes that a label takes in memory."""


@dataclass(frozen=True)
class _Columns:
    """Columns of numbers side by side, or one column of lists; read some rows at a time."""

    file: File
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    lists: bool = False

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield rows as they are decoded, or slices of the whole if the order is another."""
        if axis == len(self.shape) - 1 or len(self.shape) == 1:
            yield from in_blocks(self._parts(start, stop), rows)
            return
        check_whole(self.file.where, self.shape, self.dtype.itemsize)
        whole = np.concatenate([*self._parts(0, self.shape[0])])
        yield from Memory(whole).runs(rows, axis, start, stop)

    def _parts(self, start: int, stop: int) -> Iterator[Rows]:
        """Yield the rows from `start` to `stop` in parts, decoded from the start of their group."""
        if start >= stop:
            return
        with _opened(self.file) as parquet:
            group, row = 0, 0
            while start >= row + (size := parquet.metadata.row_group(group).num_rows):
                group, row = group + 1, row + size
            groups = range(group, parquet.num_row_groups)
            for batch in parquet.iter_batches(_BATCH, groups, [*self.names], use_threads=False):
                part = self._numbers(batch, row)
                yield part[max(start - row, 0) : max(stop - row, 0)]
                row += len(part)
                if row >= stop:
                    return

    def _numbers(self, batch: Any, row: int) -> Rows:
        """Return the numbers of some rows, of which `row` is the first."""
        if self.lists:
            return _flat(self.file, batch.column(0), self.names[0], self.shape[1], row)
        columns = [_flat(self.file, batch.column(name), name, None, row) for name in self.names]
        return np.stack(columns, axis=-1, dtype=self.dtype).reshape(-1, *self.shape[1:])


def read_parquet(file: File) -> Contents:
    """Return the one table of a wide file, or the columns of another one by name."""
    types = load_extra(file.where, "pyarrow.types", "parquet")
    with _opened(file) as parquet:
        schema = parquet.schema_arrow
        rows = parquet.metadata.num_rows
    names = list(schema.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not rows:
        raise InputError(
            file.where,
            f"the column {listed(twice)} twice" if twice else "no rows",
            "a row for each state, and every column once",
            "Write the table again.",
        )
    own = _index(file, schema)
    index = STATE if STATE in names else next(iter(own), None)
    numbers = tuple(name for name in names if name != index and name not in own)
    if is_tidy(names):
        return _tidy(file, schema, rows, [name for name in numbers if name != ACTION])
    if len(own) > 1:
        raise InputError(
            file.where,
            f"the labels {listed(own)}",
            f"labels of states, or of states and actions under '{STATE}' and '{ACTION}'",
            "Name the levels of the index so, or reset it.",
        )
    if any(types.is_nested(schema.field(name).type) for name in numbers):
        return {name: _later(file, schema, rows, name, index) for name in numbers}
    refuse_roles(file.where, numbers)
    return {None: lambda role: _wide(file, schema, rows, numbers, index, role)}


def _index(file: File, schema: Any) -> list[str]:
    """Return the columns of labels: those that pandas says, or the first one by its name."""
    with reading(file.where):
        said = (schema.pandas_metadata or {}).get("index_columns", ())
        own = [name for name in said if name in schema.names and role_of(name) is None]
    return own or [name for name in schema.names[:1] if name in INDEX]


@contextmanager
def _opened(file: File) -> Iterator[Any]:
    """Open a file; pages of a column are read when they are decoded."""
    parquet = load_extra(file.where, "pyarrow.parquet", "parquet")
    with (
        file.open() as stream,
        reading(file.where),
        parquet.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as opened,
    ):
        yield opened


def _wide(
    file: File, schema: Any, rows: int, names: tuple[str, ...], index: str | None, role: Role
) -> Table:
    """Return the table of a file with a row for each state and a column for each action."""
    types = [_dtype(file, schema, name) for name in names]
    if len({dtype == np.bool for dtype in types}) != 1:
        raise InputError(
            file.where,
            "booleans beside numbers" if types else "no column of numbers",
            "a column of numbers for each action",
            f"Name the column of labels '{STATE}'.",
        )
    states = _states(file, rows, index)
    dtype = np.result_type(*types)
    if states is None and types[0].kind in "iu" and dtype.kind == "f":
        numbering = Table(_Columns(file, names[:1], types[0], (rows,)), file).whole()
        refuse_numbering(file.where, names[0], numbering)
    if role.kind is Kind.TABLE:
        shape = (rows, len(names))
        of = index if index in (STATE, ACTION) else None
        return Table(_Columns(file, names, dtype, shape), file, None, states, names, of)
    require_one(file.where, len(names), role)
    return Table(_Columns(file, names, dtype, (rows,)), file, None, states)


def _later(file: File, schema: Any, rows: int, name: str, index: str | None) -> Load:
    """Return what loads a column with a list of numbers, or one number, in each row."""

    def load(role: Role) -> Table:
        dtype = _dtype(file, schema, name)
        shape: tuple[int, ...] = (rows,)
        if (role.kind is Kind.TABLE) is not _is_list(file, schema.field(name).type):
            raise InputError(
                f"{file.where}::{name}",
                f"a column of {schema.field(name).type}",
                role.kind.value,
                "Write a list of numbers in each row, or one number if that is all there is.",
            )
        if role.kind is Kind.TABLE:
            shape = (rows, _width(file, name))
        source = _Columns(file, (name,), dtype, shape, role.kind is Kind.TABLE)
        return Table(source, file, name, _states(file, rows, index))

    return load


def _tidy(file: File, schema: Any, rows: int, names: Sequence[str]) -> Contents:
    """Return the columns of a file with a row for each state and action."""
    check_whole(file.where, (rows, 2), _LABEL)
    grid = Grid(
        file,
        _labels(file, STATE, rows),
        _labels(file, ACTION, rows),
        lambda row: f"{file.where}[{row}]",
    )

    def later(name: str) -> Load:
        def load(role: Role) -> Table:
            source = _Columns(file, (name,), _dtype(file, schema, name), (rows,))
            return grid.table(name, Table(source, file, name).whole(), role)

        return load

    return {name: later(name) for name in names}


def _is_list(file: File, kind: Any) -> bool:
    types = load_extra(file.where, "pyarrow.types", "parquet")
    return any(
        test(kind) for test in (types.is_list, types.is_large_list, types.is_fixed_size_list)
    )


def _dtype(file: File, schema: Any, name: str) -> np.dtype[Any]:
    """Return the type of the numbers in a column, or in its lists."""
    types = load_extra(file.where, "pyarrow.types", "parquet")
    kind = schema.field(name).type
    inner = kind.value_type if _is_list(file, kind) else kind
    if not any(test(inner) for test in (types.is_floating, types.is_integer, types.is_boolean)):
        raise InputError(
            f"{file.where}::{name}",
            f"a column of {kind}",
            "a column of numbers",
            f"Convert it; a column of labels needs the name '{STATE}'.",
        )
    pyarrow = load_extra(file.where, "pyarrow", "parquet")
    # Before version 20, `to_pandas_dtype` needs pandas.
    dtype: np.dtype[Any] = pyarrow.array([], inner).to_numpy(zero_copy_only=False).dtype
    return dtype


def _width(file: File, name: str) -> int:
    """Return the length of the first list in a column, which all of them must have."""
    with _opened(file) as parquet:
        first = next(parquet.iter_batches(1, columns=[name], use_threads=False)).column(0)[0]
    return len(first.as_py() or ())


def _flat(file: File, column: Any, name: str, width: int | None, row: int) -> Rows:
    """Return the numbers of some rows of a column, or the lists of `width` numbers in them."""
    compute = load_extra(file.where, "pyarrow.compute", "parquet")

    def require(right: Column, expected: str) -> None:
        if not right.all():
            at = int(np.argmin(right))
            raise InputError(
                f"{file.where}::{name}[{row + at}]",
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


def _states(file: File, rows: int, index: str | None) -> tuple[str, ...] | None:
    """Return the labels of the rows, which are held in memory, if there are any."""
    if index is None:
        return None
    check_whole(file.where, (rows,), _LABEL)
    return unique(file.where, "row", _labels(file, index, rows))


def _labels(file: File, name: str, rows: int) -> list[str]:
    """Return a column of text or integers as the labels of so many rows."""
    with _opened(file) as parquet, reading(f"{file.where}::{name}"):
        labels = parquet.read(columns=[name]).column(0).to_pylist()
        if len(labels) != rows:
            raise EOFError(f"{len(labels)} labels of {rows} rows")
    return labels_of(f"{file.where}::{name}", labels)
