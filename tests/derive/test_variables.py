"""Derivatives by a symbol that is defined: proved as by a variable, or unknown; never refuted."""

import numpy as np
import pytest

from softcheck.derive.check import check
from softcheck.derive.on_data import evaluate
from softcheck.derive.reporting import report
from softcheck.result import Verdict
from softcheck.settings import Settings
from softcheck.tables import case_from_arrays

SOFT = r"where $g(a) = Q(a) - \alpha \log \pi(a)$ and $V = \sum_a \pi(a) g(a)$." "\n\n"
INVERSE = r"where $\kappa = 1/\tau$ and $\pi_a = e^{\kappa Q_a} / \sum_b e^{\kappa Q_b}$." "\n\n"
LAGRANGIAN = (
    r"where $\Lambda = \sum_a \pi(a) (Q(a) - \alpha \log \pi(a)) + \lambda (1 - \sum_a \pi(a))$."
    "\n\n"
)


def step(text):
    return report(check(text)).steps[-1]


PROVED = {
    SOFT + r"$$\frac{\partial g(a)}{\partial \pi(a)} = -\frac{\alpha}{\pi(a)}$$": "π",
    SOFT + r"$$\frac{\partial g(a)}{\partial \pi(b)} = -\frac{\alpha \delta_{ab}}{\pi(a)}$$": "π",
    SOFT + r"$$\frac{\partial}{\partial V}\left[V^2\right] = 2 V$$": "V",
    SOFT + r"$$\frac{\partial V}{\partial g(a)} = \pi(a)$$": "g",
    SOFT + r"$$\frac{\partial V}{\partial \pi(a)} = g(a) - \alpha$$": "π",
    SOFT + r"$$\frac{\partial}{\partial \pi(b)} \sum_a \pi(a) = 1$$": "π",
    SOFT + r"$$\frac{\partial^2 V}{\partial \pi(a) \partial \pi(b)} = -\frac{\alpha \delta_{ab}}"
    r"{\pi(a)}$$": "π",
    INVERSE + r"$$\frac{\partial \log \pi_a}{\partial \kappa} = Q_a - \sum_b \pi_b Q_b$$": "κ",
    LAGRANGIAN + r"$$\frac{\partial \Lambda}{\partial \pi(a)} = Q(a) - \alpha \log \pi(a) - \alpha"
    r" - \lambda$$": "π",
}


@pytest.mark.parametrize("text", PROVED)
def test_what_holds_of_any_variable_is_proved_and_said(text):
    made = step(text)
    assert made.status is Verdict.PROVED
    assert f"{PROVED[text]} as a free variable" in made.needs


@pytest.mark.parametrize(
    "text",
    [
        SOFT + r"$$\frac{\partial g(a)}{\partial \pi(a)} = \frac{\alpha}{\pi(a)}$$",
        SOFT + r"$$\frac{\partial}{\partial V}\left[V^2\right] = V$$",
        # Entries that add up to 1 cannot be moved one by one.
        SOFT + r"$$\frac{\partial}{\partial \pi(b)} \sum_a \pi(a) = 0$$",
        # What a symbol is made of varies too: by the chain rule, or in its stead.
        SOFT + r"$$\frac{\partial V}{\partial \theta_a} = \sum_b \frac{\partial V}{\partial \pi(b)}"
        r" \frac{\partial \pi(b)}{\partial \theta_a}$$",
        INVERSE + r"$$\frac{\partial \pi_a}{\partial \tau} + \frac{\partial 1}{\partial \kappa} "
        r"= 0$$",
        SOFT + r"Let $W = \sum_a \pi(a) Q(a) - \alpha \sum_a \pi(a) \log \pi(a)$. "
        r"$$\frac{\partial W}{\partial g(a)} = 0$$",
        r"where $\kappa = 1/\tau$ and $\pi_a = e^{Q_a/\tau} / \sum_b e^{Q_b/\tau}$. "
        r"$$\frac{\partial \log \pi_a}{\partial \kappa} = 0$$",
        # A lemma about kappa as it is defined is none about a variable.
        r"where $\kappa = \sum_a \pi(a) - 1$ and $f = \kappa \eta^2$. "
        r"$$\frac{\partial f}{\partial \eta} = 0$$"
        r"$$f + \frac{\partial}{\partial \kappa} \frac{\partial f}{\partial \eta} = f$$",
    ],
)
def test_what_does_not_is_unknown_and_never_refuted(text):
    made = step(text)
    assert made.status is Verdict.UNKNOWN
    assert made.counterexample is None
    assert made.reason


def test_such_a_line_is_not_evaluated_on_tables():
    text = SOFT + r"$$\sum_a \pi(a) = 1$$ $$\frac{\partial}{\partial V}\left[V^2\right] = 2 V$$"
    case = case_from_arrays({"q": np.eye(3), "logits": np.eye(3), "alpha": 0.5})
    found = evaluate(check(text), case, Settings())
    assert len(found.deviations) == 1
    assert "V as a free variable" in found.notes[0]
