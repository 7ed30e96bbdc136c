"""The command line as its users meet it: exit codes, streams, options, wrong input on purpose."""

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, version

import numpy as np
import pytest
from fixture_cases import FIXTURES
from run import process, softcheck

import softcheck as package

GOOD = FIXTURES / "positive" / "cliffwalking.npz"
BAD = FIXTURES / "negative" / "missing-alpha.npz"
TORN = FIXTURES / "malformed" / "empty.npz"


def test_exit_codes():
    assert softcheck("verify", GOOD).code == 0
    assert softcheck("verify", BAD).code == 1
    assert softcheck("verify", TORN).code == 2
    assert softcheck("verify").code == 2
    assert softcheck().code == 2
    assert "verify" in softcheck().out


def test_among_cases_trouble_outranks_failure_and_the_others_are_reported():
    run = softcheck("verify", GOOD, BAD, TORN)
    assert run.code == 2
    assert "cliffwalking.npz: passed" in run.out
    assert "missing-alpha.npz: failed" in run.out
    assert "empty.npz" in run.err
    assert softcheck("verify", GOOD, BAD).code == 1


def test_exit_zero_turns_a_failure_into_success_and_nothing_else():
    assert softcheck("verify", BAD, "--exit-zero").code == 0
    assert softcheck("verify", TORN, "--exit-zero").code == 2


def test_arrays_may_be_given_one_by_one(tmp_path):
    q, logits = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.save(tmp_path / "q.npy", q)
    np.savez(tmp_path / "policy.npz", theta=logits)
    policy = f"{tmp_path / 'policy.npz'}::theta"
    given = ["--q", tmp_path / "q.npy", "--logits", policy, "--alpha"]
    assert softcheck("verify", *given, "0.2").code == 0
    np.save(tmp_path / "alpha.npy", np.full(5, 0.2))
    assert softcheck("verify", *given, tmp_path / "alpha.npy").code == 0


def test_two_dumps_of_what_should_be_one_gradient_are_a_case_each(tmp_path):
    case, wrong = np.load(GOOD), tmp_path / "other.npy"
    np.save(wrong, -case["grad"])
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("q", "logits", "alpha"):
        np.save(shared / f"{name}.npy", case[name])
    run = softcheck("verify", shared, f"--grad={GOOD}", f"--grad={wrong}", "--max-findings=1")
    assert run.code == 1
    lines = run.out.splitlines()
    assert lines[0].startswith(f"{GOOD}: passed")
    assert sum(line.startswith(f"{wrong}: failed") for line in lines) == 1
    assert lines[-1] == "failed: 2 cases: 1 passed, 1 failed"
    assert any("(sign-flipped)" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", GOOD, "--reduction", "median"], "median"),
        (["verify", GOOD, "--nonsense"], "--nonsense"),
        (["verfy", GOOD], "verify"),
        (["verify", GOOD, "--alpha", "0.1"], "--alpha"),
        (["verify", GOOD, "--threads", "0"], "--threads"),
        (["verify", GOOD, "--samples", "-1"], "--samples"),
        (["verify", GOOD, "--action-axis", "5"], "axis"),
        (["verify", "--q", GOOD], "logits"),
        (["verify", "no-such-file.npz"], "no-such-file.npz"),
        (["verify", FIXTURES], "fixtures"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_2(arguments, says):
    run = softcheck(*arguments)
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert line.startswith("softcheck: ")
    assert says in line


def test_quiet_and_verbose():
    assert softcheck("verify", BAD, "-qq").out == ""
    name, remedy, *findings = softcheck("verify", BAD, "-q", "--max-findings=3").out.splitlines()
    assert "found: alpha is missing" in name
    assert "to do: " in remedy
    assert sum("gradient[" in line for line in findings) == 3
    assert all(": found " in line for line in findings)
    assert "complex-step passed" in softcheck("verify", GOOD, "-v").out


def test_off_a_terminal_the_format_is_concise_and_the_environment_may_choose(monkeypatch):
    assert len(softcheck("verify", GOOD).out.splitlines()) == 1
    monkeypatch.setenv("SOFTCHECK_OUTPUT_FORMAT", "json")
    assert json.loads(softcheck("verify", GOOD).out)["status"] == "passed"
    assert softcheck("verify", GOOD, "--output-format=text").out.startswith("PASSED")


def test_samples_and_seed():
    run = softcheck("verify", GOOD, "--samples=50", "--seed=3", "--output-format=json")
    (case,) = json.loads(run.out)["cases"]
    assert "sampled" in {check["name"] for check in case["checks"]}
    assert (case["settings"]["samples"], case["settings"]["seed"]) == (50, 3)


def test_verbose_trouble_shows_the_traceback(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("softcheck.command.output.write", fail)
    monkeypatch.setattr("softcheck.selftest.outcomes", fail)
    quiet, loud = softcheck("verify", GOOD), softcheck("verify", GOOD, "-vv")
    assert (quiet.code, loud.code) == (3, 3)
    assert "internal error: ZeroDivisionError" in quiet.err
    assert "with what softcheck -vv COMMAND" in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err
    for command in (["verify", GOOD], ["selftest"]):
        assert "Traceback" in softcheck("-vv", *command).err


HEAVY = {"numpy", "sympy", "rich", "mpmath", "h5py", "pyarrow", "torch", "scipy", "distributed"}


def of_version(*options):
    """Return what --version prints with some options, and which modules that loads."""
    script = (
        f"import sys; sys.argv[1:] = ['--version', *{options!r}]\n"
        "from softcheck.command.main import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *said, modules = run.stdout.splitlines()
    return said, modules.split()


def test_help_and_version_are_quick_and_light():
    said, modules = of_version()
    assert said == [f"softcheck {package.__version__}"]
    assert HEAVY.isdisjoint(modules)


def test_a_verbose_version_says_what_a_bug_report_has_to_say():
    said, modules = of_version("-v")
    assert said[:3] == [
        f"softcheck {package.__version__}",
        f"Python {platform.python_version()} ({platform.python_implementation()})",
        platform.platform(),
    ]
    assert f"numpy {np.__version__}" in said[3].split(", ")
    extras = {line.partition(": ")[0]: line.partition(": ")[2].split(", ") for line in said[4:]}
    assert extras.keys() == {*metadata("softcheck").get_all("Provides-Extra")} - {"all"}
    assert f"torch {version('torch')}" in extras["torch"]
    assert HEAVY.isdisjoint(modules)


def test_a_package_that_is_missing_is_said_to_be(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("softcheck.command.about.version", missing)
    assert "zarr: zarr not installed" in softcheck("--version", "-v").out


def test_verbose_before_a_command_is_refused():
    outcome = softcheck("-v", "verify", GOOD)
    assert outcome.code == 2
    assert outcome.err.startswith("softcheck: -v: found it before a command, expected it behind")


def test_verify_loads_no_format_it_does_not_read():
    script = (
        f"import sys; sys.argv[1:] = ['verify', {str(GOOD)!r}]\n"
        "from softcheck.command.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    extras = {"sympy", "rich", "h5py", "pyarrow", "safetensors", "torch"}
    assert extras.isdisjoint(run.stdout.splitlines()[-1].split())


def test_the_process_keeps_streams_apart():
    run = process("verify", GOOD, TORN)
    assert run.code == 2
    assert "cliffwalking.npz: passed" in run.out
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("output_format", ["text", "concise"])
def test_quiet_says_why_a_case_without_findings_did_not_pass(tmp_path, output_format):
    path = tmp_path / "nothing.npz"
    zeros = np.zeros((20, 4))
    np.savez(path, logits=np.zeros((20, 4)), q=zeros, alpha=0.0, grad=zeros)
    form = f"--output-format={output_format}"
    run = softcheck("verify", path, "-q", form)
    assert run.code == 1
    (line,) = run.out.splitlines()
    assert "inconclusive" in line.lower()
    assert str(path) in line
    assert softcheck("verify", path, "-qq", form).out == ""
