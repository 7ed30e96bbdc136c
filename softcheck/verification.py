"""Cases and settings to a report: what an engine found in their blocks, and one verdict."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from functools import partial as partially
from operator import add
from typing import Annotated

import numpy as np

from softcheck import result
from softcheck.checks import compiled, distinct, every
from softcheck.checks.blocks import (
    Masking,
    evaluation,
    evenly,
    loss_of,
    reduction_of,
    rows_of_block,
)
from softcheck.checks.distinct import Distinct, in_pieces
from softcheck.checks.evaluation import Context
from softcheck.checks.frame import Frame
from softcheck.checks.merging import Merging, merged
from softcheck.checks.oracles import exact_sample
from softcheck.engines import Engine, made_of
from softcheck.engines.local import Threads
from softcheck.errors import InputError, NothingToCheckError, SoftcheckError
from softcheck.gradient.definition import Generated
from softcheck.gradient.policy import Buffers
from softcheck.outcome import case_result, pictured
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.tables.roles import ROLES
from softcheck.version import __version__

Progress = Callable[[str, int, int | None], None]
"""Called with what is counted ("cases", or "states" of one of them), the number done, and of how
many, None where that is not known."""


def verify_case(
    case: Case,
    settings: Settings,
    progress: Progress | None = None,
    engine: Engine | None = None,
    *,
    pictures: bool = False,
    digests: bool = False,
) -> result.Case:
    """Run every check on a case.

    Parameters
    ----------
    case : Case
    settings : Settings
    progress : callable, optional
        See `Progress`.
    engine : Engine, optional
        By default threads of this process.
    pictures : bool
        Whether the result is to be a `PicturedCase`, where a gradient was dumped.
    digests : bool
        Whether it is to have the digests of files.

    Raises
    ------
    InputError
        Where a given is NaN, infinite or otherwise not a number that a loss can have.
    NothingToCheckError
        If the case has no state or no action, or no gradient where the settings require one.
    """
    if digests:
        case.hash_files()
    settings = case.settings(settings)
    _require_something(case, settings)
    states = case.states
    places = states * case.actions
    may_repeat = not pictures and distinct.may_repeat(case, settings)
    chosen = compiled.chosen(settings.kernel, places, case.variant, may_repeat=may_repeat)
    context = Context(
        places,
        settings.max_findings,
        settings.samples,
        settings.seed,
        _sample(case, settings),
        reduction_of(case, settings),
        loss_of(case),
        Frame.of(states, case.actions) if pictures else None,
        chosen.sweeps,
    )
    engine = engine or Threads(settings.threads)
    checks = _Checks(case, settings, context, compiled.BLOCKS if chosen.sweeps else 1)
    found = _Part()
    for part in checks.over(engine, shortens=chosen.shortens):
        found.merge(part)
        if progress is not None:
            progress("states", found.states, states)
    partial, masking = found.partial, found.masking
    tallies = every.outcome(partial, context, case.scalars)
    diagnosis: tuple[result.Diagnosis, ...] = ()
    if any(tally.failed for name, tally in tallies.items() if name in every.OF_DUMPS):
        from softcheck.diagnosis import other_loss
        from softcheck.diagnosis.name import diagnose
        from softcheck.diagnosis.states import FOLLOWED, OverBlocks
        from softcheck.losses.others import others

        beside = tuple(others(case.loss, case.variant))

        @cache
        def generated() -> Generated:
            from softcheck.losses.mistakes import across, of_variant

            wrongs, terms = of_variant(case.loss, case.variant)
            suspects = tuple(each for wrong in wrongs for each in (wrong, *wrong.others))
            return Generated((*suspects, *beside), terms, across(case.loss, case.variant))

        def over(blocks: int) -> OverBlocks:
            return partially(engine.over_blocks, case=case, rows=checks.rows(blocks))

        named = diagnose(
            case,
            settings,
            tallies,
            partial.moments,
            masking.masked,
            over(distinct.BLOCKS if chosen.shortens else FOLLOWED),
            generated,
            repeats=chosen.shortens,
            is_compiled=chosen.sweeps,
        )
        diagnosis = (*named, *other_loss.diagnose(case, settings, tallies, over(1), beside))
    failure = chosen.failure
    is_compiled = chosen.sweeps or chosen.shortens
    if is_compiled:
        failure = found.not_compiled(sweeps=chosen.sweeps)
    ran = replace(settings, kernel="compiled" if is_compiled and not failure else "numpy")
    is_asked = settings.kernel == "compiled"
    made = case_result(case, ran, tallies, masking, diagnosis, failure if is_asked else "")
    if context.frame is None or partial.picture is None:
        return made
    return pictured(case, made, partial.picture, context.frame)


def _require_something(case: Case, settings: Settings) -> None:
    """Raise NothingToCheckError where nothing is to be checked, or not what has to be."""
    if case.states == 0 or case.actions == 0:
        raise NothingToCheckError(
            case.name,
            f"{case.states} states of {case.actions} actions",
            "at least one of each",
            "Check the selection that made the dump.",
        )
    if settings.require_gradient and "grad" not in case.tables:
        raise NothingToCheckError(
            case.name,
            "no gradient",
            f"{' or '.join(ROLES['grad'].names)}, for --require-gradient",
            "Dump it too, or give --grad.",
        )


def _sample(case: Case, settings: Settings) -> list[tuple[int, float]]:
    """Choose the entries of the exact check's random sample."""
    generator = np.random.default_rng(settings.seed)
    size = exact_sample(case.states, case.actions)
    states = generator.integers(case.states, size=size)
    return sorted(zip(states.tolist(), generator.random(size).tolist(), strict=True))


@dataclass
class _Part(Merging):
    """What was found in some blocks.

    Of these `shortened` have few entries that differ; `not_scanned` is why none was looked through.
    """

    partial: Annotated[every.Partial, merged] = field(default_factory=every.Partial)
    masking: Annotated[Masking, merged] = field(default_factory=Masking)
    states: Annotated[int, add] = 0
    shortened: Annotated[int, add] = 0
    not_scanned: Annotated[str, max] = ""

    def not_compiled(self, *, sweeps: bool) -> str:
        """Return why nothing was compiled that was to be; `sweeps` if all of a loss was."""
        if sweeps or self.shortened:
            return self.partial.not_compiled
        return self.not_scanned or distinct.TOO_FEW


@dataclass(frozen=True)
class _Checks:
    """The checks of the blocks of a case; `blocks` of the usual size are one."""

    case: Case
    settings: Settings
    context: Context
    blocks: int

    def rows(self, blocks: int) -> int:
        """Return how many states a block has that is as large as several."""
        return evenly(self.case.states, rows_of_block(self.settings, self.case.actions, blocks))

    def over(self, engine: Engine, *, shortens: bool) -> Iterator[_Part]:
        """Yield what is found in the blocks of the case."""
        if not shortens:
            return engine.over_blocks(self, self.case, self.rows(self.blocks))
        return engine.over_blocks(self.once, self.case, self.rows(distinct.BLOCKS))

    def __call__(self, raw: RawBlock, buffers: Buffers, found: Distinct | None = None) -> _Part:
        """Run them on a block; on its entries that differ, if these are given."""
        masking = Masking()
        made = evaluation(self.case, raw, self.settings, self.context, buffers, masking, found)
        return _Part(every.run(made), masking, raw.rows)

    def once(self, raw: RawBlock, buffers: Buffers) -> _Part:
        """Run them on the entries that differ; if these are many, or one is not legal, on all."""
        found, part = distinct.distinct(self.case, raw), None
        if found is not None:
            pieces = found.pieces(self.blocks * self.settings.block_entries)
            with suppress(InputError):  # which names an entry, not an action
                part = made_of(lambda piece, of: self(piece.raw, of, piece), pieces, buffers)
        if part is None:
            part = made_of(self, in_pieces(raw, self.rows(self.blocks)), buffers)
        part.shortened, part.not_scanned = int(found is not None), distinct.SCAN.failure
        return part


def report(
    cases: Sequence[tuple[str, Callable[[], Case], Settings]],
    progress: Progress | None = None,
    engine: Engine | None = None,
    *,
    pictures: bool = False,
    digests: bool = False,
) -> result.Report:
    """Verify cases.

    Parameters
    ----------
    cases : sequence of (name, opener, settings)
        An opener that raises a SoftcheckError makes a case with the status `error`.
    progress : callable, optional
        See `Progress`.
    engine : Engine, optional
        By default threads of this process.
    pictures, digests : bool
        See `verify_case`.

    Raises
    ------
    NothingToCheckError
        If there is no case.
    """
    if not cases:
        raise NothingToCheckError("verify", "no case", "at least one", "Name a file or a folder.")
    engine = engine or Threads()
    results: list[result.Case] = []
    errors: list[str] = []
    pieces = [(opener, replace(settings, threads=1)) for _, opener, settings in cases]
    verified = partially(verify_case, pictures=pictures, digests=digests)
    elsewhere = engine.ahead(verified, pieces)
    for (name, opener, settings), made in zip(cases, elsewhere, strict=True):
        try:
            results.append(made or verified(opener(), settings, progress, engine))
        except SoftcheckError as error:
            errors.append(str(error))
            results.append(_unreadable(name))
        if progress is not None and len(cases) > 1:
            progress("cases", len(results), len(cases))
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
        loss=None,
        dumped_by=None,
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
