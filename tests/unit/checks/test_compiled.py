"""The compiled loop beside NumPy, and without Numba."""

import json
import sys
from types import ModuleType

import compiled_kernel
import numpy as np
import pytest
from fixture_cases import walk
from run import softcheck

from softcheck.api import verify
from softcheck.checks import compiled, every, fused

CASE = {"q": [[1.0, 2.0, 0.5]], "logits": [[0.0, 1.0, -1.0]], "alpha": 0.25}


def test_both_kernels_agree():
    done = [compiled_kernel.agree(e) for e in compiled_kernel.blocks(150, 3)]
    assert sum(done) > len(done) / 2


def said(fixture, kernel):
    """Return the exit code and all that a report says, but for how well what passed did."""
    options = "--output-format=json", f"--kernel={kernel}", *fixture.options
    run = softcheck("verify", fixture.path, *options)
    (case,) = json.loads(run.out)["cases"]
    assert case["settings"].pop("kernel", "numpy") == kernel
    for check in case["checks"]:
        if check["status"] != "failed":
            del check["worst"], check["resolution"]
        if check["name"] == "exact":  # it looks at the worst entry of each check
            del check["entries"]
    return run.code, case


@pytest.mark.parametrize(
    "fixture", [*walk("positive")[::12], *walk("negative")[::20]], ids=lambda each: each.path.name
)
def test_both_kernels_say_the_same(fixture):
    assert said(fixture, "compiled") == said(fixture, "numpy")


def test_a_formula_that_is_wrong_fails_by_numpy_s_words(monkeypatch):
    e = next(e for e in compiled_kernel.blocks(20, 3) if every.compiled.tallies(
        compiled_kernel.compiled(e)
    ))  # fmt: skip
    wrong = compiled_kernel.compiled(e)
    monkeypatch.setattr(
        compiled, "_swept", lambda *_: (1, True, np.zeros((4, 1)), np.full((5, 6), 2.0))
    )
    assert compiled.tallies(wrong) == {}


def test_exp_keeps_to_the_two_roundings_that_bounds_count():
    from mpmath import mp, mpf

    with mp.workdps(40):
        for x in np.random.default_rng(0).uniform(-700.0, 0.0, 300).tolist():
            truth = mp.exp(mpf(x))
            assert abs(mpf(float(fused.exponential(x))) - truth) <= 2 * truth * mpf(2) ** -53


@pytest.mark.parametrize("kernel", ["auto", "numpy"])
def test_a_small_case_needs_no_numba(kernel, monkeypatch):
    monkeypatch.setattr(compiled, "_loop", lambda: pytest.fail("loaded"))
    (case,) = verify(**CASE, kernel=kernel).cases
    assert "kernel" not in case.settings


def test_a_report_names_the_kernel_that_ran():
    (case,) = verify(**CASE, kernel="compiled").cases
    assert case.settings["kernel"] == "compiled"
    assert not any("NumPy" in note for note in case.notes)


def test_a_loss_that_is_not_compiled_is_not_said_to_be():
    logits = np.zeros((2, 3))
    given = {"advantages": np.ones(2), "old_log_probs": np.full(2, -1.0), "clip": 0.2}
    arrays = {"loss": "ppo-clip", "logits": logits, "actions": np.zeros(2, int), **given}
    (case,) = verify(**arrays, kernel="compiled").cases
    assert "kernel" not in case.settings
    assert any("not linear in pi" in note for note in case.notes)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("absent", "pip install 'softcheck[fast]'"),
        ("old", "Numba cannot be imported (cannot import name 'config' from 'numba'"),
        ("failing", "Numba cannot compile it (ValueError: no such type)"),
    ],
)
def test_without_numba_numpy_verifies_with_a_note(monkeypatch, broken, said):
    if broken == "absent":
        monkeypatch.setitem(sys.modules, "softcheck.checks.fused", None)
        monkeypatch.delattr("softcheck.checks.fused")
    elif broken == "old":
        monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))
        monkeypatch.delitem(sys.modules, "softcheck.checks.fused")
        monkeypatch.delattr("softcheck.checks.fused")
    else:

        def sweep(*_):
            raise ValueError("no such type\nand more")

        monkeypatch.setattr(fused, "sweep", sweep)
    compiled._loop.cache_clear()
    try:
        (case,) = verify(**CASE, kernel="compiled").cases
        (quiet,) = verify(**CASE, kernel="auto").cases
    finally:
        compiled._loop.cache_clear()
    assert "kernel" not in case.settings
    assert any("verified by NumPy" in note and said in note for note in case.notes)
    assert not any("NumPy" in note for note in quiet.notes)


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fused.cache_folder() is None
