"""Random wrong gradients by NumPy and by the compiled loop: the same report but for rounding.

python tests/wrong_tables.py COUNT SEED
"""

import re
import sys
from collections import Counter

import compiled_kernel
import ml_dtypes
import msgspec
import numpy as np
from scipy.special import log_softmax, softmax

from softcheck.checks import compiled
from softcheck.losses import load
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

STORED = {"float64": np.float64, "float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
UNITS = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8}


def negated(right, _pi, _unit, _generator):
    return -right


def scaled(right, _pi, unit, generator):
    """Off by what is a little less or much more than rounding."""
    return right * (1.0 + unit * 10.0 ** generator.uniform(0.5, 6))


def at_few(right, _pi, unit, generator):
    wrong = right.copy()
    at = generator.random(right.shape) < 10.0 ** generator.uniform(-3, 0)
    wrong[at] += (unit * 10.0 ** generator.uniform(0, 12, right.shape) * np.abs(right).max())[at]
    return wrong


def at_some_states(right, _pi, _unit, generator):
    wrong = right.copy()
    wrong[generator.random(len(right)) < 0.1] *= -1.0
    return wrong


def not_finite(right, _pi, unit, generator):
    wrong = at_few(right, _pi, unit, generator)
    wrong[generator.integers(len(right)), 0] = generator.choice([np.nan, np.inf])
    return wrong


def rolled(right, _pi, _unit, _generator):
    return np.roll(right, 1, axis=1)


def shared_error(right, pi, unit, generator):
    """Off by an error of each state, as that of a normaliser leaves."""
    size = unit * 10.0 ** generator.uniform(-1, 3) * generator.choice([1.0, 1e4])
    return right + size * generator.normal(size=(len(pi), 1)) * pi


def rounded_parts(right, pi, unit, generator):
    """Off as what is added from parts that are stored each."""
    size = unit * 10.0 ** generator.uniform(-1, 1)
    return right + size * generator.uniform(-1.0, 1.0, right.shape) * (pi + np.abs(right))


def none(right, _pi, _unit, _generator):
    return right


MISTAKES = [negated, scaled, at_few, at_some_states, not_finite, rolled, shared_error]
MISTAKES += [rounded_parts, none]


def sac(generator, rows, actions):
    q, logits = generator.normal(size=(2, rows, actions)) * 10.0 ** generator.uniform(-1, 1)
    logits += generator.choice([0.0, 100.0])
    q += generator.choice([0.0, 0.0, 1e4])
    if generator.random() < 0.3:
        logits[:, 1:][generator.random((rows, actions - 1)) < 0.3] = -np.inf
    log_pi = log_softmax(logits, axis=1)
    alpha = 0.25
    g = q - alpha * np.where(np.isfinite(log_pi), log_pi, 0.0)
    grad = -np.exp(log_pi) * (g - (np.exp(log_pi) * g).sum(axis=1, keepdims=True))
    return {"q": q, "logits": logits, "alpha": alpha}, grad


def cross_entropy(generator, rows, actions):
    logits = generator.normal(size=(rows, actions)) * 10.0 ** generator.uniform(-1, 1)
    if generator.random() < 0.5:
        logits = logits.astype(ml_dtypes.bfloat16)
    labels = generator.integers(actions, size=rows)
    grad = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    grad[np.arange(rows), labels] -= 1.0
    return {"logits": logits, "labels": labels}, grad


LOSSES = {"sac": sac, "cross-entropy": cross_entropy}


def cases(count, seed):
    """Yield cases with a gradient that is wrong, most of them, and how they are verified."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        name = generator.choice([*LOSSES])
        actions = int(generator.choice([2, 3, 18, 64, 300, 3000]))
        rows = int(generator.integers(2, 400 if actions < 100 else 12))
        arrays, grad = LOSSES[name](generator, rows, actions)
        if generator.random() < 0.2:  # every state is the first one
            grad[:] = grad[0]
            for role in {"q", "logits", "labels"} & arrays.keys():
                arrays[role] = np.repeat(arrays[role][:1], rows, axis=0)
        weights = {}
        if generator.random() < 0.2:
            zero = generator.random(rows) < generator.choice([0.0, 0.3])
            weights["weights"] = np.where(zero, 0.0, generator.normal(size=rows))
        for factor in weights.values():
            grad = grad * factor[:, None]
        stored = generator.choice([*STORED])
        mistake = MISTAKES[generator.integers(len(MISTAKES))]
        pi = softmax(arrays["logits"].astype(np.float64), axis=1)
        grad = mistake(grad, pi, UNITS[stored], generator).astype(STORED[stored])
        settings = {
            "reduction": "sum",
            "block_entries": int(generator.choice([500, 3000, 122_880])),
            "max_findings": int(generator.choice([1, 20, 100])),
            "tolerance_factor": float(generator.choice([1.0, 1.0, 1.0, 0.01, 100.0])),
            "threads": 1,
        }
        if generator.random() < 0.4:
            settings["compute_dtype"] = str(generator.choice([*STORED]))
        declared = Declared(load(str(name)))
        case = case_from_arrays(arrays | weights | {"grad": grad}, declared=declared)
        yield f"{name} {rows} x {actions} {stored} {mistake.__name__} {settings}", case, settings


def without_noise(said):
    """Return what is said of a case but for the kernel, and where rounding is the largest.

    That is of what is right. The fit sees how the gradient itself was rounded, in float64: its
    numbers have few digits. So has the order of what is equally wrong.
    """

    def order(finding):
        return finding["check"], -float(f"{finding['ratio']:.9g}"), finding["location"]

    said["settings"].pop("kernel", None)
    said["findings"] = sorted(said["findings"], key=order)
    for check in said["checks"]:
        # The exact check looks at the worst entries of the others.
        exact = check["name"] == "exact"
        for name in ("worst", "resolution", "reason", *(("entries",) if exact else ())):
            if check["status"] != "failed" or check["name"] == "fit":
                del check[name]
    for each in said["diagnosis"]:
        each["grounds"] = re.sub(r"fitted \S+ \+- \S+", "fitted", each["grounds"])
        each["evidence"].pop("worst_ratio", None)  # of what is as predicted
    fits = (check for check in said["checks"] if check["name"] == "fit")
    for of_fit in (*fits, *(each for each in said["findings"] if each["check"] == "fit")):
        for name in ("ratio", "tolerance", "largest"):
            of_fit.pop(name, None)
    return said


def by_both(case, settings):
    """Return what is said of a case by the compiled loop, and by NumPy."""
    return [
        without_noise(msgspec.to_builtins(verify_case(case, Settings(**settings, kernel=kernel))))
        for kernel in ("compiled", "numpy")
    ]


def main():
    """Compare as many cases as asked for."""
    count, seed = map(int, sys.argv[1:])
    told, tell = Counter(), compiled._tell

    def counted(*given):
        found = tell(*given)
        told[found] += 1
        return found

    compiled._tell = counted
    found, failed = Counter(), 0
    for name, case, settings in cases(count, seed):
        ours, theirs = by_both(case, settings)
        found[theirs["status"]] += 1
        if not compiled_kernel.near(ours, theirs):
            failed += 1
            print(name)
            where(ours, theirs)
    print(f"{count} cases, {failed} differ; {dict(found)}; blocks told by the loop: {dict(told)}")


def where(found, expected, at=""):
    """Print where two reports differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in found.keys() | expected.keys():
            where(found.get(key), expected.get(key), f"{at}/{key}")
    elif isinstance(found, list | tuple) and len(found) == len(expected or ()):
        for place, pair in enumerate(zip(found, expected, strict=True)):
            where(*pair, f"{at}/{place}")
    elif not compiled_kernel.near(found, expected):
        print(f"  {at}: {str(found)[:200]} {str(expected)[:200]}")


if __name__ == "__main__":
    main()
