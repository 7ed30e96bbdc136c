"""The table of file formats: it serves dispatch, messages and documentation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.refusals import reading
from softcheck.tables.table import Contents


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        Its name in documentation.
    suffixes : tuple of str
        The file name endings, in lower case.
    read : callable
        From the file, and whether pickles are allowed, to the arrays.
    about : str
        What such a file holds: a phrase for the documentation.
    extra : str or None
        The extra of softcheck that it needs.
    reads_parts : bool
        Whether parts of a file elsewhere are read in place, not from a copy on this machine.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[File, bool], Contents]
    about: str
    extra: str | None = None
    reads_parts: bool = False


def _late(module: str, function: str, *, pickles: bool = False) -> Callable[[File, bool], Contents]:
    """Return a reader whose module is imported when it is called."""

    def read(file: File, allow_pickle: bool) -> Contents:
        reader = getattr(import_module(f"softcheck.tables.{module}"), function)
        contents: Contents = reader(file, allow_pickle) if pickles else reader(file)
        return contents

    return read


_EVERY = (
    Format(
        "NumPy", (".npy",), _late("npy", "read_npy", pickles=True), "one array", reads_parts=True
    ),
    Format("NumPy archive", (".npz",), _late("npy", "read_npz", pickles=True), "arrays by name"),
    Format(
        "JSON",
        (".json",),
        _late("json_text", "read_json"),
        "arrays by name, or one array; a row for each state, or an object with labels",
    ),
    Format(
        "delimited text",
        (".csv", ".tsv"),
        _late("delimited", "read_delimited"),
        "one table with a line for each state, or columns state, action and one for each role",
    ),
    Format(
        "Parquet",
        (".parquet",),
        _late("parquet", "read_parquet"),
        "one table with a row for each state; columns state, action and one for each role; or a "
        "column for each role, with a list in each row",
        "parquet",
    ),
    Format(
        "safetensors",
        (".safetensors",),
        _late("tensors", "read_safetensors"),
        "tensors by name; bfloat16 needs the extra",
        "safetensors",
    ),
    Format("HDF5", (".h5", ".hdf5"), _late("hdf5", "read_hdf5"), "datasets by path", "hdf5"),
    Format(
        "PyTorch",
        (".pt", ".pth"),
        _late("torch_file", "read_torch"),
        "tensors by name, or one tensor; nothing in it is run",
        "torch",
    ),
    Format(
        "pickle",
        (".pkl", ".pickle"),
        _late("pickled", "read_pickle", pickles=True),
        "an array or a dictionary, with --allow-pickle; nothing in it is run",
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType(
    {suffix: form for form in _EVERY for suffix in form.suffixes}
)
"""Every format by its suffixes."""


def read(file: File, *, allow_pickle: bool) -> Contents:
    """Return the arrays of a file, none of them loaded yet.

    Raises
    ------
    InputError
        If the file is missing, is not regular, has an unknown format, or is damaged.
    """
    file.size()
    form = FORMATS.get(file.suffix)
    if form is None:
        raise InputError(
            file.where,
            f"the suffix '{file.suffix}'" if file.suffix else "no suffix",
            f"one of {' '.join(FORMATS)}",
            "Save the arrays in one of these formats, and name the file after it.",
        )
    with reading(file.where):
        return form.read(file if form.reads_parts else file.local(), allow_pickle)
