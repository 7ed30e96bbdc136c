"""The named points: what leads where, beside what sign, and which of two equal ones comes first."""

from math import log

import numpy as np
import pytest

from softcheck.diagnosis.points import points, ratios, scales, told_apart_by
from softcheck.diagnosis.states import part
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

STATES, ACTIONS = 6, 5
FLOAT32 = 2.0**-24


def view(*, states=STATES, actions=ACTIONS, alpha=0.3, reduction="sum", masked=0, **arrays):
    """Return all states of a case; its first so many actions are masked in every state."""
    q, logits = np.random.default_rng(1).normal(size=(2, states, actions))
    logits[:, :masked] = -np.inf
    case = case_from_arrays({"q": q, "logits": logits, "alpha": np.array(alpha)} | arrays)
    return part(case, Settings(reduction=reduction), states * masked, ())


def by_codes(numbers):
    """Return the values of each set of codes."""
    found = {}
    for value, codes in numbers:
        found.setdefault("+".join(codes), []).append(pytest.approx(value, rel=1e-15))
    return found


def test_each_scale_stands_beside_its_opposite():
    assert by_codes(scales(view())) == {
        "": [1.0],
        "sign-flipped": [-1.0],
        "mean-over-states": [1 / 6],
        "mean-over-states+sign-flipped": [-1 / 6],
        "mean-over-states-and-actions": [1 / 30],
        "mean-over-states-and-actions+sign-flipped": [-1 / 30],
        "mean-over-actions": [1 / 5],
        "mean-over-actions+sign-flipped": [-1 / 5],
    }


def test_what_is_declared_is_no_mistake_and_the_others_are_in_units_of_it():
    found = by_codes(scales(view(reduction="mean")))
    assert found["summed-over-states"] == [6.0]
    assert found["mean-over-states-and-actions"] == [1 / 5]
    assert "mean-over-states" not in found


def test_masks_and_weights_have_scales_of_their_own():
    assert "padding-in-denominator" not in by_codes(scales(view()))
    found = by_codes(scales(view(masked=2)))  # 18 of 30 entries are legal
    assert found["padding-in-denominator"] == [0.6, 1 / 0.6, 1 / 18]
    weights = np.array([0.0, 0.0, 0.0, 0.5, 0.25, 0.25])
    found = by_codes(scales(view(weights=weights, reduction="mean")))
    assert found["padding-in-denominator"] == [0.5, 2.0]
    assert found["weights-normalised"] == [6.0]


def test_the_temperatures_that_have_a_name():
    found = by_codes(ratios(view(), FLOAT32))
    assert found["missing-alpha"] == [1 / 0.3]
    assert found["alpha-doubled"] == [2.0]
    assert found["alpha-doubled+entropy-sign-flipped"] == [-2.0]
    assert found["entropy-without-gradient"] == [0.0]
    assert "entropy-without-gradient+entropy-sign-flipped" not in found
    assert found["log-base-2"] == [1.4426950408889634]
    assert found["entropy-normalised"] == [1 / log(5)]
    assert found["log-alpha-as-alpha"] == [log(0.3) / 0.3]
    # 0.3 has the significand 1.2: 1228.8 of 1024 in float16, 153.6 of 128 in bfloat16.
    assert found["alpha-rounded"] == [1229 / 1228.8, 154 / 153.6]


def test_alpha_is_not_rounded_to_what_the_gradient_is_computed_in():
    assert len(by_codes(ratios(view(), 2.0**-53))["alpha-rounded"]) == 3
    assert "alpha-rounded" not in by_codes(ratios(view(), 2.0**-8))


def test_where_alpha_is_no_number_no_ratio_has_the_name_of_what_is_done_to_it():
    for alpha in (0.0, np.linspace(0.1, 0.9, STATES)):
        assert not {"missing-alpha", "log-alpha-as-alpha"} & set(
            by_codes(ratios(view(alpha=alpha), 1e-9))
        )


def test_q_counted_twice_moves_both_numbers_at_any_scale():
    found = {point.codes: point[:2] for point in points(view(), FLOAT32)}
    assert found["q-counted-twice",] == (2.0, 0.5)
    assert found["q-counted-twice", "mean-over-actions"] == pytest.approx((0.4, 0.5))
    assert found["mean-over-actions", "alpha-doubled"] == pytest.approx((0.2, 2.0))


def test_the_simplest_point_comes_first_and_of_two_equal_ones_what_needs_no_alpha():
    made = points(view(alpha=0.5), FLOAT32)
    lengths = [len(point.codes) for point in made]
    assert lengths == sorted(lengths)
    doubled = [point.codes for point in made if point.codes and point[:2] == (1.0, 2.0)]
    assert doubled[:2] == [("alpha-doubled",), ("missing-alpha",)]


@pytest.mark.parametrize(
    ("codes", "changed", "told"),
    [
        (("alpha-doubled", "missing-alpha"), {"alpha": 0.5}, ["another alpha"]),
        (("log-base-2", "entropy-normalised"), {"actions": 2}, ["another number of actions"]),
        (("mean-over-states", "mean-over-actions"), {"states": 5}, ["another number of states"]),
        (("sign-flipped", "sign-flipped"), {}, None),
    ],
)
def test_what_would_tell_two_names_apart_is_found_by_changing_the_data(codes, changed, told):
    made = view(**changed)
    alike = [point for code in codes for point in points(made, FLOAT32) if point.codes == (code,)]
    assert told_apart_by(alike, made.shared, FLOAT32) == told
