"""Losses and labels that are not what they should be: exit 2, and one line that says what to do."""

import numpy as np
import pytest
from run import process

STATES, ACTIONS = 6, 4
R = np.random.default_rng(22)
LOGITS, Q = R.normal(size=(2, STATES, ACTIONS))
LABELS = np.array([0, 1, 2, 3, 0, 1])


def refused(*arguments, **options):
    """Run `softcheck verify`, which must refuse, and return its one line."""
    run = process("verify", *arguments, **options)
    assert run.code == 2, run
    (line,) = run.err.splitlines()
    assert line.startswith("softcheck: ")
    assert len(line) <= 300 + len("softcheck: ")
    assert ": found " in line
    assert ", expected " in line
    assert line.endswith((".", "?", "'", ")"))
    assert "passed" not in run.out
    assert "Traceback" not in run.out
    return line


@pytest.fixture
def case(tmp_path):
    """Return a function that writes a case with these arrays and its logits."""

    def write(**arrays):
        path = tmp_path / "dump.npz"
        np.savez(path, **({"logits": LOGITS} | arrays))
        return path

    return write


CANNOT_BE_READ = {
    "a letter too many": ("cross-entropyy", "cross-entropy"),
    "another letter": ("reenforce", "reinforce"),
    "with an underscore": ("reverse_kl", "reverse-kl"),
    "in capitals": ("Distillation", "distillation"),
    "a file that is missing": ("missing.tex", "missing.tex"),
    "a symbol of a file that is missing": ("missing.tex::L", "missing.tex"),
    "nothing": ("", "--loss"),
    "a blank": ("  ", "--loss"),
    "marks around nothing": ("$$", "--loss"),
    "open brackets": (r"\sum_a \pi(a", ""),
    "an operator without its operand": (r"-\sum_a \pi(a) Q(a) +", ""),
    "code": ("__import__('os').getcwd()", ""),
    "a folder": (".", ""),
}


@pytest.mark.parametrize(("loss", "says"), CANNOT_BE_READ.values(), ids=CANNOT_BE_READ)
def test_a_loss_that_cannot_be_read(case, loss, says, tmp_path):
    assert says in refused(case(q=Q), f"--loss={loss}", cwd=tmp_path)


CANNOT_BE_PROVED = {
    "a division by a sum of two terms": r"\frac{\sum_a \pi(a) Q(a)}{1 + \sum_a \pi(a)^2}",
    "a division within a sum": r"\sum_a \frac{\pi(a)}{1 + \pi(a)} Q(a)",
    "a logarithm of a sum of two": r"\log\left(1 + \sum_a \pi(a)^2\right)",
    "a function that is not known": r"\sum_a \pi(a) \tanh(Q(a))",
}


@pytest.mark.parametrize("loss", CANNOT_BE_PROVED.values(), ids=CANNOT_BE_PROVED)
def test_a_loss_that_cannot_be_proved(case, loss):
    refused(case(q=Q), f"--loss={loss}")


def test_a_symbol_without_an_array(case):
    line = refused(case(q=Q), r"--loss=-\sum_a \pi(a) (Q(a) - \beta \log \pi(a))")
    assert "beta" in line


def test_an_index_without_an_array(case):
    assert "j" in refused(case(q=Q), r"--loss=-Q(j) \log \pi(j)")


def test_an_array_without_a_symbol(case):
    for loss in ("policy-gradient", r"-\sum_a \pi(a) Q(a)"):
        assert "beta" in refused(case(q=Q), f"--loss={loss}", "--array=beta=0.5")


def test_arrays_of_another_loss(case):
    line = refused(case(labels=LABELS))
    assert "q" in line
    assert "labels or targets" in refused(case(q=Q, alpha=0.2), "--loss=cross-entropy")


def test_two_arrays_for_one(case):
    targets = np.full((STATES, ACTIONS), 0.25)
    line = refused(case(labels=LABELS, targets=targets), "--loss=cross-entropy")
    assert "labels" in line
    assert "targets" in line
    line = refused(case(ref_logits=Q, ref_log_probs=Q, beta=0.1), "--loss=reverse-kl")
    assert "ref_log" in line


TWO_LOSSES = r"""
The first loss is $L = -\sum_a \pi(a) Q(a)$ and the second
$J = \alpha \sum_a \pi(a) \log \pi(a)$.
"""


def test_an_ambiguous_file(case, tmp_path):
    paper = tmp_path / "paper.tex"
    paper.write_text(TWO_LOSSES)
    line = refused(case(q=Q), f"--loss={paper}")
    assert "paper.tex" in line
    assert "::" in line
    line = refused(case(q=Q), f"--loss={paper}::Z")
    assert "Z" in line


def test_files_without_a_loss(case, tmp_path):
    for name, content in {
        "empty.tex": b"",
        "prose.tex": b"There is no formula here.",
        "binary.tex": bytes(range(256)) * 40,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert name in refused(case(q=Q), f"--loss={tmp_path / name}")


def test_a_flag_against_the_case(case):
    path = case(q=Q, loss="policy-gradient", reduction="mean")
    line = refused(path, "--loss=entropy")
    assert "policy-gradient" in line
    assert "entropy" in line
    line = refused(path, "--reduction=sum")
    assert "mean" in line
    assert "sum" in line


def test_a_case_that_names_no_loss_of_ours(case, tmp_path):
    (tmp_path / "secret.tex").write_text(r"$L = -\sum_a \pi(a) Q(a)$")
    for text in (
        "cross-entropyy",
        "secret.tex",
        "secret.tex::L",
        str(tmp_path / "secret.tex"),
        "",
        "x" * 1_000_000,
        r"\sum_a " * 10_000,
        "sac\x1b[31m\n::error::",
    ):
        line = refused(case(q=Q, alpha=0.2, loss=text), cwd=tmp_path)
        assert "dump.npz" in line
        assert "\x1b" not in line
    assert "reduction" in refused(case(q=Q, alpha=0.2, reduction="average"))


def one_hot(labels):
    return np.eye(ACTIONS, dtype=int)[labels]


def at(place, label, dtype=None):
    labels = LABELS.astype(dtype or LABELS.dtype)
    labels[place] = label
    return labels


NO_LABELS = {
    "out of range": (at(2, ACTIONS), "4"),
    "far out of range": (at(2, 2**62), "4611686018427387904"),
    "negative": (at(3, -1), "-1"),
    "ignored, but nobody said so": (at(1, -100), "ignore_index"),
    "half a label": (at(4, 1.5, float), "1.5"),
    "not a number": (at(4, np.nan, float), "NaN"),
    "infinite": (at(4, np.inf, float), "inf"),
    "one-hot": (one_hot(LABELS), "labels"),
    "one-hot of truth values": (one_hot(LABELS).astype(bool), "labels"),
    "truth values": (LABELS > 0, "labels"),
    "text": (np.array(list("abcdab")), "labels"),
    "too few": (LABELS[:-1], "labels"),
}


@pytest.mark.parametrize(("labels", "says"), NO_LABELS.values(), ids=NO_LABELS)
def test_labels_that_are_none(case, labels, says):
    line = refused(case(labels=labels), "--loss=cross-entropy")
    assert "labels" in line
    assert says in line


def test_where_a_label_is_wrong_is_said(case):
    assert "2" in refused(case(labels=at(2, 7)), "--loss=cross-entropy").split(": found ")[0]


def test_actions_that_are_none(case):
    for actions in (at(2, ACTIONS), at(3, -1), at(4, 1.5, float)):
        line = refused(case(actions=actions, advantages=np.ones(STATES)), "--loss=reinforce")
        assert "actions" in line


def test_a_label_at_a_masked_action(case):
    mask = np.ones((STATES, ACTIONS), dtype=bool)
    mask[2, LABELS[2]] = False
    line = refused(case(labels=LABELS, mask=mask), "--loss=cross-entropy")
    assert "labels" in line
    logits = np.where(mask, LOGITS, -np.inf)
    line = refused(case(labels=LABELS, logits=logits), "--loss=cross-entropy")
    assert "labels" in line


def test_numbers_that_a_loss_cannot_have(case):
    for temperature in (0.0, -1.0, np.nan):
        given = case(teacher_logits=Q, temperature=temperature)
        assert "temperature" in refused(given, "--loss=distillation")
    assert "advantages" in refused(
        case(actions=LABELS, advantages=np.full(STATES, np.nan)), "--loss=reinforce"
    )
    assert "q" in refused(case(q=np.full_like(Q, np.nan)), "--loss=policy-gradient")


def test_arrays_of_another_shape(case):
    for loss, arrays in {
        "policy-gradient": {"q": Q[:, :3]},
        "reinforce": {"actions": LABELS, "advantages": Q},
        "reverse-kl": {"ref_logits": Q[:3], "beta": 0.1},
        "entropy": {"coef": np.ones((STATES, ACTIONS))},
    }.items():
        refused(case(**arrays), f"--loss={loss}")


def test_arrays_that_are_said_badly(case):
    for said in ("labels", "=3", "labels=", "labels=missing.npy", "nonsense=0.5"):
        refused(case(labels=LABELS), "--loss=cross-entropy", f"--array={said}")
