"""The named points of the family G = x (-J(Q)) + y J(log pi), in units of what was declared."""

from math import isfinite
from typing import Literal, NamedTuple

from softcheck.diagnosis.mistakes import IN_TURN
from softcheck.diagnosis.view import View


class Point(NamedTuple):
    """A scale x, a ratio y / x, and the codes of the mistakes that lead there."""

    scale: float
    ratio: float
    codes: tuple[str, ...]


class Number(NamedTuple):
    """A scale or a ratio, and the codes of the mistakes that lead to it: none for 1."""

    value: float
    codes: tuple[str, ...]


_DECLARED = Number(1.0, ())


def scales(view: View) -> list[Number]:
    """Return the named scales of a gradient, each beside what a flipped sign makes of it."""
    named = [
        Number(value, (mistake.code,))
        for mistake in IN_TURN
        if mistake.scale and not mistake.ratio and mistake.needs.met(view)
        for value in mistake.scale(view.shared)
    ]
    return _with_flips("scale", named)


def ratios(view: View, unit: float) -> list[Number]:
    """Return the named temperatures in units of alpha, for arithmetic of a unit roundoff."""
    named = [
        Number(value, (mistake.code,))
        for mistake in IN_TURN
        if mistake.ratio and not mistake.scale and mistake.needs.met(view)
        for value in mistake.ratio(view.shared, unit)
    ]
    return _with_flips("ratio", named)


def _with_flips(which: Literal["scale", "ratio"], named: list[Number]) -> list[Number]:
    flips = [mistake.code for mistake in IN_TURN if mistake.flips == which]
    made = []
    for value, codes in dict.fromkeys([_DECLARED, *named]):
        if isfinite(value) and (value != 1.0 or not codes):
            made.append(Number(value, codes))
            made += [Number(-value, (*codes, flip)) for flip in flips if value]
    return made


def points(view: View, unit: float) -> list[Point]:
    """Return all named points for arithmetic of a unit roundoff, the simplest first."""
    named = scales(view)
    made = [
        Point(scale, ratio, (*of_scale, *of_ratio))
        for scale, of_scale in named
        for ratio, of_ratio in ratios(view, unit)
    ]
    made += [
        Point(by * scale, ratio, (mistake.code, *codes))
        for mistake in IN_TURN
        if mistake.scale and mistake.ratio and mistake.needs.met(view)
        for by in mistake.scale(view.shared)
        for ratio in mistake.ratio(view.shared, unit)
        for scale, codes in named
    ]
    return sorted(made, key=lambda point: len(point.codes))
