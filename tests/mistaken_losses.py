"""Mistakes planted in shipped losses by the thousand: each has to be caught, and named.

    nice python tests/mistaken_losses.py [COUNT] [SEED]

A draw is a variant of a loss with its numbers, in float32 or float64, as a program of PyTorch, and
one of the mistakes that can be made in it. Prints each that was missed, and each that has another
name or none; then how many were named, by loss.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parent / "losses"))

from planted_in_torch import Data, Mistake, is_named, planted

import softcheck
from softcheck import Status
from softcheck.losses import names, read
from softcheck.losses.mistakes import mistakes

SEEN = {torch.float32: 1e-3, torch.float64: 1e-7}
"""How far a gradient has to be from the right one, in units of its largest entry, to be caught."""

HARMLESS = 1e-12
"""How far one may be where nothing but rounding has changed, in float64."""

LOSSES = [name for name in names() if name != "sac"]


@cache
def variants(loss):
    """Return the variants of a loss, each with its mistakes."""
    return [(made, mistakes(made)) for made in read(loss).variants]


@dataclass(frozen=True)
class Planted:
    """A loss with its numbers and a mistake, and what softcheck has for that."""

    loss: str
    data: Data
    mistake: Mistake
    made_of: list

    @property
    def away(self):
        """How far the gradient is from the right one, in units of its largest entry."""
        right = self.data.gradient(dtype=torch.float64)
        wrong = self.data.gradient(self.mistake, torch.float64)
        return float((right - wrong).abs().max() / right.abs().max())

    def verified(self, grad):
        given = {**self.data.given, "grad": grad, "reduction": "mean"}
        return softcheck.verify(loss=self.loss, **given).cases[0]


def drawn(number):
    """Draw a loss, its numbers and a mistake."""
    r = np.random.default_rng([23, number])
    loss = LOSSES[number % len(LOSSES)]
    made, known = variants(loss)[r.integers(len(variants(loss)))]
    dtype = [torch.float32, torch.float64][r.integers(2)]
    shape = int(r.integers(12, 60)), int(r.integers(3, 24))
    epsilon, tau = r.choice([1e-2, 1e-3, 1e-6, 1e-8]), r.choice([0.6, 0.9, 1.2, 1 / 0.6])
    data = Data(made, r, dtype, *shape, float(epsilon), float(tau))
    every = list(planted(data))
    mistake = every[r.integers(len(every))]
    return Planted(loss, data, mistake, data.made_of(mistake, known))


def judged(it):
    """Return what became of a planted mistake: a word, and what to print of it."""
    case = it.verified(it.data.gradient())
    if case.status is not Status.PASSED or case.diagnosis:
        return "right but failed", [one.message for one in case.diagnosis]
    case = it.verified(it.data.gradient(it.mistake))
    if it.away < HARMLESS:
        passed = case.status is Status.PASSED and not case.diagnosis
        return ("harmless" if passed else "harmless but failed"), []
    if case.status is not Status.FAILED:
        return ("missed" if it.away > SEEN[it.data.dtype] else "not seen"), []
    if is_named(case, it.mistake, it.made_of):
        return "named", []
    codes = {one.code for one in case.diagnosis}
    unnamed = {"unexplained", "low-precision", "isolated-entries", "not-finite"}
    words = [one.message for one in case.diagnosis]
    return ("no name" if unnamed.issuperset(codes) else "another name"), words


def main(count=500, seed=0):
    counts = Counter()
    for number in range(seed, seed + count):
        it = drawn(number)
        what, words = judged(it)
        counts[it.loss, what] += 1
        if what not in ("named", "harmless", "not seen"):
            print(f"{number}: {it.loss}: {it.mistake.what}: {what}: {words}", flush=True)
    for (loss, what), times in sorted(counts.items()):
        print(f"{times:6} {loss} {what}")
    total = Counter()
    for (_, what), times in counts.items():
        total[what] += times
    print(dict(total))
    seen = count - total["not seen"] - total["harmless"]
    failed = total["missed"] + total["right but failed"] + total["harmless but failed"]
    return failed, 1 - total["named"] / max(1, seen)


if __name__ == "__main__":
    failed, unnamed = main(*map(int, sys.argv[1:]))
    sys.exit(bool(failed) or unnamed > 0.02)
