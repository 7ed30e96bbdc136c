"""What no formula gives: how the numbers are wrong, in which places, or where to look."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from softcheck.diagnosis.mistakes.later import np
from softcheck.diagnosis.mistakes.needs import MASK, SEVERAL_STATES
from softcheck.diagnosis.mistakes.parts import right, rounded, true_gradient
from softcheck.diagnosis.mistakes.record import Formula, Mistake, Planted, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from softcheck.diagnosis.columns import Columns
    from softcheck.diagnosis.view import View
    from softcheck.gradient.policy import Entries, PerState
    from softcheck.gradient.tolerance import Precision

_FEW = 4.0  # units in the last place that a coarse sum may be off
_ROUND = 0.1  # of the last digit
_SEEN = 0.25
_READ = Read(numbers=1)


def _plant_low_precision(view: View, _: np.random.Generator) -> Entries:
    """T of logits in float32, stored so too."""
    logits = view.e.block.logits.astype(np.float32).astype(np.float64)
    single = true_gradient(view.at(logits=logits)).astype(np.float32)
    grad: Entries = single.astype(np.float64)
    return grad


def _in_one_sum(value: Callable[[View], tuple[Entries, PerState]], precision: Precision) -> Formula:
    """Return T with one sum over actions rounded: T + p times its error, which is read off G.

    The sum is that of p v, and G has it times a number of each state; it must be a number that the
    precision has, as near to the right one as its arithmetic would come.
    """

    def parts(view: View) -> Columns:
        v, by = value(view)
        true, size = view.e.mean(v), view.e.mean(np.abs(v))
        error = view.grad.sum(axis=0) / view.e.factor
        kept = rounded(true + np.where(np.isfinite(error), error, 0.0) / by, precision)
        off = kept - true
        off[np.abs(off) > _FEW * precision.unit * size] = np.nan
        a = view.p * by * off - view.J(view.q)
        return view.parts(a, view.alpha * view.J(view.log_p))

    return Formula(parts, f"in a sum over actions, in {precision.value}", _sums_differ, 3.0, _READ)


def _sums_differ(view: View) -> bool:
    summed = view.is_soft and view.sums_wrong.any() and view.e.factor.all()
    return bool(summed and (view.alpha > 0.0).all())


_SUMS: Sequence[Callable[[View], tuple[Entries, PerState]]] = (
    lambda view: (np.where(view.p > 0.0, view.e.block.logits, 0.0), -view.alpha),
    lambda view: (view.e.policy.z, -view.alpha),
    lambda view: (view.log_p, -view.alpha),
    lambda view: (view.q, view.alpha**0.0),
    lambda view: (view.e.policy.g, view.alpha**0.0),
)
"""What is summed under p, and what the sum is multiplied by in the gradient."""


def _in_sums(view: View) -> Iterator[Formula]:
    from softcheck.gradient.tolerance import coarser

    for precision in coarser(view.dump.computed.unit):
        for value in _SUMS:
            yield _in_one_sum(value, precision)


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
    formulas=_in_sums,
    every_loss=True,
    planted=Planted(_plant_low_precision, not_in=("float32",)),
)


def _decimals(digits: int, size: Entries) -> Entries:
    return np.full_like(size, 10.0**-digits)


def _significant(digits: int, size: Entries) -> Entries:
    leading = 10.0 ** np.floor(np.log10(np.where(size > 0.0, size, 1.0)))
    return leading * 10.0 ** (1 - digits)


_Unit: TypeAlias = "Callable[[Entries], Entries]"
"""From the size of an entry to the unit of its last digit."""


def _size(view: View) -> Entries:
    return np.abs(np.where(np.isfinite(view.grad), view.grad, 0.0))


def _printed(view: View) -> Iterator[tuple[str, _Unit]]:
    """Yield in how few digits a gradient may have been printed, fixed or in scientific notation."""
    size = _size(view)
    if not size.any():
        return
    keeps = 4.0 * view.dump.stored.unit
    for said, unit_of in (("{} decimals", _decimals), ("{} digits", _significant)):
        for digits in range(1, 13):
            last = size / unit_of(digits, size)
            rough = last * keeps
            # Where that is the last digit that is stored, every number would do.
            if 2 * np.count_nonzero(rough > _ROUND) > np.count_nonzero(size):
                break
            whole = np.round(last)
            exact = np.abs(last - whole) <= rough + _ROUND / 100.0
            if (exact & ((whole > 0.0) | (size == 0.0))).all():
                yield said.format(digits), partial(unit_of, digits)
                break


def _as_printed(unit_of: _Unit) -> Callable[[View], Columns]:
    """T in so many digits: the number printed, wherever T is within half of its last digit."""

    def parts(view: View) -> Columns:
        _, true, tolerance, _ = view.right
        unit = unit_of(_size(view))
        is_near = np.abs(view.grad - true) <= 0.5 * unit + tolerance
        a = np.where(is_near, view.grad, np.round(true / unit) * unit)
        return replace(right(view), values=(a, np.zeros_like(a)))

    return parts


def _printed_digits(view: View) -> Iterator[Formula]:
    scale, size = view.right.scale, _size(view)
    for said, unit_of in _printed(view):
        # Of what is smaller than the last digit nothing is left to tell.
        if 2 * np.count_nonzero(unit_of(size) < _SEEN * scale) > np.count_nonzero(scale):
            yield Formula(_as_printed(unit_of), said, cost=2.0)


def _plant_printed(view: View, _: np.random.Generator) -> Entries:
    true = true_gradient(view)
    return true.round(3 - int(np.floor(np.log10(np.abs(true).max()))))


PRINTED_DIGITS = Mistake(
    code="printed-digits",
    phrase="the gradient was printed with few digits",
    what=(
        "Every number is the right one but for the digits that a text file or a log left: %.4f, "
        "%.6f, the four decimals of a printed tensor."
    ),
    wrong="G = T rounded to the digits named",
    wrong_line="np.savetxt('grad.csv', grad, fmt='%.4f', delimiter=',')",
    right_line="np.save('grad.npy', grad)",
    formulas=_printed_digits,
    planted=Planted(_plant_printed, in_parts=False),
)


def _plant_isolated(view: View, _: np.random.Generator) -> Entries:
    grad = true_gradient(view)
    action, state = np.unravel_index(np.argsort(np.abs(grad), axis=None)[-2], grad.shape)
    grad[action, state] *= -1.0
    return grad


ISOLATED_ENTRIES = Mistake(
    code="isolated-entries",
    phrase="few entries are wrong and all others are right",
    what=(
        "What is computed everywhere is right, so look at what is special about these places: "
        "padding, terminal states, values so large that something clips them, an index that was "
        "written twice, damaged memory."
    ),
    wrong="G = T but at the places listed",
    wrong_line="grad[terminal] *= -1",
    right_line="treat every state alike",
    needs=SEVERAL_STATES,
    every_loss=True,
    planted=Planted(_plant_isolated, in_parts=False),
)


def _plant_nan(view: View, _: np.random.Generator) -> Entries:
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
    every_loss=True,
    planted=Planted(_plant_nan, in_parts=False),
)


def _plant_not_finite(view: View, _: np.random.Generator) -> Entries:
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
    every_loss=True,
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
    every_loss=True,
    planted=Planted(_plant_other_step, in_parts=False),
)
