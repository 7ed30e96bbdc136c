"""`softcheck derive`: a derivation to a report."""

from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.funnel import ending
from softcheck.command.options import Reporting, named, path, takes
from softcheck.errors import UsageError
from softcheck.settings import Document, General, Settings, settings_of

if TYPE_CHECKING:
    from softcheck.result import Status, Verdict

SETTINGS = {
    name: setting
    for name, setting in settings_of(Document, Settings, General).items()
    if name in {"givens", "samples", "seed", "output_format", "report"}
}
EXAMPLES = (
    "softcheck derive paper.tex\n"
    "softcheck derive paper.tex --givens definitions.tex\n"
    "softcheck derive --on run.npz --samples 1000"
)


@takes(SETTINGS)
def derive(
    *,
    document: Annotated[
        str | None,
        path(
            "FILE",
            "LaTeX, also inside of Markdown or plain text; by default the derivation of "
            "Eq. (6) that comes with softcheck",
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
    from softcheck.derive import BUILT_IN, built_in, load
    from softcheck.derive.check import check
    from softcheck.derive.reporting import report

    if on is None and "samples" in invocation.flags:
        raise UsageError("--samples", "no case", "--on CASE beside it", "Name the case.")
    givens = invocation.value("givens")
    reports = invocation.reports(filter(None, (document, on, givens)))
    name = BUILT_IN if document is None else document
    checked = check(
        built_in() if document is None else load(document),
        name=name,
        givens=None if givens is None else load(givens),
    )
    made = report(checked, roles=reading)
    verdicts: list[Status | Verdict] = [made.status]
    if on is not None:
        import msgspec

        from softcheck.derive.on_data import evaluate

        case = invocation.case(on)
        found = evaluate(checked, case.open(), case.settings)
        made = msgspec.structs.replace(made, on=found)
        verdicts.append(found.status)
    completed = None
    if explain_gap:
        from softcheck.derive.completed import completion

        completed = completion(checked)
    reports.deliver(lambda form, style: form.derivation(made, name, style), instead=completed)
    raise ending(*verdicts, exit_zero=invocation.exit_zero)
