"""Cases and settings to a report: blocks of states, threads over them, and one verdict."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial as partially
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from softcheck import __version__, checks, fit, result
from softcheck.blocks import Facts, evaluation, precisions
from softcheck.dumps import DUMPS
from softcheck.errors import NothingToCheckError, SoftcheckError
from softcheck.evaluation import Context
from softcheck.oracles import check_exact, exact_budget
from softcheck.outcome import case_result
from softcheck.policy import Buffers
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.tally import Tally

_T = TypeVar("_T")
_R = TypeVar("_R")

Progress = Callable[[int, int], None]
"""Called with the states done so far and the states of the case."""


def verify_case(case: Case, settings: Settings, progress: Progress | None = None) -> result.Case:
    """Run every check on a case.

    Raises
    ------
    InputError
        Where a given is NaN, infinite or otherwise not a number that a loss can have.
    NothingToCheckError
        If the case has no state or no action.
    """
    states = case.states
    if states == 0 or case.actions == 0:
        raise NothingToCheckError(
            case.name,
            f"{states} states of {case.actions} actions",
            "at least one of each",
            "Check the selection that made the dump.",
        )
    places = states * case.actions
    context = Context(
        places, settings.max_findings, settings.samples, settings.seed, _sample(case, settings)
    )
    partial, facts = _run(case, settings, context, progress)
    tallies = dict(partial.tallies)
    if partial.total is not None:
        tallies["loss"] = partial.total.tally()
    if partial.moments is not None:
        tallies["fit"] = _fit(case, settings, partial.moments)
    tallies["exact"] = check_exact(partial.suspects.values(), partial.sample, context)
    diagnosis: tuple[result.Diagnosis, ...] = ()
    if any(name in tallies and tallies[name].failed for name in (*DUMPS, "fit")):
        from softcheck.diagnosis import diagnose

        over_blocks = partially(_over_blocks, case, settings)
        diagnosis = diagnose(case, settings, tallies, partial.moments, facts.masked, over_blocks)
    return case_result(case, settings, tallies, facts, diagnosis)


def _fit(case: Case, settings: Settings, moments: fit.Moments) -> Tally:
    """Compare the fitted scale and temperature of the dumped gradient with the declared ones."""
    alpha = case.scalars.get("alpha")
    _, computed = precisions(case, "grad", settings)
    return fit.check(moments, None if alpha is None else float(alpha), computed.unit)


def _sample(case: Case, settings: Settings) -> list[tuple[int, float]]:
    """Choose the entries of the exact check's random sample."""
    generator = np.random.default_rng(settings.seed)
    size = exact_budget(case.actions)
    states = generator.integers(case.states, size=size)
    return sorted(zip(states.tolist(), generator.random(size).tolist(), strict=True))


def _run(
    case: Case, settings: Settings, context: Context, progress: Progress | None
) -> tuple[checks.Partial, Facts]:
    """Run the checks over all blocks and merge what they find in the order read."""

    def work(raw: RawBlock, buffers: Buffers) -> tuple[checks.Partial, Facts, int]:
        facts = Facts()
        made = evaluation(case, raw, settings, context, buffers, facts)
        return checks.run(made), facts, raw.rows

    total, seen, done = checks.Partial(), Facts(), 0
    states = case.states
    for partial, facts, count in _over_blocks(case, settings, work):
        total.merge(partial)
        seen.masked += facts.masked
        seen.disagreements += facts.disagreements
        done += count
        if progress is not None:
            progress(done, states)
    return total, seen


def _over_blocks(
    case: Case, settings: Settings, work: Callable[[RawBlock, Buffers], _R]
) -> Iterator[_R]:
    """Run `work` over all blocks of a case, on threads; yield in the order read."""
    threads = settings.threads or _cores()
    rows = max(1, settings.block_entries // case.actions)
    idle: SimpleQueue[Buffers] = SimpleQueue()
    for _ in range(threads):
        idle.put(Buffers())

    def with_buffers(raw: RawBlock) -> _R:
        buffers = idle.get()
        try:
            return work(raw, buffers)
        finally:
            idle.put(buffers)

    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(pool, with_buffers, case.blocks(rows), 2 * threads)
    finally:
        # A block that is under way ends by itself; nobody who interrupts waits for it.
        pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    """Return how many cores the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[_T], _R], items: Iterable[_T], window: int
) -> Iterator[_R]:
    """Map over a pool, at most `window` items ahead; the first error in the order of items wins."""
    pending: deque[Future[_R]] = deque()
    source = iter(items)
    failure: SoftcheckError | None = None
    while True:
        try:
            while failure is None and len(pending) < window:
                pending.append(pool.submit(work, next(source)))
        except StopIteration:
            pass
        except SoftcheckError as error:
            failure = error
        if not pending:
            break
        yield pending.popleft().result()
    if failure is not None:
        raise failure


def report(
    cases: Iterable[tuple[str, Callable[[], Case], Settings]],
    progress: Progress | None = None,
) -> result.Report:
    """Verify cases one after the other.

    Parameters
    ----------
    cases : iterable of (name, opener, settings)
        An opener that raises a SoftcheckError makes a case with the status `error`.
    progress : callable, optional
        See `Progress`.

    Raises
    ------
    NothingToCheckError
        If there is no case.
    """
    results: list[result.Case] = []
    errors: list[str] = []
    for name, opener, settings in cases:
        try:
            results.append(verify_case(opener(), settings, progress))
        except SoftcheckError as error:
            errors.append(str(error))
            results.append(_unreadable(name))
    if not results:
        raise NothingToCheckError("verify", "no case", "at least one", "Name a file or a folder.")
    return summarise(results, errors)


def summarise(cases: Sequence[result.Case], errors: Sequence[str] = ()) -> result.Report:
    """Put cases into one report with one verdict."""
    counts = Counter(case.status for case in cases)
    return result.Report(
        schema_version=result.SCHEMA_VERSION,
        tool=result.Tool(name="softcheck", version=__version__),
        command="verify",
        status=max(counts, key=lambda status: status.severity),
        summary=result.Summary(
            cases=len(cases),
            passed=counts[Status.PASSED],
            failed=counts[Status.FAILED],
            inconclusive=counts[Status.INCONCLUSIVE],
            errors=tuple(errors),
        ),
        cases=tuple(cases),
    )


def _unreadable(name: str) -> result.Case:
    return result.Case(
        name=name,
        status=Status.ERROR,
        inputs=(),
        settings={},
        states=0,
        actions=0,
        entries=0,
        masked=0,
        checks=(),
        findings=(),
        diagnosis=(),
        notes=(),
    )
