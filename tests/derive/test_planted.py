"""Mistakes planted in the derivation of Eq. (6), each refuted at its own step."""

import independent
import pytest

from softcheck.derive import built_in
from softcheck.derive.check import check
from softcheck.derive.planted import EDITS, planted
from softcheck.derive.reporting import report
from softcheck.result import Verdict


def refuted(made):
    return [step.number for step in made.steps if step.status is Verdict.REFUTED]


def test_the_built_in_derivation_is_proved_and_its_gap_is_found():
    made = report(check(built_in()))
    assert {step.status for step in made.steps} == {Verdict.PROVED}
    gaps = {step.number: step.gap for step in made.steps if step.gap}
    assert list(gaps) == [3]
    assert gaps[3].reading == "−Σ_a' π(a') ∂g(a')/∂θ(a)"
    assert [(stage.by, stage.reading) for stage in gaps[3].proof] == [
        ("the definition of g", "α Σ_a' ∂π(a')/∂θ(a)"),
        ("Σ π = 1", "0"),
    ]
    needing_g = [s.number for s in made.steps if "the definition of g" in s.needs]
    assert needing_g == [3]


def test_the_steps_need_what_they_need_and_no_more():
    made = report(check(built_in()))
    assert [step.needs for step in made.steps] == [
        (),
        ("the definition of π",),
        ("the definition of ℒ", "Σ π = 1", "the definition of g"),
        ("the lemma of line 17",),
        (),
        (),
        (),
        (),
        (),
        ("the definition of V",),
        ("the definition of A_soft",),
    ]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_a_planted_mistake_is_refuted_at_its_step(edit):
    checked = check(planted(built_in(), edit))
    made = report(checked)
    assert refuted(made)[0] == edit.step
    independent.assert_confirmed(checked, made)


def test_a_lost_logarithm_is_refuted_exactly_at_the_term_that_is_left_out():
    edit = next(edit for edit in EDITS if edit.name == "logarithm-lost")
    made = report(check(planted(built_in(), edit)))
    assert refuted(made) == [3]
    assert next(g for g in made.givens if g.name == "g").note.startswith("differs from Eq. (6)")


def test_a_refuted_lemma_proves_nothing_further_down():
    edit = next(edit for edit in EDITS if edit.name == "lemma-action-carried")
    made = report(check(planted(built_in(), edit)))
    assert {2, 4} <= set(refuted(made))
    assert not any("lemma" in need for step in made.steps for need in step.needs)


def test_a_line_is_blamed_where_both_of_its_steps_fail():
    edits = {edit.name: edit for edit in EDITS}
    made = report(check(planted(built_in(), edits["baseline-dropped"])))
    assert "this line is wrong" in made.steps[9].reason
    assert "the line before it is wrong" in made.steps[10].reason
    made = report(check(planted(built_in(), edits["result-sign"])))
    assert made.steps[10].reason == "the two sides differ"


def test_an_edit_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="no "):
        planted("nothing", EDITS[0])
