"""Unicode mathematics, as people write it in plain text, to the LaTeX that says the same."""

# ruff: noqa: RUF001, RUF002  the characters that look alike are what this file is about

import re
import unicodedata

_COMMANDS = {
    "∑": "sum", "∏": "prod", "∫": "int", "∂": "partial", "∇": "nabla", "√": "sqrt", "∞": "infty",
    "≠": "neq", "≤": "leq", "≥": "geq", "≪": "ll", "≫": "gg", "≈": "approx", "≃": "simeq",
    "≅": "cong", "≡": "equiv", "∝": "propto", "∼": "sim", "≔": "coloneqq", "≕": "eqqcolon",
    "≜": "triangleq", "→": "to", "←": "leftarrow", "↦": "mapsto", "⇒": "Rightarrow",
    "⇔": "Leftrightarrow", "∴": "therefore", "∀": "forall", "∈": "in", "∉": "notin",
    "⊂": "subset", "⊆": "subseteq", "∖": "setminus", "·": "cdot", "⋅": "cdot", "×": "times",
    "±": "pm", "∓": "mp", "∣": "mid", "‖": "Vert", "∥": "parallel", "…": "dots", "⋯": "cdots",
    "⊤": "top", "⊙": "odot", "ℓ": "ell", "⋆": "star",
}  # fmt: skip
_SIGNS = {"−": "-", "′": "'", "″": "''", "’": "'", "∗": "*", "∕": "/"}
_GREEK_FORMS = {"ϕ": "φ", "ϵ": "ε", "ϑ": "θ", "µ": "μ"}
_FONTS = {"SCRIPT": "mathcal", "DOUBLE-STRUCK": "mathbb", "BOLD": "mathbf", "SANS-SERIF": "mathsf"}

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁱⁿ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₐᵢⱼₖₗₘₙₛₜ"

GLYPH = re.compile(rf"[{_RAISED}]+|[{_LOWERED}]+|[^\x00-\x7f\s]")
"""What may stand for LaTeX: digits and letters above or below the line, or one character."""


def latex_of(glyph: str) -> str | None:
    r"""Return the LaTeX of what `GLYPH` matches, or None where it stands for itself.

    Examples: `∑` is `\sum`, `𝔼` is `\mathbb{E}`, `⁻¹` is `^{-1}`, `𝜋` is `π`.
    """
    if glyph[0] in _RAISED + _LOWERED:
        plain = unicodedata.normalize("NFKC", glyph).replace("−", "-")
        return f"{'^' if glyph[0] in _RAISED else '_'}{{{plain}}}"
    if glyph in _COMMANDS:
        return f"\\{_COMMANDS[glyph]} "
    return _SIGNS.get(glyph) or _GREEK_FORMS.get(glyph) or _styled(glyph)


def _styled(glyph: str) -> str | None:
    """Return the LaTeX of a letter or digit of the mathematical alphabets."""
    name = unicodedata.name(glyph, "")
    plain = unicodedata.normalize("NFKC", glyph)
    if plain == glyph or len(plain) != 1 or not (plain.isalpha() or plain.isdigit()):
        return None
    plain = _GREEK_FORMS.get(plain, plain)
    if name.startswith("MATHEMATICAL ITALIC"):
        return plain
    if glyph in "ℒℋ":
        return None
    font = next((font for style, font in _FONTS.items() if style in name), None)
    return None if font is None else f"\\{font}{{{plain}}}"
