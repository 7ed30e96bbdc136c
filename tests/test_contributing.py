"""CONTRIBUTING.md: its map of the house is that of import-linter and of the files themselves.

`python tests/test_contributing.py` writes the map anew.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE = ROOT / "CONTRIBUTING.md"
MAP = re.compile(r"(?s)(?<=<!-- map -->\n).*(?=<!-- /map -->)")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]
LAYERS = {
    contract["containers"][0]: contract["layers"]
    for contract in CONTRACTS
    if contract["type"] == "layers"
}


def knows(path):
    """Return what a file or folder knows: the first line of its docstring."""
    module = path / "__init__.py" if path.is_dir() else path
    docstring = ast.get_docstring(ast.parse(module.read_text("utf-8")))
    return docstring.splitlines()[0].rstrip(".")


def rows(package):
    """Yield the rows of a package, what imports nothing first."""
    folder = ROOT.joinpath(*package.split("."))
    for layer in reversed(LAYERS[package]):
        for name in sorted(layer.split(" | ")):
            path = folder / name
            path = path if path.is_dir() else path.with_suffix(".py")
            shown = f"{path.name}/" if path.is_dir() else path.name
            yield f"| `{shown}` | {knows(path)} |"


def written():
    """Return the map: a table a package, the whole first."""
    tables = []
    for package in sorted(LAYERS):
        heading = f"| `{package.replace('.', '/')}/` | knows |"
        tables.append("\n".join([heading, "| --- | --- |", *rows(package)]))
    return "\n" + "\n\n".join(tables) + "\n\n"


def test_the_map_is_that_of_the_contracts_and_the_files():
    (found,) = MAP.findall(FILE.read_text("utf-8"))
    assert found == written(), "write it anew: python tests/test_contributing.py"


@pytest.mark.parametrize("package", LAYERS)
def test_every_layer_is_complete(package):
    """So that a new file has to find its place."""
    (contract,) = (each for each in CONTRACTS if each.get("containers") == [package])
    assert contract.get("exhaustive")


PLACE = re.compile(r"`((?:softcheck|tests|fixtures|docs|\.ci)/[^`<>*]*|[a-z]+\.(?:toml|yml|md))`")


def test_the_files_it_names_exist():
    for name in PLACE.findall(FILE.read_text("utf-8")):
        assert (ROOT / name).exists(), f"CONTRIBUTING.md names {name}, which does not exist"


if __name__ == "__main__":
    FILE.write_text(MAP.sub(lambda _: written(), FILE.read_text("utf-8")), "utf-8")
