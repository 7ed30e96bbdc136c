"""The gradient as automatic differentiation has it: the operations of the loss, backwards.

What right code rounds is what it computes on the way, and that may be far more than what a
simplified gradient is made of: pi exp(log rho - log pi) is as large as rho where pi is 0. So this
is a model of other people's rounding; no check takes its value for the truth.
"""

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from operator import add
from typing import cast

from softcheck.gradient.composed.evaluate import Running
from softcheck.gradient.composed.interpret import interpret, perform
from softcheck.gradient.composed.running import ONE, ZERO, Rounded, number, precise
from softcheck.gradient.definition import Operation, Program


def gradient(program: Program, on: Running) -> Rounded:
    """Return the gradient by the logits of a loss, with the rounding of each of its steps."""
    return reduce(add, parts(program, on))


def parts(program: Program, on: Running) -> list[Rounded]:
    """Return what the softmax, the log-softmax and logsumexp hand to the logits, if they do.

    That is pi (h - sum pi h), W - pi sum W and kappa pi.
    """
    (h, W, kappa), pi = sides(program, on), on.softmax["policy"]
    found = []
    if h is not ZERO:
        found.append(pi * (h - on.sum(pi * h)))
    if W is not ZERO:
        found.append(W - pi * on.sum(W))
    if kappa is not ZERO:
        found.append(kappa * pi)
    return found


def sides(program: Program, on: Running) -> tuple[Rounded, Rounded, Rounded]:
    """Return h = dL/dpi, W = dL/dlog pi and kappa = dL/dlogsumexp, each beside the others.

    What the loss does not take has `ZERO`.
    """
    on = replace(on, units=-1.0)  # both cases of a tie have shares, which cancel one by one
    values = interpret(program, on)
    beside = [ZERO] * len(values)
    beside[-1] = ONE
    h, W, kappa = ZERO, ZERO, ZERO
    for n in reversed(range(len(values))):
        step, side = program.operations[n], beside[n]
        if not step.operands:
            match step.operator:
                case "policy":
                    h += side
                case "log_policy":
                    W += side
                case "logsumexp":
                    kappa += side
            continue
        operands = [values[operand] for operand in step.operands]
        for operand, share in zip(
            step.operands, _shares(step, operands, values[n], on), strict=True
        ):
            moved = side if share is None else side * share
            if step.by_action and not program.operations[operand].by_action:
                moved = on.sum(moved)
            beside[operand] = beside[operand] + moved
    return h, W, kappa


def _shares(
    step: Operation, operands: list[Rounded], value: Rounded, on: Running
) -> list[Rounded | None]:
    """Return by what an operation changes with each of its operands; None is 1."""
    x, y = operands[0], operands[-1]
    match step.operator:
        case "multiply":
            return [y, x]
        case "divide":
            return [ONE / y, -value / y]
        case "power":
            exponent = cast("int", step.of)
            lower = perform(Operation("power", of=exponent - 1), [x], on)
            return [number(Fraction(exponent)) * lower]
        case "exp":
            return [value]
        case "log":
            return [ONE / x]
        case "logsumexp":
            return [(x - value).exp()]
        case "sum" if x.value.ndim < 2:
            return [precise(on.size)]
        case "below":
            return [ZERO, ZERO]
        case "at" if x.value.ndim > 1:
            return [on.leaf(Operation("indicator", of=step.of, by_action=True))]
    return [None] * len(operands)
