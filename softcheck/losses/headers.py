r"""The header of a loss's document: what its arrays are called and what they may hold.

It is written in comments, so that LaTeX and `softcheck derive` leave it alone:

    % loss: discrete soft actor-critic
    % equation: Eq. (6)
    % variants: $L$
    % arrays:
    %   q: $Q(a)$: the value of each action
    %   alpha: $\alpha$, not negative: the weight of the entropy

A long line may go on in another of the same kind. Behind the symbol may stand what an array may
hold, `default X`, and `for each state`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import get_args

from softcheck.derive.expr import Sym
from softcheck.derive.reading.notation.cursor import Found, Scope
from softcheck.derive.reading.notation.grammar import parse
from softcheck.derive.reading.tokens import ReadError, tokenize
from softcheck.errors import InputError
from softcheck.gradient.definition import Legal

_LINE = re.compile(r"%\s*(loss|equation|variants):\s*(.*?)\s*$")
_ARRAYS = re.compile(r"%\s*arrays:\s*$")
_ARRAY = re.compile(r"%\s*(\w+):\s*\$([^$]+)\$((?:,[^:]+)?)(?::\s*(.*?))?\s*$")


@dataclass(frozen=True)
class Array:
    """What a header says of an array."""

    name: str
    legal: Legal | None = None
    default: Fraction | None = None
    each_state: bool = False
    about: str = ""


@dataclass(frozen=True)
class Header:
    """What a document says of its loss.

    Attributes
    ----------
    title, equation : str
    variants : tuple of str
        The symbols of its losses; empty where it does not say.
    arrays : mapping of symbol to Array
        In the order of reports.
    """

    title: str = ""
    equation: str = ""
    variants: tuple[str, ...] = ()
    arrays: Mapping[str, Array] = field(default_factory=dict)


def header(text: str, where: str) -> Header:
    """Return what the header of a document says.

    Raises
    ------
    InputError
        If it says something of an array that is not understood.
    """
    said: dict[str, str] = {}
    arrays: dict[str, Array] = {}
    listing = False
    for number, line in enumerate(text.splitlines(), 1):
        if (key := _LINE.match(line)) is not None:
            said[key[1]] = f"{said.get(key[1], '')} {key[2]}".strip()
        elif _ARRAYS.match(line) is not None:
            listing = True
        elif listing and (array := _ARRAY.match(line)) is not None:
            symbol = symbol_of(array[2])
            place = f"{where}, line {number}"
            if symbol is None:
                found = f"the symbol {array[2]}"
                raise InputError(place, found, "one such as $Q(a)$ or $\\alpha$", "Correct it.")
            arrays[symbol] = _array(array, place)
        else:
            listing = listing and line.startswith("%")
    variants = re.findall(r"\$([^$]+)\$", said.get("variants", ""))
    return Header(
        title=said.get("loss", ""),
        equation=said.get("equation", ""),
        variants=tuple(symbol_of(variant) or variant for variant in variants),
        arrays=arrays,
    )


def symbol_of(latex: str) -> str | None:
    """Return the name of a symbol that is written as LaTeX or in Unicode."""
    try:
        tree = parse(tokenize(latex, 0, len(latex), {}), Scope(), Found(), 0)
    except ReadError:
        return None
    return tree.name if isinstance(tree, Sym) else None


_LEGAL: dict[str, Legal] = {legal: legal for legal in get_args(Legal)}


def _array(said: re.Match[str], where: str) -> Array:
    legal: Legal | None = None
    default: Fraction | None = None
    each_state = False
    for option in _options(said[3]):
        number = re.fullmatch(r"default (-?[0-9]+(?:\.[0-9]+)?)", option)
        if number is not None:
            default = Fraction(number[1])
        elif option == "for each state":
            each_state = True
        elif option in _LEGAL:
            legal = _LEGAL[option]
        else:
            expected = f"{', '.join(get_args(Legal))}, for each state, or default X"
            raise InputError(where, f"'{option}' of {said[1]}", expected, "Correct the header.")
    return Array(said[1], legal, default, each_state, said[4] or "")


def _options(text: str) -> Iterator[str]:
    yield from filter(None, map(str.strip, text.split(",")))
