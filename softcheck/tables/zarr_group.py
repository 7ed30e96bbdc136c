"""Read Zarr groups and arrays: chunks of numbers, decoded by nothing but known decoders."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import File, Files
from softcheck.tables.places import exists, files_below
from softcheck.tables.refusals import listed, load_extra, reading
from softcheck.tables.roles import Role
from softcheck.tables.sources import Box, Part, by_boxes
from softcheck.tables.table import (
    Contents,
    Load,
    Runs,
    Table,
    check_shape,
    check_type,
    check_whole,
    where_is,
    with_texts,
)
from softcheck.tables.urls import is_url, joined, local_path, shown

_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files that make a folder a group or an array; the last two are of version 2."""

_DECODERS = frozenset(
    {"bytes", "crc32c", "delta", "sharding_indexed", "shuffle", "transpose"}
    | {"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}
)
"""Those that only move or unpack numbers; the one of pickles, for one, would run them."""


def is_zarr(folder: str) -> bool:
    """Return whether a folder is a Zarr group or array."""
    return any(exists(joined(folder, mark)) for mark in _MARKS)


@dataclass(frozen=True)
class _Chunks:
    """The numbers of an array, read in parts that hold whole chunks."""

    array: Any
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks of states."""

        def read(box: Box) -> Part:
            return np.asarray(self.array[box])

        chunks = self.array.shards or self.array.chunks
        yield from by_boxes(read, self.shape, rows, axis, start, stop, chunks)


def read_zarr(folder: str) -> Contents:
    """Return the arrays of a group by their paths, or the one array that a folder is."""
    where = shown(folder)
    zarr = load_extra(where, "zarr", "zarr")
    files = files_below(folder)
    for _, file in files:
        file.size()
    with reading(where):
        if is_url(folder):
            store = zarr.storage.FsspecStore.from_url(folder, read_only=True)
        else:
            store = zarr.storage.LocalStore(local_path(folder), read_only=True)
        root = zarr.open(store, mode="r")
        if isinstance(root, zarr.Array):
            return Contents({None: _later(where, files, None, root)})
        arrays = {
            name: _later(where, files, name, member)
            for name, member in root.members(max_depth=None)
            if isinstance(member, zarr.Array)
        }
        return with_texts(where, arrays, root.attrs)


def _later(where: str, files: list[tuple[str, File]], name: str | None, array: Any) -> Load:
    """Return what loads an array of numbers, all of them written."""

    def load(_role: Role) -> Table:
        place = where_is(where, name)
        _require_decoders(place, array.metadata.to_dict())
        shape = check_shape(place, array.shape)
        dtype = check_type(place, array.dtype)
        _require_written(place, array)
        folder = "" if name is None else f"{name}/"
        own = [(path, file) for path, file in files if path.startswith(folder)]
        return Table(_Chunks(array, dtype, shape), Files(where, PurePath(where).stem, own), name)

    return load


def _require_decoders(where: str, metadata: Mapping[str, Any]) -> None:
    """Raise InputError unless every decoder of an array is one of those that are known."""
    names = {name.removeprefix("numcodecs.") for name in _decoders(metadata)}
    if odd := names - _DECODERS:
        raise InputError(
            where,
            f"the codec {listed(sorted(odd))}",
            f"one of {', '.join(sorted(_DECODERS))}",
            "Write the array with one of them.",
        )


def _decoders(part: object) -> Iterator[str]:
    """Yield the names of codecs, however deep they lie in the metadata of either version."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("codecs", "index_codecs", "filters", "compressor"):
                for codec in value if isinstance(value, (list, tuple)) else [value]:
                    if codec is not None:
                        yield str(codec.get("name", codec.get("id")))
                        yield from _decoders(codec.get("configuration"))


def _require_written(where: str, array: Any) -> None:
    """Raise InputError where a part of an array is only a fill value, or too large a chunk."""
    stored = array.shards or array.chunks
    check_whole(where, stored, array.dtype.itemsize)
    lengths = zip(array.shape, stored, strict=True)
    expected = math.prod(-(-length // chunk) for length, chunk in lengths)
    each = math.prod(stored) // math.prod(array.chunks)
    if array.nchunks_initialized // each < expected:
        raise InputError(
            where,
            "an array of which chunks were never written",
            f"an array of shape {array.shape}",
            "Write all of it; chunks of zeros need write_empty_chunks=True.",
        )
