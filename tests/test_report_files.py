"""`--report FORMAT:FILE`: where reports may go, and that they get there whole or not at all."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys

import pytest
import schemas
from fixture_cases import FIXTURES
from run import process, softcheck

from softcheck.tables import files

GOOD = FIXTURES / "positive" / "cliffwalking.npz"
BAD = FIXTURES / "negative" / "missing-alpha.npz"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a case of its own, which a test may lose."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.npz").write_bytes(GOOD.read_bytes())
    return tmp_path


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_run_writes_any_number_of_reports(folder):
    outcome = softcheck(
        "verify", BAD, "-qq", "--report=junit:out.xml", "--report=json:out.json",
        "--report=markdown:page:1.md", "--report=text:out.txt", "--color=always",
    )  # fmt: skip
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "")
    assert left_in(folder) == ["out.json", "out.txt", "out.xml", "page:1.md", "run.npz"]
    schemas.check_junit((folder / "out.xml").read_text("utf-8"))
    made = schemas.check_json((folder / "out.json").read_text("utf-8"))
    assert made["status"] == "failed"
    assert "## softcheck: failed" in (folder / "page:1.md").read_text("utf-8")
    text = (folder / "out.txt").read_text("utf-8")
    assert text.startswith("FAILED")
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (["-v", "--output-format=text"], None),
        (["--output-format=json"], None),
        (["-q", "--output-format=html"], None),
        (["-qq", "--report=json:out"], "out"),
        (["--report=html:out"], "out"),
        (["-v", "-q", "--report=text:out"], "out"),
    ],
)
def test_a_report_that_shows_digests_has_them(options, place, folder):
    outcome = softcheck("verify", "run.npz", *options)
    made = outcome.out if place is None else (folder / place).read_text("utf-8")
    assert hashlib.sha256((folder / "run.npz").read_bytes()).hexdigest() in made


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "options",
    [
        ["--output-format=text"],
        ["-v"],
        ["-qq", "--output-format=json"],
        ["-v", "-q", "--output-format=text", "--report=markdown:out"],
    ],
)
def test_nothing_is_hashed_for_a_report_without_digests(options, monkeypatch):
    monkeypatch.delattr(files, "hashlib")
    assert softcheck("verify", "run.npz", *options).code == 0


def test_a_derivation_has_report_files_too(folder):
    (folder / "paper.tex").write_text(r"$$\sum_a \pi(a)^2 = 1$$")
    outcome = softcheck("derive", "paper.tex", "--report=github:out.txt", "--report=json:out.json")
    assert outcome.code == 1
    assert (folder / "out.txt").read_text("utf-8").startswith("::error file=paper.tex,line=1,")
    made = schemas.check_json((folder / "out.json").read_text("utf-8"))
    assert made["status"] == "refuted"
    gap = softcheck("derive", "--explain-gap", "--report=junit:gap.xml")
    assert gap.out.startswith("%") or "\\begin" in gap.out
    schemas.check_junit((folder / "gap.xml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("out.xml", "expected FORMAT:FILE"),
        ("junit:", "expected FORMAT:FILE"),
        (":out.xml", "expected one of"),
        ("junit:no/out.xml", "no such folder"),
        ("junit:.", "no regular file"),
        ("junit:new/", "no regular file"),
        ("junit:fifo", "no regular file"),
        ("junit:/dev/null", "no regular file"),
        ("junit:run.npz", "reads"),
        ("junit:./run.npz", "reads"),
        ("junit:symbolic", "reads"),
        ("junit:hard", "reads"),
        ("junit:run.npz/out.xml", "no such folder"),
        ("junit:loop", "ymlink loop"),
        ("junit:" + "x" * 300, "too long"),
    ],
)
def test_a_place_that_cannot_hold_a_report_is_refused_before_work_starts(
    folder, monkeypatch, option, says
):
    os.mkfifo("fifo")
    (folder / "symbolic").symlink_to("run.npz")
    (folder / "hard").hardlink_to("run.npz")
    (folder / "loop").symlink_to("loop")
    before = left_in(folder)
    monkeypatch.setattr("softcheck.verification.report", lambda *_: pytest.fail("work has started"))
    outcome = softcheck("verify", "run.npz", "--report", option)
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert line.startswith("softcheck: --report ")
    assert says in line
    assert left_in(folder) == before
    assert (folder / "run.npz").read_bytes() == GOOD.read_bytes()


def test_no_input_of_any_kind_is_overwritten(folder):
    case = folder / "case"
    case.mkdir()
    (case / "q.npy").write_bytes(b"")
    (case / "old.xml").write_bytes(b"")
    (folder / "paper.tex").write_text("$1 = 1$")
    runs = [
        (["verify", "case"], "case/q.npy"),
        (["verify", "--q=case/q.npy", "--logits=run.npz::logits", "--alpha=1"], "run.npz"),
        (["verify", "--q=case/q.npy", "--logits=l.npy", "--alpha=1"], "case/q.npy"),
        (["verify", "--q=q.npy", "--logits=l.npy", "--alpha=1", "--grad=run.npz::grad"], "run.npz"),
        (["derive", "paper.tex"], "paper.tex"),
        (["derive", "--givens=paper.tex"], "paper.tex"),
        (["derive", "--on=run.npz"], "run.npz"),
    ]
    for arguments, path in runs:
        before = (folder / path).read_bytes()
        outcome = softcheck(*arguments, f"--report=json:{path}")
        assert outcome.code == 2
        assert "reads" in outcome.err
        assert (folder / path).read_bytes() == before
    # What lies in the folder of a case and is no part of it may be a report of the last run.
    outcome = softcheck("verify", "case", "--report=json:case/old.xml")
    assert (case / "old.xml").read_text().startswith("{")


def test_two_reports_may_not_share_a_file(folder):
    (folder / "other.xml").symlink_to("out.xml")
    for second in ("out.xml", "./out.xml", "other.xml"):
        outcome = softcheck(
            "verify", "run.npz", "--report=junit:out.xml", f"--report=json:{second}"
        )
        assert outcome.code == 2
        assert "junit:out.xml" in outcome.err
        assert not (folder / "out.xml").exists()


def test_the_file_that_stdout_goes_to_is_not_replaced(folder):
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "softcheck", "derive", "--report=json:/dev/stdout"],
            stdout=log, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert "prints to" in done.stderr


def test_a_report_goes_through_a_symbolic_link(folder):
    (folder / "deep").mkdir()
    (folder / "out.xml").symlink_to("deep/real.xml")
    assert softcheck("verify", "run.npz", "--report=junit:out.xml").code == 0
    assert (folder / "out.xml").is_symlink()
    schemas.check_junit((folder / "deep" / "real.xml").read_text("utf-8"))


def test_a_reader_of_the_last_report_keeps_it_whole(folder):
    (folder / "out.json").write_text("the last report")
    (folder / "reader").hardlink_to("out.json")
    assert softcheck("derive", "-qq", "--report=json:out.json").code == 0
    assert (folder / "reader").read_text() == "the last report"
    schemas.check_json((folder / "out.json").read_text("utf-8"))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_report_has_the_mode_that_the_umask_leaves(folder, umask):
    old = os.umask(umask)
    try:
        softcheck("derive", "-qq", "--report=json:out.json")
    finally:
        os.umask(old)
    assert stat.S_IMODE((folder / "out.json").stat().st_mode) == 0o666 & ~umask


def full(_descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(_descriptor):
    signal.raise_signal(signal.SIGINT)


def terminated(_descriptor):
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(("what", "code"), [(full, 2), (interrupted, 130), (terminated, 143)])
def test_a_report_that_was_cut_off_leaves_the_last_one_as_it_was(folder, monkeypatch, what, code):
    (folder / "out.xml").write_text("the last report")
    monkeypatch.setattr("os.fsync", what)
    outcome = softcheck("verify", "run.npz", "--report=junit:out.xml")
    assert outcome.code == code
    assert "run.npz: passed" in outcome.out
    assert left_in(folder) == ["out.xml", "run.npz"]
    assert (folder / "out.xml").read_text() == "the last report"
    assert outcome.err.count("\n") == (1 if what is full else 0)
    if what is full:
        assert "--report junit:out.xml: found No space left on device" in outcome.err


def test_exit_codes_are_those_of_the_verdict(folder):
    report = "--report=json:out.json"
    assert softcheck("verify", BAD, report).code == 1
    assert softcheck("verify", BAD, report, "--exit-zero").code == 0
    assert softcheck("verify", "run.npz", "missing.npz", report).code == 2
    made = schemas.check_json((folder / "out.json").read_text("utf-8"))
    assert made["status"] == "error"


def test_a_closed_pipe_loses_no_report(folder):

    command = (
        f"{sys.executable} -m softcheck verify {BAD} --max-findings=200 --report=json:out.json"
    )
    script = f"set -o pipefail; {command} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1"
    assert schemas.check_json((folder / "out.json").read_text("utf-8"))["status"] == "failed"


def test_a_path_that_is_not_unicode_is_reported(folder):
    (folder / os.fsdecode(b"a\xff.npz")).write_bytes(GOOD.read_bytes())
    outcome = process("verify", os.fsdecode(b"a\xff.npz"), "--report=json:out.json")
    assert outcome.code == 0
    made = schemas.check_json((folder / "out.json").read_text("utf-8"))
    assert made["cases"][0]["name"] == r"a\udcff.npz"
