"""What a hostile referee writes: nothing false is proved, nothing true refuted, nothing lost."""

from collections import Counter

import pytest

from softcheck.derive.check import check, report
from softcheck.derive.expr import ZERO, Diff, Sum, Sym
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.theorems import Facts
from softcheck.result import Verdict

P, R, U = Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN

DROPPED = {
    "comment-ends-environment": (
        "\\begin{align}\nn &= n \\\\ % \\end{align}\n&= n + 1\n\\end{align}", [P, R]),
    "comment-after-row": ("\\begin{align}n &= n \\\\% first\n &= n\\end{align}", [P, P]),
    "percent-in-verb": (r"\verb|a % b| $1=2$ \begin{align}n&=n\end{align}", [R, P]),
    "percent-in-url": (r"\url{a%20b} $1=2$ \begin{align}n&=n\end{align}", [R, P]),
    "percent-of-a-number": (r"5% less, so $1=2$. \begin{align}n&=n\end{align}", [R, P]),
    "unknown-environment": (
        r"\begin{IEEEeqnarray}{rCl} n &=& n+1\end{IEEEeqnarray} $$n=n$$", [R, P]),
    "macro-that-opens": (
        r"\newcommand{\be}{\begin{equation}}\newcommand{\ee}{\end{equation}}"
        r"\be n = n+1 \ee $$n=n$$", [U, U, P]),
    "macro-that-holds": (r"\newcommand{\claim}{$1=2$} So \claim. $$n=n$$", [U, P]),
    "ensuremath": (r"so \ensuremath{n = n + 1} and $n=n$", [U, P]),
    "closed-without-opening": (r"n = n+1 \end{align} $$n=n$$", [U, P]),
    "tex-quotes": ("the ``soft'' value $n = n+1$ and the ``hard'' one. $$n=n$$", [R, P]),
    "intertext": (
        r"\begin{align} n &= n \\ \intertext{and $1 = 2$ so} &= n\end{align}", [R, P, P]),
    "words-in-a-formula": (r"$$n = n \text{ since $1=2$}$$", [R, P]),
    "round-in-words": (r"$$n = n \text{ since \(1=2\)}$$", [R, P]),
    "words-of-a-macro": (r"\newcommand{\why}{\text{ since $1=2$}} $$n = n \why$$", [U, P]),
    "myst": ("```{math}\nn = n + 1\n```\n$$n=n$$", [R, P]),
    "four-ticks": ("````math\nn = n + 1\n````\n$$n=n$$", [R, P]),
    "tildes": ("~~~math\nn = n + 1\n~~~\n$$n=n$$", [R, P]),
    "equals-between-dollars": (r"so $n$ = $n+1$ and $n=n$", [U, P]),
    "money-before-a-formula": (r"It costs $5 and $n = n + 1$ holds", [R]),
    "decimal-comma": (r"$$Q(a)-Q(a) = 0,5$$", [P, U]),
    "definition-in-a-circle": (r"$$v(a) = w(a)+1$$ $$w(a) = v(a)+1$$ $$n=n$$", [U, P]),
    "second-column": (r"\begin{align} n &= n & 1 &= 2 \end{align}", [P, R]),
    "second-column-goes-on": (
        r"\begin{align} n &= n & 1 &= 1 \\ &= n & &= 1 \end{align}", [P, P, P, U]),
    "number-in-a-column": (r"\begin{align} 0 &= 0 & 5 \end{align}", [P, U]),
}  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
def test_no_equality_is_lost(name):
    text, expected = DROPPED[name]
    found = [step.status for step in report(check(text)).steps]
    assert Counter(found) == Counter(expected)


FALSE = {
    "macro-redefined": (
        r"\newcommand{\x}{1} $$\x = 2$$ \renewcommand{\x}{2}", "defined twice, in two ways"),
    "action-that-is-none": (r"$$\frac{\partial \pi_m}{\partial \theta_n} = 0$$", "no name of an"),
    "logit-that-is-none": (
        r"$\pi_i = e^{z_i} / \sum_j e^{z_j}$. $$\frac{\partial \pi_i}{\partial z_d} = 0$$",
        "no name of an"),
    "gradient-by-an-action": (r"$$\nabla_a Q(s,a) = 0$$", r"\nabla_{\theta_a}"),
    "linear-function": (
        r"$$h(\alpha + \beta) = h(\alpha) + h(\beta)$$", "may be a function or a factor"),
    "no-constant": (r"The value $V$ is not constant. $$\partial_{\theta_k} V = 0$$", "V has no"),
    "constant-beside-it": (
        r"where $c$ is a constant and $V$ is the value. $$\partial_{\theta_k} V = 0$$",
        "V has no definition"),
    "derivative-on-the-simplex": (
        r"where $\sum_i y_i = 1$. $$\frac{\partial}{\partial y_k} \sum_i y_i = 0$$",
        "whose entries add up to 1"),
    "derivative-on-the-simplex-2": (
        r"where $\sum_i y_i = 1$. $$\sum_i \frac{\partial y_i}{\partial y_k} = 1$$",
        "whose entries add up to 1"),
    "negative-temperature": (
        r"Here $\alpha < 0$. $$\log \alpha^2 = 2\log\alpha$$", "a condition not understood"),
    "conditions-that-exclude-each-other": (
        r"$$\pi_i = \pi_j, \quad i = j, j \neq i$$", "no number of actions"),
    "zero-by-zero": (
        r"where $w(a) = Q(a) - Q(a)$. $$\frac{w(a)}{w(a)} = 1$$", "no number of actions"),
    "two-exponents": (r"$$(n)^2^3 = n^6$$", "'^' not understood"),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE)
def test_a_false_or_doubtful_claim_is_not_proved(name):
    text, reason = FALSE[name]
    step = report(check(text)).steps[-1]
    assert step.status is Verdict.UNKNOWN
    assert reason in step.reason


def test_a_chain_does_not_go_on_from_an_inequality():
    made = report(check(r"$$\sum_a \pi(a)^2 \le 1$$ $$\sum_a \pi(a)^2 = 1$$"))
    assert [step.status for step in made.steps] == [U, R]


TRUE = {
    "two-columns": r"\begin{align} n &= n & 1 &= 1 \end{align}",
    "conditions-in-a-row": r"$$\pi_i = \pi_k, \quad i = j, j = k$$",
    "condition-on-a-number": r"$$\pi_k = \pi_1, \quad k = 1$$",
    "condition-behind-two-marks": (
        r"\begin{align} \partial_{\theta_k} \pi_i &= -\pi_i \pi_k && k \neq i \end{align}"),
    "two-left-out": r"$$\sum_{c \neq a, b} \pi(c) = 1 - \pi(a) - \pi(b), \quad a \neq b$$",
    "two-left-out-in-words": (
        r"$$\sum_{c \neq a, c \neq b} \pi(c) = 1 - \pi(a) - \pi(b) + \delta_{ab} \pi(a)$$"),
    "not-in": r"$$\sum_{c \notin \{a, b\}} \pi(c) = 1 - \pi(a) - \pi(b), \quad a \neq b$$",
    "without": (
        r"$$\sum_{c \in \mathcal{A} \setminus \{a, b\}} \pi(c) + \pi(a) + \pi(b) = 1,"
        r" \quad a \neq b$$"),
    "colour": r"$$\textcolor{red}{\sum_a \pi(a)} = {\color{blue} 1}$$",
    "mathop": r"$$\mathop{\mathbb{E}}_{a\sim\pi}[Q(a)] \mathrel{=} \sum_a \pi(a) Q(a)$$",
    "constants": r"Let $c$ and $d$ be constants. $$\partial_{\theta_k} [c + d] = 0$$",
    "constants-before": r"For constants $c$ and $d$: $$\partial_{\theta_k} [c + d] = 0$$",
    "not-the-state": r"Here $c$ does not depend on it. $$\partial_{\theta_k} c = 0$$",
    "one-over-a-sum": (
        r"$$\frac{\partial}{\partial \theta_k} \left[\frac{1}{\sum_b Q(b) e^{\theta_b}}\right]"
        r" = -\frac{Q(k) e^{\theta_k}}{\left(\sum_b Q(b) e^{\theta_b}\right)^2}$$"),
    "logarithm-of-a-weighted-sum": (
        r"For constants $w_i$, with $w_i > 0$: $$\frac{\partial}{\partial \theta_k}"
        r" \log \sum_b w_b e^{\theta_b} = \frac{w_k e^{\theta_k}}{\sum_b w_b e^{\theta_b}}$$"),
    "e": r"$$\log e = e - e^1 + 1$$",
    "macro-again": r"\newcommand{\x}{1}\renewcommand{\x}{1} $$\x = 1$$",
}  # fmt: skip


def test_a_diagonal_of_derivatives_does_not_add_up_to_zero():
    made = report(check(r"$$\sum_a \frac{\partial \pi(a)}{\partial \theta_a} = 0$$"))
    assert made.status is Verdict.REFUTED
    form = NormalForm(Facts({}, (), frozenset({"π"}), frozenset(), frozenset()))
    diagonal = Sum("a", Diff(Sym("π", ("a",)), Sym("θ", ("a",))))
    column = Sum("a", Diff(Sym("π", ("a",)), Sym("θ", ("k",))))
    assert form.proved(column, ZERO)
    assert not form.proved(diagonal, ZERO)


def test_a_step_whose_terms_all_need_the_definition_has_no_gap():
    (step,) = report(check(r"$$\partial_{\theta_k} \pi_i = \pi_i (\delta_{ik} - \pi_k)$$")).steps
    assert step.status is Verdict.PROVED
    assert step.gap is None


def test_the_derivative_of_a_logarithm_is_a_lemma_of_what_it_is_of():
    score = r"$$\partial_{\theta_k} [\log \pi_i] = \delta_{ik} - \pi_k$$"
    right = report(check(score + r"$$\partial_{\theta_k} \pi_i = \pi_i (\delta_{ik} - \pi_k)$$"))
    assert right.steps[1].needs == ("the lemma of line 1",)
    wrong = report(check(score + r"$$\partial_{\theta_k} \pi_i = \delta_{ik} - \pi_k$$"))
    assert [step.status for step in wrong.steps] == [P, R]


def test_e_is_a_number_that_no_document_defines():
    assert check(r"$$e = 3$$").status is Verdict.REFUTED


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_proved(name):
    made = report(check(TRUE[name]))
    assert {step.status for step in made.steps} == {Verdict.PROVED}


def test_three_left_out_of_two_are_refuted_where_they_coincide():
    (step,) = report(check(r"$$\sum_{c \neq a, b} \pi(c) = 1 - \pi(a) - \pi(b)$$")).steps
    assert step.status is Verdict.REFUTED
    assert step.counterexample.indices["a"] == step.counterexample.indices["b"]


def test_a_value_given_to_a_scalar_is_a_condition_that_is_not_understood():
    made = report(check(r"$$\alpha Q(a) = Q(a), \quad \alpha = 1$$"))
    assert {step.status for step in made.steps} == {Verdict.UNKNOWN}


DEEP = {
    "accents": r"\tilde{" * 2000 + "a" + "}" * 2000,
    "fonts": r"\mathrm{" * 2000 + "a" + "}" * 2000,
    "powers": "n" + "^1" * 5000,
    "slashes": "1/" * 5000 + "n",
    "brackets": "(" * 9000 + "n" + ")" * 9000,
    "macros": r"\a n",
}
DOUBLING = "".join(
    rf"\newcommand{{\{x}}}{{\{y}\{y}}}"
    for x, y in zip("abcdefghijklmnopqr", "bcdefghijklmnopqrs", strict=True)
)


@pytest.mark.parametrize("name", DEEP)
def test_depth_is_unknown_and_does_not_hang(name):
    made = report(check(rf"{DOUBLING}\newcommand{{\s}}{{\,}} $${DEEP[name]} = n$$"))
    assert made.status is Verdict.UNKNOWN
