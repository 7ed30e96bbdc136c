"""All benchmarks, as tables and as JSON.

python tests/benchmarks [--json FILE] [--limit SECONDS]

Every ratio is of things that ran in turn on this machine. Takes a quarter of an hour, and the
dependency groups `benchmark` and `test`.
"""

import argparse
import json
from pathlib import Path

import kernel
import page
import peers
import start
import tokens
import whole
from rich.table import Table

GOALS = {
    "checks of every logit, 1 thread": 1.3,
    "checks of every logit, 2 threads": 0.75,
    "the same with a page": 1.05,
    "float32": 1.3,
    "bfloat16": 1.3,
    "verify of 1,000,000 x 18 in .npy files": 1.5,
    "cross-entropy": 1.0,
    "grpo": 1.0,
    **{
        f"{actions:,} actions, a logit {what}": 2.0
        for what in kernel.KINDS
        for _, actions in kernel.SHAPES
    },
}
"""The ratios that were aimed at, beside those that `start` knows."""


def rows(found):
    """Yield what was measured, beside what, the ratio by the clock and the ratio aimed at."""
    process = found["whole"]["ratio"]
    name, beside = "verify of 1,000,000 x 18 in .npy files", "loading, softmax and log_softmax"
    yield name, beside, process["wall"], GOALS[name]
    yield "the same, processor time", beside, process["processor"], None
    yield "the same, peak memory", beside, process["megabytes"], None
    name = "the same with a page"
    yield name, "without one", found["page"]["ratio"]["wall"], GOALS[name]
    for what, of in found["kernel"].items():
        yield what, of["beside"], of["ratio"], GOALS.get(what)
    for loss, of in found["tokens"].items():
        ratio = of["perf_counter"]["verify"] / of["perf_counter"]["step"]
        yield f"{loss} of tokens", "PyTorch's step", ratio, GOALS[loss]
    for argument, of in found["start"].items():
        yield f"softcheck {argument}, processor time", of["beside"], of["cpu ratio"], of["goal"]


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=8.0)
    chosen = parser.parse_args()
    console = peers.wide_console()
    found = {"machine": peers.machine()}
    with console.status("whole"):  # first, for what this process holds counts as a child's peak
        found["whole"] = whole.measured()
        found["page"] = page.measured()
    with console.status("start"):
        found["start"] = start.measured()
    with console.status("kernel"):
        found["kernel"], _ = kernel.measured()
    with console.status("tokens"):
        found["tokens"] = tokens.measured()
    found["peers"] = peers.measured(console, chosen.limit)

    said = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    console.print(said, highlight=False)
    table = Table("what", "beside", "ratio", "goal")
    for what, beside, ratio, goal in rows(found):
        table.add_row(what, beside, f"{ratio:.2f}", "" if goal is None else f"{goal:g}")
    console.print(table)
    peers.show(console, found["peers"], chosen.limit)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
