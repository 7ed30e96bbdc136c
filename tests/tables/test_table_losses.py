"""Arrays of any loss: which it has, which numbers they hold, and what a case says in words."""

import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import h5py
import losses_by_hand as losses
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zarr
from gathering import gather
from safetensors.numpy import save_file

from softcheck.errors import InputError, UsageError
from softcheck.gradient.definition import Kind
from softcheck.settings import Settings
from softcheck.shipped import stored
from softcheck.tables import case_from_arrays, open_case
from softcheck.tables.declared import Declared

RNG = np.random.default_rng(11)
LOGITS = RNG.normal(size=(5, 4))
GRAD = RNG.normal(size=(5, 4))
LABELS = np.array([3, 0, 1, 1, 2])
SHARED = {"logits": LOGITS, "grad": GRAD}
KNOWN = Declared(load=losses.load)

SAC = stored("sac")


def declared(loss, **others):
    return Declared(loss, origins={"loss": "--loss", "reduction": "--reduction"}, **others)


def case(loss, name="case", **arrays):
    return case_from_arrays(SHARED | arrays, name=name, declared=declared(loss))


def refused(function, *arguments, error=InputError, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    line = str(caught.value)
    assert len(line) <= 300
    assert "\n" not in line
    return line


def test_a_case_knows_its_loss_and_which_of_its_variants_it_is():
    by_label = case(losses.CROSS_ENTROPY, labels=LABELS)
    by_table = case(losses.CROSS_ENTROPY, targets=np.full((5, 4), 0.25), label_smoothing=0.1)
    assert by_label.loss is by_table.loss is losses.CROSS_ENTROPY
    assert by_label.variant is losses.CROSS_ENTROPY.variants[0]
    assert by_table.variant is losses.CROSS_ENTROPY.variants[1]
    assert [each.role for each in by_label.inputs] == ["logits", "grad", "labels"]
    assert case_from_arrays({"q": LOGITS, "logits": LOGITS, "alpha": 1}).loss is SAC


def test_what_a_case_has_not_got_is_the_default_of_the_loss():
    assert case(losses.CROSS_ENTROPY, labels=LABELS).scalars == {"label_smoothing": 0.0}
    given = case(losses.CROSS_ENTROPY, labels=LABELS, label_smoothing=0.25)
    assert given.scalars == {"label_smoothing": 0.25}
    assert "label_smoothing" not in case(losses.CROSS_ENTROPY, labels=LABELS).tables
    one_a_state = case(losses.CROSS_ENTROPY, labels=LABELS, label_smoothing=np.zeros(5))
    assert one_a_state.scalars == {}


@pytest.mark.parametrize(
    ("loss", "arrays", "says"),
    [
        (
            losses.CROSS_ENTROPY,
            {},
            "case: found no labels and no targets among 'logits', 'grad', expected labels or "
            "targets, for cross-entropy needs one of them. Add one, or give --array labels=F or "
            "--array targets=F.",
        ),
        (
            losses.CROSS_ENTROPY,
            {"labels": LABELS, "targets": GRAD},
            "case: found labels beside targets, expected labels or targets, for cross-entropy "
            "needs one of them. Leave out what is not meant.",
        ),
        (
            losses.REVERSE_KL,
            {"ref_logits": LOGITS},
            "case: found no beta among 'logits', 'grad', 'ref_logits', expected beta or kl_coef "
            "or kl_coeff or kl_beta, for reverse-kl needs it. Add the array under one of these "
            "names, or give --array beta=F.",
        ),
        (
            losses.REVERSE_KL,
            {"beta": 0.1},
            "case: found no ref_log_probs and no ref_logits among 'logits', 'grad', 'beta', "
            "expected ref_log_probs or ref_logits, for reverse-kl needs one of them. Add one, or "
            "give --array ref_log_probs=F or --array ref_logits=F.",
        ),
        (losses.OWN, {"c": np.zeros(5)}, "for the loss needs it"),
        (losses.POLICY_GRADIENT, {}, "for policy-gradient needs it"),
    ],
)
def test_what_a_loss_needs_is_said_where_it_is_missing(loss, arrays, says):
    assert says in refused(case, loss, **arrays)


def test_a_name_that_nearly_is_the_one_of_what_is_missing_is_named():
    np.savez("case.npz", **SHARED, target=LABELS)
    line = refused(open_case, "case.npz", {}, declared=declared(losses.CROSS_ENTROPY))
    assert "Is it 'target'? Rename that array, or give --array targets=PATH::KEY." in line


def test_optional_arrays_tell_variants_apart():
    tables = {"teacher_logits": LOGITS}
    assert case(losses.DISTILLATION, **tables).variant is losses.DISTILLATION.variants[0]
    found = case(losses.DISTILLATION, **tables, beta=0.5, temperature=2.0)
    assert found.variant is losses.DISTILLATION.variants[1]
    assert found.scalars == {"beta": 0.5, "temperature": 2.0}


def test_arrays_that_fit_two_variants_are_refused():
    loss = losses.loss("own", (losses.TEACHER, losses.TAU), (losses.TEACHER, losses.SMOOTHING))
    line = refused(case, loss, teacher_logits=LOGITS)
    assert line == (
        "case: found the arrays of 2 variants of own, expected those of one. Add what tells them "
        "apart: label_smoothing or temperature."
    )
    assert case(loss, teacher_logits=LOGITS, temperature=2.0).variant is loss.variants[0]


def test_temperature_is_that_of_the_logits_where_a_loss_has_one_and_else_alpha():
    assert case(losses.DISTILLATION, teacher_logits=LOGITS, tau=2.0).scalars == {"temperature": 2.0}
    sac = case_from_arrays({"q": LOGITS, "logits": LOGITS, "temperature": 2.0})
    assert sac.scalars == {"alpha": 2.0}
    line = refused(case, losses.CROSS_ENTROPY, labels=LABELS, temperature=2.0)
    assert line.startswith("temperature: found a name without a role, expected one of logits, ")


@pytest.mark.parametrize("name", ["q1", "g", "value", "advantage", "alpha", "log_alpha"])
def test_what_is_of_eq_6_alone_is_no_role_of_others(name):
    assert "a name without a role" in refused(
        case, losses.CROSS_ENTROPY, labels=LABELS, **{name: 1}
    )


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, ">i4", np.float32, np.float64])
def test_labels_are_handed_out_as_whole_numbers_whatever_their_type(dtype):
    found = case(losses.CROSS_ENTROPY, labels=LABELS.astype(dtype))
    for rows in (1, 2, 5):
        labels = gather(found, rows)["labels"]
        assert labels.dtype == np.intp
        np.testing.assert_array_equal(labels, LABELS)
    assert found.inputs[2].dtype == np.dtype(dtype).newbyteorder("=").name


def test_labels_of_sequences_have_the_shape_of_their_states():
    logits = RNG.normal(size=(2, 3, 4))
    labels = np.array([[0, 1, 2], [3, 3, 0]])
    arrays = {"logits": logits, "labels": labels}
    found = case_from_arrays(arrays, declared=declared(losses.CROSS_ENTROPY))
    np.testing.assert_array_equal(gather(found)["labels"], labels.ravel())
    single = case_from_arrays(
        {"logits": logits[0, 0], "labels": 2}, declared=declared(losses.CROSS_ENTROPY)
    )
    assert gather(single)["labels"].tolist() == [2]
    turned = case_from_arrays(
        {"logits": np.moveaxis(logits, -1, 1), "labels": labels},
        action_axis=1,
        declared=declared(losses.CROSS_ENTROPY),
    )
    np.testing.assert_array_equal(gather(turned)["labels"], labels.ravel())
    labels[1, 0] = 4
    line = refused(
        gather, case_from_arrays(arrays, declared=declared(losses.CROSS_ENTROPY)), rows=2
    )
    assert line.startswith("labels[1, 0]: found 4, expected the number of an action, from 0 to 3.")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (4, "found 4, expected the number of an action, from 0 to 3. Check how labels were dumped"),
        (-1, "found -1, expected the number of an action, from 0 to 3. If such states are to be"),
        (-100, "ignore_index = -100, an array of the case or --array ignore_index=-100."),
        (0.5, "found 0.5, expected the number of an action, from 0 to 3"),
        (np.nan, "found NaN, expected the number of an action"),
        (np.inf, "found inf, expected the number of an action"),
        (2.0**60, "found 1.152921504606847e+18, expected the number of an action"),
    ],
)
def test_a_label_that_is_no_action_is_refused_at_its_place(wrong, says):
    labels = LABELS.astype(np.float64)
    labels[3] = wrong
    if wrong == int(np.nan_to_num(wrong)) and abs(wrong) < 2**53:
        labels = labels.astype(np.int64)
    line = refused(gather, case(losses.CROSS_ENTROPY, labels=labels), rows=2)
    assert line.startswith("labels[3]: ")
    assert says in line


def test_one_hot_tables_and_booleans_are_no_labels():
    line = refused(case, losses.CROSS_ENTROPY, labels=np.eye(4)[LABELS])
    assert "array.argmax(-1): one-hot tables are no labels" in line
    assert "booleans" in refused(case, losses.CROSS_ENTROPY, labels=LABELS > 1)


@pytest.mark.parametrize("by", ["mask", "logits"])
def test_a_label_at_a_masked_action_is_refused(by):
    mask = np.ones((5, 4), dtype=bool)
    mask[2, LABELS[2]] = False
    arrays = {"mask": mask} if by == "mask" else {"logits": np.where(mask, LOGITS, -np.inf)}
    line = refused(gather, case(losses.CROSS_ENTROPY, labels=LABELS, **arrays), rows=2)
    assert line.startswith("labels[2]: found action 1, which is masked there, expected a legal")


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 6.0), np.array([1, 1, 0, 1, 1], bool)])
@pytest.mark.parametrize("ignored", [-100, 1])
def test_states_whose_label_is_ignored_have_no_weight(ignored, weights):
    labels = np.where(LABELS == 1, ignored, LABELS)
    arrays = {} if weights is None else {"weights": weights}
    logits = LOGITS.copy()
    logits[2, :3] = -np.inf
    found = case(
        losses.CROSS_ENTROPY, labels=labels, ignore_index=ignored, **arrays | {"logits": logits}
    )
    kept = LABELS != 1
    for rows in (1, 2, 5):
        read = gather(found, rows)
        expected = kept * (1.0 if weights is None else weights)
        np.testing.assert_array_equal(read["weights"], expected)
        np.testing.assert_array_equal(read["labels"][kept], LABELS[kept])
        assert np.isfinite(logits[np.arange(5), read["labels"]]).all(), "of a legal action"
    assert "ignore_index" not in found.tables
    assert "ignore_index" not in found.scalars
    assert [each.role for each in found.inputs if each.role == "ignore_index"]


def test_the_label_of_a_state_without_weight_is_of_no_matter():
    labels = np.where(LABELS == 1, -100, LABELS)
    weights = (LABELS != 1).astype(np.float32)
    read = gather(case(losses.CROSS_ENTROPY, labels=labels, weights=weights))
    np.testing.assert_array_equal(read["labels"][LABELS != 1], LABELS[LABELS != 1])
    np.testing.assert_array_equal(read["weights"], weights)
    weights[2] = np.nan
    refused(gather, case(losses.CROSS_ENTROPY, labels=labels, weights=weights))


def test_the_only_state_may_be_left_out():
    arrays = {"logits": LOGITS[0], "labels": -1, "ignore_index": -1}
    found = case_from_arrays(arrays, declared=declared(losses.CROSS_ENTROPY))
    assert gather(found)["weights"].tolist() == [0.0]


def test_what_is_ignored_is_one_whole_number():
    for wrong in (0.5, np.zeros(5), np.nan):
        refused(case, losses.CROSS_ENTROPY, labels=LABELS, ignore_index=wrong)
    line = refused(case, losses.POLICY_GRADIENT, q=LOGITS, ignore_index=-100)
    assert "a name without a role" in line
    line = refused(case, losses.CROSS_ENTROPY, targets=LOGITS, ignore_index=-100)
    assert line.startswith("ignore_index: found it beside 'logits', 'grad', 'targets',")


def test_numbers_of_actions_count_what_is_in_one_order_alone():
    def opened(logits_actions, grad_actions):
        rows = {
            "logits": [dict(zip(logits_actions, row, strict=True)) for row in LOGITS.tolist()],
            "grad": [dict(zip(grad_actions, row, strict=True)) for row in GRAD.tolist()],
        }
        arrays = {name: dict(zip("vwxyz", table, strict=True)) for name, table in rows.items()}
        arrays["labels"] = dict(zip("vwxyz", LABELS.tolist(), strict=True))
        Path("case.json").write_text(json.dumps(arrays))
        return open_case("case.json", {}, declared=declared(losses.CROSS_ENTROPY))

    for actions in ("abcd", "0123"):
        np.testing.assert_array_equal(gather(opened(actions, actions))["labels"], LABELS)
    for pair in (("abcd", "abdc"), ("1234", "1234"), ("0132", "0132")):
        assert "labels: found numbers of actions, and" in refused(opened, *pair)


@pytest.mark.parametrize(
    ("given", "legal", "illegal"),
    [
        (losses.TARGETS, [0.0, 2.0], [-1e-9, np.inf, np.nan]),
        (losses.BETA, [1e-9, 3.0], [0.0, -1.0, np.inf, np.nan]),
        (losses.REF, [-np.inf, -1.0], [np.inf, np.nan]),
        (losses.TEACHER, [-1e300], [-np.inf, np.inf, np.nan]),
    ],
)
def test_a_role_has_the_numbers_that_its_given_may_have(given, legal, illegal):
    loss = losses.loss("own", (given,))
    arrays = {given.name: 1.0 if given.kind is Kind.NUMBER else LOGITS}
    domain = case(loss, **arrays).roles[given.name].domain
    assert [bool(domain.includes(number)) for number in legal] == [True] * len(legal)
    assert [bool(domain.includes(number)) for number in illegal] == [False] * len(illegal)
    assert domain.includes(np.array(illegal)).tolist() == [False] * len(illegal)


ARRAYS = SHARED | {"labels": LABELS}
WORDS = {"loss": "cross-entropy", "reduction": "mean"}


def write_npz(words):
    np.savez("case.npz", **ARRAYS, **{name: np.array(text) for name, text in words.items()})
    return "case.npz"


def write_json(words):
    lists = {name: array.tolist() for name, array in ARRAYS.items()}
    Path("case.json").write_text(json.dumps(lists | words))
    return "case.json"


def write_pickle(words):
    Path("case.pkl").write_bytes(pickle.dumps(ARRAYS | words))
    return "case.pkl"


def write_safetensors(words):
    save_file(ARRAYS, "case.safetensors", metadata=words or None)
    return "case.safetensors"


def write_hdf5(words):
    with h5py.File("case.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[name] = array
        for name, text in words.items():
            file[name] = text
    return "case.h5"


def write_attributes(words):
    with h5py.File("case.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[name] = array
        for number, (name, text) in enumerate(words.items()):
            file.attrs[name] = np.bytes_(text) if number else text
    return "case.h5"


def write_zarr(words):
    group = zarr.open_group("case.zarr", mode="w")
    for name, array in ARRAYS.items():
        group.create_array(name, data=array)
    group.attrs.update(words)
    return "case.zarr"


def write_torch(words):
    torch.save({name: torch.tensor(array) for name, array in ARRAYS.items()} | words, "case.pt")
    return "case.pt"


def write_folder(words):
    shutil.rmtree("folder", ignore_errors=True)
    Path("folder").mkdir()
    for name, array in ARRAYS.items():
        np.save(f"folder/{name}.npy", array)
    write_words("folder", words)
    return "folder"


def write_words(folder, words):
    for name in WORDS:
        Path(f"{folder}/{name}.txt").unlink(missing_ok=True)
    for name, text in words.items():
        Path(f"{folder}/{name}.txt").write_text(f"{text}\n")


def write_shards(words):
    Path("shards").mkdir(exist_ok=True)
    for number, rows in enumerate((slice(0, 2), slice(2, 5))):
        parts = {name: array[rows] for name, array in ARRAYS.items()}
        np.savez(f"shards/run-{number}.npz", **parts, **words)
    return "shards"


def write_shards_and_words(words):
    write_shards({})
    write_words("shards", words)
    return "shards"


WRITERS = [
    write_npz, write_json, write_pickle, write_safetensors, write_hdf5, write_attributes,
    write_zarr, write_torch, write_folder, write_shards, write_shards_and_words,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
def test_a_case_says_its_loss_and_reduction_in_words(write):
    found = open_case(write(WORDS), {}, declared=KNOWN, allow_pickle=True)
    assert found.loss is losses.CROSS_ENTROPY
    assert found.reduction == "mean"
    assert found.notes == ()
    assert found.settings(Settings(reduction="sum")).reduction == "mean"
    read = gather(found, 2)
    np.testing.assert_array_equal(read["labels"], LABELS)
    np.testing.assert_array_equal(read["logits"], LOGITS)


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_declared_of_a_case_must_be_what_it_says(write):
    path = write(WORDS)
    opened = partial(open_case, path, {}, allow_pickle=True)
    same = declared(losses.CROSS_ENTROPY, reduction="mean", load=losses.load)
    assert opened(declared=same).loss is losses.CROSS_ENTROPY
    other = declared(losses.REINFORCE, load=losses.load)
    assert refused(opened, declared=other).startswith(
        f"{path}::loss: found the loss 'cross-entropy', expected 'reinforce', as --loss says."
    )
    other = declared(None, reduction="sum", load=losses.load)
    assert refused(opened, declared=other).startswith(
        f"{path}::reduction: found the reduction 'mean', expected 'sum', as --reduction says."
    )


@pytest.mark.parametrize("write", WRITERS)
def test_a_case_without_words_is_that_of_the_loss_that_is_declared(write):
    found = open_case(write({}), {}, declared=declared(losses.CROSS_ENTROPY), allow_pickle=True)
    assert (found.loss, found.reduction) == (losses.CROSS_ENTROPY, None)
    assert found.settings(Settings(reduction="mean")).reduction == "mean"


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("words", "place", "says"),
    [
        ({"loss": "paper.tex"}, "loss", "'paper.tex'"),
        ({"loss": "x" * 5000}, "loss", "a text of 5000 characters"),
        ({"loss": " "}, "loss", "an empty text"),
        ({"loss": "a\x1b[31m\nb"}, "loss", r"'a\x1b[31m\nb'"),
        ({"loss": "cross-entropy", "reduction": "meen"}, "reduction", "Did you mean 'mean'?"),
    ],
)
def test_words_that_are_not_known_are_refused(write, words, place, says):
    path = write(words)
    line = refused(open_case, path, {}, declared=KNOWN, allow_pickle=True)
    assert line.startswith(f"{path}::{place}: ")
    assert says in line


def test_a_reduction_that_is_not_one_text_is_refused():
    for wrong in (["mean"], 1):
        arrays = {name: array.tolist() for name, array in ARRAYS.items()}
        Path("case.json").write_text(json.dumps({**arrays, "reduction": wrong}))
        line = refused(open_case, "case.json", {}, declared=declared(losses.CROSS_ENTROPY))
        assert "found 'reduction', which is not one text" in line


def test_shards_that_say_different_things_are_refused():
    write_shards(WORDS)
    np.savez("shards/run-1.npz", **{name: array[2:] for name, array in ARRAYS.items()})
    line = refused(open_case, "shards", {}, declared=KNOWN)
    assert "run-1.npz: found neither loss nor reduction in words" in line


def test_words_of_a_folder_and_of_its_shards_are_refused():
    write_shards(WORDS)
    write_words("shards", {"loss": "reinforce"})
    line = refused(open_case, "shards", {}, declared=KNOWN)
    assert line.startswith("shards: found loss 'cross-entropy' and reduction 'mean' in run-*.npz,")


@pytest.mark.parametrize("write", [write_safetensors, write_attributes, write_folder])
def test_words_and_an_array_of_one_name_are_refused(write, monkeypatch):
    monkeypatch.setitem(ARRAYS, "loss", np.zeros(5))
    assert "loss_value" in refused(open_case, write(WORDS), {}, declared=KNOWN)


@pytest.mark.parametrize("write", WRITERS)
def test_a_numeric_loss_is_the_value_and_goes_by_loss_value_beside_words(write, monkeypatch):
    monkeypatch.setitem(ARRAYS, "loss_value", np.arange(5.0))
    found = open_case(write(WORDS), {}, declared=KNOWN, allow_pickle=True)
    np.testing.assert_array_equal(gather(found)["loss"], np.arange(5.0))
    monkeypatch.delitem(ARRAYS, "loss_value")
    monkeypatch.setitem(ARRAYS, "loss", np.arange(5.0))
    found = open_case(
        write({"reduction": "mean"}), {}, allow_pickle=True, declared=declared(losses.CROSS_ENTROPY)
    )
    np.testing.assert_array_equal(gather(found)["loss"], np.arange(5.0))


def test_arrays_are_given_one_by_one_under_any_of_their_names():
    np.savez("run.npz", y=LABELS, theta=LOGITS)
    given = {"logits": ["run.npz"], "label": ["run.npz"], "label_smoothing": ["0.25"]}
    found = open_case(None, given, declared=declared(losses.CROSS_ENTROPY))
    np.testing.assert_array_equal(gather(found)["labels"], LABELS)
    assert found.scalars == {"label_smoothing": 0.25}
    line = refused(
        open_case,
        None,
        given | {"alpha": ["0.2"]},
        declared=declared(losses.CROSS_ENTROPY),
        error=UsageError,
    )
    assert line.startswith("--alpha: found an array 'alpha', expected one that cross-entropy has:")
    line = refused(
        open_case,
        None,
        given | {"labels": ["run.npz"]},
        declared=declared(losses.CROSS_ENTROPY),
        error=UsageError,
    )
    assert "a second array for labels" in line
    given = {"q": ["run.npz::theta"], "logits": ["run.npz"], "log_alpha": ["-1"]}
    line = refused(open_case, None, given, error=UsageError)
    assert "Give a file that has it under this name: --alpha FILE::log_alpha." in line


def test_the_users_own_names_are_those_of_the_loss():
    np.savez("run.npz", **SHARED, target=LABELS)
    found = open_case(
        "run.npz", {}, names={"labels": "target"}, declared=declared(losses.CROSS_ENTROPY)
    )
    np.testing.assert_array_equal(gather(found)["labels"], LABELS)
    line = refused(
        open_case, "run.npz", {}, names={"actions": "target"}, declared=declared(losses.OWN)
    )
    assert "the array 'target' named for actions, which the loss has not" in line


def test_a_symbol_may_not_be_called_like_what_every_case_has():
    loss = losses.loss("own", (losses.Given("M", "mask", Kind.TABLE),))
    line = refused(case, loss, error=UsageError)
    assert line.startswith("own: found a symbol whose array would be 'mask', expected another")


def write_json_lines(path):
    rows = [{"logits": LOGITS[i].tolist(), "labels": int(LABELS[i])} for i in range(5)]
    Path(path).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_tidy(path):
    lines = [
        f"s{state},a{action},{float(LOGITS[state, action])!r},{LABELS[state]}"
        for state in range(5)
        for action in range(4)
    ]
    Path(path).write_text("\n".join(["state,action,logits,labels", *lines]))


def write_columns(path):
    pq.write_table(pa.table({"logits": LOGITS.tolist(), "labels": LABELS.astype(np.int32)}), path)


@pytest.mark.parametrize(
    ("write", "path"),
    [
        (write_json_lines, "case.jsonl"),
        (write_tidy, "case.csv"),
        (write_columns, "case.parquet"),
    ],
)
def test_labels_are_read_from_tables_of_rows(write, path):
    write(path)
    found = open_case(path, {}, declared=declared(losses.CROSS_ENTROPY))
    for rows in (2, 5):
        read = gather(found, rows)
        np.testing.assert_array_equal(read["labels"], LABELS)
        np.testing.assert_array_equal(read["logits"], LOGITS)


def test_a_case_of_any_loss_goes_to_another_process():
    arrays = {"labels": np.where(LABELS == 1, -100, LABELS), "ignore_index": -100}
    found = pickle.loads(pickle.dumps(case(losses.CROSS_ENTROPY, **arrays)))  # noqa: S301  its own
    np.testing.assert_array_equal(gather(found)["weights"], LABELS != 1)
    assert found.variant == losses.CROSS_ENTROPY.variants[0]
    assert found.roles["labels"].kind is Kind.INDEX
