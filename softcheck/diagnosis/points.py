"""The named points of the family G = x (-J(Q)) + y J(log pi), in units of what was declared."""

from collections.abc import Iterator
from math import isfinite, log
from typing import Any, NamedTuple

import numpy as np

from softcheck.diagnosis.view import Shared
from softcheck.gradient.tolerance import Precision

LOSS_SCALES = range(8, 33)
"""The powers of two that loss scalers multiply by."""


class Point(NamedTuple):
    """A scale x, a ratio y / x, and the codes of the mistakes that lead there."""

    scale: float
    ratio: float
    codes: tuple[str, ...]


def scales(shared: Shared) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield the named scales of a gradient; 1 is the declared one, and has no code."""
    states, actions, declared = shared.states, shared.actions, shared.reduction
    places = states * actions
    named = [
        (1.0, ()),
        (1.0 / states / declared, ("mean-over-states",)),
        (1.0 / places / declared, ("mean-over-states-and-actions",)),
        (1.0 / actions / declared, ("mean-over-actions",)),
        (1.0 / declared, ("summed-over-states",)),
    ]
    if shared.legal != places:
        named += [
            (shared.legal / places, ("padding-in-denominator",)),
            (places / shared.legal, ("padding-in-denominator",)),
            (1.0 / shared.legal / declared, ("padding-in-denominator",)),
        ]
    if shared.weighted and shared.weighted != states:
        named += [
            (shared.weighted / states, ("padding-in-denominator",)),
            (states / shared.weighted, ("padding-in-denominator",)),
        ]
    if shared.weight_sum not in (0.0, float(states)):
        named.append((1.0 / shared.weight_sum / declared, ("weights-normalised",)))
    seen: list[tuple[float, tuple[str, ...]]] = []
    for value, codes in named:
        if (value == 1.0 and codes) or any(codes == more and value == x for x, more in seen):
            continue
        seen.append((value, codes))
    for value, codes in seen:
        yield value, codes
        yield -value, (*codes, "sign-flipped")


def ratios(shared: Shared, unit: float) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield the named temperatures in units of alpha; 1 is the declared one, and has no code."""
    named: list[tuple[float, tuple[str, ...]]] = [
        (1.0, ()),
        (2.0, ("alpha-doubled",)),
        (0.0, ("entropy-without-gradient",)),
        (1.0 / log(2.0), ("log-base-2",)),
    ]
    if shared.actions > 1:
        named.append((1.0 / log(shared.actions), ("entropy-normalised",)))
    alpha = shared.alpha
    if alpha:
        named += [(1.0 / alpha, ("missing-alpha",)), (log(alpha) / alpha, ("log-alpha-as-alpha",))]
        named += [(rounded / alpha, ("alpha-rounded",)) for rounded in _rounded(alpha, unit)]
    for value, codes in named:
        if isfinite(value) and (value != 1.0 or not codes):
            yield value, codes
            if value:
                yield -value, (*codes, "entropy-sign-flipped")


def _rounded(alpha: float, unit: float) -> list[float]:
    """Return alpha in the precisions coarser than `unit`."""
    with np.errstate(all="ignore"):
        single = np.float32(alpha)
        bits = single.view(np.uint32)
        upper = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        brain = (upper & np.uint32(0xFFFF0000)).view(np.float32)
        # bfloat16 is a float32 whose lower half is rounded away.
        rounded: dict[Precision, np.floating[Any]] = {
            Precision.FLOAT32: single,
            Precision.FLOAT16: np.float16(alpha),
            Precision.BFLOAT16: brain,
        }
        return [float(value) for precision, value in rounded.items() if precision.unit > unit]


def points(shared: Shared, unit: float) -> list[Point]:
    """Return all named points for arithmetic of a unit roundoff, the simplest first."""
    made = [
        Point(scale, ratio, (*of_scale, *of_ratio))
        for scale, of_scale in scales(shared)
        for ratio, of_ratio in ratios(shared, unit)
    ]
    made += [
        Point(2.0 * scale, 0.5, ("q-counted-twice", *codes)) for scale, codes in scales(shared)
    ]
    return sorted(made, key=lambda point: len(point.codes))
