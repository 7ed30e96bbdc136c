"""What the README shows is what the program prints, reads and offers."""

import re
from pathlib import Path
from signal import SIGTERM

import pytest
import typer
from run import softcheck

from softcheck.__main__ import INTERRUPTED, SIGNALLED
from softcheck.command.config import configuration
from softcheck.command.funnel import EXIT_CODES, INTERNAL, TROUBLE
from softcheck.command.main import app
from softcheck.gradient.tolerance import Precision
from softcheck.report import FORMATS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    """Return the fenced blocks of a language."""
    fences = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", README)
    return [body for name, body in fences if name == language]


def without_digits(text):
    """Return words and marks; measured numbers depend on the processor in their last digits."""
    text = re.sub(r" \+- \S+(?=[ ,])", "", text)
    return re.sub(r"-?\d[\d.]*(e[+-]?\d+)?", "#", text).split()


def rows(heading):
    """Return the first two cells of the rows of a table, without code marks."""
    (body,) = re.findall(rf"(?m)^\| {heading} \|.*\n\| --- .*\n((?:\|.*\n)+)", README)
    return [
        [cell.strip().replace("`", "") for cell in line.split("|")[1:3]]
        for line in body.splitlines()
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("fixtures/positive/taxi.npz", "--output-format=text"),
        ("fixtures/negative/missing-alpha.npz", "--output-format=text", "--max-findings=1"),
    ],
    ids=["right", "wrong"],
)
def test_the_runs_it_shows_are_what_is_printed(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    printed = softcheck("verify", *arguments).out.strip()
    shown = [block for block in blocks("") if arguments[0] in block]
    (block,) = [re.sub(r"^\$ .*\n", "", block) for block in shown]
    assert without_digits(block) == without_digits(printed), (
        f"README.md shows another report of {arguments[0]}: paste what is printed"
    )


def test_its_derivation_is_what_is_printed():
    printed = softcheck("derive", "--output-format=text").out
    (block,) = [block for block in blocks("") if "left out" in block]
    for line in block.strip().splitlines()[1:]:
        assert line.split() in [each.split() for each in printed.splitlines()]


def test_its_table_of_formats_is_that_of_the_program():
    listed = dict(rows("`--output-format`"))
    assert list(listed) == list(FORMATS), "README.md, the table of `--output-format`"


@pytest.mark.parametrize(
    "sentence",
    [
        r"within (\d+) of its bounds, within (\d+) in 16 bits",
        r"gets (\d+) times its bound, and (\d+) times if it was computed in bfloat16 or float16",
    ],
)
def test_the_factors_that_it_says_are_those_of_every_precision(sentence):
    (said,) = re.findall(sentence, README)
    factors = dict(zip((False, True), map(float, said), strict=True))
    short = {Precision.BFLOAT16, Precision.FLOAT16}
    assert all(each.factor == factors[each in short] for each in Precision), (
        "README.md says in two places how many times its bound a dumped value is tolerated"
    )


def test_its_exit_codes_are_those_of_the_program():
    listed = [code for code, _ in rows("exit code")]
    codes = [*map(str, sorted({*EXIT_CODES.values(), TROUBLE, INTERNAL}))]
    assert listed == [*codes, f"{INTERRUPTED}, {SIGNALLED + SIGTERM}"]
    (said,) = re.findall(r"Exit codes: ([^.]*)\.", " ".join(softcheck("--help").out.split()))
    assert re.findall(r"\d", said) == codes


PROGRAM = typer.main.get_command(app)
OPTIONS = {"--help", "--install-completion"} | {
    name
    for command in (PROGRAM, *PROGRAM.commands.values())
    for option in command.params
    for name in (*option.opts, *option.secondary_opts)
}
OF_OTHERS = {"--group", "--json", "--quiet"}
"""Options that are named beside ours: of pip, of the benchmarks."""


def test_every_option_that_a_text_or_an_error_names_is_one():
    texts = [ROOT / name for name in ("README.md", "action.yml", ".pre-commit-hooks.yaml")]
    for path in (*texts, *(ROOT / "softcheck").rglob("*.py")):
        named = re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w{-])", path.read_text("utf-8"))
        unknown = {*named} - OPTIONS - OF_OTHERS
        assert not unknown, f"{path} names {sorted(unknown)}, which no command has"


@pytest.mark.parametrize("block", blocks("toml"))
def test_its_configurations_are_read(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "step.npz").touch()
    name = "pyproject.toml" if "tool.softcheck" in block else "softcheck.toml"
    (tmp_path / name).write_text(block)
    (case,) = configuration(None, isolated=False).every()
    assert case.path == "dumps/step.npz"
    assert case.values["reduction"].value == "mean"
