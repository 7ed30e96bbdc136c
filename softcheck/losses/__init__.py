"""Losses: a name, a document or a formula to a loss that is proved, and ready to be computed."""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from softcheck.errors import InputError, UsageError, did_you_mean
from softcheck.gradient.definition import Loss
from softcheck.shipped import names, stored

if TYPE_CHECKING:
    from softcheck.losses.documents import Named

__all__ = ["load", "names", "read"]

_DOCUMENT = re.compile(r".*\.(?:tex|ltx|latex|md|markdown|rst|txt|org|ipynb|html?)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][\w. -]*")


def load(text: str, *, where: str = "--loss", files: bool = True) -> Loss:
    """Return a loss.

    Parameters
    ----------
    text : str
        The name of one that is shipped; FILE or FILE::SYMBOL, a document that defines it; or a
        formula of one state in the notation of `softcheck derive`.
    where : str
        Where that was said, for messages.
    files : bool
        Whether it may name a file.

    Raises
    ------
    UsageError
        If it is none of them; if the loss is ambiguous, or cannot be proved.
    InputError
        If a document cannot be read.

    Notes
    -----
    A loss that is proved to be a shipped one, of arrays of the same names, is that one: only its
    name is the user's.
    """
    name = text.strip()
    if name in names():
        return stored(name)
    return read(text, where=where, files=files).loss


def read(text: str, *, where: str = "--loss", files: bool = True) -> "Named":
    """Return a loss with its trees, read and proved here and now; arguments as those of `load`."""
    from softcheck.losses import documents

    name = text.strip()
    if name in names():
        return documents.shipped(name)
    if files and (found := _file(name)) is not None:
        from softcheck.derive import load as text_of

        path, symbol = found
        return _of_document(text_of(path), name, symbol, path)
    if not name or (_NAME.fullmatch(name) and not _DOCUMENT.fullmatch(name)):
        raise UsageError(
            where,
            f"'{name}'",
            f"one of {', '.join(names())}, a file or a formula",
            did_you_mean(name, names(), r"A formula is written as '-\sum_a \pi(a) Q(a)'."),
        )
    return _of_formula(text, where)


# By what a document says: what lies at its path may be another one by the next time.
@lru_cache(32)
def _of_document(text: str, name: str, symbol: str | None, path: str) -> "Named":
    from softcheck.losses import documents

    return documents.as_shipped(documents.document(text, name, symbol, path))


@lru_cache(32)
def _of_formula(text: str, where: str) -> "Named":
    from softcheck.losses import documents

    return documents.as_shipped(documents.formula(text, where))


def _file(text: str) -> tuple[str, str | None] | None:
    """Return the path and the symbol that a text names, or None if it names no file."""
    path, separator, symbol = text.rpartition("::")
    for candidate, of in ((text, None), (path, symbol)) if separator else ((text, None),):
        if _exists(candidate) or (_DOCUMENT.fullmatch(candidate) and "\\" not in candidate):
            if not _exists(candidate):
                if of is None and separator:
                    continue
                raise InputError(candidate, "no such file", "a document", "Check the path.")
            if of is not None and not of.strip():
                raise UsageError(text, "no symbol behind ::", "FILE::SYMBOL", "Name the loss.")
            return candidate, of
    return None


def _exists(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
