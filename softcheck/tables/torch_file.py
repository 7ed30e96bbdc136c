"""Read ``.pt`` files of tensors in blocks, without PyTorch: nothing that they name is run.

Such a file is a zip archive without compression. Its member `data.pkl` is a pickle, in which a
tensor is a view of a storage; the numbers of a storage are the bytes of a member `data/KEY`.
https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo, is_zipfile

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.archives import local_header
from softcheck.tables.files import File
from softcheck.tables.nested import table_of, texts_of
from softcheck.tables.pickled import Unpickler, unpickle
from softcheck.tables.refusals import load_extra
from softcheck.tables.roles import Role, Roles
from softcheck.tables.sources import Extent
from softcheck.tables.table import (
    Contents,
    Load,
    Reading,
    Table,
    check_shape,
    check_type,
    check_whole,
    where_is,
)

_STORED = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexDouble": "complex128",
    "ComplexFloat": "complex64",
    "Untyped": "uint8",
}
"""The type of the numbers in a storage, by the name of its class without `Storage`."""

_TYPES = {*_STORED.values(), "uint16", "uint32", "uint64"}
"""The types that NumPy and ml_dtypes have, by whose names PyTorch calls them too."""

_CONSTANT = re.compile(r"torch\.((q?u?int|b?float|complex|bits)\d\w*|bool|per_\w+_affine\w*)")
"""Types of numbers, and ways to quantise them."""

_OTHERS = {
    "builtins.bytearray": "bytes",
    "builtins.complex": "a complex number",
    "builtins.set": "a set",
    "collections.Counter": "counts",
    "torch.Tensor": "a type",
    "torch.device": "a device",
    "torch.nn.parameter.Parameter": "a type",
    "torch.serialization._get_layout": "a layout",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without numbers",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
}
"""What may stand beside the tensors that are read, by the name of what makes it."""

_ORDERS = {b"little": "<", b"big": ">"}


def read_torch(file: File, how: Reading) -> Contents:
    """Return the tensors of a file by name; those one level down by dotted names."""
    with file.open() as stream:
        archive = _Archive.of(file, stream)
        value = unpickle(file.where, stream, archive.seek(stream, "data.pkl"), _Unpickler)

    def later(name: str | None, part: object) -> Load:
        return lambda role: _table(archive, name, part, role, how.roles)

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


@dataclass(frozen=True, eq=False)
class _Archive:
    """The members of an archive, by name, and the folder that all of them are in."""

    file: File
    folder: str
    members: Mapping[str, ZipInfo]

    @classmethod
    def of(cls, file: File, stream: IO[bytes]) -> "_Archive":
        """Return the archive that a file is; raise InputError if it is none."""
        if not is_zipfile(stream):
            raise InputError(
                file.where,
                "no archive of tensors",
                "a file that torch.save wrote in its format since version 1.6",
                "Save it again with a current torch.",
            )
        with ZipFile(stream) as archive:
            members = {member.filename: member for member in archive.infolist()}
        return cls(file, next(iter(members), "").partition("/")[0], members)

    def seek(self, stream: IO[bytes], name: str) -> int:
        """Go to the first byte of a member, and return how many bytes it has."""
        member = self.members.get(f"{self.folder}/{name}")
        if member is None:
            found = f"no member {name}"
        elif (member.compress_type, member.compress_size) != (ZIP_STORED, member.file_size):
            found = f"a compressed member {name}"
        else:
            written, begin = local_header(stream, member)
            if written == member.orig_filename and begin + member.file_size <= self.file.size():
                stream.seek(begin)
                return member.file_size
            found = f"no member {name} at byte {member.header_offset}, where it is listed"
        raise InputError(
            self.file.where,
            found,
            "an archive without compression, as torch.save writes it",
            "Save it again with torch.",
        )

    def order(self, stream: IO[bytes]) -> str:
        """Return the order of the bytes of a number, which archives before torch 2.1 do not say."""
        if f"{self.folder}/byteorder" not in self.members:
            return "<"
        order = stream.read(min(self.seek(stream, "byteorder"), 8))
        if order not in _ORDERS:
            raise _damaged(self.file.where, f"the byte order {order!r}", "little or big")
        return _ORDERS[order]


@dataclass(frozen=True, eq=False)
class Storage:
    """A storage as a pickle describes it, where any of that may be wrong."""

    dtype: Any
    key: Any
    count: Any

    def __str__(self) -> str:
        return "of PyTorch"


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor as a pickle describes it, where any of that may be wrong."""

    storage: Any
    dtype: Any
    offset: Any
    shape: Any
    strides: Any
    metadata: Any

    def __str__(self) -> str:
        return "of PyTorch"


@dataclass(frozen=True, eq=False)
class Other:
    """What is neither a tensor of numbers nor a plain value."""

    what: str

    def made(self, *_arguments: object) -> "Other":
        """Return it, whatever it is made from."""
        return self

    def __str__(self) -> str:
        return self.what


class _Unpickler(Unpickler):
    """Unpickles what is said of tensors, too; their numbers are not in the pickle."""

    def persistent_load(self, saved: Any) -> Storage:
        """Return the storage that a pickle refers to; it refers to nothing else."""
        kind, dtype, key, _device, count = saved
        if kind != "storage":
            raise UnpicklingError("a reference to what is no storage")
        return Storage(dtype, key, count)

    def stand_in(self, name: str) -> object:
        """Return what stands for a name, its module before it, or None if it is not known."""
        if constant := _CONSTANT.fullmatch(name):
            return constant[1]
        if name.startswith("torch.") and name.endswith("Storage"):
            kind = name.rpartition(".")[2].removesuffix("Storage")
            return _STORED.get(kind, kind)
        if name in _OTHERS:
            return Other(_OTHERS[name]).made
        rebuild = {
            "torch.Size": tuple,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_dtype,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch._tensor._rebuild_from_type_v2": self._with_attributes,
        }
        return rebuild.get(name) or super().stand_in(name)

    # The arguments of these are those of the functions of PyTorch that they stand for.

    def _tensor(
        self,
        storage: Storage,
        offset: object,
        shape: object,
        strides: object,
        _requires_grad: object,
        _hooks: object,
        metadata: object = None,
    ) -> Tensor:
        return Tensor(storage, storage.dtype, offset, shape, strides, metadata)

    def _tensor_of_dtype(
        self,
        storage: object,
        offset: object,
        shape: object,
        strides: object,
        _requires_grad: object,
        _hooks: object,
        dtype: object,
        metadata: object = None,
    ) -> Tensor:
        return Tensor(storage, dtype, offset, shape, strides, metadata)

    def _parameter(self, tensor: object, *_others: object) -> object:
        return tensor

    def _with_attributes(
        self, rebuild: Any, _kind: object, arguments: Any, _attributes: object
    ) -> object:
        return rebuild(*arguments)


def _table(archive: _Archive, name: str | None, value: object, role: Role, roles: Roles) -> Table:
    """Return a tensor as a table that is read in blocks, and other values by what they are."""
    where = where_is(archive.file.where, name)
    if isinstance(value, Tensor):
        return Table(_extent(archive, where, value), archive.file, name)
    if isinstance(value, Other):
        raise _no_numbers(where, value.what)
    return table_of(archive.file, name, value, role, roles)


def _extent(archive: _Archive, where: str, tensor: Tensor) -> Extent:
    """Return where the numbers of a tensor are, which its storage is checked to hold."""
    _check_description(where, tensor)
    if tensor.metadata:
        raise _no_numbers(where, "a view that negates or conjugates")
    if tensor.dtype not in _TYPES:
        raise _no_numbers(where, f"numbers of type {tensor.dtype}")
    if tensor.dtype == "bfloat16":
        load_extra(where, "ml_dtypes", "bfloat16")  # by which NumPy knows the name
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    with archive.file.open() as stream:
        dtype = check_type(where, np.dtype(tensor.dtype).newbyteorder(archive.order(stream)))
        size = archive.seek(stream, f"data/{storage.key}")
        begin = stream.tell()
    stored = storage.count * np.dtype(storage.dtype).itemsize
    if size != stored:
        found, expected = f"{size} bytes in data/{storage.key}", f"{storage.count} numbers"
        raise _damaged(where, found, f"{stored} for {expected} of {storage.dtype}")
    numbers = size // dtype.itemsize
    steps = zip(shape, strides, strict=True)
    behind = tensor.offset + sum(((length - 1) * stride for length, stride in steps), start=1)
    if 0 not in shape and behind > numbers:
        found = f"{behind} numbers up to the last of shape {shape} with strides {strides}"
        raise _damaged(where, found, f"at most the {numbers} in data/{storage.key}")
    if math.prod(shape) > numbers:
        check_whole(where, shape, dtype.itemsize)  # a stride of 0 claims any number of them
    return Extent(
        file=archive.file,
        offset=begin + tensor.offset * dtype.itemsize,
        size=archive.file.size(),
        dtype=dtype,
        shape=check_shape(where, shape),
        strides=strides,
    )


def _check_description(where: str, tensor: Tensor) -> None:
    """Raise InputError unless what is said of a tensor is of the types that it has to be."""
    words = tensor.dtype, tensor.storage.dtype, tensor.storage.key
    numbers = tensor.storage.count, tensor.offset, *tensor.shape, *tensor.strides
    if not (
        all(type(word) is str for word in words)
        and all(type(number) is int and number >= 0 for number in numbers)
    ):
        raise _damaged(where, "a tensor with a wrong description", "one as torch.save writes it")


def _no_numbers(where: str, found: str) -> InputError:
    return InputError(where, found, "a dense tensor of numbers", "Convert it before it is saved.")


def _damaged(where: str, found: str, expected: str) -> InputError:
    return InputError(where, found, expected, "Save the file again; it is damaged.")
