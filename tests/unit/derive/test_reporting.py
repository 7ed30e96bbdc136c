"""What was decided and read arrives in the records of the report, and in every format."""

from dataclasses import replace

import pytest
import schemas

from softcheck.derive.check import Checked, Contradicted, Decision, check
from softcheck.derive.reading.claims import Role
from softcheck.derive.reporting import report
from softcheck.report import FORMATS, Style
from softcheck.result import Verdict

FALSE = check(r"$$\sum_a \pi(a)^2 = \sum_a \pi(a)$$")
CONDITIONAL = check(r"$$\pi(a) = \pi(b), \quad a = b$$ $$\pi(a) = 2 \pi(b), \quad a = b$$")
DEFINING = check("let $w(a) = 2 Q(a)$. $$w(a) = Q(a) + Q(a)$$")


def rendered(checked, output_format, *, roles=False):
    made = report(checked, roles=roles)
    return FORMATS[output_format].derivation(made, "paper.tex", Style())


def doubted(checked):
    """Return a document as if its only claim were not sure to be one."""
    (decision,) = checked.decisions
    found = Contradicted(decision.found, "perhaps it is none")
    doubtful = Decision(replace(decision.equality, sure=False), found)
    return Checked(checked.reading, checked.context, (doubtful,))


def read_as(checked, *kinds):
    """Return a document of which these roles were noted."""
    roles = [Role(kind, "X1", "a form", 1, "x") for kind in kinds]
    return replace(checked, reading=replace(checked.reading, roles=roles, formulas=len(roles)))


def test_a_doubtful_counterexample_is_shown_and_refutes_nothing():
    made = report(doubted(FALSE))
    assert made.status is Verdict.UNKNOWN
    assert made.steps[0].counterexample is not None
    assert made.steps[0].reason == "perhaps it is none"


@pytest.mark.parametrize("output_format", sorted(FORMATS.keys() - {"json", "text", "html"}))
def test_every_format_says_what_is_contradicted(output_format):
    said = rendered(doubted(FALSE), output_format)
    assert "contradicted under the reading Σ_a π(a)² = Σ_a π(a): left " in said.replace("\\", "")
    assert "perhaps it is none" in said
    assert "contradicted under the reading" not in rendered(FALSE, output_format)


def test_a_page_says_what_is_contradicted():
    assert "It contradicts what was read" in rendered(doubted(FALSE), "html")
    assert "It contradicts what was read" not in rendered(FALSE, "html")


def test_at_a_terminal_the_reading_stands_above():
    lines = rendered(doubted(FALSE), "text").splitlines()
    place = lines.index("  = Σ_a π(a)")
    assert lines[place + 1].endswith("unknown: perhaps it is none")
    assert lines[place + 2].strip().startswith("contradicted under this reading at n = 2")


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_says_the_condition_of_every_step(output_format):
    said = rendered(CONDITIONAL, output_format)
    if output_format == "json":
        assert [step.conditions for step in report(CONDITIONAL).steps] == [("a = b",)] * 2
        assert said.count('"a = b"') == 2
    else:
        assert said.count("for a = b") >= 2


@pytest.mark.parametrize("output_format", ["text", "concise", "markdown"])
def test_a_weak_definition_is_said_to_be_taken_as_one(output_format):
    assert "taken as the definition" not in rendered(DEFINING, output_format)
    stated = DEFINING.reading.definitions["w"]
    weak = {"w": replace(stated, words="a label", sure=False)}
    checked = replace(DEFINING, reading=replace(DEFINING.reading, definitions=weak))
    said = rendered(checked, output_format)
    assert "line 1: a label, taken as the definition of w" in said


def test_the_words_of_a_definition_of_givens_are_not_those_of_the_document():
    stated = replace(DEFINING.reading.definitions["w"], words="let", sure=False)
    of_the_file = replace(DEFINING.context.givens[0], source="givens")
    checked = Checked(
        replace(DEFINING.reading, definitions={"w": stated}),
        replace(DEFINING.context, givens=(of_the_file,)),
        DEFINING.decisions,
    )
    (given,) = report(checked).givens
    assert (given.words, given.sure) == ("", True)


def test_formulas_are_counted_by_what_was_made_of_them():
    kinds = ("claim", "claim", "definition", "condition", "not checked", "unread", "remark")
    found = report(read_as(FALSE, *kinds)).document
    assert (found.formulas, found.claims, found.definitions, found.conditions) == (7, 2, 1, 1)
    assert (found.not_checked, found.unread, found.off) == (1, 1, 0)


@pytest.mark.parametrize("output_format", ["text", "concise", "markdown", "github", "junit"])
def test_what_no_verdict_covers_is_said(output_format):
    reading = replace(read_as(FALSE, "claim", "not checked").reading, off=3)
    said = rendered(replace(FALSE, reading=reading), output_format)
    assert "1 relation not checked" in said
    assert "3 switched off" in said


def test_where_both_sides_read_the_same_their_own_latex_is_shown():
    said = rendered(check(r"$$Q(a) = Q_{a}$$"), "text")
    assert "\nQ(a)\n  = Q_{a}\n" in said


@pytest.mark.parametrize("output_format", ["text", "markdown", "junit"])
def test_a_relation_is_shown_as_itself(output_format):
    (decision,) = FALSE.decisions
    problem = "'≤' claims no equality"
    unequal = replace(decision.equality, relation="≤", problem=problem)
    said = rendered(replace(FALSE, decisions=(Decision(unequal, problem),)), output_format)
    assert "≤ Σ_a π(a)" in said
    assert "= Σ_a π(a)" not in said


ROLE = Role("definition", "D1", 'after "let"', 7, r"w \doteq 2 Q_a", "w(a) := 2 Q(a)")
UNREAD = Role("unread", "", "a row that goes on", 9, r"\foo = 2")


@pytest.mark.parametrize("output_format", sorted(FORMATS.keys() - {"gitlab", "html", "sarif"}))
def test_what_was_made_of_every_formula_is_said_where_it_is_asked_for(output_format):
    checked = replace(FALSE, reading=replace(FALSE.reading, roles=[ROLE, UNREAD]))
    said = rendered(checked, output_format, roles=True).replace("\\", "")
    assert 'after "let"' in said
    assert "w(a) := 2 Q(a)" in said
    assert "a row that goes on" in said
    assert "a row that goes on" not in rendered(checked, output_format)


def test_at_a_terminal_a_formula_stands_over_what_was_made_of_it():
    checked = replace(FALSE, reading=replace(FALSE.reading, roles=[ROLE, UNREAD]))
    lines = rendered(checked, "text", roles=True).splitlines()
    place = lines.index("read as")
    assert lines[place + 1 : place + 5] == [
        r"  line 7  w \doteq 2 Q_a",
        '    definition (D1: after "let"): w(a) := 2 Q(a)',
        r"  line 9  \foo = 2",
        "    unread (a row that goes on)",
    ]


def test_in_json_they_are_roles():
    checked = replace(FALSE, reading=replace(FALSE.reading, roles=[ROLE]))
    made = schemas.check_json(rendered(checked, "json", roles=True))
    (role,) = made["roles"]
    assert list(role) == ["kind", "form", "why", "source_line", "latex", "reading"]
    assert (role["kind"], role["form"], role["source_line"]) == ("definition", "D1", 7)
    assert "roles" not in schemas.check_json(rendered(checked, "json"))


def test_relations_that_are_not_checked_do_not_pass_under_strict():
    checked = check(r"$$\sum_a \pi(a) = 1$$")
    noted = read_as(checked, "claim", "not checked")
    assert report(noted).status is Verdict.PROVED
    assert report(noted, strict=True).status is Verdict.UNKNOWN
    assert report(read_as(checked, "claim"), strict=True).status is Verdict.PROVED
    assert report(read_as(FALSE, "not checked"), strict=True).status is Verdict.REFUTED
