"""The report as a page: nothing in it but text, within its size, and pictures of what was found."""

import re
import threading
from functools import cache
from itertools import takewhile

import msgspec
import numpy as np
import pytest
import reports
import run
from outlines import Page
from test_formats import ATTACKS, hostile, hostile_derivation

import softcheck
from softcheck import losses, result
from softcheck.checks.frame import CELLS, SAMPLE, Frame
from softcheck.losses.reporting import report as report_of_loss
from softcheck.report import FORMATS, Style
from softcheck.report.html import maths
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.verification import verify_case

TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "div",
    "h1", "h2", "h3", "p", "a", "span", "strong", "code", "pre", "del", "ins", "i", "ul", "li",
    "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
    "figure", "figcaption", "svg", "g", "path", "circle", "text",
    "math", "mi", "mn", "mo", "mrow", "mfrac", "msub", "msup", "msubsup", "mtext", "mspace",
    "munder", "mover", "munderover", "mpadded", "mstyle", "mtable", "mtr", "mtd",
}  # fmt: skip


def page_of(made):
    return FORMATS["html"].verification(made, Style())


def safe(text):
    """Return a page, once it is known that it asks for nothing and runs nothing."""
    made = Page(text)
    for tag, attributes in made.elements:
        assert tag in TAGS
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    return made


# Text


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_a_name_is_it_is_text(attack):
    name = f"{attack}<img src=x onerror=alert(1)><b>"
    shown = softcheck.errors.printable(name, 200)
    of_cases = safe(page_of(hostile(name)))
    assert any(shown in text for text in of_cases.texts)
    of_documents = safe(FORMATS["html"].derivation(hostile_derivation(name), name, Style()))
    assert any(shown in text for text in of_documents.texts)


@pytest.mark.parametrize(
    "latex",
    [
        r"\href{javascript:alert(1)}{x}", r"\text{<script>alert(1)</script>}", "<img src=x>",
        r"\class{a}{b} \style{color:red}{c}", r"\unicode{x} & \\", "{" * 500, r"\def\a{\a\a}\a",
        r"\includegraphics{http://b.c/d.png}", "a < b > c", "\\text{\u202e\x00}", r"\begin{x}",
    ],
)  # fmt: skip
def test_whatever_a_formula_is_it_is_mathematics_or_text(latex):
    made = FORMATS["html"].derivation(hostile_derivation(latex), "paper.tex", Style())
    assert safe(made)


NESTED = {
    "braces": lambda levels: "{" * levels + "x" + "}" * levels,
    "fences": lambda levels: r"\left(" * levels + "x" + r"\right)" * levels,
    "powers": lambda levels: "x^{" * levels + "x" + "}" * levels,
    "roots": lambda levels: r"\sqrt" * levels + " x",
    "fractions": lambda levels: r"\frac x" * levels + " x",
    "sums": lambda levels: r"\sum_" * levels + "x",
}


def test_what_is_typeset_is_never_deeper_than_a_small_stack_holds():
    """A formula that is too deep for the library ends the process, which nothing can catch."""
    typeset = {}

    def made():
        for name, nested in NESTED.items():
            nodes = (str(maths.latex(nested(levels), "")) for levels in range(50, 100_000, 50))
            typeset[name] = sum(1 for _ in takewhile(lambda node: "<math" in node, nodes))

    before = threading.stack_size(512 * 1024)
    thread = threading.Thread(target=made)
    thread.start()
    thread.join()
    threading.stack_size(before)
    assert typeset.keys() == NESTED.keys()
    assert all(typeset.values())


@pytest.mark.parametrize("name", losses.names())
def test_every_loss_that_is_shipped_and_its_gradient_are_typeset(name):
    read = report_of_loss(losses.read(name))
    pages = [FORMATS["html"].loss(read, Style())]
    for variant in read.variants:
        loss = result.Loss(name, variant.loss.reading, variant.gradient.reading, True, "")
        case = msgspec.structs.replace(reports.PASSED, loss=loss)
        pages.append(page_of(reports.report(case)))
    for page in pages:
        formulas = re.findall(r'(?s)<div class="formula"[^>]*>(.*?)</div>', page)
        assert len(formulas) >= 2
        assert not [formula for formula in formulas if "<code" in formula]


def test_the_readings_of_a_document_are_shown_at_once_and_what_is_left_out_is_counted(tmp_path):
    claims = [rf"$$\sum_a \pi(a) = {number}$$" for number in range(1, 104)]
    document = tmp_path / "paper.tex"
    document.write_text("\n".join(claims), "utf-8")
    text = run.softcheck("derive", document, "--reading", "--output-format=html").out
    assert "<details open><summary>What was made of each formula</summary>" in text
    page = safe(text)
    claim = [said for said in page.texts if said.startswith("claim (")]
    assert len(claim) == 100
    assert "Left out, for a page has a limit: 3 rows." in page.texts


def test_labels_of_states_and_actions_are_text():
    names = ["<script>", "a&b", '"><svg onload=x>']
    worst = msgspec.structs.replace(
        reports.PICTURED.picture.worst[0], state=names[2], action=names[0]
    )
    picture = msgspec.structs.replace(
        reports.PICTURED.picture, states=tuple(names), actions=(*names, "b"), worst=(worst,)
    )
    made = safe(page_of(reports.report(msgspec.structs.replace(reports.PICTURED, picture=picture))))
    assert {*names} <= {*made.texts}
    assert any('[2, 3] "><svg onload=x>, <script>: found nan' in text for text in made.texts)


# Size


def soft_arrays(states, actions, seed=0, *, wrong=1.0):
    """Return a case whose gradient is `wrong` times the right one, by the formula."""
    made = np.random.default_rng(seed)
    q, logits = made.normal(size=(2, states, actions))
    log_pi = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    pi, g = np.exp(log_pi), q - 0.3 * log_pi
    grad = -pi * (g - (pi * g).sum(-1, keepdims=True))
    return {"q": q, "logits": logits, "alpha": 0.3, "grad": wrong * grad}


@cache
def large():
    arrays = soft_arrays(200_000, 18, wrong=-1.0)
    return verify_case(case_from_arrays(arrays), Settings(max_findings=1000), pictures=True)


def test_a_page_of_a_large_table_is_below_100_kb_and_says_that_it_shows_a_sample():
    text = page_of(reports.report(large()))
    assert len(text.encode()) < 100_000
    assert f"{SAMPLE} of 3600000 entries are drawn, chosen at random." in text
    assert len(large().picture.dots) == SAMPLE
    assert (len(large().picture.actions), len(large().picture.states)) == (18, CELLS)


def test_a_page_of_200_cases_is_below_2_mb_and_lists_them_all():
    names = [f"runs/{number:03}.npz" for number in range(200)]
    failed = msgspec.structs.replace(large(), findings=large().findings[:20])
    text = page_of(reports.report(*(msgspec.structs.replace(failed, name=name) for name in names)))
    assert len(text.encode()) < 2_000_000
    assert {*names} <= {*safe(text).texts}


# Pictures, whatever the blocks


@pytest.mark.parametrize("entries", [40, 100, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_picture_depends_on_no_block(entries, threads):
    arrays = soft_arrays(301, 7, wrong=np.where(np.arange(301) % 5, 1.0, 0.5)[:, None])
    case = case_from_arrays(arrays)
    whole = verify_case(case, Settings(threads=1), pictures=True)
    parts = verify_case(case, Settings(threads=threads, block_entries=entries), pictures=True)
    assert parts.picture == whole.picture


def test_a_picture_is_of_the_table():
    """The grid beside one that is made of the checks' own ratios, an entry at a time."""
    arrays = soft_arrays(75, 3)
    arrays["grad"][17, 2] *= 2.0
    arrays["grad"][60] = np.nan
    picture = verify_case(case_from_arrays(arrays), Settings(max_findings=9), pictures=True).picture
    assert len(picture.dots) == 75 * 3
    by_state = np.array([dot.ratio for dot in picture.dots]).reshape(75, 3)
    cells = [[state for state in range(75) if state * CELLS // 75 == cell] for cell in range(CELLS)]
    expected = [[by_state[rows, action].max() for rows in cells] for action in range(3)]
    np.testing.assert_array_equal(picture.grid, expected)
    assert picture.states == tuple(f"[{rows[0]}]" for rows in cells)
    assert picture.actions == ("[0]", "[1]", "[2]")
    assert [dot.location for dot in picture.worst] == [(60, 0), (60, 1), (60, 2), (17, 2)]
    assert picture.worst[-1].cell == (2, 17 * CELLS // 75)


def test_a_masked_entry_is_drawn_only_where_it_is_not_0():
    arrays = soft_arrays(4, 3)
    mask = np.ones((4, 3), bool)
    mask[:, 2] = False
    q, logits = arrays["q"][:, :2], arrays["logits"][:, :2]
    log_pi = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    pi, g = np.exp(log_pi), q - 0.3 * log_pi
    grad = np.zeros((4, 3))
    grad[:, :2] = -pi * (g - (pi * g).sum(-1, keepdims=True))
    grad[3, 2] = 0.25
    made = verify_case(
        case_from_arrays(arrays | {"grad": grad, "mask": mask}), Settings(), pictures=True
    )
    assert len(made.picture.dots) == 9
    assert [dot.found for dot in made.picture.dots if dot.pi == 0.0] == [0.25]


def test_no_picture_is_made_where_none_is_asked_for(tmp_path):
    arrays = soft_arrays(4, 3)
    case = case_from_arrays(arrays)
    assert not hasattr(verify_case(case, Settings()), "picture")
    without = {name: arrays[name] for name in ("q", "logits", "alpha")}
    made = verify_case(case_from_arrays(without), Settings(), pictures=True)
    assert not hasattr(made, "picture")
    path = tmp_path / "run.npz"
    np.savez(path, **arrays)
    done = run.softcheck(
        "verify", path, "--output-format=json", f"--report=html:{tmp_path / 'page.html'}"
    )
    assert done.out == run.softcheck("verify", path, "--output-format=json").out
    assert "<svg" in (tmp_path / "page.html").read_text("utf-8")


def test_the_sample_of_a_frame_is_spread_over_the_table():
    frame = Frame.of(10**9, 18)
    assert frame.shape == (18, CELLS)
    assert len({*frame.sample.tolist()}) == SAMPLE
    states = frame.sample // 18
    # Of so many drawn evenly, no tenth of the table has less than half of its share.
    counts = np.bincount(states * 10 // 10**9, minlength=10)
    assert counts.min() > SAMPLE / 20


# In Python


def test_a_report_in_python_is_the_text_and_in_a_notebook_a_page():
    made = softcheck.verify(**soft_arrays(4, 3, wrong=-1.0))
    assert isinstance(made, softcheck.Report)
    assert not made
    assert f"{made}\n" == made.render("text")
    assert "FAILED" in str(made)
    assert made._repr_markdown_() == made.render("markdown")
    ((tag, attributes),) = Page(made._repr_html_()).elements
    assert (tag, attributes["sandbox"]) == ("iframe", "")
    assert attributes["srcdoc"] == made.render("html")
    assert attributes["srcdoc"].count("<figure>") == 3
