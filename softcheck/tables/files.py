"""Regular files on this machine, opened without trusting them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from softcheck.errors import InputError, did_you_mean
from softcheck.tables.refusals import reading, refuse_special, too_large

PIECE = 2**20
"""Bytes read at once where nothing else says how many."""


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

    Attributes
    ----------
    is_hashed : bool
        Whether its digest is to be known. What is read in order is then hashed on the way, which
        takes longer than to verify it.
    """

    def __init__(self, path: str, where: str | None = None) -> None:
        self.path = path
        self.where = path if where is None else where
        self.is_hashed = False
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
            refuse_special(self.where, status.st_mode)
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
                refuse_special(self.where, os.fstat(stream.fileno()).st_mode)
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
        """Open it to be read from the first byte to the last."""
        with self.open() as stream:
            hashed = _Hashed(stream) if self.is_hashed and not self._sha256 else None
            yield hashed or stream
            if stream.read(1):
                raise InputError(
                    self.where,
                    "more bytes than its size",
                    "a file that stays as it is while it is read",
                    "Wait until it is written.",
                )
            if hashed is not None:
                self._sha256 = hashed.digest.hexdigest()

    def sha256(self) -> str | None:
        """Return its SHA-256 in hexadecimal; it is read for that unless it was read in order.

        None if it is not hashed.
        """
        if self.is_hashed and not self._sha256:
            with self.in_order() as stream:
                while stream.read(PIECE):
                    pass
        return self._sha256 or None


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

    @property
    def is_hashed(self) -> bool:
        """Whether their digest is to be known."""
        return all(file.is_hashed for _, file in self.files)

    @is_hashed.setter
    def is_hashed(self, is_hashed: bool) -> None:
        for _, file in self.files:
            file.is_hashed = is_hashed

    def sha256(self) -> str | None:
        """Return the SHA-256 of what ``sha256sum`` prints for them, in the order of names."""
        if not self.is_hashed:
            return None
        lines = (f"{file.sha256()}  {name}\n" for name, file in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _neighbours(path: str) -> list[str]:
    """Return the names beside a missing file, as far as they can be read."""
    try:
        return [entry.name for entry in Path(path).parent.iterdir()]
    except OSError:
        return []


def _without_waiting(path: str, flags: int) -> int:
    """Open so that a FIFO put there since the check cannot block us."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
