"""What users are told: the README and the pages of docs/."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
TOLD = "\n".join(PAGES.values())


def blocks(language, page=None, section=None):
    """Return the fenced blocks of a language: of all pages, of one, or of a section of one."""
    text = TOLD if page is None else PAGES[page]
    if section is not None:
        (text,) = re.findall(rf"(?ms)^## {section}\n(.*?)(?=^## |\Z)", text)
    fences = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    return [body for name, body in fences if name == language]


def table(heading):
    """Return the rows of the one table that begins with this heading, a list of cells each."""
    (body,) = re.findall(rf"(?m)^\| {heading} \|.*\n\| --- .*\n((?:\|.*\n)+)", TOLD)
    lines = body.replace(r"\|", "/").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(cell):
    """Return what a cell has in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def without_digits(text):
    """Return words and marks; measured numbers depend on the processor in their last digits."""
    text = re.sub(r" \+- \S+(?=[ ,])", "", text)
    return re.sub(r"-?\d[\d.]*(e[+-]?\d+)?", "#", text).split()
