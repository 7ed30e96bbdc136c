"""The engine in this process: blocks are read one after the other and verified on threads."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from queue import SimpleQueue
from typing import TypeVar

from softcheck.engines import Mergeable, Piece, in_order, made_of
from softcheck.errors import SoftcheckError
from softcheck.gradient.policy import Buffers
from softcheck.settings import BLOCK_ENTRIES, Settings
from softcheck.tables.case import Case, RawBlock

_R = TypeVar("_R")
_M = TypeVar("_M", bound=Mergeable)

_BATCH = 3 * BLOCK_ENTRIES
"""A thread takes blocks of so many entries at once: to wake one costs as much as a tenth of the
checks of a block of the usual size."""

_AHEAD = 3 * _BATCH
"""Entries that wait for a thread, or for those before them, so that no thread waits for another;
of blocks that are larger, one waits."""


def cores() -> int:
    """Return how many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(blocks: Iterable[RawBlock], size: int) -> Iterator[list[RawBlock]]:
    """Yield `size` blocks at a time; those that come before an error, before it is raised."""
    batch: list[RawBlock] = []
    try:
        for raw in blocks:
            batch.append(raw)
            if len(batch) == size:
                yield batch
                batch = []
    except SoftcheckError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class Threads:
    """Runs the checks of several blocks at once, on threads.

    Parameters
    ----------
    threads : int or None
        By default one for each core that the process may use.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or cores()

    def over_blocks(
        self, work: Callable[[RawBlock, Buffers], _M], case: Case, rows: int
    ) -> Iterator[_M]:
        """Yield what `work` makes of a few neighbouring blocks at a time, merged."""
        if self._threads == 1 or case.states <= rows:
            yield from map(work, case.blocks(rows), repeat(Buffers()))
            return
        idle: SimpleQueue[Buffers] = SimpleQueue()
        for _ in range(self._threads):
            idle.put(Buffers())

        def with_buffers(batch: Sequence[RawBlock]) -> _M:
            buffers = idle.get()
            try:
                return made_of(work, batch, buffers)
            finally:
                idle.put(buffers)

        def submit(batch: Sequence[RawBlock]) -> Future[_M]:
            return pool.submit(with_buffers, batch)

        entries = rows * case.actions
        size = max(1, min(_BATCH // entries, case.states // (rows * self._threads)))
        batches = _batches(case.blocks(rows), size)
        ahead = max(1, _AHEAD // (size * entries))
        pool = ThreadPoolExecutor(self._threads)
        try:
            yield from in_order(submit, batches, self._threads + ahead)
        finally:
            # What is under way ends by itself; nobody who interrupts waits for it.
            pool.shutdown(wait=False, cancel_futures=True)

    def ahead(
        self, _work: Callable[[Case, Settings], _R], pieces: Sequence[Piece]
    ) -> Iterator[_R | None]:
        """Leave every case to the caller: the cores are busy with one at a time."""
        yield from repeat(None, len(pieces))
