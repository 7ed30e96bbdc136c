"""The table of file formats: what is read by what."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from types import MappingProxyType

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.lists import decimals_of
from softcheck.tables.refusals import reading
from softcheck.tables.roles import Role
from softcheck.tables.table import Contents, Load, Reading, Table


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    Parameters
    ----------
    suffixes : tuple of str
        The file name endings, in lower case.
    reader : str
        The module of this folder, imported when it is needed, and its function: from a file, and
        how the user has it read, to the arrays in it.
    reads_parts : bool
        Whether parts of a file elsewhere are read in place, not from a copy on this machine.
    is_text : bool
        Whether its numbers may have been rounded to some decimals.
    """

    suffixes: tuple[str, ...]
    reader: str
    reads_parts: bool = False
    is_text: bool = False

    def read(self, file: File, how: Reading) -> Contents:
        """Return the arrays of a file."""
        module, _, function = self.reader.partition(".")
        read = getattr(import_module(f"softcheck.tables.{module}"), function)
        contents: Contents = read(file if self.reads_parts else file.local(), how)
        if self.is_text:
            printed = {name: partial(_printed, load) for name, load in contents.items()}
            return Contents(printed, contents.texts)
        return contents


def _printed(load: Load, role: Role) -> Table:
    """Return a table of a text file, with the decimals that its numbers have."""
    table = load(role)
    return replace(table, decimals=decimals_of(table.whole()))


_EVERY = (
    FileFormat((".npy",), "npy.read_npy", reads_parts=True),
    FileFormat((".npz",), "npy.read_npz"),
    FileFormat((".json",), "json_text.read_json", is_text=True),
    FileFormat((".jsonl", ".ndjson"), "json_text.read_json_lines", is_text=True),
    FileFormat((".csv", ".tsv"), "delimited.read_delimited", is_text=True),
    FileFormat((".parquet",), "parquet.read_parquet"),
    FileFormat((".feather", ".arrow"), "feather.read_feather"),
    FileFormat((".safetensors",), "tensors.read_safetensors"),
    FileFormat((".h5", ".hdf5"), "hdf5.read_hdf5"),
    FileFormat((".pt", ".pth"), "torch_file.read_torch"),
    FileFormat((".pkl", ".pickle"), "pickled.read_pickle"),
)

FILE_FORMATS: Mapping[str, FileFormat] = MappingProxyType(
    {suffix: form for form in _EVERY for suffix in form.suffixes}
)
"""Every format by its suffixes."""


def read(file: File, how: Reading) -> Contents:
    """Return the arrays of a file, none of them loaded yet.

    Raises
    ------
    InputError
        If the file is missing, is not regular, has an unknown format, or is damaged.
    """
    file.size()
    form = FILE_FORMATS.get(file.suffix)
    if form is None:
        raise InputError(
            file.where,
            f"the suffix '{file.suffix}'" if file.suffix else "no suffix",
            f"one of {' '.join(FILE_FORMATS)}",
            "Save the arrays in one of these formats, and name the file after it.",
        )
    with reading(file.where):
        return form.read(file, how)
