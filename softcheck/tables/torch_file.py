"""Read ``.pt`` files of tensors, without their code and without their device."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from zipfile import ZipFile, is_zipfile

from softcheck.errors import InputError
from softcheck.tables.arrays import from_torch
from softcheck.tables.files import File
from softcheck.tables.nested import table_of, texts_of
from softcheck.tables.refusals import load_extra, reading
from softcheck.tables.roles import Role, Roles
from softcheck.tables.sources import Memory
from softcheck.tables.table import Contents, Load, Reading, Table, check_type, where_is


def read_torch(file: File, how: Reading) -> Contents:
    """Return the tensors of a file by name; those one level down by dotted names."""
    _require_stored(file)
    torch = load_extra(file.where, "torch", "torch")
    hint = "Save a dictionary of tensors with torch.save; no other objects are read."
    with reading(file.where, "tensors saved by torch.save", hint), warnings.catch_warnings():
        # What torch warns of concerns how it reads, not what.
        warnings.simplefilter("ignore")
        value = torch.load(file.path, map_location="cpu", weights_only=True, mmap=True)

    def later(name: str | None, part: object) -> Load:
        return lambda role: _table(torch, file, name, part, role, how.roles)

    texts = texts_of(value) if isinstance(value, Mapping) else {}
    arrays = {name: later(name, part) for name, part in _parts(value) if name not in texts}
    return Contents(arrays, texts)


def _parts(value: object) -> Iterator[tuple[str | None, object]]:
    """Yield values with their names; one that is no dictionary has no name."""
    if not isinstance(value, Mapping):
        yield None, value
        return
    for name, part in value.items():
        if isinstance(part, Mapping):
            for inner, leaf in part.items():
                yield f"{name}.{inner}", leaf
        else:
            yield str(name), part


def _require_stored(file: File) -> None:
    """Raise InputError unless every byte that torch will ask for is in the file as it is."""
    with file.open() as stream:
        if not is_zipfile(stream):
            raise InputError(
                file.where,
                "no archive of tensors",
                "a file that torch.save wrote in its format since version 1.6",
                "Save it again with a current torch.",
            )
        with ZipFile(stream) as archive:
            for member in archive.infolist():
                if member.compress_size != member.file_size:
                    raise InputError(
                        file.where,
                        "a compressed member",
                        "an archive without compression, as torch.save writes it",
                        "Save it again with torch.",
                    )


def _table(torch: Any, file: File, name: str | None, value: Any, role: Role, roles: Roles) -> Table:
    """Return a tensor as a table that shares its memory, and other values by what they are."""
    if not isinstance(value, torch.Tensor):
        return table_of(file, name, value, role, roles)
    where = where_is(file.where, name)
    with reading(where, "a dense tensor of numbers", "Convert it before it is saved."):
        array = from_torch(torch, where, value)
    check_type(where, array.dtype)
    return Table(Memory(array), file, name)
