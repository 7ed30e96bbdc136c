"""Every check that there is, by its name: what it compares, and what its failure means.

A check is explained without anything being computed: NumPy is not imported here.
"""

from types import MappingProxyType
from typing import NamedTuple


class Row(NamedTuple):
    """What is known of a check.

    Attributes
    ----------
    name : str
        In reports.
    compares : str
        What is compared with what, and where.
    tolerance : str
        Where the tolerance comes from.
    failure : str
        What it means that the check fails.
    remedy : str
        What to do about that.
    """

    name: str
    compares: str
    tolerance: str
    failure: str
    remedy: str


_OURS = (
    "The formula that was proved and the numbers of the loss disagree. Your gradient has no part "
    "in it.",
    "It is a defect of softcheck: please report it, with the case.",
)
_IN_FLOAT64 = "Bounds on the rounding of both sides in float64, derived entry by entry"
_OF_DUMPS = (
    "What right code may lose by rounding in the precision that the numbers were computed and "
    "stored in, derived entry by entry; --compute-dtype and --grad-dtype say which that is, and "
    "--tolerance-factor multiplies it."
)
_FIRST = (
    "The mistake enters here or before: what is computed from this may be wrong for its sake.",
    "Look at the first wrong one in the order of computation, which the diagnosis names.",
)


def _dumped(name: str, definition: str) -> Row:
    compares = f"The dumped {name} against {definition}."
    return Row(name, compares, _OF_DUMPS, *_FIRST)


CHECKS = MappingProxyType(
    {
        row.name: row
        for row in (
            Row(
                "complex-step",
                "The proved gradient against Im L(theta + i h e) / h of the loss, at every logit.",
                f"{_IN_FLOAT64}; the step is so small that it adds nothing.",
                *_OURS,
            ),
            Row(
                "central-difference",
                "The proved gradient against (L(theta + h e) - L(theta - h e)) / 2h of the loss, "
                "at every logit.",
                f"{_IN_FLOAT64}, and what the step h leaves out, by a bound on the third "
                "derivative.",
                *_OURS,
            ),
            Row(
                "invariants",
                "The proved gradient of each state against identities of the true one: it sums to "
                "0, or to the derivative by a shift of all logits; where there is a Q or an alpha, "
                "it is half of that of 2 (Q - alpha theta + c) at alpha = 0.",
                f"{_IN_FLOAT64}.",
                *_OURS,
            ),
            Row(
                "descent",
                "The change of each state's loss after a small step along minus the proved "
                "gradient, against what that gradient says it is.",
                "An eighth of that change, which a bound on the second derivative allows for so "
                "small a step, and the rounding of both.",
                *_OURS,
            ),
            Row(
                "sampled",
                "The proved gradient against the mean of -(1{a' = a} - pi(a)) g(a') over the "
                "actions a' that --samples N draws in each state.",
                "The error of a mean of N draws, and rounding.",
                *_OURS,
            ),
            Row(
                "exact",
                "The proved gradient and both numeric derivatives against 40 digits of the loss, "
                "at the worst entries and at some drawn at random: it says which of them is wrong.",
                f"{_IN_FLOAT64}; 40 digits have no error of their own here.",
                *_OURS,
            ),
            _dumped("policy", "softmax of the logits, 0 where an action is masked"),
            _dumped("log_policy", "log softmax of the logits"),
            _dumped("entropy", "-sum pi log pi of each state"),
            _dumped("g", "Q - alpha log pi"),
            _dumped("value", "V = sum pi g of each state"),
            _dumped("advantage", "g - V"),
            _dumped(
                "loss", "the loss of each state, or its sum by the reduction and weights declared"
            ),
            Row(
                "gradient",
                "The gradient that your code computed against the proved formula, times what the "
                "reduction and the weights make of it: every entry, masked ones too.",
                _OF_DUMPS,
                "Your gradient is not that of the loss that you declared: the code is wrong, or "
                "what was declared is (--loss, --reduction, alpha and the like).",
                "Read the diagnosis: it names a mistake only where its formula gives every number "
                "that you dumped. Without a name, dump pi, log pi and the loss too, to see where "
                "it begins.",
            ),
            Row(
                "fit",
                "The factor that each part of the loss has in your gradient, fitted to all "
                "entries together, against 1.",
                "The uncertainty of the fit, and what errors that all entries share can do to it.",
                "A part of the loss has another factor than declared, by too little for any one "
                "entry to show.",
                "Check the coefficients that you dumped against those that the loss used: rounded, "
                "scheduled, or read before or after an update.",
            ),
        )
    }
)
"""In the order of the report."""
