"""`softcheck derive`: derivations to a report."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.funnel import ending
from softcheck.command.options import Reporting, named, path, takes
from softcheck.command.output import keep, say
from softcheck.errors import InputError, NothingToCheckError, UsageError, printable
from softcheck.settings import Document, General, Setting, Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softcheck.derive.check import Checked
    from softcheck.report import Renderer, Style
    from softcheck.result import Derivation, DocumentReport, Status, Verdict
    from softcheck.tables.case import Case

_STRICT = settings_of(Settings)["strict"]
SETTINGS: dict[str, Setting] = {
    name: setting
    for name, setting in settings_of(Document, Settings, General).items()
    if name in {"givens", "samples", "seed", "output_format", "report"}
} | {
    "strict": replace(
        _STRICT, option=replace(_STRICT.option, help="Fail on relations that are not checked")
    )
}
EXAMPLES = (
    "softcheck derive paper.tex\n"
    "softcheck derive paper.tex --lines 120-180 --givens definitions.tex\n"
    "softcheck derive --on run.npz --samples 1000\n"
    "softcheck derive --loss cross-entropy"
)
_RANGE = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")


def _ranges(given: list[str] | None) -> tuple[tuple[int, int], ...]:
    """Return ranges of lines, first and last."""
    found = []
    for text in given or ():
        match = _RANGE.fullmatch(text)
        first, last = map(int, match.groups()) if match else (1, 0)
        if last < first:
            expected = "A-B, the first and the last line, such as 120-180"
            raise UsageError("--lines", f"'{text}'", expected, "Lines are counted from 1.")
        found.append((first, last))
    return tuple(found)


@dataclass(frozen=True)
class _Asked:
    """What is asked of every document.

    Attributes
    ----------
    givens : str or None
        The text of that file.
    lines : tuple of (first, last)
    case : (Case, Settings) or None
        What to evaluate the lines on.
    roles, strict : bool
        Whether to say what was made of each formula, and to fail on relations that are not checked.
    """

    givens: str | None
    lines: tuple[tuple[int, int], ...]
    case: "tuple[Case, Settings] | None"
    roles: bool
    strict: bool

    def of(self, document: str | None, name: str) -> "tuple[Checked, Derivation]":
        """Return what was found of a document, and its report."""
        from softcheck.derive import built_in, load
        from softcheck.derive.check import check
        from softcheck.derive.reporting import report

        text = built_in() if document is None else load(document)
        checked = check(text, name=name, givens=self.givens, lines=self.lines)
        made = report(checked, roles=self.roles, strict=self.strict)
        if self.case is not None:
            import msgspec

            from softcheck.derive.on_data import evaluate

            made = msgspec.structs.replace(made, on=evaluate(checked, *self.case))
        return checked, made


@takes(SETTINGS)
def derive(
    *,
    documents: Annotated[
        list[str] | None,
        path(
            "FILE",
            "LaTeX, also inside of Markdown or plain text [those configured, or the derivation of "
            "Eq. (6)]",
        ),
    ] = None,
    lines: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A-B",
            help="Read only these lines; any number of times",
            rich_help_panel="Run",
        ),
    ] = None,
    explain_gap: Annotated[
        bool,
        typer.Option(
            "--explain-gap",
            help="Print the completed derivation as LaTeX",
            rich_help_panel="Report",
        ),
    ] = False,
    reading: Annotated[
        bool,
        typer.Option(
            "--reading",
            help="Say what was made of each formula, and why",
            rich_help_panel="Report",
        ),
    ] = False,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help="Tell gradient, proof and arrays to dump of a loss: a name, FILE[::SYMBOL] or a "
            "formula",
            rich_help_panel="Run",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="CASE",
            callback=named("--on"),
            help="Also evaluate every proved line on a case",
            rich_help_panel="Run",
        ),
    ] = None,
    invocation: Reporting,
) -> None:
    """Prove every step of a derivation, for every number of actions.

    A step is proved, refuted by a certified counterexample, or unknown with the reason. A term
    that a step leaves out is reported with its own proof.
    """
    from softcheck.derive import load
    from softcheck.derive.reporting import together

    if loss is not None:
        others = [documents, lines, on, explain_gap, reading, invocation.value("givens")]
        _loss(loss, invocation, alone=not any(others))
    if on is None and "samples" in invocation.flags:
        raise UsageError("--samples", "no case", "--on CASE beside it", "Name the case.")
    ranges = _ranges(lines)
    chosen = documents or invocation.file.documents()
    if ranges and len(chosen) > 1:
        found = f"{len(chosen)} documents"
        raise UsageError("--lines", found, "one, whose lines they are", "Name it.")
    givens = invocation.value("givens")
    read = [*filter(None, (*chosen, on, givens))]
    keep(read)
    reports = invocation.reports(read, "derive_report")
    case = None if on is None else invocation.case(on)
    asked = _Asked(
        givens=None if givens is None else load(givens),
        lines=ranges,
        case=None if case is None else (case.open(), case.settings),
        roles=reading,
        strict=invocation.value("strict"),
    )
    made, completed, decided = _decided(chosen, asked, explain_gap=explain_gap)
    every = together(made)

    def render(form: "Renderer", style: "Style") -> str:
        if len(made) == 1 and made[0].report is not None:
            return form.derivation(made[0].report, made[0].name, style)
        return form.derivations(every, style)

    reports.deliver(render, instead="\n".join(completed) if explain_gap else None)
    for checked in decided:
        checked.insist()
    raise ending(*_verdicts(made), exit_zero=invocation.exit_zero)


def _decided(
    documents: "Sequence[str]", asked: _Asked, *, explain_gap: bool
) -> "tuple[list[DocumentReport], list[str], list[Checked]]":
    """Return the report of each document, completed derivations if asked for, and decisions."""
    from softcheck.derive import BUILT_IN
    from softcheck.derive.completed import completion
    from softcheck.result import DocumentReport

    made, completed, decided = [], [], []
    for document in documents or (None,):
        name = BUILT_IN if document is None else document
        try:
            checked, one = asked.of(document, name)
        except (InputError, NothingToCheckError) as error:
            if len(documents) <= 1:
                raise
            say(str(error))
            made.append(DocumentReport(name=name, report=None, error=str(error)))
            continue
        made.append(DocumentReport(name=name, report=one, error=""))
        decided.append(checked)
        if explain_gap:
            title = f"% {printable(name)}\n" if len(documents) > 1 else ""
            completed.append(f"{title}{completion(checked)}")
    return made, completed, decided


def _loss(text: str, invocation: Reporting, *, alone: bool) -> None:
    """Say what a loss is, and end."""
    from softcheck import losses
    from softcheck.losses.reporting import report

    if not alone:
        raise UsageError(
            "--loss", "a document or its options too", "a loss alone", "Leave one out."
        )
    reports = invocation.reports([text], "derive_report")
    made = report(losses.read(text))
    reports.deliver(lambda form, style: form.loss(made, style))
    raise ending(made.status, exit_zero=invocation.exit_zero)


def _verdicts(made: "Sequence[DocumentReport]") -> "Iterator[Status | Verdict]":
    """Yield all that a run is judged by."""
    from softcheck.result import OnData, Status

    for each in made:
        if each.report is None:
            yield Status.ERROR
            continue
        yield each.report.status
        if isinstance(each.report.on, OnData):
            yield each.report.on.status
