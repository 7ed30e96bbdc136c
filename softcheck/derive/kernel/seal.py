"""The seal of the kernel. Whoever holds it can say that something is proved: nobody else may.

Import-linter lets only the kernel import this file, as an LCF prover lets only its core make
theorems (Gordon, Milner and Wadsworth, *Edinburgh LCF*, 1979).
"""


class Seal:
    """The type of the seal, of which there is one."""


SEAL = Seal()


def require(seal: Seal) -> None:
    """Refuse to make a theorem for whoever does not hold the seal.

    Raises
    ------
    TypeError
    """
    if seal is not SEAL:
        raise TypeError("only the kernel says that something is proved: ask NormalForm.proved")
