"""`softcheck explain`: what a code means, as text."""

from textwrap import fill

from softcheck.diagnosis.catalogue import LETTERS, Entry, entries
from softcheck.errors import UsageError, did_you_mean, printable

_WIDTH = 88


def explain(codes: str) -> str:
    """Return the text of a code, or of several joined by `+` as in a diagnosis.

    Raises
    ------
    UsageError
        If there is no such code.
    """
    return "\n".join(_text(code, _find(code)) for code in codes.split("+"))


def listing() -> str:
    """Return one line for each code."""
    known = entries()
    width = max(map(len, known))
    return "".join(f"{code:<{width}}  {entry.phrase}\n" for code, entry in known.items())


def _find(code: str) -> Entry:
    known = entries()
    if code in known:
        return known[code]
    hint = did_you_mean(code, known, "softcheck explain lists them all.")
    raise UsageError("explain", f"'{printable(code)}'", "the code of a diagnosis", hint)


def _text(code: str, entry: Entry) -> str:
    lines = [
        f"{code}: {entry.phrase}.",
        "",
        fill(entry.what, _WIDTH, break_long_words=False, break_on_hyphens=False),
        "",
        f"  wrong  {entry.wrong}",
        f"  right  {entry.right}",
        "",
        fill(LETTERS, _WIDTH),
        "",
        f"  - {entry.wrong_line}",
        f"  + {entry.right_line}",
    ]
    if entry.seen:
        lines += ["", f"Seen: {entry.seen}"]
    return "\n".join(lines) + "\n"
