"""Which documents and lines `softcheck derive` reads: several files, a configuration, ranges."""

import json
from pathlib import Path

import pytest
import run
import schemas

from softcheck.report import FORMATS

RIGHT = r"$$\sum_a \pi(a) = 1$$"
WRONG = r"$$\sum_a \pi(a)^2 = 1$$"
OPEN = r"$$\pi(a) = B(a)$$"
TEXTS = {"right.tex": RIGHT, "wrong.tex": WRONG, "open.tex": OPEN, "empty.tex": "nothing"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with one document a verdict and one without a formula."""
    monkeypatch.chdir(tmp_path)
    Path("paper").mkdir()
    for name, text in TEXTS.items():
        Path("paper", name).write_text(text, "utf-8")


def derive(*names, **options):
    return run.softcheck("derive", *(f"paper/{name}.tex" for name in names), *options.values())


def as_json(*names):
    return json.loads(derive(*names, form="--output-format=json").out)


# Several documents


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("right", "right"), 0),
        (("right", "open"), 1),
        (("wrong", "right"), 1),
        (("right", "empty"), 2),
        (("empty", "wrong"), 2),
        (("missing", "right"), 2),
    ],
)
@pytest.mark.parametrize("output_format", FORMATS)
def test_of_several_documents_the_worst_exit_code_counts(names, code, output_format):
    assert derive(*names, form=f"--output-format={output_format}").code == code


def test_exit_zero_does_not_hide_what_could_not_be_read():
    assert derive("wrong", "right", zero="--exit-zero").code == 0
    assert derive("empty", "right", zero="--exit-zero").code == 2


@pytest.mark.parametrize("output_format", sorted({*FORMATS} - {"gitlab", "sarif"}))
def test_every_document_is_reported_whatever_became_of_the_others(output_format):
    outcome = derive("empty", "wrong", "right", form=f"--output-format={output_format}")
    for name in ("empty", "wrong", "right"):
        assert f"paper/{name}.tex" in outcome.out
    (error,) = outcome.err.splitlines()
    assert error.startswith("softcheck: paper/empty.tex: found no formula")


@pytest.mark.parametrize("output_format", ["gitlab", "sarif"])
def test_what_lists_problems_alone_lists_each_document_that_has_one(output_format):
    outcome = derive("empty", "wrong", "right", form=f"--output-format={output_format}")
    assert all(f"paper/{name}.tex" in outcome.out for name in ("empty", "wrong"))
    assert "paper/right.tex" not in outcome.out


def test_in_json_each_has_its_own_report_under_one_verdict():
    made = as_json("empty", "wrong", "right")
    assert list(made) == [
        "schema_version", "tool", "command", "status", "summary", "documents",
    ]  # fmt: skip
    assert made["status"] == "refuted"
    assert {key: made["summary"][key] for key in ("documents", "proved", "refuted", "unknown")} == {
        "documents": 3, "proved": 1, "refuted": 1, "unknown": 0,
    }  # fmt: skip
    (error,) = made["summary"]["errors"]
    empty, wrong, right = made["documents"]
    assert (empty["name"], empty["report"], empty["error"]) == ("paper/empty.tex", None, error)
    assert (wrong["report"], right["report"]) == (as_json("wrong"), as_json("right"))


def test_what_was_not_read_is_no_pass():
    assert as_json("right", "empty")["status"] == "unknown"


def test_they_are_a_suite_each_in_junit():
    outcome = derive("right", "wrong", "empty", form="--output-format=junit")
    schemas.check_junit(outcome.out)
    assert outcome.out.count("<testsuite ") == 3
    assert '<testcase name="read" classname="paper/empty.tex"><error' in outcome.out


def test_the_worst_come_first_where_not_all_are_shown():
    first, *_ = derive("right", "wrong", "empty", form="--output-format=github").out.splitlines()
    assert "file=paper/empty.tex" in first


def test_a_completed_derivation_says_whose_it_is():
    out = derive("right", "open", gap="--explain-gap").out
    assert out.splitlines()[0] == "% paper/right.tex"
    assert "% paper/open.tex" in out


def test_a_single_document_that_cannot_be_read_has_no_report():
    outcome = derive("empty")
    assert (outcome.code, outcome.out) == (2, "")


# Configuration


def configure(text, name="softcheck.toml"):
    Path(name).write_text(text, "utf-8")


def documents(*arguments):
    made = json.loads(run.softcheck("derive", *arguments, "--output-format=json").out)
    return [each["name"] for each in made["documents"]]


def test_without_a_file_the_configured_documents_are_checked():
    configure('derive = ["paper/[ow]*.tex", "paper/right.tex", "paper/open.tex"]')
    assert documents() == ["paper/open.tex", "paper/wrong.tex", "paper/right.tex"]
    outcome = run.softcheck("derive", "paper/right.tex")
    assert (outcome.code, outcome.out.splitlines()[-1][:15]) == (0, "paper/right.tex")


def test_their_patterns_are_relative_to_the_configuration_file(monkeypatch):
    Path("[a]").mkdir()
    Path("[a]", "x.tex").write_text(RIGHT, "utf-8")
    Path("[a]", "y.tex").write_text(WRONG, "utf-8")
    configure('derive = ["*.tex"]', "[a]/softcheck.toml")
    assert documents("--config", "[a]/softcheck.toml") == ["[a]/x.tex", "[a]/y.tex"]
    monkeypatch.chdir("[a]")
    assert documents() == ["x.tex", "y.tex"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('derive = ["notes/*.tex"]', 'derive: found no file that matches "notes/*.tex"'),
        ('derive = ["paper/right.tex", "notes.tex"]', "found no file that matches"),
        ("derive = []", "derive: found []"),
        ('derive = "paper/right.tex"', "expected a list"),
        ('[[case]]\npath = "a.npz"\nderive = ["paper/*.tex"]', "above the first"),
    ],
)
def test_what_matches_nothing_or_is_no_list_is_refused(text, said):
    configure(text)
    outcome = run.softcheck("derive")
    assert outcome.code == 2
    assert said in outcome.err


def test_without_any_it_is_the_derivation_of_eq_6():
    configure("strict = true")
    assert "Eq. (6): proved" in run.softcheck("derive").out


def test_one_command_does_not_write_the_report_of_the_other():
    configure('report = ["json:verify.json"]\nderive_report = ["json:derive.json"]')
    assert derive("right").code == 0
    assert not Path("verify.json").exists()
    assert json.loads(Path("derive.json").read_text("utf-8"))["command"] == "derive"


def test_a_configured_report_is_relative_to_the_configuration_file():
    configure('derive_report = ["json:derive.json"]', "paper/softcheck.toml")
    assert derive("right", config="--config=paper/softcheck.toml").code == 0
    assert Path("paper", "derive.json").exists()


@pytest.mark.parametrize("place", ["out.json", "./out.json", "link.json"])
def test_what_the_other_command_writes_is_refused(place):
    Path("link.json").symlink_to("out.json")
    configure(f'report = ["json:out.json"]\nderive_report = ["json:{place}"]')
    outcome = derive("right")
    assert outcome.code == 2
    assert "another command writes" in outcome.err
    configure('report = ["json:out.json"]')
    assert derive("right", report=f"--report=junit:{place}").code == 2
    configure('derive_report = ["json:out.json"]')
    outcome = run.softcheck("verify", "a.npz", f"--report=json:{place}")
    assert outcome.code == 2
    assert "another command writes" in outcome.err


# Lines

LINES = f"{RIGHT}\n\n{WRONG}\n\n$$\n\\pi(a)\n= B(a)\n$$\n"


@pytest.mark.parametrize(
    ("ranges", "places"),
    [
        (("1-1",), [1]),
        (("3-4",), [3]),
        (("1-2", "6-6"), [1, 7]),
        (("2-400",), [3, 7]),
        (("1-3", "3-3"), [1, 3]),
    ],
)
def test_only_the_formulas_on_some_lines_are_read(ranges, places):
    Path("paper.tex").write_text(LINES, "utf-8")
    options = [f"--lines={each}" for each in ranges]
    made = json.loads(run.softcheck("derive", "paper.tex", *options, "--output-format=json").out)
    assert [step["source_line"] for step in made["steps"]] == places
    assert made["document"]["off"] == 3 - len(places)


def test_lines_that_hold_nothing_are_no_pass():
    Path("paper.tex").write_text(LINES, "utf-8")
    assert run.softcheck("derive", "paper.tex", "--lines=2-2").code == 2


@pytest.mark.parametrize("given", ["", "3", "0-2", "3-2", "1-", "-1", "a-b", "1-2-3", "1,2", "1-٢"])
def test_a_range_that_is_none_is_refused(given):
    outcome = derive("right", lines=f"--lines={given}")
    assert outcome.code == 2
    assert outcome.err.startswith("softcheck: --lines: found ")


def test_lines_are_those_of_one_document():
    outcome = derive("right", "wrong", lines="--lines=1-2")
    assert outcome.code == 2
    assert "--lines: found 2 documents" in outcome.err
