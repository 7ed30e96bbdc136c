"""Both numeric routes for losses as programs, against 160 digits and against wrong losses."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from programs import EXAMPLES, Example, adversarial, known, ordinary, ratios, running

from softcheck.gradient.composed.evaluate import evaluate
from softcheck.gradient.composed.moved import Moved
from softcheck.gradient.composed.pair import Pair
from softcheck.gradient.composed.running import Rounded, precise
from softcheck.gradient.composed.shift import Shift, Shifted, central_difference, complex_step
from softcheck.gradient.tolerance import U

METHODS = pytest.mark.parametrize("method", [complex_step, central_difference])


@pytest.mark.parametrize("name", EXAMPLES)
@METHODS
@pytest.mark.parametrize("make", [ordinary, adversarial])
def test_no_error_exceeds_its_bound(name, method, make):
    sample, _, truth = known(name, make)
    found = method(EXAMPLES[name].programs()[0], running(sample))
    of_bound = np.where(sample.legal, ratios(found, truth), 0.0)
    assert of_bound.max() <= 1.0
    if make is ordinary:
        assert np.median(of_bound.max(axis=0)) > 0.005
        assert np.median(U * found.error / np.abs(found.value)) < 1e-12


def spread(m):
    """A number that the move of a masked action makes infinite, in what has a series."""
    total = m.sum(m.exp(m.table("rho")) / m.pi)
    return m.sum(m.pi * m.log(m.pi + total / (total + 1)))


@METHODS
@pytest.mark.parametrize("formula", [EXAMPLES["k3-as-a-quotient"].value, spread])
def test_the_move_of_a_masked_action_reaches_no_other(method, formula):
    """Its own change is anything, infinity too: 1 / pi."""
    sample = adversarial(actions=6, rows=30, seed=2)
    assert not sample.legal.all()
    found = method(Example.program(formula), running(sample))
    assert np.isfinite(found.error[sample.legal]).all()


def off_by_a_thousandth(function):
    def mutant(self, *others):
        found = function(self, *others)
        return found * precise(np.array([1.001]))

    return mutant


def without_a_term(mul):
    """Return a product of complex numbers that forgets one of its terms."""

    def mutant(x, y):
        found = mul(x, y)
        if isinstance(y, Rounded):
            return found
        return Pair(found.real, x.real * y.imaginary, found.error)

    return mutant


MUTANTS = {
    "the logarithm of the real route": (Rounded, "log1p", off_by_a_thousandth),
    "the exponential of the real route": (Rounded, "expm1", off_by_a_thousandth),
    "the logarithm of the complex route": (Pair, "log1p", off_by_a_thousandth),
    "the exponential of the complex route": (Pair, "expm1", off_by_a_thousandth),
    "the product of the complex route": (Pair, "__mul__", without_a_term),
    "a term of a sum": (Shift, "sum", lambda sum_: lambda self, x: _without_terms(sum_, self, x)),
    "the product of changes": (Moved, "__mul__", lambda mul: lambda x, y: mul(x, Moved(y.value))),
}


def _without_terms(sum_, self, x):
    """Sum what actions change by their own logits alone."""
    return sum_(self, replace(x, terms={}) if isinstance(x, Shifted) else x)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_route_is_seen_by_another(mutant, monkeypatch):
    """By the other numeric one, or where they share the broken part by the gradient."""
    loss, slope = EXAMPLES["entropy-penalty"].programs()
    on = running(ordinary(actions=6, rows=20))
    gradient = evaluate(slope, on.data, on.shape, on.buffers, softmax=on.softmax)
    sides = [gradient, complex_step(loss, on), central_difference(loss, on)]
    assert not seen(*sides).any()
    owner, name, mutate = MUTANTS[mutant]
    monkeypatch.setattr(owner, name, mutate(getattr(owner, name)))
    broken = seen(gradient, complex_step(loss, on), central_difference(loss, on))
    assert broken.mean() > 0.9


def seen(*sides):
    """Return where any two sides differ by more than both may be off."""
    pairs = combinations(sides, 2)
    return np.any([np.abs(x.value - y.value) > U * (x.error + y.error) for x, y in pairs], axis=0)


@pytest.mark.parametrize("name", ["k3", "renyi", "half-of-jensen-shannon"])
@METHODS
@pytest.mark.parametrize("actions", [6, 300])
def test_blocks_of_any_size_give_the_same_digits(name, method, actions):
    sample = adversarial(rows=7, seed=3, actions=actions)
    program = EXAMPLES[name].programs()[0]
    whole = method(program, running(sample))
    for rows in (slice(0, 1), slice(2, 6)):
        part = method(program, running(sample.columns(rows)))
        np.testing.assert_array_equal(part.value, whole.value[:, rows])
        np.testing.assert_array_equal(part.error, whole.error[:, rows])


@METHODS
def test_what_a_loss_makes_of_numbers_of_the_state_is_computed_once_a_state(method, monkeypatch):
    """Not once a logit: nothing but log pi and pi of the action have a change for each."""
    shapes = set()

    def recorded(operation):
        def made(self, *others):
            found = operation(self, *others)
            if found.change is not None:
                shapes.add(getattr(found.change, "imaginary", found.value.value).shape)
            return found

        return made

    for operation in ("__add__", "__mul__", "exp", "log"):
        monkeypatch.setattr(Moved, operation, recorded(getattr(Moved, operation)))
    method(EXAMPLES["focal"].programs()[0], running(ordinary(actions=6, rows=20)))
    assert shapes == {(20,)}
