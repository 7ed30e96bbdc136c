"""Read ``.csv`` and ``.tsv`` files: comma or tab, wide or tidy."""

import csv
import io
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from softcheck.errors import InputError
from softcheck.tables.files import File
from softcheck.tables.frames import (
    ACTION,
    INDEX,
    STATE,
    Grid,
    Labelled,
    is_tidy,
    refuse_roles,
    unique,
    wide,
)
from softcheck.tables.limits import EXACT_INTEGER, MAX_TEXT_BYTES
from softcheck.tables.lists import INFINITE, INFINITY, to_array
from softcheck.tables.refusals import decode, reading
from softcheck.tables.roles import Role
from softcheck.tables.table import Contents, Load, Reading, Table

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPELLED = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LARGEST = sys.float_info.max
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}


@dataclass(frozen=True)
class _Row:
    """The cells of one line."""

    line: int
    cells: list[str]


def read_delimited(file: File, how: Reading) -> Contents:
    """Return the one table of a wide file, or the columns of a tidy one by name."""
    rows = _rows(file)
    header = rows[0].cells
    if is_tidy(header):
        return _tidy(file, rows)
    refuse_roles(file.where, header, how.roles)
    return Contents({None: lambda role: _wide(file, rows, role)})


def _rows(file: File) -> list[_Row]:
    """Return the lines that are not empty; all have the same number of cells."""
    path = file.where
    text = decode(path, file.read_whole(MAX_TEXT_BYTES))
    first = text.partition("\n")[0]
    if ";" in first:
        raise InputError(
            f"{path}:1",
            "a semicolon",
            "cells separated by commas or tabs, numbers with a decimal point",
            "Export the table again with commas or tabs.",
        )
    with reading(path, "comma- or tab-separated text"):
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",", strict=True
        )
        rows = [
            _Row(reader.line_num, [cell.strip(" ") for cell in cells]) for cells in reader if cells
        ]
    if not rows:
        raise InputError(path, "an empty file", "a table", "Write the table again.")
    width = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != width:
            raise InputError(
                f"{path}:{row.line}",
                f"{len(row.cells)} cells",
                f"{width}, as in line {rows[0].line}",
                "Give every line the same number of cells.",
            )
    return rows


def _wide(file: File, rows: list[_Row], role: Role) -> Table:
    """Return the table of a file with a line for each state."""
    path = file.where
    header = rows[0].cells if _is_header(path, rows[0]) else None
    body = rows if header is None else rows[1:]
    skip = 1 if header and header[0] in INDEX else 0
    width = len(rows[0].cells) - skip
    if not body or not width:
        raise InputError(
            path, "no numbers", "a line of numbers for each state", "Write the table again."
        )
    cells = [cell for row in body for cell in row.cells[skip:]]
    numbers = _numbers(cells, lambda i: f"{path}:{body[i // width].line}", role)
    return wide(
        file,
        None,
        to_array(numbers, (len(body), width)),
        Labelled(
            unique(path, "row", [row.cells[0] for row in body]) if skip else None,
            unique(path, "column", header[skip:]) if header else None,
            header[0] if header and skip else None,
        ),
        role,
    )


def _is_header(path: str, row: _Row) -> bool:
    """Return whether a line is one of labels; one of labels and numbers needs a label column."""
    if row.cells[0] in INDEX:
        return True
    numeric = [cell for cell in row.cells if _NUMBER.fullmatch(cell) or _SPELLED.fullmatch(cell)]
    if numeric and len(numeric) < len(row.cells):
        odd = next(cell for cell in row.cells if cell not in numeric)
        raise InputError(
            f"{path}:{row.line}",
            f"'{odd}' beside the number {numeric[0]}",
            "a line of numbers, or of labels",
            f"Correct the cell; a column of labels needs the heading '{STATE}'.",
        )
    return not numeric


def _tidy(file: File, rows: list[_Row]) -> Contents:
    """Return the columns of a file with a line for each state and action."""
    path = file.where
    header = rows[0].cells
    index = 1 if header[0] in INDEX and header[0] not in (STATE, ACTION) else 0
    names = unique(path, "column", header[index:])
    body = rows[1:]

    def column(heading: str) -> list[str]:
        position = header.index(heading)
        return [row.cells[position] for row in body]

    def place(row: int) -> str:
        return f"{path}:{body[row].line}"

    grid = Grid(file, column(STATE), column(ACTION), place)

    def later(key: str) -> Load:
        def load(role: Role) -> Table:
            numbers = _numbers(column(key), lambda i: f"{place(i)}, column {key}", role)
            return grid.table(key, to_array(numbers, (len(body),)), role)

        return load

    return Contents({key: later(key) for key in names if key not in (STATE, ACTION)})


def _numbers(cells: list[str], place: Callable[[int], str], role: Role) -> list[float | bool]:
    """Return the numbers in cells, by the grammar of JSON; `place` tells where a cell is."""
    numbers: list[float | bool] = []
    for i, cell in enumerate(cells):
        if match := _NUMBER.fullmatch(cell):
            number = float(cell) if match[2] or match[3] else int(cell)
            if not abs(number) <= (EXACT_INTEGER if isinstance(number, int) else _LARGEST):
                raise InputError(
                    place(i),
                    f"'{cell}'",
                    "a number that float64 can hold",
                    "Write it as a floating-point number, or mask the action (mask).",
                )
            numbers.append(number)
        elif cell == INFINITY and role.domain.includes(-math.inf):
            numbers.append(-math.inf)
        elif cell in _BOOLEANS and role.domain.booleans:
            numbers.append(_BOOLEANS[cell])
        else:
            raise InputError(
                place(i),
                f"'{cell}'" if cell else "an empty cell",
                "a number as JSON writes it, such as -1.5e-3",
                _advice(cell),
            )
    return numbers


def _advice(cell: str) -> str:
    """Return what to do about a cell that is no number."""
    if not cell:
        return "Fill the cell; mask actions that are not legal (mask)."
    if _SPELLED.fullmatch(cell):
        return f"Only {INFINITE} may be infinite, written {INFINITY}; mask the action (mask)."
    if re.fullmatch(r"-?[0-9]+,[0-9]+", cell):
        return "Write a decimal point instead of the comma."
    return f"Write every cell as a number; a column of labels needs the heading '{STATE}'."
