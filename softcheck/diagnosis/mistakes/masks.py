"""Mistakes around masked actions and padded states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import OPEN_MASK
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import Shared, View


def _masked_in_softmax(view: View) -> Columns:
    """-J0(m (Q - alpha l0 - alpha)): the mask after the softmax, not renormalised."""
    open_ = view.at(logits=view.open_logits)
    b = view.alpha * open_.J(view.legal * (open_.log_p + 1.0))
    return open_.parts(-open_.J(view.legal * view.q), b)


def _in_softmax(view: View) -> Iterator[Formula]:
    if view.is_soft:
        yield Formula(_masked_in_softmax)
    if view.unmasked is not None:
        said = "the mask is not applied"
        yield Formula(lambda view: RIGHT.columns(view.unmasked or view), said=said)


MASKED_IN_SOFTMAX = Mistake(
    code="masked-in-softmax",
    phrase="the mask is applied after the softmax",
    what=(
        "Illegal actions stay in the softmax, whether they were dropped from the sum behind it or "
        "not: pi does not sum to 1 over the legal ones, and masked logits get a gradient."
    ),
    wrong="G = m W - p0 sum m W, W = dL/dlog pi at p0, the policy without the mask; or T at p0",
    right="T = W - p sum W",
    wrong_line="log_pi = torch.log_softmax(logits, -1)",
    right_line="log_pi = torch.log_softmax(logits.masked_fill(~mask, -1e8), -1)",
    needs=OPEN_MASK,
    formulas=_in_softmax,
    every_loss=True,
)


def _masked_q_zero(view: View) -> Columns:
    """-J0(m Q - alpha l0): Q of illegal actions 0, the actions stay."""
    open_ = view.at(logits=view.open_logits)
    return open_.parts(-open_.J(view.legal * view.q), view.alpha * open_.J(open_.log_p))


MASKED_Q_ZERO = Mistake(
    code="masked-q-zero",
    phrase="Q of illegal actions is 0, and they stay in the softmax",
    what="Setting Q to 0 makes an illegal action an ordinary one of value 0.",
    wrong="G = -J0(m Q - alpha l0), with the unmasked policy p0",
    wrong_line="q = q * mask",
    right_line="logits = logits.masked_fill(~mask, -1e8)  # before the softmax",
    seen="Pearl",
    needs=OPEN_MASK,
    formulas=(Formula(_masked_q_zero),),
)


def _padded(shared: Shared) -> Iterator[float]:
    if shared.legal != shared.places:
        yield shared.legal / shared.places
        yield shared.places / shared.legal
        yield 1.0 / shared.legal / shared.reduction
    if shared.weighted and shared.weighted != shared.states:
        yield shared.weighted / shared.states
        # The mean over what has a weight is the weighted mean where weights are 0 and 1.
        if shared.weight_sum != shared.weighted:
            yield shared.states / shared.weighted


PADDING_IN_DENOMINATOR = Mistake(
    code="padding-in-denominator",
    phrase="what is masked or padded counts in the mean",
    what=(
        "The mean divides by all places where only the valid ones are meant, or the other way "
        "round."
    ),
    wrong="G = T n_valid / n",
    wrong_line="loss = (loss * valid).mean()",
    right_line="loss = (loss * valid).sum() / valid.sum()",
    seen="lerobot#3353, trl#2995",
    needs=Need("it needs masked actions, or weights of 0"),
    scale=_padded,
    every_loss=True,
)
