"""Whatever its notation, no false statement is proved and no true one refuted."""

from types import SimpleNamespace

import judging
import mpmath
import pytest
from judging import STATEMENTS, judge, run
from nodes import Chance, Entropy, Log, Slope
from statements import Document
from values import DIGITS, Point, value

CHUNKS = 10
DOCUMENTS = 25  # a chunk: 2,000 statements in all

# The least shares of the sure forms that a chunk decides, so that "unknown" is no way to pass. They
# are 0.86 and 0.81 of all; a chunk has few documents, and one notation that is not read spoils one.
PROVED = 0.5
REFUTED = 0.5


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_statements(chunk):
    outcome = run(range(chunk * DOCUMENTS, (chunk + 1) * DOCUMENTS))
    assert outcome.statements >= DOCUMENTS * STATEMENTS
    assert not outcome.disagreements, "\n".join(map(str, outcome.disagreements))
    assert outcome.share(True, "proved") >= PROVED
    assert outcome.share(False, "refuted") >= REFUTED


@pytest.mark.parametrize(
    ("verdict", "kind"), [("proved", "a false one is proved"), ("refuted", "a true one is refuted")]
)
def test_it_sees_a_program_that_says_one_thing_of_all(monkeypatch, verdict, kind):
    def lying(checked):
        report = honest(checked)
        status = type(report.status)(verdict)
        steps = [SimpleNamespace(**{**fields(each), "status": status}) for each in report.steps]
        return SimpleNamespace(status=status, steps=steps, lines=report.lines)

    def fields(step):
        names = ("source_line", "from_line", "to_line", "reason", "needs", "counterexample")
        return {name: getattr(step, name) for name in names}

    honest = judging.reported
    monkeypatch.setattr(judging, "reported", lying)
    kinds = {each.kind for each in judge(Document(0, STATEMENTS)).disagreements}
    assert kind in kinds
    assert ("a document with a false one passes" in kinds) == (verdict == "proved")


def test_its_derivatives_are_right_to_fifty_digits():
    """The second derivative of log pi(a) by theta_b and theta_c, in closed form."""
    with mpmath.workdps(DIGITS):
        point = Point(Document(0, 1).rng, 3)
        found = value(Slope(1, Slope(2, Log(Chance("pi", 0)))), point, {0: 0, 1: 1, 2: 2})
        weights = [mpmath.exp(each) for each in point.entries["theta"]]
        expected = weights[1] * weights[2] / mpmath.fsum(weights) ** 2
        assert abs(found - expected) < mpmath.mpf(10) ** -50


def test_its_gradient_of_the_entropy_is_right_to_fifty_digits():
    with mpmath.workdps(DIGITS):
        point = Point(Document(0, 1).rng, 4)
        found = value(Slope(0, Entropy()), point, {0: 2})
        weights = [mpmath.exp(each) for each in point.entries["theta"]]
        pi = [each / mpmath.fsum(weights) for each in weights]
        entropy = -mpmath.fsum(each * mpmath.log(each) for each in pi)
        expected = -pi[2] * (mpmath.log(pi[2]) + entropy)
        assert abs(found - expected) < mpmath.mpf(10) ** -50
