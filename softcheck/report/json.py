"""The report as JSON, for programs; its keys are those of `result`."""

import math
from typing import Any

import msgspec

from softcheck.report import Style
from softcheck.result import Derivation, Derivations, LossReading, Record, Report

_SPELLED = ("nan", "inf", "-inf")
_NUMBER = {
    "description": "A number; one that JSON lacks is a string.",
    "anyOf": [{"type": "number"}, {"enum": list(_SPELLED)}],
}


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  JSON has one style
    """Return the report as strict JSON; numbers that JSON lacks are "nan", "inf" and "-inf"."""
    plain = msgspec.to_builtins(report)
    for case in plain["cases"]:
        case.pop("picture", None)
    return indented(_strict(plain))


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  JSON has one style, and names no file
    """Return the report of a derivation as strict JSON."""
    return _encoded(report)


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  JSON has one style
    """Return the reports of several derivations as strict JSON."""
    return _encoded(report)


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  JSON has one style
    """Return what a loss is as strict JSON."""
    return _encoded(report)


def schema() -> str:
    """Return the JSON Schema (2020-12) of the reports of `verify` and `derive`."""
    either, records = msgspec.json.schema_components(
        (Report, Derivation, Derivations, LossReading), ref_template="#/$defs/{name}"
    )
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of softcheck verify or softcheck derive",
        "oneOf": either,
        "$defs": _with_spelled_numbers(records) | {"Number": _NUMBER},
    }
    return indented(document)


def _with_spelled_numbers(value: Any) -> Any:
    """Return a schema in which every number may also be one of those that JSON lacks."""
    if value == {"type": "number"}:
        return {"$ref": "#/$defs/Number"}
    if isinstance(value, dict):
        return {key: _with_spelled_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_spelled_numbers(item) for item in value]
    return value


def _encoded(report: Record) -> str:
    return indented(_strict(msgspec.to_builtins(report)))


def indented(plain: Any) -> str:
    """Return plain values as JSON that people can read too."""
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        # A path need not be Unicode; JSON has to be.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return value
