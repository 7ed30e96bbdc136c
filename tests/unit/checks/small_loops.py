"""Loops that are compiled in a moment."""

from math import log2

from softcheck.checks.fused import compiled


@compiled
def add(x, factors, missing, total):
    """Add up rows, each multiplied by a factor."""
    total[0] = 0.0 if missing is None else 1e9
    for row in range(len(x)):
        for column in range(x.shape[1]):
            is_even, (scale, shift) = factors
            total[0] += scale * x[row, column] + (shift if is_even else 0)


@compiled
def last(x, size):
    """Return how long an array is along its last dimension."""
    size[0] = x.shape[x.ndim - 1]


@compiled
def of_the_system(x):
    """Call what is not in the machine code."""
    x[0] = log2(x[0])


@compiled
def that_raises(x):
    """Raise an error where a number is negative."""
    if x[0] < 0.0:
        raise ValueError
