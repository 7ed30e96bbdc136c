"""What a bug report has to say: the versions of softcheck and of all that it runs on."""

import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from softcheck.version import __version__

_PACKAGE = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")


def about() -> str:
    """Return a line each for softcheck, Python, the system, what is needed, and each extra.

    Nothing of it is imported: the metadata of what is installed say it.
    """
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield f"softcheck {__version__}"
    yield f"Python {platform.python_version()} ({platform.python_implementation()})"
    yield platform.platform()
    needed, extras = _packages()
    yield ", ".join(needed.values())
    for extra, packages in extras.items():
        yield f"{extra}: {', '.join(packages.values())}"


def _packages() -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    """Return what is needed and what each extra adds, each package with its version."""
    needed: dict[str, str] = {}
    extras: dict[str, dict[str, str]] = {}
    for requirement in requires("softcheck") or ():
        package = _PACKAGE.findall(requirement)[0]
        extra = _EXTRA.search(requirement)
        into = needed if extra is None else extras.setdefault(extra[1], {})
        into[package] = f"{package} {_version(package)}"
    extras.pop("all", None)
    return needed, extras


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
