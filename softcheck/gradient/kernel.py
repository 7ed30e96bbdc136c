"""What the checks ask of a loss on a block of states, whatever the loss is.

Everything is per state and by the logits of the block. What multiplies a loss from outside (a
reduction, weights, one over a temperature that the logits were divided by) is not in here.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

from softcheck.gradient.policy import Block, Entries, Policy, Some, States
from softcheck.gradient.tolerance import Bounds, Error

_T = TypeVar("_T")


class Once(cached_property[_T]):
    """A `cached_property` for one thread: in Python 3.11 that has a lock, one for all instances."""

    def __init__(self, func: Callable[[Any], _T]) -> None:
        super().__init__(func)
        self.lock = nullcontext()

    def put(self, of: object, value: _T) -> None:
        """Have the value that is known of an object, which a changed copy of it has not."""
        vars(of)[self.func.__name__] = value


class Sized(NamedTuple):
    """A quantity of each state.

    Attributes
    ----------
    value : States
    rounding : States
        A bound on its error, in units of U.
    scale : States
        The size of what it is made of.
    """

    value: States
    rounding: States
    scale: States


class Kernel(Protocol):
    """A loss on a block: its gradient, what rounding does to that, and numeric derivatives.

    Arrays may be scratch (see `policy.Buffers`): what a method returns is valid until a method is
    called, attributes are valid until the next block.
    """

    @property
    def block(self) -> Block:
        """The givens."""

    @property
    def policy(self) -> Policy:
        """The softmax quantities of the block."""

    @property
    def gradient(self) -> Entries:
        """The proved formula of the gradient, 0 where an action is masked."""

    @property
    def bounds(self) -> Bounds:
        """The rounding of `gradient` in float64, the givens of the block taken as exact."""

    @property
    def scale(self) -> Entries:
        """What each entry is made of: where a tolerance is as large, nothing is seen."""

    @property
    def peak(self) -> States:
        """At most the largest `scale` of a state, and no less than a part of it."""

    @property
    def row_sum(self) -> Sized:
        """What `gradient` adds up to in a state: 0 where a shift of the logits moves no loss.

        `rounding` is that of the sum of `gradient` and of the value together.
        """

    @property
    def value(self) -> Sized:
        """The loss of each state.

        `rounding` is that of whoever computed it from logits that had been rounded themselves.
        """

    def complex_step(self) -> tuple[Entries, Error]:
        """Return Im L(theta + i h e_a) / h and a bound on its error and that of its inputs."""

    def central_difference(self) -> tuple[Entries, Error]:
        """Return (L(theta + h e_a) - L(theta - h e_a)) / 2h and a bound, likewise."""

    def change(self, step: Entries, longest: States) -> tuple[States, States]:
        """Return L(theta + step) - L(theta) and a bound on its error in units of U.

        It keeps its digits however small the step is. `longest` is at least |step| in each state.
        """

    @property
    def curvature(self) -> States:
        """Half of what bounds the norm of the Hessian until a logit has moved by 1/48."""

    def exact(self, actions: Sequence[int]) -> list[float]:
        """Return the derivatives by some logits to 40 digits; the block has one row.

        `actions` are legal and finite.
        """

    def summand(self, number: int, out: Entries) -> Entries:
        """Return the gradient of a term of the loss by itself in `out`; the last has no number."""

    # What right code elsewhere may lose beyond `bounds`, in units of its own U.

    @property
    def dump_rounding(self) -> Entries:
        """The rounding of a gradient computed from logits that had been rounded themselves."""

    @property
    def left_where_masked(self) -> States:
        """What may be left on a masked logit, see `tolerance.of_masked`."""

    @property
    def weight_of_underflow(self) -> States:
        """What the entries of a state may weigh a product by that became 0."""

    @property
    def offset(self) -> States:
        """What an error that all log pi of a state share is weighted by, beside pi.

        See `tolerance.of_normaliser`.
        """

    def parts(self, states: Some) -> Entries:
        """Return what the parts add up to, without signs, that a gradient may be added from.

        See `tolerance.of_parts`; (actions, len(states)).
        """
