"""What each command loads: the program starts as fast as its imports let it."""

import subprocess
import sys

import pytest
from fixture_cases import FIXTURES

GOOD = FIXTURES / "positive" / "cliffwalking.npz"

LOADED = """
import sys
from softcheck.__main__ import main
sys.argv[0] = "softcheck"
try:
    main()
finally:
    print(*sys.modules, sep="\\n", file=sys.stderr)
"""

EXTRAS = {
    "fsspec", "h5py", "llvmlite", "ml_dtypes", "numba", "pyarrow", "safetensors", "torch", "zarr"
}  # fmt: skip
UNUSED = EXTRAS | {
    "asyncio", "email", "http", "junitparser", "multiprocessing", "pydantic", "rich", "xml"
}  # fmt: skip
COMPUTING = {"mpmath", "numpy", "sympy"}
WORKING = {
    f"softcheck.{room}" for room in ("checks", "derive", "diagnosis", "tables.case", "training")
}
FILES = {"csv", "hashlib", "json", "tomllib", "zipfile"}


def modules(code, *arguments, **options):
    """Return the names of what a process has loaded, which it prints on stderr as it ends."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "beside", "most", "never"),
    [
        (["--version"], "typer", 23, COMPUTING | FILES | WORKING),
        (["--help"], "typer", 23, COMPUTING | FILES | WORKING),
        (["verify", "--help"], "typer", 23, COMPUTING | FILES | WORKING),
        (["schema"], "typer", 23, COMPUTING | FILES | WORKING),
        (
            ["explain", "missing-alpha"],
            "typer",
            50,
            (COMPUTING | FILES | WORKING) - {"softcheck.checks", "softcheck.diagnosis"},
        ),
        (
            ["explain", "resolution"],
            "typer",
            50,
            (COMPUTING | FILES | WORKING) - {"softcheck.checks", "softcheck.diagnosis"},
        ),
        (
            ["verify", GOOD],
            "numpy, typer",
            63,
            {"csv", "json", "mpmath", "numpy.ma", "softcheck.derive", "softcheck.diagnosis"}
            | {"sympy", "tomllib"},
        ),
        (
            ["derive"],
            "sympy, typer",
            60,
            {"csv", "json", "numpy", "softcheck.checks", "softcheck.diagnosis", "tomllib"},
        ),
    ],
    ids=lambda value: "-".join(map(str, value[:1])) if isinstance(value, list) else None,
)
def test_a_command_loads_little_beside_what_it_cannot_do_without(
    tmp_path, arguments, beside, most, never
):
    """Where no configuration file is: to read one takes tomllib."""
    needed = modules(f"import sys, {beside}\nprint(*sys.modules, sep='\\n', file=sys.stderr)")
    loaded = modules(LOADED, *arguments, cwd=tmp_path) - needed
    assert not {name for name in loaded if name in never or name.split(".")[0] in never | UNUSED}
    # Our own files are small; how many they are is no matter of speed.
    assert len([name for name in loaded if name.split(".")[0] != "softcheck"]) <= most
