"""Read Q-tables, logits and all that goes with them from files, and put them together."""

from softcheck.tables.case import Case, RawBlock, case_from_arrays, open_case
from softcheck.tables.formats import FORMATS, Format
from softcheck.tables.roles import ROLES, Kind, Role
from softcheck.tables.table import Table

__all__ = [
    "FORMATS",
    "ROLES",
    "Case",
    "Format",
    "Kind",
    "RawBlock",
    "Role",
    "Table",
    "case_from_arrays",
    "open_case",
]
