"""What is refused, whatever it is read by: one kind of error, which names the place."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from typing import Any

from softcheck.errors import InputError, SoftcheckError
from softcheck.tables.limits import MAX_NAMED


@contextmanager
def reading(
    where: str,
    expected: str = "a readable file of the format that its name says",
    hint: str = "Write the file again; it is damaged, or its suffix is wrong.",
) -> Iterator[None]:
    """Raise what a reader raises as an InputError that names `where`.

    Every exception counts: what decoders raise at broken bytes is no closed list, and pickles
    and third-party readers reach for any type there is.
    """
    try:
        yield
    except SoftcheckError:
        raise
    except MemoryError as error:
        raise InputError(
            where,
            "more data than fits in memory",
            "an array of ordinary size",
            "Check the shape, or dump fewer states.",
        ) from error
    except RecursionError as error:
        raise InputError(
            where,
            "values nested too deeply",
            "a table, with states outside and actions inside",
            "Write the array without extra nesting.",
        ) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise InputError(where, reason, expected, hint) from error


def decode(where: str, data: bytes) -> str:
    """Return text in UTF-8, without its byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"the byte 0x{error.object[error.start]:02x} at {error.start}"
        raise InputError(where, found, "text in UTF-8", "Save the file as UTF-8.") from error


def too_large(where: str, size: int, limit: int) -> InputError:
    """Return the error for something that would have to be in memory and is too large for it."""
    return InputError(
        where,
        f"{size} bytes to hold in memory",
        f"at most {limit}",
        "Save it as .npy or .npz in C order with the actions last, which is read in blocks.",
    )


def refuse_special(where: str, mode: int) -> None:
    """Raise InputError for what is no regular file, by the mode that its system tells of it."""
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode), "a special file")
    raise InputError(where, kind, "a regular file", "Save the array to a file and give its path.")


def load_extra(where: str, module: str, extra: str) -> Any:
    """Return a module; without it, say which extra of softcheck brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        found = f"no package {package}, which this needs"
        if not isinstance(error, ModuleNotFoundError) or error.name not in {package, module}:
            found = f"the package {package}, which this needs, broken ({error})"
        raise InputError(
            where,
            found,
            "it to be installed",
            f"Run: pip install 'softcheck[{extra}]'.",
        ) from error


def listed(names: Iterable[object], count: int | None = None) -> str:
    """Return names for a message: quoted, the first few of them; `count` if it is known."""
    every = list(names) if count is None else list(islice(names, MAX_NAMED))
    first = ", ".join(f"'{name}'" for name in every[:MAX_NAMED])
    left = (len(every) if count is None else count) - MAX_NAMED
    return f"{first} and {left} more" if left > 0 else first
