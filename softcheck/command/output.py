"""Where a report goes, and how it may look there: terminal, pipe, log or file."""

import codecs
import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from softcheck.errors import OutputError, UsageError, did_you_mean
from softcheck.replacing import replacing
from softcheck.report import FORMATS, Renderer, Style
from softcheck.settings import OutputFormat

_PIPE_WIDTH = 120
_SPELLED = "softcheck.spelled"
_ASCII = {
    "−": "-",
    "·": ".",
    "Σ": "sum",
    "²": "^2",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "∂": "d",
    **dict(zip("▁▂▃▄▅▆▇█", "---===##", strict=True)),
}
_NAMES: set[str] = set()
_SILENT = 2
"""How often -q silences everything."""


def prepare() -> None:
    """Make stdout and stderr take whatever is written, also where they are closed or ASCII."""
    codecs.register_error(_SPELLED, _spelled)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  as long as sys is
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELLED)


def keep(names: Iterable[str]) -> None:
    """Have what an encoding lacks of the names of files escaped: spelled, it would be another's."""
    _NAMES.update(name for name in names if not name.isascii())


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Return in ASCII what an encoding lacks: `pi` for a Greek letter, else its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    said, start, end = error.object, error.start, error.end
    within = (said.find(name, max(0, end - len(name)), start + len(name)) for name in _NAMES)
    written = _escaped if any(at >= 0 for at in within) else _in_ascii
    return "".join(map(written, said[start:end])), end


def _in_ascii(letter: str) -> str:
    name = unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "")
    if letter not in _ASCII and name.startswith("GREEK SMALL LETTER "):
        return name.split()[3].lower()
    return _ASCII.get(letter) or _escaped(letter)


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode()


def format_on_stdout(chosen: OutputFormat | None) -> Renderer:
    """Return the chosen format, or what its reader expects: a person at a terminal, or a log."""
    return FORMATS[chosen or ("text" if sys.stdout.isatty() else "concise")]


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
        wraps=terminal,
    )


def file_style(verbosity: int) -> Style:
    """Return how a report looks in a file: never coloured, and whole however quiet the run is."""
    return Style(verbosity=max(verbosity, 0), width=_PIPE_WIDTH)


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


def write(rendered: str, *, encoding: str | None = None) -> None:
    """Write on stdout; a reader who has gone away changes nothing.

    Parameters
    ----------
    rendered : str
    encoding : str, optional
        By default that of the terminal.

    Raises
    ------
    OutputError
        If it cannot be written in full.
    """
    if encoding is not None and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors=_SPELLED)
    try:
        sys.stdout.write(rendered)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        reason = error.strerror or type(error).__name__
        raise OutputError(
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


@dataclass(frozen=True)
class ReportFile:
    """A file that a report goes to, beside the report on stdout.

    Attributes
    ----------
    option : str
        What the user gave.
    form : Renderer
    path : Path
        Where it goes, symbolic links followed.
    """

    option: str
    form: Renderer
    path: Path

    def write(self, rendered: str) -> None:
        """Write the file whole or not at all.

        Raises
        ------
        OutputError
            If the system refuses.
        """
        try:
            with replacing(self.path) as file:
                file.write(rendered.encode())
        except OSError as error:
            raise _refused(self.option, error) from error


@dataclass(frozen=True)
class Reports:
    """Where the report of a run goes, and how much of it.

    Attributes
    ----------
    form : Renderer
        The one on stdout.
    files : sequence of ReportFile
    color : {"auto", "always", "never"}
    quiet, verbose : int
        How often it was asked for.
    """

    form: Renderer
    files: Sequence[ReportFile]
    color: str
    quiet: int
    verbose: int

    @property
    def pictured(self) -> bool:
        """Whether a form among them has pictures."""
        return any(form.has_pictures for form in (self.form, *(file.form for file in self.files)))

    @property
    def digested(self) -> bool:
        """Whether a form among them has the digests of files."""
        verbosity = self.verbose - self.quiet
        on_stdout = self.quiet < _SILENT and self.form.has_digests(verbosity)
        return on_stdout or any(file.form.has_digests(self.verbose) for file in self.files)

    def deliver(
        self, render: Callable[[Renderer, Style], str], *, instead: str | None = None
    ) -> None:
        """Write the report to each place; `instead` is what stdout gets in its place.

        Raises
        ------
        OutputError
            If it cannot be written in full.
        """
        if instead is not None:
            write(instead)
        elif self.quiet < _SILENT:
            rendered = render(self.form, style(self.color, self.verbose - self.quiet))
            write(rendered, encoding=self.form.encoding)
        for file in self.files:
            file.write(render(file.form, file_style(self.verbose)))


def report_files(
    options: Iterable[str], inputs: Iterable[str], others: Iterable[str] = ()
) -> list[ReportFile]:
    """Return where reports are to be written, once it is known that they may be.

    Parameters
    ----------
    options : iterable of str
        ``FORMAT:FILE`` each.
    inputs : iterable of str
        What the run reads: files, folders or ``PATH::KEY``; what is no path is passed over.
    others : iterable of str
        What is configured for the reports of another command, ``FORMAT:FILE`` each.

    Raises
    ------
    UsageError
        If a format does not exist, or a file is one that the run reads or that has a report.
    OutputError
        If there is no folder to write to, or something else than a file is at a path.
    """
    taken = {_identity(path) for given in inputs for path in _files(given)} | set(_streams())
    kept = {_identity(Path(os.path.realpath(each.partition(":")[2]))): each for each in others}
    files: list[ReportFile] = []
    for option in options:
        file = _report_file(option)
        identity = _identity(file.path)
        other = next((other for other in files if _identity(other.path) == identity), None)
        if identity in kept:
            found = f"the file of {kept[identity]}, which another command writes"
            raise UsageError(f"--report {option}", found, "a file of its own", "Choose another.")
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
    form = next((form for known, form in FORMATS.items() if known == name), None)
    if form is None:
        hint = did_you_mean(name, FORMATS, "Choose one of them.")
        raise UsageError(where, f"'{name}'", f"one of {', '.join(FORMATS)}", hint)
    try:
        path = Path(os.path.realpath(place))
        if path.is_symlink():
            raise OutputError(where, "a symlink loop", "a file", "Choose another file.")
        if (path.exists() and not path.is_file()) or place.endswith((os.sep, "/")):
            raise OutputError(where, "no regular file", "a file", "Choose a file.")
        if not path.parent.is_dir():
            raise OutputError(where, "no such folder", "a folder that exists", "Make it first.")
    except OSError as error:
        raise _refused(option, error) from error
    if not os.access(path.parent, os.W_OK | os.X_OK) or not _may_replace(path):
        raise OutputError(
            where, "no right to write there", "a place that may be written", "Choose another file."
        )
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
    from softcheck.tables.roles import is_known

    for place in filter(None, (given, given.rpartition("::")[0])):
        path = Path(place)
        # A number, or a formula, need not be the name of anything that a system can have.
        with suppress(OSError):
            if path.is_dir():
                yield from (entry for entry in path.iterdir() if is_known(entry.stem))
            elif path.exists():
                yield path
