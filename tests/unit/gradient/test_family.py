"""Each side of the family can be wrong alone, and another one says so; and blocks of any size."""

import inspect
import textwrap

import evaluations
import numpy as np
import pytest

from softcheck.checks import every
from softcheck.checks.oracles import check_exact
from softcheck.gradient import analytic, family, loss, policy, tolerance
from softcheck.gradient.family import Family
from softcheck.gradient.numeric import central, complex_step, exact
from softcheck.gradient.policy import Block, Buffers, Target

ROWS, ACTIONS = 40, 6


def ordinary(*, soft=True, target=True, zeta=True, masked=False):
    """Return a block of ordinary states, with every part of the family or without some."""
    generator = np.random.default_rng(4)
    q, logits, dense = generator.normal(size=(3, ACTIONS, ROWS))
    legal = np.ones(logits.shape, bool)
    legal[1, ::3] = not masked
    logits[~legal] = -np.inf
    q, dense = np.where(legal, q, 0.0), np.where(legal, np.abs(dense), 0.0)
    index = generator.choice([0, 2, 3, 4, 5], size=ROWS)
    per_state = generator.uniform(0.1, 1.0, size=(3, ROWS))
    y = Target(ACTIONS, dense, per_state[0], legal if masked else None, index, per_state[1])
    return Block(
        q if soft else np.broadcast_to(0.0, q.shape),
        logits,
        np.array([0.3]) if soft else np.zeros(1),
        soft,
        y if target else None,
        0.1 * per_state[2] if zeta else None,
    )


PARTS = {
    "all": {},
    "SAC": {"target": False, "zeta": False},
    "cross-entropy": {"soft": False, "zeta": False},
    "cross-entropy and z-loss": {"soft": False},
    "z-loss": {"soft": False, "target": False},
    "masked": {"masked": True},
}


def outcome(block):
    """Return the checks that fail, and whom the exact one blames."""
    e = evaluations.of_block(block)
    with np.errstate(all="ignore"):
        partial = every.run(e)
        truth = check_exact(partial.suspects.values(), partial.sample, e.context)
    failed = {name for name, tally in partial.tallies.items() if tally.failed}
    return failed, {spot.about for spot in truth.spots if spot.ratio > 1}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_what_is_right_passes(parts):
    assert outcome(ordinary(**parts)) == (set(), set())


def plant(monkeypatch, function, old, new, *users):
    """Change one place in the source of a function, or a method, for all who use it."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) >= 1, f"{function.__qualname__} has no {old!r} any more"
    module = inspect.getmodule(function)
    made = {}
    exec(source.replace(old, new), vars(module) | made, made)  # noqa: S102
    for user in users or (module,):
        monkeypatch.setattr(user, function.__name__, made[function.__name__])


COMPLEX, CENTRAL, FORMULA = "complex-step", "central-difference", "Eq. (6)"
BY_ROUTE = {
    COMPLEX: (
        loss.imaginary,
        complex_step,
        [("terms.total - terms.alpha", "terms.total"), ("add_to(out, -1.0", "add_to(out, 1.0")],
        loss.imaginary_by_one,
        [
            ("(p * u -", "(p * np.abs(u) -"),
            ("- p * alpha", "+ p * alpha"),
            ("p * alpha", "p * 0.999 * alpha"),
            ("(1.0 - square)", "(1.001 - square)"),
            ("2.0 * logsumexp", "1.0 * logsumexp"),
            (") * zeta", ") + zeta"),
            ("of_log - (", "of_log + ("),
        ],
    ),
    CENTRAL: (
        loss.moved,
        central,
        [
            ("terms.alpha * (t * exp(t))", "terms.alpha * (1.001 * t * exp(t))"),
            ("terms.total - terms.alpha", "terms.total"),
            ("expm1(t)", "expm1(1.001 * t)"),
            ("add_to(out, -t", "add_to(out, t"),
        ],
        loss.change_by_one,
        [
            ("d * u", "0.999 * d * u"),
            ("- d * u", "+ d * u"),
            ("2.0 * logsumexp", "1.0 * logsumexp"),
            (") * zeta", ") + zeta"),
            ("p * drift", "d * drift"),
            ("* d + 1.0) + ", "* d + 1.001) + "),
            ("+ 1.0) * d\n", "+ 1.001) * d\n"),
        ],
    ),
}
PLANTED = [
    pytest.param(route, function, user, old, new, id=f"{route}: {new}")
    for route, (method, user, changes, formula, more) in BY_ROUTE.items()
    for function, user, changes in ((method, user, changes), (formula, loss, more))
    for old, new in changes
]


@pytest.mark.parametrize(("route", "function", "user", "old", "new"), PLANTED)
def test_a_numeric_route_that_is_wrong_is_blamed_alone(
    monkeypatch, route, function, user, old, new
):
    plant(monkeypatch, function, old, new, user)
    failed, blamed = outcome(ordinary())
    assert route in failed
    assert not failed & ({COMPLEX, CENTRAL, "invariants", "descent"} - {route})
    assert blamed == {route.replace("-", " ")}


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (analytic.gradient, "policy.value + r", "policy.value - r"),
        (analytic.gradient, "policy.value + r", "r"),
        (analytic.gradient, "add_to(out, -1.0", "add_to(out, 1.0"),
        (analytic.of_entry, ") * pi", ") * pi * 1.000001"),
        (analytic.linear, "2.0 * block.zeta", "block.zeta"),
        (analytic.linear, "policy.logsumexp", "policy.log_Z"),
    ],
)
def test_a_formula_that_is_wrong_is_blamed_by_all(monkeypatch, function, old, new):
    plant(monkeypatch, function, old, new)
    failed, blamed = outcome(ordinary())
    assert failed >= {COMPLEX, CENTRAL}
    assert blamed == {FORMULA}


@pytest.mark.parametrize(
    ("function", "old", "new", "user"),
    [
        (policy.Target.total, "count * self.uniform", "self.uniform", policy.Target),
        (policy.Target.total, "total + self.chosen", "total", policy.Target),
        (policy.evaluate, "log_Z = np.log(Z)", "log_Z = np.log(1.0001 * Z)", family),
        (policy.evaluate, "pi /= Z", "pi /= 1.0001 * Z", family),
        (policy.evaluate, "np.exp(z,", "np.exp2(z,", family),
    ],
)
def test_what_the_sides_share_and_is_wrong_is_seen_by_the_exact_one(
    monkeypatch, function, old, new, user
):
    plant(monkeypatch, function, old, new, user)
    assert outcome(ordinary())[1] >= {FORMULA}


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (exact.gradient, "Fraction(2 * top", "Fraction(top"),
        (exact.gradient, "weight = Y", "weight = -Y"),
        (exact.gradient, "-y.at(a)", "y.at(a)"),
        (exact.gradient, "- sign * temperature", "+ sign * temperature"),
        (exact.Weights.total, "sum(counts) * Fraction", "Fraction"),
        (exact.Weights.at, "+ Fraction(self.chosen)", "+ 2 * Fraction(self.chosen)"),
    ],
)
def test_an_exact_side_that_is_wrong_is_against_all_others(monkeypatch, function, old, new):
    users = (exact.Weights,) if "." in function.__qualname__ else (exact,)
    plant(monkeypatch, function, old, new, *users)
    failed, blamed = outcome(ordinary())
    assert failed == set()
    assert blamed == {FORMULA, "complex step", "central difference"}


@pytest.mark.parametrize("times", [1 / 30, 1 / 100])
def test_a_bound_that_is_too_narrow_makes_right_sides_differ(monkeypatch, times):
    right = tolerance.bounds

    def narrow(*given):
        made = right(*given)
        made.rounding.each[:] *= times
        made.own.each[:] *= times
        return made

    monkeypatch.setattr(family, "bounds", narrow)
    failed, blamed = outcome(ordinary())
    assert failed | blamed


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_numbers_are_the_same_in_blocks_of_any_size(parts):
    whole = _numbers(ordinary(**parts))
    for rows in (1, 7, 33):
        pieces = [
            _numbers(ordinary(**parts).states(slice(start, start + rows)))
            for start in range(0, ROWS, rows)
        ]
        for name, number in whole.items():
            joined = np.concatenate([piece[name] for piece in pieces], axis=-1)
            np.testing.assert_array_equal(joined, number, name)


def _numbers(block):
    kernel, rows = Family(block, Buffers()), block.rows
    found = {"gradient": kernel.gradient, "scale": kernel.scale, "peak": kernel.peak}
    found |= {"each": kernel.bounds.rounding.each, "relative": kernel.bounds.rounding.relative}
    for route in (kernel.complex_step, kernel.central_difference):
        value, error = route()
        found |= {
            f"{route.__name__} {part}": x.copy()
            for part, x in zip("vre", (value, *error), strict=True)
        }
    found["dump"] = kernel.dump_rounding.copy()
    step = -0.01 * kernel.gradient
    found["change"], found["its rounding"] = kernel.change(step, np.abs(step).max(axis=0))
    found |= {f"value {part}": x for part, x in zip("vrs", kernel.value, strict=True)}
    found |= {f"sum {part}": x for part, x in zip("vrs", kernel.row_sum, strict=True)}
    of_states = ("curvature", "offset", "left_where_masked", "weight_of_underflow")
    found |= {name: getattr(kernel, name) for name in of_states}
    found["parts"] = kernel.parts(np.arange(rows))
    return {name: np.broadcast_to(x, (*x.shape[:-1], rows)) for name, x in found.items()}
