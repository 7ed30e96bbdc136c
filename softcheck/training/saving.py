"""Write a case where training code has it in memory, so that `softcheck verify` can read it."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from softcheck.api import declared, loss_of_case, text_of
from softcheck.errors import InputError, OutputError, UsageError
from softcheck.replacing import replacing
from softcheck.settings import Reduction
from softcheck.tables import origin
from softcheck.tables.arrays import by_name
from softcheck.tables.case import case_from_arrays
from softcheck.tables.refusals import load_extra
from softcheck.tables.roles import Arrays
from softcheck.tables.table import AsGiven

Write = Callable[[str, IO[bytes], Mapping[str, AsGiven], Mapping[str, str]], None]
"""Writes arrays and texts by name into a file that is open; the path is for messages."""


def save_case(
    path: str | os.PathLike[str],
    *,
    logits: ArrayLike,
    q: ArrayLike | tuple[ArrayLike, ...] | None = None,
    grad: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    reduction: Reduction | None = None,
    **arrays: Unpack[Arrays],
) -> None:
    """Write a case to a file that `softcheck verify` reads, with the values and dtypes given.

    The file also says which line of which file called this, unless `dumped_by` says another.

    Arrays may be those of NumPy, PyTorch (on any device, part of a graph or not) or JAX, or
    anything with ``__array__`` or DLPack. The last axis is the action's.

    Parameters
    ----------
    path : str or path
        Ends in ``.npz``, or in ``.safetensors``, which keeps bfloat16. A file that is there
        already is replaced, at once and as a whole.
    logits : array_like
        Logits of the policy, shape (..., actions); -inf masks an action.
    q : array_like, or tuple of array_like
        Action values, the shape of `logits`; a tuple holds the critics.
    grad : array_like
        dL/dlogits as the code computed it, the shape of `logits`.
    alpha : array_like
        The weight of the entropy: one number, or one for each state; or give `log_alpha`.
    reduction : str
        How the loss was reduced; kept in the file, so that nobody has to say it again.
    **arrays
        See `softcheck.tables.roles.Arrays`. A name or a formula as `loss` is kept in the file too.

    Raises
    ------
    InputError
        Where the arrays are not a case, or the format cannot keep a dtype.
    UsageError
        If its suffix is another one, or there is no such loss; a case can name no document.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> save_case("step.npz", q=(q1, q2), logits=logits, grad=logits.grad, alpha=0.2)
    >>> save_case("step.npz", loss="cross-entropy", logits=logits, labels=labels, grad=logits.grad)
    """
    place = os.fspath(path)
    write = _writer(place)
    given: dict[str, Any] = {**arrays}
    loss, dumped_by = text_of("loss", given), text_of(origin.KEY, given)
    named = by_name(q, logits=logits, grad=grad, alpha=alpha, **given)
    said = declared(None if loss is None else loss_of_case(loss), reduction)
    case_from_arrays(named, name=place, declared=said)
    texts = {"loss": loss, "reduction": reduction, origin.KEY: dumped_by or _caller()}
    with _opened(place) as file:
        write(place, file, named, {name: text for name, text in texts.items() if text is not None})


def _caller() -> str | None:
    """Return the line of the user's own code that is being run; None in a shell or a notebook."""
    frame = inspect.currentframe()
    while frame is not None and _is_between(str(frame.f_globals.get("__name__"))):
        frame = frame.f_back
    with suppress(OSError, ValueError):  # folders that may not be looked at stop no training
        if frame is not None and (file := Path(frame.f_code.co_filename)).is_file():
            return origin.written(_as_in_repository(file.resolve()), frame.f_lineno)
    return None


def _is_between(module: str) -> bool:
    """Tell whether a module only stands between the user's code and this one."""
    return module.partition(".")[0] == "softcheck" or module == "contextlib"


def _as_in_repository(file: Path) -> str:
    """Return a path as a checkout has it, so that it says nothing of where that lies.

    Without a repository it is relative to the working directory, and else the name alone.
    """
    checkouts = (folder for folder in file.parents if (folder / ".git").exists())
    root = next(checkouts, Path.cwd())
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


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


def _write_npz(
    path: str, file: IO[bytes], arrays: Mapping[str, AsGiven], texts: Mapping[str, str]
) -> None:
    for name, array in arrays.items():
        if array.dtype.name == "bfloat16":
            raise InputError(
                f"{path}::{name}",
                "bfloat16, which .npz files cannot keep",
                "float16, float32 or float64",
                "Save the case as .safetensors, which keeps it.",
            )
    words = {name: np.array(text) for name, text in texts.items()}
    np.savez(file, allow_pickle=False, **arrays, **words)


def _write_safetensors(
    path: str, file: IO[bytes], arrays: Mapping[str, AsGiven], texts: Mapping[str, str]
) -> None:
    save = load_extra(path, "safetensors.numpy", "safetensors").save
    # It writes memory as it lies there, whatever its order.
    tensors = {name: np.array(array, order="C") for name, array in arrays.items()}
    file.write(save(tensors, metadata={**texts} or None))


_WRITERS: Mapping[str, Write] = {".npz": _write_npz, ".safetensors": _write_safetensors}
