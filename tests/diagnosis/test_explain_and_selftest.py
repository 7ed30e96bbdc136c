"""`explain` and `selftest`: every code has a text, and every mistake that can be seen is caught."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from fixture_cases import FIXTURES, walk
from run import softcheck

from softcheck import selftest
from softcheck.checks.table import CHECKS
from softcheck.derive.planted import EDITS
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.critics import FIRST_CRITIC
from softcheck.losses import load, names, read
from softcheck.losses.mistakes import mistakes
from softcheck.report.words import CHECK_COLUMNS, COLUMNS, FINDING_COLUMNS
from softcheck.selftest import EVERYWHERE


@pytest.mark.parametrize("code", MISTAKES)
def test_every_code_is_explained(code):
    run = softcheck("explain", code)
    assert run.code == 0
    assert run.out.startswith(f"{code}: ")
    for part in ("  wrong  ", "  right  ", "  - ", "  + ", "p = pi, l = log pi"):
        assert part in run.out


def test_explain_lists_all_that_it_knows_and_offers_the_nearest():
    listed = [line.split()[0] for line in softcheck("explain").out.splitlines() if line[:2] == "  "]
    assert listed == [*MISTAKES, *CHECKS, *COLUMNS, *names()]
    run = softcheck("explain", "mising-alpha")
    assert run.code == 2
    assert "Did you mean 'missing-alpha'?" in run.err
    assert "Did you mean 'resolution'?" in softcheck("explain", "resolutions").err


def test_every_check_and_column_of_a_report_is_explained():
    run = softcheck("verify", FIXTURES / "negative" / "missing_alpha.npz", "--output-format=json")
    (case,) = json.loads(run.out)["cases"]
    for check in case["checks"]:
        said = softcheck("explain", check["name"]).out
        assert said.startswith(f"{check['name']}: a check.\n")
        for fact in ("compared", "tolerance", "if it fails", "what to do"):
            assert f"\n  {fact:<11}  " in said
    for column in (*CHECK_COLUMNS, *FINDING_COLUMNS):
        assert softcheck("explain", column).out.startswith(f"{column}: a column of the report.")


def test_what_stands_for_two_things_has_two_pages():
    check, loss = softcheck("explain", "entropy").out.split("\n\nentropy: ")
    assert check.startswith("entropy: a check.")
    assert loss.startswith("entropy bonus.")


@pytest.mark.parametrize("name", names())
def test_a_loss_is_explained_with_its_arrays_and_mistakes(name):
    run = softcheck("explain", name)
    assert run.code == 0
    assert f"\n{name}: {load(name).title}" in f"\n{run.out}"
    assert run.out.count("  gradient  ∂L/∂θ(a) = ") == len(load(name).variants)
    for variant in load(name).variants:
        assert f"L = {variant.formula}\n" in run.out
        assert all(f"{given.name} = {given.symbol}" in run.out for given in variant.givens)
    codes = {line.split()[0] for line in run.out.splitlines() if line.startswith("  ")}
    assert {"no-baseline", "double-softmax", "sign-flipped", "term-scaled"} <= codes


def test_a_loss_of_ones_own_is_explained_too():
    run = softcheck("explain", "--", r"-\log \pi(j) + \beta \sum_a \pi(a)^2")
    assert run.code == 0
    assert "  term-missing" in run.out
    assert "sg[π(a)]²" not in run.out  # it says the term instead
    assert "  stop-gradient" not in run.out or "or a stop-gradient on π(a)" in run.out
    assert softcheck("explain", "--", r"-\log \pi(").code == 2


def test_every_mistake_of_the_fixtures_has_a_text():
    assert {f.expected["mistake"] for f in walk("negative")} - {None} <= set(MISTAKES)


def test_every_code_in_a_report_can_be_explained():
    for fixture in walk("negative")[::7]:
        run = softcheck("verify", fixture.path, "--output-format=json", *fixture.options)
        (case,) = json.loads(run.out)["cases"]
        for diagnosis in case["diagnosis"]:
            assert softcheck("explain", diagnosis["code"]).code == 0


def test_selftest_catches_what_it_plants():
    """In data and in the derivation: it takes long, so all that it must say is looked for here."""
    run = softcheck("selftest")
    assert run.code == 0
    assert "MISSED" not in run.out
    assert "not named" not in run.out
    assert "caught 3 of 3" in run.out
    shown = {
        line.split()[0] for line in run.out.splitlines() if re.search("  caught [1-3] of", line)
    }
    assert shown == {code for code, mistake in MISTAKES.items() if mistake.planted}
    said = dict(line.split(maxsplit=1) for line in run.out.splitlines() if " at step " in line)
    for edit in EDITS:
        assert said[edit.name].startswith(f"caught at step {edit.step} of the derivation")


@pytest.fixture
def once(monkeypatch):
    """Plant everywhere alone: what becomes of a part of the states is seen in `sac`."""
    monkeypatch.setattr(selftest, "PLACES", {EVERYWHERE: selftest.PLACES[EVERYWHERE]})


@pytest.mark.usefixtures("once")
def test_selftest_plants_the_mistakes_of_a_formula(monkeypatch):
    """In a loss of one's own, each of whose mistakes is told from the others by its words."""
    monkeypatch.setattr(selftest, "DTYPES", ("float32",))
    formula = r"\sum_a \pi(a)^2 - \beta \log \pi(j)"
    run = softcheck("selftest", "--loss", formula)
    assert run.code == 0
    assert "MISSED" not in run.out
    assert "not named" not in run.out
    (made,) = read(formula).variants
    for wrong in mistakes(made):
        assert f"{wrong.code:<28}  float32" in run.out
    for said in (
        "the term −β log π(j) lacks its factor β",
        "the sign of the term −β log π(j) is flipped",
        "the sum over states was taken",
        "the weights of the states are not used",
        "masked actions make NaN",
    ):
        assert re.search(rf"float32 +caught 1 of 1, named +{re.escape(said)}\n", run.out)


def test_selftest_on_a_case_says_what_its_data_cannot_show():
    run = softcheck("selftest", FIXTURES / "positive" / "cliffwalking.npz")
    assert run.code == 0
    assert "MISSED" not in run.out
    needs = f"not shown by this data: {FIRST_CRITIC.needs.words}"
    assert re.search(rf"{FIRST_CRITIC.code} +- +{needs} +{FIRST_CRITIC.phrase}\n", run.out)


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Return a case of a cross-entropy without a z-loss."""
    rng = np.random.default_rng(6)
    logits, labels = rng.normal(size=(30, 5)), rng.integers(5, size=30)
    monkeypatch.chdir(tmp_path)
    np.savez("step.npz", logits=logits, labels=labels, label_smoothing=0.1, loss="cross-entropy")
    return "step.npz"


@pytest.mark.usefixtures("once")
def test_selftest_takes_the_loss_of_a_case_and_says_what_allclose_lets_pass(case):
    run = softcheck("selftest", case, "--reduction=mean", "--against=atol=5e-2,rtol=5e-1")
    assert run.code == 0
    assert "MISSED" not in run.out
    lines = {re.split("  +", line)[-1]: re.split("  +", line) for line in run.out.splitlines()}
    # Of a mean over 30 states no entry is above 0.05: any gradient but a huge one passes.
    assert lines["the sign of the loss is flipped"][1:4] == [
        "float64, float32",
        "caught 1 of 1, named",
        "passes all",
    ]
    assert lines["the sum over states was taken"][3] == "catches all"
    unshown = "the term ζ · (log (Σ_a exp(θ(a))))² has no gradient"
    assert lines[unshown][2] == "not shown by this data: nothing in this data differs by it"
    *_, caught, against = run.out.splitlines()
    seen = re.search(r"^caught (\d+) of \1 planted mistakes that can be seen", caught)[1]
    said = rf"^numpy.allclose with atol=0.05, rtol=0.5 lets (\d+) of these {seen} pass, "
    assert re.search(said + r"of which softcheck catches \1$", against)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1e-3", "'1e-3'"),
        ("atol", "'atol'"),
        ("atol=", "'atol='"),
        ("tol=1", "'tol=1'"),
        ("atol=1,atol=2", "'atol' twice"),
        ("atol=1,", "''"),
        ("rtol=-1", "'rtol=-1'"),
        ("rtol=nan", "'rtol=nan'"),
        ("rtol=inf", "'rtol=inf'"),
    ],
)
def test_tolerances_are_read_strictly(text, found):
    run = softcheck("selftest", f"--against={text}")
    assert run.code == 2
    assert f"--against: found {found}, expected atol=X,rtol=X" in run.err


BLIND = """
import sys
from softcheck import selftest
from softcheck.checks import every
from softcheck.__main__ import main
selftest.PLACES = {{"everywhere": selftest.PLACES["everywhere"]}}
selftest.DTYPES = ("float64",)
{mutant}
sys.argv = ["softcheck", "selftest", {case!r}]
main()
"""


@pytest.mark.parametrize(
    ("mutant", "code"),
    [
        ("", 0),
        ("every.compare_sides = lambda e, found, _: e.compare(*found, ratio=0 * found.actual)", 1),
    ],
)
def test_selftest_fails_where_a_check_never_does(mutant, code, case):
    """The mutant of the check of gradients finds every difference to be 0 tolerances large."""
    program = BLIND.format(mutant=mutant, case=case)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stderr
    assert ("MISSED everywhere" in done.stdout) == (code == 1)
