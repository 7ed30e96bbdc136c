"""Read ``.json`` files by the letter of the JSON grammar, and ``.jsonl`` files a line at a time."""

import json
import math
from typing import Any

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.limits import MAX_TEXT_BYTES
from softcheck.tables.lists import INFINITE, INFINITY
from softcheck.tables.nested import contents_of
from softcheck.tables.refusals import decode, reading
from softcheck.tables.table import Contents, Reading


def read_json(file: File, how: Reading) -> Contents:
    """Return the arrays of a JSON object by name, or the one array that the file is."""
    return contents_of(file, parse_json(file.where, file.read_whole(MAX_TEXT_BYTES)), how.roles)


def read_json_lines(file: File, how: Reading) -> Contents:
    """Return the arrays of a file with a JSON value in each line: a record, or a row of numbers."""
    lines = file.read_whole(MAX_TEXT_BYTES).split(b"\n")
    return contents_of(
        file,
        [
            parse_json(f"{file.where}:{number}", line)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ],
        how.roles,
    )


def parse_json(where: str, data: bytes) -> Any:
    """Return the value of a JSON text; what Python tolerates beyond the grammar is an error.

    Raises
    ------
    InputError
        For bytes that are not UTF-8, NaN and Infinity, numbers that overflow, and a key that
        occurs twice in one object.
    """

    def invalid(found: str, expected: str, place: str = where) -> InputError:
        hint = "Correct the text, or write it with a JSON library."
        return InputError(place, found, expected, hint)

    def number(text: str) -> float:
        value = float(text)
        if math.isinf(value):
            raise invalid(f"the number {text}", "a number that float64 can hold")
        return value

    def constant(name: str) -> float:
        raise invalid(name, f'a number; only {INFINITE} may be infinite, written "{INFINITY}"')

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise invalid(f"the key '{twice}' twice in one object", "each key once")
        return mapping

    text = decode(where, data)
    with reading(where, "JSON"):
        try:
            return json.loads(
                text, parse_float=number, parse_constant=constant, object_pairs_hook=unique
            )
        except json.JSONDecodeError as error:
            place = f"{where}:{error.lineno}:{error.colno}"
            raise invalid(f"a mistake ({error.msg})", "JSON", place) from error
