"""Large tables: read in blocks, whatever the format, and never held whole."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

STATES, ACTIONS = 1_000_000, 18


def write_npy(folder):
    generator = np.random.default_rng(0)
    for name in ("q", "logits"):
        table = np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", np.float64, (STATES, ACTIONS)
        )
        for start in range(0, STATES, 50_000):
            table[start : start + 50_000] = generator.normal(size=(50_000, ACTIONS))
        table.flush()


def peak(*arguments):
    """Return the exit code of the program and its peak resident size in megabytes."""
    # The kernel counts a child's peak from before it was another program, so it tells its own.
    script = (
        "import sys\n"
        "from softcheck.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(code, status['VmHWM'].split()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    code, kilobytes = run.stdout.splitlines()[-1].split()
    return int(code), int(kilobytes) / 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("large")
    write_npy(path)
    yield path
    for file in path.iterdir():
        file.unlink()


def test_eighteen_million_logits_take_less_than_300_megabytes(folder):
    code, megabytes = peak("verify", folder, "--alpha=0.2")
    assert code == 0
    assert megabytes < 300


def test_members_of_an_archive_stream_too(folder):
    archive = folder / "case.npz"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name in ("q", "logits"):
            file.write(folder / f"{name}.npy", f"{name}.npy")
    code, megabytes = peak("verify", archive, "--alpha=0.2")
    assert code == 0
    assert megabytes < 300
