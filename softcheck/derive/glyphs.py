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
    "⊤": "top", "⊙": "odot", "ℓ": "ell", "⋆": "star", "ȷ": "jmath",
}  # fmt: skip
_SIGNS = {"−": "-", "′": "'", "″": "''", "’": "'", "∗": "*", "∕": "/", "µ": "μ",
          "□": "", "■": "", "∎": ""}  # fmt: skip

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "ϑ", "kappa": "κ", "varkappa": "ϰ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "varpi": "ϖ", "rho": "ρ",
    "varrho": "ϱ", "sigma": "σ", "varsigma": "ς", "tau": "τ", "phi": "ϕ", "varphi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω", "ell": "ℓ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Pi": "Π",
}  # fmt: skip
"""The letters that TeX has a command for, each form as the character of that form."""

ACCENTS = {"tilde": "\u0303", "bar": "\u0304", "hat": "\u0302", "overline": "\u0304",
           "widetilde": "\u0303", "widehat": "\u0302", "vec": "\u20d7"}  # fmt: skip
"""Commands of accents, and the characters that set the same accent on the letter before them."""

_FONTS = {"SCRIPT": "mathcal", "DOUBLE-STRUCK": "mathbb", "BOLD": "mathbf", "SANS-SERIF": "mathsf"}

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₐᵢⱼₖₗₘₙₛₜ"

_ABOVE = {unicodedata.normalize("NFKC", glyph).replace("−", "-"): glyph for glyph in _RAISED}
ACCENT_NAMES = {mark: name for name, mark in reversed(ACCENTS.items())}

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
    return _SIGNS[glyph] if glyph in _SIGNS else _styled(glyph)


def raised(text: str) -> str | None:
    """Return a text in characters above the line, or None if one of it has no such character."""
    above = [_ABOVE.get(letter) for letter in text]
    return None if None in above else "".join(filter(None, above))


def script(letter: str) -> str:
    """Return a letter of the calligraphic font as a character."""
    size = "CAPITAL" if letter.isupper() else "SMALL"
    for name in (f"MATHEMATICAL SCRIPT {size} {letter.upper()}", f"SCRIPT {size} {letter.upper()}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return letter


def bold(letter: str) -> str:
    """Return a letter of the bold font as a character."""
    size = "CAPITAL" if letter.isupper() else "SMALL"
    return unicodedata.lookup(f"MATHEMATICAL BOLD {size} {letter.upper()}")


def unaccented(text: str) -> tuple[str, str]:
    """Return a letter and the commands of the accents on it, the outermost first."""
    letter, *marks = list(unicodedata.normalize("NFD", text))
    names = [ACCENT_NAMES[mark] for mark in marks if mark in ACCENT_NAMES]
    if len(names) < len(marks):
        return text, ""
    return letter, "".join(f"\\{name}" for name in reversed(names))


def _styled(glyph: str) -> str | None:
    """Return the LaTeX of a letter or digit of the mathematical alphabets."""
    name = unicodedata.name(glyph, "")
    # One step only: a full normalization would make one letter of the two forms of phi.
    style, _, code = unicodedata.decomposition(glyph).partition(" ")
    plain = chr(int(code, 16)) if style == "<font>" else glyph
    if plain == glyph or not (plain.isalpha() or plain.isdigit()):
        return None
    if name.startswith("MATHEMATICAL ITALIC"):
        return plain
    font = next((font for style, font in _FONTS.items() if style in name), None)
    return None if font is None else f"\\{font}{{{plain}}}"
