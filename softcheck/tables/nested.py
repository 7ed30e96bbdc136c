"""Turn nested Python values, as JSON and pickles hold them, into tables."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.limits import EXACT_INTEGER, MAX_DIMENSIONS, MAX_LISTED
from softcheck.tables.refusals import listed
from softcheck.tables.roles import ROLES, Kind, Role, role_of
from softcheck.tables.sources import Memory
from softcheck.tables.table import AsGiven, Contents, Load, Table, check_type, where_is

INFINITY = "-inf"
"""How text spells the logit of an action that is masked."""

INFINITE = " and ".join(name for name, role in ROLES.items() if role.domain.includes(-math.inf))
"""The roles that may hold it."""


def contents_of(file: File, value: object) -> Contents:
    """Return the arrays in a value: the parts of a mapping by name, and the value as a whole.

    A mapping in which no name is a role may be one table, by label of state.
    """

    def later(key: str | None, part: object) -> Load:
        return lambda role: table_of(file, key, part, role)

    if not isinstance(value, Mapping):
        return {None: later(None, value)}
    named: dict[str | None, Load] = {
        name: later(name, part) for name, part in value.items() if isinstance(name, str)
    }
    return named if any(map(role_of, named)) else {**named, None: later(None, value)}


def table_of(file: File, key: str | None, value: object, role: Role) -> Table:
    """Return one table, its labels taken from the keys of mappings."""
    where = where_is(file.where, key)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.tolist()
    if not isinstance(value, Mapping):
        return Table(Memory(_array(value, where, role)), file, key)
    by_pair = role.kind is Kind.TABLE and all(_is_pair(label) for label in value)
    rows = _by_state(value) if by_pair else value
    labels = _labels(rows, where)
    parts = list(rows.values())
    if all(isinstance(part, Mapping) for part in parts):
        actions, parts = _by_action(labels, parts, where)
        return Table(Memory(_array(parts, where, role)), file, key, labels, actions)
    array = _array(parts, where, role)
    if array.ndim == 1 and role.kind is Kind.TABLE:
        return Table(Memory(array), file, key, actions=labels)
    if array.ndim > 2:
        raise InputError(
            where,
            f"an object of arrays with {array.ndim - 1} axes",
            "one array, or one row of numbers for each label of a state",
            f"Name the array: {where}::KEY, where KEY is one of {listed(labels)}.",
        )
    return Table(Memory(array), file, key, states=labels)


def to_array(numbers: list[Any], shape: tuple[int, ...]) -> AsGiven:
    """Return checked numbers as an array: integers if all are, booleans if all are."""
    return np.array(numbers or np.empty(0)).reshape(shape)


def _labels(mapping: Mapping[Any, Any], where: str) -> tuple[str, ...]:
    """Return the keys as labels; keys that read the same are no labels."""
    labels = tuple(str(key) for key in mapping)
    if not labels or len(set(labels)) < len(labels):
        raise InputError(
            where,
            "keys that read the same" if labels else "an empty object",
            "a different label for each state",
            "Write the labels as text.",
        )
    return labels


def _by_action(
    labels: tuple[str, ...], rows: list[Mapping[Any, Any]], where: str
) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the labels of the actions, and the rows in that order."""
    actions = list(rows[0])
    for label, row in zip(labels, rows, strict=True):
        if row.keys() != rows[0].keys():
            odd = [name for name in {**rows[0], **row} if name not in row or name not in rows[0]]
            raise InputError(
                f"{where}[{label!r}]",
                f"other actions than in '{labels[0]}': {listed(odd)}",
                "the same actions in every state",
                "Give every state every action, and mask those that are not legal (mask).",
            )
    return _labels(rows[0], where), [[row[action] for action in actions] for row in rows]


def _is_pair(key: object) -> bool:
    return isinstance(key, tuple) and len(key) == 2


def _by_state(pairs: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return a mapping of (state, action) to numbers as one of states to actions to numbers."""
    states: dict[Any, dict[Any, Any]] = {}
    for (state, action), number in pairs.items():
        states.setdefault(state, {})[action] = number
    return states


def _array(value: object, where: str, role: Role) -> AsGiven:
    """Return nested lists of numbers, or of arrays, as one array."""
    if isinstance(value, np.ndarray):
        check_type(where, value.dtype)
        return np.asarray(value)
    shape = _shape(value, where)
    if math.prod(shape) > MAX_LISTED:
        raise InputError(
            where,
            f"a list of {math.prod(shape)} numbers",
            f"at most {MAX_LISTED}",
            "Save it as an array, in .npy or .npz.",
        )
    flat: list[Any] = []
    _flatten(value, shape, (), where, flat)
    if flat and isinstance(flat[0], np.ndarray):
        return _stack(flat, shape, where)
    kinds = set(map(type, flat))
    if str in kinds and role.domain.includes(-math.inf):
        flat = [-math.inf if number == INFINITY else number for number in flat]
        kinds = set(map(type, flat))
    if len(kinds) == 1 and issubclass(next(iter(kinds)), (bool, np.bool)):
        return to_array(flat, shape)
    if not kinds <= {float}:
        for position, number in enumerate(flat):
            _refuse_other(number, position, shape, where)
    return to_array(flat, shape)


def _shape(value: object, where: str) -> tuple[int, ...]:
    """Return the shape that the first element of each level promises."""
    shape: list[int] = []
    while isinstance(value, (list, tuple)):
        shape.append(len(value))
        if len(shape) > MAX_DIMENSIONS:
            raise RecursionError(where)
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _flatten(
    value: Any, shape: tuple[int, ...], index: tuple[int, ...], where: str, flat: list[Any]
) -> None:
    """Append the numbers of a nested list to `flat`; every list must have its promised length."""
    if not shape:
        flat.append(value)
        return
    if not isinstance(value, (list, tuple)) or len(value) != shape[0]:
        found = f"{len(value)} elements" if isinstance(value, (list, tuple)) else _described(value)
        raise InputError(
            f"{where}{list(index)}",
            found,
            f"{shape[0]} elements, as in the first row",
            "Give every row the same length.",
        )
    if len(shape) == 1:
        flat.extend(value)
        return
    for i, part in enumerate(value):
        _flatten(part, shape[1:], (*index, i), where, flat)


def _stack(arrays: list[Any], shape: tuple[int, ...], where: str) -> AsGiven:
    """Return arrays of one shape and type as one array."""
    first = arrays[0]
    for position, array in enumerate(arrays):
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (
            first.shape,
            first.dtype,
        ):
            raise InputError(
                f"{where}{_index(position, shape)}",
                _described(array),
                _described(first),
                "Give every state an array of the same shape and type.",
            )
    check_type(where, first.dtype)
    return np.stack(arrays).reshape(*shape, *first.shape)


def _refuse_other(value: object, position: int, shape: tuple[int, ...], where: str) -> None:
    """Raise InputError for what is no number, or an integer that float64 cannot hold."""
    hint = "Write every entry as a number."
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if abs(int(value)) <= EXACT_INTEGER:
            return
        expected = "an integer of magnitude at most 2^53"
    elif isinstance(value, (float, np.floating)):
        check_type(where, np.asarray(value).dtype)
        return
    else:
        expected = "a number"
        if isinstance(value, str) and value.strip("+-").lower() in {"inf", "nan", "infinity"}:
            hint = f'Only {INFINITE} may be infinite, written "{INFINITY}"; mask the action (mask).'
    raise InputError(f"{where}{_index(position, shape)}", _described(value), expected, hint)


def _index(position: int, shape: tuple[int, ...]) -> str:
    """Return the index of a position in C order, for messages."""
    return str([int(i) for i in np.unravel_index(position, shape)]) if shape else ""


def _described(value: object) -> str:
    """Return what a value is, in the words of a message."""
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool)):
        return f"{str(value).lower()} among numbers"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype.name}"
    if isinstance(value, str):
        return f"the text '{value}'"
    return f"{type(value).__name__} {value}"
