"""Whatever ends a run: each kind of exception and signal, and the exit code it becomes."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import typer
from typer.exceptions import TyperException

from softcheck.command.funnel import EXIT_CODES, Signalled, ended, ending
from softcheck.errors import (
    InputError,
    NothingToCheckError,
    OutputError,
    SoftcheckError,
    UsageError,
)
from softcheck.result import Status, Verdict

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def raising(error):
    def program():
        raise error

    return program


@pytest.fixture
def handlers():
    """Give what handles signals, which has to do so again afterwards.

    Tests that were started with `nohup` ignore a hangup: here it ends them, as by default.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    yield {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_program_that_ends_by_itself(handlers):
    assert ended(lambda: None) == 0
    assert ended(lambda: 1) == 1
    assert {each: signal.getsignal(each) for each in SIGNALS} == handlers


@pytest.mark.parametrize(
    "kind", [SoftcheckError, InputError, NothingToCheckError, OutputError, UsageError]
)
def test_a_mistake_of_the_users_is_trouble_and_one_line(kind, capsys):
    assert ended(raising(kind("here", "this", "that", "Do it."))) == 2
    assert capsys.readouterr().err == "softcheck: here: found this, expected that. Do it.\n"


def test_what_typer_refuses_is_trouble_and_one_line(capsys):
    assert ended(raising(TyperException("No such thing."))) == 2
    assert capsys.readouterr().err == "softcheck: No such thing. See softcheck --help.\n"


@pytest.mark.parametrize("kind", [ZeroDivisionError, OSError, MemoryError, RecursionError])
def test_what_nobody_expected_is_a_defect_and_no_verdict(kind, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["softcheck"])
    assert ended(raising(kind("a\nb"))) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"softcheck: internal error: {kind.__name__}: a\\nb. This is a defect")
    monkeypatch.setattr(sys, "argv", ["softcheck", "-vv"])
    assert ended(raising(kind())) == 3
    assert capsys.readouterr().err.startswith("Traceback")


@pytest.mark.parametrize("verdict", [*Status, *Verdict])
def test_every_verdict_has_a_code(verdict):
    assert verdict in EXIT_CODES, f"softcheck.command.funnel.EXIT_CODES has no row for {verdict}"
    code = ending(verdict).exit_code
    assert (code == 0) == (verdict in {Status.PASSED, Verdict.PROVED})
    assert (code == 2) == (verdict is Status.ERROR)
    assert ending(verdict, exit_zero=True).exit_code == (2 if verdict is Status.ERROR else 0)


def test_of_several_verdicts_the_worst_counts():
    assert ending(Verdict.PROVED, Status.PASSED).exit_code == 0
    assert ending(Verdict.PROVED, Status.INCONCLUSIVE).exit_code == 1
    assert ending(Verdict.REFUTED, Status.PASSED).exit_code == 1
    assert ending(Status.ERROR, Status.FAILED, exit_zero=True).exit_code == 2
    assert isinstance(ending(Status.PASSED), typer.Exit)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_comes_out_once_all_is_tidied_up(number, handlers):
    tidied = []

    def program():
        try:
            signal.raise_signal(number)
        finally:
            tidied.append(signal.getsignal(number))

    with pytest.raises(Signalled) as end:
        ended(program)
    assert end.value.number == number
    # A second signal goes where the first came from, also while all is tidied up.
    assert tidied == [handlers[number]]
    assert {each: signal.getsignal(each) for each in SIGNALS} == handlers


def swallowed():
    with suppress(BaseException):  # as in a library's loop
        signal.raise_signal(signal.SIGTERM)


def replaced():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        raise OSError("no connection")


@pytest.mark.parametrize("program", [swallowed, replaced])
def test_a_signal_that_a_library_made_something_else_of_still_ends_the_run(program, capsys):
    with pytest.raises(Signalled) as end:
        ended(program)
    assert end.value.number == signal.SIGTERM
    assert capsys.readouterr().err == ""


def test_a_signal_in_a_finalizer_wakes_a_thread_that_waits():
    script = """
import os, signal, sys, threading
from softcheck.command.funnel import Signalled, ended

class Mortal:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

def program():
    Mortal()
    threading.Lock().acquire() and waiting.acquire()

waiting = threading.Lock()
waiting.acquire()
try:
    ended(program)
except Signalled as end:
    os._exit(end.number)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (signal.SIGTERM, b"", b"")


def test_what_is_ignored_stays_ignored():
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ended(lambda: signal.raise_signal(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, former)
