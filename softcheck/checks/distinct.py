"""The entries of each state that differ: of logits in 16 bits, most repeat others.

A state of 150,000 logits in bfloat16 has some 3,000 different ones. Where no other array has a
number for each action, all that is computed of an entry, and compared with what was dumped of it,
is the same for each action whose logit and dump have the same bits, but for those that the loss
names: they are apart. So a block is the same with one entry in place of such actions, which sums
count as often as it stands for one. Nothing is rounded away, and no check knows of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.loops import Loop
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import LINE, Array, Flags, Indices, Repeats
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

Places: TypeAlias = NDArray[np.int32]
Bits: TypeAlias = NDArray[np.unsignedinteger[Any]]
StoodFor: TypeAlias = Array  # (rows, entries)

SCAN = Loop("softcheck.checks.scan", "scan")

SHARE = 2
"""Of a state with so many times as many actions as entries these are looked at, not those."""

BLOCKS = 60
"""So many blocks are one, of which few entries are left."""

_CODES = 2**16  # how many values 16 bits have

TOO_FEW = "too few of its entries repeat"
"""Why the entries of a case that differ are not all that was looked at."""


@dataclass(frozen=True)
class Distinct:
    """A block of entries that differ.

    Attributes
    ----------
    raw : RawBlock
        Its tables have the entries in place of the actions, and its numbers are those of entries.
    repeats : Repeats
    whole : RawBlock
        The same states with all of their actions.
    apart, opened : Indices, (rows, any)
        Actions that share their entry with no other, in rising order, and the entry of each.
    actions : Places, (rows, entries)
        The first action that each entry stands for.
    """

    raw: RawBlock
    repeats: Repeats
    whole: RawBlock
    apart: Indices
    opened: Indices
    actions: Places

    def pieces(self, entries: int) -> Iterator["Distinct"]:
        """Yield some states at a time, of about so many entries."""
        rows = max(1, entries // len(self.repeats.counts))
        for raw, whole in zip(in_pieces(self.raw, rows), in_pieces(self.whole, rows), strict=True):
            first = raw.start - self.raw.start
            yield self._of(raw, whole, slice(first, first + raw.rows))

    def of_states(self, states: Indices) -> "Distinct":
        """Return some states, in whatever order."""
        return self._of(some_of(self.raw, states), some_of(self.whole, states), states)

    def _of(self, raw: RawBlock, whole: RawBlock, some: Indices | slice) -> "Distinct":
        repeats = replace(self.repeats, counts=self.repeats.counts[:, some])
        return Distinct(
            raw, repeats, whole, self.apart[some], self.opened[some], self.actions[some]
        )

    def legal_actions(self, row: int) -> Indices:
        """Return the actions of a state that are legal: those of finite logits."""
        return np.flatnonzero(np.isfinite(self.whole.arrays["logits"][row]))

    def entry_of(self, row: int, action: int) -> int:
        """Return the entry that stands for an action."""
        own = self.opened[row][self.apart[row] == action]
        if own.size:
            return int(own[0])
        alike = self.repeats.counts[:, row] > 0.0
        alike[self.opened[row]] = False
        entries, actions = (_told_by(each, row) for each in (self.raw, self.whole))
        for name, bits in entries.items():
            alike &= bits == actions[name][action]
        return int(alike.argmax())

    def action_of(self, row: int, entry: int) -> int:
        """Return the first action that an entry stands for."""
        return int(self.actions[row, entry])

    def actions_of(self, row: int, entry: int) -> Indices:
        """Return all of them, in rising order."""
        flags = np.zeros(len(self.repeats.counts), dtype=np.bool_)
        flags[entry] = True
        return np.flatnonzero(self.at_actions(row, flags))

    def at_actions(self, row: int, flags: Flags, most: int | None = None) -> Flags:
        """Return at which actions of a state, the first ones, flags hold that entries have."""
        entries, actions = _told_by(self.raw, row), _told_by(self.whole, row, most)
        shared = self.repeats.counts[:, row] > 0.0
        shared[self.opened[row]] = False
        met = np.zeros((2, 2**16), dtype=np.bool_)
        met[flags[shared].astype(np.intp), entries["logits"][shared]] = True
        found: Flags = met[1][actions["logits"]]
        # Where a logit has several gradients, of which some have the flag.
        unclear = np.flatnonzero((met[0] & met[1])[actions["logits"]])
        if unclear.size:
            keys = _ranked(
                {name: x[shared] for name, x in entries.items()},
                {name: x[unclear] for name, x in actions.items()},
            )
            order = np.argsort(keys[0])
            place = np.searchsorted(keys[0], keys[1], sorter=order)
            # An action apart may be unlike any entry of others.
            found[unclear] = flags[shared][order[np.minimum(place, order.size - 1)]]
        seen = self.apart[row] < found.size
        found[self.apart[row][seen]] = flags[self.opened[row][seen]]
        return found


def some_of(raw: RawBlock, states: Indices) -> RawBlock:
    """Return some states of a block, in whatever order, by their place in it."""
    return RawBlock(0, states.size, {role: array[states] for role, array in raw.arrays.items()})


def alike(states: int, count: int, rows: int) -> int:
    """Return how many states each of so many pieces has: whole cache lines, where `rows` are."""
    line = LINE if rows % LINE == 0 else 1
    return -(-states // count // line) * line


def in_pieces(raw: RawBlock, rows: int) -> Iterator[RawBlock]:
    """Yield a block about so many states at a time, a quarter more at most."""
    rows = alike(raw.rows, max(1, -(-4 * raw.rows // (5 * rows))), rows)
    for first in range(0, raw.rows, rows):
        arrays = {role: array[first : first + rows] for role, array in raw.arrays.items()}
        yield RawBlock(raw.start + first, min(rows, raw.rows - first), arrays)


def may_repeat(case: Case, settings: Settings) -> bool:
    """Return whether the entries of a case are known by 16 bits of a logit and by what was dumped.

    Draws of actions differ however much these are alike.
    """
    tables = {role for role in case.tables if case.roles[role].kind is Kind.TABLE}
    dtype = case.tables["logits"].dtype
    is_short = dtype.name in ("bfloat16", "float16")
    return is_short and tables <= {"logits", "grad"} and not settings.samples


def distinct(case: Case, raw: RawBlock) -> Distinct | None:
    """Return the entries of a block that differ, or None where these are too many.

    Parameters
    ----------
    case : Case
        One whose entries may repeat.
    raw : RawBlock
    """
    logits = raw.arrays["logits"]
    rows, actions = logits.shape
    grad = raw.arrays.get("grad")
    names = [each.name for each in case.variant.givens if each.kind is Kind.INDEX]
    apart = np.empty((rows, len(names)), np.intp)
    for place, name in enumerate(names):
        apart[:, place] = raw.arrays[name]
    apart.sort(axis=1)
    opened = np.empty_like(apart)
    of_grad = None if grad is None else _bits(grad)
    found = scanned(_bits(logits), of_grad, apart, opened, actions // SHARE)
    if found is None:
        return None
    arrays = dict(raw.arrays) | {"logits": found.values.view(logits.dtype)}
    if grad is not None and found.dumps is not None:
        arrays["grad"] = found.dumps.view(grad.dtype)
    at = np.arange(rows)
    for name in names:
        place = (apart < raw.arrays[name][:, np.newaxis]).sum(axis=1)
        arrays[name] = opened[at, place]
    repeats = Repeats(actions, found.counts.T)
    short = RawBlock(raw.start, rows, arrays)
    return Distinct(short, repeats, raw, apart, opened, found.actions)


class Scanned(NamedTuple):
    """The entries of states that differ, (rows, entries): see `scan.scan`."""

    values: Bits
    dumps: Bits | None
    counts: StoodFor
    actions: Places


def scanned(
    logits: Bits, dumped: Bits | None, apart: Indices, opened: Indices, most: int
) -> Scanned | None:
    """Return the entries of states that differ, or None where one has more than `most`.

    So it is where the search cannot be compiled.

    Parameters
    ----------
    logits, dumped, apart, opened
        As `scan.scan` takes them.
    most : int
    """
    rows = len(logits)
    if not most:
        return None

    def like(x: Bits | None, size: int) -> Bits | None:
        return None if x is None else np.empty(size, x.dtype)

    size = rows * most
    values, dumps = np.empty(size, np.uint16), like(dumped, size)
    counts, actions = np.empty(size), np.empty(size, np.int32)
    first, times = np.empty(_CODES, np.int32), np.zeros(_CODES, np.uint32)
    met, following, sizes = like(dumped, _CODES), np.empty(most, np.int32), np.empty(rows, np.intp)
    largest = np.array([most], np.intp)
    is_left = SCAN(
        logits, dumped, apart, opened, values, dumps, counts, actions,
        first, times, met, following, sizes, largest,
    )  # fmt: skip
    if is_left or largest[0] < 0:
        return None
    shape = rows, int(largest[0])
    size = rows * shape[1]
    return Scanned(
        values[:size].reshape(shape),
        None if dumps is None else dumps[:size].reshape(shape),
        counts[:size].reshape(shape),
        actions[:size].reshape(shape),
    )


def _told_by(raw: RawBlock, row: int, most: int | None = None) -> dict[str, NDArray[Any]]:
    """Return the bits by which entries of a state are alike or not."""
    names = {"logits", "grad"} & raw.arrays.keys()
    return {name: _bits(raw.arrays[name][row, :most]) for name in names}


def _ranked(*given: Mapping[str, NDArray[Any]]) -> list[NDArray[np.int64]]:
    """Return numbers of entries, or actions, that are the same where all of their bits are."""
    sizes = np.cumsum([each["logits"].size for each in given])[:-1]
    keys = np.zeros(sum(each["logits"].size for each in given), np.int64)
    for name in given[0]:
        _, ranks = np.unique(np.concatenate([each[name] for each in given]), return_inverse=True)
        keys = keys * (ranks.max(initial=0) + 1) + ranks
    return np.split(keys, sizes)


def _bits(x: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as unsigned integers of the same bits."""
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")
