"""What the program says of a document whose truth is known, and where it is wrong."""

import re
from collections import Counter
from dataclasses import dataclass, field

from statements import Document

from softcheck.derive.check import check
from softcheck.derive.reporting import report as reported
from softcheck.errors import NothingToCheckError

STATEMENTS = 8
"""How many a document has."""


@dataclass(frozen=True)
class Disagreement:
    """A verdict that is wrong.

    Attributes
    ----------
    document : Document
    kind : str
    block : str
        The statement as it stands there; empty where it is the whole document.
    said : str
        What the program read and said.
    """

    document: Document
    kind: str
    block: str
    said: str

    def __str__(self):
        text = re.sub(r"\n{3,}", "\n\n", self.document.text.strip())
        place = f"--- here:\n{self.block}\n" if self.block else ""
        return (
            f"=== {self.kind}, seed {self.document.seed}\n{text}\n{place}--- said:\n{self.said}\n"
        )


@dataclass
class Outcome:
    """What became of documents.

    Attributes
    ----------
    disagreements : list of Disagreement
    verdicts : Counter of (bool, bool, str)
        How many equalities in a sure form or not, true or false, met each verdict.
    """

    disagreements: list = field(default_factory=list)
    verdicts: Counter = field(default_factory=Counter)

    @property
    def statements(self):
        return sum(self.verdicts.values())

    def share(self, truth, verdict):
        """Return the share of the true or false equalities in sure forms that met a verdict."""
        every = sum(
            number for (sure, true, _), number in self.verdicts.items() if sure and true == truth
        )
        return self.verdicts[True, truth, verdict] / every


def judge(document):  # noqa: C901  one case a verdict
    """Return what the program says of a document, and where it is wrong."""
    outcome = Outcome()
    try:
        report = reported(check(document.text))
    except NothingToCheckError:
        return outcome
    lines = {each.number: each for each in report.lines}

    def shown(step):
        left, right = lines[step.from_line], lines[step.to_line]
        return (
            f"line {step.source_line}: {step.status.value}: {left.reading} = {right.reading}\n"
            f"    {step.reason} {step.needs or ''} {step.counterexample or ''}"
        )

    def wrong(kind, block, steps):
        said = "\n".join(map(shown, steps)) or "nothing"
        outcome.disagreements.append(Disagreement(document, kind, block, said))

    loose = list(report.steps)
    for start, end, statement in document.blocks:
        steps = [each for each in report.steps if start <= each.source_line <= end]
        loose = [each for each in loose if each not in steps]
        statuses = [each.status.value for each in steps]
        matched = len(steps) == len(statement.truths)
        for number, truth in enumerate(statement.truths):
            status = statuses[number] if matched else "unmatched"
            outcome.verdicts[statement.sure, truth, status] += 1
            if not truth and status == "proved":
                wrong("a false one is proved", statement.latex, steps)
            if truth and status == "refuted":
                wrong("a true one is refuted", statement.latex, steps)
        if not matched and all(statement.truths) and "refuted" in statuses:
            wrong("a part of a true one is refuted", statement.latex, steps)
    if any(each.status.value == "refuted" for each in loose):
        wrong("a definition is refuted", "", loose)
    truths = [truth for *_, each in document.blocks for truth in each.truths]
    if report.status.value == "proved" and not all(truths):
        wrong("a document with a false one passes", "", report.steps)
    return outcome


def run(seeds, statements=STATEMENTS):
    """Judge a document of several statements for each seed.

    Parameters
    ----------
    seeds : iterable of int
    statements : int, optional
        How many a document has.

    Returns
    -------
    Outcome
    """
    total = Outcome()
    for seed in seeds:
        outcome = judge(Document(seed, statements))
        total.disagreements += outcome.disagreements
        total.verdicts += outcome.verdicts
    return total
