"""A symbol is all of its marks, and letters are multiplied only if they are factors."""

import pytest

from softcheck.derive.check import check
from softcheck.derive.expr import Sum, Sym
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.gradients import by_entry
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.sides import settled
from softcheck.derive.reading.tokens import ReadError, tokenize
from softcheck.derive.spell import unicode
from softcheck.result import Verdict

LETTERS = frozenset("xy")


def tree(text, found=None, **scope):
    tokens = tokenize(text, 0, len(text), {})
    return parse(tokens, Scope(**scope), found or Found(), 0)


TWO_QUANTITIES = {
    "a network and a policy": r"V_\psi(s) = V^\pi(s)",
    "two forms of a Greek letter": r"\varphi = \phi",
    "two forms of another": r"\epsilon = \varepsilon",
    "bold and plain": r"\mathbf{w} = w",
    "bold and plain Greek": r"\boldsymbol{\mu} = \mu",
    "blackboard and plain": r"\mathbb{V} = V",
    "roman and plain": r"\mathrm{w} = w",
    "script and plain": r"\mathcal{V} = V",
    "script and calligraphic": r"\mathscr{L} = \mathcal{L}",
    "a bold mark and a plain one": r"V_{\mathbf{w}} = V_{w}",
    "a step and a power": r"V^{(2)} = V \cdot V",
    "the first step and none": r"V^{(1)} = V",
    "a word above and below": r"V_{\text{new}} = V^{\text{new}}",
    "joint and conditional actions": r"h(a|b) = h(a, b)",
    "joint and conditional on the state": r"h(a|s) = h(a, s)",
    "arguments of a divergence": r"D(\pi \| q) = D(q \| \pi)",
    "parameters": r"J(\theta) = J(\phi)",
    "a divergence and its reverse": r"\mathrm{KL}_{\text{rev}}(\pi \| q) = \mathrm{KL}(\pi \| q)",
    "a target network": r"Q_{\bar\theta}(a) = Q_\theta(a)",
}


@pytest.mark.parametrize("claim", TWO_QUANTITIES.values(), ids=TWO_QUANTITIES)
def test_what_is_marked_differently_is_not_proved_to_be_one(claim):
    made = check(f"$$0 + {claim}$$")
    assert made.status is not Verdict.PROVED


ONE_QUANTITY = {
    r"\pi_\theta(a|s) + \pi(a)": "π(a) + π(a)",
    r"Q_\phi(s,a) + Q_\phi(s,b)": "Q(a) + Q(b)",
    r"V^{\pi_\theta}(s) + V^\pi(s)": "V + V",
    r"J(\pi_\theta) + J(\theta)": "J + J",
    r"\pi(a\ \text{given}\ s)": "π(a)",
    r"\pi(a \vert s)": "π(a)",
}


@pytest.mark.parametrize("text", ONE_QUANTITY)
def test_spellings_of_one_quantity_are_one_name(text):
    found = Found()
    assert unicode(tree(text, found)) == ONE_QUANTITY[text]
    assert found.clashes() == {}


def test_a_vector_in_bold_and_its_entries_are_one_quantity():
    found = Found()
    tree(r"\mathbf{x} + x_i", found)
    assert found.clashes() == {}


def test_a_function_is_known_by_its_name_where_it_is_defined_with_an_argument():
    assert tree("F", arities={"F(x)": 0}) == Sym("F(x)")
    assert tree("F(x)", arities={"F": 0}) == Sym("F")
    assert tree("F", arities={"F(x)": 0, "F(y)": 0}) == Sym("F")
    assert tree(r"\sigma_i", arities={"σ(z)": 1}) == Sym("σ(z)", ("i",))


DEPENDS_ON_THETA = {
    r"Q_\theta(a)": "Q_θ(a)",
    r"Q(b; \theta)": "Q_θ(b)",
    r"\alpha(\theta)": "α_θ",
    r"\tau_\theta": "τ_θ",
}


@pytest.mark.parametrize("text", DEPENDS_ON_THETA)
def test_what_is_marked_with_theta_is_no_constant(text):
    assert unicode(tree(text)) == DEPENDS_ON_THETA[text]
    made = check(rf"$$\frac{{\partial {text}}}{{\partial \theta_k}} = 0$$")
    assert made.status is Verdict.UNKNOWN


FUNCTIONS = [
    r"\sigma(0)", r"\sigma(-t)", r"V(0)", r"\sigma(a - b)", r"\operatorname{ReLU}(-t)",
    r"\operatorname{ReLU} x", r"\mathrm{max}_b (Q(b))", r"\operatorname*{arg\,max}_a Q(a)",
    "ln(x) max(x)", "Var[2 x]", "sigmoid(x_a)", "tanh(x_a)", r"\text{max}_b Q(b)", "f(x + y)",
    "loss", "adv (x + 1)", r"\operatorname{sg}(Q(a))", r"x[y + 1]", r"x\{y + 1\}",
    r"\mathrm{softmax}_\alpha(Q)_a", r"p(s|a)", r"\partial_a Q(s,a)",
    r"\frac{\partial Q(s,a)}{\partial a}", r"\frac{\partial \pi(a|s)}{\partial \theta_{s',b}}",
    r"\log \pi(a)/\pi(b)", r"\log(\pi(a))^2", r"x^\top y", r"x^{\mathsf{T}} y", "x^{(?)}",
    r"\sum_{i=1}^k x_k", r"a \over b",
]  # fmt: skip


@pytest.mark.parametrize("text", FUNCTIONS)
def test_what_may_be_a_function_is_refused(text):
    with pytest.raises(ReadError):
        tree(text)


FACTORS = {
    r"\alpha (x + y)": "α · (x + y)",
    r"n (n - 1)": "n (n − 1)",
    r"\pi_i (1 - \pi_j)": "π(i) (1 − π(j))",
    r"V \cdot (x + y)": "V · (x + y)",
    r"\log(x) y": "(log x) y",
    r"\log(x) / y": "(log x) / y",
    r"n^2": "n²",
    r"\sum_{k=1}^N 1 - N^2": "Σ_k 1 − n²",
    r"|A|^2 + |\mathcal{A}_s|": "n² + n",
    r"{x \over y}": "x / y",
    r"\text{exp}(x) \mathrm{e}^{y}": "exp(x) exp(y)",
    r"V_{max}": "V_max",
    r"\mathcal{V}": "\N{MATHEMATICAL SCRIPT CAPITAL V}",
    r"\Pr(a|s)": "Pr(a)",
}


@pytest.mark.parametrize("text", FACTORS)
def test_factors_are_multiplied(text):
    assert unicode(tree(text)) == FACTORS[text]


def test_a_scalar_that_is_defined_is_a_factor_before_a_bracket():
    assert unicode(tree("V (x + y)", arities={"V": 0})) == "V · (x + y)"


INDICATORS = [
    r"1_{i=j}",
    r"\mathbb{1}_{i=j}",
    r"\mathbb{I}[i=j]",
    r"I[i=j]",
    r"I(i=j)",
    r"\text{1}\{i=j\}",
    r"[i=j]",
    r"\delta_{i=j}",
    r"\delta_i^j",
    r"\mathbf I_{\{i=j\}}",
    r"\mathbf{1}\{i=j\}",
    "1{i=j}",
]


@pytest.mark.parametrize("text", INDICATORS)
def test_an_indicator_is_read(text):
    assert unicode(tree(text)) == "1{i=j}"


CASES = {
    r"\begin{cases} x & i = j, \\ y & i \neq j. \end{cases}": "x 1{i=j} + y · (1 − 1{i=j})",
    r"\begin{cases} x & \text{if } i = j \\ y & \text{otherwise} \end{cases}":
        "x 1{i=j} + y · (1 − 1{i=j})",
    r"\begin{dcases} x & (i \neq j) \\ y & (j = i) \end{dcases}":
        "x · (1 − 1{i=j}) + y · (1 − (1 − 1{i=j}))",
}  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_two_cases_are_read(text):
    assert unicode(tree(text)) == CASES[text]


@pytest.mark.parametrize(
    "text",
    [
        r"\begin{cases} x & i = j \end{cases}",
        r"\begin{cases} x & i = j \\ y & i \neq k \end{cases}",
        r"\begin{cases} x & i = j \\ y & i = j \end{cases}",
        r"\begin{cases} x & i = j \\ y & j = k \\ 0 & \text{otherwise} \end{cases}",
        r"\begin{cases} x & x > 0 \\ y & \text{otherwise} \end{cases}",
    ],
)
def test_other_cases_are_refused(text):
    with pytest.raises(ReadError, match="distinction of cases"):
        tree(text)


def test_a_sum_without_an_index_is_over_the_one_action_that_is_free_in_it():
    made = tree(r"\sum e^{z_j}")
    assert isinstance(made, Sum)
    assert made.index == "j"
    with pytest.raises(ReadError):
        tree(r"z_j + \sum e^{z_j}")
    with pytest.raises(ReadError):
        tree(r"\sum z_j x_i")


def test_a_mean_without_an_action_is_over_the_one_that_is_free_in_it_and_only_a_guess():
    found = Found()
    made = tree(r"\mathbb{E}_\pi[\partial_{\theta_b} \log \pi(a)]", found)
    assert unicode(made) == "E_{a~π}[∂/∂θ(b) [log π(a)]]"
    assert found.guesses
    with pytest.raises(ReadError):
        tree(r"Q(a) - \mathbb{E}_\pi[Q(a)]")


def test_a_softmax_of_an_entry_is_an_entry_of_the_softmax():
    assert tree(r"\mathrm{softmax}(z_i)") == tree(r"\frac{e^{z_i}}{\sum_b e^{z_b}}")


def test_the_letter_behind_a_bar_plays_the_state():
    scope = {"letters": frozenset("y"), "contexts": frozenset("x")}
    assert tree(r"\pi(y|x)", **scope) == Sym("π", ("y",))
    assert tree("Z(x)", **scope) == Sym("Z")
    assert tree("r(x, y)", **scope) == Sym("r", ("y",))
    assert tree(r"\theta_{x,y}", **scope) == Sym("θ", ("y",))


def sides(*texts, **scope):
    found = Found()
    return by_entry([tree(text, found, **scope) for text in texts], Scope(**scope), 0)


def test_a_gradient_is_an_entry_and_one_letter_stands_for_it_on_all_sides():
    left, right = sides(r"\nabla_\theta J", r"\sum_a Q(a) \nabla_\theta \pi(a)")
    assert unicode(left) == "∂J/∂θ(ȷ)"
    assert unicode(right) == "Σ_a Q(a) ∂π(a)/∂θ(ȷ)"


def test_whole_tables_beside_a_gradient_are_entries_too():
    left, right = sides(r"\nabla_z L", "p - y", arities={"p": 1, "y": 1})
    assert unicode(left) == "∂L/∂z(ȷ)"
    assert unicode(right) == "p(ȷ) − y(ȷ)"


@pytest.mark.parametrize(
    "texts",
    [
        (r"\nabla_\theta J", r"\pi(a)"),
        (r"\nabla_\theta J \nabla_\theta V", "0"),
        (r"\nabla_\theta J + 1", "0"),
        (r"\exp(\nabla_\theta J)", "0"),
        (r"\nabla_\theta \nabla_\theta J", "0"),
        (r"\nabla^2_\theta J", "0"),
        (r"\nabla J", "0"),
    ],
)
def test_what_is_no_linear_equality_of_gradients_is_refused(texts):
    with pytest.raises(ReadError):
        sides(*texts)


def test_a_function_without_brackets_before_a_factor_is_a_guess():
    found = Found()
    tree(r"\log \pi(a) \pi(b)", found)
    assert found.guesses
    claim = r"$$\log \pi(a) \pi(b) = \log \pi(a) + \log \pi(b)$$"
    assert check(claim).status is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "texts",
    [
        (r"\sum_{a \neq b} \pi(a) \pi(b)", r"1 - \sum_a \pi(a)^2"),
        (r"\frac{\partial J}{\partial \theta_a}", r"\sum_a Q(a) \partial_{\theta_a} V"),
    ],
)
def test_a_letter_that_can_be_meant_in_two_ways_is_refused(texts):
    with pytest.raises(ReadError):
        settled([tree(text) for text in texts], Scope(), 0)


@pytest.mark.parametrize(
    "texts",
    [
        (r"\sum_{b \neq a} \pi(b)", r"1 - \pi(a)"),
        (r"\pi(a) (Q(a) - \sum_a \pi(a) Q(a))", "0"),
        (r"\sum_b \sum_{a \neq b} \pi(a) \pi(b)", "0"),
    ],
)
def test_a_letter_that_is_bound_or_spoken_of_elsewhere_is_clear(texts):
    trees = [tree(text) for text in texts]
    assert settled(trees, Scope(), 0) == trees


def test_the_entropy_of_a_policy_has_its_usual_meaning():
    claim = r"\mathcal{H}(\pi(\cdot|s)) = H(\pi) = -\sum_a \pi(a|s) \log \pi(a|s)"
    assert check(f"$$0 + {claim}$$").status is Verdict.PROVED
    assert check(r"$$0 + H(\pi) = \sum_a \pi(a) \log \pi(a)$$").status is not Verdict.PROVED
    assert check(r"$$0 + H(\pi, q) = H(\pi)$$").status is Verdict.UNKNOWN
