"""Read ``.feather`` and ``.arrow`` files: Arrow's own format, in memory a batch at a time."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from softcheck.errors import InputError
from softcheck.tables.columnar import Columnar, contents_of
from softcheck.tables.files import File
from softcheck.tables.limits import MAX_WHOLE_BYTES
from softcheck.tables.refusals import load_extra, reading, too_large
from softcheck.tables.table import Contents, Reading

_MAGIC = b"ARROW1\0\0"


def read_feather(file: File, how: Reading) -> Contents:
    """Return the one table of a wide file, or the columns of another one by name."""
    return contents_of(Columnar(file, _opened), how.roles)


@dataclass(frozen=True)
class _Batches:
    """An open file; a batch of it is decoded as a whole."""

    reader: Any
    sizes: Sequence[int]

    @property
    def schema(self) -> Any:
        """The names and types of the columns."""
        return self.reader.schema

    def batches(self, rows: int, first: int, names: list[str]) -> Iterator[Any]:
        """Yield some columns, at most so many rows at once, from a batch on."""
        for number in range(first, len(self.sizes)):
            batch = self.reader.get_batch(number).select(names)
            batch.validate(full=True)  # what is read from a file may be no array at all
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)


@contextmanager
def _opened(file: File) -> Iterator[_Batches]:
    ipc = load_extra(file.where, "pyarrow.ipc", "parquet")
    with file.open() as stream, reading(file.where):
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise InputError(
                file.where,
                "no Arrow file",
                "Feather of version 2, or another file of Arrow",
                "Write it again with a current pandas, Polars or pyarrow.",
            )
        sizes = _sizes(file, stream)
        stream.seek(0)
        yield _Batches(ipc.open_file(stream), sizes)


def _sizes(file: File, stream: IO[bytes]) -> list[int]:
    """Return the rows of each batch, as the file says; nothing of them is decoded.

    A compressed buffer says in its first bytes how long it will be; so much memory is asked for.
    """
    end = file.size() - _END.size
    stream.seek(end)
    length, _ = _END.unpack(stream.read(_END.size))
    if not 0 < length <= end:
        raise EOFError("the end of the file is missing")
    stream.seek(end - length)
    footer = _Table.root(stream.read(length))
    sizes = []
    for field in (_FOOTER_DICTIONARIES, _FOOTER_BATCHES):
        last = len(_MAGIC)
        for start, head, body in footer.structs(field, "<qi4xq"):
            if start < last or head < 0 or body < 0:
                raise EOFError("messages that overlap")
            last = start + head + body
            stream.seek(start)
            message = stream.read(head)
            skipped = 8 if message[:4] == b"\xff\xff\xff\xff" else 4
            batch = _Table.root(message[skipped:]).table(_MESSAGE_HEADER)
            if field == _FOOTER_DICTIONARIES:
                batch = batch.table(_DICTIONARY_DATA)
            rows = batch.at(_BATCH_ROWS)
            claimed = 0
            for offset, size in batch.structs(_BATCH_BUFFERS, "<2q"):
                claimed += size
                if batch.at(_BATCH_COMPRESSION) is not None and size >= _LENGTH.size:
                    stream.seek(start + head + offset)
                    claimed += max(0, *_LENGTH.unpack(stream.read(_LENGTH.size)))
            if claimed > MAX_WHOLE_BYTES:
                raise too_large(file.where, claimed, MAX_WHOLE_BYTES)
            if field == _FOOTER_BATCHES:
                sizes.append(0 if rows is None else _LENGTH.unpack_from(batch.data, rows)[0])
    return sizes


_END = struct.Struct("<i6s")
"""The length of the footer, and the name of the format."""

_LENGTH = struct.Struct("<q")

# Numbers of fields, from File.fbs and Message.fbs of Arrow.
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_MESSAGE_HEADER = 2
_DICTIONARY_DATA = 1
_BATCH_ROWS, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffer: its fields by their numbers."""

    data: bytes
    start: int

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        """Return the table that a buffer starts with."""
        return cls(data, _OFFSET.unpack_from(data)[0])

    def at(self, field: int) -> int | None:
        """Return where a field is, or None if it has its default."""
        vtable = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        place = 4 + 2 * field
        offset = struct.unpack_from("<H", self.data, vtable + place)[0] if place < size else 0
        return self.start + offset if offset else None

    def table(self, field: int) -> "_Table":
        """Return the table that a field refers to."""
        place = self.at(field)
        if place is None:
            raise EOFError(f"no field {field} in a message")
        return _Table(self.data, place + _OFFSET.unpack_from(self.data, place)[0])

    def structs(self, field: int, layout: str) -> Iterator[tuple[int, ...]]:
        """Yield the structs of a vector; none if it is not there."""
        if self.at(field) is None:
            return
        start = self.table(field).start
        for number in range(_OFFSET.unpack_from(self.data, start)[0]):
            at = start + _OFFSET.size + number * struct.calcsize(layout)
            yield struct.unpack_from(layout, self.data, at)


_OFFSET = struct.Struct("<I")
