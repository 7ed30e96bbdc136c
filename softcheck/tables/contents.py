"""What a reader makes of a file: arrays by name, each loaded when it is asked for."""

from collections.abc import Callable, Mapping

from softcheck.tables.roles import Role
from softcheck.tables.table import Table

Load = Callable[[Role], Table]
"""Reads one array for a role, which decides how text and labels are to be understood."""

Contents = Mapping[str | None, Load]
"""The arrays of a file by name; under None, the array that is the file as a whole."""
