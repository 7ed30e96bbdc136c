"""Read HDF5 files; what they would fetch from other files is refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.contents import Contents, Load
from softcheck.tables.extras import load_extra
from softcheck.tables.files import check_regular, reading
from softcheck.tables.sources import Memory
from softcheck.tables.table import Runs, Table, check_shape, check_type, check_whole

_MAX_LINKS = 16
"""Soft links that may lead from one to the next."""


@dataclass(frozen=True)
class _Dataset:
    """The numbers of a dataset, read a run of states at a time where its axes allow it."""

    path: str
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield runs of a list of states; anything else is read as a whole."""
        with _opened(self.path) as (h5py, file):
            dataset = _resolve(h5py, file, self.name, f"{self.path}::{self.name}")
            if len(self.shape) == (1 if axis is None else 2) and axis != 0:
                for first in range(start, stop, rows):
                    yield dataset[first : min(first + rows, stop)]
            else:
                check_whole(f"{self.path}::{self.name}", self.shape, self.dtype.itemsize)
                yield from Memory(np.asarray(dataset[()])).runs(rows, axis, start, stop)


def read_hdf5(path: str) -> Contents:
    """Return the datasets of a file by their paths, without the first slash."""

    def later(name: str) -> Load:
        return lambda _role: _table(path, name)

    with _opened(path) as (h5py, file):
        return {name: later(name) for name in _names(h5py, file, "", frozenset())}


@contextmanager
def _opened(path: str) -> Iterator[tuple[Any, Any]]:
    """Open a regular file; return the library too, which not everyone has."""
    h5py = load_extra(path, "h5py", "hdf5")
    check_regular(path)
    with reading(path), h5py.File(path, "r") as file:
        yield h5py, file


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


def _table(path: str, name: str) -> Table:
    """Return a dataset whose numbers are all in this file, and all written."""
    where = f"{path}::{name}"
    with _opened(path) as (h5py, file):
        dataset = _resolve(h5py, file, name, where)
        if dataset.external or dataset.is_virtual:
            raise _elsewhere(where, "data that are kept in other files")
        if dataset.shape is None:
            raise InputError(where, "no value", "an array", "Write the dataset again.")
        shape = check_shape(where, dataset.shape)
        dtype = check_type(where, dataset.dtype)
        _require_written(where, dataset)
    return Table(_Dataset(path, name, dtype, shape), path, name)


def _resolve(h5py: Any, file: Any, name: str, where: str) -> Any:
    """Return the dataset at a path, step by step, so that no link leads out of the file."""
    item = file
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
            item = file if link.path.startswith("/") else item
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
