"""`softcheck explain`: a code of a diagnosis, a check or a column of the report, as text."""

import re
from collections.abc import Iterator
from textwrap import fill

from softcheck.checks.table import CHECKS
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.report.words import COLUMNS, flag

LETTERS = (
    "G is the gradient found, T the right one; p = pi, l = log pi, J(w) = p (w - sum p w); "
    "A actions, B states."
)

NAMES = (*MISTAKES, *CHECKS, *COLUMNS)
"""What there is to explain beside losses; some stand for two things."""

WIDTH = max(map(len, NAMES))
"""Of a name in a list."""

_LINE = 88


def explained(name: str) -> str:
    """Return the text of whatever is called so, or of codes joined by `+` as in a diagnosis."""
    parts = [_of_mistake(code) for code in name.split("+") if code in MISTAKES]
    parts += [_of_check(name)] if name in CHECKS else []
    parts += [_of_column(name)] if name in COLUMNS else []
    return "\n".join(parts)


def listing() -> Iterator[str]:
    """Yield a line for each code, each check and each column, under headings."""
    yield "Codes of a diagnosis\n"
    yield from (f"  {code:<{WIDTH}}  {each.phrase}" for code, each in MISTAKES.items())
    yield "\nChecks\n"
    yield from (f"  {row.name:<{WIDTH}}  {_first(row.compares)}" for row in CHECKS.values())
    yield "\nColumns of the report\n"
    yield from (f"  {name:<{WIDTH}}  {_first(text)}" for name, text in COLUMNS.items())


def _first(text: str) -> str:
    """Return the first clause of a text."""
    return re.split("[:;]|[.]$", text, maxsplit=1)[0]


def _of_mistake(code: str) -> str:
    mistake = MISTAKES[code]
    lines = [
        f"{code}: {mistake.phrase}.",
        "",
        fill(mistake.what, _LINE, break_long_words=False, break_on_hyphens=False),
        "",
        f"  wrong  {mistake.wrong}",
        f"  right  {mistake.right}",
        "",
        fill(LETTERS, _LINE),
        "",
        f"  - {mistake.wrong_line}",
        f"  + {mistake.right_line}",
    ]
    if mistake.declare:
        options = " ".join(flag(*each) for each in mistake.declare.items())
        lines += ["", f"If that is meant, declare it: {options}"]
    if mistake.seen:
        lines += ["", f"Seen: {mistake.seen}"]
    return "\n".join(lines) + "\n"


def _of_check(name: str) -> str:
    row = CHECKS[name]
    facts = {
        "compared": row.compares,
        "tolerance": row.tolerance,
        "if it fails": row.failure,
        "what to do": row.remedy,
    }
    lines = [f"{name}: a check.", ""]
    for what, text in facts.items():
        start = f"  {what:<11}  "
        lines.append(fill(text, _LINE, initial_indent=start, subsequent_indent=" " * len(start)))
    return "\n".join(lines) + "\n"


def _of_column(name: str) -> str:
    return f"{name}: a column of the report.\n\n{fill(COLUMNS[name], _LINE)}\n"
