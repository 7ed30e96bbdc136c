"""What is wrong with a case, as the message of an AssertionError."""

from collections.abc import Iterator

from softcheck.report.words import explained, finding, judged, noted, shape_of
from softcheck.result import Case, Status


def render(case: Case) -> str:
    """Return what is wrong: the mistake in the first line, which is all that a summary shows.

    Parameters
    ----------
    case : Case
        One that has not passed.
    """
    return "\n  ".join(_lines(case))


def _lines(case: Case) -> Iterator[str]:
    for diagnosis in case.diagnosis:
        yield explained(diagnosis)
    for check in case.checks:
        if check.status is not Status.PASSED:
            yield judged(check)
    for found in case.findings:
        yield finding(found)
    for note in case.notes:
        yield noted(note)
    declared = ", ".join(f"{name} {case.settings[name]}" for name in ("alpha", "reduction"))
    yield f"{shape_of(case)}, {declared}"
    if case.diagnosis:
        yield f"softcheck explain {case.diagnosis[0].code}"
