"""The parts of a gradient beside NumPy, and their tolerance at any numbers."""

from dataclasses import replace

import numpy as np
import pytest

from softcheck.checks.dumps import sides
from softcheck.diagnosis.columns import of_evaluation
from softcheck.diagnosis.mistakes.parts import RIGHT, moved
from softcheck.diagnosis.states import part
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays

SHAPE = (30, 5)
Q, LOGITS = np.random.default_rng(1).normal(size=(2, *SHAPE))
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2.0, SHAPE[0])


def view(dtype=np.float64, **more):
    """Return all states of a case whose gradient is 0."""
    arrays = {"q": Q, "logits": LOGITS, "alpha": np.array(0.3), "grad": np.zeros(SHAPE, dtype)}
    return part(case_from_arrays(arrays | more), Settings(), 0, ())


def centred(w):
    return P * (w - (P * w).sum(axis=1, keepdims=True))


def test_of_eq_6_they_come_from_q_and_from_alpha_times_the_weight_of_each_state():
    a, b = RIGHT.columns(view(weights=WEIGHTS)).values
    by = WEIGHTS[:, np.newaxis]
    np.testing.assert_allclose(a.T, -by * centred(Q), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(b.T, by * 0.3 * centred(np.log(P)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_at_the_declared_numbers_the_tolerance_is_nearly_that_of_a_pass(dtype):
    made = view(dtype)
    columns = RIGHT.columns(made)
    tolerance = columns.tolerance((1.0, 1.0))
    ratio = tolerance / sides(made.e, "gradient").tolerance
    assert ratio.min() >= 0.5
    assert np.median(ratio) <= 2.0  # more only where the two parts cancel


def test_the_tolerance_grows_with_the_numbers_and_never_ends_at_0():
    columns = RIGHT.columns(view(np.float16))
    one, ten, none = (columns.tolerance((x, x)) for x in (1.0, 10.0, 0.0))
    np.testing.assert_allclose(
        ten - columns.rounds.fixed, 10.0 * (one - columns.rounds.fixed), rtol=1e-12
    )
    assert (none > columns.rounds.fixed).all()  # what cancelled has rounded


def test_one_column_is_the_gradient_with_the_tolerance_of_a_pass():
    made = view(np.float32)
    columns = of_evaluation(made.e)
    (value,) = columns.values
    np.testing.assert_allclose(value.T, centred(0.3 * np.log(P) - Q), rtol=1e-12, atol=1e-15)
    tolerance = columns.tolerance((1.0,))
    np.testing.assert_allclose(tolerance, sides(made.e, "gradient").tolerance, rtol=1e-12)


def test_what_was_printed_is_off_by_its_last_decimal_at_any_scale():
    made = view()
    printed = replace(made.dump, decimal=1e-6)
    columns = of_evaluation(replace(made.e, dumps={"gradient": printed}))
    for scale in (1.0, 1e-6):
        assert columns.tolerance((scale,)).min() >= 4e-6
    assert columns.tolerance((1e-6,)).max() <= 1.001 * 4e-6


def test_numbers_that_move_take_their_tolerance_along_but_for_underflow():
    made = view(np.float32)
    right, gone = (moved(lambda _, by=by: lambda x: by * x)(made) for by in (-1.0, 0.0))
    usual = RIGHT.columns(made)
    assert all((a == -b).all() for a, b in zip(right.values, usual.values, strict=True))
    assert all((a == b).all() for a, b in zip(right.rounds.of, usual.rounds.of, strict=True))
    assert (gone.rounds.fixed == usual.rounds.fixed.min()).all()
