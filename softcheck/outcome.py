"""The outcome of every check as the records of a report."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from softcheck import result
from softcheck.checks.blocks import Masking, decimal_of
from softcheck.checks.dumps import DUMPS
from softcheck.checks.frame import Frame
from softcheck.checks.picture import Mark, Picture
from softcheck.checks.tally import Spot, Tally, mostly_blind
from softcheck.gradient.definition import Kind
from softcheck.result import Status
from softcheck.settings import Settings, settings_of
from softcheck.tables.case import Case

_FIRST = ("critics", "action_axis", "reduction", "weights")
"""Settings that follow the numbers of the loss; the others come as they are declared."""


def case_result(
    case: Case,
    settings: Settings,
    tallies: Mapping[str, Tally],
    masking: Masking,
    diagnosis: tuple[result.Diagnosis, ...] = (),
    not_compiled: str = "",
) -> result.Case:
    """Put the outcome of every check into records.

    `settings` say which kernel ran; `not_compiled` is why it is not the one that was asked for.
    """
    checks = tuple(_check_result(case, settings, *named) for named in tallies.items())
    doubts = _doubts(case, masking)
    status = _worst(
        *(check.status for check in checks),
        *[Status.FAILED] * bool(settings.strict and doubts),
    )
    unmet = _unmet(status, settings, diagnosis)
    if settings.expect is not None:
        status = Status.FAILED if unmet else Status.PASSED
    return result.Case(
        name=case.name,
        status=status,
        loss=result.Loss(
            name=case.loss.name,
            formula=case.variant.formula,
            gradient=case.variant.gradient,
            proved=case.variant.proved,
            equation=case.variant.equation,
        ),
        dumped_by=case.dumped_by,
        inputs=case.inputs,
        settings=_settings_of(case, settings),
        states=case.states,
        actions=case.actions,
        entries=case.states * case.actions - masking.masked,
        masked=masking.masked,
        checks=checks,
        findings=tuple(
            _finding(case, name, spot)
            for name, tally in tallies.items()
            for spot in tally.spots
            if spot.ratio > 1
        ),
        diagnosis=diagnosis,
        notes=(*unmet, *doubts, *_asked_for(case, settings, not_compiled), *_allowed(tallies)),
    )


def pictured(case: Case, made: result.Case, picture: Picture, frame: Frame) -> result.PicturedCase:
    """Put what the pictures of a case show into records, beside its result."""
    cells = [frame.first(each, 0)[0] for each in range(frame.shape[0])]
    rows = [frame.first(0, each)[1] for each in range(frame.shape[1])]
    return result.PicturedCase(
        **{name: getattr(made, name) for name in made.__struct_fields__},
        picture=result.Picture(
            dots=tuple(result.Dot(**_dot(mark)) for mark in picture.sample),
            worst=tuple(_marked(case, frame, mark) for mark in picture.worst),
            grid=tuple(tuple(row) for row in picture.grid.tolist()),
            actions=tuple(_action_label(case, action) or f"[{action}]" for action in cells),
            states=tuple(
                _state_label(case, state) or str(list(case.location(state))) for state in rows
            ),
        ),
    )


def _marked(case: Case, frame: Frame, mark: Mark) -> result.MarkedDot:
    return result.MarkedDot(
        location=case.location(mark.state, mark.action),
        state=_state_label(case, mark.state),
        action=_action_label(case, mark.action),
        cell=frame.cell(mark.state, mark.action),
        **_dot(mark),
    )


def _dot(mark: Mark) -> dict[str, float]:
    return {name: getattr(mark, name) for name in result.Dot.__struct_fields__}


def _worst(*statuses: Status) -> Status:
    return max(statuses, key=lambda status: status.severity)


def _unmet(
    status: Status, settings: Settings, diagnosis: tuple[result.Diagnosis, ...]
) -> tuple[str, ...]:
    """Return the note that a case did not fail as it must; nothing where it did, or need not."""
    if settings.expect is None:
        return ()
    every = [found.code.split("+") for found in diagnosis]
    expected = {*settings.expect.split("+")}
    if status is Status.FAILED and any(expected <= {*codes} for codes in every):
        return ()
    found = f"it {status.value}" if status is Status.PASSED else f"it is {status.value}"
    if status is Status.FAILED:
        named = ", ".join(dict.fromkeys(code for codes in every for code in codes))
        found = f"its mistake was called {named or 'nothing'}"
    return (f"it must fail with {settings.expect}, but {found}",)


def _doubts(case: Case, masking: Masking) -> list[str]:
    """Return the notes that are a failure to `--strict`."""
    doubts = [*case.notes]
    if masking.disagreements:
        doubts.append(
            "legal by the mask but masked by a logit of -inf, and so counted as masked: "
            f"{masking.disagreements}"
        )
    if "grad" not in case.tables:
        itself = case.variant.called
        doubts.append(f"no gradient was given, so none was verified but {itself} itself")
    return doubts


def _asked_for(case: Case, settings: Settings, not_compiled: str) -> list[str]:
    """Return the notes on what was asked for, said to whoever reads the report; no doubts."""
    notes = [
        f"{role} is printed with {table.decimals} decimals, and compared to that precision"
        for role, table in case.tables.items()
        if case.roles[role].check and decimal_of(case, role, settings)
    ]
    if not_compiled:
        notes.append(f"verified by NumPy, not compiled: {not_compiled}")
    if settings.tolerance_factor == 1.0 or not case.tables.keys() & {"grad", *DUMPS}:
        return notes
    return [
        *notes,
        f"the tolerance of what was dumped is multiplied by {settings.tolerance_factor:g}, "
        "as was asked for",
    ]


def _allowed(tallies: Mapping[str, Tally]) -> list[str]:
    """Return the notes on what was right with an allowance only; no doubts."""
    if "gradient" not in tallies or tallies["gradient"].failed:
        return []
    needed = tallies["gradient"].needed
    notes = []
    if needed.normaliser:
        notes.append(
            f"in {needed.normaliser} states the gradient is right but for what logsumexp rounded: "
            "log_softmax keeps the digits that logits - logsumexp(logits) loses"
        )
    if needed.parts:
        notes.append(
            f"{needed.parts} entries of the gradient are right if they were added from parts that "
            "had been rounded, as where logits are upcast in several places: upcast them once"
        )
    return notes


def _settings_of(case: Case, settings: Settings) -> dict[str, Any]:
    """Return what the verdict depends on beside the inputs."""
    numbers = [given.name for given in case.variant.givens if given.kind is Kind.NUMBER]
    shown = {
        name: float(case.scalars[name]) if name in case.scalars else "per state"
        for name in numbers
        if name in case.tables
    }
    shown |= {"action_axis": case.action_axis, "weights": "weights" in case.tables}
    for name, setting in settings_of(Settings).items():
        if setting.option.reported:
            shown[name] = getattr(settings, name)
    if settings.kernel == "compiled":
        shown["kernel"] = settings.kernel
    first = [*numbers, *_FIRST]
    return {name: shown[name] for name in first if name in shown} | shown


def _check_result(case: Case, settings: Settings, name: str, tally: Tally) -> result.Check:
    """Give a tally its verdict and the reason for it."""
    status, reason = _verdict(tally)
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
        worst=_discrepancy(case, tally.spots[0]),
        largest=tally.largest and _discrepancy(case, tally.largest),
        decades=tuple(np.trim_zeros(tally.decades, "b").tolist()),
        resolution=resolution and result.Resolution(median=resolution[0], worst=resolution[1]),
        reason=reason,
    )


def _verdict(tally: Tally) -> tuple[Status, str]:
    """Return what a tally means, and why where that has to be said."""
    if tally.summary:
        agreed = Status.PASSED if tally.live else Status.INCONCLUSIVE
        return Status.FAILED if tally.failed else agreed, tally.summary
    if tally.failed:
        share = 100.0 * tally.failed / tally.entries
        about = tally.spots[0].about
        return Status.FAILED, (
            f"{tally.failed} of {tally.entries} ({share:.3g} %) differ by more than their tolerance"
            + (f"; the worst: {about}" if about else "")
        )
    if not tally.live:
        return Status.INCONCLUSIVE, "there is nothing to see: all that the entries are made of is 0"
    if tally.blind == tally.live == 1:
        return Status.INCONCLUSIVE, "its one live entry is blind: the tolerance exceeds its scale"
    count = "all" if tally.blind == tally.live else f"{tally.blind} of"
    blind = f"{count} {tally.live} live entries are blind"
    if mostly_blind(tally.blind, tally.live):
        return Status.INCONCLUSIVE, f"{blind}: their tolerance exceeds their scale"
    return Status.PASSED, blind if tally.blind else ""


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


def _state_label(case: Case, state: int | None) -> str | None:
    return None if case.state_labels is None or state is None else case.state_labels[state]


def _action_label(case: Case, action: int | None) -> str | None:
    return None if case.action_labels is None or action is None else case.action_labels[action]


def _finding(case: Case, check: str, spot: Spot) -> result.Finding:
    return result.Finding(
        check=check,
        about=spot.about,
        state=_state_label(case, spot.state),
        action=_action_label(case, spot.action),
        **msgspec.structs.asdict(_discrepancy(case, spot)),
    )
