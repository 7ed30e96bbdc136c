"""What starting costs: whole processes of `softcheck`, beside imports that they cannot do without.

python tests/benchmarks/start.py [PAIRS]

The two of a pair run one after the other, so that both meet the same machine; what is printed are
medians over pairs, of the wall and of the processor time of each, and of their ratios. Modules are
compiled before anything is counted, as they are where softcheck is installed.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASE = Path(__file__).parents[2] / "fixtures" / "positive" / "cliffwalking.npz"
PAIRS = [
    (["--version"], "import typer", 2.0),
    (["verify", str(CASE)], "import numpy, typer, rich.console", 1.7),
    (["derive"], "import sympy", 2.5),
]
"""Arguments of softcheck, what they are measured against, and the ratio that is allowed."""


def measure(command, environment):
    """Return wall seconds and processor seconds of a process."""
    begun = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as run:
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"{command} ended with {run.returncode}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


def measured(count=15):
    """Return by argument the medians over pairs: milliseconds and ratios, wall and processor."""
    found = {}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for arguments, imports, goal in PAIRS:
            ours = [sys.executable, "-m", "softcheck", *arguments]
            theirs = [sys.executable, "-c", imports]
            measure(ours, environment)
            measure(theirs, environment)
            runs = [
                (*measure(ours, environment), *measure(theirs, environment)) for _ in range(count)
            ]
            wall, cpu, wall_of, cpu_of = (
                1000 * statistics.median(times) for times in zip(*runs, strict=True)
            )
            ratios = [(run[0] / run[2], run[1] / run[3]) for run in runs]
            ratio, of_cpu = (statistics.median(each) for each in zip(*ratios, strict=True))
            found[arguments[0]] = {
                "beside": imports,
                "wall": wall,
                "cpu": cpu,
                "wall beside": wall_of,
                "cpu beside": cpu_of,
                "ratio": ratio,
                "cpu ratio": of_cpu,
                "goal": goal,
            }
    return found


def main():
    """Print a line a pair of commands."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"medians of {count} pairs; milliseconds, wall and processor")
    print(f"{'softcheck':<12}{'wall':>6}{'cpu':>6}   {'beside':<36}{'wall':>6}{'cpu':>6}", end="")
    print(f"{'ratio':>8}{'cpu':>6}{'goal':>6}")
    for argument, of in measured(count).items():
        print(f"{argument:<12}{of['wall']:>6.0f}{of['cpu']:>6.0f}   {of['beside']:<36}", end="")
        print(f"{of['wall beside']:>6.0f}{of['cpu beside']:>6.0f}", end="")
        print(f"{of['ratio']:>8.2f}{of['cpu ratio']:>6.2f}{of['goal']:>6.1f}")


if __name__ == "__main__":
    main()
