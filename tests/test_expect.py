"""A case that must fail passes where it does, with the mistake that is expected, and says so."""

import json

import numpy as np
import pytest
from fixture_cases import FIXTURES
from junitparser import JUnitXml
from run import softcheck as run

import softcheck
from softcheck.report import FORMATS
from softcheck.result import Outcome
from softcheck.selftest import outcomes
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

WRONG = FIXTURES / "negative" / "missing-alpha.npz"
RIGHT = FIXTURES / "positive" / "cliffwalking.npz"


@pytest.fixture
def verify(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def verified(path, code, *arguments):
        text = f'[[case]]\npath = "{path}"\nexpect = "{code}"\n'
        (tmp_path / "softcheck.toml").write_text(text)
        return run("verify", *arguments)

    return verified


@pytest.mark.parametrize("form", FORMATS)
def test_a_case_that_fails_as_expected_passes_and_every_format_says_why(verify, form):
    made = verify(WRONG, "missing-alpha", f"--output-format={form}")
    assert (made.code, made.err) == (0, "")
    if form == "json":
        report = json.loads(made.out)
        (case,) = report["cases"]
        assert (report["status"], case["status"]) == ("passed", "passed")
        assert case["settings"]["expect"] == "missing-alpha"
        assert "failed" in {check["status"] for check in case["checks"]}
    elif form in ("gitlab", "sarif"):
        assert "missing-alpha" not in made.out
    else:
        assert "as expected" in made.out
    if form == "junit":
        (suite,) = JUnitXml.fromstring(made.out.encode())
        assert (suite.failures, suite.errors) == (0, 0)
        assert "failed as expected: missing-alpha" in made.out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("path", "found"),
    [(RIGHT, "but it passed"), (WRONG, "but its mistake was called missing-alpha")],
)
def test_a_case_that_does_not_is_a_failure_that_says_what_it_did(verify, path, found, form):
    made = verify(path, "no-baseline", f"--output-format={form}")
    assert made.code == 1
    said = " ".join(made.out.split())
    assert "it must fail with no-baseline" in said
    assert found in said


def test_one_of_the_names_is_enough():
    dump = dict(np.load(WRONG))
    grad = 3 * dump.pop("grad")
    report = softcheck.verify(**dump, grad=grad)
    (case,) = report.cases
    codes = {code for named in case.diagnosis for code in named.code.split("+")}
    assert len(codes) > 1
    for code in (*codes, *(named.code for named in case.diagnosis)):
        assert softcheck.verify(**dump, grad=grad, expect=code)
    assert not softcheck.verify(**dump, grad=grad, expect="+".join((*codes, "sign-flipped")))
    assert not softcheck.verify(**dump, grad=grad, expect="sign-flipped")


@pytest.mark.parametrize("code", ["mising-alpha", "sign-flipped+mising-alpha", "first-wrong+"])
def test_a_mistake_that_there_is_not_is_refused_with_the_nearest(verify, code):
    wanted = "Did you mean 'missing-alpha'?" if "alpha" in code else "softcheck explain lists them"
    made = verify(RIGHT, code)
    assert (made.code, made.out) == (2, "")
    for said in ("softcheck.toml::case[0].expect: found", "the code of a mistake", wanted):
        assert said in made.err
    with pytest.raises(softcheck.errors.UsageError, match=r"^expect: found"):
        softcheck.verify(**np.load(RIGHT), expect=code)


def test_what_cannot_be_read_is_an_error_whatever_is_expected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.npz").write_bytes(RIGHT.read_bytes()[:-100])
    (tmp_path / "softcheck.toml").write_text('[[case]]\npath = "*.npz"\nexpect = "missing-alpha"')
    assert run("verify").code == 2


def test_cases_that_fail_as_expected_are_counted(verify):
    made = verify(WRONG, "missing-alpha", WRONG, RIGHT, "--output-format=markdown")
    assert "2 cases: 2 passed, 1 of these failed as expected" in made.out


def test_mistakes_are_planted_in_a_case_whatever_is_expected_of_it():
    q, logits = np.random.default_rng(0).normal(size=(2, 1, 2))
    case = case_from_arrays({"q": q, "logits": logits, "alpha": 0.5})
    found = outcomes(case, Settings(expect="missing-alpha"))
    first = next(each for each in found if isinstance(each, Outcome) and each.visible)
    assert first.caught


def test_what_fails_for_want_of_its_mistake_is_not_said_to_be_wrong(verify):
    made = verify(RIGHT, "missing-alpha", "--output-format=text")
    assert made.code == 1
    assert "It must fail with a certain mistake, and did not." in made.out
    assert "At least one entry differs" not in made.out
