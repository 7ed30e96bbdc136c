"""One case out of many files: numbered shards, Parquet data sets, Zarr groups."""

import hashlib
import json
import os
import pickle
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from gathering import digests, gather
from test_table_formats import WRITERS
from test_table_runs import check_runs

from softcheck.errors import SoftcheckError
from softcheck.settings import Settings
from softcheck.tables import case_from_arrays, open_case
from softcheck.verification import verify_case

CUTS = [(0, 3), (3, 4), (4, 7)]


@pytest.fixture
def states(arrays):
    """Arrays with a temperature for each state, so that every role is cut."""
    return arrays | {"alpha": np.linspace(0.1, 0.7, 7)}


def cut(arrays, start, stop):
    return {name: array[start:stop] if array.ndim else array for name, array in arrays.items()}


def by_role(pattern, arrays, first=0):
    """Write a file a role and a shard."""
    for number, (start, stop) in enumerate(CUTS, first):
        for role, array in arrays.items():
            np.save(pattern.format(role, number), array[start:stop])


def by_case(pattern, arrays, save=lambda path, arrays: np.savez(path, **arrays), first=0):
    """Write a file a shard, with all roles in it."""
    for number, (start, stop) in enumerate(CUTS, first):
        save(Path(pattern.format(number)), cut(arrays, start, stop))


def refused(path, **options):
    """Return the message of the error that opening and reading a case ends in."""
    with pytest.raises(SoftcheckError) as error:
        gather(open_case(path, {}, **options))
    assert len(str(error.value)) <= 300
    return str(error.value)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("pattern", ["{}-{:05}.npy", "{}.{}.npy", "{}_{:02}.npy", "{}-{}-of-3.npy"])
def test_numbered_files_of_each_role(pattern, first, states):
    by_role(pattern, states, first)
    check_runs(partial(open_case, ".", {}), states)
    assert open_case(".", {}).notes == ()


# The writers of tidy files write all states whatever they get; a test below shards such files.
@pytest.mark.parametrize("name", sorted(WRITERS.keys() - {"case.csv", "case.parquet"}))
def test_numbered_files_of_all_roles_in_every_format(name, states):
    suffix = Path(name).suffix
    by_case("shard_{:04}" + suffix, states, WRITERS[name])
    check_runs(partial(open_case, ".", {}, allow_pickle=True), states)


def test_a_number_is_name_enough_for_a_shard_of_all_roles(states):
    by_case("{}.npz", states)
    check_runs(partial(open_case, ".", {}), states)
    Path("1.npz").unlink()
    assert "*.npz: found no number 1, but 2" in refused(".")


def test_a_folder_can_be_the_array_of_a_role(states):
    Path("q").mkdir()
    by_role("q/part.{1}.npy", {"q": states["q"]})
    by_case("runs-{}.npz", states)
    given = {"q": ["q"], "logits": [".::logits"], "alpha": ["."]}
    check_runs(partial(open_case, None, given), states)


def test_critics_are_no_shards_and_have_shards(states):
    del states["grad"]
    q = states.pop("q")
    by_role("{}-{}.npy", states | {"q1": q, "q2": q + 1})
    found = gather(open_case(".", {}))
    np.testing.assert_array_equal(found["q1"], q)
    np.testing.assert_array_equal(found["q2"], q + 1)
    for file in Path().glob("q*"):
        file.unlink()
    np.save("q1.npy", q)
    np.save("q2.npy", q + 1)
    np.testing.assert_array_equal(gather(open_case(".", {}))["q2"], q + 1)


def test_a_number_for_all_shards(arrays):
    by_case("shard-{}.npz", arrays)
    assert gather(open_case(".", {}))["alpha"] == 0.2
    np.savez("shard-1.npz", **cut(arrays, 3, 4) | {"alpha": np.array(0.3)})
    message = refused(".")
    assert "shard-1.npz::alpha: found 0.3, expected 0.2, as in shard-0.npz::alpha" in message


def test_actions_first(states):
    states["q"] = states["q"].copy()
    for number, (start, stop) in enumerate(CUTS):
        for role, array in states.items():
            np.save(f"{role}-{number}.npy", array[start:stop].T)
    check_runs(partial(open_case, ".", {}, action_axis=0), states)


def test_states_of_two_axes(states):
    wide = {role: np.stack([array, array + 1], 1) for role, array in states.items()}
    by_role("{}-{}.npy", wide)
    flat = {role: array.reshape(14, *array.shape[2:]) for role, array in wide.items()}
    case = open_case(".", {})
    assert case.shape == (7, 2)
    found = gather(case)
    for role, array in flat.items():
        np.testing.assert_array_equal(found[role], array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: Path("q-1.npy").unlink(), "q-*.npy: found no number 1, but 2, expected files"),
        (lambda: Path("q-0.npy").rename("q-9.npy"), "no number 3, but 9"),
        (lambda: shutil.copy("q-1.npy", "q-01.npy"), "q-*.npy: found number 1 twice"),
        (lambda: shutil.copy("q-1.npy", "q.npy"), "a second array for q"),
        (lambda: shutil.copy("q-1.npy", "theta-0.npy"), "a second array for logits"),
        (lambda: Path("q-2.npy").unlink(), "shape (7, 3), expected (4, 3)"),
    ],
)
def test_what_is_not_numbered_without_a_gap(change, message, states):
    by_role("{}-{}.npy", states)
    change()
    assert message in refused(".")


def test_a_total_that_names_speak_of(states):
    by_case("train-{:05}-of-00004.npz", states)
    assert "3 files, but the names speak of 4" in refused(".")


@pytest.mark.parametrize(
    ("array", "found", "expected"),
    [
        (np.zeros((1, 4)), "shape (1, 4)", "shape (3, 3)"),
        (np.zeros((1, 3), np.float32), "type float32", "type float64"),
        (np.zeros(3), "shape (3,)", "shape (3, 3)"),
    ],
)
def test_shards_that_do_not_fit_name_both_files(array, found, expected, states):
    by_role("{}-{}.npy", states)
    np.save("logits-1.npy", array)
    assert f"logits-1.npy: found {found}, expected {expected} as in logits-0.npy" in refused(".")


def test_shards_with_other_arrays_name_both_files(states):
    by_case("shard-{}.npz", states)
    np.savez("shard-2.npz", **cut({**states, "policy": states["q"]}, 4, 7))
    message = refused(".")
    assert "shard-2.npz: found other arrays than in shard-0.npz: 'policy'" in message


def test_a_state_for_each_file_needs_its_axis(states):
    by_role("{}-{}.npy", states)
    for number in range(3):
        np.save(f"q-{number}.npy", states["q"][number])
    assert "q-0.npy: found shape (3,), expected an axis of states" in refused(".")


def test_two_names_of_numbered_cases(states):
    by_case("train-{}.npz", states)
    by_case("test-{}.npz", states)
    assert "numbered files of the names 'test-*.npz', 'train-*.npz'" in refused(".")


def test_numbered_files_beside_named_ones_are_noted(states):
    for role, array in states.items():
        np.save(f"{role}.npy", array)
    by_case("old-{}.npz", states)
    Path("checkpoint_1000.npz").touch()
    Path("_SUCCESS").touch()
    note = "not loaded, because no role has this name: '_SUCCESS', 'checkpoint_*.npz', 'old-*.npz'"
    assert open_case(".", {}).notes == (note,)


def test_a_shard_that_is_no_regular_file(states):
    by_role("{}-{}.npy", states)
    Path("q-1.npy").unlink()
    os.mkfifo("q-1.npy")  # opening it would hang
    assert "q-1.npy: found a FIFO" in refused(".")


def test_the_digest_is_that_of_what_sha256sum_prints(states):
    by_role("{}-{}.npy", states)
    lines = "".join(
        f"{hashlib.sha256(Path(name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("q-0.npy", "q-1.npy", "q-2.npy")
    )
    case = open_case(".", {})
    given = case.inputs[0]
    assert (given.role, given.path, given.shape) == ("q", "q-*.npy", (7, 3))
    assert given.sha256 is None
    assert digests(case)["q"] == hashlib.sha256(lines.encode()).hexdigest()


def test_a_finding_is_in_the_whole(states):
    right = verify_case(case_from_arrays(states | {"grad": np.zeros((7, 3))}), Settings())
    states["grad"] = np.zeros((7, 3))
    by_case("shard-{}.npz", states)
    found = verify_case(open_case(".", {}), Settings(block_entries=6))
    assert [finding.location for finding in found.findings]
    assert (found.checks, found.findings) == (right.checks, right.findings)


# Parquet.


def lists(arrays):
    """Return a table with a row for each state and a list of actions in each cell."""
    columns = {name: array.tolist() if array.ndim == 2 else array for name, array in arrays.items()}
    return pa.table(columns)


@pytest.mark.parametrize("group", [1, 3, 100])
def test_columns_of_lists(group, states):
    table = lists(states)
    fixed = pa.FixedSizeListArray.from_arrays(states["q"].astype(np.float32).ravel(), 3)
    table = table.set_column(0, "q", fixed)
    pq.write_table(table, "case.parquet", row_group_size=group)
    states["q"] = states["q"].astype(np.float32)
    check_runs(partial(open_case, "case.parquet", {}), states)
    given = {"q": ["case.parquet::logits"], "logits": ["case.parquet"], "alpha": ["case.parquet"]}
    check_runs(partial(open_case, None, given), states | {"q": states["logits"]})


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_number_that_each_file_has_with_axes_of_length_1(shape, arrays):
    for number, part in enumerate((slice(0, 3), slice(3, 7))):
        tables = {role: arrays[role][part] for role in ("q", "logits", "grad")}
        np.savez(f"shard-{number}.npz", **tables, alpha=np.full(shape, 0.2))
    assert open_case(".", {}).scalars == {"alpha": 0.2}
    np.savez("shard-1.npz", **tables, alpha=np.full(shape, 0.3))
    with pytest.raises(SoftcheckError, match=r"alpha: found shape \(2,"):
        open_case(".", {})


def test_labelled_files_whose_rows_are_actions():
    for number, states in enumerate(["ab", "c"]):
        table = {action: {state: ord(state) + ord(action) for state in states} for action in "xy"}
        Path(f"q-{number}.json").write_text(json.dumps(table))
        Path(f"logits-{number}.json").write_text(json.dumps(table))
    case = open_case(".", {"alpha": ["1"]}, action_axis=0)
    assert (case.state_labels, case.action_labels) == (tuple("abc"), tuple("xy"))
    expected = [[ord(state) + ord(action) for action in "xy"] for state in "abc"]
    np.testing.assert_array_equal(gather(case, 2)["q"], expected)


@pytest.mark.parametrize("group", [1, 3, 100])
@pytest.mark.parametrize("axis", [-1, 0])
def test_row_groups_of_wide_files(group, axis, states):
    for role, array in states.items():
        whole = array if axis or array.ndim == 1 else array.T
        columns = whole.T if whole.ndim == 2 else [whole]
        table = pa.table({f"a{i}": column for i, column in enumerate(columns)})
        pq.write_table(table, f"{role}.parquet", row_group_size=group)
    check_runs(partial(open_case, ".", {}, action_axis=axis), states)


@pytest.mark.parametrize(
    "pattern",
    [
        "part.{}.parquet",
        "part-{}.parquet",
        "train-{:05}-of-00003.parquet",
        "part-{:05}-0a1b2c3d-1234-5678-9abc-0123456789ab-c000.snappy.parquet",
    ],
)
def test_a_data_set_of_lists(pattern, states):
    by_case(pattern, states, lambda path, arrays: pq.write_table(lists(arrays), path))
    Path("_SUCCESS").touch()
    check_runs(partial(open_case, ".", {}), states)


def test_a_tidy_data_set(states):
    for number, (start, stop) in enumerate(CUTS):
        names, actions = zip(*((s, a) for s in range(start, stop) for a in range(3)), strict=True)
        columns = {
            role: (array if array.ndim == 2 else np.tile(array[:, None], 3))[start:stop].ravel()
            for role, array in states.items()
        }
        table = pa.table({"state": names, "action": actions, **columns})
        pq.write_table(table, f"part-{number}.parquet")
    check_runs(partial(open_case, ".", {}), states)
    case = open_case(".", {})
    assert case.state_labels == tuple("0123456")
    shutil.copy("part-0.parquet", "part-1.parquet")
    assert "the state '0', '1', '2' twice" in refused(".")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1.0, 2], [1.0], [1, 2]], "q[1]: found [1.0], expected a list of 2 numbers"),
        ([[1.0, 2], None, [1, 2]], "q[1]: found null, expected a list of 2 numbers"),
        ([[1.0, 2], [1, 2], [None, 2]], "q[2]: found [None, 2.0], expected lists without null"),
        ([["a"], ["b"], ["c"]], "found a column of list<element: string>"),
        ([1.0, 2.0, 3.0], "found a column of double, expected one number for each state and"),
    ],
)
def test_lists_that_are_no_table(cells, message):
    pq.write_table(pa.table({"q": cells, "logits": [[1.0, 2.0]] * 3}), "case.parquet")
    with pytest.raises(SoftcheckError) as error:
        gather(open_case("case.parquet", {"alpha": ["1"]}))
    assert message in str(error.value)


# Zarr.


def save_zarr(path, arrays, version=3, **options):
    group = zarr.open_group(path, mode="w", zarr_format=version)
    for name, array in arrays.items():
        chunks = (2, 2)[: array.ndim] or None
        member = group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=chunks or "auto", **options
        )
        member[...] = array


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_group(version, states):
    save_zarr("case.zarr", states | {"history": states["q"]}, version)
    check_runs(partial(open_case, "case.zarr", {}), states)
    case = open_case("case.zarr", {})
    assert case.notes == ("not loaded, because no role has this name: 'history'",)
    given = {"q": ["case.zarr::q"], "logits": ["case.zarr/logits"], "alpha": ["case.zarr"]}
    check_runs(partial(open_case, None, given), states)


def test_zarr_shards_and_a_number(arrays):
    group = zarr.open_group("case.zarr", mode="w")
    for role in ("q", "logits"):
        member = group.create_array(role, shape=(7, 3), chunks=(1, 3), shards=(2, 3), dtype="f8")
        member[...] = arrays[role]
    group.create_array("alpha", shape=(), dtype="f8")[...] = 0.2
    found = gather(open_case("case.zarr", {}))
    np.testing.assert_array_equal(found["logits"], arrays["logits"])
    assert found["alpha"] == 0.2


def test_the_digest_of_a_zarr_array_covers_its_files(states):
    save_zarr("case.zarr", states)
    before = digests(open_case("case.zarr", {}))
    member = zarr.open_group("case.zarr", mode="r+")["logits"]
    member[6, 2] = 0.5
    after = digests(open_case("case.zarr", {}))
    assert {role for role in before if before[role] != after[role]} == {"logits"}


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_are_missing(version, states):
    save_zarr("case.zarr", states, version)
    Path("case.zarr", "q", "c/1/1" if version == 3 else "1.1").unlink()
    assert "case.zarr::q: found an array of which chunks were never written" in refused("case.zarr")


class Payload:
    """What a pickle does when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("run",)


def describe(path, **changes):
    """Change what the metadata of an array say."""
    described = Path(path)
    described.write_text(json.dumps(json.loads(described.read_text()) | changes))


def test_a_decoder_of_pickles_is_not_run(states):
    save_zarr("case.zarr", states, 2)
    describe("case.zarr/q/.zarray", compressor={"id": "pickle"})
    for chunk in Path("case.zarr/q").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Payload()))
    assert "pickle" in refused("case.zarr")
    assert not Path("run").exists()


def test_only_known_decoders_are_used(states):
    save_zarr("case.zarr", states, 2)
    scale = {"id": "fixedscaleoffset", "offset": 1, "scale": 2, "dtype": "<f8"}
    describe("case.zarr/q/.zarray", filters=[scale])
    assert "case.zarr::q: found the codec 'fixedscaleoffset', expected" in refused("case.zarr")


def test_a_fifo_in_a_zarr_group(states):
    save_zarr("case.zarr", states)
    Path("case.zarr/q/c/0/0").unlink()
    os.mkfifo("case.zarr/q/c/0/0")  # opening it would hang
    assert "found a FIFO" in refused("case.zarr")


def test_damage_in_a_zarr_group(states):
    save_zarr("case.zarr", states)
    Path("case.zarr/q/c/0/0").write_bytes(b"\0" * 9)
    assert refused("case.zarr").startswith("case.zarr::q: found ")
    Path("case.zarr/q/zarr.json").write_text("{")
    assert refused("case.zarr").startswith("case.zarr")
