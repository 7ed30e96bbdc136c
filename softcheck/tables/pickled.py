"""Read pickled arrays and dictionaries without running anything that a pickle names.

A pickle is a program that may call what it likes. Here it reaches nothing but the methods of
`Unpickler`, which accept the plain parts of an array and check them before NumPy sees them.
"""

import io
import math
import pickle  # the point of this file is to do without its dangers
import pickletools
from typing import IO, Any

import numpy as np

from softcheck.errors import InputError
from softcheck.tables.files import File, Stream
from softcheck.tables.limits import MAX_WHOLE_BYTES
from softcheck.tables.nested import contents_of
from softcheck.tables.refusals import reading, too_large
from softcheck.tables.table import Contents, Reading


def read_pickle(file: File, how: Reading) -> Contents:
    """Return the array or the dictionary of a ``.pkl`` file."""
    require_permission(file.where, how.allow_pickle)
    with file.open() as stream:
        return contents_of(file, unpickle(file.where, stream, file.size()), how.roles)


def require_permission(where: str, allow_pickle: bool) -> None:
    """Raise InputError unless the user has allowed pickles."""
    if not allow_pickle:
        raise InputError(
            where,
            "pickled Python objects",
            "an array of numbers",
            "Save each array with np.save, or allow a file that you trust with --allow-pickle.",
        )


_ADVICE = {
    "torch": "Save a dictionary of tensors with torch.save, under the suffix .pt.",
    "pandas": "Save the frame with to_parquet or to_csv.",
    "polars": "Save the frame with write_parquet or write_csv.",
    "jax": "Pickle numpy.asarray of the array, or save it with softcheck.save_case.",
}
"""What to do about the objects of a library."""


class _Type:
    """A dtype as a pickle describes it."""

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, order, base, names, *_ = state
        if base is not None or names is not None:
            raise pickle.UnpicklingError("records are no numbers")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray[Any, np.dtype[Any]]):
    """An array that takes its state only if all parts of it agree."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, described, fortran, data = state
        dtype = described.dtype
        size = math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize)
        if (
            isinstance(data, list) is not dtype.hasobject
            or len(data) != size
            or min(shape, default=0) < 0
        ):
            raise pickle.UnpicklingError("an array whose data do not fit its shape")
        state = (1, shape, dtype, bool(fortran), data)
        super().__setstate__(state)  # type: ignore[arg-type]  # stubs ask for what NumPy refuses


class _Mapping(dict[Any, Any]):
    """A dictionary without the attributes that it had, such as the versions in a state dict."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        pass


class Unpickler(pickle.Unpickler):
    """Unpickles plain values and NumPy arrays; any other name in a pickle is an error."""

    def __init__(self, where: str, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._where = where

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in of a name; it is a method, so that a pickle cannot alter it."""
        # Old pickles have the names of Python 2 and of NumPy 1.
        module = module.replace("__builtin__", "builtins").replace("numpy.core", "numpy._core")
        stand_in = self.stand_in(f"{module}.{name}")
        if stand_in is None:
            library = module.partition(".")[0]
            raise InputError(
                self._where,
                f"{module}.{name}, which is not a plain value or array",
                "dictionaries, lists, numbers and arrays",
                _ADVICE.get(library, "Convert it to NumPy arrays before it is saved."),
            )
        return stand_in

    def stand_in(self, name: str) -> object:
        """Return what stands for a name, its module before it, or None if it is not known."""
        return {
            "numpy.dtype": self._dtype,
            "numpy.ndarray": self._nothing,
            "numpy._core.multiarray._reconstruct": self._reconstruct,
            "numpy._core.multiarray.scalar": self._scalar,
            "numpy._core.numeric._frombuffer": self._frombuffer,
            "_codecs.encode": self._encode,
            "collections.OrderedDict": self._mapping,
            "collections.defaultdict": self._mapping,
            "builtins.dict": self._nothing,
            "builtins.float": self._nothing,
            "builtins.int": self._nothing,
            "builtins.list": self._nothing,
        }.get(name)

    def _nothing(self) -> None:
        """Stand for a type that is only passed on, as the default of a defaultdict."""

    def _mapping(self, _default: object = None) -> _Mapping:
        return _Mapping()

    def _dtype(self, code: str, _align: object = False, _copy: object = False) -> _Type:
        return _Type(str(code))

    def _reconstruct(self, _subtype: object, _shape: object, _code: object) -> _Array:
        return np.ndarray.__new__(_Array, 0, np.uint8)

    def _scalar(self, described: _Type, data: bytes) -> Any:
        return self._frombuffer(data, described, (), "C")[()]

    def _frombuffer(
        self,
        data: bytes,
        described: _Type,
        shape: tuple[int, ...],
        order: str,
        axes: tuple[int, ...] | None = None,
    ) -> _Array:
        array = self._reconstruct(None, None, None)
        array.__setstate__((1, shape, described, order == "F", bytes(data)))
        return array if axes is None else array.transpose(axes)

    def _encode(self, text: str, encoding: str) -> bytes:
        """Return the bytes of an old protocol, which wrote them as Latin-1 text."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes written as {encoding}")
        return text.encode("latin1")


def unpickle(
    where: str, stream: Stream, size: int, unpickler: type[Unpickler] = Unpickler
) -> object:
    """Return what an unpickler reads in a pickle, the next `size` bytes of `stream`."""
    if size > MAX_WHOLE_BYTES:
        raise too_large(where, size, MAX_WHOLE_BYTES)
    with reading(where):
        data = stream.read(size)
        for opcode, argument, _ in pickletools.genops(data):
            # A memo is as long as its largest index says, so one number could claim all memory.
            if opcode.name.endswith("PUT") and int(argument or 0) > len(data):
                raise pickle.UnpicklingError(f"memo index {argument}")
        loading = unpickler(where, io.BytesIO(data))
        value = loading.load()
        # Its own methods are in its memo: it would stay, with all that it read, until collected.
        loading.memo.clear()
    is_wrapped = isinstance(value, np.ndarray) and value.dtype.hasobject and value.ndim == 0
    return value.item() if is_wrapped else value
