"""The program as its users run it: in this process where speed counts, or as a process."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import schemas

from softcheck.__main__ import SIGNALLED
from softcheck.command.funnel import Signalled
from softcheck.command.main import main


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. Its report, where that is JSON, keeps to the schema."""

    code: int
    out: str
    err: str

    def __post_init__(self):
        if self.out.startswith('{\n  "$schema": "https://docs.oasis'):
            schemas.check_sarif(self.out)
        elif self.out.startswith("{"):
            schemas.check_json(self.out)


def softcheck(*arguments):
    """Run the program in this process, off a terminal."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["softcheck", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        except Signalled as end:
            code = SIGNALLED + end.number
    return Outcome(code, out.getvalue(), err.getvalue())


def process(*arguments, **options):
    """Run the program as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "softcheck", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
