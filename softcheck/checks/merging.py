"""What was found in some blocks and what was found in others, joined field by field.

A class that merges says of each of its fields beside the type how two values of it become one. A
field that does not say so is an error: what is found in a block is never lost in silence.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Self, TypeAlias, get_args, get_type_hints

Join: TypeAlias = Callable[[Any, Any], Any]
"""From what was found, and what was found in the blocks that follow, to both."""


class Merging:
    """A dataclass whose fields are declared as `Annotated[type, join]`."""

    def merge(self, other: Self) -> None:
        """Add what was found in the blocks that follow, which may be taken over."""
        kind: Any = type(self)
        for name, join in joins(kind).items():
            setattr(self, name, join(getattr(self, name), getattr(other, name)))


@cache
def joins(kind: type) -> Mapping[str, Join]:
    """Return how each field of a class that merges is joined.

    Raises
    ------
    TypeError
        If a field does not say.
    """
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    found: dict[str, Join] = {}
    for each in fields(kind):
        _, *notes = get_args(hints[each.name]) or (None,)
        join = next(filter(callable, notes), None)
        if join is None:
            raise TypeError(
                f"{kind.__name__}.{each.name} does not say how two values of it become one: "
                "declare it as Annotated[its type, a join of softcheck.checks.merging]"
            )
        found[each.name] = join
    return found


def kept(mine: Any, _other: Any) -> Any:
    """Return what is the same everywhere, or was there first."""
    return mine


def either(mine: Any, other: Any) -> Any:
    """Return what only some blocks have."""
    return other if mine is None else mine


def merged(mine: Any, other: Any) -> Any:
    """Return two results merged; either may be None."""
    if mine is None or other is None:
        return either(mine, other)
    mine.merge(other)
    return mine


def by_key(join: Join) -> Join:
    """Return what joins two mappings, values under one key by `join`."""

    def joined(mine: dict[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
        for key, value in other.items():
            mine[key] = join(mine[key], value) if key in mine else value
        return mine

    return joined


def side_by_side(join: Join) -> Join:
    """Return what joins two lists of one length, place by place."""

    def joined(mine: list[Any], other: list[Any]) -> list[Any]:
        return [join(one, another) for one, another in zip(mine, other, strict=True)]

    return joined
