"""Paths and URLs as text: which is which, and what of a URL is shown."""

import re

_URL = re.compile(r"(^|::)[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # one letter is a drive
_USER = re.compile(r"(?<=://)[^/?#]*@")
_QUERY = re.compile(r"[?#](?:(?!::).)*", re.DOTALL)


def is_url(path: str) -> bool:
    """Return whether a path is the URL of something that is not a file on this machine."""
    return local_path(path) == path and _URL.search(path) is not None


def local_path(path: str) -> str:
    """Return the path that a URL of this machine means; other paths as they are."""
    return path.removeprefix("file://").removeprefix("local://")


def shown(path: str) -> str:
    """Return a path for messages and reports: a URL without names, passwords and queries."""
    if not is_url(path):
        return path
    return _QUERY.sub("?...", _USER.sub("", path))


def joined(folder: str, name: str) -> str:
    """Return the path or URL of what is in a folder."""
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"
