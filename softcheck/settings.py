"""What a user may choose about a verification. Nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from softcheck.errors import UsageError

Reduction: TypeAlias = Literal["none", "sum", "mean", "mean-all"]
CriticChoice: TypeAlias = Literal["min", "mean", "first"]
Dtype: TypeAlias = Literal["float64", "float32", "bfloat16", "float16"]

BLOCK_ENTRIES = 81_920
"""Entries of a block: NumPy calls so long that two threads seldom wait for the interpreter, and
the twenty or so buffers of a thread are still in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may choose about a verification.

    Attributes
    ----------
    reduction : str
        How the loss of a dumped gradient was reduced over the batch.
    critics : str
        How several critics make one Q.
    compute_dtype, grad_dtype : str or None
        The precision that dumps were computed in, and that the gradient was rounded to; by
        default what the dtypes in the files say.
    samples : int
        Actions to draw a state for the expectation form; 0 for none.
    seed : int
        Of the drawn actions and of the sample of the exact check.
    threads : int or None
        By default one for each core that the process may use.
    max_findings : int
        How many findings a check lists.
    strict : bool
        Whether a blind entry or a note fails.
    block_entries : int
        About how many entries are verified at once; no result depends on it.
    """

    reduction: Reduction = "sum"
    critics: CriticChoice = "min"
    compute_dtype: Dtype | None = None
    grad_dtype: Dtype | None = None
    samples: int = 0
    seed: int = 0
    threads: int | None = None
    max_findings: int = 5
    strict: bool = False
    block_entries: int = BLOCK_ENTRIES

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("reduction", self.reduction, get_args(Reduction)),
            ("critics", self.critics, get_args(CriticChoice)),
            ("compute-dtype", self.compute_dtype, (*get_args(Dtype), None)),
            ("grad-dtype", self.grad_dtype, (*get_args(Dtype), None)),
        ):
            if value not in choices:
                known = ", ".join(choice for choice in choices if choice)
                raise UsageError(f"--{option}", repr(value), f"one of {known}", "Choose one.")
        for option, number, least in (
            ("samples", self.samples, 0),
            ("seed", self.seed, 0),
            ("threads", self.threads, 1),
            ("max-findings", self.max_findings, 1),
        ):
            if number is not None and number < least:
                raise UsageError(
                    f"--{option}", str(number), f"a whole number of at least {least}", "Change it."
                )
