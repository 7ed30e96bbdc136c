"""What the C library keeps, counted by the pages that the system has to give."""

import subprocess
import sys

import pytest

from softcheck.command import memory

PAGES = """
import resource, sys
import numpy as np
from softcheck.command.memory import keep_freed

keep_freed() if sys.argv[1] == "kept" else None
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    arrays = [np.ones(2**17) for _ in range(8)]
    del arrays
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun
print(pages * resource.getpagesize() / 8 / 2**20)
"""


def times(how):
    """Return how often the system gives the memory of eight arrays that are made 50 times."""
    command = [sys.executable, "-c", PAGES, how]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def test_arrays_of_a_block_are_made_in_what_is_free():
    assert times("returned") > 10.0
    assert times("kept") < 1.5


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_let_be(monkeypatch, error):
    def without(_name):
        raise error

    monkeypatch.setattr("ctypes.CDLL", without)
    memory.keep_freed()
