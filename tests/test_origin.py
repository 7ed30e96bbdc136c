"""The line of code that dumped a case: kept in its file, and told by every report."""

import json
import runpy

import numpy as np
import pytest
from run import softcheck as run

import softcheck
from softcheck.report import FORMATS
from softcheck.tables.case import open_case

DUMP = """
import numpy as np
import softcheck

table = np.arange(6.0).reshape(3, 2)


def dump(path):
    softcheck.save_case(
        path, q=table, logits=table, grad=table, alpha=0.5,
    )


dump({path!r})
"""
CAPTURE = """
import torch
import softcheck

logits = torch.zeros(3, 2, requires_grad=True)
q = torch.ones(3, 2)
with softcheck.capture(q=q, alpha=0.5, path={path!r}) as captured:
    captured.record(logits=logits)
    pi = logits.softmax(-1)
    (pi * (0.5 * pi.log() - q)).sum().backward()
"""


def line_of(code, text):
    """Return the number of the line of a code that has a text."""
    return next(at for at, line in enumerate(code.splitlines(), 1) if text in line)


def dumped(script, code, path):
    """Run a script that dumps a case, and return what the case says of that."""
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(code.format(path=str(path)))
    runpy.run_path(str(script))
    return open_case(str(path), {}).dumped_by


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    return tmp_path / "checkout"


@pytest.mark.parametrize(("code", "call"), [(DUMP, "save_case("), (CAPTURE, "with softcheck")])
@pytest.mark.parametrize("name", ["step.npz", "step.safetensors"])
def test_a_case_says_which_line_dumped_it_as_its_repository_has_it(
    repository, tmp_path, code, call, name
):
    found = dumped(repository / "agents" / "train.py", code, tmp_path / name)
    assert (found.file, found.line) == ("agents/train.py", line_of(code, call))


def test_without_a_repository_it_is_as_seen_from_where_the_code_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dumped(tmp_path / "sub" / "train.py", DUMP, "a.npz").file == "sub/train.py"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert dumped(tmp_path / "sub" / "train.py", DUMP, "a.npz").file == "train.py"


def test_code_that_is_in_no_file_has_no_line(tmp_path):
    path = tmp_path / "a.npz"
    runpy._run_code(compile(DUMP.format(path=str(path)), "<cell 3>", "exec"), {})
    assert open_case(str(path), {}).dumped_by is None


def test_a_working_directory_that_is_gone_stops_no_training(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert dumped(tmp_path / "train.py", DUMP, tmp_path / "a.npz") is None


def saved(path, **texts):
    table = np.arange(6.0).reshape(3, 2)
    words = {name: np.array(text) for name, text in texts.items()}
    np.savez(path, q=table, logits=table, grad=table, alpha=0.5, **words)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_it(tmp_path, form):
    path = saved(tmp_path / "a.npz", dumped_by="agents/train.py:42")
    said = run("verify", path, "--output-format", form).out
    if form == "json":
        (case,) = json.loads(said)["cases"]
        assert case["dumped_by"] == {"file": "agents/train.py", "line": 42}
    else:
        assert "agents/train.py" in said
        assert "42" in said


HOSTILE = "x\n::error::\x1b[31m##[group]<script>"


@pytest.mark.parametrize("form", sorted(FORMATS.keys() - {"json"}))
def test_it_is_data(tmp_path, form):
    said = run(
        "verify", saved(tmp_path / "a.npz", dumped_by=f"{HOSTILE}:3"), "--output-format", form
    )
    assert said.code == 1
    assert "\x1b" not in said.out
    assert "##[" not in said.out
    assert sum(line.startswith("::error") for line in said.out.splitlines()) == (form == "github")


@pytest.mark.parametrize("text", ["alice", "train.py:0", "train.py:-1", ":3", "x" * 2000 + ":3"])
def test_what_is_no_line_of_a_file_is_noted_and_not_used(tmp_path, text):
    case = open_case(str(saved(tmp_path / "a.npz", dumped_by=text)), {})
    assert case.dumped_by is None
    assert "dumped_by is not FILE:LINE" in case.notes[-1]


def test_an_array_of_that_name_is_one_without_a_role(tmp_path):
    case = open_case(str(saved(tmp_path / "a.npz", dumped_by=[1.0, 2.0])), {})
    assert case.dumped_by is None
    assert "not loaded, because no role has this name: 'dumped_by'" in case.notes[-1]


@pytest.mark.parametrize(("lines", "common"), [((42, 42), 42), ((42, 43), None)])
def test_numbered_files_have_the_line_that_all_of_them_name(tmp_path, lines, common):
    for number, line in enumerate(lines):
        saved(tmp_path / f"step-{number}.npz", dumped_by=f"train.py:{line}")
    case = open_case(str(tmp_path), {})
    assert case.states == 6
    assert (case.dumped_by and case.dumped_by.line) == common


def test_a_case_in_memory_has_the_line_that_is_given():
    table = np.arange(6.0).reshape(3, 2)
    given = {"q": table, "logits": table, "alpha": 0.5}
    (case,) = softcheck.verify(**given).cases
    assert case.dumped_by is None
    (case,) = softcheck.verify(**given, dumped_by="train.py:42").cases
    assert (case.dumped_by.file, case.dumped_by.line) == ("train.py", 42)


def test_a_dump_of_numpy_is_given_and_saved_again_with_its_own_line(tmp_path):
    path = tmp_path / "a.npz"
    table = np.arange(6.0).reshape(3, 2)
    softcheck.save_case(path, loss="entropy", coef=0.1, logits=table, dumped_by="train.py:42")
    dump = dict(np.load(path))
    (case,) = softcheck.verify(**dump).cases
    assert (case.loss.name, case.dumped_by.line) == ("entropy", 42)
    softcheck.save_case(path, **dump)
    assert open_case(str(path), {}).dumped_by.line == 42
