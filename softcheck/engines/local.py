"""The engine in this process: blocks are read one after the other and verified on threads."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from queue import SimpleQueue
from typing import TypeVar

from softcheck.engines import Piece, in_order
from softcheck.policy import Buffers
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock

_R = TypeVar("_R")


def cores() -> int:
    """Return how many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
        self, work: Callable[[RawBlock, Buffers], _R], case: Case, rows: int
    ) -> Iterator[_R]:
        """Yield what `work` makes of each block."""
        idle: SimpleQueue[Buffers] = SimpleQueue()
        for _ in range(self._threads):
            idle.put(Buffers())

        def with_buffers(raw: RawBlock) -> _R:
            buffers = idle.get()
            try:
                return work(raw, buffers)
            finally:
                idle.put(buffers)

        def submit(raw: RawBlock) -> Future[_R]:
            return pool.submit(with_buffers, raw)

        pool = ThreadPoolExecutor(self._threads)
        try:
            yield from in_order(submit, case.blocks(rows), 2 * self._threads)
        finally:
            # A block that is under way ends by itself; nobody who interrupts waits for it.
            pool.shutdown(wait=False, cancel_futures=True)

    def ahead(
        self, _work: Callable[[Case, Settings], _R], pieces: Sequence[Piece]
    ) -> Iterator[_R | None]:
        """Leave every case to the caller: the cores are busy with one at a time."""
        yield from repeat(None, len(pieces))
