"""How places, numbers and names are written in the formats for people."""

from collections.abc import Iterable, Sequence
from itertools import takewhile

from softcheck.errors import printable
from softcheck.result import Case, Check, Diagnosis, Finding, Report, Resolution, Status
from softcheck.tables.roles import ROLES

_DECLARED = ("critics", "action_axis", "reduction")
_NAME = 200
_SENTENCE = 2_000

CHECK_COLUMNS = ("check", "verdict", "entries", "blind", "ratio", "at", "resolution")
FINDING_COLUMNS = ("finding", "at", "found", "expected", "error", "tolerance", "ratio")
COLUMNS = {
    "check": "What was compared: softcheck explain has a page for each check.",
    "verdict": (
        "Whether they agree: passed, every entry does within its tolerance; failed, at least one "
        "differs by more than rounding can explain; inconclusive, rounding hides the gradient."
    ),
    "entries": "How many numbers were compared, and how many differ by more than tolerated.",
    "blind": (
        "Entries of which nothing is seen: their tolerance is as large as what they are made of. "
        "They count neither for the gradient nor against it."
    ),
    "ratio": "The largest error in units of its tolerance: 1 is the limit.",
    "at": (
        "Where that is: the index in your own array, state first and action last, and their labels."
    ),
    "resolution": (
        "The smallest relative error that would have been caught: at half of the entries, and at "
        "all of them."
    ),
    "finding": "The check that found an entry to be wrong; the worst ones are listed.",
    "found": "The number that is under test, with every digit it has.",
    "expected": "What it should be.",
    "error": "How far apart the two are.",
    "tolerance": "How far apart rounding alone may put them; it is derived for this entry.",
}
"""What each column says."""


def number(value: float) -> str:
    """Return a value under test with every digit it has; a zero has no sign."""
    return repr(value + 0.0)


def size(value: float) -> str:
    """Return an error, tolerance or ratio to three digits."""
    return f"{value:.3g}"


def name(text: str) -> str:
    """Return a name from a file on one line, without control characters."""
    return printable(text, _NAME)


def sentence(text: str) -> str:
    """Return a reason, a message or a note on one line, without control characters."""
    return printable(text, _SENTENCE)


def explained(diagnosis: Diagnosis) -> str:
    """Return a diagnosis with the code that `softcheck explain` takes."""
    return f"{sentence(diagnosis.message)} ({diagnosis.code})"


def judged(check: Check, otherwise: str = "") -> str:
    """Return the verdict of a check and the reason for it; `otherwise` where there is none."""
    return f"{check.name} {check.status.value}: {sentence(check.reason) or otherwise}"


def noted(note: str) -> str:
    """Return a note as one."""
    return f"note: {sentence(note)}"


def index(location: Sequence[int]) -> str:
    """Return an index as NumPy takes it; nothing for a quantity of the whole case."""
    return f"[{', '.join(map(str, location))}]" if location else ""


def place(finding: Finding) -> str:
    """Return the index of a finding, and its labels."""
    labels = [name(label) for label in (finding.state, finding.action) if label is not None]
    spelled = index(finding.location)
    return f"{spelled} ({', '.join(labels)})" if labels else spelled


def resolution(seen: Resolution | None) -> str:
    """Return the median resolution of a check and its worst."""
    return "-" if seen is None else f"{seen.median:.2g} .. {seen.worst:.2g}"


def shape_of(case: Case) -> str:
    """Return how much a case holds."""
    masked = f" ({case.masked} masked)" if case.masked else ""
    states = f"{case.states} {plural('state', case.states)}"
    actions = f"{case.actions} {plural('action', case.actions)}"
    return f"{states} x {actions}, {case.entries} {plural('entry', case.entries)}{masked}"


def declared(case: Case) -> str:
    """Return how much a case holds, and the numbers that its loss is made of."""
    return ", ".join(filter(None, (shape_of(case), numbers_of(case))))


def loss_of(case: Case) -> str:
    """Return the loss of a case, its gradient, and whether that was proved; or nothing."""
    return ", ".join(loss_lines(case))


def loss_lines(case: Case) -> tuple[str, ...]:
    """Return the same as a line for the loss and one for its gradient."""
    if (loss := case.loss) is None:
        return ()
    proved = "proved for every number of actions" if loss.proved else "not proved"
    return (
        f"{sentence(loss.name)}: L = {sentence(loss.formula)}",
        f"dL/dθ(a) = {sentence(loss.gradient)}, {proved}",
    )


def advice(case: Case) -> str:
    """Return what the verdict on a case means for its reader."""
    return (
        "It failed with the mistake that it must have."
        if as_expected(case)
        else (case.status.advice)
    )


def as_expected(case: Case) -> bool:
    """Return whether a case passed because it failed with the mistake that was expected."""
    return case.status is Status.PASSED and any(
        check.status is Status.FAILED for check in case.checks
    )


def undecided(case: Case) -> str:
    """Return why a case failed where no check of it did."""
    return "not as expected" if case.settings["expect"] else "a note, under --strict"


def dumped(case: Case) -> tuple[str, ...]:
    """Return which line of code dumped a case, where it says so."""
    origin = case.dumped_by
    return () if origin is None else (f"dumped by {name(origin.file)}:{origin.line}",)


def numbers_of(case: Case) -> str:
    """Return the numbers that a loss is made of: the settings that come first, by their names."""
    numbers = takewhile(lambda setting: setting[0] not in _DECLARED, case.settings.items())
    return ", ".join(
        f"{key} {value if isinstance(value, str) else number(value)}" for key, value in numbers
    )


def finding(found: Finding) -> str:
    """Return a finding on one line."""
    return (
        f"{found.check}{place(found)}: found {number(found.actual)}, "
        f"expected {number(found.expected)}, error {size(found.abs_error)}, "
        f"tolerance {size(found.tolerance)}, ratio {size(found.ratio)}"
    )


def finding_row(found: Finding) -> tuple[str, ...]:
    """Return the cells of a finding, below `FINDING_COLUMNS`."""
    errors = map(size, (found.abs_error, found.tolerance, found.ratio))
    return found.check, place(found), number(found.actual), number(found.expected), *errors


def grounds(case: Case) -> str:
    """Return what the verdict on a case rests on, and first what a pass does not cover."""
    if case.status is Status.ERROR:
        return case.status.advice
    checks = names_of(deciding(case) or case.checks)
    said = (*reservations(case), shape_of(case), checks, loss_of(case), *dumped(case))
    return "; ".join(filter(None, said))


def reserved(case: Case) -> str:
    """Return in brackets what a pass does not cover, to stand behind the name of the case."""
    said = "; ".join(reservations(case))
    return f" ({said})" if said else ""


def reservations(case: Case) -> tuple[str, ...]:
    """Return what a pass does not cover: no format says that a case has passed without it."""
    if case.status is not Status.PASSED:
        return ()
    said = []
    if as_expected(case):
        said.append(f"failed as expected: {name(case.settings['expect'])}")
    if without_gradient(case):
        under_test = {role.check for role in ROLES.values()}
        itself = (case.loss and case.loss.equation) or "the formula"
        verified = (itself, *(each.name for each in case.checks if each.name in under_test))
        said.append(f"only {', '.join(verified)}: no gradient was given")
    if blind := blind_in_part(case):
        counts = (f"{check.name} {check.blind} of {check.entries}" for check in blind)
        said.append(f"blind in part: {', '.join(counts)}")
    return tuple(said)


def without_gradient(case: Case) -> bool:
    """Return whether a case was read and no gradient is among what was verified."""
    return bool(case.checks) and all(check.name != "gradient" for check in case.checks)


def blind_in_part(case: Case) -> list[Check]:
    """Return the checks that did not see every entry."""
    return [check for check in case.checks if check.blind]


def deciding(case: Case) -> tuple[Check, ...]:
    """Return the checks that a verdict other than passed comes from; none if it is for a note."""
    if case.status is Status.PASSED:
        return ()
    return tuple(check for check in case.checks if check.status is case.status)


def errors_of(report: Report) -> dict[int, str]:
    """Return the error of each case that could not be read, by the case's position."""
    unread = (index for index, case in enumerate(report.cases) if case.status is Status.ERROR)
    return dict(zip(unread, report.summary.errors, strict=True))


def by_severity(cases: Iterable[Case]) -> list[Case]:
    """Return cases, the worst first: by verdict, then by the worst ratio."""

    def rank(case: Case) -> tuple[int, float]:
        ratios = (check.worst.ratio for check in deciding(case) if check.worst is not None)
        return case.status.severity, max(ratios, default=0.0)

    return sorted(cases, key=rank, reverse=True)


def tally(report: Report) -> str:
    """Return how many cases there are, and how many of them ended how."""
    counts = report.summary
    passed = [case for case in report.cases if case.status is Status.PASSED]
    parts = {
        "passed": counts.passed,
        "of these failed as expected": sum(map(as_expected, passed)),
        "of these without a gradient": sum(map(without_gradient, passed)),
        "of these blind in part": sum(1 for case in passed if blind_in_part(case)),
        "failed": counts.failed,
        "inconclusive": counts.inconclusive,
        "unreadable": len(counts.errors),
    }
    said = ", ".join(f"{count} {word}" for word, count in parts.items() if count)
    return f"{counts.cases} {plural('case', counts.cases)}: {said}"


def names_of(checks: Sequence[Check]) -> str:
    """Return the names of checks in a row."""
    return ", ".join(check.name for check in checks)


def plural(word: str, count: int) -> str:
    """Return a word for a number of things."""
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
