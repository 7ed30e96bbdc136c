"""Find the arrays of a case: in one file, in a folder, or in files given one by one."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath

import numpy as np

from softcheck.errors import InputError, UsageError, did_you_mean
from softcheck.gradient.definition import Kind
from softcheck.tables.declared import Declared
from softcheck.tables.files import File, Files
from softcheck.tables.formats import FILE_FORMATS, read
from softcheck.tables.frames import ACTION, STATE, is_tidy
from softcheck.tables.limits import MAX_FORMULA
from softcheck.tables.places import exists, file_at, files_in, is_folder
from softcheck.tables.refusals import decode, listed, reading
from softcheck.tables.roles import ROLES, TEXTS, Role, Roles
from softcheck.tables.shards import read_shards, shards
from softcheck.tables.sources import Memory
from softcheck.tables.table import Contents, Load, Reading, Table, said, where_is
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
class Found:
    """What is in a file or folder.

    Attributes
    ----------
    how : Reading
        With the roles of the loss that it names, if it names one.
    tables : mapping of str to Table
        By role.
    unknown : mapping of str to str
        The names without a role: as they are shown, each with the name alone, that of a file
        without its suffix.
    texts : mapping of str to str
        What it says in words; see `tables.roles.TEXTS`.
    where : str
        For messages about them.
    """

    how: Reading
    tables: dict[str, Table]
    unknown: dict[str, str]
    texts: Mapping[str, str]
    where: str


def load_case(
    path: str, names: Mapping[str, str], given: Set[str], how: Reading, declared: Declared
) -> Found:
    """Return what is in a file or folder.

    `names` has the user's own name for some roles, each of which must be there; those of roles that
    are `given` by an option are not loaded.
    """
    where = shown(path)

    def outranked() -> set[str]:
        taken = set(map(how.roles.family, given))
        return {own for role, own in names.items() if how.roles.family(role) in taken}

    if not is_folder(path) or is_zarr(path):
        contents, how = _told(where, partial(_contents, path), how, declared)
        return Found(
            how, *_by_role(where, contents, names, outranked(), how), contents.texts, where
        )
    every = [file_at(entry) for entry in files_in(path)]
    files = [file for file in every if not _is_text(file)]
    texts = {file.stem: _text(file) for file in every if _is_text(file)}
    if (loss := declared.loss_of(where, texts)) is not None:
        how = replace(how, roles=Roles(loss))
    numbered, others = shards(files, how.roles)
    named = [name for name, _ in numbered] + [file.stem for file in others if _is_read(file)]
    if both := sorted(texts.keys() & {*named}):
        raise InputError(
            where,
            f"{both[0]}.txt beside another {both[0]}",
            "one of the two",
            "Name the value of the loss loss_value.",
        )
    if numbered and not any(how.roles.of(name, names) for name in named):
        joined = _only(where, numbered)
        contents, how = _told(where, partial(read_shards, joined), how, declared)
        if texts and contents.texts:
            name = PurePath(joined.where).name
            raise InputError(
                where,
                f"{said(contents.texts)} in {name}, beside {', '.join(texts)}.txt",
                "these words in one place",
                "Leave out the one or the other.",
            )
        tables, unknown = _by_role(joined.where, contents, names, outranked(), how)
        unknown |= {file.name: _name(file) for file in others}
        return Found(how, tables, unknown, texts or contents.texts, where)
    _require_names(where, names, outranked(), named)
    return Found(how, *_of_files(numbered, others, names, outranked(), how), texts, where)


def _told(
    where: str, read: Callable[[Reading], Contents], how: Reading, declared: Declared
) -> tuple[Contents, Reading]:
    """Return the arrays of a file as they are read for the loss that it names itself."""
    contents = read(how)
    loss = declared.loss_of(where, contents.texts)
    if loss is None:
        return contents, how
    is_new = loss.variants != how.roles.loss.variants
    how = replace(how, roles=Roles(loss))
    return (read(how) if is_new else contents), how


def _is_text(file: File) -> bool:
    return file.suffix == ".txt" and file.stem in TEXTS


def _text(file: File) -> str:
    """Return what a file says in words."""
    return decode(file.where, file.read_whole(4 * MAX_FORMULA)).strip()


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
        if role := how.roles.of(name, names):
            add(tables, role, _table(files.where, read_shards(files, how), None, role, how))
        else:
            unknown[PurePath(files.where).name] = name
    for file in others:
        if file.stem in outranked:
            continue
        role = how.roles.of(file.stem, names)
        if role is None or not _is_read(file):
            unknown[file.name] = _name(file)
        else:
            add(tables, role, _table(file.where, read(file, how), None, role, how))
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
        numbered, _ = shards([file_at(entry) for entry in files_in(path)], how.roles)
        if numbered:
            return read_shards(_only(shown(path), numbered), how)
    return read(file_at(path), how)


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
    where: str, contents: Contents, names: Mapping[str, str], outranked: Set[str], how: Reading
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
        if role := how.roles.of(name, names):
            with reading(f"{where}::{name}"):
                add(tables, role, load(role))
        elif name is not None:
            unknown[name] = name
    _refuse_entries(tables, contents, how.roles)
    return tables, unknown


def _refuse_entries(tables: Mapping[str, Table], contents: Contents, roles: Roles) -> None:
    """Raise InputError for tables with one axis beside states and actions of the same length.

    They have a row for each entry, and would be taken for one state with as many actions.
    """
    for role, table in tables.items():
        if len(table.shape) != 1 or roles[role].kind is not Kind.TABLE:
            continue
        if is_tidy(contents) and all(
            _length(contents[name]) in (None, table.shape) for name in (STATE, ACTION)
        ):
            raise InputError(
                table.where,
                f"shape {table.shape} beside as many states and actions",
                f"{roles[role].kind.value}, on axes of their own",
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
    """Return the tables that options name; `origins` says where each one was given."""
    tables: dict[str, Table] = {}
    opened: dict[str, Contents] = {}
    for name, places in given.items():
        several = how.roles.has_critics and name == "q" and len(places) > 1
        if len(places) > 1 and not several:
            raise UsageError(
                origins[name],
                f"{len(places)} arrays",
                "one",
                "Give the option once; only --q may be repeated, for twin critics.",
            )
        for number, place in enumerate(places, start=1):
            role = how.roles.critic(number) if several else _named(name, origins[name], how.roles)
            if role.name in tables:
                raise UsageError(
                    origins[name],
                    f"a second array for {role.name}, beside {tables[role.name].where}",
                    "one array for each role",
                    "Leave out one of the two.",
                )
            tables[role.name] = _given(place, role, origins[name], opened, how)
    return tables


def _named(name: str, origin: str, roles: Roles) -> Role:
    """Return the role that an option names."""
    role = roles.of(name)
    if role is None:
        raise UsageError(
            origin,
            f"an array '{name}'",
            f"one that {roles.called} has: {', '.join(roles)}",
            did_you_mean(name, roles, "Leave it out, or say which loss is meant: --loss."),
        )
    if name == role.logarithm:
        raise UsageError(
            origin,
            f"the logarithm of {role.name}",
            f"{role.name} itself",
            f"Give a file that has it under this name: --{role.name} FILE::{name}.",
        )
    return role


def _given(place: str, role: Role, origin: str, opened: dict[str, Contents], how: Reading) -> Table:
    """Return the table at a place, or the number written out there; a file is opened once."""
    number = _written_out(place)
    if number is not None and role.kind is Kind.NUMBER:
        return Table(Memory(np.array(number)), None, origin)
    path, key = _split(place)
    if number is not None and not exists(path):
        raise UsageError(
            origin,
            f"the number {place}",
            f"the path of a file: {role.name} is {role.kind.value}",
            "Save such an array.",
        )
    if role.kind is Kind.NUMBER and not exists(path):
        raise UsageError(
            origin,
            f"'{place}'",
            "a number, such as 0.2, or the path of a file",
            "Correct the number or the path.",
        )
    if path not in opened:
        opened[path] = _contents(path, how)
    return _table(shown(path), opened[path], key, role, how)


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


def _table(where: str, contents: Contents, key: str | None, role: Role, how: Reading) -> Table:
    """Return the one table of a file, or of several together, that is meant for a role."""
    name = _choose(contents, where, role, how.roles) if key is None else _find(contents, where, key)
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


def _choose(contents: Contents, where: str, role: Role, roles: Roles) -> str | None:
    """Return the name of the array that a file without a key can only mean for this role."""
    names = [name for name in contents if name is not None]
    meant = [
        name
        for name in names
        if (other := roles.of(name)) and roles.family(other.name) == roles.family(role.name)
    ]
    if len(meant) == 1:
        return meant[0]
    if len(names) == 1 and roles.of(names[0]) is None:
        return names[0]
    if None in contents and not meant:
        return None
    raise InputError(
        where,
        f"the arrays {listed(names)}" if names else "no array",
        f"one array for {role.name}",
        f"Name the one that is meant: {where}::KEY.",
    )
