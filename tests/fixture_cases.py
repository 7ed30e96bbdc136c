"""The cases under fixtures/, found by walking."""

import json
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
SIDECAR = ".expected.json"


@dataclass(frozen=True)
class Fixture:
    """A case and what a checker must say of it."""

    path: Path
    expected: dict

    @property
    def options(self):
        """The command line that declares the settings of the case."""
        given = {
            name: self.path.parent / value if name == "weights" else value
            for name, value in self.expected["settings"].items()
        }
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


def walk(kind):
    """Return the cases of `positive` or `negative`."""
    return [
        Fixture(_case_beside(sidecar), json.loads(sidecar.read_text("utf-8")))
        for sidecar in sorted((FIXTURES / kind).glob(f"*{SIDECAR}"))
    ]


def _case_beside(sidecar):
    stem = sidecar.name.removesuffix(SIDECAR)
    (case,) = (path for path in sidecar.parent.iterdir() if path.stem == stem)
    return case


def malformed():
    """Return the files that must be refused."""
    return sorted(path for path in (FIXTURES / "malformed").iterdir() if path.name != "README.md")
