"""The report with one line a finding, for logs and editors."""

from collections.abc import Iterator

from softcheck.errors import printable
from softcheck.report import Style
from softcheck.report.words import discrepancy, name, names_of, resolution, shape_of
from softcheck.result import Case, Report, Status


def render(report: Report, style: Style) -> str:
    """Return one line a finding, then one line a case with its verdict and the grounds for it."""
    return "".join(f"{line}\n" for case in report.cases for line in _lines(case, style.verbosity))


def _lines(case: Case, verbosity: int) -> Iterator[str]:
    title = name(case.name)
    for finding in case.findings:
        yield f"{title}: {discrepancy(finding)}"
    if verbosity < 0:
        return
    for check in case.checks:
        if check.status is not Status.PASSED or verbosity > 0:
            seen = f"{check.entries} entries, resolution {resolution(check.resolution)}"
            yield f"{title}: {check.name} {check.status.value}: {check.reason or seen}"
    for diagnosis in case.diagnosis:
        yield f"{title}: {diagnosis.message} ({diagnosis.code})"
    for note in case.notes:
        yield f"{title}: note: {printable(note)}"
    yield f"{title}: {case.status.value}: {_grounds(case)}"


def _grounds(case: Case) -> str:
    if case.status is Status.ERROR:
        return case.status.advice
    wrong = [check for check in case.checks if check.status is case.status]
    if case.status is Status.PASSED or not wrong:
        return f"{shape_of(case)}; {names_of(case.checks)}"
    return f"{shape_of(case)}; {names_of(wrong)}"
