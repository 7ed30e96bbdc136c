"""What reads almost like something else: nothing false passes, nothing true is refuted."""

import pytest

from softcheck.derive.check import check
from softcheck.derive.reading.regions import Text
from softcheck.derive.reading.sentences import Surroundings
from softcheck.derive.reading.words import denied, says_any, says_constant
from softcheck.derive.reporting import report
from softcheck.result import Verdict

RIGHT = r"$$\sum_a \pi(a) = 1$$"

FALSE = {
    "range-before-a-colon": r"$$\text{for all } a \in \mathcal{A}: \pi(a) = 2$$",
    "range-before-a-command": r"$$b \in \mathcal{A} \colon \pi(b) = \pi(a)$$",
    "derivative-by-the-state": r"$$\frac{\partial \pi(a)}{\partial s} = 0$$",
    "operator-by-the-state": r"$$\partial_s Q(s,a) = 0$$",
    "derivative-by-a-context": r"Let $p(y|x)$ be it. $$\frac{\partial p(y|x)}{\partial x} = 0$$",
    "product-sign": "$$Π_a π(a) Q(a) = π(a) Π_a Q(a)$$",
    "wrong-to-assume": r"It is wrong to assume that $h$ does not depend on $\theta$. "
    r"$$\frac{\partial h}{\partial \theta_a} = 0$$",
    "seldom-constant": r"The weight $w$ is seldom constant. "
    r"$$\frac{\partial w}{\partial \theta_a} = 0$$",
    "pairs": r"$$\sum_{a \neq b} \pi(a) = 1 - \sum_a \pi(a)^2$$",
    "constant-over-pairs": r"$$\sum_{a \neq b} \alpha = (n - 1) \alpha$$",
    "no-such-action": r"$$\nexists a \in \mathcal{A}: \; \pi(a) = \pi(a)$$",
    "positive-for-one": r"For at least one action $Q(a) > 0$. $$\log (Q(a)^2) = 2 \log Q(a)$$",
    "arbitrary-policy": r"Take an arbitrary, possibly deterministic policy $\pi$. "
    r"$$\log \pi(a) - \log \pi(b) = \theta_a - \theta_b$$",
    "another-policy": r"Let $\pi$ be Gaussian. $$\log \pi(a) - \log \pi(b) = \theta_a - \theta_b$$",
    "wrong-identity": r"$$\sum_a \pi(a) \equiv 2$$",
    "characters-of-another-meaning": "\\catcode`\\!=0\n!let!pi!alpha",
}  # fmt: skip

TRUE = {
    "difference-of-sets": r"$$\frac{\partial \pi(a)}{\partial \theta_b} = -\pi(a) \pi(b), "
    r"\quad b \in \mathcal{A} - \{a\}$$",
    "all-but-some": r"$$\mathbf{1}\{a = b\} = 0, \quad b \in \mathcal{A} \cap \mathcal{B}$$",
    "pairs": r"$$\sum_{i \neq j} \pi_i \pi_j = 1 - \sum_i \pi_i^2$$",
    "number-far-behind": r"$$\sum_a \pi(a) = 1 \hspace{2em} (5)$$",
    "comment-in-markdown": "[//]: # ($$\\sum_a \\pi(a) = 2$$)",
    "reason-behind": r"$$\frac{\partial \log \pi(a)}{\partial \theta_b} = -\pi(b)$$"
    "\nbecause $a \\neq b$.",
    "sign-of-identity": r"$$Q(a) \equiv \alpha \theta_a$$",
    "map": r"Let $f: \mathcal{X} \to \mathcal{Y}$.",
}  # fmt: skip

PROVED = {
    "difference-of-sets": TRUE["difference-of-sets"],
    "number-far-behind": TRUE["number-far-behind"],
    "left-out-and-named": r"$$\sum_{a \neq b} \pi(a) = 1 - \pi(b)$$",
    "left-out-in-both": r"$$\sum_{a \neq b} \pi(a) Q(a) = \sum_a \pi(a) Q(a) - \pi(b) Q(b)$$",
    "all-pairs": r"$$\sum_a \sum_{b \neq a} \pi(a) \pi(b) = 1 - \sum_a \pi(a)^2$$",
    "range-before-a-colon": r"$$a \in \mathcal{A}: \; "
    r"\log \pi(a) - \log \pi(b) = \theta_a - \theta_b$$",
    "comment-in-markdown": TRUE["comment-in-markdown"],
    "scores-called-s": r"Let $p_i = e^{s_i} / \sum_j e^{s_j}$. "
    r"$$\frac{\partial p_i}{\partial s_k} = p_i (\mathbf{1}\{i = k\} - p_k)$$",
}  # fmt: skip


def verdicts(text):
    """Return the verdict on a document, and those on its steps."""
    made = report(check(f"{RIGHT}\n\n{text}\n"))
    return made.status, [step.status for step in made.steps]


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_does_not_pass(name):
    assert verdicts(FALSE[name])[0] is not Verdict.PROVED


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_not_refuted(name):
    assert Verdict.REFUTED not in verdicts(TRUE[name])[1]


@pytest.mark.parametrize("name", PROVED)
def test_what_is_true_is_proved(name):
    assert verdicts(PROVED[name])[0] is Verdict.PROVED


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("Let", "be an arbitrary distribution."),
        ("For any distribution", ","),
        ("For every policy", "whatsoever,"),
        ("Whatever the policy", "is,"),
        ("where", "need not be a softmax"),
    ],
)
def test_words_make_a_symbol_any_distribution(before, behind):
    assert says_any(Surroundings(before, behind, 0))


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("Let", "be a softmax policy."),
        ("The policy of any agent,", ", is trained"),
        ("In any case the policy", "is a softmax"),
    ],
)
def test_other_words_do_not(before, behind):
    assert not says_any(Surroundings(before, behind, 0))


@pytest.mark.parametrize("words", ["Not all", "Hardly ever is", "We do not assume", "Only some"])
def test_words_deny_what_they_stand_with(words):
    assert denied(Surroundings(words, "", 0))


@pytest.mark.parametrize(("before", "behind"), [("Is", "?"), ("", "never holds")])
def test_words_behind_it_deny_too(before, behind):
    assert denied(Surroundings(before, behind, 0))


@pytest.mark.parametrize("words", ["Suppose", "where", "It is not easy, but let"])
def test_a_premise_denies_nothing(words):
    assert not denied(Surroundings(words, "", 0))


@pytest.mark.parametrize("words", ["is fixed", "does not depend on the policy", "is a constant"])
def test_words_say_that_a_symbol_is_constant(words):
    assert says_constant(Surroundings("The reward", words, 0))


def test_a_document_with_other_characters_is_unread():
    assert any(region.kind == "unread" for region in Text("\\catcode`\\@=11 $1 = 1$").regions)


NOT_TAKEN_APART = {
    "a chain behind a membership": r"$$\sum_a \pi(a) = 1$$ $$\pi(a) \in (0, 1) = \{2\}$$",
    "a state behind a bar, and none": r"$$p(a) = p(a|s)$$",
    "one action fewer": r"$$\sum_{i=0}^{n} \pi_i = 1$$",
    "a condition of unknown reach": (
        r"We treat $a \neq b$ first. One gets "
        r"$$\frac{\partial \pi(a)}{\partial \theta_b} = -\pi(a) \pi(b).$$"
    ),
}


@pytest.mark.parametrize("name", NOT_TAKEN_APART)
def test_what_may_mean_more_neither_passes_nor_accuses(name):
    made = report(check(NOT_TAKEN_APART[name]))
    assert made.status is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        r"$$\sum_{i=0}^{n-1} \pi_i = 1$$",
        r"We write $\pi(a) = \pi(a|s)$. $$\sum_a \pi(a) = 1$$",
        r"With $p_i = e^{z_i}/\sum_j e^{z_j}$ and $L = -\log p_y$, "
        r"$$\frac{\partial L}{\partial z_i} = p_i - \mathbf{1}_{i = y}$$",
        r"The loss of a class $c$ is $L = -\log p_c$ with $p_i = e^{z_i}/\sum_j e^{z_j}$, so "
        r"$$\frac{\partial L}{\partial z_k} = p_k - \delta_{kc}$$",
        r"With $p_i = e^{z_i}/\sum_{j=1}^{|V|} e^{z_j}$, $$\sum_{i=1}^{|V|} p_i = 1$$",
    ],
)
def test_their_neighbours_are_read(text):
    assert check(text).status is Verdict.PROVED
