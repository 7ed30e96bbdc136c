"""Where the numbers of a table come from: memory, files, or another table."""

import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import open_regular
from softcheck.tables.table import Array, Runs, Table, check_whole, location


@dataclass(frozen=True, eq=False)
class Memory:
    """An array in memory, in any layout."""

    array: Array

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the array."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.array.shape

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield views of the array, or copies where its layout allows no view."""
        states = self.array if axis is None else np.moveaxis(self.array, axis, -1)
        lead = states.shape if axis is None else states.shape[:-1]
        total = math.prod(lead)
        flat = None
        if len(lead) < 2 or states.flags.c_contiguous:
            flat = states.reshape(total, *states.shape[len(lead) :])
        for first in range(start, stop, rows):
            last = min(first + rows, stop)
            if flat is not None:
                yield flat[first:last]
            else:
                yield states[np.unravel_index(np.arange(first, last), lead)]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Bytes:
    """An array as a run of bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False

    def in_order(self, axis: int | None) -> bool:
        """Return whether the bytes hold one state after the other."""
        if len(self.shape) < 2:
            return True
        return not self.fortran and axis in (None, len(self.shape) - 1)

    def forwards(self, file: IO[bytes], rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks of states that `file` holds in order from where it stands."""
        tail = () if axis is None else self.shape[axis:]
        file.seek(start * math.prod(tail) * self.dtype.itemsize, os.SEEK_CUR)
        for first in range(start, stop, rows):
            yield self._take(file, (min(rows, stop - first), *tail))

    def all_of(self, file: IO[bytes]) -> Array:
        """Return the whole array from the next bytes of `file`."""
        return (
            self._take(file, self.shape[::-1]).T if self.fortran else self._take(file, self.shape)
        )

    def _take(self, file: IO[bytes], shape: tuple[int, ...]) -> Array:
        """Read exactly the bytes of an array in C order."""
        size = math.prod(shape) * self.dtype.itemsize
        data = file.read(size)
        if len(data) < size:
            raise EOFError("the data ends before the array does")
        return np.frombuffer(data, self.dtype).reshape(shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Extent(_Bytes):
    """An array that lies in one piece of a regular file, whose size was checked."""

    path: str
    offset: int

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks: read forwards if the states follow each other, else through a map."""
        with open_regular(self.path) as file:
            if self.in_order(axis):
                file.seek(self.offset)
                yield from self.forwards(file, rows, axis, start, stop)
                return
            mapped = np.memmap(
                file,
                dtype=self.dtype,
                mode="r",
                offset=self.offset,
                shape=self.shape,
                order="F" if self.fortran else "C",
            )
            for run in Memory(mapped).runs(rows, axis, start, stop):
                yield np.array(run)


@dataclass(frozen=True, eq=False, kw_only=True)
class Forward(_Bytes):
    """An array behind a decoder, which gives its bytes only from the first to the last."""

    where: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks as they are decoded, or slices of the whole if the order is another."""
        with self.open() as file:
            if self.in_order(axis):
                yield from self.forwards(file, rows, axis, start, stop)
                return
            check_whole(self.where, self.shape, self.dtype.itemsize)
            yield from Memory(self.all_of(file)).runs(rows, axis, start, stop)


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of booleans, or of the integers 0 and 1, as booleans."""

    table: Table

    @property
    def dtype(self) -> np.dtype[Any]:
        """Boolean."""
        return np.dtype(np.bool)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the mask."""
        return self.table.shape

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield the mask as booleans; raise InputError for any other number."""
        for run in self.table.blocks(rows, axis, start, stop):
            numbers = run.view(np.uint8) if run.dtype == np.bool else run
            wrong = (numbers != 0) & (numbers != 1)
            if wrong.any():
                row, *action = np.argwhere(wrong)[0].tolist()
                raise InputError(
                    self.table.place(location(self.shape, axis, start + row, *action)),
                    f"{numbers[(row, *action)]}",
                    "0 or 1",
                    "Save the mask as booleans, true where the action is legal.",
                )
            start += len(run)
            yield run.astype(np.bool)


@dataclass(frozen=True, eq=False)
class Exponential:
    """The exponential of a table, in float64."""

    table: Table

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the exponentials."""
        return np.dtype(np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the table."""
        return self.table.shape

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield exponentials; what overflows is infinite."""
        for run in self.table.blocks(rows, axis, start, stop):
            with np.errstate(over="ignore"):
                yield np.exp(run.astype(np.float64))
