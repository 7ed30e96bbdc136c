"""Roles, aliases, shapes and labels: what makes a case, and what it refuses."""

import errno
import json
import math
import os
import socket
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from gathering import digests, gather, read_all

from softcheck.errors import InputError, NothingToCheckError, SoftcheckError, UsageError
from softcheck.tables import ROLES, Kind, case_from_arrays, files, open_case

ALIASES = [(alias, role.name) for role in ROLES.values() for alias in role.names]


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("files", [["grads.npy"], ["grads-0.npy", "grads-1.npy"]])
def test_a_file_whose_name_is_a_slip_for_a_role_is_refused(files, arrays):
    grad = arrays.pop("grad")
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    Path("grads.png").touch()
    assert "'grads.png'" in open_case(".", {}).notes[0]
    for file, part in zip(files, np.array_split(grad, len(files)), strict=True):
        np.save(file, part)
    with pytest.raises(InputError, match=r"found 'grads.*\.npy', but no grad, expected grad or"):
        open_case(".", {})
    assert "grad" in open_case(".", {}, names={"grad": "grads"}).tables


def test_a_slip_for_a_role_that_is_there_is_a_note(arrays):
    path = save("case.npz", **arrays, grads=np.ones((7, 3)), logit=np.ones((7, 3)))
    assert open_case(path, {}).notes == (
        "not loaded, because no role has this name: 'grads', 'logit'",
    )
    q = arrays.pop("q")
    path = save("case.npz", **arrays, q1=q, q2=q, q_value=q)
    assert open_case(path, {}).notes == ("not loaded, because no role has this name: 'q_value'",)


@pytest.mark.parametrize(("alias", "role"), ALIASES)
def test_aliases(alias, role, arrays):
    shapes = {Kind.TABLE: (7, 3), Kind.STATE: (7,), Kind.NUMBER: (7,)}
    arrays.pop(role, None)
    arrays[alias] = np.ones(shapes[ROLES[role].kind], bool if role == "mask" else float)
    case = open_case(save("case.npz", **arrays), {})
    assert role in case.tables
    assert case.notes == (
        ("alpha is the exponential of case.npz::log_alpha",) if alias == "log_alpha" else ()
    )


@pytest.mark.parametrize(("alias", "role"), [pair for pair in ALIASES if pair[0] != pair[1]])
def test_two_names_of_one_meaning(alias, role, arrays):
    arrays |= {role: arrays.get(role, np.ones((7, 3))), alias: np.ones((7, 3))}
    with pytest.raises(InputError, match=f"a second array for {role}"):
        open_case(save("case.npz", **arrays), {})


def test_what_a_case_says_of_itself(arrays):
    case = open_case(save("case.npz", **arrays, extra=np.zeros(2)), {})
    assert (case.name, case.shape, case.states, case.actions) == ("case.npz", (7,), 7, 3)
    assert case.action_axis == 1
    assert case.notes == ("not loaded, because no role has this name: 'extra'",)
    assert [(i.role, i.path, i.key, i.shape) for i in case.inputs] == [
        (role, "case.npz", role, np.shape(array)) for role, array in arrays.items()
    ]
    (digest,) = set(digests(case).values())
    assert len(digest) == 64
    assert case.place("grad", 3, 1) == "case.npz::grad[3, 1]"


@pytest.mark.parametrize("names", [("q1", "q2"), ("qf2", "qf1"), ("q10", "q2", "qf1")])
def test_twin_critics_come_in_order(names, arrays):
    arrays |= {name: arrays["q"] + i for i, name in enumerate(names)}
    del arrays["q"]
    case = open_case(save("case.npz", **arrays), {})
    critics = [role for role in case.tables if role.startswith("q")]
    assert critics == sorted((n.replace("f", "") for n in names), key=lambda n: int(n[1:]))


def test_a_lone_critic_is_q(arrays):
    arrays["q1"] = arrays.pop("q")
    assert "q" in open_case(save("case.npz", **arrays), {}).tables


def test_several_q_options_are_critics(arrays):
    np.save("a.npy", arrays["q"])
    save("b.npz", q=arrays["q"] + 1)
    save("rest.npz", logits=arrays["logits"], alpha=0.1)
    found = read_all("rest.npz", {"q": ["a.npy", "b.npz"]})
    np.testing.assert_array_equal(found["q2"], found["q1"] + 1)


@pytest.mark.parametrize("name", ["q", "q1"])
def test_an_array_of_the_case_given_again(name, arrays):
    arrays[name] = arrays.pop("q")
    path = save("case.npz", **arrays)
    np.save("other.npy", arrays[name])
    with pytest.raises(UsageError, match="a second array for q"):
        open_case(path, {"q": ["other.npy"]})
    with pytest.raises(UsageError, match="--alpha: found a second array"):
        open_case(path, {"alpha": ["0.3"]})


def test_an_option_that_takes_one_array(arrays):
    np.save("a.npy", arrays["q"])
    with pytest.raises(UsageError, match="--log-policy: found 2 arrays"):
        open_case(None, {"log_policy": ["a.npy", "a.npy"]})


@pytest.mark.parametrize("text", ["0.2", ".2", "2e-1"])
def test_alpha_may_be_a_number(text, arrays):
    save("case.npz", q=arrays["q"], logits=arrays["logits"])
    case = open_case("case.npz", {"alpha": [text]})
    assert case.scalars == {"alpha": 0.2}
    (alpha,) = [i for i in case.inputs if i.role == "alpha"]
    assert (alpha.path, alpha.key, alpha.dtype, alpha.sha256) == (None, None, "float64", None)


@pytest.mark.parametrize("shape", [(), (1,), (7,)])
def test_log_alpha_is_exponentiated_in_double_precision(shape, arrays):
    arrays["log_alpha"] = np.full(shape, -1.5, np.float32)
    del arrays["alpha"]
    case = open_case(save("case.npz", **arrays), {})
    alpha = gather(case)["alpha"]
    np.testing.assert_array_equal(alpha, np.exp(np.float64(-1.5)) * np.ones(np.shape(alpha)))
    assert case.notes == ("alpha is the exponential of case.npz::log_alpha",)
    assert case.tables["alpha"].dtype == np.float64
    assert [i.dtype for i in case.inputs if i.role == "alpha"] == ["float32"]


def test_log_alpha_by_key_or_by_file_name(arrays):
    save("case.npz", q=arrays["q"], logits=arrays["logits"])
    save("more.npz", log_alpha=0.0)
    np.save("log_alpha.npy", 0.0)
    for place in ("more.npz::log_alpha", "more.npz", "log_alpha.npy"):
        case = open_case("case.npz", {"alpha": [place]})
        assert case.scalars["alpha"] == 1.0
        assert case.notes == (f"alpha is the exponential of {case.given['alpha'].where}",)


def test_only_alpha_is_given_by_its_logarithm(arrays):
    save("case.npz", **arrays)
    np.savez("more.npz", log_alpha=np.full(7, -1.5))
    case = open_case("case.npz", {"weights": ["more.npz::log_alpha"]})
    assert (gather(case)["weights"] == -1.5).all()
    assert case.notes == ()


def test_a_key_is_split_at_the_last_colons(arrays):
    save("odd::name.npz", **arrays)
    save("q.npz::q.npz", **arrays)
    rest = {"logits": ["odd::name.npz"], "alpha": ["odd::name.npz::alpha"]}
    for place in ("odd::name.npz::q", "odd::name.npz", "q.npz::q.npz"):
        np.testing.assert_array_equal(read_all(None, rest | {"q": [place]})["q"], arrays["q"])


def test_keys_that_are_not_there(arrays):
    save("case.npz", weird=arrays["q"], odd=arrays["q"])
    np.save("q.npy", arrays["q"])
    with pytest.raises(InputError, match=r"one of 'weird', 'odd'. Did you mean 'weird'?"):
        open_case(None, {"q": ["case.npz::wierd"]})
    with pytest.raises(InputError, match="Leave out '::q'"):
        open_case(None, {"q": ["q.npy::q"]})
    with pytest.raises(InputError, match="the arrays 'weird', 'odd'"):
        open_case(None, {"q": ["case.npz"]})


def test_a_file_without_key_gives_what_its_names_mean(arrays):
    save("case.npz", **arrays)
    save("lone.npz", arr_0=arrays["q"])
    save("wrong.npz", logits=arrays["q"])
    rest = {"logits": ["case.npz"], "alpha": ["case.npz"]}
    np.testing.assert_array_equal(read_all(None, rest | {"q": ["lone.npz"]})["q"], arrays["q"])
    with pytest.raises(InputError, match="one array for q"):
        open_case(None, rest | {"q": ["wrong.npz"]})


def test_missing_roles_list_what_is_there(arrays):
    with pytest.raises(InputError, match="no q among 'logits', 'alpha', 'Qs'"):
        open_case(save("case.npz", Qs=1, logits=arrays["logits"], alpha=1), {})
    with pytest.raises(InputError, match="case: found no q, expected"):
        open_case(None, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.ones((7, 4))}, r"shape \(7, 4\), expected \(7, 3\)"),
        ({"logits": np.ones((3, 7))}, "Transpose it"),
        ({"q": np.ones((2, 7, 3))}, "as separate arrays q1 and q2"),
        ({"alpha": np.ones(3)}, r"shape \(3,\), expected \(7,\)"),
        ({"alpha": np.ones((7, 2))}, "with this very shape; nothing is broadcast"),
        ({"mask": np.ones((7, 1), bool)}, r"save numpy.broadcast_to\(array, \(7, 3\)\)"),
        ({"mask": np.ones(3, bool)}, r"numpy.broadcast_to\(array.reshape\(1, 3\), \(7, 3\)\)"),
        ({"mask": np.ones((1, 7, 3), bool)}, r"Save it as array.reshape\(7, 3\)"),
        ({"logits": np.ones((7, 3, 1))}, r"Save it as array.reshape\(7, 3\)"),
        ({"weights": np.ones(())}, r"shape \(\), expected \(7,\)"),
        ({"q": np.float64(1)}, "a single number"),
        ({"logits": np.ones((7, 3), bool)}, "booleans, expected numbers for logits"),
        ({"loss": np.ones((7, 3), bool)}, "booleans, expected numbers for loss"),
        ({"q": np.ones((7, 3), complex)}, "complex numbers"),
        ({"q": np.ones((7, 3), np.longdouble)}, "expected float16"),
    ],
)
def test_arrays_that_do_not_fit(changes, message, arrays):
    with pytest.raises(InputError, match=message) as error:
        case_from_arrays(arrays | changes)
    assert error.value.where == next(iter(changes)) or "q" in changes


SHAPES = {
    (): [(), (1,), (1, 1)],
    (1,): [(), (1,), (1, 1), (1, 1, 1)],
    (5,): [(5,), (5, 1), (1, 5), (1, 5, 1)],
    (2, 5): [(2, 5), (2, 5, 1), (1, 2, 5)],
    (5, 1): [(5, 1), (5,), (1, 5)],
    (1, 5, 1): [(5,), (5, 1), (1, 5, 1)],
    (2, 1, 5): [(2, 1, 5), (2, 1, 5, 1)],
}


@pytest.mark.parametrize(
    ("states", "shape"), [(states, shape) for states, shapes in SHAPES.items() for shape in shapes]
)
@pytest.mark.parametrize("saved", [False, True])
def test_axes_of_length_1_around_the_states_are_no_matter(states, shape, saved):
    table = np.zeros((*states, 2))
    numbers = np.arange(1.0, math.prod(shape) + 1)
    roles = ("alpha", "weights", "loss", "value")
    arrays = {"q": table, "logits": table} | dict.fromkeys(roles, numbers.reshape(shape))
    case = open_case(save("case.npz", **arrays), {}) if saved else case_from_arrays(arrays)
    assert case.shape == states
    found = gather(case, rows=2)
    for role in roles:
        np.testing.assert_array_equal(np.ravel(found[role]), numbers)
    assert {i.shape for i in case.inputs} == {table.shape, shape}


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1)])
def test_a_number_with_axes_of_length_1(shape, arrays):
    case = case_from_arrays(arrays | {"alpha": np.full(shape, 0.2), "loss": np.full(shape, 2.0)})
    assert case.scalars == {"alpha": 0.2, "loss": 2.0}


@pytest.mark.parametrize(
    ("states", "shape", "repeated"),
    [
        ((6, 2), (2,), "numpy.broadcast_to(array.reshape(1, 2), (6, 2))"),
        ((6, 2), (6,), "numpy.broadcast_to(array.reshape(6, 1), (6, 2))"),
        ((6, 2), (1, 2), "numpy.broadcast_to(array, (6, 2))"),
        ((3, 3), (3,), None),
        ((2, 1, 5), (2, 5), None),
        ((6, 2), (3,), None),
    ],
)
def test_an_alpha_for_each_agent_is_told_what_to_do(states, shape, repeated):
    table = np.zeros((*states, 4))
    with pytest.raises(InputError) as error:
        case_from_arrays({"q": table, "logits": table, "alpha": np.ones(shape)})
    hint = "Save it with this very shape; nothing is broadcast."
    if repeated is not None:
        hint = f"Nothing is broadcast. If it is meant for all alike, save {repeated}."
        array = np.arange(math.prod(shape)).reshape(shape)
        made = eval(repeated, {"numpy": np, "array": array})  # noqa: S307 # text of this table
        assert made.shape == states
    assert error.value.hint == hint


@pytest.mark.parametrize("shape", [(0, 3), (7, 0), (0,)])
def test_nothing_to_check(shape):
    empty = np.ones(shape)
    with pytest.raises(NothingToCheckError):
        case_from_arrays({"q": empty, "logits": empty, "alpha": 1.0})


@pytest.mark.parametrize("axis", [-3, 2, 99])
def test_an_axis_that_does_not_exist(axis, arrays):
    with pytest.raises(UsageError, match=r"from -2 to 1"):
        case_from_arrays(arrays, action_axis=axis)


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_integers_that_float64_cannot_hold(number, rows, arrays):
    arrays["q"] = np.zeros((4, 3, 7), np.int64)
    arrays["q"][2, 1, 5] = number
    arrays = arrays | {"logits": np.zeros((4, 3, 7)), "alpha": 0.1}
    del arrays["grad"]
    case = open_case(save("case.npz", **arrays), {}, action_axis=1)
    with pytest.raises(InputError, match=rf"case.npz::q\[2, 1, 5\]: found the integer {number}"):
        gather(case, rows)


def test_the_largest_exact_integers(arrays):
    arrays["q"] = np.full((7, 3), 2**53)
    arrays["logits"] = np.full((7, 3), -(2**53))
    assert gather(case_from_arrays(arrays))["q"][0, 0] == 2**53


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.bool, np.float16, ml_dtypes.bfloat16])
def test_masks(dtype, arrays):
    mask = np.arange(21).reshape(7, 3) % 2
    found = gather(case_from_arrays(arrays | {"mask": mask.astype(dtype)}))["mask"]
    assert found.dtype == np.bool
    np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("dtype", [np.bool, np.int8, np.float32])
def test_weights_of_truth_values(dtype, arrays):
    weights = (np.arange(7) % 3 == 0).astype(dtype)
    found = gather(open_case(save("case.npz", **arrays, weights=weights), {}))["weights"]
    np.testing.assert_array_equal(found.astype(float), [1, 0, 0, 1, 0, 0, 1])


@pytest.mark.parametrize("number", [0.5, np.nan, -np.inf, 2.0])
def test_a_mask_of_other_floats(number, arrays):
    mask = np.ones((7, 3))
    mask[4, 2] = number
    case = open_case(save("case.npz", **arrays, mask=mask), {})
    with pytest.raises(InputError, match=rf"mask\[4, 2\]: found {number}, expected 0 or 1"):
        gather(case, 3)


@pytest.mark.parametrize("dtype", [np.int8, np.bool])
def test_a_mask_of_other_numbers(dtype, arrays):
    mask = np.ones((7, 3), np.int8)
    mask[4, 2] = 2
    case = open_case(save("case.npz", **arrays, mask=mask.view(dtype)), {})
    with pytest.raises(InputError, match=r"case.npz::mask\[4, 2\]: found 2, expected 0 or 1"):
        gather(case, 3)


def test_a_single_state():
    case = case_from_arrays({"q": [1, 2.0], "logits": [0, 0.0], "alpha": 1, "weights": 2.0})
    found = gather(case)
    assert (case.shape, case.states, case.actions) == ((), 1, 2)
    np.testing.assert_array_equal(found["q"], [[1, 2]])
    np.testing.assert_array_equal(found["weights"], [2.0])
    assert case.location(0, 1) == (1,)
    assert case.location(0) == ()


def test_one_state_of_many():
    case = case_from_arrays({"q": [[1, 2]], "logits": [[0, 0]], "alpha": [1.0], "loss": [2.0]})
    assert case.scalars == {}
    np.testing.assert_array_equal(gather(case)["loss"], [2.0])


def test_arrays_of_other_libraries():
    tensor = torch.arange(6.0).reshape(2, 3)
    case = case_from_arrays({"q": tensor, "logits": tensor, "alpha": 0.5}, name="mine")
    assert (case.name, case.inputs[0].path, case.inputs[0].dtype) == ("mine", None, "float32")
    with pytest.raises(InputError, match=r"logit: found a name without a role.*'logits'"):
        case_from_arrays({"logit": tensor})


# Labels.


def labelled(states, actions="xy", start=0.0):
    return {s: {a: start + 10 * i + j for j, a in enumerate(actions)} for i, s in enumerate(states)}


def test_labels_that_differ():
    value = {"q": labelled("abc"), "logits": labelled("abd"), "alpha": 1}
    Path("case.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"no states 'c' but the states 'd'.*the states of q"):
        open_case("case.json", {})
    value = {"q": labelled("abc"), "logits": labelled("dabc"), "alpha": 1}
    Path("case.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"logits: found the states 'd', expected the states of q"):
        open_case("case.json", {})
    value = {"q": labelled("abc"), "logits": labelled("cab", "xz"), "alpha": 1}
    Path("case.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="no actions 'y' but the actions 'z'"):
        open_case("case.json", {})


def test_labelled_tables_whose_rows_are_actions():
    q = {a: {s: 10.0 * i + j for j, s in enumerate("abc")} for i, a in enumerate(["left", "right"])}
    Path("q.json").write_text(json.dumps(q))
    Path("logits.csv").write_text("action,c,a,b\nright,12,10,11\nleft,2,0,1\n")
    np.save("grad.npy", [[0.0, 1, 2], [10, 11, 12]])
    Path("alpha.json").write_text(json.dumps({"b": 2, "a": 1, "c": 3}))
    files = {role: [f"{role}.json"] for role in ("q", "alpha")}
    files |= {"logits": ["logits.csv"], "grad": ["grad.npy"]}
    case = open_case(None, files, action_axis=0)
    assert (case.shape, case.actions) == ((3,), 2)
    assert (case.state_labels, case.action_labels) == (tuple("abc"), ("left", "right"))
    found = gather(case)
    for role in ("q", "logits", "grad"):
        np.testing.assert_array_equal(found[role], [[0, 10], [1, 11], [2, 12]])
    np.testing.assert_array_equal(found["alpha"], [1, 2, 3])
    assert case.place("logits", 1, 0) == "logits.csv[left, b]"
    with pytest.raises(UsageError, match=r"a row for each action.*Say --action-axis 0"):
        open_case(None, files)


def test_an_axis_for_what_says_its_states_and_actions():
    lines = "state,action,q,logits,alpha\n0,x,1,2,1\n0,y,1,2,1\n"
    Path("case.csv").write_text(lines)
    with pytest.raises(UsageError, match=r"expected axis 1, because case\.csv::q has a row for"):
        open_case("case.csv", {}, action_axis=0)


def test_a_misplaced_number_is_named_in_its_own_file():
    mask = {"b": [0, 1], "a": [1, 7]}
    value = {"q": labelled("ab"), "logits": labelled("ba"), "alpha": 1, "mask": mask}
    Path("case.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"mask\[1, 1\]: found 7"):
        gather(open_case("case.json", {}))


# Folders.


def test_a_folder(arrays):
    for role in ("q", "grad"):
        np.save(f"{role}.npy", arrays[role])
    np.save("theta.npy", np.asfortranarray(arrays["logits"]))
    Path("log_alpha.json").write_text("0")
    Path("README").write_text("words")
    Path("expected.json").write_text("not JSON")
    Path("q.txt").write_text("not a format")
    Path(".q.npy").write_text("hidden")
    Path("mask").mkdir()
    os.mkfifo("notes")
    case = open_case(".", {})
    assert case.notes == (
        "not loaded, because no role has this name: 'README', 'expected.json', 'notes', 'q.txt'",
        "alpha is the exponential of log_alpha.json",
    )
    found = gather(case)
    np.testing.assert_array_equal(found["logits"], arrays["logits"])
    assert found["alpha"] == 1.0
    assert len(set(digests(case).values())) == 4


def test_two_files_for_one_role(arrays):
    np.save("q.npy", arrays["q"])
    Path("q_values.json").write_text("[[1]]")
    with pytest.raises(InputError, match=r"q_values.json: found a second array for q"):
        open_case(".", {})


def test_a_link_to_a_file_is_followed_and_one_to_nothing_is_not(arrays):
    path = save("case.npz", **arrays)
    Path("link.npz").symlink_to(path)
    assert open_case("link.npz", {}).states == 7
    Path("broken.npz").symlink_to("nowhere.npz")
    with pytest.raises(InputError, match=r"broken.npz: found no such file"):
        open_case("broken.npz", {})


# What is no regular file is never opened; these tests would hang.


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL = {"a FIFO": os.mkfifo, "a socket": make_socket, "a folder": os.mkdir}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".csv", ".parquet", ".h5", ".pt"])
def test_special_files_are_not_opened(kind, suffix):
    SPECIAL[kind](f"q{suffix}")
    with pytest.raises(InputError, match=f"found {kind}, expected a regular file"):
        open_case(None, {"q": [f"q{suffix}"]})


def test_a_fifo_put_there_after_the_check_cannot_block(monkeypatch):
    os.mkfifo("q.npy")
    monkeypatch.setattr(files.File, "size", lambda file: 0)
    with pytest.raises(InputError, match="found a FIFO"), files.File("q.npy").open():
        pass


def test_a_file_that_is_gone():
    with pytest.raises(InputError, match="found no such file"), files.File("q.npy").open():
        pass


def test_devices_are_not_opened():
    Path("q.npy").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="a device"):
        open_case(".", {})


def test_a_file_without_permission(arrays, monkeypatch):
    path = save("case.npz", **arrays)

    def refused(*_arguments, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", refused)  # root may read everything
    with pytest.raises(InputError, match="Permission denied"):
        open_case(path, {})


def test_a_missing_file_offers_the_nearest_name(arrays):
    save("case.npz", **arrays)
    with pytest.raises(InputError, match=r"case.npy: found no such file.*'case.npz'"):
        open_case("case.npy", {})


def test_names_cannot_move_the_cursor():
    name = "evil\x1b[2J\n.npz"
    with pytest.raises(SoftcheckError) as error:
        open_case(name, {})
    assert str(error.value).isprintable()


@pytest.mark.parametrize("path", ["a\0b.npz", "x" * 5000 + ".npz", "x" * 5000 + "::q"])
def test_paths_that_no_file_can_have(path):
    for given in ({}, {"q": [path]}):
        with pytest.raises(InputError):
            open_case(None if given else path, given)


@pytest.mark.parametrize("alpha", ["0,2", "none.npy", "1_000"])
def test_an_alpha_that_is_neither_number_nor_file(arrays, alpha):
    path = save("case.npz", q=arrays["q"], logits=arrays["logits"])
    with pytest.raises(UsageError, match="a number, such as"):
        open_case(path, {"alpha": [alpha]})
