"""Time and peak memory of `softcheck verify` as a process, over states and over actions.

python tests/benchmarks/verify.py [THREADS]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPES = [
    (250_000, 18),
    (500_000, 18),
    (1_000_000, 18),
    (9_000_000, 2),
    (72_000, 250),
    (120, 150_000),
]


def write(folder, states, actions):
    """Write random tables a block at a time, so that this process stays small too."""
    generator = np.random.default_rng(0)
    for name in ("q", "logits"):
        table = np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", np.float64, (states, actions)
        )
        rows = max(1, 1_000_000 // actions)
        for start in range(0, states, rows):
            table[start : start + rows] = generator.normal(size=table[start : start + rows].shape)
        table.flush()


def measure(arguments):
    """Return wall seconds and peak resident megabytes of a process."""
    begun = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as run:
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"{arguments} ended with {run.returncode}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def main():
    """Print one line a shape."""
    threads = sys.argv[1:2] or [str(len(os.sched_getaffinity(0)))]
    print(f"threads: {threads[0]}")
    print(f"{'states':>10} {'actions':>8} {'seconds':>8} {'ns a logit':>11} {'peak MB':>8}")
    for states, actions in SHAPES:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), states, actions)
            command = [sys.executable, "-m", "softcheck", "verify", name, "--alpha", "0.2"]
            seconds, peak = measure([*command, "--threads", threads[0]])
        cost = seconds / (states * actions) * 1e9
        print(f"{states:>10} {actions:>8} {seconds:>8.2f} {cost:>11.1f} {peak:>8.0f}")


if __name__ == "__main__":
    main()
