"""Read HDF5 files; what they would fetch from other files is refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.refusals import load_extra, reading
from softcheck.tables.roles import TEXTS
from softcheck.tables.sources import Box, Part, by_boxes
from softcheck.tables.table import (
    Contents,
    Load,
    Reading,
    Runs,
    Table,
    check_shape,
    check_type,
    check_whole,
    with_texts,
)

_MAX_LINKS = 16
"""Soft links that may lead from one to the next."""


@dataclass(frozen=True)
class _Dataset:
    """The numbers of a dataset, read in parts."""

    file: File
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks of states, from parts that hold whole chunks."""
        with _opened(self.file) as (h5py, root):
            dataset = _resolve(h5py, root, self.name, f"{self.file.where}::{self.name}")

            def read(box: Box) -> Part:
                return np.asarray(dataset[box])

            yield from by_boxes(read, self.shape, rows, axis, start, stop, self.chunks)


def read_hdf5(file: File, _how: Reading) -> Contents:
    """Return the datasets of a file by their paths, without the first slash."""

    def later(name: str) -> Load:
        return lambda _role: _table(file, name)

    with _opened(file) as (h5py, root):
        names = list(_names(h5py, root, "", frozenset()))
        texts = {
            name: text
            for name in TEXTS
            if name in names and (text := _text(h5py, root, name)) is not None
        }
        said = {name: root.attrs[name] for name in TEXTS if name in root.attrs}
        arrays = {name: later(name) for name in names if name not in texts}
    return with_texts(file.where, arrays, said, texts)


def _text(h5py: Any, root: Any, name: str) -> str | None:
    """Return the text that a dataset of this very file is, or None if it is anything else."""
    if not isinstance(root.get(name, getlink=True), h5py.HardLink):
        return None
    item = root[name]
    is_text = isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) is not None
    return str(item.asstr()[()]) if is_text and item.shape == () else None


@contextmanager
def _opened(file: File) -> Iterator[tuple[Any, Any]]:
    """Open a regular file; return the library too, which not everyone has."""
    h5py = load_extra(file.where, "h5py", "hdf5")
    file.size()
    with reading(file.where), h5py.File(file.path, "r") as root:
        yield h5py, root


def _names(h5py: Any, group: Any, prefix: str, above: frozenset[int]) -> Iterator[str]:
    """Yield the paths of datasets and of soft and external links, which are not followed."""
    for name in group:
        is_hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
        if not is_hard or group.get(name, getclass=True) is h5py.Dataset:
            yield prefix + name
        elif isinstance(child := group[name], h5py.Group):
            address = h5py.h5o.get_info(child.id).addr
            if address not in above:
                yield from _names(h5py, child, f"{prefix}{name}/", above | {address})


def _table(file: File, name: str) -> Table:
    """Return a dataset whose numbers are all in this file, and all written."""
    where = f"{file.where}::{name}"
    with _opened(file) as (h5py, root):
        dataset = _resolve(h5py, root, name, where)
        if dataset.external or dataset.is_virtual:
            raise _elsewhere(where, "data that are kept in other files")
        if dataset.shape is None:
            raise InputError(where, "no value", "an array", "Write the dataset again.")
        shape = check_shape(where, dataset.shape)
        dtype = check_type(where, dataset.dtype)
        _require_written(where, dataset)
        chunks = dataset.chunks
    return Table(_Dataset(file, name, dtype, shape, chunks), file, name)


def _resolve(h5py: Any, root: Any, name: str, where: str) -> Any:
    """Return the dataset at a path, step by step, so that no link leads out of the file."""
    item = root
    parts = name.split("/")
    links = 0
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        link = item.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(where, f"a link into {link.filename}")
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MAX_LINKS:
                raise InputError(where, "links that go round", "a dataset", "Remove the link.")
            item = root if link.path.startswith("/") else item
            parts = link.path.split("/") + parts
        else:
            item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise InputError(where, "a group", "a dataset", "Give the path of one of its datasets.")
    return item


def _elsewhere(where: str, found: str) -> InputError:
    return InputError(
        where, found, "a dataset within this file", "Copy the data into the file itself."
    )


def _require_written(where: str, dataset: Any) -> None:
    """Raise InputError where a part of the dataset is only a fill value, or too large a chunk."""
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks is None:
        is_written = dataset.id.get_storage_size() >= size
    else:
        check_whole(where, dataset.chunks, dataset.dtype.itemsize)
        lengths = zip(dataset.shape, dataset.chunks, strict=True)
        chunks = math.prod(-(-length // chunk) for length, chunk in lengths)
        is_written = dataset.id.get_num_chunks() >= chunks
    if not is_written:
        raise InputError(
            where,
            "a dataset of which parts were never written",
            f"an array of shape {dataset.shape}",
            "Write all of it, and close the file.",
        )
