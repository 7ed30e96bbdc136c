"""The arrays of a case to a block of its loss, with the coefficients that they make."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from softcheck.gradient.composed.evaluate import evaluate
from softcheck.gradient.definition import Coefficients, Program, Variant
from softcheck.gradient.held import Coefficient, coefficient, of_chosen
from softcheck.gradient.policy import Block, Buffers, Entries, Flags, Rough, Target
from softcheck.gradient.policy import evaluate as evaluated


def block_of(
    loss: Variant,
    data: Mapping[str, Any],
    constant: Collection[str],
    logits: Entries,
    legal: Flags | None,
    buffers: Buffers,
) -> Block:
    """Return a block of a loss.

    Parameters
    ----------
    loss : Variant
    data : mapping of str to array
        All that it is given, by name: `Quantity`, 0 where an action is masked, or the numbers of
        legal actions.
    constant : collection of str
        What is one number for the whole case.
    logits : Entries
        Divided by the temperature, if there is one.
    legal : Flags, or None where every action is legal
    buffers : Buffers
    """
    family, held = loss.family, None
    if family is None or family.are_held:
        none = np.broadcast_to(0.0, logits.shape)
        block = Block(none, logits, np.zeros(1), soft=False, data=data)
        if family is None:
            return block
        policy = evaluated(block, buffers)
        on = of_chosen(block, policy, str(family.index), buffers.actions(logits))
        held = partial(coefficient, on=on, policy=policy)
    made = _Made(data, constant, logits, legal, buffers, held)
    parts = [each.part for each in loss.summands[:-1] if isinstance(each.part, Coefficients)]
    block = made.block(family)
    return replace(block, data={} if held is None else data, summands=tuple(map(made.block, parts)))


@dataclass(frozen=True)
class _Made:
    """What the coefficients of the family are made of."""

    data: Mapping[str, Any]
    constant: Collection[str]
    logits: Entries
    legal: Flags | None
    buffers: Buffers
    held: Callable[[Program], Coefficient] | None

    def block(self, family: Coefficients) -> Block:
        """Return the block of some coefficients."""
        shape = self.logits.shape
        q, rough_q = self._evaluated(family.q)
        alpha, rough_alpha = self._evaluated(family.alpha)
        zeta, rough_zeta = self._evaluated(family.zeta)
        rest, rough_rest = self._evaluated(family.rest)
        target, rough_target = self._target(family)
        soft = q is not None or alpha is not None
        errors = (rough_q, rough_alpha, rough_target, rough_zeta, rough_rest)
        return Block(
            np.broadcast_to(0.0, shape) if q is None else q,
            self.logits,
            np.zeros(1) if alpha is None else alpha,
            soft,
            target,
            zeta,
            rest,
            None if all(error is None for error in errors) else Rough(*errors),
        )

    def _target(self, family: Coefficients) -> tuple[Target | None, Target | None]:
        """Return y and its error."""
        dense, uniform = map(self._evaluated, (family.target, family.uniform))
        *chosen, size = self._chosen(family.chosen)

        def target(which: int, of_chosen: Any = None) -> Target | None:
            found = (dense[which], uniform[which], chosen[which])
            if all(part is None for part in found):
                return None
            legal = None if found[1] is None else self.legal
            index = None if found[2] is None else self.data[str(family.index)]
            actions = self.buffers.actions(self.logits)
            return Target(actions, found[0], found[1], legal, index, found[2], of_chosen)

        return target(0, size), target(1)

    def _chosen(self, program: Program | None) -> tuple[Any, Any, Any]:
        """Return a coefficient and its error, and the size of what it is made of if it is held."""
        if self.held is not None and program is not None and program.takes_policy:
            return self.held(program)
        return *self._evaluated(program), None

    def _evaluated(self, program: Program | None) -> tuple[Any, Any]:
        """Return a coefficient and its error in units of U; None is 0.

        A number of the whole case that is 0 is none: an option that was not chosen.
        """
        if program is None:
            return None, None
        constant = program.names <= {*self.constant}
        (first, *others) = program.operations
        if first.operator == "given" and not others:
            value, error = self.data[str(first.of)], None
        else:
            made = evaluate(program, self.data, self.logits.shape, self.buffers, legal=self.legal)
            value, error = made.value, made.error
            if constant and not any(step.operator == "size" for step in program.operations):
                value, error = value[..., :1], error[..., :1]
        return (None, None) if constant and not value.any() else (value, error)
