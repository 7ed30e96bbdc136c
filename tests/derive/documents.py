"""The derivations under fixtures/derive, and what is expected of them."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fixtures" / "derive"
APPENDIX = ROOT.parent / "shared" / "eq6-appendix.txt"


@dataclass(frozen=True)
class Variant:
    """A derivation with one mistake, and the line of the step that it breaks."""

    name: str
    text: str
    line: int


def proved():
    """Return every derivation that is right."""
    return sorted(p for p in (FOLDER / "proved").iterdir() if p.suffix in (".tex", ".md"))


def expected(path):
    """Return what stands beside a derivation."""
    return json.loads(path.with_suffix(".expected.json").read_text())


def variants():
    """Return the wrong variants of all derivations."""
    found = []
    for path in proved():
        text = path.read_text()
        for wrong in expected(path)["wrong"]:
            assert text.count(wrong["old"]) == 1, (path, wrong["name"])
            edited = text.replace(wrong["old"], wrong["new"])
            line = edited[: edited.index(wrong["at"])].count("\n") + 1
            found.append(Variant(f"{path.stem}:{wrong['name']}", edited, line))
    return found
