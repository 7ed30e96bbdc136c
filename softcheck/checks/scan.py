"""Which entries of a state differ: one compiled pass over 16-bit logits and what was dumped."""

from softcheck.checks.fused import compiled, inlined

_NONE = -1


@inlined
def _again(entry, dump, dumps, following):
    """Return the entry that a logit has with another dump, _NONE without one, and where it ends."""
    last, steps = entry, 0
    while entry != _NONE and dumps[entry] != dump:
        last, entry = entry, following[entry]
        steps += 1
    return entry, last, steps


@inlined
def _run(logits, dumped, low, size, steps, values, dumps, counts, actions,
         first, times, met, following):  # fmt: skip
    """Go on with actions of a state from `low` on; return how many entries there are, and steps.

    It ends with -1 where there is no room for an entry, or no step is left.

    `first` is the entry that a logit was met in, `times` how often it was with what was `met` then:
    a gradient is a function of the logit, but for its rounding.
    """
    for i in range(len(logits)):  # from 0 on: an index that may be negative takes as long again
        code = logits[i]
        is_new = times[code] == 0
        if not is_new and (dumped is None or met[code] == dumped[i]):
            times[code] += 1
            continue
        last = _NONE
        if not is_new and dumped is not None:
            entry, last, more = _again(first[code], dumped[i], dumps, following)
            steps -= more
            if entry != _NONE and steps >= 0:
                counts[entry] += 1.0
                continue
        if size == len(values) or steps < 0:
            return _NONE, steps
        values[size], actions[size], following[size] = code, low + i, _NONE
        if dumped is not None:
            dumps[size] = dumped[i]
        if is_new:
            first[code], times[code], counts[size] = size, 1, 0.0
            if dumped is not None:
                met[code] = dumped[i]
        else:
            following[last], counts[size] = size, 1.0
        size += 1
    return size, steps


@inlined
def _state(logits, dumped, apart, opened, values, dumps, counts, actions,
           first, times, met, following):  # fmt: skip
    """Find the entries of a state; return how many there are, or -1 where there is no room."""
    size, low, steps = 0, 0, len(logits)
    for k in range(len(apart) + 1):
        high = apart[k] if k < len(apart) else len(logits)
        of_run = None if dumped is None else dumped[low:high]
        size, steps = _run(
            logits[low:high], of_run, low, size, steps,
            values, dumps, counts, actions, first, times, met, following,
        )  # fmt: skip
        if size == _NONE:
            return _NONE
        if low <= high < len(logits):
            if size == len(values):
                return _NONE
            values[size], counts[size], actions[size] = logits[high], 1.0, high
            if dumped is not None:
                dumps[size] = dumped[high]
            size += 1
        if k < len(apart):
            opened[k] = size - 1
        low = max(low, high + 1)
    for entry in range(size):
        if counts[entry] == 0.0:
            counts[entry], times[values[entry]] = times[values[entry]], 0
    return size


@inlined
def _spread(start, size, to, largest, values, dumps, counts, actions):
    """Move the entries of a state to where they are to lie, no nearer, and fill up what is left."""
    like = 0
    while like < size - 1 and counts[start + like] == 1.0:
        like += 1
    for i in range(largest - 1, -1, -1):
        entry = start + (i if i < size else like)
        values[to + i], actions[to + i] = values[entry], actions[entry]
        counts[to + i] = counts[entry] if i < size else 0.0
        if dumps is not None:
            dumps[to + i] = dumps[entry]


@compiled
def scan(logits, dumped, apart, opened, values, dumps, counts, actions,
         first, times, met, following, sizes, most):  # fmt: skip
    """Find the entries of each state that differ in their bits, in the order of their first action.

    Parameters
    ----------
    logits : array of uint16, (rows, actions)
    dumped : array of unsigned integers, (rows, actions), or None
    apart : array of intp, (rows, any)
        Actions that share their entry with no other, in rising order.
    opened : array of intp, (rows, any)
        Receives the entry of each of these.
    values, dumps : arrays of the types of `logits` and `dumped`, (rows x most,)
        Receive what the entries have, as many for each state; those that it has less than others
        are as one that stands for several actions. Only what they receive is written to.
    counts : array of float64, (rows x most,)
        Receives how many actions each stands for.
    actions : array of int32, (rows x most,)
        Receives the first of these.
    first : array of int32, (2^16,)
    times : array of uint32, (2^16,)
        Nothing but 0.
    met : array of the type of `dumped`, (2^16,), or None
    following : array of int32, (most,)
    sizes : array of intp, (rows,)
        Room to work in, as the three before.
    most : array of intp, (1,)
        How many entries a state may have; receives how many one has at the most, or -1 where that
        is more, or where too many have one logit to look through.
    """
    rows, room, largest, start = len(logits), most[0], 0, 0
    most[0] = _NONE
    for row in range(rows):
        of_row = None if dumped is None else dumped[row]
        end = start + room
        found = None if dumps is None else dumps[start:end]
        size = _state(
            logits[row], of_row, apart[row], opened[row], values[start:end], found,
            counts[start:end], actions[start:end], first, times, met, following,
        )  # fmt: skip
        if size == _NONE:
            return
        sizes[row], largest = size, max(size, largest)
        start += size
    for row in range(rows - 1, -1, -1):
        start -= sizes[row]
        _spread(start, sizes[row], row * largest, largest, values, dumps, counts, actions)
    most[0] = largest
