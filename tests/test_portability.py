"""On a system like Windows: names that only POSIX has are taken away, and paths have drives.

`mypy --platform win32` sees every such name in the code; here the program is run without them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import run
from fixture_cases import FIXTURES

from softcheck.tables.gather import _split
from softcheck.tables.urls import is_url

WRONG = FIXTURES / "negative" / "missing-alpha.npz"

WITHOUT_POSIX = '''
"""Show the code of softcheck, and no other, a system like Windows."""

import builtins, os, signal, sys, types

LACKING = {
    os: """O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WIFSIGNALED WTERMSIG chown fchmod fchown
        fork forkpty geteuid getgid getgroups getpgid getpgrp getuid initgroups killpg lchown
        mkfifo nice openpty posix_spawn pread pwrite register_at_fork sched_getaffinity
        sched_setaffinity setpgid setsid setuid statvfs sysconf tcgetpgrp ttyname uname wait wait3
        wait4""",
    signal: """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1
        SIGUSR2 SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pthread_kill
        pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait""",
}
MODULES = "crypt curses fcntl grp nis posix pty pwd readline resource syslog termios tty".split()
importing, frame, found = builtins.__import__, sys._getframe, types.ModuleType.__getattribute__


def is_ours(name):
    return str(name).partition(".")[0] == "softcheck"


def like_windows(module, names):
    class Like(types.ModuleType):
        def __getattribute__(self, name):
            if name in names and is_ours(frame(1).f_globals.get("__name__")):
                if self is sys:
                    return "win32"
                raise AttributeError(f"Windows has no {name}")
            return found(self, name)

    module.__class__ = Like


def without_modules(name, globals=None, *others, **more):
    if is_ours((globals or {}).get("__name__")) and name.partition(".")[0] in MODULES:
        raise ModuleNotFoundError(f"Windows has no {name}", name=name)
    return importing(name, globals, *others, **more)


for module, names in LACKING.items():
    like_windows(module, frozenset(names.split()))
like_windows(sys, {"platform"})
builtins.__import__ = without_modules
'''


def environment(folder):
    """Return an environment in which every process of Python starts without POSIX."""
    (folder / "sitecustomize.py").write_text(WITHOUT_POSIX)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("import os; os.fork", "AttributeError: Windows has no fork"),
        ("from signal import SIGKILL", "ImportError: cannot import name 'SIGKILL'"),
        ("import resource", "ModuleNotFoundError: Windows has no resource"),
        ("import sys; assert sys.platform != 'win32'", "AssertionError"),
    ],
)
def test_what_is_taken_away_is_away(tmp_path, code, missing):
    def ended(module):
        script = f"exec({code!r}, {{'__name__': {module!r}}})"
        return subprocess.run(
            [sys.executable, "-c", script],
            env=environment(tmp_path), capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert missing in ended("softcheck.some").stderr
    assert ended("distributed.some").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", WRONG],
        ["verify", WRONG, "--engine=dask", "--threads=1"],
        ["verify", WRONG, "--output-format=sarif"],
        ["derive"],
        ["explain", "missing-alpha"],
    ],
    ids=lambda arguments: " ".join(str(each) for each in arguments if each != WRONG),
)
def test_nothing_that_only_posix_has_is_needed(tmp_path, arguments):
    usual = run.softcheck(*(each for each in arguments if "--engine" not in str(each)))
    made = run.process(*arguments, env=environment(tmp_path))
    assert (made.code, made.err) == (usual.code, usual.err)
    assert made.out == usual.out


@pytest.mark.parametrize("path", [r"C:\dumps\run.npz", "C:/dumps/run.npz", "C://dumps/run.npz"])
def test_a_drive_is_no_scheme_of_a_url(path):
    assert not is_url(path)
    assert _split(f"{path}::q") == (path, "q")


def test_capitals_are_those_of_the_system(tmp_path, monkeypatch):
    """A configured case is that of a path given, where names differ in capitals alone."""
    monkeypatch.chdir(tmp_path)
    Path("softcheck.toml").write_text('[[case]]\npath = "dumps/*.npz"\nreduction = "mean"\n')
    Path("dumps").mkdir()
    Path("dumps/Run.npz").write_bytes(WRONG.read_bytes())
    monkeypatch.setattr(os.path, "normcase", str.lower)
    shown = run.softcheck("verify", "DUMPS/run.NPZ", "--show-settings").out
    assert re.search(r"^reduction = \"mean\" +# softcheck\.toml::case\[0\]", shown, re.MULTILINE)


def test_a_url_in_a_configuration_is_no_path_of_its_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    (tmp_path / "softcheck.toml").write_text(
        '[[case]]\nlogits = "https://host/run.npz::theta"\nq = "q.npy"\nalpha = 0.2\n'
    )
    shown = run.softcheck("verify", "--show-settings").out
    assert 'logits = "https://host/run.npz::theta"' in shown
    assert 'q = "../q.npy"' in shown
