"""What letters, fonts and commands stand for in the papers of this field."""

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "vartheta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "psi": "ψ", "omega": "ω", "ell": "ℓ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Pi": "Π",
}  # fmt: skip

CONSTANTS = {"α", "β", "η", "τ", "λ"}
"""Scalars that a document need not declare: temperatures, which depend on nothing."""

GIVEN_TABLES = {"y", "t", "r", "R", "q", "c", "w", "m", "μ", "ρ", "u", "x", "z", "o", "h", "s", "ℓ"}
"""Quantities of one action that are taken for given numbers where a document says no more of them:
labels, rewards, costs, weights, other policies, scores. Nothing is refuted that rests on it."""

GIVEN_SCALARS = {"γ", "ε", "κ", "ζ", "ν", "ξ", "b"}
"""Scalars of which the same is taken."""

TABLES = {"Q", "θ"}
"""Quantities that a document need not declare: one free number an action."""

ACCENTS = {"tilde": "\u0303", "bar": "\u0304", "hat": "\u0302", "overline": "\u0304",
           "widetilde": "\u0303", "widehat": "\u0302", "vec": "\u20d7"}  # fmt: skip

INDEX_LETTERS = set("abcijklmuv")
"""Letters that name an action wherever they stand."""

STATES = {"s", "s_t"}
THE_STATE = "the state"
"""Under this no name, but what was read as the state, is noted among the marks of names."""

POLICIES = ("π", "p")

PARAMETERS = {"θ", "φ", "π", "ψ", "ω"}
"""Decorations that say whose parameters or policy it is; of each quantity there is one."""

FIXED = {"old", "ref"}
"""Decorations of a policy, and of what belongs to it, that does not depend on the parameters."""

SIZE_LETTERS = {"n", "N", "K"}
"""Letters of the number of actions."""

SETS = {"A", "C", "I", "K", "U", "V", "W", "X", "Y"}
"""Letters, in a calligraphic font, of the set of actions; a document has one."""

FUNCTIONS = {"f", "h", "F", "G", "H"}
"""Names that before a bracket are no factor, whatever it holds."""

INDICATORS = {("mathbf", "1"), ("mathbb", "1"), ("mathds", "1"), ("mathbb", "I"), ("mathbf", "I"),
               ("bm", "1"), ("boldsymbol", "1"), ("mathrm", "1")}  # fmt: skip
EXPECTATIONS = {("mathbb", "E"), ("mathbf", "E"), ("mathrm", "E"), ("operatorname", "E"),
                 ("mathsf", "E"), ("mathcal", "E")}  # fmt: skip
OUTSIDE = {
    "sqrt": "a root", "max": "a maximum", "min": "a minimum", "sup": "a supremum",
    "inf": "an infimum", "int": "an integral", "prod": "a product over an index",
    "lim": "a limit", "argmax": "an argmax", "argmin": "an argmin", "arg": "an argmax",
    "pm": "a plus-minus sign", "mp": "a plus-minus sign", "cases": "a distinction of cases",
    "dots": "an ellipsis", "ldots": "an ellipsis", "cdots": "an ellipsis", "infty": "infinity",
    "tanh": "a hyperbolic function", "sin": "a trigonometric function", "binom": "a binomial",
    "cos": "a trigonometric function", "top": "a transpose", "odot": "a product of vectors",
}  # fmt: skip
"""Commands that no rule here can decide, and what they are."""

DIVERGENCE = "D_KL"
"""The Kullback-Leibler divergence; the names of its distributions follow in brackets."""

BRACES = {"underbrace": "_", "overbrace": "^"}
"""Commands of braces, and before which sign their label stands."""


def is_fixed(name: str) -> bool:
    """Tell whether a name is that of an old or a reference policy, or of what belongs to one."""
    return not FIXED.isdisjoint(name.split("_")[1:])
