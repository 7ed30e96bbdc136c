"""From cases to verdicts: givens, reductions, intermediates, and one report from any cutting."""

import hashlib
import json
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch
from fixture_cases import FIXTURES, walk

import softcheck
from softcheck import Status
from softcheck.checks.blocks import CRITICS, REDUCTIONS, Masking, evaluation, rows_of_block
from softcheck.checks.evaluation import Context
from softcheck.errors import InputError, NothingToCheckError, UsageError
from softcheck.gradient.policy import Buffers, evaluate
from softcheck.gradient.tolerance import Precision
from softcheck.settings import CriticChoice, Dtype, Reduction, Settings
from softcheck.tables.case import case_from_arrays, open_case
from softcheck.verification import report, verify_case


def table(*shape, seed=0, dtype=np.float64):
    generator = np.random.default_rng(seed)
    return (3.0 * generator.normal(size=shape)).astype(dtype)


def autograd(q, logits, alpha, reduce=torch.sum):
    """Return the gradient by PyTorch; `reduce` gets the terms of the loss."""
    leaf = torch.tensor(logits, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    alpha = torch.as_tensor(alpha, dtype=leaf.dtype)[..., None]
    reduce(log_pi.exp() * (alpha * log_pi - torch.tensor(q))).backward()
    return leaf.grad.numpy()


Q, LOGITS = table(7, 5, 4, seed=1), table(7, 5, 4, seed=2)
ALPHA = 0.3
GRAD = autograd(Q, LOGITS, ALPHA)


def checks_of(made):
    return {check.name: check for check in made.cases[0].checks}


def failed(made):
    """Return what failed, without the fit, which has tests of its own."""
    found = checks_of(made).items()
    return [name for name, check in found if check.status is Status.FAILED and name != "fit"]


def findings_of(made):
    return [finding for finding in made.cases[0].findings if finding.check != "fit"]


def test_registries_and_choices_name_the_same_things():
    assert set(REDUCTIONS) == set(get_args(Reduction))
    assert set(CRITICS) == set(get_args(CriticChoice))
    assert {precision.value for precision in Precision} == set(get_args(Dtype))


@pytest.mark.parametrize("grad", [GRAD, GRAD + 1e-3 * Q])
def test_what_is_the_same_for_all_states_may_be_given_for_each(grad):
    arrays = {"q": Q, "logits": LOGITS, "grad": grad, "alpha": ALPHA}
    each = np.ones(Q.shape[:-1])
    shared, *others = (
        [
            check
            for check in verify_case(case_from_arrays(arrays | given), Settings()).checks
            if check.name != "fit"  # which says an alpha of each state in another unit
        ]
        for given in ({}, {"weights": each}, {"weights": each, "alpha": ALPHA * each})
    )
    assert others == [shared, shared]


def test_threads_do_not_wait_for_the_quantities_of_each_others_blocks(monkeypatch):
    both, numbers = Barrier(2, timeout=30), count()

    def meet(*given):
        if next(numbers) < 2:  # the exact check comes alone
            both.wait()
        return evaluate(*given)

    monkeypatch.setattr("softcheck.gradient.family.evaluate", meet)
    case = case_from_arrays({"q": Q, "logits": LOGITS, "alpha": ALPHA})
    assert verify_case(case, Settings(threads=2, block_entries=96)).status is Status.PASSED


@pytest.mark.parametrize("actions", [1, 18, 250])
def test_every_action_of_a_block_begins_on_a_cache_line(actions):
    ones = np.ones((2_000, actions))
    case = case_from_arrays({"q": ones, "logits": ones, "alpha": 0.2})
    raw = next(case.blocks(rows_of_block(Settings(block_entries=10_007), actions)))
    e = evaluation(case, raw, Settings(), Context(1, 1), Buffers(), Masking())
    assert not any(row.ctypes.data % 64 for x in (e.block.q, e.gradient) for row in x)


@pytest.mark.parametrize("fixture", walk("negative")[::6], ids=lambda f: f.path.name)
def test_the_report_is_the_same_for_every_block_size_and_thread_count(fixture):
    chosen = dict(fixture.expected["settings"])
    weights = chosen.pop("weights", None)
    given = {"weights": [str(fixture.path.parent / weights)]} if weights else {}
    axis = chosen.pop("action_axis", -1)
    made = {
        msgspec.json.encode(
            msgspec.to_builtins(
                verify_case(
                    open_case(str(fixture.path), given, action_axis=axis),
                    Settings(threads=threads, block_entries=entries, samples=20, **chosen),
                )
            )
        )
        for threads, entries in [(1, 131_072), (1, 1), (2, 64), (3, 1000)]
    }
    assert len(made) == 1


@pytest.mark.parametrize(
    ("reduction", "reduce"),
    [
        ("sum", torch.sum),
        ("none", torch.sum),
        ("mean", lambda terms: terms.sum(-1).mean()),
        ("mean-all", torch.mean),
    ],
)
def test_a_gradient_passes_under_its_own_reduction_only(reduction, reduce):
    grad = autograd(Q, LOGITS, ALPHA, reduce)
    for declared in REDUCTIONS.keys() - {"weighted-mean"}:
        made = softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=grad, reduction=declared)
        same = {"sum", "none"} >= {declared, reduction} or declared == reduction
        assert failed(made) == ([] if same else ["gradient"])


def test_weights_are_those_of_the_loss():
    weights = np.random.default_rng(0).random(Q.shape[:-1])
    grad = autograd(Q, LOGITS, ALPHA, lambda x: (torch.tensor(weights) * x.sum(-1)).mean())
    given = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "grad": grad, "reduction": "mean"}
    assert failed(softcheck.verify(**given, weights=weights)) == []
    assert failed(softcheck.verify(**given)) == ["gradient"]


WEIGHTS = {
    "valid": np.random.default_rng(0).random(Q.shape[:-1]) < 0.6,
    "real": np.random.default_rng(1).normal(size=Q.shape[:-1]),
    "column": np.random.default_rng(2).random((*Q.shape[:-1], 1)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_weighted_mean_is_divided_by_the_sum_of_the_weights(kind, dtype):
    w = torch.tensor(WEIGHTS[kind].reshape(Q.shape[:-1]).astype(dtype))
    q, logits = Q.astype(dtype), LOGITS.astype(dtype)
    grad = autograd(q, logits, ALPHA, lambda x: (w * x.sum(-1)).sum() / w.sum())
    given = {"q": q, "logits": logits, "alpha": ALPHA, "grad": grad, "weights": WEIGHTS[kind]}
    made = softcheck.verify(**given, reduction="weighted-mean")
    assert {check.name: check.status for check in made.cases[0].checks}["fit"] is Status.PASSED
    assert made
    for threads, entries in [(1, 1), (2, 64)]:
        again = softcheck.verify(
            **given, reduction="weighted-mean", threads=threads, block_entries=entries
        )
        assert again.cases[0].checks == made.cases[0].checks
    for declared in REDUCTIONS.keys() - {"weighted-mean"}:
        assert failed(softcheck.verify(**given, reduction=declared)) == ["gradient"]
    found = softcheck.verify(**given | {"grad": 2.0 * grad}, reduction="weighted-mean")
    assert "weights-normalised" not in {row.code for row in found.cases[0].diagnosis}


@pytest.mark.parametrize("decimals", [8, 10, 12])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("name", ["case.json", "folder"])
def test_numbers_that_were_printed_are_compared_as_they_were(
    decimals, reduction, name, tmp_path, monkeypatch
):
    """As pandas prints JSON: with 10 decimals unless asked otherwise."""
    monkeypatch.chdir(tmp_path)
    reduce = {"sum": torch.sum, "mean": lambda terms: terms.sum(-1).mean()}[reduction]
    for alpha, wrong in ((ALPHA, []), (1.001 * ALPHA, ["gradient"])):
        grad = autograd(Q, LOGITS, alpha, reduce)
        rounded = {"q": Q, "logits": LOGITS, "grad": grad}
        tables = {role: array.round(decimals).tolist() for role, array in rounded.items()}
        if name == "folder":
            Path(name).mkdir(exist_ok=True)
            for role, table in tables.items():
                Path(f"folder/{role}-0.json").write_text(json.dumps(table[:4]))
                Path(f"folder/{role}-1.json").write_text(json.dumps(table[4:]))
        else:
            Path(name).write_text(json.dumps(tables))
        case = open_case(name, {"alpha": [str(ALPHA)]})
        made = verify_case(case, Settings(reduction=reduction))
        assert [c.name for c in made.checks if c.failed and c.name != "fit"] == wrong
        assert [row.code for row in made.diagnosis] == [name for name in ["other-alpha"] if wrong]
        note = f"grad is printed with {decimals} decimals, and compared to that precision"
        assert note in made.notes
        exact = verify_case(case, Settings(reduction=reduction, grad_dtype="float64"))
        assert "gradient" in [check.name for check in exact.checks if check.failed]
        assert note not in exact.notes


@pytest.mark.parametrize(
    ("critics", "combine"),
    [
        ("min", np.minimum),
        ("mean", lambda a, b: (a + b) / 2),
        ("first", lambda a, _b: a),
    ],
)
def test_critics_are_combined_as_declared(critics, combine):
    other = table(*Q.shape, seed=9)
    grad = autograd(combine(Q, other), LOGITS, ALPHA)
    for declared in CRITICS:
        made = softcheck.verify(
            q=(Q, other), logits=LOGITS, alpha=ALPHA, grad=grad, critics=declared
        )
        assert failed(made) == ([] if declared == critics else ["gradient"])


def test_any_axis_may_hold_the_actions_and_locations_are_in_the_users_array():
    wrong = GRAD.copy()
    wrong[3, 2, 1] += 1e-6
    for axis in range(3):
        moved = [np.moveaxis(array, -1, axis) for array in (Q, LOGITS, wrong)]
        q, logits, grad = moved
        made = softcheck.verify(q=q, logits=logits, alpha=ALPHA, grad=grad, action_axis=axis)
        (finding,) = findings_of(made)
        assert grad[finding.location] == wrong[3, 2, 1] == finding.actual


def test_alpha_may_differ_by_state_and_may_be_its_logarithm():
    alpha = np.random.default_rng(0).random(Q.shape[:-1])
    grad = autograd(Q, LOGITS, alpha)
    given = {"q": Q, "logits": LOGITS, "grad": grad}
    assert failed(softcheck.verify(**given, alpha=alpha)) == []
    logarithm = softcheck.verify(**given, log_alpha=np.log(alpha))
    assert failed(logarithm) == []
    assert any("exponential" in note for note in logarithm.cases[0].notes)


def test_one_flipped_state_among_many_is_found():
    q, logits = table(100_000, 3, seed=4), table(100_000, 3, seed=5)
    grad = autograd(q, logits, ALPHA)
    grad[77_777] *= -1
    made = softcheck.verify(q=q, logits=logits, alpha=ALPHA, grad=grad)
    assert {finding.location[0] for finding in findings_of(made)} == {77_777}
    assert checks_of(made)["gradient"].failed == 3


def test_one_entry_off_by_one_in_a_billion_is_found():
    grad = GRAD.copy()
    grad[3, 2, 1] *= 1 + 1e-9
    (finding,) = findings_of(softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=grad))
    assert finding.location == (3, 2, 1)
    assert finding.ratio > 100


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_a_dump_fail(value):
    grad = GRAD.copy()
    grad[0, 0, 0] = value
    made = softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=grad)
    (finding,) = findings_of(made)
    assert finding.location == (0, 0, 0)
    assert finding.ratio == np.inf


def test_findings_are_the_worst_and_no_more_than_asked_for():
    wrong = GRAD + np.linspace(0.1, 1.0, GRAD.size).reshape(GRAD.shape)
    made = softcheck.verify(q=Q, logits=LOGITS, alpha=ALPHA, grad=wrong, max_findings=4)
    ratios = [finding.ratio for finding in findings_of(made)]
    assert len(ratios) == 4
    assert ratios == sorted(ratios, reverse=True)
    check = checks_of(made)["gradient"]
    assert check.failed == GRAD.size
    assert check.worst.ratio == ratios[0]


def test_a_gradient_that_hides_behind_rounding_is_inconclusive():
    q = 1e8 + table(50, 4, dtype=np.float16).astype(np.float64)
    logits = table(50, 4, seed=2)
    zeros = np.zeros((50, 4), dtype=np.float16)
    made = softcheck.verify(q=q, logits=logits, alpha=0.1, grad=zeros)
    check = checks_of(made)["gradient"]
    assert check.status is Status.INCONCLUSIVE
    assert check.blind == check.entries
    assert made.status is Status.INCONCLUSIVE


def test_one_entry_that_nothing_is_seen_of_is_not_spoken_of_as_several():
    made = softcheck.verify(q=[[5e3, np.nextafter(5e3, 6e3)]], logits=[[0.0, 0.0]], alpha=0.0)
    reason = checks_of(made)["descent"].reason
    assert reason == "its one live entry is blind: the tolerance exceeds its scale"


@pytest.mark.parametrize(("hidden", "status"), [(2, "passed"), (3, "inconclusive")])
def test_a_check_whose_median_entry_is_blind_is_inconclusive(hidden, status):
    """Of five states some have a Q whose rounding in float32 is as large as the gradient."""
    q, logits = table(5, 2), table(5, 2, seed=2)
    q[:hidden] += 1e9
    grad = autograd(q, logits, ALPHA).astype(np.float32)
    check = checks_of(softcheck.verify(q=q, logits=logits, alpha=ALPHA, grad=grad))["gradient"]
    assert (check.entries, check.blind) == (10, 2 * hidden)
    assert check.status.value == status
    assert check.reason.startswith(f"{2 * hidden} of 10 live entries are blind")


def test_noise_that_was_declared_to_be_rounding_is_no_pass():
    noise = 1.0 + 0.2 * np.random.default_rng(0).normal(size=GRAD.shape)
    given = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "grad": GRAD * noise}
    assert softcheck.verify(**given).status is Status.FAILED
    coarse = softcheck.verify(**given, compute_dtype="bfloat16")
    assert coarse.status is Status.FAILED


def test_where_there_is_nothing_to_see_zero_proves_nothing_and_anything_else_fails():
    q, logits = np.ones((3, 4)), table(3, 4)
    blank = softcheck.verify(q=q, logits=logits, alpha=0.0, grad=np.zeros((3, 4)))
    unweighted = softcheck.verify(
        q=Q, logits=LOGITS, alpha=ALPHA, grad=np.zeros_like(Q), weights=np.zeros(Q.shape[:-1])
    )
    for made in (blank, unweighted):
        assert checks_of(made)["gradient"].status is Status.INCONCLUSIVE
        assert made.status is Status.INCONCLUSIVE
    assert "nothing to see" in checks_of(unweighted)["gradient"].reason
    grad = np.full((3, 4), 1e-6)
    assert failed(softcheck.verify(q=q, logits=logits, alpha=0.0, grad=grad)) == ["gradient"]
    one = {"q": table(5, 1), "logits": table(5, 1), "alpha": 0.3}
    assert failed(softcheck.verify(**one, grad=np.zeros((5, 1)))) == []
    assert failed(softcheck.verify(**one, grad=np.full((5, 1), 1e-3))) == ["gradient"]


def test_strict_fails_on_blind_entries_and_on_notes():
    q = np.array([[1e9, 1e9 + 1.0], [0.0, 1.0]])
    grad = autograd(q, LOGITS[0, :2, :2], ALPHA).astype(np.float32)
    given = {"q": q, "logits": LOGITS[0, :2, :2], "alpha": ALPHA, "grad": grad}
    lenient, strict = softcheck.verify(**given), softcheck.verify(**given, strict=True)
    assert checks_of(lenient)["gradient"].blind == 2
    assert (lenient.status, strict.status) == (Status.PASSED, Status.FAILED)
    named = {"q": Q, "logits": LOGITS, "grad": GRAD, "log_alpha": np.log(ALPHA)}
    no_gradient = {"q": Q, "logits": LOGITS, "alpha": ALPHA}
    for given, said in ((named, "exponential"), (no_gradient, "no gradient was given")):
        (note,) = softcheck.verify(**given).cases[0].notes
        assert said in note
        assert softcheck.verify(**given).status is Status.PASSED
        assert softcheck.verify(**given, strict=True).status is Status.FAILED
    given = {"q": Q, "logits": LOGITS, "grad": GRAD, "alpha": ALPHA}
    assert softcheck.verify(**given, strict=True).status is Status.PASSED


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-100, 1e100, 1e140])
def test_a_right_gradient_passes_whatever_its_unit(size):
    made = softcheck.verify(q=Q * size, logits=LOGITS, alpha=ALPHA * size, grad=GRAD * size)
    assert failed(made) == []
    assert checks_of(made)["descent"].blind == 0


def test_behind_a_mask_anything_may_stand():
    mask = np.random.default_rng(0).random(Q.shape) < 0.7
    mask[..., 0] = True
    q, logits = np.where(mask, Q, np.nan), np.where(mask, LOGITS, np.inf)
    leaf = torch.tensor(LOGITS, requires_grad=True)
    fill = leaf.masked_fill(~torch.tensor(mask), -1e8)
    log_pi = torch.log_softmax(fill, -1)
    (log_pi.exp() * (ALPHA * log_pi - torch.tensor(Q))).sum().backward()
    grad = leaf.grad.numpy()
    made = softcheck.verify(q=q, logits=logits, alpha=ALPHA, grad=grad, mask=mask)
    assert failed(made) == []
    assert made.cases[0].masked == np.count_nonzero(~mask)
    grad[~mask] = 1e-9
    made = softcheck.verify(q=q, logits=logits, alpha=ALPHA, grad=grad, mask=mask)
    assert checks_of(made)["gradient"].failed == np.count_nonzero(~mask)


def test_a_mask_and_a_logit_that_disagree_are_noted():
    logits = LOGITS.copy()
    logits[0, 0, 0] = -np.inf
    made = softcheck.verify(q=Q, logits=logits, alpha=ALPHA, mask=np.ones(Q.shape, dtype=bool))
    assert made.cases[0].masked == 1
    assert made.cases[0].notes[0].endswith("counted as masked: 1")


def at(array, index, value):
    changed = np.array(array)
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "where", "found"),
    [
        ({"q": at(Q, (3, 2, 1), np.nan)}, "q[3, 2, 1]", "NaN"),
        ({"q": at(Q, (6, 4, 3), -np.inf)}, "q[6, 4, 3]", "-inf"),
        ({"logits": at(LOGITS, (0, 1, 2), np.nan)}, "logits[0, 1, 2]", "NaN"),
        ({"logits": at(LOGITS, (0, 1, 2), np.inf)}, "logits[0, 1, 2]", "inf"),
        ({"logits": at(LOGITS, (1, 1), -np.inf)}, "logits[1, 1]", "without a legal action"),
        ({"alpha": np.nan}, "alpha", "NaN"),
        ({"alpha": -0.1}, "alpha", "-0.1"),
        ({"alpha": at(np.ones((7, 5)), (2, 3), np.inf)}, "alpha[2, 3]", "inf"),
        ({"weights": at(np.ones((7, 5)), (2, 3), np.nan)}, "weights[2, 3]", "NaN"),
        ({"mask": at(np.ones(Q.shape, bool), (4, 4), False)}, "mask[4, 4]", "legal action"),
    ],
)
def test_a_given_that_is_no_number_is_refused_where_it_stands(arrays, where, found):
    with pytest.raises(InputError) as refused:
        softcheck.verify(**{"q": Q, "logits": LOGITS, "alpha": ALPHA} | arrays)
    assert refused.value.where == where
    assert found in refused.value.found


def test_the_first_broken_entry_in_the_table_is_named_whatever_the_threads():
    q = table(1000, 4)
    q[[900, 300, 301], 2] = np.nan
    case = case_from_arrays({"q": q, "logits": table(1000, 4), "alpha": 1.0})
    for threads in (1, 4):
        with pytest.raises(InputError, match=r"q\[300, 2\]"):
            verify_case(case, Settings(threads=threads, block_entries=40))


def test_no_state_is_never_a_pass():
    with pytest.raises(NothingToCheckError):
        softcheck.verify(q=np.ones((0, 3)), logits=np.ones((0, 3)), alpha=0.1)
    with pytest.raises(NothingToCheckError):
        report([])


@pytest.mark.parametrize(
    "wrong",
    [
        {"reduction": "median"},
        {"critics": "max"},
        {"compute_dtype": "float8"},
        {"samples": -1},
        {"threads": 0},
        {"max_findings": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


def intermediates(dtype):
    """Return every intermediate as PyTorch computes it."""
    leaf = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    q = torch.tensor(Q, dtype=dtype)
    policy = torch.softmax(leaf, -1)
    log_policy = torch.log_softmax(leaf, -1)
    g = q - ALPHA * log_policy
    value = (policy * g).sum(-1)
    loss = -value.mean()
    loss.backward()
    made = {
        "policy": policy,
        "log_policy": log_policy,
        "entropy": -(policy * log_policy).sum(-1),
        "g": g,
        "value": value,
        "advantage": g - value[..., None],
        "loss": loss,
        "grad": leaf.grad,
    }
    arrays = {name: tensor.detach().numpy() for name, tensor in made.items()}
    return {"q": q.numpy(), "logits": leaf.detach().numpy(), "alpha": ALPHA} | arrays


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_right_intermediates_pass_and_the_first_wrong_one_is_named(dtype):
    given = intermediates(dtype)
    assert failed(softcheck.verify(**given, reduction="mean")) == []
    order = ["policy", "log_policy", "entropy", "g", "value", "advantage", "loss"]
    for name in order:
        wrong = given | {name: given[name] * given[name].dtype.type(1.01)}
        made = softcheck.verify(**wrong, reduction="mean")
        assert failed(made) == [name]
        assert made.cases[0].diagnosis[0].evidence["quantity"] == name
    everything = given | {name: given[name] * given[name].dtype.type(1.01) for name in order}
    made = softcheck.verify(**everything, reduction="mean")
    assert made.cases[0].diagnosis[0].evidence == {"quantity": order[0], "then_wrong": order[1:]}


def test_a_loss_may_be_one_number_or_one_a_state():
    log_pi = torch.log_softmax(torch.tensor(LOGITS), -1)
    each = (log_pi.exp() * (ALPHA * log_pi - torch.tensor(Q))).sum(-1).numpy()
    given = {"q": Q, "logits": LOGITS, "alpha": ALPHA}
    w = np.random.default_rng(0).random(each.shape)
    weighted = [(w * each, "mean"), ((w * each).sum() / w.sum(), "weighted-mean")]
    weighted += [(w * each, "weighted-mean"), ((w * each).mean(), "mean"), (w * each, "sum")]
    plain = [(each, "none"), (each.sum(), "sum"), (each.mean(), "mean"), (each, "mean")]
    plain += [(each[..., None], "mean-all"), (each.sum() / Q.size, "mean-all")]
    for rows, more in ((plain, {}), (weighted, {"weights": w})):
        for loss, reduction in rows:
            made = softcheck.verify(**given, **more, loss=loss, reduction=reduction)
            assert failed(made) == []
            made = softcheck.verify(**given, **more, loss=loss * (1 + 1e-9), reduction=reduction)
            assert failed(made) == ["loss"]
            where = made.cases[0].findings[0].location
            assert len(where) == (0 if np.ndim(loss) == 0 else 2)
    assert failed(softcheck.verify(**given, loss=each / each.size, reduction="mean")) == ["loss"]
    for value in (np.nan, np.inf):
        assert failed(softcheck.verify(**given, loss=value)) == ["loss"]


def test_a_failure_that_is_float32_rounding_says_so():
    single = {name: array.astype(np.float32) for name, array in [("q", Q), ("logits", LOGITS)]}
    grad = autograd(single["q"], single["logits"], ALPHA)
    given = {**single, "alpha": ALPHA, "grad": grad.astype(np.float64)}
    made = softcheck.verify(**given)
    (diagnosis,) = made.cases[0].diagnosis
    assert diagnosis.code == "low-precision"
    (remedy,) = diagnosis.remedies
    assert remedy.declare == {"compute_dtype": "float32"}
    assert failed(softcheck.verify(**given, **remedy.declare)) == []
    assert failed(softcheck.verify(**given, grad_dtype="float32")) == []


def test_an_intermediate_that_is_float32_rounding_says_so():
    log_policy = torch.log_softmax(torch.tensor(LOGITS, dtype=torch.float32), dim=-1).double()
    given = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "log_policy": log_policy}
    (diagnosis,) = softcheck.verify(**given).cases[0].diagnosis
    assert diagnosis.code == "first-wrong"
    (remedy,) = diagnosis.remedies
    assert remedy.declare == {"compute_dtype": "float32"}
    assert failed(softcheck.verify(**given, **remedy.declare)) == []
    (diagnosis,) = softcheck.verify(**given | {"log_policy": 1.001 * log_policy}).cases[0].diagnosis
    assert not diagnosis.remedies


def test_a_case_that_cannot_be_read_leaves_the_others_and_decides_the_verdict(tmp_path):
    good = str(FIXTURES / "positive" / "cliffwalking.npz")
    bad = str(tmp_path / "none.npz")
    made = report(
        [(path, lambda path=path: open_case(path, {}), Settings()) for path in (good, bad)]
    )
    assert [case.status for case in made.cases] == [Status.PASSED, Status.ERROR]
    assert made.status is Status.ERROR
    assert len(made.summary.errors) == 1


def test_assert_gradient_raises_with_the_place_and_both_values():
    softcheck.assert_gradient(q=Q, logits=LOGITS, alpha=ALPHA, grad=GRAD)
    wrong = at(GRAD, (3, 2, 1), 7.25)
    with pytest.raises(AssertionError) as raised:
        softcheck.assert_gradient(q=Q, logits=LOGITS, alpha=ALPHA, grad=wrong)
    assert "gradient[3, 2, 1]: found 7.25, expected " in str(raised.value)


def test_the_report_says_what_went_in():
    path = FIXTURES / "positive" / "cliffwalking.npz"
    case = verify_case(open_case(str(path), {}), Settings(), digests=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert {given.role for given in case.inputs} >= {"q", "logits", "alpha"}
    assert {given.sha256 for given in case.inputs} == {digest}
    assert case.settings["reduction"] == "sum"
