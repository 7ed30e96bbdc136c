"""What somebody new to the program gets wrong first."""

import re
import signal
import subprocess
import sys
import warnings

import pytest
import reports
import torch
from fixture_cases import FIXTURES
from run import softcheck

from softcheck import assert_gradient, save_case
from softcheck.errors import InputError, OutputError, UsageError
from softcheck.report import FORMATS, Style
from softcheck.tables.refusals import load_extra

GOOD = FIXTURES / "positive" / "cliffwalking.npz"


def refused(*arguments):
    """Return the one line with which the program refuses."""
    run = softcheck(*arguments)
    assert run.code == 2
    assert run.err.count("\n") == 1
    return run.err.removeprefix("softcheck: ").rstrip("\n")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--color", "one of auto, always, never"),
        ("--reduction", "one of sum, none, mean, mean-all, weighted-mean"),
        ("--threads", "a whole number of at least 1, at most 1024"),
        ("--alpha", 'a number or a path such as "run.npz::q"'),
    ],
)
def test_an_option_without_its_value_says_what_values_there_are(option, expected):
    assert refused("verify", GOOD, option) == (
        f"{option}: found no value, expected {expected}. Give it one."
    )


def test_what_is_refused_says_of_which_command_to_read_the_help():
    assert refused("verify", GOOD, "--config").endswith("See softcheck verify --help.")
    assert refused("explain", "--help=1").endswith("See softcheck explain --help.")
    assert refused("verify", "--strict=1").endswith("See softcheck verify --help.")


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["verify", ""], "CASE"),
        (["verify", GOOD, ""], "CASE"),
        (["verify", GOOD, "--config", ""], "--config"),
        (["verify", "--q", ""], "--q"),
        (["derive", ""], "FILE"),
        (["derive", "--on", ""], "--on"),
        (["selftest", ""], "CASE"),
    ],
)
def test_an_empty_path_is_no_name_of_this_folder(arguments, where):
    """As where a variable of a script is not set."""
    assert refused(*arguments).startswith(f"{where}: found '', expected a path")


@pytest.mark.parametrize("option", ["--samples", "--seed", "--threads"])
def test_a_number_that_no_machine_can_mean_is_refused(option):
    assert f"{option}: found '{10**23}', expected a whole number" in refused(
        "verify", GOOD, "--samples=1", option, 10**23
    )


def test_a_folder_of_cases_is_no_case_and_the_refusal_says_how_to_name_them(tmp_path):
    (tmp_path / "step.npz").write_bytes(GOOD.read_bytes())
    said = refused("verify", tmp_path)
    assert "found no q among 'step.npz'" in said
    assert said.endswith(f"give {tmp_path}/*.npz: a folder is one case, with a file a name.")


def test_an_array_of_another_loss_than_the_default_one_asks_for_the_loss():
    logits = torch.zeros(2, 3)
    with pytest.raises(InputError, match=r"as 'labels' looks\? Say which: loss\."):
        assert_gradient(logits=logits, labels=torch.tensor([0, 1]), grad=logits)


def test_a_missing_package_has_the_name_it_is_installed_by(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.types", None)
    with pytest.raises(InputError, match="found no package pyarrow, which this needs") as error:
        load_extra("a.parquet", "pyarrow.types", "parquet")
    assert error.value.hint == "Run: pip install 'softcheck[parquet]'."


def test_a_package_that_is_there_and_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "damaged.py").write_text("import of_which_this_part_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"broken \(No module named 'of_which"):
        load_extra("a.h5", "damaged", "hdf5")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_finalizer_is_not_lost(sent, code):
    """Python drops what is raised there, as it is in the callback of a weak reference."""
    script = f"""
import os, sys, weakref
from softcheck.__main__ import main

class Mortal:
    pass

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "softcheck.verification":
            sys.meta_path.remove(self)
            mortal = Mortal()
            reference = weakref.ref(mortal, lambda _: os.kill(os.getpid(), {int(sent)}))
            del mortal

sys.meta_path.insert(0, Finder())
sys.argv = ["softcheck", "verify", {str(GOOD)!r}]
main()
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (code, b"", b"")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_has_a_whole_description_for_each_option_at_any_width(shell, monkeypatch):
    for name, value in {
        "_SOFTCHECK_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "softcheck verify --",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COLUMNS": "30",
    }.items():
        monkeypatch.setenv(name, value)
    run = softcheck()
    assert (run.code, run.err) == (0, "")
    lines = run.out.replace("_arguments '*: :((", "").replace("\\\\:", ":").splitlines()
    assert all(line.lstrip('"').startswith("--") for line in lines)
    choices = "sum, none, mean, mean-all, weighted-mean [sum]"
    assert any(f"Reduction over states: {choices}" in line for line in lines)
    assert any("Axis of the actions [-1]" in line for line in lines)


@pytest.mark.parametrize("name", reports.EVERY)
def test_at_a_terminal_sentences_wrap_between_words_and_nothing_is_lost(name):
    def rendered(**how):
        return FORMATS["text"].verification(reports.EVERY[name], Style(width=40, **how))

    seen = rendered(wraps=True)
    assert seen.split() == rendered().split()
    for row in seen.splitlines():
        assert len(row) <= 40 or len(row.split()) == 1, row
    if name == "failed":
        assert max(map(len, rendered().splitlines())) > 80, "a log has whole sentences"
    colored = rendered(wraps=True, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == seen
    assert colored != seen


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("softcheck.toml", 'report = "json:x"', 'expected a list such as ["junit:softcheck.xml"]'),
        ("softcheck.toml", "[tool.softcheck]\nstrict = true", "only: leave it out."),
        ("pyproject.toml", "tool = 3", "found no case"),
        ("pyproject.toml", "[tool]\nsoftcheck = 3", "found 3, expected a table"),
    ],
)
def test_a_slip_in_the_configuration_is_answered(name, text, says, tmp_path, monkeypatch):
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert says in refused("verify")


def test_text_in_another_encoding_is_told_by_its_bytes(tmp_path):
    for name, command in {"note.tex": "derive", "case.json": "verify"}.items():
        path = tmp_path / name
        path.write_bytes("{é}".encode("latin-1"))
        assert "found the byte 0xe9 at 1, expected text in UTF-8" in refused(command, path)


def test_a_case_is_not_saved_at_a_loop_of_links(tmp_path):
    loop = tmp_path / "case.npz"
    loop.symlink_to(loop)
    with pytest.raises(OutputError, match="no regular file there"):
        save_case(loop, q=[[1.0, 2.0]], logits=[[0.0, 1.0]], alpha=0.1)
    assert loop.is_symlink()


def test_a_gradient_that_was_never_computed_is_no_right_one():
    logits = torch.zeros(2, 3, requires_grad=True) * 1  # no leaf, so that it keeps no gradient
    logits.sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, which a training log drowns
        grad = logits.grad
    with pytest.raises(UsageError, match="grad: found None, expected the gradient under test"):
        assert_gradient(q=torch.ones(2, 3), logits=logits, grad=grad, alpha=0.2)
