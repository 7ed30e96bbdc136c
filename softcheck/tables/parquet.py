"""Read ``.parquet`` files, which stream."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from softcheck.tables.columnar import Columnar, contents_of
from softcheck.tables.files import File
from softcheck.tables.refusals import load_extra, reading
from softcheck.tables.table import Contents, Reading

_BUFFER = 2**16
"""Bytes that are read ahead of each column."""


def read_parquet(file: File, how: Reading) -> Contents:
    """Return the one table of a wide file, or the columns of another one by name."""
    return contents_of(Columnar(file, _opened), how.roles)


@dataclass(frozen=True)
class _RowGroups:
    """An open file; pages of a column are read when they are decoded."""

    parquet: Any

    @property
    def schema(self) -> Any:
        """The names and types of the columns."""
        return self.parquet.schema_arrow

    @property
    def sizes(self) -> Sequence[int]:
        """The rows of each group."""
        metadata = self.parquet.metadata
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def batches(self, rows: int, first: int, names: list[str]) -> Iterator[Any]:
        """Yield some columns, at most so many rows at once, from a group on."""
        groups = range(first, self.parquet.num_row_groups)
        batches: Iterator[Any] = self.parquet.iter_batches(rows, groups, names, use_threads=False)
        return batches


@contextmanager
def _opened(file: File) -> Iterator[_RowGroups]:
    parquet = load_extra(file.where, "pyarrow.parquet", "parquet")
    with (
        file.open() as stream,
        reading(file.where),
        parquet.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as opened,
    ):
        yield _RowGroups(opened)
