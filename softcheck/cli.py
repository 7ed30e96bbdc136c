"""The command line, and the only place that knows exit codes."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
from typer.exceptions import TyperException

from softcheck import __version__
from softcheck.errors import SoftcheckError, UsageError, printable
from softcheck.result import Status, Verdict
from softcheck.settings import CriticChoice, Dtype, EngineName, Reduction, Settings

if TYPE_CHECKING:
    from softcheck.tables.case import Case

EXIT_CODES = {Status.PASSED: 0, Status.FAILED: 1, Status.INCONCLUSIVE: 1, Status.ERROR: 2}
TROUBLE = 2
INTERNAL = 3
INTERRUPTED = 130
TERMINATED = 143

QUIET = 2
"""How often -q silences everything."""

ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 where it would be 1.")]
OutputFormat = Annotated[
    Literal["text", "concise", "json"] | None,
    typer.Option(envvar="SOFTCHECK_OUTPUT_FORMAT", show_default="text on a terminal, else concise"),
]
Color = Annotated[Literal["auto", "always", "never"], typer.Option()]
Quiet = Annotated[
    int, typer.Option("-q", "--quiet", count=True, help="Findings only; -qq: nothing.")
]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="All details; -vv: tracebacks too.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of whatever is drawn.")]
DeclaredReduction = Annotated[
    Reduction, typer.Option(help="How the dumped gradient's loss was reduced over states.")
]

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Terminated(BaseException):
    """SIGTERM: ends the run like Ctrl-C."""


def main() -> NoReturn:
    """Run the program: the one funnel from exceptions to exit codes."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = int(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _Terminated:
        code = TERMINATED
    except SoftcheckError as error:
        code = _complain(TROUBLE, str(error))
    except TyperException as error:
        # Reached only by what Typer itself refuses: options, arguments, commands.
        code = _complain(TROUBLE, f"{printable(error.format_message())} See softcheck --help.")
    except Exception as error:  # nothing unexpected may look like a verdict
        code = _complain(
            INTERNAL,
            f"internal error: {type(error).__name__}: {printable(error)}. This is a defect of "
            "softcheck: please report it, with what -vv prints.",
        )
    sys.exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _complain(code: int, message: str) -> int:
    """Print one line on stderr, after the traceback if -vv asks for it."""
    if "-vv" in sys.argv:
        import traceback

        traceback.print_exc()
    print(f"softcheck: {message}", file=sys.stderr)
    return code


def _version(asked: bool) -> None:
    if asked:
        print(f"softcheck {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Check the gradient of a soft (entropy-regularised) softmax policy.

    Exit codes: 0 all passed, 1 failed or inconclusive, 2 nothing could be verified, 3 internal
    error.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(TROUBLE)


@app.command()
def verify(
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CASE]...",
            help="A file of named arrays (.npz .json .csv .safetensors .h5 .parquet .pt), or a "
            "folder with one file a name.",
            show_default=False,
        ),
    ] = None,
    q: Annotated[
        list[str] | None,
        typer.Option(metavar="F", help="Q-table, PATH or PATH::KEY; once for each critic."),
    ] = None,
    logits: Annotated[str | None, typer.Option(metavar="F", help="Logits of the policy.")] = None,
    grad: Annotated[
        list[str] | None,
        typer.Option(
            metavar="F", help="The gradient that your code computed; several are a case each."
        ),
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(metavar="X|F", help="Temperature: a number, or one a state.")
    ] = None,
    mask: Annotated[str | None, typer.Option(metavar="F", help="True where legal.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="F", help="A weight a state.")] = None,
    action_axis: Annotated[int, typer.Option(metavar="N", help="The axis of the actions.")] = -1,
    reduction: DeclaredReduction = "sum",
    critics: Annotated[CriticChoice, typer.Option(help="How several critics make one Q.")] = "min",
    compute_dtype: Annotated[
        Dtype | None,
        typer.Option(help="Precision of the dump's arithmetic.", show_default="that of the dump"),
    ] = None,
    grad_dtype: Annotated[
        Dtype | None,
        typer.Option(
            help="Precision the gradient was rounded to, where its file does not tell.",
            show_default="that of its file",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(metavar="N", help="Also estimate the gradient from N actions a state.")
    ] = 0,
    seed: Seed = 0,
    threads: Annotated[
        int | None, typer.Option(metavar="N", show_default="one for each core")
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Verify on threads of this process, or on a Dask cluster.")
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A running cluster for --engine dask.",
            show_default="one of this machine's own",
        ),
    ] = None,
    max_findings: Annotated[
        int, typer.Option(metavar="N", help="Findings listed for each check.")
    ] = 5,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on a blind entry and on a note.")
    ] = False,
    exit_zero: ExitZero = False,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle", help="Read pickled arrays and containers; nothing in them is run."
        ),
    ] = False,
    output_format: OutputFormat = None,
    color: Color = "auto",
    quiet: Quiet = 0,
    verbose: Verbose = 0,
) -> None:
    """Verify the gradient of the policy loss on tables, and the one that your code computed.

    With g(a) = Q(a) - alpha log pi(a) and V = sum pi g it is dL/dtheta_a = -pi(a) (g(a) - V).

    softcheck verify run.npz

    softcheck verify --q q1.npy --q q2.npy --logits logits.npy --grad grad.npy --alpha 0.2
    --reduction mean
    """
    settings = Settings(
        reduction=reduction,
        critics=critics,
        compute_dtype=compute_dtype,
        grad_dtype=grad_dtype,
        samples=samples,
        seed=seed,
        threads=threads,
        max_findings=max_findings,
        strict=strict,
    )
    options = {"logits": logits, "alpha": alpha, "mask": mask, "weights": weights}
    given = {role: [place] for role, place in options.items() if place is not None}
    if q:
        given["q"] = q
    if not cases and not given and not grad:
        raise UsageError(
            "verify", "no case", "a CASE, or --q, --logits and --alpha", "See verify --help."
        )

    from softcheck.engines import running
    from softcheck.progress import progress_bar
    from softcheck.tables.case import open_case
    from softcheck.verification import report

    def opener(path: str | None, dump: str | None) -> Callable[[], "Case"]:
        def opened() -> "Case":
            all_given = given if dump is None else given | {"grad": [dump]}
            case = open_case(path, all_given, action_axis=action_axis, allow_pickle=allow_pickle)
            return case if dump is None or len(grads) == 1 else replace(case, name=dump)

        return opened

    paths: list[str | None] = [*cases] if cases else [None]
    grads: list[str | None] = [*grad] if grad else [None]
    chosen = [
        ((dump if len(grads) > 1 else path) or "options", opener(path, dump))
        for path in paths
        for dump in grads
    ]
    with running(engine, scheduler, threads) as running_engine, progress_bar() as progress:
        made = report(chosen, settings, progress, running_engine)
    for error in made.summary.errors:
        print(f"softcheck: {error}", file=sys.stderr)
    if quiet < QUIET:
        from softcheck.output import default_format, style, write
        from softcheck.report import RENDERERS

        render = RENDERERS[output_format or default_format()]
        write(render(made, style(color, verbose - quiet)))
    code = EXIT_CODES[made.status]
    raise typer.Exit(0 if exit_zero and code == EXIT_CODES[Status.FAILED] else code)


@app.command()
def derive(
    document: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="LaTeX, also inside of Markdown or plain text; by default the derivation of "
            "Eq. (6) that comes with softcheck.",
            show_default=False,
        ),
    ] = None,
    givens: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Definitions that outrank those of the document."),
    ] = None,
    explain_gap: Annotated[
        bool,
        typer.Option(
            "--explain-gap", help="Print the completed derivation as LaTeX: no term left out."
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="CASE", help="Also evaluate every proved line on a case."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(metavar="N", help="With --on: also estimate expectations from N draws."),
    ] = 0,
    seed: Seed = 0,
    exit_zero: ExitZero = False,
    output_format: OutputFormat = None,
    color: Color = "auto",
    quiet: Quiet = 0,
    verbose: Verbose = 0,
) -> None:
    """Read a derivation and prove every step of it for every number of actions.

    A step is proved, refuted by a certified counterexample, or unknown with the reason. A term
    that a step leaves out is reported with its own proof.

    softcheck derive paper.tex

    softcheck derive --on run.npz --samples 1000
    """
    from softcheck.derive import BUILT_IN, built_in, load
    from softcheck.derive.check import check, report
    from softcheck.output import default_format, style, write

    if samples and on is None:
        raise UsageError("--samples", "no case", "--on CASE beside it", "Name the case.")
    settings = Settings(samples=samples, seed=seed)
    name = BUILT_IN if document is None else document
    checked = check(
        built_in() if document is None else load(document),
        name=name,
        givens=None if givens is None else load(givens),
    )
    made = report(checked)
    passed = made.status is Verdict.PROVED
    if on is not None:
        import msgspec

        from softcheck.derive.on_data import evaluate
        from softcheck.tables.case import open_case

        found = evaluate(checked, open_case(on, {}), settings)
        made = msgspec.structs.replace(made, on=found)
        passed = passed and found.status is Status.PASSED
    if explain_gap:
        from softcheck.derive.explain import explained

        write(explained(checked))
    elif quiet < QUIET:
        from softcheck.report.derive import RENDERERS

        render = RENDERERS[output_format or default_format()]
        write(render(made, name, style(color, verbose - quiet)))
    raise typer.Exit(0 if passed or exit_zero else EXIT_CODES[Status.FAILED])


@app.command()
def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE]", help="The code at the end of a diagnosis.", show_default=False
        ),
    ] = None,
) -> None:
    """Say what a diagnosis means, with the wrong and the right formula; without a code, list all.

    softcheck explain missing-alpha
    """
    from softcheck.explain import explain as explained
    from softcheck.explain import listing
    from softcheck.output import write

    write(listing() if code is None else explained(code))


@app.command()
def selftest(
    case: Annotated[
        str | None,
        typer.Argument(
            metavar="[CASE]",
            help="Data to plant mistakes in; by default data that comes with softcheck.",
            show_default=False,
        ),
    ] = None,
    reduction: DeclaredReduction = "sum",
) -> None:
    """Plant every known mistake in what is right, and report which were caught and named.

    A checker that cannot fail is worth nothing: the exit code is 1 if a mistake that the data can
    show was missed. Without a case, wrong steps are planted in the derivation of Eq. (6) too.
    """
    from softcheck.output import write
    from softcheck.report.selftest import render
    from softcheck.selftest import Outcome, outcomes
    from softcheck.tables.case import open_case

    given = None if case is None else open_case(case, {})
    found = list(outcomes(given, Settings(reduction=reduction)))
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
    raise typer.Exit(EXIT_CODES[Status.FAILED] if missed else 0)
