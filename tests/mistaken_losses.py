"""Mistakes planted in shipped losses by the thousand: each has to be caught, and named.

    nice python tests/mistaken_losses.py [COUNT] [SEED]

A draw is a variant of a loss with its numbers, in float32 or float64, and one of the mistakes that
its formula has. Prints each that was missed, and each that has another name or none; then how many
were named, by loss.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parent / "losses"))

from programs_in_torch import evaluate

import softcheck
from softcheck import Status
from softcheck.gradient.definition import Kind
from softcheck.losses import names, read
from softcheck.losses.mistakes import mistakes

SEEN = {torch.float32: 1e-3, torch.float64: 1e-7}
"""How far a gradient has to be from the right one, in units of its largest entry, to be caught."""

KNOWN = {"sign-flipped": "sign-flipped", "mean-over-actions": "mean-over-states-and-actions"}
"""Mistakes of the whole loss, which a scale of it is too."""

LOSSES = [name for name in names() if name != "sac"]


@cache
def variants(loss):
    """Return the variants of a loss, each with its mistakes."""
    return [(made, mistakes(made)) for made in read(loss).variants]


def _table(given, r, shape):
    if given.legal == "not negative":
        return r.dirichlet(np.ones(shape[1]), size=shape[0])
    table = r.normal(size=shape) * 1.5
    if given.name.endswith("log_probs"):
        table -= np.log(np.exp(table).sum(axis=-1, keepdims=True))
    return table


@dataclass(frozen=True)
class Planted:
    """A right gradient and one with a mistake, as softcheck is given them."""

    loss: str
    dtype: torch.dtype
    arrays: dict
    right: torch.Tensor
    wrong: torch.Tensor
    mistake: object

    @property
    def is_seen(self):
        largest = float(self.right.abs().max())
        away = float((self.right - self.wrong).abs().max())
        return bool(torch.isfinite(self.wrong).all()) and away > SEEN[self.dtype] * largest

    def verified(self, grad):
        report = softcheck.verify(loss=self.loss, grad=grad, reduction="mean", **self.arrays)
        return report.cases[0]


def drawn(number):
    """Draw a loss, its numbers and a mistake."""
    r = np.random.default_rng([23, number])
    loss = LOSSES[number % len(LOSSES)]
    made, known = variants(loss)[r.integers(len(variants(loss)))]
    dtype = [torch.float32, torch.float64][r.integers(2)]
    shape = int(r.integers(12, 60)), int(r.integers(3, 24))
    logits = torch.tensor(r.normal(size=shape) * r.uniform(0.5, 2), dtype=dtype)
    arrays = {}
    for given in made.variant.givens:
        match given.kind:
            case Kind.INDEX:
                arrays[given.name] = torch.tensor(r.integers(shape[1], size=shape[0]))
                continue
            case Kind.TABLE:
                value = _table(given, r, shape)
            case Kind.STATE:
                value = r.normal(size=shape[0])
            case _:
                value = r.uniform(1.2, 3) if given.name == "temperature" else r.uniform(0.05, 0.4)
        arrays[given.name] = torch.tensor(value, dtype=dtype)
    for given in made.variant.givens:
        if given.kind is Kind.STATE and given.name.endswith("log_probs"):  # of a policy nearby
            taken = torch.log_softmax(logits, -1).gather(-1, arrays["actions"][:, None])[:, 0]
            arrays[given.name] = taken + 0.3 * arrays[given.name]
    tau = 1.0 if made.variant.temperature is None else arrays[made.variant.temperature]

    def gradient(slope):
        return evaluate(slope, logits / tau, arrays) / tau / shape[0]

    mistake = known[r.integers(len(known))]
    right, wrong = gradient(made.variant.slope), gradient(mistake.slope)
    return Planted(loss, dtype, {"logits": logits, **arrays}, right, wrong, mistake)


def names_of(case):
    """Return all that a case is said to be: by their codes, and in words."""
    codes, words = [], []
    for one in case.diagnosis:
        others = one.evidence.get("alternatives", ())
        codes += [one.code, *(other["code"] for other in others)]
        words += [one.message, *one.evidence.get("also", ()), *(other["said"] for other in others)]
    return codes, words


def judged(planted):
    """Return what became of a planted mistake: a word, and what to print of it."""
    case = planted.verified(planted.right)
    if case.status is not Status.PASSED or case.diagnosis:
        return "right but failed", [one.message for one in case.diagnosis]
    case = planted.verified(planted.wrong)
    codes, words = names_of(case)
    if case.status is not Status.FAILED:
        return ("missed" if planted.is_seen else "not seen"), []
    mistake = planted.mistake
    if any(mistake.said in text for text in words) or KNOWN.get(mistake.code) in codes:
        return "named", []
    unnamed = {"unexplained", "low-precision", "isolated-entries", "not-finite"}
    return ("no name" if unnamed.issuperset(codes) else "another name"), words


def main(count=500, seed=0):
    counts = Counter()
    for number in range(seed, seed + count):
        planted = drawn(number)
        what, words = judged(planted)
        counts[planted.loss, what] += 1
        if what not in ("named", "not seen"):
            print(f"{number}: {planted.loss}: {planted.mistake.said}: {what}: {words}", flush=True)
    for (loss, what), times in sorted(counts.items()):
        print(f"{times:6} {loss} {what}")
    total = Counter()
    for (_, what), times in counts.items():
        total[what] += times
    print(dict(total))
    seen = count - total["not seen"]
    return total["missed"] + total["right but failed"], 1 - total["named"] / max(1, seen)


if __name__ == "__main__":
    missed, unnamed = main(*map(int, sys.argv[1:]))
    sys.exit(bool(missed) or unnamed > 0.02)
