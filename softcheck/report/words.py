"""How places, numbers and names are written in the formats for people."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from math import frexp, isfinite, ldexp
from typing import TypeAlias

from softcheck.errors import printable
from softcheck.result import (
    Case,
    Check,
    Diagnosis,
    Finding,
    Remedy,
    Report,
    Resolution,
    Status,
)
from softcheck.tables.roles import ROLES

_DECLARED = ("critics", "action_axis", "reduction")
_NAME = 200
_SENTENCE = 2_000

CHECK_COLUMNS = ("check", "verdict", "entries", "blind", "ratio", "at", "resolution", "worst")
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
    "resolution": "The smallest relative error that would have been caught at half of the states.",
    "worst": "The one that would have been caught at every state.",
    "finding": "The check that found an entry to be wrong; the worst ones are listed.",
    "found": "The number that is under test, with every digit that its dtype has.",
    "expected": "What it should be.",
    "error": "How far apart the two are.",
    "tolerance": "How far apart rounding alone may put them; it is derived for this entry.",
}
"""What each column says."""


NOT_EXPECTED = "It must fail with a certain mistake, and did not."
STRICT = "There is a note, which --strict does not allow."
"""Why a case failed where no check of it did."""

_BARS = "·▁▂▃▄▅▆▇█"
_BEYOND = 16
"""Decades that are counted: the last one holds all that is beyond."""

_MORE = 3
"""Digits that what is expected has beyond those of a dump."""


def number(value: float) -> str:
    """Return a number with every digit it has; a zero has no sign."""
    return repr(value + 0.0)


def found_and_expected(case: Case, found: Finding) -> tuple[str, str]:
    """Return the two values of a finding: as the dtype of the dump has them, and a little finer."""
    from softcheck.gradient.tolerance import Precision

    dtypes = {ROLES[given.role].check: given.dtype for given in case.inputs if given.role in ROLES}
    dtype = dtypes.get(found.check)
    coarse = next((each for each in Precision if each.value == dtype), Precision.FLOAT64)
    if coarse is Precision.FLOAT64:
        return number(found.actual), number(found.expected)
    digits = len(f"{1 / coarse.unit:.0f}") + _MORE
    return _shortest(found.actual, coarse.unit), f"{found.expected + 0.0:.{digits}g}"


def _shortest(value: float, unit: float) -> str:
    """Return the fewest digits that no other number with this unit roundoff is nearer to."""
    if not isfinite(value):
        return number(value)
    fraction, exponent = frexp(value)
    # Below a power of two the next number is nearer than above it.
    half_way = ldexp(unit, exponent - 1 - (abs(fraction) == 0.5))
    texts = (f"{value + 0.0:.{digits}g}" for digits in range(1, 18))
    return next((text for text in texts if abs(float(text) - value) < half_way), number(value))


def size(value: float) -> str:
    """Return an error, tolerance or ratio to three digits."""
    return f"{value:.3g}"


def name(text: str) -> str:
    """Return a name from a file on one line, without control characters."""
    return printable(text, _NAME)


def sentence(text: str) -> str:
    """Return a reason, a message or a note on one line, without control characters."""
    return printable(text, _SENTENCE)


def named(diagnosis: Diagnosis) -> str:
    """Return what was found, with the code that `softcheck explain` takes."""
    return f"{sentence(diagnosis.message)} ({diagnosis.code})"


def explained(diagnosis: Diagnosis) -> str:
    """Return what was found and what that rests on."""
    return f"{named(diagnosis)}. {sentence(diagnosis.grounds)}."


def flag(setting: str, value: str) -> str:
    """Return a setting as an option of the command line."""
    return f"--{setting.replace('_', '-')} {value}"


def argument(setting: str, value: str) -> str:
    """Return a setting as an argument of a call."""
    return f'{setting}="{value}"'


Spelling: TypeAlias = Callable[[str, str], str]
"""From a setting and its value to how the reader of a report would write it."""


def to_declare(remedy: Remedy, spelling: Spelling = flag) -> str:
    """Return what to declare where the numbers are meant; nothing where no setting says that."""
    said = " ".join(spelling(*each) for each in remedy.declare.items())
    return f"If that is meant, declare it: {said}" if said else ""


def to_change(remedy: Remedy) -> tuple[str, str]:
    """Return typical code before and after, as lines of a difference."""
    return f"- {sentence(remedy.wrong_line)}", f"+ {sentence(remedy.right_line)}"


def to_learn(diagnosis: Diagnosis) -> str:
    """Return the command that says more."""
    return f"softcheck explain {diagnosis.code}"


def found_in(case: Case) -> Iterator[tuple[Diagnosis, bool]]:
    """Yield each diagnosis of a case, and whether to say there what is to be done about it.

    That is said once for each code, and of what only says where to look if nothing else is known.
    """
    is_known = any(each.remedies for each in case.diagnosis)
    for number, diagnosis in enumerate(case.diagnosis, 1):
        later = [each.code for each in case.diagnosis[number:]]
        says_more = bool(diagnosis.remedies) or not (is_known or later)
        yield diagnosis, diagnosis.code not in later and says_more


def to_do(case: Case, spelling: Spelling = flag) -> Iterator[tuple[Diagnosis, tuple[str, ...]]]:
    """Yield each diagnosis of a case and what to do about it, a line for each thing."""
    for diagnosis, is_said in found_in(case):
        lines = [
            line
            for remedy in diagnosis.remedies
            for line in (to_declare(remedy, spelling), *to_change(remedy))
        ]
        yield diagnosis, (*filter(None, lines), to_learn(diagnosis)) if is_said else ()


def found_lines(case: Case, spelling: Spelling = flag) -> Iterator[str]:
    """Yield what is wrong with a case and what to do, as lines of plain text."""
    for diagnosis, lines in to_do(case, spelling):
        yield explained(diagnosis)
        yield from lines


def found_in_a_line(case: Case) -> Iterator[str]:
    """Yield what is wrong with a case, and the one thing that is mostly to be done, a line each."""
    for diagnosis, is_said in found_in(case):
        yield f"found: {explained(diagnosis)}"
        if is_said:
            said = [
                to_declare(each) or f"Write it as in: {each.right_line}"
                for each in diagnosis.remedies
            ]
            yield f"to do: {'. '.join([*said, to_learn(diagnosis)])}"


def judged(check: Check, otherwise: str = "") -> str:
    """Return the verdict of a check and the reason for it; `otherwise` where there is none."""
    said = "; ".join(filter(None, (sentence(check.reason), extent(check)))) or otherwise
    return f"{check.name} {check.status.value}: {said}"


def noted(note: str) -> str:
    """Return a note as one."""
    return f"note: {sentence(note)}"


def index(location: Sequence[int]) -> str:
    """Return an index as NumPy takes it; nothing for a quantity of the whole case."""
    return f"[{', '.join(map(str, location))}]" if location else ""


def place(finding: Finding) -> str:
    """Return the index of a finding and its labels, or what it is about."""
    labels = [name(label) for label in (finding.state, finding.action) if label is not None]
    spelled = index(finding.location) or name(finding.about)
    return f"{spelled} ({', '.join(labels)})" if labels else spelled


def resolution(seen: Resolution | None) -> tuple[str, str]:
    """Return the median resolution of a check and its worst, as cells."""
    return ("-", "-") if seen is None else (f"{seen.median:.2g}", f"{seen.worst:.2g}")


def sight(check: Check) -> str:
    """Return what a check would have seen; nothing where that was nothing."""
    seen = check.resolution
    if seen is None or not isfinite(seen.median):
        return ""
    half = f"a relative error of {seen.median:.2g} would have been seen at half of the states"
    at_all = f"one of {seen.worst:.2g} at all" if isfinite(seen.worst) else "none at some"
    return f"{check.name}: {half}, {at_all}"


def extent(check: Check) -> str:
    """Return how large the largest error of what failed is, and where."""
    if check.largest is None or not check.largest.location:
        return ""
    return (
        f"the largest error is {size(check.largest.abs_error)} at {index(check.largest.location)}"
    )


def picture(check: Check) -> str:
    """Return how many entries failed by how much: a bar for each decade of their ratios."""
    counts = check.decades
    if not counts:
        return ""
    bars = "".join(_BARS[-(-8 * count // max(counts))] for count in counts)
    end = "beyond" if len(counts) == _BEYOND else f"1e{len(counts)}"
    return f"ratios of what failed, by decade: 1 |{bars}| {end}"


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
    if as_expected(case):
        return "It failed with the mistake that it must have."
    if case.status is Status.FAILED and not deciding(case):
        return NOT_EXPECTED if case.settings["expect"] else STRICT
    return case.status.advice


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


def finding(case: Case, found: Finding) -> str:
    """Return a finding of a case on one line."""
    actual, expected = found_and_expected(case, found)
    at = place(found) if found.location else f" {place(found)}".rstrip()
    return (
        f"{found.check}{at}: found {actual}, expected {expected}, error "
        f"{size(found.abs_error)}, tolerance {size(found.tolerance)}, ratio {size(found.ratio)}"
    )


def finding_row(case: Case, found: Finding) -> tuple[str, ...]:
    """Return the cells of a finding of a case, below `FINDING_COLUMNS`."""
    errors = map(size, (found.abs_error, found.tolerance, found.ratio))
    return found.check, place(found), *found_and_expected(case, found), *errors


def grounds(case: Case) -> str:
    """Return what the verdict on a case rests on, and first what a pass does not cover."""
    if case.status is Status.ERROR:
        return case.status.advice
    codes = ", ".join(each.code for each in case.diagnosis)
    checks = names_of(deciding(case) or case.checks)
    said = (codes, *reservations(case), shape_of(case), checks, loss_of(case), *dumped(case))
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
        itself = (case.loss and case.loss.equation) or "the formula"
        verified = (itself, *(each.name for each in under_test(case)))
        said.append(f"only {', '.join(verified)}: no gradient was given")
    if blind := blind_in_part(case):
        counts = (f"{check.name} {check.blind} of {check.entries}" for check in blind)
        said.append(f"blind in part: {', '.join(counts)}")
    return tuple(said)


def under_test(case: Case) -> list[Check]:
    """Return the checks of what was dumped."""
    roles = {role.check for role in ROLES.values()}
    return [check for check in case.checks if check.name in roles]


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
