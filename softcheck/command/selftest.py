"""`softcheck selftest`: whether planted mistakes are caught."""

from typing import Annotated

from softcheck.command.funnel import ending
from softcheck.command.options import Invocation, path, takes
from softcheck.command.output import write
from softcheck.result import Status
from softcheck.settings import Settings, settings_of

SETTINGS = {"reduction": settings_of(Settings)["reduction"]}
EXAMPLES = "softcheck selftest\nsoftcheck selftest run.npz --reduction mean"


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
) -> None:
    """Plant every known mistake, and report which were caught and named.

    A checker that cannot fail is worth nothing: the exit code is 1 if a mistake that the data can
    show was missed. Without a case, wrong steps are planted in the derivation of Eq. (6) too.
    """
    from softcheck.report.selftest import render
    from softcheck.result import Outcome
    from softcheck.selftest import outcomes

    if case is None:
        given, settings = None, invocation.case_without_path("selftest").settings
    else:
        chosen = invocation.case(case)
        given = chosen.open()
        settings = given.settings(chosen.settings)
    found = list(outcomes(given, settings))
    write("".join(f"{line}\n" for line in render(found)))
    missed = any(isinstance(one, Outcome) and one.missed for one in found)
    if case is None:
        from softcheck.derive.planted import outcomes as in_derivation

        steps = list(in_derivation())
        for step in steps:
            at = "no step" if step.step is None else f"step {step.step}"
            word = "caught" if step.caught else "MISSED"
            write(f"{step.edit.name:<30}{word} at {at} of the derivation: {step.edit.about}\n")
        missed |= not all(step.caught for step in steps)
    raise ending(Status.FAILED if missed else Status.PASSED)
