"""Where a report goes, and how it may look there: terminal, pipe, log or file."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from softcheck.errors import OutputError, UsageError
from softcheck.report import FORMATS, Format, Style

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


def file_style(verbosity: int) -> Style:
    """Return how a report looks in a file: never coloured, and whole however quiet the run is."""
    return Style(verbosity=max(verbosity, 0), width=_PIPE_WIDTH)


def write(rendered: str) -> None:
    """Write on stdout; a reader who has gone away changes nothing."""
    try:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_name(name: str, option: str = "--output-format") -> str:
    """Return the name of a format as it is, once it is known that there is one.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in FORMATS:
        from softcheck.tables.files import did_you_mean

        hint = did_you_mean(name, FORMATS, "Choose one of them.")
        raise UsageError(option, f"'{name}'", f"one of {', '.join(FORMATS)}", hint)
    return name


@dataclass(frozen=True)
class ReportFile:
    """A file that a report goes to, beside the report on stdout.

    Attributes
    ----------
    option : str
        What the user gave.
    form : Format
    path : Path
        Where it goes, symbolic links followed.
    """

    option: str
    form: Format
    path: Path

    def write(self, rendered: str) -> None:
        """Write the file whole or not at all; whatever ends the program leaves no part of it.

        Raises
        ------
        OutputError
            If the system refuses.
        """
        temporary = self.path.with_name(f".softcheck-{os.urandom(8).hex()}")
        try:
            # Of this mode the system takes what the umask leaves.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(rendered.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            raise _refused(self.option, error) from error
        finally:
            temporary.unlink(missing_ok=True)


def report_files(options: Iterable[str], inputs: Iterable[str]) -> list[ReportFile]:
    """Return where reports are to be written, once it is known that they may be.

    Parameters
    ----------
    options : iterable of str
        ``FORMAT:FILE`` each.
    inputs : iterable of str
        What the run reads: files, folders or ``PATH::KEY``; what is no path is passed over.

    Raises
    ------
    UsageError
        If a format does not exist, or a file is one that the run reads or that has a report.
    OutputError
        If there is no folder to write to, or something else than a file is at a path.
    """
    taken = {_identity(path) for given in inputs for path in _files(given)} | set(_streams())
    files: list[ReportFile] = []
    for option in options:
        file = _report_file(option)
        identity = _identity(file.path)
        other = next((other for other in files if _identity(other.path) == identity), None)
        if other is not None or identity in taken:
            found = f"the file of {other.option}" if other else "what this run reads or prints to"
            expected = "a file of its own"
            raise UsageError(f"--report {option}", found, expected, "Choose another file.")
        files.append(file)
    return files


def _report_file(option: str) -> ReportFile:
    """Return the file of an option, if something can be written there."""
    name, _, place = option.partition(":")
    where = f"--report {option}"
    if not place:
        expected = "FORMAT:FILE, such as junit:report.xml"
        raise UsageError(where, f"'{option}'", expected, f"FORMAT is one of {', '.join(FORMATS)}.")
    form = FORMATS[format_name(name, where)]
    try:
        path = Path(place).resolve()
        if (path.exists() and not path.is_file()) or place.endswith(os.sep):
            raise OutputError(where, "no regular file", "a file", "Choose a file.")
        if not path.parent.is_dir():
            raise OutputError(where, "no such folder", "a folder that exists", "Make it first.")
    except (OSError, RuntimeError) as error:
        raise _refused(option, error) from error
    if not os.access(path.parent, os.W_OK | os.X_OK) or not _may_replace(path):
        raise OutputError(where, "no right to write", "it", "Change permissions or the file.")
    return ReportFile(option, form, path)


def _may_replace(path: Path) -> bool:
    return not path.exists() or os.access(path, os.W_OK)


def _refused(option: str, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(
        f"--report {option}", reason, "a file that can be written", "The report is lost."
    )


def _identity(path: Path) -> object:
    """Return what two names of one file have in common."""
    return _of_file(path.stat()) if path.exists() else path


def _of_file(status: os.stat_result) -> object:
    return status.st_dev, status.st_ino


def _streams() -> Iterator[object]:
    """Yield the files that stdout and stderr go to, which /dev/stdout is a name of."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a stream that is no file, as in tests
            yield _of_file(os.fstat(stream.fileno()))


def _files(given: str) -> Iterator[Path]:
    """Yield the files that something on the command line may stand for."""
    from softcheck.tables.roles import role_of

    for place in filter(None, (given, given.rpartition("::")[0])):
        path = Path(place)
        # A number, or a formula, need not be the name of anything that a system can have.
        with suppress(OSError):
            if path.is_dir():
                yield from (entry for entry in path.iterdir() if role_of(entry.stem))
            elif path.exists():
                yield path


def _colored(terminal: bool) -> bool:
    """Decide on colour as https://no-color.org and https://force-color.org say."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"
