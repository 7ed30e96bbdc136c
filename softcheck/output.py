"""Where a report goes, and how it may look there: terminal, pipe or log."""

import os
import shutil
import sys

from softcheck.report import Style

_PIPE_WIDTH = 120


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
        color=_colored(terminal) if color == "auto" else color == "always",
        width=shutil.get_terminal_size().columns if terminal else _PIPE_WIDTH,
    )


def write(rendered: str) -> None:
    """Write on stdout; a reader who has gone away changes nothing."""
    try:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _colored(terminal: bool) -> bool:
    """Decide on colour as https://no-color.org and https://force-color.org say."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"
