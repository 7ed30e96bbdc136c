"""What a user may say about the input of a case, in flags and in configuration files."""

from typing import Annotated, Any

from softcheck.gradient.definition import Kind
from softcheck.settings import (
    ArrayPlaces,
    Names,
    Number,
    Option,
    Place,
    Places,
    Source,
    Switch,
    Whole,
)
from softcheck.shipped import DEFAULT
from softcheck.tables.roles import ROLES, Role


def _declared(role: Role) -> Any:
    """Return the type of what is given for a role, with the option that it is given by."""
    is_number = role.kind is Kind.NUMBER
    kind: Any = Number | Place if is_number else Place
    option = Option(role.option or "", "Arrays", "X|F" if is_number else "F", place=True)
    return Annotated[kind | Places | None if role.several else kind | None, option]


_TYPES = {role.name: _declared(role) for role in ROLES.values() if role.option}
_OfRoles: Any = type("_OfRoles", (), {"__annotations__": _TYPES, **dict.fromkeys(_TYPES)})


class Inputs(_OfRoles):  # type: ignore[misc]  # its fields are made of roles
    """What a case is made of, beside its file or folder: where arrays of roles are, and these."""

    arrays: Annotated[
        ArrayPlaces | None,
        Option(
            "Another array of the loss, by its name", "Arrays", "NAME=X|F", place=True, flag="array"
        ),
    ] = None
    loss: Annotated[
        Source, Option("Its loss: a name, FILE[::SYMBOL] or a formula", "Verdict", "LOSS")
    ] = DEFAULT
    names: Annotated[
        Names | None, Option("What a case calls its arrays: role = name", "Arrays", flag=False)
    ] = None
    action_axis: Annotated[Whole, Option("Axis of the actions", "Arrays", "N")] = -1
    allow_pickle: Annotated[Switch, Option("Read pickles too; nothing in them runs", "Arrays")] = (
        False
    )
