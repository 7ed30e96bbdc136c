"""What each code of a diagnosis means, read from `catalogue.toml` when it is asked for."""

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

EQ_6 = "dL/dtheta = -p (g - V), g = Q - alpha log p, V = sum p g"
LETTERS = (
    "G is the gradient found, T the right one; p = pi, l = log pi, J(w) = p (w - sum p w); "
    "A actions, B states."
)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text of one code; see the head of `catalogue.toml`."""

    phrase: str
    what: str
    wrong: str
    wrong_line: str
    right_line: str
    seen: str = ""
    right: str = EQ_6


@cache
def entries() -> dict[str, Entry]:
    """Return the texts of all codes, in the order of the file."""
    text = files("softcheck.diagnosis").joinpath("catalogue.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Entry])


def phrase(code: str) -> str:
    """Return what a report says before the numbers of a diagnosis."""
    return entries()[code].phrase
