"""Arrays that are spread over several files: numbered ones in a folder, joined along the states."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.tables.files import File, Files
from softcheck.tables.formats import FILE_FORMATS, read
from softcheck.tables.frames import STATE, unique
from softcheck.tables.refusals import listed, reading
from softcheck.tables.roles import WORDS, Role, Roles
from softcheck.tables.sources import Memory, in_blocks
from softcheck.tables.table import (
    Contents,
    Load,
    Reading,
    Rows,
    Runs,
    Table,
    said,
    states_of,
    where_is,
)

_NUMBERED = re.compile(
    r"((?P<name>.+?)[-._])?(?P<number>[0-9]+)"
    r"(-of-(?P<total>[0-9]+)|-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-c000(\.[a-z0-9]+)?)?"
)
"""A name if there is one, and a number; a total as Hugging Face writes it, or what Spark puts
behind."""


def shards(files: Sequence[File], roles: Roles) -> tuple[dict[tuple[str, str], Files], list[File]]:
    """Return the numbered files of a folder by name and suffix, and its other files.

    A number is set off by a hyphen, dot or underscore, so that q1.npy is a critic and q-1.npy a
    shard.
    """
    numbered: dict[tuple[str, str], list[tuple[int, File]]] = {}
    others = []
    for file in files:
        match = _NUMBERED.fullmatch(file.stem)
        if match is None or file.suffix not in FILE_FORMATS or roles.of(file.stem):
            others.append(file)
        else:
            numbered.setdefault((match["name"] or "", file.suffix), []).append(
                (int(match["number"]), file)
            )
    sets = {}
    for (name, suffix), members in numbered.items():
        in_order = [file for _, file in sorted(members, key=lambda member: member[0])]
        first = in_order[0]
        mark = first.name[len(name)] if name else ""
        where = f"{first.where.removesuffix(first.name)}{name}{mark}*{suffix}"
        sets[name, suffix] = Files(where, name, [(file.name, file) for file in in_order])
    return sets, others


def _require_all(files: Files) -> None:
    """Raise InputError unless numbers have no gap, and are as many as their names say."""
    matches = [match for _, file in files.files if (match := _NUMBERED.fullmatch(file.stem))]
    numbers = [int(match["number"]) for match in matches]
    totals = {int(match["total"] or 0) for match in matches}
    found = None
    for expected, number in enumerate(numbers, min(numbers[0], 1)):
        if number != expected:
            again = number < expected
            found = f"number {number} twice" if again else f"no number {expected}, but {number}"
            break
    if found is None and totals not in ({0}, {len(numbers)}):
        found = f"{len(numbers)} files, but the names speak of {max(totals)}"
    if found is not None:
        raise InputError(
            files.where,
            found,
            "files numbered from 0 or from 1 on, each number once",
            "Add the file that is missing, or move what does not belong there.",
        )


def read_shards(files: Files, how: Reading) -> Contents:
    """Return the arrays of numbered files by name, each joined along the first axis of states.

    Raises
    ------
    InputError
        Unless the numbers go from 0 or from 1 on without a gap, and every file has the same names.
    """
    _require_all(files)

    def opened(file: File) -> Contents:
        return read(file, how)

    (_, first), *others = files.files
    contents = opened(first)
    names, texts = set(contents), dict(contents.texts)
    for _, file in others:
        other = opened(file)
        texts = {name: text for name, text in texts.items() if other.texts.get(name) == text}
        if any(other.texts.get(name) != contents.texts.get(name) for name in WORDS):
            raise InputError(
                file.where,
                said(other.texts),
                f"{said(contents.texts)}, as in {first.where}",
                "Save every file with the same loss and reduction.",
            )
        if odd := names ^ set(other):
            raise InputError(
                file.where,
                f"other arrays than in {first.where}: {listed(name or 'one' for name in odd)}",
                "the same names in each file",
                "Save every file with the same arrays.",
            )

    def later(name: str | None) -> Load:
        def load(role: Role) -> Table:
            loads = [partial(_load, opened, file, name, role) for _, file in files.files]
            return _joined(files, name, role, loads, how.action_axis)

        return load

    return Contents({name: later(name) for name in names}, texts)


def _load(opened: Callable[[File], Contents], file: File, name: str | None, role: Role) -> Table:
    with reading(where_is(file.where, name)):
        return opened(file)[name](role)


Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class _Shard:
    """A part of an array: what is in memory is read again, lest all of them be there at once."""

    shape: tuple[int, ...]
    load: Callable[[], Table]


@dataclass(frozen=True, eq=False)
class _Joined:
    """Arrays one behind the other along an axis."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    along: int
    shards: Sequence[_Shard]

    def runs(self, rows: int, axis: int | None, start: int, stop: int) -> Runs:
        """Yield blocks of states across the borders of files."""
        yield from in_blocks(self._parts(rows, axis, start, stop), rows)

    def _parts(self, rows: int, axis: int | None, start: int, stop: int) -> Iterator[Rows]:
        first = 0
        for shard in self.shards:
            states = math.prod(states_of(shard.shape, axis))
            begin, end = max(start - first, 0), min(stop - first, states)
            if begin < end:
                yield from shard.load().blocks(rows, axis, begin, end)
            first += states


def _joined(
    files: Files,
    name: str | None,
    role: Role,
    loads: Sequence[Callable[[], Table]],
    action_axis: int,
) -> Table:
    """Return arrays of one type and shape as one; a single number has to be the same in all."""
    first = loads[0]()
    if role.kind is Kind.NUMBER and (first.shape == () or _is_repeated(first, loads)):
        return _same(files, name, first, loads)
    is_last = role.kind is Kind.TABLE and action_axis in (0, -len(first.shape))
    along = int(is_last and first.rows != STATE)
    if along >= len(first.shape) or (role.kind is Kind.TABLE and len(first.shape) == 1):
        raise InputError(
            first.where,
            f"shape {first.shape}",
            "an axis of states, along which the files are joined",
            "Save the array of each file with the axis of its states.",
        )
    shards = []
    labels: list[str] = []
    decimals: list[int | None] = []
    for load in loads:
        table = load()
        _require_alike(table, first, along)
        labels += (table.actions if along else table.states) or ()
        in_memory = isinstance(table.source, Memory)
        decimals.append(table.decimals)
        shards.append(_Shard(table.shape, load if in_memory else partial(_itself, table)))
    length = sum(shard.shape[along] for shard in shards)
    shape = (*first.shape[:along], length, *first.shape[along + 1 :])
    of_states = unique(files.where, "state", labels) if labels else None
    source = _Joined(first.dtype, shape, along, shards)
    rows, columns = (first.states, of_states) if along else (of_states, first.actions)
    table = Table(source, files, name, rows, columns, first.rows)
    known = [each for each in decimals if each is not None]
    return replace(table, decimals=max(known) if len(known) == len(decimals) else None)


def _itself(table: Table) -> Table:
    return table


def _is_repeated(first: Table, loads: Sequence[Callable[[], Table]]) -> bool:
    """Return whether each file has the same one number, with axes of length 1."""
    if math.prod(first.shape) != 1 or first.states is not None:
        return False
    number = first.whole()
    return all(
        table.shape == first.shape and table.whole() == number
        for table in (load() for load in loads[1:])
    )


def _same(
    files: Files, name: str | None, first: Table, loads: Sequence[Callable[[], Table]]
) -> Table:
    """Return the number that all files hold."""
    number = first.whole().reshape(())
    for load in loads[1:]:
        table = load()
        if table.shape != first.shape or table.whole() != number:
            other = table.whole().item() if table.shape == () else f"shape {table.shape}"
            raise InputError(
                table.where,
                f"{other}",
                f"{number.item()}, as in {first.where}",
                "Save one number that is the same in every file, or one for each state.",
            )
    return Table(Memory(number), files, name)


def _require_alike(table: Table, first: Table, along: int) -> None:
    """Raise InputError unless two shards can be joined."""
    joined, fixed = _of_states_and_actions(table, along)
    others, expected = _of_states_and_actions(first, along)
    for is_alike, found, wanted in (
        (
            _without(table.shape, along) == _without(first.shape, along),
            f"shape {table.shape}",
            f"shape {first.shape}",
        ),
        (table.dtype == first.dtype, f"type {table.dtype.name}", f"type {first.dtype.name}"),
        (fixed == expected, f"actions {fixed}", f"actions {expected}"),
        ((joined is None) is (others is None), _labelled(joined), _labelled(others)),
    ):
        if not is_alike:
            raise InputError(
                table.where,
                found,
                f"{wanted} as in {first.where}",
                "Save every file with the same columns and type; only the states may differ.",
            )


def _of_states_and_actions(table: Table, along: int) -> tuple[Labels | None, Labels | None]:
    """Return the labels of the axis of states, along which files are joined, and of the other."""
    return (table.actions, table.states) if along else (table.states, table.actions)


def _labelled(labels: Labels | None) -> str:
    return "states without labels" if labels is None else "labels of states"


def _without(shape: tuple[int, ...], along: int) -> tuple[int, ...]:
    return (*shape[:along], -1, *shape[along + 1 :])
