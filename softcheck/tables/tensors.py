"""Read ``.safetensors`` files."""

import math
from typing import Any

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.limits import MAX_WHOLE_BYTES
from softcheck.tables.refusals import load_extra, reading, too_large
from softcheck.tables.roles import Role
from softcheck.tables.sources import Memory
from softcheck.tables.table import Contents, Load, Reading, Table, check_shape, with_texts

_BYTES = {
    "BOOL": 1,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
    "F64": 8,
    "I8": 1,
    "I16": 2,
    "I32": 4,
    "I64": 8,
    "U8": 1,
    "U16": 2,
    "U32": 4,
    "U64": 8,
}
"""Bytes of a number, by the types that NumPy or ml_dtypes have."""


def read_safetensors(file: File, _how: Reading) -> Contents:
    """Return the tensors of a file by name."""
    file.size()
    with reading(file.where), _opened(file) as tensors:
        names = list(tensors.keys())
        said = tensors.metadata() or {}
    return with_texts(file.where, {name: _loader(file, name) for name in names}, said)


def _opened(file: File) -> Any:
    """Open a file; the library checks its header against its size."""
    return load_extra(file.where, "safetensors", "safetensors").safe_open(
        file.path, framework="numpy"
    )


def _loader(file: File, name: str) -> Load:
    """Return what loads one tensor; nothing of it is read before."""
    where = f"{file.where}::{name}"

    def load(_role: Role) -> Table:
        with reading(where), _opened(file) as tensors:
            described = tensors.get_slice(name)
            code, shape = described.get_dtype(), check_shape(where, tuple(described.get_shape()))
            if code not in _BYTES:
                raise InputError(
                    where,
                    f"numbers of type {code}",
                    f"one of {', '.join(_BYTES)}",
                    "Convert the tensor before it is saved.",
                )
            if code == "BF16":
                load_extra(where, "ml_dtypes", "safetensors")
            size = math.prod(shape) * _BYTES[code]
            if size > MAX_WHOLE_BYTES:
                raise too_large(where, size, MAX_WHOLE_BYTES)
            return Table(Memory(tensors.get_tensor(name)), file, name)

    return load
