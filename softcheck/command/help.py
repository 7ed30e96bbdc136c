"""How `--help` looks: an option a line, under headings, examples to copy, at any width."""

import shutil
from textwrap import wrap
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from softcheck.command.output import write
from softcheck.settings import Heading

_WIDEST = 100
_NARROW = 60
"""Below this many columns, what an option does stands under it."""

Row = tuple[str, str]


class Command(TyperCommand):
    """A command with this help; its epilog holds examples."""

    def get_help(self, ctx: Any) -> str:
        """Return the whole page."""
        return _page(self, ctx, [])

    def get_help_option(self, ctx: Any) -> Any:
        """Return --help, written as everything is."""
        return _written(super().get_help_option(ctx))


class Group(TyperGroup):
    """The program with this help; its epilog holds examples."""

    def get_help(self, ctx: Any) -> str:
        """Return the whole page."""
        rows = [(name, _first(each.help)) for name, each in self.commands.items()]
        return _page(self, ctx, rows)

    def get_help_option(self, ctx: Any) -> Any:
        """Return --help, written as everything is."""
        return _written(super().get_help_option(ctx))


def _written(option: Any) -> Any:
    """Return the option --help with a callback that minds a closed pipe and a full disk."""

    def callback(context: typer.Context, _: Any, asked: bool) -> None:
        if asked and not context.resilient_parsing:
            write(f"{context.get_help()}\n")
            raise typer.Exit

    option.callback = callback
    return option


def _page(command: Command | Group, context: typer.Context, commands: list[Row]) -> str:
    """Return the help of a command, without a newline at the end."""
    width = max(24, min(shutil.get_terminal_size().columns, _WIDEST) - 1)
    parameters = [
        each for each in command.get_params(context) if not getattr(each, "hidden", False)
    ]
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"Usage: {context.command_path} {usage}", *(command.help or "").split("\n\n")]
    lines = [line for part in parts for line in ("", *wrap(part, width))][1:]
    if command.epilog:
        lines += ["", "Examples:", *_examples(command.epilog.splitlines(), width)]
    lines += _table("Commands", commands, _column(commands), width)
    column = _column([_row(each) for each in parameters])
    for heading in get_args(Heading):
        rows = [_row(each) for each in parameters if _heading(each) == heading]
        lines += _table(heading, rows, column, width)
    if variables := sorted(filter(None, (str(each.envvar or "") for each in parameters))):
        said = f"Environment, outranked by options: {', '.join(variables)}"
        lines += ["", *wrap(said, width, subsequent_indent="  ", break_long_words=False)]
    return "\n".join(lines)


def _examples(lines: list[str], width: int) -> list[str]:
    """Return command lines that may be copied, continued where they are too long."""
    shown = []
    for line in lines:
        parts = wrap(line, width - 4, break_long_words=False, break_on_hyphens=False)
        shown += [f"  {'  ' if number else ''}{part}" for number, part in enumerate(parts)]
        for number in range(len(shown) - len(parts), len(shown) - 1):
            shown[number] += " \\"
    return shown


def _column(rows: list[Row]) -> int:
    """Return where the second column begins."""
    return 4 + max((len(left) for left, _ in rows), default=0)


def _table(heading: str, rows: list[Row], column: int, width: int) -> list[str]:
    """Return a heading and its rows; nothing without rows."""
    lines = [line for left, right in rows for line in _entry(left, right, column, width)]
    return ["", f"{heading}:", *lines] if rows else []


def _entry(left: str, right: str, column: int, width: int) -> list[str]:
    """Return one row: two columns, or where they do not fit, one under the other."""
    if width < _NARROW:
        under = " " * 6
        return [f"  {left}", *wrap(right, width, initial_indent=under, subsequent_indent=under)]
    first, *more = wrap(right, width - column, break_on_hyphens=False) or [""]
    return [f"  {left}".ljust(column) + first, *(" " * column + part for part in more)]


def _heading(parameter: Any) -> str:
    return getattr(parameter, "rich_help_panel", None) or "Run"


def _row(parameter: Any) -> Row:
    """Return an argument or option and what it does."""
    about = parameter.help.rstrip(".")
    if parameter.param_type_name == "argument":
        return parameter.metavar, about
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        names = names.replace("--", "--[no-]")
    return f"{names} {parameter.metavar or ''}".rstrip(), about


def _first(text: str | None) -> str:
    """Return the first paragraph, without its full stop."""
    return (text or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
