"""How a text becomes a loss: a name first, then a file, else a formula; and what is unclear."""

import subprocess
import sys

import pytest
import run

from softcheck.errors import InputError, SoftcheckError, UsageError
from softcheck.gradient.definition import Kind
from softcheck.losses import load, names

PAPER = r"""
The policy is $\pi_\theta(a|s) = \frac{\exp(\theta_a)}{\sum_b \exp(\theta_b)}$. We define
$g(a) := Q(a) - \alpha \log \pi(a)$. The loss is defined as
$$L := -\sum_a \pi(a) g(a)$$
"""
TWO = PAPER + r"and $J_{\text{old}} := \sum_a \pi(a) Q(a)$."


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


def test_a_file_with_one_loss_needs_no_symbol(there):
    loss = load(there("paper.tex", PAPER))
    assert loss.name == "paper.tex"
    assert loss.variants == load("sac").variants


@pytest.mark.parametrize("symbol", ["J_{old}", r"J_{\text{old}}", "J_old", "L", "g"])
def test_a_symbol_is_found_however_it_is_written(there, symbol):
    loss = load(f"{there('paper.tex', TWO)}::{symbol}")
    assert loss.name == f"paper.tex::{symbol}"
    if symbol == "L":
        assert loss.variants == load("sac").variants
    elif symbol == "g":
        assert [given.kind for given in loss.variants[0].givens].count(Kind.INDEX) == 1
    else:
        assert loss.variants[0].gradient == "π(a) (Q(a) − Σ_b π(b) Q(b))"


def test_a_shipped_name_is_no_file(there):
    there("sac", PAPER.replace("-\\sum", "\\sum"))
    assert load("sac").variants[0].formula == "−Σ_a π(a) (Q(a) − α log π(a))"


def test_a_file_with_another_ending_is_one_if_it_exists(there):
    assert load(there("losses.in", PAPER)).variants == load("sac").variants


@pytest.mark.usefixtures("there")
def test_a_path_may_hold_colons(tmp_path):
    (tmp_path / "a::b.tex").write_text(PAPER)
    assert load("a::b.tex").variants == load("a::b.tex::L").variants


HEADER = (
    r"""
% loss: my loss
% equation: Eq. (1)
% variants: $L$
% arrays:
%   values: $Q(a)$, positive: what each action is worth
%   weight: $\alpha$, for each state, not negative, default 0.5: of the entropy
"""
    + TWO
)


def test_a_header_says_names_defaults_and_what_is_legal(there):
    loss = load(there("mine.tex", HEADER))
    (variant,) = loss.variants
    assert (loss.title, variant.equation) == ("my loss", "Eq. (1)")
    values, weight = variant.givens
    assert (values.name, values.kind, values.legal) == ("values", Kind.TABLE, "positive")
    assert (weight.name, weight.kind, weight.legal) == ("weight", Kind.STATE, "not negative")
    assert weight.default == 0.5
    assert weight.about == "of the entropy"


def test_a_header_that_is_not_understood_is_refused_at_its_line(there):
    text = HEADER.replace("for each state", "for all states")
    with pytest.raises(InputError, match=r"mine.tex, line 7: found 'for all states' of weight"):
        load(there("mine.tex", text))


REFUSED = {
    "cross-entrpy": "Did you mean 'cross-entropy'?",
    "SAC": "Did you mean 'sac'?",
    "gibberish": "A formula is written as",
    "": "A formula is written as",
    "missing.tex": "no such file",
    "missing.tex::L": "no such file",
    "two.tex": "2 symbols that may be the loss: L, J_old, expected one. Name it: two.tex::L.",
    "two.tex::X": "no definition of X, expected one of what it defines: π, g, L, J_old",
    "two.tex::": "no symbol behind ::",
    "empty.tex": "no definition of a loss",
    "hard.tex": "hard.tex: found a loss that is not proved: a logarithm of a sum of several terms",
    "again.tex": "again.tex: found two definitions of L, expected one. Give the two names of their",
    "number.tex": "a default for labels, the number of an action",
    "small.tex": "small.tex: found '1e-3', expected a number as formulas have it",
    r"-1e-3 \log \pi(j)": "found '1e-3', expected a number as formulas have it",
    r"2.5E4 \log \pi(j)": "found '2.5E4', expected",
    r"\log \pi(j), \pi(k)": r"found ', \pi(k)' behind the formula",
    r"L = \log \pi(j) \le 3": r"found '\le 3' behind the formula",
    "−log π(j). π(k)": "found '. π(k)' behind the formula",
    r"L = \log \pi(j), J = \log \pi(k)": "2 symbols that may be the loss: L, J, expected one. "
    "Give the formula of one.",
    r"\sum_a \pi(a) Q(a) - \alpha \log \pi(a)": "a outside of the sum over it",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_unclear_is_one_line_and_exit_2(there, text):
    there("two.tex", TWO)
    there("empty.tex", "Nothing here.")
    there("again.tex", "".join(rf"The loss is defined as $$L := -\log \pi({j})$$" for j in "jk"))
    number = "% arrays:\n%   labels: $j$, default 0\n"
    there("number.tex", number + r"The loss is defined as $$L := -\log \pi(j)$$")
    there("small.tex", r"We define $x := 1e-3$. The loss is defined as $$L := -x \log \pi(j)$$")
    there("hard.tex", r"The loss is defined as $$L := \sum_a \pi(a) \log (\pi(a) + Q(a))$$")
    done = run.softcheck("derive", "--loss", text)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert REFUSED[text] in done.err
    with pytest.raises(SoftcheckError) as refusal:
        load(text)
    assert len(str(refusal.value)) <= 300


@pytest.mark.parametrize("behind", [".", r" \nonumber", r"\, \label{x} % a comment", ";"])
def test_what_says_nothing_may_stand_behind_a_formula(behind):
    assert load(rf"2 e^{{\theta_j}}{behind}").variants == load(r"2 e^{\theta_j}").variants


def test_where_a_loss_was_said_is_where_it_is_refused():
    with pytest.raises(UsageError, match=r"^run.npz::loss: found 'nope'"):
        load("nope", where="run.npz::loss")


def test_no_file_is_looked_at_where_none_may_be_named(there):
    there("paper.tex", PAPER)
    for text in ("paper.tex", "paper.tex::L"):
        with pytest.raises(UsageError):
            load(text, files=False)
    assert load("sac", files=False) == load("sac")
    assert load(r"-\log \pi(j)", files=False).variants[0].proved


@pytest.mark.usefixtures("there")
def test_hostile_text_is_no_more_than_one_line():
    for text in (
        "\x1b[31m",
        "a\nb",
        "::",
        "\0",
        "$" * 5_000,
        "(" * 5_000,
        "../" * 2_000,
        "−" * 400,
    ):
        with pytest.raises(SoftcheckError) as refusal:
            load(text)
        said = str(refusal.value)
        assert len(said) <= 300
        assert said.isprintable()


def test_a_shipped_loss_is_loaded_without_reader_or_kernel():
    script = (
        "import sys; from softcheck.losses import load; "
        f"[load(name) for name in {names()!r}]; "
        "print([m for m in sys.modules if m.startswith(('softcheck.derive', 'numpy', 'sympy'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
