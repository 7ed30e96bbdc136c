"""Cases and settings to a report: blocks of states, threads over them, and one verdict."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from softcheck import __version__, checks, result
from softcheck.errors import InputError, NothingToCheckError, SoftcheckError
from softcheck.policy import Array, Block, Buffers
from softcheck.result import Status
from softcheck.settings import CriticChoice, Reduction, Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.tables.roles import is_critic
from softcheck.tally import Spot, Tally
from softcheck.tolerance import DUMP_FACTOR, Precision

_T = TypeVar("_T")
_R = TypeVar("_R")

REDUCTIONS: dict[Reduction, Callable[[int, int], float]] = {
    "none": lambda _states, _actions: 1.0,
    "sum": lambda _states, _actions: 1.0,
    "mean": lambda states, _actions: 1.0 / states,
    "mean-all": lambda states, actions: 1.0 / (states * actions),
}
"""How the loss over a batch was reduced, to the factor of each state's loss."""

CRITICS: dict[CriticChoice, Callable[[Sequence[Array]], Array]] = {
    "min": np.minimum.reduce,
    "mean": lambda tables: np.mean(tables, axis=0),
    "first": lambda tables: tables[0],
}
"""How several critics make one Q."""

Progress = Callable[[int, int], None]
"""Called with the states done so far and the states of the case."""


@dataclass
class _Facts:
    """What was seen while blocks were prepared."""

    masked: int = 0
    disagreements: int = 0


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
    context = checks.Context(
        places, settings.max_findings, settings.samples, settings.seed, _sample(case, settings)
    )
    partial, facts = _run(case, settings, context, progress)
    tallies = dict(partial.tallies)
    if partial.total is not None:
        tallies["loss"] = partial.total.tally()
    tallies["exact"] = checks.check_exact(partial, context)
    return _case_result(case, settings, tallies, facts)


def _sample(case: Case, settings: Settings) -> list[tuple[int, float]]:
    """Choose the entries of the exact check's random sample."""
    generator = np.random.default_rng(settings.seed)
    size = checks.exact_budget(case.actions)
    states = generator.integers(case.states, size=size)
    return sorted(zip(states.tolist(), generator.random(size).tolist(), strict=True))


def _run(
    case: Case, settings: Settings, context: checks.Context, progress: Progress | None
) -> tuple[checks.Partial, _Facts]:
    """Run the checks over all blocks, on threads, and merge what they find in the order read."""
    threads = settings.threads or len(os.sched_getaffinity(0))
    rows = max(1, settings.block_entries // case.actions)
    idle: SimpleQueue[Buffers] = SimpleQueue()
    for _ in range(threads):
        idle.put(Buffers())

    def work(raw: RawBlock) -> tuple[checks.Partial, _Facts, int]:
        buffers = idle.get()
        try:
            facts = _Facts()
            evaluation = _evaluation(case, raw, settings, context, buffers, facts)
            return checks.run(evaluation), facts, raw.rows
        finally:
            idle.put(buffers)

    total, seen, done = checks.Partial(), _Facts(), 0
    states = case.states
    with ThreadPoolExecutor(threads) as pool:
        for partial, facts, count in _in_order(pool, work, case.blocks(rows), 2 * threads):
            total.merge(partial)
            seen.masked += facts.masked
            seen.disagreements += facts.disagreements
            done += count
            if progress is not None:
                progress(done, states)
    return total, seen


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


def _evaluation(
    case: Case,
    raw: RawBlock,
    settings: Settings,
    context: checks.Context,
    buffers: Buffers,
    facts: _Facts,
) -> checks.Evaluation:
    """Check the givens of a block and lay them out actions first, in float64."""
    logits = _table(case, raw, "logits", buffers)
    legal = _legal(case, raw, logits, facts)
    if legal is not None:
        np.copyto(logits, -np.inf, where=~legal)
    critics = []
    for role in (role for role in case.tables if role == "q" or is_critic(role)):
        critic = _table(case, raw, role, buffers)
        _require(case, raw, role, np.isfinite(critic), legal)
        if legal is not None:
            np.copyto(critic, 0.0, where=~legal)
        critics.append(critic)
    q = critics[0] if len(critics) == 1 else CRITICS[settings.critics](critics)

    alpha = _of_states(case, raw, "alpha")
    _require(case, raw, "alpha", np.isfinite(alpha) & (alpha >= 0), None)
    return checks.Evaluation(
        Block(q, logits, alpha),
        raw.start,
        _factor(case, raw, settings),
        legal,
        {
            _check_of(role): _dump(case, raw, role, settings, buffers)
            for role in case.tables
            if _check_of(role) in checks.DUMPS
        },
        context,
        buffers,
    )


def _table(case: Case, raw: RawBlock, role: str, buffers: Buffers) -> Array:
    """Return a table of a block, actions first."""
    out = buffers(f"given.{role}", (case.actions, raw.rows))
    np.copyto(out, raw.arrays[role].T)
    return out


def _factor(case: Case, raw: RawBlock, settings: Settings) -> Array:
    """Return what multiplies the loss of each state."""
    factor = np.full(raw.rows, REDUCTIONS[settings.reduction](case.states, case.actions))
    if "weights" in case.tables:
        weights = _of_states(case, raw, "weights")
        _require(case, raw, "weights", np.isfinite(weights), None)
        factor *= weights
    return factor


def _check_of(role: str) -> str:
    """Return the name of the check of a dumped role."""
    return "gradient" if role == "grad" else role


def _dump(
    case: Case, raw: RawBlock, role: str, settings: Settings, buffers: Buffers
) -> checks.Dump:
    """Return what was dumped for a block, with its precisions."""
    if role in case.scalars:
        values = np.array(case.scalars[role], dtype=np.float64)
    elif raw.arrays[role].ndim == 2:
        values = _table(case, raw, role, buffers)
    else:
        values = _of_states(case, raw, role)
    return checks.Dump(values, *_precisions(case, role, settings))


def _of_states(case: Case, raw: RawBlock, role: str) -> Array:
    """Return a quantity of the states of a block, shape `(rows,)`."""
    if role in case.scalars:
        return np.full(raw.rows, case.scalars[role], dtype=np.float64)
    return raw.arrays[role].astype(np.float64)


def _precisions(case: Case, role: str, settings: Settings) -> tuple[Precision, Precision]:
    """Return what a dump was rounded to and what it was computed in."""
    stored = Precision.of(case.tables[role].dtype)
    if role == "grad" and settings.grad_dtype is not None:
        stored = Precision(settings.grad_dtype)
    computed = Precision(settings.compute_dtype) if settings.compute_dtype else stored
    return stored, computed


def _legal(case: Case, raw: RawBlock, logits: Array, facts: _Facts) -> NDArray[np.bool_] | None:
    """Return where an action is legal, or None if all are: the mask and the logit must allow it."""
    allowed = raw.arrays["mask"].T.astype(np.bool_) if "mask" in raw.arrays else None
    if allowed is None and np.isfinite(logits).all():
        return None
    open_ = logits != -np.inf
    legal: NDArray[np.bool_] = open_ if allowed is None else allowed & open_
    if allowed is not None:
        facts.disagreements += int(np.count_nonzero(allowed & ~open_))
    _require(case, raw, "logits", np.isfinite(logits) | (logits == -np.inf), allowed)
    facts.masked += int(np.count_nonzero(~legal))
    empty = np.flatnonzero(~legal.any(axis=0))
    if empty.size:
        role = "mask" if allowed is not None else "logits"
        raise InputError(
            case.place(role, raw.start + int(empty[0])),
            "a state without a legal action",
            "at least one",
            "Leave such states out of the dump.",
        )
    return legal


def _require(
    case: Case, raw: RawBlock, role: str, right: NDArray[np.bool_], legal: NDArray[np.bool_] | None
) -> None:
    """Raise InputError at the first legal entry that is not right."""
    wrong = ~right if legal is None else legal & ~right
    if not wrong.any():
        return
    row, *action = (int(i) for i in np.argwhere(wrong.T)[0])
    expected, hint = {
        "alpha": ("a finite number that is not negative", "Check how the temperature was dumped."),
        "weights": ("a finite number", "Check how the weights were dumped."),
        "logits": ("a finite number or -inf", "Mask the action (--mask) or fix the dump."),
    }.get(role, ("a finite number", "Mask the action (--mask) or fix the dump."))
    if role in case.scalars:
        where, value = case.tables[role].where, case.scalars[role]
    else:
        where = case.place(role, raw.start + row, *action)
        value = raw.arrays[role][(row, *action)]
    raise InputError(where, _spelled(value), expected, hint)


def _spelled(number: Any) -> str:
    """Return a number as people write it."""
    return "NaN" if np.isnan(number) else repr(float(number))


def _case_result(
    case: Case, settings: Settings, tallies: Mapping[str, Tally], facts: _Facts
) -> result.Case:
    """Put the outcome of every check into records."""
    order = [*checks.ORACLES, "exact", *checks.DUMPS]
    found = tuple(
        _check_result(case, settings, name, tallies[name]) for name in order if name in tallies
    )
    notes = [*case.notes]
    if facts.disagreements:
        notes.append(
            "legal by the mask but masked by a logit of -inf, and so counted as masked: "
            f"{facts.disagreements}"
        )
    status = max((check.status for check in found), key=lambda status: status.severity)
    if settings.strict and notes:
        status = max(status, Status.FAILED, key=lambda status: status.severity)
    return result.Case(
        name=case.name,
        status=status,
        inputs=case.inputs,
        settings=_settings_of(case, settings),
        states=case.states,
        actions=case.actions,
        entries=case.states * case.actions - facts.masked,
        masked=facts.masked,
        checks=found,
        findings=tuple(
            _finding(case, name, spot)
            for name in order
            if name in tallies
            for spot in tallies[name].spots
            if spot.ratio > 1
        ),
        diagnosis=_first_wrong(found),
        notes=tuple(notes),
    )


def _settings_of(case: Case, settings: Settings) -> dict[str, Any]:
    """Return what the verdict depends on beside the inputs."""
    alpha = case.scalars.get("alpha")
    return {
        "alpha": "per state" if alpha is None else float(alpha),
        "critics": settings.critics,
        "action_axis": case.action_axis,
        "reduction": settings.reduction,
        "weights": "weights" in case.tables,
        "compute_dtype": settings.compute_dtype,
        "grad_dtype": settings.grad_dtype,
        "tolerance_factor": DUMP_FACTOR,
        "samples": settings.samples,
        "seed": settings.seed,
        "strict": settings.strict,
    }


def _check_result(case: Case, settings: Settings, name: str, tally: Tally) -> result.Check:
    """Give a tally its verdict and the reason for it."""
    status, reason = Status.PASSED, ""
    worst = tally.spots[0]
    if tally.failed:
        status = Status.FAILED
        share = 100.0 * tally.failed / tally.entries
        reason = (
            f"{tally.failed} of {tally.entries} ({share:.3g} %) differ by more than their tolerance"
        )
        if worst.about:
            reason += f"; the worst: {worst.about}"
        reason += _precision_hint(case, settings, name, tally)
    elif tally.live and tally.blind == tally.live:
        status = Status.INCONCLUSIVE
        reason = f"all {tally.live} live entries are blind: their tolerance exceeds their scale"
    elif tally.blind:
        reason = f"{tally.blind} of {tally.live} live entries are blind"
    if settings.strict and tally.blind and status is not Status.FAILED:
        status = Status.FAILED
        reason += " (--strict)"
    resolution = tally.resolution()
    return result.Check(
        name=name,
        status=status,
        entries=tally.entries,
        failed=tally.failed,
        blind=tally.blind,
        worst=_discrepancy(case, worst),
        resolution=resolution and result.Resolution(median=resolution[0], worst=resolution[1]),
        reason=reason,
    )


def _precision_hint(case: Case, settings: Settings, name: str, tally: Tally) -> str:
    """Say so where float32 would explain a failure of most entries: text files do not tell it."""
    role = "grad" if name == "gradient" else name
    worst = tally.spots[0]
    if role not in case.tables or not np.isfinite(worst.ratio) or 2 * tally.failed < tally.entries:
        return ""
    _, computed = _precisions(case, role, settings)
    single = Precision.FLOAT32
    if computed is not Precision.FLOAT64 or worst.ratio * computed.unit > single.unit:
        return ""
    return (
        "; no difference is larger than float32 rounding: if it was computed in float32, say "
        "--compute-dtype float32"
    )


def _location(case: Case, spot: Spot) -> tuple[int, ...]:
    """Return where a spot is in the user's own array."""
    return () if spot.state is None else case.location(spot.state, spot.action)


def _discrepancy(case: Case, spot: Spot) -> result.Discrepancy:
    return result.Discrepancy(
        location=_location(case, spot),
        actual=spot.actual,
        expected=spot.expected,
        abs_error=abs(spot.actual - spot.expected),
        tolerance=spot.tolerance,
        ratio=spot.ratio,
    )


def _finding(case: Case, check: str, spot: Spot) -> result.Finding:
    labels, actions = case.state_labels, case.action_labels
    return result.Finding(
        check=check,
        state=None if labels is None or spot.state is None else labels[spot.state],
        action=None if actions is None or spot.action is None else actions[spot.action],
        **msgspec.structs.asdict(_discrepancy(case, spot)),
    )


def _first_wrong(found: Sequence[result.Check]) -> tuple[result.Diagnosis, ...]:
    """Name the first wrong intermediate: everything computed from it may be wrong for its sake."""
    wrong = [
        check.name
        for check in found
        if check.name in checks.DUMPS and check.status is Status.FAILED
    ]
    if not wrong or wrong[0] == "gradient":
        return ()
    message = f"{wrong[0]} is the first wrong quantity in the order of computation: look there"
    return (
        result.Diagnosis(
            code="first-wrong",
            message=message,
            evidence={"quantity": wrong[0], "then_wrong": wrong[1:]},
        ),
    )


def report(
    cases: Iterable[tuple[str, Callable[[], Case]]],
    settings: Settings,
    progress: Progress | None = None,
) -> result.Report:
    """Verify cases one after the other.

    Parameters
    ----------
    cases : iterable of (name, opener)
        An opener that raises a SoftcheckError makes a case with the status `error`.
    settings : Settings
    progress : callable, optional
        See `Progress`.

    Raises
    ------
    NothingToCheckError
        If there is no case.
    """
    results: list[result.Case] = []
    errors: list[str] = []
    for name, opener in cases:
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
