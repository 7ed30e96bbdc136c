"""Gradients to 80 digits on tables made to be hard: within one derived bound, for every loss."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from right_losses import LOSSES, Draw, normaliser

import softcheck
from softcheck import Status

STATES, ACTIONS = 6, 8
TABLES = 25
STEP = mpf(10) ** -40

ONE_BOUND = 1 / 16
"""The tolerance of a dump is 16 derived bounds."""


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(80 + 220):  # a logit far below the others moves the loss by e^-500 of it
        yield


class State:
    """The numbers of one state, its legal actions alone, as the losses are defined by them."""

    def __init__(self, case, row):
        legal = np.flatnonzero(case.legal[row])
        self.theta = [mpf(x) for x in case.logits[row, legal]]
        self.of = {}
        for name, value in case.given.items():
            number = np.asarray(value)
            if number.dtype.kind == "i":
                self.of[name] = int(np.flatnonzero(legal == number[row])[0])
            elif number.ndim == 2:
                self.of[name] = [mpf(x) for x in number[row, legal]]
            else:
                self.of[name] = mpf(float(number if number.ndim == 0 else number[row]))

    def get(self, name, default=0):
        return self.of.get(name, mpf(default))

    def gradient(self, loss, a):
        """Return the derivative of a loss by a logit, as a quotient of differences."""

        def moved(step):
            theta = [x + (step if b == a else 0) for b, x in enumerate(self.theta)]
            return loss(self, theta)

        return (moved(STEP) - moved(-STEP)) / (2 * STEP)


def log_softmax(logits):
    highest = max(logits)
    total = highest + mpmath.log(mpmath.fsum(mpmath.exp(x - highest) for x in logits))
    return [x - total for x in logits], total


def mean(log_pi, values):
    return mpmath.fsum(mpmath.exp(x) * value for x, value in zip(log_pi, values, strict=True))


def cross(weights, log_pi):
    return -mpmath.fsum(y * x for y, x in zip(weights, log_pi, strict=True))


def reference(state, log_pi):
    """Return log pi - log rho of each action."""
    log_rho = state.get("ref_log_probs") or log_softmax(state.of["ref_logits"])[0]
    return [x - y for x, y in zip(log_pi, log_rho, strict=True)]


def sac(state, theta):
    log_pi, _ = log_softmax(theta)
    return state.get("alpha") * mean(log_pi, log_pi) - mean(log_pi, state.of["q"])


def policy_gradient(state, theta):
    log_pi, _ = log_softmax(theta)
    return -mean(log_pi, state.of["q"])


def entropy(state, theta):
    log_pi, _ = log_softmax(theta)
    return state.of["coef"] * mean(log_pi, log_pi)


def reverse_kl(state, theta):
    log_pi, _ = log_softmax(theta)
    return state.of["beta"] * mean(log_pi, reference(state, log_pi))


def kl_regularised(state, theta):
    return sac(state, theta) + reverse_kl(state, theta)


def cross_entropy(state, theta):
    log_pi, lse = log_softmax(theta)
    smoothing = state.get("label_smoothing")
    chosen = [mpf(b == state.of.get("labels")) for b in range(len(theta))]
    target = state.of.get("targets", chosen)
    weights = [(1 - smoothing) * y + smoothing / len(theta) for y in target]
    return cross(weights, log_pi) + state.get("z_coef") * lse**2


def distillation(state, theta):
    temperature, beta = state.get("temperature", 1), state.get("beta")
    teacher = state.of.get("teacher_log_probs") or state.of["teacher_logits"]
    if "teacher_logits" in state.of or "temperature" in state.of:
        teacher, _ = log_softmax([x / temperature for x in teacher])
    log_pi, _ = log_softmax([x / temperature for x in theta])
    forward = cross([mpmath.exp(x) for x in teacher], log_pi)
    if not beta:  # a teacher may leave actions out
        return forward
    away = [x - y for x, y in zip(log_pi, teacher, strict=True)]
    return (1 - beta) * forward + beta * mean(log_pi, away)


def reinforce(state, theta):
    log_pi, _ = log_softmax(theta)
    chosen = log_pi[state.of["actions"]]
    return state.get("entropy_coef") * mean(log_pi, log_pi) - state.of["advantages"] * chosen


def ppo_clip(state, theta):
    log_pi, _ = log_softmax(theta)
    ratio = mpmath.exp(log_pi[state.of["actions"]] - state.of["old_log_probs"])
    clip, advantage = state.of["clip"], state.of["advantages"]
    clipped = min(max(ratio, 1 - clip), 1 + clip)
    bonus = -state.get("entropy_coef") * mean(log_pi, log_pi)
    return -min(ratio * advantage, clipped * advantage) - bonus


def grpo(state, theta):
    apart = state.of["ref_log_probs"] - log_softmax(theta)[0][state.of["actions"]]
    return ppo_clip(state, theta) + state.of["beta"] * (mpmath.exp(apart) - apart - 1)


DEFINITIONS = {
    "sac": sac,
    "policy-gradient": policy_gradient,
    "entropy": entropy,
    "reverse-kl": reverse_kl,
    "kl-regularised": kl_regularised,
    "cross-entropy": cross_entropy,
    "distillation": distillation,
    "reinforce": reinforce,
    "ppo-clip": ppo_clip,
    "grpo": grpo,
}


def hard(seed, loss):
    """Return a case whose logits and tables are of any size, and far from 0."""
    r = np.random.default_rng([24, seed])
    case = Draw(r, STATES * ACTIONS, actions=ACTIONS, loss=loss)
    size = 10.0 ** r.uniform(-3, 1)
    if not case.is_near:
        case.logits = case.logits * size
        if "q" in case.given:
            case.given["q"] = case.given["q"] * 10.0 ** r.uniform(-4, 5)
    kind = r.integers(4)
    if kind == 1:
        case.logits = case.logits + r.choice([1e3, -1e4, 1e6])
    if kind == 2:
        case.logits = case.logits - normaliser(case.logits, case.legal)
    if kind == 3:
        case.logits[case.rows, case.index] += 10.0 ** r.uniform(0, 2)
    return case


def truth(case):
    """Return the gradient of the sum of the losses of all states, to 80 digits and rounded."""
    grad = np.zeros(case.shape)
    for row in case.rows:
        state = State(case, row)
        legal = np.flatnonzero(case.legal[row])
        definition = DEFINITIONS[case.loss]
        grad[row, legal] = [float(state.gradient(definition, a)) for a in range(len(legal))]
    return grad


@pytest.mark.parametrize("loss", LOSSES)
def test_the_derived_bound_is_never_exceeded_and_is_no_excuse(loss):
    ratios = []
    for seed in range(TABLES):
        case = hard(seed, loss)
        mask = None if case.legal.all() else case.legal
        report = softcheck.verify(
            loss=loss,
            logits=case.logits,
            grad=truth(case),
            mask=mask,
            tolerance_factor=ONE_BOUND,
            **case.given,
        )
        (found,) = report.cases
        said = [check for check in found.checks if check.status is not Status.PASSED]
        assert found.status is not Status.FAILED, (seed, case.regime, list(case.given), said)
        (gradient,) = (check for check in found.checks if check.name == "gradient")
        # A dump's logits may have been rounded themselves, far from 0.
        if np.abs(case.logits).max() < 30.0:
            ratios.append(gradient.worst.ratio)
    # A bound that nothing comes near hides mistakes.
    assert np.median(ratios) > 0.01
