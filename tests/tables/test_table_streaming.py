"""Large arrays pass through a small memory."""

import hashlib
import pickle
import tracemalloc
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np
import pytest

from softcheck.errors import InputError
from softcheck.tables import open_case

STATES, ACTIONS, ROWS = 100_000, 18, 1000
SIZE = STATES * ACTIONS * 8


def peak(case):
    """Return the largest memory in use while a case is read."""
    tracemalloc.start()
    rows = sum(block.rows for block in case.blocks(ROWS))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == STATES
    return most


@pytest.fixture
def table():
    return np.arange(STATES * ACTIONS, dtype=float).reshape(STATES, ACTIONS)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_in_blocks(save, table):
    save("case.npz", q=table, logits=table, alpha=0.1)
    assert peak(open_case("case.npz", {})) < SIZE / 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_files_are_read_in_blocks(order, table):
    np.save("q.npy", np.asarray(table, order=order))
    given = {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]}
    assert peak(open_case(None, given)) < SIZE / 3


def test_another_axis_is_read_in_blocks(table):
    np.save("q.npy", table.T.copy())
    given = {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]}
    assert peak(open_case(None, given, action_axis=0)) < SIZE / 3


def test_datasets_are_read_in_blocks(table):
    with h5py.File("case.h5", "w") as file:
        file.create_dataset("q", data=table, chunks=(500, ACTIONS), compression="gzip")
        file["logits"] = table
        file["alpha"] = 0.1
    assert peak(open_case("case.h5", {})) < SIZE / 3


def test_arrays_that_no_role_names_are_not_loaded(table):
    np.savez_compressed("case.npz", q=table[:3], logits=table[:3], alpha=0.1, history=table)
    tracemalloc.start()
    open_case("case.npz", {})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < SIZE / 3


def test_files_are_closed_when_reading_stops_early(table):
    np.savez("case.npz", q=table, logits=table, alpha=0.1)
    with closing(open_case("case.npz", {}).blocks(ROWS)) as blocks:
        assert next(blocks).rows == ROWS


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_reading_in_order_is_also_hashing(table):
    np.save("q.npy", table)
    np.save("logits.npy", np.asfortranarray(table))
    case = open_case(".", {"alpha": ["1"]})
    case.hash_files()
    expected = [digest("q.npy"), digest("logits.npy"), None]
    for _ in case.blocks(ROWS):
        pass
    Path("q.npy").unlink()
    assert [given.sha256 for given in case.inputs] == expected


def test_reading_a_part_is_not(table):
    np.save("q.npy", table)
    case = open_case(None, {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]})
    case.hash_files()
    for _ in case.blocks(ROWS, 1):
        pass
    with closing(case.blocks(ROWS)) as blocks:
        next(blocks)
    assert {given.sha256 for given in case.inputs} == {digest("q.npy"), None}


def test_nothing_is_hashed_that_nobody_asked_for(table, monkeypatch):
    np.save("q.npy", table)
    case = open_case(None, {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]})
    monkeypatch.delattr(hashlib, "sha256")
    for _ in case.blocks(ROWS):
        pass
    assert {given.sha256 for given in case.inputs} == {None}


def test_a_file_that_grows_while_it_is_read(table):
    np.save("q.npy", table)
    case = open_case(None, {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]})
    with Path("q.npy").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"q.npy: found more bytes than its size"):
        list(case.blocks(ROWS))


def test_what_must_be_whole_is_held_one_shard_at_a_time():
    table = np.arange(25_000.0).reshape(-1, 5)
    for number in range(20):
        arrays = {"q": table, "logits": table, "alpha": 0.1}
        Path(f"shard-{number}.pkl").write_bytes(pickle.dumps(arrays))
    tracemalloc.start()
    case = open_case(".", {}, allow_pickle=True)
    assert sum(block.rows for block in case.blocks(ROWS)) == 20 * len(table)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * table.nbytes
