"""Some states as the formulas see them, laid out by the compiled loop and by NumPy."""

from dataclasses import asdict, replace

import ml_dtypes
import numpy as np
import pytest

from softcheck.checks import compiled
from softcheck.diagnosis import view
from softcheck.diagnosis.hypothesis import Hypothesis, judge
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.profile import Profile
from softcheck.diagnosis.states import part
from softcheck.gradient.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays


def both(actions, masked=0.0, dtype=np.float64, *, entire=True, off=0.0, **settings):
    """Return a view of each kernel of states with a negated gradient, one entry of it off."""
    generator = np.random.default_rng(actions)
    q, logits = generator.normal(size=(2, 500, actions))
    mask = generator.random(q.shape) >= masked
    mask[:, 0] = True
    weight = np.where(mask, np.exp(logits), 0.0)
    pi = weight / weight.sum(axis=1, keepdims=True)
    g = np.where(mask, q - 0.3 * np.log(np.where(mask, pi, 1.0)), 0.0)
    grad = pi * (g - (pi * g).sum(axis=1, keepdims=True))
    weights = generator.normal(size=500)
    given = {"q": q, "logits": logits, "alpha": 0.3, "weights": weights}
    grad = grad * weights[:, np.newaxis]
    grad[0, 0] += off
    given["grad"] = grad.astype(dtype)
    if masked:
        given["mask"] = mask
    whole = part(case_from_arrays(given), Settings(**settings), int((~mask).sum()), ())
    shared = replace(whole.shared, is_compiled=True)
    ours = view.View.of(whole.raw, whole.states, shared, Buffers(), is_compiled=True, whole=entire)
    return ours, view.View.of(whole.raw, whole.states, whole.shared, Buffers())


def without_numpy(monkeypatch):
    """Have no bound computed by NumPy from here on."""
    monkeypatch.setattr(view, "bounded", None)


@pytest.mark.parametrize("actions", [7, 300])
@pytest.mark.parametrize("masked", [0.0, 0.4])
@pytest.mark.parametrize(
    ("dtype", "settings"),
    [
        (np.float64, {"tolerance_factor": 3.0}),
        (np.float32, {}),
        (ml_dtypes.bfloat16, {"compute_dtype": "float32"}),
    ],
)
def test_the_parts_of_a_gradient_round_alike_by_both_kernels(
    actions, masked, dtype, settings, monkeypatch
):
    ours, theirs = both(actions, masked, dtype, **settings)
    expected = theirs.tolerances
    without_numpy(monkeypatch)
    for found, of_numpy in zip(ours.tolerances, expected, strict=True):
        assert found.strides == ours.p.strides
        np.testing.assert_allclose(found, of_numpy, rtol=1e-9)


def test_where_a_part_is_not_laid_out_numpy_says_how_it_rounds(monkeypatch):
    ours, theirs = both(7)
    monkeypatch.setattr(compiled, "tolerance_of", lambda *_: None)
    for found, expected in zip(ours.tolerances, theirs.tolerances, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("actions", [7, 300])
@pytest.mark.parametrize("masked", [0.0, 0.4])
def test_where_a_gradient_is_wrong_is_said_alike_by_both_kernels(actions, masked):
    ours, theirs = both(actions, masked)
    assert (ours.wrong_rows == theirs.wrong_rows).all()
    assert (ours.where_wrong.number == theirs.wrong.sum(axis=0)).all()
    assert (ours.sums_wrong == theirs.sums_wrong).all()
    assert ours.ranges.keys() == theirs.ranges.keys() == {"pi", "|Q|", "entropy"}
    for name, ends in theirs.ranges.items():
        assert ours.ranges[name] == pytest.approx(ends, rel=1e-12)
    some = np.array([3, 77])
    assert (ours.wrong_of(some) == theirs.wrong[:, some]).all()
    assert ours.wrong.all() == (masked == 0.0)


@pytest.mark.parametrize("actions", [7, 300])
@pytest.mark.parametrize("masked", [0.0, 0.4])
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_a_multiple_of_the_right_gradient_is_judged_without_a_policy(actions, masked, off):
    ours, theirs = both(actions, masked, entire=False, off=off)
    negated = Hypothesis(RIGHT, (-1.0, -1.0))
    found, expected = (asdict(judge(each, negated)) for each in (ours, theirs))
    of_rounding = {"left", "worst"} if off == 0.0 else {"left"}  # which is that of two kernels
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.3 if name in of_rounding else 0.01), name
    assert found["failed"] == (off > 0.0)
    assert "policy" not in vars(ours.e.kernel) or off
    found, expected = (asdict(Profile.of(each)) for each in (ours, theirs))
    assert (found.pop("by_action") == expected.pop("by_action")).all()
    ranges = found.pop("ranges")
    for name, ends in expected.pop("ranges").items():
        assert ranges[name] == pytest.approx(ends, rel=1e-12)
    assert found == expected
