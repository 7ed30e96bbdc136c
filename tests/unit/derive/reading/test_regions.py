"""A text is cut into regions that cover it, and nothing that may hold an equality falls between."""

import time

import documents
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softcheck.derive.check import check
from softcheck.derive.reading.regions import Text
from softcheck.result import Verdict

WRONG = r"\sum_a \pi(a) = 2"
CASES = documents.ROOT.parent / "shared" / "cases" / "derive"

READ = {
    "dollar": "so ${}$ holds",
    "dollar-with-blanks": "so $ {} $ holds",
    "dollars": "$${}$$",
    "round": r"so \({}\) holds",
    "square": r"\[ {} \]",
    "doubled-round": r"so \\( {} \\) holds",
    "doubled-square": r"\\[ {} \\]",
    "blank-behind-begin": r"\begin {align} {} \end {align}",
    "fence": "```math\n{}\n```",
    "fence-in-an-item": "- ```math\n  {}\n  ```",
    "latex-fence": "```latex\n{}\n```",
    "tex-fence-with-dollars": "~~~tex\nso ${}$ holds\n~~~",
    "script": '<script type="math/tex; mode=display">{}</script>',
    "script-inline": "<script type='math/tex'>{}</script>",
    "directive": "so\n\n.. math::\n   :label: eq-sum\n\n   {}\n\nholds",
    "directive-on-its-line": ".. math:: {}\n   :label: eq-sum\n\nholds",
    "role": "so :math:`{}` holds",
    "myst-fence": "```{math}\n:label: eq\n{}\n```",
    "myst-colons": ":::{math}\n{}\n:::",
    "myst-role": "so {math}`{}` holds",
    "github": "so $`{}`$ holds",
    "wordpress": "so $latex {}$ holds",
    "tex-quotes": "the identity ``${}$'' holds",
    "markdown-quotes": "the identity ``${}$`` holds",
    "stray-ticks": "a ` here, ${}$, and a ` there",
    "in-plain-fence": "```\n$${}$$\n```",
    "in-an-unknown-environment": r"\begin{tcolorbox} ${}$ \end{tcolorbox}",
    "behind-money": "It took $10k and US$5k. Then ${}$ holds.",
    "behind-shell": "The variable $HOME is set. Then ${}$ holds.",
    "behind-verb": r"A \verb|$| opens it. Then ${}$ holds.",
    "behind-per-cent": "Less than 5 % here, but ${}$ holds. \\begin{center}x\\end{center}",
    "behind-escaped": r"It costs \$5. Then ${}$ holds.",
    "behind-iffalse": "\\iffalse $1 = 3$ \\iftrue \\fi \\else so ${}$ holds \\fi",
    "in-a-note": "```{note}\nso ${}$ holds\n```",
} | {
    name: rf"\begin{{{name}}}{taken} {{}} \end{{{name}}}"
    for name, taken in {
        "equation": "", "equation*": "", "align": "", "align*": "", "gather": "", "multline*": "",
        "split": "", "aligned": "[t]", "eqnarray": "", "displaymath": "", "flalign": "",
        "alignat": "{2}", "IEEEeqnarray": "{rCl}", "IEEEeqnarray*": "[x]{rCl}",
    }.items()
}  # fmt: skip

UNREAD = {
    "tcolorbox": (r"\begin{tcolorbox}[ams align] {} \end{tcolorbox}", "'tcolorbox', which"),
    "own-environment": (
        r"\newenvironment{E}{\equation}{\endequation} \begin{E} n = n + 1 \end{E}",
        "'E', which is not known"),
    "capital-environment": (r"\begin{Equation} n = n + 1 \end{Equation}", "'Equation', which"),
    "input": (r"\input{appendix}", "another file"),
    "include": (r"\include{appendix}", "another file"),
    "subfile": (r"\subfile{appendix}", "another file"),
    "import": (r"\import{folder}{appendix}", "another file"),
    "include-of-sphinx": (".. include:: appendix.rst", "another file"),
    "include-of-quarto": ("{{< include appendix.qmd >}}", "another file"),
    "asciidoc": ("[latexmath]\n++++\n{}\n++++", "AsciiDoc"),
    "asciidoc-inline": ("so stem:[{}] holds", "AsciiDoc"),
    "hugo": ("{{< math >}}\n{}\n{{< /math >}}", "shortcode 'math'"),
    "hugo-percent": ("{{% katex %}} {} {{% /katex %}}", "shortcode 'katex'"),
    "jekyll": ("{% katex %} {} {% endkatex %}", "shortcode 'katex'"),
    "mathml": ("<math><mn>1</mn><mo>=</mo><mn>2</mn></math>", "<math>"),
    "component": ("<BlockMath math={'n = n + 1'} />", "<BlockMath>"),
    "image-name": ("![the gradient](figures/eq-6.png)", "picture of a formula"),
    "image-alt": ("![formula](figures/six.png)", "picture of a formula"),
    "image-of-latex": (r"![](https://latex.codecogs.com/svg?{})", "picture of a formula"),
    "html-image": (r'<img src="six.png" alt="{}">', "picture of a formula"),
    "included-picture": (r"\includegraphics[width=3cm]{equation6}", "picture of a formula"),
    "sphinx-picture": (".. image:: formula.png", "picture of a formula"),
    "bare-unicode": ("∑_a π(a) = 2", "outside of a formula"),
    "bare-letter": ("so π = 2 holds", "outside of a formula"),
    "bare-in-ticks": ("so `∑_a π(a) = 2` holds", "outside of a formula"),
    "bare-tex": ("so {} holds", "outside of a formula"),
    "bare-full-width": ("∑_a π(a) ＝ 2", "outside of a formula"),  # noqa: RUF001
    "bare-identical": ("∑_a π(a) ≡ 2", "outside of a formula"),
    "bare-command": (r"\sum_a \pi(a) \xlongequal{} 2", "outside of a formula"),
    "bare-in-html": (r"<code>{}</code>", "outside of a formula"),
    "full-width-inside": ("$n ＝ 2$", "no relation"),  # noqa: RUF001
    "words-inside": (r"$$n \text{ = } 2$$", "no relation"),
    "long-equal-inside": (r"so $n \xlongequal{} 2$", "no relation"),
    "circle-inside": (r"so $n \eqcirc 2$", "no relation"),
    "unknown-equal-inside": (r"so $n \eq 2$", "no relation"),
    "between": (r"$\sum_a \pi(a)$ = $2$", "between two formulas"),
    "behind": (r"$\sum_a \pi(a)$ = 2", "beside a formula"),
    "before": (r"Loss = $\sum_a \pi(a)$", "beside a formula"),
    "ensuremath": (r"\ensuremath{n = 2}", "outside of a formula"),
    "stray-end": (r"n = 2 \end{align}", "without its"),
    "stray-bracket": (r"n = 2 \]", "without the formula"),
    "macro-that-holds": (r"\newcommand{\x}{$n = 2$} so \x", "write it out"),
    "macro-of-a-macro": (r"\def\x{$n = 2$}\def\y{\x} so \y", "write it out"),
    "open-definition": (r"\def\a{ n", "do not close"),
    "open-comment": ("<!-- $n = 2$", "does not end"),
    "open-verbatim": (r"\begin{verbatim} $n = 2$", "does not end"),
    "open-iffalse": (r"\iffalse $n = 2$", r"without its \fi"),
    "switched-off-inside": ("$$n = n % softcheck: off\n + 1 % softcheck: on\n$$", "inside of a"),
}  # fmt: skip

EXCLUDED = {
    "html-comment": "<!-- $${}$$ -->",
    "line-comment": "% $${}$$",
    "iffalse": r"\iffalse $${}$$ \fi",
    "comment-environment": r"\begin{comment} $${}$$ \end{comment}",
    "verbatim": r"\begin{verbatim} $${}$$ \end{verbatim}",
    "verb": r"\verb|${}$|",
    "python": "```python\n$${}$$\n```",
    "code-block": ".. code-block:: python\n\n   $${}$$\n",
    "off": "% softcheck: off\n$${}$$\n% softcheck: on",
    "off-in-html": "<!-- softcheck: off -->\n$${}$$\n<!-- softcheck: on -->",
}

NOTHING = [
    "Run `x = 1` and `lr=0.1`.",
    "```python\nx = 1\n```",
    "In all runs lr = 0.1 and n = 3.",
    "It costs $10k, or US$5k, or 5$, in $HOME.",
    r"\includegraphics[width=0.5\textwidth]{learning-curve}",
    r"\hypersetup{colorlinks=true, linkcolor=\mycolor}",
    r"\begin{figure}[t] \caption{lr = 0.1} \end{figure}",
    '<a href="https://example.org/?a=b">here</a>',
    "Title\n=====\n\nThe policy π is here.",
    "```He said'' and left.",
]


@pytest.mark.parametrize("name", READ)
def test_a_formula_is_read_in_its_markup(name):
    text = Text(READ[name].replace("{}", WRONG))
    (formula,) = [region for region in text.regions if region.kind == "formula"]
    assert text.text[formula.body_start : formula.body_end].strip() == WRONG
    assert formula.closed
    assert not [region for region in text.regions if region.kind == "unread"]


@pytest.mark.parametrize("name", UNREAD)
def test_what_may_hold_an_equality_is_unread_and_says_why(name):
    source, reason = UNREAD[name]
    text = Text(source.replace("{}", WRONG))
    assert reason in next(r.reason for r in text.regions if r.kind == "unread")
    assert any(reason in span.problem for span in text.spans())


@pytest.mark.parametrize("name", EXCLUDED)
def test_what_is_not_read_is_counted(name):
    text = Text(EXCLUDED[name].replace("{}", WRONG))
    assert {region.kind for region in text.regions} <= {"excluded", "prose"}
    assert (text.off, text.excluded) == ((1, 0) if name.startswith("off") else (0, 1))


@pytest.mark.parametrize("text", NOTHING)
def test_plain_words_and_code_hold_nothing(text):
    assert not [r for r in Text(text).regions if r.kind in ("formula", "unread")]


def test_nothing_is_read_behind_the_end_of_a_document():
    text = Text("\\documentclass{article}\n\\begin{document}\n\\end{document}\n$$1 = 2$$\n")
    assert not list(text.spans())
    assert text.excluded == 1


SOUP = st.lists(
    st.sampled_from(
        ["$", "$$", "\\(", "\\)", "\\[", "\\]", "\\\\[", "\\\\]", "`", "``", "```", "```math\n",
         "\n```\n", "~~~", "\\begin{align}", "\\end{align}", "\\begin {E}", "\\end{E}", "%", "\n%",
         "<!--", "-->", "\\iffalse", "\\fi", "\\else", "\\verb|", "|", "\\begin{verbatim}",
         "\\end{verbatim}", "\\end{document}", "\n\\documentclass{a}", "\n.. math::\n", "\n   ",
         ":math:`", "{math}`", "\\def\\a{", "\\newcommand{\\b}[1]{", "\\let\\a=\\b", "}", "{", "=",
         "% softcheck: off\n", "% softcheck: on\n", "<script type='math/tex'>", "</script>",
         "\\input{a}", "{{< math >}}", "{{< /math >}}", "[stem]\n", "++++\n", "![eq](", ")", "π",
         "\\pi", "\\text{", "n = 2", " words of text. ", "\n", "\n\n", "<math>", "<pre>", "</pre>",
         "\\a", "\\begin{aligned}[t]", "stem:[", "#+INCLUDE: a", "$latex ", "＝", "\\"]  # noqa: RUF001
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(SOUP, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=2))
def test_regions_cover_every_character_in_order(soup, lines):
    text = Text(soup, lines)
    assert "".join(soup[region.start : region.end] for region in text.regions) == soup
    for region in text.regions:
        assert region.start < region.end
        if region.kind == "formula":
            assert region.start <= region.body_start <= region.body_end <= region.end
    assert text.off >= 0
    assert text.excluded >= 0


def test_only_the_chosen_lines_are_read():
    text = Text("\\def\\x{1}\n$n = 1$\n$$n\n= 2$$\n$n = 3$\n", lines=((2, 3),))
    assert [text.text[s.start : s.end] for s in text.spans()] == ["n = 1", "n\n= 2"]
    assert text.off == 1
    assert "x" in text.macros


MACROS = {
    "renamed-before-use": (r"\renewcommand{\epsilon}{\varepsilon} $\epsilon$", "epsilon", False),
    "renamed-behind-use": (r"$\alpha$ \renewcommand{\alpha}{\pi} $\alpha$", "alpha", True),
    "let": (r"\let\eps\epsilon $\eps$", "eps", False),
    "let-of-what-changes": (r"\let\beta\alpha \let\alpha\pi $\beta$", "beta", True),
    "in-a-group": (r"{\def\alpha{\pi}} $\alpha$", "alpha", True),
    "in-an-environment": (r"\begin{center}\def\alpha{\pi}\end{center} $\alpha$", "alpha", True),
    "twice": (r"\def\x{1}\def\x{2}", "x", True),
    "with-an-option": (r"\newcommand{\x}[1][2]{#1}", "x", True),
    "delimited": (r"\def\alpha#1,{2}", "alpha", True),
    "unclosed": (r"\def\alpha{2", "alpha", True),
}


@pytest.mark.parametrize("name", MACROS)
def test_a_definition_counts_where_it_holds_throughout(name):
    text, macro, ambiguous = MACROS[name]
    assert Text(text).macros[macro].ambiguous is ambiguous


PLACES = {
    **{name: text.replace("{}", WRONG) for name, text in READ.items()},
    **{name: text.replace("{}", WRONG) for name, (text, _) in UNREAD.items() if "{}" in text},
    **{name: text.replace("{}", WRONG) for name, text in EXCLUDED.items()},
}
"""Every place that a wrong equality may hide in."""


def seen(source):
    text = Text(source)
    return sum(region.kind in ("formula", "unread") for region in text.regions), (
        text.off + text.excluded
    )


def hides_nothing(source):
    """Tell that a wrong equality shows wherever it is put into a document."""
    before = seen(source)
    body, end, rest = source.partition("\\end{document}")
    for name, place in PLACES.items():
        for hidden in (f"{place}\n\n{source}", f"{body}\n\n{place}\n{end}{rest}"):
            after = seen(hidden)
            assert after[0] > before[0] or after[1] > before[1], name


@pytest.mark.parametrize("path", documents.proved(), ids=lambda path: path.stem)
def test_no_place_of_a_fixture_hides_an_equality(path):
    hides_nothing(path.read_text())


@pytest.mark.shared
def test_no_place_of_a_case_hides_an_equality():
    for path in sorted(CASES.iterdir()):
        if path.suffix != ".json":
            hides_nothing(path.read_text())


@pytest.mark.parametrize("name", PLACES)
def test_no_document_passes_with_a_wrong_equality_in_it(name):
    text = f"$$\\sum_a \\pi(a) = 1$$\n\n{PLACES[name]}\n"
    assert (check(text).status is Verdict.PROVED) is (name in EXCLUDED)


HOSTILE = {
    "open-definitions": r"\def\a{" * 23_000,
    "comments": "% a\n" * 400_000,
    "comments-of-tex": "\\documentclass{a}\n" + "% $a$\n\n" * 30_000,
    "open-brackets": r"\[" * 140_000,
    "open-rounds": r"\(" * 140_000,
    "doubled": r"\\(" * 100_000 + "\n\n\\\\)",
    "open-environments": r"\begin{align}" * 90_000,
    "nested-environments": r"\begin{aligned}" * 45_000 + r"\end{aligned}" * 45_000,
    "dollars": "$ a " * 250_000,
    "ticks": "`a " * 250_000,
    "iffalse": r"\iffalse " * 250_000,
    "html": "<!--" * 250_000,
    "fences": "".join("`" * length + "math\n" for length in range(3, 700)),
    "words-in-formulas": r"\text{$" * 70_000,
    "braces": "{" * 1_600_000,
    "signs": "=" * 250_000,
    "directives": ".. math::\n\n" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_is_cut_soon(name):
    begun = time.process_time()
    text = Text(HOSTILE[name])
    assert sum(1 for _ in text.spans()) + text.off + text.excluded >= 0
    assert time.process_time() - begun < 3
