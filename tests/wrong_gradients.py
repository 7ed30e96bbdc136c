"""Wrong gradients in any number, and whether a name was earned: the campaign behind a few tests.

`python tests/wrong_gradients.py [TIMES]` runs it whole and prints what falls short.
"""

import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import softcheck
from softcheck import Status

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import make_negative
from make_negative import Batch, autograd, by_hand, jacobian, rearranged, total

DTYPES = (torch.float64, torch.float32)
NO_NAME = {"unexplained"}
PLACES = {"isolated-entries"}
"""What is said where few entries are wrong and all others right: no formula, but a fact."""


class Trial(NamedTuple):
    """A wrong gradient: a name that says how it was made, what it is, and what may be said."""

    made: str
    arrays: dict
    settings: dict
    allowed: frozenset
    """Codes, of which one must be among the explanations; none of another may come first."""


def given(
    generator,
    dtype,
    *,
    masked=False,
    twins=False,
    weighted=False,
    square=False,
    agents=1,
    largest=2000,
):
    """Return random tables: 4 to `largest` states, 3 to 18 actions, any size of Q and logits."""
    states = int(4 * (largest / 4) ** generator.random())
    actions = int(generator.integers(3, 19))
    states = actions if square else states + -states % agents

    def table(scale):
        return torch.tensor(scale * generator.normal(size=(states, actions)), dtype=dtype)

    size = 10.0 ** generator.uniform(-1, 1)
    arrays = {"q1": table(size), "q2": table(size)} if twins else {"q": table(size)}
    arrays["logits"] = table(10.0 ** generator.uniform(-0.3, 0.5))
    arrays["alpha"] = torch.tensor(10.0 ** generator.uniform(-1.5, 0.3), dtype=dtype)
    if masked:
        mask = torch.tensor(generator.random((states, actions)) < 0.7)
        mask[:, :2] = True
        mask[0, -1] = False
        arrays["mask"] = mask
    if weighted:
        arrays["weights"] = torch.tensor(generator.uniform(0.1, 2.0, states), dtype=dtype)
    return arrays


RIGHT = {
    ("alpha-rounded", torch.float32),
    ("low-precision", torch.float32),
    ("low-precision-bfloat16", torch.float32),
}
"""What the precision makes none, or leaves blind."""

ROWS = [
    row
    for row in make_negative.MISTAKES
    if row.code and row.code != "unexplained" and row.failed_checks == ("gradient",)
]


def of_the_table(generator):
    """Yield one trial for each row of the fixtures' bugs that is one in this precision."""
    for row in ROWS:
        dtype = DTYPES[generator.integers(2)]
        if (row.name or row.code, dtype) in RIGHT:
            continue
        torch.manual_seed(int(generator.integers(2**31)))
        table = row.table.read()
        arrays = given(
            generator,
            dtype,
            masked="mask" in table,
            twins="q1" in table,
            weighted="weights" in table,
            square=row.code == "transposed",
            agents=3 if row.code == "summed-over-axis" else 1,
        )
        arrays |= row.plant(Batch(arrays))
        yield Trial(row.name or row.code, arrays, row.settings, frozenset({row.code}))


def loss(terms):
    """Return the bug of a loss that the table does not have."""
    return autograd(terms)


def tempered_entropy(batch):
    """Entropy of a policy at another, odd temperature."""
    warm = torch.softmax(batch.logits / 1.37, -1)
    return -batch.pi * batch.q + batch.alpha * warm * warm.log()


def epsilon_greedy(batch):
    """Return the loss of a policy that is mixed with the uniform one."""
    mixed = 0.93 * batch.pi + 0.07 / batch.pi.shape[-1]
    return mixed * (batch.alpha * mixed.log() - batch.q)


def standardised(batch):
    """Return a loss whose Q is standardised state by state."""
    q = (batch.q - batch.q.mean(-1, keepdim=True)) / batch.q.std(-1, keepdim=True)
    return batch.pi * (batch.alpha * batch.log_pi - q)


def squashed(batch):
    """Return the loss of a policy whose logits are bounded."""
    log_pi = torch.log_softmax(3.0 * torch.tanh(batch.logits), -1)
    return log_pi.exp() * (batch.alpha * log_pi - batch.q)


def top_half(batch):
    """Return a loss over the better half of the actions of each state."""
    kept = batch.q >= batch.q.median(-1, keepdim=True).values
    return kept * batch.terms


OUTSIDE = {
    "Tsallis entropy": loss(lambda b: b.pi * (b.alpha * (b.pi - 1) - b.q) * 1.0 + b.pi**1.5),
    "Renyi entropy": loss(lambda b: b.alpha * total(b.pi**1.3).log() / 0.3 - total(b.pi * b.q)),
    "logit penalty": loss(lambda b: b.terms + 0.013 * b.logits**2),
    "squared entropy": loss(lambda b: b.alpha * total(b.pi * b.log_pi) ** 2 - total(b.pi * b.q)),
    "entropy of another temperature": loss(tempered_entropy),
    "epsilon-greedy policy": loss(epsilon_greedy),
    "standardised Q": loss(standardised),
    "clipped Q": loss(lambda b: b.pi * (b.alpha * b.log_pi - b.q.clamp(-0.5, 0.5))),
    "bounded bonus": loss(lambda b: b.terms - 0.9 * b.pi * b.log_pi.sigmoid()),
    "the better half": loss(top_half),
    "root of pi": loss(lambda b: b.pi.sqrt() * (b.alpha * b.log_pi - b.q)),
    "squashed logits": loss(squashed),
    "median baseline": by_hand(lambda b: -b.pi * (b.g - b.g.median(-1, keepdim=True).values)),
    "largest Q as the baseline": by_hand(
        lambda b: -b.pi * (b.g - b.q.max(-1, keepdim=True).values)
    ),
    "pi squared": by_hand(lambda b: -(b.pi**2) * (b.g - b.value)),
    "Jacobian twice": by_hand(lambda b: -jacobian(b.pi, jacobian(b.pi, b.g))),
    "sign": rearranged(torch.sign),
    "momentum": rearranged(lambda grad: 0.1 * grad + 0.9 * grad.roll(1, 0) * 0.5),
    "square root": rearranged(lambda grad: grad.sign() * grad.abs().sqrt()),
}
"""Mistakes that no row of the table is."""


def outside(generator):
    """Yield one trial for each mistake outside the table."""
    for made, plant in OUTSIDE.items():
        arrays = given(generator, DTYPES[generator.integers(2)], largest=400)
        arrays |= plant(Batch(arrays))
        settings = {"reduction": "sum"}
        yield Trial(made, arrays, settings, frozenset(NO_NAME))


def _noise(grad, generator):
    return grad * (1 + 10.0 ** generator.uniform(-3, 0) * generator.normal(size=grad.shape))


def _white_noise(grad, generator):
    size = 10.0 ** generator.uniform(-3, 1) * np.abs(grad).max()
    return grad + size * generator.normal(size=grad.shape)


def _relu(grad, _):
    return np.maximum(grad, 0.0)


def _zeroed(grad, generator):
    return np.where(generator.random(grad.shape) < generator.uniform(0.05, 0.9), 0.0, grad)


def _rows_zeroed(grad, generator):
    made = grad.copy()
    made[generator.permutation(len(grad))[: max(1, len(grad) // 3)]] = 0.0
    return made


def _rounded(grad, generator):
    return np.round(grad, int(generator.integers(1, 5)))


def _in_bits(grad, generator):
    bits = int(generator.integers(3, 7))
    fraction, exponent = np.frexp(grad)
    return np.ldexp(np.round(fraction * 2.0**bits) / 2.0**bits, exponent)


def _permuted(grad, generator):
    return grad[generator.permutation(len(grad))]


def _actions_permuted(grad, generator):
    return generator.permuted(grad, axis=1)


def _scaled(grad, generator):
    return grad * generator.uniform(0.2, 0.9, size=(len(grad), 1))


def _clipped(grad, generator):
    bound = np.quantile(np.abs(grad[grad != 0.0]), generator.uniform(0.4, 0.9))
    return grad.clip(-bound, bound)


CHANGES = {
    _noise: set(),
    _white_noise: set(),
    _relu: set(),
    _zeroed: set(),
    _rows_zeroed: {"states-left-out"},
    _rounded: {"printed-digits"},
    _in_bits: set(),
    _permuted: {"permuted-states"},
    _actions_permuted: {"permuted-actions"},
    _scaled: {"scaled-by-state"},
    _clipped: {"clipped-gradient"},
}
"""What is done to a right gradient, and the names that it may have beside none."""


def names_of(changes, right, wrong):
    """Return the names that a gradient may have after some changes, beside none."""
    if len(changes) == 1 or set(changes) == {_rows_zeroed, _scaled}:
        return set().union(*map(CHANGES.get, changes))
    # What was done before may be too little to change a digit.
    hidden = any(np.array_equal(wrong, np.round(right, digits)) for digits in range(1, 5))
    return CHANGES[_rounded] if hidden else set()


def random_wrong(generator):
    """Yield one trial for each change, and as many of two changes at once."""
    changes = list(CHANGES)
    pairs = [(change,) for change in changes]
    pairs += [tuple(generator.permutation(len(changes))[:2]) for _ in changes]
    for picked in pairs:
        chosen = [each if callable(each) else changes[each] for each in picked]
        arrays = given(generator, DTYPES[generator.integers(2)], largest=400)
        arrays |= autograd(lambda batch: batch.terms)(Batch(arrays))
        right, dtype = arrays["grad"].double().numpy(), arrays["grad"].numpy().dtype
        grad = right
        for change in chosen:
            grad = change(grad, generator)
        arrays["grad"] = torch.tensor(grad.astype(dtype))
        allowed = NO_NAME | names_of(chosen, right, grad)
        made = " then ".join(change.__name__.strip("_") for change in chosen)
        yield Trial(made, arrays, {}, frozenset(allowed))


def verified(trial, **more):
    """Return the report on a trial."""
    arrays = {name: tensor.detach().numpy() for name, tensor in trial.arrays.items()}
    q = arrays.pop("q", None)
    critics = tuple(arrays.pop(name) for name in ("q1", "q2") if name in arrays)
    return softcheck.verify(q=critics if q is None else q, **arrays, **(trial.settings | more))


def judged(trial):
    """Return what is wrong with what is said of a trial, or "" if nothing is; None if it passes."""
    case = verified(trial).cases[0]
    if case.status is Status.PASSED:
        return None
    best, *others = case.diagnosis or [None]
    if best is None:
        return "nothing is said"
    said = {best.code, *(other.code for other in others), *best.evidence.get("instead_of", ())}
    if best.code not in PLACES and not said & trial.allowed:
        return "not named" if best.code in NO_NAME else f"called {best.code}"
    if "mended" in best.evidence:
        evidence = best.evidence
        if evidence["mended"] != evidence["wrong"] or evidence["reproduced"] != evidence["entries"]:
            return f"called {best.code}, which leaves wrong entries"
    if trial.allowed & NO_NAME:
        for remedy in (remedy for each in case.diagnosis for remedy in each.remedies):
            if remedy.declare and verified(trial, **remedy.declare).status is Status.PASSED:
                return f"passes with {remedy.declare}, which it is told to declare"
    return ""


def run(trials, times, seed=0, stride=1):
    """Yield (made, what is wrong) of each so-manieth trial that does not pass, so many times."""
    for number in range(times):
        for trial in islice(trials(np.random.default_rng([seed, number])), None, None, stride):
            found = judged(trial)
            if found is not None:
                yield trial.made, found


def main():
    """Run the whole campaign and print what falls short."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 23
    torch.set_num_threads(1)
    for trials in (of_the_table, outside, random_wrong):
        found = list(run(trials, times))
        short = Counter(each for each in found if each[1])
        print(f"{trials.__name__}: {len(found)} wrong gradients, {sum(short.values())} short")
        for (made, what), count in sorted(short.items()):
            print(f"  {count:4} {made}: {what}")


if __name__ == "__main__":
    main()
