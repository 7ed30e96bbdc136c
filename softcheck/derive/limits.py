"""How much a document may ask for; beyond a limit the answer is an error or unknown, never a hang.

Derivations that people write stay far below all of these.
"""

FILE_BYTES = 4_000_000
"""The size of a document."""

TOKENS = 20_000
"""Tokens of one formula, macros expanded."""

MACRO_DEPTH = 20
"""Macros within macros."""

NESTING = 60
"""Brackets within brackets, sums within sums and definitions within definitions."""

EQUALITIES = 2_000
"""Equalities of one document."""

TERMS = 4_000
"""Terms of a polynomial in normal form."""

PRODUCTS = 20_000
"""Products of terms that one normal form may take; the largest of the fixtures takes 203."""

WORK = 1_000_000
"""Products of terms that a whole document may take."""

TOWER = 8
"""Exponentials within exponentials; their terms double in size with each."""

LINKED_SUMS = 5
"""Sums that hang together through quantities with two indices, for one canonical order."""

OPERATIONS = 400_000
"""Arithmetic operations that the search for a counterexample may take."""

CHOICES = 256
"""Choices of the free actions at which a line is evaluated on a table, evenly spread if more."""

NUMBER_DIGITS = 40
"""Digits of a number that a formula writes out."""

ORDER = 4
"""Derivatives within derivatives, and of one operator."""

POWER = 24
"""The exponent of a power."""
