"""The verdict on a step follows from what was found of it, and from nothing else."""

from dataclasses import fields, replace

import pytest

from softcheck.derive.check import Decision, check
from softcheck.result import Verdict

TRUE, FALSE = check(r"$$\sum_a \pi(a) = 1$$"), check(r"$$\sum_a \pi(a) = 2$$")
UNREAD = check(r"$$\sum_a \pi(a) = \sqrt{2}$$")


@pytest.mark.parametrize(
    ("checked", "verdict"),
    [(TRUE, Verdict.PROVED), (FALSE, Verdict.REFUTED), (UNREAD, Verdict.UNKNOWN)],
    ids=["proved", "refuted", "unknown"],
)
def test_a_proof_a_refutation_or_neither_is_the_verdict(checked, verdict):
    (decision,) = checked.decisions
    assert decision.status is verdict


def test_no_field_sets_a_verdict():
    assert [field.name for field in fields(Decision)] == ["equality", "found", "spent", "disputed"]


@pytest.mark.parametrize("checked", [TRUE, FALSE], ids=["proof", "refutation"])
def test_what_was_found_of_one_step_says_nothing_of_another(checked):
    (decision,) = checked.decisions
    with pytest.raises(ValueError, match="is not about line 1"):
        Decision(UNREAD.decisions[0].equality, decision.found)
    with pytest.raises(ValueError, match="is not about line 1"):
        replace(decision, equality=replace(decision.equality, left=decision.equality.right))
