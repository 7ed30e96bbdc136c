"""The size of what a program's value is made of: its formula over magnitudes, nothing cancels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import numpy as np

from softcheck.gradient.composed.evaluate import Running
from softcheck.gradient.composed.running import Numbers, Rounded, precise
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import Policy, sum_of_products


@dataclass(frozen=True, slots=True)
class Sizes:
    """Programs over magnitudes.

    Attributes
    ----------
    on : Running
    policy : Policy
    centred : bool
        Whether a table counts by how far it is from its mean under the policy, and by the mean of
        that: an offset that all actions share moves few losses.
    weighted : bool
        Whether a probability counts as itself. If not it and any exponential count as 1, and of a
        sum its largest term: what becomes of a number that underflowed.
    moved : bool
        Whether a logarithm counts as 1 at least: where it is 0, a move of a logit changes it.
    """

    on: Running
    policy: Policy
    centred: bool = True
    weighted: bool = True
    moved: bool = False

    def of(self, program: Program, values: Sequence[Rounded]) -> Numbers:
        """Return the size of a program's value from the values of its steps."""
        sizes: list[Numbers] = []
        for step, value in zip(program.operations, values, strict=True):
            of = [(sizes[n], np.abs(values[n].value)) for n in step.operands]
            sizes.append(self._size(step, of, value))
        return sizes[-1]

    def _size(self, step: Operation, of: list[tuple[Numbers, Numbers]], value: Rounded) -> Numbers:
        """Return the size of a step from the sizes and the magnitudes of its operands."""
        if not of:
            size = self._leaf(step, value.value)
            is_logarithm = self.moved and step.operator in ("log_policy", "logsumexp")
            return np.maximum(size, 1.0) if is_logarithm else size
        (first, magnitude), own = of[0], np.abs(value.value)
        match step.operator:
            case "add" | "multiply" as operator:
                together: Numbers = reduce(getattr(np, operator), (size for size, _ in of))
                return together
            case "divide":
                return first / of[1][1]
            case "power" if cast("int", step.of) > 0:
                return first ** cast("int", step.of)
            case "below":  # where it is 0, so is nothing that it is decided from
                return np.ones_like(own)
            case "log":  # where it is 0, what it is of is not
                return own + first / magnitude
            case "logsumexp":
                return own + 1.0
            case "sum":
                single = self.weighted or first.ndim < 2
                return (self.on.sum if single else self.on.highest)(precise(first)).value
            case "at":
                return self.on.at(precise(first), str(step.of)).value
        # It is a power, or an exponential.
        return own if self.weighted else np.maximum(own, 1.0)

    def _leaf(self, step: Operation, value: Numbers) -> Numbers:
        match step.operator:
            case "given" if self.centred and step.by_action:
                apart = np.abs(value - self._mean(value))
                return apart + self._mean(apart)
            case "policy" if not self.weighted:
                return np.ones_like(value)
            case "logsumexp":
                return self.policy.log_Z + np.abs(self.policy.highest)
        return np.abs(value)

    def _mean(self, x: Numbers) -> Numbers:
        return sum_of_products(self.policy.pi, x, self.on.buffers)
