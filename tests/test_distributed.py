"""The Dask engine: the report of the local one, whatever workers there are and whoever dies."""

import gc
import io
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from types import SimpleNamespace

import dask
import distributed
import msgspec
import numpy as np
import psutil
import pytest
from fixture_cases import walk
from run import softcheck

from softcheck.command.progress import progress_bar
from softcheck.engines import cluster as engine_module
from softcheck.engines.cluster import Cluster
from softcheck.engines.local import Threads
from softcheck.errors import InputError, UsageError
from softcheck.losses import load
from softcheck.result import Status
from softcheck.settings import BLOCK_ENTRIES, Settings
from softcheck.tables.case import RawBlock, case_from_arrays, open_case
from softcheck.tables.declared import Declared
from softcheck.verification import report, verify_case

ACTIONS = 4


@contextmanager
def running(workers):
    """Run a cluster of processes, and give a client of it."""
    with (
        TemporaryDirectory() as folder,
        dask.config.set({"temporary-directory": folder}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as started,
        distributed.Client(started) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with running(2) as started:
        yield started


@pytest.fixture
def engine(client):
    return Cluster(client, "--engine dask")


def tables(states, seed=0, alpha=0.3):
    """Return a right gradient and what it is the gradient of."""
    generator = np.random.default_rng(seed)
    q, logits = generator.normal(size=(2, states, ACTIONS))
    log_pi = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    pi, g = np.exp(log_pi), q - alpha * log_pi
    grad = -pi * (g - (pi * g).sum(-1, keepdims=True))
    return {"q": q, "logits": logits, "alpha": np.float64(alpha), "grad": grad}


def write(folder, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def text(case):
    return msgspec.json.encode(msgspec.to_builtins(case))


def opened(fixture):
    """Return a fixture as a case, and its settings."""
    chosen = dict(fixture.expected["settings"])
    weights = chosen.pop("weights", None)
    given = {"weights": [str(fixture.path.parent / weights)]} if weights else {}
    axis = chosen.pop("action_axis", -1)
    return open_case(str(fixture.path), given, action_axis=axis), chosen


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_the_report_is_that_of_the_local_engine_for_every_format_and_mistake(engine, kind):
    for fixture in walk(kind)[:: 1 if kind == "positive" else 4]:
        case, chosen = opened(fixture)
        settings = Settings(block_entries=1000, samples=10, **chosen)
        local, dask = (
            verify_case(case, settings, engine=each, pictures=True) for each in (None, engine)
        )
        assert text(local) == text(dask), fixture.path


def test_the_report_is_the_same_for_any_number_of_workers():
    """Of one and of two it is too, with one killed: see below."""
    right, wrong = tables(2000), tables(2000)
    wrong["grad"][1234] *= -1
    with running(3) as client:
        for kernel, arrays in product(("numpy", "compiled"), (right, wrong)):
            settings = Settings(block_entries=256, samples=5, kernel=kernel)
            is_drawn = kernel == "numpy"  # which checks a dump that is
            case = case_from_arrays(arrays)
            verified = partial(verify_case, case, settings, pictures=is_drawn)
            made = verified(engine=Cluster(client, ""))
            assert made.settings.get("kernel") == (kernel if kernel == "compiled" else None)
            assert text(made) == text(verified())


@pytest.mark.parametrize(("name", "wrong"), [("cross-entropy", True), ("grpo", False)])
def test_entries_that_differ_are_found_by_the_workers_with_the_same_report(name, wrong, engine):
    generator, states = np.random.default_rng(2), 40
    at, j = np.arange(states), generator.integers(120, size=states)
    logits = generator.choice(generator.normal(size=5), (states, 120))
    logits[20] = generator.normal(size=120)  # of which too many differ
    logits = logits.astype(np.float16)
    z = logits.astype(np.float64)
    log_pi = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    given, weight = {"labels": j}, np.ones(states)
    if name == "grpo":  # of the policy that has drawn the actions, where all ratios are 1
        given = dict.fromkeys(("old_log_probs", "ref_log_probs"), log_pi[at, j])
        weight = generator.normal(size=states)
        given |= {"actions": j, "advantages": weight, "clip": 0.2, "beta": 0.04}
    grad = weight[:, np.newaxis] * np.exp(log_pi)
    grad[at, j] -= weight
    grad[31, 5] *= 1.0 + wrong
    arrays = {"logits": logits, "grad": grad.astype(np.float16), **given}
    case = case_from_arrays(arrays, declared=Declared(load(name)))
    settings = Settings(
        reduction="sum", compute_dtype="float32", kernel="compiled", block_entries=100
    )
    local, dask = (verify_case(case, settings, engine=each) for each in (None, engine))
    assert text(local) == text(dask)
    assert dask.settings["kernel"] == "compiled"
    assert dask.status is (Status.FAILED if wrong else Status.PASSED)


def test_many_files_are_verified_by_the_workers_and_reported_in_their_order(engine, tmp_path):
    wrong = tables(30)
    wrong["grad"] *= -1
    torn = tables(30)
    torn["q"][7, 1] = np.nan
    folders = [write(tmp_path / f"{i}", tables(30, seed=i)) for i in range(6)]
    folders += [write(tmp_path / "wrong", wrong), tmp_path / "none", write(tmp_path / "torn", torn)]
    large = write(tmp_path / "large", tables(50_000))
    folders.insert(3, large)
    cases = [(str(each), partial(open_case, str(each), {}), Settings()) for each in folders]
    local, dask = (report(cases, engine=each, pictures=True) for each in (Threads(), engine))
    assert msgspec.to_builtins(local) == msgspec.to_builtins(dask)
    assert len(dask.summary.errors) == 2
    ahead = engine.ahead(verify_case, [(opener, settings) for _, opener, settings in cases])
    assert [made is not None for made in ahead] == [
        folder.name not in ("large", "none", "torn") for folder in folders
    ]


class Rows(list):
    merge = list.extend


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_in_the_middle_changes_nothing(workers, tmp_path):
    arrays = tables(2400)
    arrays["grad"][::77] += 1e-9
    case = open_case(str(write(tmp_path / "case", arrays)), {})
    settings = Settings(block_entries=64)
    done, killed = [], tmp_path / "killed"

    class Deadly(Cluster):
        """Kills the worker that is first at the middle of the case."""

        def over_blocks(self, work, case, rows):
            def deadly(raw, buffers):
                if raw.start <= 1200 < raw.start + raw.rows and not killed.exists():
                    killed.write_text(str(os.getpid()))
                    os.kill(os.getpid(), signal.SIGKILL)
                return work(raw, buffers)

            return super().over_blocks(deadly, case, rows)

    with running(workers) as client:
        made = verify_case(case, settings, lambda *of: done.append(of), Deadly(client, ""))
        pids = set(client.run(os.getpid).values())
    assert int(killed.read_text()) not in pids
    assert len(done) > 2
    assert text(made) == text(verify_case(case, settings))


def deadly_starts(monkeypatch, count):
    """Have the first processes of workers killed as soon as they run; return whom it hit."""
    start, killed = distributed.nanny.AsyncProcess.start, []

    async def started(process):
        await start(process)
        if len(killed) < count:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(distributed.nanny.AsyncProcess, "start", started)
    return killed


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_while_the_cluster_starts_changes_nothing(workers, monkeypatch):
    killed = deadly_starts(monkeypatch, 1)
    case = case_from_arrays(tables(10))
    with engine_module.cluster(None, workers) as made:
        assert text(verify_case(case, Settings(), engine=made)) == text(
            verify_case(case, Settings())
        )
    assert len(killed) == 1


def test_a_cluster_of_which_no_worker_can_start_is_said(monkeypatch):
    killed = deadly_starts(monkeypatch, 100)
    refusal = r"--engine dask: found no cluster on this machine \(RuntimeError: Nanny failed"
    with pytest.raises(UsageError, match=refusal), engine_module.cluster(None, 1):
        pass
    assert len(killed) == engine_module.STARTS


def test_workers_killed_before_they_have_work_change_nothing(tmp_path):
    arrays = tables(2400)
    arrays["grad"][::77] += 1e-9
    case = open_case(str(write(tmp_path / "case", arrays)), {})
    settings = Settings(block_entries=64)
    with running(2) as client:
        for pid in client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)
        made = verify_case(case, settings, engine=Cluster(client, ""))
    assert text(made) == text(verify_case(case, settings))


def test_a_piece_of_work_that_kills_every_worker_is_an_error(client, engine):
    case = case_from_arrays(tables(10))

    def fatal(_raw, _buffers):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UsageError, match="workers that died at the same piece of work"):
        list(engine.over_blocks(fatal, case, 10))
    client.wait_for_workers(2)


def test_the_first_error_in_the_order_of_the_case_wins_and_reads_the_same(client, tmp_path):
    arrays = tables(100_000)
    arrays["q"][[90_000, 70_000], 2] = np.inf
    arrays["logits"][40_000, 1] = np.nan
    folder = write(tmp_path / "case", arrays)
    scheduler = client.scheduler.address
    local = softcheck("verify", folder)
    dask = softcheck("verify", folder, "--engine", "dask", "--scheduler", scheduler)
    assert dask == local
    assert dask.code == 2
    assert "logits.npy[40000, 1]" in dask.err
    assert dask.err.count("\n") == 1


def test_a_defect_is_no_verdict(engine):
    def defective(_raw, _buffers):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(engine.over_blocks(defective, case_from_arrays(tables(10)), 10))


@pytest.mark.parametrize("which", ["local", "dask"])
def test_results_come_in_the_order_of_the_blocks(which, engine):
    engine = Threads(2) if which == "local" else engine
    case = case_from_arrays(tables(64))

    def uneven(raw, _buffers):
        time.sleep(0.02 if raw.start < 32 else 0.0)
        return Rows([raw.start])

    found = [start for part in engine.over_blocks(uneven, case, 2) for start in part]
    assert found == list(range(0, 64, 2))


def test_no_thread_waits_for_a_block_that_takes_long():
    case = SimpleNamespace(states=64, actions=3 * BLOCK_ENTRIES)  # a thread takes one block
    case.blocks = lambda rows: (RawBlock(start, rows, {}) for start in range(0, 64, rows))
    others = Semaphore(0)

    def work(raw, _buffers):
        if raw.start == 0:
            assert all(others.acquire(timeout=20) for _ in range(4)), "the other thread waits"
        others.release()
        return Rows([raw.start])

    found = chain.from_iterable(Threads(2).over_blocks(work, case, 1))
    assert list(found) == list(range(64))


@pytest.mark.parametrize(("batches", "held"), [(1, 5), (4, 3)])
def test_of_large_blocks_few_are_held(batches, held):
    taken = most = 0

    def blocks(_rows):
        nonlocal most
        for start in range(64):
            most = max(most, start + 1 - taken)
            yield RawBlock(start, 1, {})

    case = SimpleNamespace(states=64, actions=3 * batches * BLOCK_ENTRIES, blocks=blocks)
    parts = Threads(2).over_blocks(lambda raw, _buffers: Rows([raw.start]), case, 1)
    for taken, part in enumerate(parts, 1):
        assert list(part) == [taken - 1]
    assert most == held


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [[2, 5], [5], []])
def test_the_first_error_wins_whether_a_block_is_wrong_or_cannot_be_read(threads, wrong):
    class Case:
        states, actions = 64, BLOCK_ENTRIES  # a thread takes three blocks

        def blocks(self, rows):
            for start in range(0, 6, rows):
                yield RawBlock(start, rows, {})
            raise InputError("6", "the end", "more", "Look.")

    def work(raw, _buffers):
        time.sleep(0.01)
        if raw.start in wrong:
            raise InputError(str(raw.start), "wrong", "right", "Look.")
        return Rows([raw.start])

    found = []
    with pytest.raises(InputError) as error:
        found.extend(chain.from_iterable(Threads(threads).over_blocks(work, Case(), 1)))
    first = min(wrong, default=6)
    assert str(error.value).startswith(f"{first}")
    assert found == list(range(len(found)))
    assert len(found) <= first


@pytest.mark.parametrize("which", ["local", "dask"])
def test_progress_counts_states_and_cases(which, engine, tmp_path):
    chosen = Threads() if which == "local" else engine
    folders = [write(tmp_path / f"{i}", tables(40_000, seed=i)) for i in range(2)]
    cases = [(str(each), partial(open_case, str(each), {}), Settings()) for each in folders]
    told = []
    report(cases, lambda *of: told.append(of), chosen)
    states = [done for what, done, total in told if what == "states"]
    assert states[-1] == 40_000
    assert states == sorted(states[: len(states) // 2]) * 2
    assert [of for of in told if of[0] == "cases"] == [("cases", 1, 2), ("cases", 2, 2)]


def test_the_bar_has_a_line_for_cases_and_one_for_states(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("softcheck.command.progress.PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    log = logging.getLogger("softcheck.checks.loops")
    with progress_bar(color=False) as update:
        log.info("it takes long")
        update("states", 5, 10)
        update("cases", 1, 4)
    log.info("nobody asks")
    shown = sys.stderr.getvalue()
    assert "50%" in shown
    assert "25%" in shown
    assert shown.rindex("it takes long") < shown.index("states")
    assert "nobody" not in shown


def test_a_file_that_is_another_one_on_a_worker_is_refused(client, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    write(here / "case", tables(30))
    write(there / "case", tables(30, seed=1))
    monkeypatch.chdir(here)
    chosen = ["--engine", "dask", "--scheduler", client.scheduler.address]
    for elsewhere in (there, tmp_path):
        client.run(os.chdir, str(elsewhere))
        try:
            outcome = softcheck("verify", "case", *chosen)
        finally:
            client.run(os.chdir, str(here))
        assert outcome.code == 2
        assert "found no such file, or another one, on worker tcp://" in outcome.err
        assert outcome.err.count("\n") == 1
    assert softcheck("verify", "case", *chosen).code == 0


def set_version(version):
    engine_module.__version__ = version


def test_a_worker_with_another_softcheck_is_refused(client, engine, tmp_path):
    folder = write(tmp_path / "case", tables(30))
    address, *_ = client.scheduler_info()["workers"]
    case = open_case(str(folder), {})
    version = engine_module.__version__
    client.run(set_version, "0.0.0", workers=[address])
    try:
        outcome = softcheck(
            "verify", folder, "--engine=dask", "--scheduler", client.scheduler.address
        )
        assert outcome.code == 2
        assert f"worker {address}: found softcheck 0.0.0, NumPy" in outcome.err
        assert outcome.err.count("\n") == 1
        # Those that join later have been seen by nobody.
        client.run(set_version, "0.0.0")
        with pytest.raises(UsageError, match=r"softcheck 0\.0\.0"):
            verify_case(case, Settings(), engine=engine)
        with pytest.raises(UsageError, match=r"softcheck 0\.0\.0"):
            report([("case", partial(open_case, str(folder), {}), Settings())], engine=engine)
    finally:
        client.run(set_version, version)


@pytest.fixture
def deaf():
    """Give the address of a server that says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def refused(*arguments):
    outcome = softcheck("verify", "case", *arguments)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    return outcome.err


def test_what_is_no_scheduler_is_said_in_one_line(deaf, client, monkeypatch):
    monkeypatch.setattr(engine_module, "PATIENCE", 0.5)
    worker, *_ = client.scheduler_info()["workers"]
    for address in (deaf, "tcp://127.0.0.1:1", "nowhere", "ftp://127.0.0.1:1", worker):
        err = refused("--engine", "dask", "--scheduler", address)
        assert err.startswith(f"softcheck: --scheduler {address}: found no scheduler")


def test_a_scheduler_without_workers_is_said():
    with running(0) as client:
        err = refused("--engine=dask", "--scheduler", client.scheduler.address)
    assert "found no worker, expected at least one" in err


def test_options_that_contradict_each_other_are_refused():
    assert "--engine dask" in refused("--scheduler", "tcp://127.0.0.1:1")
    chosen = ["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "--threads", "2"]
    assert "--threads: found 2 beside --scheduler" in refused(*chosen)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'softcheck[dask]'" in refused("--engine", "dask")


def at_work(run, folder):
    """Wait until both workers of a run have read in a folder; return all processes it started."""
    workers = set()
    while len(workers) < 2:
        assert run.poll() is None, run.communicate()
        children = psutil.Process(run.pid).children(recursive=True)
        workers |= {child for child in children if any(files_open(child, folder))}
        time.sleep(0.02)
    return children


def files_open(process, folder):
    """Yield what a process has open in a folder: nothing if it has ended, as `uname` soon has."""
    with suppress(psutil.NoSuchProcess):
        yield from (file for file in process.open_files() if Path(file.path).parent == folder)


def listening(process):
    """Yield the addresses at which a process listens: none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        for connection in process.net_connections():
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process_and_no_file(tmp_path, number):
    folder = write(tmp_path / "case", tables(200_000))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "softcheck", "verify", "--engine=dask", "--threads=2"]
        + [str(folder)] * 250,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
        start_new_session=True,
    ) as run:
        children = at_work(run, folder)
        of_all = [psutil.Process(run.pid), *children]
        assert {ip for process in of_all for ip in listening(process)} == {"127.0.0.1"}
        if number == signal.SIGINT:
            os.killpg(run.pid, number)  # as a terminal does
        else:
            run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert out == ""
    assert err == "" or number == signal.SIGKILL  # Python itself speaks of it
    assert run.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    if number != signal.SIGKILL:
        assert list(scratch.iterdir()) == []


def test_what_dask_leaves_waiting_says_nothing_when_it_is_collected(caplog):
    with engine_module.cluster(None, 1) as engine:
        loop = engine._client.loop.asyncio_loop
    loop.create_future().set_exception(TimeoutError("Timeout"))
    gc.collect()
    assert caplog.records == []


SIGNALLING = """
import os, signal, sys, tempfile, threading

made = tempfile.mkdtemp

def mkdtemp(suffix=None, prefix=None, dir=None):
    folder = made(suffix, prefix, dir)
    if {when}:
        os.kill(os.getpid(), signal.SIGTERM)
    return folder

tempfile.mkdtemp = mkdtemp
sys.argv = ["softcheck", "verify", "-qq", "--engine=dask", "--threads=1", {folder!r}]
if __name__ == "__main__":
    from softcheck.__main__ import main
    main()
"""


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("prefix == 'softcheck-'", 143),
        # Dask keeps keys in some. A signal is raised in this thread, which so may make none.
        ("threading.current_thread() is threading.main_thread()", 0),
    ],
)
def test_a_signal_before_a_with_owns_a_temporary_folder_leaves_none(tmp_path, when, code):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = str(write(tmp_path / "case", tables(30)))
    run = subprocess.run(
        [sys.executable, "-c", SIGNALLING.format(when=when, folder=folder)],
        capture_output=True, check=False, timeout=60, env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (code, b"", b"")
    assert list(scratch.iterdir()) == []


def test_a_finished_run_leaves_no_thread_no_process_and_no_file(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    folder = write(tmp_path / "case", tables(40_000))
    before = set(psutil.Process().children(recursive=True))
    outcome = softcheck("verify", folder, "--engine", "dask", "--threads", 1, "-q")
    assert outcome == softcheck("verify", folder, "-q")
    left = set(psutil.Process().children(recursive=True)) - before
    assert not any("spawn_main" in part for process in left for part in process.cmdline())
    assert list(scratch.iterdir()) == []


def resident(which):
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status[which].split()[0]) / 1024


def test_a_worker_takes_less_than_200_megabytes(tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    for name in ("q", "logits", "grad"):
        table = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float64, (300_000, 18))
        table[::1000] = np.random.default_rng(len(name)).normal(size=(300, 18))
    case = open_case(str(folder), {"alpha": ["0.3"]})
    small = case_from_arrays(tables(10))
    with running(2) as client:
        engine = Cluster(client, "")
        for _ in range(8):
            verify_case(small, Settings(), engine=engine)  # imports
        before = client.run(resident, "VmRSS")
        made = verify_case(case, Settings(), engine=engine)
        peak = client.run(resident, "VmHWM")
    assert made.diagnosis
    grown = {worker: peak[worker] - before[worker] for worker in before}
    assert 20 < max(grown.values()) < 200
