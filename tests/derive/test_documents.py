"""Documents as people write them: what is right is proved, nothing is lost, no mistake passes.

`python tests/derive/test_documents.py` prints a table of them.
"""

import functools
import json
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fixtures" / "derive" / "documents"
PART = 0.85


@dataclass(frozen=True)
class Document:
    """A document, the line of each of its claims, and its twin with a mistake in one of them."""

    name: str
    text: str
    claims: Counter
    outside: Counter
    twin: str
    line: int


@dataclass(frozen=True)
class Step:
    """An equality of a report: its sides as they are written, where it is, what became of it."""

    left: str
    right: str
    line: int
    status: str


@dataclass(frozen=True)
class Read:
    """What came of a document."""

    code: int
    steps: tuple[Step, ...]

    def lines(self, *statuses):
        """Return how many steps of these statuses each line has."""
        return Counter(step.line for step in self.steps if step.status in statuses)


def written():
    """Return every document by its name."""
    made = {}
    for name, row in tomllib.loads((FOLDER / "twins.toml").read_text("utf-8")).items():
        text = (FOLDER / name).read_text("utf-8")
        assert text.count(row["old"]) == 1, f"{name}: {row['old']!r} has to occur once"
        line = text[: text.index(row["old"])].count("\n") + 1
        twin = text.replace(row["old"], row["new"])
        outside = Counter(row.get("outside", ()))
        made[name] = Document(name, text, Counter(row["claims"]), outside, twin, line)
    return made


DOCUMENTS = written()


@functools.cache
def read(name, text):
    """Run the program on a document of that name."""
    from run import softcheck

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        done = softcheck("derive", path, "--isolated", "--output-format", "json")
    if done.code not in (0, 1):
        return Read(done.code, ())
    report = json.loads(done.out)
    sides = {line["number"]: line["latex"] for line in report["lines"]}
    steps = (
        Step(sides[each["from"]], sides[each["to"]], each["source_line"], each["status"])
        for each in report["steps"]
    )
    return Read(done.code, tuple(steps))


def right(document):
    return read(document.name, document.text)


def wrong(document):
    return read(document.name, document.twin)


def proved(document):
    """Return how many of the claims are proved; what is proved elsewhere makes up for none."""
    return (right(document).lines("proved") & decidable(document)).total()


def decidable(document):
    """Return the lines of the claims that the algebra can decide."""
    return document.claims - document.outside


def lost(document):
    """Return the lines of the claims that the report does not have."""
    return document.claims - right(document).lines("proved", "refuted", "unknown")


def mistaken(document):
    """Return the steps of the twin that the mistake is in."""
    before = {(step.left, step.right) for step in right(document).steps}
    return [step for step in wrong(document).steps if (step.left, step.right) not in before]


every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


def test_every_document_has_a_twin_with_a_mistake_in_a_claim():
    found = {path.name for path in FOLDER.iterdir()} - {"twins.toml"}
    assert found == DOCUMENTS.keys()
    assert [name for name, each in DOCUMENTS.items() if each.line not in each.claims] == []


@every_document
def test_nothing_right_is_refuted(document):
    assert [step for step in right(document).steps if step.status == "refuted"] == []


@every_document
def test_nothing_is_lost(document):
    assert right(document).code in (0, 1)
    assert lost(document) == Counter()


def test_most_of_what_is_right_is_proved():
    claims = sum(decidable(document).total() for document in DOCUMENTS.values())
    assert sum(map(proved, DOCUMENTS.values())) >= PART * claims


@every_document
def test_a_mistake_does_not_pass(document):
    assert wrong(document).code in (1, 2)
    # A chain that would go on a wrong one starts anew: such a step is another, and right.
    text = " ".join(document.text.split())
    anew = {step for step in mistaken(document) if step.left in text and step.right in text}
    assert "proved" not in {step.status for step in {*mistaken(document)} - anew}


@every_document
def test_a_mistake_is_reported_where_it_is(document):
    assert document.line in {step.line for step in mistaken(document)}
    refuted = [step for step in wrong(document).steps if step.status == "refuted"]
    assert [step for step in refuted if step not in mistaken(document)] == []


def table():
    """Yield a row for each document, and one for all."""
    form = "{:28} {:>4} {:>6} {:>6} {:>4} {:>7}  {}".format
    yield form("document", "exit", "claims", "proved", "lost", "refuted", "mistake")
    for document in DOCUMENTS.values():
        yield form(
            document.name,
            right(document).code,
            document.claims.total(),
            proved(document),
            lost(document).total(),
            right(document).lines("refuted").total(),
            " ".join(step.status for step in mistaken(document)) or "lost",
        )
    claims = sum(document.claims.total() for document in DOCUMENTS.values())
    claims = sum(decidable(document).total() for document in DOCUMENTS.values())
    done = sum(map(proved, DOCUMENTS.values()))
    yield f"{done} of {claims} claims proved ({done / claims:.0%}), expected {PART:.0%}"


if __name__ == "__main__":
    sys.path.append(str(ROOT / "tests"))
    print(*table(), sep="\n")
