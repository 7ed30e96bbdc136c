"""The report as JUnit XML, which CI servers read: a suite a case, a test case a check or step.

The form is that of the Jenkins xUnit plugin's ``junit-10.xsd``. Every text passes `printable`, so
that no character is left that XML 1.0 forbids.
"""

import io
from collections.abc import Iterable, Sequence

from junitparser import Error, Failure, JUnitXml, Skipped, SystemOut, TestCase, TestSuite

from softcheck.report import Style
from softcheck.report import derive_words as derived
from softcheck.report import loss_words as losses
from softcheck.report.words import (
    as_expected,
    deciding,
    errors_of,
    finding,
    found_lines,
    grounds,
    judged,
    name,
    named,
    noted,
    sentence,
    undecided,
    without_gradient,
)
from softcheck.result import (
    Case,
    Derivation,
    Derivations,
    LossReading,
    OnData,
    Report,
    Status,
    Step,
    Verdict,
)


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  JUnit has one style
    """Return a suite a case and a test case a check; a case that could not be read is an error."""
    errors = errors_of(report)
    return _document(_suite(case, errors.get(index)) for index, case in enumerate(report.cases))


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  JUnit has one style
    """Return a suite for the document with a test case a step, and one for the data if any."""
    return _document(_suites(report, document))


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  JUnit has one style
    """Return the suites of each document; one that could not be read is an error."""
    return _document(
        suite
        for each in report.documents
        for suite in (
            [_unread(each.name, each.error)]
            if each.report is None
            else _suites(each.report, each.name)
        )
    )


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  JUnit has one style
    """Return a suite with a test case a variant, which is proved if there is a report at all."""
    said = [f"{what}: {fact}" for each in report.variants for what, fact in losses.facts(each)]
    tests = [_test(f"gradient {number}") for number, _ in enumerate(report.variants, 1)]
    return _document([_made(name(report.loss), tests, said)])


def _suites(report: Derivation, document: str) -> list[TestSuite]:
    gaps = [derived.verdict(report, step) for step in report.steps if step.gap is not None]
    tests = [_step(report, step) for step in report.steps]
    said = [derived.counts(report), derived.document(report.document)]
    roles = [f"line {role.source_line}: {derived.role(role)}" for role in derived.roles(report)]
    suites = [_made(name(document), tests, [*said, *gaps, *roles])]
    if isinstance(report.on, OnData):
        suites.append(_on_data(report.on))
    return suites


def _unread(title: str, error: str) -> TestSuite:
    """Return what could not be read."""
    why = sentence(error)
    return _made(name(title), [_test("read", Error(why, "unreadable"), why)])


def _suite(case: Case, error: str | None) -> TestSuite:
    """Return a case."""
    if error is not None:
        return _unread(case.name, error)
    diagnoses = [*found_lines(case)]
    tests = []
    for check in case.checks:
        said = [finding(case, found) for found in case.findings if found.check == check.name]
        reason = sentence(check.reason)
        if check.status is Status.PASSED or as_expected(case):
            tests.append(_test(check.name))
        else:
            failure = Failure("; ".join([*map(named, case.diagnosis), reason]), check.status.value)
            tests.append(_test(check.name, failure, *diagnoses, judged(check), *said))
    if without_gradient(case):
        tests.append(_test("gradient", Skipped("no gradient was given")))
    if case.status is not Status.PASSED and not deciding(case):
        failure = Failure(undecided(case), case.status.value)
        tests.append(
            _test(
                "expected" if case.settings["expect"] else "strict",
                failure,
                *map(sentence, case.notes),
            )
        )
    notes = [*map(noted, case.notes)]
    return _made(name(case.name), tests, [grounds(case), *notes])


def _step(report: Derivation, step: Step) -> TestCase:
    """Return a step of a derivation."""
    title = f"step {step.number}{derived.conditions(step)}, line {step.source_line}"
    if step.status is Verdict.PROVED:
        return _test(title)
    trouble = derived.trouble(report, step)
    failure = Failure(trouble[-1], step.status.value)
    return _test(title, failure, derived.equality(report, step), *trouble)


def _on_data(on: OnData) -> TestSuite:
    """Return the lines on data: one test case, for it has one verdict."""
    said = [derived.deviation(found) for found in on.deviations]
    notes = [*map(noted, on.notes)]
    verdict = derived.on_data(on)
    failure = None if on.status is Status.PASSED else Failure(verdict, on.status.value)
    return _made(name(on.case), [_test("lines on data", failure, *said)], [verdict, *said, *notes])


def _test(title: str, result: Error | Failure | Skipped | None = None, *said: str) -> TestCase:
    """Return a test case, passed unless it has a result; `said` is the text of that."""
    test = TestCase(title)
    if result is not None:
        result.text = "\n".join(said)
        test.result = result
    return test


def _made(title: str, tests: Sequence[TestCase], out: Sequence[str] = ()) -> TestSuite:
    """Return a suite of test cases; `out` is its output."""
    suite = TestSuite(title)
    for test in tests:
        test.classname = title
        suite.append(test)
    if out:
        suite.append(SystemOut("\n".join(out)))
    results = [result for test in tests for result in test.result]
    suite.tests = len(tests)
    suite.failures = sum(isinstance(result, Failure) for result in results)
    suite.errors = sum(isinstance(result, Error) for result in results)
    suite.skipped = sum(isinstance(result, Skipped) for result in results)
    return suite


def _document(suites: Iterable[TestSuite]) -> str:
    """Return the whole document.

    Suites are appended and counted here because `JUnitXml.add_testsuite` puts suites of one name
    together, and `update_statistics` writes an attribute that the schema does not have, and a time.
    """
    root = JUnitXml("softcheck")
    every = list(suites)
    root.extend(every)
    root.tests = sum(suite.tests for suite in every)
    root.failures = sum(suite.failures for suite in every)
    root.errors = sum(suite.errors for suite in every)
    out = io.BytesIO()
    root.write(out)
    return out.getvalue().decode() + "\n"
