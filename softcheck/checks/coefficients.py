"""The arrays of a case to a block of its loss, with the coefficients that they make."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from softcheck.gradient.composed.evaluate import evaluate
from softcheck.gradient.definition import Coefficients, Program, Variant
from softcheck.gradient.policy import Block, Buffers, Entries, Flags, Rough, Target


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
    if loss.family is None:
        none = np.broadcast_to(0.0, logits.shape)
        return Block(none, logits, np.zeros(1), soft=False, data=data)
    made = _Made(data, constant, logits, legal, buffers)
    parts = [each.part for each in loss.summands[:-1] if isinstance(each.part, Coefficients)]
    return replace(made.block(loss.family), summands=tuple(map(made.block, parts)))


@dataclass(frozen=True)
class _Made:
    """What the coefficients of the family are made of."""

    data: Mapping[str, Any]
    constant: Collection[str]
    logits: Entries
    legal: Flags | None
    buffers: Buffers

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
        parts = (family.target, family.uniform, family.chosen)
        dense, uniform, chosen = (self._evaluated(part) for part in parts)

        def target(which: int) -> Target | None:
            found = (dense[which], uniform[which], chosen[which])
            if all(part is None for part in found):
                return None
            legal = None if found[1] is None else self.legal
            index = None if found[2] is None else self.data[str(family.index)]
            return Target(
                self.buffers.actions(self.logits), found[0], found[1], legal, index, found[2]
            )

        return target(0), target(1)

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
