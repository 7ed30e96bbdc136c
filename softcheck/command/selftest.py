"""`softcheck selftest`: whether planted mistakes are caught."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.funnel import ending
from softcheck.command.options import Invocation, path, takes
from softcheck.command.output import colored, keep, write
from softcheck.errors import UsageError
from softcheck.result import Status
from softcheck.settings import Settings, settings_of
from softcheck.tables.inputs import Inputs

if TYPE_CHECKING:
    from softcheck.selftest import Closeness

SETTINGS = {
    "loss": settings_of(Inputs)["loss"],
    "reduction": settings_of(Settings)["reduction"],
}
EXAMPLES = (
    "softcheck selftest\n"
    "softcheck selftest run.npz --reduction mean\n"
    "softcheck selftest --loss cross-entropy\n"
    "softcheck selftest step.npz --loss grpo --against atol=5e-2,rtol=5e-1"
)


@takes(SETTINGS)
def selftest(
    *,
    case: Annotated[
        str | None,
        path(
            "CASE",
            "Data to plant mistakes in; by default data that comes with softcheck",
        ),
    ] = None,
    invocation: Invocation,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="atol=X,rtol=X",
            help="Also say which of them numpy.allclose would let pass at these tolerances",
            rich_help_panel="Report",
        ),
    ] = None,
) -> None:
    """Plant every known mistake of a loss, and report which were caught and named.

    A checker that cannot fail is worth nothing: the exit code is 1 if a mistake that the data can
    show was missed. Without a case, wrong steps are planted in the derivation of Eq. (6) too.
    """
    compared = None if against is None else _closeness(against)

    from softcheck.command.progress import progress_bar
    from softcheck.report.selftest import render
    from softcheck.result import Outcome
    from softcheck.selftest import outcomes
    from softcheck.shipped import DEFAULT, stored

    usual = stored(DEFAULT)
    if case is None:
        chosen = invocation.case_without_path("selftest")
        loss = chosen.loss or usual
        made = outcomes(loss, chosen.settings, compared)
    else:
        keep([case])
        chosen = invocation.case(case)
        given = chosen.open()
        loss = given.loss
        made = outcomes(given, given.settings(chosen.settings), compared)
    found = []
    with progress_bar(colored("auto", sys.stderr)) as progress:
        for outcome in made:
            found.append(outcome)
            if progress is not None:
                progress("mistakes planted", len(found), None)
    write("".join(f"{line}\n" for line in render(found, compared)))
    missed = any(isinstance(one, Outcome) and one.missed for one in found)
    if case is None and loss is usual:
        from softcheck.derive.planted import outcomes as in_derivation

        steps = list(in_derivation())
        for step in steps:
            at = "no step" if step.step is None else f"step {step.step}"
            word = "caught" if step.caught else "MISSED"
            write(f"{step.edit.name:<30}{word} at {at} of the derivation: {step.edit.about}\n")
        missed |= not all(step.caught for step in steps)
    raise ending(Status.FAILED if missed else Status.PASSED)


def _closeness(text: str) -> "Closeness":
    """Return the tolerances that are written as atol=X,rtol=X; either may be left out."""
    from softcheck.selftest import Closeness

    def refused(found: str) -> UsageError:
        expected = "atol=X,rtol=X, each a number of at least 0"
        return UsageError("--against", found, expected, "As in --against atol=1e-6,rtol=1e-5.")

    said: dict[str, float] = {}
    for part in text.split(","):
        name, sign, number = (each.strip() for each in part.partition("="))
        if not sign or name not in Closeness._fields:
            raise refused(f"'{part}'")
        if name in said:
            raise refused(f"'{name}' twice")
        try:
            said[name] = float(number)
        except ValueError:
            raise refused(f"'{part}'") from None
        if not 0.0 <= said[name] < float("inf"):
            raise refused(f"'{part}'")
    return Closeness(**said)
