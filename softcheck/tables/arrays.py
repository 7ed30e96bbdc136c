"""Arrays in memory: how those of any library become NumPy's."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from softcheck.errors import InputError, UsageError
from softcheck.tables.refusals import load_extra, reading
from softcheck.tables.table import AsGiven, check_type


def by_name(q: object = None, **others: object) -> dict[str, AsGiven]:
    """Return what was given under the names of a case, as NumPy arrays.

    Parameters
    ----------
    q : array_like, or tuple of array_like, or None
        A tuple holds the critics.
    **others : array_like or None
        By name; None for what was not given. Those of `arrays` are named in it.

    Raises
    ------
    InputError
        For what is no array of numbers.
    UsageError
        If an array is given in `arrays` and beside it.
    """
    given = {"q": q}
    if isinstance(q, tuple):
        given = {f"q{number}": critic for number, critic in enumerate(q, start=1)}
    more = others.pop("arrays", None) or {}
    if not isinstance(more, Mapping):
        raise UsageError(
            "arrays",
            f"a {type(more).__name__}",
            "arrays by their names",
            'As in arrays={"beta": 0.1}.',
        )
    for name, value in (*others.items(), *more.items()):
        if given.get(name) is not None and value is not None:
            raise UsageError(
                f"arrays[{name!r}]", "a second array for it", "one of the two", "Leave one out."
            )
        given[name] = value
    return {name: as_numpy(name, value) for name, value in given.items() if value is not None}


def as_numpy(where: str, value: Any) -> AsGiven:
    """Return an array of any library as NumPy's, of its own type; memory is shared where it can be.

    Tensors of PyTorch may be on any device and part of a graph. Neither PyTorch nor JAX nor
    numpy.ma is imported: who has an array of theirs has done so.

    Raises
    ------
    InputError
        For what is no array of numbers.
    """
    masked: Any = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise InputError(
            where,
            "a masked array",
            "an array and, by itself, its mask",
            "Give value.filled(0), and ~value.mask as mask, which is true where legal.",
        )
    torch: Any = sys.modules.get("torch")
    hint = "Give the numbers themselves, outside of a traced or compiled function."
    with reading(where, "an array of numbers", hint):
        if torch is not None and isinstance(value, torch.Tensor):
            array = from_torch(torch, where, value)
        elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value, device="cpu")
        else:
            array = np.asarray(value)
        check_type(where, array.dtype)
    return array


def from_torch(torch: Any, where: str, tensor: Any) -> AsGiven:
    """Return a tensor as NumPy's; bfloat16, which NumPy lacks, by its bits."""
    if tensor.dtype is not torch.bfloat16:
        array: AsGiven = tensor.numpy(force=True)
        return array
    bfloat16 = load_extra(where, "ml_dtypes", "bfloat16").bfloat16
    bits: AsGiven = tensor.detach().view(torch.int16).numpy(force=True)
    return bits.view(bfloat16)
