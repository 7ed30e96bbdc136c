"""Whether the checks of every logit run compiled, and what the compiled loop has found."""

from functools import cache
from typing import Any

import numpy as np

from softcheck.checks.evaluation import Evaluation
from softcheck.checks.oracles import TWICE, about_sum
from softcheck.checks.tally import Spot, Tally, histogram
from softcheck.gradient.definition import Variant
from softcheck.gradient.family import Family
from softcheck.gradient.policy import LONG, Block, Entries
from softcheck.gradient.tolerance import U, of_sum, summation
from softcheck.settings import KernelChoice

PAYS = 2**25
"""From so many entries on: to load Numba and a compiled loop takes as long as NumPy for these."""


def is_chosen(kernel: KernelChoice, entries: int, variant: Variant) -> tuple[bool, str]:
    """Return whether a case of so many entries is verified compiled, and why it is not if asked."""
    if kernel == "numpy" or (kernel == "auto" and entries < PAYS):
        return False, ""
    if variant.family is None:
        failure = "the loss is not linear in pi, pi log pi, log pi and logsumexp squared"
    else:
        _, failure = _loop()
    return not failure, failure if kernel == "compiled" else ""


@cache
def _loop() -> tuple[Any, str]:
    """Return the module of the loop, tried once, or what is wrong with it."""
    try:
        from softcheck.checks import fused

        block = Block(np.zeros((2, 1)), np.zeros((2, 1)), np.ones(1))
        _swept(fused, block)
    except ImportError as error:
        return None, f"Numba cannot be imported ({error}): pip install 'softcheck[fast]'"
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        return None, f"Numba cannot compile it ({type(error).__name__}: {first[:120]})"
    return fused, ""


def tallies(e: Evaluation) -> dict[str, Tally]:
    """Return the outcome of the oracles in a block that is ordinary and right, or nothing.

    What fails, is not finite or is blind is left to NumPy.
    """
    block = e.block
    if not (e.context.is_compiled and isinstance(e.kernel, Family)):
        return {}
    fused, failure = _loop()
    if failure:
        return {}
    live, finite, resolution, worst = _swept(fused, block)
    resolution[:2] *= 2.0 * U
    if not (finite and worst[:, 0].max() <= 1.0 and resolution.max() < 1.0):
        return {}
    formula, routes, sums_seen, descent = map(histogram, resolution)
    step, difference, twice, total, fall = worst
    rows, entries = block.rows, e.legal_entries
    sums = _tally(e, rows, rows, sums_seen, total, about_sum(e))
    if block.soft:
        sums.merge(_tally(e, entries, live, formula, twice, TWICE))
    return {
        "complex-step": _tally(e, entries, live, routes, step),
        "central-difference": _tally(e, entries, live, routes.copy(), difference),
        "invariants": sums,
        "descent": _tally(e, rows, rows, descent, fall),
    }


def _tally(
    e: Evaluation, entries: int, live: int, counts: Any, spot: Any, about: str = ""
) -> Tally:
    """Return a tally of a comparison without a failure."""
    ratio, state, action, actual, expected, tolerance = spot.tolist()
    where = e.start + int(state), None if action < 0 else int(action)
    worst = Spot(ratio, *where, actual, expected, tolerance, about)
    return Tally(e.context.limit, entries=entries, live=live, spots=[worst], histogram=counts)


def _swept(fused: Any, block: Block) -> tuple[int, bool, Any, Any]:
    """Run the loop: return the live entries, whether all is finite, and what `sweep` fills."""
    actions, rows = block.logits.shape
    n, is_wide, target = summation(actions), actions >= LONG, block.target
    high = -(-actions // fused.LANES) if is_wide else actions
    tile: list[Any] = [np.empty((high, fused.LANES)) for _ in range(6)]
    parts, roundings = 0, 0.0
    y: tuple[Any, ...] = (None, None, None, None)
    if target is None:
        tile[4:] = None, None
    else:
        parts, roundings = target.parts + 1, of_sum(target, n)
        dense = None if target.dense is None else _flat(target.dense)
        y = target.index, dense, target.uniform, target.chosen
    stack = np.empty((fused.LEVELS, fused.SUMS, fused.LANES))
    resolution, worst = np.zeros((4, rows)), np.full((5, 6), -1.0)
    live, sound = fused.sweep(
        fused.Given(actions, rows, is_wide, n, parts, roundings),
        _flat(block.logits),
        _flat(block.q) if block.soft else None,
        block.alpha,
        block.zeta,
        *y,
        *tile,
        stack,
        resolution,
        worst,
    )
    return int(live), bool(np.isfinite(sound)), resolution, worst


def _flat(x: Entries) -> Entries:
    """Return the entries as they lie in memory."""
    flat: Entries = np.ascontiguousarray(x.ravel(order="K"))
    return flat
