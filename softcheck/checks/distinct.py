"""The entries of each state that differ: of logits in 16 bits, most repeat others.

A state of 150,000 logits in bfloat16 has some 3,000 different ones. Where no other array has a
number for each action, all that is computed of an entry, and compared with what was dumped of it,
is the same for each action whose logit and dump have the same bits, but for those that the loss
names: they are apart. So a block is the same with one entry in place of such actions, which sums
count as often as it stands for one. Nothing is rounded away, and no check knows of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks.compiled import scanner
from softcheck.gradient.definition import Kind
from softcheck.gradient.policy import Indices, Repeats
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

Places: TypeAlias = NDArray[np.int32]

SHARE = 2
"""Of a state with so many times as many actions as entries these are looked at, not those."""

BLOCKS = 60
"""So many blocks are one, of which few entries are left."""

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
            some = slice(raw.start - self.raw.start, raw.start - self.raw.start + raw.rows)
            repeats = replace(self.repeats, counts=self.repeats.counts[:, some])
            yield Distinct(
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
        for name in {"logits", "grad"} & self.raw.arrays.keys():
            entries, actions = (_bits(each.arrays[name][row]) for each in (self.raw, self.whole))
            alike &= entries == actions[action]
        return int(alike.argmax())

    def action_of(self, row: int, entry: int) -> int:
        """Return the first action that an entry stands for."""
        return int(self.actions[row, entry])


def in_pieces(raw: RawBlock, rows: int) -> Iterator[RawBlock]:
    """Yield a block some states at a time."""
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
    most = actions // SHARE
    if not most:
        return None
    grad = raw.arrays.get("grad")
    of_grad = None if grad is None else _bits(grad)
    names = [each.name for each in case.variant.givens if each.kind is Kind.INDEX]
    apart = np.empty((rows, len(names)), np.intp)
    for place, name in enumerate(names):
        apart[:, place] = raw.arrays[name]
    apart.sort(axis=1)
    opened = np.empty_like(apart)
    room = rows * most
    values, counts, first = np.empty(room, np.uint16), np.empty(room), np.empty(room, np.int32)
    dumps = None if of_grad is None else np.empty(room, of_grad.dtype)
    module, _ = scanner()
    size = module.scan(_bits(logits), of_grad, apart, opened, values, dumps, counts, first)
    if size < 0:
        return None

    def entries(x: NDArray[Any]) -> NDArray[Any]:
        return x[: rows * size].reshape(rows, size)

    arrays = dict(raw.arrays) | {"logits": entries(values).view(logits.dtype)}
    if grad is not None and dumps is not None:
        arrays["grad"] = entries(dumps).view(grad.dtype)
    at = np.arange(rows)
    for name in names:
        place = (apart < raw.arrays[name][:, np.newaxis]).sum(axis=1)
        arrays[name] = opened[at, place]
    found = RawBlock(raw.start, rows, arrays)
    return Distinct(found, Repeats(actions, entries(counts).T), raw, apart, opened, entries(first))


def _bits(x: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as unsigned integers of the same bits."""
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")
