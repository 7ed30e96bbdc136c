"""Open files without trusting them, and turn what readers raise into one kind of error."""

import hashlib
import importlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from softcheck.errors import InputError, SoftcheckError, did_you_mean
from softcheck.tables.limits import MAX_NAMED


class Stream(Protocol):
    """Bytes to be read."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, or what there is before the end."""


class File:
    """A regular file on this machine; nothing of it is read before it is asked for.

    Parameters
    ----------
    path : str
        Where it is.
    where : str, optional
        What messages and reports call it, if that is not its path.
    """

    def __init__(self, path: str, where: str | None = None) -> None:
        self.path = path
        self.where = path if where is None else where
        self._sha256 = ""

    @property
    def name(self) -> str:
        """The name without the folder."""
        return Path(self.path).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of its name, in lower case, which says its format."""
        return Path(self.name).suffix.lower()

    def size(self) -> int:
        """Return the number of its bytes, without opening it; InputError if it is not regular."""
        with reading(self.where):
            try:
                status = Path(self.path).stat()
            except (FileNotFoundError, NotADirectoryError) as error:
                hint = did_you_mean(Path(self.path).name, _neighbours(self.path), "Check the path.")
                raise InputError(self.where, "no such file", "a file", hint) from error
            _refuse_special(self.where, status.st_mode)
            return status.st_size

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open it for reading; anything that could block or talk back is refused.

        Raises
        ------
        InputError
            For what is missing, is no regular file (folder, FIFO, device, socket), or is
            unreadable.
        """
        with reading(self.where):
            self.size()
            with open(self.path, "rb", opener=_without_waiting) as stream:
                _refuse_special(self.where, os.fstat(stream.fileno()).st_mode)
                yield stream

    def local(self) -> "File":
        """Return it as a file on this machine."""
        return self

    def read_whole(self, limit: int) -> bytes:
        """Return its bytes, at most `limit` of them."""
        size = self.size()
        if size > limit:
            raise too_large(self.where, size, limit)
        with self.open() as stream:
            data: bytes = stream.read(size)
        return data

    @contextmanager
    def in_order(self) -> Iterator[Stream]:
        """Open it to be read from the first byte to the last, which makes its digest known."""
        with self.open() as stream:
            if self._sha256:
                yield stream
                return
            hashed = _Hashed(stream)
            yield hashed
            if stream.read(1):
                raise InputError(
                    self.where,
                    "more bytes than its size",
                    "a file that stays as it is while it is read",
                    "Wait until it is written.",
                )
            self._sha256 = hashed.digest.hexdigest()

    def sha256(self) -> str:
        """Return its SHA-256 in hexadecimal; it is read for that unless it was read in order."""
        if not self._sha256:
            with self.in_order() as stream:
                while stream.read(PIECE):
                    pass
        return self._sha256


PIECE = 2**20
"""Bytes read at once where nothing else says how many."""


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._stream.read(size)
        self.digest.update(data)
        return data


class Files:
    """Several files that hold one array.

    Parameters
    ----------
    where : str
        What messages and reports call them.
    stem : str
        The name that they share.
    files : sequence of (str, File)
        Each with its name in a list of digests, in the order of the array.
    """

    def __init__(self, where: str, stem: str, files: Sequence[tuple[str, File]]) -> None:
        self.where = where
        self.stem = stem
        self.files = files

    def sha256(self) -> str:
        """Return the SHA-256 of what ``sha256sum`` prints for them, in the order of names."""
        lines = (f"{file.sha256()}  {name}\n" for name, file in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_at(path: str) -> File:
    """Return the file at a path or URL."""
    if is_url(path):
        from softcheck.tables.remote import Remote

        return Remote(path)
    return File(local_path(path), path)


def is_folder(path: str) -> bool:
    """Return whether a path or URL is that of a folder."""
    if is_url(path):
        from softcheck.tables.remote import is_remote_folder

        return is_remote_folder(path)
    with reading(path):
        return Path(local_path(path)).is_dir()


def entries(folder: str) -> list[str]:
    """Return the paths or URLs of the files in a folder, by name; hidden ones are left out."""
    if is_url(folder):
        from softcheck.tables.remote import remote_entries

        return remote_entries(folder)
    with reading(folder, "a readable folder", "Check its permissions."):
        every = sorted(Path(local_path(folder)).iterdir())
    return [str(entry) for entry in every if entry.name[0] != "." and not is_folder(str(entry))]


def joined(folder: str, name: str) -> str:
    """Return the path or URL of what is in a folder."""
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"


def files_below(folder: str) -> list[tuple[str, File]]:
    """Return every file in a folder and in those below it, by its path from there."""
    if is_url(folder):
        from softcheck.tables.remote import remote_files_below

        return remote_files_below(folder)
    root = Path(local_path(folder))
    with reading(folder, "a readable folder", "Check its permissions."):
        every = sorted(path for path in root.rglob("*") if not path.is_dir())
    return [(path.relative_to(root).as_posix(), File(str(path))) for path in every]


def exists(path: str) -> bool:
    """Return whether there is anything at a path or URL; HTTP is asked only when it is read."""
    if is_url(path):
        from softcheck.tables.remote import remote_exists

        return remote_exists(path)
    with reading(path):
        return Path(local_path(path)).exists()


def shown(path: str) -> str:
    """Return a path for messages and reports: a URL without names, passwords and queries."""
    if not is_url(path):
        return path
    return _QUERY.sub("?...", _USER.sub("", path))


def is_url(path: str) -> bool:
    """Return whether a path is the URL of something that is not a file on this machine."""
    return local_path(path) == path and _URL.search(path) is not None


def local_path(path: str) -> str:
    """Return the path that a URL of this machine means; other paths as they are."""
    return path.removeprefix("file://").removeprefix("local://")


_URL = re.compile(r"(^|::)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#]*@")
_QUERY = re.compile(r"[?#](?:(?!::).)*", re.DOTALL)


def load_extra(where: str, module: str, extra: str) -> Any:
    """Return a module; without it, say which extra of softcheck brings it."""
    try:
        return importlib.import_module(module)
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
