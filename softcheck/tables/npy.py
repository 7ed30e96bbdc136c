"""Read ``.npy`` files, and the same bytes as members of ``.npz`` files."""

import io
import math
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
from softcheck.tables.files import File, Stream
from softcheck.tables.limits import MAX_DEFLATE_RATIO, MAX_HEADER_BYTES
from softcheck.tables.nested import contents_of, table_of
from softcheck.tables.pickled import require_permission, unpickle
from softcheck.tables.refusals import listed, reading
from softcheck.tables.roles import Role
from softcheck.tables.sources import Extent, Forward
from softcheck.tables.table import Contents, Load, Table, check_shape, check_type

_ENCRYPTED = 0x1


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


def read_npy(file: File, allow_pickle: bool) -> Contents:
    """Return the one array of an ``.npy`` file, or what is pickled in it."""
    size = file.size()
    with file.open() as stream:
        header = _header(file.where, stream)
        if header.dtype.hasobject:
            require_permission(file.where, allow_pickle)
            stream.seek(header.offset)
            return contents_of(file, unpickle(file.where, stream, size - header.offset))
    _check_size(file.where, header, size)
    source = Extent(
        file=file,
        offset=header.offset,
        dtype=header.dtype,
        shape=header.shape,
        fortran=header.fortran,
    )
    return {None: lambda _role: Table(source, file)}


def read_npz(file: File, allow_pickle: bool) -> Contents:
    """Return the arrays of an ``.npz`` file by name."""
    with _archive(file) as archive:
        members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            file.where,
            f"several members named {listed(twice)}",
            "one array for each name",
            "Save the file again with each array once.",
        )
    return {
        name: _loader(file, name, member, allow_pickle)
        for name, member in zip(names, members, strict=True)
    }


def _loader(file: File, name: str, member: ZipInfo, allow_pickle: bool) -> Load:
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
                require_permission(where, allow_pickle)
                with opened(header.offset) as stream:
                    value = unpickle(where, stream, member.file_size - header.offset)
                return table_of(file, name, value, role)
        _check_size(where, header, member.file_size)
        source = Forward(
            where=where,
            open=lambda: opened(header.offset),
            dtype=header.dtype,
            shape=header.shape,
            fortran=header.fortran,
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
    if not dtype.hasobject:
        check_type(where, dtype)
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
