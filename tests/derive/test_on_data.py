"""Proved lines on tables of numbers."""

import numpy as np
import pytest
import run

from softcheck.derive import built_in
from softcheck.derive.check import check
from softcheck.derive.on_data import evaluate
from softcheck.errors import InputError, NothingToCheckError
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.shipped import stored
from softcheck.tables import case_from_arrays
from softcheck.tables.declared import Declared


def case(states=20, actions=4, scale=1.0, offset=0.0, **more):
    random = np.random.default_rng(states * actions)
    return case_from_arrays(
        {
            "q": random.normal(size=(states, actions)) * 10,
            "logits": random.normal(size=(states, actions)) * scale + offset,
            "alpha": 0.3,
            **more,
        }
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("actions", [1, 2, 7])
def test_every_line_agrees_within_its_tolerance(scale, actions):
    found = evaluate(check(built_in()), case(actions=actions, scale=scale, offset=1e4), Settings())
    assert found.status is Status.PASSED
    assert len(found.deviations) == 11
    assert all(deviation.worst <= 1 for deviation in found.deviations)


def test_a_mask_leaves_actions_out_of_every_sum():
    mask = np.ones((20, 4), dtype=bool)
    mask[::2, 1] = False
    found = evaluate(check(built_in()), case(mask=mask), Settings())
    assert found.status is Status.PASSED
    gradient = next(d for d in found.deviations if d.line == 6)
    assert gradient.entries == 20 * 4 - 10


def test_the_expectation_is_also_drawn():
    found = evaluate(check(built_in()), case(), Settings(samples=500))
    drawn = [deviation for deviation in found.deviations if deviation.sampled]
    assert [deviation.line for deviation in drawn] == [8]
    assert 0 < drawn[0].worst < 1


def test_a_line_that_is_off_fails():
    checked = check(r"$$\sum_a \pi(a) Q(a) = \sum_a Q(a) \pi(a)$$")
    wrong = check(r"$$\sum_a \pi(a) Q(a) = \sum_a Q(a) \pi(a) + 10^{-9}$$")
    line = wrong.decisions[0].equality.right
    object.__setattr__(checked.decisions[0].equality, "right", line)
    found = evaluate(checked, case(), Settings())
    assert found.status is Status.FAILED
    assert found.deviations[0].worst > 1e3


@pytest.mark.parametrize(("large", "status"), [(10, Status.PASSED), (11, Status.INCONCLUSIVE)])
def test_what_overflows_is_blind_and_where_that_is_more_than_half_no_pass(large, status):
    checked = check(r"$$\exp(100 Q(a)) = e^{50 Q(a)} e^{50 Q(a)}$$")
    q = np.ones((20, 4))
    q[:large] = 10.0
    found = evaluate(checked, case(q=q), Settings())
    assert found.status is status
    assert f"{4 * large} of 80 entries are blind" in found.notes[0]


def test_many_actions_are_looked_at_evenly():
    found = evaluate(
        check(r"$$\pi_i \pi_j \pi_k = \pi_k \pi_j \pi_i$$"), case(states=2, actions=40), Settings()
    )
    assert found.deviations[0].entries == 2 * 256


def test_lines_about_other_things_are_not_evaluated():
    text = r"Weights $w_i$ are constants. $$\sum_i w_i = \sum_j w_j$$"
    with pytest.raises(NothingToCheckError, match="no line that can be evaluated"):
        evaluate(check(text), case(), Settings())
    both = check(text + r" $$\sum_i \pi_i = 1$$")
    found = evaluate(both, case(), Settings())
    assert "a case has no w" in found.notes[0]


def test_a_case_of_another_loss_has_no_such_lines():
    other = case_from_arrays(
        {"logits": np.zeros((2, 3)), "coef": 1.0}, declared=Declared(stored("entropy"))
    )
    with pytest.raises(InputError, match="found a case of entropy, expected one of Eq"):
        evaluate(check(built_in()), other, Settings())


def test_the_command_prints_the_deviations(tmp_path):
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "case.npz",
        q=random.normal(size=(5, 3)),
        logits=random.normal(size=(5, 3)),
        alpha=0.5,
    )
    outcome = run.softcheck("derive", "--on", tmp_path / "case.npz", "--samples", 100)
    assert outcome.code == 0
    assert "line 8 (sampled): " in outcome.out
    assert "every proved line agrees" in outcome.out
    outcome = run.softcheck("derive", "--samples", 100)
    assert outcome.code == 2
    assert "--on CASE" in outcome.err


@pytest.mark.parametrize(
    ("claim", "entries"),
    [
        (r"\pi(a) = \pi_1 \quad \text{for } a = 1", 20),
        (r"\pi_1 = \pi(a) \quad \text{if } a = 1", 20),
        (r"\pi(a) (1 - \delta_{a1}) = \pi(a) \quad \text{for } a \neq 1", 60),
        (r"\pi(a) Q(b) = \pi(b) Q(a) \quad \text{for } a = b", 80),
        (r"\delta_{ab} \pi(c) = 0 \quad \text{for } a \neq b", 20 * 4 * 3 * 4),
    ],
)
def test_a_line_is_evaluated_where_its_conditions_hold(claim, entries):
    found = evaluate(check(f"$${claim}$$"), case(), Settings())
    assert found.status is Status.PASSED
    assert found.deviations[0].entries == entries


def test_a_condition_leaves_choices_whatever_the_number_of_actions():
    claim = r"$$\pi(a) Q(b) = \pi(b) Q(a) \quad \text{for } a = b$$"
    found = evaluate(check(claim), case(states=2, actions=300), Settings())
    assert found.deviations[0].entries >= 2 * 256


def test_a_line_about_an_action_that_a_case_does_not_have_is_said():
    text = r"$$\sum_a \pi(a) = 1$$ $$\pi_5 Q_5 = Q_5 \pi_5$$"
    found = evaluate(check(text), case(), Settings())
    assert [deviation.entries for deviation in found.deviations] == [20, 0]
    assert any("no such actions" in note for note in found.notes)
