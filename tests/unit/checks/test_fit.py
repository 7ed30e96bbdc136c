"""The scale and temperature of a gradient, beside what least squares finds by other means."""

import functools
import math

import evaluations
import ml_dtypes
import numpy as np
import pytest
from fits import ALPHA, coarse, moments, parts, tables, wrong
from scipy import stats
from states import State, true_gradient

from softcheck.checks import every, fit
from softcheck.gradient.tolerance import Precision
from softcheck.losses import load
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case


def fitted(total):
    """Return the scale and what alpha is off by."""
    scale, alpha = fit.fitted(total)
    assert (scale.name, alpha.name) == ("scale", "alpha")
    return scale.found, alpha.found


def by_least_squares(a, b, grad, tolerance):
    used = np.isfinite(grad) & (tolerance > 0.0)
    columns = np.stack([a[used], b[used]], axis=1) / tolerance[used, np.newaxis]
    x, y = np.linalg.lstsq(columns, grad[used] / tolerance[used])[0]
    return x, y / x


@pytest.mark.parametrize("kind", ["plain", "wide", "masked", "not finite", "overflow", "weights"])
def test_the_fit_is_weighted_least_squares(kind):
    arrays, a, b = wrong(1, actions=70 if kind == "wide" else 5, masked=kind == "masked")
    weights = np.ones(40)
    if kind == "not finite":
        arrays["grad"][[3, 4], [0, 2]] = np.nan, np.inf
    elif kind == "overflow":
        arrays["q"][5, :2] = 1.7e308, -1.7e308
    elif kind == "weights":
        weights = np.random.default_rng(2).uniform(0.1, 1.0, size=40)
        weights[::7] = 0.0
        arrays |= {"weights": weights, "grad": arrays["grad"] * weights[:, np.newaxis]}
    total, tolerance = moments(arrays)
    of_loss = weights[:, np.newaxis]
    x, ratio = by_least_squares(a * of_loss, b * of_loss, arrays["grad"], tolerance)
    scale, alpha = fitted(total)
    assert scale.value == pytest.approx(x, rel=1e-9)
    assert alpha.value == pytest.approx(ratio, rel=1e-9)
    assert total.skipped == {"not finite": 2, "overflow": 1}.get(kind, 0)
    assert total.states == np.count_nonzero(weights) - (kind == "overflow")


def sandwich(a, b, grad, tolerance):
    """Return the standard error of the scale, clustered by state, from its textbook form."""
    columns = np.stack([a, b], axis=-1) / tolerance[..., np.newaxis]
    bread = np.linalg.inv(np.einsum("saj,sak->jk", columns, columns))
    x = bread @ np.einsum("saj,sa->j", columns, grad / tolerance)
    scores = np.einsum("saj,sa->sj", columns, grad / tolerance - columns @ x)
    return math.sqrt((bread @ scores.T @ scores @ bread)[0, 0])


def test_the_standard_error_is_that_of_sums_over_states():
    arrays, a, b = wrong(3, states=300)
    total, tolerance = moments(arrays)
    expected = sandwich(a, b, arrays["grad"], tolerance)
    known = math.sqrt(total.repeats())  # counted but for a few
    assert known < 1.02
    assert fitted(total)[0].error == pytest.approx(expected * known, rel=1e-3)


def test_standard_errors_know_that_states_repeat():
    arrays, *_ = wrong(6, states=200)
    once, _ = fitted(moments(arrays)[0])
    repeated = {name: np.tile(table, (25, 1)) for name, table in arrays.items()}
    many, _ = fitted(moments(repeated)[0])
    assert many.error == pytest.approx(once.error, rel=0.2)


def test_a_flipped_sign_of_entropy_is_no_wrong_scale():
    # Where y is -1 the terms of the covariance cancel, and a standard error of 1e-12 is lost.
    for seed in range(20):
        q, logits = tables(seed, 1000)
        a, b = parts(q, logits)
        noise = 1e-10 * np.random.default_rng(seed).normal(size=q.shape)
        grad = (a - b) * (1.0 + noise)
        total, _ = moments({"q": q, "logits": logits, "grad": grad})
        check = fit.check(total, {"alpha": ALPHA})
        assert check.failed == 1
        assert "scale fitted 1.0000000" in check.summary
        assert "alpha fitted -0.25" in check.summary


RIGHT = {
    Precision.FLOAT64: 3.5e-16,
    Precision.FLOAT32: 1.8e-7,
    Precision.BFLOAT16: 1.2e-2,
    Precision.FLOAT16: 1.4e-3,
}
"""About three roundings, all in one direction, as sums that run naively leave them: no mistake."""

WRONG = {
    Precision.FLOAT64: 1.3e-15,
    Precision.FLOAT32: 4e-7,
    Precision.BFLOAT16: 6e-2,
    Precision.FLOAT16: 5e-3,
}
"""Far less than one entry shows, in which more than a hundred roundings are tolerated: a scale so
far from 1 is a mistake, and so is twice that for alpha."""


@functools.cache
def drawn(states):
    """Return states, and the two parts of their gradients by 80-digit arithmetic."""
    generator = np.random.default_rng(5)
    given = [State(*generator.normal(size=(2, 4)), 0.3) for _ in range(states)]
    a = np.stack([true_gradient(State(s.q, s.logits, 0.0)) for s in given], axis=1)
    return given, a, np.stack([true_gradient(s) for s in given], axis=1) - a


def scaled(x, y, precision, states):
    """Return the outcome of the fit of x a + y b."""
    given, a, b = drawn(states)
    dump = x * a + y * b, precision
    found = every.run(evaluations.evaluation(given, dumps={"gradient": dump}))
    assert not found.tallies["gradient"].failed
    return fit.check(found.moments, {"alpha": 0.3})


@pytest.mark.parametrize("states", [12, 200])
@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_rounding_may_leave_in_one_direction_passes_and_more_does_not(precision, sign, states):
    right, wrong = 1.0 + sign * RIGHT[precision], 1.0 + sign * WRONG[precision]
    assert scaled(right, right, precision, states).failed == 0
    (of_scale,) = [s for s in scaled(wrong, wrong, precision, states).spots if s.ratio > 1]
    assert of_scale.about == "scale"
    farther = 1.0 + 2.5 * sign * WRONG[precision]
    assert any(
        spot.ratio > 1 and spot.about == "alpha"
        for spot in scaled(1.0, farther, precision, states).spots
    )


@pytest.mark.parametrize("precision", Precision)
def test_three_states_do_not_tell_a_wrong_scale_from_what_each_rounds(precision):
    """All may err in one direction by chance, and nearly so where one in 12 does not."""
    wrong = 1.0 + WRONG[precision]
    assert scaled(wrong, wrong, precision, 3).failed == 0


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("states", [20, 50, 400])
def test_standard_errors_of_few_states_are_widened_as_students_t_is(states, times):
    arrays = {name: np.tile(x, (times, 1)) for name, x in wrong(3, states=states)[0].items()}
    scale, _ = fitted(moments(arrays)[0])
    expected = stats.t.isf(stats.norm.sf(6.0), states - 1)
    assert expected <= scale.tolerance / scale.error <= 2.0 * expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("of", ["scale", "alpha"])
def test_errors_that_move_a_factor_as_far_as_they_can_are_no_wrong_factor(of, sign):
    """Of terms that are nearly alike an error in favour of one is an error against the other."""
    q, logits = tables(18, 300)
    q = 0.3 * q - logits
    a, b = parts(q, logits)
    given = {"q": q, "logits": logits}
    in_float32 = Settings(compute_dtype="float32")
    _, tolerance = moments(given | {"grad": a + b}, settings=in_float32)
    columns = np.stack([(x / tolerance).ravel() for x in (a, b)], axis=1)
    lever = np.linalg.pinv(columns)
    row = {"scale": lever[0], "alpha": lever[1] - lever[0]}[of]
    off = sign * np.sign(row).reshape(q.shape) * tolerance
    for part, failed in ((1.0 / 400.0, 0), (1.0 / 20.0, 2)):
        total, _ = moments(given | {"grad": a + b + part * off}, settings=in_float32)
        assert fit.check(total, {"alpha": ALPHA}).failed == failed


def test_a_gradient_that_is_0_everywhere_says_nothing_of_its_factors():
    zero = np.zeros((40, 5))
    total, _ = moments({"q": zero, "logits": zero, "grad": zero})
    tally = fit.check(total, {"alpha": ALPHA})
    assert (tally.live, tally.failed) == (0, 0)
    assert tally.summary == (
        "scale cannot be told from this data; alpha cannot be told from this data; "
        "a gradient of the opposite sign would look the same"
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rewards_so_large_that_no_sign_is_seen_tell_no_factor(sign):
    """Near 1e16 every other integer is a number: a gradient is less than one rounding."""
    q, logits = tables(20, 4000)
    q = np.rint(q) * 2.0
    grad = sign * sum(parts(q, logits))
    total, tolerance = moments({"q": 1e16 + q, "logits": logits, "grad": grad})
    assert (np.abs(grad) < 0.5 * tolerance).all()
    tally = fit.check(total, {"alpha": ALPHA})
    assert (tally.live, tally.failed) == (0, 0)
    assert tally.summary.endswith("a gradient of the opposite sign would look the same")


def test_noise_that_has_a_sign_and_no_factor_is_seen():
    q, logits = tables(19, 8)
    grad = np.random.default_rng(21).normal(size=q.shape)
    total, _ = moments({"q": q, "logits": logits, "grad": grad})
    tally = fit.check(total, {"alpha": ALPHA})
    assert (
        tally.summary == "scale cannot be told from this data; alpha cannot be told from this data"
    )
    assert (tally.live, tally.failed) == (1, 0)


def test_states_without_leverage_do_not_count_for_an_error():
    """Of nearly equal logits entropy has no gradient: 20 states in 400 tell what alpha is."""
    q, logits = tables(16, 400)
    logits[20:] *= 1e-6
    a, b = parts(q, logits)
    noise = 1e-3 * np.random.default_rng(17).normal(size=q.shape)
    scale, alpha = fitted(moments({"q": q, "logits": logits, "grad": (a + b) * (1.0 + noise)})[0])
    expected = stats.t.isf(stats.norm.sf(6.0), 19)
    for each in (scale, alpha):
        assert each.tolerance / each.error >= expected


def test_a_scale_eight_standard_errors_from_one_is_no_noise():
    """As wide as `SIGMAS` says: 6 standard errors, of which chance exceeds one in 5e8."""
    q, logits = tables(7, 3000)
    a, b = parts(q, logits)
    noise = 1e-3 * np.random.default_rng(8).normal(size=q.shape)
    grad = (a + b) * (1.0 + noise)
    total, tolerance = moments({"q": q, "logits": logits, "grad": grad})
    error = sandwich(a, b, grad, tolerance)
    x, _ = by_least_squares(a, b, grad, tolerance)
    assert abs(x - 1.0) < 3.0 * error
    assert fit.check(total, {"alpha": ALPHA}).failed == 0
    total, _ = moments({"q": q, "logits": logits, "grad": grad * (1.0 + 9.3e-5)})
    assert 7.0 * error < abs(x + 9.3e-5 - 1.0) < 10.0 * error
    assert fit.check(total, {"alpha": ALPHA}).failed == 1


def fitted_of(loss, grad, **arrays):
    """Return what the report says of the fit of a gradient that was computed in float32."""
    arrays = {"logits": tables(9, 400)[1], "grad": grad} | arrays
    settings = Settings(compute_dtype="float32")
    made = verify_case(case_from_arrays(arrays, declared=Declared(load(loss))), settings)
    (check,) = [check for check in made.checks if check.name == "fit"]
    return check


def of_label(logits, labels, weight):
    """Return the gradient of -weight log pi(label)."""
    pi = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return weight[:, np.newaxis] * (pi - np.eye(logits.shape[1])[labels])


@pytest.mark.parametrize(("times", "status"), [(1.0, Status.PASSED), (1.001, Status.FAILED)])
def test_the_weight_of_the_entropy_is_told_by_its_own_name(times, status):
    generator = np.random.default_rng(10)
    labels, advantages = generator.integers(5, size=400), generator.normal(size=400)
    logits = tables(9, 400)[1]
    grad = of_label(logits, labels, advantages) + times * parts(np.zeros_like(logits), logits)[1]
    given = {"actions": labels, "advantages": advantages, "entropy_coef": ALPHA}
    check = fitted_of("reinforce", grad, **given)
    assert check.status == status
    assert "scale fitted 1.0000" in check.reason
    assert f"entropy_coef fitted {times * ALPHA:.5f}" in check.reason


@pytest.mark.parametrize(("times", "status"), [(1.0, Status.PASSED), (1.0001, Status.FAILED)])
def test_a_loss_without_such_a_weight_has_a_scale_alone(times, status):
    labels = np.random.default_rng(10).integers(5, size=400)
    grad = times * of_label(tables(9, 400)[1], labels, np.ones(400))
    check = fitted_of("cross-entropy", grad, labels=labels)
    assert (check.status, check.entries) == (status, 1)
    assert check.reason.startswith("scale fitted")
    assert "alpha" not in check.reason


def test_labels_whose_entries_are_rounded_alike_are_no_wrong_scale():
    """Near 1/5 and -4/5 bfloat16 has few numbers: all that are here round up to the same two."""
    generator = np.random.default_rng(10)
    labels, logits = generator.integers(5, size=400), 1e-4 * generator.normal(size=(400, 5))
    grad = of_label(logits, labels, np.ones(400)).astype(ml_dtypes.bfloat16)
    assert len(np.unique(grad)) == 2
    check = fitted_of("cross-entropy", grad, labels=labels, logits=logits)
    assert check.status == Status.PASSED
    assert "1.00097" in check.reason


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_equal_digits_are_rounded_alike_and_so_are_no_wrong_scale(name):
    """Of q in steps, all actions as likely, a gradient is a few multiples of one number."""
    generator = np.random.default_rng(11)
    q = 4.0 * generator.integers(2, size=(400, 3))
    logits = np.repeat(0.1 * generator.normal(size=(400, 1)), 3, axis=1)
    grad = sum(parts(q, logits))
    stored = coarse(name, grad)
    assert len({math.frexp(abs(x))[0] for x in stored.ravel().tolist() if abs(x) > 1e-9}) == 1
    check = fitted_of("sac", stored, q=q, logits=logits, alpha=ALPHA)
    assert check.status == Status.PASSED
    assert check.worst.ratio > 0.1
    unit = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[name]
    check = fitted_of("sac", coarse(name, grad, 1.0 + 2.5 * unit), q=q, logits=logits, alpha=ALPHA)
    assert check.status == Status.FAILED


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_digits_that_differ_show_a_scale_far_below_a_rounding(name, sign):
    q, logits = tables(12, 4000)
    grad = sum(parts(q, logits))
    given = {"q": q, "logits": logits, "alpha": ALPHA}
    off = {"bfloat16": 2.0**-12, "float16": 2.0**-15}[name]
    assert fitted_of("sac", coarse(name, grad), **given).status == Status.PASSED
    wrong = coarse(name, grad, 1.0 + sign * off)
    assert fitted_of("sac", wrong, **given).status == Status.FAILED


@pytest.mark.parametrize(
    ("times", "scale", "status"), [(1.0, "1.047", Status.PASSED), (2.0, "2.095", Status.FAILED)]
)
def test_a_factor_that_was_rounded_is_no_wrong_scale(times, scale, status):
    """Ten and a half of the smallest numbers of float16 are eleven, once they are rounded."""
    q, logits = 300.0 * tables(14, 400)
    quantum = 2.0**-24
    grad = times * (11.0 * quantum * sum(parts(q, logits / 300.0))).astype(np.float16)
    given = {"q": q, "logits": logits / 300.0, "grad": grad, "alpha": ALPHA}
    case = case_from_arrays(given | {"weights": np.full(400, 10.5 * quantum)})
    checks = {check.name: check for check in verify_case(case, Settings()).checks}
    assert f"scale fitted {scale}" in checks["fit"].reason
    assert checks["fit"].status == status


@pytest.mark.parametrize(("off", "status"), [(0.0156, Status.PASSED), (0.05, Status.FAILED)])
def test_normalisers_that_are_rounded_alike_are_no_wrong_scale(off, status):
    """Of nearly equal logits about 30 all are 31.61, and 31.625 once they are rounded."""
    q, noise = tables(15, 400)
    logits = (30.0 + 1e-3 * noise).astype(np.float16).astype(float)
    assert math.log(5) + 30.0 == pytest.approx(31.61, abs=0.001)
    grad = ((1.0 - off) * sum(parts(q, logits))).astype(np.float16)
    given = {"q": q, "logits": logits, "grad": grad, "alpha": ALPHA}
    checks = {each.name: each for each in verify_case(case_from_arrays(given), Settings()).checks}
    assert checks["gradient"].failed == 0
    assert checks["fit"].status == status


@pytest.mark.parametrize(("times", "status"), [(1.0, Status.PASSED), (1.25, Status.FAILED)])
def test_equal_normalisers_are_rounded_alike_and_are_no_wrong_alpha(times, status):
    """Clipped logits have one normaliser, and what it is rounded by is in all values alike."""
    generator = np.random.default_rng(23)
    logits = np.full((400, 9), -13.5, np.float32)
    logits[np.arange(400), generator.integers(9, size=400)] = 0.0
    q = (1000.0 + generator.normal(size=logits.shape)).astype(np.float32)
    pi = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    g = np.float32(1e-3 * times) * np.log(pi) - q
    grad = pi * (g - (pi * g).sum(axis=-1, keepdims=True))
    check = fitted_of("sac", grad, q=q, logits=logits, alpha=1e-3)
    assert abs(float(check.reason.split("alpha fitted ")[1].split()[0]) / times / 1e-3 - 1) > 5e-3
    assert check.status == status


@pytest.mark.parametrize(("off", "status"), [(0.0, Status.PASSED), (3e-6, Status.FAILED)])
def test_digits_that_all_states_lose_of_a_normaliser_are_no_wrong_scale(off, status):
    """Beside logits of -20, of which a digit is 1.9e-6, a log Z of 1e-6 is one digit or none."""
    generator = np.random.default_rng(25)
    labels = generator.integers(424, size=40)
    logits = generator.normal(scale=0.02, size=(40, 424)).astype(np.float32)
    logits[np.arange(40), labels] += np.float32(19.9)
    z = logits - logits.max(axis=-1, keepdims=True)
    log_Z = np.log(np.exp(z).sum(axis=-1, keepdims=True))
    assert 0.4 < log_Z.min() / np.spacing(np.float32(19.9)) < log_Z.max() / 1.9e-6 < 0.7
    grad = np.exp(z - log_Z) - np.eye(424, dtype=np.float32)[labels]
    check = fitted_of("cross-entropy", grad * (1.0 - off), labels=labels, logits=logits)
    assert check.status == status
