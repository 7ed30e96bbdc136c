"""The appendix that proves Eq. (6), untouched: the one document that is not ours."""

import resource

import documents
import independent
import pytest
import run

from softcheck.derive.check import check
from softcheck.derive.planted import EDITS, planted
from softcheck.derive.reporting import report
from softcheck.result import Verdict

pytestmark = pytest.mark.shared


def text():
    return documents.APPENDIX.read_text()


def test_every_equality_is_proved_and_the_gap_and_the_given_are_named():
    made = report(check(text()))
    assert [step.status for step in made.steps] == [Verdict.PROVED] * 11
    (gap,) = [step for step in made.steps if step.gap]
    assert gap.source_line == 19
    assert gap.gap.reading == "−Σ_a' π(a') ∂g(a')/∂θ(a)"
    assert gap.gap.proof[-1].reading == "0"
    assert [s for s in made.steps if "the definition of g" in s.needs] == [gap]
    given = {given.name: given for given in made.givens}
    assert given["A_soft"].source == "default"
    assert given["A_soft"].reading == "A_soft(a) := g(a) − V"
    assert given["V"].source == "document"
    assert given["π"].source == "default"


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_is_refuted_at_its_step(edit):
    checked = check(planted(text(), edit))
    made = report(checked)
    wrong = [step for step in made.steps if step.status is Verdict.REFUTED]
    assert wrong[0].number == edit.step
    independent.assert_confirmed(checked, made)


def test_it_takes_less_than_three_seconds_as_a_process():
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    # Seconds of work, which other processes of the machine do not lengthen.
    before = spent()
    outcome = run.process("derive", documents.APPENDIX)
    assert spent() - before < 3
    assert outcome.code == 0
    assert "11 equalities: 11 proved" in outcome.out
    assert outcome.err == ""
