"""What every page has: its head, and its tables, lists and parts that unfold.

A page is one file that asks for nothing: no script, no font, no picture from elsewhere, which its
first line also tells the browser. Whatever comes from a file is text: htpy escapes it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from platform import python_version

import htpy as h
from htpy import Node
from markupsafe import Markup

from softcheck.result import Status, Tool, Verdict

_FRAME = "width: 100%; height: 46rem; border: 0"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, tool: Tool, *parts: Node) -> str:
    """Return a page as text."""
    from numpy import __version__ as numpy_version  # which has been imported by now

    head = h.head[
        h.meta(charset="utf-8"),
        h.meta(http_equiv="Content-Security-Policy", content=_POLICY),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.title[title],
        h.style[_style()],
    ]
    versions = f"Python {python_version()}, NumPy {numpy_version}"
    footer = h.footer[f"{tool.name} {tool.version}, {versions}"]
    return f"{h.html(lang='en')[head, h.body[h.main[parts], footer]]}\n"


def framed(text: str) -> str:
    """Return a page as an element of another page, neither of which touches the other."""
    frame = h.iframe(srcdoc=text, sandbox="", title="softcheck", style=_FRAME)
    return str(frame)


@cache
def _style() -> Markup:
    text = files(__package__).joinpath("page.css").read_text("utf-8")
    return Markup(text)  # noqa: S704  a style sheet is no text


def banner(status: Status | Verdict, *said: Node) -> Node:
    """Return the head of a page: the verdict, and what it is on."""
    return h.header(class_=status.value)[h.h1[status.value.upper()], (h.p[each] for each in said)]


def verdict(status: Status | Verdict) -> Node:
    """Return a verdict in its colour."""
    return h.span(class_=f"verdict {status.value}")[status.value]


def formula(typeset: Node) -> Node:
    """Return a formula on a line of its own, which scrolls where it is too long."""
    return h.div(".formula", tabindex="0")[typeset]


def table(headings: Sequence[str], rows: Iterable[Sequence[Node]], numbers: int = 0) -> Node:
    """Return a table, or nothing without a row; its last `numbers` columns are numbers.

    On a narrow screen each cell says what it is of.
    """
    first = len(headings) - numbers
    made = [
        h.tr[
            (
                h.td(class_="number" if at >= first else None, data_of=heading)[cell]
                for at, (heading, cell) in enumerate(zip(headings, row, strict=True))
            )
        ]
        for row in rows
    ]
    if not made:
        return None
    heads = (h.th(scope="col")[heading] for heading in headings)
    return h.table[h.thead[h.tr[heads]], h.tbody[made]]


def facts(pairs: Iterable[tuple[Node, Node]]) -> Node:
    """Return what there is to say, each fact beside its name; nothing without a fact."""
    made = [(h.dt[name], h.dd[fact]) for name, fact in pairs]
    return h.dl[made] if made else None


def sentences(said: Sequence[str]) -> Node:
    """Return sentences as paragraphs."""
    return [h.p[each] for each in said]


def folded(title: str, *parts: Node, opened: bool = False) -> Node:
    """Return what unfolds under its title; nothing if there is nothing in it."""
    if all(part is None for part in parts):
        return None
    return h.details(open=opened)[h.summary[title], parts]


def left_out(count: int, of_what: str) -> Node:
    """Return the remark that a page has a limit, if it was reached."""
    return h.p(".quiet")[f"Left out, for a page has a limit: {count} {of_what}."] if count else None
