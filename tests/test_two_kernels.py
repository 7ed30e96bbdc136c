"""Two kernels agree: closed forms and operations of a loss, and NumPy and the compiled loop."""

import compiled_kernel
import numpy as np
import pytest
import wrong_tables
from fixture_cases import walk
from scipy.special import log_softmax

from softcheck.checks import compiled as loop
from softcheck.checks.coefficients import block_of
from softcheck.checks.evaluation import kernel_of
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.definition import Kind
from softcheck.gradient.held import Held
from softcheck.gradient.policy import Block, Buffers
from softcheck.gradient.tolerance import U
from softcheck.losses import load, names
from softcheck.tables.case import case_from_arrays, open_case

VARIANTS = [
    (name, n)
    for name in names()
    for n, variant in enumerate(load(name).variants)
    if variant.family is not None
]
ACTIONS, ROWS = 9, 200


def ordinary(generator):
    return generator.normal(size=(ACTIONS, ROWS))


def adversarial(generator):
    """Make flat, steep, far and masked states; action 0 is always legal."""
    logits = ordinary(generator) * 10.0 ** generator.uniform(-2, 1.5, ROWS)
    logits += generator.choice([0.0, -30.0, 1e3], ROWS)
    masked = generator.random(logits.shape) < 0.3
    masked[0] = False
    return np.where(masked, -np.inf, logits)


def given(array, legal, generator):
    if array.kind is Kind.INDEX:
        return np.zeros(ROWS, dtype=np.intp)
    if array.kind is not Kind.TABLE:
        return np.abs(generator.normal(size=ROWS))
    table = generator.normal(size=legal.shape)
    if array.legal in {"positive", "not negative"}:
        table = np.abs(table)
    return np.where(legal, table, 0.0)


@pytest.mark.parametrize(("name", "number"), VARIANTS)
@pytest.mark.parametrize("make", [ordinary, adversarial])
@np.errstate(all="ignore")
def test_they_agree(name, number, make):
    variant, generator = load(name).variants[number], np.random.default_rng(3)
    logits = make(generator)
    legal = np.isfinite(logits)
    data = {array.name: given(array, legal, generator) for array in variant.givens}
    if variant.temperature is not None:
        logits = logits / data[variant.temperature]
    masked = None if legal.all() else legal
    closed = kernel_of(block_of(variant, data, (), logits, masked, Buffers()), variant, Buffers())
    block = Block(np.zeros(logits.shape), logits, np.zeros(1), data=data)
    composed = Composed(variant.value, variant.slope, block, Buffers())

    def agree(x, y, rounding):
        return (np.abs(x - y) <= U * rounding).all()

    # `dump_rounding` has the rounding of coefficients, which `bounds` takes for exact.
    room = closed.dump_rounding + closed.bounds.rounding.each
    for value, rounding in (
        (composed.gradient, composed.bounds.rounding),
        composed.complex_step(),
        composed.central_difference(),
    ):
        assert agree(value, closed.gradient, room + rounding.each)
    ours, theirs = composed.value, closed.value
    assert agree(ours.value, theirs.value, ours.rounding + theirs.rounding)
    ours, theirs = composed.row_sum, closed.row_sum
    assert agree(ours.value, theirs.value, ours.rounding + theirs.rounding)
    each = closed.bounds.rounding.each + (closed.of_coefficient if type(closed) is Held else 0.0)
    looseness = composed.bounds.rounding.each[legal] / each[legal]
    assert 0.5 < np.median(looseness) < 2.0


def of_each_form():
    """Return negative fixtures, one for each loss and type of gradient, masked or not."""
    found = {}
    for fixture in walk("negative"):
        settings = dict(fixture.expected["settings"])
        if "weights" in settings or "action_axis" in settings:
            continue
        case = open_case(str(fixture.path), {})
        if "grad" in case.tables and case.variant.family is not None:
            form = case.loss.name, "mask" in case.tables, str(case.tables["grad"].dtype)
            found.setdefault(form, (case, settings))
    return [*found.values()]


def noted(monkeypatch, name):
    """Return a list of what a function of the compiled kernel will have returned."""
    right, found = getattr(loop, name), []

    def noting(*given, **options):
        found.append(right(*given, **options))
        return found[-1]

    monkeypatch.setattr(loop, name, noting)
    return found


def test_the_compiled_loop_leaves_verdicts_findings_and_names_as_they_are(monkeypatch):
    found, cases = noted(monkeypatch, "found"), of_each_form()
    assert len(cases) >= 8
    for case, settings in cases:
        ours, theirs = wrong_tables.by_both(case, settings)
        assert compiled_kernel.near(ours, theirs), case.name
    assert sum("complex-step" in each.tallies for each in found) >= len(cases)


def test_what_is_wrong_is_the_same_by_both_kernels_and_the_loop_counts_it(monkeypatch):
    told = noted(monkeypatch, "_tell")
    laid_out = noted(monkeypatch, "laid_out")
    for name, case, settings in wrong_tables.cases(40, 0):
        ours, theirs = wrong_tables.by_both(case, settings)
        assert compiled_kernel.near(ours, theirs), name
    assert sum(told) > len(told) / 2 > 10
    assert sum(laid is not None for laid in laid_out) > len(laid_out) / 2 > 10
    assert not loop.LAY_OUT.failure


@pytest.mark.parametrize("actions", [7, 300])
def test_a_mistake_in_masked_states_with_weights_has_its_name_by_both_kernels(actions, monkeypatch):
    laid_out = noted(monkeypatch, "laid_out")
    generator = np.random.default_rng(1)
    q, logits = generator.normal(size=(2, 200, actions))
    mask, weights = generator.random(q.shape) < 0.7, generator.random(200)
    mask[:, 0] = True
    log_pi = log_softmax(np.where(mask, logits, -np.inf), axis=1)
    pi, log_pi = np.exp(log_pi), np.where(mask, log_pi, 0.0)

    def grad(alpha=0.2, baseline=1.0):
        g = np.where(mask, q - alpha * log_pi, 0.0)
        return -weights[:, None] * pi * (g - baseline * (pi * g).sum(axis=1, keepdims=True))

    for wrong, name in (
        (-grad(), "sign-flipped"),
        (grad(baseline=0.0), "missing-baseline"),
        (grad(alpha=0.3), "other-alpha"),
        (grad() / 200.0, "mean-over-states"),
    ):
        given = {"q": q, "logits": logits, "mask": mask, "weights": weights, "alpha": 0.2}
        ours, theirs = wrong_tables.by_both(case_from_arrays(given | {"grad": wrong}), {})
        assert compiled_kernel.near(ours, theirs)
        assert [each["code"] for each in ours["diagnosis"]] == [name]
    assert laid_out
    assert None not in laid_out
