"""Open files without trusting them, and turn what readers raise into one kind of error."""

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from softcheck.errors import InputError, SoftcheckError, did_you_mean
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


@contextmanager
def open_regular(path: str) -> Iterator[io.BufferedReader]:
    """Open a regular file for reading; anything that could block or talk back is refused.

    Raises
    ------
    InputError
        For what is missing, is no regular file (folder, FIFO, device, socket), or is unreadable.
    """
    with reading(path):
        check_regular(path)
        with open(path, "rb", opener=_without_waiting) as file:
            _refuse_special(path, os.fstat(file.fileno()).st_mode)
            yield file


def is_folder(path: str) -> bool:
    """Return whether a path is that of a folder."""
    with reading(path):
        return Path(path).is_dir()


def exists(path: str) -> bool:
    """Return whether there is anything at a path."""
    with reading(path):
        return Path(path).exists()


def check_regular(path: str) -> int:
    """Return the size of the regular file at `path`, without opening it."""
    with reading(path):
        try:
            status = Path(path).stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = did_you_mean(Path(path).name, _neighbours(path), "Check the path.")
            raise InputError(path, "no such file", "a file", hint) from error
        _refuse_special(path, status.st_mode)
        return status.st_size


def read_whole(path: str, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes."""
    size = check_regular(path)
    if size > limit:
        raise too_large(path, size, limit)
    with open_regular(path) as file:
        return file.read(size)


def decode(where: str, data: bytes) -> str:
    """Return text in UTF-8, without its byte order mark."""
    with reading(where, "text in UTF-8", "Save the file as UTF-8."):
        return data.decode("utf-8-sig")


def too_large(where: str, size: int, limit: int) -> InputError:
    """Return the error for something that would have to be in memory and is too large for it."""
    return InputError(
        where,
        f"{size} bytes to hold in memory",
        f"at most {limit}",
        "Save it as .npy or .npz in C order with the actions last, which is read in blocks.",
    )


def sha256(path: str) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(names: Iterable[object]) -> str:
    """Return names for a message: quoted, the first few of them."""
    every = [str(name) for name in names]
    shown = ", ".join(f"'{name}'" for name in every[:MAX_NAMED])
    left = len(every) - MAX_NAMED
    return f"{shown} and {left} more" if left > 0 else shown


def _neighbours(path: str) -> list[str]:
    """Return the names beside a missing file, as far as they can be read."""
    try:
        return [entry.name for entry in Path(path).parent.iterdir()]
    except OSError:
        return []


def _without_waiting(path: str, flags: int) -> int:
    """Open so that a FIFO put there since the check cannot block us."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_special(path: str, mode: int) -> None:
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
    raise InputError(path, kind, "a regular file", "Save the array to a file and give its path.")
