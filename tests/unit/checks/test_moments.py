"""Moments of a gradient: what is summed, in any order, and how many states there are."""

import itertools
import math

import numpy as np
import pytest
from fits import coarse, moments, parts, tables, wrong

from softcheck.checks.moments import Sums
from softcheck.gradient.tolerance import U
from softcheck.settings import Settings


def test_no_sum_of_magnitudes_is_above_its_bound():
    arrays, a, b = wrong(4, states=1300)
    total, tolerance = moments(arrays)
    for bound, part in zip(total.sums.total()[0, 6:8], (a, b), strict=True):
        size = np.abs(part / tolerance).sum()
        assert size <= bound <= 1.5 * size


@pytest.mark.parametrize("states", [1, 511, 512, 1300, 5000])
def test_sums_are_the_same_for_any_cut_and_order(states):
    generator = np.random.default_rng(states)
    columns = generator.normal(size=(10, states)) * 10.0 ** generator.uniform(-9, 9, size=(10, 1))
    columns[0] = 1.0
    totals = []
    for cuts in (0, 3, 40):
        edges = [0, *sorted(generator.integers(states, size=cuts)), states]
        pieces = []
        for start, stop in itertools.pairwise(edges):
            pieces.append(Sums(7))
            pieces[-1].add(start, columns[:, start:stop])
        while len(pieces) > 1:
            first, second = (pieces.pop(generator.integers(len(pieces))) for _ in range(2))
            first.merge(second)
            pieces.append(first)
        totals.append(pieces[0].total())
    for total in totals:
        np.testing.assert_array_equal(total, totals[0])
    for i, j in np.ndindex(7, 10):
        products = columns[i] * columns[j]
        error = abs(totals[0][i, j] - math.fsum(products))
        assert error <= 30 * U * math.fsum(np.abs(products))


@pytest.mark.parametrize("different", [1, 7, 100, 3_000, 20_000])
@pytest.mark.parametrize("rows", [800, 20_000])
def test_states_that_differ_are_counted(different, rows):
    q, logits = tables(5, different, 3)
    a, b = parts(q, logits)
    arrays = {"q": q, "logits": logits, "grad": a + b}
    repeated = {name: np.resize(table, (20_000, 3)) for name, table in arrays.items()}
    total, _ = moments(repeated, rows)
    assert total.states == 20_000
    assert total.different() == pytest.approx(different, rel=0.05)


@pytest.mark.parametrize("alike", [0, 3, 100, 1_000])
@pytest.mark.parametrize("rows", [70, None])
def test_states_of_one_normaliser_repeat_however_their_rewards_differ(alike, rows):
    q, logits = tables(17, 2_000)
    logits[:alike] = logits[0]
    total, _ = moments({"q": q, "logits": logits, "grad": sum(parts(q, logits))}, rows)
    expected = (alike**2 + (2_000 - alike)) / 2_000
    assert total.repeats() == pytest.approx(max(1.0, expected), rel=0.05)


def test_what_is_rounded_alike_is_the_same_for_any_cut():
    q, logits = tables(13, 3000)
    arrays = {"q": q, "logits": logits, "grad": coarse("float16", sum(parts(q, logits)))}
    whole, cut = (
        moments(arrays, rows, Settings(compute_dtype="float32"))[0] for rows in (None, 70)
    )
    np.testing.assert_array_equal(whole.alike, cut.alike)
    total = whole.sums.total()
    scale = np.ones(2) / (total[0, 3:6] @ [1.0, 2.0, 1.0])
    # 15,000 roundings, each by less than half of what it may be, hardly ever alike: by the digits
    # that were stored, and by pi.
    expected = math.sqrt(2.0) * 0.45 * 6.0 / math.sqrt(15_000) / 2**11
    assert whole.rounded_alike(scale) == pytest.approx(expected, rel=0.2)
