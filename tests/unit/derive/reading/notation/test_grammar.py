"""Every form that the grammar has a row for is read, and none is both read and refused."""

import ast
from pathlib import Path

import pytest

from softcheck.derive.reading.notation import grammar
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.notation.vocabulary import OUTSIDE
from softcheck.derive.reading.tokens import tokenize
from softcheck.derive.spell import unicode

COMMANDS = {
    "frac": (r"\frac{x(a)}{n}", "x(a) / n"),
    "tfrac": (r"\tfrac{1}{n}", "1 / n"),
    "dfrac": (r"\dfrac{\partial x(a)}{\partial \theta_k}", "∂x(a)/∂θ(k)"),
    "sum": (r"\sum_{b \neq a} x(b)", "Σ_b≠a x(b)"),
    "cases": (
        r"\begin{cases} x(a) & a = b \\ n & a \neq b \end{cases}",
        "x(a) 1{a=b} + n (1 − 1{a=b})",
    ),
    "log": (r"\log x(a)", "log x(a)"),
    "ln": (r"\ln x(a)", "log x(a)"),
    "exp": (r"\exp(x(a))", "exp(x(a))"),
    "partial": (r"\partial_{\theta_k} x(a)", "∂x(a)/∂θ(k)"),
    "nabla": (r"\nabla_{\theta_k} x(a)", "∂x(a)/∂θ(k)"),
    "delta": (r"\delta_{ak}", "1{a=k}"),
    "underbrace": (r"\underbrace{x(a)}_{\text{this}}", "x(a)"),
    "overbrace": (r"\overbrace{x(a)}^{\text{this}}", "x(a)"),
    "boxed": (r"\boxed{x(a)}", "x(a)"),
}
WORDS = {
    "softmax": (r"\mathrm{softmax}(\theta)_a", "exp(θ(a)) / (Σ_b exp(θ(b)))"),
    "log": (r"\operatorname{log} x(a)", "log x(a)"),
    "ln": (r"\mathrm{ln} x(a)", "log x(a)"),
    "exp": (r"\mathrm{exp}(x(a))", "exp(x(a))"),
    "KL": (r"\mathrm{KL}(p \| q)", "D_KL(p‖q)"),
    "clip": (r"\mathrm{clip}(x(a), y, 2)", "clip(x(a), y, 2)"),
    "Cov": (
        r"\mathrm{Cov}_{b \sim p}(x(b), y(b))",
        "E_{b~p}[x(b) y(b)] − E_{b~p}[x(b)] E_{b~p}[y(b)]",
    ),
    "Var": (r"\mathrm{Var}_{b \sim p}[x(b)]", "E_{b~p}[x(b) x(b)] − E_{b~p}[x(b)] E_{b~p}[x(b)]"),
}
ROWS = [
    *((name, grammar._COMMANDS, COMMANDS) for name in grammar._COMMANDS),
    *((name, grammar._WORDS, WORDS) for name in grammar._WORDS),
]


@pytest.mark.parametrize(("name", "_", "examples"), ROWS, ids=[row[0] for row in ROWS])
def test_every_form_is_read(name, _, examples):
    assert name in examples, f"the form {name} has no example here: say how papers write it"
    text, spelled = examples[name]
    tree = parse(tokenize(text, 0, len(text), {}), Scope(), Found(), 0)
    assert unicode(tree) == spelled


@pytest.mark.parametrize(("rows", "examples"), [("_COMMANDS", COMMANDS), ("_WORDS", WORDS)])
def test_every_example_is_that_of_a_form(rows, examples):
    unread = examples.keys() - getattr(grammar, rows).keys()
    assert not unread, f"{sorted(unread)} has no row in {rows} of grammar.py: it is not read"


def test_every_function_that_reads_a_form_is_used_by_the_grammar():
    folder = Path(grammar.__file__).parent
    readers = {
        f"{path.stem}.{node.name}"
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and node.name[0] != "_"
        and ast.unparse(node.args) == "parser: Parser"
        and ast.unparse(node.returns) == "Expr"
    }
    unused = {name for name in readers if not hasattr(grammar, name.partition(".")[2])}
    assert readers
    assert not unused, f"{sorted(unused)} has no row in grammar.py: nothing is read by it"


def test_no_form_is_still_said_to_be_outside_of_what_can_be_decided():
    both = OUTSIDE.keys() & {*grammar._COMMANDS, *grammar._WORDS}
    assert not both, f"{sorted(both)} can be read now: take them out of vocabulary.OUTSIDE"
