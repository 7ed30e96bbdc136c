"""What was proved of a derivative helps later steps, also where it leads back to itself."""

import pytest

from softcheck.derive.check import check
from softcheck.derive.reporting import report

TRICK = (
    r"\frac{\partial \pi_i}{\partial \theta_k} = \pi_i \frac{\partial \ln \pi_i}{\partial \theta_k}"
)
SCORE = r"\frac{\partial \ln \pi_i}{\partial \theta_k} = "
SOFT = r"where $g(a) = Q(a) - \alpha \log \pi(a)$, $V = \sum_a \pi(a) g(a)$, $A(a) = g(a) - V$. "
DOCUMENTS = {
    "trick": (rf"$${TRICK}$$ $${SCORE} \delta_{{ik}} - \pi_k$$", "pp"),
    "trick-and-a-mistake": (rf"$${TRICK}$$ $${SCORE} \delta_{{ik}} + \pi_k$$", "pr"),
    "both-ways": (
        rf"$${TRICK}$$ $${SCORE} \frac{{1}}{{\pi_i}} \frac{{\partial \pi_i}}{{\partial \theta_k}}$$"
        rf"$${SCORE} \delta_{{ik}} - \pi_k$$ $${SCORE} \pi_k$$",
        "pppr",
    ),
    "round": (
        SOFT
        + r"$$\frac{\partial A(a)}{\partial \theta_b} = \frac{\partial g(a)}{\partial \theta_b}"
        r" - \frac{\partial V}{\partial \theta_b}$$"
        r"$$\frac{\partial g(a)}{\partial \theta_b} = \frac{\partial A(a)}{\partial \theta_b}"
        r" + \frac{\partial V}{\partial \theta_b}$$"
        r"$$\frac{\partial V}{\partial \theta_b} = \frac{\partial g(a)}{\partial \theta_b}"
        r" - \frac{\partial A(a)}{\partial \theta_b}$$"
        r"$$\frac{\partial A(a)}{\partial \theta_b} = \alpha$$",
        "pppr",
    ),
    "by-definition": (
        r"where $V = \sum_a \pi(a) Q(a)$ and $G(a) = \frac{\partial V}{\partial \theta_a}$. "
        r"$$\frac{\partial V}{\partial \theta_a} = G(a)$$ $$G(a) = \pi(a) (Q(a) - V)$$"
        r"$$G(a) = \pi(a) (Q(a) + V)$$",
        "ppr",
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_lemma_that_leads_back_to_itself_hinders_no_later_step(name):
    text, expected = DOCUMENTS[name]
    assert "".join(step.status.value[0] for step in report(check(text)).steps) == expected
