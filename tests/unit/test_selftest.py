"""How mistakes are planted: at which places, in which types, and what is said of the others."""

from dataclasses import replace

import numpy as np
import pytest

from softcheck import selftest
from softcheck.diagnosis.mistakes.critics import FIRST_CRITIC
from softcheck.diagnosis.mistakes.masks import PADDING_IN_DENOMINATOR
from softcheck.diagnosis.mistakes.record import Need, Planted
from softcheck.diagnosis.mistakes.scale import SIGN_FLIPPED, SUMMED_OVER_STATES
from softcheck.diagnosis.mistakes.terms import DETACHED_POLICY
from softcheck.diagnosis.mistakes.where import FIRST_WRONG, LOW_PRECISION
from softcheck.gradient.definition import Kind
from softcheck.result import Diagnosis, Outcome, Status, Unshown
from softcheck.settings import Settings
from softcheck.shipped import stored
from softcheck.tables.case import case_from_arrays
from softcheck.tables.roles import ROLES
from softcheck.verification import verify_case

STATES, ACTIONS = 9, 4


@pytest.fixture
def planted(monkeypatch):
    """Return a function that plants some mistakes in a small right case."""
    q, logits = np.random.default_rng(9).normal(size=(2, STATES, ACTIONS))
    case = case_from_arrays({"q": q, "logits": logits, "alpha": np.array(0.3)})

    def outcomes(*mistakes):
        monkeypatch.setattr(selftest, "MISTAKES", {each.code: each for each in mistakes})
        return list(selftest.outcomes(case, Settings()))

    return outcomes


def test_a_mistake_is_planted_in_every_type_at_every_place(planted):
    found = planted(SIGN_FLIPPED)
    assert [(one.dtype, one.place) for one in found] == [
        (dtype, place) for dtype in selftest.DTYPES for place in selftest.PLACES
    ]
    assert all(one.visible and one.caught and not one.missed for one in found)
    assert all(one.named for one in found if one.place == selftest.EVERYWHERE)


def test_what_some_states_cannot_have_without_the_others_is_planted_everywhere(planted):
    whole = replace(SIGN_FLIPPED, planted=Planted(in_parts=False))
    assert {one.place for one in planted(whole)} == {selftest.EVERYWHERE}


def test_what_is_no_mistake_in_a_type_is_not_planted_there(planted):
    assert {one.dtype for one in planted(LOW_PRECISION)} == {"float64"}


def test_what_only_says_where_to_look_is_not_planted(planted):
    assert planted(FIRST_WRONG) == []


def test_all_that_is_given_is_kept_and_nothing_that_is_under_test():
    shapes = {Kind.TABLE: (STATES, ACTIONS), Kind.STATE: (STATES,), Kind.NUMBER: ()}
    case = case_from_arrays({name: np.ones(shapes[role.kind], int) for name, role in ROLES.items()})
    givens = {name for name, role in ROLES.items() if role.check is None}
    kept = selftest._arrays(case).keys()
    assert kept == givens, "selftest verifies another case than the one it is given"


@pytest.mark.parametrize("mistake", [FIRST_CRITIC, PADDING_IN_DENOMINATOR, SUMMED_OVER_STATES])
def test_of_what_the_data_cannot_show_the_need_is_said(mistake, planted):
    (said,) = planted(mistake)
    assert isinstance(said, Unshown)
    assert (said.code, said.said) == (mistake.code, mistake.phrase)
    assert said.reason == mistake.needs.words


def test_a_need_that_is_not_met_is_said_even_of_what_could_be_planted(planted):
    need = Need("it needs the moon", lambda _: False)
    (said,) = planted(replace(DETACHED_POLICY, needs=need))
    assert said.reason == "it needs the moon"


def test_what_cannot_be_seen_was_not_missed(planted):
    right = Planted(lambda view, _: selftest.true_gradient(view))
    found = planted(replace(DETACHED_POLICY, planted=right))
    assert not any(one.visible or one.caught or one.missed for one in found)


def test_a_mistake_that_can_be_seen_and_was_not_caught_is_missed():
    assert outcome(visible=True, caught=False).missed
    assert not outcome(visible=False, caught=False).missed
    assert not outcome(visible=True, caught=True).missed


def outcome(**found):
    usual = {"loss": "", "code": "", "said": "", "dtype": "", "place": "", "named": False}
    return Outcome(**usual, **found)


def diagnosis(code, message="", **evidence):
    return Diagnosis(code=code, message=message, grounds="", evidence=evidence, remedies=())


def named(said, code, words="", *, alone=True):
    mistake = selftest._Mistake(code, words, (), "", lambda _: None)
    return selftest._names(said, mistake, alone=alone)


def test_a_name_among_several_is_a_name():
    several = diagnosis("sign-flipped+missing-alpha")
    assert named(several, "sign-flipped")
    assert not named(several, "other-alpha")
    other = diagnosis("isolated-entries", alternatives=[{"code": "x+sign-flipped", "said": ""}])
    assert named(other, "sign-flipped")


def test_where_several_mistakes_have_one_name_the_words_count():
    said = diagnosis("term-scaled", "the term A is multiplied by 2: ...", also=["B has C twice"])
    assert named(said, "term-scaled", "the term A is multiplied by 2", alone=False)
    assert named(said, "term-scaled", "B has C twice", alone=False)
    assert not named(said, "term-scaled", "the term A is multiplied by 1/2", alone=False)


@pytest.mark.parametrize("name", ["entropy", "cross-entropy", "distillation", "sac"])
def test_the_data_that_come_with_softcheck_are_right(name):
    loss = stored(name)
    for variant in loss.variants:
        for data in selftest._built_in(loss, variant):
            for dtype in selftest.DTYPES:
                bench = selftest._Bench(data, dtype)
                assert bench.case.variant == variant
                right = bench.view.in_order(selftest.true_gradient(bench.view)).astype(dtype)
                case = verify_case(bench.data.case(right), data.settings)
                assert case.status is Status.PASSED
                gradient = next(check for check in case.checks if check.name == "gradient")
                assert gradient.blind < gradient.entries / 100
