"""Broken and hostile files end in one readable error, and in nothing else."""

import io
import json
import os
import pickle
import random
import re
import struct
import zipfile
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
from gathering import digests, read_all

from softcheck.errors import InputError, SoftcheckError
from softcheck.tables import open_case, table
from softcheck.tables.sources import Memory

MALFORMED = Path(__file__).parents[2] / "fixtures" / "malformed"

# What these say is not wrong with the file but with its numbers, which this layer only passes on.
NUMBERS = {
    "alpha-nan.npz",
    "alpha-negative.npz",
    "alpha-overflows.npz",
    "logits-infinite.npz",
    "logits-nan.npz",
    "no-legal-action.npz",
    "no-legal-logit.npz",
    "q-infinite.npz",
    "q-nan.npz",
    "weights-nan.npz",
}


def refused(path, **options):
    """Return the message of the error that a file ends in."""
    with pytest.raises(SoftcheckError) as error:
        read_all(path and str(path), **options)
    assert error.value.hint.endswith((".", "?"))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("[!R]*")), ids=lambda path: path.name)
def test_malformed_fixtures(path):
    if path.name in NUMBERS:
        read_all(str(path))
    else:
        assert path.name in refused(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bomb.npz", "2147483776 bytes said to come out of 98"),
        ("encrypted.npz", "an encrypted member"),
        ("bzip2.npz", "compression of type 12"),
        ("shape-too-short.npz", r"expected 160 for shape (2, 2) of float64"),
        ("not-an-archive.pt", "no archive of tensors"),
        ("q-bfloat16.npz", "Save the table as float32"),
        ("external-storage.h5", "data that are kept in other files"),
        ("virtual.h5", "data that are kept in other files"),
        ("unwritten.h5", "parts were never written"),
        ("semicolons.csv", "a semicolon"),
        ("decimal-comma.tsv", "Write a decimal point"),
        ("pair-missing.csv", "a column mask"),
        ("pair-twice.csv", "pair-twice.csv:8"),
        ("empty-cell.csv", "empty-cell.csv:4, column q"),
        ("comma.json", "comma.json:1:"),
        ("utf-16.json", "Save the file as UTF-8."),
        ("text.parquet", "a column of string"),
        ("nulls.parquet", "nulls.parquet::q[2]: found null, expected a number in every row"),
    ],
)
def test_what_the_messages_say(name, message):
    assert message in refused(MALFORMED / name)


def test_there_are_enough_of_them():
    names = {path.name for path in MALFORMED.iterdir()}
    assert names > NUMBERS
    assert len(names) > 60
    listed = (MALFORMED / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in names - {"README.md"})


def save_npz(path, arrays):
    np.savez_compressed(path, **arrays)


def save_npy(path, arrays):
    np.save(path, arrays)


def save_json(path, arrays):
    path.write_text(json.dumps({name: np.asarray(a).tolist() for name, a in arrays.items()}))


def rows(arrays):
    columns = {name: np.broadcast_to(a, (7, 3)).ravel().tolist() for name, a in arrays.items()}
    states, actions = zip(*np.ndindex(7, 3), strict=True)
    return {"state": states, "action": actions, **columns}


def save_jsonl(path, arrays):
    columns = rows(arrays)
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(map(json.dumps, records)))


def save_csv(path, arrays):
    columns = rows(arrays)
    lines = zip(*columns.values(), strict=True)
    path.write_text("\n".join(",".join(map(str, line)) for line in (columns, *lines)))


def save_parquet(path, arrays):
    pq.write_table(pa.table(rows(arrays)), path)


def save_feather(path, arrays):
    pyarrow.feather.write_feather(pa.table(rows(arrays)), path, compression="lz4", chunksize=5)


def save_safetensors(path, arrays):
    safetensors.numpy.save_file(arrays, path)


def save_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def save_pt(path, arrays):
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, path)


def save_pkl(path, arrays):
    path.write_bytes(pickle.dumps(arrays))


def damaged(data, choose):
    """Return the bytes cut off, with bits flipped, or with one piece put over another."""
    kind = choose.choice(["cut", "flip", "zero", "copy"])
    data = bytearray(data)
    start, other = choose.randrange(len(data)), choose.randrange(len(data))
    if kind == "cut":
        del data[start:]
    elif kind == "flip":
        data[start] ^= 1 << choose.randrange(8)
        data[other] ^= 1 << choose.randrange(8)
    elif kind == "zero":
        data[start : start + 8] = bytes(len(data[start : start + 8]))
    else:
        data[start : start + 8] = data[other : other + 8]
    return bytes(data)


SAVE = {
    ".npz": save_npz,
    ".npy": save_npy,
    ".json": save_json,
    ".jsonl": save_jsonl,
    ".csv": save_csv,
    ".parquet": save_parquet,
    ".feather": save_feather,
    ".safetensors": save_safetensors,
    ".h5": save_hdf5,
    ".pt": save_pt,
    ".pkl": save_pkl,
}


@pytest.mark.parametrize("suffix", SAVE)
def test_damage_anywhere(suffix, arrays):
    path = Path(f"case{suffix}")
    SAVE[suffix](path, arrays)
    whole = path.read_bytes()
    choose = random.Random(suffix)  # noqa: S311 # nothing here is secret
    refusals = []
    for _ in range(400):
        path.write_bytes(damaged(whole, choose))
        try:
            read_all(str(path), rows=3, allow_pickle=True)
        except SoftcheckError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(message.startswith("case") for message in refusals)


# Pickles.


class Attack:
    """Runs a command when it is unpickled by pickle.load."""

    def __reduce__(self):
        return os.system, ("touch attacked",)


@pytest.mark.parametrize("allow_pickle", [False, True])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_attacks(allow_pickle, protocol, arrays):
    value = {**arrays, "z": Attack()}
    Path("case.pkl").write_bytes(pickle.dumps(value, protocol))
    np.save("case.npy", value)
    np.savez("case.npz", **(arrays | {"q": np.array(Attack(), object)}))
    torch.save(value, "case.pt")
    for name in ("case.pkl", "case.npy", "case.npz", "case.pt"):
        refused(name, allow_pickle=allow_pickle)
    assert not Path("attacked").exists()
    if allow_pickle:
        assert "system, which is not a plain value" in refused("case.pkl", allow_pickle=True)
    else:
        assert "--allow-pickle" in refused("case.pkl")


@pytest.mark.parametrize("name", ["numpy.load", "builtins.eval", "numpy.f2py.os.system"])
def test_a_pickle_reaches_no_other_name(name):
    module, _, function = name.rpartition(".")
    Path("case.pkl").write_bytes(f"c{module}\n{function}\n(S'1'\ntR.".encode())
    assert f"{name}, which is not a plain value" in refused("case.pkl", allow_pickle=True)


def test_a_pickle_that_claims_all_memory():
    Path("case.pkl").write_bytes(b"Nr\xff\xff\xff\x7f.")
    assert "memo index" in refused("case.pkl", allow_pickle=True)


def test_a_pickle_of_lists_that_share_their_parts():
    shared: list[object] = [0.0, 0.0]
    for _ in range(40):
        shared = [shared, shared]
    Path("case.pkl").write_bytes(pickle.dumps({"q": shared}))
    assert "nested too deeply" in refused("case.pkl", allow_pickle=True)
    for _ in range(12):
        shared = shared[0]
    Path("case.pkl").write_bytes(pickle.dumps({"q": shared}))
    assert f"a list of {2**29} numbers" in refused("case.pkl", allow_pickle=True)


def test_a_pickle_that_contains_itself():
    loop: list[object] = []
    loop.append(loop)
    Path("case.pkl").write_bytes(pickle.dumps({"q": loop}))
    assert "nested too deeply" in refused("case.pkl", allow_pickle=True)


def test_an_array_that_lies_in_a_pickle(arrays):
    data = pickle.dumps(arrays["q"], 2)
    assert data.count(b"K\x07K\x03\x86") == 1
    Path("case.pkl").write_bytes(data.replace(b"K\x07K\x03\x86", b"K\x07K\x7f\x86"))
    assert "do not fit its shape" in refused("case.pkl", allow_pickle=True)


def test_records_in_a_pickle():
    Path("case.pkl").write_bytes(pickle.dumps({"q": np.zeros(2, [("a", float)])}))
    assert "records are no numbers" in refused("case.pkl", allow_pickle=True)


def test_a_pickle_that_decodes_by_another_codec():
    Path("case.pkl").write_bytes(b"c_codecs\nencode\n(Vq\nVrot13\ntR.")
    assert "bytes written as rot13" in refused("case.pkl", allow_pickle=True)


# Archives.


def archive(members, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def npy(array, order="C"):
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, order=order))
    return stream.getvalue()


def test_a_bad_checksum_is_found_at_the_end_of_a_large_member():
    q = np.zeros((50_000, 4))
    members = {"q.npy": npy(q), "logits.npy": npy(q), "alpha.npy": npy(0.2)}
    data = bytearray(archive(members))
    data[npy(q).index(bytes(64)) + 1000] ^= 1
    Path("case.npz").write_bytes(data)
    assert "Bad CRC-32" in refused("case.npz", rows=100)


def test_a_member_with_bytes_behind_its_array():
    q = np.ones((2, 2))
    members = {"q.npy": npy(q) + b"more", "logits.npy": npy(q), "alpha.npy": npy(0.2)}
    Path("case.npz").write_bytes(archive(members))
    assert "164 bytes" in refused("case.npz")
    np.save("q.npy", q)
    with Path("q.npy").open("ab") as file:
        np.save(file, q)
    with pytest.raises(InputError, match="more than one array"):
        open_case(None, {"q": ["q.npy"]})


def directory(data):
    """Return where each entry of the directory of an archive starts, and where the last ends."""
    starts = [data.index(b"PK\1\2")]
    while (at := data.find(b"PK\1\2", starts[-1] + 4)) >= 0:
        starts.append(at)
    return [*starts, data.rindex(b"PK\5\6")]


def swallowed(data):
    """Give the entry of grad to that of logits as its comment."""
    _, logits, start, end, *_ = directory(data)
    struct.pack_into("<H", data, logits + 32, end - start)
    return data


def dropped(data):
    """Leave the entry of grad out of the directory, and count and place it anew."""
    _, _, start, end, *_, last = directory(data)
    size, place = struct.unpack_from("<2L", data, last + 12)
    struct.pack_into("<2H2L", data, last + 8, 3, 3, size - (end - start), place)
    return data[:start] + data[end:]


def renamed(data):
    """List grad under another name."""
    start = directory(data)[2]
    data[start:] = data[start:].replace(b"grad", b"glad", 1)
    return data


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (swallowed, "3 members listed of 4"),
        (dropped, "214 bytes from 427 on that are of no one member"),
        (renamed, "the member 'grad.npy' listed as 'glad.npy'"),
    ],
)
def test_a_directory_that_has_lost_the_gradient(damage, message):
    table = npy(np.ones((2, 3)))
    members = {"q.npy": table, "logits.npy": table, "grad.npy": table, "alpha.npy": npy(0.2)}
    data = bytearray(archive(members))
    Path("case.npz").write_bytes(damage(data))
    assert message in refused("case.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_that_was_written_as_a_stream(save, arrays):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    pipe = Pipe()
    save(pipe, **arrays, größe=np.ones(2))
    Path("case.npz").write_bytes(pipe.data)
    np.testing.assert_array_equal(read_all("case.npz")["grad"], arrays["grad"])


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_that_must_be_whole_has_a_limit(order, arrays, monkeypatch):
    arrays = {name: np.asarray(array, order=order) for name, array in arrays.items()}
    np.savez("case.npz", **arrays)
    monkeypatch.setattr(table, "MAX_WHOLE_BYTES", 100)
    if order == "F":
        assert "168 bytes to hold in memory" in refused("case.npz")
    else:
        read_all("case.npz")


def test_a_header_of_a_gigabyte():
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**30) + b" " * 1000
    Path("q.npy").write_bytes(header)
    with pytest.raises(InputError, match=r"q\.npy"):
        open_case(None, {"q": ["q.npy"]})


def test_version_3_of_npy():
    Path("q.npy").write_bytes(b"\x93NUMPY\x03\x00" + npy(1.0)[8:])
    with pytest.raises(InputError, match=r"version 3\.0"):
        open_case(None, {"q": ["q.npy"]})


def test_a_file_that_shrinks_while_it_is_read(arrays):
    np.save("q.npy", arrays["q"])
    case = open_case(None, {"q": ["q.npy"], "logits": ["q.npy"], "alpha": ["1"]})
    os.truncate("q.npy", 200)
    with pytest.raises(InputError, match=r"q.npy: found EOFError: the data ends"):
        list(case.blocks(2))
    Path("q.npy").unlink()
    with pytest.raises(InputError, match=r"q.npy: found no such file"):
        digests(case)


def test_a_tensor_with_more_bytes_than_its_shape_needs(arrays):
    save_safetensors(Path("case.safetensors"), arrays)
    data = Path("case.safetensors").read_bytes()
    Path("case.safetensors").write_bytes(data.replace(b"[7,3]", b"[6,3]"))
    assert "SafetensorError" in refused("case.safetensors")


def test_a_compressed_archive_of_tensors(arrays):
    save_pt(Path("case.pt"), arrays)
    with zipfile.ZipFile("case.pt") as file:
        members = {name: file.read(name) for name in file.namelist()}
    Path("case.pt").write_bytes(archive(members, compression=zipfile.ZIP_DEFLATED))
    assert "a compressed member" in refused("case.pt")


# Parquet.


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("state", "case.parquet::state: found EOFError: 37 labels of 40 rows"),
        ("weights", "case.parquet::weights: found EOFError: the data ends before the array does"),
    ],
)
@pytest.mark.parametrize("rows", [7, 40])
def test_a_row_group_with_a_column_that_is_shorter(column, message, rows):
    table = [[1.0, 2.0, 3.0]] * 40
    columns = {"state": list(map(str, range(40))), "weights": [1.0] * 40}
    arrays = pa.table({**columns, "q": table, "logits": table, "alpha": [0.2] * 40})
    options = {"compression": "none", "use_dictionary": False, "row_group_size": 10}
    pq.write_table(arrays, "case.parquet", **options)
    group = pq.read_metadata("case.parquet").row_group(1)
    start = group.column(arrays.column_names.index(column)).data_page_offset
    data = bytearray(Path("case.parquet").read_bytes())
    at = data.index(b"\x15\x14", start)  # 10 values, in the header of the page
    data[at : at + 2] = b"\x15\x0e"  # 7
    Path("case.parquet").write_bytes(data)
    assert message in refused("case.parquet", rows=rows)


# Arrow.


@pytest.mark.parametrize("encoded", [False, True])
def test_a_compressed_buffer_that_would_fill_the_memory(encoded):
    zeros = pa.array(np.zeros(2**20))
    column = pa.DictionaryArray.from_arrays(np.zeros(2**20, np.int8), zeros) if encoded else zeros
    table = pa.table({"q": column, "logits": zeros})
    pyarrow.feather.write_feather(table, "case.feather", compression="zstd", chunksize=2**20)
    data = Path("case.feather").read_bytes()
    assert len(data) < 2**16
    claims = [struct.pack("<q", size) for size in (2**23, 2**40)]
    Path("case.feather").write_bytes(data.replace(*claims))
    message = refused("case.feather", given={"alpha": ["1"]})
    assert re.search(r"found 1\d{12} bytes to hold in memory|found 2\d{12} bytes to hold", message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"FEA1" + bytes(100), "Feather of version 2"),
        (b"ARROW1\0\0" + bytes(100), "case.feather"),
        (b"ARROW1\0\0" + struct.pack("<i6s", 2**31 - 1, b"ARROW1"), "the end of the file"),
        (b"", "no Arrow file"),
    ],
)
def test_files_that_are_no_feather(data, message):
    Path("case.feather").write_bytes(data)
    assert message in refused("case.feather")


# HDF5.


def test_numbers_kept_beside_an_hdf5_file(arrays):
    Path("q.raw").write_bytes(arrays["q"].tobytes())
    save_hdf5(Path("case.h5"), {"logits": arrays["logits"], "alpha": 1.0})
    with h5py.File("case.h5", "a") as file:
        file.create_dataset("q", (7, 3), float, external=[("q.raw", 0, 168)])
    assert "data that are kept in other files" in refused("case.h5")


def test_links_out_of_an_hdf5_file_are_not_followed(arrays):
    save_hdf5("other.h5", arrays)
    os.mkfifo("fifo.h5")  # opening it would hang
    for target in ("other.h5", "fifo.h5"):
        with h5py.File("case.h5", "w") as file:
            file["hop"] = h5py.SoftLink("/door/q")
            file["door"] = h5py.ExternalLink(target, "/")
            file["q"] = h5py.SoftLink("hop")
            file["logits"] = arrays["logits"]
        assert f"a link into {target}" in refused("case.h5")


def test_links_that_go_round():
    with h5py.File("case.h5", "w") as file:
        file["q"] = h5py.SoftLink("theta")
        file["theta"] = h5py.SoftLink("q")
    assert "links that go round" in refused("case.h5")


def test_groups_that_contain_themselves(arrays):
    save_hdf5("case.h5", arrays)
    with h5py.File("case.h5", "a") as file:
        file["group/again"] = file
        file["group/group"] = file["group"]
    assert len(read_all("case.h5")["q"]) == 7


# Text.


@pytest.mark.parametrize("cell", ["1_0", "+1", ".5", "5.", "01", "0x1", "1e", "nan", "٣", "1 2"])
def test_numbers_by_the_grammar_of_json(cell):
    Path("q.csv").write_text(f"x,y\n1,{cell}\n")
    with pytest.raises(InputError, match=r"q.csv:2: found"):
        open_case(None, {"q": ["q.csv"]})
    Path("q.json").write_text(f"[1, {cell}]")
    with pytest.raises(InputError, match=r"q.json"):
        open_case(None, {"q": ["q.json"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "q.csv:2: found 1 cells, expected 2"),
        ("a,a\n1,2\n", "the column 'a' twice"),
        ("a,\n1,2\n", "an empty label of a column"),
        ("state,a\ns,1\ns,2\n", "the row 's' twice"),
        ("x,1.0\n2,3\n", "'x' beside the number 1.0"),
        ("a,b\n", "no numbers"),
        ("\n\n", "an empty file"),
        ("state,action,q\n0,0,1\n1,1,2\n", "no row for '0, 1', '1, 0'"),
        ('a,b\n1,"2\n', "unexpected end of data"),
        ("1 2\n3 4\n", "'3 4'"),
        ("1,1e999\n", "'1e999', expected a number that float64 can hold"),
        ("9007199254740993,1\n", "'9007199254740993', expected a number that float64"),
    ],
)
def test_text_that_is_no_table(text, message):
    Path("q.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        open_case(None, {"q": ["q.csv"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[1, 2], 3]", r"q.json\[1\]: found int 3"),
        ("[1, [2]]", r"q.json\[1\]: found a list of 1"),
        ('{"a": [1], "b": {"x": 1}}', "found an object"),
        ('{"a": {"x": 1}, "b": {"y": 1}}', r"other actions than in 'a': 'x', 'y'"),
        ('{"a": [[1]], "b": [[2]]}', "an object of arrays"),
        ("{}", "an empty object"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "q.json"),
        ('["Infinity"]', "Only logits may be infinite"),
        ('{"a": 1, "b": 2}', "found one number for each label, expected one number for each state"),
        ("{\"('s', 0)\": 1, \"('s', 1)\": 2}", "add columns 'state' and 'action'"),
        ('{"0": {"0,1": 1}, "1": {"0,2": 2}}', "other actions than in '0'"),
        ('[{"x": 1, "y": 2}, {"x": 1}]', r"q.json\[1\]: found other names than .*: 'y'"),
        ('[{"q": 1, "logits": 2}]', "q.json::q: found one number in each row"),
        ('[{"x": [1, 2], "y": [3, 4]}]', "a list in a cell"),
        ('[{"x": 0, "y": 0.5}, {"x": 1, "y": 1}, {"x": 2, "y": 1}]', "the numbers of the rows"),
        ('[{"state": 0, "action": 0, "q": [1]}]', r"an array of shape \(1,\) in each row"),
        ('[{"state": null, "action": 0, "q": 1}]', "labels that are neither text nor integers"),
        ('[{"state": 0, "action": 0, "q": 1}, {"state": 1, "action": 1, "q": 1}]', "no row for"),
        ('[{"state": 0, "action": 0, "q": 1}, {"state": 0, "action": 0, "q": 1}]', "again"),
        ('{"columns": ["x"], "index": [0, 1], "data": [[1]]}', "q.json"),
        ('{"columns": ["x", "x"], "index": [0], "data": [[1, 2]]}', "the column 'x' twice"),
        ('{"schema": {}, "data": [{"q": 1, "logits": 2}]}', "one number in each row"),
    ],
)
def test_json_that_is_no_table(text, message):
    Path("q.json").write_text(text)
    with pytest.raises(InputError, match=message):
        open_case(None, {"q": ["q.json"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n{"x": 2', r"q.jsonl:2:1:8: found a mistake"),
        ('{"x": 1}\n\n{"x": NaN}', "q.jsonl:3: found NaN"),
        ('{"x": 1, "x": 2}', "q.jsonl:1: found the key 'x' twice"),
        ("[1, 2]\n[3]", r"q.jsonl\[1\]: found 1 elements"),
        ("\n", "q.jsonl"),
    ],
)
def test_lines_of_json_that_are_no_table(text, message):
    Path("q.jsonl").write_text(text)
    with pytest.raises(SoftcheckError, match=message):
        open_case(None, {"q": ["q.jsonl"], "logits": ["q.jsonl"], "alpha": ["1"]})


COLUMNS = {"q": [1.0, 2.5], "logits": [3.0, 4.0], "grad": [0.0, 0.0]}


def save_columns(path, columns):
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".npz":
        np.savez(path, **columns)
    else:
        lines = [columns, *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(",".join(map(str, line)) for line in lines))


@pytest.mark.parametrize("name", ["case.csv", "case.parquet"])
def test_columns_of_roles_without_states_and_actions(name):
    save_columns(Path(name), COLUMNS)
    message = "the columns 'q', 'logits', 'grad', but no state and no action"
    for given in ({}, {"q": [name], "logits": [name], "alpha": ["1"]}):
        assert message in refused(None if given else name, given=given)


@pytest.mark.parametrize("name", ["q.csv", "q.parquet"])
def test_actions_with_the_names_of_roles(name):
    save_columns(Path(name), {letter: [0.5, 1.0] for letter in "abcdefghijklmnopqrstuvwxyz"})
    case = open_case(None, {"q": [name], "logits": [name], "alpha": ["1"]})
    assert case.actions == 26


@pytest.mark.parametrize("name", ["q.csv", "q.parquet"])
def test_row_numbers_under_another_name_are_no_action(name):
    save_columns(Path(name), {"s": [1, 2, 3], "x": [0.5, 1.5, 2.0], "y": [3.0, 4.0, 5.0]})
    assert "numbers of the rows as the values of an action 's'" in refused(
        None, given={"q": [name], "logits": [name], "alpha": ["1"]}
    )


@pytest.mark.parametrize("labels", [[0, 0], ["s", "s"]])
def test_arrays_of_entries_are_not_one_state(labels):
    columns = {"state": labels, "action": [0, 1], "alpha": 1.0, **COLUMNS}
    save_columns(Path("case.npz"), columns)
    assert "shape (2,) beside as many states and actions" in refused("case.npz")


def test_an_index_of_which_the_levels_have_no_names():
    said = {b"pandas": b'{"index_columns": ["__index_level_0__", "__index_level_1__"]}'}
    levels = {"__index_level_0__": ["s", "s"], "__index_level_1__": ["x", "y"]}
    table = pa.table({**COLUMNS, **levels}).replace_schema_metadata(said)
    pq.write_table(table, "case.parquet")
    assert "the labels '__index_level_0__', '__index_level_1__'" in refused("case.parquet")
    Path("case.csv").write_text(",,q,logits\ns,x,1,2\ns,y,3,4\n")
    assert "but no state and no action" in refused("case.csv")


def test_labels_that_would_make_too_large_a_table():
    lines = "".join(f"s{i},a{i},1\n" for i in range(100_000))
    Path("case.csv").write_text(f"state,action,q\n{lines}")
    assert "no row for 's0, a1'" in refused("case.csv")
    row = {str(i): 1.0 for i in range(10_000)}
    Path("case.pkl").write_bytes(pickle.dumps({"q": dict.fromkeys(range(10_000), row)}))
    assert f"a list of {10**8} numbers" in refused("case.pkl", allow_pickle=True)
    Path("case.pkl").write_bytes(pickle.dumps([row] * 10_000))
    assert f"a list of {10**8} numbers" in refused("case.pkl", allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("torch._utils._rebuild_tensor_v2", "with torch.save, under the suffix .pt"),
        ("pandas.DataFrame", "with to_parquet or to_csv"),
        ("mine.Agent", "Convert it to NumPy arrays"),
    ],
)
def test_a_pickle_of_other_objects_says_what_is_there(name, hint):
    module, _, function = name.rpartition(".")
    Path("case.pkl").write_bytes(f"c{module}\n{function}\n.".encode())
    message = refused("case.pkl", allow_pickle=True)
    assert f"found {name}, which is not a plain value" in message
    assert hint in message


class Short(Memory):
    """A source that gives fewer states than its shape promises."""

    def runs(self, rows, axis, start, stop):
        yield from super().runs(rows, axis, start, stop - 1)


def test_a_source_that_ends_early(arrays):
    short = table.Table(Short(arrays["q"]), None, "q")
    for blocks in (short.blocks(7, 1), islice(short.blocks(2, 1), 3, None)):
        with pytest.raises(InputError, match="q: found EOFError: the data ends before the array"):
            next(blocks)
