"""Read ``.npy`` files, and the same bytes as members of ``.npz`` files."""

import io
import math
import struct
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as layout

from softcheck.errors import InputError
from softcheck.tables.archives import local_header
from softcheck.tables.files import File, Stream
from softcheck.tables.limits import MAX_DEFLATE_RATIO, MAX_HEADER_BYTES
from softcheck.tables.nested import contents_of, table_of
from softcheck.tables.pickled import require_permission, unpickle
from softcheck.tables.refusals import listed, reading
from softcheck.tables.roles import TEXTS, Role
from softcheck.tables.sources import Extent, Forward, packed
from softcheck.tables.table import Contents, Load, Reading, Table, check_shape, check_type

_ENCRYPTED = 0x1

_DESCRIPTOR = 24
"""Bytes that may follow a member which was written as a stream: its checksum and its sizes."""

_END = struct.Struct("<4s6xH")
"""The record at the end of an archive: its signature, and how many members there are."""

_END_BYTES = 22 + 2**16
"""The end record, with the longest comment there is."""


@dataclass(frozen=True)
class _Header:
    """What the header of an array says, and the offset at which its bytes start."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def end(self) -> int:
        """The number of bytes that header and array take together."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_npy(file: File, how: Reading) -> Contents:
    """Return the one array of an ``.npy`` file, or what is pickled in it."""
    size = file.size()
    with file.open() as stream:
        header = _header(file.where, stream)
        if header.dtype.hasobject:
            require_permission(file.where, how.allow_pickle)
            stream.seek(header.offset)
            value = unpickle(file.where, stream, size - header.offset)
            return contents_of(file, value, how.roles)
    _check_size(file.where, header, size)
    source = Extent(
        file=file,
        offset=header.offset,
        size=size,
        dtype=header.dtype,
        shape=header.shape,
        strides=packed(header.shape, header.fortran),
    )
    return Contents({None: lambda _role: Table(source, file)})


def read_npz(file: File, how: Reading) -> Contents:
    """Return the arrays of an ``.npz`` file by name."""
    with _archive(file) as archive:
        members = archive.infolist()
        _require_directory(file, archive)
    names = [member.filename.removesuffix(".npy") for member in members]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            file.where,
            f"several members named {listed(twice)}",
            "one array for each name",
            "Save the file again with each array once.",
        )
    held = dict(zip(names, members, strict=True))
    texts = {
        name: text
        for name in held.keys() & TEXTS
        if (text := _text(file, f"{file.where}::{name}", held[name])) is not None
    }
    return Contents(
        {
            name: _loader(file, name, member, how)
            for name, member in held.items()
            if name not in texts
        },
        texts,
    )


def _text(file: File, where: str, member: ZipInfo) -> str | None:
    """Return the text that a member is, or None if it holds anything but one short text."""
    _check_member(where, member)
    if member.file_size > MAX_HEADER_BYTES:
        return None
    with reading(where), _archive(file) as archive, archive.open(member) as stream:
        header = _parsed(where, stream)
    if header.dtype.kind != "U" or header.shape != ():
        return None
    with reading(where), _archive(file) as archive, archive.open(member) as stream:
        return str(layout.read_array(io.BytesIO(stream.read(MAX_HEADER_BYTES)), allow_pickle=False))


def _require_directory(file: File, archive: ZipFile) -> None:
    """Raise InputError unless the directory of an archive lists all that is in it, by its name.

    What it has lost, or has under another name, would go unverified in silence.
    """
    members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    with file.open() as stream:
        stream.seek(max(0, file.size() - _END_BYTES))
        tail = stream.read()
        _, counted = _END.unpack_from(tail, tail.rfind(b"PK\5\6"))
        found = f"{len(members)} members listed of {counted}" if len(members) != counted else None
        end = 0
        for member in members:
            found = found or _unlisted(end, member.header_offset)
            name, begin = local_header(stream, member)
            if name != member.orig_filename:
                found = found or f"the member '{name}' listed as '{member.orig_filename}'"
            end = begin + member.compress_size
        found = found or _unlisted(end, archive.start_dir)
    if found is not None:
        raise InputError(
            file.where,
            found,
            "a directory that lists every member by its name",
            "Save the file again; it is damaged.",
        )


def _unlisted(end: int, start: int) -> str | None:
    """Return what is between the end of a member and the start of what is listed next, if any."""
    if end <= start <= end + _DESCRIPTOR:
        return None
    return f"{abs(start - end)} bytes from {min(start, end)} on that are of no one member"


def _loader(file: File, name: str, member: ZipInfo, how: Reading) -> Load:
    """Return what loads one member; nothing of it is read before."""
    where = f"{file.where}::{name}"

    @contextmanager
    def opened(offset: int = 0) -> Iterator[IO[bytes]]:
        with _archive(file) as archive, archive.open(member) as stream:
            stream.read(offset)
            yield stream

    def load(role: Role) -> Table:
        with reading(where):
            _check_member(where, member)
            with opened() as stream:
                header = _header(where, stream)
            if header.dtype.hasobject:
                require_permission(where, how.allow_pickle)
                with opened(header.offset) as stream:
                    value = unpickle(where, stream, member.file_size - header.offset)
                return table_of(file, name, value, role, how.roles)
        _check_size(where, header, member.file_size)
        source = Forward(
            where=where,
            open=lambda: opened(header.offset),
            dtype=header.dtype,
            shape=header.shape,
            strides=packed(header.shape, header.fortran),
        )
        return Table(source, file, name)

    return load


@contextmanager
def _archive(file: File) -> Iterator[ZipFile]:
    """Open an archive."""
    with file.open() as stream, ZipFile(stream) as archive:
        yield archive


def _check_member(where: str, member: ZipInfo) -> None:
    """Raise InputError for what NumPy never writes, and for sizes that cannot be true."""
    if member.flag_bits & _ENCRYPTED:
        found = "an encrypted member"
    elif member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        found = f"compression of type {member.compress_type}"
    elif member.file_size > MAX_HEADER_BYTES + MAX_DEFLATE_RATIO * member.compress_size:
        found = f"{member.file_size} bytes said to come out of {member.compress_size}"
    else:
        return
    raise InputError(
        where,
        found,
        "an array as np.savez or np.savez_compressed write it",
        "Save the file again with NumPy.",
    )


def _header(where: str, stream: Stream) -> _Header:
    """Parse the header of an array of numbers, or of what is pickled."""
    header = _parsed(where, stream)
    if not header.dtype.hasobject:
        check_type(where, header.dtype)
    return header


def _parsed(where: str, stream: Stream) -> _Header:
    """Parse the header at the start of `stream`, from a bounded number of bytes."""
    with reading(where):
        head = io.BytesIO(stream.read(MAX_HEADER_BYTES))
        version = layout.read_magic(head)
        parsers = {(1, 0): layout.read_array_header_1_0, (2, 0): layout.read_array_header_2_0}
        if version not in parsers:
            raise InputError(
                where,
                f"version {version[0]}.{version[1]} of the .npy format",
                "version 1.0 or 2.0",
                "Save a plain array of numbers; version 3.0 is for records.",
            )
        with warnings.catch_warnings():
            # NumPy warns of headers from Python 2, which it reads as they were meant.
            warnings.simplefilter("ignore")
            shape, fortran, dtype = parsers[version](head, max_header_size=MAX_HEADER_BYTES)
    return _Header(check_shape(where, shape), fortran, dtype, head.tell())


def _check_size(where: str, header: _Header, size: int) -> None:
    """Raise InputError unless the array that the header describes has `size` bytes."""
    if header.end != size:
        raise InputError(
            where,
            f"{size} bytes",
            f"{header.end} for shape {header.shape} of {header.dtype.name}",
            "Save the file again; it is cut off, or holds more than one array.",
        )
