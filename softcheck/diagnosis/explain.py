"""`softcheck explain`: what a code means, as text."""

from textwrap import fill

from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.record import Mistake

LETTERS = (
    "G is the gradient found, T the right one; p = pi, l = log pi, J(w) = p (w - sum p w); "
    "A actions, B states."
)

WIDTH = max(map(len, MISTAKES))
"""Of a code in `listing`."""

_LINE = 88


def explain(codes: str) -> str:
    """Return the text of a code of `MISTAKES`, or of several joined by `+` as in a diagnosis."""
    return "\n".join(_text(MISTAKES[code]) for code in codes.split("+"))


def listing() -> str:
    """Return one line for each code."""
    return "".join(f"{code:<{WIDTH}}  {each.phrase}\n" for code, each in MISTAKES.items())


def _text(mistake: Mistake) -> str:
    lines = [
        f"{mistake.code}: {mistake.phrase}.",
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
        options = (f"--{name.replace('_', '-')} {value}" for name, value in mistake.declare.items())
        lines += ["", f"If it is meant, declare it: {' '.join(options)}"]
    if mistake.seen:
        lines += ["", f"Seen: {mistake.seen}"]
    return "\n".join(lines) + "\n"
