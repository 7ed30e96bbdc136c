"""Losses given as formulas: Eq. (6) by hand, in a file and in a case, and losses of papers."""

import json

import numpy as np
import pytest
import torch
from fixture_cases import FIXTURES
from random_losses import Piece, RandomLoss, judged
from run import softcheck

import softcheck as package

SAC = r"-\sum_a \pi(a)(Q(a) - \alpha \log \pi(a))"
PAPER = rf"""
\section{{Soft policy loss}}
The policy is trained with
\begin{{equation}}
L = {SAC}.
\end{{equation}}
"""
CASES = [
    FIXTURES / "positive" / "taxi.npz",
    FIXTURES / "positive" / "taxi-masked.npz",
    FIXTURES / "negative" / "missing-alpha.npz",
    FIXTURES / "negative" / "missing-baseline-float32.npz",
]


def report(path, *options):
    """Return the exit code and the report of a case without the name of its loss."""
    run = softcheck("verify", path, "--output-format=json", *options)
    assert run.err == ""
    made = json.loads(run.out)
    (case,) = made["cases"]
    name = case["loss"].pop("name")
    made.get("settings", {}).pop("loss", None)
    case.get("settings", {}).pop("loss", None)
    return name, run.code, made


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_eq_6_by_hand_has_the_report_of_the_default(path, tmp_path):
    paper = tmp_path / "paper.tex"
    paper.write_text(PAPER)
    name, *expected = report(path)
    assert name == "sac"
    for loss in ("sac", SAC, f"${SAC}$", str(paper), f"{paper}::L"):
        assert report(path, f"--loss={loss}")[1:] == tuple(expected), loss


@pytest.mark.parametrize("text", ["sac", SAC])
def test_a_case_may_hold_its_loss(text, tmp_path):
    for path in CASES:
        held = tmp_path / path.name
        np.savez(held, loss=text, **{n: a for n, a in np.load(path).items() if n != "loss"})
        assert report(held)[1] == report(path)[1]


def test_a_shipped_loss_by_its_formula_is_verified_alike():
    for name, formula in {
        "zen-reverse-kl": r"\beta \sum_a \pi(a) (\log \pi(a) - R(a))",
        "zen-cross-entropy": r"-\log \pi(j)",
    }.items():
        with np.load(FIXTURES / "positive" / f"{name}.npz") as case:
            arrays = dict(case)
        renamed = {"ref_log_probs": "R", "labels": "j"}
        given = {renamed.get(key, key): it for key, it in arrays.items() if it.dtype.kind != "U"}
        assert package.verify(loss=formula, reduction="mean", **given), name


def mean_q(v):
    return v.total(v.pi * v.has["q"])


PAPERS = {
    "k2": (
        r"\frac{1}{2} \sum_a \pi(a) (\log \pi(a) - Q(a))^2",
        lambda v: v.total(v.pi * (v.log_pi - v.has["q"]) ** 2) / 2,
        "q",
    ),
    "k3 of a chosen action": (
        r"\beta (\frac{\rho(j)}{\pi(j)} - 1 - \log \rho(j) + \log \pi(j))",
        lambda v: (
            v.has["beta"]
            * (v.at(v.has["rho"]) / v.at(v.pi) - 1 - v.at(v.has["rho"]).log() + v.at(v.log_pi))
        ),
        "beta rho j",
    ),
    "k3 in expectation": (
        r"\sum_a \pi(a) (\frac{\rho(a)}{\pi(a)} - 1 + \log \pi(a) - Q(a))",
        lambda v: v.total(v.has["rho"] + v.pi * (v.log_pi - 1 - v.has["q"])),
        "rho q",
    ),
    "focal": (
        r"-(1 - \pi(j))^2 \log \pi(j)",
        lambda v: -((1 - v.at(v.pi)) ** 2) * v.at(v.log_pi),
        "j",
    ),
    "poly-1": (
        r"-\log \pi(j) + \beta (1 - \pi(j))",
        lambda v: -v.at(v.log_pi) + v.has["beta"] * (1 - v.at(v.pi)),
        "beta j",
    ),
    "Tsallis": (
        r"-\sum_a \pi(a) Q(a) - \alpha (1 - \sum_a \pi(a)^2)",
        lambda v: -mean_q(v) - v.has["alpha"] * (1 - v.total(v.pi**2)),
        "alpha q",
    ),
    "Renyi": (
        r"-\sum_a \pi(a) Q(a) + \alpha \log \sum_a \pi(a)^2",
        lambda v: -mean_q(v) + v.has["alpha"] * v.total(v.pi**2).log(),
        "alpha q",
    ),
    "penalty of an entropy": (
        r"(\sum_a \pi(a) \log \pi(a) + \beta)^2",
        lambda v: (v.total(v.pi * v.log_pi) + v.has["beta"]) ** 2,
        "beta",
    ),
    "variance": (
        r"\sum_a \pi(a) (Q(a) - \sum_b \pi(b) Q(b))^2",
        lambda v: v.total(v.pi * (v.has["q"] - mean_q(v)[:, None]) ** 2),
        "q",
    ),
    "variance from moments": (
        r"\sum_a \pi(a) Q(a)^2 - (\sum_a \pi(a) Q(a))^2",
        lambda v: v.total(v.pi * v.has["q"] ** 2) - mean_q(v) ** 2,
        "q",
    ),
    "perplexity": (
        r"\exp(-\sum_a \pi(a) \log \pi(a))",
        lambda v: torch.exp(-v.total(v.pi * v.log_pi)),
        "",
    ),
    "z-loss": (
        r"-\log \pi(j) + \beta (\log \sum_a \exp(\theta(a)))^2",
        lambda v: -v.at(v.log_pi) + v.has["beta"] * v.normaliser**2,
        "beta j",
    ),
    "mean of squares": (
        r"\frac{\sum_a \pi(a)^2 Q(a)}{\sum_a \pi(a)^2}",
        lambda v: v.total(v.pi**2 * v.has["q"]) / v.total(v.pi**2),
        "q",
    ),
    "cross-entropy with soft targets": (
        r"-\sum_a \rho(a) \log \pi(a)",
        lambda v: -v.total(v.has["rho"] * v.log_pi),
        "rho",
    ),
    "policy gradient with an entropy bonus": (
        r"-Q(j) \log \pi(j) + \alpha \sum_a \pi(a) \log \pi(a)",
        lambda v: -v.at(v.has["q"]) * v.at(v.log_pi) + v.has["alpha"] * v.total(v.pi * v.log_pi),
        "alpha q j",
    ),
    "imitation of the likeliest": (
        r"-\pi(j) \sum_a \rho(a) \log \pi(a)",
        lambda v: -v.at(v.pi) * v.total(v.has["rho"] * v.log_pi),
        "rho j",
    ),
}
"""Losses of papers: the formula, the same in PyTorch, and the arrays that it takes."""


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("text", "of", "takes"), PAPERS.values(), ids=PAPERS)
def test_a_loss_of_a_paper_is_proved_and_verified(text, of, takes, masked):
    r = np.random.default_rng(23)
    shape = 30, 9
    legal = r.random(shape) >= 0.3 * masked
    index = r.integers(shape[1], size=shape[0])
    legal[np.arange(shape[0]), index] = True
    numbers = {
        "legal": legal,
        "logits": r.normal(size=shape),
        "q": r.normal(size=shape),
        "rho": r.uniform(0.2, 1.5, size=shape),
        "alpha": 0.7,
        "beta": r.uniform(0.2, 2.0, size=shape[0]),
        "j": index,
    }
    loss = RandomLoss(text, ("paper",), ((1, Piece(text, of, frozenset(takes.split()))),), numbers)
    assert judged(loss) == []
