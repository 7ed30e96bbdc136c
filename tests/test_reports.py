"""Reports as text: golden files, widths, names that are data, and numbers that are never cut.

`python tests/test_reports.py` writes the golden files anew, to be read before they are committed.
"""

import json
import re
from pathlib import Path

import ml_dtypes
import msgspec
import numpy as np
import pytest
from outlines import outline
from reports import EVERY

import softcheck
from softcheck.report import FORMATS, Style, words

GOLDEN = Path(__file__).parent / "golden"
STYLES = {
    "text": ("text", Style()),
    "narrow": ("text", Style(width=40)),
    "color": ("text", Style(color=True)),
    "verbose": ("text", Style(verbosity=1, width=200)),
    "findings": ("text", Style(verbosity=-1)),
    "concise": ("concise", Style()),
    "concise-verbose": ("concise", Style(verbosity=1)),
    "quiet": ("concise", Style(verbosity=-1)),
    "json": ("json", Style()),
    "junit": ("junit", Style()),
    "github": ("github", Style()),
    "gitlab": ("gitlab", Style()),
    "sarif": ("sarif", Style()),
    "markdown": ("markdown", Style()),
    "html": ("html", Style()),
}


def rendered_as(name, style):
    form, how = STYLES[style]
    made = FORMATS[form].verification(EVERY[name], how)
    return outline(made) if form == "html" else made


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", EVERY)
def test_a_report_reads_as_before(name, style):
    assert rendered_as(name, style) == (GOLDEN / f"{name}.{style}.txt").read_text("utf-8")


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_form_has_digests_where_it_says_so(form, verbosity):
    made = form.verification(EVERY["failed"], Style(verbosity=verbosity, width=300))
    assert ("ab" * 32 in made) == form.has_digests(verbosity)


def test_every_golden_file_is_compared():
    shown = {form for form, _ in STYLES.values()}
    assert shown == FORMATS.keys(), "STYLES has a row for each format; then write its golden files"
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}.{style}.txt" for name in EVERY for style in STYLES
    }


def report_of(case_name="arrays", **arrays):
    q = np.arange(6.0).reshape(3, 2)
    given = {"q": q, "logits": q * 0.1, "alpha": 0.5} | arrays
    one = softcheck.verify(**given)
    return msgspec.structs.replace(
        one, cases=(msgspec.structs.replace(one.cases[0], name=case_name),)
    )


NASTY = "[red]x[/red]\x1b[31m\n::error::\u202e|<script>"


@pytest.mark.parametrize("form", ["text", "concise"])
def test_names_are_data(form):
    rendered = FORMATS[form].verification(report_of(NASTY), Style())
    assert "[red]x[/red]" in rendered
    assert "\x1b" not in rendered
    assert "\u202e" not in rendered
    assert not any(line.startswith("::error") for line in rendered.splitlines())


@pytest.mark.parametrize("width", [20, 40, 80, 300])
def test_no_width_cuts_a_number(width):
    wrong = np.full((3, 2), 0.1234567890123456)
    found = report_of(grad=wrong)
    rendered = FORMATS["text"].verification(found, Style(width=width))
    assert "…" not in rendered
    for finding in found.cases[0].findings:
        assert repr(finding.actual) in rendered
        assert repr(finding.expected) in rendered
    assert "complex-step" in rendered


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_number_is_found_with_the_digits_of_its_dtype_and_expected_with_more(dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    grad = np.random.default_rng(3).normal(size=(40, 4)).astype(kind)
    q = np.random.default_rng(4).normal(size=(40, 4))
    (case,) = softcheck.verify(q=q, logits=q * 0.1, alpha=0.5, grad=grad, max_findings=99).cases
    seen = [each for each in case.findings if each.check == "gradient"]
    assert len(seen) == 99
    for each in seen:
        found, expected = words.found_and_expected(case, each)
        assert kind.type(float(found)) == kind.type(each.actual)
        digits = len(re.sub(r"e.*|\D", "", found).lstrip("0"))
        shorter = f"{each.actual:.{max(1, digits - 1)}g}"
        assert digits == 1 or kind.type(float(shorter)) != kind.type(each.actual)
        assert abs(float(expected) - each.expected) <= each.tolerance


def test_json_is_strict_and_spells_what_json_lacks():
    rendered = FORMATS["json"].verification(report_of(grad=np.full((3, 2), np.nan)), Style())
    parsed = json.loads(rendered, parse_constant=pytest.fail)
    finding = parsed["cases"][0]["findings"][0]
    assert (finding["actual"], finding["ratio"]) == ("nan", "inf")


def test_json_keys_are_the_documented_ones():
    parsed = json.loads(rendered_as("failed", "json"))
    assert list(parsed) == ["schema_version", "tool", "command", "status", "summary", "cases"]
    assert set(parsed["tool"]) == {"name", "version"}
    (case,) = parsed["cases"]
    assert set(case) >= {
        "name", "status", "inputs", "settings", "states", "actions", "entries", "masked",
        "checks", "findings", "diagnosis",
    }  # fmt: skip
    assert set(case["inputs"][0]) == {"role", "path", "key", "dtype", "shape", "sha256"}
    assert set(case["checks"][0]) == {
        "name", "status", "entries", "failed", "blind", "worst", "largest", "decades", "resolution",
        "reason",
    }  # fmt: skip
    assert set(case["diagnosis"][0]) == {"code", "message", "grounds", "evidence", "remedies"}
    remedy = {"code", "declare", "wrong_line", "right_line"}
    assert set(case["diagnosis"][0]["remedies"][0]) == remedy
    worst = {"location", "actual", "expected", "abs_error", "tolerance", "ratio"}
    assert set(case["checks"][1]["worst"]) == worst
    assert set(case["checks"][0]["resolution"]) == {"median", "worst"}
    assert set(case["findings"][0]) == {"check", "about", "state", "action"} | worst


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in EVERY:
        for style in STYLES:
            (GOLDEN / f"{name}.{style}.txt").write_text(rendered_as(name, style), "utf-8")
