"""Right derivations are proved; each of their wrong variants is refuted where it is wrong."""

import documents
import independent
import pytest

from softcheck.derive.check import check
from softcheck.derive.reporting import report
from softcheck.result import Verdict

PROVED = documents.proved()
VARIANTS = documents.variants()


def test_there_are_at_least_twelve_with_two_wrong_variants_each():
    assert len(PROVED) >= 12
    for path in PROVED:
        assert len(documents.expected(path)["wrong"]) >= 2


@pytest.mark.parametrize("path", PROVED, ids=lambda path: path.stem)
def test_a_right_derivation_is_proved(path):
    made = report(check(path.read_text()))
    assert [step.status for step in made.steps] == [Verdict.PROVED] * len(made.steps)
    assert len(made.steps) == documents.expected(path)["equalities"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_wrong_variant_is_refuted_at_its_line(variant):
    checked = check(variant.text)
    made = report(checked)
    wrong = [step for step in made.steps if step.status is not Verdict.PROVED]
    assert wrong[0].status is Verdict.REFUTED
    assert wrong[0].source_line == variant.line
    independent.assert_confirmed(checked, made)
