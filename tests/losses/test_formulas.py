"""A formula becomes the loss that it says: its gradient is that of PyTorch's autograd."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from programs_of_losses import evaluate, family_gradient, family_loss
from random_formulas import Generator, Point

import softcheck
from softcheck.derive.expr import Mul, Num
from softcheck.errors import UsageError
from softcheck.gradient.definition import Kind
from softcheck.losses import family, load, making

COUNT = 200


def test_random_formulas_agree_with_autograd():
    outside, family = [], 0
    for seed in range(COUNT):
        latex, value = Generator(seed).state(2)
        point = Point(seed)
        loss = value(point)
        if not (isinstance(loss, torch.Tensor) and loss.requires_grad):
            continue
        loss.sum().backward()
        try:
            (variant,) = load(latex).variants
        except UsageError as error:
            nothing = point.theta.grad.abs().max() < 1e-14
            if not (nothing and "is 0 everywhere" in str(error)):
                outside.append((latex, str(error)))
            continue
        logits, gradient = point.theta.detach().numpy(), point.theta.grad.numpy()
        size = 1e-12 * (1 + np.abs(gradient).max() + loss.abs().max().item())
        made = evaluate(variant.value, logits, point.arrays)
        np.testing.assert_allclose(made, loss.detach().numpy(), atol=size, err_msg=latex)
        slope = evaluate(variant.slope, logits, point.arrays)
        np.testing.assert_allclose(slope, gradient, atol=size, err_msg=latex)
        if variant.family is not None:
            family += 1
            slope = family_gradient(variant.family, logits, point.arrays)
            np.testing.assert_allclose(slope, gradient, atol=size, err_msg=latex)
        if variant.family is not None and not variant.family.are_held:
            made = family_loss(variant.family, logits, point.arrays)
            np.testing.assert_allclose(made, loss.detach().numpy(), atol=size, err_msg=latex)
    assert not outside
    assert family > COUNT / 10


BY_HAND = {
    # formula: of log pi, theta, arrays
    r"\sum_a \pi(a) \sum_{b \neq a} \pi(b) Q(b)": (
        lambda lp, t, x: (lp.exp() * ((lp.exp() * x["q"]).sum(0) - lp.exp() * x["q"])).sum(0)
    ),
    r"\sum_{a \neq j} \pi(a) Q(a)": (
        lambda lp, t, x: (lp.exp() * x["q"]).sum(0) - _taken(lp.exp() * x["q"], x)
    ),
    r"\sum_a \sum_b \pi(a) \pi(b) (Q(a) - Q(b))^2": (
        lambda lp, t, x: 2 * (lp.exp() * x["q"] ** 2).sum(0) - 2 * (lp.exp() * x["q"]).sum(0) ** 2
    ),
    r"\sum_a \pi(a) \left(\frac{\rho(a)}{\pi(a)} - 1 - \log \frac{\rho(a)}{\pi(a)}\right)": (
        lambda lp, t, x: (lp.exp() * (x["rho"] / lp.exp() - 1 - (x["rho"].log() - lp))).sum(0)
    ),
    r"\sum_a \theta_a": lambda lp, t, x: t.sum(0),
    r"\sum_a \theta_a^2": lambda lp, t, x: (t**2).sum(0),
    r"\frac{1}{n} \sum_a \exp(\theta_a)": lambda lp, t, x: t.exp().mean(0),
    r"\sum_a \pi(a) \exp(\alpha Q(a))": (
        lambda lp, t, x: (lp.exp() * (x["alpha"] * x["q"]).exp()).sum(0)
    ),
    r"\log \sum_a \exp(\log \pi(a) + Q(a))": (lambda lp, t, x: torch.logsumexp(lp + x["q"], 0)),
    r"$\pi(a) := \frac{\exp(\theta_a / \alpha)}{\sum_b \exp(\theta_b / \alpha)}$, "
    r"$L := \beta \theta_j - \sum_a \pi(a) Q(a) + \log \pi(j)$": (
        lambda lp, t, x: (
            x["beta"] * _taken(t, x)
            - (torch.softmax(t / x["alpha"], 0) * x["q"]).sum(0)
            + _taken(torch.log_softmax(t / x["alpha"], 0), x)
        )
    ),
}


def _taken(table, x):
    return table.gather(0, x["j"][None])[0]


@pytest.mark.parametrize("formula", BY_HAND)
def test_formulas_of_every_kind_of_sum_agree_with_autograd(formula):
    (variant,) = load(formula).variants
    point = Point(3)
    loss = BY_HAND[formula](point.log_pi, point.theta, point.given)
    loss.sum().backward()
    tau = 1.0 if variant.temperature is None else point.arrays[variant.temperature]
    logits = point.theta.detach().numpy() / tau
    value = evaluate(variant.value, logits, point.arrays)
    np.testing.assert_allclose(value, loss.detach().numpy(), rtol=1e-12)
    slope = evaluate(variant.slope, logits, point.arrays) / tau
    assert variant.slope.by_action
    np.testing.assert_allclose(slope, point.theta.grad.numpy(), atol=1e-12)


def test_a_wrong_gradient_is_refused_by_the_kernel(monkeypatch):
    right = making.gradient

    def doubled(*arguments):
        return Mul((Num(Fraction(2)), right(*arguments)))

    monkeypatch.setattr(making, "gradient", doubled)
    with pytest.raises(UsageError, match=r"its gradient, .*, is not shown"):
        load(r"-\log \pi(j)")


def test_a_wrong_form_of_the_loss_is_refused_by_the_kernel(monkeypatch):
    right = making.settled
    monkeypatch.setattr(making, "settled", lambda *x: Mul((Num(Fraction(2)), right(*x))))
    with pytest.raises(UsageError, match=r"its own form, .*, is not shown"):
        load(r"-\log \pi(j)")


def test_wrong_coefficients_are_none(monkeypatch):
    monkeypatch.setattr(family, "_linear", lambda *_: {(("log pi", "j"),): Num(Fraction(2))})
    (variant,) = load(r"-\log \pi(j)").variants
    assert variant.family is None


FORMULAS = {
    # formula: (arrays, gradient)
    r"-\log \pi(j)": ({"j": Kind.INDEX}, "π(a) − 1{a=j}"),
    r"-\log \pi(y)": ({"y": Kind.INDEX}, "π(a) − 1{a=y}"),
    r"\log \sum_b \exp(\theta_b) - \theta_j": ({"j": Kind.INDEX}, "π(a) − 1{a=j}"),
    r"-\log \frac{\exp(\theta_j)}{\sum_b \exp(\theta_b)}": ({"j": Kind.INDEX}, "π(a) − 1{a=j}"),
    r"-\sum_a \mathbf{1}\{a = j\} \log \pi(a)": ({"j": Kind.INDEX}, "π(a) − 1{a=j}"),
    r"-\sum_a y(a) \log \pi(a)": ({"y": Kind.TABLE}, "(Σ_b y(b)) π(a) − y(a)"),
    r"-A \log \pi(j)": ({"A": Kind.NUMBER, "j": Kind.INDEX}, "A · (π(a) − 1{a=j})"),
    r"-\sum_a \pi(a) (Q(a) - V)": (
        {"q": Kind.TABLE, "V": Kind.NUMBER},
        "−π(a) (Q(a) − Σ_b π(b) Q(b))",
    ),
    r"D_{KL}(\pi \| \rho_{\text{ref}})": (
        {"rho_ref": Kind.TABLE},
        "π(a) (log π(a) − log ρ_ref(a) − Σ_b π(b) (log π(b) − log ρ_ref(b)))",
    ),
    r"L = -\beta H(\pi)": ({"beta": Kind.NUMBER}, "β π(a) (log π(a) − Σ_b π(b) log π(b))"),
    "-Σ_a π(a) Q(a)": ({"q": Kind.TABLE}, "−π(a) (Q(a) − Σ_b π(b) Q(b))"),
    r"$$\mathbb{E}_{a \sim \pi}[\hat{Q}(a)]$$": (
        {"Q_hat": Kind.TABLE},
        "π(a) (Q\u0302(a) − Σ_b π(b) Q\u0302(b))",
    ),
    r"\pi(a)": ({"a": Kind.INDEX}, "π(a) (1{b=a} − π(b))"),
    r"\frac{1}{\pi(j)}": ({"j": Kind.INDEX}, "(1 / π(j)) (π(a) − 1{a=j})"),
    r"\left(\sum_a \pi(a) \log \pi(a)\right)^2": (
        {},
        "2 (Σ_b π(b) log π(b)) π(a) (log π(a) − Σ_b π(b) log π(b))",
    ),
    r"\frac{\rho(a)}{\pi(a)}": (
        {"rho": Kind.TABLE, "a": Kind.INDEX},
        "(ρ(a) / π(a)) (π(b) − 1{b=a})",
    ),
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_read_and_its_gradient_reads_well(formula):
    arrays, gradient = FORMULAS[formula]
    loss = load(formula)
    (variant,) = loss.variants
    assert loss.name == formula
    assert {given.name: given.kind for given in variant.givens} == arrays
    assert variant.gradient == gradient


def test_what_a_logarithm_is_taken_of_is_positive():
    (variant,) = load(r"\sum_a \pi(a) \log \frac{\pi(a)}{\rho(a)}").variants
    assert [given.legal for given in variant.givens] == ["positive"]


@pytest.mark.parametrize(
    "formula",
    [
        r"-\sum_a \pi(a)(Q(a) - \alpha \log \pi(a))",
        r"$-\sum_i \pi(i)(Q(i) - \alpha \log \pi(i))$",
        r"\sum_a p(a)(\alpha \log p(a) - Q(a))",
        r"\alpha \sum_a \pi(a) \log \pi(a) - \sum_a \pi(a) Q(a)",
        r"-\mathbb{E}_{a \sim \pi}[Q(a)] - \alpha H(\pi)",
    ],
)
def test_sac_however_it_is_written_is_sac(formula):
    loss = load(formula)
    assert loss.name == formula
    assert loss.variants == load("sac").variants
    assert loss.title == load("sac").title


def test_another_loss_of_the_same_arrays_is_not_sac():
    (variant,) = load(r"-\sum_a \pi(a)(Q(a) - 2 \alpha \log \pi(a))").variants
    assert variant.equation == ""
    assert variant.family is not None


@pytest.mark.parametrize(
    "formula",
    [
        r"\sum_a \pi(a) (\log \pi(a))^2",  # k2 without its reference
        r"(1 - \pi(j))^2 \log \pi(j) \log \pi(k)",  # of two actions
        r"n \pi(j)^2",  # of how many there are
        r"\sum_a \pi(a)^2",  # Tsallis
        r"\log \sum_a \pi(a)^2",  # Renyi
        r"\left(\sum_a \pi(a) \log \pi(a)\right)^2",  # entropy penalty
        r"\sum_a \pi(a) \left(Q(a) - \sum_b \pi(b) Q(b)\right)^2",  # variance
        r"\log \sum_b \exp(\theta_b)",
        r"\sum_a \pi(a) Q(a) \log \pi(a)",
    ],
)
def test_a_loss_outside_of_the_family_has_no_coefficients(formula):
    (variant,) = load(formula).variants
    assert variant.family is None
    assert variant.proved


@pytest.mark.parametrize(
    "formula",
    [
        r"(1 - \pi(j))^2 \log \pi(j)",  # focal
        r"-A \exp(\log \pi(j) - m) + \beta \sum_a \pi(a) \log \pi(a)",
        r"\max(1 - \pi(j), c) - \sum_a \pi(a) Q(a)",
    ],
)
def test_a_function_of_log_pi_of_one_action_has_a_coefficient_that_is_held(formula):
    (variant,) = load(formula).variants
    assert variant.family.are_held
    assert not variant.family.chosen.by_action


def test_a_coefficient_that_no_policy_decides_is_not_held():
    (variant,) = load(r"-A \log \pi(j)").variants
    assert not variant.family.are_held


def test_a_temperature_is_told_from_the_policy():
    text = (
        r"$\pi(a) := \frac{\exp(\theta_a / \tau)}{\sum_b \exp(\theta_b / \tau)}$, "
        r"$L := -A \log \pi(j) + \frac{1}{\tau} \theta_j$"
    )
    (variant,) = load(text).variants
    assert variant.temperature == "tau"
    assert variant.gradient == "((−A + 1) (1{a=j} − π(a)) + π(a)) / τ"


REFUSED = {
    r"\max_a \pi(a)": "a maximum is outside what can be decided",
    r"\sum_a \pi(a) \log \frac{\pi(a) + \rho(a)}{2}": "a logarithm of a sum of several terms",
    r"\frac{\pi(j)}{\pi(j) + \rho(j)}": "a division by a sum of several terms",
    r"-\sum_a Q(a)": "names no policy",
    r"\sum_a \pi(a) W(a, j)": "W(·, j) depends on 2 actions",
    r"-\log \pi(1)": "the action 1, by its number",
    r"\frac{\partial \pi(j)}{\partial \theta_j}": "a derivative",
    r"\pi(a": "cannot be read",
    "a + b": "names no policy",
    r"\theta": "θ without an action, for θ(a)",
    r"-\log \sum_a \exp(\theta)": "θ without an action, for θ(a)",
    r"\left(\sum_a \pi(a) Q(a) + \log \pi(j) + \alpha\right)^{24}": "more than 20000 products",
    r"\sum_a \pi(a)": "is 0 everywhere",
    r"\sum_a \sum_b \pi(a) \pi(b) \log (\pi(a) + \pi(b))": "a logarithm of a sum of several terms",
    r"\sum_a \sum_b \pi(a) \pi(b) \exp(Q(a) - Q(b))": "a sum inside of a sum",
    "$$": "cannot be read",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_what_cannot_be_proved_is_refused_with_the_reason(formula):
    with pytest.raises(UsageError) as refusal:
        load(formula)
    assert REFUSED[formula] in str(refusal.value)
    assert len(str(refusal.value)) <= 300


AT_ITS_ZERO = [
    (r"(1 - \pi(j))^2 \log \pi(j)", 1),
    (r"\left(\pi(j) - \frac{1}{2}\right)^3", 2),
    (r"\sum_a \left(\pi(a) - \frac{1}{4}\right)^3 Q(a)", 4),
    (r"(\log \pi(j))^3", 1),
    (r"(\log \pi(j))^2 (1 - \pi(j))^3", 1),
    (r"\left(\log \sum_a \exp(\theta(a))\right)^3", 1),
]


@pytest.mark.parametrize(("text", "actions"), AT_ITS_ZERO)
def test_what_a_step_leaves_out_of_a_loss_that_is_flat_is_no_discrepancy(text, actions):
    """Where it and two derivatives are 0 and all is exact, h^2 is left, which is 8e-25."""
    given = {"j": np.zeros(5, int)} if "j" in text else {"q": np.ones((5, 4)) * np.arange(4.0)}
    given = {} if "theta" in text else given
    logits = np.zeros((5, actions))
    (case,) = softcheck.verify(loss=text, logits=logits, grad=np.zeros_like(logits), **given).cases
    assert not any(check.failed for check in case.checks), case.checks
    wrong = np.full_like(logits, 1e-12)
    assert not softcheck.verify(loss=text, logits=logits, grad=wrong, **given)
