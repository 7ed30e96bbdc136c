"""What a proof takes for granted is listed with it, and goes on with the lemma that needs it."""

import pytest

from softcheck.derive.check import check
from softcheck.derive.kernel.theorems import lemma
from softcheck.derive.reporting import report
from softcheck.result import Verdict

WEIGHTS = "Weights $w_i$ are constants.\n\n"

ASSUMED = {
    r"\exp(\log Q(a)) = Q(a)": ("Q(a) > 0",),
    r"\log Q(a) = \log Q(a)": ("Q(a) > 0",),
    r"\sum_a \log Q(a) = \sum_b \log Q(b)": ("Q(·) > 0",),
    r"\frac{\log Q(a)}{Q(a)} Q(a) = \log Q(a)": ("Q(a) > 0",),
    r"\frac{w_i}{w_i} = 1": ("w(i) ≠ 0",),
    r"w_i^{-1} = 1 / w_i": ("w(i) ≠ 0",),
    r"\frac{\sum_b w_b}{\sum_b w_b} = 1": ("Σ_a' w(a') ≠ 0",),
    r"\frac{w_i Q_k}{Q_k w_i} = 1": ("Q(k) ≠ 0", "w(i) ≠ 0"),
    r"\exp(\log \pi(a)) = \pi(a)": (),
    r"\exp(\log \alpha) = \alpha": (),
}


@pytest.mark.parametrize("claim", ASSUMED)
def test_what_must_be_positive_or_not_zero_is_listed(claim):
    (step,) = report(check(f"{WEIGHTS}$${claim}$$")).steps
    assert step.status is Verdict.PROVED
    assert step.needs == ASSUMED[claim]


WHOLE = WEIGHTS + (
    r"where $y_i = w_i \pi_i / w_i$, and $$\partial_{\theta_k} y_i = y_i (\delta_{ik} - \pi_k)$$"
    "\n"
)


def test_a_lemma_passes_on_what_it_assumes_at_the_actions_where_it_is_used():
    text = WHOLE + r"$$\partial_{\theta_j} [y_b^2 Q_b] = 2 y_b^2 Q_b (\delta_{bj} - \pi_j)$$"
    steps = report(check(text)).steps
    assert [step.status for step in steps] == [Verdict.PROVED] * 2
    assert steps[0].needs[-1] == "w(i) ≠ 0"
    assert steps[1].needs == ("the lemma of line 3", "w(b) ≠ 0")


def test_it_is_passed_on_through_a_second_lemma_and_under_a_sum():
    text = WHOLE + (
        r"$$\partial_{\theta_j} \sum_b y_b Q_b = \sum_b y_b (\delta_{bj} - \pi_j) Q_b$$"
        "\n"
        r"where $W = \sum_b y_b Q_b$. "
        r"$$\partial_{\theta_k} W = \sum_b y_b (\delta_{bk} - \pi_k) Q_b$$"
        "\n"
        r"$$\partial_{\theta_k} [W^2] = 2 W \sum_b y_b (\delta_{bk} - \pi_k) Q_b$$"
    )
    steps = report(check(text)).steps
    assert [step.status for step in steps] == [Verdict.PROVED] * 4
    for step in steps[1:]:
        assert step.needs[-1] == "w(·) ≠ 0"
    assert steps[3].needs == ("the lemma of line 5", "w(·) ≠ 0")


def test_a_lemma_about_a_logarithm_assumes_that_there_is_one():
    text = (
        "where $y_i > 0$ are constants.\n"
        r"$$\partial_{Q_k} [\log Q_i] = \frac{\delta_{ik}}{Q_k}$$"
    )
    checked = check(text)
    (decision,) = checked.decisions
    assert decision.found.words == ("Q(i) > 0", "Q(k) ≠ 0")
    stated = lemma(decision.found.proved, "it")
    assert set(stated.assumes) == set(decision.found.proved.assumes)


def test_a_condition_of_the_text_is_among_the_givens():
    made = report(check("Weights $w_i$ are constants, with $w_i > 0$.\n\n$$w_i / w_i = 1$$"))
    assert made.steps[0].needs == ()
    (given,) = [given for given in made.givens if given.name == "w"]
    assert given.reading == "w does not depend on the policy, and is positive"


ADVANTAGE = (
    r"where $g(a) = Q(a) - \alpha \log \pi(a)$ and $V = \sum_a \pi(a) g(a)$. "
    "Let $A(a) = g(a) - V$.\n\n"
)
SCORES = r"\sum_a \frac{\partial \pi(a)}{\partial \theta_b}"
ZEROS = {
    "by-zero": rf"$$\frac{{{SCORES}}}{{{SCORES}}} = 1$$",
    "beside-its-proof": rf"$${SCORES} = 0$$ $$\frac{{Q(c) {SCORES}}}{{{SCORES}}} = Q(c)$$",
    "by-definition": ADVANTAGE + r"$$\frac{\sum_a \pi(a) A(a)}{\sum_a \pi(a) A(a)} = 1$$",
    "logarithm": ADVANTAGE + r"Let $W = \sum_a \pi(a) A(a)$. $$\exp(\log W) = W$$",
    "power": ADVANTAGE + r"Let $W = \sum_a \pi(a) A(a)$. $$W^{-2} W^2 = 1$$",
    "in-a-definition": ADVANTAGE
    + r"Let $r = \frac{Q_1 \sum_a \pi(a) A(a)}{\sum_a \pi(a) A(a)}$. $$r + r = 2 r$$",
}


@pytest.mark.parametrize("name", ZEROS)
def test_a_step_whose_assumptions_hold_nowhere_is_not_proved(name):
    step = report(check(ZEROS[name])).steps[-1]
    assert step.status is Verdict.UNKNOWN
    assert step.counterexample is None


def test_the_assumption_that_holds_nowhere_is_named():
    (step,) = report(check(ZEROS["by-zero"])).steps
    assert "Σ_a' ∂π(a')/∂θ(b) ≠ 0" in step.reason
