"""The program: its commands, and what runs them."""

import sys
from functools import partial
from typing import Annotated, NoReturn

import typer

from softcheck.command import derive, explain, selftest, verify
from softcheck.command.funnel import TROUBLE, ended
from softcheck.command.options import Command, Group
from softcheck.command.output import write
from softcheck.errors import UsageError
from softcheck.version import __version__

app = typer.Typer(
    cls=Group,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="softcheck verify run.npz\nsoftcheck derive paper.tex\nsoftcheck explain missing-alpha",
)


def main() -> NoReturn:
    """Run the program."""
    sys.exit(ended(partial(app, prog_name="softcheck", standalone_mode=False)))


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "-v",
            "--verbose",
            count=True,
            help="With --version: all that a bug report says; -vv: tracebacks of any command",
        ),
    ] = 0,
) -> None:
    """Check gradients at the logits of a softmax, and the derivations behind them.

    Exit codes: 0 all passed, 1 failed or inconclusive, 2 nothing could be verified, 3 internal
    error.
    """
    if verbose == 1 and not version:
        raise UsageError(
            "-v", "it before a command", "it behind one, or --version", "As in softcheck verify -v."
        )
    if version and verbose:
        from softcheck.command.about import about

        write(about())
        raise typer.Exit
    if version:
        write(f"softcheck {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        write(f"{context.get_help()}\n")
        raise typer.Exit(TROUBLE)


app.command(cls=Command, epilog=verify.EXAMPLES)(verify.verify)
app.command(cls=Command, epilog=derive.EXAMPLES)(derive.derive)


app.command(cls=Command, epilog=explain.EXAMPLES)(explain.explain)


@app.command(cls=Command, epilog="softcheck schema > softcheck.schema.json")
def schema() -> None:
    """Print the JSON Schema of the reports of verify and derive."""
    from softcheck.report.json import schema as json_schema

    write(json_schema())


app.command(cls=Command, epilog=selftest.EXAMPLES)(selftest.selftest)
