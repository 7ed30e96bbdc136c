"""The errors a user can cause, each one line that says where, what, and what to do."""

from collections.abc import Iterable

LIMIT = 300
_PART = 110


def printable(text: object, limit: int = LIMIT) -> str:
    """Return `text` on one line: control characters escaped, the middle left out past `limit`.

    Names and labels come from files, so they are data: nothing in them may move a cursor,
    start a new line, colour a terminal or be a command to the runner of a GitHub workflow, which
    obeys `::` at the start of a line and `##[` anywhere in it.
    """
    raw = str(text)
    if len(raw) > 2 * limit:
        # Neither of these halves is shown whole, so a label of megabytes costs no more than this.
        raw = raw[:limit] + raw[-limit:]
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in raw
    )
    line = line.replace("##[", r"#\x23[")
    if line.lstrip().startswith("::"):
        line = line.replace("::", r":\x3a", 1)
    if len(line) <= limit:
        return line
    head = (limit - 3) * 2 // 3
    return f"{line[:head]}...{line[len(line) - (limit - 3 - head) :]}"


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a sentence that offers the known name nearest to `name`, or the other sentence."""
    near = nearest(name, known)
    return otherwise if near is None else f"Did you mean '{near}'?"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like `name`, whatever the case of its letters."""
    from difflib import get_close_matches

    folded = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


class SoftcheckError(Exception):
    """A mistake of the user's, or of the file they gave.

    Parameters
    ----------
    where : str
        The file, key and location, or the option.
    found : str
        What stands there.
    expected : str
        What should stand there.
    hint : str
        What to do about it: a full sentence.
    """

    def __init__(self, where: str, found: str, expected: str, hint: str) -> None:
        super().__init__(where, found, expected, hint)
        self.where = where
        self.found = found
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        where, found = printable(self.where, _PART), printable(self.found, _PART)
        said = f"{where}: found {found}, expected . {self.hint}"
        expected = printable(self.expected, max(_PART, LIMIT - len(said)))
        return printable(f"{where}: found {found}, expected {expected}. {self.hint}")


class InputError(SoftcheckError):
    """A file, or an array in it, that cannot be read exactly as it was meant."""


class UsageError(SoftcheckError):
    """Options or arguments that contradict each other, or ask for what is not there."""


class OutputError(SoftcheckError):
    """A report or a case that cannot be written."""


class NothingToCheckError(SoftcheckError):
    """A selection with no entry in it: never a pass."""
