"""Two engines that must agree, and what each of them knows."""

import json

import pytest
import run
import sympy

from softcheck.derive import planted
from softcheck.derive.check import check
from softcheck.derive.kernel import normal_form
from softcheck.derive.kernel.polynomials import constant
from softcheck.derive.points import witness
from softcheck.derive.reporting import report
from softcheck.derive.spell import unicode
from softcheck.derive.writing import formula
from softcheck.result import Verdict


def test_a_false_proof_is_an_internal_error_and_costs_no_other_step(monkeypatch, tmp_path):
    path = tmp_path / "wrong.tex"
    path.write_text("$$n = n$$\n" r"$$\sum_a \pi(a)^2 = 1$$" "\n" "$$2 n = n + n$$")
    monkeypatch.setattr(normal_form, "vanishes", lambda *_: True)
    outcome = run.softcheck("derive", path, "--output-format", "json")
    assert outcome.code == 3
    assert "DisagreementError: line 2: " in outcome.err
    steps = json.loads(outcome.out)["steps"]
    assert [step["status"] for step in steps] == ["proved", "unknown", "proved"]
    assert "internal error" in steps[1]["reason"]


@pytest.mark.parametrize("part", ["Ladder.climb", "refute", "confirm", "possible", "freed"])
@pytest.mark.parametrize("error", [ValueError("odd\nthing"), RecursionError(), KeyError("x")])
def test_whatever_goes_wrong_in_one_step_is_unknown(monkeypatch, part, error):
    def wrong(*_):
        raise error

    text = r"$$n = n$$ $$\sum_a \pi(a)^2 = 1$$"
    if part == "confirm":
        made = report(check(text, witness=wrong))
    else:
        monkeypatch.setattr(f"softcheck.derive.check.{part}", wrong)
        made = report(check(text))
    reasons = [step.reason for step in made.steps if step.status is Verdict.UNKNOWN]
    assert reasons
    assert all("\n" not in reason for reason in reasons)


def test_a_proof_that_nothing_confirms_is_no_proof():
    made = report(check(r"$$n = n$$", witness=lambda claim: ()))
    assert made.steps[0].status is Verdict.UNKNOWN
    assert "second engine" in made.steps[0].reason


def test_the_second_engine_looks_at_one_two_three_and_twelve_actions():
    seen = []

    def confirm(claim):
        seen.append(witness.confirm(claim))
        return seen[-1]

    check(r"$$\partial_{\theta_k} \pi_i = \pi_i (\delta_{ik} - \pi_k)$$", witness=confirm)
    assert seen == [(1, 2, 3, 12)]


def test_a_checker_that_proves_everything_is_caught_by_the_planted_mistakes(monkeypatch):
    monkeypatch.setattr(normal_form, "vanishes", lambda *_: True)

    def blind(text):
        return check(text, witness=lambda claim: (1,))

    assert not any(outcome.caught for outcome in planted.outcomes(check=blind))


def test_atoms_of_different_kinds_are_different():
    wrong = check(
        r"$$\log \sum_a \pi(a)^2 = \frac{1}{\sum_a \pi(a)^2}$$", witness=lambda claim: (1,)
    )
    assert wrong.status is Verdict.REFUTED


IDENTITIES = {
    r"\frac{\sum_i w_i \pi_i}{\sum_j w_j} = \sum_i \frac{w_i}{\sum_j w_j} \pi_i": "p",
    r"\partial_{\theta_k} \frac{1}{\sum_i \pi_i^2} = -\frac{1}{(\sum_i \pi_i^2)^2} "
    r"\partial_{\theta_k} \sum_i \pi_i^2": "p",
    r"\partial_{\theta_k} \log \sum_i \pi_i^2 = \frac{1}{\sum_i \pi_i^2} "
    r"\partial_{\theta_k} \sum_i \pi_i^2": "p",
    r"\exp(\log \sum_i \pi_i^2) = \sum_i \pi_i^2": "p",
    r"\exp(-\log \sum_i \pi_i^2) = 1 / \sum_i \pi_i^2": "p",
    r"\exp(2 \log 3) = 9": "p",
    r"\log 12 = 2 \log 2 + \log 3": "p",
    r"\log 12 = 2 \log 2 + \log 5": "r",
    r"\log n = \log \sum_i 1": "p",
    r"\exp(\frac{1}{2} \theta_a) \exp(\frac{1}{2} \theta_a) = e^{\theta_a}": "p",
    r"\frac{\pi_i}{\pi_j} = e^{\theta_i - \theta_j}": "p",
    r"\partial_{\theta_k} \sum_{i,j} \pi_i \pi_j Q_i = \partial_{\theta_k} \sum_i \pi_i Q_i": "p",
    r"\sum_i \sum_{j \neq i} \pi_i \pi_j = 1 - \sum_i \pi_i^2": "p",
    r"\sum_i \sum_{j \neq i} \pi_i \pi_j = 1 - \sum_i \pi_i": "r",
    r"\delta_{ij} \delta_{jk} \pi_i = \delta_{ij} \delta_{jk} \pi_k": "p",
    r"\delta_{ij} \pi_k = \delta_{ij} \pi_j": "r",
    r"\pi_1 \delta_{12} = 0": "p",
    r"\sum_i \delta_{i1} \pi_i = \pi_1": "p",
    r"\partial_{\theta_1} \pi_2 = -\pi_1 \pi_2": "p",
    r"\partial_{\theta_1} \pi_2 = \pi_1 \pi_2": "r",
    r"\pi_i^{-1} \pi_i = 1": "p",
    r"\exp(\sum_i \pi_i Q_i) = \exp(\sum_j Q_j \pi_j)": "p",
    r"\partial_{\theta_k} \exp(\sum_i \pi_i Q_i) = \exp(\sum_i \pi_i Q_i) \pi_k "
    r"(Q_k - \sum_i \pi_i Q_i)": "p",
    r"\frac{d}{d\alpha} \log \sum_b e^{Q_b/\alpha} = -\frac{1}{\alpha^2} \sum_b "
    r"\frac{e^{Q_b/\alpha}}{\sum_c e^{Q_c/\alpha}} Q_b": "p",
}  # fmt: skip


@pytest.mark.parametrize("claim", IDENTITIES)
def test_an_identity_of_the_fragment_is_decided(claim):
    text = f"Weights $w_i$ are constants, with $w_i > 0$.\n\n$${claim}$$"
    made = report(check(text))
    assert made.steps[0].status.value[0] == IDENTITIES[claim]


def test_the_derivative_rules_are_those_of_sympy():
    """d^2 L / d theta_j d theta_k, written out for three actions by SymPy and by our rules."""
    theta = sympy.symbols("t:3", real=True)
    q = sympy.symbols("q:3", real=True)
    total = sum(map(sympy.exp, theta))
    pi = [sympy.exp(t) / total for t in theta]
    g = [q[i] - 2 * (theta[i] - sympy.log(total)) for i in range(3)]
    loss = -sum(p * x for p, x in zip(pi, g, strict=True))
    value = sum(p * x for p, x in zip(pi, g, strict=True))
    point = dict(zip((*theta, *q), (0.3, -1.2, 0.7, 1.5, -0.4, 2.0), strict=True))
    for j in range(3):
        for k in range(3):
            theirs = sympy.diff(loss, theta[j], theta[k]).subs(point)
            same = int(j == k)
            a_j, a_k = g[j] - value, g[k] - value
            ours = pi[j] * (same * (2 - a_j) - pi[k] * (2 - a_j - a_k))
            assert abs(float(theirs - ours.subs(point))) < 1e-12


def test_a_formula_comes_back_from_its_normal_form():
    assert unicode(formula(constant(0))) == "0"
