"""Read files that are elsewhere, through fsspec: by URL, in order or by ranges.

What a server says is not believed: sizes are compared with what comes, and nothing is allocated
for what is only announced. A URL may hold a password or a signature, and so may what a library
says about it, so that errors are told in our own words.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from softcheck.errors import InputError, SoftcheckError
from softcheck.tables.files import PIECE, File
from softcheck.tables.limits import MAX_COPY_BYTES, MAX_SKIP_BYTES, SECONDS_OF_SILENCE
from softcheck.tables.refusals import load_extra
from softcheck.tables.urls import joined, shown


class Remote(File):
    """A file that is elsewhere.

    Parameters
    ----------
    url : str
        Any URL that fsspec understands.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, shown(url))
        self._copy: File | None = None

    def __reduce__(self) -> tuple[type["Remote"], tuple[str]]:
        """Pickle without the copy, which is on this machine."""
        return Remote, (self.path,)

    @property
    def name(self) -> str:
        """The name without the folder; a chain of URLs begins with the innermost."""
        first = next(part for part in self.path.split("::") if "://" in part)
        return PurePosixPath(urlsplit(first).path or urlsplit(first).netloc).name

    def size(self) -> int:
        """Return its size as the server says, or that of a copy if it does not say."""
        if self._copy is None and self._announced is not None:
            return self._announced
        return self.local().size()

    @cached_property
    def _announced(self) -> int | None:
        """What the server says that its size is."""
        system, path = _system(self.path)
        with _network(self.where):
            about = system.info(path)
        if about.get("type") == "directory":
            raise InputError(
                self.where, "a folder", "a file", "Give the URL of a file, or of a case."
            )
        size = about.get("size")
        return None if size is None else int(size)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open it for reading, where it is or in its copy."""
        if self._copy is not None:
            with self._copy.open() as stream:
                yield stream
            return
        remote = _Http(self.path) if _is_http(self.path) else _Seekable(self.path)
        try:
            yield remote
        finally:
            remote.close()

    def local(self) -> File:
        """Return a copy on this machine, which is removed with the last that refers to it."""
        if self._copy is None:
            self._copy = self._copied()
        return self._copy

    def _copied(self) -> File:
        """Copy it, as far as there is to be room for it."""
        self._require_room(self._announced or 0)
        descriptor, path = tempfile.mkstemp(suffix=self.suffix, prefix="softcheck-")
        copy = _Copy(path, self.where)
        with os.fdopen(descriptor, "wb") as target, self.in_order() as stream:
            while data := stream.read(PIECE):
                target.write(data)
                self._require_room(target.tell())
        if self._announced not in (None, copy.size()):
            raise InputError(
                self.where,
                f"{copy.size()} bytes",
                f"{self._announced}, as the server said",
                "Wait until the file is written, or download it.",
            )
        return copy

    def _require_room(self, size: int) -> None:
        if size > MAX_COPY_BYTES:
            raise InputError(
                self.where,
                f"{size} bytes to copy to this machine",
                f"at most {MAX_COPY_BYTES}",
                "Save the arrays as .npy, which is read where it is, or download the file.",
            )


class _Copy(File):
    """A copy on this machine, which is removed when nothing refers to it any more."""

    def __init__(self, path: str, where: str) -> None:
        super().__init__(path, where)
        weakref.finalize(self, os.unlink, path)


class _Seekable:
    """A file of a system whose files can be entered anywhere.

    It knows itself where it stands: to whoever opens it, the file system in memory gives the one
    file that there is.
    """

    def __init__(self, url: str) -> None:
        self._where = shown(url)
        self._at = 0
        system, path = _system(url)
        with _network(self._where):
            self._file = system.open(path, "rb")

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        with _network(self._where):
            self._file.seek(self._at)
            data: bytes = self._file.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int) -> None:
        """Go to an offset from the start."""
        self._at = offset

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Http:
    """A file behind HTTP: an answer is read as it comes, from where reading begins.

    fsspec's own file of ranges holds each range in memory, however long the server makes it.
    """

    def __init__(self, url: str) -> None:
        self._where = shown(url)
        self._system, self._path = _system(url)
        self._answer: Any = None
        self._at = 0
        self._wanted = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes; ask for them first, if they are not the next of an answer."""
        with _network(self._where):
            ahead = self._wanted - self._at
            if self._answer is None or not 0 <= ahead <= MAX_SKIP_BYTES:
                self._ask()
            while self._at < self._wanted:
                if not self._next(self._wanted - self._at):
                    return b""
            pieces = []
            while size > 0 and (piece := self._next(size)):
                pieces.append(piece)
                size -= len(piece)
            self._wanted = self._at
            return b"".join(pieces)

    def seek(self, offset: int) -> None:
        """Go to an offset from the start."""
        self._wanted = offset

    def close(self) -> None:
        """End the answer, read or not."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _next(self, size: int) -> bytes:
        """Return some of the next bytes of the answer."""
        piece: bytes = self._answer.read(min(size, PIECE))
        self._at += len(piece)
        return piece

    def _ask(self) -> None:
        """Ask for everything from an offset on; a server without ranges sends what is before."""
        from aiohttp import ClientTimeout

        self.close()
        headers = {"Accept-Encoding": "identity"}
        if self._wanted:
            headers["Range"] = f"bytes={self._wanted}-"
        timeout = ClientTimeout(
            total=None, sock_connect=SECONDS_OF_SILENCE, sock_read=SECONDS_OF_SILENCE
        )
        # With a size, fsspec does not ask for one; without blocks, it hands on the answer.
        self._answer = self._system.open(
            self._path, "rb", block_size=0, size=1, headers=headers, timeout=timeout
        )
        status, about = self._answer.r.status, self._answer.r.headers
        if status == _PARTIAL and not about.get("Content-Range", "").startswith(
            f"bytes {self._wanted}-"
        ):
            raise InputError(
                self._where,
                "another range than was asked for",
                "the range, or the whole file",
                "Download the file.",
            )
        self._at = self._wanted if status == _PARTIAL else 0


_PARTIAL = 206


def is_remote_folder(url: str) -> bool:
    """Return whether a URL is that of a folder; HTTP has none."""
    if _is_http(url):
        return False
    system, path = _system(url)
    with _network(shown(url)):
        return bool(system.isdir(path))


def remote_exists(url: str) -> bool:
    """Return whether there is anything at a URL; HTTP is taken at its word."""
    if _is_http(url):
        return True
    system, path = _system(url)
    with _network(shown(url)):
        return bool(system.exists(path))


def remote_files_in(folder: str) -> list[str]:
    """Return the URLs of the files in a folder, by name; hidden ones are left out."""
    system, path = _system(folder)
    with _network(shown(folder)):
        every = system.ls(path, detail=True)
    names = sorted(PurePosixPath(entry["name"]).name for entry in every if entry["type"] == "file")
    return [joined(folder, name) for name in names if name[0] != "."]


def remote_files_below(folder: str) -> list[tuple[str, File]]:
    """Return every file in a folder and in those below it, by its path from there."""
    system, path = _system(folder)
    with _network(shown(folder)):
        every = sorted(system.find(path))
    names = [str(PurePosixPath(name).relative_to(path)) for name in every]
    return [(name, Remote(joined(folder, name))) for name in names]


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it."""
    where = shown(url)
    core = load_extra(where, "fsspec.core", "remote")
    try:
        system, path = core.url_to_fs(url)
    except ImportError as error:
        raise InputError(
            where,
            "no package for this kind of URL",
            "it to be installed",
            "Run: pip install 'softcheck[remote]', or what fsspec names for it, such as s3fs.",
        ) from error
    except ValueError:
        raise InputError(
            where, "a kind of URL that fsspec does not know", "one that it knows", "Correct it."
        ) from None
    return system, path


@contextmanager
def _network(where: str) -> Iterator[None]:
    """Tell what goes wrong elsewhere without the words of a library, which may hold passwords."""
    try:
        yield
    except SoftcheckError:
        raise
    except Exception as error:
        raise InputError(
            where, _reason(error), "a file that can be read", "Check the URL and the connection."
        ) from None


def _reason(error: BaseException | None) -> str:
    """Return what an error is at bottom."""
    name = type(error).__name__
    while error is not None:
        if isinstance(status := getattr(error, "status", None), int):
            return f"HTTP status {status}"
        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(reason := getattr(error, "strerror", None), str):
            return reason
        error = error.__cause__ or error.__context__
    return "no such file" if name == "FileNotFoundError" else name
