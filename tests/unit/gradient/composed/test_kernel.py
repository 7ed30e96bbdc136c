"""Losses as programs as the checks take them: against 160 digits, PyTorch and wrong losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from programs import (
    EXAMPLES,
    Example,
    Sample,
    Torch,
    adversarial,
    known,
    moved_value,
    ordinary,
    true_value,
)

from softcheck.gradient.composed.evaluate import Running
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.composed.running import ZERO, Rounded
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.tolerance import TINY, Precision, U

NAMED = pytest.mark.parametrize("name", EXAMPLES)
MAKERS = pytest.mark.parametrize("make", [ordinary, adversarial])


def kernel(example, sample, slope=None):
    loss, right = example.programs()
    block = Block(np.zeros(sample.logits.shape), sample.logits, np.zeros(1), data=sample.data)
    return Composed(loss, slope or right, block, Buffers())


def ratio(x, y, tolerance):
    off = np.abs(x - y)
    return np.divide(off, tolerance, out=np.zeros_like(off), where=off > 0.0).max(initial=0.0)


@NAMED
@MAKERS
def test_both_numeric_sides_agree_with_the_gradient(name, make):
    sample = make(actions=17, rows=200, seed=1)
    e = kernel(EXAMPLES[name], sample)
    for side in (e.complex_step, e.central_difference):
        value, error = side()
        both = U * (error.each + e.bounds.rounding.each)
        assert ratio(value, e.gradient, both) <= 1.0
        assert (value[~sample.legal] == 0.0).all()
        live = (e.policy.pi > 0.0) & (e.scale > 0.0)
        assert (error.each <= error.relative * e.scale * (1.0 + 4.0 * U))[live].all()


@NAMED
def test_ordinary_tables_are_seen_sharply(name):
    e = kernel(EXAMPLES[name], ordinary(actions=17, rows=200, seed=1))
    for error in (e.bounds.rounding, e.complex_step()[1], e.central_difference()[1]):
        assert np.median(U * error.each / e.scale) < 1e-13
    assert (np.abs(e.gradient) <= e.scale).all()
    assert (e.policy.pi * e.bounds.size <= e.scale).all()


def scaled(term):
    return lambda m: term(m) * 1.001


def mistakes():
    """Yield a loss, and one whose gradient is wrong by a term or by a thousandth of one."""
    for name in ("k2", "renyi", "variance", "poly-1", "z-loss", "half-of-jensen-shannon"):
        right = EXAMPLES[name]
        yield pytest.param(right, Example(scaled(right.value), scaled(right.weight)), id=name)
    k2 = EXAMPLES["k2"]
    dropped = lambda m: m.pi * (m.table("rho") - m.log_pi) ** 2 * 0.5  # noqa: E731
    yield pytest.param(k2, Example(k2.value, dropped), id="a term is dropped")
    tsallis = EXAMPLES["tsallis"]
    yield pytest.param(tsallis, Example(tsallis.value, lambda m: m.pi**2), id="another power")
    z_loss = EXAMPLES["z-loss"]
    yield pytest.param(z_loss, Example(z_loss.value, z_loss.weight), id="kappa is dropped")


@pytest.mark.parametrize(("right", "wrong"), [*mistakes()])
def test_both_numeric_sides_see_a_wrong_gradient(right, wrong):
    sample = ordinary(actions=6, rows=50)
    e = kernel(right, sample, wrong.programs()[1])
    for side in (e.complex_step, e.central_difference):
        value, error = side()
        seen = np.abs(value - e.gradient) > U * (error.each + e.bounds.rounding.each)
        assert np.count_nonzero(seen) > 0.8 * seen.size


def thousandth(function):
    return lambda *given: function(*given).apply(lambda x: x * 1.001)


def without_last(sum_):
    """Sum all actions but the last."""

    def mutant(self, x):
        if x.value.ndim < 2:
            return sum_(self, x)
        return sum_(self, x.where(np.arange(len(x.value))[:, None] < len(x.value) - 1, ZERO))

    return mutant


def counted_once(sum_):
    """Take the sum of what does not depend on the action for that itself."""
    return lambda self, x: x if x.value.ndim < 2 else sum_(self, x)


def next_action(function):
    def mutant(self, *given):
        data = {name: (x + 1) % self.shape[0] for name, x in self.data.items() if name == "j"}
        return function(replace(self, data=self.data | data), *given)

    return mutant


EVALUATOR = {
    "the sum of a state": (Running, "sum", counted_once, "a-sum-of-one-number"),
    "a sum": (Running, "sum", without_last, "entropy-penalty"),
    "an indicator": (Running, "indicator", next_action, "focal"),
    "an entry": (Running, "at", next_action, "focal"),
    "the exponential": (Rounded, "exp", thousandth, "tsallis-of-a-fraction"),
    "the logarithm": (Rounded, "log", thousandth, "half-of-jensen-shannon"),
    "a quotient": (Rounded, "__truediv__", thousandth, "an-odds"),
    "logsumexp": (Running, "logsumexp", thousandth, "distillation"),
}


@pytest.mark.parametrize("mutant", EVALUATOR)
@np.errstate(all="ignore")
def test_a_broken_evaluator_is_seen(mutant, monkeypatch):
    """Even where both numeric sides share what is broken, exact values do not."""
    owner, name, mutate, of = EVALUATOR[mutant]
    sample = ordinary(actions=6, rows=20)
    assert not disagreeing(EXAMPLES[of], sample).any()
    monkeypatch.setattr(owner, name, mutate(getattr(owner, name)))
    assert disagreeing(EXAMPLES[of], sample).mean() > 0.3


def disagreeing(example, sample):
    """Return where the gradient is not what a numeric side or an exact value says."""
    e = kernel(example, sample)
    off = [
        np.abs(value - e.gradient) > U * (error.each + e.bounds.rounding.each)
        for value, error in (e.complex_step(), e.central_difference())
    ]
    rows = range(sample.logits.shape[1])
    columns = [kernel(example, sample.columns(slice(row, row + 1))) for row in rows]
    exact = np.array([column.exact(range(6)) for column in columns]).T
    off.append(np.abs(exact - e.gradient) > U * e.bounds.rounding.each)
    return np.any(off, axis=0)


@NAMED
@MAKERS
def test_a_change_keeps_its_digits(name, make):
    """However small the step, against L(theta + step) - L(theta) in 160 digits."""
    example, (sample, *_) = EXAMPLES[name], known(name, make)
    e = kernel(example, sample)
    for size in (1e-3, 1e-12):
        generator = np.random.default_rng(3)
        step = np.where(sample.legal, generator.uniform(-size, size, sample.logits.shape), 0.0)
        value, error = e.change(step, np.full(30, size))
        for row in range(0, 30, 5):
            change = moved_value(example, sample, row, step) - true_value(example, sample, row)
            assert abs(value[row] - change) <= U * error[row]
        if make is ordinary:
            assert np.median(U * error / np.abs(value)) < 1e-11


@NAMED
@MAKERS
def test_a_step_along_the_gradient_changes_the_loss_by_its_square(name, make):
    e = kernel(EXAMPLES[name], make(actions=6, rows=100))
    eta = 1.0 / (16.0 * np.maximum(e.curvature, TINY))
    step = -eta * e.gradient
    fall = (e.gradient * step).sum(axis=0)
    change, rounding = e.change(step, np.abs(step).max(axis=0))
    assert (np.abs(change - fall) <= np.abs(fall) / 8.0 + U * rounding + 1e-300).all()


@NAMED
@MAKERS
def test_the_sum_of_a_gradient_is_what_logsumexp_does(name, make):
    sample, _, truth = known(name, make)
    e = kernel(EXAMPLES[name], sample)
    value, rounding, scale = e.row_sum
    assert (np.abs(value - e.gradient.sum(axis=0)) <= U * rounding).all()
    assert (np.abs(truth.sum(axis=0) - value) <= U * rounding).all()
    if EXAMPLES[name].kappa is None:
        assert not value.any()
    if make is ordinary:
        assert np.median(U * rounding / scale) < 1e-13


@NAMED
def test_the_value_of_a_loss(name):
    sample, truth, _ = known(name, ordinary)
    value, rounding, scale = kernel(EXAMPLES[name], sample).value
    assert (np.abs(truth - value) <= U * rounding).all()
    assert (np.abs(value) <= scale).all()
    assert np.median(U * rounding / scale) < 1e-13


def plain(x):
    return x.detach().double().numpy() if x.is_floating_point() else x.numpy()


def of_autograd(example, sample, dtype):
    """Return the sample as it is in a precision, and the gradient that PyTorch has for it."""

    def tensor(x):
        return torch.tensor(x, dtype=None if x.dtype.kind == "i" else dtype)

    logits = tensor(sample.logits).requires_grad_()
    data = {name: tensor(x) for name, x in sample.data.items()}
    example.value(Torch(logits, data)).sum().backward()
    rounded = Sample(plain(logits), {name: plain(x) for name, x in data.items()})
    return rounded, plain(logits.grad)


def far(sample, offset):
    return Sample(sample.logits + offset, sample.data)


@NAMED
@pytest.mark.parametrize(
    ("dtype", "precision"),
    [(torch.float32, Precision.FLOAT32), (torch.float64, Precision.FLOAT64)],
    ids=str,
)
@pytest.mark.parametrize("actions", [6, 1000])
def test_right_gradients_of_pytorch_are_within_their_tolerance(name, dtype, precision, actions):
    for scale, offset in ((1.0, 0.0), (6.0, 0.0), (1.0, -300.0), (0.01, 30.0)):
        sample = far(ordinary(actions, rows=10, seed=actions, scale=scale), offset)
        sample, gradient = of_autograd(EXAMPLES[name], sample, dtype)
        e = kernel(EXAMPLES[name], sample)
        underflow = precision.underflow * (1.0 + e.weight_of_underflow)
        tolerance = precision.tolerated * e.dump_rounding + underflow
        # PyTorch adds 1,000 equal gradients to 2.7 bounds; all others stay below 0.6.
        assert ratio(gradient, e.gradient, tolerance) < (0.3 if name == "smoothed" else 0.04)
        if scale == 1.0 and not offset:
            assert np.median(tolerance / e.scale) < 2.0**14 * precision.unit


@NAMED
@pytest.mark.parametrize(
    ("dtype", "precision"),
    [(torch.bfloat16, Precision.BFLOAT16), (torch.float16, Precision.FLOAT16)],
    ids=str,
)
@pytest.mark.parametrize("actions", [2, 6, 1000])
def test_so_are_those_that_were_computed_in_16_bits(name, dtype, precision, actions):
    """With K = 2; where PyTorch has infinities instead, float16 ends."""
    for scale in (1.0, 6.0):
        sample = ordinary(actions, rows=10, seed=actions, scale=scale)
        sample, gradient = of_autograd(EXAMPLES[name], sample, dtype)
        e = kernel(EXAMPLES[name], sample)
        gathered = 1.0 + actions * e.policy.pi
        underflow = precision.underflow * (1.0 + e.weight_of_underflow) * gathered
        tolerance = precision.tolerated * e.dump_rounding + underflow
        finite = np.isfinite(gradient).all(axis=0)
        assert ratio(gradient[:, finite], e.gradient[:, finite], tolerance[:, finite]) < 0.5
        assert finite.any() or dtype is torch.float16


@pytest.mark.parametrize("name", ["k2", "k3", "z-loss", "a-mean-of-logits"])
def test_parts_that_were_added_in_16_bits_are_within_their_size(name):
    """Where the softmax, the log-softmax and logsumexp upcast the same logits on their own."""
    made = ordinary(actions=18, rows=40, scale=2.0)
    leaf = torch.tensor(made.logits, dtype=torch.bfloat16).requires_grad_()
    data = {name: torch.tensor(x) for name, x in made.data.items()}
    m = Torch(leaf.double(), data)
    m.log_pi, m.s = torch.log_softmax(leaf.double(), 0), torch.logsumexp(leaf.double(), 0)
    EXAMPLES[name].value(m).sum().backward()
    e = kernel(EXAMPLES[name], Sample(plain(leaf), made.data))
    stored = Precision.BFLOAT16.unit * np.abs(e.gradient)
    size = Precision.BFLOAT16.unit * e.parts(np.arange(40))
    assert ratio(plain(leaf.grad), e.gradient, stored) > 1.0
    assert ratio(plain(leaf.grad), e.gradient, stored + size) < 1.0


def test_a_gradient_that_was_simplified_says_little_of_how_right_code_rounds():
    """As it is written k3 has terms as large as rho where pi is 0; -pi log(rho / pi) has not."""
    sample, gradient = of_autograd(EXAMPLES["k3"], ordinary(6, rows=40, scale=6.0), torch.float64)
    e = kernel(EXAMPLES["k3"], sample)
    assert ratio(gradient, e.gradient, 16.0 * U * e.bounds.rounding.each) > 100.0


@pytest.mark.parametrize("name", ["k2", "variance", "renyi", "focal"])
def test_what_a_late_mask_leaves_is_bounded(name):
    """The mask after the softmax, s = sum m p, pi = m p / s, in float64."""
    sample = adversarial(actions=6, rows=300, seed=8)
    legal = torch.tensor(sample.legal)
    hidden = np.where(sample.legal, sample.logits, sample.logits.max(axis=0) - 1.0)
    logits = torch.tensor(hidden, requires_grad=True)
    m = Torch(logits, {name: torch.tensor(x) for name, x in sample.data.items()})
    p = torch.softmax(logits, 0) * legal
    m.pi = p / p.sum(0)
    m.log_pi = torch.log(torch.where(m.pi > 0, m.pi, 1.0))
    m.sum = lambda x: torch.where(legal, x, 0.0).sum(0)
    EXAMPLES[name].value(m).sum().backward()
    left = logits.grad.numpy()
    bound = np.broadcast_to(U * kernel(EXAMPLES[name], sample).left_where_masked, left.shape)
    masked = ~sample.legal & np.isfinite(left)
    assert np.count_nonzero(left[masked]) > 50
    assert (np.abs(left[masked]) <= bound[masked]).all()


def test_an_offset_of_a_table_does_not_count_as_sight():
    """The variance of q does not see an offset, and its scale does not grow with one."""
    sample = ordinary(actions=6, rows=50)
    moved = Sample(sample.logits, sample.data | {"q": sample.data["q"] + 1e6})
    near, away = (kernel(EXAMPLES["variance"], each) for each in (sample, moved))
    np.testing.assert_allclose(near.scale, away.scale, rtol=1e-8)
    assert (away.bounds.rounding.each > 1e5 * near.bounds.rounding.each).all()


def test_exact_values_are_those_of_the_block():
    sample, _, truth = known("k3", ordinary)
    e = kernel(EXAMPLES["k3"], sample.columns(slice(4, 5)))
    for found, expected in zip(e.exact([0, 5]), truth[[0, 5], 4], strict=True):
        assert abs(found - expected) <= 2.0**-53 * abs(expected)


@NAMED
def test_blocks_of_any_size_give_the_same_digits(name):
    sample = adversarial(actions=20, rows=9, seed=6)
    whole, rows = kernel(EXAMPLES[name], sample), slice(3, 8)
    part = kernel(EXAMPLES[name], sample.columns(rows))
    for each in ("gradient", "scale", "dump_rounding", "left_where_masked", "weight_of_underflow"):
        np.testing.assert_array_equal(getattr(part, each), getattr(whole, each)[..., rows])
    for x, y in zip(part.value, whole.value, strict=True):
        np.testing.assert_array_equal(x, y[rows])
