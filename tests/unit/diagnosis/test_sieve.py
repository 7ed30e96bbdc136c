"""The sieve's fit and its doubts, beside plain linear algebra and numbers chosen by hand."""

from dataclasses import asdict, replace

import ml_dtypes
import numpy as np
import pytest

from softcheck.checks.fit import Factor, Parameter
from softcheck.diagnosis import hypothesis, sieve
from softcheck.diagnosis.hypothesis import Coarse, Evidence, Hypothesis, judge, predict
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.ratio import LOG_BASE_2
from softcheck.diagnosis.mistakes.record import Read
from softcheck.diagnosis.mistakes.terms import DETACHED_POLICY, MISSING_BASELINE
from softcheck.diagnosis.states import part
from softcheck.gradient.tolerance import Precision
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays


def columns(seed, count=200, correlation=0.0):
    """Return two columns; of a correlation of 1 they are multiples of each other."""
    a, other = np.random.default_rng(seed).normal(size=(2, count))
    return a, correlation * 3.0 * a + (1.0 - correlation) * other


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.99, 0.9999])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_the_normal_equations_have_the_solution_of_least_squares(correlation, scale):
    a, b = columns(1, correlation=correlation)
    target = np.random.default_rng(2).normal(size=a.size)
    (x, y), *_ = np.linalg.lstsq(np.stack([a, b], axis=1), target, rcond=1e-15)
    # They square the condition of the columns; a scale of one is none of the other.
    determinant = 1.0 - np.corrcoef(a, b)[0, 1] ** 2
    b *= scale
    found = sieve.Normal.of(a, b).solve(float(a @ target), float(b @ target))
    assert found == pytest.approx((x, y / scale), rel=1e-14 / determinant)


def test_of_parallel_columns_both_numbers_are_the_same():
    a, b = columns(3, correlation=1.0)
    target = 0.7 * (a + b)
    found = sieve.Normal.of(a, b).solve(float(a @ target), float(b @ target))
    assert found == pytest.approx((0.7, 0.7), rel=1e-12)


def test_a_column_of_zeros_leaves_the_other_number():
    a, _ = columns(4)
    zero = np.zeros_like(a)
    target = -2.5 * a
    assert sieve.Normal.of(a, zero).solve(float(a @ target), 0.0)[0] == pytest.approx(-2.5)
    assert sieve.Normal.of(zero, a).solve(0.0, float(a @ target))[1] == pytest.approx(-2.5)


SHAPE = (40, 5)
Q, LOGITS = np.random.default_rng(5).normal(size=(2, *SHAPE))


def view(grad=None, *, q=Q, alpha=0.3, x=1.0, y=1.0):
    """Return all states of a case whose gradient is x a + y b, unless one is given."""
    p = np.exp(LOGITS)
    p /= p.sum(axis=1, keepdims=True)

    def centred(w):
        return p * (w - (p * w).sum(axis=1, keepdims=True))

    if grad is None:
        grad = -x * centred(q) + y * alpha * centred(np.log(p))
    arrays = {"q": q, "logits": LOGITS, "alpha": np.array(alpha), "grad": grad}
    return part(case_from_arrays(arrays), Settings(), 0, ())


@pytest.mark.parametrize(("x", "y"), [(1.0, 1.0), (0.37, -4.2), (-1e9, 1e3), (2.0, 0.0)])
def test_the_fit_finds_the_numbers(x, y):
    made = view(x=x, y=y)
    found = sieve.fit(made, RIGHT.columns(made))
    assert found.x == pytest.approx(x, rel=1e-9, abs=1e-12 * abs(y))
    assert found.y == pytest.approx(y, rel=1e-9, abs=1e-9 * abs(x))
    assert found.informed
    assert found.fits(x, y)
    assert not found.fits(1.01 * x, y)


def test_the_misfit_grows_as_the_squares_of_what_is_left_do():
    made = view(q=LOGITS + 0.1 * Q, x=2.0, y=3.0)  # the two parts are nearly parallel
    found = sieve.fit(made, RIGHT.columns(made))
    a, b = RIGHT.columns(made).values
    unit = sieve.predict(made, Hypothesis(RIGHT, (2.0, 3.0))).tolerance
    for dx, dy in ((1e-9, 0.0), (0.0, 1e-8), (-3e-9, 1e-8)):
        left = (dx * a + dy * b) / unit
        grown = found.misfit_at(found.x + dx, found.y + dy) - found.misfit
        # The weights of the fit are those of its own rounding.
        assert grown == pytest.approx(float((left**2).sum()), rel=1e-3)


def test_noise_is_no_fit_and_no_number_is_told_by_zeros():
    made = view(np.random.default_rng(7).normal(size=SHAPE))
    assert sieve.fit(made, RIGHT.columns(made)) is None
    made = view(np.zeros(SHAPE), q=np.zeros(SHAPE), alpha=0.0)
    assert not sieve.fit(made, RIGHT.columns(made)).informed


def evidence(**changed):
    """Return good evidence, changed: much is mended, nothing left, by many bits."""
    seen = {"entries": 200, "live": 200, "failed": 0, "worst": 0.5}
    good = {"mended": 100, "bits": 1e3, "left": 0.0, "right": 1e6, "size": 1e6, "grain": 0.0}
    return Evidence(**seen | good | changed)


def named(read=0.0):
    """Return a hypothesis of cost 1 that reads so many bits off the gradient."""
    (formula,) = MISSING_BASELINE.formulas
    code = MISSING_BASELINE.code
    return Hypothesis(replace(formula, code=code, read=Read(bits=lambda _: read)), (1.0, 1.0))


@pytest.mark.parametrize(
    ("changed", "is_credible"),
    [
        ({}, True),
        ({"mended": 0}, False),
        ({"left": 5e5, "size": 1e8}, False),  # half of what the right gradient leaves
        ({"left": 5e4}, True),
        ({"left": 5e4, "size": 1e5}, False),  # half of the gradient
        ({"bits": 5.0}, False),  # of a thousand hypotheses some would hit so well by chance
        ({"bits": 15.0}, True),
    ],
)
def test_only_what_mends_much_and_leaves_little_is_credible(changed, is_credible):
    assert sieve.credible(view(x=2.0), named(), evidence(**changed)) is is_credible


def test_what_was_read_off_the_gradient_is_no_evidence():
    made = view(x=2.0)
    assert sieve.credible(made, named(read=160.0), evidence(bits=200.0))
    assert not sieve.credible(made, named(read=160.0), evidence(bits=165.0))


def test_two_mistakes_need_twice_the_evidence():
    made = view(x=2.0)
    two = replace(named(), codes=(LOG_BASE_2.code,))
    assert sieve.credible(made, two, evidence(bits=25.0))
    assert not sieve.credible(made, two, evidence(bits=15.0))


def test_a_gradient_that_goes_with_the_right_one_is_not_zero():
    zero = Hypothesis(replace(RIGHT, code=DETACHED_POLICY.code), (0.0, 0.0))
    assert not sieve.credible(view(x=1e-13, y=1e-13), zero, evidence())
    noise = 1e-17 * np.random.default_rng(8).normal(size=SHAPE)
    assert sieve.credible(view(noise), zero, evidence())
    assert sieve.credible(view(x=1e-13, y=1e-13), zero, evidence(size=0.0))


@pytest.mark.parametrize(
    ("changed", "is_credible"),
    [
        ({}, True),
        ({"long": 1}, False),  # an entry, right or wrong, that bfloat16 would have rounded
        ({"nonzero": 1, "full": 1}, False),  # few entries: they may be short by chance
        ({"full": 20}, False),  # rounded to fewer digits
        ({"zero": 9}, False),  # set to 0
        ({"mended": 0}, False),
        ({"off": 8.0}, False),  # errors of a fifth of what entries are made of
    ],
)
def test_coarse_arithmetic_is_known_by_its_marks(changed, is_credible):
    coarse = Hypothesis(RIGHT, (1.0, 1.0), coarse=Coarse(Precision.BFLOAT16, Precision.BFLOAT16))
    marks = evidence(**{"nonzero": 200, "full": 99} | changed)
    assert sieve.credible(view(x=2.0), coarse, marks) is is_credible


def factors(scale, alpha):
    """Return what a fit of SAC finds."""
    return [Factor("scale", (0,), scale), Factor("alpha", (1,), alpha)]


def found_in(computed, scale=None, ratio=None):
    """Return the names for a scale and a ratio of (value, standard error, tolerance)."""
    dtype = {Precision.FLOAT32: np.float32, Precision.BFLOAT16: ml_dtypes.bfloat16}[computed]
    arrays = {"q": Q, "logits": LOGITS, "alpha": np.array(0.25), "grad": Q.astype(dtype)}
    made = part(case_from_arrays(arrays), Settings(), 0, ())

    def parameter(number):
        if number is None:
            return None
        value, error, tolerance = number
        return Parameter(value, tolerance, error)

    found = sieve.of_fit(factors(parameter(scale), parameter(ratio)), made)
    return ["+".join(each.names) for each in found]


def test_a_small_scale_is_no_mean_over_states_unless_it_is_that():
    one = (1.0, 1e-6, 1e-4)
    states = 1 / SHAPE[0]
    assert found_in(Precision.FLOAT32, (states, 1e-6, 0.01), one) == ["mean-over-states"]
    for scale in (1e-6, 0.5 * states, 0.99 * states):
        assert found_in(Precision.FLOAT32, (scale, 1e-6, 0.05), one) == ["other-scale"]


def test_a_rounded_alpha_is_within_the_standard_error_of_the_fit():
    one = (1.0, 1e-7, 1e-4)
    alpha = np.float32(ml_dtypes.bfloat16(0.3)) / 0.3
    arrays = {"q": Q, "logits": LOGITS, "alpha": np.array(0.3), "grad": Q.astype(np.float32)}
    made = part(case_from_arrays(arrays), Settings(), 0, ())
    near, far = (
        factors(Parameter(*one[::2], 1e-7), Parameter(x, 1e-4, 1e-7)) for x in (alpha, 0.9981)
    )
    assert [each.names for each in sieve.of_fit(near, made)] == [("alpha-rounded",)]
    assert [each.names for each in sieve.of_fit(far, made)] == [("other-alpha",)]


def test_an_exact_number_is_named_however_wide_the_tolerance_of_coarse_arithmetic():
    doubled = (1.99972, 0.0016, 0.2)
    assert found_in(Precision.BFLOAT16, (1.0, 1e-3, 0.1), doubled) == ["alpha-doubled"]


@pytest.mark.parametrize("scale", [-1.0, 0.25])
def test_the_right_gradient_times_a_number_is_bounded_as_what_passes(scale):
    """Parts of their own would have up to seven times the tolerance here."""
    logits = 10.0 * LOGITS
    case = case_from_arrays({"q": Q, "logits": logits, "alpha": 1.0, "grad": np.zeros(SHAPE)})
    view = part(case, Settings(), 0, [0])
    scaled = predict(view, Hypothesis(RIGHT, (scale, scale)))
    np.testing.assert_allclose(scaled.value, scale * view.right.expected, rtol=1e-12)
    np.testing.assert_allclose(scaled.tolerance, abs(scale) * view.right.tolerance, rtol=1e-9)
    apart = predict(view, Hypothesis(RIGHT, (scale, scale * (1.0 + 1e-12))))
    assert (apart.tolerance / scaled.tolerance).max() > 3.0


def test_some_states_are_evidence_enough_unless_they_were_chosen(monkeypatch):
    negated, made = view(x=-1.0, y=-1.0), Hypothesis(RIGHT, (-1.0, -1.0))
    chosen = replace(made, in_part=True)
    whole = judge(negated, made)
    monkeypatch.setattr(hypothesis, "_ENOUGH", 10)
    few, all_ = judge(negated, made), judge(negated, chosen)
    assert 0.2 < few.bits / whole.bits < 0.3
    assert all_.bits == whole.bits
    assert replace(few, bits=0.0) == replace(whole, bits=0.0)


def by_loop(view):
    """Return some states as they are where what can be compiled is."""
    return replace(view, shared=replace(view.shared, is_compiled=True))


@pytest.mark.parametrize("enough", [10, 1000])
@pytest.mark.parametrize("numbers", [(-1.0, -1.0), (0.5, 2.0)])
def test_the_compiled_loop_judges_what_is_reproduced_as_numpy_does(numbers, enough, monkeypatch):
    found, made = view(), Hypothesis(RIGHT, numbers)
    value, tolerance, _ = predict(found, made)
    found = view((value + tolerance * np.random.default_rng(2).uniform(-0.5, 0.5, value.shape)).T)
    monkeypatch.setattr(hypothesis, "_ENOUGH", enough)
    theirs = asdict(judge(found, made))
    monkeypatch.setattr(hypothesis, "_predicted", None)
    assert asdict(judge(by_loop(found), made)) == pytest.approx(theirs, rel=1e-9)
    assert theirs["mended"] > 150


@pytest.mark.parametrize("other", [7.0, np.nan, np.inf])
def test_the_compiled_loop_leaves_the_rest_to_numpy(other):
    grad, made = view(x=-1.0, y=-1.0).grad.T.copy(), Hypothesis(RIGHT, (-1.0, -1.0))
    grad[-1, -1] = other
    assert judge(by_loop(view(grad)), made) == judge(view(grad), made)


def test_the_compiled_loop_leaves_states_that_weigh_nothing_to_numpy():
    arrays = {"q": Q, "logits": LOGITS, "alpha": np.array(0.3), "weights": np.arange(40) % 3}
    grad = view(x=-1.0, y=-1.0).grad.T * arrays["weights"][:, np.newaxis]
    found = part(case_from_arrays(arrays | {"grad": grad}), Settings(tolerance_factor=0.1), 0, ())
    assert (found.per_tolerance == 0.0).any()
    made = Hypothesis(RIGHT, (-1.0, -1.0))
    assert judge(by_loop(found), made) == judge(found, made)
    assert judge(found, made).reproduces


@pytest.mark.parametrize("other", [7.0, np.nan])
def test_what_is_not_reproduced_is_no_evidence(other):
    whole, made = view(x=-1.0, y=-1.0), Hypothesis(RIGHT, (-1.0, -1.0))
    grad = whole.grad.T.copy()
    grad[3] = other
    evidence, without = (
        judge(view(grad), made),
        judge(whole.of_rows(np.flatnonzero(np.arange(40) != 3)), made),
    )
    assert evidence.mended == without.mended == 39 * 5
    for name in ("left", "right", "size", "bits"):
        assert getattr(evidence, name) == pytest.approx(getattr(without, name), rel=1e-6)
