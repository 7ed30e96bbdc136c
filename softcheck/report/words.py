"""How places, numbers and names are written in the formats for people."""

from collections.abc import Sequence

from softcheck.errors import printable
from softcheck.result import Case, Check, Finding, Resolution

_NAME = 200


def number(value: float) -> str:
    """Return a value under test with every digit it has; a zero has no sign."""
    return repr(value + 0.0)


def size(value: float) -> str:
    """Return an error, tolerance or ratio to three digits."""
    return f"{value:.3g}"


def name(text: str) -> str:
    """Return a name from a file on one line, without control characters."""
    return printable(text, _NAME)


def index(location: Sequence[int]) -> str:
    """Return an index as NumPy takes it; nothing for a quantity of the whole case."""
    return f"[{', '.join(map(str, location))}]" if location else ""


def place(finding: Finding) -> str:
    """Return the index of a finding, and its labels."""
    labels = [name(label) for label in (finding.state, finding.action) if label is not None]
    spelled = index(finding.location)
    return f"{spelled} ({', '.join(labels)})" if labels else spelled


def discrepancy(finding: Finding) -> str:
    """Return where a finding is, both values, and by how much they differ."""
    return (
        f"{finding.check}{place(finding)}: found {number(finding.actual)}, "
        f"expected {number(finding.expected)}, error {size(finding.abs_error)}, "
        f"tolerance {size(finding.tolerance)}, ratio {size(finding.ratio)}"
    )


def resolution(seen: Resolution | None) -> str:
    """Return the median resolution of a check and its worst."""
    return "-" if seen is None else f"{seen.median:.2g} .. {seen.worst:.2g}"


def shape_of(case: Case) -> str:
    """Return how much a case holds."""
    masked = f" ({case.masked} masked)" if case.masked else ""
    states = f"{case.states} {plural('state', case.states)}"
    actions = f"{case.actions} {plural('action', case.actions)}"
    return f"{states} x {actions}, {case.entries} {plural('entry', case.entries)}{masked}"


def names_of(checks: Sequence[Check]) -> str:
    """Return the names of checks in a row."""
    return ", ".join(check.name for check in checks)


def plural(word: str, count: int) -> str:
    """Return a word for a number of things."""
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
