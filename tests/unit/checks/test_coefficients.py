"""What the programs of a loss make of the arrays of a case, beside what is worked out by hand."""

import numpy as np
import pytest

from softcheck.checks.blocks import Masking, evaluation, given_block
from softcheck.checks.evaluation import Context
from softcheck.gradient.composed.kernel import Composed
from softcheck.gradient.family import Family
from softcheck.gradient.held import Held
from softcheck.gradient.policy import Buffers
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables import case_from_arrays
from softcheck.tables.declared import Declared

LOGITS = np.log(np.array([[1.0, 2.0, 1.0, 4.0], [3.0, 3.0, 1.0, 1.0], [1.0, 1.0, 1.0, 5.0]]))


def made(loss, **arrays):
    """Return the block of a case of three states of four actions."""
    case = case_from_arrays({"logits": LOGITS} | arrays, declared=Declared(load(loss)))
    (raw,) = case.blocks(case.states)
    return given_block(case, raw, Settings(), Buffers(), Masking())[0]


def test_q_and_alpha_are_taken_as_they_are():
    q = np.arange(12.0).reshape(3, 4)
    block = made("sac", q=q, alpha=0.3)
    assert block.q.T.tolist() == q.tolist()
    assert (block.soft, block.alpha.tolist()) == (True, [0.3])
    assert (block.target, block.zeta, block.rest, block.rough) == (None, None, None, None)


def test_a_coefficient_that_is_computed_says_how_far_it_may_be_off():
    block = made("reverse-kl", ref_log_probs=LOGITS, beta=0.1)
    assert pytest.approx(0.1 * LOGITS) == block.q.T
    assert block.alpha.tolist() == [0.1]
    assert pytest.approx(0.1 * LOGITS, rel=1e-9) == block.rough.q.T  # a product rounds once
    assert block.rough.alpha is None


def test_labels_are_never_one_hot():
    labels = np.array([3, 0, 2])
    block = made("cross-entropy", labels=labels)
    assert (block.target.dense, block.target.uniform, block.zeta) == (None, None, None)
    assert block.target.index.tolist() == labels.tolist()
    assert block.target.chosen.tolist() == [1.0]
    assert not block.soft
    assert block.q.strides == (0, 0)


def test_what_is_smoothed_is_shared_by_the_legal_actions():
    mask = np.ones((3, 4), bool)
    mask[1, 2:] = False
    block = made(
        "cross-entropy", labels=np.array([3, 0, 2]), label_smoothing=0.12, z_coef=0.5, mask=mask
    )
    assert block.target.uniform == pytest.approx([0.03, 0.06, 0.03])
    assert block.target.chosen == pytest.approx([0.88])
    assert block.zeta.tolist() == [0.5]
    y = np.zeros((4, 3))
    block.target.add_to(y, 1.0, Buffers())
    expected = [[0.03, 0.03, 0.03, 0.91], [0.94, 0.06, 0.0, 0.0], [0.03, 0.03, 0.91, 0.03]]
    assert pytest.approx(np.array(expected)) == y.T
    assert block.target.total(Buffers()) == pytest.approx([1.0, 1.0, 1.0])
    assert block.target.sum_with(np.ones((4, 3)), Buffers()) == pytest.approx([1.0, 1.0, 1.0])


def test_a_teacher_may_exclude_actions_and_shares_the_temperature():
    teacher = LOGITS.copy()
    teacher[0, 0] = -np.inf
    block = made("distillation", teacher_logits=teacher, temperature=0.5)
    assert pytest.approx(2.0 * LOGITS) == block.logits.T
    assert block.target.dense.T[0] == pytest.approx(np.array([0.0, 4.0, 1.0, 16.0]) / 21.0)
    assert block.target.dense.T[2] == pytest.approx(np.array([1.0, 1.0, 1.0, 25.0]) / 28.0)


def test_behind_a_mask_a_coefficient_is_zero():
    mask = np.ones((3, 4), bool)
    mask[0, 1] = False
    block = made("distillation", teacher_logits=np.ones((3, 4)), mask=mask)
    assert block.target.dense[1, 0] == 0.0
    assert block.target.dense[[0, 2, 3], 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("temperature", [2.0, np.array([1.0, 2.0, 4.0])])
def test_the_gradient_is_by_the_logits_that_were_divided(temperature):
    case = case_from_arrays(
        {"logits": LOGITS, "teacher_logits": LOGITS, "temperature": temperature},
        declared=Declared(load("distillation")),
    )
    (raw,) = case.blocks(3)
    e = evaluation(case, raw, Settings(), Context(12, 5, loss=case.variant), Buffers(), Masking())
    assert np.broadcast_to(e.factor, 3) == pytest.approx(1.0 / temperature * np.ones(3))
    assert e.of_loss.tolist() == [1.0]


@pytest.mark.parametrize(
    ("loss", "arrays", "kernel"),
    [
        ("sac", {"q": LOGITS, "alpha": 0.3}, Family),
        ("policy-gradient", {"q": LOGITS}, Family),
        ("entropy", {"coef": -0.1}, Family),
        (
            "reinforce",
            {"actions": np.array([0, 1, 2]), "advantages": np.ones(3), "entropy_coef": 0.01},
            Family,
        ),
        ("reverse-kl", {"ref_log_probs": LOGITS, "beta": 0.1}, Family),
        (r"-(1-\pi(j))^2 \log \pi(j)", {"j": np.array([0, 1, 2])}, Held),
        (r"\sum_a \pi(a)^2", {}, Composed),
    ],
)
def test_each_loss_has_its_kernel(loss, arrays, kernel):
    case = case_from_arrays({"logits": LOGITS} | arrays, declared=Declared(load(loss)))
    (raw,) = case.blocks(3)
    context = Context(12, 5, loss=case.variant)
    e = evaluation(case, raw, Settings(), context, Buffers(), Masking())
    assert type(e.kernel) is kernel
