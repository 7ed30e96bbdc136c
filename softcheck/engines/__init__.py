"""Where the work on a verification is done: in threads of this process, or on a Dask cluster.

An engine maps a function over pieces of work and yields what it returns in the order of the
pieces, so that no report depends on which engine ran, on how many workers, or on who was first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, Self, TypeAlias, TypeVar

from softcheck.errors import SoftcheckError, UsageError
from softcheck.gradient.policy import Buffers
from softcheck.settings import EngineName, Settings
from softcheck.tables.case import Case, RawBlock

_T = TypeVar("_T")
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)


Piece: TypeAlias = tuple[Callable[[], Case], Settings]
"""What opens a case, and how it is verified."""


class Mergeable(Protocol):
    """What was found in some blocks."""

    def merge(self, other: Self) -> None:
        """Add what was found in the blocks that follow."""


_M = TypeVar("_M", bound=Mergeable)


class Engine(Protocol):
    """Does the work on blocks and on whole cases."""

    def over_blocks(
        self, work: Callable[[RawBlock, Buffers], _M], case: Case, rows: int
    ) -> Iterator[_M]:
        """Yield what `work` makes of the blocks of a case, in their order.

        Parameters
        ----------
        work : callable
            Takes a block, and scratch arrays that are in use nowhere else meanwhile. May be
            pickled.
        case : Case
        rows : int
            States in a block. Neighbouring blocks may come merged.

        Raises
        ------
        SoftcheckError
            The first one in the order of the blocks.
        """

    def ahead(
        self, work: Callable[[Case, Settings], _R], pieces: Sequence[Piece]
    ) -> Iterator[_R | None]:
        """Yield for each case what `work` made of it elsewhere, or None to leave it to the caller.

        Parameters
        ----------
        work : callable
            May be pickled.
        pieces : sequence of (opener, settings)
            An opener returns a case, may raise SoftcheckError, and may be pickled.
        """


class Pending(Protocol[_R_co]):
    """A result that is still to come."""

    def result(self) -> _R_co:
        """Wait for it, and return it or raise what was raised."""


def in_order(submit: Callable[[_T], Pending[_R]], items: Iterable[_T], window: int) -> Iterator[_R]:
    """Yield results in the order of items, at most `window` of them ahead.

    The first error in the order of items wins, be it raised by an item or by what it becomes.
    """
    pending: deque[Pending[_R]] = deque()
    source = iter(items)
    failure: SoftcheckError | None = None
    while True:
        try:
            while failure is None and len(pending) < window:
                pending.append(submit(next(source)))
        except StopIteration:
            pass
        except SoftcheckError as error:
            failure = error
        if not pending:
            break
        yield pending.popleft().result()
    if failure is not None:
        raise failure


def made_of(work: Callable[[_T, Buffers], _M], blocks: Iterable[_T], buffers: Buffers) -> _M:
    """Return what the work makes of at least one block, as one."""
    each = iter(blocks)
    found = work(next(each), buffers)
    for raw in each:
        found.merge(work(raw, buffers))
    return found


def running(
    engine: EngineName, scheduler: str | None, threads: int | None
) -> AbstractContextManager[Engine]:
    """Return the engine that a user chose; what it starts ends with the context.

    Parameters
    ----------
    engine : {"local", "dask"}
    scheduler : str or None
        The address of a running Dask scheduler; without it, Dask runs on this machine alone.
    threads : int or None
        Blocks at once on this machine, by default one for each core.

    Raises
    ------
    UsageError
        If the choices contradict each other, or there is no such scheduler.
    """
    if scheduler is not None and engine != "dask":
        raise UsageError("--scheduler", "the engine local", "--engine dask beside it", "Add it.")
    if scheduler is not None and threads is not None:
        raise UsageError(
            "--threads",
            f"{threads} beside --scheduler",
            "one of them",
            "How many threads a worker has is chosen where it is started.",
        )
    if engine == "dask":
        from softcheck.engines.cluster import cluster

        return cluster(scheduler, threads)
    from softcheck.engines.local import Threads

    return nullcontext(Threads(threads))
