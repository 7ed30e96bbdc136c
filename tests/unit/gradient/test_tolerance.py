"""What rounding may do, in numbers that were worked out by hand."""

import ml_dtypes
import numpy as np
import pytest

from softcheck.gradient.tolerance import Allowance, Precision, allow, summation


@pytest.mark.parametrize(
    ("actions", "roundings"), [(1, 5.0), (6, 10.0), (16, 18.0), (64, 22.0), (1024, 30.0)]
)
def test_a_sum_rounds_so_often(actions, roundings):
    """A running sum of 6 has 4 more than its terms; one in pairs 10 and two for each halving."""
    assert summation(actions) == roundings


@pytest.mark.parametrize("precision", Precision)
def test_a_precision_is_that_of_its_numbers(precision):
    kind = ml_dtypes.finfo(precision.value if precision.value != "bfloat16" else ml_dtypes.bfloat16)
    assert precision.unit == 2.0 ** -(kind.nmant + 1)
    least = kind.smallest_normal
    if precision is Precision.FLOAT16:
        least = 4.0 * float(kind.smallest_subnormal)
    assert precision.underflow == float(least)


def test_integers_are_exact_and_count_as_float64():
    assert Precision.of(np.dtype(np.int32)) is Precision.FLOAT64
    assert Precision.of(np.dtype(np.float32)) is Precision.FLOAT32


@pytest.mark.parametrize("seed", range(5))
def test_an_allowance_counts_an_entry_for_each_of_its_actions(seed):
    generator = np.random.default_rng(seed)
    entries, rows = 6, 300
    counts = generator.integers(1, 9, entries)
    pi = generator.random((entries, rows))
    pi /= (counts[:, np.newaxis] * pi).sum(axis=0)
    expected = generator.normal(size=pi.shape)
    tolerance = 1e-3 * pi
    # What is off as one normaliser is, or by rounding alone, or somewhere by more.
    off = generator.choice([0.0, 1e-2, 1.0], rows) * pi
    off += generator.choice([0.5, 1.5], pi.shape, p=[0.95, 0.05]) * tolerance
    given = expected + off, expected, tolerance

    def found(times, counts):
        whole = [np.repeat(x, times, axis=0) for x in (*given, pi)]

        def allowance(states):
            weight = whole[-1][:, states]
            return Allowance(weight, np.full(states.size, 0.1), 0.7 * 1e-3 * weight)

        return allow(*whole[:3], allowance, np.abs(whole[0] - whole[1]), counts)

    *ours, needed = found(np.ones(entries, int), np.tile(counts[:, np.newaxis], rows))
    *theirs, of_each = found(counts, 1.0)
    assert needed == of_each
    assert of_each.normaliser
    assert of_each.parts
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.repeat(mine, counts, axis=0), other, rtol=1e-12)


def allowed_by_definition(state):
    """Return what `allow` makes of one state, in the words of its docstring."""
    actual, expected, tolerance, weight, normaliser, parts = state
    off = actual - expected
    if (np.abs(off) <= tolerance).all():
        return expected, tolerance, (0, 0)
    wide = tolerance + parts
    shared = weight * min(max(off.sum(), -normaliser), normaliser)
    is_helped = (np.abs(off - shared) <= wide).all() and not (np.abs(off) <= wide).all()
    left = off - shared if is_helped else off
    by_parts = (np.abs(left) > tolerance) & (np.abs(left) <= wide)
    return (
        expected + shared if is_helped else expected,
        wide if by_parts.any() else tolerance,
        (int(is_helped), int(by_parts.sum())),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wrong", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("has_parts", [False, True])
def test_an_allowance_is_what_each_state_needs(seed, wrong, has_parts):
    generator = np.random.default_rng(seed)
    entries, rows = 5, 400
    weight = generator.dirichlet(np.full(entries, 0.5), rows).T
    expected = generator.normal(size=weight.shape)
    tolerance = 1e-3 * weight
    normaliser = generator.choice([0.0, 1e-2, 0.1], rows)
    parts = has_parts * generator.choice([0.0, 7e-4, 1e-2], rows) * weight
    off = generator.choice([0.0, 0.99e-2, 1.01e-2], rows) * weight
    off += generator.choice([0.5, 1.5, 5.0], weight.shape, p=[0.9, 0.05, 0.05]) * tolerance
    # A state is wrong at all of its entries, or at some.
    is_wrong = generator.random(rows) < wrong
    errors = generator.choice([1.0, -2.0, np.nan, np.inf], is_wrong.sum())
    off[:, is_wrong] += np.where(generator.random((entries, errors.size)) < 0.8, errors, 0.0)
    actual = expected + off

    def allowance(states):
        return Allowance(
            weight[:, states], normaliser[states], parts[:, states] if has_parts else None
        )

    with np.errstate(all="ignore"):
        error = np.abs(actual - expected)
        *found, needed = allow(actual, expected, tolerance, allowance, error)
        given = (x.T for x in (actual, expected, tolerance, weight))
        tables = zip(*given, normaliser, parts.T, strict=True)
        each = [*map(allowed_by_definition, tables)]
    assert needed == tuple(sum(of[2][i] for of in each) for i in range(2))
    assert (needed.normaliser > 0) or wrong == 1.0
    assert (needed.parts > 0) == has_parts
    for mine, place in zip(found, range(2), strict=True):
        np.testing.assert_allclose(mine, np.transpose([of[place] for of in each]), rtol=1e-12)
