"""`explain` and `selftest`: every code has a text, and every mistake that can be seen is caught."""

import json

import pytest
from fixture_cases import FIXTURES, walk
from run import softcheck

from softcheck.diagnosis.catalogue import entries


@pytest.mark.parametrize("code", entries())
def test_every_code_is_explained(code):
    run = softcheck("explain", code)
    assert run.code == 0
    assert run.out.startswith(f"{code}: ")
    for part in ("  wrong  ", "  right  ", "  - ", "  + ", "p = pi, l = log pi"):
        assert part in run.out


def test_explain_lists_every_code_and_offers_the_nearest():
    listing = softcheck("explain").out
    assert [line.split()[0] for line in listing.splitlines()] == list(entries())
    run = softcheck("explain", "mising-alpha")
    assert run.code == 2
    assert "Did you mean 'missing-alpha'?" in run.err


def test_every_mistake_of_the_fixtures_has_a_text():
    assert {f.expected["mistake"] for f in walk("negative")} - {None} <= set(entries())


def test_every_code_in_a_report_can_be_explained():
    for fixture in walk("negative")[::7]:
        run = softcheck("verify", fixture.path, "--output-format=json", *fixture.options)
        (case,) = json.loads(run.out)["cases"]
        for diagnosis in case["diagnosis"]:
            assert softcheck("explain", diagnosis["code"]).code == 0


def test_selftest_catches_what_it_plants():
    run = softcheck("selftest")
    assert run.code == 0
    assert "MISSED" not in run.out
    assert "not named" not in run.out
    for code in set(entries()) - {"first-wrong", "unexplained"}:
        assert f"\n{code} " in f"\n{run.out}"


def test_selftest_on_a_case_says_what_its_data_cannot_show():
    run = softcheck("selftest", FIXTURES / "positive" / "cliffwalking.npz")
    assert run.code == 0
    assert "first-critic" in run.out
    assert "not shown by this data: it needs two critics" in run.out


def test_selftest_fails_when_a_mistake_is_missed(monkeypatch):
    monkeypatch.setattr("softcheck.selftest.Outcome.missed", property(lambda _: True))
    monkeypatch.setattr("softcheck.selftest.DTYPES", ("float64",))
    assert softcheck("selftest", FIXTURES / "positive" / "cliffwalking.npz").code == 1
