"""Settings as options of a command, and what was asked of it as one object."""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, get_args

import typer
from typer.exceptions import TyperException

from softcheck.command.help import Command as CommandWithHelp
from softcheck.command.help import Group as GroupWithHelp
from softcheck.command.output import Reports, format_on_stdout, report_files
from softcheck.errors import UsageError, nearest, printable
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

if TYPE_CHECKING:
    from softcheck.command.config import Chosen, Configuration, Values

_Places = TypeVar("_Places", str | None, list[str] | None)

_UNWRAPPED = 1000
"""Columns that no description of an option fills."""

_SETTINGS = settings_of(Inputs, Settings, General, Document)
_When: TypeAlias = Literal["auto", "always", "never"]
_COLOR = Setting(
    "color", _When, "auto", Option(f"Colour: {', '.join(get_args(_When))}", "Report", "WHEN")
)
_PLACE = Setting("place", Place, None, Option("A file or folder", "Arguments"))
_OFFERED = {setting.flag: setting for setting in (*_SETTINGS.values(), _COLOR)}


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


def named(where: str) -> Callable[[_Places], _Places]:
    """Return what refuses a path without a name, which the system takes for this folder."""

    def judge(places: _Places) -> _Places:
        for place in [places] if isinstance(places, str) else places or ():
            _PLACE.read(place, where, text=True)
        return places

    return judge


def path(metavar: str, about: str) -> Any:
    """Return an argument that is a path, or several."""
    return typer.Argument(
        metavar=metavar, callback=named(metavar), help=about, rich_help_panel="Arguments"
    )


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What was asked of a command, read and judged before any work begins.

    Attributes
    ----------
    flags : Values
        What flags and environment variables say.
    file : Configuration
        What the configuration file says, which they outrank.
    """

    flags: "Values"
    file: "Configuration"

    @property
    def values(self) -> "Values":
        """What was chosen for all cases."""
        return {**self.file.general, **self.flags}

    def value(self, name: str) -> Any:
        """Return what was chosen for a setting for all cases, or its default."""
        chosen = self.values.get(name)
        return _SETTINGS[name].default if chosen is None else chosen.value

    def case(self, path: str) -> "Chosen":
        """Return the case at a path as it was chosen."""
        return self.file.chosen(path).with_flags(self.flags)

    def case_without_path(self, name: str) -> "Chosen":
        """Return the case of what was chosen for all of them."""
        from softcheck.command.config import Chosen

        return Chosen(name, None, self.values)


@dataclass(frozen=True, kw_only=True)
class Reporting(Invocation):
    """What was asked of a command that makes a report."""

    exit_zero: Annotated[
        bool,
        typer.Option(
            "--exit-zero", help="Exit with 0 where it would be 1", rich_help_panel="Report"
        ),
    ] = False
    color: Annotated[
        str, _offered(_COLOR, lambda text: _COLOR.read(text, _COLOR.flag, text=True))
    ] = "auto"
    quiet: Annotated[
        int,
        typer.Option(
            "-q",
            "--quiet",
            count=True,
            help="Findings only; -qq: nothing but the exit code",
            rich_help_panel="Report",
        ),
    ] = 0
    verbose: Annotated[
        int,
        typer.Option(
            "-v",
            "--verbose",
            count=True,
            help="Every check and input; -vv: tracebacks too",
            rich_help_panel="Report",
        ),
    ] = 0

    def reports(self, read: Iterable[str], configured: str = "report") -> Reports:
        """Return where the report goes, once it is known that it may.

        Parameters
        ----------
        read : iterable of str
            What the run reads; see `report_files`, also for what is raised.
        configured : str
            The key of a configuration file that names the report files of this command.
        """
        chosen = self.flags.get("report") or self.file.general.get(configured)
        others = self.file.report_files_of_others(configured)
        return Reports(
            format_on_stdout(self.value("output_format")),
            report_files(() if chosen is None else chosen.value, read, others),
            self.color,
            self.quiet,
            self.verbose,
        )


def _parameter(name: str, annotation: Any, default: object = None) -> inspect.Parameter:
    """Return an option as Typer finds it in a signature."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


_FILE = (
    _parameter(
        "config",
        Annotated[
            str | None,
            typer.Option(
                metavar="FILE",
                callback=named("--config"),
                envvar="SOFTCHECK_CONFIG",
                help="Configuration [the nearest upwards]",
                rich_help_panel="Run",
            ),
        ],
    ),
    _parameter(
        "isolated",
        Annotated[
            bool,
            typer.Option("--isolated", help="Ignore configuration files", rich_help_panel="Run"),
        ],
        default=False,
    ),
)


def takes(settings: Mapping[str, Setting]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Hand a command its `invocation`, made of options: one for each setting, and others.

    The others stand where the command has that parameter, whose type says whether it reports.
    """
    offered = {name: setting for name, setting in settings.items() if setting.option.flag}

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        made: type[Invocation] = own["invocation"].annotation
        others = {
            each.name: _parameter(each.name, each.type, each.default)
            for each in fields(made)
            if each.default is not MISSING
        }

        @wraps(command)
        def run(context: typer.Context, **given: Any) -> None:
            def taken(names: Iterable[str]) -> dict[str, Any]:
                return {name: given.pop(name) for name in names}

            flags = _flags(context, offered, taken(offered))
            file = _configuration(context, given.pop("config"), given.pop("isolated"))
            command(invocation=made(flags=flags, file=file, **taken(others)), **given)

        parameters = [_parameter("context", typer.Context, inspect.Parameter.empty)]
        for name, parameter in own.items():
            parameters += [*others.values(), *_FILE] if name == "invocation" else [parameter]
        parameters += [_of_setting(setting) for setting in offered.values()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorated


def _of_setting(setting: Setting) -> inspect.Parameter:
    """Return a setting as Typer takes it: as text, for `Setting.read` alone judges values."""
    kind: Any = bool if setting.is_switch else list[str] if setting.is_list else str
    return _parameter(setting.name, Annotated[kind | None, _offered(setting)])


def _flags(
    context: typer.Context, settings: Mapping[str, Setting], options: Mapping[str, Any]
) -> "Values":
    """Return what flags and environment variables say."""
    from softcheck.command.config import Value, values_of

    values: dict[str, Value] = {}
    for name, text in options.items():
        if text is not None and text != []:
            setting = settings[name]
            by_variable = _by_variable(context, name)
            origin = setting.variable if by_variable and setting.variable else setting.flag
            values |= values_of(setting, setting.read(text, origin, text=True), origin)
    return values


def _by_variable(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "ENVIRONMENT"


def _configuration(context: typer.Context, file: str | None, isolated: bool) -> "Configuration":
    """Return the configuration that applies; --isolated outranks the environment too."""
    from softcheck.command.config import configuration

    outranked = isolated and _by_variable(context, "config")
    return configuration(None if outranked else file, isolated=isolated)


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


class Command(_AsWritten, CommandWithHelp):
    """A command of softcheck."""


class Group(_AsWritten, GroupWithHelp):
    """The program itself."""


def refusal(error: TyperException) -> str:
    """Return what Typer refuses as one line with something to do."""
    context = getattr(error, "ctx", None)
    command = "softcheck" if context is None else context.command_path
    if hasattr(error, "possibilities"):
        option: str = vars(error)["option_name"]
        like = nearest(option.strip("-"), [name[2:] for name in error.possibilities or ()])
        hint = f"Did you mean '--{like}'?" if like else f"See {command} --help."
        if "\\" in option:
            way = "--" if command.endswith(" explain") else "--loss"
            hint = f"Give a formula behind {way}: {command} {way} '-\\log ...'."
        return str(UsageError(option, "an unknown option", f"one that {command} has", hint))
    setting = _OFFERED.get(vars(error).get("option_name", ""))
    if setting is not None and not setting.is_switch:
        return str(UsageError(setting.flag, "no value", setting.expected, "Give it one."))
    said = printable(error.format_message())
    return said if said.endswith("?") else f"{said.rstrip('.')}. See {command} --help."
