"""Tables with labels in one order: states and actions by themselves."""

from dataclasses import replace

import numpy as np
import pytest

from softcheck.errors import InputError, UsageError
from softcheck.tables.frames import ACTION, STATE
from softcheck.tables.labels import align
from softcheck.tables.roles import ROLES
from softcheck.tables.sources import Memory
from softcheck.tables.table import Table

NUMBERS = np.arange(6.0).reshape(3, 2)


def table(array, states=None, actions=None, key="x"):
    return Table(
        Memory(np.asarray(array)), None, key, states and tuple(states), actions and tuple(actions)
    )


def order(**tables):
    return align(tables, 1, ROLES)


def test_the_first_labels_are_the_order_of_all():
    found = order(
        q=table(NUMBERS, "abc", "xy"),
        logits=table(NUMBERS[[2, 0, 1]][:, ::-1], "cab", "yx"),
        weights=table([2.0, 1.0, 0.0], "cba"),
    )
    assert (found.states, found.actions, found.unlabelled) == (tuple("abc"), tuple("xy"), ())
    for name in ("q", "logits"):
        np.testing.assert_array_equal(found.tables[name].whole(), NUMBERS)
        assert found.tables[name].states == tuple("abc")
        assert found.tables[name].actions == tuple("xy")
    np.testing.assert_array_equal(found.tables["weights"].whole(), [0.0, 1.0, 2.0])


def test_labels_of_states_and_of_actions_may_come_from_two_tables():
    found = order(q=table(NUMBERS, actions="xy"), logits=table(NUMBERS, "abc"))
    assert (found.states, found.actions) == (tuple("abc"), tuple("xy"))
    assert found.unlabelled == ("q", "logits")


def test_a_number_for_all_states_needs_no_label_and_one_for_each_does():
    q = table(NUMBERS, "abc", "xy")
    for shape, unlabelled in (((), ()), ((1,), ()), ((3,), ("alpha",))):
        assert order(q=q, alpha=table(np.ones(shape))).unlabelled == unlabelled


def test_what_is_in_order_is_not_read():
    q = table(NUMBERS, "abc", "xy")
    logits = table(NUMBERS, "abc", "xy")
    assert order(q=q, logits=logits).tables["logits"] is logits


@pytest.mark.parametrize(
    ("states", "actions", "found"),
    [
        ("abd", "xy", "no states 'c' but the states 'd'"),
        ("ab", "xy", "no states 'c'"),
        ("abcd", "xy", "the states 'd'"),
        ("abc", "xz", "no actions 'y' but the actions 'z'"),
    ],
)
def test_other_labels_are_an_error_that_lists_them(states, actions, found):
    other = table(np.zeros((len(states), 2)), states, actions, "logits")
    with pytest.raises(InputError) as error:
        order(q=table(NUMBERS, "abc", "xy", "q"), logits=other)
    assert (error.value.where, error.value.found) == ("logits", found)


def test_rows_may_be_those_of_actions():
    found = align(
        {
            "q": table(NUMBERS, "xyz", "ab"),
            "logits": table(NUMBERS[[2, 0, 1]][:, ::-1], "zxy", "ba"),
            "weights": table([1.0, 0.0], "ba"),
        },
        0,
        ROLES,
    )
    assert (found.states, found.actions) == (tuple("ab"), tuple("xyz"))
    np.testing.assert_array_equal(found.tables["logits"].whole(), NUMBERS)
    np.testing.assert_array_equal(found.tables["weights"].whole(), [0.0, 1.0])
    assert align({"q": table(NUMBERS)}, 0, ROLES).states is None


@pytest.mark.parametrize(
    ("shape", "rows", "axis", "hint"),
    [
        ((3, 2), STATE, 0, "Leave out --action-axis."),
        ((3, 2), ACTION, 1, "Say --action-axis 0."),
        ((3, 1, 2), None, 1, "Leave out --action-axis."),
    ],
)
def test_an_axis_that_labels_contradict(shape, rows, axis, hint):
    labelled = replace(table(NUMBERS, "abc", "xy"), rows=rows)
    with pytest.raises(
        UsageError, match=f"--action-axis: found axis {axis}, expected axis"
    ) as error:
        align({"q": table(np.ones(shape)), "logits": labelled}, axis, ROLES)
    assert error.value.hint == hint
