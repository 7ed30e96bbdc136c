"""`softcheck derive` as its users meet it: exit codes, streams, options, formats."""

import json
import subprocess
import sys
from dataclasses import replace

import documents
import pytest
import run

from softcheck.derive import built_in
from softcheck.derive.check import check
from softcheck.derive.reading.claims import Role
from softcheck.derive.reporting import report
from softcheck.result import Verdict

WRONG = r"$$\sum_a \pi(a)^2 = 1$$"
KEYS = ["schema_version", "tool", "command", "status", "givens", "lines", "steps", "document"]


@pytest.fixture
def paper(tmp_path):
    def write(text, name="paper.tex"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_without_a_file_it_proves_eq_6():
    outcome = run.process("derive")
    assert outcome.code == 0
    assert "Eq. (6): proved: 11 equalities: 11 proved" in outcome.out
    assert outcome.err == ""


@pytest.mark.parametrize("output_format", ["text", "concise", "json"])
def test_exit_codes_do_not_depend_on_the_format(paper, output_format):
    option = ("--output-format", output_format)
    assert run.softcheck("derive", *option).code == 0
    assert run.softcheck("derive", paper(WRONG), *option).code == 1
    assert run.softcheck("derive", paper(r"$$\pi(a) = B(a)$$"), *option).code == 1
    assert run.softcheck("derive", paper("nothing"), *option).code == 2


def test_json_has_the_keys_of_the_design(paper):
    outcome = run.softcheck("derive", paper(WRONG), "--output-format", "json")
    made = json.loads(outcome.out)
    assert list(made) == KEYS
    assert made["command"] == "derive"
    assert made["status"] == "refuted"
    assert list(made["steps"][0]) == [
        "number", "from", "relation", "to", "source_line", "conditions", "status", "needs", "gap",
        "counterexample", "difference", "reason",
    ]  # fmt: skip
    assert list(made["lines"][0]) == [
        "number", "source_line", "source_column", "latex", "reading",
    ]  # fmt: skip
    found = made["steps"][0]["counterexample"]
    low, high = found["difference"]
    assert low * high > 0


def test_the_reading_is_there_where_it_is_asked_for(paper):
    path = paper(WRONG)
    options = (path, "--output-format", "json")
    assert "roles" not in json.loads(run.softcheck("derive", *options).out)
    asked = json.loads(run.softcheck("derive", *options, "--reading").out)
    assert [*asked] == [*KEYS, "roles"]


def test_concise_lines_are_places_in_the_file(paper):
    path = paper("One.\n\n" + WRONG)
    outcome = run.softcheck("derive", path, "--output-format", "concise")
    assert outcome.out.splitlines()[0].startswith(f"{path}:3: step 1 refuted: left ")


def test_quiet_prints_findings_only_and_twice_nothing(paper):
    path = paper(WRONG)
    assert run.softcheck("derive", path, "-q").out.count("\n") == 1
    assert run.softcheck("derive", "-q").out == ""
    silent = run.softcheck("derive", path, "-qq")
    assert (silent.code, silent.out) == (1, "")
    assert run.softcheck("derive", path, "--exit-zero").code == 0


def test_givens_outrank_the_document(paper):
    claim = paper(r"$$\sum_a \pi(a) B(a) = 0$$")
    assert run.softcheck("derive", claim).code == 1
    given = paper(r"$B(a) = Q(a) - \sum_b \pi(b) Q(b)$", "givens.tex")
    outcome = run.softcheck("derive", claim, "--givens", given, "-v")
    assert outcome.code == 0
    assert "given (--givens, line 1): B(a) := " in outcome.out
    states_it = paper(r"where $g(a) = Q(a)$. $$\sum_a \pi(a) g(a) = \sum_a \pi(a) Q(a)$$", "g.tex")
    other = paper(r"$g(a) = 2 Q(a)$", "other.tex")
    outcome = run.softcheck("derive", states_it, "--givens", other)
    assert outcome.code == 1
    assert "2 equalities: 1 refuted, 1 unknown" in outcome.out


def test_givens_that_are_no_definitions_are_refused(paper):
    claim = paper(WRONG)
    outcome = run.softcheck("derive", claim, "--givens", paper("$1 = 2$", "givens.tex"))
    assert outcome.code == 2
    assert "definitions only" in outcome.err


def test_a_value_can_be_given_to_a_constant(paper):
    claim = paper(r"$$\alpha Q(a) = 2 Q(a)$$")
    assert run.softcheck("derive", claim).code == 1
    given = paper(r"$\alpha = 2$", "givens.tex")
    assert run.softcheck("derive", claim, "--givens", given).code == 0


def test_the_explained_gap_is_a_derivation_without_a_gap(paper):
    outcome = run.softcheck("derive", "--explain-gap")
    assert outcome.code == 0
    assert r"- \sum_{a'} \pi(a') \frac{\partial g(a')}{\partial \theta_{a}}" in outcome.out
    definitions = (
        r"with $\mathcal{L} = -\sum_b \pi(b) g(b)$, $g(b) = Q(b) - \alpha \log \pi(b)$ and "
        r"$V = \sum_b \pi(b) g(b)$:"
    )
    checked = check(f"{definitions}\n\n{outcome.out}")
    assert checked.status is Verdict.PROVED
    assert len(checked.decisions) >= 11
    assert checked.decisions[0].found.gap is None
    nothing = run.softcheck("derive", paper(r"$$n = n$$"), "--explain-gap")
    assert nothing.out == "% No step leaves a term out.\n"


# The names of the loss, the policy and g.
NAMES = (("L", r"\pi", "g"), (r"\hat L", r"\hat\pi", r"\tilde g"), (r"\bar L", r"\pi", r"\vec g"))


@pytest.mark.parametrize(
    ("more", "where", "conditions"),
    [
        ("", "", []),
        (r" + \pi(c) - \pi(c)", r", \quad a \neq c", ["a ≠ c"]),
        (r" + \pi(a) - \pi(c)", r", \quad a = c", ["a = c"]),
        (r" + \pi(c) - \pi(i)", r", \quad a \neq c, \quad c = i", ["a ≠ c", "c = i"]),
        (r" + \pi(c) - \pi(c)", r", \quad a \neq c, \quad \alpha > 0", ["a ≠ c", "α > 0"]),
    ],
)
@pytest.mark.parametrize(("loss", "policy", "g"), NAMES)
def test_a_completed_derivation_keeps_accents_and_conditions(
    paper, loss, policy, g, more, where, conditions
):
    given = (
        rf"Let ${policy}(a) = e^{{\theta_a}} / \sum_b e^{{\theta_b}}$, "
        rf"${loss} = -\sum_b {policy}(b) {g}(b)$ and ${g}(b) = Q(b) - \alpha \log {policy}(b)$:"
    )
    step = (
        rf"\frac{{\partial {loss}}}{{\partial \theta_a}} = "
        rf"-\sum_b \frac{{\partial {policy}(b)}}{{\partial \theta_a}} {g}(b)"
    )
    text = f"{given} $${step}{more}{where}$$"
    outcome = run.softcheck("derive", paper(text), "--explain-gap")
    assert outcome.out.startswith("% line 1: the term that is left out")
    again = report(check(f"{given}\n\n{outcome.out}"))
    assert again.status is Verdict.PROVED
    lines = {line.number: line.reading for line in again.lines}
    reasons = [step for step in again.steps if lines[step.from_line].startswith("Σ")]
    assert len(reasons) == 1
    first, second, third, last = (step for step in again.steps if step not in reasons)
    assert list(first.conditions) == list(last.conditions) == conditions
    assert set(conditions).issuperset(second.conditions + third.conditions)
    assert lines[third.to_line] == "0"
    left, right = (line.reading for line in report(check(text)).lines)
    assert (lines[first.from_line], lines[last.to_line]) == (left, right)


def test_a_right_document_in_markdown_and_one_with_windows_line_ends(tmp_path):
    path = tmp_path / "windows.tex"
    path.write_bytes(b"\xef\xbb\xbf" + built_in().replace("\n", "\r\n").encode())
    assert run.softcheck("derive", path).code == 0
    assert run.softcheck("derive", documents.FOLDER / "proved" / "cross-entropy.md").code == 0


def test_markup_and_control_characters_of_a_document_are_data(paper):
    path = paper("$$\\sum_a \\pi(a) = 1 \\text{[bold]} [/x] \x1b[31m$$")
    for output_format in ("text", "concise"):
        outcome = run.softcheck("derive", path, "--output-format", output_format)
        assert outcome.code == 1
        assert "\x1b" not in outcome.out


def test_nothing_heavy_is_imported_for_the_version():
    heavy = ("sympy", "mpmath", "numpy")
    code = f"import sys, softcheck.command.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("option", "code"), [((), 0), (("--strict",), 1)])
def test_strict_fails_on_relations_that_are_not_checked(paper, monkeypatch, option, code):
    def with_a_relation(*args, **options):
        checked = check(*args, **options)
        role = Role("not checked", "", "'≤' claims no equality", 1, r"0 \le 1")
        return replace(checked, reading=replace(checked.reading, roles=[role]))

    monkeypatch.setattr("softcheck.derive.check.check", with_a_relation)
    outcome = run.softcheck("derive", paper(r"$$n = n$$"), *option)
    assert outcome.code == code
    assert "1 relation not checked" in outcome.out
