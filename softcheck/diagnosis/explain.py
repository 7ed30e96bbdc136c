"""`softcheck explain`: what a code means, as text."""

from textwrap import fill

from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.record import Mistake
from softcheck.errors import UsageError, did_you_mean, printable

LETTERS = (
    "G is the gradient found, T the right one; p = pi, l = log pi, J(w) = p (w - sum p w); "
    "A actions, B states."
)

_WIDTH = 88


def explain(codes: str) -> str:
    """Return the text of a code, or of several joined by `+` as in a diagnosis.

    Raises
    ------
    UsageError
        If there is no such code.
    """
    return "\n".join(_text(_find(code)) for code in codes.split("+"))


def listing() -> str:
    """Return one line for each code."""
    width = max(map(len, MISTAKES))
    return "".join(f"{code:<{width}}  {each.phrase}\n" for code, each in MISTAKES.items())


def _find(code: str) -> Mistake:
    if code in MISTAKES:
        return MISTAKES[code]
    hint = did_you_mean(code, MISTAKES, "softcheck explain lists them all.")
    raise UsageError("explain", f"'{printable(code)}'", "the code of a diagnosis", hint)


def _text(mistake: Mistake) -> str:
    lines = [
        f"{mistake.code}: {mistake.phrase}.",
        "",
        fill(mistake.what, _WIDTH, break_long_words=False, break_on_hyphens=False),
        "",
        f"  wrong  {mistake.wrong}",
        f"  right  {mistake.right}",
        "",
        fill(LETTERS, _WIDTH),
        "",
        f"  - {mistake.wrong_line}",
        f"  + {mistake.right_line}",
    ]
    if mistake.seen:
        lines += ["", f"Seen: {mistake.seen}"]
    return "\n".join(lines) + "\n"
