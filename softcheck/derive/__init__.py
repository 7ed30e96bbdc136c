"""Derivations: LaTeX in, a verdict on every equality out, each for any number of actions."""

from importlib.resources import files

from softcheck.derive.limits import FILE_BYTES
from softcheck.errors import InputError

BUILT_IN = "Eq. (6)"
"""The name of the derivation that is checked when no file is given."""


def built_in() -> str:
    """Return the derivation of Eq. (6) that comes with softcheck."""
    return files(__name__).joinpath("eq6.tex").read_text(encoding="utf-8")


def load(path: str) -> str:
    """Return the text of a document.

    Raises
    ------
    InputError
        If it is no regular file, larger than `limits.FILE_BYTES`, or not UTF-8.
    """
    from softcheck.tables.files import File
    from softcheck.tables.refusals import decode

    file = File(path)
    size = file.size()
    if size > FILE_BYTES:
        raise InputError(
            path, f"{size} bytes", f"at most {FILE_BYTES}", "Give the part with the derivation."
        )
    return decode(path, file.read_whole(FILE_BYTES))
