"""A diagnosis ends soon whatever was dumped: its work is counted, in gradients predicted."""

import numpy as np
import pytest
from fixture_cases import FIXTURES

import softcheck
from softcheck.diagnosis import name as naming
from softcheck.diagnosis import sieve
from softcheck.diagnosis.hypothesis import judge
from softcheck.diagnosis.states import SAMPLE, WHOLE, part
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays, open_case
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

STATES, ACTIONS = 60, 5
SHAPE = (STATES, ACTIONS)

MOST = 1000
"""There are about 130 formulas and 100 named points: each pair of them would be 13,000."""


@pytest.fixture
def work(monkeypatch):
    """Count the gradients that the sieve predicts or judges."""
    done = {"predict": 0, "judge": 0}

    def counted(name):
        usual = getattr(sieve, name)

        def function(*arguments):
            done[name] += 1
            assert done[name] <= MOST, "the sieve tries every formula at every point"
            return usual(*arguments)

        return function

    for name in done:
        monkeypatch.setattr(sieve, name, counted(name))
    return done


def given(seed=0, *, mask=None, alpha=0.3, **changed):
    """Return random tables with a gradient of 0, which only some of them have."""
    generator = np.random.default_rng(seed)
    q, logits = generator.normal(size=(2, *SHAPE))
    arrays = {"q": q, "logits": logits, "alpha": alpha, "grad": np.zeros(SHAPE)}
    return arrays | ({} if mask is None else {"mask": mask}) | changed


def grad(value, at=...):
    """Return a gradient that is 0 elsewhere."""
    made = np.zeros(SHAPE)
    made[at] = value
    return made


SOME = np.random.default_rng(1).random(SHAPE) < 0.5
SOME[:, 0] = True
ONE = np.zeros(SHAPE, dtype=bool)
ONE[:, 2] = True
BEHIND = SOME & ~SOME.all(axis=1, keepdims=True)
ZERO = np.zeros(SHAPE)

CASES = {
    "every entry NaN": given(grad=grad(np.nan)),
    "every entry infinite": given(grad=grad(np.inf)),
    "NaN at the legal entries of masked states": given(mask=SOME, grad=grad(np.nan, BEHIND)),
    "NaN behind a mask": given(mask=SOME, grad=grad(np.nan, ~SOME)),
    "one legal action, NaN there": given(mask=ONE, grad=grad(np.nan, ONE)),
    "one legal action, 1 there": given(mask=ONE, grad=grad(1.0, ONE)),
    "one legal action, one entry wrong": given(mask=ONE, grad=grad(1.0, (0, 0))),
    "every entry 0": given(),
    "every entry 0, alpha 0": given(alpha=0.0),
    "every table 0, one entry wrong": given(q=ZERO, logits=ZERO, alpha=0.0, grad=grad(1.0, (3, 1))),
    "Q and logits 0, one entry wrong": given(q=ZERO, logits=ZERO, grad=grad(1.0, (3, 1))),
    "Q and logits 0, every entry 1": given(q=ZERO, logits=ZERO, grad=grad(1.0)),
    "one action, one entry wrong": {
        name: table[:, :1] if np.ndim(table) else table
        for name, table in given(grad=grad(1.0, (3, 0))).items()
    },
    "one state": {
        name: table[:1] if np.ndim(table) else table
        for name, table in given(grad=grad(1.0)).items()
    },
    "half infinite, half 1": given(grad=grad([[np.inf], [1.0]] * (STATES // 2))),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_entry_tells_is_not_tried_at_every_point(name, work):
    (case,) = softcheck.verify(**CASES[name]).cases
    assert case.diagnosis
    assert work["predict"] <= MOST


def test_where_no_finite_entry_is_wrong_no_formula_is_tried(work):
    case = open_case(str(FIXTURES / "negative" / "nan-from-mask.npz"), {})
    (diagnosis,) = verify_case(case, Settings()).diagnosis
    assert diagnosis.code == "nan-from-mask"
    assert work["predict"] <= 6  # the coarser precisions, of what is computed and what is stored


@pytest.mark.parametrize(
    ("scale", "followed"),
    [(2.5, ["other-scale"]), (np.linspace(0.3, 0.9, STATES)[:, None], ["scaled-by-state"])],
)
def test_what_reads_numbers_off_each_state_is_followed_only_where_nothing_else_explains(
    scale, followed, monkeypatch
):
    arrays, judged = given(), []
    p = np.exp(arrays["logits"])
    p /= p.sum(axis=1, keepdims=True)
    g = arrays["q"] - 0.3 * np.log(p)
    right = -p * (g - (p * g).sum(axis=1, keepdims=True))

    def kept(view, made):
        judged.extend(made.names)
        return judge(view, made)

    monkeypatch.setattr(naming, "judge", kept)
    (case,) = softcheck.verify(**arrays | {"grad": scale * right}).cases
    assert [each.code for each in case.diagnosis] == judged == followed


@pytest.mark.parametrize(("actions", "kept"), [(5, [7, 301, 905, 1, 399]), (40_000, [7])])
def test_the_table_of_mistakes_is_tried_on_few_entries_of_a_large_vocabulary(actions, kept):
    states = 2 * WHOLE // actions
    zero = np.zeros((states, actions), np.float16)
    case = case_from_arrays(
        {"logits": zero, "labels": np.zeros(states, int), "grad": zero},
        declared=Declared(load("cross-entropy")),
    )
    view = part(case, Settings(), 0, [7, 301, 905, 1, 399])
    assert {*kept} <= {*view.states.tolist()}
    assert view.grad.size <= 2 * max(SAMPLE, actions)


def clipped_once(states=2000, actions=6):
    """Return a case of `grpo` of which one state of a small gradient alone is clipped.

    Its gradient has the opposite sign, and is not clipped.
    """
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(states, actions))
    log_pi = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    at, j = np.arange(states), generator.integers(actions, size=states)
    A, old = generator.normal(size=states), log_pi[at, j].copy()
    A[100], old[100] = 0.01, old[100] - 1.0
    ref, clip, beta = log_pi[at, j] + 0.1 * generator.normal(size=states), 0.2, 0.04
    W = -np.exp(log_pi[at, j] - old) * A + beta * (1.0 - np.exp(ref - log_pi[at, j]))
    grad = W[:, np.newaxis] * np.exp(log_pi)
    grad[at, j] -= W
    given = {"actions": j, "advantages": A, "old_log_probs": old, "ref_log_probs": ref}
    arrays = {"logits": logits, "grad": grad, **given, "clip": clip, "beta": beta}
    return case_from_arrays(arrays, declared=Declared(load("grpo")))


def test_what_is_a_mistake_in_one_state_only_is_named():
    named = verify_case(clipped_once(), Settings(reduction="sum")).diagnosis[0]
    assert named.evidence["codes"] == ["clip-side", "sign-flipped"]


def test_what_changes_nothing_here_is_not_fitted(monkeypatch):
    fitted, fit = [], sieve.fit

    def kept(view, columns):
        fitted.append(np.abs(columns.values[0] - view.right.expected).max())
        return fit(view, columns)

    monkeypatch.setattr(sieve, "fit", kept)
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(40, 6)), generator.integers(6, size=40)
    grad = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    grad[np.arange(40), labels] -= 1.0
    arrays = {"logits": logits, "labels": labels, "grad": -grad}
    case = case_from_arrays(arrays, declared=Declared(load("cross-entropy")))
    (named,) = verify_case(case, Settings(reduction="sum")).diagnosis
    assert named.code == "sign-flipped"
    # Some 60 mistakes are of the smoothing and of zeta, which are 0; fitted is the right gradient.
    assert sum(apart < 1e-16 for apart in fitted) == 1
