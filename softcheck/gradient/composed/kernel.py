"""Any loss that is a list of operations on a block of states, as the checks take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from softcheck.gradient.composed import adjoint, exact, shift
from softcheck.gradient.composed.evaluate import Running, finished, softmax_of
from softcheck.gradient.composed.interpret import interpret
from softcheck.gradient.composed.moved import Stepped
from softcheck.gradient.composed.running import Rounded, precise
from softcheck.gradient.composed.sizes import Sizes
from softcheck.gradient.definition import Program
from softcheck.gradient.kernel import Once, Sized
from softcheck.gradient.policy import (
    Block,
    Buffers,
    Entries,
    Policy,
    Some,
    States,
    evaluate,
    sum_over_actions,
)
from softcheck.gradient.tolerance import Bounds, Error, of_masked, summation

_ROOM = 2.0**20
"""A step that is shorter than it need be costs no digits: see `Composed.curvature`."""


@dataclass(frozen=True)
class Composed:
    """A loss of any form as a `softcheck.gradient.kernel.Kernel`.

    Attributes
    ----------
    loss, slope : Program
        A loss of a state, and its gradient by the logits of the block.
    block : Block
        Its logits and `data`.
    buffers : Buffers
    units : float
        What a dump may be off in units of its running error in float64: see `Running`.
    summands : sequence of Program
        The gradients of the terms of the loss.
    """

    loss: Program
    slope: Program
    block: Block
    buffers: Buffers
    units: float = 1.0
    summands: Sequence[Program] = ()

    @Once
    def policy(self) -> Policy:
        """The softmax quantities."""
        return evaluate(self.block, self.buffers)

    @property
    def _actions(self) -> int:
        """How many actions a state has."""
        return self.buffers.actions(self.policy.pi)

    @Once
    def near(self) -> Running:
        """Programs on what this block holds."""
        return self._running(far=False)

    @Once
    def far(self) -> Running:
        """The same from logits that had been rounded themselves."""
        return self._running(far=True)

    def _running(self, *, far: bool) -> Running:
        block, buffers = self.block, self.buffers
        legal = np.isfinite(block.logits) if self.policy.deep else None
        softmax = softmax_of(block, self.policy, legal, buffers, far=far)
        units = self.units if far else 1.0
        return Running(block.data, block.logits.shape, buffers, legal, softmax, units)

    @np.errstate(all="ignore")  # where nothing is known, the error says so
    def _steps(self, program: Program, on: Running) -> list[Rounded]:
        return interpret(program, on)

    def _finished(self, program: Program, found: Rounded) -> Rounded:
        shape = self.policy.pi.shape
        return finished(found, shape if program.by_action else shape[1:], self.near.legal)

    def _size(
        self,
        program: Program,
        values: Sequence[Rounded],
        *,
        centred: bool = True,
        weighted: bool = True,
        moved: bool = False,
    ) -> Entries:
        """Return the size of what a program's value is made of, 0 where unknown."""
        with np.errstate(all="ignore"):
            size = Sizes(self.near, self.policy, centred, weighted, moved).of(program, values)
        return self._finished(program, precise(size)).value

    @Once
    def _slope_steps(self) -> list[Rounded]:
        return self._steps(self.slope, self.near)

    @Once
    def _gradient(self) -> Rounded:
        return self._finished(self.slope, self._slope_steps[-1])

    @property
    def gradient(self) -> Entries:
        """The value of `slope`."""
        return self._gradient.value

    @Once
    def bounds(self) -> Bounds:
        """The running error of `gradient`."""
        error, slope = self._gradient.error, self._slope
        return Bounds(self._error(error), sum_over_actions(error, self.buffers), slope, slope)

    @Once
    def _slope(self) -> States:
        """The sum of |gradient|."""
        return sum_over_actions(np.abs(self.gradient), self.buffers)

    def _error(self, each: Entries) -> Error:
        with np.errstate(all="ignore"):
            relative = np.where(self.policy.pi > 0.0, each / self.scale, 0.0)
        return Error(each, relative.max(axis=0))

    @Once
    def scale(self) -> Entries:
        """The size of what `slope` is made of, and no less than the gradient of the state."""
        scale = np.maximum(self._size(self.slope, self._slope_steps), np.abs(self.gradient))
        return np.maximum(scale, self.policy.pi * self._slope, out=scale)

    @property
    def peak(self) -> States:
        """The largest scale of a state."""
        peak: States = self.scale.max(axis=0)
        return peak

    @property
    def row_sum(self) -> Sized:
        """By how much the loss changes with logsumexp alone, as a central difference."""
        bounds, scale = self.bounds, sum_over_actions(self.scale, self.buffers)
        rounding = bounds.total + summation(self._actions) * bounds.slope
        if all(step.operator != "logsumexp" or step.operands for step in self.loss.operations):
            return Sized(np.zeros(self.block.rows), rounding, scale)
        on = self.near
        h = np.array([shift.STEP])
        up, down = (self._stepped(Stepped(on, {"logsumexp": precise(t)})) for t in (h, -h))
        found = self._finished(self.loss, (up - down).times(0.5 / shift.STEP))
        left_out = sum_over_actions(self._left_out, self.buffers)
        return Sized(found.value, rounding + found.error + left_out, scale)

    @np.errstate(all="ignore")
    def _stepped(self, arithmetic: Stepped) -> Rounded:
        change = interpret(self.loss, arithmetic)[-1].change
        return precise(np.zeros(self.block.rows)) if change is None else change

    @property
    def value(self) -> Sized:
        """The value of `loss`."""
        steps = self._steps(self.loss, self.far)
        found = self._finished(self.loss, steps[-1])
        scale = np.maximum(self._size(self.loss, steps), np.abs(found.value))
        return Sized(found.value, found.error, scale)

    def complex_step(self) -> tuple[Entries, Error]:
        """See `shift.complex_step`."""
        return self._numeric(shift.complex_step(self.loss, self.near))

    def central_difference(self) -> tuple[Entries, Error]:
        """See `shift.central_difference`."""
        return self._numeric(shift.central_difference(self.loss, self.near))

    def _numeric(self, found: Rounded) -> tuple[Entries, Error]:
        found = self._finished(self.slope, found)
        return found.value, self._error(found.error + self._left_out)

    @Once
    def _left_out(self) -> Entries:
        """See `shift.TRUNCATION`."""
        size = self._size(self.slope, self._slope_steps, moved=True)
        return shift.TRUNCATION * np.maximum(size, self.scale)

    def change(self, step: Entries, longest: States) -> tuple[States, States]:
        """See `moved.Stepped`."""
        del longest  # what the steps do to the rounding is in the running error
        found = self._stepped(Stepped.by(precise(step), self.near))
        found = self._finished(self.loss, found)
        return found.value, found.error

    @property
    def curvature(self) -> States:
        """Far more than the norm of the Hessian of any loss whose sizes are those of its gradient.

        A change keeps its digits however small the step is, so room costs nothing.
        """
        curvature: States = _ROOM * sum_over_actions(self.scale, self.buffers)
        return curvature

    def exact(self, actions: Sequence[int]) -> list[float]:
        """See `exact.gradient`."""
        return exact.gradient(self.loss, self.block, actions)

    def summand(self, number: int, out: Entries) -> Entries:
        """Return the value of one of `summands`."""
        found = self._steps(self.summands[number], self.near)[-1]
        np.copyto(out, self._finished(self.slope, found).value)
        return out

    @property
    def dump_rounding(self) -> Entries:
        """The larger running error of `slope` and of `adjoint`, from logits that were rounded."""
        on = self.far
        with np.errstate(all="ignore"):
            backwards = self._finished(self.slope, adjoint.gradient(self.loss, on)).error
        forwards = self._finished(self.slope, self._steps(self.slope, on)[-1]).error
        return np.maximum(forwards, backwards, out=forwards)

    @property
    def left_where_masked(self) -> States:
        """See `tolerance.of_masked`; a log pi that was masked is the logarithm of that pi."""
        on = self.near
        with np.errstate(all="ignore"):
            h, W, _ = adjoint.sides(self.loss, on)
            each = np.abs(on.softmax["policy"].value * h.value) + np.abs(W.value)
            found = self._finished(self.loss, on.sum(precise(each)))
        size = np.where(np.isfinite(found.error), found.value, np.inf)
        return of_masked(summation(self._actions), size, 2.0 * size)

    @property
    def weight_of_underflow(self) -> States:
        """The largest entry of a state with each probability taken as 1."""
        each = self._size(self.slope, self._slope_steps, centred=False, weighted=False)
        weight: States = 2.0 * each.max(axis=0)
        return weight

    @property
    def offset(self) -> States:
        """0: what all log pi of a state share is part of `dump_rounding`."""
        return np.zeros(self.block.rows)

    def parts(self, states: Some) -> Entries:
        """See `tolerance.of_parts`: they are those of `adjoint`, and what each summand has."""
        on = self.near
        with np.errstate(all="ignore"):
            found = [*adjoint.parts(self.loss, on)]
            found += [self._steps(summand, on)[-1] for summand in self.summands]
            together: Entries = reduce(np.add, (np.abs(x.value) for x in found))
            size = self._finished(self.slope, precise(together))
        parts: Entries = 2.0 * size.value[:, states]
        return parts
