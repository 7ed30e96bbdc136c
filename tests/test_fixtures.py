"""Every file under fixtures/ gets the verdict that its makers say it deserves."""

import json

import pytest
from fixture_cases import malformed, walk
from run import softcheck

POSITIVE, NEGATIVE, MALFORMED = walk("positive"), walk("negative"), malformed()


def named(fixtures):
    return [pytest.param(fixture, id=fixture.path.name) for fixture in fixtures]


def verify(fixture):
    run = softcheck("verify", fixture.path, "--output-format=json", *fixture.options)
    assert run.err == ""
    report = json.loads(run.out)
    (case,) = report["cases"]
    return run.code, case


def test_there_is_something_to_walk():
    assert len(POSITIVE) >= 50
    assert len(NEGATIVE) >= 70
    assert len(MALFORMED) >= 30


@pytest.mark.parametrize("fixture", named(POSITIVE))
def test_what_is_right_passes(fixture):
    code, case = verify(fixture)
    assert (code, case["status"]) == (0, "passed")
    assert case["findings"] == []
    assert {check["name"] for check in case["checks"]} >= {
        "complex-step",
        "central-difference",
        "invariants",
        "descent",
        "exact",
    }


@pytest.mark.parametrize("fixture", named(NEGATIVE))
def test_what_is_wrong_fails_where_it_is_wrong(fixture):
    code, case = verify(fixture)
    assert (code, case["status"]) == (1, "failed")
    failed = {check["name"] for check in case["checks"] if check["status"] == "failed"}
    expected = set(fixture.expected["failed_checks"])
    # A wrong gradient has a wrong scale or temperature too, wherever these can be told.
    assert failed == expected | (failed & {"fit"} if "gradient" in expected else set())
    assert {finding["check"] for finding in case["findings"]} == failed
    if "first_wrong" in fixture.expected:
        (first,) = (d for d in case["diagnosis"] if d["code"] == "first-wrong")
        assert first["evidence"]["quantity"] == fixture.expected["first_wrong"]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in MALFORMED])
def test_what_cannot_be_read_as_meant_is_refused_in_one_line(path):
    run = softcheck("verify", path)
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert line.startswith("softcheck: ")
    assert path.name in line
    assert ": found " in line
    assert ", expected " in line
    assert line.endswith((".", "'", ")"))
    assert len(line) <= 300 + len("softcheck: ")
    assert "passed" not in run.out
