"""Which entries of a state differ: one compiled pass over 16-bit logits and what was dumped."""

import numpy as np

from softcheck.checks.fused import inlined, kept

CODES = 2**16
"""How many values 16 bits have."""

_NONE = -1


@inlined
def _found(row, i, logits, dumped, dumps, first, following, steps):
    """Return the entry that an action repeats, if there is one, and how many were looked at."""
    entry = first[logits[row, i]]
    if dumped is not None:
        # A gradient is a function of the logit, but for its rounding: this ends at once.
        while entry != _NONE and dumps[row, entry] != dumped[row, i]:
            entry = following[entry]
            steps += 1
            if steps > logits.shape[1]:
                return _NONE, steps
    return entry, steps


@inlined
def _open(row, i, entry, logits, dumped, values, dumps, counts, entry_of):
    """Begin an entry with an action."""
    values[row, entry], counts[row, entry], entry_of[row, i] = logits[row, i], 1.0, entry
    if dumped is not None:
        dumps[row, entry] = dumped[row, i]


@inlined
def _state(row, logits, dumped, apart, entry_of, values, dumps, counts, first, following):
    """Find the entries of a state; return how many there are, or -1 where there is no room."""
    actions, (_, most) = logits.shape[1], values.shape
    size, low, steps = 0, 0, 0
    for k in range(apart.shape[1] + 1):
        high = apart[row, k] if k < apart.shape[1] else actions
        for i in range(low, high):
            entry, steps = _found(row, i, logits, dumped, dumps, first, following, steps)
            if entry != _NONE:
                counts[row, entry] += 1.0
                entry_of[row, i] = entry
                continue
            if size == most or steps > actions:
                return _NONE
            _open(row, i, size, logits, dumped, values, dumps, counts, entry_of)
            following[size], first[logits[row, i]] = first[logits[row, i]], size
            size += 1
        if low <= high < actions:
            if size == most:
                return _NONE
            _open(row, high, size, logits, dumped, values, dumps, counts, entry_of)
            size += 1
        low = max(low, high + 1)
    return size


@kept
def scan(logits, dumped, apart, entry_of, values, dumps, counts):
    """Find the entries of each state that differ in their bits, in the order of their first action.

    Parameters
    ----------
    logits : array of uint16, (rows, actions)
    dumped : array of unsigned integers, (rows, actions), or None
    apart : array of intp, (rows, any)
        Actions that share their entry with no other, in rising order.
    entry_of : array of uint16, (rows, actions)
        Receives which entry stands for each action.
    values, dumps : arrays as `logits` and `dumped`, (rows, most)
        Receive what the entries have, at most 65,535 of a state; those that a state has less than
        others are as one that stands for several actions.
    counts : array of float64, (rows, most)
        Receives how many actions each stands for.

    Returns
    -------
    int
        How many entries a state has at the most; or -1 where that is more than there is room for,
        or where too many have one logit to look through.
    """
    rows, largest = len(logits), 0
    first = np.full(CODES, _NONE, np.int32)
    following = np.empty(values.shape[1], np.int32)
    sizes = np.empty(rows, np.intp)
    for row in range(rows):
        size = _state(row, logits, dumped, apart, entry_of, values, dumps, counts, first, following)
        if size == _NONE:
            return _NONE
        for entry in range(size):
            first[values[row, entry]] = _NONE
        sizes[row], largest = size, max(size, largest)
    for row in range(rows):
        like = 0
        while like < sizes[row] - 1 and counts[row, like] == 1.0:
            like += 1
        for entry in range(sizes[row], largest):
            values[row, entry], counts[row, entry] = values[row, like], 0.0
            if dumped is not None:
                dumps[row, entry] = dumps[row, like]
    return largest
