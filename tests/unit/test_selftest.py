"""How mistakes are planted: at which places, in which types, and what is said of the others."""

from dataclasses import replace

import numpy as np
import pytest

from softcheck import selftest
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.critics import FIRST_CRITIC
from softcheck.diagnosis.mistakes.masks import PADDING_IN_DENOMINATOR
from softcheck.diagnosis.mistakes.record import Need, Planted
from softcheck.diagnosis.mistakes.scale import SIGN_FLIPPED, SUMMED_OVER_STATES
from softcheck.diagnosis.mistakes.terms import DETACHED_POLICY
from softcheck.diagnosis.mistakes.where import FIRST_WRONG, LOW_PRECISION
from softcheck.errors import InputError
from softcheck.gradient.definition import Kind
from softcheck.result import Outcome, Unshown
from softcheck.settings import Settings
from softcheck.shipped import stored
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.tables.roles import ROLES

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


def test_a_case_of_another_loss_is_refused():
    arrays = {"logits": np.zeros((2, 3)), "coef": 1.0}
    case = case_from_arrays(arrays, declared=Declared(stored("entropy")))
    with pytest.raises(InputError, match="found a case of entropy, expected one of Eq"):
        list(selftest.outcomes(case, Settings()))


def test_all_that_is_given_is_kept_and_nothing_that_is_under_test():
    shapes = {Kind.TABLE: (STATES, ACTIONS), Kind.STATE: (STATES,), Kind.NUMBER: ()}
    case = case_from_arrays({name: np.ones(shapes[role.kind], int) for name, role in ROLES.items()})
    givens = {name for name, role in ROLES.items() if role.check is None}
    kept = selftest._arrays(case).keys()
    assert kept == givens, "selftest verifies another case than the one it is given"


@pytest.mark.parametrize("mistake", [FIRST_CRITIC, PADDING_IN_DENOMINATOR, SUMMED_OVER_STATES])
def test_of_what_the_data_cannot_show_the_need_is_said(mistake, planted):
    assert planted(mistake) == [Unshown(code=mistake.code, reason=mistake.needs.words)]


def test_a_need_that_is_not_met_is_said_even_of_what_could_be_planted(planted):
    need = Need("it needs the moon", lambda _: False)
    (said,) = planted(replace(DETACHED_POLICY, needs=need))
    assert said.reason == "it needs the moon"


def test_what_cannot_be_seen_was_not_missed(planted):
    right = Planted(lambda view, _: selftest.true_gradient(view))
    found = planted(replace(DETACHED_POLICY, planted=right))
    assert not any(one.visible or one.caught or one.missed for one in found)


def test_a_mistake_that_can_be_seen_and_was_not_caught_is_missed():
    seen = Outcome(code="x", dtype="", place="", visible=True, caught=False, codes=())
    assert seen.missed
    assert not seen.named


def test_a_name_among_several_is_a_name():
    codes = ("isolated-entries", "sign-flipped+missing-alpha")
    seen = Outcome(code="sign-flipped", dtype="", place="", visible=True, caught=True, codes=codes)
    assert seen.named
    assert set(seen.codes[1].split("+")) <= set(MISTAKES)
