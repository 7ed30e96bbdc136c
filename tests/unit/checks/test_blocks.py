"""What a block is made of: every role of a case is either a given that counts, or is checked."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softcheck.checks.blocks import (
    CRITICS,
    REDUCTIONS,
    Masking,
    evaluation,
    evenly,
    reduction_of,
    rows_of_block,
)
from softcheck.checks.dumps import DUMPS
from softcheck.checks.evaluation import Context
from softcheck.errors import InputError, SoftcheckError
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Buffers
from softcheck.losses import load
from softcheck.settings import CriticChoice, Reduction, Settings
from softcheck.tables import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.tables.roles import ROLES

GIVENS = [name for name, role in ROLES.items() if role.check is None]
TESTED = [name for name, role in ROLES.items() if role.check is not None]
SHAPES = {Kind.TABLE: (3, 2), Kind.STATE: (3,), Kind.NUMBER: (3,)}


def arrays(**changes):
    """Three states of two actions, with every given."""
    random = np.random.default_rng(3)
    made = {
        name: random.uniform(0.1, 1.0, SHAPES[role.kind])
        for name, role in ROLES.items()
        if role.check is None
    }
    return made | {"mask": np.ones((3, 2), bool)} | changes


def evaluated(given, masking=None, declared=None, **settings):
    case = case_from_arrays(given, declared=declared)
    (raw,) = case.blocks(case.states)
    chosen = Settings(**settings)
    reduction = reduction_of(case, chosen)
    context = Context(case.states * case.actions, 5, reduction=reduction, loss=case.variant)
    return evaluation(case, raw, chosen, context, Buffers(), masking or Masking())


def seen(e):
    """Return all that the checks see of the givens."""
    legal = np.ones(e.block.q.shape) if e.legal is None else e.legal
    parts = (e.block.q, e.block.logits, e.block.alpha, e.factor, legal)
    return np.concatenate([np.ravel(part) for part in parts]).tolist()


@pytest.mark.parametrize("role", GIVENS)
def test_every_given_counts(role):
    given = arrays()
    other = given[role].copy()
    other[1] = (other[1] == 0) if role == "mask" else other[1] + 1.0
    other = np.where([[1, 0]], True, other) if role == "mask" else other
    assert seen(evaluated(given)) != seen(evaluated(given | {role: other})), (
        f"no check sees {role}: softcheck/checks/blocks.py has to put it into the evaluation"
    )


def test_every_role_under_test_has_a_definition():
    checks = {ROLES[name].check for name in TESTED}
    assert checks == DUMPS.keys(), (
        f"without a definition in softcheck/checks/dumps.py: {checks - DUMPS.keys() or 'none'}; "
        f"without a role in softcheck/tables/roles.py: {DUMPS.keys() - checks or 'none'}"
    )


@pytest.mark.parametrize("role", TESTED)
def test_what_is_under_test_has_the_shape_of_its_definition(role):
    kind = ROLES[role].kind
    e = evaluated(arrays(**{role: np.ones(SHAPES[kind])}))
    shape = SHAPES[kind][::-1]
    assert e.dumps.keys() == {ROLES[role].check}
    assert e.dumps[ROLES[role].check].values.shape == shape
    assert DUMPS[ROLES[role].check](e).value.shape == shape


WRONG = [
    *[("q", wrong, "a finite number. Mask the action") for wrong in ("NaN", "inf", "-inf")],
    *[("logits", wrong, "a finite number or -inf. Mask the") for wrong in ("NaN", "inf")],
    *[
        ("alpha", wrong, "a finite number that is not negative. Check how the temperature")
        for wrong in ("NaN", "inf", "-inf", "-0.25")
    ],
    *[("weights", wrong, "a finite number. Check how the weights") for wrong in ("NaN", "-inf")],
    ("mask", "2.0", "0 or 1. Save the mask as booleans"),
]


@pytest.mark.parametrize(("role", "wrong", "expected"), WRONG)
def test_a_given_that_no_loss_can_have_is_refused_where_it_stands(role, wrong, expected):
    given = arrays()
    array = given[role].astype(np.int64 if role == "mask" else np.float64)
    place = (2, 1)[: array.ndim]
    array[place] = float(wrong)
    where = f"{role}[{', '.join(map(str, place))}]"
    with pytest.raises(InputError) as error:
        evaluated(given | {role: array})
    found = "2" if role == "mask" else wrong
    assert str(error.value).startswith(f"{where}: found {found}, expected {expected}")


def test_every_given_is_refused_where_it_is_wrong():
    missing = set(GIVENS) - {role for role, _, _ in WRONG}
    assert not missing, f"write down in WRONG what {missing} may not hold, and what is said then"


@pytest.mark.parametrize(
    ("loss", "wrong", "words"),
    [
        (r"-\sum_a \pi(a) \log p(a)", 0.0, "a finite number above 0"),
        ("cross-entropy", -1e-3, "a finite number that is not negative"),
    ],
)
def test_a_table_of_finite_numbers_may_have_one_that_is_not_legal(loss, wrong, words):
    case_of, name = load(loss), "targets" if loss == "cross-entropy" else "p"
    table = arrays()["q"]
    table[2, 1] = wrong
    given = {"logits": arrays()["logits"], "grad": np.zeros((3, 2)), name: table}
    masked = given | {"mask": np.array([[True, True], [True, True], [True, False]])}
    assert evaluated(masked, declared=Declared(case_of)).block.rows == 3
    with pytest.raises(InputError) as error:
        evaluated(given, declared=Declared(case_of))
    assert str(error.value).startswith(f"{name}[2, 1]: found {wrong!r}, expected {words}")


@pytest.mark.parametrize("role", ["q", "logits"])
def test_behind_a_mask_anything_may_stand(role):
    given = arrays(mask=np.array([[True, False]] * 3))
    given[role][:, 1] = np.nan
    e = evaluated(given)
    assert (e.block.q[1] == 0).all()
    assert (e.block.logits[1] == -np.inf).all()
    assert e.legal.tolist() == [[True] * 3, [False] * 3]


def test_an_action_has_to_be_legal_by_mask_and_logit():
    masking = Masking()
    given = arrays(mask=np.array([[True, False], [True, True], [True, True]]))
    given["logits"][1, 1] = -np.inf
    e = evaluated(given, masking)
    assert e.legal.tolist() == [[True] * 3, [False, False, True]]
    assert (masking.masked, masking.disagreements) == (2, 1)
    given["logits"][0, 0] = -np.inf
    with pytest.raises(InputError, match=r"mask\[0\]: found a state without a legal action"):
        evaluated(given)


def test_every_choice_is_made_somehow():
    assert set(REDUCTIONS) == set(get_args(Reduction))
    assert set(CRITICS) == set(get_args(CriticChoice))


@pytest.mark.parametrize(
    ("reduction", "factor"),
    [("none", 1.0), ("sum", 1.0), ("mean", 1 / 8), ("mean-all", 1 / 32), ("weighted-mean", 1 / 36)],
)
def test_a_reduction_is_a_factor_of_each_state(reduction, factor):
    table = np.zeros((8, 4))
    given = {"q": table, "logits": table, "alpha": 1.0, "weights": np.arange(1.0, 9.0)}
    assert reduction_of(case_from_arrays(given), Settings(reduction=reduction)) == factor


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, "--reduction: found weighted-mean, but no weights"),
        ([1.0, -1.0, 0.0], "weights: found weights whose sum is 0.0"),
        ([1.7e308, 1.7e308, 0.0], "weights: found weights whose sum is inf"),
    ],
)
def test_weights_that_no_mean_can_be_by(weights, message):
    given = arrays(weights=weights)
    given = {role: array for role, array in given.items() if array is not None}
    with pytest.raises(SoftcheckError, match=message):
        reduction_of(case_from_arrays(given), Settings(reduction="weighted-mean"))


@pytest.mark.parametrize(
    ("choice", "expected"), [("min", [[1, -4]]), ("mean", [[2, 0]]), ("first", [[3, 4]])]
)
def test_critics_make_one_q(choice, expected):
    critics = [np.array([[3.0, 4.0]]), np.array([[1.0, -4.0]])]
    assert CRITICS[choice](critics).tolist() == expected


@pytest.mark.parametrize(
    ("entries", "actions", "rows"), [(100, 4, 24), (100, 13, 7), (100, 101, 1), (96, 4, 24)]
)
def test_a_block_has_whole_cache_lines_where_it_can(entries, actions, rows):
    assert rows_of_block(Settings(block_entries=entries), actions) == rows


@pytest.mark.parametrize(
    ("actions", "times"), [(1, 4.3), (2, 8.5), (3, 12.8), (4, 16), (18, 16), (500, 16)]
)
def test_a_block_is_as_large_as_several_but_for_states_of_few_actions(actions, times):
    one, several = (rows_of_block(Settings(), actions, blocks) for blocks in (1, 16))
    assert several == pytest.approx(times * one, rel=0.1)


@given(st.integers(1, 10**6), st.integers(1, 10**5))
def test_two_threads_have_as_many_blocks_of_about_the_same_size(states, rows):
    found = evenly(states, rows)
    count, before = -(-states // found), -(-states // rows)
    assert count % 2 == 0 or before == 1 or rows < 8 * before
    assert found <= 1.25 * rows
    assert found % 8 == 0 or rows % 8


@pytest.mark.parametrize(
    ("states", "rows", "found"),
    [(100, 100, 100), (100, 64, 56), (99, 32, 32), (15, 1, 1), (100_000, 20_480, 25_000)],
)
def test_blocks_are_alike(states, rows, found):
    assert evenly(states, rows) == found


@pytest.mark.parametrize(("role", "trusted"), [("q", True), ("logits", False), ("grad", True)])
def test_what_the_loop_is_to_find_out_is_not_known(role, trusted):
    table = np.zeros((3, 2))
    given = {"q": table, "logits": table, "grad": table, "alpha": 0.25}
    given[role] = np.array([[0.0, 0.0], [0.0, -np.inf], [0.0, 0.0]])
    case = case_from_arrays(given)
    context, (raw,) = Context(6, 5, loss=case.variant, is_compiled=True), case.blocks(3)
    e = evaluation(case, raw, Settings(), context, Buffers(), Masking())
    assert (e.checked is not None) == trusted
    assert not e.dumps["gradient"].finite or not trusted
    assert (e.legal is None) == trusted
