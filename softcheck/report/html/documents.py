"""Derivations as a page: chains of lines, each step in the colour of its verdict."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import htpy as h
from htpy import Node

from softcheck.errors import printable
from softcheck.report import derive_words as words
from softcheck.report import loss_words as losses
from softcheck.report.html import maths, page
from softcheck.report.words import name, number, sentence
from softcheck.result import (
    Counterexample,
    Derivation,
    Derivations,
    DocumentReport,
    Gap,
    Given,
    Line,
    LossReading,
    LossVariant,
    OnData,
    Status,
    Step,
    Verdict,
)

_T = TypeVar("_T")

_STEPS = 200
"""Steps of one document."""

_DOCUMENTS = 200
_LISTED = 100
_TEXT = 2_000


def derivation(report: Derivation, document: str) -> str:
    """Return the page of a document."""
    title = f"{report.status.value}: {name(document)}"
    banner = page.banner(
        report.status, h.strong[name(document)], f"{words.counts(report)}. {report.status.advice}"
    )
    return page.document(title, report.tool, banner, _parts(report))


def derivations(report: Derivations) -> str:
    """Return the page of several documents: a table of them, and each in its place, worst first."""
    every = words.worst_first(report)
    shown = every[:_DOCUMENTS]
    rows = [(_link(each, at), page.verdict(_status(each)), _grounds(each))
            for at, each in enumerate(shown)]  # fmt: skip
    return page.document(
        f"{report.status.value}: {words.tally(report)}",
        report.tool,
        page.banner(report.status, f"{words.tally(report)}. {report.status.advice}"),
        page.table(("document", "verdict", "grounds"), rows),
        page.left_out(len(every) - len(shown), "documents"),
        [
            h.section(id=f"document-{at}", class_=f"case {each.status.value}")[
                h.h2[name(each.name), ": ", page.verdict(each.status)], _parts(each.report)
            ]
            for at, each in enumerate(shown)
            if each.report is not None
        ],
    )


def loss(report: LossReading) -> str:
    """Return the page of a loss."""
    heading = losses.heading(report)
    banner = page.banner(
        report.status, h.strong[name(report.loss)], heading and f"{sentence(heading)}."
    )
    return page.document(
        f"{report.status.value}: {name(report.loss)}",
        report.tool,
        banner,
        [_variant(variant) for variant in report.variants],
    )


def _status(each: DocumentReport) -> Status | Verdict:
    return Status.ERROR if each.report is None else each.status


def _link(each: DocumentReport, at: int) -> Node:
    named = name(each.name)
    return named if each.report is None else h.a(href=f"#document-{at}")[named]


def _grounds(each: DocumentReport) -> str:
    return sentence(each.error) if each.report is None else words.summary(each.report)


def _parts(report: Derivation) -> Iterator[Node]:
    """Yield what there is to say of a document."""
    for chain in _chains(report.steps[:_STEPS]):
        yield h.div(".chain")[
            h.div(".line")[page.formula(_line(report, chain[0].from_line))],
            [_step(report, step) for step in chain],
        ]
    yield page.left_out(max(0, len(report.steps) - _STEPS), "steps")
    if isinstance(report.on, OnData):
        yield _on_data(report.on)
    yield _listed("What it rests on", ("given", "from", "note"), report.givens, _given)
    # Only who asks for it has this, so it is shown at once.
    yield _listed(
        "What was made of each formula",
        ("line", "formula", "read as"),
        words.roles(report),
        lambda role: (
            str(role.source_line),
            h.code[printable(role.latex, _TEXT)],
            words.role(role),
        ),
        opened=True,
    )
    yield _listed(
        "The lines as they were read",
        ("number", "source line", "read as"),
        report.lines,
        lambda line: (str(line.number), str(line.source_line), h.code[_reading(line)]),
    )
    yield h.p(".quiet")[f"{words.document(report.document)}."]


def _listed(
    title: str,
    headings: Sequence[str],
    every: Sequence[_T],
    row: Callable[[_T], Sequence[Node]],
    *,
    opened: bool = False,
) -> Node:
    """Return a table that unfolds, and how many rows it would have beyond its limit."""
    return page.folded(
        title,
        page.table(headings, map(row, every[:_LISTED])),
        page.left_out(max(0, len(every) - _LISTED), "rows"),
        opened=opened,
    )


def _chains(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Yield the steps that follow one another, line by line."""
    chain: list[Step] = []
    for step in steps:
        if chain and chain[-1].to_line != step.from_line:
            yield chain
            chain = []
        chain.append(step)
    if chain:
        yield chain


def _line(report: Derivation, number_of_line: int) -> Node:
    line = report.lines[number_of_line - 1]
    return maths.latex(line.latex, line.reading or "")


def _reading(line: Line) -> str:
    return words.formula(line.reading, line.latex)


def _step(report: Derivation, step: Step) -> Node:
    """Return the line that a step leads to, with its verdict and all that it rests on."""
    where = words.conditions(step)
    proved = step.status is Verdict.PROVED
    return h.div(class_=f"line step {step.status.value}")[
        page.formula([maths.plain(step.relation), " ", _line(report, step.to_line)]),
        h.p[
            page.verdict(step.status),
            f" step {step.number}, source line {step.source_line}{where}",
            f", {words.needs(step)}" if proved else None,
        ],
        None if proved else h.p[printable(step.reason, _TEXT)],
        None if step.gap is None else _gap(step.gap, words.only_here(report, step)),
        None if step.counterexample is None else _counterexample(step, step.counterexample),
    ]


def _gap(gap: Gap, only: Sequence[str]) -> Node:
    """Return the term that a step leaves out, and why it is 0."""
    return h.details[
        h.summary["It leaves out a term that is 0"],
        page.formula(maths.latex(gap.latex, gap.reading)),
        [
            [h.p(".quiet")[f"by {stage.by}"],
             page.formula([maths.plain("="), " ", maths.latex(stage.latex, stage.reading)])]
            for stage in gap.proof
        ],
        h.p[f"Only this step needs {words.listed(only)}."] if only else None,
    ]  # fmt: skip


def _counterexample(step: Step, found: Counterexample) -> Node:
    """Return the point where the two sides differ, their values, and by what in general."""
    by = step.difference
    doubtful = step.status is Verdict.UNKNOWN
    return h.details(open=True)[
        h.summary["It contradicts what was read" if doubtful else "A counterexample"],
        page.facts([
            ("at", h.code[printable(words.point(found), _TEXT)]),
            ("left", h.code[number(found.left)]),
            ("right", h.code[number(found.right)]),
            *([("for every n", page.formula([maths.plain("left − right ="), " ",
                                             maths.latex(by.latex, by.reading)]))] if by else []),
        ]),
        h.p(".quiet")["Certified by interval arithmetic."],
    ]  # fmt: skip


def _given(given: Given) -> Sequence[Node]:
    latex = given.latex if given.source != "default" else ""
    return (
        page.formula(maths.latex(latex, given.reading)),
        words.source(given),
        sentence(given.note),
    )


def _on_data(on: OnData) -> Node:
    return h.section[
        h.h2["On data: ", name(on.case), ", ", page.verdict(on.status)],
        h.p[f"{words.on_data(on)}."],
        h.ul[[h.li[words.deviation(found)] for found in on.deviations[:_LISTED]]],
        page.left_out(max(0, len(on.deviations) - _LISTED), "deviations"),
        page.sentences([f"note: {sentence(note)}" for note in on.notes[:_LISTED]]),
    ]


def _variant(variant: LossVariant) -> Node:
    """Return what there is to say of a loss for one choice of its arrays."""
    where = f" where {printable(words.listed(variant.where), _TEXT)}" if variant.where else ""
    return h.section[
        h.h2[page.verdict(variant.status), " for every number of actions", where],
        page.facts([
            ("loss", page.formula(_equal("L", variant.loss.latex, variant.loss.reading))),
            ("gradient", page.formula(
                _equal(f"∂L/∂{variant.by}", variant.gradient.latex, variant.gradient.reading)
            )),
            *(("harmless", page.formula(maths.plain(f"L = {stopped}")))
              for stopped in variant.harmless[:_LISTED]),
        ]),
        h.h2["Arrays to dump"],
        h.ul[[h.li[losses.array(given)] for given in variant.arrays]],
    ]  # fmt: skip


def _equal(left: str, latex: str, reading: str) -> Node:
    return [maths.plain(f"{left} ="), " ", maths.latex(latex, reading)]
