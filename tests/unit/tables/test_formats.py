"""The table of formats: each row has its reader, and each reader its row."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from softcheck import tables
from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.formats import FILE_FORMATS, read
from softcheck.tables.roles import ROLES
from softcheck.tables.table import Reading

FOLDER = Path(tables.__file__).parent
BESIDE = {"shards.read_shards", "zarr_group.read_zarr"}
"""These read folders, which have no suffix."""


@pytest.mark.parametrize("form", dict.fromkeys(FILE_FORMATS.values()), ids=lambda form: form.reader)
def test_every_row_has_its_reader(form):
    module, _, function = form.reader.partition(".")
    assert (FOLDER / f"{module}.py").is_file(), (
        f"the row of {form.suffixes[0]} names softcheck/tables/{module}.py, which is not there"
    )
    assert callable(getattr(import_module(f"softcheck.tables.{module}"), function, None)), (
        f"the row of {form.suffixes[0]} names {form.reader}, which is no function"
    )


def test_every_reader_has_its_row():
    readers = {
        f"{path.stem}.{node.name}"
        for path in FOLDER.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("read_")
    }
    missing = readers - {form.reader for form in FILE_FORMATS.values()} - BESIDE
    assert not missing, f"{missing} are in no row of softcheck/tables/formats.py: nothing is read"


def test_no_suffix_is_that_of_two_formats():
    assert sum(len(form.suffixes) for form in set(FILE_FORMATS.values())) == len(FILE_FORMATS)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in FILE_FORMATS)


@pytest.mark.parametrize(("name", "found"), [("q.mat", "the suffix '.mat'"), ("q", "no suffix")])
def test_what_is_in_no_row_is_refused_with_what_is(name, found, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(InputError) as error:
        read(File(str(tmp_path / name), name), Reading(ROLES))
    assert (error.value.where, error.value.found) == (name, found)
    assert error.value.expected == f"one of {' '.join(FILE_FORMATS)}"


def test_the_suffix_counts_whatever_its_case(tmp_path):
    (tmp_path / "Q.JSON").write_text("[1.0, 2.0]")
    assert list(read(File(str(tmp_path / "Q.JSON")), Reading(ROLES))) == [None]
