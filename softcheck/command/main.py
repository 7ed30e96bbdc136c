"""The command line, and the only place that knows exit codes."""

import inspect
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer
from typer.exceptions import TyperException

from softcheck.command.help import Command, Group
from softcheck.command.output import (
    colored,
    file_style,
    format_on_stdout,
    prepare,
    report_files,
    say,
    style,
    write,
)
from softcheck.errors import SoftcheckError, UsageError, nearest, printable
from softcheck.result import Status, Verdict
from softcheck.settings import (
    Document,
    General,
    Option,
    Place,
    Setting,
    Settings,
    settings_of,
)
from softcheck.tables.inputs import Inputs
from softcheck.version import __version__

if TYPE_CHECKING:
    from softcheck.command.config import Configuration, Values

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Places = TypeVar("_Places", str | None, list[str] | None)

EXIT_CODES = {Status.PASSED: 0, Status.FAILED: 1, Status.INCONCLUSIVE: 1, Status.ERROR: 2}
TROUBLE = 2
INTERNAL = 3
_UNWRAPPED = 1000
"""Columns that no description of an option fills."""
QUIET = 2
"""How often -q silences everything."""

_VERIFY = settings_of(Inputs, Settings, General)
_DERIVE = {
    name: setting
    for name, setting in settings_of(Document, Settings, General).items()
    if name in {"givens", "samples", "seed", "output_format", "report"}
}
_SELFTEST = {"reduction": _VERIFY["reduction"]}
_COLOR = Setting(
    "color",
    Literal["auto", "always", "never"],
    "auto",
    Option("Colour: auto, always, never", "Report", "WHEN"),
)

_PLACE = Setting("place", Place, None, Option("A file or folder", "Arguments"))
_OFFERED = {setting.flag: setting for setting in (*_VERIFY.values(), *_DERIVE.values(), _COLOR)}


def _offered(setting: Setting, judge: Callable[[str], str] | None = None) -> Any:
    """Return a setting as an option of the command line."""
    option = setting.option
    words = option.help
    if setting.choices and not option.metavar:
        words += f": {', '.join(setting.choices)}"
    default = option.default or ("" if setting.default is None else str(setting.default))

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in setting.choices if choice.startswith(incomplete)]

    return typer.Option(
        f"{setting.flag}/--no-{setting.flag[2:]}" if setting.is_switch else setting.flag,
        help=f"{words} [{default}]" if default and not setting.is_switch else words,
        metavar=None if setting.is_switch else option.metavar or "NAME",
        envvar=setting.variable,
        autocompletion=complete if setting.choices else None,
        callback=judge,
        rich_help_panel=option.heading,
    )


def _named(where: str) -> Callable[[_Places], _Places]:
    """Return what refuses a path without a name, which the system takes for this folder."""

    def judge(places: _Places) -> _Places:
        for place in [places] if isinstance(places, str) else places or ():
            _PLACE.read(place, where, text=True)
        return places

    return judge


Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        callback=_named("--config"),
        envvar="SOFTCHECK_CONFIG",
        help="Configuration [the nearest upwards]",
        rich_help_panel="Run",
    ),
]
Isolated = Annotated[
    bool,
    typer.Option("--isolated", help="Ignore configuration files", rich_help_panel="Run"),
]
ExitZero = Annotated[
    bool,
    typer.Option("--exit-zero", help="Exit with 0 where it would be 1", rich_help_panel="Report"),
]
Color = Annotated[str, _offered(_COLOR, lambda text: _COLOR.read(text, "--color", text=True))]
Quiet = Annotated[
    int,
    typer.Option(
        "-q",
        "--quiet",
        count=True,
        help="Findings only; -qq: nothing but the exit code",
        rich_help_panel="Report",
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        help="Every check and input; -vv: tracebacks too",
        rich_help_panel="Report",
    ),
]


class _AsWritten:
    """A command whose values stay as they were written, for `Setting.read` alone judges them.

    To convert them Typer loads Pydantic, which takes longer than to verify a small case.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # that of a command
        for parameter in parameters:
            parameter.get_runtime_param = lambda: self
        return parameters

    def coerce(self, value: object, **_: object) -> object:
        """Convert a value, as Typer asks for."""
        return value

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was given; whatever is refused says by which command."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]  # that of a command
        except TyperException as error:
            if getattr(error, "ctx", self) is None:
                vars(error)["ctx"] = ctx
            raise

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what may come next; Typer reads Rich's markup in what it does, and wraps it."""
        os.environ["COLUMNS"] = str(_UNWRAPPED)
        items: list[Any] = super().shell_complete(ctx, incomplete)  # type: ignore[misc]  # as above
        for item in items:
            item.help = re.sub(r"(?=\[[a-z])", r"\\", item.help or "")
        return items


class _Command(_AsWritten, Command):
    """A command of softcheck."""


class _Group(_AsWritten, Group):
    """The program itself."""


app = typer.Typer(
    cls=_Group,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="softcheck verify run.npz\nsoftcheck derive paper.tex\nsoftcheck explain missing-alpha",
)


class _Signalled(BaseException):
    """A signal that ends the run; not KeyboardInterrupt, which libraries take for themselves."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.code = 128 + number  # as shells count


def main() -> NoReturn:
    """Run the program: the one funnel from exceptions to exit codes."""
    prepare()
    try:
        with _signals():
            code = int(app(prog_name="softcheck", standalone_mode=False) or 0)
    except _Signalled as end:
        code = end.code
    except SoftcheckError as error:
        code = _complain(TROUBLE, str(error))
    except TyperException as error:
        # Reached only by what Typer itself refuses: options, arguments, commands.
        code = _complain(TROUBLE, _refusal(error))
    except Exception as error:  # nothing unexpected may look like a verdict
        code = _complain(
            INTERNAL,
            f"internal error: {type(error).__name__}: {printable(error)}. This is a defect of "
            "softcheck: please report it, with what -vv prints.",
        )
    sys.exit(code)


@contextmanager
def _signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the run through all that is to be tidied up.

    A second one does not wait for that, for it goes where the first came from. What is ignored,
    as under nohup, stays so.
    """
    former = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        if signal.getsignal(number) is not signal.SIG_IGN
    }

    def start() -> None:
        for number in former:
            signal.signal(number, end)

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        restore()
        raise _Signalled(number)

    def unraisable(what: "sys.UnraisableHookArgs") -> None:
        if not isinstance(what.exc_value, _Signalled):
            report(what)
            return
        # A finalizer was under way, out of which nothing is raised: once more, when it is over.
        from threading import Timer

        start()
        Timer(0.01, signal.raise_signal, [what.exc_value.number]).start()

    report, sys.unraisablehook = sys.unraisablehook, unraisable
    start()
    try:
        yield
    finally:
        restore()
        sys.unraisablehook = report


def _complain(code: int, message: str) -> int:
    """Print one line on stderr, after the traceback if -vv asks for it."""
    if "-vv" in sys.argv:
        import traceback

        traceback.print_exc()
    say(message)
    return code


def _refusal(error: TyperException) -> str:
    """Return what Typer refuses as one line with something to do."""
    context = getattr(error, "ctx", None)
    command = "softcheck" if context is None else context.command_path
    if hasattr(error, "possibilities"):
        option: str = vars(error)["option_name"]
        like = nearest(option.strip("-"), [name[2:] for name in error.possibilities or ()])
        hint = f"Did you mean '--{like}'?" if like else f"See {command} --help."
        return str(UsageError(option, "an unknown option", f"one that {command} has", hint))
    setting = _OFFERED.get(vars(error).get("option_name", ""))
    if setting is not None and not setting.is_switch:
        return str(UsageError(setting.flag, "no value", setting.expected, "Give it one."))
    said = printable(error.format_message())
    return said if said.endswith("?") else f"{said.rstrip('.')}. See {command} --help."


def _takes(settings: Mapping[str, Setting]) -> Callable[[_Function], _Function]:
    """Give a command an option for each setting; it gets them by name, as `Values` are made of."""

    def decorated(command: _Function) -> _Function:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        offered = [_parameter(setting) for setting in settings.values() if setting.option.flag]
        command.__signature__ = signature.replace(parameters=[*own, *offered])  # type: ignore[attr-defined]  # Typer reads it
        return command

    return decorated


def _parameter(setting: Setting) -> inspect.Parameter:
    """Return a setting as Typer takes it: as text, for `Setting.read` alone judges values."""
    kind: Any = bool if setting.is_switch else list[str] if setting.is_list else str
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, _offered(setting)],
    )


def _flags(
    context: typer.Context, settings: Mapping[str, Setting], options: Mapping[str, Any]
) -> "Values":
    """Return what flags and environment variables say."""
    from softcheck.command.config import Value

    values = {}
    for name, text in options.items():
        if text is not None and text != []:
            setting = settings[name]
            by_variable = _by_variable(context, name)
            origin = setting.variable if by_variable and setting.variable else setting.flag
            values[name] = Value(setting.read(text, origin, text=True), origin)
    return values


def _by_variable(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


def _configuration(context: typer.Context, file: str | None, isolated: bool) -> "Configuration":
    """Return the configuration that applies; --isolated outranks the environment too."""
    from softcheck.command.config import configuration

    outranked = isolated and _by_variable(context, "config")
    return configuration(None if outranked else file, isolated=isolated)


def _value(values: "Values", name: str) -> Any:
    """Return what was chosen for a setting, or None."""
    return values[name].value if name in values else None


def _version(asked: bool) -> None:
    if asked:
        write(f"softcheck {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version"),
    ] = False,
) -> None:
    """Check the gradient of a soft (entropy-regularised) softmax policy.

    Exit codes: 0 all passed, 1 failed or inconclusive, 2 nothing could be verified, 3 internal
    error.
    """
    if context.invoked_subcommand is None:
        write(f"{context.get_help()}\n")
        raise typer.Exit(TROUBLE)


@app.command(
    cls=_Command,
    epilog="softcheck verify run.npz\n"
    "softcheck verify dumps/*.npz --reduction mean --strict\n"
    "softcheck verify --q q1.npy --q q2.npy --logits run.npz::theta --grad grad.npy --alpha 0.2",
)
@_takes(_VERIFY)
def verify(
    context: typer.Context,
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CASE",
            callback=_named("CASE"),
            help="A file of named arrays (.npz .json .csv .safetensors .h5 .parquet .pt), or a "
            "folder with one file a name; by default the cases of the configuration file",
            rich_help_panel="Arguments",
        ),
    ] = None,
    exit_zero: ExitZero = False,
    color: Color = "auto",
    quiet: Quiet = 0,
    verbose: Verbose = 0,
    config: Config = None,
    isolated: Isolated = False,
    show_settings: Annotated[
        bool,
        typer.Option(
            "--show-settings",
            help="Print each value and its origin, verify nothing",
            rich_help_panel="Run",
        ),
    ] = False,
    **options: Any,
) -> None:
    """Verify the gradient that your code computed, at every logit.

    For the policy loss L = -sum pi g with g(a) = Q(a) - alpha log pi(a), and V = sum pi g, it is
    dL/dtheta_a = -pi(a) (g(a) - V). F is PATH or PATH::KEY.
    """
    from softcheck.command.config import Chosen, with_origins

    flags = _flags(context, _VERIFY, options)
    file = _configuration(context, config, isolated)
    if cases:
        chosen = [file.chosen(path) for path in cases]
    elif flags.keys() & {"q", "logits", "grad"}:
        chosen = [Chosen("options", None, file.general)]
    else:
        chosen = file.every()
    chosen = [case.with_flags(flags) for case in chosen]
    general = {**file.general, **flags}
    if show_settings:
        write(with_origins(_VERIFY, general, chosen, file.path))
        return
    if not chosen:
        raise UsageError(
            "verify",
            "no case",
            "a CASE, or --q, --logits and --alpha, or cases in a configuration file",
            "See softcheck verify --help.",
        )

    from softcheck.command.progress import progress_bar
    from softcheck.engines import running
    from softcheck.verification import report

    form = format_on_stdout(_value(general, "output_format"))
    read = [place for case in chosen for place in case.places]
    files = report_files(_value(general, "report") or (), read)
    engine = running(
        _value(general, "engine") or "local",
        _value(general, "scheduler"),
        _value(general, "threads"),
    )
    with engine as started, progress_bar(colored(color, sys.stderr)) as progress:
        made = report([run for case in chosen for run in case.runs()], progress, started)
    for error in made.summary.errors:
        say(error)
    if quiet < QUIET:
        write(form.verification(made, style(color, verbose - quiet)))
    for each in files:
        each.write(each.form.verification(made, file_style(verbose)))
    code = EXIT_CODES[made.status]
    raise typer.Exit(0 if exit_zero and code == EXIT_CODES[Status.FAILED] else code)


@app.command(
    cls=_Command,
    epilog="softcheck derive paper.tex\n"
    "softcheck derive paper.tex --givens definitions.tex\n"
    "softcheck derive --on run.npz --samples 1000",
)
@_takes(_DERIVE)
def derive(
    context: typer.Context,
    document: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            callback=_named("FILE"),
            help="LaTeX, also inside of Markdown or plain text; by default the derivation of "
            "Eq. (6) that comes with softcheck",
            rich_help_panel="Arguments",
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
    on: Annotated[
        str | None,
        typer.Option(
            metavar="CASE",
            callback=_named("--on"),
            help="Also evaluate every proved line on a case",
            rich_help_panel="Run",
        ),
    ] = None,
    exit_zero: ExitZero = False,
    color: Color = "auto",
    quiet: Quiet = 0,
    verbose: Verbose = 0,
    config: Config = None,
    isolated: Isolated = False,
    **options: Any,
) -> None:
    """Prove every step of a derivation, for every number of actions.

    A step is proved, refuted by a certified counterexample, or unknown with the reason. A term
    that a step leaves out is reported with its own proof.
    """
    from softcheck.derive import BUILT_IN, built_in, load
    from softcheck.derive.check import check, report

    flags = _flags(context, _DERIVE, options)
    file = _configuration(context, config, isolated)
    values = {**file.general, **flags}
    if on is None and "samples" in flags:
        raise UsageError("--samples", "no case", "--on CASE beside it", "Name the case.")
    form = format_on_stdout(_value(values, "output_format"))
    givens = _value(values, "givens")
    read = filter(None, (document, on, givens))
    files = report_files(_value(values, "report") or (), read)
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

        case = file.chosen(on).with_flags(flags)
        found = evaluate(checked, case.open(), case.settings)
        made = msgspec.structs.replace(made, on=found)
        passed = passed and found.status is Status.PASSED
    if explain_gap:
        from softcheck.derive.completed import explained

        write(explained(checked))
    elif quiet < QUIET:
        write(form.derivation(made, name, style(color, verbose - quiet)))
    for each in files:
        each.write(each.form.derivation(made, name, file_style(verbose)))
    raise typer.Exit(0 if passed or exit_zero else EXIT_CODES[Status.FAILED])


def _codes(incomplete: str) -> list[str]:
    from softcheck.diagnosis.mistakes import MISTAKES

    return [code for code in MISTAKES if code.startswith(incomplete)]


@app.command(cls=_Command, epilog="softcheck explain missing-alpha\nsoftcheck explain")
def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="The code at the end of a diagnosis",
            autocompletion=_codes,
            rich_help_panel="Arguments",
        ),
    ] = None,
) -> None:
    """Say what a diagnosis means: the wrong and the right formula; without a code, list all."""
    from softcheck.diagnosis.explain import explain as explained
    from softcheck.diagnosis.explain import listing

    write(listing() if code is None else explained(code))


@app.command(cls=_Command, epilog="softcheck schema > softcheck.schema.json")
def schema() -> None:
    """Print the JSON Schema of the reports of verify and derive."""
    from softcheck.report.json import schema as json_schema

    write(json_schema())


@app.command(cls=_Command, epilog="softcheck selftest\nsoftcheck selftest run.npz --reduction mean")
@_takes(_SELFTEST)
def selftest(
    context: typer.Context,
    case: Annotated[
        str | None,
        typer.Argument(
            metavar="CASE",
            callback=_named("CASE"),
            help="Data to plant mistakes in; by default data that comes with softcheck",
            rich_help_panel="Arguments",
        ),
    ] = None,
    config: Config = None,
    isolated: Isolated = False,
    **options: Any,
) -> None:
    """Plant every known mistake, and report which were caught and named.

    A checker that cannot fail is worth nothing: the exit code is 1 if a mistake that the data can
    show was missed. Without a case, wrong steps are planted in the derivation of Eq. (6) too.
    """
    from softcheck.command.config import Chosen
    from softcheck.report.selftest import render
    from softcheck.result import Outcome
    from softcheck.selftest import outcomes

    flags = _flags(context, _SELFTEST, options)
    file = _configuration(context, config, isolated)
    chosen = Chosen("selftest", None, file.general) if case is None else file.chosen(case)
    chosen = chosen.with_flags(flags)
    given = None if case is None else chosen.open()
    found = list(outcomes(given, chosen.settings))
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
