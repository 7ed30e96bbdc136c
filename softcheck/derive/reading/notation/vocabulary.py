"""What letters, fonts and commands stand for in the papers of this field."""

CONSTANTS = {"α", "β", "η", "τ", "λ"}
"""Scalars that a document need not declare: temperatures, which depend on nothing."""

GIVEN_TABLES = {
    "A",
    "y",
    "t",
    "r",
    "R",
    "q",
    "c",
    "w",
    "m",
    "μ",
    "ρ",
    "u",
    "x",
    "z",
    "o",
    "h",
    "s",
    "ℓ",
}
"""Quantities of one action that are taken for given numbers where a document says no more of them:
labels, rewards, costs, weights, other policies, scores. Nothing is refuted that rests on it."""

GIVEN_SCALARS = {"γ", "ε", "ϵ", "κ", "ζ", "ν", "ξ", "b", "T"}
"""Scalars of which the same is taken."""

TABLES = {"Q", "θ"}
"""Quantities that a document need not declare: one free number an action."""

ENTRY = "ȷ"
r"""The action of the entries that an equality of gradients is about; LaTeX has it as `\jmath`."""

INDEX_LETTERS = set("abcijklmuv") | {ENTRY}
"""Letters that name an action wherever they stand."""

CLASS = "y"
"""The letter of a class, or of an action that was taken, where a document uses it as one."""

STATES = {"s", "s_t"}
THE_STATE = "the state"
"""Under this no name, but what was read as the state, is noted among the marks of names."""

POLICIES = ("π", "p")

PARAMETERS = {"θ", "ϑ", "ϕ", "φ", "π", "ψ", "ω"}
"""Decorations that say whose parameters or policy it is; of each quantity there is one."""

FIXED = {"old", "ref"}
"""Decorations of a policy, and of what belongs to it, that does not depend on the parameters."""

SIZE_LETTERS = {"n", "N", "K", "k", "m", "A", "C", "M", "T"}
"""Letters of the number of actions, `n` everywhere and the others where a sum ends with them."""

SETS = {"A", "C", "I", "K", "U", "V", "W", "X", "Y"}
"""Letters, in a calligraphic font, of the set of actions; a document has one."""

ENTROPIES = {"H", "ℋ"}
"""Names that of a distribution are its entropy."""

STYLES = {
    "mathbf": "bold", "boldsymbol": "bold", "bm": "bold", "bf": "bold", "mathbb": "blackboard bold",
    "mathds": "blackboard bold", "mathsf": "sans serif", "mathfrak": "Fraktur", "mathrm": "roman",
    "rm": "roman", "operatorname": "roman",
}  # fmt: skip
"""What fonts make of a letter; those of script letters give letters of their own."""

INDICATORS = {("mathbf", "1"), ("mathbb", "1"), ("mathds", "1"), ("mathbb", "I"), ("mathbf", "I"),
               ("bm", "1"), ("boldsymbol", "1"), ("mathrm", "1")}  # fmt: skip
EXPECTATIONS = {("mathbb", "E"), ("mathbf", "E"), ("mathrm", "E"), ("operatorname", "E"),
                 ("mathsf", "E"), ("mathcal", "E")}  # fmt: skip
OUTSIDE = {
    "sqrt": "a root", "max": "a maximum", "min": "a minimum", "sup": "a supremum",
    "inf": "an infimum", "int": "an integral", "prod": "a product over an index",
    "lim": "a limit", "argmax": "an argmax", "argmin": "an argmin", "arg": "an argmax",
    "pm": "a plus-minus sign", "mp": "a plus-minus sign",
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
