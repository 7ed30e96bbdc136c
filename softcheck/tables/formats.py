"""The table of file formats: it serves dispatch, messages and documentation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softcheck.errors import InputError
from softcheck.tables.delimited import read_delimited
from softcheck.tables.files import File, reading
from softcheck.tables.hdf5 import read_hdf5
from softcheck.tables.json_text import read_json
from softcheck.tables.npy import read_npy, read_npz
from softcheck.tables.parquet import read_parquet
from softcheck.tables.pickled import read_pickle
from softcheck.tables.table import Contents
from softcheck.tables.tensors import read_safetensors
from softcheck.tables.torch_file import read_torch


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


_EVERY = (
    Format("NumPy", (".npy",), read_npy, "one array", reads_parts=True),
    Format("NumPy archive", (".npz",), read_npz, "arrays by name"),
    Format(
        "JSON",
        (".json",),
        lambda file, _: read_json(file),
        "arrays by name, or one array; a row for each state, or an object with labels",
    ),
    Format(
        "delimited text",
        (".csv", ".tsv"),
        lambda file, _: read_delimited(file),
        "one table with a line for each state, or columns state, action and one for each role",
    ),
    Format(
        "Parquet",
        (".parquet",),
        lambda file, _: read_parquet(file),
        "one table with a row for each state; columns state, action and one for each role; or a "
        "column for each role, with a list in each row",
        "parquet",
    ),
    Format(
        "safetensors",
        (".safetensors",),
        lambda file, _: read_safetensors(file),
        "tensors by name; bfloat16 needs the extra",
        "safetensors",
    ),
    Format("HDF5", (".h5", ".hdf5"), lambda file, _: read_hdf5(file), "datasets by path", "hdf5"),
    Format(
        "PyTorch",
        (".pt", ".pth"),
        lambda file, _: read_torch(file),
        "tensors by name, or one tensor; nothing in it is run",
        "torch",
    ),
    Format(
        "pickle",
        (".pkl", ".pickle"),
        read_pickle,
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
