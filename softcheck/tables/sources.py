"""Where the numbers of a table come from: memory, files, or another table."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from softcheck.errors import InputError
from softcheck.tables.files import PIECE, File, Stream
from softcheck.tables.roles import ROLES
from softcheck.tables.table import AsGiven, Rows, Runs, Table, check_whole, location, states_of


@dataclass(frozen=True, eq=False)
class Memory:
    """An array in memory, in any layout."""

    array: AsGiven

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


BOX = 2**17
"""About how many numbers are read at once where states do not follow each other in a file."""

_LEAST = 8
"""States in a box at least, however many actions there are: each action is a place in the file."""

_GAP = 16
"""Numbers that nobody asked for and that are read all the same, where to skip them takes longer."""

Box: TypeAlias = tuple[slice, ...]
"""The bounds of a part of an array on each of its axes."""

Part: TypeAlias = NDArray[Any]  # the axes of the user's array, each as long as a box has it


def boxes(
    shape: tuple[int, ...], axis: int | None, start: int, stop: int, chunks: tuple[int, ...] | None
) -> Iterator[tuple[Box, int]]:
    """Yield parts of an array that hold the states from `start` to `stop` in order.

    Parameters
    ----------
    shape : tuple of int
        The shape of the array.
    axis : int or None
        The axis of the actions, if there is one.
    start, stop : int
        The first state, and the one after the last.
    chunks : tuple of int or None
        The lengths of the chunks that are decoded as wholes, where there are such.

    Yields
    ------
    box : tuple of slice
        About `BOX` numbers; the first and the last box may hold other states too.
    first : int
        The first state in the box.
    """
    others = [i for i in range(len(shape)) if i != axis]
    states = [shape[i] for i in others]
    each = 1 if axis is None else shape[axis]
    # States are cut along the first axis of which a single step is small enough.
    sizes = [math.prod(states[i + 1 :]) for i in range(len(states))]
    cut = next((i for i, size in enumerate(sizes) if size * each <= BOX), len(states) - 1)
    length, unit = states[cut], sizes[cut]
    step = max(_LEAST, BOX // (unit * each))
    if chunks is not None:
        step = -(-step // chunks[others[cut]]) * chunks[others[cut]]
    at, end = start // unit, -(-stop // unit)
    while at < end:
        outer, first = divmod(at, length)
        last = min(first - first % step + step, length, first + end - at)
        box = [slice(0, length) for length in shape]
        for i, index in zip(others, np.unravel_index(outer, states[:cut]), strict=False):
            box[i] = slice(int(index), int(index) + 1)
        box[others[cut]] = slice(first, last)
        yield tuple(box), at * unit
        at += last - first


def by_boxes(
    read: Callable[[Box], Part],
    shape: tuple[int, ...],
    rows: int,
    axis: int | None,
    start: int,
    stop: int,
    chunks: tuple[int, ...] | None = None,
) -> Runs:
    """Yield the states from `start` to `stop` of an array that `read` gives in boxes."""

    def parts() -> Iterator[Rows]:
        for box, first in boxes(shape, axis, start, stop, chunks):
            part = read(box)
            flat = part.ravel() if axis is None else _by_state(part, axis)
            yield flat[max(start - first, 0) : stop - first]

    if states_of(shape, axis) == ():
        only = read(tuple(slice(0, length) for length in shape))[None]
        yield from in_blocks([only[start:stop]], rows)
    else:
        yield from in_blocks(parts(), rows)


def _by_state(array: Part, axis: int) -> Rows:
    """Return an array with a row for each state."""
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def in_blocks(parts: Iterable[Rows], rows: int) -> Runs:
    """Cut arrays, and join what is left of them, to blocks of `rows`; the last has the rest."""
    held: list[Rows] = []
    missing = rows
    for part in parts:
        left = part
        while len(left) >= missing:
            held.append(left[:missing])
            left = left[missing:]
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held, missing = [], rows
        if len(left):
            held.append(left)
            missing -= len(left)
    if held:
        yield held[0] if len(held) == 1 else np.concatenate(held)


def packed(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """Return the strides, in numbers, of an array without gaps: in C order, or in Fortran's."""
    if fortran:
        return packed(shape[::-1])[::-1]
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Bytes:
    """An array as bytes; `strides` are in numbers, and none is negative."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def in_order(self, axis: int | None) -> bool:
        """Return whether the bytes hold one state after the other, and nothing else."""
        if axis not in (None, len(self.shape) - 1):
            return False
        steps = zip(self.shape, self.strides, packed(self.shape), strict=True)
        return all(stride == step for length, stride, step in steps if length > 1)

    def row(self, axis: int | None) -> tuple[int, ...]:
        """Return the shape of a state where states are in order."""
        return () if axis is None else self.shape[axis:]

    def row_bytes(self, axis: int | None) -> int:
        """Return the number of bytes of a state where states are in order."""
        return math.prod(self.row(axis)) * self.dtype.itemsize

    def forwards(self, stream: Stream, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks of states that `stream` holds in order from where it stands."""
        for first in range(start, stop, rows):
            yield self.take(stream, (min(rows, stop - first), *self.row(axis)))

    def take(self, stream: Stream, shape: tuple[int, ...]) -> Part:
        """Read exactly the bytes of an array in C order."""
        size = math.prod(shape) * self.dtype.itemsize
        data = stream.read(size)
        if len(data) < size:
            raise EOFError("the data ends before the array does")
        return np.frombuffer(data, self.dtype).reshape(shape)

    def laid(self, numbers: Part, shape: Iterable[int], strides: Iterable[int]) -> Part:
        """Return numbers that were read as an array with these strides."""
        return as_strided(
            numbers, tuple(shape), [self.dtype.itemsize * stride for stride in strides]
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Extent(_Bytes):
    """An array in a file, whose first number is at `offset`.

    `size` is that of the file when it was checked to hold the array.
    """

    file: File
    offset: int
    size: int

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks: read forwards if the states follow each other, else in boxes."""
        if not self.in_order(axis):
            with self.file.open() as stream:
                yield from by_boxes(partial(self._box, stream), self.shape, rows, axis, start, stop)
        elif self.offset + (stop - start) * self.row_bytes(axis) == self.size:
            with self.file.in_order() as stream:
                for left in range(self.offset, 0, -PIECE):
                    stream.read(min(left, PIECE))
                yield from self.forwards(stream, rows, axis, start, stop)
        else:
            with self.file.open() as stream:
                stream.seek(self.offset + start * self.row_bytes(axis))
                yield from self.forwards(stream, rows, axis, start, stop)

    def _box(self, stream: IO[bytes], box: Box) -> Part:
        """Read a part of the array, one piece of the file after the other.

        A piece holds the numbers of the inner axes, as many as have no wide gaps between them.
        """
        lengths = [bound.stop - bound.start for bound in box]
        axes = sorted(range(len(box)), key=self.strides.__getitem__, reverse=True)
        cut, reach = len(axes), 1
        while cut and self.strides[axes[cut - 1]] - reach <= _GAP:
            cut -= 1
            reach += (lengths[axes[cut]] - 1) * self.strides[axes[cut]]
        starts = zip(box, self.strides, strict=True)
        places = np.array(sum(bound.start * stride for bound, stride in starts))
        for i in axes[:cut]:
            places = np.add.outer(places, self.strides[i] * np.arange(lengths[i]))
        pieces = np.empty((places.size, reach), self.dtype)
        for piece, place in zip(pieces, places.ravel().tolist(), strict=True):
            stream.seek(self.offset + place * self.dtype.itemsize)
            piece[...] = self.take(stream, piece.shape)
        strides = [reach * step for step in packed(places.shape)]
        strides += [self.strides[i] for i in axes[cut:]]
        return self.laid(pieces, [lengths[i] for i in axes], strides).transpose(np.argsort(axes))


@dataclass(frozen=True, eq=False, kw_only=True)
class Forward(_Bytes):
    """An array behind a decoder, which gives its bytes only from the first to the last."""

    where: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks as they are decoded, or slices of the whole if the order is another."""
        with self.open() as stream:
            if self.in_order(axis):
                stream.seek(start * self.row_bytes(axis), os.SEEK_CUR)
                yield from self.forwards(stream, rows, axis, start, stop)
                return
            check_whole(self.where, self.shape, self.dtype.itemsize)
            numbers = self.take(stream, (math.prod(self.shape),))
            whole = self.laid(numbers, self.shape, self.strides)
            yield from Memory(whole).runs(rows, axis, start, stop)


_TRUTH = ROLES["mask"].domain


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of booleans, or of the numbers 0 and 1, as booleans."""

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
            wrong = ~_TRUTH.includes(numbers)
            if wrong.any():
                row, *action = np.argwhere(wrong)[0].tolist()
                raise InputError(
                    self.table.place(location(self.shape, axis, start + row, *action)),
                    f"{numbers[(row, *action)]}",
                    _TRUTH.words,
                    _TRUTH.hint,
                )
            start += len(run)
            yield run.astype(np.bool)


@dataclass(frozen=True, eq=False)
class Kept:
    """The weights of states, 0 where one of the labels of a state says that it is left out."""

    labels: tuple[Table, ...]
    ignored: float
    weights: Table | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the weights."""
        return np.dtype(np.float64) if self.weights is None else self.weights.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the states."""
        return self.labels[0].shape

    def runs(self, rows: int, _axis: int | None, start: int, stop: int) -> Runs:
        """Yield the weights."""
        with ExitStack() as stack:
            tables = self.labels if self.weights is None else (*self.labels, self.weights)
            runs = [
                stack.enter_context(closing(table.blocks(rows, None, start, stop)))
                for table in tables
            ]
            for parts in zip(*runs, strict=True):
                labels = parts[: len(self.labels)]
                kept = np.logical_and.reduce([part != self.ignored for part in labels])
                yield kept.astype(self.dtype) if self.weights is None else parts[-1] * kept


@dataclass(frozen=True, eq=False)
class Reshaped:
    """The numbers of states under another shape, in the same order."""

    table: Table
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the table."""
        return self.table.dtype

    def runs(self, rows: int, _axis: int | None, start: int, stop: int) -> Runs:
        """Yield the numbers as they are."""
        yield from self.table.blocks(rows, None, start, stop)


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
