"""A smaller run of the campaign of `wrong_gradients.py`: names that are earned, and no others."""

import pytest
from wrong_gradients import of_the_table, outside, random_wrong, run


@pytest.mark.parametrize(("trials", "stride"), [(of_the_table, 5), (outside, 2), (random_wrong, 2)])
def test_a_name_is_said_where_it_is_earned_and_nowhere_else(trials, stride):
    found = list(run(trials, 1, seed=3, stride=stride))
    assert len(found) >= 8
    assert [each for each in found if each[1]] == []


@pytest.mark.parametrize(("trials", "stride"), [(of_the_table, 5), (random_wrong, 2)])
def test_a_look_at_a_few_states_loses_no_name(trials, stride, monkeypatch):
    monkeypatch.setattr("softcheck.diagnosis.view._FEW", 16)
    found = list(run(trials, 1, seed=5, stride=stride))
    assert len(found) >= 8
    assert [each for each in found if each[1]] == []


def test_the_campaign_sees_a_name_that_was_not_earned(monkeypatch):
    monkeypatch.setattr("softcheck.diagnosis.hypothesis.Evidence.reproduces", True)
    monkeypatch.setattr("softcheck.diagnosis.sieve.reproduces", lambda *_: True)
    found = [what for _, what in run(random_wrong, 1, seed=3, stride=4) if what]
    assert any("called" in what for what in found)
