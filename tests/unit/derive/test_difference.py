"""By what two sides differ is their difference, and no longer than it has to be."""

from fractions import Fraction

import pytest

from softcheck.derive.check import Contradicted, check
from softcheck.derive.difference import difference
from softcheck.derive.expr import ZERO, Add, Diff, Mul, Num, walk
from softcheck.derive.points.refute import Claim, Refutation, enclosures
from softcheck.derive.spell import unicode

SETTING = r"Let $g(a) = Q(a) - \alpha \log \pi(a)$, $V = \sum_a \pi(a) g(a)$ and $L = -V$. "
RIGHT = r"-\pi(a) (g(a) - V)"
WRONG = {
    "sign": r"\pi(a) (g(a) - V)",
    "baseline dropped": r"-\pi(a) g(a)",
    "a term too many": RIGHT + r" + \alpha \pi(a)",
    "a factor": f"2({RIGHT})",
}


def refuted(text):
    """Return the only counterexample in a document, and what is known there."""
    checked = check(text)
    (found,) = (
        d.found for d in checked.decisions if isinstance(d.found, Refutation | Contradicted)
    )
    return found.refutation if isinstance(found, Contradicted) else found, checked.context


@pytest.mark.parametrize("right", WRONG.values(), ids=WRONG)
def test_it_is_the_difference_at_the_counterexample(right):
    """By the evaluator, which knows no normal form."""
    found, known = refuted(rf"{SETTING} $$\frac{{\partial L}}{{\partial \theta_a}} = {right}$$")
    claim = found.claim
    written = difference(claim.left, claim.right, claim.conditions, known)
    assert not any(isinstance(node, Diff) for node in walk(written))
    total = Claim(written, ZERO, claim.definitions, (), claim.positive, claim.ones)
    value, _ = enclosures(total, found.point, 30)
    assert found.low <= float(value.mid) <= found.high
    if right == WRONG["a term too many"]:
        assert unicode(written) == "−α π(a)"


def test_what_the_conditions_leave_of_it():
    definition = r"Let $p_i = e^{x_i} / \sum_j e^{x_j}$. "
    claim = r"$$\frac{\partial p_i}{\partial x_j} = -2 p_i p_j, \quad i CONDITION j$$"
    for relation, by in ((r"\neq", "p(i) p(j)"), ("=", "p(i) + p(i)²")):
        found, known = refuted(definition + claim.replace("CONDITION", relation))
        written = difference(found.claim.left, found.claim.right, found.claim.conditions, known)
        assert unicode(written) == by


def test_where_nothing_cancels_it_says_no_more_than_the_step():
    found, known = refuted(r"$$\sum_a \pi(a)^2 = 1$$")
    assert difference(found.claim.left, found.claim.right, (), known) is None


def test_a_long_one_is_left_out():
    found, known = refuted(r"$$\pi(a) = 2 \pi(a)$$")
    left = found.claim.left
    powers = tuple(Mul((Num(Fraction(k)),) + (left,) * k) for k in range(2, 10))
    assert difference(Add((left, *powers)), left, (), known) is None
    assert difference(Add((left, *powers[:6])), left, (), known) is not None
