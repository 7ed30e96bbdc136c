"""Read ``.safetensors`` files."""

import json
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.refusals import load_extra, reading
from softcheck.tables.roles import Role
from softcheck.tables.sources import Extent, packed
from softcheck.tables.table import Contents, Load, Reading, Table, check_shape, with_texts

_LENGTH = 8
"""Bytes of the length of the header, which they stand before."""

_TYPES = {
    "BOOL": "?",
    "F16": "<f2",
    "BF16": "bfloat16",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}
"""What NumPy and ml_dtypes call the types that they have."""


def read_safetensors(file: File, _how: Reading) -> Contents:
    """Return the tensors of a file by name."""
    size = file.size()
    library = load_extra(file.where, "safetensors", "safetensors")
    # The library checks the header against the file, but does not say where a tensor begins.
    with reading(file.where), library.safe_open(file.path, framework="numpy") as tensors:
        said = tensors.metadata() or {}
        with file.open() as stream:
            length = int.from_bytes(stream.read(_LENGTH), "little")
            header = json.loads(stream.read(length))
        names = list(tensors.keys())
    begin = _LENGTH + length
    return with_texts(
        file.where, {name: _loader(file, size, name, header[name], begin) for name in names}, said
    )


def _loader(file: File, size: int, name: str, described: dict[str, Any], begin: int) -> Load:
    """Return what tells where one tensor is; nothing of it is read before it is asked for."""
    where = f"{file.where}::{name}"

    def load(_role: Role) -> Table:
        shape, code = check_shape(where, tuple(described["shape"])), described["dtype"]
        if code not in _TYPES:
            raise InputError(
                where,
                f"numbers of type {code}",
                f"one of {', '.join(_TYPES)}",
                "Convert the tensor before it is saved.",
            )
        if code == "BF16":
            load_extra(where, "ml_dtypes", "bfloat16")  # by which NumPy knows the name
        source = Extent(
            file=file,
            offset=begin + described["data_offsets"][0],
            size=size,
            dtype=np.dtype(_TYPES[code]),
            shape=shape,
            strides=packed(shape),
        )
        return Table(source, file, name)

    return load
