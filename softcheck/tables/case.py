"""Put the arrays of a case together: their roles, shapes and labels, and the blocks of them all."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from softcheck.errors import InputError, NothingToCheckError, UsageError, did_you_mean
from softcheck.gradient.definition import Kind
from softcheck.result import Input
from softcheck.tables.arrays import as_numpy
from softcheck.tables.gather import Reading, add, load_case, load_given
from softcheck.tables.labels import align
from softcheck.tables.refusals import listed
from softcheck.tables.roles import (
    ROLES,
    family,
    is_critic,
    is_logarithm,
    likely,
    role_named,
    role_of,
    slip_of,
)
from softcheck.tables.sources import Exponential, Mask, Memory, Reshaped
from softcheck.tables.table import Rows, Table, check_type, location, states_of
from softcheck.tables.urls import shown


@dataclass(frozen=True)
class RawBlock:
    """A run of states.

    Parameters
    ----------
    start : int
        The first state, counted in C order.
    rows : int
        The number of states.
    arrays : mapping of str to ndarray
        By role: shape (rows, actions), or (rows,) for what is one number for each state. What is
        one number for all of them is in `Case.scalars` instead. Not to be written to.
    """

    start: int
    rows: int
    arrays: Mapping[str, Rows]


@dataclass(frozen=True, eq=False)
class Case:
    """The arrays that are verified together, all of one shape and in one order.

    Parameters
    ----------
    name : str
        The path as the user gave it, or another name for reports.
    shape : tuple of int
        The shape of the states; () for a single one.
    actions : int
        The number of actions, at least 1.
    action_axis : int
        The axis of the actions in the user's own arrays, not negative.
    state_labels, action_labels : tuple of str or None
        Labels in the order of the blocks, where a file has them.
    tables : mapping of str to Table
        By role. Several critics are ``q1``, ``q2`` and so on; a single one is ``q``.
    scalars : mapping of str to float
        Those of the roles that are one number for all states.
    notes : tuple of str
        What the report should say about how the input was understood.
    given : mapping of str to Table
        The tables as they came, before masks, logarithms and labels were resolved.
    """

    name: str
    shape: tuple[int, ...]
    actions: int
    action_axis: int
    state_labels: tuple[str, ...] | None
    action_labels: tuple[str, ...] | None
    tables: Mapping[str, Table]
    scalars: Mapping[str, np.generic]
    notes: tuple[str, ...]
    given: Mapping[str, Table]

    @property
    def states(self) -> int:
        """The number of states."""
        return math.prod(self.shape)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The arrays as they came, each with the SHA-256 of its file.

        An array of several files has that of what ``sha256sum`` prints for them. A file that was
        read in order while the case was is not read again.
        """
        return tuple(
            Input(
                role=role,
                path=table.path,
                key=None if table.path is None else table.key,
                dtype=table.dtype.name,
                shape=table.shape,
                sha256=None if table.file is None else table.file.sha256(),
            )
            for role, table in self.given.items()
        )

    def blocks(self, rows: int, start: int = 0, stop: int | None = None) -> Iterator[RawBlock]:
        """Yield the case `rows` states at a time, in C order over `shape`.

        Parameters
        ----------
        rows : int
            States in a block, at least 1; the last block has what is left.
        start, stop : int
            The first state, and the one after the last, which is that of the case by default.
            What cannot be entered in the middle, as a compressed member, is decoded up to there.

        Raises
        ------
        InputError
            If a file turns out to be damaged, or an entry has no legal value of its type.
        """
        with ExitStack() as stack:
            runs = {
                role: stack.enter_context(
                    closing(table.blocks(rows, self._axis(role), start, stop))
                )
                for role, table in self.tables.items()
                if role not in self.scalars
            }
            for parts in zip(*runs.values(), strict=True):
                arrays = dict(zip(runs, parts, strict=True))
                count = len(parts[0])
                yield RawBlock(start, count, arrays)
                start += count

    def location(self, state: int, action: int | None = None) -> tuple[int, ...]:
        """Return the index of an entry, or without `action` of a state, in the user's own array."""
        full = (*self.shape[: self.action_axis], self.actions, *self.shape[self.action_axis :])
        return location(full, self.action_axis, state, action)

    def place(self, role: str, state: int, action: int | None = None) -> str:
        """Return the place of an entry for messages: the file, the key, and labels or indices."""
        table = self.tables[role]
        if table.states is None and table.actions is None:
            return table.place(self.location(state, action))
        index = [str(state) if table.states is None else table.states[state]] if self.shape else []
        if action is not None:
            label = str(action) if table.actions is None else table.actions[action]
            index.insert(self.action_axis, label)
        return table.place(tuple(index))

    def _axis(self, role: str) -> int | None:
        return self.action_axis if role_named(role).kind is Kind.TABLE else None


def open_case(
    path: str | None,
    given: Mapping[str, Sequence[str]],
    *,
    origins: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    action_axis: int = -1,
    allow_pickle: bool = False,
) -> Case:
    """Return the case in a file or folder, together with arrays given one by one.

    Parameters
    ----------
    path : str or None
        A file of several named arrays, or a folder with one file a name.
    given : mapping of str to sequence of str
        For each role the ``PATH`` or ``PATH::KEY`` of its array; ``q`` may have several. `alpha`
        may also be a number written out.
    origins : mapping of str to str, optional
        Where each role of `given` was given, for messages; by default the option of its name.
    names : mapping of str to str, optional
        What the file or folder calls its arrays, by role; a role of `given` needs no name.
    action_axis : int
        The axis of the actions in every table.
    allow_pickle : bool
        Whether pickled files may be read, by a reader that runs nothing in them.

    Raises
    ------
    InputError
        If a file cannot be read exactly as it was meant, or arrays do not fit together.
    UsageError
        If a role is given both ways, or the axis does not exist.
    """
    where = {role: f"--{role.replace('_', '-')}" for role in given} | dict(origins or {})
    own = dict(names or {})
    outranked = {name for role, name in own.items() if family(role) in given}
    how = Reading(action_axis, allow_pickle)
    in_case, unknown = ({}, {}) if path is None else load_case(path, own, outranked, how)
    by_option = load_given(given, where, how)
    taken = {family(role): table for role, table in in_case.items()}
    for role in map(family, by_option):
        if role in taken:
            raise UsageError(
                where[role],
                f"a second array for {role}, beside {taken[role].where}",
                "one array for each role",
                "Leave out one of the two.",
            )
    tables = in_case | by_option
    name = (path and shown(path)) or next(
        (table.path for table in tables.values() if table.path), "case"
    )
    return _assemble(name, tables, unknown, action_axis, own)


def case_from_arrays(
    arrays: Mapping[str, object], *, action_axis: int = -1, name: str = "arrays"
) -> Case:
    """Return a case of arrays in memory.

    Parameters
    ----------
    arrays : mapping of str to array_like
        By role or one of its aliases: arrays of NumPy, PyTorch or JAX, anything with
        ``__array__`` or DLPack, or numbers.
    action_axis : int
        The axis of the actions in every table.
    name : str
        The name of the case in reports.

    Raises
    ------
    InputError
        If a name has no role, or arrays do not fit together.
    UsageError
        If the axis does not exist.
    """
    tables: dict[str, Table] = {}
    for key, value in arrays.items():
        role = role_of(key)
        if role is None:
            hint = did_you_mean(key, ROLES, "Use the name of a role.")
            raise InputError(key, "a name without a role", f"one of {', '.join(ROLES)}", hint)
        add(tables, role, Table(Memory(as_numpy(key, value)), None, key))
    return _assemble(name, tables, {}, action_axis)


def _assemble(
    name: str,
    given: Mapping[str, Table],
    unknown: Mapping[str, str],
    action_axis: int,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Case:
    """Check that the tables fit together, and bring them into one order.

    `unknown` are the names without a role: as they are shown, each with the name alone.
    """
    given = _in_order(name, given, unknown)
    _refuse_slips(name, given, unknown)
    tables, notes = _understood(given, unknown, names)
    first = next(iter(tables.values()))
    axis = _normalised(action_axis, first)
    if 0 in first.shape:
        raise NothingToCheckError(
            first.where,
            f"shape {first.shape}",
            "at least one state and one action",
            "Check what was dumped.",
        )
    aligned = align(tables, axis)
    if aligned.unlabelled:
        notes.append(f"matched by position, for want of labels: {listed(aligned.unlabelled)}")
    shape = states_of(first.shape, axis)
    shaped, scalars = _shaped(aligned.tables, first, shape)
    return Case(
        name=name,
        shape=shape,
        actions=first.shape[axis],
        action_axis=axis,
        state_labels=aligned.states,
        action_labels=aligned.actions,
        tables=shaped,
        scalars=scalars,
        notes=tuple(notes),
        given=given,
    )


def _in_order(
    name: str, tables: Mapping[str, Table], unknown: Mapping[str, str]
) -> dict[str, Table]:
    """Return the tables in the order of `ROLES`, critics first; all that is needed is there."""
    critics = sorted(filter(is_critic, tables), key=lambda role: int(role[1:]))
    if critics and "q" in tables:
        raise InputError(
            tables[critics[0]].where,
            f"{critics[0]} beside {tables['q'].beside(tables[critics[0]])}",
            "either q, or several critics q1, q2, ...",
            "Leave out q, which is computed from the critics, or the critics.",
        )
    ordered = {role: tables[role] for role in (*critics, *ROLES) if role in tables}
    if len(critics) == 1:
        ordered = {"q" if role in critics else role: table for role, table in ordered.items()}
        critics = []
    for role in (role.name for role in ROLES.values() if role.required):
        if role not in ordered and not (role == "q" and critics):
            names = [*tables, *unknown]
            meant = next((each for each, bare in unknown.items() if likely(bare, [role])), None)
            raise InputError(
                name,
                f"no {role}" + (f" among {listed(names)}" if names else ""),
                " or ".join(ROLES[role].names),
                f"Add the array under one of these names, or give --{role}."
                if meant is None
                else f"Is it '{meant}'? Rename that array, or give --{role} PATH::KEY.",
            )
    return ordered


def _refuse_slips(name: str, given: Mapping[str, Table], unknown: Mapping[str, str]) -> None:
    """Raise InputError where a role that is not there has all but its name: it would go unseen."""
    absent = _absent(given)
    for each, bare in unknown.items():
        if (role := slip_of(bare, absent)) is not None:
            way = f", or give --{role} PATH::KEY" if ROLES[role].option else ""
            raise InputError(
                name,
                f"'{each}', but no {role}",
                " or ".join(ROLES[role].names),
                f"Rename that array{way}; if it is something else, give it a name of its own.",
            )


def _absent(given: Mapping[str, Table]) -> list[str]:
    """Return the roles that a case has nothing for."""
    present = set(map(family, given))
    return [role for role in ROLES if role not in present]


def _understood(
    given: Mapping[str, Table], unknown: Mapping[str, str], names: Mapping[str, str]
) -> tuple[dict[str, Table], list[str]]:
    """Return the tables as numbers of their roles, and notes of what names were taken for."""
    notes = []
    if unknown:
        absent = _absent(given)
        meant = ((each, likely(bare, ROLES)) for each, bare in unknown.items())
        hints = "".join(
            f"; '{each}' may be meant for {role}" for each, role in meant if role in absent
        )
        notes.append(f"not loaded, because no role has this name: {listed(unknown)}{hints}")
    tables = {role: _checked(role, table) for role, table in given.items()}
    for role, table in given.items():
        if is_logarithm(_name(table), role, names):
            tables[role] = replace(table, source=Exponential(table))
            notes.append(f"{role} is the exponential of {table.where}")
    return tables, notes


def _name(table: Table) -> str | None:
    """Return the name that the user gave to an array: its key, or else its file's."""
    if table.key is None and table.file is not None:
        return table.file.stem
    return table.key


def _checked(role: str, table: Table) -> Table:
    """Return the table if it has the type of its role; masks become boolean."""
    check_type(table.where, table.dtype)
    if table.dtype.kind == "b" and not role_named(role).domain.booleans:
        raise InputError(
            table.where,
            "booleans",
            f"numbers for {role}",
            "Only a mask or weights are boolean; check which array this is.",
        )
    return replace(table, source=Mask(table)) if role == "mask" else table


def _normalised(action_axis: int, first: Table) -> int:
    """Return the axis counted from the front."""
    dimensions = len(first.shape)
    if dimensions == 0:
        raise InputError(
            first.where,
            "a single number",
            "an array with an axis of actions",
            "Save one number for each action.",
        )
    if not -dimensions <= action_axis < dimensions:
        raise UsageError(
            "--action-axis",
            f"{action_axis}",
            f"an axis of {first.where}, whose shape is {first.shape}",
            f"Choose a number from {-dimensions} to {dimensions - 1}.",
        )
    return action_axis % dimensions


def _shaped(
    tables: Mapping[str, Table], first: Table, shape: tuple[int, ...]
) -> tuple[dict[str, Table], dict[str, np.generic]]:
    """Return the tables in the shape of their roles, and those of one number for all states.

    Nothing is broadcast: only axes of length 1 before and behind those of the states are no matter.
    """
    shaped, scalars = {}, {}
    for role, table in tables.items():
        kind = role_named(role).kind
        shaped[role] = table
        if kind is Kind.TABLE or table.shape == shape:
            _require_shape(role, table, first, first.shape if kind is Kind.TABLE else shape)
        elif kind is Kind.NUMBER and math.prod(table.shape) == 1:
            scalars[role] = table.whole().flat[0]
        elif _core(table.shape) == _core(shape):
            shaped[role] = replace(table, source=Reshaped(table, shape))
        else:
            _require_shape(role, table, first, shape)
    return shaped, scalars


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length 1 at either end."""
    long = [axis for axis, length in enumerate(shape) if length != 1]
    return shape[long[0] : long[-1] + 1] if long else ()


def _require_shape(role: str, table: Table, first: Table, expected: tuple[int, ...]) -> None:
    """Raise InputError unless the table has exactly the shape of its role."""
    if table.shape == expected:
        return
    kind = role_named(role).kind
    hint = "Save it with this very shape; nothing is broadcast."
    if role == "logits" and len(table.shape) > 1 and first.shape[1:] == table.shape:
        hint = "Save critics that are stacked as separate arrays q1 and q2."
    elif _core(table.shape) == _core(expected):
        hint = f"Save it as array.reshape{expected}."
    elif kind is Kind.TABLE and first.shape[::-1] == table.shape:
        hint = "Transpose it: every table needs the actions on the same axis (--action-axis)."
    elif (repeated := _repeated(table.shape, expected)) is not None:
        hint = f"Nothing is broadcast. If it is meant for all alike, save {repeated}."
    raise InputError(
        table.where,
        f"shape {table.shape}",
        f"{expected} ({kind.value}), to fit {first.beside(table)} of shape {first.shape}",
        hint,
    )


def _repeated(shape: tuple[int, ...], expected: tuple[int, ...]) -> str | None:
    """Return how NumPy repeats an array to a shape, if there is one way alone."""
    missing = len(expected) - len(shape)
    ways = {(*(1,) * before, *shape, *(1,) * (missing - before)) for before in range(missing + 1)}
    fitting = [way for way in ways if all(a in (1, b) for a, b in zip(way, expected, strict=True))]
    if len(fitting) != 1:
        return None
    (way,) = fitting
    array = "array" if way == shape else f"array.reshape{way}"
    return f"numpy.broadcast_to({array}, {expected})"
