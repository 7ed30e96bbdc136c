"""Read ``.safetensors`` files, whose layout is simple enough to need no library."""

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.contents import Contents, Load
from softcheck.tables.extras import load_extra
from softcheck.tables.files import check_regular, open_regular
from softcheck.tables.json_text import parse_json
from softcheck.tables.limits import MAX_INDEX_BYTES
from softcheck.tables.sources import Extent
from softcheck.tables.table import Table, check_shape

_TYPES = {
    "BOOL": "?",
    "F16": "<f2",
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
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"


def read_safetensors(path: str) -> Contents:
    """Return the tensors of a file by name."""
    size = check_regular(path)
    with open_regular(path) as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        start = _LENGTH.size + length
        if length > MAX_INDEX_BYTES or start > size:
            raise _damaged(path, f"a header of {length} bytes", f"at most {MAX_INDEX_BYTES}")
        header = parse_json(path, file.read(length))

    def later(name: str, entry: Mapping[str, Any]) -> Load:
        return lambda _role: _table(path, name, entry, start, size)

    if not isinstance(header, Mapping):
        raise _damaged(path, "a header that is no object", "names of tensors")
    return {name: later(name, entry) for name, entry in header.items() if name != _METADATA}


def _table(path: str, name: str, entry: Mapping[str, Any], start: int, size: int) -> Table:
    """Return a tensor if its bytes are in the file, as many as its shape needs."""
    where = f"{path}::{name}"
    dtype = _type(where, entry["dtype"])
    shape = check_shape(where, tuple(entry["shape"]))
    first, last = entry["data_offsets"]
    needed = math.prod(shape) * dtype.itemsize
    if not 0 <= first <= last <= size - start or last - first != needed:
        raise _damaged(where, f"bytes {first} to {last} of {size - start}", f"{needed} bytes")
    return Table(Extent(path=path, offset=start + first, dtype=dtype, shape=shape), path, name)


def _type(where: str, code: str) -> np.dtype[Any]:
    """Return the NumPy type of a tensor."""
    if code == "BF16":
        bfloat16: np.dtype[Any] = np.dtype(load_extra(where, "ml_dtypes", "safetensors").bfloat16)
        return bfloat16
    if code not in _TYPES:
        raise InputError(
            where,
            f"numbers of type {code}",
            f"one of BF16, {', '.join(_TYPES)}",
            "Convert the tensor before it is saved.",
        )
    return np.dtype(_TYPES[code])


def _damaged(where: str, found: str, expected: str) -> InputError:
    return InputError(where, found, expected, "Write the file again; it is damaged or cut off.")
