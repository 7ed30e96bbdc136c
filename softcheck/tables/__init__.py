"""Read Q-tables, logits and all that goes with them from files, and put them together."""

TYPE_CHECKING = False  # see softcheck
if TYPE_CHECKING:
    from softcheck.gradient.definition import Kind
    from softcheck.tables.case import Case, RawBlock, case_from_arrays, open_case
    from softcheck.tables.formats import FILE_FORMATS, FileFormat
    from softcheck.tables.roles import ROLES, Role
    from softcheck.tables.table import Table

__all__ = [
    "FILE_FORMATS",
    "ROLES",
    "Case",
    "FileFormat",
    "Kind",
    "RawBlock",
    "Role",
    "Table",
    "case_from_arrays",
    "open_case",
]

_HOMES = {
    "FILE_FORMATS": "formats",
    "ROLES": "roles",
    "Case": "case",
    "FileFormat": "formats",
    "Kind": "roles",
    "RawBlock": "case",
    "Role": "roles",
    "Table": "table",
    "case_from_arrays": "case",
    "open_case": "case",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a derivation needs names and files, but not NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
