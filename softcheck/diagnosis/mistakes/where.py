"""What no formula gives: how the numbers are wrong, in which places, or where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcheck.diagnosis.mistakes.needs import MASK, SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import true_gradient
from softcheck.diagnosis.mistakes.record import Mistake, Planted

if TYPE_CHECKING:
    import numpy as np

    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries


def _plant_low_precision(view: View, _: np.random.Generator) -> Entries:
    import numpy as np

    q, logits, alpha = (x.astype(np.float32) for x in (view.q, view.e.block.logits, view.alpha))
    z = logits - logits.max(axis=0)
    w = np.exp(z)
    log_pi = np.where(view.legal > 0, z - np.log(w.sum(axis=0)), np.float32(0.0))
    pi = w / w.sum(axis=0)
    g = q - alpha * log_pi
    single = -pi * (g - (pi * g).sum(axis=0)) * view.e.factor.astype(np.float32)
    grad: Entries = single.astype(np.float64)
    return grad


LOW_PRECISION = Mistake(
    code="low-precision",
    phrase="it was computed in a lower precision",
    what=(
        "Rounding in the precision named explains every difference. Say --compute-dtype if that is "
        "meant; trained critics with large |Q| lose 3 to 31 % of the gradient in bfloat16."
    ),
    wrong=(
        "G = T but for errors of 2^-24 (float32), 2^-11 (float16) or 2^-8 (bfloat16) of its terms"
    ),
    wrong_line="with torch.autocast('cuda', torch.bfloat16): loss = actor_loss(batch)",
    right_line="loss = actor_loss(batch.float())",
    seen="vllm-project/speculators#788: 3 to 31 % in bfloat16",
    planted=Planted(_plant_low_precision, not_in=("float32",)),
)


def _plant_isolated(view: View, _: np.random.Generator) -> Entries:
    import numpy as np

    grad = true_gradient(view)
    action, state = np.unravel_index(np.argsort(np.abs(grad), axis=None)[-2], grad.shape)
    grad[action, state] *= -1.0
    return grad


ISOLATED_ENTRIES = Mistake(
    code="isolated-entries",
    phrase="few entries are wrong and all others are right",
    what=(
        "The formula is right. Look at what is special about these places: padding, terminal "
        "states, an index that was written twice, damaged memory."
    ),
    wrong="G = T but at the places listed",
    wrong_line="grad[terminal] *= -1",
    right_line="treat every state alike",
    needs=SEVERAL_STATES,
    planted=Planted(_plant_isolated, in_parts=False),
)


def _plant_nan(view: View, _: np.random.Generator) -> Entries:
    import numpy as np

    legal = view.legal > 0
    return np.where(legal & ~legal.all(axis=0), np.nan, true_gradient(view))


NAN_FROM_MASK = Mistake(
    code="nan-from-mask",
    phrase="masked actions make NaN",
    what=(
        "0 * -inf: log pi of a masked action is -inf and its pi is 0. The backward pass spreads "
        "NaN over the masked entries, or over the legal ones of the same states."
    ),
    wrong="G is NaN in states with a masked action",
    wrong_line="log_pi = torch.log_softmax(logits.masked_fill(~mask, -torch.inf), -1)",
    right_line="log_pi = torch.log_softmax(logits.masked_fill(~mask, -1e8), -1)",
    seen=(
        "pytorch#40553, trl#7221; torchrl 0.14.1, DiscreteSACLoss with its default "
        "MaskedCategorical"
    ),
    needs=MASK,
    planted=Planted(_plant_nan, in_parts=False),
)


def _plant_not_finite(view: View, _: np.random.Generator) -> Entries:
    import numpy as np

    grad = true_gradient(view)
    grad[:, ::2] = np.inf
    return grad


NOT_FINITE = Mistake(
    code="not-finite",
    phrase="entries are not finite, and all others are right",
    what=(
        "NaN or infinity in many states: log of a probability that has underflowed to 0, an "
        "overflow of float16, or a division by 0. Everything finite is right, so the formula is."
    ),
    wrong="G is NaN or infinite at the places listed",
    wrong_line="log_pi = torch.softmax(logits, -1).log()",
    right_line="log_pi = torch.log_softmax(logits, -1)",
    needs=SEVERAL_STATES,
    planted=Planted(_plant_not_finite, in_parts=False),
)

FIRST_WRONG = Mistake(
    code="first-wrong",
    phrase="the first wrong quantity",
    what=(
        "With intermediates in the case, the mistake enters where the first of them goes wrong in "
        "the order of computation: policy, log_policy, entropy, g, value, advantage, loss, "
        "gradient. What follows may be wrong for its sake."
    ),
    wrong="the quantity named",
    wrong_line="see the diagnosis beside it",
    right_line="pi, log_pi, entropy, g = q - alpha log_pi, value = sum pi g, advantage = g - value",
    planted=None,
)


def _plant_other_step(view: View, _: np.random.Generator) -> Entries:
    """T of the logits after a step: of other data, which no formula has."""
    import numpy as np

    true = true_gradient(view)
    step = 0.01 * true / np.abs(true).max(initial=1e-300)
    logits = view.e.block.logits - step
    return true_gradient(view.at(logits=np.where(view.legal > 0, logits, -np.inf)))


UNEXPLAINED = Mistake(
    code="unexplained",
    phrase="no known mistake gives these numbers",
    what=(
        "No row of the table, at any of its named scales and temperatures, reproduces the "
        "gradient. The report says what scale and alpha come nearest, whether states sum to 0 and "
        "where the wrong entries are: dump intermediates (pi, log pi, g, V) to see where it "
        "begins. It may be a new one: please report it."
    ),
    wrong="unknown",
    wrong_line="unknown",
    right_line="g = q - alpha * log_pi; grad = -pi * (g - (pi * g).sum(-1, keepdim=True))",
    planted=Planted(_plant_other_step, in_parts=False),
)
