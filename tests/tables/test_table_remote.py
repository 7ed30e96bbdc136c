"""Files that are elsewhere: by URL, from servers that keep to HTTP and from others."""

import gc
import hashlib
import re
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from gathering import digests, gather
from test_table_formats import WRITERS
from test_table_runs import check_runs
from test_table_shards import by_role, save_zarr
from typer.testing import CliRunner

from softcheck.command.main import app
from softcheck.errors import SoftcheckError
from softcheck.tables import open_case, remote

SECRET = "hunter2"  # noqa: S105  # what must never be printed


class Server(BaseHTTPRequestHandler):
    """Serves the working directory; the first part of a path says how."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        _, way, name = self.path.partition("?")[0].split("/", 2)
        asked = self.headers.get("Range")
        self.server.seen.append((self.command, way, name, asked))
        if way.isdigit():
            self.send_response(int(way))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = Path(name).read_bytes()
        size = len(data)
        start = int(re.fullmatch(r"bytes=(\d+)-\d*", asked)[1]) if asked else 0
        if asked and way == "ranges":
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            data = data[start:]
        elif asked and way == "wrong":
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 0-{size - 1}/{size}")
        else:
            self.send_response(200)
        announced = len(data)
        if way == "short" and body:
            announced, data = announced - 8, data[:-8]
        if way == "long" and body:
            announced, data = announced + 8, data + bytes(8)
        if way == "cut" and body:
            data = data[:-8]
        if way == "silent":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        if body:
            self.wfile.write(data)
        if way in ("cut", "silent"):
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def address(server):
    return f"127.0.0.1:{server.server_port}"


@pytest.fixture
def memory():
    """An empty file system in memory."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def put(system, *names):
    """Copy files into the memory."""
    for name in names:
        system.pipe(f"/{name}", Path(name).read_bytes())


def refused(path, given=None):
    """Return the message of the error that a case ends in, here and through the program."""

    def read():
        case = open_case(path, given or {})
        gather(case)
        return digests(case)

    with pytest.raises(SoftcheckError) as error:
        read()
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None or SECRET not in str(error.value.__cause__)
    return str(error.value)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_in_memory(name, arrays, memory):
    WRITERS[name](Path(name), arrays)
    put(memory, name)
    arrays["alpha"] = np.full(7, 0.2)
    opened = partial(open_case, f"memory://{name}", {}, allow_pickle=True)
    check_runs(opened, arrays)
    digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    case = opened()
    assert {given.path for given in case.inputs} == {f"memory://{name}"}
    assert set(digests(case).values()) == {digest}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("way", ["ranges", "plain", "silent"])
def test_arrays_over_http(way, order, arrays, address, server):
    names = ("q", "logits", "grad")
    for role in names:
        np.save(f"{role}.npy", np.asarray(arrays[role], order=order))
    given = {role: [f"http://{address}/{way}/{role}.npy"] for role in names} | {"alpha": ["0.2"]}
    check_runs(partial(open_case, None, given), arrays | {"alpha": np.full(7, 0.2)})
    digest = hashlib.sha256(Path("q.npy").read_bytes()).hexdigest()
    server.seen.clear()
    case = open_case(None, given)
    case.hash_files()
    gather(case)
    assert digests(case)["q"] == digest
    if order == "C" and way != "silent":
        # The size, the header, and one reading that hashes too; nothing is copied.
        asked = [command for command, _, name, _ in server.seen if name == "q.npy"]
        assert asked == ["HEAD", "GET", "GET"]


def test_a_run_of_rows_is_asked_for_by_its_range(address, server, monkeypatch):
    monkeypatch.setattr(remote, "MAX_SKIP_BYTES", 100)
    table = np.arange(3000.0).reshape(1000, 3)
    np.save("q.npy", table)
    url = f"http://{address}/ranges/q.npy"
    case = open_case(None, {"q": [url], "logits": [url], "alpha": ["0.2"]})
    server.seen.clear()
    (block,) = case.blocks(100, 500, 600)
    np.testing.assert_array_equal(block.arrays["q"], table[500:600])
    assert {asked for *_, asked in server.seen} == {f"bytes={128 + 500 * 24}-"}


@pytest.mark.parametrize("way", ["ranges", "plain", "silent"])
def test_an_archive_over_http_is_copied_once_and_removed(way, arrays, address, server, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", ".")
    np.savez("case.npz", **arrays)
    url = f"http://{address}/{way}/case.npz?token={SECRET}"
    case = open_case(url, {})
    assert case.name == f"http://{address}/{way}/case.npz?..."
    np.testing.assert_array_equal(gather(case)["q"], arrays["q"])
    digest = hashlib.sha256(Path("case.npz").read_bytes()).hexdigest()
    assert set(digests(case).values()) == {digest}
    assert len(list(Path().glob("softcheck-*"))) == 1
    whole = [name for command, _, name, _ in server.seen if command == "GET"]
    # Without a size in the answer to HEAD, fsspec asks for one by a GET that it does not read.
    assert len(whole) == (2 if way == "silent" else 1)
    del case
    gc.collect()
    assert not list(Path().glob("softcheck-*"))


@pytest.mark.parametrize("name", ["q.npy", "case.npz"])
@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("short", r"found (EOFError: the data ends|\d+ bytes, expected \d+, as the server said)"),
        ("long", r"found (more bytes than|\d+ bytes, expected \d+, as the server said)"),
        ("cut", r"found ClientPayloadError"),
        ("404", "found HTTP status 404"),
        ("403", "found HTTP status 403"),
        ("500", "found HTTP status 500"),
    ],
)
def test_servers_that_lie_or_refuse(name, way, message, arrays, address):
    np.save("q.npy", arrays["q"])
    np.savez("case.npz", **arrays)
    url = f"http://user:{SECRET}@{address}/{way}/{name}?token={SECRET}"
    given = {"q": [url], "logits": [url], "alpha": ["1"]}
    found = refused(url) if name == "case.npz" else refused(None, given)
    assert re.search(message, found)
    assert found.startswith(f"http://{address}/{way}/{name}?...")


def test_another_range_than_was_asked_for(address, arrays, monkeypatch):
    monkeypatch.setattr(remote, "MAX_SKIP_BYTES", 8)
    np.save("q.npy", arrays["q"])
    url = f"http://{address}/wrong/q.npy"
    case = open_case(None, {"q": [url], "logits": [url], "alpha": ["1"]})
    with pytest.raises(SoftcheckError, match="another range than was asked for"):
        list(case.blocks(2, 4, 6))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://user:{SECRET}@127.0.0.1:9/q.npz", "http://127.0.0.1:9/q.npz: found Connect call"),
        (f"nothing://{SECRET}@host/q.npz", "nothing://host/q.npz: found a kind of URL that fsspec"),
        (f"memory://gone.npz#{SECRET}", "memory://gone.npz?...: found no such file"),
        ("memory://folder", "memory://folder: found no q, expected q or"),
    ],
)
def test_urls_of_nothing(url, message, memory):
    memory.makedirs("/folder/below")
    assert refused(url).startswith(message)


def test_a_copy_has_a_limit(arrays, address, memory, monkeypatch):
    np.savez("case.npz", **arrays)
    put(memory, "case.npz")
    size = Path("case.npz").stat().st_size
    monkeypatch.setattr(remote, "MAX_COPY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", ".")
    assert f"{size} bytes to copy to this machine, expected at most 1000" in refused(
        "memory://case.npz"
    )
    assert "to copy to this machine" in refused(f"http://{address}/silent/case.npz")
    gc.collect()
    assert not list(Path().glob("softcheck-*"))


def test_a_file_url_is_a_path(arrays):
    np.savez("case.npz", **arrays)
    url = f"file://{Path('case.npz').resolve()}"
    case = open_case(url, {})
    assert (case.name, case.inputs[0].path) == (url, url)
    np.testing.assert_array_equal(gather(case)["q"], arrays["q"])
    Path("fifo.npz").unlink(missing_ok=True)
    subprocess.run(["mkfifo", "fifo.npz"], check=True)
    assert "found a FIFO" in refused(f"file://{Path('fifo.npz').resolve()}")


def test_keys_and_chains(arrays, address, memory):
    np.savez("case.npz", **arrays)
    put(memory, "case.npz")
    given = {
        "q": ["memory://case.npz::q"],
        "logits": [f"http://{address}/plain/case.npz::logits"],
        "grad": ["zip://grad.npy::memory://case.npz"],
        "alpha": ["memory://case.npz::alpha"],
    }
    found = gather(open_case(None, given))
    for role in ("q", "logits", "grad"):
        np.testing.assert_array_equal(found[role], arrays[role])
    assert found["alpha"] == 0.2


def test_a_folder_of_shards_in_memory(arrays, memory):
    states = arrays | {"alpha": np.full(7, 0.2)}
    by_role("{}-{}.npy", states)
    put(memory, *map(str, Path().glob("*.npy")))
    check_runs(partial(open_case, "memory://", {}), states)
    del memory.store["/q-1.npy"]
    assert "memory://q-*.npy: found no number 1" in refused("memory://")


@pytest.mark.usefixtures("memory")
def test_a_zarr_group_in_memory(arrays):
    states = arrays | {"alpha": np.full(7, 0.2)}
    save_zarr("memory://case.zarr", states)
    save_zarr("case.zarr", states)
    check_runs(partial(open_case, "memory://case.zarr", {}), states)
    here, there = (digests(open_case(path, {})) for path in ("case.zarr", "memory://case.zarr"))
    assert here == there


@pytest.mark.parametrize("options", [(), ("-v",), ("--output-format", "json")])
def test_reports_hold_no_password(options, arrays, address):
    np.savez("case.npz", **arrays)
    url = f"http://user:{SECRET}@{address}/ranges/case.npz?token={SECRET}"
    missing = f"http://user:{SECRET}@{address}/404/case.npz"
    run = CliRunner().invoke(app, ["verify", url, missing, *options])
    assert SECRET not in run.output
    assert "HTTP status 404" in run.stderr
    assert run.exit_code == 2


def test_local_paths_load_no_library_of_networks(arrays):
    np.savez("case.npz", **arrays)
    script = (
        "import sys\n"
        "from softcheck.tables import open_case\n"
        "_ = [*open_case('case.npz', {}).blocks(3)]\n"
        "case = open_case('file://case.npz', {})\n"
        "case.hash_files()\n"
        "_ = case.inputs\n"
        "print(sorted({'fsspec', 'aiohttp', 'zarr'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_one_file_in_two_roles_at_once(memory):
    table = np.arange(3000.0).reshape(1000, 3)
    np.save("q.npy", table)
    put(memory, "q.npy")
    given = {"q": ["memory://q.npy"], "logits": ["memory://q.npy"], "alpha": ["0.2"]}
    found = gather(open_case(None, given), rows=10)
    np.testing.assert_array_equal(found["q"], table)
    np.testing.assert_array_equal(found["logits"], table)
