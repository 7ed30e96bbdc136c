"""The named points of the family G = x (-J(Q)) + y J(log pi), in units of what was declared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import isclose, isfinite, prod
from typing import Literal, NamedTuple

from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.record import Mistake
from softcheck.diagnosis.view import Shared, View


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
    return _named("scale", view, lambda each: each.scale(view.shared) if each.scale else ())


def ratios(view: View, unit: float) -> list[Number]:
    """Return the named temperatures in units of alpha, for arithmetic of a unit roundoff."""
    return _named("ratio", view, lambda each: each.ratio(view.shared, unit) if each.ratio else ())


def _named(
    which: Literal["scale", "ratio"], view: View, values: Callable[[Mistake], Iterable[float]]
) -> list[Number]:
    """Return the numbers of the mistakes that have no other one."""
    flips = [mistake.code for mistake in MISTAKES.values() if mistake.flips == which]
    made = [_DECLARED, *(Number(-1.0, (flip,)) for flip in flips)]
    for mistake in MISTAKES.values():
        if (mistake.scale and mistake.ratio) or not mistake.needs.met(view):
            continue
        for value in dict.fromkeys(values(mistake)):
            if isfinite(value) and value != 1.0:
                made.append(Number(value, (mistake.code,)))
                made += [Number(-value, (mistake.code, flip)) for flip in flips if value]
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
        for mistake in MISTAKES.values()
        if mistake.scale and mistake.ratio and mistake.needs.met(view)
        for by in mistake.scale(view.shared)
        for ratio in mistake.ratio(view.shared, unit)
        for scale, codes in named
    ]
    return sorted(made, key=lambda point: len(point.codes))


def told_apart_by(alike: Sequence[Point], shared: Shared, unit: float) -> list[str] | None:
    """Return what data would tell apart points that are one in these; None where none would.

    Parameters
    ----------
    alike : sequence of Point
    shared : Shared
    unit : float
        The unit roundoff of the arithmetic.
    """
    ways = [_ways(point, shared, unit) for point in alike]
    together = set(combinations(range(len(alike)), 2))
    needed = []
    for said, other in _other_data(shared):
        there = []
        for point, found in zip(alike, ways, strict=True):
            options = _options(point.codes, other, unit)
            there.append([options[way] for way in found if way < len(options)])
        parted = {
            (one, two)
            for one, two in together
            if not any(_is_one(*pair) for pair in product(there[one], there[two]))
        }
        if parted:
            needed.append(said)
            together -= parted
    return None if together else needed


def _ways(point: Point, shared: Shared, unit: float) -> list[int]:
    """Return by which of their options the mistakes of a point lead to it."""
    options = _options(point.codes, shared, unit)
    return [way for way, led in enumerate(options) if _is_one(led, (point.scale, point.ratio))]


def _options(codes: Sequence[str], shared: Shared, unit: float) -> list[tuple[float, float]]:
    """Return all scales and ratios that mistakes lead to together, in one order for any data."""
    each = []
    for mistake in (MISTAKES[code] for code in codes):
        of_scale = list(mistake.scale(shared)) if mistake.scale else [1.0]
        of_ratio = list(mistake.ratio(shared, unit)) if mistake.ratio else [1.0]
        flip = {"scale": (-1.0, 1.0), "ratio": (1.0, -1.0)}.get(mistake.flips or "", (1.0, 1.0))
        each.append([(flip[0] * x, flip[1] * y) for x, y in product(of_scale, of_ratio)])
    return [(prod(x for x, _ in chosen), prod(y for _, y in chosen)) for chosen in product(*each)]


def _is_one(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(isclose(x, y, rel_tol=1e-9) for x, y in zip(one, other, strict=True))


_REDUCTIONS: Sequence[Callable[[Shared], float]] = (
    lambda _: 1.0,
    lambda shared: 1.0 / shared.states,
    lambda shared: 1.0 / shared.places,
    lambda shared: 1.0 / shared.weight_sum if shared.weight_sum else 0.0,
)


def _other_data(shared: Shared) -> Iterator[tuple[str, Shared]]:
    """Yield data that differ from these in one thing."""
    reduced = next(
        (of for of in _REDUCTIONS if isclose(of(shared), shared.reduction)), _REDUCTIONS[0]
    )
    if shared.alpha is not None:
        said = "another alpha" if shared.alpha else "an alpha above 0"
        yield said, replace(shared, alpha=0.71 * shared.alpha or 0.71)
    first, *rest = shared.shape
    by = (first + 3) / first
    more = replace(
        shared,
        shape=(first + 3, *rest),
        legal=round(by * shared.legal),
        weight_sum=by * shared.weight_sum,
        weighted=round(by * shared.weighted),
    )
    yield "another number of states", replace(more, reduction=reduced(more))
    legal = round(shared.legal * (shared.actions + 1) / shared.actions)
    wider = replace(shared, actions=shared.actions + 1, legal=legal)
    yield "another number of actions", replace(wider, reduction=reduced(wider))
    if shared.weight_sum != shared.states:
        heavier = replace(shared, weight_sum=1.3 * shared.weight_sum)
        yield "other weights", replace(heavier, reduction=reduced(heavier))
