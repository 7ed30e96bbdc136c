"""How a derivation is reported, to the letter. `SOFTCHECK_WRITE_GOLDEN=1` writes the files anew."""

import os
from pathlib import Path

import pytest
from outlines import outline

from softcheck.derive import built_in
from softcheck.derive.check import check
from softcheck.derive.planted import EDITS, planted
from softcheck.derive.reporting import report
from softcheck.report import FORMATS, Style

GOLDEN = Path(__file__).parent / "golden"

UNKNOWN = r"""Weights $w_i$ are constants.

$$\sum_i w_i \pi_i = \sum_j w_j \pi_j$$
$$\frac{w_i}{w_i} = 1$$
$$\pi(a) = B(a)$$
$$\pi(a) = 1 \cancel{2}$$
"""

CONDITIONAL = r"""Let $p_i = e^{x_i} / \sum_j e^{x_j}$.

$$\pi(a) = \pi(b), \quad a = b$$
$$\frac{\partial p_i}{\partial x_j} = -2 p_i p_j, \quad i \neq j$$
$$H \le \log n$$
$$Q(a) = Q_{a}$$
"""

DOCUMENTS = {
    "proved": built_in(),
    "refuted": planted(built_in(), next(edit for edit in EDITS if edit.name == "baseline-dropped")),
    "note": planted(built_in(), next(edit for edit in EDITS if edit.name == "logarithm-lost")),
    "unknown": UNKNOWN,
    "conditional": CONDITIONAL,
}

STYLES = {
    "text": ("text", Style()),
    "color": ("text", Style(color=True)),
    "findings": ("text", Style(verbosity=-1)),
    "concise": ("concise", Style()),
    "concise-verbose": ("concise", Style(verbosity=1)),
    "json": ("json", Style()),
    "junit": ("junit", Style()),
    "github": ("github", Style()),
    "gitlab": ("gitlab", Style()),
    "sarif": ("sarif", Style()),
    "markdown": ("markdown", Style()),
    "html": ("html", Style()),
}


def test_every_golden_file_is_compared():
    shown = {form for form, _ in STYLES.values()}
    assert shown == FORMATS.keys(), (
        "STYLES has a row for each format; then write its golden files: SOFTCHECK_WRITE_GOLDEN=1"
    )
    written = {path.name for path in GOLDEN.iterdir()}
    assert written == {f"{name}.{style}.txt" for name in DOCUMENTS for style in STYLES}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_report_looks_as_it_did(document, style):
    output_format, how = STYLES[style]
    found = report(check(DOCUMENTS[document]))
    made = FORMATS[output_format].derivation(found, "paper.tex", how)
    made = outline(made) if output_format == "html" else made
    path = GOLDEN / f"{document}.{style}.txt"
    if os.environ.get("SOFTCHECK_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made)
    assert made == path.read_text()
