"""A block of states with the quantities that its checks share, each computed when it is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from softcheck import analytic
from softcheck import loss as soft_loss
from softcheck.policy import Array, Block, Buffers, Policy, evaluate, sum_of_products
from softcheck.tally import Sight, Tally, compare, histogram, sight
from softcheck.tolerance import (
    Bounds,
    Error,
    Precision,
    U,
    bounds,
    live_magnitude,
    scale,
)


@dataclass(frozen=True, slots=True)
class Dump:
    """A quantity that was computed elsewhere, for one block.

    Attributes
    ----------
    values : Array, shape (actions, rows) or (rows,)
    stored, computed : Precision
        What it was rounded to, and what it was computed in.
    factor : float
        What the user multiplies its tolerance by.
    """

    values: Array
    stored: Precision
    computed: Precision
    factor: float = 1.0


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
    """

    places: int
    limit: int
    samples: int = 0
    seed: int = 0
    sample: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Evaluation:
    """A block, and the quantities that its checks share.

    Attributes
    ----------
    block : Block
    start : int
        The number of the block's first state in the case.
    factor : Array, shape (rows,)
        What reduction and weights multiply the loss of each state by.
    legal : array of bool, shape (actions, rows), or None where every action is legal
    dumps : mapping of role to Dump
    context : Context
    buffers : Buffers
    """

    block: Block
    start: int
    factor: Array
    legal: NDArray[np.bool_] | None
    dumps: Mapping[str, Dump]
    context: Context
    buffers: Buffers

    @cached_property
    def policy(self) -> Policy:
        """The softmax quantities."""
        return evaluate(self.block, self.buffers)

    @cached_property
    def loss(self) -> soft_loss.Loss:
        """The terms of the loss."""
        return soft_loss.terms(self.block, self.policy, self.buffers)

    @cached_property
    def bounds(self) -> Bounds:
        """The rounding of Eq. (6) in float64, from the logits as they are."""
        return bounds(self.block, self.policy, self.loss, self.buffers)

    @cached_property
    def scale(self) -> Array:
        """What the gradient of each entry is made of."""
        return scale(
            self.policy, self.loss, self.bounds, self.buffers("scale", self.policy.pi.shape)
        )

    @cached_property
    def live_logits(self) -> Array:
        """|theta|, 0 where pi is 0."""
        out = self.buffers("live_logits", self.policy.pi.shape)
        return live_magnitude(self.block.logits, self.policy, out)

    @cached_property
    def gradient(self) -> Array:
        """Eq. (6), shape `(actions, rows)`."""
        return analytic.gradient(self.policy, self.buffers("gradient", self.policy.pi.shape))

    def mean(self, x: Array) -> Array:
        """Return the expectation of x under the policy, shape `(rows,)`."""
        return sum_of_products(self.policy.pi, x, self.buffers)

    @property
    def legal_entries(self) -> int:
        """How many actions are legal in the block."""
        return self.block.q.size if self.legal is None else int(np.count_nonzero(self.legal))

    def compare(
        self,
        actual: Array,
        expected: Array,
        tolerance: Array,
        scale: Array,
        *,
        entries: int | None = None,
        about: str = "",
    ) -> Tally:
        """Compare two sides of this block, see `tally.compare`; by default its legal entries."""
        seen = sight(tolerance, scale, self.buffers)
        return self._compare(actual, expected, tolerance, seen, 1.0, entries, about)

    def compare_gradient(self, value: Array, error: Error, about: str = "") -> Tally:
        """Compare `gradient` with the value and the bound that another method has for it.

        The bound becomes the tolerance, in its own array.
        """
        own = self.bounds.rounding
        if error is own:
            return self._compare(
                self.gradient, value, own.entries, self._own_sight, 2.0 * U, None, about
            )
        tolerance = error.entries
        tolerance += own.entries
        seen = self._sight(tolerance, error.relative + own.relative, U)
        return self._compare(self.gradient, value, tolerance, seen, U, None, about)

    @cached_property
    def _own_sight(self) -> Sight:
        """What is seen within twice the rounding of `gradient`."""
        return self._sight(*self.bounds.rounding, 2.0 * U)

    def _sight(self, tolerance: Array, relative: Array, unit: float) -> Sight:
        """Return what a comparison with `gradient` sees; `relative` bounds tolerance over scale.

        Entries are looked at only where that bound does not show that none of a state is blind.
        """
        resolution = unit * relative
        is_clear = resolution < 1.0
        if is_clear.all():
            return Sight(int(self.policy.live.sum()), 0, histogram(resolution))
        clear, unclear = np.flatnonzero(is_clear), np.flatnonzero(~is_clear)
        rest = sight(unit * tolerance[:, unclear], self.scale[:, unclear], self.buffers)
        return Sight(
            int(self.policy.live[clear].sum()) + rest.live,
            rest.blind,
            histogram(resolution[clear]) + rest.histogram,
        )

    def _compare(
        self,
        actual: Array,
        expected: Array,
        tolerance: Array,
        seen: Sight,
        unit: float,
        entries: int | None,
        about: str,
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
        )
