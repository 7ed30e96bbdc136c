"""Tallies: what is counted, kept and merged."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softcheck.checks.exact_sum import ExactSum
from softcheck.checks.tally import Tally, compare, sight
from softcheck.gradient.policy import LONG, Buffers, sum_of_products, sum_over_actions
from softcheck.gradient.tolerance import summation

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)


def tally(actual, expected, tolerance, scale=None, *, start=0, limit=5):
    actual, expected, tolerance = (
        np.asarray(x, dtype=np.float64) for x in (actual, expected, tolerance)
    )
    scale = np.ones_like(actual) if scale is None else np.asarray(scale, dtype=np.float64)
    with np.errstate(all="ignore"):
        return compare(
            actual, expected, tolerance, sight(tolerance, scale, Buffers()), Buffers(),
            entries=actual.size, start=start, limit=limit,
        )  # fmt: skip


def test_a_ratio_of_one_is_the_limit():
    found = tally([[1.0, 1.5, 2.5]], [[0.5, 0.5, 0.5]], [[1.0, 1.0, 1.0]])
    assert (found.failed, found.entries) == (1, 3)
    assert [(spot.state, spot.action, spot.ratio) for spot in found.spots] == [(2, 0, 2.0)]


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance", "failed"),
    [
        (np.nan, 0.0, 1.0, 1),  # not a number is never right
        (np.inf, 0.0, 1.0, 1),
        (0.0, np.nan, 1.0, 1),
        (1.0, 0.0, np.inf, 0),  # a bound that overflows is blind, not wrong
        (1.0, 0.0, np.nan, 0),
        (np.nan, 0.0, np.nan, 0),
        (0.0, 0.0, 0.0, 0),  # no tolerance: equality
        (-0.0, 0.0, 0.0, 0),
        (1e-320, 0.0, 0.0, 1),
        (np.nan, np.nan, 0.0, 1),
        (1e308, -1e308, 1.0, 1),  # the error overflows
    ],
)
def test_what_is_not_finite(actual, expected, tolerance, failed):
    found = tally([[actual]], [[expected]], [[tolerance]])
    assert found.failed == failed
    assert found.blind == (0 if math.isfinite(tolerance) else 1) or tolerance == 1.0


@pytest.mark.parametrize(("tolerance", "blind"), [(0.9, 0), (1.0, 1), (1.5, 1), (np.nan, 1)])
@pytest.mark.parametrize("company", [0.0, 5.0])
def test_an_entry_is_blind_from_where_its_tolerance_is_its_scale(tolerance, blind, company):
    """Whatever stands beside it; and what has no scale is not blind, for there is nothing."""
    tolerances, scale = np.array([[tolerance, 0.5], [company, 0.5]]), np.ones((2, 2))
    scale[1, 0] = 0.0
    seen = sight(tolerances, scale, Buffers())
    assert (seen.live, seen.blind) == (3, blind)


def test_a_known_ratio_is_taken_and_left_as_it_is():
    ratio = np.array([[-3.0, 0.5, np.nan]])
    one, kept = np.ones((1, 3)), ratio.copy()
    found = compare(
        one, 2.0 * one, one, sight(one, one, Buffers()), Buffers(),
        entries=3, start=0, limit=5, ratio=ratio,
    )  # fmt: skip
    assert [(spot.state, spot.ratio) for spot in found.spots] == [(2, np.inf), (0, 3.0)]
    np.testing.assert_array_equal(ratio, kept)


def test_ties_go_to_the_first_in_the_order_of_the_table():
    wrong = tally(np.ones((3, 4)), np.zeros((3, 4)), np.full((3, 4), 0.5), limit=5)
    assert [(s.state, s.action) for s in wrong.spots] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    right = tally(np.zeros((3, 4)), np.zeros((3, 4)), np.ones((3, 4)))
    assert [(s.state, s.action) for s in right.spots] == [(0, 0)]


def test_quantities_of_states_have_no_action():
    (spot,) = tally([0.0, 3.0], [0.0, 0.0], [1.0, 1.0], start=10).spots
    assert (spot.state, spot.action) == (11, None)


def test_resolution_is_an_upper_bound_and_the_dead_do_not_count():
    tolerance = np.array([[1e-9, 2e-9, 3e-9, 1.0, 5.0]])
    scale = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]])
    found = tally(np.zeros((1, 5)), np.zeros((1, 5)), tolerance, scale)
    assert (found.live, found.blind) == (4, 1)
    median, worst = found.resolution()
    assert 2e-9 <= median <= 2e-9 * 1.07
    assert worst == np.inf
    assert tally([[0.0]], [[0.0]], [[1.0]], [[0.0]]).resolution() is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40), st.integers(1, 7))
def test_merging_in_any_order_is_comparing_at_once(seed, actions, states, limit):
    generator = np.random.default_rng(seed)
    actual = generator.integers(0, 4, size=(actions, states)).astype(np.float64)
    tolerance = generator.choice([0.5, 1.0, 1e-3], size=(actions, states))
    nothing = np.zeros_like(actual)
    whole = tally(actual, nothing, tolerance, limit=limit)
    cuts = [0, *sorted(generator.integers(0, states + 1, size=3).tolist()), states]
    parts = [
        tally(actual[:, a:b], nothing[:, a:b], tolerance[:, a:b], start=a, limit=limit)
        for a, b in pairwise(cuts)
        if a < b
    ]
    generator.shuffle(parts)
    merged = Tally(limit)
    for part in parts:
        merged.merge(part)
    assert (merged.entries, merged.failed, merged.spots) == (
        whole.entries, whole.failed, whole.spots,
    )  # fmt: skip
    np.testing.assert_array_equal(merged.histogram, whole.histogram)


@given(st.lists(finite, max_size=50), st.integers(0, 50))
def test_an_exact_sum_is_exact_however_it_is_cut(numbers, cut):
    left, right = ExactSum(), ExactSum()
    left.add(np.array(numbers[:cut]))
    right.add(np.array(numbers[cut:]))
    left.merge(right)
    truth = sum(map(Fraction, numbers), Fraction(0))
    try:
        assert float(left) == float(truth)
    except OverflowError:
        assert math.isinf(float(left))


def test_an_exact_sum_of_what_is_not_finite_is_not_a_number():
    total = ExactSum()
    total.add(np.array([1.0, np.inf]))
    assert math.isnan(float(total))


ACTIONS = st.one_of(st.integers(1, 70), st.integers(1, 1000))


def laid_out(x):
    """Return a table in the order of memory that blocks of so many actions have."""
    return np.asfortranarray(x) if len(x) >= LONG else np.ascontiguousarray(x)


@given(ACTIONS, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_sums_over_actions_keep_to_their_bound_and_leave_their_arguments_alone(actions, rows, seed):
    generator = np.random.default_rng(seed)
    x, y = (
        laid_out(generator.normal(size=(actions, rows)) * 10.0 ** generator.integers(-8, 8))
        for _ in range(2)
    )
    before = x.copy(), y.copy()
    total, of_products = sum_over_actions(x, Buffers()), sum_of_products(x, y, Buffers())
    np.testing.assert_array_equal((x, y), before)
    for row in range(rows):
        terms = [Fraction(a) for a in x[:, row].tolist()]
        products = [a * Fraction(b) for a, b in zip(terms, y[:, row].tolist(), strict=True)]
        for found, parts in ((total, terms), (of_products, products)):
            error = abs(Fraction(float(found[row])) - sum(parts))
            assert error <= Fraction(summation(actions) * 2.0**-53) * sum(map(abs, parts))


@given(ACTIONS, st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_sums_over_actions_do_not_depend_on_how_many_states_are_summed_at_once(actions, seed, rows):
    generator = np.random.default_rng(seed)
    x, y = (laid_out(generator.normal(size=(actions, 11))) for _ in range(2))
    total, of_products = sum_over_actions(x, Buffers()), sum_of_products(x, y, Buffers())
    for start in range(0, 11, rows):
        a, b = x[:, start : start + rows], y[:, start : start + rows]
        part = slice(start, start + rows)
        np.testing.assert_array_equal(sum_over_actions(a, Buffers()), total[part])
        np.testing.assert_array_equal(sum_of_products(a, b, Buffers()), of_products[part])


def spread(seed=5, states=200, actions=3):
    """Return two sides whose ratios span 25 decades, some of them not finite."""
    generator = np.random.default_rng(seed)
    expected = generator.normal(size=(actions, states))
    tolerance = 10.0 ** generator.uniform(-20, -1, size=expected.shape)
    ratio = 10.0 ** generator.uniform(-3, 22, size=expected.shape)
    actual = expected + ratio * tolerance
    actual[generator.random(actual.shape) < 0.05] = np.nan
    return actual, expected, tolerance


def test_what_failed_is_counted_by_the_decade_of_its_ratio():
    actual, expected, tolerance = spread()
    counts = [0] * 16
    for a, e, t in zip(actual.ravel(), expected.ravel(), tolerance.ravel(), strict=True):
        ratio = abs(a - e) / t
        if not ratio <= 1.0:
            beyond = next((k for k in range(15) if ratio <= 10.0 ** (k + 1)), 15)
            counts[beyond] += 1
    found = tally(actual, expected, tolerance)
    assert found.decades.tolist() == counts
    assert found.failed == sum(counts) > 400
    assert tally(expected, expected, tolerance).decades.sum() == 0


def test_the_limit_of_a_decade_belongs_to_the_one_below():
    ratios = np.array([[1.0, 10.0, 10.5, 100.0, 1e15, 1.1e15]])
    found = tally(ratios, np.zeros_like(ratios), np.ones_like(ratios))
    assert found.decades.tolist() == [1, 2, *[0] * 12, 1, 1]


def test_the_largest_error_is_that_of_a_failed_finite_entry_however_blocks_are_cut():
    actual, expected, tolerance = spread()
    tolerance[0, 7], actual[0, 7] = 1e6, expected[0, 7] + 1e5  # far off, and right
    error = np.where(np.abs(actual - expected) > tolerance, np.abs(actual - expected), -1.0)
    action, state = np.unravel_index(np.nanargmax(error), error.shape)
    whole = tally(actual, expected, tolerance)
    assert (whole.largest.state, whole.largest.action) == (state, action)
    first, *others = (
        tally(*(x[:, start : start + 50] for x in (actual, expected, tolerance)), start=start)
        for start in range(0, 200, 50)
    )
    for other in others:
        first.merge(other)
    assert first.largest == whole.largest
    assert first.decades.tolist() == whole.decades.tolist()
    assert tally(np.full((1, 2), np.nan), np.ones((1, 2)), np.ones((1, 2))).largest is None
