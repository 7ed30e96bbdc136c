"""Notation that papers use for whole tables, other policies, divergences, and in plain text."""

# ruff: noqa: RUF001  characters that look alike are what is read here

import pytest

from softcheck.derive.check import check
from softcheck.derive.expr import Sym
from softcheck.derive.reporting import report
from softcheck.derive.spell import latex, unicode
from softcheck.result import Verdict

P, R, U = Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN

READ = {
    # The mean of a whole table
    r"\mathbb{E}_\pi[Q]": "E_{a~π}[Q(a)]",
    r"\mathbb{E}_{\pi_\theta}\left[ Q(s,\cdot) \right]": "E_{a~π}[Q(a)]",
    r"\mathbb{E}_{\pi(\cdot|s)}[\alpha Q - \log \pi(\cdot|s)]": "E_{a~π}[α Q(a) − log π(a)]",
    r"\sum_a \mathbb{E}_\pi[Q] \pi(a)": "Σ_a E_{b~π}[Q(b)] π(a)",
    r"\mathrm{Var}_\pi[Q]": "E_{a~π}[Q(a) Q(a)] − E_{a~π}[Q(a)] E_{a~π}[Q(a)]",
    # Ranges of sums
    r"\sum_{x \in \mathcal X} \pi(x)": "Σ_x π(x)",
    r"\sum_{i \in [n]} \pi_i": "Σ_i π(i)",
    r"\sum_{i \in \{1, \dots, n\}} \pi_i": "Σ_i π(i)",
    r"\sum_{\substack{a' \in \mathcal{A} \\ a' \neq a}} \pi(a')": "Σ_a'≠a π(a')",
    r"\sum_{\substack{c \neq a \\ c \neq b}} \pi(c)": "Σ_c≠a≠b π(c)",
    # Other policies
    r"\pi_{\theta_{old}}(a|s)": "π_old(a)",
    r"\pi_{\theta_{\text{old}}}(a|s)": "π_old(a)",
    r"\pi_{\theta_\mathrm{old}}(a|s)": "π_old(a)",
    r"\pi_{old}(a|s)": "π_old(a)",
    r"\pi_{\mathrm{ref}}(a|s)": "π_ref(a)",
    r"Q^{\pi'}(s,a)": "Q_{π'}(a)",
    r"Q^{\pi^*}(s,a)": "Q_{π*}(a)",
    r"A^{\pi_{\theta_{old}}}(s,a)": "A_{π_old}(a)",
    r"V^{\pi_{\theta}}(s)": "V",
    # Divergences
    r"D_{\mathrm{KL}}(\pi \,\|\, q)": "D_KL(π‖q)",
    r"D_{KL}\left(\pi_\theta(\cdot|s) \,\middle\|\, \pi_{\theta_{old}}(\cdot|s)\right)":
        "D_KL(π‖π_old)",
    r"\mathbb{D}_{\text{KL}}[\pi \Vert \pi']": "D_KL(π‖π')",
    r"\mathrm{KL}(q \| \pi)": "D_KL(q‖π)",
    # The value of a function that is a table
    r"\sigma(z)_i": "σ(z)(i)",
    r"\mathrm{softmax}(z / \tau)_i": "exp(z(i) / τ) / (Σ_b exp(z(b) / τ))",
    # Unicode
    "∑_{a′≠a} π(a′)²": "Σ_a'≠a π(a')²",
    "∂π(b)/∂θₐ": "∂π(b)/∂θ(a)",
    "𝔼_{a∼π(·∣s)}[Q(s,a)]": "E_{a~π}[Q(a)]",
    "𝟙[a≠b] − 𝜋(a)⁻¹·Qₐ": "1 − 1{a=b} − π(a)⁻¹ Q(a)",
    "∑_{a ∈ 𝒜} log π(a) × 2": "Σ_a (log π(a)) 2",
    "∑_{i=1}^n exp(θ_i)": "Σ_i exp(θ(i))",
}  # fmt: skip


@pytest.mark.parametrize("source", READ)
def test_it_is_read(source):
    made = report(check(f"$$X + 0 = {source}$$"))
    assert [line.reading for line in made.lines] == ["X + 0", READ[source]]


DECIDED = {
    "value-of-a-function": (
        r"where $\sigma(z)_i = \frac{e^{z_i}}{\sum_{j=1}^K e^{z_j}}$: "
        r"$$\frac{\partial \sigma(z)_i}{\partial z_j} = \sigma(z)_i (\delta_{ij} - \sigma(z)_j)"
        r" = \sigma(z)_i (\delta_{ij} - \sigma(z)_i)$$", [P, R]),
    "whole-softmax": (
        r"With $p = \mathrm{softmax}(z)$, $$\frac{\partial p_i}{\partial z_j}"
        r" = p_i (\delta_{ij} - p_j) = p_i (\delta_{ij} + p_j)$$", [P, R]),
    "whole-softmax-of-a-policy": (
        r"$\pi_\theta(\cdot|s) = \mathrm{softmax}(\theta_{s,\cdot})$ "
        r"$$\partial_{\theta_k} \log \pi_i = \delta_{ik} - \pi_k$$", [P]),
    "whole-softmax-of-an-entry": (
        r"$\pi^*(a|s) = \mathrm{softmax}(Q(s,\cdot)/\alpha)$ "
        r"$$\alpha \log \frac{\pi^*(a|s)}{\pi^*(b|s)} = Q(s,a) - Q(s,b)$$", [P]),
    "whole-softmax-again": (
        r"$\pi = \mathrm{softmax}(\theta)$ $$\pi = \mathrm{softmax}(2 \theta)$$", [R]),
    "mean": (
        r"$$\mathbb{E}_\pi[Q(s,\cdot)] = \sum_a \pi(a) Q(a)$$"
        r"$$\mathbb{E}_\pi[Q] = \sum_a Q(a)$$", [P, R]),
    "mean-of-a-definition": (
        r"where $g(a) = Q(a) - \alpha \log \pi(a)$ and $V = \sum_a \pi(a) g(a)$: "
        r"$$V = \mathbb{E}_\pi[g] = \mathbb{E}_\pi[g - V] + V = \mathbb{E}_\pi[g - V]$$",
        [P, P, U]),
    "letter": (
        r"Let $p(x) = \frac{e^{f(x)}}{\sum_{y \in \mathcal{X}} e^{f(y)}}$ for $x \in \mathcal{X}$."
        r"$$\frac{\partial p(x)}{\partial f(y)} = p(x) (\mathbf{1}\{x = y\} - p(y)) = p(x)$$",
        [P, R]),
    "letter-with-a-condition": (
        r"where $p(x) = e^{z_x} / \sum_{y \in \mathcal{Y}} e^{z_y}$, $x \in \mathcal{Y}$: "
        r"$$\partial_{z_y} p(x) = -p(x) p(y), \quad x \neq y$$", [P]),
    "letter-before-it-is-bound": (
        r"where $p(x) = 2 e^{Q(x)}$. $$\sum_x p(x) = 1$$", [R]),
    "divergence": (
        r"$$\partial_{\theta_k} D_{\mathrm{KL}}(\pi_{old} \| \pi) = \pi_k - \pi_{old}(k)$$"
        r"$$\partial_{\theta_k} D_{\mathrm{KL}}(\pi_{old} \| \pi) = \pi_{old}(k) - \pi_k$$",
        [P, R]),
    "divergence-stated": (
        r"$$D_{KL}(\pi \| \pi_{ref}) = \sum_a \pi(a) \log \frac{\pi(a)}{\pi_{ref}(a)}$$"
        r"$$D_{KL}(\pi \| \pi_{ref}) = \sum_a \pi_{ref}(a) \log \frac{\pi(a)}{\pi_{ref}(a)}$$",
        [P, R]),
    "surrogate": (
        r"$$\partial_{\theta_k} \sum_a \pi_{\theta_{old}}(a)"
        r" \left[\frac{\pi_\theta(a)}{\pi_{\theta_{old}}(a)} A^{\pi_{\theta_{old}}}(a)\right]"
        r" = \sum_a \pi_\theta(a) (\delta_{ak} - \pi_\theta(k)) A^{\pi_{\theta_{old}}}(a)$$", [P]),
    "old-is-not-new": (r"$$\sum_a \pi_{old}(a) \log \pi(a) = \sum_a \pi(a) \log \pi(a)$$", [R]),
    "unicode": (
        "where $g(a) = Q(a) − α log π(a)$, $V = ∑_a π(a) g(a)$ and $L = −∑_a π(a)·g(a)$:\n\n"
        "$$∂L/∂θₐ = −π(a)·(g(a) − V) = −π(a) (g(a) + V)$$", [P, R]),
    "unicode-relation": (r"$$π(a) ≠ 1$$ and $∑_a π(a) = 1$", [P]),
}  # fmt: skip


@pytest.mark.parametrize("name", DECIDED)
def test_what_it_claims_is_decided(name):
    text, verdicts = DECIDED[name]
    made = report(check(text))
    assert [step.status for step in made.steps] == verdicts


UNKNOWN = {
    r"\mathbb{E}_\pi[Q(s,a) Q(s,b)] = 1": "column 3: an expectation must name its action",
    r"\mathbb{E}_\tau[Q] = 1": "column 3: an expectation must name its action",
    r"\mathbb{E}_\pi[c Q] = c": "column 3: it is not clear whether c is one number or one an",
    r"\mathrm{softmax}(\theta + c)_i = \pi_i": "column 3: it is not clear whether c is one number",
    r"\mathrm{softmax}(\theta_i)_i = \pi_i": "column 3: a whole table was expected here",
    r"\mathrm{softmax}(2)_i = \pi_i": "column 3: a whole table was expected here",
    r"p_i + p_j = \mathrm{softmax}(\theta)": "column 15: a softmax without its action is a vector",
    r"\sum_{x \in \mathcal{D}} \pi(x) = 1": "column 15: a sum over 'D', expected",
    r"\sum_{x \in \mathcal{S}} \pi(x) = 1": "column 15: a sum over 'S', expected",
    r"\sum_{i \in []} \pi_i = 1": "column 15: a sum over '[', expected",
    r"\sum_{i \in \{1, 2\}} \pi_i = 1": r"column 15: a sum over '\{', expected",
    r"\sum_{a \in \mathcal{A}(b)} \pi(a) = 1": "column 15: a set of actions that depends on more",
    r"\pi_{\theta_j}(a) = \pi(a)": "column 15: 'j' not understood, expected old or ref",
    r"Q^{\pi'}(a) + 0 = Q(a)": "Q_π' has no definition",
    r"\pi_{old}(a) = \pi(a)": "π_old is free here",
    r"\pi(a) = \pi_{old}(a)": "π_old is free here",
    r"V^{\pi_{old}} + 0 = V^{\pi}": "V has no definition",
    r"D_{KL}(\pi \| \mathrm{softmax}(Q)) = 0": "column 3: a divergence that is not between two",
    r"D_{KL}(\pi \| q) = 0": "q has no definition",
    r"\sigma(z)_i + 0 = 1": "σ(z) has no definition",
    "∫ π(a) = 1": "column 3: an integral is outside",
    "√2 = 1": "column 3: a root is outside",
    "π(a)⁺ = 1": "column 8: the formula ends",
}  # fmt: skip


@pytest.mark.parametrize("claim", UNKNOWN)
def test_what_stays_unknown_says_why_and_where(claim):
    step = report(check(f"$${claim}$$")).steps[-1]
    assert step.status is U
    assert UNKNOWN[claim] in step.reason


def test_a_name_with_a_word_in_brackets_and_one_without_are_not_mixed_up():
    made = report(check(r"where $p(x) = 2 e^{Q_1}$. $$\sum_a p(a) = 1$$"))
    assert made.steps[0].status is U
    assert "p stands for several quantities, told apart by (x)" in made.steps[0].reason


def test_two_sets_of_actions_are_not_taken_for_one():
    text = r"$$\sum_{a \in \mathcal{A}} \pi(a) = 1$$ $$\sum_{x \in \mathcal{X}} \pi(x) = 1$$"
    made = report(check(text))
    assert made.status is U
    assert "A and X are both read as the set of actions" in made.steps[-1].reason


def test_what_is_taken_for_granted_of_an_old_policy_and_a_divergence_is_a_given():
    made = report(check(r"$$D_{KL}(\pi_{old} \| \pi_{old}) = 0$$"))
    assert {given.reading: given.source for given in made.givens} == {
        "D_KL(π_old‖π_old) := Σ_b π_old(b) (log π_old(b) − log π_old(b))": "default",
        "π_old does not depend on the policy, and is positive, and Σ π_old = 1": "default",
    }


@pytest.mark.parametrize("name", ["D_KL(π‖π_ref)", "D(q)", "A_π_old", "π_old", "Q_π'"])
def test_a_name_is_read_back_as_it_is_spelled(name):
    made = report(check(f"$$X + 0 = {latex(Sym(name))}$$"))
    assert made.lines[1].reading == unicode(Sym(name))
    entry = latex(Sym("σ(z)", ("i",)))
    assert report(check(f"$$X + 0 = {entry}$$")).lines[1].reading == "σ(z)(i)"
