"""Lists of numbers, nested or flat, as arrays."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.limits import EXACT_INTEGER, MAX_DIMENSIONS, MAX_LISTED
from softcheck.tables.roles import ROLES, Role
from softcheck.tables.table import AsGiven, check_type

INFINITY = "-inf"
"""How text spells the logit of an action that is masked."""

INFINITE = " and ".join(name for name, role in ROLES.items() if role.domain.includes(-math.inf))
"""The roles that may hold it."""


def to_array(numbers: list[Any], shape: tuple[int, ...]) -> AsGiven:
    """Return checked numbers as an array: integers if all are, booleans if all are."""
    return np.array(numbers or np.empty(0)).reshape(shape)


def array_of(value: object, where: str, role: Role) -> AsGiven:
    """Return nested lists of numbers, or of arrays, as one array."""
    if isinstance(value, np.ndarray):
        check_type(where, value.dtype)
        return np.asarray(value)
    shape = _shape(value, where)
    refuse_many(where, math.prod(shape))
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


@np.errstate(all="ignore")  # the chance of a very small number is 0
def decimals_of(numbers: AsGiven) -> int | None:
    """Return to how many decimals all numbers of a text were rounded, if they were.

    That so many floats of their sizes are multiples of 10^-d by chance is as likely as the product
    of |x| 10^d / 2^53. Fewer than 8 decimals are no precision that anyone computes in.
    """
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0.0)].astype(np.float64))
    for decimals in range(_COARSE, _FINEST + 1):
        chance = sizes * (10.0**decimals / 2.0**53)
        telling = chance < 0.25  # where the product of a rounding to decimals is exact enough
        told = sizes[telling]
        if (told.round(decimals) == told).all():
            is_chance = np.log10(chance[telling]).sum() > _LOG_CHANCE
            return None if is_chance or decimals == _COARSE else decimals
    return None


_COARSE, _FINEST = 7, 15
"""Decimals that a text may have for other reasons, and the most that it has if it was rounded."""

_LOG_CHANCE = -6.0


def refuse_many(where: str, count: int) -> None:
    """Raise InputError for more numbers than a table may have as objects: pickles share theirs."""
    if count > MAX_LISTED:
        raise InputError(
            where,
            f"a list of {count} numbers",
            f"at most {MAX_LISTED}",
            "Save it as an array, in .npy or .npz.",
        )


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
