"""Files of PyTorch hold what PyTorch reads in them, to the last bit, and run nothing."""

import collections
import io
import math
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from softcheck.errors import InputError, SoftcheckError
from softcheck.tables import ROLES
from softcheck.tables.files import File
from softcheck.tables.formats import read
from softcheck.tables.refusals import reading
from softcheck.tables.table import Reading

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint64,
    torch.uint32,
    torch.uint16,
    torch.uint8,
    torch.bool,
]


def load(path="a.pt", name=None):
    """Return the table under a name as a reader gives it."""
    with reading(str(path)):
        return read(File(str(path)), Reading(ROLES))[name](ROLES["q"])


def refused(path="a.pt", name=None):
    """Return the message of the error that a file ends in before any number is read."""
    with pytest.raises(InputError) as error:
        load(path, name)
    assert error.value.hint.endswith(".")
    return str(error.value)


def numpy(tensor):
    """Return a tensor as NumPy's in float64, which holds all numbers of these tests."""
    return tensor.detach().to(torch.float64).numpy()


def same(table, tensor):
    assert table.shape == tensor.shape
    np.testing.assert_array_equal(table.whole().astype(np.float64), numpy(tensor), strict=True)
    assert table.dtype.name == str(tensor.dtype).removeprefix("torch.")


@st.composite
def views(draw):
    """Draw a view of a storage: any strides, gaps, repetitions, offsets and orders of axes."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    strides = draw(st.lists(st.integers(0, 40), min_size=len(shape), max_size=len(shape)))
    if draw(st.booleans()):
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        turned = draw(st.permutations(range(len(shape))))
        shape, strides = [shape[i] for i in turned], [strides[i] for i in turned]
    offset = draw(st.integers(0, 5))
    reach = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    numbers = torch.arange(offset + reach + draw(st.integers(0, 3))) % 120
    return numbers.to(draw(st.sampled_from(DTYPES))).as_strided(shape, strides, offset)


@given(view=views(), rows=st.integers(1, 9), data=st.data())
def test_every_view_and_type(view, rows, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "a.pt"
    torch.save({"before": torch.ones(3), "view": view}, path)
    table, expected = load(path, "view"), numpy(torch.load(path)["view"])
    same(table, view)
    for axis in range(view.ndim):
        states = np.moveaxis(expected, axis, -1).reshape(-1, view.shape[axis])
        start = data.draw(st.integers(0, len(states)))
        stop = data.draw(st.integers(start, len(states)))
        blocks = [block.astype(np.float64) for block in table.blocks(rows, axis, start, stop)]
        joined = np.concatenate([np.empty((0, view.shape[axis])), *blocks])
        np.testing.assert_array_equal(joined, states[start:stop], strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_at_its_ends(dtype):
    if dtype is torch.bool:
        ends = 0, 1
    else:
        info = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
        ends = max(info.min, -(2**53)) if dtype.itemsize == 8 else info.min, min(info.max, 2**53)
    tensor = torch.tensor([ends, ends[::-1]], dtype=dtype)
    torch.save(tensor, "a.pt")
    same(load(), tensor)


ROWS = torch.arange(12.0).reshape(4, 3)


def with_attribute():
    tensor = ROWS.clone()
    tensor.source = "here"
    return tensor


@pytest.mark.parametrize(
    "tensor",
    [
        torch.nn.Parameter(ROWS.bfloat16()),
        ROWS.half().requires_grad_(),
        with_attribute(),
        torch.nn.Buffer(ROWS),
        ROWS[1:, ::2].T,
        ROWS[:1].expand(1000, 3),
        torch.tensor(0.25),
        torch.zeros(0, 3),
    ],
)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_tensors_as_people_save_them(tensor, protocol):
    torch.save(tensor, "a.pt", pickle_protocol=protocol)
    same(load(), tensor)


def test_what_stands_beside_tensors():
    shared = torch.arange(24).reshape(4, 6)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(ROWS).sum().backward()
    optimizer.step()
    saved = {
        "left": shared[:, :3],
        "right": shared[:, 3:],
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3]).state_dict(),
        "rows": ROWS.tolist(),
        "shape": ROWS.shape,
        "numpy": np.asfortranarray(ROWS.numpy()),
        "scalar": np.float64(0.5),
        "counts": collections.defaultdict(list, {3: 4}),
        "loss": "cross-entropy",
        "others": [None, True, 2**70, "text", b"bytes", bytearray(b"a"), {1}, 1j, torch.bool],
        "device": torch.device("cuda:0"),
        "sparse": [ROWS.to_sparse()],
        "storage": ROWS.untyped_storage(),
    }
    torch.save(saved, "a.pt")
    contents = read(File("a.pt"), Reading(ROLES))
    assert contents.texts == {"loss": "cross-entropy"}
    same(load(name="left"), shared[:, :3])
    same(load(name="right"), shared[:, 3:])
    for name, tensor in model.state_dict().items():
        same(load(name=f"model.{name}"), tensor)
    for name in ("rows", "numpy"):
        assert load(name=name).whole().tolist() == ROWS.tolist()
    assert load(name="shape").whole().tolist() == [4, 3]
    assert load(name="scalar").whole() == 0.5
    assert load(name="counts.3").whole() == 4
    others = {"optimizer.state", "schedule.gamma", "others", "device", "sparse", "storage"}
    assert contents.keys() > others


def test_a_tensor_of_another_device(monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _storage: "cuda:0")
    torch.save(ROWS, "a.pt")
    assert b"cuda:0" in Path("a.pt").read_bytes()
    same(load(), ROWS)


def test_an_archive_without_checksums():
    torch.serialization.set_crc32_options(compute_crc32=False)
    torch.save(ROWS, "a.pt")
    torch.serialization.set_crc32_options(compute_crc32=True)
    with zipfile.ZipFile("a.pt") as archive:
        assert archive.testzip() == "a/data.pkl"
    same(load(), ROWS)


def members(path="a.pt"):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(changed, path="a.pt"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in changed.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("order", ["big", "little", None])
def test_the_order_of_bytes(dtype, order):
    tensor = ROWS.to(dtype)
    torch.save(tensor, "a.pt")
    saved = members()
    assert saved["a/byteorder"].decode() == sys.byteorder
    if order == "big":
        saved["a/data/0"] = np.frombuffer(saved["a/data/0"], f"u{dtype.itemsize}").byteswap()
        saved["a/data/0"] = saved["a/data/0"].tobytes()
    saved["a/byteorder"] = str(order).encode()
    if order is None:
        del saved["a/byteorder"]
    write(saved)
    same(load(), torch.load("a.pt"))
    same(load(), tensor)


def test_an_order_of_bytes_that_there_is_not():
    torch.save(ROWS, "a.pt")
    write(members() | {"a/byteorder": b"middle"})
    assert "a.pt: found the byte order b'middle', expected little or big" in refused()


def test_pytorch_is_not_imported():
    torch.save({"q": ROWS.bfloat16()}, "a.pt")
    script = """if True:
        import sys
        from softcheck.tables import open_case
        given = {"q": ["a.pt"], "logits": ["a.pt::q"], "alpha": ["1"]}
        print(sum(block.rows for block in open_case(None, given).blocks(2)), "torch" in sys.modules)
    """
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["4", "False"]


class Subclass(torch.Tensor):
    """A tensor with a class of its own."""


@pytest.mark.filterwarnings("ignore::UserWarning")  # some of these are no settled part of PyTorch
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (ROWS.to_sparse, "a sparse tensor"),
        (ROWS.to_sparse_csr, "a sparse tensor"),
        (lambda: torch.quantize_per_tensor(ROWS, 0.1, 0, torch.qint8), "a quantised tensor"),
        (lambda: torch.nested.nested_tensor([ROWS, ROWS[1:]]), "a nested tensor"),
        (lambda: ROWS.to("meta"), "a tensor without numbers"),
        (lambda: ROWS.to(torch.complex64), "complex numbers"),
        (lambda: ROWS.to(torch.complex64).conj().imag, "a view that negates or conjugates"),
        (lambda: ROWS.to(torch.float8_e5m2), "numbers of type float8_e5m2"),
        (lambda: list(ROWS), "Tensor of PyTorch, expected a number"),
        (ROWS.clone().untyped_storage, "Storage of PyTorch, expected a number"),
        (lambda: {1, 2}, "a set"),
        (lambda: torch.device("cpu"), "a device"),
        (lambda: None, "null"),
    ],
)
def test_what_is_no_dense_tensor_of_numbers(make, found):
    torch.save({"value": make(), "q": ROWS}, "a.pt")
    message = refused(name="value")
    assert message.startswith("a.pt::value")
    assert f"found {found}" in message
    same(load(name="q"), ROWS)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        (ROWS.as_subclass(Subclass), f"{__name__}.Subclass"),
        (torch.load, "torch.serialization.load"),
        (os.system, "posix.system"),
        (Path("a"), "pathlib.PosixPath"),
    ],
)
def test_no_name_is_known_but_those_of_tensors(value, name):
    torch.save({"q": ROWS, "value": value}, "a.pt")
    assert f"a.pt: found {name}, which is not a plain value or array" in refused(name="q")


# Archives as PyTorch never writes them.


class Storage:
    """What a pickle refers to as a storage."""

    def __init__(self, *reference):
        self.reference = reference


class Described:
    """Whatever PyTorch would make of some arguments."""

    def __init__(self, *arguments, rebuild=torch._utils._rebuild_tensor_v2):
        self.made = rebuild, arguments

    def __reduce__(self):
        return self.made


def write_described(value, numbers=12):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.reference if isinstance(value, Storage) else None

    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    data = np.arange(numbers, dtype=np.float32).tobytes()
    write({"a/data.pkl": stream.getvalue(), "a/data/0": data, "a/version": b"3"})


FLOATS = ("storage", torch.FloatStorage, "0", "cpu", 12)


def described(offset=0, shape=(4, 3), strides=(3, 1), storage=FLOATS, metadata=None):
    hooks = collections.OrderedDict()
    return Described(Storage(*storage), offset, shape, strides, False, hooks, metadata)


def test_an_archive_that_is_written_by_hand():
    write_described(described())
    same(load(), ROWS)
    same(load(), torch.load("a.pt"))
    write_described(described(1, (2, 2), (6, 2)))
    assert load().whole().tolist() == [[1, 3], [7, 9]]


def nested(depth=60):
    """Return a tuple whose text would fill the memory, though its parts are shared."""
    value = []
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("tensor", "found"),
    [
        (described(1), "13 numbers up to the last of shape (4, 3) with strides (3, 1)"),
        (described(0, (4, 4)), "13 numbers up to the last of shape (4, 4)"),
        (described(0, (2**70, 1)), f"{3 * 2**70 - 2} numbers"),
        (described(0, (4, 3), (2**62, 1)), f"{3 * 2**62 + 3} numbers"),
        (described(2**62), f"{2**62 + 12} numbers"),
        (described(-1), "a tensor with a wrong description"),
        (described(0.5), "a tensor with a wrong description"),
        (described(True), "a tensor with a wrong description"),
        (described(0, (-4, -3)), "a tensor with a wrong description"),
        (described(11, (4, 3), (-3, 1)), "a tensor with a wrong description"),
        (described(0, (4, nested())), "a tensor with a wrong description"),
        (described(0, (4, 3), (3,)), "ValueError"),
        (described(0, 4), "TypeError"),
        (described(0, (1,) * 99, (1,) * 99), "the shape"),
        (described(0, (2**40, 2**40), (0, 0)), f"{2**82} bytes to hold in memory"),
        (described(storage=(*FLOATS[:4], 11)), "48 bytes in data/0, expected 44 for 11 numbers"),
        (described(storage=(*FLOATS[:4], 2**80)), "48 bytes in data/0"),
        (described(storage=("storage", torch.DoubleStorage, *FLOATS[2:])), "expected 96 for 12"),
        (described(storage=("storage", torch.FloatStorage, "1", "cpu", 12)), "no member data/1"),
        (described(storage=("storage", torch.FloatStorage, "../a", "cpu", 12)), "no member data"),
        (described(storage=("storage", torch.FloatStorage, nested(), "cpu", 12)), "a wrong desc"),
        (described(storage=("storage", "object", *FLOATS[2:])), "numbers of type object"),
        (described(storage=("module", *FLOATS[1:])), "a reference to what is no storage"),
        (described(storage=FLOATS[:3]), "ValueError"),
        (described(metadata={"neg": True}), "a view that negates or conjugates"),
        (Described(rebuild=torch._utils._rebuild_tensor_v2), "TypeError"),
        (Described(3, 0, (4, 3), (3, 1), False, None), "AttributeError"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_described_wrongly(tensor, found):
    write_described(tensor)
    assert f"found {found}" in refused() or found in refused()


def test_a_description_cannot_be_altered_after_it_was_checked():
    """A pickle may set the attributes of what it has made: all is checked when it is used."""

    class Altered(Described):
        def __reduce__(self):
            return *self.made, {"offset": 1}

    hooks = collections.OrderedDict()
    write_described(Altered(Storage(*FLOATS), 0, (4, 3), (3, 1), False, hooks))
    assert "13 numbers" in refused()


def test_a_dictionary_has_no_attributes():
    """Those of a state dict say nothing of its tensors, and others would hide its methods."""

    class Altered(Described):
        def __reduce__(self):
            return (
                *self.made,
                {"items": None, "keys": None, "get": None},
                None,
                iter([("q", described())]),
            )

    write_described(Altered(rebuild=collections.OrderedDict))
    same(load(name="q"), ROWS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda saved: saved.pop("a/data.pkl"), "no member data.pkl"),
        (lambda saved: saved.pop("a/data/0"), "no member data/0"),
        (lambda saved: saved.clear(), "no member data.pkl"),
        (lambda saved: saved.update({"a/data/0": bytes(44)}), "44 bytes in data/0"),
        (lambda saved: saved.update({"a/data.pkl": b""}), "a.pt"),
        (lambda saved: saved.update({"a/data.pkl": b"Nr\xff\xff\xff\x7f."}), "memo index"),
    ],
)
def test_an_archive_that_lacks_something(change, found):
    torch.save(ROWS, "a.pt")
    saved = members()
    change(saved)
    write(saved)
    assert found in refused()


@pytest.mark.parametrize(
    ("place", "bytes_", "found"),
    [
        (20, struct.pack("<II", 2**30, 2**30), "no member data/0 at byte"),
        (20, struct.pack("<II", 47, 48), "a compressed member data/0"),
        (10, struct.pack("<H", 8), "a compressed member data/0"),
        (42, struct.pack("<I", 0), "no member data/0 at byte 0, where it is listed"),
        (42, struct.pack("<I", 2**31), "found error: unpack"),
    ],
)
def test_a_directory_that_lies(place, bytes_, found):
    """The entry of a member in the directory: method at 10, sizes at 20, its header at 42."""
    torch.save(ROWS, "a.pt")
    data = bytearray(Path("a.pt").read_bytes())
    entry = data.rindex(b"a/data/0") - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    data[entry + place : entry + place + len(bytes_)] = bytes_
    Path("a.pt").write_bytes(data)
    assert found in refused()


def test_damage_to_the_pickle():
    """It is refused, or read as PyTorch reads it."""
    torch.save({"q": ROWS, "logits": torch.nn.Parameter(ROWS[:, 1:])}, "a.pt")
    saved, choose = members(), random.Random(3)  # noqa: S311 # nothing here is secret
    ends = collections.Counter()
    for _ in range(1000):
        data = bytearray(saved["a/data.pkl"])
        data[choose.randrange(len(data))] = choose.randrange(256)
        write(saved | {"a/data.pkl": bytes(data)})
        try:
            with reading("a.pt"):
                contents = read(File("a.pt"), Reading(ROLES))
                found = {name: load(name=name).whole().tolist() for name in contents}
        except SoftcheckError:
            ends["refused"] += 1
            continue
        expected = torch.load("a.pt", map_location="cpu")
        assert found == {str(name): tensor.tolist() for name, tensor in expected.items()}
        ends["read"] += 1
    assert ends["refused"] > 500
    assert ends["read"] > 50
