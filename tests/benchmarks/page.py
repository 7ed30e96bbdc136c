"""What a page costs: `softcheck verify` of a large table with `--report html:FILE`, and without.

python tests/benchmarks/page.py [STATES] [RUNS]

Both are processes that verify STATES x 18 float64, and run in turn. Of each the fastest run counts,
for the machine can only add to it.
"""

import sys
import tempfile
from pathlib import Path

import whole


def measured(states=1_000_000, runs=5):
    """Return the ratios of the fastest runs, by what was measured, and the bytes of the page."""
    with tempfile.TemporaryDirectory() as name:
        folder, page = Path(name, "case"), Path(name, "page.html")
        folder.mkdir()
        whole.write(folder, states)
        without = [sys.executable, "-m", "softcheck", "verify", str(folder)]
        without += [f"--alpha={whole.ALPHA}", "-qq"]
        commands = {"without": without, "with": [*without, f"--report=html:{page}"]}
        rounds = [
            {which: whole.measure(command) for which, command in commands.items()}
            for _ in range(runs)
        ]
        best = {
            which: {what: min(each[which][what] for each in rounds) for what in of}
            for which, of in rounds[0].items()
        }
        ratios = {what: best["with"][what] / best["without"][what] for what in best["with"]}
        return {"ratio": ratios, "seconds": best, "bytes": page.stat().st_size}


def main():
    """Print a line a measure."""
    for what, found in measured(*map(int, sys.argv[1:])).items():
        print(what, found)


if __name__ == "__main__":
    main()
