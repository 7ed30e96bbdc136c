"""The gradient as the appendix's expectation, estimated by drawing actions from the policy.

    dL/dtheta_a = E_{a' ~ pi} [ -(1{a' = a} - pi(a)) g(a') ]

Each state has a random stream of its own, so an estimate does not depend on which states were
drawn together.
"""

from math import log

import numpy as np

from softcheck.gradient.policy import Buffers, Entries, Policy, sum_of_products

FAMILY_ERROR = 1e-6
"""The chance that a right gradient leaves any of the confidence intervals of a case."""


def gradient(
    policy: Policy, start: int, samples: int, seed: int, intervals: int, buffers: Buffers
) -> tuple[Entries, Entries]:
    """Return the mean over `samples` draws a state and how far it may be from its expectation.

    The interval is Bernstein's: a mean of N draws with variance s2 that are never further than
    b from their expectation leaves b l / 3N + sqrt((b l / 3N)^2 + 2 s2 l / N) with probability
    at most 2 exp(-l); l = log(2 intervals / FAMILY_ERROR) makes that hold for all at once.

    Parameters
    ----------
    policy : Policy
    start : int
        The number of the block's first state in its case.
    samples : int
        Draws a state, N >= 1.
    seed : int
        Of the whole run.
    intervals : int
        How many the case has.
    buffers : Buffers

    Returns
    -------
    value, error : Entries
    """
    pi, g = policy.pi, policy.g
    shape = pi.shape
    frequency = buffers("sampled.frequency", shape)
    for row in range(shape[1]):
        generator = np.random.Generator(np.random.Philox(key=(seed, start + row)))
        frequency[:, row] = generator.multinomial(samples, pi[:, row] / pi[:, row].sum())
    frequency /= samples

    mean_g = sum_of_products(frequency, g, buffers)
    value = np.subtract(mean_g * pi, frequency * g, out=buffers("sampled.value", shape))

    # A draw is X(a') = pi_a g(a') - 1{a' = a} g(a): its first two moments and its range.
    square = sum_of_products(pi, g * g, buffers)
    mean = pi * (policy.value - g)
    second = pi * pi * (square - pi * g * g) + pi * ((1.0 - pi) * g) ** 2
    variance = np.maximum(second - mean * mean, 0.0)
    live = pi > 0
    largest = np.where(live, np.abs(g), 0.0).max(axis=0)
    spread = 2.0 * np.maximum(pi * largest, (1.0 - pi) * np.abs(g))
    level = log(2.0 * intervals / FAMILY_ERROR)
    drift = spread * level / (3.0 * samples)
    error = drift + np.sqrt(drift * drift + 2.0 * variance * level / samples)
    return value, np.where(live, error, 0.0)
