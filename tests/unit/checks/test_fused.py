"""The machine code of the compiled loops."""

import os
import platform
import re
import subprocess
import sys

import pytest

NAMES = "sweep|Dumped|lay_out|weigh"

ASSEMBLY = """
from importlib import import_module

import numpy as np
from numba import typeof

from softcheck.checks import loops
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.verification import verify_case

def made(self, form, arguments):
    function = getattr(import_module(self.module), self.name)
    types = tuple(map(typeof, arguments))
    function.compile(types)
    print(function.overloads[types].library.get_asm_str())
    return "it is enough to see it"

loops.Loop._make = made
tables = {name: np.ones((40, 3)) for name in ("q", "logits", "grad")}
verify_case(case_from_arrays(tables | {"alpha": 1.0}), Settings(kernel="compiled"))
"""


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="it makes no such code")
def test_nothing_is_stored_under_a_mask():
    # As a plain maximum would be, where it goes to where it came from.
    processor = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    command = [sys.executable, "-c", ASSEMBLY]
    env = os.environ | processor
    made = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert {"sweep", "Dumped", "lay_out", "weigh"} == set(re.findall(NAMES, made))
    assert not re.search(r"vp?maskmov(?:pd|q)\s+%ymm\d+, %ymm\d+, ", made)
