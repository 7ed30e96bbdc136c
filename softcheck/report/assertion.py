"""What is wrong with a case, as the message of an AssertionError."""

from collections.abc import Iterator

from softcheck.report.words import declared, explained, finding, judged, loss_of, noted
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
    yield f"{declared(case)}, reduction {case.settings['reduction']}"
    yield loss_of(case)
    if case.diagnosis:
        yield f"softcheck explain {case.diagnosis[0].code}"
