"""`explain` and `selftest`: every code has a text, and every mistake that can be seen is caught."""

import json

import pytest
from fixture_cases import FIXTURES, walk
from run import softcheck

from softcheck.derive.planted import EDITS
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.critics import FIRST_CRITIC
from softcheck.diagnosis.mistakes.scale import SIGN_FLIPPED
from softcheck.losses import load, names


@pytest.mark.parametrize("code", MISTAKES)
def test_every_code_is_explained(code):
    run = softcheck("explain", code)
    assert run.code == 0
    assert run.out.startswith(f"{code}: ")
    for part in ("  wrong  ", "  right  ", "  - ", "  + ", "p = pi, l = log pi"):
        assert part in run.out


def test_explain_lists_every_code_and_offers_the_nearest():
    listing = softcheck("explain").out
    assert [line.split()[0] for line in listing.splitlines()] == [*MISTAKES, *names()]
    run = softcheck("explain", "mising-alpha")
    assert run.code == 2
    assert "Did you mean 'missing-alpha'?" in run.err


@pytest.mark.parametrize("name", names())
def test_a_loss_is_explained_with_its_arrays_and_mistakes(name):
    run = softcheck("explain", name)
    assert run.code == 0
    assert run.out.startswith(f"{name}: {load(name).title}")
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
    said = dict(line.split(maxsplit=1) for line in run.out.splitlines())
    for code in (code for code, mistake in MISTAKES.items() if mistake.planted):
        assert said[code].startswith("caught"), f"the built-in data do not show {code}"
    for edit in EDITS:
        assert said[edit.name].startswith(f"caught at step {edit.step} of the derivation")


def test_selftest_on_a_case_says_what_its_data_cannot_show():
    run = softcheck("selftest", FIXTURES / "positive" / "cliffwalking.npz")
    assert run.code == 0
    assert "MISSED" not in run.out
    assert f"{FIRST_CRITIC.code:<30}not shown by this data: it needs two critics" in run.out


def test_selftest_fails_when_a_mistake_is_missed(monkeypatch):
    monkeypatch.setattr("softcheck.selftest.MISTAKES", {SIGN_FLIPPED.code: SIGN_FLIPPED})
    case = FIXTURES / "positive" / "cliffwalking.npz"
    assert softcheck("selftest", case).code == 0
    monkeypatch.setattr("softcheck.result.Outcome.missed", property(lambda _: True))
    assert softcheck("selftest", case).code == 1
