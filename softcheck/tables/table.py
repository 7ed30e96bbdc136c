"""One named array: what it is, and how to read it a run of states at a time."""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from softcheck.errors import InputError
from softcheck.settings import Dtype
from softcheck.tables.files import File, Files
from softcheck.tables.limits import EXACT_INTEGER, MAX_DIMENSIONS, MAX_WHOLE_BYTES
from softcheck.tables.refusals import reading, too_large
from softcheck.tables.roles import TEXTS, WORDS, Role, Roles

AsGiven: TypeAlias = NDArray[Any]  # the user's own shape: states on any axes, actions on one
Rows: TypeAlias = NDArray[Any]  # (rows, actions), or (rows,) for what is one number a state
Runs: TypeAlias = Generator[Rows, None, None]

_FLOATS = get_args(Dtype)[::-1]


class Source(Protocol):
    """Where the numbers of a table come from."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type as stored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as stored."""

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield the states from `start` to `stop`, `rows` at a time, in C order.

        `axis` is that of the actions, or None without any.
        """


@dataclass(frozen=True, eq=False)
class Table:
    """One named array: what it is, and how to read it a run of states at a time.

    Parameters
    ----------
    source : Source
        The numbers.
    file : File, Files or None
        The file, or those that it is spread over; None for an array in memory.
    key : str or None
        The name of the array, where it has one.
    states, actions : tuple of str or None
        Labels of the first and of the last axis, where the file has them.
    rows : str or None
        What the first axis of a table of states and actions is, `state` or `action`, if the file
        says so.
    decimals : int or None
        To how many decimals its numbers were rounded when they were written as text, if so.
    """

    source: Source
    file: File | Files | None = None
    key: str | None = None
    states: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    rows: str | None = None
    decimals: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the blocks: as stored, in the byte order of this machine."""
        return self.source.dtype.newbyteorder("=")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the user's own array."""
        return self.source.shape

    @property
    def path(self) -> str | None:
        """The file for messages and reports, as the user wrote it."""
        return None if self.file is None else self.file.where

    @property
    def where(self) -> str:
        """The place of the array for messages, as in ``q.npz::q``."""
        return where_is(self.path, self.key)

    def beside(self, other: "Table") -> str:
        """Return the place of this table in a message about another one."""
        return self.key if self.key and self.path == other.path else self.where

    def place(self, location: tuple[int | str, ...]) -> str:
        """Return the place of one entry for messages, as in ``q.npz::q[3, 1]``."""
        return f"{self.where}[{', '.join(map(str, location))}]" if location else self.where

    def blocks(self, rows: int, axis: int | None, start: int = 0, stop: int | None = None) -> Runs:
        """Yield the table `rows` states at a time, in C order over the states.

        Parameters
        ----------
        rows : int
            States in a block, at least 1; the last block has what is left.
        axis : int or None
            The axis of the actions, not negative; None if every number is a state's.
        start, stop : int
            The first state, and the one after the last, which is that of the table by default.

        Yields
        ------
        ndarray
            Shape (rows, actions), or (rows,) without an axis of actions. To be read only.

        Raises
        ------
        InputError
            If the file turns out to be damaged, or holds an integer that float64 cannot.
        """
        stop = math.prod(states_of(self.shape, axis)) if stop is None else stop
        with reading(self.where), closing(self.source.runs(rows, axis, start, stop)) as runs:
            for run in runs:
                block = run.astype(self.dtype, copy=False)
                if len(block) != min(rows, stop - start):
                    break
                self._refuse_inexact(block, start, axis)
                start += len(block)
                yield block
            if start != stop:
                raise EOFError("the data ends before the array does")

    def whole(self) -> AsGiven:
        """Return the array in its own shape, if it is small enough for memory."""
        check_whole(self.where, self.shape, self.dtype.itemsize)
        flat = list(self.blocks(max(1, math.prod(self.shape)), None))
        return np.concatenate([np.empty(0, self.dtype), *flat]).reshape(self.shape)

    def _refuse_inexact(self, block: Rows, start: int, axis: int | None) -> None:
        if block.dtype.kind not in "iu" or block.dtype.itemsize < 8 or block.size == 0:
            return
        wrong = block > EXACT_INTEGER
        if block.dtype.kind == "i":  # NumPy 2.2.0 does not survive it of unsigned ones
            wrong |= block < -EXACT_INTEGER
        if wrong.any():
            row, *action = np.argwhere(wrong)[0].tolist()
            raise InputError(
                self.place(location(self.shape, axis, start + row, *action)),
                f"the integer {block[(row, *action)]}",
                "an integer of magnitude at most 2^53",
                "Save the table as floating-point numbers.",
            )


Load = Callable[[Role], Table]
"""Reads one array for a role, which decides how text and labels are to be understood."""


class Contents(dict[str | None, Load]):
    """What a reader makes of a file: its arrays by name, each loaded when it is asked for.

    Under None, there is the array that is the file as a whole. `texts` are what the file says in
    words, by one of the names in `TEXTS`.
    """

    def __init__(
        self, arrays: Mapping[Any, Load], texts: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(arrays)
        self.texts = texts


def with_texts(
    where: str,
    arrays: Mapping[Any, Load],
    beside: Mapping[str, object],
    texts: Mapping[str, str] = MappingProxyType({}),
) -> Contents:
    """Return the contents of a file whose texts may stand beside its arrays, as metadata.

    Raises
    ------
    InputError
        If an array, or another text, has the name of one of these.
    """
    found = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name in TEXTS
        if isinstance(value := beside.get(name), (str, bytes))
    }
    for name in found:
        if name in arrays or name in texts:
            raise InputError(
                where_is(where, name),
                "an entry beside a text of this name",
                "one of the two",
                "Name the value of the loss loss_value.",
            )
    return Contents(arrays, {**texts, **found})


def said(texts: Mapping[str, str]) -> str:
    """Return what a file says of its loss in words, for messages."""
    words = [f"{name} '{texts[name]}'" for name in WORDS if name in texts]
    return " and ".join(words) or f"neither {' nor '.join(WORDS)} in words"


@dataclass(frozen=True)
class Reading:
    """How the user has all files read.

    Attributes
    ----------
    roles : Roles
        Those of the loss, by which a reader tells arrays from labels.
    action_axis : int
        The axis of the actions in every table.
    allow_pickle : bool
        Whether pickled containers are read.
    """

    roles: Roles
    action_axis: int = -1
    allow_pickle: bool = False


def where_is(path: str | None, key: str | None) -> str:
    """Return the place of an array for messages."""
    return "::".join(part for part in (path, key) if part is not None)


def states_of(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """Return the shape of the states of an array: what is left without the axis of the actions."""
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def location(
    shape: tuple[int, ...], axis: int | None, state: int, action: int | None = None
) -> tuple[int, ...]:
    """Return the index of a state, or of an action in it, in an array of this shape.

    Without `action`, the index leaves out the axis of the actions.
    """
    states = states_of(shape, axis)
    index = tuple(int(i) for i in np.unravel_index(state, states)) if states else ()
    return index if axis is None or action is None else (*index[:axis], action, *index[axis:])


def check_type(where: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype` if it is a type of numbers, or boolean; raise InputError otherwise."""
    if dtype.name in _FLOATS or dtype.kind in "iub":
        return dtype
    if dtype.kind == "V" and dtype.names is None and dtype.itemsize == 2:
        raise InputError(
            where,
            "two-byte items without a type, as NumPy writes bfloat16",
            "float16, float32 or float64",
            "Save the table as float32, which holds every bfloat16, or as .safetensors.",
        )
    kinds = {"c": "complex numbers", "O": "Python objects", "M": "dates", "m": "durations"}
    kinds |= dict.fromkeys("USaT", "text") | {"V": "records"}
    raise InputError(
        where,
        kinds.get(dtype.kind, f"numbers of type {dtype.name}") if dtype.kind != "f" else dtype.name,
        f"{', '.join(_FLOATS)} or integers",
        "Convert the array before it is saved.",
    )


def check_shape(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return `shape` as plain integers if an array can have it; raise InputError otherwise."""
    if len(shape) > MAX_DIMENSIONS or any(length < 0 for length in shape):
        raise InputError(
            where,
            f"the shape {shape}",
            f"at most {MAX_DIMENSIONS} axes of lengths from 0",
            "Write the file again.",
        )
    return tuple(int(length) for length in shape)


def check_whole(where: str, shape: tuple[int, ...], item_bytes: int) -> None:
    """Raise InputError unless an array of this shape may be held in memory."""
    size = math.prod(shape) * item_bytes
    if size > MAX_WHOLE_BYTES:
        raise too_large(where, size, MAX_WHOLE_BYTES)
