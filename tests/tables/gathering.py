"""Read a case to its end."""

import numpy as np

from softcheck.tables import open_case


def gather(case, rows=1000):
    """Return the arrays of all blocks, joined, and the scalars."""
    blocks = list(case.blocks(rows))
    assert [block.start for block in blocks] == list(range(0, case.states, rows))
    assert sum(block.rows for block in blocks) == case.states
    joined = {
        role: np.concatenate([block.arrays[role] for block in blocks]) for role in blocks[0].arrays
    }
    return joined | dict(case.scalars)


def read_all(path=None, given=None, rows=1000, **options):
    """Open a case and read it to its end."""
    return gather(open_case(path, given or {}, **options), rows)


def digests(case):
    """Return the SHA-256 of the file of each array, by role, None for what is in no file."""
    case.hash_files()
    return {given.role: given.sha256 for given in case.inputs}
