"""The report as JSON, for programs; its keys are those of `result`."""

import math
from typing import Any

import msgspec

from softcheck.result import Record


def render(report: Record) -> str:
    """Return the report as strict JSON; numbers that JSON lacks are "nan", "inf" and "-inf"."""
    plain = _strict(msgspec.to_builtins(report))
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return value
