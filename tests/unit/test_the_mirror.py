"""The tests of a module are where its path says: softcheck/a/b.py has tests/unit/a/test_b.py."""

from pathlib import Path

import pytest

UNIT = Path(__file__).parent
PACKAGE = UNIT.parents[1] / "softcheck"
FILES = sorted(UNIT.rglob("test_*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(UNIT)))
def test_every_file_here_is_that_of_a_module(file):
    module = file.relative_to(UNIT).with_name(file.name.removeprefix("test_"))
    assert file == Path(__file__) or (PACKAGE / module).is_file(), (
        f"{file} belongs to no module: softcheck/{module} does not exist"
    )
