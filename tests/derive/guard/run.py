"""The guard at any length: `python tests/derive/guard/run.py --statements 20000 --seed 7`.

Prints each disagreement as a small document, and at the end what became of all equalities.
"""

import argparse
import itertools
import sys

from judging import Outcome, judge, run


def smallest(found):
    """Return a disagreement with nothing in its document that it does not need."""
    places = [(start, end) for start, end, _ in found.document.blocks]
    covered = {line for start, end in places for line in range(start, end + 1)}
    lines = enumerate(found.document.lines, 1)
    places += [(line, line) for line, text in lines if text and line not in covered]
    for place in places:
        less = found.document.without(*place)
        again = [each for each in judge(less).disagreements if each.kind == found.kind]
        found = again[0] if again else found
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--statements", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    total = Outcome()
    for seed in itertools.count(chosen.seed * 1_000_000):
        outcome = run([seed])
        for each in outcome.disagreements:
            print(smallest(each), flush=True)
        total.disagreements += outcome.disagreements
        total.verdicts += outcome.verdicts
        if total.statements >= chosen.statements:
            break
    for (sure, truth, verdict), number in sorted(total.verdicts.items()):
        form = "sure form" if sure else "any form"
        print(f"{form:10} {'true' if truth else 'false':6} {verdict:10} {number}")
    print(f"{total.statements} equalities, {len(total.disagreements)} disagreements")
    return 1 if total.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
