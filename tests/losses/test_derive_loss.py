"""`softcheck derive --loss`: what a loss is, in a pipe, on a terminal, for programs."""

import json

import pytest
import run
import schemas

from softcheck.report import FORMATS

SAC = r"-\sum_a \pi(a)(Q(a) - \alpha \log \pi(a))"


def test_in_a_pipe_it_is_a_line_a_fact():
    done = run.process("derive", "--loss", "reinforce")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"reinforce: {line}"
        for line in (
            "loss: L = −A log π(j) + β Σ_a π(a) log π(a)",
            "gradient: ∂L/∂θ(a) = A · (π(a) − 1{a=j}) + β π(a) (log π(a) − Σ_b π(b) log π(b))",
            "proved: for every number of actions n >= 1",
            "array: logits = θ(a), (..., actions), floating point: the logits of the policy",
            "array: actions = j, (...), integer: the number of the action taken",
            "array: advantages = A, (...), floating point: how much better it was",
            "array: entropy_coef = β, one number or (...), floating point, 0 if there is none: "
            "the weight of an entropy bonus",
            "array: grad = ∂L/∂θ(a), (..., actions), floating point: the gradient that your code "
            "computed",
            "harmless: L = −A log π(j) + β Σ_a π(a) sg[log π(a)]",
            "proved: REINFORCE",
        )
    ]


@pytest.mark.parametrize("form", sorted({*FORMATS} - {"gitlab", "sarif"}))  # they list problems
@pytest.mark.parametrize("name", ["sac", "cross-entropy"])
def test_every_format_says_each_formula_and_array(name, form):
    said = json.loads(run.softcheck("derive", "--loss", name, "--output-format=json").out)
    done = run.softcheck("derive", "--loss", name, f"--output-format={form}")
    assert done.code == 0
    assert said["loss"] == name
    if form == "html":  # typeset
        assert done.out.count("<math") >= 2 * len(said["variants"])
    for variant in said["variants"]:
        for text in (variant["loss"]["reading"], variant["gradient"]["reading"]):
            assert form == "html" or text in done.out
        assert all(array["name"] in done.out for array in variant["arrays"])
    if form == "junit":
        schemas.check_junit(done.out)


def test_the_record_says_what_to_dump():
    made = json.loads(
        run.softcheck("derive", "--loss", "cross-entropy", "--output-format=json").out
    )
    labels, targets = made["variants"]
    dumped = {array["name"]: (array["shape"], array["dtype"]) for array in labels["arrays"]}
    assert dumped == {
        "logits": ("(..., actions)", "floating point"),
        "labels": ("(...)", "integer"),
        "label_smoothing": ("one number or (...)", "floating point"),
        "z_coef": ("one number or (...)", "floating point"),
        "grad": ("(..., actions)", "floating point"),
    }
    assert targets["arrays"][1]["legal"] == "not negative"
    assert labels["family"] is True
    assert labels["status"] == made["status"] == "proved"


def test_what_a_proof_takes_for_granted_is_said():
    done = run.softcheck("derive", "--loss", r"-A \cdot \frac{\pi(j)}{\mu(j)}")
    assert "proved: for every number of actions n >= 1, where μ(j) ≠ 0" in done.out


def test_sac_by_hand_is_sac_but_for_its_name():
    by_name = run.softcheck("derive", "--loss", "sac", "--output-format=json")
    by_hand = run.softcheck("derive", "--loss", SAC, "--output-format=json")
    theirs, ours = json.loads(by_hand.out), json.loads(by_name.out)
    assert theirs.pop("loss") == SAC
    assert ours.pop("loss") == "sac"
    assert theirs == ours


@pytest.mark.parametrize(
    "more", [["paper.tex"], ["--lines=1-2"], ["--on=run.npz"], ["--reading"], ["--explain-gap"]]
)
def test_a_loss_stands_alone(more):
    done = run.softcheck("derive", "--loss", "sac", *more)
    assert done.code == 2
    assert "a document or its options too" in done.err


def test_findings_only_are_none():
    assert run.softcheck("derive", "--loss", "sac", "-q").out == ""
