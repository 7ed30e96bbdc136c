"""Any run of states of a case, whatever its format, equals the same run of the whole."""

import pickle
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_table_formats import WRITERS

from softcheck.tables import case_from_arrays, open_case

RUNS = [(0, 7), (0, 3), (2, 6), (6, 7), (3, 3), (0, 0), (7, 7)]


def joined(case, rows, start, stop):
    """Return the arrays of a run of states, joined; the blocks must be numbered from `start`."""
    parts = {role: [] for role in case.tables if role not in case.scalars}
    for block in case.blocks(rows, start, stop):
        assert block.start == start
        assert block.rows == min(rows, stop - start)
        start += block.rows
        for role, array in block.arrays.items():
            parts[role].append(array)
    assert start == stop
    return {role: np.concatenate(arrays) for role, arrays in parts.items() if arrays}


def check_runs(opened, expected):
    """Compare runs of a case, opened elsewhere from its description, with the arrays as saved."""
    case = pickle.loads(pickle.dumps(opened))()  # noqa: S301  # of our own making
    for start, stop in RUNS:
        for rows in (1, 2, 1000):
            for role, array in joined(case, rows, start, stop).items():
                np.testing.assert_array_equal(array, expected[role][start:stop])


@pytest.mark.parametrize("name", WRITERS)
def test_runs_of_every_format(name, arrays):
    WRITERS[name](Path(name), arrays)
    arrays["alpha"] = np.full(7, 0.2)
    check_runs(partial(open_case, name, {}, allow_pickle=True), arrays)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["q.npy", "q.npz", "q.h5"])
def test_runs_of_every_layout(name, axis, order, arrays):
    # States of shape (7, 1), (1, 7) or (7, 1) in the file, with the actions on any axis.
    array = np.asarray(np.moveaxis(arrays["q"][:, None], -1, axis), order=order)
    if name.endswith("npy"):
        np.save(name, array)
    elif name.endswith("npz"):
        np.savez_compressed(name, x=array)
    else:
        with h5py.File(name, "w") as file:
            file["x"] = array
    given = {"q": [name], "logits": [name], "alpha": ["0.2"]}
    opened = partial(open_case, None, given, action_axis=axis)
    check_runs(opened, {"q": arrays["q"], "logits": arrays["q"]})


def test_runs_of_masks_logarithms_and_labels(arrays):
    mask = np.arange(21).reshape(7, 3) % 2
    case = case_from_arrays(
        {"q": arrays["q"], "logits": arrays["q"], "mask": mask, "log_alpha": np.arange(7.0)}
    )
    for start, stop in RUNS:
        found = joined(case, 2, start, stop)
        if found:
            np.testing.assert_array_equal(found["mask"], mask[start:stop] == 1)
            np.testing.assert_array_equal(found["alpha"], np.exp(np.arange(7.0))[start:stop])


def test_an_error_names_its_state_in_the_whole(arrays):
    mask = np.ones((7, 3), int)
    mask[5, 1] = 2
    case = case_from_arrays(arrays | {"mask": mask})
    list(case.blocks(2, 0, 5))
    with pytest.raises(Exception, match=r"mask\[5, 1\]: found 2"):
        list(case.blocks(2, 4, 7))
