"""The gradient of the family as it is printed and proved; Eq. (6) is that without y and zeta."""

import numpy as np

from softcheck.gradient.policy import Block, Buffers, Entries, Number, Policy, States, Target, fill


def gradient(
    policy: Policy, r: States | None, target: Target | None, buffers: Buffers, out: Entries
) -> Entries:
    """Return dL/dtheta_a = -pi(a) (g(a) - V) + r pi(a) - y(a) in `out`; without r, Eq. (6)."""
    level = policy.value if r is None else policy.value + r
    fill(out, of_entry, policy.pi, policy.g, level)
    if target is not None:
        target.add_to(out, -1.0, buffers)
    return out


def of_entry(pi: Number, g: Number, level: Number) -> Number:
    """Return pi(a) (level - g(a)), level = V + r: the gradient by a logit, but for y."""
    return (level - g) * pi


def linear(block: Block, policy: Policy, buffers: Buffers) -> States | None:
    """Return r = sum y + 2 zeta logsumexp; None where the loss has no y and no zeta."""
    r: States | None = None
    if block.target is not None:
        r = block.target.total(buffers) + np.zeros(block.rows)
    if block.zeta is not None:
        of_square = 2.0 * block.zeta * policy.logsumexp
        r = of_square if r is None else r + of_square
    return r
