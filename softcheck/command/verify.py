"""`softcheck verify`: cases to a report."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.funnel import ending
from softcheck.command.options import Reporting, path, takes
from softcheck.command.output import colored, keep, say, write
from softcheck.errors import UsageError
from softcheck.settings import General, Settings, settings_of
from softcheck.tables.inputs import Inputs

if TYPE_CHECKING:
    from softcheck.command.config import Chosen

SETTINGS = settings_of(Inputs, Settings, General)
EXAMPLES = (
    "softcheck verify run.npz\n"
    "softcheck verify dumps/*.npz --reduction mean --strict\n"
    "softcheck verify step.npz --loss cross-entropy --reduction mean\n"
    "softcheck verify --q q.npy --logits a.npz::theta --grad g.npy --alpha 0.2"
)


_ARRAYS = {"q", "logits", "grad", "arrays"}
"""The options that make a case without a file or folder."""


@takes(SETTINGS)
def verify(
    *,
    cases: Annotated[
        list[str] | None,
        path("CASE", "Named arrays, in a file or folder [those configured]"),
    ] = None,
    invocation: Reporting,
    show_settings: Annotated[
        bool,
        typer.Option(
            "--show-settings",
            help="Print each value and its origin, verify nothing",
            rich_help_panel="Run",
        ),
    ] = False,
) -> None:
    """Verify the gradient that your code computed, at every logit.

    For the policy loss L = -sum pi g with g(a) = Q(a) - alpha log pi(a), and V = sum pi g, it is
    dL/dtheta_a = -pi(a) (g(a) - V). Any other is said by --loss; softcheck derive --loss tells its
    gradient and its arrays.

    A CASE is a file of named arrays (.npz .json .jsonl .csv .safetensors .h5 .parquet .feather
    .pt), or a folder with a file a name. F is PATH or PATH::KEY.
    """
    chosen = _chosen(invocation, cases or ())
    if show_settings:
        from softcheck.command.config import with_origins

        write(with_origins(SETTINGS, invocation.values, chosen, invocation.file.path))
        return
    if not chosen:
        raise UsageError(
            "verify",
            "no case",
            "a CASE, or --q, --logits and --alpha, or cases in a configuration file",
            "See softcheck verify --help.",
        )

    from softcheck.command.memory import keep_freed
    from softcheck.command.progress import progress_bar
    from softcheck.engines import running
    from softcheck.verification import report

    keep_freed()
    places = [place for case in chosen for place in case.places]
    keep(places)
    reports = invocation.reports(places)
    engine = running(*map(invocation.value, ("engine", "scheduler", "threads")))
    with engine as started, progress_bar(colored(invocation.color, sys.stderr)) as progress:
        runs = [run for case in chosen for run in case.runs()]
        made = report(runs, progress, started, pictures=reports.pictured, digests=reports.digested)
    for error in made.summary.errors:
        say(error)
    reports.deliver(lambda form, style: form.verification(made, style))
    raise ending(made.status, exit_zero=invocation.exit_zero)


def _chosen(invocation: Reporting, paths: Sequence[str]) -> "Sequence[Chosen]":
    """Return the cases that are named, or made of single arrays, or else all configured ones."""
    if paths:
        return [invocation.case(path) for path in paths]
    if any(name.partition(".")[0] in _ARRAYS for name in invocation.flags):
        return [invocation.case_without_path("options")]
    return [case.with_flags(invocation.flags) for case in invocation.file.every()]
