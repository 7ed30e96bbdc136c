"""Tables of logits in 16 bits by the entries that differ, beside every action."""

import re
import sys

import distinct_entries
import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softcheck.checks import blocks, compiled, distinct, every, tally
from softcheck.checks.loops import Loop
from softcheck.diagnosis import sieve, states
from softcheck.diagnosis.hypothesis import Prediction
from softcheck.diagnosis.view import View
from softcheck.errors import InputError
from softcheck.gradient.policy import Buffers
from softcheck.losses import load
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import RawBlock, case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

ROWS, ACTIONS, FEW = 12, 400, 20
OF_MANY = r"-\frac{A}{n} \sum_a \pi(a)^3 - \log \pi(j)"
ENTROPY_FIRST = r"c \sum_a \pi(a) \log \pi(a) - A \log \pi(j)"


@pytest.mark.parametrize(
    ("loss", "kernel"),
    [
        *((loss, "numpy") for loss in (*distinct_entries.LOSSES, OF_MANY)),
        *((loss, "compiled") for loss in ("cross-entropy", "grpo", ENTROPY_FIRST)),
    ],
)
def test_both_ways_agree(loss, kernel):
    cases = distinct_entries.cases(12, 3, [loss])
    done = [
        distinct_entries.agree(case, settings, is_compiled=kernel == "compiled")
        for case, settings in cases
    ]
    assert sum(done) >= 6


@given(st.integers(1, 2000), st.integers(1, 400))
def test_pieces_are_alike_and_none_is_what_is_left(states, rows):
    logits = np.arange(2.0 * states).reshape(states, 2)
    pieces = [*distinct.in_pieces(RawBlock(7, states, {"logits": logits}), rows)]
    assert (np.concatenate([each.arrays["logits"] for each in pieces]) == logits).all()
    assert [each.start for each in pieces] == [
        7 + piece * pieces[0].rows for piece in range(len(pieces))
    ]
    assert len(pieces) == 1 or max(each.rows for each in pieces) <= 1.25 * rows + 8
    line = 8 if rows % 8 == 0 else 1
    assert pieces[-1].rows > pieces[0].rows - line * len(pieces)


def table(loss, dtype=ml_dtypes.bfloat16, few=FEW, actions=ACTIONS):
    """Return arrays with a right gradient, of logits of which few differ."""
    generator = np.random.default_rng(1)
    logits = generator.choice(generator.normal(size=few), (ROWS, actions)).astype(dtype)
    logits[:, 7] = -np.inf
    j, at = generator.integers(100, actions - 1, ROWS), np.arange(ROWS)
    z = logits.astype(np.float64)
    log_pi = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    if loss == "cross-entropy":
        W, given = -np.ones(ROWS), {"labels": j}
    else:
        A, old, ref = generator.normal(size=(3, ROWS)) * [[1.0], [0.05], [0.3]]
        old, ref = log_pi[at, j] + old, log_pi[at, j] + ref
        r, clip, beta = np.exp(log_pi[at, j] - old), 0.2, 0.04
        W = np.where(r * A <= np.clip(r, 1 - clip, 1 + clip) * A, -r * A, 0.0)
        W = W + beta * (1.0 - np.exp(ref - log_pi[at, j]))
        given = {"actions": j, "advantages": A, "old_log_probs": old, "ref_log_probs": ref}
        given |= {"clip": clip, "beta": beta}
    grad = -W[:, np.newaxis] * np.exp(log_pi)
    grad[at, j] += W
    return {"loss": loss, "logits": logits, "grad": grad.astype(dtype), **given}


def one_entry(grad):
    grad[5, 234] *= 2


def one_state(grad):
    grad[11] *= -1


def all_of_it(grad):
    grad *= grad.dtype.type(3)


def no_number(grad):
    grad[3, 200] = np.nan


def no_numbers(grad):
    grad[3, grad[3] == grad[3, 200]] = np.inf


def what_is_masked(grad):
    grad[9, 7] = 0.5


def other_actions(grad):
    grad[:] = np.roll(grad, 1, axis=1)


def scales(grad):
    grad *= np.linspace(0.3, 0.9, ROWS)[:, np.newaxis].astype(grad.dtype)


def clipped(grad):
    bound = np.quantile(np.abs(grad.astype(np.float64)), 0.9)
    grad[:] = np.clip(grad.astype(np.float64), -bound, bound)


def nothing(_):
    """Leave it right."""


def verified(arrays, **settings):
    """Return what is found of a case, without pictures."""
    loss = load(arrays["loss"])
    given = {name: array for name, array in arrays.items() if name != "loss"}
    return verify_case(case_from_arrays(given, declared=Declared(loss)), Settings(**settings))


def said(arrays, kernel):
    """Return all that a report says to ten digits, but for how well what passed did."""
    settings = {"kernel": kernel, "compute_dtype": "float32", "block_entries": 100}
    case = verified(arrays, reduction="sum", **settings)
    case = msgspec.to_builtins(case)
    assert case["settings"].pop("kernel", "numpy") == kernel
    for check in case["checks"]:
        digits = {"worst", "resolution", "reason"} if check["status"] != "failed" else set()
        if check["name"] == "fit":  # sums of all states, which round in one way or the other
            digits |= {"worst", "largest", "resolution"}
        if check["name"] == "exact":  # it looks at the worst entry of each check
            digits.add("entries")
        for name in digits:
            del check[name]
    findings = [each for each in case.pop("findings") if each["check"] != "fit"]
    digits = re.compile(r"\d\.\d{9,}(e[+-]\d+)?")
    told = digits.sub(lambda number: f"{float(number[0]):.10g}", str((findings, case)))
    return case["status"], findings, told  # where a NaN is one


SPOILS = [nothing, one_entry, one_state, all_of_it, no_number, no_numbers, what_is_masked]
OF_MANY_STATES = [one_state, all_of_it, other_actions, scales, clipped]


@pytest.mark.parametrize(
    ("loss", "spoil", "most"),
    [
        *(("cross-entropy", spoil, states.WHOLE) for spoil in SPOILS),
        *(("grpo", spoil, states.WHOLE) for spoil in (nothing, one_entry)),
        *(("cross-entropy", spoil, 0) for spoil in OF_MANY_STATES),
        ("grpo", one_state, 0),
    ],
)
def test_both_ways_say_the_same(loss, spoil, most, monkeypatch):
    monkeypatch.setattr(states, "WHOLE", most)
    arrays = table(loss)
    spoil(arrays["grad"])
    (status, findings, ours), (*_, theirs) = (said(arrays, each) for each in ("compiled", "numpy"))
    assert ours == theirs
    assert status == ("passed" if spoil is nothing else "failed")
    assert bool(findings) == (spoil is not nothing)


def test_of_few_entries_that_are_wrong_each_action_is_found():
    arrays = table("cross-entropy")
    arrays["logits"][3], arrays["grad"][3] = 1.0, 0.125
    arrays["logits"][3, [0, 9]], arrays["grad"][3, [0, 9]] = 2.0, 64.0
    (_, findings, ours), (*_, theirs) = (said(arrays, each) for each in ("compiled", "numpy"))
    assert ours == theirs
    assert [each["location"][1] for each in findings[:4]] == [0, 9, 1, 2]


def test_where_all_entries_are_wrong_each_action_counts():
    generator = np.random.default_rng(2)
    logits = generator.choice(generator.normal(size=FEW), (ROWS, ACTIONS)).astype(np.float16)
    weight, labels = np.exp(logits.astype(np.float64)), np.arange(ROWS)
    wrong = np.eye(ROWS, ACTIONS) - weight / weight.sum(axis=1, keepdims=True)
    arrays = {"logits": logits, "labels": labels, "grad": wrong.astype(np.float16)}
    arrays["loss"] = "cross-entropy"
    (*_, ours), (*_, theirs) = (said(arrays, each) for each in ("compiled", "numpy"))
    assert ours == theirs
    assert f"'failed': {ROWS * ACTIONS}" in ours


@pytest.mark.parametrize("loss", distinct_entries.LOSSES)
def test_a_diagnosis_of_either_finds_the_same(loss):
    cases = distinct_entries.cases(20, 5, [loss])
    assert sum(distinct_entries.agree_on_diagnosis(*each) for each in cases) >= 5


def test_a_mistake_is_looked_for_in_entries_that_differ(monkeypatch):
    monkeypatch.setattr(states, "WHOLE", 0)
    seen, of = [], View.of

    def noted(raw, *rest, **by_name):
        seen.append(raw)
        return of(raw, *rest, **by_name)

    monkeypatch.setattr(View, "of", noted)
    arrays = table("cross-entropy")
    all_of_it(arrays["grad"])
    case = verified(arrays, kernel="compiled", compute_dtype="float32", reduction="sum")
    assert case.diagnosis[0].code == "other-scale"
    sizes = [raw.arrays["logits"].shape[1] for raw in seen]
    # Labels and shifted actions go by the place of each.
    assert sizes.count(ACTIONS) == 1
    assert sorted(sizes)[-2] < ACTIONS // 4


def test_labels_off_by_one_are_named_by_where_actions_stand(monkeypatch):
    monkeypatch.setattr(states, "WHOLE", 0)
    arrays = table("cross-entropy", few=600, actions=2400)
    case = verified(
        arrays | {"labels": arrays["labels"] + 1},
        kernel="compiled",
        compute_dtype="float32",
        reduction="sum",
    )
    assert case.diagnosis[0].code == "labels-off-by-one"


def test_what_is_blind_at_most_actions_reproduces_nothing(monkeypatch):
    monkeypatch.setattr(states, "WHOLE", 0)
    case, *_ = found(table("cross-entropy", few=3))
    view = states.part(case, Settings(), 0, [0], repeats=True)
    by_count = np.argsort(-view.e.block.repeats.counts, axis=0)
    tolerance = np.ones_like(view.grad)
    np.put_along_axis(tolerance, by_count[:1], np.inf, axis=0)
    error = np.zeros_like(tolerance)
    assert sieve.reproduces(view, Prediction(view.grad, tolerance, error))
    np.put_along_axis(tolerance, by_count[:2], np.inf, axis=0)
    assert 2 * np.isinf(tolerance).sum() < tolerance.size
    assert not sieve.reproduces(view, Prediction(view.grad, tolerance, error))


def test_a_sum_is_infinite_where_an_entry_is_that_states_with_more_entries_lack(monkeypatch):
    monkeypatch.setattr(states, "WHOLE", 0)
    arrays = table("cross-entropy")
    arrays["logits"][3], arrays["grad"][3] = 0.0, np.inf
    case, *_ = found(arrays)
    view = states.part(case, Settings(), 0, [0], repeats=True)
    assert (view.e.block.repeats.counts[:, 3] == 0.0).any()
    assert view.sums_wrong[3]
    assert view.entire.sums_wrong[3]


@pytest.mark.parametrize(("repeats", "least", "most"), [(True, 8, 10), (False, 1, 3)])
def test_more_states_are_looked_at_where_few_entries_differ(repeats, least, most):
    generator = np.random.default_rng(0)
    logits = generator.choice(generator.normal(size=FEW), (30, 20_000)).astype(np.float16)
    labels = np.zeros(30, int)
    arrays = {"logits": logits, "labels": labels, "grad": np.zeros_like(logits)}
    case = case_from_arrays(arrays, declared=Declared(load("cross-entropy")))
    view = states.part(case, Settings(), 0, [7], repeats=repeats)
    assert least <= view.states.size <= most
    assert 7 in view.states
    assert view.p.shape[1] == view.entire.p.shape[1] == view.states.size
    assert len(view.entire.p) == 20_000


def found(arrays):
    """Return the entries of a case that differ, beside the case and its only block."""
    loss = load(arrays["loss"])
    given = {name: array for name, array in arrays.items() if name != "loss"}
    case = case_from_arrays(given, declared=Declared(loss))
    (raw,) = case.blocks(case.states)
    return case, raw, distinct.distinct(case, raw)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_an_entry_has_the_bits_of_each_of_its_actions(dtype):
    arrays = table("cross-entropy", dtype)
    one_entry(arrays["grad"])
    _, raw, short = found(arrays)
    assert (short.repeats.counts == 0.0).any()
    states, entry_of = np.arange(ROWS)[:, np.newaxis], entries(short)
    for name in ("logits", "grad"):
        whole, few = (each.arrays[name].view(np.uint16) for each in (raw, short.raw))
        np.testing.assert_array_equal(few[states, entry_of], whole)
    counts = short.repeats.counts.T
    for row in range(ROWS):
        np.testing.assert_array_equal(
            counts[row], np.bincount(entry_of[row], minlength=counts.shape[1])
        )
        once, first = np.unique(entry_of[row], return_index=True)
        assert (np.diff(first) > 0).all()
        assert [short.action_of(row, entry) for entry in once.tolist()] == first.tolist()
        flags = np.random.default_rng(row).random(counts.shape[1]) < 0.5
        for most in (None, 64):
            np.testing.assert_array_equal(
                short.at_actions(row, flags, most), flags[entry_of[row]][:most]
            )
        for entry in range(counts.shape[1]):
            np.testing.assert_array_equal(
                short.actions_of(row, entry), np.flatnonzero(entry_of[row] == entry)
            )
    label, entry = raw.arrays["labels"], short.raw.arrays["labels"]
    np.testing.assert_array_equal(entry_of[states[:, 0], label], entry)
    assert (counts[states[:, 0], entry] == 1.0).all()


def entries(short):
    """Return which entry stands for each action, (rows, actions)."""
    rows, actions = short.raw.rows, short.repeats.actions
    return np.array([[short.entry_of(row, a) for a in range(actions)] for row in range(rows)])


def test_too_many_entries_are_not_shortened():
    arrays = table("cross-entropy")
    generator = np.random.default_rng(0)
    many = arrays | {"logits": generator.normal(size=(ROWS, ACTIONS)).astype(np.float16)}
    assert found(many)[2] is None
    many = arrays | {"grad": generator.normal(size=(ROWS, ACTIONS)).astype(np.float32)}
    assert found(many)[2] is None
    equal = many | {"logits": np.zeros((ROWS, ACTIONS), np.float16)}
    equal["grad"] = generator.permuted(np.arange(ROWS * ACTIONS).reshape(ROWS, -1) % 200, axis=1)
    assert found(equal | {"grad": equal["grad"].astype(np.float32)})[2] is None


def test_two_actions_that_a_loss_names_are_each_apart():
    apart = np.array([[3, 3], [0, 63]])
    opened = apart.copy()
    found = distinct.scanned(np.zeros((2, 64), np.uint16), None, apart, opened, 9)
    np.testing.assert_array_equal(found.counts, [[63, 1, 0], [1, 62, 1]])
    np.testing.assert_array_equal(opened, [[1, 1], [0, 2]])
    assert found.actions[0, :2].tolist() == [0, 3]
    assert found.actions[1, :3].tolist() == [0, 1, 63]


def test_a_logit_with_several_dumps_has_an_entry_for_each():
    generator = np.random.default_rng(4)
    logits = generator.integers(3, size=(5, 200)).astype(np.uint16)
    dumped = generator.choice(4, logits.shape, p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint32)
    logits[2:4], dumped[2:4] = 1, dumped[2:4] % 2
    none = np.empty((5, 0), np.intp)
    made = distinct.scanned(logits, dumped, none, none.copy(), 200)
    values, dumps, counts, actions = (each.tolist() for each in made)
    for row in range(5):
        pairs = [*zip(logits[row].tolist(), dumped[row].tolist(), strict=True)]
        each = [*dict.fromkeys(pairs)]
        nothing = 12 - len(each)
        found = [*zip(values[row], dumps[row], strict=True)]
        assert found[: len(each)] == each
        assert counts[row] == [*map(pairs.count, each), *nothing * [0]]
        assert actions[row] == [*map(pairs.index, found)]


@pytest.mark.parametrize(
    ("changed", "settings"),
    [
        ({"logits": np.zeros((2, 50), np.float32)}, Settings()),
        ({"mask": np.ones((2, 50), bool)}, Settings()),
        ({"policy": np.full((2, 50), 0.02)}, Settings()),
        ({}, Settings(samples=10)),
    ],
)
def test_what_another_array_tells_apart_does_not_repeat(changed, settings):
    arrays = {"logits": np.zeros((2, 50), np.float16), "labels": np.zeros(2, int)}
    declared = Declared(load("cross-entropy"))
    assert distinct.may_repeat(case_from_arrays(arrays, declared=declared), Settings())
    assert not distinct.may_repeat(case_from_arrays(arrays | changed, declared=declared), settings)


def test_a_report_says_that_a_loss_was_shortened_or_why_not():
    arrays = table("grpo")
    case = verified(arrays, kernel="compiled", reduction="sum")
    assert case.settings["kernel"] == "compiled"
    logits = np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float16)
    case = verified({"loss": r"\sum_a \pi(a)^2", "logits": logits}, kernel="compiled")
    assert "kernel" not in case.settings
    assert any(distinct.TOO_FEW in note for note in case.notes)


def test_without_numba_numpy_verifies_with_a_note(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(distinct, "SCAN", Loop("softcheck.checks.scan", "scan"))
    monkeypatch.setitem(sys.modules, "softcheck.checks.scan", None)
    arrays = {"loss": r"\sum_a \pi(a)^2", "logits": table("cross-entropy")["logits"]}
    case = verified(arrays, kernel="compiled")
    assert case.status is Status.PASSED
    assert "kernel" not in case.settings
    assert any("pip install 'softcheck[fast]'" in note for note in case.notes)


def test_a_logit_that_is_no_number_is_refused_at_its_own_place():
    arrays = table("cross-entropy")
    arrays["logits"][4, 250] = np.nan
    with pytest.raises(InputError, match=r"logits\[4, 250\]"):
        verified(arrays, kernel="compiled")


def test_masked_actions_are_all_counted():
    case, _, short = found(table("cross-entropy"))
    settings, masking = Settings(), blocks.Masking()
    context = distinct_entries.context_of(case, settings)
    e = blocks.evaluation(case, short.raw, settings, context, Buffers(), masking, short)
    assert masking.masked == ROWS
    assert e.legal_entries == ROWS * (ACTIONS - 1)
    drawn = {e.drawn(0, position) for position in np.arange(0.5, ACTIONS) / ACTIONS}
    assert {action for action, _ in drawn} == {*range(ACTIONS)} - {7}
    assert all(entry == short.entry_of(0, action) for action, entry in drawn)


def test_a_state_with_fewer_entries_than_others_has_none_of_them_looked_at_that_counts_nothing(
    monkeypatch,
):
    arrays = table("cross-entropy")
    arrays["logits"][3] = arrays["grad"][3] = 0.0
    case, _, short = found(arrays)
    counts = short.repeats.counts[:, 3]
    nothing = int(np.flatnonzero(counts == 0.0)[-1])
    settings = Settings()
    context = distinct_entries.context_of(case, settings)
    e = blocks.evaluation(case, short.raw, settings, context, Buffers(), blocks.Masking(), short)
    spot = tally.Spot(0.5, 3, nothing, 0.0, 0.0, 1.0)
    worst = compiled.Found({"complex-step": tally.Tally(5, entries=1, live=1, spots=[spot])})
    monkeypatch.setattr(compiled, "found", lambda _: worst)
    suspect = every.run(e).suspects["complex-step"]
    assert counts[suspect.entry] > 0.0
    assert e.block.logits[suspect.entry, 3] == e.block.logits[nothing, 3]
    assert suspect.action == short.action_of(3, nothing)
