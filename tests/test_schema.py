"""The JSON Schema of the reports: valid itself, kept by every report, and no looser than needed."""

import copy
import json

import jsonschema
import pytest
import reports
import run
import schemas
from fixture_cases import FIXTURES

from softcheck.report import FORMATS, Style

GOOD = FIXTURES / "positive" / "cliffwalking.npz"
DERIVATION = r"$$\frac{1}{n} = 1 \quad$$ $$\sum_a \pi(a)^2 = 1$$"


@pytest.fixture(scope="module")
def schema():
    return json.loads(run.softcheck("schema").out)


def verification(name):
    return json.loads(FORMATS["json"].verification(reports.EVERY[name], Style()))


def test_it_is_a_schema_of_2020_12(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    reports = ("Report", "Derivation", "Derivations", "LossReading")
    assert [part["$ref"] for part in schema["oneOf"]] == [f"#/$defs/{name}" for name in reports]


@pytest.mark.parametrize("name", reports.EVERY)
def test_reports_of_verify_keep_to_it(name):
    schemas.check_json(json.dumps(verification(name)))


@pytest.mark.parametrize("options", [[], ["--on", GOOD], ["--on", GOOD, "--samples=50"]])
def test_reports_of_derive_keep_to_it(options):
    schemas.check_json(run.softcheck("derive", "--output-format=json", *options).out)


def test_a_refuted_derivation_keeps_to_it(tmp_path):
    (tmp_path / "paper.tex").write_text(DERIVATION)
    made = run.softcheck("derive", tmp_path / "paper.tex", "--output-format=json").out
    assert schemas.check_json(made)["steps"][-1]["counterexample"] is not None


def refused(report):
    with pytest.raises(jsonschema.ValidationError):
        schemas.check_json(json.dumps(report))


@pytest.mark.parametrize("key", ["schema_version", "tool", "command", "status", "summary", "cases"])
def test_a_report_without_a_key_is_refused(key):
    report = verification("failed")
    del report[key]
    refused(report)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "green"),
        (("schema_version",), 2),
        (("command",), "derive"),
        (("cases", 0, "states"), 1.5),
        (("cases", 0, "status"), "proved"),
        (("cases", 0, "findings", 0, "ratio"), "Infinity"),
        (("cases", 0, "findings", 0, "ratio"), "1.0"),
        (("cases", 0, "findings", 0, "ratio"), None),
        (("cases", 0, "findings", 0, "location"), [0.5]),
        (("cases", 0, "checks", 0, "worst"), {}),
    ],
)
def test_a_report_with_a_wrong_value_is_refused(path, value):
    report = copy.deepcopy(verification("failed"))
    place = report
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    refused(report)


@pytest.mark.parametrize("spelled", ["nan", "inf", "-inf", 0, 1e300])
def test_a_number_may_be_one_that_json_lacks(spelled):
    report = verification("failed")
    report["cases"][0]["findings"][0]["actual"] = spelled
    schemas.check_json(json.dumps(report))
