"""Import the packages that only some formats need."""

import importlib
from typing import Any

from softcheck.errors import InputError


def load_extra(where: str, module: str, extra: str) -> Any:
    """Return a module; without it, say which extra of softcheck brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            where,
            f"no package {module}, which this needs",
            "it to be installed",
            f"Run: pip install 'softcheck[{extra}]'.",
        ) from error
