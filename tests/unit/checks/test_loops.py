"""Machine code that is kept, and that runs without the compiler."""

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from softcheck.checks import fused, loops, scan
from softcheck.checks.loops import Loop

HERE = Path(__file__).parent


class Factors(NamedTuple):
    is_even: bool
    numbers: tuple[float, int]


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(HERE)


FACTORS = Factors(is_even=True, numbers=(2.0, 3))


def added(loop, x, factors=FACTORS, missing=None):
    total = np.empty(1)
    assert loop(x, factors, missing, total) == ""
    return total[0]


@pytest.fixture
def add():
    return Loop("small_loops", "add")


def kept():
    return sorted(loops.folder().iterdir())


def test_a_loop_takes_arrays_as_they_lie_and_numbers_and_nothing(add):
    x = np.arange(24.0).reshape(4, 6)
    readonly = x.view()
    readonly.flags.writeable = False
    packed = np.zeros(4 * 6 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(4, 6)
    packed[:] = x
    for given in (x, x.T, x[::2, ::-3], readonly, x.astype(np.float32), packed, x[:0]):
        assert added(add, given) == 2.0 * given.sum() + 3 * given.size
    assert added(add, x, Factors(False, (0.5, 3))) == 0.5 * x.sum()
    assert added(add, x, Factors(False, (2, 3))) == 2.0 * x.sum()
    assert added(add, x, missing=np.zeros(1)) == 1e9 + 2.0 * x.sum() + 3 * x.size


def test_a_loop_takes_arrays_of_any_dimensions():
    loop, found = Loop("small_loops", "last"), np.empty(1)
    for shape in ((5,), (3, 4), (2, 1, 7)):
        assert loop(np.ones(shape), found) == ""
        assert found[0] == shape[-1]


def test_what_was_compiled_runs_without_numba(add):
    x = np.arange(6.0).reshape(2, 3)
    assert added(add, x) == 48.0
    (file,) = kept()
    run = """
import sys
sys.modules["numba"] = None
import numpy as np
from softcheck.checks.loops import Loop
total = np.empty(1)
assert Loop("small_loops", "add")(np.ones((2, 3)), (True, (2.0, 3)), None, total) == ""
print(total[0])
"""
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "30.0\n"
    assert kept() == [file]


def test_that_it_compiles_is_said_where_it_does(add, caplog):
    with caplog.at_level("INFO", "softcheck"):
        for loop in (add, add, Loop("small_loops", "add")):
            added(loop, np.ones((2, 3)))
        added(add, np.ones((2, 3), np.float32))
    assert [said.startswith("compiling") for said in caplog.messages] == [True, True]


@pytest.mark.parametrize(
    "damage", [lambda x: x[:-1], lambda x: x[:40] + b"?" + x[41:], lambda _: b""]
)
def test_what_was_damaged_is_compiled_anew(add, damage):
    x = np.ones((2, 3))
    added(add, x)
    (file,) = kept()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert added(Loop("small_loops", "add"), x) == 30.0
    assert loops._read(file) is not None


def test_what_others_may_have_written_is_compiled_anew(add, monkeypatch):
    x = np.ones((2, 3))
    added(add, x)
    (file,) = kept()
    file.chmod(0o666)
    assert loops._read(file) is None
    file.chmod(0o644)
    assert loops._read(file) is not None
    monkeypatch.setattr(os, "getuid", lambda: file.stat().st_uid + 1, raising=False)
    assert (loops._read(file) is None) == (file.stat().st_uid != 0)
    monkeypatch.setattr(loops, "_may_be_of_others", lambda _: True)
    assert added(Loop("small_loops", "add"), x) == 30.0


def test_another_source_is_compiled_anew(add, monkeypatch):
    added(add, np.ones((2, 3)))
    monkeypatch.setattr(loops, "_digest", lambda: "another")
    added(Loop("small_loops", "add"), np.ones((2, 3)))
    assert len(kept()) == 2


def test_a_cache_that_cannot_be_written_is_no_error(add, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert added(add, np.ones((2, 3))) == 30.0


def test_machine_code_that_needs_more_than_itself_is_not_run():
    loop = Loop("small_loops", "of_the_system")
    x = np.full(1, 8.0)
    failure = loop(x)
    assert "its machine code needs log2" in failure
    assert loop(x) == loop.failure == failure
    assert x[0] == 8.0
    assert not loops.folder().exists()


def test_a_loop_that_raises_is_not_taken_for_one_that_ran():
    loop = Loop("small_loops", "that_raises")
    assert loop(np.ones(1)) == ""
    with pytest.raises(RuntimeError, match="has raised an error"):
        loop(-np.ones(1))


def test_threads_that_begin_at_once_compile_once(add, monkeypatch):
    compiled = []
    right = Loop._compiled
    monkeypatch.setattr(
        Loop, "_compiled", lambda self, given: compiled.append(1) or right(self, given)
    )
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda _: added(add, np.ones((2, 3))), range(16))] == [30.0] * 16
    assert len(compiled) == 1


def test_whatever_is_compiled_has_its_part_in_the_name_of_what_is_kept():
    sources = {*map(str, loops.sources())}
    for module in (fused, scan):
        assert module.__file__ in sources
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("softcheck"):
                __import__(node.module)
                for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names)):
                    file = getattr(sys.modules.get(name), "__file__", "__init__.py")
                    assert file in sources or file.endswith("__init__.py"), name
