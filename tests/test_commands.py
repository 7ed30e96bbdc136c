"""Every command that the pages show passes, on files that are what its page says of them."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixture_cases import FIXTURES
from pages import blocks, without_digits
from run import softcheck

COMMANDS = [
    line.partition("  #")[0].strip().removeprefix("- ")
    for block in (*blocks("sh"), *blocks("yaml"))
    for line in block.splitlines()
    if re.match(r" *(- )?softcheck (?!selftest)", line)  # which its own tests run
]
ALPHA = 0.2


def soft_step(command):
    """Return the arrays of a step of the soft policy loss, reduced as a command says."""
    q, logits = np.random.default_rng(0).normal(size=(2, 24, 5))
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    g = q - ALPHA * np.log(policy)
    grad = -policy * (g - (policy * g).sum(axis=1, keepdims=True))
    return {"q": q, "logits": logits, "grad": grad / (24 if "mean" in command else 1)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_passes(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = soft_step(command)
    np.savez("run.npz", alpha=ALPHA, **arrays)
    np.savez("critics.npz", qf1=arrays["q"], qf2=arrays["q"] + 1)
    for name in ("logits", "grad"):
        np.save(name, arrays[name])
    Path("softcheck.toml").write_text('[[case]]\npath = "run.npz"\n')
    if "mine.npy" in command:
        np.savez("run.npz", alpha=ALPHA, q=arrays["q"], logits=arrays["logits"])
        shutil.copy("grad.npy", "mine.npy")
        shutil.copy("grad.npy", "theirs.npy")
    if "cross-entropy" in command:
        shutil.copy(FIXTURES / "positive" / "zen-padded.npz", "step.npz")
    elif "paper.tex" in command:
        np.savez("step.npz", **arrays)
        Path("paper.tex").write_text(r"$$L := -\sum_a \pi(a) (Q(a) - \beta \log \pi(a))$$")
    else:
        shutil.copy("run.npz", "step.npz")
    outcome = softcheck(*shlex.split(command)[1:])
    assert outcome.code == 0, outcome.out + outcome.err


def test_what_selftest_says_at_its_end_is_what_is_shown():
    page, section = "docs/checks.md", r"How blind is your test\?"
    (commands,), (shown,) = blocks("sh", page, section), blocks("", page, section)
    command = commands.splitlines()[-1].partition("  #")[0]
    printed = softcheck(*shlex.split(command)[1:]).out.splitlines()[-2:]
    assert without_digits(shown) == without_digits("\n".join(printed))
