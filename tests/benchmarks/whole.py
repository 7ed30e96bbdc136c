"""The whole process of `softcheck verify`, beside a Python process that runs SciPy's softmax.

python tests/benchmarks/whole.py [STATES] [RUNS]

Both read q, logits and grad from .npy files, of STATES x 18 float64. Measures the wall time, the
processor time and the peak memory of each, in pairs so that both meet the same machine; of the same
case with the gradient negated, which fails and is diagnosed, beside the right one; and what
reading, hashing and laying out take of it.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from softcheck.gradient.policy import Buffers
from softcheck.settings import BLOCK_ENTRIES
from softcheck.tables import open_case

ACTIONS, ALPHA, WRONG = 18, 0.2, "wrong"

SCIPY = """
import sys
import numpy as np
from scipy.special import log_softmax, softmax
q, logits, grad = (np.load(f"{sys.argv[1]}/{name}.npy") for name in ("q", "logits", "grad"))
softmax(logits, axis=-1)
log_softmax(logits, axis=-1)
"""


def write(folder, states):
    """Write a random case with the right gradient, a block at a time, and one with a wrong one.

    Not through a map: the kernel counts what this process has in memory to the peak of a child.
    """
    generator = np.random.default_rng(0)
    (wrong := folder / WRONG).mkdir()
    described = {"descr": "<f8", "fortran_order": False, "shape": (states, ACTIONS)}
    with ExitStack() as stack:
        names = "q", "logits", "grad", f"{WRONG}/grad"
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in names}
        for file in files.values():
            np.lib.format.write_array_header_1_0(file, described)
        for start in range(0, states, 10_000):
            q, logits = generator.normal(size=(2, min(10_000, states - start), ACTIONS))
            log_policy = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            g = q - ALPHA * log_policy
            value = (np.exp(log_policy) * g).sum(axis=1, keepdims=True)
            files["q"].write(q.tobytes())
            files["logits"].write(logits.tobytes())
            grad = -np.exp(log_policy) * (g - value)
            files["grad"].write(grad.tobytes())
            files[f"{WRONG}/grad"].write((-grad).tobytes())
    for name in ("q.npy", "logits.npy"):
        (wrong / name).hardlink_to(folder / name)


def measure(command, expected=0):
    """Return wall seconds, processor seconds and peak resident megabytes of a process."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != expected:
        raise SystemExit(f"{command} ended with {run.returncode}")
    return {
        "wall": time.perf_counter() - begun,
        "processor": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss / 1024,
    }


def layers(folder):
    """Return the processor seconds of reading, of reading and hashing, and of laying out."""
    seconds = {}
    for name, is_hashed in (("read", False), ("read and hash", True)):
        case = open_case(str(folder), {"alpha": [str(ALPHA)]})
        if is_hashed:
            case.hash_files()
        begun = time.process_time()
        for _ in case.blocks(BLOCK_ENTRIES // ACTIONS):
            pass
        seconds[name] = time.process_time() - begun
    buffers = Buffers()
    seconds["lay out"] = 0.0
    for block in open_case(str(folder), {"alpha": [str(ALPHA)]}).blocks(BLOCK_ENTRIES // ACTIONS):
        begun = time.process_time()
        for role, array in block.arrays.items():
            np.copyto(buffers(role, array.shape[::-1]), array.T)
        seconds["lay out"] += time.process_time() - begun
    begun = time.process_time()
    for file in folder.glob("*.npy"):
        with file.open("rb") as stream:
            hashlib.file_digest(stream, "sha256")
    seconds["sha256 alone"] = time.process_time() - begun
    return seconds


def verify(folder):
    """Return the command that verifies the case of a folder."""
    return [sys.executable, "-m", "softcheck", "verify", str(folder), f"--alpha={ALPHA}", "-qq"]


def measured(states=1_000_000, runs=5):
    """Return medians by who ran, by what was measured; of the ratios those of the pairs."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), states)
        commands = {
            "scipy": [sys.executable, "-c", SCIPY, name],
            "softcheck": verify(name),
            "failing": verify(f"{name}/{WRONG}"),
        }
        pairs = [
            {who: measure(command, int(who == "failing")) for who, command in commands.items()}
            for _ in range(runs)
        ]
        found = {
            who: {what: statistics.median(pair[who][what] for pair in pairs) for what in pair_of}
            for who in commands
            for pair_of in [pairs[0][who]]
        }
        found["ratio"], found["of failing"] = (
            {
                what: statistics.median(pair[who][what] / pair[beside][what] for pair in pairs)
                for what in pairs[0][who]
            }
            for who, beside in (("softcheck", "scipy"), ("failing", "softcheck"))
        )
        found["layers"] = layers(Path(name))
    return found


def main():
    """Print a line a measure."""
    for who, figures in measured(*map(int, sys.argv[1:])).items():
        print(
            f"{who:>10}  " + "  ".join(f"{what} {figure:.3f}" for what, figure in figures.items())
        )


if __name__ == "__main__":
    main()
