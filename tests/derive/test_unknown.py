"""What cannot be decided is unknown, with its reason, and never passes."""

import pytest
import run

from softcheck.derive.check import check
from softcheck.derive.reporting import report
from softcheck.result import Verdict

RIGHT = r"$$\sum_a \pi(a) = 1$$"

UNKNOWN = {
    "undefined": (r"$$\pi(a) = B(a)$$", "B has no definition"),
    "undefined-derivative": (r"$$\partial_{\theta_k} V = 0$$", "V has no definition"),
    "inequality": (r"$$1 = \sum_a \pi(a) \le 2 = 2$$", "'≤' claims no equality"),
    "approximation": (r"$$1 = \sum_a \pi(a) \approx 2 = 2$$", "'≈' claims no equality"),
    "in-the-text": (r"so $\sum_a \pi(a)^2 = 1$.", "it is not sure that it is claimed"),
    "limit": (r"$$\lim_{\alpha \to 0} \pi(a) = 1$$", "a limit is outside"),
    "maximum": (r"$$\max_a \pi(a) = 1$$", "a maximum is outside"),
    "integral": (r"$$\int \pi(a) \, da = 1$$", "an integral is outside"),
    "root": (r"$$\sqrt{\pi(a)} = 1$$", "a root is outside"),
    "product": (r"$$\prod_a \pi(a) = 1$$", "a product over an index is outside"),
    "cases": (r"$$\pi(a) = \begin{cases} 1 & a = k \end{cases}$$", "a distinction of cases"),
    "matrix": (r"$$\begin{pmatrix} 1 \end{pmatrix} = 1$$", "the environment 'pmatrix'"),
    "transpose": (r"$$\theta^\top \pi = 0$$", "a transpose is outside"),
    "power": (r"$$\pi(a)^{\alpha} = 1$$", "a power whose exponent"),
    "gradient-by-nothing": (r"$$\nabla \pi(a) = 0$$", "by nothing that is named"),
    "two-gradients": (
        r"$$\nabla_\theta \pi(a) \nabla_\theta \pi(b) = 0$$", "a product of two gradients"),
    "gradient-and-number": (r"$$\nabla_\theta \pi(a) = \pi(a)$$", "another side is a number"),
    "by-a-definition": (r"$$\frac{\partial \pi(a)}{\partial \pi(b)} = 1$$", "has a definition"),
    "leftover": (r"$$\sum_a \pi(a) = 1 \pi(a)] $$", "']' not understood"),
    "command": (r"$$\cancel{\pi(a)} = 1$$", r"'\cancel' not understood"),
    "empty-side": (r"$$\pi(a) = $$", "the formula ends"),
    "bare-mean": (r"$$\mathbb{E}[\pi(a) Q(b)] = 1$$", "must name its action"),
    "reach": (r"$$\partial_{\theta_k} \alpha \log \pi(a) = 0$$", "how far this derivative reaches"),
    "slash": (r"$$\pi(a)/2\alpha = 1$$", "a slash with several factors"),
    "partial-sum": (r"$$\sum_{i=1}^{n-1} \pi_i = 1$$", "a sum up to 'n-1'"),
    "states": (r"$$\sum_s \pi(a|s) = 1$$", "'s' not understood"),
    "two-sizes": (r"$$\sum_{i=1}^K \pi_i = \sum_{i=1}^n \pi_i$$", "K and n are both read"),
    "two-states": (r"$$Q(s,a) = Q(s_t,a)$$", "s and s_t are both read as the state"),
    "two-parameters": (r"$$Q_\phi(a) = Q_\psi(a)$$", "told apart by ψ and ϕ"),
    "two-uses": (r"$$\pi(\theta) = \pi(\theta)$$", "π is used with 0 and 1 actions"),
    "free-constant": (r"$$\alpha = 2$$", "α is free here"),
    "bound": (r"With $\beta > 1$, $$\beta = \beta^2$$", "a condition not understood"),
    "unclosed": (r"$$\sum_a \pi(a) = 1", "does not close"),
    "unclosed-inline": (r"the sum $\sum_a \pi(a) = 1", "does not close"),
    "macro-loop": (r"\newcommand{\x}{\x\x} $$\x = 1$$", "goes on for ever"),
    "sum-in-a-root": (r"$$\log (1 + \pi(a)) = \log (\pi(a) + 1)$$", "a logarithm of a sum"),
    "division": (r"$$\frac{1}{1 + \pi(a)} = \frac{1}{\pi(a) + 1}$$", "a division by a sum"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_it_is_unknown_and_says_why(name):
    text, reason = UNKNOWN[name]
    made = report(check(text))
    unknown = [step for step in made.steps if step.status is Verdict.UNKNOWN]
    assert unknown
    assert reason in unknown[0].reason
    assert made.status is Verdict.UNKNOWN


@pytest.mark.parametrize("name", UNKNOWN)
def test_it_never_passes_beside_what_is_right(name, tmp_path):
    path = tmp_path / "paper.md"
    path.write_text(f"{RIGHT}\n\n{UNKNOWN[name][0]}\n")
    outcome = run.softcheck("derive", path)
    assert outcome.code == 1
    assert "unknown" in outcome.out


@pytest.mark.parametrize(
    "text",
    ["", "words only", r"$\pi(a)$ and $$\theta_a$$", r"for $a \in \mathcal{A}$ and $k \neq a$",
     "```python\n$x = 1$\n```", r"$$g(a) = Q(a)$$"],
)  # fmt: skip
def test_a_document_without_an_equality_is_an_error(text, tmp_path):
    path = tmp_path / "paper.md"
    path.write_text(text)
    outcome = run.softcheck("derive", path)
    assert outcome.code == 2
    assert "equation" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_difference_that_only_rounding_makes_is_no_counterexample():
    text = r"$$\frac{1}{1 + \pi(a)} + 10^{20} - 10^{20} = \frac{1}{\pi(a) + 1}$$"
    (step,) = report(check(text)).steps
    assert step.status is Verdict.UNKNOWN
    assert step.counterexample is None


def test_a_claim_that_holds_for_two_actions_only_is_refuted_with_three():
    made = report(check(r"$$\partial_{\theta_a} \pi(b) = -\pi(a) (1 - \pi(a)), \quad b \neq a$$"))
    (step,) = made.steps
    assert step.status is Verdict.REFUTED
    assert step.counterexample.actions == 3


def test_a_condition_is_respected_by_proof_and_by_counterexample():
    right = r"$$\partial_{\theta_k} \pi_i = -\pi_i \pi_k, \quad k \neq i$$"
    wrong = r"$$\partial_{\theta_k} \pi_i = \pi_i \pi_k, \quad k \neq i$$"
    (step,) = report(check(right)).steps
    assert step.status is Verdict.PROVED
    (step,) = report(check(wrong)).steps
    indices = step.counterexample.indices
    assert indices["k"] != indices["i"]


def test_what_only_one_side_condition_excludes_is_said():
    made = report(check(r"Weights $w_i$ are constants. $$\frac{w_i Q_i}{w_i} = Q_i$$"))
    assert made.steps[0].needs == ("w(i) ≠ 0",)
