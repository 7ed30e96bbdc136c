"""What the README and docs/ show is what the program prints, reads and offers.

`python tests/test_readme.py` writes the picture, and what the runs print, anew.
"""

import io
import os
import re
import shlex
import xml.etree.ElementTree as ET
from signal import SIGTERM

import pytest
import typer
from pages import PAGES, ROOT, TOLD, blocks, codes, table, without_digits
from rich.console import Console
from rich.text import Text
from run import softcheck

from softcheck.__main__ import INTERRUPTED, SIGNALLED
from softcheck.command.config import configuration
from softcheck.command.funnel import EXIT_CODES, INTERNAL, TROUBLE
from softcheck.command.main import app
from softcheck.gradient.tolerance import Precision
from softcheck.report import FORMATS

RUN = re.compile(r"(?ms)^```\n\$ softcheck (?P<arguments>.*?)\n(?P<printed>.*?)^```$")
RUNS = {match["arguments"]: match["printed"] for match in RUN.finditer(TOLD)}


def printed_by(arguments):
    """Return what a run with these arguments prints at the root of the repository."""
    return softcheck(*shlex.split(arguments)).out.strip() + "\n"


@pytest.mark.parametrize("arguments", RUNS)
def test_the_runs_shown_print_that(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert without_digits(RUNS[arguments]) == without_digits(printed_by(arguments)), (
        f"softcheck {arguments} prints something else: python tests/test_readme.py"
    )


PICTURE = ROOT / "docs" / "report.svg"
SHOWN = "verify fixtures/negative/missing-alpha.npz --output-format text --max-findings 2"


def picture():
    """Return what a run prints, as a terminal shows it, as SVG that asks nobody for a font."""
    console = Console(record=True, width=116, file=io.StringIO())
    printed = printed_by(f"{SHOWN} --color always").rstrip()
    console.print(Text.from_ansi(f"$ softcheck {SHOWN}\n\n{printed}"))
    svg = console.export_svg(title="softcheck", unique_id="report")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def words_in(svg):
    """Return what stands in a picture."""
    texts = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314  ours
    return without_digits(" ".join(text.text for text in texts))


def test_its_picture_is_what_is_printed(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert words_in(PICTURE.read_text("utf-8")) == words_in(picture()), (
        "docs/report.svg shows another report: python tests/test_readme.py"
    )


def test_it_is_a_front_door_with_the_two_lines():
    """Continuous integration runs them as they stand."""
    assert PAGES["README.md"].count("\n") <= 250
    assert len(re.findall("(?m)^python3 -m venv ", PAGES["README.md"])) == 2


def test_its_derivation_is_what_is_printed():
    printed = softcheck("derive", "--output-format=text").out
    (block,) = [block for block in blocks("") if "left out" in block]
    for line in block.strip().splitlines()[1:]:
        assert line.split() in [each.split() for each in printed.splitlines()]


def test_its_table_of_formats_is_that_of_the_program():
    listed = [name for row in table("`--output-format`") for name in codes(row[0])]
    assert listed == list(FORMATS), "docs/reports.md, the table of `--output-format`"


@pytest.mark.parametrize(
    "sentence",
    [
        r"within (\d+) of its bounds, within (\d+) in 16 bits",
        r"gets (\d+) times its bound, and (\d+) times if it was computed in bfloat16 or float16",
    ],
)
def test_the_factors_that_it_says_are_those_of_every_precision(sentence):
    (said,) = re.findall(sentence, TOLD)
    factors = dict(zip((False, True), map(float, said), strict=True))
    short = {Precision.BFLOAT16, Precision.FLOAT16}
    assert all(each.factor == factors[each in short] for each in Precision), (
        "README.md and docs/checks.md say how many times its bound a dumped value is tolerated"
    )


def test_its_exit_codes_are_those_of_the_program():
    listed = [code for code, _ in table("exit code")]
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
OF_OTHERS = {"--from", "--group", "--json", "--quiet"}
"""Options that are named beside ours: of pip, of uvx, of the benchmarks."""


def test_every_option_that_a_text_or_an_error_names_is_one():
    texts = [ROOT / name for name in (*PAGES, "action.yml", ".pre-commit-hooks.yaml")]
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


if __name__ == "__main__":
    os.chdir(ROOT)
    PICTURE.write_text(picture(), "utf-8")
    for page, text in PAGES.items():
        anew = RUN.sub(
            lambda run: run[0].replace(run["printed"], printed_by(run["arguments"])), text
        )
        (ROOT / page).write_text(anew, "utf-8")
