"""Adversarial states of the family and their gradients, by arithmetic that is not the tool's."""

import mpmath
import numpy as np
from hypothesis import strategies as st
from states import DIGITS

from softcheck.gradient.policy import Block, Target

KINDS = ("any", "near", "saturated", "equal", "lse = 0", "y = pi")
TARGETS = ("none", "chosen", "dense", "sparse", "signed", "smoothed", "all")


@st.composite
def blocks(draw, max_actions=64):
    """Draw blocks of one state over the whole range that the tolerances are promised for."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    actions = draw(st.integers(1, max_actions))
    return make(generator, actions, draw(st.sampled_from(KINDS)), draw(st.sampled_from(TARGETS)))


def make(generator, actions, kind, target):
    """Make a block of one state; what it holds of q, alpha and zeta is drawn."""
    soft, square = generator.random(2) < 0.5
    logits = generator.normal(size=actions) * 10.0 ** generator.uniform(-3, 3)
    logits += generator.choice([0.0, 1.0, -30.0, 1e3, -1e6, 1e6])
    q, alpha = np.zeros(actions), 0.0
    if soft:
        q = generator.normal(size=actions) * 10.0 ** generator.uniform(-4, 9)
        q += generator.choice([0.0, 10.0 ** generator.uniform(-4, 9)])
        alpha = generator.choice([0.0, 1.0, -1.0]) * 10.0 ** generator.uniform(-6, 3)
    if kind == "near" and alpha:
        logits = q / alpha + generator.normal(size=actions) * 10.0 ** generator.uniform(-12, -3)
    elif kind == "saturated":
        logits[generator.integers(actions)] += 10.0 ** generator.uniform(1, 3)
    elif kind == "equal":
        logits[:] = logits[0]
    hidden = generator.random(actions) < generator.choice([0.0, 0.0, 0.3, 0.9])
    hidden[generator.integers(actions)] = False
    if kind == "lse = 0":
        top = logits[~hidden].max()
        logits -= top + np.log(np.exp(logits[~hidden] - top).sum())
    q[hidden], logits[hidden] = 0.0, -np.inf
    zeta = generator.choice([1.0, -1.0]) * 10.0 ** generator.uniform(-6, 0, size=1)
    return Block(
        column(q) if soft else np.broadcast_to(0.0, (actions, 1)),
        column(logits),
        np.array([alpha]),
        bool(soft),
        None if target == "none" else _target(generator, logits, ~hidden, kind, target),
        zeta if square else None,
    )


def _target(generator, logits, legal, kind, target):
    actions, size = len(logits), 10.0 ** generator.uniform(-6, 6)
    dense = uniform = index = chosen = None
    if target in {"chosen", "smoothed", "all"}:
        index = generator.choice(np.flatnonzero(legal), size=1)
        chosen = size * generator.choice([1.0, -1.0, 0.9, 0.0], size=1)
    if target in {"smoothed", "all"}:
        uniform = size * generator.choice([0.1, -0.1, 0.01], size=1) / actions
    if target in {"dense", "sparse", "signed", "all"}:
        dense = generator.normal(size=actions) if target == "signed" else generator.random(actions)
        if kind == "y = pi":
            dense = np.exp(logits - logits.max())
        elif target == "sparse":
            dense *= generator.random(actions) < 0.3
        dense = np.where(legal, dense, 0.0)
        dense = column(size * dense / (abs(dense.sum()) or 1.0))
    return Target(actions, dense, uniform, column(legal), index, chosen)


def column(x):
    """Return what a state has of each action as a block."""
    return x[:, np.newaxis].copy()


class Truth:
    """A block of one state at 80 digits."""

    def __init__(self, block):
        self.context = context = mpmath.mp.clone()
        context.dps = DIGITS
        self.actions = len(block.logits)
        self.legal = legal = np.flatnonzero(np.isfinite(block.logits[:, 0])).tolist()
        number = lambda array: context.mpf(0 if array is None else float(array[0]))  # noqa: E731
        entries = lambda table: [context.mpf(float(table[a, 0])) for a in legal]  # noqa: E731
        self.theta, self.q = entries(block.logits), entries(block.q)
        self.alpha, self.zeta = number(block.alpha), number(block.zeta)
        self.y = [context.mpf(0)] * len(legal)
        if (y := block.target) is not None:
            dense = self.y if y.dense is None else entries(y.dense)
            index = None if y.index is None else int(y.index[0])
            self.y = [
                dense[i] + number(y.uniform) + (number(y.chosen) if legal[i] == index else 0)
                for i in range(len(legal))
            ]

    def loss(self, step=None):
        """Return the loss from its definition, after the logits moved by `step`."""
        context, theta = self.context, self.theta
        if step is not None:
            moves = [context.mpf(float(step[a])) for a in self.legal]
            theta = [t + move for t, move in zip(theta, moves, strict=True)]
        top = max(theta)
        s = top + context.log(context.fsum(context.exp(t - top) for t in theta))
        log_pi = [t - s for t in theta]
        return (
            context.fsum(
                -context.exp(p) * (q - self.alpha * p) - y * p
                for p, q, y in zip(log_pi, self.q, self.y, strict=True)
            )
            + self.zeta * s**2
        )

    def gradient(self):
        """Return pi (sum pi u - u) + (sum y + 2 zeta s) pi - y, u = q - alpha z; floats."""
        context, top = self.context, max(self.theta)
        z = [t - top for t in self.theta]
        w = [context.exp(x) for x in z]
        Z = context.fsum(w)
        s = top + context.log1p(Z - 1)
        u = [q - self.alpha * x for q, x in zip(self.q, z, strict=True)]
        level = context.fsum(a * b for a, b in zip(w, u, strict=True)) / Z
        level += context.fsum(self.y) + 2 * self.zeta * s
        found = np.zeros(self.actions)
        found[self.legal] = [
            float(a / Z * (level - b) - y) for a, b, y in zip(w, u, self.y, strict=True)
        ]
        return found
