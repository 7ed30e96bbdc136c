"""Verified cases as a page: what was found, pictures of it, and then all that it rests on.

The page of a single case stays below 100 KB whatever the case holds, that of many below 2 MB.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

import htpy as h
from htpy import Node
from markupsafe import Markup
from msgspec import structs

from softcheck.report.html import maths, page, plots, repeating
from softcheck.report.words import (
    CHECK_COLUMNS,
    FINDING_COLUMNS,
    advice,
    by_severity,
    deciding,
    declared,
    dumped,
    errors_of,
    explained,
    finding_row,
    index,
    judged,
    name,
    named,
    names_of,
    noted,
    reservations,
    resolution,
    sentence,
    size,
    tally,
    to_change,
    to_declare,
    to_learn,
)
from softcheck.result import Case, Check, Diagnosis, Input, PicturedCase, Remedy, Report, Status

_BYTES = 1_900_000
"""What the cases of a page may add up to."""

_CASES = 1_000
"""Rows of the table of all cases."""

_PICTURED = 40
"""Cases with pictures among several, which are the worst."""

_EXPLAINED = 3
"""Explanations beside the first."""

_INPUTS = 20


class _Detail(NamedTuple):
    """How much of a case is shown: dots of a picture, if it has any; findings or notes."""

    dots: int
    listed: int


_ALONE = _Detail(512, 20)
_AMONG_OTHERS = _Detail(64, 5)
_IN_WORDS = _Detail(0, 5)


def page_of(report: Report) -> str:
    """Return the page of a run."""
    errors = errors_of(report)
    if len(report.cases) == 1:
        (case,) = report.cases
        said = (h.strong[name(case.name)], *_about(case), errors.get(0))
        return page.document(
            f"{report.status.value}: {name(case.name)}",
            report.tool,
            page.banner(report.status, *filter(None, said)),
            _parts(case, _ALONE, _losses([case])),
        )
    error_of = {id(report.cases[at]): error for at, error in errors.items()}
    cases = by_severity(report.cases)
    sections = list(_sections(cases, error_of))
    rows = [
        (
            h.a(href=f"#case-{at}")[name(case.name)] if at < len(sections) else name(case.name),
            page.verdict(case.status),
            _gist(case),
        )
        for at, case in enumerate(cases[:_CASES])
    ]
    return page.document(
        f"{report.status.value}: {tally(report)}",
        report.tool,
        page.banner(report.status, f"{tally(report)}."),
        page.table(("case", "verdict", "grounds"), rows),
        page.left_out(max(0, len(cases) - _CASES), "cases"),
        sections,
        page.left_out(len(cases) - len(sections), "cases with their details"),
        _losses(cases[: len(sections)]),
    )


def _gist(case: Case) -> str:
    """Return what there is to say of a case in a row: its mistake, else what decided."""
    if case.diagnosis:
        return "; ".join(map(named, _leading(case)))
    said = "; ".join(reservations(case)) or names_of(deciding(case))
    return case.status.advice if case.status is Status.ERROR else said


def _sections(cases: Sequence[Case], error_of: Mapping[int, str]) -> Iterator[Markup]:
    """Yield cases as far as a page has room."""
    room = _BYTES
    for at, case in enumerate(cases):
        error = error_of.get(id(case))
        drawn = at < _PICTURED and case.status is not Status.PASSED
        section = h.section(id=f"case-{at}", class_=f"case {case.status.value}")[
            h.h2[name(case.name), ": ", page.verdict(case.status)],
            page.sentences([*_about(case), *filter(None, [error and sentence(error)])]),
            _parts(case, _AMONG_OTHERS if drawn else _IN_WORDS),
        ]
        made = Markup(section)  # noqa: S704  what was rendered already
        room -= len(made.encode())
        if room < 0:
            return
        yield made


def _about(case: Case) -> Iterator[str]:
    """Yield how much a case holds, what its verdict means, and what a pass does not cover."""
    if case.status is not Status.ERROR:
        yield f"{declared(case)}."
    yield advice(case)
    for origin in dumped(case):
        yield f"{origin}."
    for reservation in reservations(case):
        yield f"{sentence(reservation)}."


def _parts(case: Case, detail: _Detail, loss: Node = None) -> Iterator[Node]:
    """Yield what there is to say of a case, `loss` of its loss."""
    if case.status is Status.ERROR:
        return
    yield from map(_found, _leading(case))
    yield loss
    if detail.dots and isinstance(case, PicturedCase):
        yield _pictures(case, detail)
    yield h.h2["Checks"]
    yield page.table(_checks_columns(), map(_check, case.checks))
    yield page.sentences([judged(check) for check in deciding(case)])
    yield from _folded(case, detail.listed)


def _leading(case: Case) -> Sequence[Diagnosis]:
    """Return the best explanation, and what says where to look."""
    return [each for at, each in enumerate(case.diagnosis) if at == 0 or not each.remedies]


def _found(diagnosis: Diagnosis) -> Node:
    """Return a mistake: its name and sentence, what to change, and its formula beside the right."""
    from softcheck.report.explain import LETTERS

    return h.section[
        h.h2["Found: ", sentence(diagnosis.message), " ", h.code[diagnosis.code]],
        h.p[f"{sentence(diagnosis.grounds)}."],
        map(_remedy, diagnosis.remedies),
        h.p(".quiet")[LETTERS, " More: ", h.code[to_learn(diagnosis)]]
        if diagnosis.remedies
        else None,
    ]


def _remedy(remedy: Remedy) -> Node:
    """Return what to do about a mistake, and its formula beside the right one."""
    from softcheck.diagnosis.mistakes import MISTAKES

    mistake = MISTAKES[remedy.code]
    before, after = to_change(remedy)
    return [
        h.p[mistake.what],
        h.p[to_declare(remedy)] if remedy.declare else None,
        h.pre(".diff")[h.del_[before], h.ins[after]],
        page.facts([
            ("wrong", page.formula(maths.plain(mistake.wrong))),
            ("right", page.formula(maths.plain(mistake.right))),
        ]),
    ]  # fmt: skip


def _losses(cases: Iterable[Case]) -> Node:
    """Return the losses that were verified, each once, and their gradients."""
    return [
        h.section[
            h.h2["The loss: ", sentence(loss.name)],
            page.facts(
                [
                    ("loss", page.formula(maths.plain(f"L = {loss.formula}"))),
                    ("gradient", page.formula(maths.plain(f"∂L/∂θ_a = {loss.gradient}"))),
                ]
            ),
            h.p(".quiet")[
                "Proved for every number of actions." if loss.proved else "It is not proved."
            ],
        ]
        for loss in dict.fromkeys(case.loss for case in cases)
        if loss is not None
    ]


def _pictures(case: PicturedCase, detail: _Detail) -> Node:
    """Return the pictures, and of how many entries they are."""
    every = case.picture.dots
    some = tuple(Random(0).sample(every, min(detail.dots, len(every))))  # noqa: S311  no secret
    picture = structs.replace(case.picture, dots=some, worst=case.picture.worst[: detail.listed])
    sampled = f"{len(some)} of {case.entries} entries are drawn, chosen at random. "
    return h.section[
        h.h2["The gradient in pictures"],
        h.p(".quiet")[
            sampled if len(some) < case.entries else None,
            "Circles are the worst entries; point at one to read it." if picture.worst else None,
        ],
        h.div(".pictures")[
            plots.found_against_expected(picture),
            plots.error_against_pi(picture),
            plots.grid(picture),
        ],
    ]


def _checks_columns() -> Sequence[str]:
    first, second, *others = CHECK_COLUMNS
    return first, second, "to the limit", *others


def _check(check: Check) -> Sequence[Node]:
    worst = check.worst
    return (
        check.name,
        page.verdict(check.status),
        None if worst is None else h.span(class_=check.status.value)[plots.bar(worst.ratio)],
        str(check.entries),
        str(check.blind),
        "" if worst is None else size(worst.ratio),
        "" if worst is None else index(worst.location),
        *resolution(check.resolution),
    )


def _folded(case: Case, most: int) -> Iterator[Node]:
    """Yield what a reader unfolds: findings, other explanations, inputs, settings, the command."""
    findings = case.findings[:most]
    yield page.folded(
        "Findings",
        page.table([*FINDING_COLUMNS], (finding_row(case, each) for each in findings), numbers=5),
        page.left_out(len(case.findings) - len(findings), "findings"),
    )
    others = [each for each in case.diagnosis[1:] if each.remedies][:_EXPLAINED]
    yield page.folded("Other explanations", *(h.p[explained(each)] for each in others))
    yield page.folded(
        "Notes",
        *(h.p[noted(note)] for note in case.notes[:most]),
        page.left_out(max(0, len(case.notes) - most), "notes"),
    )
    yield page.folded(
        "Inputs",
        page.table(
            ("role", "from", "dtype", "shape", "SHA-256"), map(_input, case.inputs[:_INPUTS])
        ),
        page.left_out(max(0, len(case.inputs) - _INPUTS), "inputs"),
    )
    yield page.folded("Settings", page.facts(
        (key, h.code[sentence(str(value))]) for key, value in case.settings.items()
    ))  # fmt: skip
    command = repeating.command(case)
    yield page.folded("To repeat it", h.pre[sentence(command)] if command else None)


def _input(given: Input) -> Sequence[Node]:
    return (
        name(given.role),
        h.code[name(_place(given))],
        given.dtype,
        index(given.shape),
        h.code[given.sha256],
    )


def _place(given: Input) -> str:
    return "::".join(filter(None, (given.path, given.key))) or "in memory"
