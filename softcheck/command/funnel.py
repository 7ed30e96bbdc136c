"""Everything that ends a run, and the exit code of each: no other file knows one.

That of a signal alone is made where the program starts, which has to know it before this file.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from softcheck.command.options import refusal
from softcheck.command.output import prepare, say
from softcheck.errors import SoftcheckError, printable
from softcheck.result import Status, Verdict

PASSED, FAILED, TROUBLE, INTERNAL = range(4)

EXIT_CODES: Mapping[Status | Verdict, int] = {
    Status.PASSED: PASSED,
    Status.INCONCLUSIVE: FAILED,
    Status.FAILED: FAILED,
    Status.ERROR: TROUBLE,
    Verdict.PROVED: PASSED,
    Verdict.UNKNOWN: FAILED,
    Verdict.REFUTED: FAILED,
}


def ending(*verdicts: Status | Verdict, exit_zero: bool = False) -> typer.Exit:
    """Return what ends a run with its verdict; of several the worst counts."""
    code = max(EXIT_CODES[verdict] for verdict in verdicts)
    return typer.Exit(PASSED if exit_zero and code == FAILED else code)


class Signalled(BaseException):
    """A signal that ends the run; not KeyboardInterrupt, which libraries take for themselves."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ended(program: Callable[[], int | None]) -> int:
    """Run a program, and return the exit code of whatever ends it.

    Raises
    ------
    Signalled
        Once all is tidied up.
    """
    prepare()
    try:
        with _signals():
            return program() or PASSED
    except SoftcheckError as error:
        return _complain(TROUBLE, str(error))
    except TyperException as error:
        # Reached only by what Typer itself refuses: options, arguments, commands.
        return _complain(TROUBLE, refusal(error))
    except Exception as error:  # nothing unexpected may look like a verdict
        return _complain(
            INTERNAL,
            f"internal error: {type(error).__name__}: {printable(error)}. This is a defect of "
            "softcheck: please report it, with what softcheck -vv COMMAND and softcheck "
            "--version -v print.",
        )


@contextmanager
def _signals() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the run through all that is to be tidied up.

    A second one does not wait for that, for it goes where the first came from. What is ignored,
    as under nohup, stays so.

    Raises
    ------
    Signalled
        If one came, whatever became on its way of what was raised for it.
    """
    former = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    came: list[int] = []

    def start() -> None:
        for number in former:
            signal.signal(number, end)

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        came.append(number)
        restore()
        raise Signalled(number)

    def unraisable(what: "sys.UnraisableHookArgs") -> None:
        if not isinstance(what.exc_value, Signalled):
            report(what)
            return
        # A finalizer was under way, out of which nothing is raised: once more, when it is over.
        from threading import Timer

        start()
        Timer(0.01, os.kill, [os.getpid(), what.exc_value.number]).start()

    report, sys.unraisablehook = sys.unraisablehook, unraisable
    start()
    try:
        yield
    finally:
        restore()
        sys.unraisablehook = report
        if came:
            raise Signalled(came[0])


def _complain(code: int, message: str) -> int:
    """Print one line on stderr, after the traceback if -vv asks for it."""
    if "-vv" in sys.argv:
        import traceback

        traceback.print_exc()
    say(message)
    return code
