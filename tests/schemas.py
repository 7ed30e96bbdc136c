"""The schemas that reports have to keep to: our own JSON Schema, and the JUnit one of Jenkins."""

import functools
import json
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


def check_junit(text):
    """Check that a report is JUnit XML as Jenkins takes it."""
    _junit().validate(text)
