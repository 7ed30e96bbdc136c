"""Where numbers come from: each source yields the same states as NumPy's own indexing."""

import io
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from softcheck.errors import InputError
from softcheck.tables import sources
from softcheck.tables.files import File
from softcheck.tables.sources import (
    Exponential,
    Extent,
    Forward,
    Mask,
    Memory,
    boxes,
    in_blocks,
    packed,
)
from softcheck.tables.table import Table

ARRAY = np.arange(24.0).reshape(2, 3, 4)


def states_first(axis):
    """Return the array with its states on one axis, in C order, and the actions behind."""
    return np.moveaxis(ARRAY, axis, -1).reshape(-1, ARRAY.shape[axis])


def extent(order, folder):
    path = folder / "raw"
    data = b"head" + ARRAY.tobytes(order)
    path.write_bytes(data)
    return Extent(
        file=File(str(path)),
        offset=4,
        size=len(data),
        dtype=ARRAY.dtype,
        shape=ARRAY.shape,
        strides=packed(ARRAY.shape, fortran=order == "F"),
    )


def forward(order, _folder):
    @contextmanager
    def opened():
        yield io.BytesIO(ARRAY.tobytes(order))

    return Forward(
        where="raw",
        open=opened,
        dtype=ARRAY.dtype,
        shape=ARRAY.shape,
        strides=packed(ARRAY.shape, fortran=order == "F"),
    )


def memory(order, _folder):
    return Memory(np.asarray(ARRAY, order=order))


@pytest.mark.parametrize("make", [memory, extent, forward])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_run_of_states_wherever_the_actions_are(make, order, axis, tmp_path):
    source = make(order, tmp_path)
    expected = states_first(axis)
    for start, stop in ((0, len(expected)), (1, 5), (3, 4), (2, 2)):
        runs = list(source.runs(2, axis, start, stop))
        assert [len(run) for run in runs] == [
            min(2, stop - first) for first in range(start, stop, 2)
        ]
        joined = np.concatenate([np.empty((0, ARRAY.shape[axis])), *runs])
        np.testing.assert_array_equal(joined, expected[start:stop])


VIEWS = {
    "every second action": (1, (2, 3, 2), (12, 4, 2)),
    "without the last step": (0, (2, 2, 4), (12, 4, 1)),
    "axes in another order": (0, (4, 2, 3), (1, 12, 4)),
    "repeated": (3, (2, 5, 4), (12, 0, 1)),
    "overlapping": (0, (3, 3, 4), (7, 2, 1)),
    "an axis of one": (4, (2, 1, 4), (12, 1, 1)),
    "a diagonal": (0, (2, 3), (12, 5)),
}


@pytest.mark.parametrize("gap", [0, 3, 16])
@pytest.mark.parametrize("box", [1, 5, 2**17])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_with_any_strides(view, box, gap, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_GAP", gap)
    monkeypatch.setattr(sources, "_LEAST", 1)
    monkeypatch.setattr(sources, "BOX", box)
    first, shape, strides = view
    expected = as_strided(ARRAY.ravel()[first:], shape, [8 * stride for stride in strides])
    source = replace(extent("C", tmp_path), offset=4 + 8 * first, shape=shape, strides=strides)
    for axis in range(len(shape)):
        states = np.moveaxis(expected, axis, -1).reshape(-1, shape[axis])
        for start, stop in ((0, len(states)), (1, min(3, len(states)))):
            runs = list(source.runs(2, axis, start, stop))
            joined = np.concatenate([np.empty((0, shape[axis])), *runs])
            np.testing.assert_array_equal(joined, states[start:stop])


def test_a_stride_along_an_axis_of_one_is_no_matter(tmp_path):
    source = replace(extent("C", tmp_path), shape=(3, 1, 4), strides=(4, 99, 1))
    assert source.in_order(2)
    assert not source.in_order(0)
    assert not replace(source, shape=(3, 2, 4)).in_order(2)


def test_gaps_in_a_view_are_skipped_where_they_are_wide(tmp_path, monkeypatch):
    taken = []
    take = Extent.take
    monkeypatch.setattr(Extent, "take", lambda *given: taken.append(given[2]) or take(*given))
    path = tmp_path / "raw"
    path.write_bytes(np.arange(1000.0).tobytes())
    for strides, pieces in (((300, 10), [(11,)] * 3), ((20, 10), [(51,)]), ((300, 20), [(1,)] * 6)):
        source = Extent(
            file=File(str(path)),
            offset=0,
            size=8000,
            dtype=ARRAY.dtype,
            shape=(3, 2),
            strides=strides,
        )
        (run,) = source.runs(3, 1, 0, 3)
        assert run.tolist() == [[strides[0] * i + strides[1] * j for j in (0, 1)] for i in range(3)]
        assert taken == pieces
        taken.clear()


@pytest.mark.parametrize("make", [memory, extent, forward])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_run_of_numbers_that_are_states(make, order, tmp_path):
    runs = list(make(order, tmp_path).runs(5, None, 3, 20))
    assert np.concatenate(runs).tolist() == [float(number) for number in range(3, 20)]


def test_only_a_file_that_was_read_to_its_end_has_its_digest_known(tmp_path, monkeypatch):
    source = extent("C", tmp_path)
    source.file.is_hashed = True
    list(source.runs(2, 2, 0, 5))
    assert source.file._sha256 == ""
    list(source.runs(2, 2, 0, 6))
    digest = source.file._sha256
    monkeypatch.setattr(File, "open", None)
    assert source.file.sha256() == digest


@pytest.mark.parametrize("lengths", [[], [0], [1, 1, 1], [7], [2, 0, 5], [3, 3, 1]])
@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_parts_are_cut_and_joined_to_blocks_of_one_length(lengths, rows):
    numbers = np.arange(sum(lengths))
    parts = np.split(numbers, np.cumsum(lengths)[:-1]) if lengths else []
    blocks = list(in_blocks(parts, rows))
    assert all(len(block) == rows for block in blocks[:-1])
    assert all(len(block) for block in blocks)
    assert np.concatenate([np.empty(0, int), *blocks]).tolist() == numbers.tolist()


def test_a_box_begins_and_ends_with_chunks():
    found = list(boxes((10, 4), 1, 3, 9, (4, 4)))
    assert [box for box, _ in found] == [(slice(3, 9), slice(0, 4))]
    shape = (2**16, 4)
    firsts = [first for _, first in boxes(shape, 1, 0, shape[0], (1000, 4))]
    assert firsts == [0, 33_000]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8])
def test_a_mask_is_of_booleans_whatever_it_was(dtype):
    mask = Mask(Table(Memory(np.array([[1, 0], [0, 1]], dtype)), None, "mask"))
    (run,) = mask.runs(2, 1, 0, 2)
    assert run.dtype == bool
    assert run.tolist() == [[True, False], [False, True]]


def test_a_number_that_is_no_truth_value_is_refused_where_it_stands():
    mask = Mask(Table(Memory(np.array([[1, 0], [0, 2]])), None, "mask"))
    assert len(list(mask.runs(1, 1, 0, 1))) == 1
    with pytest.raises(InputError, match=r"mask\[1, 1\]: found 2, expected 0 or 1"):
        list(mask.runs(1, 1, 1, 2))


def test_an_exponential_is_of_double_precision_and_may_overflow():
    logarithms = np.array([0.0, 1.0, 1000.0], np.float32)
    (run,) = Exponential(Table(Memory(logarithms))).runs(3, None, 0, 3)
    assert run.dtype == np.float64
    assert run.tolist() == [1.0, 2.718281828459045, np.inf]
