"""A block of states with the quantities that its checks share, each computed when it is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from softcheck import analytic
from softcheck import loss as soft_loss
from softcheck.policy import Array, Block, Buffers, Policy, evaluate, mean_over_actions
from softcheck.tally import Tally, compare
from softcheck.tolerance import TINY, Bounds, Precision, U, bounds


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
        """The sums of the loss."""
        return soft_loss.sums(self.block, self.policy, self.buffers)

    @cached_property
    def bounds(self) -> Bounds:
        """The rounding of Eq. (6) in float64, from the logits as they are."""
        return bounds(self.block, self.policy, self.loss, self.buffers)

    @cached_property
    def rounded_bounds(self) -> Bounds:
        """The same where the logits have been rounded, as for what was computed elsewhere."""
        return bounds(self.block, self.policy, self.loss, self.buffers, rounded_logits=True)

    @cached_property
    def gradient(self) -> Array:
        """Eq. (6), shape `(actions, rows)`."""
        return analytic.gradient(self.policy, self.buffers("gradient", self.policy.pi.shape))

    @cached_property
    def error(self) -> Array:
        """The bound on the rounding in `gradient`."""
        return self.bounds.of(U, TINY, self.buffers("error", self.policy.pi.shape))

    def at(self, block: Block) -> "Evaluation":
        """Return the evaluation of another block of the same states, beside this one."""
        return replace(self, block=block, dumps={}, buffers=self.buffers.nested)

    def mean(self, x: Array) -> Array:
        """Return the expectation of x under the policy, shape `(rows,)`."""
        return mean_over_actions(self.policy.pi, x, self.buffers)

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
        return compare(
            actual,
            expected,
            tolerance,
            scale,
            self.buffers,
            entries=self.legal_entries if entries is None else entries,
            start=self.start,
            limit=self.context.limit,
            about=about,
        )
