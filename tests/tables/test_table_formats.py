"""Every format gives back what NumPy put in, to the last bit."""

import collections
import json
import math
import pickle
import sys
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from gathering import gather, read_all
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from softcheck.errors import InputError
from softcheck.tables import FILE_FORMATS, case_from_arrays, open_case

DTYPES = ["<f2", "<f4", ">f4", "<f8", ">f8", "i1", "<i4", ">i8", "u1", "<u8"]


def save_torch(path, arrays):
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, path)


def save_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def save_json(path, arrays):
    path.write_text(json.dumps({name: array.tolist() for name, array in arrays.items()}))


def save_json_lines(path, arrays):
    """Write a record for each state, with a list of numbers for its actions."""
    states = len(arrays["q"])
    with path.open("w") as file:
        for state in range(states):
            cells = {name: a[state] if a.ndim else a for name, a in arrays.items()}
            file.write(json.dumps({name: cell.tolist() for name, cell in cells.items()}) + "\n\n")


def save_pickle(path, arrays):
    path.write_bytes(pickle.dumps(arrays))


def save_tidy_csv(path, arrays):
    lines = ["state,action," + ",".join(arrays)]
    for state, action in np.ndindex(arrays["q"].shape):
        cells = [repr(float(np.broadcast_to(a, (7, 3))[state, action])) for a in arrays.values()]
        lines.append(f"s{state},a{action},{','.join(cells)}")
    path.write_text("\n".join(lines))


def save_tidy_parquet(path, arrays):
    states, actions = zip(*np.ndindex(arrays["q"].shape), strict=True)
    columns = {name: np.broadcast_to(a, (7, 3)).ravel() for name, a in arrays.items()}
    pq.write_table(pa.table({"state": states, "action": actions, **columns}), path)


def save_feather(path, arrays):
    states = len(arrays["q"])
    columns = {name: list(np.broadcast_to(a, (states, *a.shape[1:]))) for name, a in arrays.items()}
    pyarrow.feather.write_feather(pa.table(columns), path, compression="lz4", chunksize=3)


WRITERS = {
    "case.npz": lambda path, arrays: np.savez(path, **arrays),
    "packed.npz": lambda path, arrays: np.savez_compressed(path, **arrays),
    "objects.npy": np.save,
    "case.json": save_json,
    "case.jsonl": save_json_lines,
    "case.csv": save_tidy_csv,
    "case.parquet": save_tidy_parquet,
    "case.feather": save_feather,
    "case.safetensors": lambda path, arrays: safetensors.numpy.save_file(arrays, path),
    "case.h5": save_hdf5,
    "case.pt": save_torch,
    "case.pkl": save_pickle,
}


def test_every_format_is_tested():
    suffixes = {name[name.rindex(".") :] for name in WRITERS}
    missing = set(FILE_FORMATS.values()) - {FILE_FORMATS[suffix] for suffix in suffixes}
    assert not missing, f"WRITERS has no row for {sorted(form.suffixes[0] for form in missing)}"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_round_trip_in_blocks_of_any_size(name, rows, arrays):
    WRITERS[name](Path(name), arrays)
    found = read_all(name, rows=rows, allow_pickle=True)
    assert found.keys() == arrays.keys()
    for role in ("q", "logits", "grad"):
        np.testing.assert_array_equal(found[role], arrays[role])
        assert found[role].dtype == np.float64
    assert np.all(found["alpha"] == 0.2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["case.npz", "packed.npz", "objects.npy", "case.h5", "case.pkl"])
def test_types_are_kept_in_native_order(name, dtype, arrays):
    numbers = arrays["logits"] * 10
    arrays["logits"] = (abs(numbers) if "u" in dtype else numbers).astype(dtype)
    WRITERS[name](Path(name), arrays)
    found = read_all(name, allow_pickle=True)["logits"]
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, arrays["logits"])


@pytest.mark.parametrize("save", [safetensors.torch.save_file, torch.save])
def test_bfloat16_is_kept(save, arrays):
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    tensors["logits"] = tensors["logits"].bfloat16().requires_grad_(save is torch.save)
    name = "case.pt" if save is torch.save else "case.safetensors"
    save(tensors, name)
    found = read_all(name)["logits"]
    assert found.dtype == ml_dtypes.bfloat16
    expected = tensors["logits"].detach().float().numpy()
    np.testing.assert_array_equal(found.astype(np.float32), expected)
    (described,) = [i for i in open_case(name, {}).inputs if i.role == "logits"]
    assert described.dtype == "bfloat16"


@given(
    shape=hn.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
    dtype=st.sampled_from(["<f2", ">f4", "<f8"]),
    fortran=st.booleans(),
    kind=st.sampled_from(["npy", "npz", "memory", "h5"]),
    rows=st.integers(1, 9),
    data=st.data(),
)
def test_every_layout_and_axis(shape, dtype, fortran, kind, rows, data, tmp_path_factory):
    array = np.random.default_rng(0).permutation(math.prod(shape)).reshape(shape).astype(dtype)
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    arrays = {"q": np.asfortranarray(array) if fortran else array, "alpha": np.array(0.5)}
    arrays["logits"] = arrays["q"]
    place = tmp_path_factory.mktemp("layout")
    if kind == "memory":
        case = case_from_arrays(arrays, action_axis=axis)
    elif kind == "npy":
        for name, stored in arrays.items():
            np.save(place / f"{name}.npy", stored)
        case = open_case(str(place), {}, action_axis=axis)
    else:
        path = place / f"case.{kind}"
        WRITERS[path.name](path, arrays)
        case = open_case(str(path), {}, action_axis=axis)
    found = gather(case, rows)["q"]
    expected = np.moveaxis(array, axis, -1)
    assert case.shape == expected.shape[:-1]
    np.testing.assert_array_equal(found, expected.reshape(-1, case.actions))
    for state, action in np.ndindex(case.states, case.actions):
        assert array[case.location(state, action)] == found[state, action]
        assert expected[case.location(state)][action] == found[state, action]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol, arrays):
    arrays["logits"] = np.asfortranarray(arrays["logits"].astype(">f4"))
    arrays["grad"] = arrays["grad"].reshape(7, 3, 1).transpose(1, 0, 2)[..., 0].T
    arrays["alpha"] = np.float32(0.25)
    Path("case.pkl").write_bytes(pickle.dumps(arrays, protocol=protocol))
    found = read_all("case.pkl", allow_pickle=True)
    for role, array in arrays.items():
        np.testing.assert_array_equal(found[role], array)
    assert found["logits"].dtype == np.float32
    assert type(found["logits"]) is np.ndarray
    assert found["alpha"].dtype == np.float32


def test_pickled_tables_of_tabular_code():
    pairs = collections.defaultdict(float, {(s, a): s * 10.0 + a for s in range(3) for a in (1, 2)})
    rows = collections.OrderedDict((s, np.array([s, s + 1], np.float32)) for s in (2, 0, 1))
    value = {"q": dict(sorted(pairs.items(), reverse=True)), "logits": rows, "alpha": 1}
    Path("case.pkl").write_bytes(pickle.dumps(value | {"q": pairs}))
    case = open_case("case.pkl", {}, allow_pickle=True)
    found = gather(case)
    np.testing.assert_array_equal(found["q"], [[1, 2], [11, 12], [21, 22]])
    np.testing.assert_array_equal(found["logits"], [[0, 1], [1, 2], [2, 3]])
    assert found["logits"].dtype == np.float32
    assert (case.state_labels, case.action_labels) == (("0", "1", "2"), ("1", "2"))


@pytest.mark.parametrize("row", [dict, list, np.array])
def test_states_that_are_pairs(row):
    parts = {(x, y): {"left": x, "right": y} for x in (1, 0) for y in (2, 3)}
    if row is not dict:
        parts = {state: row(list(part.values())) for state, part in parts.items()}
    value = {"q": collections.defaultdict(dict, parts), "logits": parts, "alpha": 1}
    Path("case.pkl").write_bytes(pickle.dumps(value))
    case = open_case("case.pkl", {}, allow_pickle=True)
    np.testing.assert_array_equal(gather(case)["q"], [[1, 2], [1, 3], [0, 2], [0, 3]])
    assert case.state_labels == ("(1, 2)", "(1, 3)", "(0, 2)", "(0, 3)")


def test_keys_of_numpy_read_as_those_of_python():
    q = {(np.int64(0), np.int64(1)): [1.0], (0, 2): [2.0]}
    value = {"q": q, "logits": {(0, 2): [4.0], (0, 1): [3.0]}, "alpha": 1}
    Path("case.pkl").write_bytes(pickle.dumps(value))
    found = read_all("case.pkl", allow_pickle=True)
    np.testing.assert_array_equal(found["logits"], [[3], [4]])


def test_nested_dictionaries_of_tensors_have_dotted_keys():
    torch.save({"batch": {"q": torch.ones(2, 2), "z": torch.zeros(2, 2)}, "alpha": 0.5}, "a.pt")
    given_q = {"q": ["a.pt::batch.q"], "logits": ["a.pt::batch.z"], "alpha": ["a.pt"]}
    found = read_all(None, given_q)
    np.testing.assert_array_equal(found["q"], np.ones((2, 2), np.float32))


def test_hdf5_groups_and_links_within_the_file(arrays):
    with h5py.File("case.h5", "w") as file:
        file["deep/down/q"] = arrays["q"]
        file["deep/again"] = h5py.SoftLink("/deep/down")
        file["logits"] = h5py.SoftLink("deep/again/q")
        file.create_dataset("grad", data=arrays["grad"], chunks=(2, 2), compression="gzip")
        file["alpha"] = 0.5
    found = read_all("case.h5", {"q": ["case.h5::/deep/down/q"]}, rows=3)
    np.testing.assert_array_equal(found["logits"], arrays["q"])
    np.testing.assert_array_equal(found["grad"], arrays["grad"])


def test_wide_text_with_and_without_labels():
    Path("q.csv").write_bytes(b"\xef\xbb\xbfstate,left,right\r\ns0,1,2\r\ns1,3,4.5\r\n")
    Path("logits.tsv").write_text("\tright\tleft\ns1\t1\t-inf\ns0\t3\t4\n")
    Path("weights.csv").write_text('state,weight\n"s1",0.25\ns0,0.75\n')
    Path("grad.csv").write_text("1e-3, -2\n-0.5,6E2\n\n")
    Path("alpha.csv").write_text("0.5\n")
    case = open_case(".", {})
    found = gather(case)
    np.testing.assert_array_equal(found["q"], [[1, 2], [3, 4.5]])
    np.testing.assert_array_equal(found["logits"], [[4, 3], [-np.inf, 1]])
    np.testing.assert_array_equal(found["weights"], [0.75, 0.25])
    np.testing.assert_array_equal(found["grad"], [[1e-3, -2], [-0.5, 600]])
    assert found["alpha"] == 0.5
    assert case.state_labels == ("s0", "s1")
    assert case.action_labels == ("left", "right")
    assert case.notes == ("matched by position, for want of labels: 'grad'",)
    assert case.place("logits", 1, 0) == "logits.tsv[s1, left]"
    Path("logits.tsv").write_text("left\tright\n-inf\t-inf\n0.5\t1\n")
    found = gather(open_case(".", {}))
    np.testing.assert_array_equal(found["logits"], [[-np.inf, -np.inf], [0.5, 1]])


def test_wide_parquet():
    pq.write_table(pa.table({"state": [1, 0], "x": [1.0, 2.0], "y": [3.0, 4.0]}), "q.parquet")
    pq.write_table(pa.table({"x": [1, 2], "y": [3, 4]}), "logits.parquet")
    pq.write_table(pa.table({"state": ["0", "1"], "alpha": [0.1, 0.2]}), "alpha.parquet")
    found = read_all(".")
    np.testing.assert_array_equal(found["q"], [[1, 3], [2, 4]])
    np.testing.assert_array_equal(found["alpha"], [0.2, 0.1])


@pytest.mark.parametrize("text", ["true", "True", "1", "1.0"])
def test_masks_and_weights_in_text(text):
    lines = f"state,action,q,logits,alpha,mask,weights\n0,0,1,1,1,{text},{text}\n"
    Path("case.csv").write_text(f"{lines}0,1,1,1,1,0,{text}\n")
    found = read_all("case.csv")
    np.testing.assert_array_equal(found["mask"], [[True, False]])
    np.testing.assert_array_equal(found["weights"], [1])


def test_json_by_label_and_unlabelled():
    value = {
        "q": {"a": {"left": 1.0, "right": 2}, "b": {"right": 3, "left": 4}},
        "logits": {"b": [1, 2], "a": ["-inf", 4]},
        "alpha": {"b": 0.1, "a": 0.2},
        "mask": [[True, True], [False, True]],
    }
    Path("case.json").write_text(json.dumps(value))
    case = open_case("case.json", {})
    found = gather(case)
    np.testing.assert_array_equal(found["q"], [[1, 2], [4, 3]])
    np.testing.assert_array_equal(found["logits"], [[-np.inf, 4], [1, 2]])
    np.testing.assert_array_equal(found["alpha"], [0.2, 0.1])
    np.testing.assert_array_equal(found["mask"], [[True, True], [False, True]])


FRAME = {
    "state": ["s0", "s0", "s1", "s1"],
    "action": [0, 1, 0, 1],
    "q": [1.0, 2.0, 3.0, 4.0],
    "logits": [0.5, "-inf", 0.25, 0.125],
    "alpha": [0.2, 0.2, 0.3, 0.3],
}
RECORDS = [dict(zip(FRAME, row, strict=True)) for row in zip(*FRAME.values(), strict=True)]


def split(columns, index=None):
    rows = list(zip(*columns.values(), strict=True))
    labels = list(range(len(rows))) if index is None else index
    return {"columns": list(columns), "index": labels, "data": list(map(list, rows))}


def schema(records, key):
    return {"schema": {"fields": [], "primaryKey": [key], "pandas_version": "1.4.0"}} | {
        "data": [{key: number, **record} for number, record in enumerate(records)]
    }


FORMS = {
    "records": RECORDS,
    "columns": {name: dict(enumerate(cells)) for name, cells in FRAME.items()},
    "index": dict(enumerate(RECORDS)),
    "list": FRAME,
    "split": split(FRAME),
    "table": schema(RECORDS, "index"),
    "shuffled": RECORDS[::-1],
    "tuples": [{**record, "state": [0, int(record["state"][1])]} for record in RECORDS],
    "one alpha": {**FRAME, "alpha": 0.2},
}


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_data_frames_with_a_row_for_each_entry(form, pickled):
    name = "case.pkl" if pickled else "case.json"
    value = FORMS[form]
    Path(name).write_bytes(pickle.dumps(value) if pickled else json.dumps(value).encode())
    case = open_case(name, {}, allow_pickle=True)
    found = gather(case)
    order = slice(None, None, -1) if form == "shuffled" else slice(None)
    np.testing.assert_array_equal(found["q"], np.array([[1, 2], [3, 4]])[order, order])
    expected = np.array([[0.5, -np.inf], [0.25, 0.125]])
    np.testing.assert_array_equal(found["logits"], expected[order, order])
    alpha = 0.2 if form == "one alpha" else np.array([0.2, 0.3])[order]
    np.testing.assert_array_equal(found["alpha"], alpha)
    states = ("(0, 0)", "(0, 1)") if form == "tuples" else ("s0", "s1")
    assert (case.state_labels, case.action_labels) == (states[order], ("0", "1")[order])
    assert case.notes == ()


def test_pickled_columns_keep_their_type():
    arrays = {name: np.array(FRAME[name], np.float32) for name in ("q", "alpha")}
    value = {"state": np.arange(4) // 2, "action": np.arange(4) % 2, "logits": arrays["q"]} | arrays
    Path("case.pkl").write_bytes(pickle.dumps(value))
    found = read_all("case.pkl", allow_pickle=True)
    np.testing.assert_array_equal(found["q"], [[1, 2], [3, 4]])
    assert found["q"].dtype == np.float32


BY_STATE = [
    {"state": "s1", "q": [1, 2], "logits": {"x": 3, "y": 4}, "alpha": 0.5},
    {"state": "s0", "q": [5, 6], "logits": {"y": 8, "x": 7}, "alpha": 0.25},
]


@pytest.mark.parametrize(
    "value",
    [
        BY_STATE,
        {"b": BY_STATE[0], "a": BY_STATE[1]},
        split({name: [row[name] for row in BY_STATE] for name in BY_STATE[0]}),
        schema(BY_STATE, "index"),
    ],
)
def test_data_frames_with_a_row_for_each_state(value):
    Path("case.json").write_text(json.dumps(value))
    case = open_case("case.json", {})
    found = gather(case)
    np.testing.assert_array_equal(found["q"], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(found["logits"], [[3, 4], [7, 8]])
    np.testing.assert_array_equal(found["alpha"], [0.5, 0.25])
    assert (case.state_labels, case.action_labels) == (("s1", "s0"), ("x", "y"))


def test_data_frames_with_a_column_for_each_action():
    Path("q.json").write_text(json.dumps(split({"x": [1, 3.5], "y": [2, 4]}, ["s0", "s1"])))
    records = [{"y": 8, "state": "s1", "x": 7}, {"x": 5, "y": 6, "state": "s0"}]
    Path("logits.jsonl").write_text("\n".join(map(json.dumps, records)))
    indexed = schema([{"y": 0.5, "x": 0.25}, {"y": 0, "x": 1}], "key")
    indexed["data"][0]["key"], indexed["data"][1]["key"] = "s1", "s0"
    Path("grad.json").write_text(json.dumps(indexed))
    Path("alpha.json").write_text('[{"state": "s1", "alpha": 2}, {"state": "s0", "alpha": 1}]')
    found = read_all(".")
    np.testing.assert_array_equal(found["q"], [[1, 2], [3.5, 4]])
    np.testing.assert_array_equal(found["logits"], [[5, 6], [7, 8]])
    np.testing.assert_array_equal(found["grad"], [[1, 0], [0.25, 0.5]])
    np.testing.assert_array_equal(found["alpha"], [1, 2])


def test_arrays_named_state_and_action_that_are_no_columns():
    """What was observed and which action was taken, beside tables of states and actions."""
    q = [[1.0, 2.0], [3.0, 4.0]]
    value = {"state": [[0.5], [0.5]], "action": [1, 0], "q": q, "logits": q, "alpha": 1}
    Path("case.json").write_text(json.dumps(value))
    np.testing.assert_array_equal(read_all("case.json")["q"], q)
    one = {"state": np.ones(5), "action": 1, "q": [1.0, 2.0], "logits": [0.0, 0.0], "alpha": 1}
    np.savez("case.npz", **one)
    assert open_case("case.npz", {}).actions == 2


@pytest.mark.parametrize("first", ["", "index", "Unnamed: 0"])
def test_a_column_of_row_numbers_is_no_action(first):
    Path("case.csv").write_text(f"{first},state,action,q,logits,alpha\n0,s,x,1,2,3\n1,s,y,4,5,3\n")
    case = open_case("case.csv", {})
    assert case.notes == ()
    np.testing.assert_array_equal(gather(case)["q"], [[1, 4]])
    Path("q.csv").write_text(f"{first},x,y\n0,1,2\n1,3,4.5\n")
    pq.write_table(pa.table({first: [1, 0], "x": [3, 1], "y": [4.5, 2]}), "z.parquet")
    case = open_case(None, {"q": ["q.csv"], "logits": ["z.parquet"], "alpha": ["1"]})
    found = gather(case)
    np.testing.assert_array_equal(found["q"], [[1, 2], [3, 4.5]])
    np.testing.assert_array_equal(found["logits"], found["q"])
    assert (case.state_labels, case.action_labels) == (("0", "1"), ("x", "y"))


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("name", ["case.feather", "case.arrow"])
def test_feather_with_a_row_for_each_entry(name, compression):
    columns = {name: FRAME[name] for name in ("state", "action", "q", "alpha")}
    table = pa.table({**columns, "logits": np.float32([4, 3, 2, 1])})
    table = table.set_column(0, "state", table["state"].dictionary_encode())
    pyarrow.feather.write_feather(table, name, compression=compression)
    found = read_all(name)
    np.testing.assert_array_equal(found["q"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(found["logits"], [[4, 3], [2, 1]])
    assert found["logits"].dtype == np.float32


def test_labels_that_pandas_says_are_labels():
    said = {b"pandas": json.dumps({"index_columns": ["s"]}).encode()}
    wide = pa.table({"x": [1.0, 2.0], "y": [3.0, 4.0], "s": ["b", "a"]})
    pq.write_table(wide.replace_schema_metadata(said), "q.parquet")
    case = open_case(None, {"q": ["q.parquet"], "logits": ["q.parquet"], "alpha": ["1"]})
    assert (case.state_labels, case.action_labels) == (("b", "a"), ("x", "y"))
    said = {b"pandas": json.dumps({"index_columns": ["state", "action"]}).encode()}
    tidy = pa.table({"q": [1.0, 2], "logits": [3.0, 4], "state": [0, 0], "action": [0, 1]})
    pq.write_table(tidy.replace_schema_metadata(said), "case.parquet")
    found = read_all("case.parquet", {"alpha": ["1"]})
    np.testing.assert_array_equal(found["q"], [[1, 2]])


def test_a_json_file_may_be_one_table():
    Path("q.json").write_text("[[1, 2.5], [3, 4]]")
    Path("z.json").write_text('{"s0": [1, 2], "s1": [3, 4]}')
    Path("alpha.json").write_text("0.5")
    found = read_all(None, {"q": ["q.json"], "logits": ["z.json"], "alpha": ["alpha.json"]})
    np.testing.assert_array_equal(found["q"], [[1, 2.5], [3, 4]])
    np.testing.assert_array_equal(found["logits"], [[1, 2], [3, 4]])


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_text_gives_back_every_float(numbers, tmp_path_factory):
    place = tmp_path_factory.mktemp("text")
    (place / "q.json").write_text(json.dumps(numbers))
    (place / "z.csv").write_text("\n".join(map(repr, numbers)))
    given_q = {"q": [f"{place}/q.json"], "logits": [f"{place}/q.json"], "alpha": [f"{place}/z.csv"]}
    if len(numbers) > 1:
        with pytest.raises(InputError, match="one number, or one for each state"):
            open_case(None, given_q)
    else:
        case = open_case(None, given_q)
        assert float(case.scalars["alpha"]) == numbers[0]
        assert gather(case)["q"].tolist() == [numbers]


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("case.h5", "h5py", "hdf5"),
        ("case.parquet", "pyarrow", "parquet"),
        ("case.feather", "pyarrow", "parquet"),
        ("bfloat16.pt", "ml_dtypes", "bfloat16"),
        ("bfloat16.safetensors", "ml_dtypes", "bfloat16"),
    ],
)
def test_a_missing_package_is_named(name, module, extra, arrays, monkeypatch):
    if name in WRITERS:
        WRITERS[name](Path(name), arrays)
    else:
        save = torch.save if name.endswith(".pt") else safetensors.torch.save_file
        save({"q": torch.ones(2, 2).bfloat16()}, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"no package {module}") as error:
        open_case(name, {})
    assert error.value.hint == f"Run: pip install 'softcheck[{extra}]'."
