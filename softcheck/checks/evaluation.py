"""A block of states with the quantities that its checks share, each computed when it is needed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from softcheck.checks.frame import Frame
from softcheck.checks.tally import Sight, Spot, Tally, compare, histogram, sight
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.definition import Program, Variant
from softcheck.gradient.family import Family
from softcheck.gradient.held import Held
from softcheck.gradient.kernel import Kernel, Once
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Flags,
    Indices,
    PerState,
    Policy,
    Quantity,
    States,
    sum_of_products,
)
from softcheck.gradient.tolerance import Bounds, Error, Precision, U

_BOTH = 2.0 * U  # both sides of a comparison may err


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
    loss : Variant or None
        None is discrete SAC.
    frame : Frame or None
        What of the gradient is to be drawn; None if nothing is.
    is_compiled : bool
        Whether ordinary blocks go through the compiled loop, which knows the loss.
    """

    places: int
    limit: int
    samples: int = 0
    seed: int = 0
    sample: Sequence[tuple[int, float]] = ()
    reduction: float = 1.0
    loss: Variant | None = None
    frame: Frame | None = None
    is_compiled: bool = False

    @property
    def equation(self) -> str:
        """What the gradient is called."""
        return "Eq. (6)" if self.loss is None else self.loss.equation or "the formula"


class Standing(Protocol):
    """Entries that stand for several actions each."""

    def legal_actions(self, row: int) -> Indices:
        """Return the actions of a state that are legal."""

    def entry_of(self, row: int, action: int) -> int:
        """Return the entry that stands for an action."""

    def action_of(self, row: int, entry: int) -> int:
        """Return the first action that an entry stands for."""

    def actions_of(self, row: int, entry: int) -> Indices:
        """Return all of them, in rising order."""


def kernel_of(block: Block, loss: Variant | None, buffers: Buffers, units: float = 1.0) -> Kernel:
    """Return a loss on a block; for `units` see `Composed`."""
    if loss is None:
        return Family(block, buffers)
    family = loss.family
    if family is not None and not family.are_held:
        return Family(block, buffers)
    summands = [each.part for each in loss.summands if isinstance(each.part, Program)]
    whole = Composed(loss.value, loss.slope, block, buffers, units, summands)
    if family is None or family.chosen is None:
        return whole
    return Held(block, buffers, whole, family.chosen, str(family.index))


@dataclass(frozen=True)
class Evaluation:
    """A block, and the quantities that its checks share.

    Attributes
    ----------
    block : Block
    start : int
        The number of the block's first state in the case.
    factor : PerState
        What multiplies the gradient of each state: reduction and weights, over the temperature that
        its logits were divided by.
    legal : Flags, or None where every action is legal
    dumps : mapping of check to Dump
    context : Context
    buffers : Buffers
    of_loss : PerState or None
        What reduction and weights multiply the loss of each state by; None is `factor`.
    standing : Standing or None
        For which actions entries stand, where these are several.
    anew : callable or None
        Makes the same block, in pieces of the usual size, as NumPy takes them, where it was laid
        out for the compiled loop; or some of its states, numbered from 0.
    checked : callable or None
        Makes the same block with its tables checked, where these were taken to be finite, which the
        compiled loop finds out.
    """

    block: Block
    start: int
    factor: PerState
    legal: Flags | None
    dumps: Mapping[str, Dump]
    context: Context
    buffers: Buffers
    of_loss: PerState | None = None
    standing: Standing | None = None
    anew: "Callable[[Indices | None], Iterator[Evaluation]] | None" = None
    checked: "Callable[[], Evaluation] | None" = None

    @property
    def actions(self) -> int:
        """How many actions a state has."""
        return self.buffers.actions(self.block.logits)

    @property
    def counts(self) -> Entries | float:
        """For how many actions each entry stands."""
        return 1.0 if self.block.repeats is None else self.block.repeats.counts

    def drawn(self, row: int, position: float) -> tuple[int, int]:
        """Return a legal action of a state and its entry; `position` is in [0, 1)."""
        if self.standing is None:
            actions = np.flatnonzero(np.isfinite(self.block.logits[:, row]))
        else:
            actions = self.standing.legal_actions(row)
        action = int(actions[int(position * actions.size)])
        return action, self.entry(row, action)

    def entry(self, row: int, action: int) -> int:
        """Return the entry that stands for an action of a state."""
        return action if self.standing is None else self.standing.entry_of(row, action)

    def action(self, row: int, entry: int) -> int:
        """Return the first action that an entry of a state stands for."""
        return entry if self.standing is None else self.standing.action_of(row, entry)

    def spots(self, spot: Spot) -> list[Spot]:
        """Return what was found of an entry as what it says of its actions, or of the first one.

        That one stands for all of them where nothing is wrong.
        """
        if self.standing is None or spot.state is None or spot.action is None:
            return [spot]
        at = spot.state - self.start, spot.action
        actions = self.standing.actions_of(*at) if spot.ratio > 1.0 else [self.action(*at)]
        return [spot._replace(action=int(action)) for action in actions]

    @Once
    def kernel(self) -> Kernel:
        """The loss."""
        dump = self.dumps.get("gradient")
        units = 1.0 if dump is None else dump.factor * dump.computed.tolerated / U
        return kernel_of(self.block, self.context.loss, self.buffers, units)

    @Once
    def policy(self) -> Policy:
        """The softmax quantities."""
        return self.kernel.policy

    @Once
    def bounds(self) -> Bounds:
        """The rounding of the gradient in float64, from the givens as they are."""
        return self.kernel.bounds

    @Once
    def scale(self) -> Entries:
        """What the gradient of each entry is made of."""
        return self.kernel.scale

    @Once
    def gradient(self) -> Entries:
        """The formula that was proved."""
        return self.kernel.gradient

    @property
    def shifts(self) -> bool:
        """Whether a shift of all logits of a state may move the loss."""
        loss = self.context.loss
        if loss is None or loss.family is not None:
            return self.block.zeta is not None
        return any(step.operator == "logsumexp" for step in loss.value.operations)

    def mean(self, x: Entries) -> States:
        """Return the expectation of x under the policy."""
        return sum_of_products(self.policy.pi, x, self.buffers)

    @property
    def legal_entries(self) -> int:
        """How many actions are legal in the block."""
        if self.legal is None:
            return self.block.rows * self.actions
        return self.buffers.number_in_all(self.legal)

    @Once
    def live_entries(self) -> int:
        """How many entries have a pi that is not 0."""
        return int(self.policy.live.sum())

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
        seen = next((seen for other, seen in self._sights if other is error), None)
        if seen is None:
            seen = self._sight(error)
            self._sights.append((error, seen))
        return self._compare(self.gradient, value, error.each, seen, _BOTH, None, about)

    @Once
    def _sights(self) -> list[tuple[Error, Sight]]:
        """What is seen within each error that was asked for: sides have some in common."""
        return []

    def _sight(self, error: Error) -> Sight:
        """Return what a comparison with `gradient` sees if either side errs by `error`.

        Entries are looked at only where `relative` does not show that none of a state is blind.
        """
        resolution = _BOTH * error.relative
        if resolution.max() < 1.0:
            return Sight(self.live_entries, 0, histogram(resolution))
        is_clear = resolution < 1.0
        clear, unclear = np.flatnonzero(is_clear), np.flatnonzero(~is_clear)
        buffers = self.buffers.of_states(unclear)
        rest = sight(_BOTH * error.each[:, unclear], self.scale[:, unclear], buffers)
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
