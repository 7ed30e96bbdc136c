"""The engine on a Dask cluster, which may be one of this machine's own.

A case is cut into spans of blocks, and what the blocks of a span gave is merged where they were
read: a few kilobytes come back for it. A case of a single span is verified by a worker whole.
What a worker was sent can be sent again, so when one dies the others do its spans anew.
"""

import asyncio
import logging
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from softcheck.engines import Mergeable, Piece, in_order, made_of
from softcheck.engines.local import Threads, cores
from softcheck.errors import InputError, SoftcheckError, UsageError
from softcheck.gradient.policy import Buffers
from softcheck.settings import BLOCK_ENTRIES, Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.version import __version__

if TYPE_CHECKING:
    from distributed import Client

SPANS = 8
"""Spans of a case for each thread of the cluster, so that all end at about the same time."""

SPAN_BLOCKS = 256
"""Blocks of a span at most: what is lost with a worker that dies."""

WHOLE = BLOCK_ENTRIES
"""Up to so many entries a case is not cut; a diagnosis holds so many at once."""

SENT = 8_000_000
"""Bytes that workers are sent at most for a case. Tables that are in memory here, and a diagnosis
that looks at a whole table at once, cost more to send than to work on."""

PATIENCE = 5
"""Seconds to wait for a scheduler."""

RESTARTS = 60
"""Seconds to wait for the first of this machine's workers to be there again."""

STARTS = 3
"""How often a cluster is started here: one does not run if a worker of it is killed meanwhile."""

Stamps = Mapping[str, tuple[int, int] | None]

_T = TypeVar("_T")
_R = TypeVar("_R")
_M = TypeVar("_M", bound=Mergeable)


class Cluster:
    """Runs the checks on the workers of a cluster, one span of blocks on each of their threads.

    Parameters
    ----------
    client : distributed.Client
    where : str
        The option that chose the cluster, for messages.
    threads : int or None
        How many to use here, for what is not worth sending; see `Threads`.
    """

    def __init__(self, client: "Client", where: str, threads: int | None = None) -> None:
        self._client = client
        self._where = where
        self._here = Threads(threads)

    def over_blocks(
        self, work: Callable[[RawBlock, Buffers], _M], case: Case, rows: int
    ) -> Iterator[_M]:
        """Yield what `work` makes of the blocks of each span, merged."""
        import cloudpickle

        blocks = -(-case.states // rows)
        threads = sum(self._client.nthreads().values())
        length = rows * min(SPAN_BLOCKS, max(1, blocks // (SPANS * max(1, threads))))
        spans = [
            (start, min(start + length, case.states)) for start in range(0, case.states, length)
        ]
        job = cloudpickle.dumps(_Job(software(), work, case, rows, _stamps(case)))
        if len(job) > SENT:
            yield from self._here.over_blocks(work, case, rows)
            return
        # A task, not scattered data: those are lost with the workers that hold them.
        given = self._client.submit(cloudpickle.loads, job, pure=False)
        yield from self._results(_over_span, given, items=spans)

    def ahead(
        self, work: Callable[[Case, Settings], _R], pieces: Sequence[Piece]
    ) -> Iterator[_R | None]:
        """Yield what `work` made of each case that is small enough to be verified as a whole."""
        for found in self._results(_whole, software(), work, items=pieces):
            made, stamps = found
            yield made if all(_stamp(path) == stamps[path] for path in stamps) else None

    def _results(self, call: Callable[..., _R], *given: Any, items: Sequence[_T]) -> Iterator[_R]:
        """Call a function on the workers for each item, after what it is given for all of them."""
        import distributed

        def submit(item: _T) -> "distributed.Future[_R]":
            return self._client.submit(call, *given, item, pure=False)

        try:
            yield from in_order(submit, items, max(1, len(items)))
        except distributed.KilledWorker as error:
            raise UsageError(
                self._where,
                f"{error.allowed_failures + 1} workers that died at the same piece of work",
                "workers that end it",
                "See their logs, or give them more memory.",
            ) from error
        except (CancelledError, OSError, distributed.scheduler.NoValidWorkerError) as error:
            raise UsageError(
                self._where,
                "no connection to the cluster any more",
                "one until the end",
                "See the logs of its scheduler and workers.",
            ) from error


@dataclass(frozen=True)
class _Job(Generic[_M]):
    """What is the same for every span of a case."""

    software: str
    work: Callable[[RawBlock, Buffers], _M]
    case: Case
    rows: int
    stamps: Stamps


def _over_span(job: _Job[_M], span: tuple[int, int]) -> _M:
    """Return what the work made of the blocks of a span, merged; this runs on a worker."""
    _require_software(job.software)
    for path, stamp in job.stamps.items():
        if _stamp(path) != stamp:
            raise InputError(
                path,
                f"no such file, or another one, on {_worker()}",
                "the very file that was opened here",
                "Give a path or URL that means the same on every worker.",
            )
    return made_of(job.work, job.case.blocks(job.rows, *span), Buffers())


def _whole(
    software: str, work: Callable[[Case, Settings], _R], piece: Piece
) -> tuple[_R | None, Stamps]:
    """Return what the work made of a small case, and of which files; this runs on a worker."""
    _require_software(software)
    # What is wrong is found again, and reported, by who asked.
    opener, settings = piece
    with suppress(SoftcheckError):
        case = opener()
        if case.states * case.actions <= WHOLE:
            return work(case, settings), _stamps(case)
    return None, {}


def _stamps(case: Case) -> Stamps:
    return {table.path: _stamp(table.path) for table in case.given.values() if table.path}


def _stamp(path: str) -> tuple[int, int] | None:
    """Return what tells a file from others at the same path; None for what is no local file."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def software() -> str:
    """Return what the digits of a report, and what is sent to workers, depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"softcheck {__version__}, NumPy {np.__version__}, Python {python}"


def _require_software(asked: str) -> None:
    """Raise UsageError on a worker that would compute something else."""
    if software() != asked:
        raise _other_software(_worker(), software(), asked)


def _other_software(where: str, found: str, asked: str) -> UsageError:
    return UsageError(where, found, asked, "Install the same versions everywhere.")


def _worker() -> str:
    import distributed

    return f"worker {distributed.get_worker().address}"


@contextmanager
def cluster(scheduler: str | None, threads: int | None) -> Iterator[Cluster]:
    """Give the engine on a running cluster, or on one of this machine that ends with it.

    Parameters
    ----------
    scheduler : str or None
        The address of a running scheduler.
    threads : int or None
        How many workers to start on this machine, by default one for each core.

    Raises
    ------
    UsageError
        If Dask is not installed, or the cluster cannot be used.
    """
    try:
        import cryptography  # noqa: F401  for the certificates of a cluster of our own
        import distributed  # noqa: F401  it is there, or that is said here
    except ImportError as error:
        raise UsageError(
            "--engine dask",
            f"no package {error.name}",
            "it to be installed",
            "Run: pip install 'softcheck[dask]'.",
        ) from error
    before = logging.root.manager.disable
    logging.disable()  # what matters comes as an error
    try:
        if scheduler is not None:
            with _connected(scheduler) as client:
                _silence(client)
                yield Cluster(client, f"--scheduler {scheduler}")
        else:
            with _of_this_machine(threads or cores()) as client:
                _silence(client)
                yield Cluster(client, "--engine dask", threads)
    finally:
        logging.disable(before)


def _silence(client: "Client") -> None:
    """Have nothing said of what still waits when a client ends, which may be collected later."""
    loop: Any = client.loop
    loop.asyncio_loop.set_exception_handler(lambda *_: None)


@contextmanager
def _of_this_machine(workers: int) -> Iterator["Client"]:
    """Run a cluster that only this machine can reach, and that leaves nothing behind."""
    import dask
    import distributed

    ends = ExitStack()
    wanted = True

    def start() -> "Client":
        # What a thread starts inherits this: Ctrl-C is for this process, which ends the others.
        # The tracker comes first, for its start would undo it. Windows has neither.
        if sys.platform != "win32":
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        folder = ends.enter_context(TemporaryDirectory(prefix="softcheck-"))
        changed = {
            "temporary-directory": folder,
            "distributed.scheduler.no-workers-timeout": f"{RESTARTS}s",
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            # In place of Dask's own, which has the allocator give back every array at once,
            # only to ask for it again. What a worker leaves behind goes with the folder.
            "distributed.nanny.pre-spawn-environ": {"TMPDIR": folder},
        }
        ends.enter_context(dask.config.set(changed))
        for left in reversed(range(STARTS)):
            try:
                started = _started(workers)
                break
            except Exception as error:  # whatever becomes in Dask of a process that dies
                if left and wanted:
                    continue
                raise UsageError(
                    "--engine dask",
                    f"no cluster on this machine ({type(error).__name__}: {error})",
                    f"{workers} processes that may connect to each other",
                    "Use --engine local, or --scheduler.",
                ) from error
        ends.callback(started.close)
        ends.callback(_kill, started)
        client: Client = ends.enter_context(distributed.Client(started))
        return client

    # A signal interrupts the main thread alone: what another one begins, it ends whole.
    with ThreadPoolExecutor(1) as aside:
        try:
            yield aside.submit(start).result()
        finally:
            wanted = False
            aside.submit(ends.close).result()


def _started(workers: int) -> Any:
    """Return a cluster all of whose workers are there."""
    import distributed

    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        security=True,  # whoever may connect may run code: not every user of this machine
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        # Without an address, the port of a dashboard is taken even if there is none.
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    )


def _kill(started: Any) -> None:
    """Kill the workers, which would first end what they are at, though nobody waits for it."""
    for nanny in list(started.workers.values()):
        nanny.auto_restart = False
        if (pid := nanny.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


@contextmanager
def _connected(address: str) -> Iterator["Client"]:
    """Connect to a scheduler, and see that its workers are of use."""
    import distributed

    where = f"--scheduler {address}"
    try:
        # Before there is a client, which would go on trying for long after it has failed.
        asyncio.run(_greet(address))
        client: Client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # whatever may stand, or answer, at an address
        raise UsageError(
            where,
            f"no scheduler ({type(error).__name__})",
            "the address of a running one, such as tcp://127.0.0.1:8786",
            "Start one with: dask scheduler.",
        ) from error
    with client:
        found = {f"worker {at}": of for at, of in client.run(software, on_error="return").items()}
        if not found:
            raise UsageError(
                where, "no worker", "at least one", f"Start one with: dask worker {address}."
            )
        try:
            found["scheduler"] = client.run_on_scheduler(software)
        except ImportError as error:  # it reads what it passes on
            found["scheduler"] = error
        for at, theirs in sorted(found.items()):
            if theirs != software():
                raise _other_software(at, str(theirs), software())
        yield client


async def _greet(address: str) -> None:
    """Ask a scheduler who it is; raise anything if there is none."""
    import distributed

    security = distributed.Security().get_connection_args("client")
    async with asyncio.timeout(PATIENCE), distributed.rpc(address, connection_args=security) as it:
        if (await it.identity())["type"] != "Scheduler":
            raise TypeError
