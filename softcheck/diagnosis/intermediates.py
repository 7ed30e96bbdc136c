"""The mistakes that show in a quantity on the way to the gradient."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from softcheck.checks.dumps import sides
from softcheck.checks.tally import Tally
from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.diagnosis.view import View
from softcheck.gradient.policy import Quantity

Value: TypeAlias = Callable[[View], Quantity]


def rows(quantity: str, view: View) -> list[tuple[str, Value]]:
    """Return the codes and values that a quantity may have, as far as the data allow."""
    return [
        (code, shown.value)
        for code, mistake in MISTAKES.items()
        if view.shared.whole or not mistake.whole
        for shown in mistake.shows
        if shown.quantity == quantity
    ]


def judge(view: View, quantity: str, value: Value) -> Tally:
    """Compare a dumped quantity with what a mistake makes of it, in the tolerance of a pass."""
    with np.errstate(all="ignore"):
        found = sides(view.e, quantity)
        expected = value(view)
        # The rounding of the right value, or of this one where it is larger.
        growth = np.maximum(1.0, np.abs(expected) / np.maximum(found.scale, 1e-300))
        tolerance = found.tolerance * np.where(np.isfinite(growth), growth, 1.0)
        if view.e.legal is not None and found.actual.ndim == 2:
            expected = np.where(view.e.legal, expected, found.actual)
        return view.e.compare(
            found.actual, expected, tolerance, found.scale, entries=found.actual.size
        )
