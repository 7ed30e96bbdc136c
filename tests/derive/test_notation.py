"""The notations of real documents, and what is read in them."""

import pytest

from softcheck.derive.check import check
from softcheck.derive.reporting import report
from softcheck.result import Verdict

READ = {
    r"\pi_\theta(a|s)": "π(a)",
    r"\pi(a \mid s)": "π(a)",
    r"\pi_{\theta}\left(a' \middle| s\right)": "π(a')",
    r"\pi_i": "π(i)",
    r"p_k": "p(k)",
    r"Q_\phi(s, a)": "Q(a)",
    r"Q^{\pi}(s, a)": "Q(a)",
    r"\theta_{s,a}": "θ(a)",
    r"\theta_{s,a'}": "θ(a')",
    r"\theta_{s,a^\prime}": "θ(a')",
    r"\theta_{\tilde{a}}": "θ(a\u0303)",
    r"A_{\text{soft}}(s, a)": "A_soft(a)",
    r"A_{\mathrm{soft}}(s, a)": "A_soft(a)",
    r"A^{\text{soft}}(s, a)": "A_soft(a)",
    r"V_\pi(s)": "V",
    r"V^{\pi_\theta}(s)": "V",
    r"\mathcal{L}_\pi(\theta)": "ℒ",
    r"\mathcal{H}(\pi(\cdot|s))": "ℋ(π)",
    r"D(\pi \,\|\, q)": "D(π‖q)",
    r"\pi^*(a)": "π*(a)",
    r"\pi^{\star}(a)": "π*(a)",
    r"\pi(a)^2": "π(a)²",
    r"\pi^2(a)": "π(a)²",
    r"\pi_i^2": "π(i)²",
    r"\sum_{a' \in \mathcal{A}} \pi(a')": "Σ_a' π(a')",
    r"\sum_{a' \neq a} \pi(a')": "Σ_a'≠a π(a')",
    r"\sum_{j: j \neq i} \pi_j": "Σ_j≠i π(j)",
    r"\sum_{j \in \mathcal{A} \setminus \{i\}} \pi_j": "Σ_j≠i π(j)",
    r"\sum\limits_{i=1}^n \pi_i": "Σ_i π(i)",
    r"\sum_{i=1}^{|\mathcal{A}|} \pi_i": "Σ_i π(i)",
    r"\sum_b \pi(b)": "Σ_b π(b)",
    r"\sum_{i,j} \pi_i \pi_j": "Σ_i Σ_j π(i) π(j)",
    r"\frac{\partial \pi_i}{\partial \theta_k}": "∂π(i)/∂θ(k)",
    r"\frac{\partial}{\partial \theta_k} \pi_i": "∂π(i)/∂θ(k)",
    r"\partial \pi_i / \partial \theta_k": "∂π(i)/∂θ(k)",
    r"\partial_{\theta_k} \pi_i": "∂π(i)/∂θ(k)",
    r"\partial_k \pi_i": "∂π(i)/∂θ(k)",
    r"\nabla_{\theta_{s,a}} \log \pi(b)": "∂/∂θ(a) [log π(b)]",
    r"\frac{d\pi_i}{d\alpha}": "∂π(i)/∂α",
    r"\frac{\mathrm{d}\pi_i}{\mathrm{d}\alpha}": "∂π(i)/∂α",
    r"\frac{\partial^2 \pi_i}{\partial \theta_k \partial Q_j}": "∂/∂θ(k) [∂π(i)/∂Q(j)]",
    r"\mathbf{1}\{a' = a\}": "1{a'=a}",
    r"\mathbb{1}[a = b]": "1{a=b}",
    r"\mathbf{1}_{\{a = b\}}": "1{a=b}",
    r"1\{a = b\}": "1{a=b}",
    r"\mathbb{I}(a \neq b)": "1 − 1{a=b}",
    r"\delta_{ij}": "1{i=j}",
    r"\delta_{a,a'}": "1{a=a'}",
    r"\mathbb{E}_{a' \sim \pi_\theta(\cdot|s)}[Q(s, a')]": "E_{a'~π}[Q(a')]",
    r"\mathbb{E}_{a \sim \pi}\left[ Q(a) \right]": "E_{a~π}[Q(a)]",
    r"E_{a \sim \pi}\bigl[ Q(a) \bigr]": "E_{a~π}[Q(a)]",
    r"\ln \pi(a)": "log π(a)",
    r"\log \pi(a) Q(a)": "(log π(a)) Q(a)",
    r"e^{\theta_a}": "exp(θ(a))",
    r"\exp\{\theta_a\}": "exp(θ(a))",
    r"\mathrm{softmax}(\theta)_a": "exp(θ(a)) / (Σ_b exp(θ(b)))",
    r"\operatorname{softmax}(Q/\alpha)_a": "exp(Q(a) / α) / (Σ_b exp(Q(b) / α))",
    r"\tfrac12 Q(a)": "(1 / 2) Q(a)",
    r"-\big[ Q(a) \big]": "−Q(a)",
    r"Q(a) \cdot 2": "Q(a) 2",
    r"\beta + \tau + \eta + \alpha": "β + τ + η + α",
    r"\underbrace{Q(a)}_{\text{value}}": "Q(a)",
    r"{Q(a)}": "Q(a)",
    r"n": "n",
    r"0.5 Q(a)": "(1/2) Q(a)",
}


@pytest.mark.parametrize("source", READ)
def test_a_formula_is_read(source):
    made = report(check(f"$$X + 0 = {source}$$"))
    assert [line.reading for line in made.lines] == ["X + 0", READ[source]]


ONE = r"\sum_a \pi(a)"

PROVED = {
    "align": rf"\begin{{align}} {ONE} &= 1 \\ {ONE} Q(a) &= \sum_b \pi(b) Q(b) \end{{align}}",
    "align*": rf"\begin{{align*}} {ONE} &= 1 \label{{eq:a}} \end{{align*}}",
    "gather": rf"\begin{{gather}} {ONE} = 1 \\ n = \sum_a 1 \end{{gather}}",
    "split": rf"$$\begin{{split}} {ONE} &= 1 \\ &= 2 - 1 \end{{split}}$$",
    "bracket": rf"\[ {ONE} = 1 \tag{{3}} \]",
    "fence": f"```math\n{ONE} = 1\n```",
    "tex-fence": f"```latex\n\\begin{{align}} {ONE} &= 1 \\end{{align}}\n```\n\n$$n = n$$",
    "ticked": f"inline $`{ONE} = 1`$",
    "round": rf"inline \({ONE} = 1\)",
    "text": f"so ${ONE} = 1$.",
    "continued": r"\begin{align} n &= n + 1 \\ &\quad - 1 \\ &= n \end{align}",
    "bracket-over-rows": r"\begin{align} n &= \Big[ n + 1 \\ &\quad - 1 \Big] \end{align}",
    "reason": rf"$${ONE} = 1 \quad (\text{{softmax}})$$",
    "reason-bare": rf"$${ONE} = 1 \qquad \text{{by definition}}$$",
    "several": rf"$${ONE} = 1, \qquad n = n$$",
    "marked": rf"$${ONE} \overset{{(a)}}{{=}} 1 \stackrel{{!}}{{=}} 1$$",
    "punctuation": rf"$${ONE} = 1\,.$$",
    "comment": f"$${ONE} % = 2\n = 1$$",
    "commented-out": f"% $$1 = 2$$\n$${ONE} = 1$$",
    "macro": r"\newcommand{\s}[1]{\sum_{#1}} $$\s{a} \pi(a) = 1$$",
    "def": rf"\def\one{{1}} $${ONE} = \one$$",
    "operator": r"\DeclareMathOperator{\softmax}{softmax} $$\softmax(\theta)_i = \pi_i$$",
    "to-the-right": r"$$\sum_a \pi(a) Q(a) =: v$$ $$v = \sum_b \pi(b) Q(b)$$",
    "brace-value": rf"$$\underbrace{{{ONE}}}_{{=1}} - 1 = 0$$",
    "brace-name": r"$$\pi(k) \underbrace{\sum_a \pi(a) Q(a)}_{=: W} = W \pi(k)$$",
    "money": f"It costs $5 and then $6.\n\n$${ONE} = 1$$",
    "for-all": rf"$${ONE} = 1 \quad \forall \theta$$",
    "second": r"$$\frac{\partial^2}{\partial \theta_k^2} [\log \pi(a)] = -\pi(k) (1 - \pi(k))$$",
    "mixed": r"$$\frac{\partial^2 [\alpha Q(a)]}{\partial \alpha \, \partial Q(a)} = 1$$",
    "variance": r"$$\mathrm{Var}_{b \sim p}[Q(b)] = \sum_b p(b) Q(b)^2 - (\sum_b p(b) Q(b))^2$$",
    "implies": rf"$${ONE} = 1 \implies {ONE} - 1 = 0$$",
    "windows": f"$${ONE}\r\n= 1$$\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", PROVED)
def test_a_document_is_read_whole(name):
    made = report(check(PROVED[name]))
    assert {step.status for step in made.steps} == {Verdict.PROVED}


def test_code_is_skipped_and_what_follows_it_is_not():
    text = "```tex\n$$n = n$$\n```\n$$n = n$$\n```python\n$1 = 2$\n```\n$n + 1 = n$\n`$1 = 2$`\n"
    made = report(check(text))
    assert [step.source_line for step in made.steps] == [2, 4, 8]
    assert made.status is Verdict.UNKNOWN


def test_a_chain_that_starts_again_goes_on():
    text = r"$$n = n + 0$$ and then $$\begin{aligned} n &= n + 1 - 1 \\ &= n \end{aligned}$$"
    made = report(check(text))
    assert [(s.from_line, s.to_line) for s in made.steps] == [(1, 2), (2, 3), (3, 4)]


def test_a_chain_does_not_go_on_from_a_line_that_is_wrong():
    made = report(check(r"$$n = n + 1$$ $$n = n + 0$$"))
    assert [step.status for step in made.steps] == [Verdict.REFUTED, Verdict.PROVED]


def test_a_sum_to_one_is_a_claim_if_the_document_defines_its_symbol():
    text = "where $\\sum_i f_i = 1$.\n$$f_i = 2 \\pi_i$$\n$$f_i = \\pi_i + \\pi_i$$"
    made = report(check(text))
    assert [step.status for step in made.steps] == [Verdict.REFUTED, Verdict.PROVED]


def test_each_step_stands_on_the_line_of_its_right_hand_side():
    text = "\n\n\\begin{align}\nn &= n + 1\n\\\\ &\\quad - 1 \\\\\n&= n\n\\end{align}\n"
    made = report(check(text))
    assert [step.source_line for step in made.steps] == [4, 6]
    assert [line.source_line for line in made.lines] == [4, 4, 6]


def test_a_definition_that_differs_from_eq_6_is_a_note():
    text = r"where $g(a) = Q(a) + \alpha \log \pi(a)$: $$\sum_a \pi(a) g(a) = \sum_b g(b) \pi(b)$$"
    made = report(check(text))
    assert made.status is Verdict.PROVED
    notes = [given.note for given in made.givens if given.note]
    assert notes == [r"differs from Eq. (6)'s own, g(a) = Q(a) - \alpha \log \pi(a)"]


def test_a_definition_written_differently_is_no_note():
    text = r"where $g(s,b) = -\alpha \ln \pi(b|s) + Q(s,b)$: $$g(b) = Q(b) - \alpha \log \pi(b)$$"
    made = report(check(text))
    assert made.status is Verdict.PROVED
    assert not any(given.note for given in made.givens)
