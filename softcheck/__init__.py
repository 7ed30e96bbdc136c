"""Verify the gradient of a soft (entropy-regularised) softmax policy, entry by entry."""

TYPE_CHECKING = False  # what type checkers know to be true; typing takes 5 ms
if TYPE_CHECKING:
    from softcheck.api import Report, assert_gradient, verify
    from softcheck.errors import SoftcheckError
    from softcheck.result import Status
    from softcheck.training.recording import capture
    from softcheck.training.saving import save_case
    from softcheck.version import __version__

__all__ = [
    "Report",
    "SoftcheckError",
    "Status",
    "__version__",
    "assert_gradient",
    "capture",
    "save_case",
    "verify",
]

_HOMES = {
    "Report": "softcheck.api",
    "SoftcheckError": "softcheck.errors",
    "Status": "softcheck.result",
    "__version__": "softcheck.version",
    "assert_gradient": "softcheck.api",
    "capture": "softcheck.training.recording",
    "save_case": "softcheck.training.saving",
    "verify": "softcheck.api",
}


def __getattr__(name: str) -> object:
    """Import what is asked for, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, those not imported yet included."""
    return __all__
