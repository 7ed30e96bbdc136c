"""Documents made to break the reader: no crash, no hang, no pass."""

import importlib
import time
from contextlib import suppress
from itertools import islice, pairwise, permutations

import pytest
import run
from hypothesis import given, settings
from hypothesis import strategies as st

from softcheck.derive import built_in, limits
from softcheck.derive.check import check
from softcheck.errors import NothingToCheckError
from softcheck.result import Verdict

FACTORS = "".join(rf"\left(\pi(a) + \theta_{index}\right)" for index in "abcijklm" * 3)

HOSTILE = {
    "brackets": f"$${'(' * 5000}1{')' * 5000} = 1$$",
    "open-brackets": f"$${'(' * 5000} = 1$$",
    "braces": f"$${'{' * 5000}1{'}' * 5000} = 1$$",
    "fractions": "$$" + r"\frac{1}{" * 400 + "2" + "}" * 400 + " = 1$$",
    "signs": f"$${'-' * 5001}1 = 1$$",
    "sums": "$$" + "".join(rf"\sum_{{b_{i}}}" for i in range(40)) + r"\pi(b_1) = 1$$",
    "linked-sums": "$$" + "".join(rf"\sum_{{b_{i}}}" for i in range(8))
    + "".join(rf"F_{{b_{i} b_{i + 1}}}" for i in range(7)) + " = 1$$",
    "towers": "$$" + r"\exp(" * 25 + "2" + ")" * 25 + " = 1$$",
    "expansion": f"$${FACTORS} = 1$$",
    "power": r"$$(1 + \pi(a) + \theta_b + Q_c)^{24} = 1$$",
    "huge-power": r"$$10^{10^{10}} = 1$$",
    "digits": f"$${'9' * 10_000} = 1$$",
    "tokens": f"$${'x ' * 30_000} = 1$$",
    "macro-bomb": r"\newcommand{\a}{xx}" + "".join(
        rf"\newcommand{{\{chr(98 + i)}}}{{\{chr(97 + i) * 1}\{chr(97 + i) * 1}}}" for i in range(20)
    ) + r"$$\u = 1$$",
    "derivatives": "$$" + r"\partial_{\theta_k} " * 15 + r"\pi(a) = 1$$",
    "underbraces": "$$" + r"\underbrace{" * 60 + "1" + "}_{=1}" * 60 + " = 1 \\pi(a)$$",
    "circle": r"$$f = h + 1$$ $$h = f + 1$$ $$f = 2$$",
    "control": "$$\x00\x1b[31m = 1$$",
    "surrogate": "$$\\pi(a) \U0001d70b = 1$$",
    "relations": f"$${'= ' * 3000}$$",
    "rows": "\\begin{align}" + r"1 &= 2 \\" * 500 + "\\end{align}",
}  # fmt: skip

PROSE = {
    "one long line": "a" * 300_000 + " $x=1$",
    "a long heading": "# " + "a #" * 100_000 + "\n$$1=1$$",
    "many paragraphs": "$$1=1$$\n\n" + "word\n\n" * 100_000,
    "a long word in a list": "Let $x$ " + "a" * 60 + " ( $y = 1 + n$",
    "long words in a list": "Let $x$ "
    + "a" * 60
    + " "
    + "b-" * 40
    + " ! $y = 1 + n$ and $z = 2 n$",
    "a wide gap": "Let $x$" + " " * 900 + "( $y = n + 1$",
    "conditions without end": "if that " * 150 + " $y = n+1$",
    "many stars": "*" * 100_000 + " $1=1$",
    "braces in a heading": "\\section{" + "{a}" * 50_000 + " $1=1$",
}


@pytest.mark.parametrize("name", PROSE)
def test_words_around_a_formula_are_read_in_linear_time(name):
    begun = time.process_time()
    with suppress(NothingToCheckError):
        check(PROSE[name])
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_soon_and_never_passes(name):
    begun = time.perf_counter()
    try:
        status = check(HOSTILE[name]).status
    except NothingToCheckError:
        status = Verdict.UNKNOWN
    assert status is not Verdict.PROVED
    assert time.perf_counter() - begun < 20


def test_a_document_of_very_many_equalities_is_not_decided_for_ever():
    text = "\n".join(f"$$\\theta_a = {k}$$" for k in range(limits.EQUALITIES + 50))
    checked = check(text)
    assert len(checked.decisions) <= limits.EQUALITIES + 2
    assert "more than" in "".join(str(decision.found) for decision in checked.decisions)


def test_the_work_of_a_document_is_capped(monkeypatch):
    monkeypatch.setattr("softcheck.derive.check.WORK", 100)
    checked = check(built_in())
    assert checked.decisions[-1].status is Verdict.UNKNOWN
    assert "more work" in checked.decisions[-1].found


NAMES = "BCDFGHMPRSTUWXY"
LETTERS = [*"abcijklmuv", *(f"{letter}'" for letter in "abcijklmuv"), "a''"]


def in_terms_of_the_last(body):
    """Return definitions of which each uses the one before twice, and the name of the last."""
    names = ["Q", *NAMES]
    text = "".join(
        f"Let ${new}(a) = {body.format(f'{old}(a)')}$.\n\n" for old, new in pairwise(names)
    )
    return text, f"{names[-1]}(a)"


def counted(monkeypatch, where):
    """Count the calls of a function."""
    calls = []
    module, _, name = where.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    monkeypatch.setattr(where, lambda *args: calls.append(1) or function(*args))
    return calls


@pytest.mark.parametrize("body", ["{0} + {0}", "{0} {0}", r"{0} + \pi(a) {0}"])
def test_definitions_that_double_are_looked_at_once_each(monkeypatch, body):
    looked = [
        counted(monkeypatch, f"softcheck.derive.{module}.children")
        for module in ("givens", "points.witness")
    ]
    text, last = in_terms_of_the_last(body)
    checked = check(f"{text}$${last} = {last} + 0$$ $${last} = 2 {last}$$")
    assert [d.status.value for d in checked.decisions] == ["proved", "refuted"]
    assert sum(map(len, looked)) < 2_000
    assert sum(d.spent for d in checked.decisions) < 2_000


def test_exponentials_within_exponentials_end():
    text, last = in_terms_of_the_last(r"\exp({0}) + {0}")
    (decision,) = check(f"{text}$${last} = 2 {last}$$").decisions
    assert decision.status is Verdict.UNKNOWN
    assert "exponentials within each other" in decision.found
    assert decision.spent < 2_000


def test_claims_about_very_many_actions_are_tried_at_a_few_choices(monkeypatch):
    tried = counted(monkeypatch, "softcheck.derive.points.refute.allowed")
    product = " ".join(rf"\pi({letter})" for letter in LETTERS)
    turned = " ".join(rf"\pi({letter})" for letter in reversed(LETTERS))
    text = rf"$${product} = {turned}$$ $${product} Q(a) = {turned} Q(b) \quad \text{{for }} a = b$$"
    assert check(text).status is Verdict.PROVED
    assert len(tried) < 2_000


def test_the_work_of_lemmas_grows_with_their_number_only(monkeypatch):
    lines = [
        rf"$$\frac{{\partial \pi_{i}}}{{\partial \theta_{k}}}"
        rf" = \pi_{i} (\delta_{{{i}{k}}} - \pi_{k})$$"
        for i, k in islice(permutations("abcijklmuv", 2), 60)
    ]
    asked = counted(monkeypatch, "softcheck.derive.ladder.NormalForm")
    checked = check("\n\n".join(lines), witness=lambda claim: (1,))
    assert checked.status is Verdict.PROVED
    assert len(asked) < 20 * len(lines)
    assert sum(decision.spent for decision in checked.decisions) < 200 * len(lines)


def test_files_that_are_no_documents_are_refused(tmp_path):
    cases = {
        tmp_path / "missing.tex": "no such file",
        tmp_path: "folder",
    }
    binary = tmp_path / "binary.tex"
    binary.write_bytes(b"\xff\xfe$$1 = 1$$")
    cases[binary] = "UTF-8"
    large = tmp_path / "large.tex"
    large.write_bytes(b" " * (limits.FILE_BYTES + 1))
    cases[large] = str(limits.FILE_BYTES)
    for path, words in cases.items():
        outcome = run.softcheck("derive", path)
        assert outcome.code == 2
        assert words in outcome.err
        assert outcome.err.count("\n") == 1


SOUP = st.lists(
    st.sampled_from(
        [r"\pi", "(a)", "_a", "^2", r"\theta_{s,a}", r"\sum_{b}", r"\frac{", "}", "{", "(", ")",
         "=",
         r"\\", "&", "+", "-", "1", "2", r"\log", r"\exp", "e^", r"\partial", r"\nabla", "_", "^",
         r"\underbrace{", "}_{=1}", r"\text{if ", "$$", "$", r"\mathbb{E}_{a \sim \pi}", "[", "]",
         r"\mathbf{1}\{a=b\}", r"\delta_{ij}", ",", r"\quad", r"\alpha", "Q", "g", "b", "'", "%",
         r"\begin{align}", r"\end{align}", r"\neq", r"\in", "|", r"\mid", r"\cdot", "/", "\n", " ",
         r"\newcommand{\x}[1]{#1", r"\x", r"\left", r"\right.", "~", "\\",
         "∑", "²", "ₐ", "∇", "∂", "π", "|", r"\|", r"\mathrm{softmax}", "(θ)", "D_{KL}(", "x",
         r"\mathbb{E}_\pi[", r"\mathcal{A}", r"\substack{", r"\sim", "^{|A|}", r"\text{|A|}",
         r"\theta_{old}", "^{", r"\sigma(z)", "[n]", r"\{1,\dots,n\}", r"\cdot", "(\\cdot)"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=2000)
@given(SOUP)
def test_no_soup_of_tokens_crashes_the_reader(soup):
    for text in (soup, f"$${soup}$$", f"$$\\pi(a) = {soup}$$"):
        try:
            checked = check(text)
        except NothingToCheckError:
            continue
        assert not any("internal error" in str(d.found) for d in checked.decisions)
