"""Large tables: read in blocks, whatever the format, and never held whole."""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
import zarr
from run import softcheck

from softcheck.settings import Settings
from softcheck.tables import open_case
from softcheck.verification import verify_case

ACTIONS, ALPHA = 18, 0.2
TILE = 20_000
"""States that are drawn; a large table repeats them."""


def tile():
    """Return arrays of some states, the gradient among them, from its formula."""
    generator = np.random.default_rng(0)
    q, logits = generator.normal(size=(2, TILE, ACTIONS))
    log_policy = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    policy = np.exp(log_policy)
    g = q - ALPHA * log_policy
    value = (policy * g).sum(axis=1, keepdims=True)
    return {"q": q, "logits": logits, "grad": -policy * (g - value)}


def write_npy(folder, times, arrays):
    for name, array in arrays.items():
        with (folder / f"{name}.npy").open("wb") as file:
            described = np.lib.format.header_data_from_array_1_0(array)
            shape = (times * len(array), *array.shape[1:])
            np.lib.format.write_array_header_1_0(file, described | {"shape": shape})
            for _ in range(times):
                file.write(array.data)
    return folder


def write_fortran(folder, times, arrays):
    for name, array in arrays.items():
        whole = np.tile(array, (times, 1))
        np.save(folder / f"{name}.npy", np.asfortranarray(whole))
    return folder


def write_npz(folder, times, arrays, compression=zipfile.ZIP_STORED):
    write_npy(folder, times, arrays)
    path = folder / "case.npz"
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as file:
        for name in arrays:
            file.write(folder / f"{name}.npy", f"{name}.npy")
    return path


def write_deflated(folder, times, arrays):
    return write_npz(folder, times, arrays, zipfile.ZIP_DEFLATED)


def write_safetensors(folder, times, arrays):
    path = folder / "case.safetensors"
    whole = {name: np.tile(array, (times, 1)) for name, array in arrays.items()}
    safetensors.numpy.save_file(whole, path)
    return path


def write_torch(folder, times, arrays):
    path = folder / "case.pt"
    torch.save({name: torch.tensor(np.tile(a, (times, 1))) for name, a in arrays.items()}, path)
    return path


def write_views(folder, times, arrays):
    """Write tensors without the last step of every sequence, as a loss of language models has."""
    path = folder / "case.pt"
    longer = TILE + 1
    whole = {name: np.resize(a, (times, longer, ACTIONS)) for name, a in arrays.items()}
    torch.save({name: torch.tensor(a)[:, :-1] for name, a in whole.items()}, path)
    return path


def write_hdf5(folder, times, arrays):
    path = folder / "case.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            shape = (times * len(array), ACTIONS)
            dataset = file.create_dataset(name, shape, "f8", chunks=(20_000, ACTIONS))
            for start in range(0, shape[0], len(array)):
                dataset[start : start + len(array)] = array
    return path


def write_zarr(folder, times, arrays):
    path = folder / "case.zarr"
    group = zarr.open_group(path, mode="w")
    for name, array in arrays.items():
        shape = (times * len(array), ACTIONS)
        member = group.create_array(name, shape=shape, chunks=(20_000, ACTIONS), dtype="f8")
        for start in range(0, shape[0], len(array)):
            member[start : start + len(array)] = array
    return path


def write_parquet(folder, times, arrays):
    path = folder / "case.parquet"
    table = pa.table(
        {
            name: pa.FixedSizeListArray.from_arrays(array.ravel(), ACTIONS)
            for name, array in arrays.items()
        }
    )
    # One group of all rows, as large as they come.
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(pa.concat_tables([table] * times), row_group_size=times * TILE)
    return path


def write_wide_parquet(folder, times, arrays):
    for name, array in arrays.items():
        table = pa.table({f"a{i}": column for i, column in enumerate(array.T)})
        pq.write_table(pa.concat_tables([table] * times), folder / f"{name}.parquet")
    return folder


def write_shards(folder, times, arrays):
    for number in range(times):
        np.savez(folder / f"shard-{number:05}.npz", **arrays)
    return folder


def write_tidy_shards(folder, times, arrays):
    """Write tidy files, smaller ones, as each is held in memory while it is read."""
    states, actions = np.divmod(np.arange(2000 * ACTIONS), ACTIONS)
    for number in range(times):
        columns = {name: array[:2000].ravel() for name, array in arrays.items()}
        labels = {"state": states + 2000 * number, "action": actions}
        pq.write_table(pa.table(labels | columns), folder / f"part-{number}.parquet")
    return folder


FORMATS = {
    write_npy: 1.1,
    write_fortran: 1.1,
    write_npz: 1.1,
    write_deflated: 1.1,
    write_safetensors: 1.1,
    write_torch: 1.1,
    write_views: 1.1,
    write_hdf5: 1.25,  # a few chunks or pages more or less
    write_zarr: 1.4,  # how many chunks are decoded at once is its own choice
    write_parquet: 1.25,
    write_wide_parquet: 1.25,
    write_shards: 1.1,
    write_tidy_shards: 1.5,  # labels stay in memory
}
"""Writers, and how much more memory ten times as many states may take."""


def peak(script, *arguments):
    """Return what a script prints, and its peak resident size in megabytes."""
    # The kernel counts a child's peak from before it was another program, so it tells its own.
    script += (
        "\nstatus = dict(line.split(':', 1) for line in open('/proc/self/status'))"
        "\nprint(status['VmHWM'].split()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, kilobytes = run.stdout.splitlines()
    return printed, int(kilobytes) / 1024


READ = """
import sys
from softcheck.settings import BLOCK_ENTRIES
from softcheck.tables import open_case
case = open_case(sys.argv[1], {"alpha": ["0.2"]})
case.hash_files()
print(sum(block.rows for block in case.blocks(BLOCK_ENTRIES // case.actions)))
_ = case.inputs
"""

VERIFY = """
import sys
from softcheck.command.main import main
try:
    main()
except SystemExit as stop:
    print(stop.code)
"""


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    for file in sorted(tmp_path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_ten_times_the_states_take_no_more_memory_to_read(write, folder):
    arrays = tile()
    del arrays["grad"]
    peaks = []
    for times in (2, 20):
        place = folder / str(times)
        place.mkdir()
        printed, megabytes = peak(READ, write(place, times, arrays))
        assert int(printed[-1]) in (times * TILE, times * 2000)
        peaks.append(megabytes)
    assert peaks[1] < FORMATS[write] * peaks[0]
    assert peaks[1] < 200


@pytest.mark.parametrize(("kernel", "megabytes"), [("numpy", 200), ("compiled", 250)])
def test_a_gigabyte_is_verified_in_little_memory(kernel, megabytes, folder):
    places = [folder / str(times) for times in (12, 120)]
    for place in places:
        place.mkdir()
        write_npy(place, int(place.name), tile())
    assert sum(file.stat().st_size for file in place.iterdir()) > 1e9
    given = "--alpha=0.2", f"--kernel={kernel}"
    peak(VERIFY, "verify", places[0], *given)  # to compile takes more than what is compiled
    for threads in (1, 2):
        peaks = []
        for place in places:
            printed, most = peak(VERIFY, "verify", place, *given, f"--threads={threads}")
            assert printed[-1] == "0"
            peaks.append(most)
        assert peaks[1] < 1.1 * peaks[0]
        assert peaks[1] < megabytes


def test_logits_in_16_bits_are_verified_in_little_memory(folder):
    generator = np.random.default_rng(0)
    actions, states = 50_000, 64
    z = generator.choice(generator.normal(size=1_000).astype(np.float16), (states, actions))
    weight = np.exp(z.astype(np.float64))
    grad = weight / weight.sum(axis=1, keepdims=True)
    labels = generator.integers(actions, size=states)
    grad[np.arange(states), labels] -= 1.0
    arrays = {"logits": z, "grad": grad.astype(np.float16), "labels": labels}
    given = "--loss=cross-entropy", "--reduction=sum", "--compute-dtype=float32"
    places = [folder / str(times) for times in (10, 40)]
    for place in places:
        place.mkdir()
        write_npy(place, int(place.name), arrays)

    def most(place, threads):
        options = *given, "--kernel=compiled", f"--threads={threads}"
        printed, found = peak(VERIFY, "verify", place, *options)
        assert printed[-1] == "0"
        return found

    most(places[0], 1)  # to compile takes more than what is compiled
    assert most(places[1], 1) < 1.1 * most(places[0], 1)
    assert most(places[1], 2) < 300


def test_the_page_of_a_million_wrong_states_is_below_100_kb(folder):
    arrays, place, page = tile(), folder / "case", folder / "page.html"
    place.mkdir()
    write_npy(place, 50, arrays | {"grad": -arrays["grad"]})
    options = "--alpha=0.2", "-qq", "--max-findings=1000", f"--report=html:{page}"
    assert softcheck("verify", place, *options).code == 1
    assert page.stat().st_size < 100_000
    told = page.read_text("utf-8")
    assert "512 of 18000000 entries are drawn, chosen at random." in told
    assert "<code>sign-flipped</code>" in told


@pytest.fixture(scope="module")
def wrong():
    """Arrays of a case with a wrong gradient, whose report has findings and a diagnosis."""
    arrays = {name: array[:160] for name, array in tile().items()}
    arrays["grad"] = -arrays["grad"]
    return arrays


@pytest.mark.parametrize(
    "write", [write_npy, write_fortran, write_deflated, write_zarr, write_shards, write_parquet]
)
def test_a_report_is_the_same_for_any_blocks_and_threads(write, wrong, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "TILE", len(wrong["q"]))
    path = str(write(Path(tmp_path), 3, wrong))
    reports = [
        verify_case(
            open_case(path, {"alpha": ["0.2"]}), Settings(threads=threads, block_entries=entries)
        )
        for threads, entries in [(1, 131_072), (2, 131_072), (2, 1_000), (3, 7_777)]
    ]
    assert reports[0].diagnosis
    assert reports == [reports[0]] * 4
