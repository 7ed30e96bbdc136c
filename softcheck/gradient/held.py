"""A loss whose gradient is that of one of the family with a coefficient held constant.

A function f of log pi(j) has the gradient f'(log pi(j)) (1{a = j} - pi(a)): that of -y(j) log pi(j)
with y(j) = -f' once that has been computed. So the ratio, the clip and the divergence of PPO and
GRPO make a number of each state, and the family knows the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np

from softcheck.gradient.composed import adjoint, shift
from softcheck.gradient.composed.evaluate import Running, entry, of_one_action
from softcheck.gradient.composed.interpret import interpret
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.composed.pair import Change
from softcheck.gradient.composed.running import Rounded
from softcheck.gradient.composed.sizes import Sizes
from softcheck.gradient.definition import Program
from softcheck.gradient.family import Family
from softcheck.gradient.kernel import Once, Sized
from softcheck.gradient.policy import Block, Buffers, Entries, Policy, Rough, States, Target


def of_chosen(
    block: Block, policy: Policy, index: str, actions: int, *, far: bool = False, units: float = 1.0
) -> Running:
    """Return programs of the one action that a loss names, as if it were the only one.

    What a loss adds to that, such as an entropy, does not matter to a derivative by its log pi.

    Parameters
    ----------
    block : Block
        Its logits and `data`.
    policy : Policy
    index : str
        The array that holds the number of the action.
    actions : int
        How many a state has.
    far : bool
        Whether logits had been rounded themselves.
    units : float
        See `Running`.
    """
    at = block.data[index]
    data = {name: entry(x, at)[np.newaxis] if x.ndim > 1 else x for name, x in block.data.items()}
    softmax = of_one_action(block, policy, at, actions, far=far)
    shape = 1, block.rows
    return Running(data | {index: np.zeros_like(at)}, shape, Buffers(), None, softmax, units)


class Coefficient(NamedTuple):
    """A number of each state that was computed.

    Attributes
    ----------
    value, error : States
        The error is in units of U; where the value is no finite number it is 0, and unknown.
    size : States
        That of what it is made of.
    """

    value: States
    error: States
    size: States


@np.errstate(all="ignore")
def coefficient(program: Program, on: Running, policy: Policy) -> Coefficient:
    """Return the value of a program of one action."""
    steps = interpret(program, on)
    size = Sizes(on, policy, centred=False).of(program, steps)
    found = steps[-1].value, steps[-1].error, np.maximum(size, np.abs(steps[-1].value))
    value, error, size = (np.broadcast_to(x, on.shape[1:]) for x in found)
    known = np.isfinite(value) & np.isfinite(error) & np.isfinite(size)
    none = np.where(known, value, 0.0), np.where(known, error, np.inf), np.where(known, size, 0.0)
    return Coefficient(*none)


@dataclass(frozen=True)
class Held(Family):
    """A block as a `kernel.Kernel`.

    Its numeric derivatives and its descent are those of the loss with the coefficient held, which
    has derivatives of its own.

    Attributes
    ----------
    whole : Composed
        The loss as it is, on the same block.
    chosen : Program
        y at the action that the loss names.
    index : str
        The array that holds its number.
    """

    whole: Composed
    chosen: Program
    index: str

    @property
    def value(self) -> Sized:
        """The value of the loss as it is."""
        return self.whole.value

    def exact(self, actions: Sequence[int]) -> list[float]:
        """Return derivatives of the loss as it is, see `composed.exact`."""
        return self.whole.exact(actions)

    @property
    def coefficient(self) -> Coefficient:
        """The coefficient, with the rounding of the block's own logits."""
        y, error = cast("Target", self.block.target), cast("Target", self._rough.target)
        return Coefficient(*(cast("States", x) for x in (y.chosen, error.chosen, y.of_chosen)))

    @property
    def _rough(self) -> Rough:
        return cast("Rough", self.block.rough)

    def coefficient_by(self, method: shift.Method[Change]) -> Rounded:
        """Return the coefficient as a numeric derivative of the loss."""
        on = of_chosen(self.block, self.policy, self.index, self._actions)
        found = shift.by_log_policy(self.whole.loss, on, method)
        return Rounded(-found.value, found.error + self._left_out)

    @Once
    def _left_out(self) -> States:
        """See `shift.TRUNCATION`."""
        on = of_chosen(self.block, self.policy, self.index, self._actions)
        with np.errstate(all="ignore"):
            steps = interpret(self.chosen, on)
            size = Sizes(on, self.policy, centred=False, moved=True).of(self.chosen, steps)
        return shift.TRUNCATION * np.where(np.isfinite(size), size, 0.0)

    def add_rough(self, rough: Rough, out: Entries) -> None:
        """See `Family.add_rough`; of a coefficient that nobody knows nothing is."""
        super().add_rough(rough, out)
        unknown = np.isinf(cast("States", cast("Target", rough.target).chosen))
        out[:, unknown] = np.inf

    @property
    def of_coefficient(self) -> Entries:
        """What the rounding of the coefficient does to the gradient, in units of U."""
        out = np.zeros_like(self.policy.pi)
        self.add_rough(self._rough, out)
        return out

    @Once
    def rough(self) -> Rough:
        """How far the coefficient may be off that was computed by its formula, or backwards."""
        block, units = self.block, self.whole.units
        on = of_chosen(block, self.policy, self.index, self._actions, far=True, units=units)
        with np.errstate(all="ignore"):
            _, W, _ = adjoint.sides(self.whole.loss, on)
        backwards = np.where(np.isnan(W.error), np.inf, W.error).reshape(-1)
        error = np.maximum(coefficient(self.chosen, on, self.policy).error, backwards)
        y = cast("Target", self._rough.target)
        return replace(self._rough, target=replace(y, chosen=error))
