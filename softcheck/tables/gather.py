"""Find the arrays of a case: in one file, in a folder, or in files given one by one."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from softcheck.errors import InputError, UsageError, did_you_mean
from softcheck.gradient.definition import Kind
from softcheck.tables.files import File, Files
from softcheck.tables.formats import FILE_FORMATS, read
from softcheck.tables.frames import ACTION, STATE, is_tidy
from softcheck.tables.places import exists, file_at, files_in, is_folder
from softcheck.tables.refusals import listed, reading
from softcheck.tables.roles import ROLES, Role, critic, family, is_q, role_named, role_of
from softcheck.tables.shards import read_shards, shards
from softcheck.tables.sources import Memory
from softcheck.tables.table import Contents, Load, Table, where_is
from softcheck.tables.urls import is_url, shown
from softcheck.tables.zarr_group import is_zarr, read_zarr


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


@dataclass(frozen=True)
class Reading:
    """How the user has all files read.

    Attributes
    ----------
    action_axis : int
        The axis of the actions in every table.
    allow_pickle : bool
        Whether pickled containers are read.
    """

    action_axis: int
    allow_pickle: bool


def load_case(
    path: str, names: Mapping[str, str], outranked: Set[str], how: Reading
) -> tuple[dict[str, Table], dict[str, str]]:
    """Return the tables of a file or folder by role, and the names that have none.

    Those are as they are shown, each with the name alone: that of a file without its suffix.
    `names` has the user's own name for some roles, each of which must be there; those that are
    `outranked` are not loaded, for an option gives their role.
    """
    if not is_folder(path) or is_zarr(path):
        return _by_role(shown(path), _contents(path, how), names, outranked)
    numbered, others = shards([file_at(entry) for entry in files_in(path)])
    named = [name for name, _ in numbered] + [file.stem for file in others if _is_read(file)]
    if numbered and not any(role_of(name, names) for name in named):
        files = _only(shown(path), numbered)
        tables, unknown = _by_role(files.where, _read_shards(files, how), names, outranked)
        return tables, unknown | {file.name: _name(file) for file in others}
    _require_names(shown(path), names, outranked, named)
    return _of_files(numbered, others, names, outranked, how)


def _of_files(
    numbered: Mapping[tuple[str, str], Files],
    others: Sequence[File],
    names: Mapping[str, str],
    outranked: Set[str],
    how: Reading,
) -> tuple[dict[str, Table], dict[str, str]]:
    """Return the tables of files that have roles for names, and the names of the others."""
    tables: dict[str, Table] = {}
    unknown: dict[str, str] = {}
    for (name, _), files in numbered.items():
        if name in outranked:
            continue
        if role := role_of(name, names):
            add(tables, role, _table(files.where, _read_shards(files, how), None, role))
        else:
            unknown[PurePath(files.where).name] = name
    for file in others:
        if file.stem in outranked:
            continue
        role = role_of(file.stem, names)
        if role is None or not _is_read(file):
            unknown[file.name] = _name(file)
        else:
            contents = read(file, allow_pickle=how.allow_pickle)
            add(tables, role, _table(file.where, contents, None, role))
    return tables, dict(sorted(unknown.items()))


def _is_read(file: File) -> bool:
    return file.suffix in FILE_FORMATS


def _name(file: File) -> str:
    """Return what a file may name: what is not read, such as `policy.png`, names no array."""
    return file.stem if _is_read(file) else file.name


def _contents(path: str, how: Reading) -> Contents:
    """Return the arrays of a file, of a Zarr group, or of the numbered files of a folder."""
    if is_folder(path):
        if is_zarr(path):
            return read_zarr(path)
        numbered, _ = shards([file_at(entry) for entry in files_in(path)])
        if numbered:
            return _read_shards(_only(shown(path), numbered), how)
    return read(file_at(path), allow_pickle=how.allow_pickle)


def _read_shards(files: Files, how: Reading) -> Contents:
    return read_shards(files, action_axis=how.action_axis, allow_pickle=how.allow_pickle)


def _only(where: str, numbered: Mapping[tuple[str, str], Files]) -> Files:
    """Return the only numbered files in a folder whose names are no roles."""
    names = [PurePath(files.where).name for files in numbered.values()]
    if len(names) > 1:
        raise InputError(
            where,
            f"numbered files of the names {listed(names)}",
            "one name for all numbered files, or a role for each name",
            "Put them into folders of their own.",
        )
    return next(iter(numbered.values()))


def _by_role(
    where: str, contents: Contents, names: Mapping[str, str], outranked: Set[str]
) -> tuple[dict[str, Table], dict[str, str]]:
    """Return named arrays by role, and the names that have none."""
    if list(contents) == [None]:
        raise InputError(
            where,
            "one array without a name",
            "several named arrays",
            "Give it by its role, as in --q FILE, or put one file for each role in a folder.",
        )
    _require_names(where, names, outranked, [name for name in contents if name is not None])
    tables: dict[str, Table] = {}
    unknown: dict[str, str] = {}
    for name, load in contents.items():
        if name in outranked:
            continue
        if role := role_of(name, names):
            with reading(f"{where}::{name}"):
                add(tables, role, load(role))
        elif name is not None:
            unknown[name] = name
    _refuse_entries(tables, contents)
    return tables, unknown


def _refuse_entries(tables: Mapping[str, Table], contents: Contents) -> None:
    """Raise InputError for tables with one axis beside states and actions of the same length.

    They have a row for each entry, and would be taken for one state with as many actions.
    """
    for role, table in tables.items():
        if len(table.shape) != 1 or role_named(role).kind is not Kind.TABLE:
            continue
        if is_tidy(contents) and all(
            _length(contents[name]) in (None, table.shape) for name in (STATE, ACTION)
        ):
            raise InputError(
                table.where,
                f"shape {table.shape} beside as many states and actions",
                f"{role_named(role).kind.value}, on axes of their own",
                "Reshape it to (states, actions), or save such rows as .csv or .parquet.",
            )


def _length(load: Load) -> tuple[int, ...] | None:
    """Return the shape of an array that has no role, or None if it holds no numbers."""
    try:
        with reading("an array without a role"):
            return load(ROLES["weights"]).shape
    except InputError:
        return None


def _require_names(
    where: str, names: Mapping[str, str], outranked: Set[str], known: Sequence[str]
) -> None:
    """Raise InputError unless all names of the user's own are there: nothing goes unchecked."""
    for meant, own in names.items():
        if own not in known and own not in outranked:
            raise InputError(
                where,
                f"no array '{own}'",
                f"the one that is named so for {meant}",
                did_you_mean(own, known, f"It has {listed(known) or 'none'}."),
            )


def load_given(
    given: Mapping[str, Sequence[str]], origins: Mapping[str, str], how: Reading
) -> dict[str, Table]:
    """Return the tables that options name; `origins` says where each role was given."""
    tables: dict[str, Table] = {}
    opened: dict[str, Contents] = {}
    for name, places in given.items():
        if len(places) > 1 and not is_q(name):
            raise UsageError(
                origins[name],
                f"{len(places)} arrays",
                "one",
                "Give the option once; only --q may be repeated, for twin critics.",
            )
        for number, place in enumerate(places, start=1):
            role = ROLES[name] if len(places) == 1 else critic(number)
            tables[role.name] = _given(place, role, origins[name], opened, how)
    return tables


def _given(place: str, role: Role, origin: str, opened: dict[str, Contents], how: Reading) -> Table:
    """Return the table at a place, or the number written out there; a file is opened once."""
    if role.kind is Kind.NUMBER:
        number = _written_out(place)
        if number is not None:
            return Table(Memory(np.array(number)), None, origin)
    path, key = _split(place)
    if role.kind is Kind.NUMBER and not exists(path):
        raise UsageError(
            origin,
            f"'{place}'",
            "a number, such as 0.2, or the path of a file",
            "Correct the number or the path.",
        )
    if path not in opened:
        opened[path] = _contents(path, how)
    return _table(shown(path), opened[path], key, role)


def _written_out(text: str) -> float | None:
    """Return the number that a text is, or None for a text that is a path."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _split(place: str) -> tuple[str, str | None]:
    """Split ``PATH::KEY``; a file whose name is the whole text comes first."""
    path, mark, key = place.rpartition("::")
    if not mark or "://" in key or (not is_url(path) and exists(place)):
        return place, None
    return path, key


def _table(where: str, contents: Contents, key: str | None, role: Role) -> Table:
    """Return the one table of a file, or of several together, that is meant for a role."""
    name = _choose(contents, where, role) if key is None else _find(contents, where, key)
    with reading(where_is(where, name)):
        return contents[name](role)


def _find(contents: Contents, where: str, key: str) -> str:
    """Return the name of the array with this key."""
    name = key.strip("/")
    if name in contents:
        return name
    names = [name for name in contents if name is not None]
    if not names:
        raise InputError(
            f"{where}::{key}",
            "a file that is one array without a name",
            "a file of named arrays",
            f"Leave out '::{key}'.",
        )
    raise InputError(
        where,
        f"no array '{key}'",
        f"one of {listed(names)}",
        did_you_mean(key, names, "Choose one of its arrays."),
    )


def _choose(contents: Contents, where: str, role: Role) -> str | None:
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
        where,
        f"the arrays {listed(names)}" if names else "no array",
        f"one array for {role.name}",
        f"Name the one that is meant: {where}::KEY.",
    )
