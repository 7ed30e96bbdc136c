"""The named points of the family G = x (-J(Q)) + y J(log pi), in units of what was declared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import isclose, isfinite, prod
from typing import Any, Literal, NamedTuple, TypeAlias

from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.mistakes.record import Mistake
from softcheck.diagnosis.view import Shared, View


class Point(NamedTuple):
    """A scale x, a ratio y / x, and the codes of the mistakes that lead there."""

    scale: float
    ratio: float
    codes: tuple[str, ...]


Number: TypeAlias = tuple[float, tuple[str, ...]]
"""A scale or a ratio, and the codes of the mistakes that lead to it: none for 1."""


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
    made: list[Number] = [(1.0, ()), *((-1.0, (flip,)) for flip in flips)]
    for mistake in MISTAKES.values():
        if (mistake.scale and mistake.ratio) or not mistake.needs.met(view):
            continue
        for value in dict.fromkeys(values(mistake)):
            if isfinite(value) and value != 1.0:
                made.append((value, (mistake.code,)))
                made += [(-value, (mistake.code, flip)) for flip in flips if value]
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
        for by, ratio in _moves(mistake, view.shared, unit)
        for scale, codes in named
    ]
    return sorted(made, key=lambda point: len(point.codes))


def _moves(mistake: Mistake, shared: Shared, unit: float) -> Iterator[tuple[float, float]]:
    """Return the scales and ratios that a mistake leads to, in one order for any data."""
    flipped = {"scale": (-1.0, 1.0), "ratio": (1.0, -1.0)}
    scale, ratio = flipped.get(mistake.flips or "", (1.0, 1.0))
    return product(
        mistake.scale(shared) if mistake.scale else (scale,),
        mistake.ratio(shared, unit) if mistake.ratio else (ratio,),
    )


def told_apart_by(alike: Sequence[Point], shared: Shared, unit: float) -> list[str] | None:
    """Return what data would tell apart points that are one in these; None where none would.

    Parameters
    ----------
    alike : sequence of Point
    shared : Shared
    unit : float
        The unit roundoff of the arithmetic.
    """
    others = dict(_other_data(shared))
    ways = []
    for point in alike:
        led = (_led(point.codes, data, unit) for data in (shared, *others.values()))
        found = zip(*led, strict=False)  # other data may open or close a way
        ways.append([numbers for numbers in found if _is_one(numbers[0], point[:2])])
    together, needed = [*combinations(ways, 2)], []
    for number, said in enumerate(others, 1):
        still = [
            pair
            for pair in together
            if any(_is_one(one[number], other[number]) for one, other in product(*pair))
        ]
        if len(still) < len(together):
            needed.append(said)
        together = still
    return None if together else needed


def _led(codes: Sequence[str], shared: Shared, unit: float) -> Iterator[tuple[float, float]]:
    """Yield all scales and ratios that mistakes lead to together."""
    for chosen in product(*(_moves(MISTAKES[code], shared, unit) for code in codes)):
        yield prod(x for x, _ in chosen), prod(y for _, y in chosen)


def _is_one(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(isclose(x, y, rel_tol=1e-9) for x, y in zip(one, other, strict=True))


def _other_data(shared: Shared) -> Iterator[tuple[str, Shared]]:
    """Yield data that differ from these in one thing."""
    states, *axes = shared.shape
    by = (states + 3) / states
    changes: dict[str, dict[str, Any]] = {}
    if shared.alpha is not None:
        said = "another alpha" if shared.alpha else "an alpha above 0"
        changes[said] = {"alpha": 0.71 * shared.alpha or 0.71}
    changes["another number of states"] = {
        "shape": (states + 3, *axes),
        "legal": round(by * shared.legal),
        "weight_sum": by * shared.weight_sum,
        "weighted": round(by * shared.weighted),
    }
    actions = shared.actions + 1
    legal = round(shared.legal * actions / shared.actions)
    changes["another number of actions"] = {"actions": actions, "legal": legal}
    if shared.weight_sum != shared.states:
        changes["other weights"] = {"weight_sum": 1.3 * shared.weight_sum}
    for said, changed in changes.items():
        data = replace(shared, **changed)
        of_loss = {"mean": data.states, "mean-all": data.places, "weighted-mean": data.weight_sum}
        yield said, replace(data, reduction=1.0 / of_loss.get(data.settings.reduction, 1.0))
