"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` once all is written, or never.

    Whatever ends the program in between leaves no part of it.

    Raises
    ------
    OSError
        If the system refuses.
    """
    part = path.with_name(f".softcheck-{os.urandom(8).hex()}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
