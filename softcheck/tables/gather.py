"""Find the arrays of a case: in one file, in a folder, or in files given one by one."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from softcheck.errors import InputError, UsageError, did_you_mean
from softcheck.tables.contents import Contents
from softcheck.tables.files import exists, is_folder, listed, reading
from softcheck.tables.formats import format_of, read
from softcheck.tables.roles import ROLES, Kind, Role, critic, family, role_of
from softcheck.tables.sources import Memory
from softcheck.tables.table import Table, where_is


def add(tables: dict[str, Table], role: Role, table: Table) -> None:
    """Add a table; two for one role are an error, whatever their names."""
    if role.name in tables:
        raise InputError(
            table.where,
            f"a second array for {role.name}, beside {tables[role.name].beside(table)}",
            "one array for each role",
            "Remove or rename one of the two.",
        )
    tables[role.name] = table


def load_case(
    path: str, names: Mapping[str, str], outranked: Set[str], allow_pickle: bool
) -> tuple[dict[str, Table], list[str]]:
    """Return the tables of a file or folder by role, and the names that have none.

    `names` has the user's own name for some roles, each of which must be there; those that are
    `outranked` are not loaded, for an option gives their role.
    """
    if is_folder(path):
        return _load_folder(path, names, outranked, allow_pickle)
    contents = read(path, allow_pickle=allow_pickle)
    if list(contents) == [None]:
        raise InputError(
            path,
            "one array without a name",
            "several named arrays",
            "Give it by its role, as in --q FILE, or put one file for each role in a folder.",
        )
    _require_names(path, names, outranked, [name for name in contents if name is not None])
    tables: dict[str, Table] = {}
    unknown = []
    for name, load in contents.items():
        if name in outranked:
            continue
        if role := role_of(name, names):
            with reading(f"{path}::{name}"):
                add(tables, role, load(role))
        elif name is not None:
            unknown.append(name)
    return tables, unknown


def _require_names(
    path: str, names: Mapping[str, str], outranked: Set[str], known: Sequence[str]
) -> None:
    """Raise InputError unless all names of the user's own are there: nothing goes unchecked."""
    for meant, own in names.items():
        if own not in known and own not in outranked:
            raise InputError(
                path,
                f"no array '{own}'",
                f"the one that is named so for {meant}",
                did_you_mean(own, known, f"It has {listed(known) or 'none'}."),
            )


def _load_folder(
    path: str, names: Mapping[str, str], outranked: Set[str], allow_pickle: bool
) -> tuple[dict[str, Table], list[str]]:
    """Return the tables in a folder by role, and the names of files that have none."""
    tables: dict[str, Table] = {}
    unknown = []
    with reading(path, "a readable folder", "Check its permissions."):
        every = sorted(Path(path).iterdir())
        entries = [each for each in every if each.name[0] != "." and not is_folder(str(each))]
    _require_names(path, names, outranked, [entry.stem for entry in entries])
    for entry in entries:
        if entry.stem in outranked:
            continue
        role = role_of(entry.stem, names)
        if role is None or format_of(entry.name) is None:
            unknown.append(entry.name)
        else:
            add(tables, role, _load_file(str(entry), None, role, allow_pickle))
    return tables, unknown


def load_given(
    given: Mapping[str, Sequence[str]], origins: Mapping[str, str], allow_pickle: bool
) -> dict[str, Table]:
    """Return the tables that options name; `origins` says where each role was given."""
    tables: dict[str, Table] = {}
    for name, places in given.items():
        origin = origins[name]
        if len(places) > 1 and name != "q":
            raise UsageError(
                origin,
                f"{len(places)} arrays",
                "one",
                "Give the option once; only --q may be repeated, for twin critics.",
            )
        for number, place in enumerate(places, start=1):
            role = ROLES[name] if len(places) == 1 else critic(number)
            scalar = _written_out(place) if role.kind is Kind.NUMBER else None
            if scalar is not None:
                tables[role.name] = Table(Memory(np.array(scalar)), None, origin)
                continue
            path, key = _split(place)
            if role.kind is Kind.NUMBER and not exists(path):
                raise UsageError(
                    origin,
                    f"'{place}'",
                    "a number, such as 0.2, or the path of a file",
                    "Correct the number or the path.",
                )
            tables[role.name] = _load_file(path, key, role, allow_pickle)
    return tables


def _written_out(text: str) -> float | None:
    """Return the number that a text is, or None for a text that is a path."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _split(place: str) -> tuple[str, str | None]:
    """Split ``PATH::KEY``; a file whose name is the whole text comes first."""
    if "::" not in place or exists(place):
        return place, None
    path, _, key = place.rpartition("::")
    return path, key


def _load_file(path: str, key: str | None, role: Role, allow_pickle: bool) -> Table:
    """Return the one table of a file that is meant for a role."""
    contents = read(path, allow_pickle=allow_pickle)
    name = _choose(contents, path, role) if key is None else _find(contents, path, key)
    with reading(where_is(path, name)):
        return contents[name](role)


def _find(contents: Contents, path: str, key: str) -> str:
    """Return the name of the array with this key."""
    name = key.strip("/")
    if name in contents:
        return name
    names = [name for name in contents if name is not None]
    if not names:
        raise InputError(
            f"{path}::{key}",
            "a file that is one array without a name",
            "a file of named arrays",
            f"Leave out '::{key}'.",
        )
    raise InputError(
        path,
        f"no array '{key}'",
        f"one of {listed(names)}",
        did_you_mean(key, names, "Choose one of its arrays."),
    )


def _choose(contents: Contents, path: str, role: Role) -> str | None:
    """Return the name of the array that a file without a key can only mean for this role."""
    names = [name for name in contents if name is not None]
    meant = [
        name
        for name in names
        if (other := role_of(name)) and family(other.name) == family(role.name)
    ]
    if len(meant) == 1:
        return meant[0]
    if len(names) == 1 and role_of(names[0]) is None:
        return names[0]
    if None in contents and not meant:
        return None
    raise InputError(
        path,
        f"the arrays {listed(names)}" if names else "no array",
        f"one array for {role.name}",
        f"Name the one that is meant: {path}::KEY.",
    )
