"""The program at a terminal, in a pipe and in a log: colour, width, help, completion, signals."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
from fcntl import ioctl
from termios import TIOCSWINSZ

import numpy as np
import pytest
from fixture_cases import FIXTURES
from run import process, softcheck

from softcheck.report import FORMATS

GOOD = FIXTURES / "positive" / "cliffwalking.npz"
BAD = FIXTURES / "negative" / "missing-alpha.npz"
COMMANDS = ("verify", "derive", "explain", "selftest")
PROGRAM = [sys.executable, "-m", "softcheck"]
SETTING = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "GITHUB_ACTIONS", "CI")


def environment(**variables):
    """The environment without what decides on colour and width, and with these variables."""
    return {key: value for key, value in os.environ.items() if key not in SETTING} | variables


def on_a_terminal(*arguments, columns=80, **variables):
    """Start the program on a terminal; return it, and where to read what it shows.

    A run counts as long from its beginning, so that its progress is shown; and it heeds a closed
    terminal, also where the tests themselves run under nohup.
    """
    controller, terminal = pty.openpty()
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    impatient = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "from softcheck import __main__; from softcheck.command import progress; "
        "progress.PATIENCE = 0.0; __main__.main()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", impatient, *map(str, arguments)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(**{"TERM": "xterm", **variables}),
    )
    os.close(terminal)
    return run, controller


def read(controller, until=None):
    """Return what the program showed, up to its end or to some text."""
    seen = b""
    while until is None or until not in seen:
        try:
            part = os.read(controller, 65_536)
        except OSError:  # what Linux says at the end
            break
        if not part:
            break
        seen += part
    return seen


def shown(*arguments, **how):
    """Return the whole of what the program shows at a terminal, and its exit code."""
    run, controller = on_a_terminal(*arguments, **how)
    seen = read(controller).decode().replace("\r\n", "\n")
    os.close(controller)
    return seen, run.wait(timeout=60)


def bash(script, *arguments, **variables):
    """Run a script that finds the program in "$@"."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment(**variables),
    )


# Colour and width.


@pytest.mark.parametrize(
    ("variables", "options", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": ""}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, [], True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], False),
        ({"NO_COLOR": "1"}, ["--color=always"], True),
        ({"FORCE_COLOR": "1"}, ["--color=never"], False),
    ],
)
def test_colour_at_a_terminal(variables, options, colored):
    seen, code = shown("verify", GOOD, *options, **variables)
    assert code == 0
    assert "PASSED" in seen
    assert (re.search(r"\x1b\[[0-9;]*m", seen) is not None) is colored


@pytest.mark.parametrize("variables", [{}, {"CI": "true", "GITHUB_ACTIONS": "true"}])
def test_a_log_gets_plain_lines_unless_it_is_told_otherwise(monkeypatch, variables):
    for name in SETTING:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    text = ["verify", GOOD, "--output-format=text"]
    assert len(softcheck("verify", GOOD).out.splitlines()) == 1
    for arguments in (text, ["--help"], ["verify", "--help"], ["verify", "--bogus"]):
        run = softcheck(*arguments)
        assert "\x1b" not in run.out + run.err
    assert "\x1b[" in softcheck(*text, "--color=always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in softcheck(*text).out
    assert "\x1b" not in softcheck(*text, "--color=never").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in softcheck(*text).out


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_at_a_terminal_lines_fit_and_numbers_are_whole(columns):
    seen, code = shown("verify", BAD, "--max-findings=2", columns=columns, NO_COLOR="1")
    assert code == 1
    (case,) = json.loads(softcheck("verify", BAD, "--output-format=json").out)["cases"]
    assert repr(case["findings"][0]["actual"]) in seen
    table = seen[seen.index("FAILED") : seen.index("gradient failed")].splitlines()
    assert max(map(len, table)) <= max(columns, len(str(BAD)) + 10)


def test_a_long_run_shows_its_progress_where_it_can_be_shown():
    seen, code = shown("verify", GOOD, columns=60)
    assert code == 0
    assert "states" in seen.split("PASSED")[0]
    assert "\x1b[1;32mPASSED" in seen
    assert "\x1b[3" not in shown("verify", GOOD, "--color=never")[0].split("PASSED")[0]
    plain, code = shown("verify", GOOD, TERM="dumb")
    assert code == 0
    assert plain.startswith("PASSED")
    run, controller = on_a_terminal("selftest", GOOD)
    assert b"2 mistakes planted" in read(controller, until=b"2 mistakes planted")
    run.send_signal(signal.SIGINT)
    read(controller)
    os.close(controller)
    assert run.wait(timeout=60) == 130


# Help and completion.


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_and_teaches_by_example(command, columns):
    seen, code = shown(*command, "--help", columns=columns, GITHUB_ACTIONS="true")
    assert code == 0
    assert "\x1b" not in seen
    lines = seen.splitlines()
    assert max(map(len, lines)) < columns
    assert lines[0].startswith(" ".join(["Usage: softcheck", *command]))
    examples = seen[seen.index("Examples:\n") :].split("\n\n")[0]
    assert all(line.startswith("  ") for line in examples.splitlines()[1:])
    assert "softcheck " in examples


def test_help_has_a_line_for_every_option():
    seen, _ = shown("verify", "--help", columns=80)
    options = [line for line in seen.splitlines() if re.match(r"  -", line)]
    # What an option does begins on its own line.
    assert all(re.match(r"  -\S+(, --\S+)?( [A-Z|:=]+)?  +\S", line) for line in options), options
    assert len(options) > 20
    continued = [line for line in seen.splitlines() if line.startswith(" " * 20)]
    assert len(continued) <= 2, "but for choices that are too many for a line"


def test_completion_offers_commands_options_choices_and_leaves_files_to_the_shell(monkeypatch):
    def offered(*words):
        monkeypatch.setenv("COMP_WORDS", "\n".join(["softcheck", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        run = softcheck()
        assert (run.code, run.err) == (0, "")
        return run.out.split()

    monkeypatch.setenv("COLUMNS", "80")  # which completion widens
    monkeypatch.setenv("_SOFTCHECK_COMPLETE", "complete_bash")
    assert offered("ver") == ["verify"]
    assert offered("verify", "--tol") == ["--tolerance-factor"]
    assert offered("verify", "--reduction", "me") == ["mean", "mean-all"]
    assert offered("verify", "--output-format", "") == list(FORMATS)
    assert offered("explain", "missing-al") == ["missing-alpha"]
    assert offered("verify", "fix") == []
    assert offered("verify", "--mask", "fix") == []
    monkeypatch.delenv("_SOFTCHECK_COMPLETE")
    # The shell is given, for tests need not have been started from one.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert "complete -o default -F" in softcheck("--show-completion", "bash").out


def test_completion_is_light():
    script = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
sys.argv = ["softcheck"]
from softcheck.__main__ import main
main()
"""
    asked = environment(
        _SOFTCHECK_COMPLETE="complete_bash",
        COMP_WORDS="softcheck\nverify\n--reduction\nm",
        COMP_CWORD="3",
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=asked)
    *offered, modules = run.stdout.splitlines()
    assert offered == ["mean", "mean-all"]
    assert {"numpy", "sympy", "rich"}.isdisjoint(modules.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verfy"], "Did you mean 'verify'?"),
        (["verify", "--reductoin", "mean"], "Did you mean '--reduction'?"),
        (["verify", "--loggits=x"], "Did you mean '--logits'?"),
        (
            ["explain", r"-\log \pi(j)"],
            r"Give a formula behind --: softcheck explain -- '-\log ...'.",
        ),
        (
            ["derive", r"-\log \pi(j)"],
            r"formula behind --loss: softcheck derive --loss '-\log ...'.",
        ),
        (["verify", "--bogus"], "See softcheck verify --help."),
        (["verify", "--critics=mim"], "Did you mean 'min'?"),
        (["verify", f"--logits={GOOD}::logit"], "Did you mean 'logits'?"),
        (["explain", "missing-alpa"], "Did you mean 'missing-alpha'?"),
    ],
)
def test_a_slip_is_answered_with_what_was_probably_meant(arguments, says):
    run = softcheck(*arguments)
    assert run.code == 2
    assert run.err.startswith("softcheck: ")
    assert run.err.endswith(f"{says}\n")


def test_a_name_that_is_nearly_a_role_is_pointed_out(tmp_path):
    given = dict(np.load(GOOD))
    np.savez(tmp_path / "required.npz", logit=given.pop("logits"), **given)
    assert "Is it 'logit'?" in softcheck("verify", tmp_path / "required.npz").err
    given = dict(np.load(GOOD))
    np.savez(tmp_path / "optional.npz", grads=given.pop("grad"), rewards=0.0, **given)
    run = softcheck("verify", tmp_path / "optional.npz")
    assert run.code == 2
    assert "found 'grads', but no grad, expected grad or gradient or " in run.err
    assert "Rename that array, or give --grad PATH::KEY; if it is" in run.err
    by_option = f"--grad={tmp_path / 'optional.npz'}::grads"
    assert softcheck("verify", tmp_path / "optional.npz", by_option).code == 0
    np.savez(tmp_path / "note.npz", values=0.0, rewards=0.0, **given)
    run = softcheck("verify", tmp_path / "note.npz")
    assert "'values' may be meant for value" in run.out
    assert "'rewards' may" not in run.out


# Where output goes, and does not.


@pytest.mark.parametrize(
    "arguments", [("verify", BAD), ("explain",), ("--version",), ("verify", "--help")]
)
def test_a_closed_pipe_keeps_the_verdict_quietly(arguments):
    run = bash('"$@" | exec true; echo "${PIPESTATUS[0]}"', *arguments)
    assert run.stdout == ("1\n" if BAD in arguments else "0\n")
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        (">/dev/full", ("verify", GOOD), 2),
        (">/dev/full", ("--help",), 2),
        (">&-", ("verify", GOOD), 0),
        (">&-", ("verify", BAD), 1),
        ("2>&-", ("verify", "missing.npz"), 2),
        ("2>/dev/full", ("verify", "missing.npz"), 2),
    ],
)
def test_a_place_that_takes_no_output_is_no_crash(redirection, arguments, code):
    run = bash(f'( "$@" {redirection} ); echo "code $?"', *arguments)
    assert run.stdout.splitlines()[-1] == f"code {code}"
    assert "softcheck" not in run.stdout
    assert run.stderr.count("\n") == (redirection == ">/dev/full")
    assert "internal error" not in run.stderr


def test_letters_that_the_terminal_lacks_are_spelled():
    ascii_alone = environment(PYTHONIOENCODING="ascii")
    run = process("derive", "--loss=cross-entropy", "--output-format=text", env=ascii_alone)
    assert run.code == 0
    assert "L = -(1 - epsilon) log pi(j) - (epsilon / n) sum_a log pi(a)" in run.out
    assert "\\u" not in run.out
    assert "\\u65e5" in process("verify", "日.npz", env=ascii_alone).err


@pytest.mark.parametrize("name", ["π.npz", "nö/日π.npz"])
def test_a_path_with_letters_that_the_terminal_lacks_can_be_told_from_others(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(BAD.read_bytes())
    ascii_alone = environment(PYTHONIOENCODING="ascii")
    escaped = name.encode("ascii", "backslashreplace").decode()
    for form in ("text", "concise", "github", "markdown"):
        made = process("verify", name, f"--output-format={form}", env=ascii_alone, cwd=tmp_path)
        assert made.code == 1
        assert escaped in made.out
        assert "pi.npz" not in made.out
        assert "pi(a)" in made.out
    (tmp_path / "paper.π.tex").write_text(r"$$\pi_a = 1$$", "utf-8")
    made = process("derive", "paper.π.tex", env=ascii_alone, cwd=tmp_path)
    assert r"paper.\u03c0.tex" in made.out
    gone = process("verify", "ρ.npz", env=ascii_alone, cwd=tmp_path)
    assert gone.err.startswith(r"softcheck: \u03c1.npz: found no such file")


@pytest.mark.parametrize("form", [form for form in FORMATS if FORMATS[form].encoding])
def test_what_programs_read_is_the_same_whatever_the_terminal_is(tmp_path, form):
    path = tmp_path / "nöπ.npz"
    path.write_bytes(BAD.read_bytes())
    command = [*PROGRAM, "verify", path.name, f"--output-format={form}", f"--report={form}:file"]
    ascii_alone = environment(PYTHONIOENCODING="ascii")
    made = subprocess.run(command, env=ascii_alone, cwd=tmp_path, capture_output=True, check=False)
    assert made.returncode == 1
    assert made.stdout == (tmp_path / "file").read_bytes()
    assert "nöπ.npz".encode() in made.stdout or b"n%C3%B6%CF%80.npz" in made.stdout


# Signals.

SIGNALS = pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_run_without_a_traceback(tmp_path, sent, code):
    for name in ("q", "logits"):
        np.save(tmp_path / f"{name}.npy", np.zeros((1_000_000, 2)))
    run, controller = on_a_terminal("verify", tmp_path, "--alpha=1", "--samples=50", "--threads=1")
    read(controller, until=b"states")
    run.send_signal(sent)
    rest = read(controller)
    os.close(controller)
    assert run.wait(timeout=60) == code
    assert b"Traceback" not in rest
    assert b"PASSED" not in rest
    assert rest.count(b"\x1b[?25h") == 1, "the cursor is shown again"


@SIGNALS
@pytest.mark.parametrize("module", ["signal", "enum", "typer", "numpy", "softcheck.verification"])
def test_a_signal_while_modules_are_imported_is_as_quiet(sent, code, module):
    script = f"""
import os, sys
import _signal
for name in [name for name in sys.modules if name in ("signal", "enum")]:
    del sys.modules[name]

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {int(sent)})

from softcheck.__main__ import main
sys.meta_path.insert(0, Signalling())
sys.argv = ["softcheck", "verify", {str(GOOD)!r}]
main()
"""
    if sent is signal.SIGTERM and module in {"signal", "enum"}:
        code = -sent  # there is no handler yet, and none is needed to be quiet
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (code, b"", b"")


def test_an_interrupted_run_waits_for_no_block(tmp_path):
    """Neither for the one that is under way, which sleeps, nor for those in the queue."""
    np.savez(tmp_path / "case.npz", q=np.zeros((400_000, 2)), logits=np.zeros((400_000, 2)))
    script = f"""
import sys, time
from softcheck.checks import every
def sleep(_):
    print("block", flush=True)
    time.sleep(90)
every.run = sleep
sys.argv = ["softcheck", "verify", {str(tmp_path / "case.npz")!r}, "--alpha=1", "--threads=1"]
from softcheck.__main__ import main
main()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"block\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=30) == 130
        assert run.stdout.read() == b""


def test_an_interrupted_run_does_what_libraries_leave_to_the_end():
    """A semaphore that nobody has collected yet is unlinked, and its tracker has nothing to say."""
    script = f"""
import multiprocessing, os, sys
from softcheck.checks import every
kept = multiprocessing.get_context("spawn").Lock()
every.run = lambda _: os.kill(os.getpid(), {int(signal.SIGTERM)})
sys.argv = ["softcheck", "verify", {str(GOOD)!r}]
from softcheck.__main__ import main
main()
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (143, b"", b"")


def test_an_ignored_signal_stays_ignored():
    script = 'trap "" INT; "$@" & sleep 0.1; kill -INT $! && echo sent; wait $!; echo "code $?"'
    run = bash(script, "verify", GOOD)
    assert "sent" in run.stdout
    assert run.stdout.splitlines()[-1] == "code 0"
