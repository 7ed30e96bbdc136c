"""The compiled loop beside NumPy, and without Numba."""

import json
import math
import sys
from dataclasses import replace
from fractions import Fraction
from types import ModuleType, SimpleNamespace

import compiled_kernel
import numpy as np
import pytest
import wrong_tables
from evaluations import SAC, of_block
from fixture_cases import walk
from run import softcheck
from scipy.special import log_softmax

from softcheck.api import verify
from softcheck.checks import blocks, compiled, dumps, every, fused, lanes, loops, moments
from softcheck.checks.evaluation import Context
from softcheck.checks.loops import Loop
from softcheck.errors import SoftcheckError
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.tolerance import Precision
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

CASE = {"q": [[1.0, 2.0, 0.5]], "logits": [[0.0, 1.0, -1.0]], "alpha": 0.25}


def test_both_kernels_agree():
    done = [compiled_kernel.agree(e) for e in compiled_kernel.blocks(150, 3)]
    assert sum("descent" in found for found in done) > 75
    assert sum("gradient" in found for found in done) > 40


def test_both_kernels_agree_on_a_loss_with_a_label_and_three_terms():
    blocks = compiled_kernel.of_losses(12, 3, ["cross-entropy"])
    done = [compiled_kernel.agree(e) for e in blocks]
    assert sum("gradient" in found for found in done) > 3


@pytest.mark.parametrize("actions", [2, 300])
@pytest.mark.parametrize(
    ("start", "rows"), [(0, 511), (512, 512), (1000, 23), (1000, 24), (1000, 600), (7, 1600)]
)
def test_the_loop_adds_states_up_in_the_groups_of_numpy(start, rows, actions):
    q, logits = np.random.default_rng(rows).normal(size=(2, actions, rows))
    layout = np.asfortranarray if actions > 256 else np.asarray
    q, logits = layout(q), layout(logits)
    of_q = Block(q, logits, np.zeros(1))
    e = of_block(replace(of_q, alpha=np.full(1, 0.5), summands=(of_q,)), start=start, loss=SAC)
    values = layout(e.gradient * (1.0 + 1e-7 * q))
    dump = dumps.Dump(values, Precision.FLOAT32, Precision.FLOAT32)
    e = replace(e, dumps={"gradient": dump}, buffers=Buffers())
    of_loop = compiled.found(compiled_kernel.compiled(e)).moments
    of_numpy = every.run(e).moments
    compiled_kernel.agree_on_fit(e, of_loop, of_numpy)
    assert of_loop.sums.tree.keys() == of_numpy.sums.tree.keys()
    assert of_loop.sums.parts.keys() == of_numpy.sums.parts.keys()
    for group, part in of_numpy.sums.parts.items():
        assert (of_loop.sums.parts[group][0] == part[0]).all()
    for place, products in of_numpy.sums.tree.items():
        alike = slice(3, 6), slice(10)  # the others the loop looks at by the tile
        np.testing.assert_allclose(of_loop.sums.tree[place][alike], products[alike], rtol=1e-3)


@pytest.mark.parametrize("first", [3, 6, 10])
def test_columns_are_multiplied_with_the_first_ones(first):
    window = np.random.default_rng(first).normal(size=(first + 12, moments.GROUP + lanes.LANES))
    found = np.full((first, len(window)), np.nan)
    for column in range(len(window)):
        fused._products(window, column, found)
    for i, c in np.ndindex(found.shape):
        products = window[i, : moments.GROUP] * window[c, : moments.GROUP]
        assert found[i, c] == pytest.approx(math.fsum(products), abs=1e-12)


@pytest.mark.parametrize("losses", [["sac"], ["cross-entropy"], ["grpo"]])
def test_both_kernels_lay_out_the_same_beside_a_dump(losses):
    of_sac = compiled_kernel.blocks(100, 3) if losses == ["sac"] else ()
    every_block = [*of_sac, *compiled_kernel.of_losses(12, 3, losses)]
    dumped = [e for e in every_block if "gradient" in e.dumps]
    done = sum(map(compiled_kernel.agree_laid_out, dumped))
    assert done > len(dumped)
    assert not compiled.LAY_OUT.failure


@pytest.mark.parametrize("actions", [3, 300])
def test_a_dump_that_may_be_right_by_what_it_is_allowed_is_not_settled(actions):
    q, logits = np.random.default_rng(0).normal(size=(2, actions, 40))
    e = of_block(Block(1e4 + q, logits + 1e5, np.full(1, 0.5)), loss=SAC)
    right = dumps.Dump(e.gradient, Precision.FLOAT64, Precision.FLOAT64)
    e = replace(e, dumps={"gradient": right}, buffers=Buffers())
    weight, normaliser, _ = dumps.allowance(e, slice(None))
    for beyond, is_settled in ((0.0, True), (0.9, False), (1e6, True)):
        dump = replace(right, values=right.values + beyond * normaliser * weight)
        wrong = replace(e, dumps={"gradient": dump}, buffers=Buffers())
        _, needed = dumps.judged(wrong, "gradient")
        assert (needed.normaliser > 0) is not is_settled
        for whole in (True, False):
            laid = compiled.laid_out(compiled_kernel.compiled(wrong), whole=whole)
            assert (laid.wrong is not None) is is_settled


def test_an_error_that_is_near_to_its_tolerance_is_left_to_numpy():
    q, logits = np.random.default_rng(0).normal(size=(2, 4, 40))
    e = of_block(Block(q, logits, np.full(1, 0.5)), loss=SAC)
    dump = dumps.Dump(e.gradient.copy(), Precision.FLOAT64, Precision.FLOAT64)
    e = replace(e, dumps={"gradient": dump}, buffers=Buffers())
    _, right, tolerance, _ = dumps.bounded(e, "gradient")
    for times, is_laid in ((0.5, True), (0.9, False), (1.1, False), (2.0, True)):
        values = right.copy()
        values[2, 33] += times * tolerance[2, 33]
        wrong = replace(e, dumps={"gradient": replace(dump, values=values)}, buffers=Buffers())
        assert (compiled.laid_out(compiled_kernel.compiled(wrong)) is not None) is is_laid


def test_actions_that_are_missing_from_a_tile_have_no_tolerance():
    logits = np.zeros((257, 8), order="F")
    e = of_block(Block(logits, logits, np.zeros(1)), loss=SAC)
    values = np.zeros_like(logits)
    dump = dumps.Dump(values, Precision.FLOAT16, Precision.FLOAT16)
    e = replace(e, dumps={"gradient": dump}, buffers=Buffers())
    within = dumps.bounded(e, "gradient").tolerance.sum(axis=0)
    values[3, 1:3] = np.array([0.99, 1.01]) * within[1:3]  # of 288 it would not be beyond
    laid = compiled.laid_out(compiled_kernel.compiled(e))
    assert np.flatnonzero(laid.wrong.sums).tolist() == [2]


def said(fixture, kernel):
    """Return the exit code and all that a report says, but for how well what passed did."""
    options = "--output-format=json", f"--kernel={kernel}", *fixture.options
    run = softcheck("verify", fixture.path, *options)
    (case,) = json.loads(run.out)["cases"]
    assert case["settings"].get("kernel", "numpy") == kernel
    return run.code, wrong_tables.without_noise(case)


@pytest.mark.parametrize(
    "fixture", [*walk("positive")[::12], *walk("negative")[::20]], ids=lambda each: each.path.name
)
def test_both_kernels_say_the_same(fixture):
    assert compiled_kernel.near(said(fixture, "compiled"), said(fixture, "numpy"))


def test_a_formula_that_is_wrong_fails_by_numpy_s_words(monkeypatch):
    e = compiled_kernel.compiled(next(compiled_kernel.blocks(1, 3)))
    assert "descent" in compiled.found(e).tallies
    right = compiled._swept

    def wrong(*given):
        received, failure = right(*given)
        received.worst[2, 0] = 2.0
        return received, failure

    monkeypatch.setattr(compiled, "_swept", wrong)
    assert compiled.found(e).tallies == {}


def test_a_dump_that_is_wrong_fails_by_numpy_s_words_and_the_formula_passes():
    blocks = map(compiled_kernel.compiled, compiled_kernel.blocks(30, 3))
    e = next(e for e in blocks if "gradient" in compiled.found(e).tallies)
    dump = e.dumps["gradient"]
    values = dump.values.copy()
    values[0, 0] = 1e30
    wrong = replace(e, dumps={"gradient": replace(dump, values=values)})
    assert {*compiled.found(e).tallies} - {*compiled.found(wrong).tallies} == {"gradient"}
    assert every.run(wrong).tallies["gradient"].failed >= 1


def test_a_state_that_weighs_nothing_leaves_the_fit_as_it_is():
    generator = np.random.default_rng(0)
    q, logits = 1e5 * generator.normal(size=(2, 50, 4))
    logits /= 1e5
    log_pi = log_softmax(logits, axis=1)
    g = q - 0.25 * log_pi
    weights = np.repeat([0.0, 1.0], 25)
    pi = np.exp(log_pi)
    grad = weights[:, None] * pi * ((pi * g).sum(axis=1, keepdims=True) - g)
    for kernel in ("numpy", "compiled"):
        (case,) = verify(
            q=q, logits=logits, alpha=0.25, grad=grad, weights=weights, kernel=kernel
        ).cases
        (fit,) = (check for check in case.checks if check.name == "fit")
        assert "scale fitted 1.0000" in fit.reason


def test_exp_keeps_to_the_two_roundings_that_bounds_count():
    from mpmath import mp, mpf

    with mp.workdps(40):
        for x in np.random.default_rng(0).uniform(-700.0, 0.0, 300).tolist():
            truth = mp.exp(mpf(x))
            assert abs(mpf(float(fused.exponential(x))) - truth) <= 2 * truth * mpf(2) ** -53


def test_a_quotient_is_rounded_once():
    generator = np.random.default_rng(0)
    weights = np.exp(generator.uniform(-600.0, 0.0, 20_000)).tolist()
    for weight, total in zip(weights, generator.uniform(1.0, 1e5, 20_000).tolist(), strict=True):
        found = Fraction(float(fused.quotient(weight, total, 1.0 / total)))
        truth = Fraction(weight) / Fraction(total)
        assert abs(found - truth) <= truth * Fraction(2**20 + 1, 2**20) / 2**53


def test_the_farther_of_two_numbers_is_no_number_once_one_was():
    assert fused.farther(2.0, -3.0) == 3.0
    assert fused.farther(3.0, 2.0) == 3.0
    assert np.isnan(fused.farther(2.0, np.nan))
    assert np.isnan(fused.farther(fused.farther(2.0, -np.nan), np.inf))


@pytest.mark.parametrize(
    ("needed", "last"),
    [
        ({}, "GRADIENT"),
        ({"dumped"}, "ROUGH"),
        ({"has_y"}, "SIZE_OF_Y"),
        ({"dumped", "masked"}, "MASKED"),
        ({"has_y", "counted"}, "COUNT"),
    ],
)
def test_a_tile_has_room_for_what_is_laid_out_in_it(needed, last):
    names = "dumped", "has_y", "masked", "counted"
    room = lanes.fields(**{name: name in needed for name in names})
    assert room * lanes.LANES == getattr(fused, last) + lanes.LANES


@pytest.mark.parametrize("kernel", ["auto", "numpy"])
def test_a_small_case_needs_no_numba(kernel, monkeypatch):
    monkeypatch.setattr(compiled, "SWEEP", lambda *_: pytest.fail("loaded"))
    (case,) = verify(**CASE, kernel=kernel).cases
    assert "kernel" not in case.settings


def test_a_report_names_the_kernel_that_ran():
    (case,) = verify(**CASE, kernel="compiled").cases
    assert case.settings["kernel"] == "compiled"
    assert not any("NumPy" in note for note in case.notes)


def test_a_loss_that_is_not_compiled_is_not_said_to_be():
    logits = np.zeros((2, 3))
    (case,) = verify(loss=r"\sum_a \pi(a)^2", logits=logits, kernel="compiled").cases
    assert "kernel" not in case.settings
    assert any("not linear in pi" in note for note in case.notes)


@pytest.fixture
def nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "SWEEP", Loop("softcheck.checks.fused", "sweep"))


def test_without_llvm_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(loops, "find_spec", lambda _: None)
    monkeypatch.setattr(compiled, "SWEEP", lambda *_: pytest.fail("tried"))
    (case,) = verify(**CASE, kernel="compiled").cases
    assert "kernel" not in case.settings
    assert any("pip install 'softcheck[fast]'" in note for note in case.notes)


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("absent", "pip install 'softcheck[fast]'"),
        ("old", "Numba cannot be imported (cannot import name 'njit' from 'numba'"),
        ("failing", "Numba cannot compile it (ValueError: no such type)"),
    ],
)
def test_without_numba_numpy_verifies_with_a_note(monkeypatch, broken, said):
    monkeypatch.delitem(sys.modules, "softcheck.checks.fused")
    monkeypatch.delattr("softcheck.checks.fused")
    if broken == "absent":
        monkeypatch.setitem(sys.modules, "numba", None)
    elif broken == "old":
        monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))
    else:

        def compile_(_):
            raise ValueError("no such type\nand more")

        fake = SimpleNamespace(sweep=SimpleNamespace(compile=compile_))
        monkeypatch.setitem(sys.modules, "softcheck.checks.fused", fake)
    (case,) = verify(**CASE, kernel="compiled").cases
    (quiet,) = verify(**CASE, kernel="auto").cases
    assert "kernel" not in case.settings
    assert any("verified by NumPy" in note and said in note for note in case.notes)
    assert not any("NumPy" in note for note in quiet.notes)


@pytest.mark.usefixtures("nothing_kept")
def test_a_form_that_does_not_compile_is_verified_by_numpy_with_a_note(monkeypatch):
    tried = []

    def compile_(_):
        tried.append(1)
        raise ValueError("no such form")

    monkeypatch.setattr(fused, "sweep", SimpleNamespace(compile=compile_))
    wrong = [[0.0, 0.0, 0.1]] * 2
    table = {name: CASE[name] * 2 for name in ("q", "logits")}
    settings = {"kernel": "compiled", "block_entries": 3, "threads": 1}
    (case,) = verify(**table, alpha=0.25, grad=wrong, **settings).cases
    assert "kernel" not in case.settings
    assert any("by NumPy" in note and "ValueError: no such form" in note for note in case.notes)
    assert case.status is Status.FAILED
    assert len(tried) == 1


def test_what_numpy_says_of_a_wrong_dump_leaves_the_block_as_it_is():
    generator = np.random.default_rng(0)
    q, logits, grad = generator.normal(size=(3, 40, 5))
    logits[:, 1:][generator.random((40, 4)) < 0.3] = -np.inf
    case = case_from_arrays({"q": q, "logits": logits, "grad": grad, "alpha": 0.25})
    context = Context(200, 5, loss=blocks.loss_of(case), is_compiled=True)
    raw, masking = next(case.blocks(40)), blocks.Masking()
    e = blocks.evaluation(case, raw, Settings(), context, Buffers(), masking)
    assert compiled.found(e).tallies["gradient"].failed > 100
    assert (e.block.logits == logits.T).all()
    assert (e.dumps["gradient"].values == grad.T).all()


@pytest.mark.parametrize("actions", [3, 40, 700])
@pytest.mark.parametrize("place", [0, 0.4, 1])
@pytest.mark.parametrize(
    ("role", "value"),
    [("logits", np.nan), ("logits", np.inf), ("logits", -np.inf), ("q", np.nan), ("q", -np.inf),
     ("q1", np.inf), ("grad", np.nan)],
)  # fmt: skip
def test_what_is_not_finite_is_seen_wherever_it_is(role, value, place, actions):
    generator = np.random.default_rng(0)
    q, logits, grad = generator.normal(size=(3, 101, actions))
    arrays = {"q": q, "logits": logits, "grad": grad, "alpha": 0.25}
    if role == "q1":
        arrays["q"] = q.copy(), q  # of which the lesser is finite
    {**arrays, "q1": q}[role][int(place * 100), int(place * (actions - 1))] = value
    if role != "grad":
        del arrays["grad"]  # what is wrong of it would be NumPy's to say, which checks all

    def told(kernel):
        settings = {"max_findings": 1, "kernel": kernel, "block_entries": 20_000}
        try:
            (case,) = verify(**arrays, **settings).cases
        except SoftcheckError as error:
            return str(error)
        counts = {check.name: (check.entries, check.failed, check.blind) for check in case.checks}
        del counts["exact"]  # it looks at what rounding left as the worst
        return case.entries, case.masked, counts, [each.location for each in case.findings]

    expected = told("numpy")
    assert told("compiled") == expected
    is_masked = (role, value) == ("logits", -np.inf)
    assert isinstance(expected, str) == (role != "grad" and not is_masked)
    if is_masked:
        assert expected[1] == 1


@pytest.mark.parametrize("number", [1e308, 5e-324])
def test_what_is_finite_is_not_refused_for_its_sum(number):
    q, logits = np.full((300, 4), number), np.zeros((300, 4))
    case = case_from_arrays({"q": q, "logits": logits, "alpha": 0.25})
    context = Context(1200, 5, loss=blocks.loss_of(case), is_compiled=True)
    (raw,) = case.blocks(300)
    e = blocks.evaluation(case, raw, Settings(), context, Buffers(), blocks.Masking())
    found = compiled.found(e)
    assert found.failure == ""
    assert found.checked is None or found.checked.block.q.max() == number


def test_a_block_that_could_not_be_compiled_is_checked(monkeypatch):
    monkeypatch.setattr(compiled, "SWEEP", lambda *_: "no such form")
    logits = [[0.0, -np.inf, -1.0]]
    (case,) = verify(**CASE | {"logits": logits}, kernel="compiled").cases
    assert (case.masked, case.status) == (1, Status.PASSED)
    with pytest.raises(SoftcheckError, match="NaN"):
        verify(**CASE | {"logits": [[0.0, np.nan, -1.0]]}, kernel="compiled")
