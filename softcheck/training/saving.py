"""Write a case where training code has it in memory, so that `softcheck verify` can read it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Unpack

import numpy as np
from numpy.typing import ArrayLike

from softcheck.errors import InputError, OutputError, UsageError
from softcheck.replacing import replacing
from softcheck.tables.arrays import by_name
from softcheck.tables.case import case_from_arrays
from softcheck.tables.refusals import load_extra
from softcheck.tables.roles import Arrays
from softcheck.tables.table import AsGiven

Write = Callable[[str, IO[bytes], Mapping[str, AsGiven]], None]
"""Writes arrays by name into a file that is open; the path is for messages."""


def save_case(
    path: str | os.PathLike[str],
    *,
    q: ArrayLike | tuple[ArrayLike, ...],
    logits: ArrayLike,
    grad: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    **arrays: Unpack[Arrays],
) -> None:
    """Write a case to a file that `softcheck verify` reads, with the values and dtypes given.

    Arrays may be those of NumPy, PyTorch (on any device, part of a graph or not) or JAX, or
    anything with ``__array__`` or DLPack. The last axis is the action's.

    Parameters
    ----------
    path : str or path
        Ends in ``.npz``, or in ``.safetensors``, which keeps bfloat16. A file that is there
        already is replaced, at once and as a whole.
    q : array_like, or tuple of array_like
        Action values, shape (..., actions); a tuple holds the critics.
    logits : array_like
        Logits of the policy, the shape of `q`; -inf masks an action.
    grad : array_like
        dL/dlogits as the code computed it, the shape of `q`.
    alpha : array_like
        The temperature: one number, or one for each state; or give `log_alpha`.
    **arrays
        See `softcheck.tables.roles.Arrays`.

    Raises
    ------
    InputError
        Where the arrays are not a case, or the format cannot keep a dtype.
    UsageError
        If its suffix is another one.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> save_case("step.npz", q=(q1, q2), logits=logits, grad=logits.grad, alpha=0.2)
    """
    place = os.fspath(path)
    write = _writer(place)
    named = by_name(q, logits=logits, grad=grad, alpha=alpha, **arrays)
    case_from_arrays(named, name=place)
    with _opened(place) as file:
        write(place, file, named)


def _writer(path: str) -> Write:
    """Return what writes the format that the suffix of a path says."""
    suffix = Path(path).suffix
    if suffix.lower() not in _WRITERS:
        raise UsageError(
            path,
            f"the suffix '{suffix}'" if suffix else "no suffix",
            f"one of {' '.join(_WRITERS)}",
            "Name the file after one of these formats.",
        )
    return _WRITERS[suffix.lower()]


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Open the file of a case, which takes the place of what is there once all is written."""
    target = Path(os.path.realpath(path))
    if (target.exists() or target.is_symlink()) and not target.is_file():  # a loop of links too
        raise OutputError(
            path, "no regular file there", "a file, or nothing", "Choose another path."
        )
    try:
        with replacing(target) as file:
            yield file
    except OSError as error:
        raise OutputError(
            path,
            error.strerror or str(error),
            "a place to write a file",
            "Make its folder first, or choose another path.",
        ) from error


def _write_npz(path: str, file: IO[bytes], arrays: Mapping[str, AsGiven]) -> None:
    for name, array in arrays.items():
        if array.dtype.name == "bfloat16":
            raise InputError(
                f"{path}::{name}",
                "bfloat16, which .npz files cannot keep",
                "float16, float32 or float64",
                "Save the case as .safetensors, which keeps it.",
            )
    np.savez(file, allow_pickle=False, **arrays)


def _write_safetensors(path: str, file: IO[bytes], arrays: Mapping[str, AsGiven]) -> None:
    save = load_extra(path, "safetensors.numpy", "safetensors").save
    # It writes memory as it lies there, whatever its order.
    file.write(save({name: np.array(array, order="C") for name, array in arrays.items()}))


_WRITERS: Mapping[str, Write] = {".npz": _write_npz, ".safetensors": _write_safetensors}
