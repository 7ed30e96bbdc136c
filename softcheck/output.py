"""Where a report goes, and how it may look there: terminal, pipe or log."""

import io
import os
import shutil
import sys
from typing import TextIO

from softcheck.errors import SoftcheckError
from softcheck.report import Style

_PIPE_WIDTH = 120


def prepare() -> None:
    """Make stdout and stderr take whatever is written, also where they are closed or ASCII."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  as long as sys is
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def default_format() -> str:
    """Return the format for a reader: a person at a terminal, or a log."""
    return "text" if sys.stdout.isatty() else "concise"


def style(color: str, verbosity: int) -> Style:
    """Return how a report looks on stdout.

    Parameters
    ----------
    color : {"auto", "always", "never"}
    verbosity : int
        See `Style`.
    """
    terminal = sys.stdout.isatty()
    return Style(
        verbosity=verbosity,
        color=colored(color, sys.stdout),
        width=shutil.get_terminal_size().columns if terminal else _PIPE_WIDTH,
    )


def colored(color: str, stream: TextIO) -> bool:
    """Return whether a stream is to be coloured, by https://no-color.org and force-color.org.

    Parameters
    ----------
    color : {"auto", "always", "never"}
    stream : file
    """
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_live(stream)


def is_live(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that understands escape codes."""
    return stream.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def write(rendered: str) -> None:
    """Write on stdout; a reader who has gone away changes nothing.

    Raises
    ------
    SoftcheckError
        If it cannot be written in full.
    """
    try:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        reason = error.strerror or type(error).__name__
        raise SoftcheckError(
            "stdout", reason, "a place for the report", "Make room, or send it elsewhere."
        ) from error


def say(line: str) -> None:
    """Write a line on stderr; where it cannot be written, the exit code has to say it all."""
    try:
        print(f"softcheck: {line}", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Leave nothing to write: the interpreter flushes once more at exit, which would fail too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
