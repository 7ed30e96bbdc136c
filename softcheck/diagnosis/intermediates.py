"""The mistakes that show in an intermediate: quantity, code, and what it is then."""

from collections.abc import Callable
from math import log

import numpy as np

from softcheck.checks.dumps import sides
from softcheck.checks.tally import Tally
from softcheck.diagnosis.formulas import EPSILONS, over_states
from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Array

Value = Callable[[View], Array]

_LOG_2 = log(2.0)


def _policy_over_states(view: View) -> Array:
    whole = view.shared.whole[0]
    kept = view.shared.tables
    if "policy" not in kept:
        policy, log_policy = over_states(whole)
        actions = view.shared.actions
        kept["policy"] = policy.reshape(-1, actions).T, log_policy.reshape(-1, actions).T
    return kept["policy"][0][:, view.states]


def _log_policy_over_states(view: View) -> Array:
    _policy_over_states(view)
    return view.shared.tables["policy"][1][:, view.states]


def _with_epsilon(epsilon: float) -> Value:
    return lambda view: np.log(view.p + epsilon)


def _g(of: Value) -> Value:
    return lambda view: view.q - view.alpha * of(view)


def _clamped(least: float) -> Value:
    return lambda view: np.log(np.maximum(view.p, least))


def _expected_q(view: View) -> Array:
    return view.e.mean(view.q)


def _loss(view: View) -> Array:
    return -view.e.policy.value


ROWS: tuple[tuple[str, str, Value], ...] = (
    ("policy", "softmax-over-states", _policy_over_states),
    ("policy", "double-softmax", lambda view: view.at(logits=view.p).p),
    ("policy", "policy-for-log-policy", lambda view: view.log_p),
    *(("policy", "log-epsilon", lambda view, e=e: view.p + e) for e in EPSILONS),
    *(("policy", "clamped-policy", lambda view, e=e: np.maximum(view.p, e)) for e in EPSILONS),
    ("log_policy", "log-base-2", lambda view: view.log_p / _LOG_2),
    ("log_policy", "policy-for-log-policy", lambda view: view.p),
    ("log_policy", "softmax-over-states", _log_policy_over_states),
    *(("log_policy", "log-epsilon", _with_epsilon(e)) for e in EPSILONS),
    *(("log_policy", "clamped-policy", _clamped(e)) for e in EPSILONS),
    ("entropy", "log-base-2", lambda view: -view.e.mean(view.log_p) / _LOG_2),
    ("entropy", "entropy-sign-flipped", lambda view: view.e.mean(view.log_p)),
    (
        "entropy",
        "entropy-normalised",
        lambda view: -view.e.mean(view.log_p) / log(max(2, view.shared.actions)),
    ),
    *(
        ("entropy", "log-epsilon", lambda view, e=e: -view.e.mean(np.log(view.p + e)))
        for e in EPSILONS
    ),
    ("g", "missing-alpha", lambda view: view.q - view.log_p),
    ("g", "entropy-sign-flipped", lambda view: view.q + view.alpha * view.log_p),
    ("g", "entropy-without-gradient", lambda view: view.q),
    ("g", "alpha-doubled", lambda view: view.q - 2.0 * view.alpha * view.log_p),
    ("g", "log-base-2", _g(lambda view: view.log_p / _LOG_2)),
    ("g", "policy-for-log-policy", _g(lambda view: view.p)),
    *(("g", "log-epsilon", _g(_with_epsilon(e))) for e in EPSILONS),
    ("value", "baseline-without-entropy", _expected_q),
    ("value", "missing-alpha", lambda view: view.e.mean(view.q - view.log_p)),
    ("value", "sign-flipped", lambda view: -view.e.policy.value),
    (
        "value",
        "entropy-sign-flipped",
        lambda view: view.e.mean(view.q + view.alpha * view.log_p),
    ),
    ("value", "unweighted-sum", lambda view: (view.legal * view.e.policy.g).sum(axis=0)),
    ("advantage", "missing-baseline", lambda view: view.e.policy.g),
    ("advantage", "baseline-without-entropy", lambda view: view.e.policy.g - _expected_q(view)),
    ("advantage", "entropy-without-gradient", lambda view: view.q - view.e.policy.value),
    ("advantage", "sign-flipped", lambda view: view.e.policy.value - view.e.policy.g),
    ("loss", "sign-flipped", lambda view: -_loss(view) * view.e.factor),
    ("loss", "summed-over-states", _loss),
    ("loss", "mean-over-states", lambda view: _loss(view) / view.shared.states),
    ("loss", "mean-over-actions", lambda view: _loss(view) / view.shared.actions),
)
"""The table: one row for each quantity and mistake."""


def rows(quantity: str, view: View) -> list[tuple[str, Value]]:
    """Return the codes and values that a quantity may have, as far as the data allow."""
    return [
        (code, value)
        for of, code, value in ROWS
        if of == quantity and (code != "softmax-over-states" or view.shared.whole)
    ]


def judge(view: View, quantity: str, value: Value) -> Tally:
    """Compare a dumped quantity with what a mistake makes of it, in the tolerance of a pass."""
    with np.errstate(all="ignore"):
        found = sides(view.e, quantity)
        expected = value(view)
        # The rounding of the right value, or of this one where it is larger.
        growth = np.maximum(1.0, np.abs(expected) / np.maximum(found.scale, 1e-300))
        tolerance = found.tolerance * np.where(np.isfinite(growth), growth, 1.0)
        if view.e.legal is not None and found.actual.ndim == 2:
            expected = np.where(view.e.legal, expected, found.actual)
        return view.e.compare(
            found.actual, expected, tolerance, found.scale, entries=found.actual.size
        )
