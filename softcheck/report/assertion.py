"""What is wrong with a case, as the message of an AssertionError."""

from collections.abc import Iterator

from softcheck.report.words import (
    argument,
    declared,
    finding,
    found_lines,
    judged,
    loss_of,
    noted,
)
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
    yield from found_lines(case, argument)
    for check in case.checks:
        if check.status is not Status.PASSED:
            yield judged(check)
    for found in case.findings:
        yield finding(case, found)
    for note in case.notes:
        yield noted(note)
    yield f"{declared(case)}, reduction {case.settings['reduction']}"
    yield loss_of(case)
