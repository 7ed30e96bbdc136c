"""The library: arrays of every kind in, the same numbers in a file, and a message worth reading."""

import pydoc
import re
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from run import softcheck as program

import softcheck
from softcheck.errors import InputError, OutputError, SoftcheckError, UsageError
from softcheck.report import FORMATS
from softcheck.tables.case import open_case

SUFFIXES = (".npz", ".safetensors")
Q, LOGITS = np.random.default_rng(0).normal(size=(2, 8, 4))
ALPHA = 0.2


def autograd(alpha=ALPHA):
    """Return a float64 gradient, right if its alpha is the one declared."""
    leaf = torch.tensor(LOGITS, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (alpha * log_pi - torch.tensor(Q))).sum(-1).mean().backward()
    return leaf.grad.numpy()


GRAD = autograd()


def read(path):
    """Return the arrays of a file as `softcheck verify` reads them."""
    return {role: table.whole() for role, table in open_case(str(path), {}).given.items()}


def same(one, other):
    """Return whether two arrays have the same type and the same bits."""
    native = np.asarray(other).astype(np.asarray(other).dtype.newbyteorder("="))
    return (one.dtype, one.shape, one.tobytes()) == (native.dtype, native.shape, native.tobytes())


# What is written is what is read.


FLOATS = ["float16", "bfloat16", "float32", "float64", ">f2", ">f4", ">f8"]


@st.composite
def laid_out(draw, shape, dtypes=FLOATS):
    """Draw an array of a shape, in any type and any layout of its memory."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    values = draw(arrays_of.arrays(np.float32, shape, elements=st.floats(-99, 99, width=16)))
    array = values.astype(dtype)
    kind = draw(st.sampled_from(["C", "F", "every second", "backwards", "transposed"]))
    if kind in ("C", "F"):
        return np.asarray(array, order=kind)
    if kind == "transposed":
        return array.T.copy().T
    if kind == "backwards":
        return array[..., ::-1].copy()[..., ::-1] if array.ndim else array
    wide = np.repeat(array, 2, axis=-1) if array.ndim else array
    return wide[..., ::2] if array.ndim else wide


@st.composite
def dumps(draw):
    """Draw the arguments of `save_case`."""
    states = draw(st.sampled_from([(), (1,), (5,), (3, 4), (2, 3, 2)]))
    table = (*states, draw(st.integers(1, 4)))
    critics = tuple(draw(laid_out(table)) for _ in range(draw(st.integers(2, 3))))
    made = {
        "q": draw(st.sampled_from([critics, critics[0]])),
        "logits": draw(laid_out(table)),
        "grad": draw(laid_out(table)),
        draw(st.sampled_from(["alpha", "log_alpha"])): draw(
            laid_out(draw(st.sampled_from([(), states])))
        ),
    }
    if draw(st.booleans()):
        made["mask"] = draw(laid_out(table, ["bool", "int64", "uint8"])) != 0
        made["weights"] = draw(laid_out(states, ["float32", "int32"]))
    return made


def kept_by(suffix, array):
    return suffix == ".safetensors" or np.asarray(array).dtype != ml_dtypes.bfloat16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dumps")


@given(dump=dumps(), suffix=st.sampled_from(SUFFIXES))
def test_a_file_gives_back_values_types_and_shapes(folder, dump, suffix):
    path = folder / f"step{suffix}"
    expected = {name: array for name, array in dump.items() if name != "q"}
    critics = dump["q"] if isinstance(dump["q"], tuple) else None
    expected |= (
        {"q": dump["q"]}
        if critics is None
        else {f"q{number}": critic for number, critic in enumerate(critics, start=1)}
    )
    if not all(kept_by(suffix, array) for array in expected.values()):
        with pytest.raises(InputError, match=r"bfloat16, which \.npz files cannot keep"):
            softcheck.save_case(path, **dump)
        return
    softcheck.save_case(path, **dump)
    found = read(path)
    if "log_alpha" in expected:
        expected["alpha"] = expected.pop("log_alpha")
    assert found.keys() == expected.keys()
    assert [name for name in expected if not same(found[name], expected[name])] == []


class OnlyDLPack:
    """An array of a library that NumPy does not know."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def tensor(array, dtype):
    """Return a tensor that is part of a graph, on a layout NumPy would not choose."""
    leaf = torch.tensor(array.T.copy(), dtype=dtype, requires_grad=True)
    return (leaf * 1).T


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda array: tensor(array, torch.float32), "float32"),
        (lambda array: tensor(array, torch.float64), "float64"),
        (lambda array: tensor(array, torch.float16), "float16"),
        (lambda array: tensor(array, torch.bfloat16), "bfloat16"),
        (lambda array: torch.nn.Parameter(torch.tensor(array)), "float64"),
        (lambda array: jnp.asarray(array, dtype=jnp.float32), "float32"),
        (lambda array: jnp.asarray(array, dtype=jnp.bfloat16), "bfloat16"),
        (OnlyDLPack, "float64"),
        (lambda array: array.tolist(), "float64"),
    ],
    ids=[
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "parameter",
        "jax",
        "jax16",
        "dlpack",
        "list",
    ],
)
def test_arrays_of_other_libraries_keep_values_and_type(tmp_path, make, dtype, suffix):
    path = tmp_path / f"step{suffix}"
    expected = Q.astype(dtype)
    dump = {"q": make(Q), "logits": make(Q), "grad": make(Q), "alpha": torch.tensor(ALPHA)}
    if not kept_by(suffix, expected):
        with pytest.raises(InputError, match="safetensors"):
            softcheck.save_case(path, **dump)
        return
    softcheck.save_case(path, **dump)
    found = read(path)
    assert [same(found[name], expected) for name in ("q", "logits", "grad")] == [True] * 3
    assert same(found["alpha"], np.float32(ALPHA))
    softcheck.verify(**dump)


def test_the_program_reads_it(tmp_path):
    path = tmp_path / "step.npz"
    softcheck.save_case(path, q=(Q, Q + 1), logits=LOGITS, grad=GRAD, alpha=ALPHA)
    assert program("verify", path, "--reduction", "mean", "--strict").code == 0
    assert program("verify", path, "--reduction", "sum").code == 1


# Mistakes show where the dump is made.


SPARSE = torch.eye(4).to_sparse()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grad": GRAD[1:]}, r"grad: found shape \(7, 4\), expected \(8, 4\)"),
        ({"grad": GRAD.T}, "Transpose it"),
        ({"q": np.stack([Q, Q])}, r"logits: found shape \(8, 4\).*separate arrays q1 and q2"),
        ({"alpha": np.ones(7)}, r"alpha: found shape \(7,\)"),
        ({"alpha": None}, "found no alpha"),
        ({"log_alpha": 0.0}, "a second array for alpha"),
        ({"weigths": np.ones(8)}, r"weigths: found a name without a role.*'weights'"),
        ({"mask": np.full(Q.shape, 1j)}, "mask: found complex numbers"),
        ({"q": Q > 0}, "q: found booleans"),
        ({"q": Q + 0j}, "q: found complex numbers"),
        ({"q": Q.astype("longdouble")}, "q: found longdouble|q: found float128"),
        ({"grad": np.array("steep")}, "grad: found text"),
        ({"grad": SPARSE}, "grad: found TypeError"),
        ({"q": torch.ones(8, 4).to(torch.float8_e5m2)}, "q: found TypeError.*Float8_e5m2"),
        ({"q": np.ma.masked_less(Q, 0)}, r"q: found a masked array.*~value\.mask as mask"),
        ({"q": (Q, Q[0])}, r"q2: found shape \(4,\)"),
        ({"q": np.ones((0, 4)), "logits": np.ones((0, 4)), "grad": None}, "at least one state"),
    ],
)
def test_a_wrong_dump_is_refused_and_leaves_nothing(tmp_path, changed, said):
    dump = {"q": Q, "logits": LOGITS, "grad": GRAD, "alpha": ALPHA} | changed
    with pytest.raises(SoftcheckError, match=said) as refused:
        softcheck.save_case(tmp_path / "step.npz", **dump)
    assert "\n" not in str(refused.value)
    assert [*tmp_path.iterdir()] == []


def test_what_is_being_traced_has_no_numbers_yet():
    @jax.jit
    def step(q):
        softcheck.save_case("step.npz", q=q, logits=q, alpha=ALPHA)

    with pytest.raises(InputError, match="outside of a traced or compiled function"):
        step(jnp.ones((8, 4)))


@pytest.mark.parametrize("name", ["step", "step.pt", "step.npy", "none/step.npz", "file/step.npz"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises((UsageError, OutputError), match=r"step"):
        softcheck.save_case(tmp_path / name, q=Q, logits=LOGITS, alpha=ALPHA)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_only_a_regular_file_is_replaced(tmp_path):
    dump = {"q": Q, "logits": LOGITS, "alpha": ALPHA}
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(OutputError, match="no regular file there"):
        softcheck.save_case(tmp_path / "folder.npz", **dump)
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    link.symlink_to(real)
    softcheck.save_case(link, **dump)
    softcheck.save_case(link, **dump | {"q": Q + 1})
    assert link.is_symlink()
    assert same(read(real)["q"], Q + 1)
    reference = tmp_path / "reference"
    reference.touch()
    assert real.stat().st_mode == reference.stat().st_mode


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "step.npz"
    softcheck.save_case(path, q=Q, logits=LOGITS, alpha=ALPHA)
    before = path.read_bytes()

    def full(file, **_arrays):
        file.write(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device"):
        softcheck.save_case(path, q=Q + 1, logits=LOGITS, alpha=ALPHA)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == before


def test_threads_that_write_one_file_leave_one_of_theirs(tmp_path):
    path = tmp_path / "step.npz"

    def write(number):
        softcheck.save_case(path, q=Q + number, logits=LOGITS, alpha=float(number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(path)
    assert same(found["q"], Q + found["alpha"])
    assert [*tmp_path.iterdir()] == [path]


# The message of a failing test.


SUITE = """
import unittest

import numpy as np
import softcheck

dump = dict(np.load("dump.npz"))


def test_right():
    softcheck.assert_gradient(**dump | {"grad": dump["right"]}, reduction="mean")


def test_actor():
    softcheck.assert_gradient(**dump, reduction="mean")


def test_shape():
    softcheck.assert_gradient(**dump | {"grad": dump["grad"][1:]}, reduction="mean")


class TestActor(unittest.TestCase):
    def test_gradient(self):
        softcheck.assert_gradient(**dump, reduction="mean")
"""


@pytest.fixture
def suite(tmp_path):
    """Make a suite of someone's tests, for a gradient without alpha."""
    (tmp_path / "test_x.py").write_text(SUITE.replace('dump["right"]', 'np.load("right.npy")'))
    np.save(tmp_path / "right.npy", GRAD)
    softcheck.save_case(tmp_path / "dump.npz", q=Q, logits=LOGITS, grad=autograd(1.0), alpha=ALPHA)

    def run(*command, **environment):
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env={"PATH": "", "PYTHONPATH": str(Path(softcheck.__file__).parents[1]), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        ).stdout

    return run


def test_pytest_prints_the_mistake_first_and_nothing_of_this_package(suite):
    printed = suite("pytest", "-p", "no:cacheprovider", "test_x.py", CI="1")
    first = "AssertionError: alpha is missing before log pi (missing-alpha). Explains all 32 wrong"
    assert f"E       {first} entries" in printed
    assert "E         + loss = (pi * (alpha * log_pi - q))" in printed
    assert "E         gradient[" in printed
    assert "softcheck/api.py" not in printed
    summary = printed.split("short test summary info")[1]
    assert f"FAILED test_x.py::test_actor - {first}" in summary
    assert "FAILED test_x.py::test_shape - softcheck.errors.InputError: grad: found sh" in summary
    assert "test_right" not in printed
    failures = printed.split("____ test_actor ____")[1].split("____ test_shape ____")[0]
    assert len(failures.splitlines()) < 25


def test_the_mistake_is_in_the_first_80_columns_of_the_summary(suite):
    printed = suite("pytest", "-p", "no:cacheprovider", "test_x.py", COLUMNS="80")
    assert "test_x.py::test_actor - AssertionError: alpha is missing before" in printed


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ({"grad": np.where(GRAD.max() == GRAD, 7.25, GRAD)}, "few entries are wrong and all"),
        ({"grad": np.random.default_rng(1).normal(size=Q.shape)}, "no known mistake gives these"),
        ({"policy": np.full(Q.shape, 0.25)}, "policy is the first wrong quantity"),
        ({"q": Q + 1e8, "grad": np.zeros(Q.shape, np.float16)}, "gradient inconclusive: all 32"),
        ({"alpha": None, "log_alpha": np.log(ALPHA), "strict": True}, "note: alpha is the expon"),
    ],
)
def test_every_failure_has_a_first_line_of_its_own(given, first):
    arrays = {"q": Q, "logits": LOGITS, "grad": GRAD, "alpha": ALPHA, "reduction": "mean"}
    with pytest.raises(AssertionError, match=f"^{first}") as raised:
        softcheck.assert_gradient(**arrays | given)
    lines = str(raised.value).splitlines()
    assert len(lines) < 20
    assert all(line.startswith("  ") for line in lines[1:])


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({"grad": GRAD}, True),
        ({}, True),
        ({"grad": autograd(alpha=1.0)}, False),
        ({"q": Q + 1e8, "grad": np.zeros(Q.shape, np.float16)}, False),
    ],
)
def test_a_report_is_true_if_it_passed_so_that_it_can_be_asserted(given, passed):
    arrays = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "reduction": "mean"}
    made = softcheck.verify(**arrays | given)
    assert (made.status is softcheck.Status.PASSED) is passed
    assert bool(made) is passed


def test_a_gradient_can_be_required():
    arrays = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "reduction": "mean"}
    assert softcheck.verify(**arrays, grad=GRAD, require_gradient=True)
    assert softcheck.verify(**arrays, require_gradient=False)
    with pytest.raises(SoftcheckError, match="no gradient, expected grad or gradient"):
        softcheck.verify(**arrays, require_gradient=True)


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("reduction", "avg", 'reduction: found "avg", expected one of sum, none, mean'),
        ("samples", 1.5, "samples: found 1.5, expected a whole number"),
        ("compute_dtype", np.float32, "compute_dtype: found <class 'numpy.float32'>, expected one"),
        ("action_axis", "last", "found last, expected an axis of q"),
        ("action_axis", 1.0, "found 1.0, expected an axis of q"),
        ("arrays", [1, 2], "arrays: found a list, expected arrays by their names"),
    ],
)
def test_an_argument_that_is_none_is_refused_by_its_name(argument, value, said):
    with pytest.raises(UsageError) as error:
        softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=GRAD, **{argument: value})
    assert str(error.value).removeprefix("action_axis: ").startswith(said)


def test_a_report_has_the_forms_of_the_program_and_speaks_of_arguments():
    made = softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=GRAD)
    assert 'declare it: reduction="mean"' in str(made)
    with pytest.raises(UsageError, match='form: found "pdf", expected one of text, concise'):
        made.render("pdf")


@pytest.mark.parametrize("scale", [1e-300, 1e12, 1e300])
@pytest.mark.parametrize("of_q", [1.0, 1e-305])
def test_numbers_of_any_size_are_reported_in_every_form(scale, of_q):
    for grad in (GRAD * scale, np.where(np.arange(4) == 1, scale, GRAD)):
        made = softcheck.verify(q=Q * of_q, logits=LOGITS, alpha=ALPHA, grad=grad)
        assert all(map(made.render, FORMATS))


def test_a_scale_that_no_number_can_hold_has_no_name():
    weights = np.random.default_rng(0).random(8) * 1e265
    made = softcheck.verify(
        q=Q * 1e12, logits=LOGITS, alpha=ALPHA, grad=GRAD * 1e131, weights=weights
    )
    assert "loss-scaled" not in str(made)


# The package.


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_importing_the_package_loads_one_module_of_it_and_none_of_anyone_else():
    loaded = python(
        "import sys; before = {*sys.modules}; import softcheck; print(*{*sys.modules} - before)"
    ).split()
    ours = [name for name in loaded if name.partition(".")[0] == "softcheck"]
    others = {name.partition(".")[0] for name in loaded} - {"softcheck"}
    assert ours == ["softcheck"]
    assert others <= sys.stdlib_module_names
    assert len(loaded) < 30


def test_numpy_users_never_import_torch_or_jax(tmp_path):
    code = f"""
import sys, numpy as np, softcheck
q = np.ones((3, 2))
for suffix in {SUFFIXES}:
    softcheck.save_case({str(tmp_path / "x")!r} + suffix, q=q, logits=q, alpha=1.0)
softcheck.verify(q=q, logits=q, alpha=1.0)
print(sorted({{"torch", "jax", "h5py", "pyarrow"}} & sys.modules.keys()))
"""
    assert python(code) == "[]\n"


def test_every_public_name_is_there_and_stays_itself():
    for name in softcheck.__all__:
        assert getattr(softcheck, name) is getattr(softcheck, name)
    assert {*softcheck.__all__} <= {*dir(softcheck)}
    assert callable(softcheck.capture)
    with pytest.raises(AttributeError, match="'captur'"):
        softcheck.captur  # noqa: B018  reading it is the test


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"reducton": "mean"},
            "found a text, expected an array. Did you mean 'reduction'",
        ),
        ({"action_axis": 5}, "action_axis: found 5, expected an axis of q"),
        (
            {"require_gradient": True, "grad": None},
            "require_gradient. Dump it too, or give grad",
        ),
        ({"reduction": "weighted-mean"}, "reduction: found weighted-mean, but no weights"),
        ({"q": Q * np.nan}, "Mask the action (mask) or fix the dump"),
    ],
)
def test_errors_of_a_call_speak_of_its_arguments(changed, says):
    with pytest.raises(softcheck.SoftcheckError) as caught:
        softcheck.verify(**{"q": Q, "logits": LOGITS, "grad": GRAD, "alpha": ALPHA, **changed})
    assert says in str(caught.value)
    assert "--" not in str(caught.value)


def test_help_tells_every_argument():
    said = pydoc.render_doc(softcheck.verify, renderer=pydoc.plaintext)
    assert "q: 'ArrayLike | tuple[ArrayLike, ...] | None' = None" in said
    for name in softcheck.api.Options.__annotations__:
        assert re.search(rf"(?m)^ +(\w+, )*{name}(, \w+)* : ", said), name
