"""What a user may say about the input of a case, in flags and in configuration files."""

from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any

from softcheck.settings import Names, Number, Option, Place, Places, Switch, Whole
from softcheck.tables.roles import ROLES, Kind, Role


def _field(role: Role, words: str) -> tuple[str, Any, None]:
    """Return the option of a role as a field: its name, its type with what it says, its default."""
    is_number = role.kind is Kind.NUMBER
    kind: Any = Number | Place if is_number else Place
    option = Option(words, "Arrays", "X|F" if is_number else "F", place=True)
    return role.name, Annotated[kind | Places | None if role.several else kind | None, option], None


_OfRoles: Any = make_dataclass(
    "_OfRoles",
    [_field(role, role.option) for role in ROLES.values() if role.option],
    frozen=True,
)


@dataclass(frozen=True, kw_only=True)
class Inputs(_OfRoles):  # type: ignore[misc]  # its fields are made of roles
    """What a case is made of, beside its file or folder: where arrays of roles are, and these."""

    names: Annotated[
        Names | None, Option("What a case calls its arrays: role = name", "Arrays", flag=False)
    ] = None
    action_axis: Annotated[Whole, Option("Axis of the actions", "Arrays", "N")] = -1
    allow_pickle: Annotated[Switch, Option("Read pickles too; nothing in them runs", "Arrays")] = (
        False
    )
