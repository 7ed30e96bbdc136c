"""Softmax quantities of a block of states: log pi, pi, g, V and what they are made of.

A block holds `rows` states as arrays of shape `(actions, rows)`: actions first, so that every
sum over actions adds contiguous rows. All arithmetic is float64.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

FLOOR = -750.0
"""Shifted logits end here: exp of anything below -745.2 is 0, and 0 times finite stays 0."""


class Buffers:
    """Scratch arrays of one thread, by name, kept from block to block.

    An array is valid until the same name is asked for again; its content is then arbitrary.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._nested: Buffers | None = None

    @property
    def nested(self) -> "Buffers":
        """Further buffers with names of their own, for a second block beside the first."""
        if self._nested is None:
            self._nested = Buffers()
        return self._nested

    def __reduce__(self) -> tuple[type["Buffers"], tuple[()]]:
        """Leave the arrays behind: nothing in them is meant for another process."""
        return Buffers, ()

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return a contiguous array of `shape`, allocated only if it has outgrown the last one."""
        size = math.prod(shape)
        flat = self._arrays.get(name)
        if flat is None or flat.size < size:
            flat = self._arrays[name] = np.empty(size)
        return flat[:size].reshape(shape)


@dataclass(frozen=True, slots=True)
class Block:
    """The givens of `rows` states.

    Attributes
    ----------
    q, logits : Array, shape (actions, rows)
        Finite at legal actions; at a masked action q is 0 and the logit is -inf.
    alpha : Array, shape (rows,)
        The temperature, finite and >= 0.
    """

    q: Array
    logits: Array
    alpha: Array


@dataclass(frozen=True, slots=True)
class Policy:
    """The softmax policy of a block and its soft values.

    Attributes
    ----------
    z, w, pi, log_pi : Array, shape (actions, rows)
        z = logits - max (at least `FLOOR`), w = exp z, pi = w / Z, log pi = z - log Z.
    Z, log_Z : Array, shape (rows,)
        Z = sum w, in [1, actions].
    g : Array, shape (actions, rows)
        Q - alpha log pi.
    value : Array, shape (rows,)
        V = sum pi g.
    """

    z: Array
    w: Array
    pi: Array
    log_pi: Array
    Z: Array
    log_Z: Array
    g: Array
    value: Array


def sum_over_actions(x: Array, buffers: Buffers) -> Array:
    """Sum an `(actions, rows)` array over its actions, pairwise, into a new `(rows,)` array.

    The error grows with log2 of the number of actions (Higham, *Accuracy and Stability of
    Numerical Algorithms*, section 4.2), and the order of the additions does not depend on the
    number of rows.
    """
    count = x.shape[0]
    if count == 1:
        return np.array(x[0])
    half = count // 2
    kept = count - half
    tree = buffers("sum", (kept, x.shape[1]))
    np.add(x[:half], x[kept:], out=tree[:half])
    if kept > half:
        tree[half] = x[half]
    while kept > 1:
        half = kept // 2
        tree[:half] += tree[kept - half : kept]
        kept -= half
    return np.array(tree[0])


def mean_over_actions(pi: Array, x: Array, buffers: Buffers) -> Array:
    """Return sum_a pi(a) x(a), shape `(rows,)`: the expectation of x under the policy."""
    product = np.multiply(pi, x, out=buffers("product", x.shape))
    return sum_over_actions(product, buffers)


def evaluate(block: Block, buffers: Buffers) -> Policy:
    """Return the policy and soft values of `block`."""
    shape = block.logits.shape

    def buffer(quantity: str) -> Array:
        return buffers(f"policy.{quantity}", shape)

    z = np.subtract(block.logits, block.logits.max(axis=0), out=buffer("z"))
    np.maximum(z, FLOOR, out=z)
    w = np.exp(z, out=buffer("w"))
    Z = sum_over_actions(w, buffers)
    log_Z = np.log(Z)
    log_pi = np.subtract(z, log_Z, out=buffer("log_pi"))
    pi = np.divide(w, Z, out=buffer("pi"))
    g = np.multiply(log_pi, block.alpha, out=buffer("g"))
    np.subtract(block.q, g, out=g)
    value = mean_over_actions(pi, g, buffers)
    return Policy(z, w, pi, log_pi, Z, log_Z, g, value)
