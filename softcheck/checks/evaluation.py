"""A block of states with the quantities that its checks share, each computed when it is needed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from softcheck.checks.tally import Sight, Tally, compare, histogram, sight
from softcheck.gradient import analytic
from softcheck.gradient.loss import Terms
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Flags,
    PerState,
    Policy,
    Quantity,
    States,
    evaluate,
    sum_of_products,
)
from softcheck.gradient.tolerance import (
    Closed,
    Error,
    Precision,
    U,
    bounds,
    live_magnitude,
    scale,
)

_T = TypeVar("_T")

_BOTH = 2.0 * U  # both sides of a comparison may err


class Once(cached_property[_T]):
    """A `cached_property` for one thread: in Python 3.11 that has a lock, one for all instances."""

    def __init__(self, func: Callable[[Any], _T]) -> None:
        super().__init__(func)
        self.lock = nullcontext()


@dataclass(frozen=True, slots=True)
class Dump:
    """A quantity that was computed elsewhere, for one block.

    Attributes
    ----------
    values : Quantity
        Of no dimension where it is one number for the whole case.
    stored, computed : Precision
        What it was rounded to, and what it was computed in.
    factor : float
        What the user multiplies its tolerance by.
    finite : bool
        Whether all values are known to be finite.
    decimal : float
        Half of the last decimal that it was printed with, 0 if it was not.
    """

    values: Quantity
    stored: Precision
    computed: Precision
    factor: float = 1.0
    finite: bool = False
    decimal: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for every block of a case.

    Attributes
    ----------
    places : int
        Entries of the whole case, masked ones included.
    limit : int
        How many findings a check keeps.
    samples, seed : int
        Draws a state for the expectation form (0: none), and their seed.
    sample : sequence of (state, position), sorted
        Entries that the exact check looks at whatever their errors; `position` in [0, 1) picks
        one of the legal actions.
    reduction : float
        What the declared reduction multiplies the loss of each state by, beside its weight.
    """

    places: int
    limit: int
    samples: int = 0
    seed: int = 0
    sample: Sequence[tuple[int, float]] = ()
    reduction: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """A block, and the quantities that its checks share.

    Attributes
    ----------
    block : Block
    start : int
        The number of the block's first state in the case.
    factor : PerState
        What reduction and weights multiply the loss of each state by.
    legal : Flags, or None where every action is legal
    dumps : mapping of check to Dump
    context : Context
    buffers : Buffers
    """

    block: Block
    start: int
    factor: PerState
    legal: Flags | None
    dumps: Mapping[str, Dump]
    context: Context
    buffers: Buffers

    @Once
    def policy(self) -> Policy:
        """The softmax quantities."""
        return evaluate(self.block, self.buffers)

    @Once
    def terms(self) -> Terms:
        """The terms of the loss."""
        return Terms.of(self.block, self.policy, self.buffers)

    @Once
    def bounds(self) -> Closed:
        """The rounding of Eq. (6) in float64, from the logits as they are."""
        return bounds(self.block, self.policy, self.terms, self.buffers)

    @Once
    def scale(self) -> Entries:
        """What the gradient of each entry is made of."""
        return scale(
            self.policy, self.terms, self.bounds, self.buffers("scale", self.policy.pi.shape)
        )

    @Once
    def live_logits(self) -> Entries:
        """|theta|, 0 where pi is 0."""
        out = self.buffers("live_logits", self.policy.pi.shape)
        return live_magnitude(self.block.logits, self.policy, out)

    @Once
    def gradient(self) -> Entries:
        """Eq. (6)."""
        return analytic.gradient(self.policy, self.buffers("gradient", self.policy.pi.shape))

    def mean(self, x: Entries) -> States:
        """Return the expectation of x under the policy."""
        return sum_of_products(self.policy.pi, x, self.buffers)

    @property
    def legal_entries(self) -> int:
        """How many actions are legal in the block."""
        return self.block.q.size if self.legal is None else int(np.count_nonzero(self.legal))

    @Once
    def live_entries(self) -> int:
        """How many entries have a pi that is not 0."""
        return int(self.policy.live.sum()) if self.policy.deep else self.policy.pi.size

    def compare(
        self,
        actual: Quantity,
        expected: Quantity,
        tolerance: Quantity,
        scale: Quantity,
        *,
        entries: int | None = None,
        about: str = "",
        ratio: Quantity | None = None,
    ) -> Tally:
        """Compare two sides of this block, see `tally.compare`; by default its legal entries."""
        seen = sight(tolerance, scale, self.buffers)
        return self._compare(actual, expected, tolerance, seen, 1.0, entries, about, ratio)

    def compare_gradient(self, value: Entries, error: Error, about: str = "") -> Tally:
        """Compare `gradient` with what another method has for it.

        `error` bounds that of the method, which is no less than that of `gradient`.
        """
        seen = self._own_sight if error is self.bounds.rounding else self._sight(error)
        return self._compare(self.gradient, value, error.each, seen, _BOTH, None, about)

    @Once
    def _own_sight(self) -> Sight:
        """What is seen where the other side errs by no more than `gradient`."""
        return self._sight(self.bounds.rounding)

    def _sight(self, error: Error) -> Sight:
        """Return what a comparison with `gradient` sees if either side errs by `error`.

        Entries are looked at only where `relative` does not show that none of a state is blind.
        """
        resolution = _BOTH * error.relative
        if resolution.max() < 1.0:
            return Sight(self.live_entries, 0, histogram(resolution))
        is_clear = resolution < 1.0
        clear, unclear = np.flatnonzero(is_clear), np.flatnonzero(~is_clear)
        rest = sight(_BOTH * error.each[:, unclear], self.scale[:, unclear], self.buffers)
        return Sight(
            int(self.policy.live[clear].sum()) + rest.live,
            rest.blind,
            histogram(resolution[clear]) + rest.histogram,
        )

    def _compare(
        self,
        actual: Quantity,
        expected: Quantity,
        tolerance: Quantity,
        seen: Sight,
        unit: float,
        entries: int | None,
        about: str,
        ratio: Quantity | None = None,
    ) -> Tally:
        return compare(
            actual,
            expected,
            tolerance,
            seen,
            self.buffers,
            unit=unit,
            entries=self.legal_entries if entries is None else entries,
            start=self.start,
            limit=self.context.limit,
            about=about,
            ratio=ratio,
        )
