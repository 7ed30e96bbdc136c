"""The report with one line a finding, for logs and editors."""

from collections.abc import Iterator

from softcheck.report import Style
from softcheck.report.words import explained, finding, grounds, name, resolution, sentence
from softcheck.result import Case, Report, Status


def render(report: Report, style: Style) -> str:
    """Return one line a finding, then one line a case with its verdict and the grounds for it."""
    return "".join(f"{line}\n" for case in report.cases for line in _lines(case, style.verbosity))


def _lines(case: Case, verbosity: int) -> Iterator[str]:
    title = name(case.name)
    for found in case.findings:
        yield f"{title}: {finding(found)}"
    if verbosity < 0:
        return
    for check in case.checks:
        if check.status is not Status.PASSED or verbosity > 0:
            seen = f"{check.entries} entries, resolution {resolution(check.resolution)}"
            yield f"{title}: {check.name} {check.status.value}: {sentence(check.reason) or seen}"
    for diagnosis in case.diagnosis:
        yield f"{title}: {explained(diagnosis)}"
    for note in case.notes:
        yield f"{title}: note: {sentence(note)}"
    yield f"{title}: {case.status.value}: {grounds(case)}"
