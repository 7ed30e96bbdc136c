"""Pictures of a gradient as SVG: its entries as dots, and its table as a grid.

They are written by hand: a plotting library writes a hundred times as much for a dot, or a script
that a report must not have, and none takes its colours from the page, dark or light.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TypeAlias, TypeVar

import htpy as h
from htpy import Node

from softcheck.report.words import index, name, number, size
from softcheck.result import Dot, MarkedDot, Picture

_D = TypeVar("_D", bound=Dot)

Place: TypeAlias = Callable[[Dot], tuple[float, float]]
"""From an entry to where it stands on the two axes."""

_WIDTH, _HEIGHT = 360, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 26, 42
_FARTHEST = 1e140  # what is larger stands at the end of its axis; a product of two is a number
_NEAREST = 1e-290
_GROW = 0.04  # of a range on either side, so that nothing lies on the frame
_TICKS = 5
_EDGE = 10  # above the grid
_CELL = 34.0  # units of a cell at most
_LABEL = 12  # characters
_LETTER = 6.3  # units
_APART = 12.0  # units from one label to the next
_CLASSES = (0.1, 1.0, 1e3, 1e6, 1e9)
_KEY = ("up to 0.1", "up to 1, the limit", "up to 10³", "up to 10⁶", "up to 10⁹", "more")


@dataclass(frozen=True)
class _Axis:
    """An axis: its range, what stands beside it, and where it begins and ends in the picture."""

    low: float
    high: float
    title: str
    ticks: Sequence[tuple[float, str]]
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Return the coordinate of a value; one that is beyond the range stands at its end."""
        if math.isnan(value):
            value = math.inf
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)


def found_against_expected(picture: Picture) -> Node:
    """Return the entries, what was found upwards and what was expected to the right."""
    every: tuple[Dot, ...] = (*picture.dots, *picture.worst)
    low, high = _range([value for dot in every for value in (dot.found, dot.expected)])
    ticks = _linear_ticks(low, high)
    across, upward = _across(low, high, "expected", ticks), _upward(low, high, "found", ticks)
    guide = f"M{across.begin} {upward.begin}L{across.end} {upward.end}"
    return _dots(
        "Found against expected",
        "Right entries lie on the dashed line. A line of another slope is another scale, one that "
        "falls is a sign, and dots that lie at 0 were dropped.",
        picture.dots,
        picture.worst,
        (across, upward, guide),
        lambda dot: (dot.expected, dot.found),
    )


def error_against_pi(picture: Picture) -> Node:
    """Return the entries, their error over pi upwards and pi to the right.

    The error is that of the loss of a state before it is reduced and weighted. What has no policy
    or no weight is not drawn. Errors larger than what is expected of most entries stand on a
    logarithmic scale, for where pi is small they may be larger by many powers of ten.
    """
    dots, worst = _weighty(picture.dots), _weighty(picture.worst)
    if not dots and not worst:
        return None
    least = min(-1, math.floor(min(math.log10(dot.pi) for dot in (*dots, *worst))))
    decades = range(0, least - 1, -max(1, round(-least / _TICKS)))
    unit = _unit((*dots, *worst))
    low, high = _range([_beyond(unit, dot) for dot in (*dots, *worst)])
    marks = [(float(each), f"1e{each}" if each else "1") for each in decades]
    across = _across(least, 0.0, "π", marks)
    upward = _upward(low, high, "error / π", _ticks_beyond(unit, low, high))
    return _dots(
        "Error / π against π",
        "Right entries lie on the dashed line, but for rounding. What bends away where π is small "
        "is an epsilon or a clamp.",
        dots,
        worst,
        (across, upward, f"M{across.begin} {upward.at(0.0)}H{across.end}"),
        lambda dot: (math.log10(dot.pi), _beyond(unit, dot)),
    )


def grid(picture: Picture) -> Node:
    """Return the table: states downwards, actions to the right, the largest ratio in each cell."""
    columns, rows = len(picture.actions), len(picture.states)
    wide = min(_CELL, (_WIDTH - _LEFT - _RIGHT) / columns)
    high = min(_CELL, max(_APART, 260.0 / rows)) if rows <= 20 else 260.0 / rows
    left = max(_LEFT, 8 + _LETTER * max(len(_short(each)) for each in picture.states))
    bottom = _EDGE + rows * high
    names = [_short(each) for each in picture.actions]
    upright = max(map(len, names)) * _LETTER > wide
    room = 24 + (_LETTER * max(map(len, names)) if upright else 10)
    cells = h.g(transform=f"translate({left:.1f} {_EDGE}) scale({wide:.3f} {high:.3f})")[
        [h.path(class_=f"cell-{kind}", d=path) for kind, path in _cells(picture)]
    ]
    marked = [
        h.circle(
            ".worst",
            cx=_units(left + (dot.cell[0] + 0.5) * wide),
            cy=_units(_EDGE + (dot.cell[1] + 0.5) * high),
            r="3.5",
        )[h.title[_told(dot)]]
        for dot in picture.worst
    ]
    beside = [
        h.text(x=_units(left - 6), y=_units(_EDGE + (at + 0.5) * high + 4), text_anchor="end")[
            _short(picture.states[at]), h.title[name(picture.states[at])]
        ]
        for at in range(0, rows, math.ceil(_APART / high))
    ]
    below = [
        _action(names[at], name(picture.actions[at]), left + (at + 0.5) * wide, bottom, upright)
        for at in range(0, columns, math.ceil(_APART / wide))
    ]
    width = left + columns * wide + _RIGHT
    worst = max(map(max, picture.grid))
    said = f"Ratio over states and actions: the largest is {size(worst)}, and 1 is the limit"
    return h.figure[
        h.h3["Ratio over states and actions"],
        h.svg(
            role="img",
            aria_label=said,
            viewBox=f"0 0 {max(width, _WIDTH):.0f} {bottom + room:.0f}",
        )[cells, marked, beside, below],
        h.ul(".key")[
            [h.li[h.i(class_=f"cell-{kind}"), said] for kind, said in enumerate(_KEY)],
            h.li["circles: the worst"] if marked else None,
        ],
        h.figcaption[
            "Error over tolerance, the largest in each cell; states downwards, actions to the "
            "right."
        ],
    ]


def bar(ratio: float) -> Node:
    """Return a ratio as a bar on a scale of powers of ten from 1e-3 to 1e3, its limit marked."""
    share = 1.0 if math.isnan(ratio) else (math.log10(min(max(ratio, 1e-3), 1e3)) + 3.0) / 6.0
    return h.span(
        ".bar",
        role="img",
        aria_label=f"ratio {size(ratio)}, and 1 is the limit",
        style=f"background-size:{100.0 * share:.0f}% 100%",
    )


def _dots(
    title: str,
    caption: str,
    dots: Sequence[Dot],
    worst: Sequence[MarkedDot],
    axes: tuple[_Axis, _Axis, str],
    place: Place,
) -> Node:
    """Return a picture of entries as dots, with a line where the right ones lie."""
    across, upward, guide = axes

    def path(some: Sequence[Dot]) -> str:
        places = [place(dot) for dot in some]
        return "".join(f"M{across.at(x):g} {upward.at(y):g}h0" for x, y in places)

    right = [dot for dot in dots if dot.ratio <= 1.0]
    wrong = [dot for dot in dots if not dot.ratio <= 1.0]
    circles = []
    for dot in worst:
        x, y = place(dot)
        circles.append(h.circle(".worst", cx=_units(across.at(x)), cy=_units(upward.at(y)), r="5")[
            h.title[_told(dot)]
        ])  # fmt: skip
    said = (
        f"{title}: {len(dots)} entries are drawn, {len(wrong)} of them beyond their tolerance, "
        f"and the {len(worst)} worst"
    )
    return h.figure[
        h.h3[title],
        h.svg(role="img", aria_label=said, viewBox=f"0 0 {_WIDTH} {_HEIGHT}")[
            _frame(across, upward),
            h.path(".guide", d=guide),
            h.path(".right", d=path(right)),
            h.path(".wrong", d=path(wrong)),
            circles,
        ],
        h.figcaption[caption],
    ]


def _frame(across: _Axis, upward: _Axis) -> Iterator[Node]:
    """Yield the axes, with what stands beside them."""
    right, top, left, bottom = across.end, upward.end, across.begin, upward.begin
    yield h.path(".axis", d=f"M{left} {top}V{bottom}H{right}")
    for value, said in across.ticks:
        yield h.text(x=_units(across.at(value)), y=_units(bottom + 16), text_anchor="middle")[said]
        yield h.path(".axis", d=f"M{across.at(value):g} {bottom}v4")
    for value, said in upward.ticks:
        yield h.text(x=_units(left - 7), y=_units(upward.at(value) + 4), text_anchor="end")[said]
        yield h.path(".axis", d=f"M{left} {upward.at(value):g}h-4")
    yield h.text(".title", x=_units(right), y=_units(bottom + 34), text_anchor="end")[across.title]
    yield h.text(".title", x=_units(left), y=_units(top - 12))[upward.title]


def _across(low: float, high: float, title: str, ticks: Sequence[tuple[float, str]]) -> _Axis:
    return _Axis(low, high, title, ticks, _LEFT, _WIDTH - _RIGHT)


def _upward(low: float, high: float, title: str, ticks: Sequence[tuple[float, str]]) -> _Axis:
    return _Axis(low, high, title, ticks, _HEIGHT - _BOTTOM, _TOP)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return what an axis shows: 0, and all values that are finite."""
    finite = [min(max(value, -_FARTHEST), _FARTHEST) for value in values if math.isfinite(value)]
    low, high = min(0.0, *finite, 0.0), max(0.0, *finite, 0.0)
    if high - low < _NEAREST:
        return -1.0, 1.0
    return low - _GROW * (high - low), high + _GROW * (high - low)


def _linear_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return a few round numbers of a range."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= rough)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(each * step, f"{each * step:.3g}") for each in numbers]


def _units(value: float) -> str:
    """Return a coordinate as the file has it."""
    return f"{round(value, 1):g}"


def _unit(dots: Sequence[Dot]) -> float:
    """Return the error over pi up to which a picture is linear: what is expected in the middle."""
    largest = max(
        (abs(each) for each in map(_error_over_pi, dots) if math.isfinite(each)), default=0
    )
    usual = median(abs(dot.expected / dot.pi / dot.weight) for dot in dots)
    return min(max(min(usual or largest, largest), _NEAREST), _FARTHEST) if largest else 1.0


def _beyond(unit: float, dot: Dot) -> float:
    """Return where an error over pi stands: in units up to one unit, and by its logarithm beyond.

    What is infinite stands farther than what is not.
    """
    share = _error_over_pi(dot) / unit
    return math.asinh(min(max(share, -_FARTHEST), _FARTHEST)) if math.isfinite(share) else share


def _ticks_beyond(unit: float, low: float, high: float) -> list[tuple[float, str]]:
    """Return a few round numbers of a range that is linear up to a unit and logarithmic beyond."""
    least, most = (unit * math.sinh(each) for each in (low, high))
    if max(-least, most) < 10.0 * unit:
        return [(math.asinh(value / unit), said) for value, said in _linear_ticks(least, most)]
    first, last = (
        math.floor(math.log10(unit * math.sinh(each)))
        for each in ((high - low) / (_TICKS + 2), max(-low, high))
    )
    powers = range(last, first, -max(1, math.ceil((last - first) / (_TICKS - 1))))
    values = [0.0, *(sign * 10.0**power for power in powers for sign in (1.0, -1.0))]
    return [(math.asinh(each / unit), f"{each:.3g}") for each in values if least <= each <= most]


def _weighty(dots: Sequence[_D]) -> list[_D]:
    return [dot for dot in dots if dot.pi > 0.0 and dot.weight > 0.0]


def _error_over_pi(dot: Dot) -> float:
    return (dot.found - dot.expected) / dot.pi / dot.weight


def _told(dot: MarkedDot) -> str:
    """Return what is said of an entry where it is pointed at."""
    labels = [name(label) for label in (dot.state, dot.action) if label is not None]
    place = f"{index(dot.location)} {', '.join(labels)}".strip()
    found, expected = number(dot.found), number(dot.expected)
    return f"{place}: found {found}, expected {expected}, ratio {size(dot.ratio)}"


def _short(label: str) -> str:
    label = name(label)
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _action(short: str, whole: str, x: float, bottom: float, upright: bool) -> Node:
    """Return the label of an action, upright where it is too wide for its cell."""
    if upright:
        turned = f"translate({x + 4:.1f} {bottom + 7:.1f}) rotate(-90)"
        return h.text(transform=turned, text_anchor="end")[short, h.title[whole]]
    return h.text(x=_units(x), y=_units(bottom + 15), text_anchor="middle")[short, h.title[whole]]


def _cells(picture: Picture) -> Iterator[tuple[int, str]]:
    """Yield each class of ratios with the cells that are of it, as a path in cells."""
    runs: dict[int, list[str]] = {}
    for row in range(len(picture.states)):
        kinds = [_kind(column[row]) for column in picture.grid]
        for kind, run in groupby(range(len(kinds)), kinds.__getitem__):
            first, *rest = run
            length = 1 + len(rest)
            runs.setdefault(kind, []).append(f"M{first} {row}h{length}v1h-{length}z")
    for kind, paths in sorted(runs.items()):
        yield kind, "".join(paths)


def _kind(ratio: float) -> int:
    return sum(1 for limit in _CLASSES if not ratio <= limit)
